"""What a backup has to do: compare what is there with what is known.  Reads folders and the catalog, no file.

``plan_backup`` walks every folder, children first, compares each by the rule of ``compare``, and finds those in which
something below changed.  A plan holds folders, not files, so that its size is bounded by the number of folders.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.backup.compare import Totals, plan_folder
from photovault.model import Problem
from photovault.photos.scan import FoundFolder, Scanner, ScanRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from photovault.backup.compare import Elsewhere, FolderChange
    from photovault.catalog import Catalog, KnownFolder
    from photovault.photos.scan import Found


KEPT_FILES = 50_000  # so many are remembered between looking and doing; more would cost too much memory


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One folder to back up: its label in the snapshot, where it is, and what belongs to it."""

    label: str
    path: str
    rules: ScanRules = field(default_factory=ScanRules)


Earlier = Callable[[SourceSpec], "KnownFolder | None"]
"""The last version of a source, as the vault has it."""


def nothing_earlier(_spec: SourceSpec) -> KnownFolder | None:
    """For a vault that is not asked."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What is to be done for one source.

    Attributes:
        spec: the source.
        work: paths of the folders in which something below changed, or is owed a look; all others are taken over as they are.
        looks: those of them in which nothing changed.
        found: what was seen in some of them, so that they need not be looked at again.
        totals: what was counted.
        problems: what could not be seen.
        offline: why the source is not there, or empty.
    """

    spec: SourceSpec
    work: frozenset[bytes] = frozenset()
    looks: frozenset[bytes] = frozenset()
    found: Mapping[bytes, FoundFolder] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    problems: tuple[Problem, ...] = ()
    offline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """What is to be done; ``earlier``: the last version of a source that the catalog does not know."""

    sources: tuple[SourcePlan, ...]
    earlier: Earlier = nothing_earlier

    @property
    def is_idle(self) -> bool:
        """Whether nothing changed in any source that is there."""
        return not any(source.work for source in self.sources)

    @property
    def totals(self) -> Totals:
        """All sources together."""
        totals = Totals()
        for source in self.sources:
            totals.include(source.totals)
        return totals

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all sources."""
        return tuple(problem for source in self.sources for problem in source.problems)


def plan_backup(
    specs: Iterable[SourceSpec], catalog: Catalog, *, owed: bool = False, earlier: Earlier = nothing_earlier
) -> BackupPlan:
    """Look at every source.  Reads folders and the catalog, writes nothing.

    Args:
        specs: the sources.
        catalog: what is known of them.
        owed: unchanged files that are owed a look are work, too.
        earlier: the last version of a source that the catalog does not know.
    """
    return BackupPlan(sources=tuple(_plan_source(spec, catalog, earlier, owed=owed) for spec in specs), earlier=earlier)


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way of the planning walk."""

    found: FoundFolder
    known: KnownFolder | None
    device: int | None
    todo: Iterator[bytes]
    changed: bool = False
    owes: bool = False


def _plan_source(spec: SourceSpec, catalog: Catalog, earlier: Earlier, *, owed: bool) -> SourcePlan:
    scanner = Scanner(os.fsencode(spec.path), spec.rules)
    top = scanner.folder(b"")
    offline = why_offline(top, last_version(spec, top, catalog, earlier))
    if offline:
        return SourcePlan(spec=spec, offline=offline, problems=(offline_problem(spec, offline),))
    walk = _PlanWalk(spec, scanner, catalog, owed=owed and catalog.owed_in(spec.path) > 0)
    walk.run(top)
    return SourcePlan(
        spec=spec,
        work=frozenset(walk.work),
        looks=frozenset(walk.looks),
        found=walk.found,
        totals=walk.totals,
        problems=tuple(walk.problems),
    )


def last_version(spec: SourceSpec, top: FoundFolder, catalog: Catalog, earlier: Earlier) -> KnownFolder | None:
    """What is known of a source; the vault is asked only where what is there now does not say that it is there."""
    known = catalog.folder(spec.path, b"")
    return earlier(spec) if known is None and top.is_empty else known


def why_offline(top: FoundFolder, known: KnownFolder | None) -> str:
    """Why a source counts as not there, empty if it is there."""
    if top.unreadable:
        return f"is not there: {top.unreadable}"
    if top.is_empty and known is not None and known.files:
        return "is empty, but held files at the last backup: perhaps it is not mounted"
    return ""


def offline_problem(spec: SourceSpec, why: str) -> Problem:
    """What there is to report of a source that is not there."""
    return Problem(path=spec.path, what=why, hint="connect it and back up again; its last version is kept")


class _PlanWalk:
    """Walks a source, children before their folder, and finds the folders with work."""

    def __init__(self, spec: SourceSpec, scanner: Scanner, catalog: Catalog, *, owed: bool) -> None:
        self._spec = spec
        self._owed = owed
        self._scanner = scanner
        self._catalog = catalog
        self._elsewhere = elsewhere(catalog)
        self.work: set[bytes] = set()
        self.looks: set[bytes] = set()
        self.found: dict[bytes, FoundFolder] = {}
        self._room = KEPT_FILES
        self.totals = Totals()
        self.problems: list[Problem] = []

    def run(self, top: FoundFolder) -> None:
        stack = [self._enter(top)]
        while stack:
            visit = stack[-1]
            name = next(visit.todo, None)
            if name is not None:
                path = join(visit.found.path, name)
                stack.append(self._enter(self._scanner.folder(path, visit.device)))
                continue
            stack.pop()
            self._leave(visit)
            if stack:
                stack[-1].changed |= visit.changed
                stack[-1].owes |= visit.owes

    def _enter(self, found: FoundFolder) -> _Visit:
        known = self._catalog.folder(self._spec.path, found.path)
        visit = _Visit(found=found, known=known, device=self._scanner.device(found.path), todo=iter(found.folders))
        self.problems += folder_problems(self._scanner, found, known)
        if is_away(found, known):
            visit.changed = True  # so that the run comes by and reports it
            if known is not None:
                self.totals.count(unchanged=known.files + known.links)
            return visit
        stamps = self._catalog.stamps(known.number) if known is not None else set()
        change = plan_folder(found.files, stamps, self._elsewhere, found.hidden)
        self.totals.include(change.totals)
        self.totals.count(others=found.others, cloud=len(found.cloud), held=len(found.held))
        gone = (
            self._catalog.subfolders(self._spec.path, found.path) - set(found.folders) if known is not None else set()
        )
        for name in gone:
            lost = self._catalog.folder(self._spec.path, join(found.path, name))
            self.totals.count(gone=lost.files + lost.links if lost else 0)
        visit.owes = known is not None and self._owes(known, found, change)
        visit.changed = bool(
            known is None
            or gone
            or found.hidden
            or len(change.kept) != max(len(found.files), len(stamps))
            or (known.mode, known.mtime_ns, known.mount) != (found.mode, found.mtime_ns, found.mount)
        )
        return visit

    def _owes(self, known: KnownFolder, found: FoundFolder, change: FolderChange) -> bool:
        """Whether unchanged files of the folder are owed a look, and are to get it."""
        owed = owed_files(self._catalog, known, found, change) if self._owed else []
        self.totals.count(looks=len(owed), look_bytes=sum(one.stamp.size for one in owed))
        return bool(owed)

    def _leave(self, visit: _Visit) -> None:
        if not (visit.changed or visit.owes):
            return
        self.work.add(visit.found.path)
        if not visit.changed:
            self.looks.add(visit.found.path)
        self._room -= len(visit.found.files) + 1
        if self._room >= 0:
            self.found[visit.found.path] = visit.found


def elsewhere(catalog: Catalog) -> Elsewhere:
    """Known files by inode; at a first backup there are none to ask for."""
    return (lambda _: []) if catalog.is_empty() else catalog.by_inode


def owed_files(catalog: Catalog, known: KnownFolder, found: FoundFolder, change: FolderChange) -> list[Found]:
    """Unchanged files of a folder that are owed a look now."""
    names = {name for name, extra in catalog.owed(known.number).items() if not extra} & change.kept
    return [one for one in found.files if one.stamp.name in names] if names else []


def is_away(found: FoundFolder, known: KnownFolder | None) -> bool:
    """Whether a folder cannot be seen now: unreadable, or what was mounted on it is not."""
    if found.unreadable:
        return True
    return known is not None and known.mount and not found.mount and found.is_empty


def folder_problems(scanner: Scanner, found: FoundFolder, known: KnownFolder | None) -> Iterator[Problem]:
    """What there is to report of a folder."""
    shown = os.fsdecode(scanner.full(found.path))
    if found.unreadable:
        kept = "its last version is kept" if known is not None else "nothing in it is backed up"
        yield Problem(path=shown, what=f"cannot be read: {found.unreadable}; {kept}", hint="check its permissions")
    elif is_away(found, known):
        yield Problem(path=shown, what="is not mounted; its last version is kept", hint="mount it and back up again")
    for name, why in found.cloud:
        path = os.fsdecode(scanner.full(join(found.path, name)))
        yield Problem(path=path, what=f"not protected: {why}", hint="download it, then back up again")
    for name, why in found.unseen:
        path = os.fsdecode(scanner.full(join(found.path, name)))
        yield Problem(path=path, what=f"cannot be looked at: {why}; a last version is kept", hint="check the disk")


def join(path: bytes, name: bytes) -> bytes:
    """A path inside a source."""
    return path + b"/" + name if path else name
