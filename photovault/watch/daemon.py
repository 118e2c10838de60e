"""The loop: events in, backups out, and an answer to "am I safe?" at any moment.

One thread owns everything here.  It drains the watcher's events into ``QuietPeriod``, and when something settled, every
destination needs a backup.  One backup runs at a time, in a thread of its own, while events go on being taken; files that
still move when it begins are held back.  Whether it may run now is a question for ``schedule``.  A full look at everything
is due at the start, once in ``rescan``, when a source came, after sleep, when the clock was set, and when events were lost;
every backup is one, so that it only means to run one.  When nothing is to be done, thumbnails that backups left are made
(``spare``), then photos are restored to prove that they are there (a drill), and then faces are looked for, where somebody
agreed to it.

Guarantees: an event that came before a backup began is in that backup, or makes the next one due.  A destination that
fails is tried again for ever and keeps no other from being served.  What must survive a kill (since when each destination
has what it has, since when it fails, and a pause with its end) is on disk before it is said.  Asked to stop, it does so
within ten seconds: what a backup had not committed by then is nobody's, and the next run finds it again.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from photovault.device import write_private
from photovault.errors import BusyError, CancelledError, GuardError, PhotovaultError
from photovault.watch.observer import Kind
from photovault.watch.quiet import QuietPeriod
from photovault.watch.run import BEGINS, FACES, Done, Drilled, Faced, Nothing, Run, about, headline, kind_of, run_status
from photovault.watch.schedule import FIRST_RETRY, PAUSE_MAX, Allowed, Clocks, Conditions, Turn
from photovault.watch.spare import SLICE, SpareTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from photovault.progress import Progress
    from photovault.watch.observer import Event, Watched

TICK = 1.0  # seconds between two looks at the clock when nothing happens
STOP_SECONDS = 9.0
BUSY_SECONDS = 10.0  # until a run that somebody else began is asked after again
MEMORY_MAX = 1 << 20
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A place to back up to."""

    name: str
    over_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the configuration says; times in seconds."""

    sources: tuple[Watched, ...]
    destinations: tuple[Destination, ...]
    settle: float
    max_delay: float
    min_interval: float
    rescan: float
    poll: float
    overdue: float
    allowed: Allowed = field(default_factory=Allowed)


class Work(Protocol):
    """Backs up to one destination."""

    def __call__(self, destination: str, hold: frozenset[bytes], progress: Progress, /) -> Done:
        """Back up everything but ``hold``.  Raises PhotovaultError."""


class Thumbnails(Protocol):
    """Makes thumbnails that backups to one destination left."""

    def __call__(self, destination: str, progress: Progress, enough: Callable[[], bool], /) -> Done | None:
        """Make some, until it is ``enough``; None when there were none to make.  Raises PhotovaultError."""


class Faces(Protocol):
    """Looks for faces in photos, where somebody agreed to it."""

    def news(self) -> bool:
        """Whether what was agreed to is another thing than when this was asked last."""

    def look(self, progress: Progress, enough: Callable[[], bool], /) -> Faced | None:
        """Look, until it is ``enough``; None when nobody agreed, or nothing was new.  Raises PhotovaultError."""


class Drills(Protocol):
    """Restores photos of one destination, to see that they are there."""

    def __call__(
        self, destination: str, progress: Progress, enough: Callable[[], bool], /, *, again: bool
    ) -> Drilled | None:
        """Try some if a drill is due, or ``again`` those that failed, until it is ``enough``; None where that is not wanted.

        Raises PhotovaultError.
        """


class Source(Protocol):
    """Tells of changes; ``observer.Watcher`` is one."""

    @property
    def blind(self) -> Mapping[bytes, str]:
        """Sources that tell of no changes, and why."""

    @property
    def away(self) -> list[bytes]:
        """Sources that are not there."""

    def look(self) -> bool:
        """Whether a source came."""

    def taken(self) -> Iterable[Event]:
        """What changed since the last call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Clocks, chance, the state of the machine, a thread, a log; all that is not a rule."""

    clocks: Callable[[], Clocks]
    conditions: Callable[[], Conditions]
    chance: Callable[[], float]
    start: Callable[[Callable[[], None]], None]
    say: Callable[[str, Mapping[str, object]], None]
    wall: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class Kept:
    """What is remembered of a destination beyond the end of the process; times are ISO 8601 in UTC, empty for never."""

    last_success: str = ""
    snapshot: str = ""
    failing_since: str = ""
    pending_since: str = ""
    error: str = ""
    problems: int = 0
    problems_since: str = ""
    damaged: int = 0
    damaged_since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """No backup begins for so many seconds."""

    began: datetime
    seconds: float


class Daemon:
    """Watches and backs up, one ``step`` at a time."""

    def __init__(
        self,
        orders: Orders,
        source: Source,
        work: Work,
        world: World,
        memory: Path,
        *,
        thumbnails: Thumbnails | None = None,
        drills: Drills | None = None,
        faces: Faces | None = None,
    ) -> None:
        """``memory``: the file for what must survive a kill; ``thumbnails``, ``drills``, ``faces``: when nothing is to be done."""
        self.world = world
        self._orders = orders
        self._source = source
        self._work = work
        self._thumbnails = thumbnails
        self._drills = drills
        self._faces = faces
        self._failing: set[str] = set()
        self._spare = SpareTime()
        self._spare.renew(FACES)
        self._memory = memory
        self._kept = load_memory(memory)
        self._run: Run | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._wanted_now = False
        self._before = world.clocks()
        self._saving = threading.Lock()
        self._pause = load_pause(memory, world.wall())
        self.paused_until = self._before.boot + self._pause.seconds if self._pause is not None else None
        self._looked = self._polled = self._scanned = self._before.boot
        self._quiet = QuietPeriod(orders.settle, orders.max_delay)
        self._turns: dict[str, Turn] = {}
        self._set_turns(self._before.boot)
        if self._pause is not None:
            world.say("paused", {"seconds": round(self._pause.seconds)})

    def obey(self, orders: Orders, source: Source) -> None:
        """Go on under other orders; a run under way is finished under the old ones."""
        self._orders, self._source = orders, source
        self._quiet.settle, self._quiet.max_delay = orders.settle, orders.max_delay
        self._set_turns(self.world.clocks().boot)
        self.wake()

    def wake(self) -> None:
        """Take the next step at once.  May be called from any thread."""
        self._wake.set()

    def loop(self, beat: Callable[[], None] = lambda: None) -> None:
        """Go on until ``stop``; ``beat`` is called after each step, at least every ``TICK`` seconds."""
        while not self._stopping:
            seconds = self.step()
            beat()
            self._wake.wait(seconds)
            self._wake.clear()

    def stop(self) -> None:
        """End the loop; a run under way is told to stop.  May be called from any thread.

        One that makes thumbnails is told that it is enough: it commits what it made, which takes it some seconds.
        """
        self._stopping = True
        run = self._run
        if run is not None and run.spare:
            run.enough = True
        elif run is not None:
            run.stop = True
        self.wake()

    def wait(self, seconds: float = STOP_SECONDS) -> bool:
        """After the loop has ended: wait for the run under way; False when it is still not over."""
        run, end = self._run, self.world.clocks().awake + seconds
        while run is not None and run.result is None and (left := end - self.world.clocks().awake) > 0:
            self._wake.clear()
            if run.result is None:  # it ends with a call of `wake`, which may have come before the line above
                self._wake.wait(left)
        self._finish_run(self.world.clocks().boot)
        return self._run is None

    def backup_now(self) -> None:
        """Every destination is due, whatever the schedule says about waiting.  May be called from any thread."""
        self._wanted_now = True  # the loop's thread does it: it alone changes turns
        self.wake()

    def pause(self, seconds: float) -> None:
        """Begin no backup for so long, whatever ends this process meanwhile.  May be called from any thread."""
        self.paused_until = self.world.clocks().boot + seconds
        self._pause = Pause(began=self.world.wall(), seconds=seconds)
        self._save()
        self.world.say("paused", {"seconds": seconds})
        self.wake()

    def resume(self) -> None:
        """End a pause.  May be called from any thread."""
        self.paused_until = self._pause = None
        self._save()
        self.world.say("resumed", {})
        self.wake()

    def step(self) -> float:
        """Do what is to be done now; returns seconds until the next step, unless something happens."""
        clocks = self.world.clocks()
        self._take_events(clocks.boot)
        self._look(clocks)
        self._hurry(clocks.boot)
        self._finish_run(clocks.boot)
        decision = self._quiet.decide(clocks.boot)
        if decision.due:
            self._quiet.begin(clocks.boot)
            self._need(clocks.boot)
        if self._run is not None and self._run.spare and not self._is_spare(self._run, clocks.boot):
            self._run.enough = True
        if self._run is None and not self._stopping:
            self._begin_run(clocks.boot)
        return min(TICK, self._orders.poll, self._quiet.decide(clocks.boot).wait or TICK)

    # Events and the reasons for a full look.

    def _take_events(self, now: float) -> None:
        for event in self._source.taken():
            if event.kind is Kind.SOMETHING:
                self._quiet.something(now)
            elif event.kind is Kind.GONE:
                self._quiet.gone(event.path, now)
            else:
                self._quiet.changed(event.path, now, is_open=event.kind is Kind.WRITING)
        if not self._quiet.is_empty and self._lacking(self._turns):
            self._save()

    def _look(self, clocks: Clocks) -> None:
        why = clocks.since(self._before)
        self._before = clocks
        if clocks.boot - self._scanned >= self._orders.rescan:
            why = why or "once in a while"
        if clocks.boot - self._looked >= min(TICK * 3, self._orders.poll) or why:
            self._looked = clocks.boot
            if self._source.look():
                why = why or "a source came"
            if self._faces is not None and self._faces.news():
                self._spare.renew(FACES)
        if self._source.blind and clocks.boot - self._polled >= self._orders.poll:
            self._polled = clocks.boot
            self._quiet.something(clocks.boot - self._orders.settle)
        if why:
            self._scanned = clocks.boot
            self.world.say("looking at everything", {"why": why})
            self._need(clocks.boot)
            self._spare.renew(FACES)
            self._turns = {name: replace(turn, not_before=0.0) for name, turn in self._turns.items()}

    def _hurry(self, now: float) -> None:
        if self._wanted_now:
            self._wanted_now = False
            self._need(now)
            self._turns = {name: replace(turn, not_before=0.0, last_success=None) for name, turn in self._turns.items()}

    def _need(self, now: float) -> None:
        for name, turn in self._turns.items():
            self._turns[name] = turn.needs(now)
        self._lacking(self._turns)
        self._save()

    def _lacking(self, names: Iterable[str]) -> bool:
        """Say of these destinations that they lack something, also while it is too early to back it up; True if new."""
        news = [self._kept[name] for name in names if not self._kept[name].pending_since]
        for kept in news:
            kept.pending_since = self._now_text()
        return bool(news)

    def _set_turns(self, now: float) -> None:
        """Every destination of the orders, each needing a first look."""
        wanted = {one.name: one for one in self._orders.destinations}
        for name in self._turns.keys() - wanted.keys():
            del self._turns[name]
        for name, one in wanted.items():
            turn = self._turns.get(name) or Turn(name=name)
            self._kept.setdefault(name, Kept())  # before there is a turn: another thread may ask for the status
            self._turns[name] = replace(turn, over_network=one.over_network, not_before=0.0)
            self._spare.renew(_drill(name))
        self._need(now)

    # Running.

    def _begin_run(self, now: float) -> None:
        if self._orders.sources and len(self._source.away) >= len(self._orders.sources):
            return  # nothing is there that could be backed up
        conditions = self._conditions(now)
        for name, turn in self._turns.items():
            if not turn.is_due(now, self._orders.min_interval):
                continue
            if self._orders.allowed.why_not(conditions, over_network=turn.over_network):
                continue
            run = self._run = Run(name, now, self._quiet.decide(now).hold)
            self.world.say("backup begins", {"destination": name, "held": len(run.hold)})
            self.world.start(partial(self._do, run))
            return
        self._begin_spare(now)

    def _begin_spare(self, now: float) -> None:
        for key, run in self._slices(now):
            if self._spare.wants(key, now) and self._is_spare(run, now):
                self._run = run
                self.world.say(BEGINS[kind_of(run)], about(run))
                self.world.start(partial(self._do, run))
                return

    def _slices(self, now: float) -> Iterator[tuple[str, Run]]:
        """What could be done, with its name in ``spare``."""
        for name in self._turns if self._thumbnails is not None else ():
            yield name, Run(name, now, frozenset(), spare=True)
        for name in self._turns if self._drills is not None else ():
            yield _drill(name), Run(name, now, frozenset(), spare=True, drill=True)
        if self._faces is not None:
            yield FACES, Run(FACES, now, frozenset(), spare=True)

    def _is_spare(self, run: Run, now: float) -> bool:
        """Whether nothing else is to be done, and a slice that began as ``run`` may go on."""
        turn, conditions = self._turns.get(run.destination), self._conditions(now)
        if conditions.battery is not None or not self._quiet.is_empty or now - run.began >= SLICE:
            return False
        if any(one.is_due(now, self._orders.min_interval) for one in self._turns.values()):
            return False
        if turn is None:
            return run.destination == FACES and not self._orders.allowed.why_not(conditions, over_network=False)
        allowed = not self._orders.allowed.why_not(conditions, over_network=turn.over_network)
        return allowed and turn.pending_since is None

    def _conditions(self, now: float) -> Conditions:
        until = self.paused_until  # read once: another thread may end the pause between two looks
        if until is not None and now >= until:
            self.resume()
            until = None
        return replace(self.world.conditions(), paused=until is not None)

    def _do(self, run: Run) -> None:
        """In the thread of the run."""
        try:
            run.result = self._what(run)
        except PhotovaultError as error:
            run.result = error
        except Exception as error:  # noqa: BLE001 - a defect must not end the daemon in silence
            run.result = PhotovaultError(f"unexpected: {type(error).__name__}")
        finally:
            if run.result is None:  # the thread was ended by something that is no Exception
                run.result = CancelledError("stopped")
            self.wake()

    def _what(self, run: Run) -> Done | Drilled | Faced | Nothing:
        if run.drill and self._drills is not None:
            again = run.destination in self._failing
            return self._drills(run.destination, run, lambda: run.enough, again=again) or Nothing()
        if run.destination == FACES and self._faces is not None:
            return self._faces.look(run, lambda: run.enough) or Nothing()
        if run.spare and self._thumbnails is not None:
            return self._thumbnails(run.destination, run, lambda: run.enough) or Nothing()
        return self._work(run.destination, run.hold, run)

    def _finish_run(self, now: float) -> None:
        run = self._run
        if run is None or run.result is None:
            return
        self._run = None
        turn = self._turns.get(run.destination)
        if turn is None or run.drill:
            self._finish_other(run, now)
            return
        match run.result:
            case Done() as done:
                self._succeeded(run, turn, done, now)
            case Nothing():
                self._spare.learn(run.destination, 0)
            case CancelledError():
                self.world.say("backup stopped", {"destination": run.destination})
            case BusyError() if run.spare:
                self._spare.failed(run.destination, now, BUSY_SECONDS)
            case PhotovaultError() as error if run.spare:
                self._spare.failed(run.destination, now)
                self.world.say("thumbnails not made", {"destination": run.destination, "error": error.what})
            case BusyError():
                self._turns[run.destination] = replace(turn, not_before=now + BUSY_SECONDS)
                self.world.say("backup waits", {"destination": run.destination, "why": "another run is under way"})
            case PhotovaultError() as error:
                self._failed(turn, now, error)

    def _finish_other(self, run: Run, now: float) -> None:
        """Faces, a drill, or what was done at a destination that is none any more."""
        if run.destination == FACES:
            self._finish_faces(run, now)
        elif run.destination in self._turns:
            self._finish_drill(run, now)

    def _finish_faces(self, run: Run, now: float) -> None:
        match run.result:
            case Faced() as faced:
                self._spare.learn(FACES, faced.left)
                if faced.left and not faced.photos:
                    self._spare.failed(FACES, now)
                self.world.say("faces looked for", asdict(faced))
            case Nothing():
                self._spare.learn(FACES, 0)
            case BusyError():
                self._spare.failed(FACES, now, BUSY_SECONDS)
            case PhotovaultError() as error:
                self._spare.failed(FACES, now)
                self.world.say("faces not looked for", {"error": error.what, "do": error.hint})

    def _finish_drill(self, run: Run, now: float) -> None:
        key = _drill(run.destination)
        match run.result:
            case Drilled() as drilled:
                self._failing.discard(run.destination)
                self._spare.later(key, drilled.left, now, drilled.again)
                if drilled.left and not drilled.photos:
                    self._spare.failed(key, now)
                self._note_damage(run.destination, drilled.damaged)
                self.world.say("drill done", {"destination": run.destination, **asdict(drilled)})
            case Nothing():
                self._spare.learn(key, 0)
                self._note_damage(run.destination, 0)
            case BusyError() | CancelledError():
                self._spare.failed(key, now, BUSY_SECONDS)
            case PhotovaultError() as error:
                self._spare.failed(key, now)
                self.world.say("no drill", {"destination": run.destination, "error": error.what, "do": error.hint})

    def _note_damage(self, name: str, damaged: int) -> None:
        """What a drill found wrong stays said until another one finds it mended."""
        kept = self._kept[name]
        since = (kept.damaged_since or self._now_text()) if damaged else ""
        if (damaged, since) != (kept.damaged, kept.damaged_since):
            kept.damaged, kept.damaged_since = damaged, since
            self._save()

    def _succeeded(self, run: Run, turn: Turn, done: Done, now: float) -> None:
        if run.spare:
            self._spare.done(run.destination, done.thumbnails_left, now)
        self._spare.learn(run.destination, done.thumbnails_left)
        if done.files:
            self._spare.renew(FACES)
        if done.snapshot and self._kept[run.destination].damaged:
            self._failing.add(run.destination)  # it may be mended now
            self._spare.renew(_drill(run.destination))
        turn = turn.succeeded(run.began)
        before = self._kept[run.destination]
        kept = Kept(last_success=self._now_text(), snapshot=done.snapshot or before.snapshot, problems=done.problems)
        kept.damaged, kept.damaged_since = before.damaged, before.damaged_since
        kept.problems_since = (before.problems_since or self._now_text()) if kept.problems else ""
        if turn.pending_since is not None or not self._quiet.is_empty:
            kept.pending_since = self._now_text()
        self._turns[run.destination] = turn
        self._kept[run.destination] = kept
        self._save()
        self.world.say("backup done", {"destination": run.destination, **asdict(done)})

    def _failed(self, turn: Turn, now: float, error: PhotovaultError) -> None:
        first = min(FIRST_RETRY, 10 * self._orders.max_delay)
        self._turns[turn.name] = turn.failed(now, error.what, self.world.chance(), first)
        kept = self._kept[turn.name]
        kept.failing_since = kept.failing_since or self._now_text()
        kept.error = f"{error.what}; {error.hint}" if isinstance(error, GuardError) else error.what
        said = error.unnamed if isinstance(error, GuardError) else error.what
        self._save()
        wait = round(self._turns[turn.name].not_before - now)
        self.world.say(
            "backup failed",
            {"destination": turn.name, "error": said, "do": error.hint, "again in seconds": wait},
        )

    # Saying how things stand.

    def status(self) -> dict[str, Any]:
        """How things stand, as JSON has it.  May be called from any thread."""
        now = self.world.clocks().boot
        run, conditions, until = self._run, self._conditions(now), self.paused_until
        return {
            "paused": None if until is None else round(until - now),
            "moving": len(self._quiet),
            "away": [_text(path) for path in self._source.away],
            "blind": {_text(path): why for path, why in self._source.blind.items()},
            "run": None if run is None or run.result is not None else run_status(run, now),
            "destinations": [self._destination(turn, conditions, now) for turn in list(self._turns.values())],
        }

    def headline(self) -> str:
        """How things stand, in a line."""
        failing = [name for name in self._turns if self._kept[name].failing_since]
        if self._run is not None:
            return headline(self._run)
        if failing:
            return f"failing: {', '.join(failing)}"
        if self.paused_until is not None:
            return "paused"
        return "pending" if any(self._kept[name].pending_since for name in self._turns) else "protected"

    def _destination(self, turn: Turn, conditions: Conditions, now: float) -> dict[str, Any]:
        kept = self._kept[turn.name]
        waits = self._orders.allowed.why_not(conditions, over_network=turn.over_network)
        return {
            "name": turn.name,
            **asdict(kept),
            "problems": kept.problems + len(self._source.away),
            "waits": waits if turn.pending_since is not None else "",
            "next_try": max(0, round(turn.not_before - now)) if turn.failures else 0,
        }

    def _now_text(self) -> str:
        return self.world.wall().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _save(self) -> None:
        with self._saving:  # the loop's thread, and whoever pauses
            pause = self._pause
            value = {
                "version": 1,
                "destinations": {name: asdict(kept) for name, kept in list(self._kept.items())},
                "pause": None if pause is None else [pause.began.isoformat(), pause.seconds],
            }
            with suppress(OSError, PhotovaultError):  # a full disk must not end the daemon: the backup will say so
                write_private(self._memory, json.dumps(value, indent=1).encode())


def _drill(name: str) -> str:
    """What drills of a destination are called in ``spare``; the name of none, since it has blanks and no slash."""
    return f"photos proven at {name}"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def load_memory(path: Path) -> dict[str, Kept]:
    """What the daemon remembered of each destination; nothing when it never ran or the file is damaged."""
    try:
        return {str(name): Kept(**kept) for name, kept in _read(path)["destinations"].items()}
    except _DAMAGE:
        return {}


def load_pause(path: Path, now: datetime) -> Pause | None:
    """What is left of the pause that the daemon was in; None when it is over, or when the clock was set back before it."""
    try:
        began, seconds = _read(path)["pause"]
        pause = Pause(began=datetime.fromisoformat(began), seconds=min(float(seconds), PAUSE_MAX))
        gone = (now - pause.began).total_seconds()
    except _DAMAGE:
        return None
    return Pause(began=now, seconds=pause.seconds - gone) if 0 <= gone < pause.seconds else None


def end_pause(path: Path) -> None:
    """Forget the pause; to be called where no daemon runs.  Raises RefusedError when that cannot be written down."""
    with suppress(*_DAMAGE):
        write_private(path, json.dumps(_read(path) | {"pause": None}, indent=1).encode())


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        value = json.loads(file.read(MEMORY_MAX))
    if value["version"] != 1:
        raise ValueError
    return dict(value)
