"""Copying what was planned: whole, checked, and under its name only then.

Files are written under temporary names by ``Target``, hashed on the way, made durable, and with ``verify`` read back from
the disk and compared; a batch then gets its names.  A source that cannot be read costs its own files; a full disk ends the
run, what is whole by then keeps its name, and the next run copies the rest.

Guarantee: no file under its final name is incomplete, and none is replaced.  With ``verify``, what was read from the source
has been read again from the library: past the page cache where the system lets go of it (Linux; elsewhere it may answer from
memory).  Not guaranteed: against another program that makes a file of the same name in the same instant.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import DamageError, RefusedError, StorageError
from photovault.importing.values import UnreadableError
from photovault.model import Problem
from photovault.photos import refuse
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.importing.plan import Copy, ImportPlan
    from photovault.importing.values import Incoming, Key, Opening, Part, Path, Stream
    from photovault.progress import Progress
    from photovault.target import Pending, Target
    from photovault.workers import Workers

PIECE = 1024 * 1024
_BATCH_FILES = 64
_BATCH_BYTES = 256 * 1024 * 1024
_AHEAD = 16
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What was copied, in files and bytes, and what could not be."""

    copied: int = 0
    size: int = 0
    problems: tuple[Problem, ...] = ()


class Shelf:
    """The folder that is imported into, as a plan asks for it."""

    def __init__(self, target: Target) -> None:
        """The opened target."""
        self._target = target

    def name(self, raw: bytes) -> bytes:
        """A name that is safe there."""
        return self._target.plan([raw])[0].name

    def size(self, path: Path) -> int | None:
        """Bytes of the file there; None if nothing is there, -1 if it is no file."""
        info = self._target.lstat(path)
        return None if info is None else info.st_size if _is_file(info) else -1

    def names(self, folder: Path) -> list[bytes]:
        """The names in a folder; none if it cannot be read: to look at a file in it will say why."""
        with suppress(OSError):
            return os.listdir(self._target.path(*folder))
        return []

    def digest(self, path: Path) -> bytes:
        """SHA-256 of the file there, empty if it cannot be read."""
        return read_back(self._target.path(*path))


def _is_file(info: os.stat_result) -> bool:
    return stat.S_ISREG(info.st_mode)


class Reading:
    """Digests of files to be imported, each read at most once for it."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """``parts``: numbered as the keys of members are."""
        self._parts = parts
        self._known: dict[Key, bytes] = {}

    def of(self, incoming: Incoming) -> bytes:
        """Read it, unless that was done before.  Raises UnreadableError."""
        key = incoming.member.key
        if incoming.digest:
            return incoming.digest
        if key not in self._known:
            with self._parts[key.part].open(incoming.member) as stream:
                self._known[key] = digest_of(stream)
        return self._known[key]


def digest_of(stream: Stream, front: bytes = b"") -> bytes:
    """SHA-256 of all that is left in ``stream``, behind the ``front`` that was read already."""
    digest = hashlib.sha256(front)
    while data := stream.read(PIECE):
        digest.update(data)
    return digest.digest()


def read_back(path: bytes) -> bytes:
    """SHA-256 of a file as the disk has it; empty if it cannot be read, or is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(fd, "rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                with suppress(OSError):
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""


def run_copies(
    plan: ImportPlan, parts: Sequence[Part], target: Target, workers: Workers, progress: Progress, *, verify: bool
) -> CopyReport:
    """Copy what ``plan`` says.

    Raises:
        RefusedError: no space, or no right to write there; what was whole by then is there.
    """
    run = _Copying(plan, target, workers, progress, verify=verify)
    progress.total(len(plan.copies), plan.size)
    try:
        for number, part in enumerate(parts):
            run.part(number, part)
        run.settle()
    except BaseException:  # a full disk, or Ctrl-C: what is whole stays, under its name
        with suppress(StorageError, DamageError):
            run.settle()
        raise
    return run.report()


@dataclass(slots=True, kw_only=True)
class _Done:
    copied: int = 0
    size: int = 0
    problems: list[Problem] = field(default_factory=list)


class _Copying:
    def __init__(self, plan: ImportPlan, target: Target, workers: Workers, progress: Progress, *, verify: bool) -> None:
        self._left = {one.incoming.member.key: one for one in plan.copies}
        self._swept: set[Path] = set()
        self._target = target
        self._workers = workers
        self._progress = progress
        self._verify = verify
        self._batch: list[tuple[Copy, Pending, bytes]] = []
        self._done = _Done()

    def part(self, number: int, part: Part) -> None:
        """Copy what is wanted of one folder or archive."""
        wanted = sorted(key for key in self._left if key.part == number)
        if part.again:
            for key in wanted:
                copy = self._left.pop(key)
                self._copy(copy, partial(part.open, copy.incoming.member))
        elif wanted:
            self._in_order(part)

    def _in_order(self, part: Part) -> None:
        try:
            for member, opening in part.walk():
                copy = self._left.get(member.key)
                if copy is not None and copy.incoming.member == member:  # it may be another archive by now
                    del self._left[member.key]
                    self._copy(copy, opening)
        except UnreadableError as error:
            self._done.problems.append(error.problem)

    def _copy(self, copy: Copy, opening: Callable[[], Opening]) -> None:
        member = copy.incoming.member
        self._sweep(copy.path[:-1])
        pending = self._target.begin(copy.path, member.size)
        try:
            with opening() as stream:
                digest = _write(stream, pending, member.where)
            _same(copy, digest)
            pending.finish(mtime_ns=copy.incoming.mtime_ns, mode=_MODE)
        except UnreadableError as error:
            pending.abandon()
            self._done.problems.append(error.problem)
        except DamageError:
            pending.abandon()
            self._done.problems.append(Problem(path=member.where, what="it changed while it was read"))
        else:
            self._batch.append((copy, pending, digest))
            self._settle_if_full()
        self._progress.advance(1, member.size, shown(copy.path[-1]))

    def _sweep(self, folder: Path) -> None:
        """Remove what an earlier import left in a folder when it was stopped."""
        if folder not in self._swept:
            self._swept.add(folder)
            self._target.sweep(folder)

    def _settle_if_full(self) -> None:
        size = sum(copy.incoming.member.size for copy, _, _ in self._batch)
        if len(self._batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            self.settle()

    def settle(self) -> None:
        """Make a batch durable, read it back, give it its names."""
        batch, self._batch = self._batch, []
        good = []
        for one, wrong in self._workers.ordered(self._is_whole, batch, _AHEAD):
            if wrong is None:
                good.append(one)
            else:
                one[1].abandon()
                self._failed(one[0], wrong)
        failed = {id(pending): error for pending, error in self._target.commit_all([one for _, one, _ in good])}
        for copy, pending, _ in good:
            self._count(copy, failed.get(id(pending)))

    def _is_whole(self, one: tuple[Copy, Pending, bytes]) -> StorageError | DamageError | None:
        """In a worker: have the bytes on the disk, and look at them there."""
        copy, pending, digest = one
        try:
            pending.flush()
            if self._target.lstat(copy.path) is not None:
                return RefusedError("something else came to be there meanwhile", "run the same command again")
            if self._verify and read_back(self._target.path(*copy.path[:-1], pending.temporary)) != digest:
                return DamageError("the disk does not give back what was written to it", "do not erase the source")
        except StorageError as error:
            return error
        return None

    def _count(self, copy: Copy, error: StorageError | None) -> None:
        if error is not None:
            self._failed(copy, error)
            return
        self._done.copied += 1
        self._done.size += copy.incoming.member.size

    def _failed(self, copy: Copy, error: StorageError | DamageError) -> None:
        where = self._target.shown(copy.path)
        self._done.problems.append(Problem(path=where, what=error.what.removeprefix(f"{where}: "), hint=error.hint))

    def report(self) -> CopyReport:
        """What was done; what no part gave is a problem, too."""
        lost = [
            Problem(path=one.incoming.member.where, what="it cannot be read any more") for one in self._left.values()
        ]
        return CopyReport(copied=self._done.copied, size=self._done.size, problems=(*self._done.problems, *lost))


def _same(copy: Copy, digest: bytes) -> None:
    if copy.incoming.digest not in (b"", digest):
        raise UnreadableError(copy.incoming.member.where, "it changed while it was imported")


def _write(stream: Stream, pending: Pending, where: str) -> bytes:
    digest, screen = hashlib.sha256(), refuse.Screen()
    while data := stream.read(PIECE):
        if screen.feed(data):
            raise UnreadableError(where, f"is refused: {refuse.WHY}", refuse.HINT)
        digest.update(data)
        pending.write(data)
    return digest.digest()
