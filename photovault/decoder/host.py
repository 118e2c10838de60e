"""Asking children: ``Decoders`` keeps up to ``count`` of them, each with a thread that speaks with it.

A request goes to whichever child is free.  Its files are sent together and answered one by one, in order, so a child that
dies or is too slow had the first file without an answer: that file gets a reason instead (and its facts, if it was the
thumbnail that failed), the child is replaced, and the files after it are asked one at a time.

Guarantee: every file has an answer within its limits, whatever it holds, and no error; no child runs before something is
asked, nor after ``close``.  A child is replaced after some thousand jobs, so that what a library leaks is given back.
Not guaranteed: that a library never takes good files for bad; nothing is lost by it but a thumbnail.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from importlib.util import find_spec
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self, TypeVar

from photovault.decoder.process import CAN_PASS, GoneError, Keeper, Process, StartError
from photovault.decoder.protocol import EXTRAS, Limits, Looked
from photovault.errors import CancelledError, DamageError, UndecodableError
from photovault.photos.looking import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

__all__ = ["Asked", "Decoders", "Limits", "Looked", "Looking", "can_pack", "installed"]

_Answer = TypeVar("_Answer")
_DEFAULT: Final = Limits()
_JOBS_MAX = 2000  # of one child
_STARTS_MAX = 3  # failures in a row, after which no more is tried
_CLOSED: Final = "the decoders were closed"
_JOIN = 5.0  # seconds


def can_pack() -> bool:
    """Whether the library that packs JPEGs is installed; it is not imported."""
    return find_spec("imagecodecs") is not None


def installed() -> list[str]:
    """Which of the extras that thumbnails need are installed; none is imported."""
    return [extra for extra, library in EXTRAS.items() if find_spec(library) is not None]


class Looking:
    """Files that are being looked at."""

    def __init__(self, answer: Future[list[Looked]]) -> None:
        """Made by ``Decoders.look``."""
        self._answer = answer

    def result(self) -> list[Looked]:
        """Wait; one answer for each file, in order."""
        return self._answer.result()


class Decoders:
    """Child processes that decode; a context manager.  Any thread may ask."""

    def __init__(self, *, count: int = 0, limits: Limits = _DEFAULT, passing: bool = CAN_PASS) -> None:
        """Nothing is started yet.

        Args:
            count: how many children at most; 0 for one a usable core.
            limits: what one file may cost.
            passing: whether open files travel to the children; if not, their bytes do.
        """
        self._count = count or _cores()
        self._limits, self._passing = limits, passing and CAN_PASS
        self._jobs: SimpleQueue[Callable[[_Child], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._children: list[_Child] = []
        self._under_way = 0
        self._keeper: Keeper | None = None
        self._closed = False

    def __enter__(self) -> Self:
        """Use the decoders."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    @property
    def protection(self) -> tuple[str, ...]:
        """The layers of the sandbox that are in force, as a child says; empty if none starts."""
        try:
            return self._ask(lambda child: child.process().protection).result()
        except GoneError:
            return ()

    @property
    def pids(self) -> tuple[int, ...]:
        """The children that run now."""
        return tuple(child.pid for child in self._children if child.pid)

    def look(self, files: Sequence[Asked]) -> Looking:
        """Begin to look at ``files``, which may be closed when this returns."""
        copies: list[Asked] = []

        def run(child: _Child) -> list[Looked]:
            try:
                return child.look(copies)
            finally:
                _close(copies)

        try:
            copies += map(_copied, files)
            answer = self._ask(run)
        except (OSError, GoneError) as problem:
            _close(copies)
            return _unseen(len(files), problem.why if isinstance(problem, GoneError) else "too many files are open")
        if not self._passing:
            answer.exception()  # reading would move the place from which the caller reads: see ``Process._send_range``
        return Looking(answer)

    def pack(self, jpeg: bytes | memoryview) -> bytes | None:
        """A JPEG as a JPEG XL file from which exactly it can be made again, which was tried; None if there is none.

        There is none when it would not be smaller, is no JPEG that the library takes, is too large, or the library is
        not installed.
        """
        try:
            return self._ask(lambda child: child.pack(jpeg)).result()
        except GoneError:
            return None

    def unpack(self, jxl: bytes | memoryview, size: int) -> bytes:
        """The JPEG of ``size`` bytes that was packed.

        Raises:
            DamageError: there is none in it.
            UndecodableError: the library for it is not installed, or no child starts.
            CancelledError: they were closed.
        """
        try:
            return self._ask(lambda child: child.unpack(jxl, size)).result()
        except StartError as problem:
            raise UndecodableError("the process that unpacks JPEGs does not start") from problem
        except GoneError as problem:
            if problem.why == _CLOSED:
                raise CancelledError("Stopped") from problem
            raise DamageError(f"A packed JPEG does not decode: {problem.why}") from problem

    def close(self) -> None:
        """End all children; what is under way is answered without them."""
        with self._lock:
            self._closed = True
            children = list(self._children)
        for child in children:
            self._jobs.put(None)
            child.stop()
        for child in children:
            child.thread.join(_JOIN)
        if self._keeper is not None:
            self._keeper.end()

    def _ask(self, ask: Callable[[_Child], _Answer]) -> Future[_Answer]:
        """Ask the next free child.

        Raises:
            GoneError: they were closed.
        """
        answer: Future[_Answer] = Future()

        def run(child: _Child) -> None:
            try:
                answer.set_result(ask(child))
            except BaseException as problem:  # noqa: BLE001 - it is raised where the answer is waited for
                answer.set_exception(problem)

        with self._lock:
            if self._closed:
                raise GoneError(_CLOSED)
            self._under_way += 1
            self._keeper = self._keeper or Keeper()
            if len(self._children) < min(self._count, self._under_way):
                self._children.append(_Child(self._limits, self._keeper, self._serve, passing=self._passing))
            self._jobs.put(run)
        return answer

    def _serve(self, child: _Child) -> None:
        """What the thread of a child does."""
        while job := self._jobs.get():
            job(child)
            with self._lock:
                self._under_way -= 1
        child.end()


class _Child:
    """A child process that is started when needed and replaced when gone, and its thread."""

    def __init__(self, limits: Limits, keeper: Keeper, serve: Callable[[_Child], None], *, passing: bool) -> None:
        self._limits, self._keeper, self._passing = limits, keeper, passing
        self._process: Process | None = None
        self._failed = 0
        self._stopped = False
        self.thread = threading.Thread(target=serve, args=(self,), name="decoder", daemon=True)
        self.thread.start()

    @property
    def pid(self) -> int:
        """Of its process; 0 if there is none."""
        process = self._process
        return process.pid if process is not None else 0

    def process(self) -> Process:
        """A process that runs.

        Raises:
            GoneError: there will be none.
        """
        if self._stopped:
            raise GoneError(_CLOSED)
        if self._process is not None and (self._process.gone or self._process.jobs >= _JOBS_MAX):
            self.end()
        if self._process is None:
            if self._failed == _STARTS_MAX:
                raise StartError
            self._failed += 1
            self._process = Process(self._limits, self._keeper, passing=self._passing)
            self._failed = 0
            if self._stopped:  # between the question above and now
                self.end()
                raise GoneError(_CLOSED)
        return self._process

    def look(self, files: Sequence[Asked]) -> list[Looked]:
        """One answer for each file, in order."""
        found: list[Looked] = []
        many = len(files)
        while len(found) < len(files):
            some = files[len(found) : len(found) + many]
            try:
                for answer in self.process().look(some):
                    found.append(answer)  # noqa: PERF402 - those before a failure count
            except GoneError as gone:
                self.end()
                found.append(self._undecoded(files[len(found)], gone.why))
                many = 1
        return found

    def _undecoded(self, file: Asked, why: str) -> Looked:
        """The answer for a file on which a child ended: the facts at least, if it was not they."""
        if file.thumbnail:
            try:
                (answer,) = self.process().look([file._replace(thumbnail=False)])
                return answer._replace(why=why)
            except GoneError:
                self.end()
        return Looked(why=why)

    def pack(self, jpeg: bytes | memoryview) -> bytes | None:
        """What a process makes of ``jpeg``.

        Raises:
            GoneError: it ended on it.
        """
        try:
            answer = self.process().pack(jpeg)
        except GoneError:
            self.end()
            raise
        smaller = answer.head.get("packed") is True and 0 < len(answer.body) < len(jpeg)
        return bytes(answer.body) if smaller else None

    def unpack(self, jxl: bytes | memoryview, size: int) -> bytes:
        """What a process makes of ``jxl``; asked twice, as the first may have been ill before.

        Raises:
            GoneError: both ended on it.
            DamageError, UndecodableError: as ``Decoders.unpack``.
        """
        try:
            answer = self.process().unpack(jxl, size)
        except GoneError:
            self.end()
            answer = self.process().unpack(jxl, size)
        if answer.head.get("missing") is True:
            raise UndecodableError(
                "it is stored as JPEG XL, and the library that unpacks it is not installed",
                "pip install 'photovault[jxl]'",
            )
        if answer.head.get("unpacked") is not True or len(answer.body) != size:
            raise DamageError("A packed JPEG does not decode to what it was")
        return bytes(answer.body)

    def stop(self) -> None:
        """From any thread: kill the process, and start no other."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill(_CLOSED)

    def end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def _unseen(count: int, why: str) -> Looking:
    answer: Future[list[Looked]] = Future()
    answer.set_result([Looked(why=why)] * count)
    return Looking(answer)


def _copied(file: Asked) -> Asked:
    """With a descriptor of its own, which no other process gets by accident."""
    return file._replace(fd=os.dup(file.fd))


def _close(files: Sequence[Asked]) -> None:
    for file in files:
        with suppress(OSError):
            os.close(file.fd)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1
