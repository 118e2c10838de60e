"""Files on their way into the vault: handed out to workers in batches, and what comes back taken into parts and entries.

Only the owner's thread is here.  A file that cannot be read, or that keeps changing, is told as a problem, and its last
version stays.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.backup.compare import Totals
from photovault.backup.jobs import Answer, Batch, Folder, Job, Large, Visit, Window, is_link
from photovault.backup.packing import ROOM, Packing
from photovault.backup.pictures import Album, Pictures
from photovault.model import DOUBTFUL, Entry, EntryKind, Problem, Stamp
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
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from photovault.backup.versions import Versions
    from photovault.photos.scan import Found
    from photovault.progress import Progress
    from photovault.vault.writer import Writer

PARTS_MAX = 50_000  # of one file: its entry must fit into a page of a listing
BATCH_FILES = 64  # open at a time, for each job under way: the decoder holds those that it has not looked at
VISIT_FILES = 4  # looked at by one job; with ``run.AHEAD``, how much must still be looked at when it is enough
_TOO_LARGE = "it is larger than one file may be (about 195 GiB)"


class Taking:
    """The files of one run.

    Attributes:
        totals: of files, as far as they are done.
        problems: what could not be read, or only in part.
        album: thumbnails and facts.
    """

    def __init__(
        self,
        writer: Writer,
        versions: Versions,
        packing: Packing,
        progress: Progress,
        pictures: Pictures,
        options: ReaderOptions,
        *,
        again: bool,
    ) -> None:
        """``again``: every file is read, so the same bytes are no news."""
        self.totals = Totals()
        self.problems: list[Problem] = []
        self.album = Album(pictures, writer)
        self._writer = writer
        self._versions = versions
        self._packing = packing
        self._progress = progress
        self._pictures = pictures
        self._options = options
        self._again = again
        self._room = ROOM if pictures.pack else BUFFER
        self._buffers: list[memoryview] = []

    def visits(self, folder: Folder, files: list[Found]) -> Iterator[Job]:
        """Looks at unchanged files, until it is enough; the others stay owed."""
        for at in range(0, len(files), VISIT_FILES):
            some = tuple(files[at : at + VISIT_FILES])
            if self._pictures.enough() or not self._pictures.budget.grant(len(some)):
                return
            yield Visit(folder=folder, files=some)

    def jobs(self, folder: Folder, files: list[Found]) -> Iterator[Job]:
        """Reads files: small ones in batches, large ones window by window; links here and now."""
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
        thumbnails = self._are_decoded(folder, files)
        return Batch(folder=folder, files=tuple(files), buffer=self._buffer(), thumbnails=thumbnails)

    def _are_decoded(self, folder: Folder, files: list[Found]) -> bool:
        """Whether there is time for thumbnails of these files, or they must be looked at in any case."""
        budget = self._pictures.budget
        if budget.grant(len(files)):
            return True
        if self._versions.insists(folder, files, self._pictures):
            budget.insist(len(files))
            return True
        return False

    def _buffer(self) -> memoryview:
        """A buffer for a job; never more than jobs under way, and each is used again."""
        return self._buffers.pop() if self._buffers else memoryview(bytearray(self._room))

    def _large(self, folder: Folder, found: Found) -> Iterator[Job]:
        thumbnails = self._are_decoded(folder, [found])
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

    def done(self, job: Job, answer: Answer) -> None:
        """Take what a worker found; of the end of a folder it knows nothing."""
        match job:
            case Batch() if isinstance(answer, Reading):
                self._batch_done(job, answer)
                self._buffers.append(job.buffer)
            case Visit() if isinstance(answer, Revisit):
                self._visit_done(job, answer)
            case Window():
                self._window_done(job, answer)
                self._buffers.append(job.buffer)

    def _batch_done(self, job: Batch, reading: Reading) -> None:
        files = reading.result()
        seen = [one.seen for one in files if isinstance(one, FileRead)]
        self._spent(len(files) if job.thumbnails else 0, sum(one.seconds for one in seen))
        self.album.hear(seen)
        for found, one in zip(job.files, files, strict=True):
            self._file_done(job.folder, found, one, job.buffer)

    def _visit_done(self, job: Visit, revisit: Revisit) -> None:
        """Put what was seen into the entries; a file that changed meanwhile is left to the next backup, which reads it."""
        found = revisit.result()
        known = [seen for seen in found if seen is not None]
        self._spent(len(found), sum(seen.seconds for seen in known))
        self.album.hear(known)
        for one, seen in zip(job.files, found, strict=True):
            name = one.stamp.name
            if seen is not None:
                stamp, entry = job.folder.files[name]
                facts, owed = self.album.take(seen, os.fsdecode(job.folder.full(name)))
                if not seen.why:
                    old = fmt.read_entry(entry)
                    entry = fmt.encode_entry(replace(old, facts=replace(facts, suspect=old.facts.suspect)))
                job.folder.add(stamp, entry, owed=owed)
            self.totals.count(looks=1, look_bytes=one.stamp.size)
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
        facts, owed = self.album.take(read.seen, os.fsdecode(folder.full(found.stamp.name)))
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
        before = self._versions.last(folder, entry.name)
        entry = self._versions.compared(folder, before, entry)
        stamp = read.stamp
        if read.unsettled:
            stamp = stamp._replace(ctime_ns=DOUBTFUL)
            hint = "it is backed up as it was read; back up again when nothing writes to it"
            self._problem(folder, found, "kept changing while it was read", hint)
        same = self._again and before is not None and before.digest == entry.digest
        size = 0 if counted else stamp.size
        has_thumbnail = bool(entry.facts.thumbnail or entry.facts.broken)
        self._add_read(folder, stamp, fmt.encode_entry(entry), size, owed=None if has_thumbnail else owed, same=same)

    def _add_read(
        self,
        folder: Folder,
        stamp: Stamp,
        entry: bytes,
        size: int = 0,
        *,
        owed: str | None = None,
        same: bool = False,
    ) -> None:
        new = stamp.name not in folder.names
        kind = "new" if new else "unchanged" if same else "changed"
        self.totals.count(**{kind: 1}, read_bytes=0 if is_link(entry) else stamp.size)
        folder.add(stamp, entry, owed=owed)
        self._progress.advance(1, size, os.fsdecode(stamp.name))

    def _not_read(self, folder: Folder, found: Found, why: str) -> None:
        kept = "its last version is kept" if found.stamp.name in folder.files else "it is not backed up"
        is_refused = why == refuse.WHY
        what = f"is refused: {why}" if is_refused else f"cannot be read: {why}"
        self._problem(folder, found, f"{what}; {kept}", refuse.HINT if is_refused else "mend that and back up again")
        self._progress.advance(1, found.stamp.size, os.fsdecode(found.stamp.name))

    def _problem(self, folder: Folder, found: Found, what: str, hint: str) -> None:
        self.problems.append(Problem(path=os.fsdecode(folder.full(found.stamp.name)), what=what, hint=hint))
