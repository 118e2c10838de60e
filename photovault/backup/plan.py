"""What a backup has to do: compare what is there with what is known.  Reads folders and the catalog, no file.

``plan_backup`` walks every folder, children first, compares each by the rule of ``compare``, and finds those in which
something below changed.  A plan holds folders, not files, so that its size is bounded by the number of folders.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from photovault.backup.away import Away, not_mounted, offline_problem
from photovault.backup.compare import Totals, join, plan_folder
from photovault.backup.guards import Guard, Limits, Refusal, Tally
from photovault.backup.tallying import Tallying
from photovault.photos.scan import FoundFolder, Scanner, ScanRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from photovault.backup.compare import Elsewhere, FolderChange
    from photovault.catalog import Catalog, KnownFolder
    from photovault.model import Entry, Problem
    from photovault.photos.scan import Found


KEPT_FILES = 50_000  # so many are remembered between looking and doing; more would cost too much memory


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One folder to back up: its label in the snapshot, where it is, and what belongs to it."""

    label: str
    path: str
    rules: ScanRules = field(default_factory=ScanRules)


class Earlier(Protocol):
    """The last version of sources, as the vault has it."""

    def __call__(self, spec: SourceSpec, /) -> KnownFolder | None:
        """The source itself; None when there is none."""

    def entries(self, spec: SourceSpec, path: bytes, /) -> Mapping[bytes, Entry]:
        """What was in one of its folders, by name."""


class _NothingEarlier:
    def __call__(self, _spec: SourceSpec, /) -> KnownFolder | None:
        return None

    def entries(self, _spec: SourceSpec, _path: bytes, /) -> Mapping[bytes, Entry]:
        return {}


nothing_earlier: Earlier = _NothingEarlier()
"""For a vault that is not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How sources are looked at.

    Attributes:
        owed: unchanged files that are owed a look are work, too.
        again: every file is read, whatever is known of it.
        limits: how much may have changed, and what a user said is right so.
        earlier: the last version of a source that the catalog does not know.
    """

    owed: bool = False
    again: bool = False
    limits: Limits = field(default_factory=Limits)
    earlier: Earlier = nothing_earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What is to be done for one source.

    Attributes:
        spec: the source.
        work: paths of the folders in which something below changed, or is owed a look; all others are taken over as they are.
        looks: those of them in which nothing changed.
        found: what was seen in some of them, so that they need not be looked at again.
        totals: what was counted.
        tally: what became of the files that were known.
        problems: what could not be seen.
        offline: why the source is not there, or empty.
    """

    spec: SourceSpec
    work: frozenset[bytes] = frozenset()
    looks: frozenset[bytes] = frozenset()
    found: Mapping[bytes, FoundFolder] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    tally: Tally = field(default_factory=Tally)
    problems: tuple[Problem, ...] = ()
    offline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """What is to be done; ``terms``: on which it was planned, and is to be carried out."""

    sources: tuple[SourcePlan, ...]
    terms: Terms = field(default_factory=Terms)

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

    @property
    def refusals(self) -> list[Refusal]:
        """Why it must not be carried out as it is."""
        return [refusal for source in self.sources for refusal in source.tally.refusals(self.terms.limits)]

    @property
    def fresh_bytes(self) -> int:
        """About how much is to be stored."""
        return sum(source.tally.fresh_bytes for source in self.sources)


def plan_backup(specs: Iterable[SourceSpec], catalog: Catalog, terms: Terms | None = None) -> BackupPlan:
    """Look at every source.  Reads folders and the catalog, writes nothing.

    Args:
        specs: the sources.
        catalog: what is known of them.
        terms: how they are looked at.
    """
    terms = terms or Terms()
    return BackupPlan(sources=tuple(_plan_source(spec, catalog, terms) for spec in specs), terms=terms)


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way of the planning walk."""

    found: FoundFolder
    known: KnownFolder | None
    device: int | None
    todo: Iterator[bytes]
    changed: bool = False
    owes: bool = False


def _plan_source(spec: SourceSpec, catalog: Catalog, terms: Terms) -> SourcePlan:
    scanner = Scanner(os.fsencode(spec.path), spec.rules)
    top = scanner.folder(b"")
    away = Away(catalog, terms.earlier, missing=Guard.MISSING in terms.limits.allowed)
    offline = away.why_offline(spec, top)
    if offline:
        return SourcePlan(spec=spec, offline=offline, problems=(offline_problem(spec, offline),))
    walk = _PlanWalk(spec, scanner, catalog, away, terms)
    walk.run(top)
    return SourcePlan(
        spec=spec,
        work=frozenset(walk.work),
        looks=frozenset(walk.looks),
        found=walk.found,
        totals=walk.totals,
        tally=walk.tallying.tally,
        problems=tuple(walk.problems),
    )


class _PlanWalk:
    """Walks a source, children before their folder, and finds the folders with work."""

    def __init__(self, spec: SourceSpec, scanner: Scanner, catalog: Catalog, away: Away, terms: Terms) -> None:
        self._spec = spec
        self._again = terms.again
        self._owed = terms.owed and catalog.owed_in(spec.path) > 0
        self._vouched = catalog.suspects(spec.path) if Guard.SUSPECT in terms.limits.allowed else {}
        self._away = away
        self.tallying = Tallying(spec, scanner, catalog, terms.earlier)
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
        self.problems += self._away.problems(self._spec, self._scanner, found)
        if self._away.is_away(self._spec, found, known):
            visit.changed = True  # so that the run comes by and reports it
            if known is not None:
                self.totals.count(unchanged=known.files + known.links)
            return visit
        stamps = self._catalog.stamps(known.number) if known is not None else set()
        change = plan_folder(found.files, stamps, self._elsewhere, found.hidden, again=self._again)
        self.totals.include(change.totals)
        self.totals.count(others=found.others, cloud=len(found.cloud), held=len(found.held))
        gone, away = self._gone(found, known)
        self.tallying.folder(found, known, stamps, change, away)
        visit.owes = known is not None and self._owes(known, found, change)
        visit.changed = bool(
            known is None
            or gone
            or away
            or found.hidden
            or found.path in self._vouched
            or len(change.kept) != max(len(found.files), len(stamps))
            or (known.mode, known.mtime_ns, known.mount) != (found.mode, found.mtime_ns, found.mount)
        )
        return visit

    def _gone(self, found: FoundFolder, known: KnownFolder | None) -> tuple[set[bytes], set[bytes]]:
        """Folders that were in this one and are not, and those that were mounted and are away; all counted."""
        if known is None:
            return set(), set()
        gone, away = self._catalog.subfolders(self._spec.path, found.path) - set(found.folders), set()
        for name in gone:
            path = join(found.path, name)
            lost = self._catalog.folder(self._spec.path, path)
            count = lost.files + lost.links if lost else 0
            if self._away.went_with_its_mount(self._spec, path):
                away.add(name)
                self.problems.append(not_mounted(self._scanner, path))
            self.totals.count(**{"unchanged" if name in away else "gone": count})
        return gone - away, away

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
