"""The only thread pool: ordered, bounded, the first error cancels the rest.

One owner, many workers.  Workers get values and return values; only the owner's thread touches index, packs and
databases.  Results come back in the order of the jobs, whatever finished first, so the same input gives the same
bytes.  At most ``ahead`` jobs are under way, which bounds the memory they hold.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

Job = TypeVar("Job")
Result = TypeVar("Result")
EXTRA_THREADS = 1  # keeps the cores busy while one thread waits for the disk
BESIDE = 3  # threads for what runs beside the ordered jobs: mostly they wait for a storage


def usable_cores() -> int:
    """Cores that this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def default_threads() -> int:
    """Threads when nobody says otherwise: one per usable core, and one more."""
    return usable_cores() + EXTRA_THREADS


class Workers:
    """A pool of threads, used as a context manager."""

    def __init__(self, threads: int = 0) -> None:
        """Start with ``threads`` threads, 0 for the default."""
        self.threads = threads or default_threads()
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="worker")
        self._beside = ThreadPoolExecutor(BESIDE, thread_name_prefix="beside")

    def __enter__(self) -> Self:
        """Use the pool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what runs; after an error, drop what has not begun."""
        for pool in (self._pool, self._beside):
            pool.shutdown(wait=True, cancel_futures=kind is not None)

    def ordered(
        self,
        run: Callable[[Job], Result],
        jobs: Iterable[Job],
        ahead: int,
        *,
        inline: Callable[[Job], bool] = lambda _: False,
    ) -> Iterator[tuple[Job, Result]]:
        """Each job with its result, in the order of the jobs; raises the first error met in that order.

        Jobs that are ``inline`` run in the caller's thread as soon as they are taken: many short system calls from two
        threads spend more time waiting for the interpreter's lock than working.
        """
        waiting: deque[tuple[Job, Future[Result]]] = deque()

        def first() -> tuple[Job, Result]:
            job, future = waiting.popleft()
            return job, future.result()

        try:
            for job in jobs:
                waiting.append((job, _here(run, job) if inline(job) else self._pool.submit(run, job)))
                if len(waiting) >= ahead:
                    yield first()
            while waiting:
                yield first()
        finally:
            for _, future in waiting:
                future.cancel()

    def start(self, run: Callable[[], Result]) -> Future[Result]:
        """Run something beside the ordered jobs, so that neither waits for the other; the future has its result."""
        return self._beside.submit(run)


def _here(run: Callable[[Job], Result], job: Job) -> Future[Result]:
    """Run a job now; what it raises is raised when its turn comes."""
    done: Future[Result] = Future()
    try:
        done.set_result(run(job))
    except Exception as error:  # noqa: BLE001 - a future takes whatever it was
        done.set_exception(error)
    return done
