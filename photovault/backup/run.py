"""Carrying out a backup plan.

The walk makes jobs in a fixed order: the files of a folder in batches, then its subfolders, then the end of the folder.
Workers do the reading and hashing, and ``packing`` what is to become smaller; results come back in the order of the jobs,
``taking`` makes parts and entries of them, and only the owner's thread stores parts, writes listings and touches the catalog.  So what is stored, and where, depends
on the files alone, but for how many thumbnails the time allows.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.backup.away import Away, not_mounted, offline_problem
from photovault.backup.compare import Totals, join, plan_folder
from photovault.backup.guards import Guard
from photovault.backup.jobs import End, Folder, Job, folder_entry
from photovault.backup.packing import Packing
from photovault.backup.pictures import Pictures, Thumbnails, is_owed
from photovault.backup.plan import elsewhere, owed_files
from photovault.backup.taking import Taking
from photovault.backup.versions import Versions
from photovault.model import DOUBTFUL, Counts, Entry, Problem, Snapshot, Source, Stamp
from photovault.photos.reading import (
    ReaderOptions,
)  # fmt: skip
from photovault.photos.scan import FoundFolder, Scanner
from photovault.vault import format as fmt
from photovault.vault.format import PartKind
from photovault.vault.writer import Writer, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from photovault.backup.compare import FolderChange, Moved
    from photovault.backup.plan import BackupPlan, SourcePlan, SourceSpec, Terms
    from photovault.catalog import Catalog, KnownFolder
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot, Vault
    from photovault.workers import Workers

AHEAD = 6  # jobs under way: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a snapshot says of its run, everything that is not in the files, and how the run works.

    ``own``: device and inode of the files with face data, which it refuses under any name.
    """

    device_id: bytes
    device_name: str
    number: int
    previous: bytes | None
    time: str
    program: str
    tags: tuple[str, ...] = ()
    xattrs: bool = True
    uniform: bool = False
    own: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a run did.

    Attributes:
        snapshot: the one that was made, or the last one before when that says it all.
        is_new: it was made.
        thumbnails: those made, and how many are still to be made.
        broken: pictures that do not decode; they are backed up as they are.
        rotten: files whose bytes changed though size and date did not; they are backed up as suspect.
        suspect: how many files are so, from this run or an earlier one.
        warnings: about the run as a whole.
    """

    snapshot: NamedSnapshot
    totals: Totals
    problems: tuple[Problem, ...]
    written: Written
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    broken: tuple[Problem, ...] = ()
    rotten: tuple[Problem, ...] = ()
    suspect: int = 0
    warnings: tuple[str, ...] = ()
    is_new: bool = True


def run_backup(
    plan: BackupPlan,
    vault: Vault,
    catalog: Catalog,
    workers: Workers,
    info: RunInfo,
    progress: Progress,
    *,
    pictures: Pictures | None = None,
    last: NamedSnapshot | None = None,
) -> BackupReport:
    """Store what the plan found changed, and commit a snapshot.

    Args:
        plan: what changed.
        vault: opened and refreshed.
        catalog: the one that the plan was made with.
        workers: to read files.
        info: what the snapshot says of the run.
        progress: is told of every file.
        pictures: who looks into files, and how many thumbnails are made; nobody and none without it.
        last: no other snapshot is made when nothing was stored and it would say the same as this one.

    Raises:
        GuardError: more of the known files were changed or spoilt than the plan's limits allow; no snapshot was made.
        StorageError: the storage failed; what it has stays and is found again by the next run.
        GateError: an object was refused; no snapshot was made.
    """
    totals = plan.totals
    files = totals.new + totals.changed + totals.reread + totals.looks
    progress.total(files, totals.read_bytes + totals.look_bytes)
    run = _Run(vault, catalog, workers, info, progress, pictures or Pictures(), terms=plan.terms)
    for source in plan.sources:
        run.source(source)
    return run.finish(plan, last)


class _Run:
    """The owner of index, packs and catalog during one run."""

    def __init__(
        self,
        vault: Vault,
        catalog: Catalog,
        workers: Workers,
        info: RunInfo,
        progress: Progress,
        pictures: Pictures,
        *,
        terms: Terms,
    ) -> None:
        self._vault = vault
        self._terms = terms
        self._away = Away(catalog, terms.earlier, missing=Guard.MISSING in terms.limits.allowed)
        self._versions = Versions(terms=terms, has=vault.places.has)
        self._catalog = catalog
        self._workers = workers
        self._info = info
        self._elsewhere = elsewhere(catalog)
        self._writer = Writer(vault, workers, uniform=info.uniform)
        self._pictures = pictures
        self._packing = Packing(self._writer, workers, pictures.decoder if pictures.pack else None)
        self._options = ReaderOptions(
            lambda data: vault.keyring.part_id(PartKind.CONTENT, data),
            info.xattrs,
            pictures.decoder.look if pictures.decoder is not None else None,
            pictures.pack,
            info.own,
        )
        self._files = Taking(
            self._writer, self._versions, self._packing, progress, pictures, self._options, again=terms.again
        )
        self._tops: dict[bytes, bytes] = {}
        self._counts = Counts()
        self._offline: set[str] = set()

    def source(self, plan: SourcePlan) -> None:
        """Back up one source."""
        if plan.offline or b"" not in plan.work:
            self._keep_source(plan.spec, plan.offline, plan.problems)
            return
        scanner = Scanner(os.fsencode(plan.spec.path), plan.spec.rules)
        top = plan.found.get(b"") or scanner.folder(b"")
        offline = self._away.why_offline(plan.spec, top)
        if offline:  # it went since it was planned
            self._keep_source(plan.spec, offline, (offline_problem(plan.spec, offline),))
            return
        self._versions.tally = plan.tally
        jobs = self._walk(plan, scanner, top)
        done = self._workers.ordered(lambda job: job.work(self._options), jobs, AHEAD, inline=lambda job: job.is_small)
        for job, answer in self._packing.beside(done):
            if isinstance(job, End):
                self._folder_done(job.folder)
            else:
                self._files.done(job, answer)

    def _keep_source(self, spec: SourceSpec, offline: str, problems: Iterable[Problem]) -> None:
        """Take a source over as it was."""
        self._files.problems += problems
        if offline:
            self._offline.add(spec.label)
        known = self._catalog.folder(spec.path, b"") or self._terms.earlier(spec)
        if known is not None:
            self._files.totals.count(unchanged=known.files + known.links)
            self._add_top(spec, known)

    def finish(self, plan: BackupPlan, last: NamedSnapshot | None) -> BackupReport:
        """Make everything durable, then commit the snapshot, then remember it."""
        clear = self._workers.start(self._vault.clear_objects)  # many small requests, while packs are on their way
        root = tuple(map(self._writer.add_listing, fmt.encode_pages(sorted(self._tops.items()))))
        self._writer.finish()
        info = self._info
        snapshot = Snapshot(
            device_id=info.device_id,
            device_name=info.device_name,
            number=info.number,
            time=info.time,
            previous=info.previous,
            root=root,
            counts=self._counts,
            sources=tuple(
                Source(label=one.spec.label, path=one.spec.path, offline=one.spec.label in self._offline)
                for one in plan.sources
            ),
            clear=clear.result(),
            epoch=self._vault.keyring.current.epoch,
            program=info.program,
            tags=info.tags,
            problems=len(self._files.problems),
        )
        if last is not None and not self._writer.written.objects and _says_the_same(last.snapshot, snapshot):
            self._catalog.commit()
            return self._report(plan, last, is_new=False)
        named = self._vault.commit(snapshot)
        self._catalog.commit()
        self._writer.written.objects += 1
        self._writer.written.stored_bytes += fmt.size_class(
            len(fmt.encode_snapshot(snapshot)) + fmt.OVERHEAD + fmt.PER_PART
        )
        return self._report(plan, named, is_new=True)

    def _report(self, plan: BackupPlan, named: NamedSnapshot, *, is_new: bool) -> BackupReport:
        lacking: Counter[str] = Counter()
        for one in plan.sources:
            lacking.update(self._catalog.lacking_in(one.spec.path))
        left = sum(self._catalog.owed_in(one.spec.path) for one in plan.sources)
        return BackupReport(
            snapshot=named,
            is_new=is_new,
            totals=self._files.totals,
            problems=tuple(self._files.problems),
            written=self._writer.written,
            thumbnails=self._files.album.thumbnails(left, lacking),
            broken=tuple(self._files.album.broken),
            rotten=tuple(self._versions.rotten),
            suspect=sum(sum(self._catalog.suspects(one.spec.path).values()) for one in plan.sources),
            warnings=self._files.album.warnings,
        )

    # Making jobs, in order.

    def _walk(self, plan: SourcePlan, scanner: Scanner, seen: FoundFolder) -> Iterator[Job]:
        top = self._enter(plan.spec, scanner, seen, None)
        stack = [(top, scanner.device(b""), iter(top.found.folders))]
        yield from self._in_folder(top)
        while stack:
            folder, device, todo = stack[-1]
            name = next(todo, None)
            if name is None:
                stack.pop()
                yield End(folder=folder)
                continue
            path = join(folder.found.path, name)
            skipped = path not in plan.work or (path in plan.looks and self._pictures.enough())
            found = None if skipped else plan.found.get(path) or scanner.folder(path, device)
            if found is None or self._away.is_away(plan.spec, found, self._catalog.folder(plan.spec.path, path)):
                self._keep_folder(folder, path, found)
                continue
            inner = self._enter(plan.spec, scanner, found, folder)
            stack.append((inner, scanner.device(path), iter(found.folders)))
            yield from self._in_folder(inner)

    def _enter(self, spec: SourceSpec, scanner: Scanner, found: FoundFolder, parent: Folder | None) -> Folder:
        known = self._catalog.folder(spec.path, found.path)
        self._files.problems += self._away.problems(spec, scanner, found)
        self._files.totals.count(others=found.others, cloud=len(found.cloud), held=len(found.held))
        return Folder(spec=spec, scanner=scanner, found=found, parent=parent, known=known, left_out=bool(found.others))

    def _keep_folder(self, parent: Folder, path: bytes, found: FoundFolder | None) -> None:
        """Take a folder over as it was: nothing in it changed, or ``found`` says that it cannot be seen."""
        known = self._catalog.folder(parent.spec.path, path)
        if found is not None:
            self._files.problems += self._away.problems(parent.spec, parent.scanner, found)
        if known is None:
            parent.left_out = True
            return
        self._files.totals.count(unchanged=known.files + known.links)
        parent.add_folder(path.rpartition(b"/")[2], known)

    def _in_folder(self, folder: Folder) -> Iterator[Job]:
        stamps = self._catalog.stamps(folder.known.number) if folder.known else set()
        folder.names = frozenset(stamp.name for stamp in stamps)
        change = plan_folder(folder.found.files, stamps, self._elsewhere, folder.found.hidden, again=self._terms.again)
        self._files.totals.count(unchanged=len(change.kept), gone=change.totals.gone)
        self._keep_files(folder, change, {stamp.name: stamp for stamp in stamps})
        read = [*change.read, *(moved.found for moved in change.moved if not self._take_moved(folder, moved))]
        yield from self._files.jobs(folder, sorted(read))
        if self._pictures.owed and folder.known is not None:
            yield from self._files.visits(folder, owed_files(self._catalog, folder.known, folder.found, change))

    def _keep_files(self, folder: Folder, change: FolderChange, stamps: Mapping[bytes, Stamp]) -> None:
        """Entries of unchanged files, and the last version of what may turn out to be unreadable or is in a cloud."""
        doubtful = [*change.read, *(moved.found for moved in change.moved)]
        wanted = {one.stamp.name for one in doubtful} | folder.found.hidden
        self._versions.keep_from_vault(folder, wanted)
        if folder.known is None:
            return
        owed = self._catalog.owed(folder.known.number)
        for name, entry in self._catalog.entries(folder.known.number).items():
            if name in change.kept:
                folder.add(stamps[name], self._versions.vouched(entry), owed=owed.get(name))
            elif name in wanted:
                folder.add(stamps[name]._replace(ctime_ns=DOUBTFUL), entry)  # read it again next time

    def _take_moved(self, folder: Folder, moved: Moved) -> bool:
        entry, stamp = fmt.read_entry(moved.entry), moved.found.stamp
        if not moved.sure and not self._begins_as(folder.full(stamp.name), entry):
            return False
        moved_here = replace(entry, name=stamp.name, mode=moved.found.mode)
        folder.add(stamp, fmt.encode_entry(moved_here), owed="" if is_owed(entry.facts) else None)
        self._files.totals.count(moved=1)
        return True

    def _begins_as(self, path: bytes, entry: Entry) -> bool:
        """Whether the file at ``path`` has the first part of ``entry``."""
        place = self._vault.places.find(entry.parts[0]) if entry.parts else None
        if place is None:
            return False
        try:
            with open(path, "rb") as file:
                start = file.read(place.region.record.length)
        except OSError:
            return False
        return self._vault.keyring.part_id(PartKind.CONTENT, start) == entry.parts[0]

    def _folder_done(self, folder: Folder) -> None:
        """All of a folder is known: write its listing and tell its parent."""
        self._drop_gone(folder)
        known = folder.summary(tuple(map(self._writer.add_listing, fmt.encode_pages(folder.listing()))))
        path = folder.found.path
        self._catalog.put_folder(folder.spec.path, path, known, folder.files.values(), folder.owed)
        if folder.parent is None:
            self._add_top(folder.spec, known)
        else:
            folder.parent.add_folder(path.rpartition(b"/")[2], known)

    def _drop_gone(self, folder: Folder) -> None:
        source, path = folder.spec.path, folder.found.path
        for name in self._catalog.subfolders(source, path) - set(folder.found.folders):
            lost = self._catalog.folder(source, join(path, name))
            away = self._away.went_with_its_mount(folder.spec, join(path, name))
            if away is not None:
                self._files.problems.append(not_mounted(folder.scanner, join(path, name)))
                self._files.totals.count(unchanged=away.files + away.links)
                folder.add_folder(name, away)
                continue
            self._files.totals.count(gone=lost.files + lost.links if lost else 0)
            self._catalog.drop_folder(source, join(path, name))

    def _add_top(self, spec: SourceSpec, known: KnownFolder) -> None:
        name = os.fsencode(spec.label)
        self._tops[name] = fmt.encode_entry(folder_entry(name, known))
        self._counts += Counts(files=known.files, folders=known.folders, links=known.links, size=known.size)


def _says_the_same(last: Snapshot, new: Snapshot) -> bool:
    """Whether a snapshot says nothing of files and sources that the one before did not."""
    return (last.root, last.sources, last.problems) == (new.root, new.sources, new.problems)
