"""The listings of snapshots, every file in them, and what the damage costs: in whose snapshots, and which version is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.check.values import Lost
from photovault.errors import DamageError, MissingError
from photovault.model import EntryKind, Finding
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from photovault.model import Entry
    from photovault.vault.reader import Reader
    from photovault.vault.vault import NamedSnapshot

FILES_SHOWN = 1000  # of one finding: a lost pack can cost more than anybody reads
VERSIONS_SOUGHT = 1000  # of so many lost files a good version is looked for


@dataclass(slots=True, kw_only=True)
class Cost:
    """What a bad pack, or the lack of one, costs: files, as far as they are shown, and thumbnails."""

    files: list[str] = field(default_factory=list)
    thumbnails: set[bytes] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Loss:
    """A file or folder that is lost, on the way to a ``Lost``."""

    path: str
    origin: bytes
    is_folder: bool
    snapshots: list[str] = field(default_factory=list)
    parts: set[bytes] = field(default_factory=set)
    good: str = ""


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way: its path for people, its raw path below the top, its pages."""

    path: str
    raw: bytes
    pages: Sequence[bytes]


@dataclass(slots=True)
class Tree:
    """What snapshots need, and what of it is lost.

    Attributes:
        lost_in: see ``data.Packs``.
        findings: listings that are lost.
        files: how many were looked at.
        costs: by the name of the bad pack; empty for what is in no pack.
        is_blind: a listing cannot be read, so not everything that is needed is known.
    """

    reader: Reader
    lost_in: Callable[[bytes], str | None]
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    costs: dict[str, Cost] = field(default_factory=dict)
    lost_parts: set[bytes] = field(default_factory=set)
    lost_thumbnails: set[bytes] = field(default_factory=set)
    is_blind: bool = False
    _good_pages: set[bytes] = field(default_factory=set)
    _losses: dict[tuple[bytes, bytes], _Loss] = field(default_factory=dict)
    _folders: dict[Sequence[bytes], dict[bytes, Entry]] = field(default_factory=dict)

    def walk(self, one: NamedSnapshot) -> None:
        """Every listing and every file of a snapshot."""
        stack = [_Visit(path="", raw=b"", pages=one.snapshot.root)]
        while stack:
            visit = stack.pop()
            for page in visit.pages:
                if page not in self._good_pages:
                    stack += self._page(one, visit, page)

    def _page(self, one: NamedSnapshot, visit: _Visit, page: bytes) -> list[_Visit]:
        """Check one page of a listing; returns the folders in it."""
        try:
            lost_in = self.lost_in(page)
            if lost_in:
                raise DamageError(f"it is in {lost_in}, which is damaged")  # noqa: TRY301 - one way to report
            entries = fmt.read_page(self.reader.part(page))
        except (DamageError, MissingError) as error:
            self._page_lost(one, visit, page, error.what)
            return []
        sound = True
        folders: list[_Visit] = []
        for entry in entries:
            path = f"{visit.path}/{fmt.shown(entry.name)}" if visit.path else fmt.shown(entry.name)
            raw = visit.raw + b"/" + entry.name if visit.raw else entry.name
            if entry.kind is EntryKind.FOLDER:
                folders.append(_Visit(path=path, raw=raw, pages=entry.parts))
                continue
            self.files += 1
            sound &= self._file(one, _Visit(path=path, raw=raw, pages=entry.parts))
            sound &= self._thumbnail(entry.facts.thumbnail)
        if sound and not folders:
            self._good_pages.add(page)
        return folders

    def _page_lost(self, one: NamedSnapshot, visit: _Visit, page: bytes, why: str) -> None:
        self.is_blind = True
        where = f"{one.id[:8]}:{visit.path or '/'}"
        hint = "the files in it cannot be restored from this snapshot; try others, or another copy of the vault"
        self.findings.append(Finding(what=f"a listing is lost: {why}", where=where, files=(where,), hint=hint))
        self._note_loss(one, visit, [page], is_folder=True)

    def _file(self, one: NamedSnapshot, file: _Visit) -> bool:
        """Whether all parts of a file have a good place; otherwise the file is noted."""
        lost = [part for part in file.pages if self.lost_in(part) is not None]
        if not lost:
            return True
        cost = self._cost(lost[0])
        if len(cost.files) < FILES_SHOWN:
            cost.files.append(f"{one.id[:8]}:{file.path}")
        self._note_loss(one, file, lost, is_folder=False)
        return False

    def _note_loss(self, one: NamedSnapshot, visit: _Visit, parts: Iterable[bytes], *, is_folder: bool) -> None:
        key = one.snapshot.device_id, visit.raw
        loss = self._losses.get(key)
        if loss is None or (is_folder and not loss.is_folder):
            loss = self._losses[key] = _Loss(
                path=visit.path or "/", origin=_origin(one, visit.raw), is_folder=is_folder
            )
        if loss.snapshots[-1:] != [one.id]:
            loss.snapshots.append(one.id)
        loss.parts.update(parts)
        self.lost_parts.update(parts)

    def _thumbnail(self, part: bytes) -> bool:
        """Whether a thumbnail, if there should be one, has a good place; otherwise it is noted."""
        if not part or self.lost_in(part) is None:
            return True
        self._cost(part).thumbnails.add(part)
        self.lost_thumbnails.add(part)
        return False

    def _cost(self, part: bytes) -> Cost:
        """Where it is to be noted what the loss of a part costs."""
        return self.costs.setdefault(self.lost_in(part) or "", Cost())

    def lost(self, found: Sequence[NamedSnapshot]) -> tuple[Lost, ...]:
        """What cannot be restored, and which of the snapshots, these and no others, still has a good version of it."""
        self._seek_good_versions(found)
        return tuple(_lost(device, loss) for (device, _), loss in sorted(self._losses.items()))

    def _seek_good_versions(self, found: Sequence[NamedSnapshot]) -> None:
        """Look through the snapshots, the newest first, for whole versions of the lost files."""
        wanted = {key: frozenset(loss.snapshots) for key, loss in list(self._losses.items())[:VERSIONS_SOUGHT]}
        for one in reversed(found):
            for (device_id, raw), bad in list(wanted.items()):
                if one.snapshot.device_id == device_id and one.id not in bad and self._is_whole(one, raw):
                    self._losses[device_id, raw].good = one.id
                    del wanted[device_id, raw]

    def _is_whole(self, one: NamedSnapshot, raw: bytes) -> bool:
        """Whether a snapshot has a file or folder at a path, and all that it needs."""
        pages = one.snapshot.root
        for name in raw.split(b"/") if raw else ():
            entry = self._listing(pages).get(name)
            if entry is None:
                return False
            pages = entry.parts
        return all(self.lost_in(part) is None for part in pages)

    def _listing(self, pages: Sequence[bytes]) -> dict[bytes, Entry]:
        """A folder by name, as far as it can be read; the last ones are kept."""
        if pages not in self._folders:
            if len(self._folders) > FILES_SHOWN:
                self._folders.clear()
            entries = self.reader.folder(page for page in pages if self.lost_in(page) is None)
            self._folders[pages] = {one.name: one for one in entries if not isinstance(one, DamageError)}
        return self._folders[pages]


def _origin(one: NamedSnapshot, raw: bytes) -> bytes:
    """Where a file of a snapshot was on its device; empty for what is above all sources."""
    label, _, below = raw.partition(b"/")
    for source in one.snapshot.sources:
        if os.fsencode(source.label) == label:
            return os.path.join(os.fsencode(source.path), below) if below else os.fsencode(source.path)
    return b""


def _lost(device_id: bytes, loss: _Loss) -> Lost:
    return Lost(
        path=loss.path,
        origin=loss.origin,
        device_id=device_id,
        snapshots=tuple(loss.snapshots),
        parts=frozenset(loss.parts),
        good=loss.good,
        is_folder=loss.is_folder,
    )
