"""The daemon's wiring: orders from the configuration, backups as the command makes them, and who is told.

Every run builds its ``App`` anew, from the same options and environment, so it is the backup that the command would make.
The configuration is the one that was read at the start or after the last SIGHUP, for runs as for what is watched: a file
that is being edited, or broken, changes nothing.  Nothing is asked: without a terminal the device key, or a password that
an option gives, must open the vault.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from photovault.app.runs import App
from photovault.app.settings import local_folder
from photovault.app.sources import IGNORE_FILE, BackupRequest, sources
from photovault.backup import BackupPlan
from photovault.errors import BusyError, PhotovaultError, RefusedError, UnsafeError, UsageError, WrongKeyError
from photovault.watch import control
from photovault.watch.alarms import Alarms, channels
from photovault.watch.control import Server, only_one
from photovault.watch.daemon import Daemon, Destination, Orders, World, end_pause, load_memory, load_pause
from photovault.watch.memory import give_back
from photovault.watch.notify import Notify
from photovault.watch.observer import Watched, Watcher
from photovault.watch.power import Power
from photovault.watch.run import Done, Drilled, Faced
from photovault.watch.schedule import Allowed, Clocks
from photovault.watch.standing import Standing, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from photovault.backup import BackupReport, SourceSpec
    from photovault.progress import Progress

    Say = Callable[[str, Mapping[str, object]], None]

_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_ERASE_EVERY = 60.0  # seconds
MEMORY = "watch.json"
ALARMS_MEMORY = "alarms.json"


class Watching:
    """One daemon, from its start to its end."""

    def __init__(self, app: App, say: Say) -> None:
        """``app`` says where things are and how the vault is opened; ``say`` is the log."""
        self._app = app
        self._say = say
        self._daemon: Daemon | None = None
        self._watcher: Watcher | None = None
        self._alarms: Alarms | None = None
        self._place = place(app)
        self._reload = self._end = False
        self._notify = Notify(app.world.environ)
        for name in _SYSTEMD:  # programs that this one starts must not speak for it
            os.environ.pop(name, None)

    def run(self) -> bool:
        """Watch until ``stop``; False when a backup under way did not end in time, so that the process must be ended.

        Raises:
            BusyError: another daemon is watching.
            UsageError: there is nothing to watch.
            NoVaultError, WrongKeyError: the vault cannot be opened, which only somebody can mend.
        """
        app = self._app
        give_back()
        with ExitStack() as stack:
            stack.enter_context(only_one(self._place))
            orders = self._orders(app)
            self._try_key(app)
            stack.callback(self._close)
            watcher = self._watcher = _watcher(orders).begin()
            daemon = self._daemon = Daemon(
                orders,
                watcher,
                self._backup,
                self._world(),
                self._place / MEMORY,
                thumbnails=self._make_thumbnails,
                drills=_Drills(self._fresh),
                faces=_Faces(self._fresh, self._erase),
            )
            stack.enter_context(self._server(daemon))
            self._begin_alarms(daemon)
            self._say_orders("watching", orders)
            self._notify.ready()
            daemon.loop(lambda: self._between(daemon))
            self._notify.stopping()
            ended = daemon.wait()
        self._say("stopped", {} if ended else {"why": "a backup under way was broken off; the next one goes on"})
        return ended

    def _server(self, daemon: Daemon) -> AbstractContextManager[object]:
        """Answers whoever asks; where nobody can, backups go on all the same."""
        try:
            return Server(self._place, daemon)
        except RefusedError as error:
            self._say("nobody can ask this daemon", {"why": error.what, "do": error.hint})
            return nullcontext()

    def stop(self) -> None:
        """End ``run`` within a second.  For signal handlers, which may touch no lock: they only leave word."""
        self._end = True

    def reload(self) -> None:
        """Read the configuration again.  For signal handlers, as above."""
        self._reload = True

    def _between(self, daemon: Daemon) -> None:
        """After each step of the loop."""
        self._notify.alive(time.monotonic())
        self._notify.status(daemon.headline())
        if self._end:
            daemon.stop()
        if self._reload:
            self._reload = False
            self._notify.reloading()
            self._obey(daemon)
            self._notify.ready()

    def _obey(self, daemon: Daemon) -> None:
        """Take new orders, or keep the old ones when the configuration is broken."""
        try:
            app = App(self._app.settings, self._app.world)
            orders = self._orders(app)
        except PhotovaultError as error:
            self._say(
                "configuration not read", {"error": error.what, "do": "mend it and send SIGHUP; the old one holds"}
            )
            return
        self._close()  # before the new ones begin: both together may be too many; a full look follows
        self._app, self._watcher = app, _watcher(orders).begin()
        daemon.obey(orders, self._watcher)
        self._begin_alarms(daemon)
        self._say_orders("configuration read", orders)

    def _close(self) -> None:
        for one in (self._alarms, self._watcher):
            if one is not None:
                one.close()

    def _say_orders(self, what: str, orders: Orders) -> None:
        self._say(what, {"sources": len(orders.sources), "destinations": len(orders.destinations)})
        for path, why in (self._watcher.blind if self._watcher is not None else {}).items():
            self._say("source is looked at only now and then", {"source": os.fsdecode(path), "why": why})

    def _try_key(self, app: App) -> None:
        """A key that does not fit is said at once; a storage that is away is not."""
        try:
            with app.session(refresh=False):
                pass
        except (WrongKeyError, UsageError):
            raise
        except PhotovaultError as error:
            self._say("vault not opened", {"error": error.what, "do": "backups begin when it can be"})

    def _begin_alarms(self, daemon: Daemon) -> None:
        app = self._app
        self._alarms = Alarms(
            channels(app.config.alarms),
            daemon.status,
            app.config.status.overdue,
            app.world.now,
            self._say,
            self._place / ALARMS_MEMORY,
        )
        self._alarms.start()

    def _fresh(self) -> App:
        """As if called anew, under the configuration that was read last."""
        made = App(self._app.settings, self._app.world)
        made.config = self._app.config
        return made

    def _orders(self, app: App) -> Orders:
        """What the configuration says."""
        if not app.config.sources:
            raise UsageError("there is nothing to watch", f"name folders in [[sources]] of {app.config_path}")
        watch = app.config.watch
        avoid = tuple(os.fsencode(os.path.realpath(folder)) for folder in app.own_folders)
        places = [(one.name, local_folder(one.url) is None) for one in app.destinations()]
        return Orders(
            sources=tuple(_watched(app, spec, avoid) for spec in sources(app, BackupRequest())),
            destinations=tuple(
                Destination(name=name, over_network=far) for name, far in sorted(places, key=lambda place: place[1])
            ),
            settle=watch.settle,
            max_delay=watch.max_delay,
            min_interval=watch.min_interval,
            rescan=min(watch.rescan, watch.heartbeat or watch.rescan),
            poll=watch.poll,
            overdue=app.config.status.overdue,
            allowed=Allowed(quiet_hours=watch.quiet_hours, battery_min=watch.battery_min, on_metered=watch.on_metered),
        )

    def _backup(self, destination: str, hold: frozenset[bytes], progress: Progress) -> Done:
        """One run; in its thread."""
        made = self._fresh().at(destination)
        report = made.backup_if_changed(BackupRequest(hold=hold), progress)
        for warning in made.warnings:
            self._say("warning", {"destination": destination, "why": warning})
        if isinstance(report, BackupPlan):
            return Done(
                problems=len(report.problems) - sum(bool(one.offline) for one in report.sources) + made.suspect,
                thumbnails_left=made.thumbnails_left,
            )
        return _done(report)

    def _make_thumbnails(self, destination: str, progress: Progress, enough: Callable[[], bool]) -> Done | None:
        """Some of the thumbnails that backups left, None when there are none; in a thread of its own."""
        report = self._fresh().at(destination).make_thumbnails(BackupRequest(), progress, enough)
        return None if report is None else _done(report)

    def _erase(self) -> None:
        """Erase face data for which the consent has ended."""
        from photovault.app.consent import erase_if_lapsed

        try:
            erased = erase_if_lapsed(self._app)
        except PhotovaultError as error:
            self._say("face data not erased", {"error": error.what, "do": error.hint})
            return
        if erased is not None:
            self._say("face data erased", {"why": "the consent has ended", "problems": len(erased.problems)})

    def _world(self) -> World:
        power = Power(lambda: datetime.now().astimezone(), time.monotonic)
        return World(
            clocks=_clocks,
            conditions=power.conditions,
            chance=lambda: int.from_bytes(os.urandom(2)) / 0x1_0000,
            start=_in_a_thread,
            say=self._say,
            wall=self._app.world.now,
        )


class _Drills:
    """Restoring photos of a destination; how many a slice left is remembered until the next one."""

    def __init__(self, app: Callable[[], App]) -> None:
        self._app = app
        self._left: dict[str, int] = {}

    def __call__(
        self, destination: str, progress: Progress, enough: Callable[[], bool], /, *, again: bool
    ) -> Drilled | None:
        """See ``watch.daemon.Drills``."""
        from photovault.app.drilling import drill_in_background

        app = self._app().at(destination)
        if not app.config.drill.background:
            return None
        done = drill_in_background(app, progress, enough, left=self._left.get(destination, 0), again=again)
        self._left[destination] = done.left
        return done


class _Faces:
    """Looking for faces, in a process of its own: this one has a network, and so never the face key."""

    def __init__(self, app: Callable[[], App], erase: Callable[[], None]) -> None:
        self._app, self._erase = app, erase
        self._known: object = None
        self._looked = -_ERASE_EVERY

    def news(self) -> bool:
        """Whether the log of consents changed; what there is no consent for is erased now and then."""
        now = time.monotonic()
        if now - self._looked >= _ERASE_EVERY:
            self._looked = now
            self._erase()
        known, self._known = self._known, self._stamp()
        return known != self._known

    def _stamp(self) -> object:
        try:
            st = os.stat(self._app().people_folder / "consent.jsonl")
        except OSError:
            return None
        return st.st_ino, st.st_size, st.st_mtime_ns

    def look(self, progress: Progress, enough: Callable[[], bool]) -> Faced | None:
        """Look for faces, if that is agreed to and wanted."""
        from photovault.app.consent import consent
        from photovault.app.people_process import scan_in_background

        app = self._app()
        if not (app.config.people.background and consent(app).standing().holds):
            return None
        done = scan_in_background(app, progress, enough)
        if done is not None and done.alarms:
            raise UnsafeError(done.alarms[-1], "see `photovault people status`")
        if done is not None and done.gave_way:
            raise BusyError("somebody else is at work on faces", "they are looked for later")
        return None if done is None else Faced(photos=done.looked, left=done.left, problems=done.failed)


def _done(report: BackupReport) -> Done:
    return Done(
        snapshot=report.snapshot.id if report.is_new else "",
        files=report.totals.new + report.totals.changed + report.totals.moved,
        size=report.written.stored_bytes,
        problems=len(report.problems)
        - sum(bool(one.offline) for one in report.snapshot.snapshot.sources)
        + report.suspect,
        thumbnails_left=report.thumbnails.left,
    )


def _clocks() -> Clocks:
    """``CLOCK_BOOTTIME`` goes on in sleep where there is one; elsewhere the steady clock does, or sleep is not seen."""
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
    return Clocks(awake=time.monotonic(), boot=boot, wall=time.time())


def _in_a_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="backup", daemon=True).start()


def _watcher(orders: Orders) -> Watcher:
    logging.getLogger("watchdog").propagate = False  # what it says there is told as an event
    return Watcher(orders.sources, _mounts)


def _mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _watched(app: App, spec: SourceSpec, avoid: tuple[bytes, ...]) -> Watched:
    belonging = _Belonging(app, spec)
    return Watched(
        path=belonging.path,
        belongs=belonging,
        avoid=avoid,
        rules=os.fsencode(IGNORE_FILE),
        renew=belonging.renew,
    )


class _Belonging:
    """Whether a file belongs to the backup of a source, by the rules as they were last read."""

    def __init__(self, app: App, spec: SourceSpec) -> None:
        self.path = os.fsencode(spec.path)
        self._app = app
        self._spec = spec

    def __call__(self, file: bytes) -> bool:
        return self._spec.rules.wants(os.path.relpath(file, self.path))

    def renew(self) -> None:
        """Rules that cannot be read leave the old ones; the backup, which reads them too, says why it failed."""
        with suppress(PhotovaultError):
            for spec in sources(self._app, BackupRequest()):
                if spec.path == self._spec.path:
                    self._spec = spec


def place(app: App) -> Path:
    """Where the daemon of this profile has its lock, its socket and its memory."""
    profile = app.settings.profile
    return app.state_dir if profile is None else app.state_dir / f"watch-{profile}"


def ask(app: App, do: str, **more: object) -> dict[str, Any] | None:
    """What the daemon of this user answers; None when none runs."""
    return control.ask(place(app), do, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """What the daemon knows of the destinations: from itself when it answers, else as it last wrote it down."""

    running: bool
    answers: bool
    status: Mapping[str, Any]
    standings: Mapping[str, Standing]

    def known(self, name: str) -> dict[str, Any]:
        """Of one destination; what it waits for is out of date when nothing runs."""
        row = next((dict(one) for one in self.status["destinations"] if one["name"] == name), {})
        return row if self.answers else row | {"pending_since": ""}

    def corrected(self, name: str, how: Standing) -> WatchState:
        """The same, with what somebody saw for himself at one destination."""
        return replace(self, standings={**self.standings, name: how} if name in self.standings else self.standings)


def watch_state(app: App) -> WatchState | None:
    """How the daemon says that things stand; None when there never was one."""
    try:
        answer = ask(app, "status")
    except PhotovaultError:
        answer = None
    running = answer is not None or control.is_running(place(app))
    status = dict(answer["status"]) if answer is not None else _written_down(app)
    if not running and not status["destinations"]:
        return None
    now, overdue = app.world.now(), app.config.status.overdue
    standings = {one["name"]: standing(one, now, overdue) for one in status["destinations"]}
    return WatchState(running=running, answers=answer is not None, status=status, standings=standings)


def _written_down(app: App) -> dict[str, Any]:
    memory = place(app) / MEMORY
    pause = load_pause(memory, app.world.now())
    kept = load_memory(memory)
    return {
        "paused": None if pause is None else round(pause.seconds),
        "destinations": [{"name": name, **asdict(one)} for name, one in kept.items()],
    }


def resume_later(app: App) -> bool:
    """With no daemon running: forget the pause that the next one would go on with; False when there was none."""
    memory = place(app) / MEMORY
    if load_pause(memory, app.world.now()) is None:
        return False
    end_pause(memory)
    return True


def is_running(app: App) -> bool:
    """Whether a daemon of this user runs, whether or not it can be asked."""
    return control.is_running(place(app))
