"""Long work: each job in a thread of its own, three at once, others wait their turn.

A job is a function that is told a ``Progress`` and returns an ``Outcome``.  It counts in its own thread; others see what it last
published, one frozen value that is replaced as a whole, ten times a second at most.  Whether somebody wants it to stop it learns
when it next tells of progress: that raises CancelledError there, so it ends as after Ctrl-C, with nothing half-done left behind.

Guarantee: whatever becomes of a job, its state says so, with what to do; of what is no error of ours only the kind is shown, since
its text might hold a secret, and ``defect`` is told of it.  Not guaranteed: that a job which waits for a slow storage stops at once; ``close`` waits three
seconds for it, and then leaves it to end with the process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from photovault.errors import BusyError, CancelledError, PhotovaultError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.gallery.values import JobState
    from photovault.progress import Progress

    Work = Callable[[Progress], "Outcome"]

_AT_ONCE: Final = 3
_WAITING: Final = 20
_REMEMBERED: Final = 50
_EVERY: Final = 0.1  # seconds
_RATED: Final = 5.0  # seconds over which a rate is taken
_PATIENCE: Final = 3.0  # seconds
_ID_SIZE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a job.

    Attributes:
        lines: for people.
        problems: what went wrong, each with what to do.
        rows: files and what would become of each; only the last job that has any keeps them.
        partly: not all of it could be done.
    """

    lines: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    partly: bool = False


class Jobs:
    """Every job of this gallery; see ``gallery.asks.Jobs``."""

    def __init__(
        self,
        random: Callable[[int], bytes],
        clock: Callable[[], float] = time.monotonic,
        defect: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        """Ids are made of ``random``; ``clock`` is in seconds and never goes back; ``defect``: is told of what nobody expected."""
        self._random, self._clock, self._defect = random, clock, defect
        self._lock = threading.Lock()
        self._every: dict[str, _Run] = {}  # the oldest first
        self._waiting: deque[_Run] = deque()
        self._running: dict[_Run, threading.Thread] = {}
        self._closed = False

    def begin(self, kind: str, title: str, work: Work) -> str:
        """Have ``work`` done, as soon as it is its turn; returns the id of the job.

        Raises:
            BusyError: too much waits already, or the gallery is about to end.
        """
        with self._lock:
            if self._closed:
                raise BusyError("the gallery is being locked", "open it again")
            if len(self._waiting) >= _WAITING:
                raise BusyError("too much is waiting to be done already", "wait until some of it is done, or cancel it")
            run = _Run(Job(id=self._random(_ID_SIZE).hex(), kind=kind, title=title, state="waiting"), work, self._clock)
            self._every[run.job.id] = run
            self._waiting.append(run)
            self._forget()
            self._start()
        return run.job.id

    def job(self, job_id: str) -> Job:
        """How it stands.  NotThereError when it was never begun, or is too long ago."""
        return self._run(job_id).job

    def jobs(self) -> tuple[Job, ...]:
        """The last ones, the newest first."""
        with self._lock:
            return tuple(run.job for run in reversed(self._every.values()))

    def cancel(self, job_id: str) -> None:
        """Stop it soon; what is over stays as it is."""
        run = self._run(job_id)
        run.stop.set()
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
                run.end("cancelled")

    def close(self) -> None:
        """Stop all and wait for them, for three seconds together."""
        with self._lock:
            self._closed = True
            running, waiting = dict(self._running), list(self._waiting)
            self._waiting.clear()
        for run in (*running, *waiting):
            run.stop.set()
        for run in waiting:
            run.end("cancelled")
        until = time.monotonic() + _PATIENCE
        for thread in running.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, job_id: str) -> _Run:
        with self._lock:
            run = self._every.get(job_id)
        if run is None:
            raise NotThereError("there is no such job any more", "begin it again")
        return run

    def _start(self) -> None:
        """Begin what may begin; the lock is held."""
        while self._waiting and len(self._running) < _AT_ONCE:
            run = self._waiting.popleft()
            thread = threading.Thread(target=self._do, args=(run,), name=f"job {run.job.kind}", daemon=True)
            self._running[run] = thread
            thread.start()

    def _do(self, run: _Run) -> None:
        """In the thread of the job."""
        try:
            run.do(self._defect)
        finally:
            with self._lock:
                self._drop_rows()
                del self._running[run]
                self._start()

    def _drop_rows(self) -> None:
        """Lists of files are long: only that of the job which was begun last is kept."""
        listing = [run for run in self._every.values() if run.job.rows]
        for run in listing[:-1]:
            run.job = replace(run.job, rows=())

    def _forget(self) -> None:
        """Remember fifty, and whatever is not over."""
        over = [name for name, run in self._every.items() if run.job.is_over]
        for name in over[: max(0, len(self._every) - _REMEMBERED)]:
            del self._every[name]


@dataclass(slots=True)
class _Marks:
    """How far a job was, and when: as far back as its rate is taken."""

    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=1 + round(_RATED / _EVERY)))

    def rate(self, now: float, size: int) -> int:
        """Bytes a second since the oldest mark, and one mark more."""
        while self.seen and now - self.seen[0][0] > _RATED and len(self.seen) > 1:
            self.seen.popleft()
        self.seen.append((now, size))
        began, before = self.seen[0]
        return round((size - before) / (now - began)) if now > began else 0


class _Run:
    """One job: what it does, and how it stands.  Only its own thread publishes, once it runs."""

    def __init__(self, job: Job, work: Work, clock: Callable[[], float]) -> None:
        self.job = job
        self.stop = threading.Event()
        self._work = work
        self._clock = clock
        self._published = clock() - _EVERY
        self._files = self._size = 0
        self._marks = _Marks()

    def do(self, defect: Callable[[BaseException], None]) -> None:
        """Do it, and say what came of it."""
        self.job = replace(self.job, state="running")
        try:
            self._check()
            outcome = self._work(self)
        except CancelledError:
            self.end("cancelled")
        except PhotovaultError as error:
            self.end("failed", error=error.what, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - nobody else is there to tell of it
            hint = "please report it; `photovault gallery --debug` prints what to report"
            self.end("failed", error=f"unexpected {type(error).__name__}: this is a defect", hint=hint)
            defect(error)
        else:
            state: JobState = "partly" if outcome.partly else "done"
            self.end(state, lines=outcome.lines, problems=outcome.problems, rows=outcome.rows)

    def end(self, state: JobState, **more: object) -> None:
        """Publish the last of it."""
        self.job = replace(self.job, state=state, files=self._files, size=self._size, rate=0, **more)  # type: ignore[arg-type]
        self._work = _done

    # As ``Progress``, in the thread of the job.

    def total(self, files: int, size: int) -> None:
        """See ``Progress``."""
        self._check()
        self.job = replace(self.job, files_total=files, size_total=size)

    def advance(self, files: int, size: int, path: str) -> None:
        """See ``Progress``; ``path`` is kept nowhere."""
        del path
        self._files += files
        self._size += size
        self._check()
        now = self._clock()
        if now - self._published >= _EVERY:
            self._published = now
            rate = self._marks.rate(now, self._size)
            self.job = replace(self.job, files=self._files, size=self._size, rate=rate)

    def _check(self) -> None:
        if self.stop.is_set():
            raise CancelledError("stopped, as you asked", "what was done until then stays")


def _done(progress: Progress) -> Outcome:
    """What holds nothing: the work of a job that is over may have held photos."""
    del progress
    return Outcome()
