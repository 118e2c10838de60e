"""The rule for one folder: what is unchanged, what moved, what must be read.

A file is unchanged when name, inode, size, modification and change time are those of the last backup.  It has moved when
another name had the same inode, size and modification time; an equal change time makes that sure (a folder above was
renamed), else its first part is compared before it is believed, because an inode can be used again; what was kept in
doubt proves nothing.  Everything else is read.  Pure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from photovault.model import DOUBTFUL, EntryKind, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from photovault.photos.scan import Found

    Elsewhere = Callable[[int], list[tuple[Stamp, bytes]]]


@dataclass(slots=True, kw_only=True)
class Totals:
    """What a plan or a run counts: files, and for what is to be read its bytes.

    ``looks``: unchanged files that are only looked at, of ``look_bytes``; ``reread``: unchanged files that are read
    all the same.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    gone: int = 0
    read_bytes: int = 0
    others: int = 0
    cloud: int = 0
    held: int = 0
    reread: int = 0
    looks: int = 0
    look_bytes: int = 0

    def count(self, **more: int) -> None:
        """Add to some of the numbers."""
        for name, number in more.items():
            setattr(self, name, getattr(self, name) + number)

    def include(self, more: Totals) -> None:
        """Add all numbers of another count."""
        self.count(**asdict(more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file whose bytes are known from elsewhere: its entry there, and whether that must be verified first."""

    found: Found
    entry: bytes
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderChange:
    """How a folder differs from what is known of it."""

    read: tuple[Found, ...] = ()
    moved: tuple[Moved, ...] = ()
    kept: frozenset[bytes] = frozenset()
    totals: Totals = field(default_factory=Totals)


def plan_folder(
    found: Sequence[Found],
    known: set[Stamp],
    by_inode: Elsewhere,
    hidden: AbstractSet[bytes] = frozenset(),
    *,
    again: bool = False,
) -> FolderChange:
    """Compare a folder's files with what is known.

    Args:
        found: what is there now.
        known: what was there at the last backup.
        by_inode: gives known files anywhere.
        hidden: names that are there and cannot or must not be read now.
        again: read every file, whatever is known of it.
    """
    names = {stamp.name for stamp in known}
    kept = frozenset(one.stamp.name for one in found if one.stamp in known and not (again and one.is_file))
    read, moved = [], []
    for one in found:
        if one.stamp.name in kept:
            continue
        twin = None if again else _twin(one, by_inode(one.stamp.ino))
        if twin is None:
            read.append(one)
        else:
            moved.append(twin)
    new = sum(one.stamp.name not in names for one in read)
    reread = sum(one.stamp in known for one in read) if again else 0
    present = {one.stamp.name for one in found} | hidden
    return FolderChange(
        read=tuple(read),
        moved=tuple(moved),
        kept=kept,
        totals=Totals(
            new=new,
            changed=len(read) - new - reread,
            moved=len(moved),
            unchanged=len(kept) + reread,
            reread=reread,
            gone=len(names - present),
            read_bytes=sum(one.stamp.size for one in read if one.kind is EntryKind.FILE),
        ),
    )


def join(path: bytes, name: bytes) -> bytes:
    """A path inside a source."""
    return path + b"/" + name if path else name


def _twin(one: Found, candidates: Iterable[tuple[Stamp, bytes]]) -> Moved | None:
    """The same file under another name: same inode, size and modification time.

    An equal change time makes it sure (a folder above was renamed).  Renaming the file itself sets a new change time;
    then its first part is compared before it is believed, because an inode can be used again.
    """
    if one.kind is not EntryKind.FILE or not one.stamp.size:
        return None
    for stamp, entry in candidates:
        if stamp[1:4] == one.stamp[1:4] and stamp.ctime_ns != DOUBTFUL:
            sure = stamp.ctime_ns == one.stamp.ctime_ns
            if sure or stamp.name != one.stamp.name:
                return Moved(found=one, entry=entry, sure=sure)
    return None
