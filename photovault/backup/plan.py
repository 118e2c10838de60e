"""What a backup has to do: compare what is there with what is known.  Reads folders and the catalog, no file.

``plan_folder`` is the rule for one folder, pure: a file is unchanged when name, inode, size, modification and change
time are those of the last backup; it has moved when another name had the same inode, size and modification time; else
it is read.  ``plan_backup`` walks every folder, children first, and finds those in which something below changed.  A
plan holds folders, not files, so that its size is bounded by what changed and by the number of folders.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.model import EntryKind, Problem, Stamp
from photovault.photos.scan import Found, FoundFolder, Scanner, ScanRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from photovault.catalog import Catalog, KnownFolder

    Elsewhere = Callable[[int], list[tuple[Stamp, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One folder to back up: its label in the snapshot, where it is, and what belongs to it."""

    label: str
    path: str
    rules: ScanRules = field(default_factory=ScanRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a plan or a run counted: files, and for what is to be read its bytes."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    gone: int = 0
    read_bytes: int = 0
    others: int = 0
    cloud: int = 0

    def __add__(self, more: Totals) -> Totals:
        """Sum, field by field."""
        return Totals(
            new=self.new + more.new,
            changed=self.changed + more.changed,
            moved=self.moved + more.moved,
            unchanged=self.unchanged + more.unchanged,
            gone=self.gone + more.gone,
            read_bytes=self.read_bytes + more.read_bytes,
            others=self.others + more.others,
            cloud=self.cloud + more.cloud,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """What is to be done for one source.

    Attributes:
        spec: the source.
        work: paths of the folders in which something below changed; all others are taken over as they are.
        totals: what was counted.
        problems: what could not be seen.
        offline: why the source is not there, or empty.
    """

    spec: SourceSpec
    work: frozenset[bytes] = frozenset()
    totals: Totals = field(default_factory=Totals)
    problems: tuple[Problem, ...] = ()
    offline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """What is to be done."""

    sources: tuple[SourcePlan, ...]

    @property
    def totals(self) -> Totals:
        """All sources together."""
        return sum((source.totals for source in self.sources), Totals())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all sources."""
        return tuple(problem for source in self.sources for problem in source.problems)


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
) -> FolderChange:
    """Compare a folder's files with what is known.  ``by_inode`` gives known files anywhere."""
    names = {stamp.name for stamp in known}
    kept = frozenset(one.stamp.name for one in found if one.stamp in known)
    read, moved = [], []
    for one in found:
        if one.stamp.name in kept:
            continue
        twin = _twin(one, by_inode(one.stamp.ino))
        if twin is None:
            read.append(one)
        else:
            moved.append(twin)
    new = sum(one.stamp.name not in names for one in read)
    present = {one.stamp.name for one in found}
    return FolderChange(
        read=tuple(read),
        moved=tuple(moved),
        kept=kept,
        totals=Totals(
            new=new,
            changed=len(read) - new,
            moved=len(moved),
            unchanged=len(kept),
            gone=len(names - present),
            read_bytes=sum(one.stamp.size for one in read if one.kind is EntryKind.FILE),
        ),
    )


def _twin(one: Found, candidates: Iterable[tuple[Stamp, bytes]]) -> Moved | None:
    """The same file under another name: same inode, size and modification time.

    An equal change time makes it sure (a folder above was renamed).  Renaming the file itself sets a new change time;
    then its first part is compared before it is believed, because an inode can be used again.
    """
    if one.kind is not EntryKind.FILE or not one.stamp.size:
        return None
    for stamp, entry in candidates:
        if stamp[1:4] == one.stamp[1:4]:
            sure = stamp.ctime_ns == one.stamp.ctime_ns
            if sure or stamp.name != one.stamp.name:
                return Moved(found=one, entry=entry, sure=sure)
    return None


def plan_backup(specs: Iterable[SourceSpec], catalog: Catalog) -> BackupPlan:
    """Look at every source.  Reads folders and the catalog, writes nothing."""
    return BackupPlan(sources=tuple(_plan_source(spec, catalog) for spec in specs))


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way of the planning walk."""

    found: FoundFolder
    known: KnownFolder | None
    device: int | None
    todo: Iterator[bytes]
    changed: bool = False


def _plan_source(spec: SourceSpec, catalog: Catalog) -> SourcePlan:
    scanner = Scanner(os.fsencode(spec.path), spec.rules)
    top = scanner.folder(b"")
    known = catalog.folder(spec.path, b"")
    offline = _offline(top, known)
    if offline:
        what = Problem(path=spec.path, what=offline, hint="connect it and back up again; its last version is kept")
        return SourcePlan(spec=spec, offline=offline, problems=(what,))
    walk = _PlanWalk(spec, scanner, catalog)
    walk.run(top)
    return SourcePlan(spec=spec, work=frozenset(walk.work), totals=walk.totals, problems=tuple(walk.problems))


def _offline(top: FoundFolder, known: KnownFolder | None) -> str:
    if top.unreadable:
        return f"is not there: {top.unreadable}"
    nothing = not (top.files or top.folders or top.others or top.cloud)
    if nothing and known is not None and known.files:
        return "is empty, but held files at the last backup: perhaps it is not mounted"
    return ""


class _PlanWalk:
    """Walks a source, children before their folder, and finds the folders with work."""

    def __init__(self, spec: SourceSpec, scanner: Scanner, catalog: Catalog) -> None:
        self._spec = spec
        self._scanner = scanner
        self._catalog = catalog
        self._elsewhere = elsewhere(catalog)
        self.work: set[bytes] = set()
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
            changed = self._leave(visit)
            if changed and stack:
                stack[-1].changed = True

    def _enter(self, found: FoundFolder) -> _Visit:
        known = self._catalog.folder(self._spec.path, found.path)
        visit = _Visit(found=found, known=known, device=self._scanner.device(found.path), todo=iter(found.folders))
        self.problems += folder_problems(self._scanner, found, known)
        if is_away(found, known):
            if known is not None:
                self.totals += Totals(unchanged=known.files + known.links)
            return visit
        stamps = self._catalog.stamps(known.number) if known is not None else set()
        change = plan_folder(found.files, stamps, self._elsewhere)
        self.totals += change.totals + Totals(others=found.others, cloud=len(found.cloud))
        gone = (
            self._catalog.subfolders(self._spec.path, found.path) - set(found.folders) if known is not None else set()
        )
        for name in gone:
            lost = self._catalog.folder(self._spec.path, join(found.path, name))
            self.totals += Totals(gone=lost.files + lost.links if lost else 0)
        visit.changed = bool(
            known is None
            or gone
            or len(change.kept) != max(len(found.files), len(stamps))
            or (known.mode, known.mtime_ns, known.mount) != (found.mode, found.mtime_ns, found.mount)
        )
        return visit

    def _leave(self, visit: _Visit) -> bool:
        if visit.changed:
            self.work.add(visit.found.path)
        return visit.changed


def elsewhere(catalog: Catalog) -> Elsewhere:
    """Known files by inode; at a first backup there are none to ask for."""
    return (lambda _: []) if catalog.is_empty() else catalog.by_inode


def is_away(found: FoundFolder, known: KnownFolder | None) -> bool:
    """Whether a folder cannot be seen now: unreadable, or what was mounted on it is not."""
    if found.unreadable:
        return True
    empty = not (found.files or found.folders or found.others or found.cloud)
    return known is not None and known.mount and not found.mount and empty


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


def join(path: bytes, name: bytes) -> bytes:
    """A path inside a source."""
    return path + b"/" + name if path else name
