"""Carrying out a backup plan.

``walk`` makes jobs in a fixed order: the files of a folder in batches, then its subfolders, then the end of the folder.
Workers do the reading and hashing, and ``packing`` what is to become smaller; results come back in the order of the jobs,
and only the owner's thread stores parts, writes listings and touches the catalog.  So what is stored, and where, depends
on the files alone, but for how many thumbnails the time allows.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.backup.compare import Totals, plan_folder
from photovault.backup.jobs import Answer, Batch, End, Folder, Job, Large, Visit, Window, folder_entry, is_link
from photovault.backup.packing import ROOM, Packing
from photovault.backup.pictures import Album, Pictures, Thumbnails, is_owed
from photovault.backup.plan import (
    elsewhere,
    folder_problems,
    is_away,
    join,
    last_version,
    offline_problem,
    owed_files,
    why_offline,
)
from photovault.model import DOUBTFUL, Counts, Entry, EntryKind, Problem, Snapshot, Source, Stamp
from photovault.photos import refuse
from photovault.photos.reading import (
    ATTEMPTS,
    BUFFER,
    FileRead,
    LargeFile,
    NotRead,
    Piece,
    ReaderOptions,
    Reading,
    Revisit,
)  # fmt: skip
from photovault.photos.scan import Found, FoundFolder, Scanner
from photovault.vault import format as fmt
from photovault.vault.format import PartKind
from photovault.vault.writer import Writer, Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from photovault.backup.compare import FolderChange, Moved
    from photovault.backup.plan import BackupPlan, Earlier, SourcePlan, SourceSpec
    from photovault.catalog import Catalog, KnownFolder
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot, Vault
    from photovault.workers import Workers

PARTS_MAX = 50_000  # of one file: its entry must fit into a page of a listing
AHEAD = 6  # jobs under way: bounds memory
BATCH_FILES = 64  # open at a time, for each job under way: the decoder holds those that it has not looked at
VISIT_FILES = 4  # looked at by one job; with ``AHEAD``, how much must still be looked at when it is enough
_TOO_LARGE = "it is larger than one file may be (about 195 GiB)"


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
        warnings: about the run as a whole.
    """

    snapshot: NamedSnapshot
    totals: Totals
    problems: tuple[Problem, ...]
    written: Written
    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    broken: tuple[Problem, ...] = ()
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
        StorageError: the storage failed; what it has stays and is found again by the next run.
        GateError: an object was refused; no snapshot was made.
    """
    totals = plan.totals
    progress.total(totals.new + totals.changed + totals.looks, totals.read_bytes + totals.look_bytes)
    run = _Run(vault, catalog, workers, info, progress, pictures or Pictures(), earlier=plan.earlier)
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
        earlier: Earlier,
    ) -> None:
        self._vault = vault
        self._earlier = earlier
        self._catalog = catalog
        self._workers = workers
        self._info = info
        self._progress = progress
        self._elsewhere = elsewhere(catalog)
        self._writer = Writer(vault, workers, uniform=info.uniform)
        self._pictures = pictures
        self._album = Album(pictures, self._writer)
        self._packing = Packing(self._writer, workers, pictures.decoder if pictures.pack else None)
        self._options = ReaderOptions(
            lambda data: vault.keyring.part_id(PartKind.CONTENT, data),
            info.xattrs,
            pictures.decoder.look if pictures.decoder is not None else None,
            pictures.pack,
            info.own,
        )
        self._room = ROOM if pictures.pack else BUFFER
        self._buffers: list[memoryview] = []
        self._tops: dict[bytes, bytes] = {}
        self._counts = Counts()
        self._totals = Totals()
        self._problems: list[Problem] = []
        self._offline: set[str] = set()

    def source(self, plan: SourcePlan) -> None:
        """Back up one source."""
        if plan.offline or b"" not in plan.work:
            self._keep_source(plan.spec, plan.offline, plan.problems)
            return
        scanner = Scanner(os.fsencode(plan.spec.path), plan.spec.rules)
        top = plan.found.get(b"") or scanner.folder(b"")
        offline = why_offline(top, last_version(plan.spec, top, self._catalog, self._earlier))
        if offline:  # it went since it was planned
            self._keep_source(plan.spec, offline, (offline_problem(plan.spec, offline),))
            return
        jobs = self._walk(plan, scanner, top)
        done = self._workers.ordered(lambda job: job.work(self._options), jobs, AHEAD, inline=lambda job: job.is_small)
        for job, answer in self._packing.beside(done):
            self._done(job, answer)

    def _keep_source(self, spec: SourceSpec, offline: str, problems: Iterable[Problem]) -> None:
        """Take a source over as it was."""
        self._problems += problems
        if offline:
            self._offline.add(spec.label)
        known = self._catalog.folder(spec.path, b"") or self._earlier(spec)
        if known is not None:
            self._totals.count(unchanged=known.files + known.links)
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
            problems=len(self._problems),
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
            totals=self._totals,
            problems=tuple(self._problems),
            written=self._writer.written,
            thumbnails=self._album.thumbnails(left, lacking),
            broken=tuple(self._album.broken),
            warnings=self._album.warnings,
        )

    # Making jobs, in order.

    def _walk(self, plan: SourcePlan, scanner: Scanner, seen: FoundFolder) -> Iterator[Job]:
        top = self._enter(plan.spec, scanner, seen, None)
        stack = [(top, scanner.device(b""), iter(top.found.folders))]
        yield from self._files(top)
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
            if found is None or is_away(found, self._catalog.folder(plan.spec.path, path)):
                self._keep_folder(folder, path, found)
                continue
            inner = self._enter(plan.spec, scanner, found, folder)
            stack.append((inner, scanner.device(path), iter(found.folders)))
            yield from self._files(inner)

    def _enter(self, spec: SourceSpec, scanner: Scanner, found: FoundFolder, parent: Folder | None) -> Folder:
        known = self._catalog.folder(spec.path, found.path)
        self._problems += folder_problems(scanner, found, known)
        self._totals.count(others=found.others, cloud=len(found.cloud), held=len(found.held))
        return Folder(spec=spec, scanner=scanner, found=found, parent=parent, known=known, left_out=bool(found.others))

    def _keep_folder(self, parent: Folder, path: bytes, found: FoundFolder | None) -> None:
        """Take a folder over as it was: nothing in it changed, or ``found`` says that it cannot be seen."""
        known = self._catalog.folder(parent.spec.path, path)
        if found is not None:
            self._problems += folder_problems(parent.scanner, found, known)
        if known is None:
            parent.left_out = True
            return
        self._totals.count(unchanged=known.files + known.links)
        parent.add_folder(path.rpartition(b"/")[2], known)

    def _files(self, folder: Folder) -> Iterator[Job]:
        stamps = self._catalog.stamps(folder.known.number) if folder.known else set()
        folder.names = frozenset(stamp.name for stamp in stamps)
        change = plan_folder(folder.found.files, stamps, self._elsewhere, folder.found.hidden)
        self._totals.count(unchanged=change.totals.unchanged, gone=change.totals.gone)
        self._keep_files(folder, change, {stamp.name: stamp for stamp in stamps})
        read = [*change.read, *(moved.found for moved in change.moved if not self._take_moved(folder, moved))]
        yield from self._jobs(folder, sorted(read))
        if self._pictures.owed and folder.known is not None:
            yield from self._visits(folder, owed_files(self._catalog, folder.known, folder.found, change))

    def _visits(self, folder: Folder, files: list[Found]) -> Iterator[Job]:
        """Looks at unchanged files, until it is enough; the others stay owed."""
        for at in range(0, len(files), VISIT_FILES):
            some = tuple(files[at : at + VISIT_FILES])
            if self._pictures.enough() or not self._pictures.budget.grant(len(some)):
                return
            yield Visit(folder=folder, files=some)

    def _keep_files(self, folder: Folder, change: FolderChange, stamps: Mapping[bytes, Stamp]) -> None:
        """Entries of unchanged files, and the last version of what may turn out to be unreadable or is in a cloud."""
        if folder.known is None:
            return
        doubtful = [*change.read, *(moved.found for moved in change.moved)]
        owed = self._catalog.owed(folder.known.number)
        wanted = {one.stamp.name for one in doubtful} | folder.found.hidden
        for name, entry in self._catalog.entries(folder.known.number).items():
            if name in change.kept:
                folder.add(stamps[name], entry, owed=owed.get(name))
            elif name in wanted:
                folder.add(stamps[name]._replace(ctime_ns=DOUBTFUL), entry)  # read it again next time

    def _take_moved(self, folder: Folder, moved: Moved) -> bool:
        entry, stamp = fmt.read_entry(moved.entry), moved.found.stamp
        if not moved.sure and not self._begins_as(folder.full(stamp.name), entry):
            return False
        moved_here = replace(entry, name=stamp.name, mode=moved.found.mode)
        folder.add(stamp, fmt.encode_entry(moved_here), owed="" if is_owed(entry.facts) else None)
        self._totals.count(moved=1)
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

    def _jobs(self, folder: Folder, files: list[Found]) -> Iterator[Job]:
        batch: list[Found] = []
        size = 0
        for one in files:
            if one.kind is EntryKind.LINK:
                self._add_link(folder, one)
            elif one.stamp.size > self._room:
                yield from self._large(folder, one)
            else:
                if batch and (size + one.stamp.size > BUFFER or len(batch) == BATCH_FILES):
                    yield self._batch(folder, batch)
                    batch, size = [], 0
                batch.append(one)
                size += one.stamp.size
        if batch:
            yield self._batch(folder, batch)

    def _batch(self, folder: Folder, files: list[Found]) -> Batch:
        thumbnails = self._pictures.budget.grant(len(files))
        return Batch(folder=folder, files=tuple(files), buffer=self._buffer(), thumbnails=thumbnails)

    def _buffer(self) -> memoryview:
        """A buffer for a job; never more than jobs under way, and each is used again."""
        return self._buffers.pop() if self._buffers else memoryview(bytearray(self._room))

    def _large(self, folder: Folder, found: Found) -> Iterator[Job]:
        thumbnails = self._pictures.budget.grant(1)
        try:
            file = LargeFile(folder.full(found.stamp.name), self._options, thumbnails=thumbnails)
        except OSError as error:
            self._spent(1 if thumbnails else 0)
            self._not_read(folder, found, error.strerror or str(error))
            return
        if sum(len(lengths) for _, lengths in file.windows) > PARTS_MAX:
            self._spent(1 if thumbnails else 0)
            file.close()
            self._not_read(folder, found, _TOO_LARGE)
            return
        large = Large(folder=folder, found=found, file=file, thumbnails=thumbnails)
        for window in file.windows:
            last = window is file.windows[-1]
            yield Window(large=large, window=window, buffer=self._buffer(), last=last)

    def _add_link(self, folder: Folder, found: Found) -> None:
        try:
            target = os.readlink(folder.full(found.stamp.name))
        except OSError as error:
            self._not_read(folder, found, error.strerror or str(error))
            return
        stamp = found.stamp
        entry = Entry(name=stamp.name, kind=EntryKind.LINK, mode=found.mode, mtime_ns=stamp.mtime_ns, target=target)
        self._add_read(folder, stamp, fmt.encode_entry(entry))

    # What the owner does with the answers, in order.

    def _done(self, job: Job, answer: Answer) -> None:
        match job:
            case Batch() if isinstance(answer, Reading):
                self._batch_done(job, answer)
                self._buffers.append(job.buffer)
            case Visit() if isinstance(answer, Revisit):
                self._visit_done(job, answer)
            case Window():
                self._window_done(job, answer)
                self._buffers.append(job.buffer)
            case End():
                self._folder_done(job.folder)

    def _batch_done(self, job: Batch, reading: Reading) -> None:
        files = reading.result()
        seen = [one.seen for one in files if isinstance(one, FileRead)]
        self._spent(len(files) if job.thumbnails else 0, sum(one.seconds for one in seen))
        self._album.hear(seen)
        for found, one in zip(job.files, files, strict=True):
            self._file_done(job.folder, found, one, job.buffer)

    def _visit_done(self, job: Visit, revisit: Revisit) -> None:
        """Put what was seen into the entries; a file that changed meanwhile is left to the next backup, which reads it."""
        found = revisit.result()
        known = [seen for seen in found if seen is not None]
        self._spent(len(found), sum(seen.seconds for seen in known))
        self._album.hear(known)
        for one, seen in zip(job.files, found, strict=True):
            name = one.stamp.name
            if seen is not None:
                stamp, entry = job.folder.files[name]
                facts, owed = self._album.take(seen, os.fsdecode(job.folder.full(name)))
                if not seen.why:
                    entry = fmt.encode_entry(replace(fmt.read_entry(entry), facts=facts))
                job.folder.add(stamp, entry, owed=owed)
            self._totals.count(looks=1, look_bytes=one.stamp.size)
            self._progress.advance(1, one.stamp.size, os.fsdecode(name))

    def _spent(self, files: int, seconds: float = 0.0) -> None:
        """So many of the thumbnails that were granted are over."""
        self._pictures.budget.settle(files, seconds)

    def _file_done(self, folder: Folder, found: Found, read: FileRead | NotRead, buffer: memoryview) -> None:
        if isinstance(read, NotRead):
            if read.grown:
                self._read_inline(folder, found)
            else:
                self._not_read(folder, found, read.why)
            return
        self._store(self._packing.store(read.pieces), buffer)
        self._file_stored(folder, found, read, tuple(piece.part_id for piece in read.pieces))

    def _store(self, pieces: Iterable[Piece], buffer: memoryview) -> None:
        self._writer.add_content((part_id, buffer[start : start + length]) for part_id, start, length in pieces)

    def _window_done(self, job: Window, answer: Answer) -> None:
        large = job.large
        if not large.failed:
            self._take_window(large, answer, job.buffer)
        if job.last:
            if not large.failed and not large.file.settled():
                self._read_again(large, job.buffer)
            self._large_done(large)

    def _take_window(self, large: Large, answer: Answer, buffer: memoryview) -> None:
        if not isinstance(answer, tuple):
            large.failed = str(getattr(answer, "strerror", "")) or "reading failed"
            return
        self._store(answer, buffer)
        for part_id, start, length in answer:
            large.parts.append(part_id)
            large.file.add(buffer[start : start + length])
            self._progress.advance(0, length, os.fsdecode(large.file.path))

    def _read_again(self, large: Large, buffer: memoryview) -> None:
        """The file changed while it was read: read it once more from the start, here and now, until it holds still."""
        for _ in range(ATTEMPTS - 1):
            large.parts.clear()
            try:
                large.file.again()
                for window in large.file.windows:
                    self._take_window(large, large.file.read(window, buffer), buffer)
            except OSError as error:
                large.failed = error.strerror or str(error) or "reading failed"
                return
            if large.file.settled():
                return

    def _read_inline(self, folder: Folder, found: Found) -> None:
        """A file that outgrew its buffer since it was seen."""
        for job in self._large(folder, found):
            if isinstance(job, Window):
                self._window_done(job, job.work(self._options))
                self._buffers.append(job.buffer)

    def _large_done(self, large: Large) -> None:
        seconds = 0.0
        try:
            if large.failed or len(large.parts) > PARTS_MAX:
                self._not_read(large.folder, large.found, large.failed or _TOO_LARGE)
                return
            read = large.file.result(unsettled=not large.file.settled())
            seconds = read.seen.seconds
        except OSError as error:
            self._not_read(large.folder, large.found, error.strerror or str(error))
            return
        finally:
            large.file.close()
            self._spent(1 if large.thumbnails else 0, seconds)
        self._file_stored(large.folder, large.found, read, tuple(large.parts), counted=True)

    def _file_stored(
        self, folder: Folder, found: Found, read: FileRead, parts: tuple[bytes, ...], *, counted: bool = False
    ) -> None:
        facts, owed = self._album.take(read.seen, os.fsdecode(folder.full(found.stamp.name)))
        entry = Entry(
            name=found.stamp.name,
            kind=EntryKind.FILE,
            mode=read.mode,
            mtime_ns=read.stamp.mtime_ns,
            size=read.stamp.size,
            digest=read.digest,
            parts=parts,
            facts=facts,
            xattrs=read.xattrs,
            unsettled=read.unsettled,
        )
        stamp = read.stamp
        if read.unsettled:
            stamp = stamp._replace(ctime_ns=DOUBTFUL)
            hint = "it is backed up as it was read; back up again when nothing writes to it"
            self._problem(folder, found, "kept changing while it was read", hint)
        self._add_read(folder, stamp, fmt.encode_entry(entry), 0 if counted else stamp.size, owed=owed)

    def _add_read(self, folder: Folder, stamp: Stamp, entry: bytes, size: int = 0, *, owed: str | None = None) -> None:
        new = stamp.name not in folder.names
        self._totals.count(new=int(new), changed=int(not new), read_bytes=0 if is_link(entry) else stamp.size)
        folder.add(stamp, entry, owed=owed)
        self._progress.advance(1, size, os.fsdecode(stamp.name))

    def _not_read(self, folder: Folder, found: Found, why: str) -> None:
        kept = "its last version is kept" if found.stamp.name in folder.files else "it is not backed up"
        is_refused = why == refuse.WHY
        what = f"is refused: {why}" if is_refused else f"cannot be read: {why}"
        self._problem(folder, found, f"{what}; {kept}", refuse.HINT if is_refused else "mend that and back up again")
        self._progress.advance(1, found.stamp.size, os.fsdecode(found.stamp.name))

    def _problem(self, folder: Folder, found: Found, what: str, hint: str) -> None:
        self._problems.append(Problem(path=os.fsdecode(folder.full(found.stamp.name)), what=what, hint=hint))

    def _folder_done(self, folder: Folder) -> None:
        """All of a folder is known: write its listing and tell its parent."""
        known = folder.summary(tuple(map(self._writer.add_listing, fmt.encode_pages(folder.listing()))))
        path = folder.found.path
        self._drop_gone(folder)
        self._catalog.put_folder(folder.spec.path, path, known, folder.files.values(), folder.owed)
        if folder.parent is None:
            self._add_top(folder.spec, known)
        else:
            folder.parent.add_folder(path.rpartition(b"/")[2], known)

    def _drop_gone(self, folder: Folder) -> None:
        source, path = folder.spec.path, folder.found.path
        for name in self._catalog.subfolders(source, path) - set(folder.found.folders):
            lost = self._catalog.folder(source, join(path, name))
            self._totals.count(gone=lost.files + lost.links if lost else 0)
            self._catalog.drop_folder(source, join(path, name))

    def _add_top(self, spec: SourceSpec, known: KnownFolder) -> None:
        name = os.fsencode(spec.label)
        self._tops[name] = fmt.encode_entry(folder_entry(name, known))
        self._counts += Counts(files=known.files, folders=known.folders, links=known.links, size=known.size)


def _says_the_same(last: Snapshot, new: Snapshot) -> bool:
    """Whether a snapshot says nothing of files and sources that the one before did not."""
    return (last.root, last.sources, last.problems) == (new.root, new.sources, new.problems)
