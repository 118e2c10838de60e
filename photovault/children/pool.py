"""As many children as cores, each with a thread that speaks with it; a job goes to whichever is free.

Guarantee: no child runs before something is asked, nor after ``close``; one that is gone is replaced when it is next
needed, and so is one after some thousand jobs, so that what a library leaks is given back.  Not guaranteed: any order.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from photovault.children.process import GoneError, Keeper, Process, StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.children.process import Words

P = TypeVar("P", bound=Process)
_Answer = TypeVar("_Answer")
_STARTS_MAX: Final = 3  # failures in a row, after which no more is tried
_JOIN: Final = 5.0  # seconds


class Child(Generic[P]):
    """A process that is started when needed and replaced when gone, and its thread."""

    def __init__(self, start: Callable[[], P], words: Words, jobs_max: int, serve: Callable[[Child[P]], None]) -> None:
        """Start the thread, not the process."""
        self._start, self._words, self._jobs_max = start, words, jobs_max
        self._process: P | None = None
        self._failed = 0
        self._stopped = False
        self.thread = threading.Thread(target=serve, args=(self,), name="child", daemon=True)
        self.thread.start()

    @property
    def pid(self) -> int:
        """Of its process; 0 if there is none."""
        process = self._process
        return process.pid if process is not None else 0

    def process(self) -> P:
        """A process that runs.

        Raises:
            GoneError: there will be none.
        """
        if self._stopped:
            raise GoneError(self._words.closed)
        if self._process is not None and (self._process.gone or self._process.jobs >= self._jobs_max):
            self.end()
        if self._process is None:
            if self._failed == _STARTS_MAX:
                raise StartError(self._words.unstarted)
            self._failed += 1
            self._process = self._start()
            self._failed = 0
            if self._stopped:  # between the question above and now
                self.end()
                raise GoneError(self._words.closed)
        return self._process

    def stop(self) -> None:
        """From any thread: kill the process, and start no other."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill(self._words.closed)

    def end(self) -> None:
        """End the process; the next one is started when it is needed."""
        if self._process is not None:
            self._process.end()
            self._process = None


class Pool(Generic[P]):
    """Children that are asked by any thread."""

    def __init__(self, start: Callable[[Keeper], P], words: Words, *, count: int = 0, jobs_max: int) -> None:
        """Nothing is started yet.

        Args:
            start: starts a process; it must do so in the thread that calls it.
            words: what is said of children that give no answer.
            count: how many children at most; 0 for one a usable core.
            jobs_max: after which one is replaced.
        """
        self._start, self._words = start, words
        self._count, self._jobs_max = count or _cores(), jobs_max
        self._jobs: SimpleQueue[Callable[[Child[P]], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._children: list[Child[P]] = []
        self._under_way = 0
        self._keeper: Keeper | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """How many children there are at most."""
        return self._count

    @property
    def pids(self) -> tuple[int, ...]:
        """The children that run now."""
        return tuple(child.pid for child in self._children if child.pid)

    def ask(self, job: Callable[[Child[P]], _Answer]) -> Future[_Answer]:
        """Give ``job`` to the next free child.

        Raises:
            GoneError: the pool was closed.
        """
        answer: Future[_Answer] = Future()

        def run(child: Child[P]) -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(job(child))
            except BaseException as problem:  # noqa: BLE001 - it is raised where the answer is waited for
                answer.set_exception(problem)

        with self._lock:
            if self._closed:
                raise GoneError(self._words.closed)
            self._under_way += 1
            self._keeper = keeper = self._keeper or Keeper()
            if len(self._children) < min(self._count, self._under_way):
                child = Child(lambda: self._start(keeper), self._words, self._jobs_max, self._serve)
                self._children.append(child)
            self._jobs.put(run)
        return answer

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

    def _serve(self, child: Child[P]) -> None:
        """What the thread of a child does."""
        while job := self._jobs.get():
            job(child)
            with self._lock:
                self._under_way -= 1
        child.end()


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1
