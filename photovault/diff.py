"""Comparing two snapshots, photo by photo.

1. Both trees are walked side by side in the order of the names; folders with the same listing pages are passed over.
2. A file that went here and came there with the same digest has moved.  What only its listing tells otherwise, because
   more is known of the photo now, is no difference.
3. A file that changed kept its picture if most of its bytes are in parts that both versions have: files are cut where
   metadata ends and image data begins (``photos.split``), so an edit of metadata leaves those parts as they were.  A video
   that a photo carries counts for neither.
4. Each difference names the primary of the set (``photos.sets``) that its file is in, so that a Live Photo that was added is
   told once.

Pure but for reading the listings and the lengths of parts.  Not guaranteed: that a picture whose file is a single part (up
to 16 KiB), or whose parts are no longer known, is told from its metadata; it counts as a picture that changed, unless its
thumbnail stayed the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.facts import NOTHING
from photovault.model import Entry, EntryKind
from photovault.photos.sets import Sort, sets_of, sort_of
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from photovault.vault.reader import Reader

    Length = Callable[[bytes], int | None]


class Kind(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    CHANGED = "changed"
    DETAILS = "details"
    MOVED = "moved"
    GONE = "gone"


class Edit(StrEnum):
    """What of a changed photo or video is another: only what is written about it, or what it shows."""

    METADATA = "metadata"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference.

    Attributes:
        path: in the newer snapshot, or in the older one if it is gone.
        before: where it was, if it moved.
        what: of a changed photo, video or sidecar: what is another in it.
        of_set: path of the primary of the set that it is in, where it is not the primary itself; else its own.
    """

    kind: Kind
    path: str
    size: int
    before: str = ""
    what: Edit | None = None
    of_set: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A file in one of the two trees, and the path of the primary of its set."""

    entry: Entry
    of_set: str


def run_diff(reader: Reader, older: Sequence[bytes], newer: Sequence[bytes]) -> list[Change]:
    """What changed between the trees at two roots, in the order of the paths.

    Raises:
        DamageError: a listing cannot be read.
    """
    gone: dict[str, Side] = {}
    added: dict[str, Side] = {}
    changes: list[Change] = []
    for path, before, after in _pairs(reader, older, newer):
        if before is None and after is not None:
            added[path] = after
        elif after is None and before is not None:
            gone[path] = before
        elif before is not None and after is not None:
            changes += _changed(path, before, after, reader)
    return sorted([*changes, *match_moves(gone, added)], key=lambda change: change.path)


def _changed(path: str, before: Side, after: Side, reader: Reader) -> Iterator[Change]:
    old, new = (replace(side.entry, facts=NOTHING) for side in (before, after))
    if old == new:
        return
    if (old.digest, old.target, old.kind) == (new.digest, new.target, new.kind):
        kind, what = Kind.DETAILS, None
    else:
        kind, what = Kind.CHANGED, edit_of(before.entry, after.entry, lambda part: _length(reader, part))
    yield Change(kind=kind, path=path, size=new.size, what=what, of_set=after.of_set)


def edit_of(before: Entry, after: Entry, length: Length) -> Edit | None:
    """What of a file is another; None for what is neither photo, video nor sidecar.

    ``length`` gives the bytes of a part, or None where they are not known.
    """
    sorts = {sort_of(entry.name, entry.facts) for entry in (before, after)}
    if sorts == {Sort.SIDECAR}:
        return Edit.METADATA
    if Sort.OTHER in sorts or EntryKind.LINK in (before.kind, after.kind):
        return None
    if before.facts.kind != after.facts.kind:
        return Edit.PICTURE
    kept = sum(length(part) or 0 for part in (Counter(before.parts) & Counter(after.parts)).elements())
    alike = all(_is_most(kept, entry) for entry in (before, after))
    return Edit.METADATA if alike or (Sort.VIDEO not in sorts and _look_alike(before, after)) else Edit.PICTURE


def _look_alike(before: Entry, after: Entry) -> bool:
    """Whether two pictures too small for parts have the same thumbnail, which at that size shows all there is."""
    small = len(before.parts) == len(after.parts) == 1
    return small and before.facts.thumbnail != b"" and before.facts.thumbnail == after.facts.thumbnail


def _is_most(kept: int, entry: Entry) -> bool:
    """Whether parts of ``kept`` bytes are most of a file without the video that it may carry."""
    video = min(entry.facts.motion or 0, entry.size)
    return 2 * (kept - video) > entry.size - video


def match_moves(gone: Mapping[str, Side], added: Mapping[str, Side]) -> Iterator[Change]:
    """Pair files that went with files of the same digest that came; what stays alone is gone or added."""
    by_digest: dict[bytes, list[str]] = defaultdict(list)
    for path in sorted(gone, reverse=True):
        if gone[path].entry.digest:
            by_digest[gone[path].entry.digest].append(path)
    moved: set[str] = set()
    for path, side in sorted(added.items(), key=lambda one: one[0]):
        size, of_set = side.entry.size, side.of_set
        if by_digest.get(side.entry.digest):
            before = by_digest[side.entry.digest].pop()
            moved.add(before)
            yield Change(kind=Kind.MOVED, path=path, size=size, before=before, of_set=of_set)
        else:
            yield Change(kind=Kind.ADDED, path=path, size=size, of_set=of_set)
    for path, side in gone.items():
        if path not in moved:
            yield Change(kind=Kind.GONE, path=path, size=side.entry.size, of_set=side.of_set)


def in_photos(changes: Iterable[Change]) -> list[list[Change]]:
    """Differences of the same kind in files of one set, together; the primary's first, then in the order of the paths."""
    together: dict[tuple[Kind, str, str, Edit | None], list[Change]] = defaultdict(list)
    for change in changes:
        folder = change.before.rpartition("/")[0]
        together[change.kind, change.of_set, folder, change.what].append(change)
    return [sorted(group, key=lambda one: (one.path != one.of_set, one.path)) for group in together.values()]


def _pairs(
    reader: Reader, older: Sequence[bytes], newer: Sequence[bytes]
) -> Iterator[tuple[str, Side | None, Side | None]]:
    """Files and links of both trees by path, where their folders differ."""
    stack: list[tuple[str, Sequence[bytes], Sequence[bytes]]] = [("", older, newer)]
    while stack:
        path, left, right = stack.pop()
        if tuple(left) == tuple(right):
            continue
        before, after = _by_name(reader.folder(left)), _by_name(reader.folder(right))
        of_set, new_set = _primaries(path, before.values()), _primaries(path, after.values())
        for name in sorted(before.keys() | after.keys()):
            one, other = before.get(name), after.get(name)
            inside = _inside(path, name)
            if _is_folder(one) or _is_folder(other):
                stack.append((inside, _pages(one), _pages(other)))
            file, new = _side(one, of_set), _side(other, new_set)
            if file is not None or new is not None:
                yield inside, file, new


def _by_name(entries: Iterable[Entry | DamageError]) -> dict[bytes, Entry]:
    found = {}
    for entry in entries:
        if isinstance(entry, DamageError):
            raise entry
        found[entry.name] = entry
    return found


def _primaries(path: str, entries: Iterable[Entry]) -> dict[bytes, str]:
    """The path of the primary of each file's set."""
    files = [(entry.name, entry.facts) for entry in entries if entry.kind is not EntryKind.FOLDER]
    return {name: _inside(path, one.primary) for one in sets_of(files) for name, _ in one.members}


def _side(entry: Entry | None, of_set: Mapping[bytes, str]) -> Side | None:
    return None if entry is None or _is_folder(entry) else Side(entry=entry, of_set=of_set[entry.name])


def _inside(path: str, name: bytes) -> str:
    return f"{path}/{shown(name)}" if path else shown(name)


def _length(reader: Reader, part: bytes) -> int | None:
    try:
        return reader.place(part).region.record.length
    except DamageError:
        return None


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.FOLDER


def _pages(entry: Entry | None) -> Sequence[bytes]:
    return entry.parts if entry is not None and entry.kind is EntryKind.FOLDER else ()
