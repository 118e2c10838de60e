"""Whether the search catalog knows a snapshot, and the job that makes it so.

One job for each snapshot at a time.  Whoever began it, or comes while it is young, waits a second and a half: that is enough for a
small vault, and for a new snapshot of a large one, and nobody sees a page that says wait.  Whoever waits longer gets
NotReadyError, which names the job.

Another process may be writing to the catalog: the job waits half a minute for it, can be cancelled meanwhile, and then says so.
A snapshot of which some listing cannot be read counts as known until the storage lists something new; what is lacking is told.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.app.finding import LOCK
from photovault.app.viewing.jobs import Outcome
from photovault.device import run_lock
from photovault.errors import BusyError, CancelledError, PhotovaultError
from photovault.gallery.asks import NotReadyError, NotThereError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.viewing.desk import Desk, Opened
    from photovault.app.viewing.jobs import Jobs
    from photovault.library import Library, Mark
    from photovault.model import Problem
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

QUICK: Final = 1.5
"""Seconds that a page waits for the listings."""

_IN_THE_WAY: Final = 25.0  # seconds that another process may hold the catalog
_LOOK: Final = 0.2
_TOLD: Final = 20


@dataclass(slots=True, kw_only=True)
class _Work:
    """A job that brings the catalog up to date for one snapshot."""

    job: str = ""
    began: float
    over: threading.Event = field(default_factory=threading.Event)
    error: PhotovaultError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacking:
    """What could not be read of a snapshot, and when that was seen: as of which mark in the catalog, and which news."""

    problems: tuple[Problem, ...]
    mark: Mark | None
    news: int


class NotListed(NamedTuple):
    """A snapshot that the catalog does not know, as of which news."""

    one: NamedSnapshot
    news: int


class Preparing:
    """Has snapshots in the catalog."""

    def __init__(self, jobs: Jobs, desk: Desk) -> None:
        """Read listings at ``desk``, which may take long."""
        self._jobs = jobs
        self._desk = desk
        self._lock = threading.Lock()
        self._works: dict[bytes, _Work] = {}
        self._lacking: dict[bytes, _Lacking] = {}

    def mark(self, library: Library, one: NamedSnapshot, news: int) -> Mark | None:
        """As of when the catalog knows a snapshot; None when its listings are to be read."""
        mark = library.mark(one.name)
        if mark is None or mark.whole:
            return mark
        lacking = self._lacking.get(one.name)
        return mark if lacking is not None and (lacking.mark, lacking.news) == (mark, news) else None

    def note(self, one: NamedSnapshot) -> str:
        """What could not be read of a snapshot, in a sentence; empty when nothing is known to be lacking."""
        lacking = self._lacking.get(one.name)
        if lacking is None or not lacking.problems:
            return ""
        many = len(lacking.problems)
        where = ", ".join(dict.fromkeys(one.path or "/" for one in lacking.problems[:_TOLD]))
        lists = "1 listing of this snapshot cannot" if many == 1 else f"{many} listings of this snapshot cannot"
        return f"{lists} be read, so what they name is not shown ({where}); run `photovault check`"

    def prepare(self, wanted: NotListed) -> None:
        """Return when the listings are read, if that is soon.

        Raises:
            NotReadyError: it takes longer.
            PhotovaultError: they cannot be read, or kept.
        """
        work = self._work(*wanted)
        if not work.over.wait(max(0.0, work.began + QUICK - time.monotonic())):
            raise NotReadyError(work.job)
        if work.error is not None:
            raise work.error

    def _work(self, one: NamedSnapshot, news: int) -> _Work:
        """The job under way for a snapshot, begun if there is none."""
        with self._lock:
            work = self._works.get(one.name)
            if work is None or work.over.is_set() or self._was_dropped(work):
                self._works = {name: one for name, one in self._works.items() if not one.over.is_set()}
                made = _Work(began=time.monotonic())
                title = f"Listing the photos of {one.snapshot.time[:16].replace('T', ' ')}"
                made.job = self._jobs.begin("listings", title, lambda progress: self._do(made, one, news, progress))
                self._works[one.name] = work = made
            return work

    def _was_dropped(self, work: _Work) -> bool:
        """Whether somebody cancelled a job before its turn came."""
        try:
            return self._jobs.job(work.job).is_over
        except NotThereError:
            return True

    def _do(self, work: _Work, one: NamedSnapshot, news: int, progress: Progress) -> Outcome:
        """In the thread of the job."""
        try:
            problems = self._desk.ask(lambda opened: self._update(opened, one, news, progress))
        except PhotovaultError as error:
            stopped = isinstance(error, CancelledError)  # the next who asks begins anew, and this one is told as it was
            work.error = (
                PhotovaultError("the listing of the photos was stopped", "load the page again") if stopped else error
            )
            raise
        finally:
            work.over.set()
        told = tuple((found.path, f"{found.what}; run `photovault check`") for found in problems[:_TOLD])
        return Outcome(lines=("the photos are listed",), problems=told, partly=bool(problems))

    def _update(self, opened: Opened, one: NamedSnapshot, news: int, progress: Progress) -> tuple[Problem, ...]:
        """At the desk."""
        listed = opened.snapshots()
        if one.name not in {known.name for known in listed.found}:
            listed = opened.snapshots(fresh=True)  # another desk saw it first, and its parts are still to be found here
        existing = [known.name for known in listed.found]
        with _held(opened, progress):
            library = opened.library
            if library.knows(one.name):
                return ()
            problems = library.update(opened.reader, one, [*existing, one.name], progress)
            self._lacking[one.name] = _Lacking(problems=problems, mark=library.mark(one.name), news=news)
            return problems


@contextmanager
def _held(opened: Opened, progress: Progress) -> Iterator[None]:
    """Hold the lock of the catalog, once nobody else does.

    Raises:
        BusyError: another process holds it for too long.
        CancelledError: somebody wants the job to stop.
        RefusedError: its file cannot be written.
    """
    until = time.monotonic() + _IN_THE_WAY
    with ExitStack() as stack:
        while not _hold(opened, stack):
            if time.monotonic() > until:
                raise BusyError(
                    "another photovault process is bringing the search catalog up to date",
                    "wait for it, then load the page again",
                )
            progress.advance(0, 0, "")
            time.sleep(_LOOK)
        yield


def _hold(opened: Opened, stack: ExitStack) -> bool:
    """Whether nobody else held the lock; now it is held until the end of ``stack``."""
    try:
        stack.enter_context(run_lock(opened.session.folder, wait=False, name=LOCK))
    except BusyError:
        return False
    return True
