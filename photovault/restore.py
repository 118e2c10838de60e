"""Restoring: decide for each file, then fetch, check, write.

``photos.choose`` says which entries are wanted, whole sets of photos; ``decide`` says what happens to one that is
already there; both are pure.  ``run_restore`` walks the snapshot, gives every entry a name that is safe in the target,
lets workers fetch and open the parts, check the whole file's digest and write it under a temporary name, and gives files
their names once their bytes are durable.

Guarantee: a file that was restored has the digest that the snapshot promises; a damaged part costs only the files that
need it, and they are named; so are files that nothing on this computer decodes.  Nothing is written outside the target, no link is followed.  Not restored: owners, and
attributes that would grant rights.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import DamageError, PhotovaultError, RefusedError, StorageError, UndecodableError
from photovault.model import Entry, EntryKind, Problem
from photovault.photos.choose import Hit
from photovault.vault.batches import BATCH_FILES, Batch, Batches, Parts, contents
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.target import Pending, Target
    from photovault.vault.places import Place
    from photovault.vault.reader import Reader
    from photovault.workers import Workers

PathParts = tuple[bytes, ...]
AHEAD = 24


class Overwrite(StrEnum):
    """What happens to a file that is already there."""

    NEVER = "never"
    IF_NEWER = "if-newer"
    IF_CHANGED = "if-changed"
    ALWAYS = "always"


class Decision(StrEnum):
    """What is done with one file."""

    WRITE = "write"
    KEEP = "keep"
    COMPARE = "compare"


def decide(entry: Entry, there: os.stat_result | None, rule: Overwrite) -> Decision:
    """What to do with ``entry`` where ``there`` is now.

    ``COMPARE``: read what is there, and write only if its digest differs.  A file of the same size and time counts as
    the same one, except for ``always``, which compares.
    """
    if there is None:
        return Decision.WRITE
    if rule is Overwrite.NEVER:
        return Decision.KEEP
    regular = stat.S_ISREG(there.st_mode)
    if entry.kind is EntryKind.LINK or not regular:
        return Decision.WRITE
    same = there.st_size == entry.size and there.st_mtime_ns == entry.mtime_ns
    if rule is Overwrite.ALWAYS:
        return Decision.COMPARE if there.st_size == entry.size else Decision.WRITE
    if same or (rule is Overwrite.IF_NEWER and there.st_mtime_ns >= entry.mtime_ns):
        return Decision.KEEP
    return Decision.WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did, in files, and what it could not do.

    ``along``: files that were wanted because others of their set were.  ``damaged``: files that cannot be restored
    because of missing or damaged objects.  ``renamed`` is no failure.
    """

    restored: int = 0
    kept: int = 0
    along: int = 0
    size: int = 0
    folders: int = 0
    damaged: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    renamed: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a restore would do with one file.

    Attributes:
        path: in the snapshot.
        size: bytes.
        decision: ``COMPARE``: its contents are compared with what is there, and it is written only if they differ.
        there: whether something is in its place now.
    """

    path: str
    size: int
    decision: Decision
    there: bool


@dataclass(slots=True, kw_only=True)
class _Found:
    """An entry on its way: where it is in the snapshot, where it goes, and whether something is there."""

    path: str
    entry: Entry
    parts: PathParts
    there: bool = False


_Job = Batch[tuple[_Found, Decision]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FolderBack:
    """A folder on the way: ``wanted`` itself, empty or not, or only if something in it is; ``fresh``: not there before."""

    parts: PathParts
    entry: Entry
    wanted: bool
    fresh: bool


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What has been done so far."""

    restored: int = 0
    kept: int = 0
    along: int = 0
    size: int = 0
    folders: list[_FolderBack] = field(default_factory=list)
    damaged: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    renamed: list[Problem] = field(default_factory=list)


def run_restore(
    reader: Reader,
    root: Sequence[bytes],
    target: Target,
    workers: Workers,
    progress: Progress,
    *,
    choice: Choice,
    rule: Overwrite,
) -> RestoreReport:
    """Restore what ``choice`` wants of the tree at ``root`` into ``target``.

    Raises:
        StorageError: the storage or the target failed as a whole; what was restored stays.
    """
    run = _Restore(reader, target, workers, progress, choice, rule, sweeps=True)
    try:
        for job, written in workers.ordered(run.work, run.jobs(root), AHEAD):
            run.done(job, written)
    except BaseException:  # a full disk, or Ctrl-C: what is whole stays, under its name
        run.keep()
        raise
    run.finish()
    return run.report()


def plan_restore(
    reader: Reader,
    root: Sequence[bytes],
    target: Target,
    workers: Workers,
    tell: Callable[[Planned], None],
    *,
    choice: Choice,
    rule: Overwrite,
) -> RestoreReport:
    """What ``run_restore`` would do: ``tell`` is told of each file, and nothing is written.

    Raises:
        StorageError: the storage or the target failed as a whole.
    """
    run = _Restore(reader, target, workers, _Untold(), choice, rule, sweeps=False)
    for found, _, decision in run.wanted(root):
        run.count(found, decision)
        tell(Planned(path=found.path, size=found.entry.size, decision=decision, there=found.there))
    return run.report()


class _Untold:
    """The progress of what takes no time."""

    def total(self, files: int, size: int) -> None:
        """See ``Progress``."""

    def advance(self, files: int, size: int, path: str) -> None:
        """See ``Progress``."""


class _Restore:
    """One restore.  ``work`` runs in workers, everything else in the owner's thread."""

    def __init__(
        self,
        reader: Reader,
        target: Target,
        workers: Workers,
        progress: Progress,
        choice: Choice,
        rule: Overwrite,
        *,
        sweeps: bool,
    ) -> None:
        self._sweeps = sweeps
        self._reader = reader
        self._fetcher = reader.fetcher
        self._target = target
        self._workers = workers
        self._prepared: set[bytes] = set()
        self._progress = progress
        self._choice = choice
        self._rule = rule
        self._tally = _Tally()
        self._pending: list[tuple[_Found, Pending]] = []

    def wanted(self, root: Sequence[bytes]) -> Iterator[tuple[_Found, tuple[Place, ...], Decision]]:
        """Every file and link that is wanted, with what is to be done about it."""
        stack = [iter(self._folder((), "", root))]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif found.entry.kind is EntryKind.FOLDER:
                self._enter(found)
                stack.append(iter(self._folder(found.parts, found.path, found.entry.parts)))
            else:
                yield from self._decided(found)

    def _enter(self, found: _Found) -> None:
        try:
            fresh = self._target.lstat(found.parts) is None
        except RefusedError:
            fresh = False
        wanted = self._choice.wants_folder(found.path)
        self._tally.folders.append(_FolderBack(parts=found.parts, entry=found.entry, wanted=wanted, fresh=fresh))

    def _folder(self, parts: PathParts, path: str, pages: Iterable[bytes]) -> Iterator[_Found]:
        """The entries of one folder, under names that are safe in the target."""
        if self._sweeps:
            with suppress(StorageError):  # if something is in the way here, each file will say so
                self._target.sweep(parts)  # what an earlier restore left when it was stopped
        entries: list[Entry] = []
        for entry in self._reader.folder(pages):
            if isinstance(entry, DamageError):
                self._tally.damaged.append(Problem(path=path or "/", what=f"part of this folder is lost: {entry.what}"))
            else:
                entries.append(entry)
        self._reader.look_ahead(part for entry in entries if self._enters(path, entry) for part in entry.parts)
        names = self._target.plan([entry.name for entry in entries])
        for entry, name, wanted in zip(entries, names, self._wanted(path, entries), strict=True):
            inside = _inside(path, entry)
            if not wanted:
                continue
            if name.renamed is not None and (entry.kind is not EntryKind.FOLDER or self._choice.wants_folder(inside)):
                new = shown(name.name)
                self._tally.renamed.append(Problem(path=inside, what=f"restored as {new}: {name.renamed}"))
            yield _Found(path=inside, entry=entry, parts=(*parts, name.name))

    def _wanted(self, path: str, entries: Sequence[Entry]) -> list[bool]:
        """Which entries of a folder are wanted, and which folders may hold something that is."""
        files = [(_inside(path, entry), entry) for entry in entries if entry.kind is not EntryKind.FOLDER]
        hits = self._choice.chosen(files)
        self._tally.along += hits.count(Hit.ALONG)
        of_files = iter(hits)
        return [
            self._enters(path, entry) if entry.kind is EntryKind.FOLDER else bool(next(of_files)) for entry in entries
        ]

    def _enters(self, path: str, entry: Entry) -> bool:
        """Whether what is in a folder may be wanted."""
        return entry.kind is EntryKind.FOLDER and self._choice.may_hold(_inside(path, entry))

    def _decided(self, found: _Found) -> Iterator[tuple[_Found, tuple[Place, ...], Decision]]:
        try:
            there = self._target.lstat(found.parts)
            found.there = there is not None
            decision = decide(found.entry, there, self._rule)
            places = () if decision is Decision.KEEP else tuple(map(self._reader.place, found.entry.parts))
        except DamageError as error:
            self._damaged(found, error)
        except RefusedError as error:
            self._tally.problems.append(Problem(path=found.path, what=error.what, hint=error.hint))
        else:
            yield found, places, decision

    def count(self, found: _Found, decision: Decision) -> None:
        """Count what would be done."""
        if decision is Decision.KEEP:
            self._tally.kept += 1
        else:
            self._tally.restored += 1
            self._tally.size += found.entry.size

    def jobs(self, root: Sequence[bytes]) -> Iterator[_Job]:
        """Work for the workers; what needs none is done at once.

        Files of one pack come together, because most of them lie side by side.
        """
        with suppress(DamageError):  # whoever reads the folder says what is wrong with it
            self._prepare(map(self._reader.place, root[:1]))
        batches = Batches[tuple[_Found, Decision]]()
        for found, places, decision in self.wanted(root):
            if decision is Decision.KEEP:
                self._tally.kept += 1
                self._progress.advance(1, found.entry.size, found.path)
            elif found.entry.kind is EntryKind.LINK:
                self._link(found)
            else:
                self._prepare(places)
                yield from batches.add((found, decision), places)
        yield from batches.rest()

    def _prepare(self, places: Iterable[Place]) -> None:
        """What opens a pack is fetched while earlier files are still on their way: over a network that is a round trip."""
        for place in places:
            if place.pack not in self._prepared:
                self._prepared.add(place.pack)
                self._workers.start(partial(self._fetcher.prepare, place))

    def _link(self, found: _Found) -> None:
        try:
            self._target.link(found.parts, found.entry.target, found.entry.mtime_ns)
            self._tally.restored += 1
        except StorageError as error:
            self._tally.problems.append(Problem(path=found.path, what=error.what, hint=error.hint))

    # In workers.

    def work(self, job: _Job) -> list[Pending | PhotovaultError | None]:
        """Restore the files of a job up to their final names; None for one that was there already."""
        ready: Parts = {}
        if len(job.files) > 1:  # then all of them are small: parts of several files come in one request
            ready = self._fetcher.fetch(
                place for (_, decision), places in job.files if decision is Decision.WRITE for place in places
            )
        return [self._write(found, places, decision, ready) for (found, decision), places in job.files]

    def _write(
        self, found: _Found, places: tuple[Place, ...], decision: Decision, ready: Parts
    ) -> Pending | PhotovaultError | None:
        entry = found.entry
        try:
            if decision is Decision.COMPARE and self._is_there(found):
                return None
            pending = self._target.begin(found.parts, entry.size)
        except PhotovaultError as error:
            return error
        try:
            digest = hashlib.sha256()
            for data in contents(self._fetcher, places, ready):
                digest.update(data)
                pending.write(data)
            if digest.digest() != entry.digest:
                raise DamageError("its contents are not those that were backed up")
            pending.finish(mtime_ns=entry.mtime_ns, mode=entry.mode, xattrs=entry.xattrs)
            pending.flush()
        except PhotovaultError as error:
            pending.abandon()
            return error
        return pending

    def _is_there(self, found: _Found) -> bool:
        """Whether the file in the target has the wanted contents."""
        path = self._target.path(*found.parts)
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with open(fd, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == found.entry.digest
        except OSError:
            return False

    # Back in the owner's thread.

    def done(self, job: _Job, written: list[Pending | PhotovaultError | None]) -> None:
        """Take the answers of a worker."""
        failed: list[tuple[_Found, PhotovaultError]] = []
        for ((found, _), _), one in zip(job.files, written, strict=True):
            if one is None:
                self._tally.kept += 1
            elif isinstance(one, PhotovaultError):
                failed.append((found, one))
            else:
                self._pending.append((found, one))
            self._progress.advance(1, found.entry.size, found.path)
        for found, error in failed:  # last: it may end the run, and the others of this job are whole
            self._failed(found, error)
        if len(self._pending) >= BATCH_FILES:
            self._commit()

    def _failed(self, found: _Found, error: PhotovaultError) -> None:
        if isinstance(error, UndecodableError):
            self._tally.problems.append(Problem(path=found.path, what=error.what, hint=error.hint))
            return
        if isinstance(error, RefusedError):
            raise error  # no space, or no right to write: the next file will not fare better
        if isinstance(error, StorageError) and error.exit_code != DamageError.exit_code:
            raise error
        self._damaged(found, error)

    def _damaged(self, found: _Found, error: PhotovaultError) -> None:
        hint = "try another snapshot or another copy of the vault"
        self._tally.damaged.append(Problem(path=found.path, what=error.what, hint=hint))

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        failed = {id(one): error for one, error in self._target.commit_all([one for _, one in pending])}
        for found, one in pending:
            error = failed.get(id(one))
            if error is None:
                self._tally.restored += 1
                self._tally.size += found.entry.size
            else:
                self._tally.problems.append(Problem(path=found.path, what=error.what, hint=error.hint))

    def keep(self) -> None:
        """Name the files that are whole, as far as that works, when the run ends early."""
        with suppress(PhotovaultError):
            self._commit()

    def finish(self) -> None:
        """Name the last files, then give folders their times, the deepest first."""
        self._commit()
        for one in reversed(self._tally.folders):
            try:
                self._finish_folder(one)
            except StorageError as error:
                self._tally.problems.append(Problem(path=shown(b"/".join(one.parts)), what=error.what, hint=error.hint))

    def _finish_folder(self, one: _FolderBack) -> None:
        if one.wanted:
            self._target.folder(one.parts)
        elif not one.fresh or self._target.lstat(one.parts) is None:
            return  # it was there before, or nothing came into it
        self._target.finish_folder(one.parts, mtime_ns=one.entry.mtime_ns, mode=one.entry.mode)

    def report(self) -> RestoreReport:
        """What was done."""
        tally = self._tally
        return RestoreReport(
            restored=tally.restored,
            kept=tally.kept,
            along=tally.along,
            size=tally.size,
            folders=sum(one.wanted for one in tally.folders),
            damaged=tuple(tally.damaged),
            problems=tuple(tally.problems),
            renamed=tuple(tally.renamed),
        )


def _inside(path: str, entry: Entry) -> str:
    return f"{path}/{shown(entry.name)}" if path else shown(entry.name)
