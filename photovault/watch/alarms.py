"""Telling somebody that backups fail or are overdue: a webhook, healthchecks.io, the desktop.  Off unless configured.

Every minute the state of all destinations is compared with what each channel was last told.  ``due`` (pure) says what to
tell: a destination that fails or lacks files that cannot be read (for longer than ``PATIENCE``) or is overdue, once and
then once a day, and once that all is well again.  A source that is away alarms nobody: cards and disks come and go.  A healthchecks address is told of the worst of all destinations, and once a day that all is well.  What
was told is kept in a file, so that a daemon that is started anew does not repeat itself.

Guarantees: what is sent has a destination's name, its state, since when, and numbers, never the name of a file or the
text of an error; it goes to the configured address and nowhere else, redirects are not followed.  What could not be sent
is tried again, after a minute, then ever more seldom up to an hour.  Alarms run in a thread of their own: whatever
happens to them, backups go on.  Not guaranteed: that anybody hears of it when this computer is off; healthchecks does.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from photovault import __version__
from photovault.device import write_private
from photovault.errors import PhotovaultError
from photovault.watch.standing import BAD, Standing, parse_time, since_when, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from photovault.config import AlarmsSection

EVERY = 60.0  # seconds between two looks
PATIENCE = timedelta(minutes=15)  # what mends itself sooner is nobody's trouble
AGAIN = timedelta(days=1)
ALL = "*"
_LAST_RETRY = timedelta(hours=1)
_TIMEOUT = 10.0  # seconds
_MEMORY_MAX = 1 << 20
_JOIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What is told about a destination; ``since`` is ISO 8601 in UTC, empty when not known; the others are numbers of photos."""

    destination: str
    state: Standing
    since: str = ""
    problems: int = 0
    damaged: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether something must be done."""
        return self.state in BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a channel was last told about a destination, and when."""

    state: str
    when: datetime


class Channel(Protocol):
    """A way to tell somebody.  ``wants_all``: about all destinations together, and also that all is well."""

    name: str
    wants_all: bool

    def tell(self, alarm: Alarm) -> None:
        """Tell.  Raises PhotovaultError when it could not be told."""


def alarms_of(status: Mapping[str, Any], now: datetime, overdue: float) -> list[Alarm]:
    """What could be told about each destination of ``Daemon.status``; nothing about one of which nothing is known yet."""
    found = []
    for one in status["destinations"]:
        problems = max(0, int(one.get("problems") or 0) - len(status.get("away", ())))
        how = standing({**one, "problems": problems}, now, overdue)
        if _is_new(one, how, now) or (how not in BAD and not one.get("last_success")):
            continue
        state = how if how in BAD else Standing.PROTECTED
        since = since_when(one, state)
        damaged = int(one.get("damaged") or 0)
        found.append(Alarm(destination=str(one["name"]), state=state, since=since, problems=problems, damaged=damaged))
    return found


def _is_new(one: Mapping[str, Any], how: Standing, now: datetime) -> bool:
    """Whether it may still mend itself."""
    since = parse_time(since_when(one, how)) if how in {Standing.FAILING, Standing.INCOMPLETE} else None
    return since is not None and now - since < PATIENCE


def due(alarms: Iterable[Alarm], said: Mapping[str, Said], now: datetime) -> Iterator[Alarm]:
    """What a channel must be told now, given what it was told about each destination."""
    for alarm in alarms:
        before = said.get(alarm.destination)
        if before is None:
            is_news = alarm.is_bad
        elif before.state != alarm.state:
            is_news = True
        else:
            is_news = alarm.is_bad and _is_old(before, now)
        if is_news:
            yield alarm


def due_of_all(alarms: list[Alarm], count: int, said: Said | None, now: datetime) -> Iterator[Alarm]:
    """The same for a channel that wants all destinations (``count`` of them) together: the worst, well or not."""
    worst = max(alarms, key=lambda one: list(Standing).index(one.state), default=None)
    if worst is None or (not worst.is_bad and len(alarms) < count):
        return
    if said is None or said.state != worst.state or _is_old(said, now):
        yield worst


def _is_old(said: Said, now: datetime) -> bool:
    return not timedelta(0) <= now - said.when < AGAIN  # also when the clock was set back


@dataclass(slots=True)
class _Line:
    """What one channel was told, and when it may be tried again."""

    channel: Channel
    said: dict[str, Said] = field(default_factory=dict)
    failures: int = 0
    not_before: datetime | None = None


class Alarms:
    """Looks at the state of the daemon and tells."""

    def __init__(
        self,
        channels: Iterable[Channel],
        status: Callable[[], Mapping[str, Any]],
        overdue: float,
        now: Callable[[], datetime],
        say: Callable[[str, Mapping[str, object]], None],
        memory: Path,
    ) -> None:
        """``status``: of the daemon, for any thread; ``overdue`` in seconds; ``memory``: the file for what was told."""
        told = load_memory(memory)
        self._lines = [_Line(channel, dict(told.get(channel.name, {}))) for channel in channels]
        self._status = status
        self._overdue = overdue
        self._now = now
        self._say = say
        self._memory = memory
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look every minute from now on, in a thread; nothing to do where there are no channels."""
        if self._lines:
            self._thread = threading.Thread(target=self._loop, name="alarms", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop looking; whatever is being sent is not waited for."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def look(self) -> None:
        """Tell what is due."""
        now, status = self._now(), self._status()
        alarms = alarms_of(status, now, self._overdue)
        for line in self._lines:
            if line.not_before is None or now >= line.not_before:
                self._tell(line, self._due(line, alarms, len(status["destinations"]), now), now)

    def _loop(self) -> None:
        while not self._end.wait(EVERY):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - alarms never end anything
                self._say("alarm failed", {"error": f"unexpected {type(error).__name__}"})

    def _due(self, line: _Line, alarms: list[Alarm], count: int, now: datetime) -> list[Alarm]:
        if line.channel.wants_all:
            return list(due_of_all(alarms, count, line.said.get(ALL), now))
        return list(due(alarms, line.said, now))

    def _tell(self, line: _Line, alarms: Iterable[Alarm], now: datetime) -> None:
        for alarm in alarms:
            try:
                line.channel.tell(alarm)
            except PhotovaultError as error:
                line.failures += 1
                line.not_before = now + min(_LAST_RETRY, timedelta(seconds=EVERY) * 2 ** min(line.failures - 1, 10))
                self._say("alarm failed", {"to": line.channel.name, "error": error.what, "do": error.hint})
                return
            line.failures, line.not_before = 0, None
            key = ALL if line.channel.wants_all else alarm.destination
            line.said[key] = Said(state=alarm.state, when=now)
            self._say("alarm sent", {"to": line.channel.name, "destination": alarm.destination, "state": alarm.state})
            self._save()

    def _save(self) -> None:
        value = {
            line.channel.name: {key: [said.state, said.when.isoformat()] for key, said in line.said.items()}
            for line in self._lines
        }
        with suppress(OSError, PhotovaultError):  # told twice is better than not told
            write_private(self._memory, json.dumps({"version": 1, "told": value}).encode())


def load_memory(path: Path) -> dict[str, dict[str, Said]]:
    """What each channel was told; nothing when the file is not there or damaged."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_MEMORY_MAX))
        return {str(name): _said(told) for name, told in value["told"].items() if value["version"] == 1}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _said(told: Mapping[str, Any]) -> dict[str, Said]:
    found = {}
    for key, (state, text) in told.items():
        when = parse_time(text)
        if when is not None:
            found[str(key)] = Said(state=str(state), when=when)
    return found


def channels(section: AlarmsSection) -> list[Channel]:
    """Those that ``[alarms]`` names."""
    found: list[Channel] = []
    if section.webhook:
        found.append(Webhook(section.webhook))
    if section.healthchecks:
        found.append(Healthchecks(section.healthchecks))
    if section.desktop:
        found.append(Desktop())
    return found


class Webhook:
    """POSTs a small JSON document."""

    name = "webhook"
    wants_all = False

    def __init__(self, url: str) -> None:
        """``url``: http or https."""
        self._url = url

    def tell(self, alarm: Alarm) -> None:
        """Raises PhotovaultError."""
        _post(self.name, self._url, document(alarm), "application/json")


class Healthchecks:
    """Pings healthchecks.io, or what speaks like it: the address when all is well, with ``/fail`` behind it when not.

    Source: https://healthchecks.io/docs/http_api/
    """

    name = "healthchecks"
    wants_all = True

    def __init__(self, url: str) -> None:
        """``url``: the ping address of one check."""
        self._url = url

    def tell(self, alarm: Alarm) -> None:
        """Raises PhotovaultError."""
        parts = urlsplit(self._url)
        path = parts.path.rstrip("/") + ("/fail" if alarm.is_bad else "")
        text = sentence(alarm) if alarm.is_bad else "all destinations are protected"
        _post(self.name, parts._replace(path=path).geturl(), text.encode(), "text/plain; charset=utf-8")


class Desktop:
    """Shows a notification; needs the extra ``notify``."""

    name = "desktop"
    wants_all = False

    def __init__(self) -> None:
        """Nothing is loaded before there is something to show."""
        self._show: Callable[[str], None] | None = None

    def tell(self, alarm: Alarm) -> None:
        """Raises PhotovaultError."""
        try:
            self._show = self._show or _desktop()
            with _complaints() as complaints:
                self._show(sentence(alarm))
        except PhotovaultError:
            raise
        except Exception as error:  # noqa: BLE001 - desktops fail in any way, and nobody may be logged in
            raise PhotovaultError(f"the desktop showed no notification ({type(error).__name__})") from None
        if complaints:
            raise PhotovaultError("the desktop showed no notification", "is anybody logged in there?")


def _desktop() -> Callable[[str], None]:
    try:
        from desktop_notifier.sync import (  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - an extra
            DesktopNotifierSync,
        )
    except ImportError:
        raise PhotovaultError(
            "desktop notifications are not installed", "pip install 'photovault[notify]', or set desktop = false"
        ) from None
    notifier = DesktopNotifierSync(app_name="photovault")  # one for all: each has an event loop

    def show(message: str) -> None:
        notifier.send(title="photovault", message=message)

    return show


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the package that shows notifications logs meanwhile: it raises nothing when it could not show one."""
    heard: list[str] = []
    logger, handler = logging.getLogger("desktop_notifier"), logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.name)  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield heard
    finally:
        logger.removeHandler(handler)


def document(alarm: Alarm) -> bytes:
    """What the webhook gets."""
    value = {
        "schema": 1,
        "program": f"photovault/{__version__}",
        "destination": alarm.destination,
        "state": alarm.state,
        "since": alarm.since or None,
        "problems": alarm.problems,
        "damaged": alarm.damaged,
        "text": sentence(alarm),
    }
    return json.dumps(value).encode()


def sentence(alarm: Alarm) -> str:
    """An alarm in words."""
    since = f" since {alarm.since}" if alarm.since else ""
    match alarm.state:
        case Standing.DAMAGED:
            return (
                f"a drill found damage at {alarm.destination}{since}: photos that do not come back as they were: "
                f"{alarm.damaged}; run `photovault status`"
            )
        case Standing.FAILING:
            return f"backups to {alarm.destination} fail{since}; run `photovault status`"
        case Standing.OVERDUE:
            return (
                f"backups to {alarm.destination} are overdue: what changed{since} is not safe; run `photovault status`"
            )
        case Standing.INCOMPLETE:
            return (
                f"backups to {alarm.destination} are incomplete{since}: what could not be read, or is suspect: "
                f"{alarm.problems}; run `photovault status`"
            )
        case _:
            return f"backups to {alarm.destination} are well again"


def _post(name: str, url: str, body: bytes, kind: str) -> None:
    """Send; the address is in no message, since to know it may be to have a right.  Raises PhotovaultError."""
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": kind, "User-Agent": f"photovault/{__version__}", "Connection": "close"}
    try:
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise PhotovaultError(f"the {name} address cannot be reached: {reason}", "it is tried again") from None
    finally:
        connection.close()
    if not 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
        raise PhotovaultError(f"the {name} address answered {status}", "check it under [alarms]; it is tried again")
