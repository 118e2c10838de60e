"""Which snapshots hold the last good version of a photo that is bad in a later one.

For each device and source, the trees of one snapshot and the next are compared from the top; what has the same listing pages
is passed over, so that a long history costs little.  When a photo that was good becomes another, or goes, the snapshot before
is the newest that has it; if a later one has a bad version, and none a good one after that, that snapshot holds it.  Bytes that
a later look found bad were not good before, either.

Guarantee: for every path, if the newest good version is followed by a bad one in any later snapshot, the newest snapshot
with the good one is named.  Not guaranteed: that a photo which was encrypted under another name is known as the same.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.forget.values import Hold
from photovault.model import EntryKind
from photovault.photos.goodness import is_bad, is_good
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.model import Entry
    from photovault.vault.reader import Reader
    from photovault.vault.vault import NamedSnapshot

    Pages = tuple[bytes, ...]

_KEPT = 256  # pages that are likely to be asked for again: what is new in one comparison is old in the next


def holds(reader: Reader, found: Iterable[NamedSnapshot]) -> dict[bytes, Hold]:
    """By snapshot, the photos whose last good version it holds.

    Raises:
        DamageError: a listing cannot be read.
    """
    pages = PageReader(reader)
    held: dict[bytes, list[bytes]] = {}
    for line in _lines(pages, found).values():
        for path, one in _held(pages, line).items():
            held.setdefault(one.name, []).append(path)
    return {name: Hold(photos=len(paths), first=fmt.shown(min(paths))) for name, paths in held.items()}


def _lines(
    pages: PageReader, found: Iterable[NamedSnapshot]
) -> dict[tuple[bytes, bytes], list[tuple[NamedSnapshot, Pages]]]:
    """Every source of every device: its snapshots, oldest first, with the listing of the source."""
    lines: dict[tuple[bytes, bytes], list[tuple[NamedSnapshot, Pages]]] = {}
    for one in sorted(found, key=lambda one: (one.snapshot.number, one.snapshot.time, one.name)):
        for entry in pages.entries(one.snapshot.root):
            lines.setdefault((one.snapshot.device_id, entry.name), []).append((one, entry.parts))
    return lines


@dataclass(slots=True)
class _Photo:
    """What became of one path: in turn, good versions with the newest snapshot that has them, and bad ones without."""

    events: list[tuple[bytes, NamedSnapshot | None]] = field(default_factory=list)
    now: bytes = b""  # SHA-256 of the version that is there, if it is good

    def holder(self) -> NamedSnapshot | None:
        """The snapshot that holds the last good version, if a bad one came later.

        What was said last of the same bytes counts: those that a later look found bad were never good.
        """
        if self.now:
            return None
        later, is_bad_now = False, dict[bytes, bool]()
        for digest, one in reversed(self.events):
            is_bad_now.setdefault(digest, one is None)
            if one is None:
                later = True
            elif not is_bad_now[digest]:
                return one if later else None
        return None


def _held(pages: PageReader, line: Sequence[tuple[NamedSnapshot, Pages]]) -> dict[bytes, NamedSnapshot]:
    """By path, the snapshot that holds its last good version."""
    photos: defaultdict[bytes, _Photo] = defaultdict(_Photo)
    for (one, old), (_, new) in pairwise(line):
        for path, before, after in _changes(pages, old, new):
            photo = photos[path]
            if before is not None and is_good(before):
                photo.events.append((before.digest, one))
            if after is not None and is_bad(after):
                photo.events.append((after.digest, None))
            photo.now = after.digest if after is not None and is_good(after) else b""
    found = ((path, photo.holder()) for path, photo in photos.items())
    return {path: one for path, one in found if one is not None}


def _changes(pages: PageReader, old: Pages, new: Pages) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
    """Every file whose entry is another in the new tree, with both entries."""
    stack: list[tuple[bytes, Pages, Pages]] = [(b"", old, new)]
    while stack:
        path, left, right = stack.pop()
        before, after = _differing(pages, left, right)
        for name in sorted(before.keys() | after.keys()):
            one, other = before.get(name), after.get(name)
            if one == other:
                continue
            below = path + b"/" + name if path else name
            if _pages(one) != _pages(other):
                stack.append((below, _pages(one), _pages(other)))
            if _is_file(one) or _is_file(other):
                yield below, one if _is_file(one) else None, other if _is_file(other) else None


def _differing(pages: PageReader, left: Pages, right: Pages) -> tuple[dict[bytes, Entry], dict[bytes, Entry]]:
    """The entries on pages that only one of two listings has, by name."""
    shared = set(left) & set(right)
    before, after = (
        {entry.name: entry for entry in pages.entries(page for page in side if page not in shared)}
        for side in (left, right)
    )
    return before, after


def _pages(entry: Entry | None) -> Pages:
    return entry.parts if entry is not None and entry.kind is EntryKind.FOLDER else ()


def _is_file(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.FILE


class PageReader:
    """Entries of listings; what was read last is kept."""

    def __init__(self, reader: Reader) -> None:
        """Read by ``reader``."""
        self._reader = reader
        self._kept: OrderedDict[bytes, tuple[Entry, ...]] = OrderedDict()

    def entries(self, pages: Iterable[bytes]) -> Iterator[Entry]:
        """The entries of some pages; DamageError when one cannot be read."""
        for page in pages:
            yield from self._page(page)

    def _page(self, page: bytes) -> tuple[Entry, ...]:
        found = self._kept.get(page)
        if found is None:
            entries = list(self._reader.folder((page,)))
            for entry in entries:
                if isinstance(entry, DamageError):
                    raise unreadable(entry)
            found = self._kept[page] = tuple(entry for entry in entries if not isinstance(entry, DamageError))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(page)
        return found


def unreadable(error: DamageError) -> DamageError:
    """What a forget says of a listing that it cannot read."""
    return DamageError(
        f"{error.what}; so nobody knows what is needed, and nothing was removed",
        "mend it with `photovault check --repair`, or forget the snapshots that it names: `photovault forget SNAP`",
    )
