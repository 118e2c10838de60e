"""What a photo was like in every snapshot, by its path; and what came, changed and went from one snapshot to the next.

For versions only the folders on the path are read, of each snapshot; where a folder has the listing that it had in a
snapshot before, what is below it is known.  Snapshots are looked at from the newest back, for at most ten seconds: what was seen is
kept, so that asking again goes on from there.  Two snapshots show the same version where all files of the set are the same;
what only their listings tell otherwise, because more is known of the photo now, is no difference.

Not guaranteed: that the same path on two computers is the same photo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from time import monotonic as _clock
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.cache import Cache
from photovault.diff import Change, Edit, Kind, edit_of, in_photos, run_diff
from photovault.errors import DamageError
from photovault.gallery.values import Version
from photovault.model import EntryKind
from photovault.photos.sets import Sort, sort_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.app.viewing.desk import Opened
    from photovault.library import Row
    from photovault.model import Entry
    from photovault.vault.reader import Reader
    from photovault.vault.vault import NamedSnapshot

SHOWN: Final = 300
"""Tiles of each kind of change."""

_PATIENCE: Final = 10.0
_KEPT: Final = 20_000
_UNREAD: Final = "older snapshots were not looked at yet, which takes longer: load the page again to go on"
_LOST: Final = "the listings of some snapshots cannot be read; run `photovault check`"
_Files = tuple["Entry | None", ...]
_Pages = tuple[bytes, ...]


# Versions ---------------------------------------------------------------------------------------------------------------


class Histories:
    """Finds versions; remembers what folders hold.  For the thread of a desk."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._folders: Cache[tuple[_Pages, bytes], _Pages | None] = Cache(count=_KEPT)
        self._sets: Cache[tuple[_Pages, tuple[bytes, ...]], _Files] = Cache(count=_KEPT)

    def versions(self, opened: Opened, row: Row, shown: NamedSnapshot) -> tuple[tuple[Version, ...], str]:
        """The versions of a row's photo, the oldest first, and what is not known of them."""
        path = (*row.folder.split(b"/"),) if row.folder else ()
        names = tuple(one.name for one in row.members)
        until = _clock() + _PATIENCE
        seen: list[_Seen] = []
        note = ""
        for one in reversed(opened.snapshots().found):
            if _clock() > until:
                note = _UNREAD
                break
            try:
                seen.append(_Seen(one, self._files(opened.reader, one.snapshot.root, path, names)))
            except DamageError:
                note = _LOST
        seen.reverse()
        return tuple(_told(opened, row, shown, list(_there(seen)))), note

    def _files(self, reader: Reader, pages: _Pages, path: Sequence[bytes], names: tuple[bytes, ...]) -> _Files:
        """The files of these names at a path below a folder; None for those that are not there."""
        for name in path:
            inside = self._folders.made((pages, name), partial(_folder, reader, pages, name))
            if inside is None:
                return (None,) * len(names)
            pages = inside
        return self._sets.made((pages, names), partial(_set, reader, pages, names))


def _folder(reader: Reader, pages: _Pages, name: bytes) -> _Pages | None:
    """The listing of a folder in a folder; None where there is no such folder."""
    found = _named(reader, pages, {name}).get(name)
    return found.parts if found is not None and found.kind is EntryKind.FOLDER else None


def _set(reader: Reader, pages: _Pages, names: tuple[bytes, ...]) -> _Files:
    """The files of these names in a folder."""
    there = _named(reader, pages, set(names))
    return tuple(_file(there.get(name)) for name in names)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The files of a set in a snapshot, in the order of the row's members."""

    one: NamedSnapshot
    files: _Files

    @property
    def primary(self) -> Entry | None:
        return self.files[0]

    @property
    def key(self) -> tuple[bytes, ...]:
        """What is the same where the version is: nothing where the photo is gone, whatever is left of its set."""
        return () if self.primary is None else tuple(b"" if file is None else file.digest for file in self.files)


def _named(reader: Reader, pages: Sequence[bytes], names: set[bytes]) -> dict[bytes, Entry]:
    """The entries of these names in a folder; DamageError when it cannot be read."""
    found = {}
    for entry in reader.folder(pages):
        if isinstance(entry, DamageError):
            raise entry
        if entry.name in names:
            found[entry.name] = entry
    return found


def _file(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.kind is EntryKind.FILE else None


def _there(seen: Sequence[_Seen]) -> Iterator[_Seen]:
    """Without the snapshots of devices that do not have the photo yet, or never."""
    have = set()
    for one in seen:
        if one.primary is not None:
            have.add(one.one.snapshot.device_id)
        if one.one.snapshot.device_id in have:
            yield one


def _told(opened: Opened, row: Row, shown: NamedSnapshot, seen: Sequence[_Seen]) -> Iterator[Version]:
    before: _Seen | None = None
    for _, same in groupby(seen, key=lambda one: one.key):
        group = list(same)
        number, at = _row(opened, row, group)
        yield Version(
            moments=tuple(one.one.id for one in group),
            since=group[0].one.snapshot.time,
            until=group[-1].one.snapshot.time,
            what=_what(opened.reader, before, group[0]),
            size=group[0].primary.size if group[0].primary is not None else 0,
            number=number,
            at=at,
            is_shown=any(one.one.name == shown.name for one in group),
        )
        before = group[0]


def _row(opened: Opened, row: Row, group: Sequence[_Seen]) -> tuple[int, str]:
    """The number of a version's row and the snapshot it is of: the newest that the catalog knows, else the newest."""
    if group[0].primary is None:
        return 0, ""
    name = row.members[0].name
    for one in reversed(group):
        snapshot = one.one.name
        if opened.library.mark(snapshot) is not None:
            found = opened.library.show(lambda show, at=snapshot: show.by_names(at, row.folder, [name]))  # type: ignore[misc]
            return found[name].number if name in found else 0, one.one.id
    return 0, group[-1].one.id


def _what(reader: Reader, before: _Seen | None, after: _Seen) -> str:
    """What is another than before."""
    if after.primary is None:
        return "gone"
    if before is None or before.primary is None:
        return "first"
    if before.primary.digest != after.primary.digest:
        edit = edit_of(before.primary, after.primary, lambda part: _length(reader, part))
        return str(edit or Edit.PICTURE)
    others = zip(before.files[1:], after.files[1:], strict=True)
    changed = [new or old for old, new in others if (old and old.digest) != (new and new.digest)]
    beside = all(entry is not None and _is_note(entry) for entry in changed)
    return str(Edit.METADATA if beside else Edit.PICTURE)


def _is_note(entry: Entry) -> bool:
    return sort_of(entry.name, entry.facts) is Sort.SIDECAR


def _length(reader: Reader, part: bytes) -> int | None:
    try:
        return reader.place(part).region.record.length
    except DamageError:
        return None


# Changes ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What is another in a snapshot than in the one before of its device, photo by photo.

    Attributes:
        counts: by ``Kind``.
        paths: by ``Kind``, where the first few hundred photos are, as they are shown.
    """

    counts: dict[str, int] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Diffs:
    """Compares snapshots, and remembers the last few answers.  For the thread of a desk."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._known: Cache[tuple[_Pages, _Pages], Differences] = Cache()

    def differences(self, opened: Opened, older: NamedSnapshot, newer: NamedSnapshot) -> Differences:
        """What changed.  DamageError when a listing cannot be read."""
        roots = older.snapshot.root, newer.snapshot.root
        return self._known.made(roots, lambda: _differences(run_diff(opened.reader, *roots)))


def _differences(changes: Sequence[Change]) -> Differences:
    photos = [group[0] for group in in_photos(changes)]
    by_kind: dict[str, list[Change]] = {str(kind): [] for kind in (*Kind, Edit.METADATA)}
    for one in photos:
        by_kind[str(Edit.METADATA if one.what is Edit.METADATA else one.kind)].append(one)
    return Differences(
        counts={kind: len(found) for kind, found in by_kind.items()},
        paths={kind: tuple(one.of_set or one.path for one in found[:SHOWN]) for kind, found in by_kind.items()},
    )


def before_of(found: Sequence[NamedSnapshot], one: NamedSnapshot) -> NamedSnapshot | None:
    """The snapshot before of the same device, of those that are kept."""
    own = [other for other in found if other.snapshot.device_id == one.snapshot.device_id]
    earlier = [other for other in own if other.snapshot.number < one.snapshot.number]
    return max(earlier, key=lambda other: other.snapshot.number, default=None)


def at_paths(opened: Opened, one: NamedSnapshot, paths: Sequence[str]) -> list[Row]:
    """Rows of the photos at these paths, written as for people, as far as the catalog knows them; a page of them is few folders."""
    if opened.library.mark(one.name) is None:
        return []
    found: list[Row] = []
    by_folder = groupby(
        sorted(path.encode("utf-8", "surrogateescape").rpartition(b"/")[::2] for path in paths),
        key=lambda pair: pair[0],
    )
    for folder, pairs in by_folder:
        names = [name for _, name in pairs]
        found += opened.library.show(lambda show, at=folder, some=names: show.by_names(one.name, at, some)).values()  # type: ignore[misc]
    return found
