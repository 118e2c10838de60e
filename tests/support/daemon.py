"""The daemon as its user has it: ``photovault watch`` in a process of its own, its log, and what it says of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from photovault.watch import control
from photovault.watch.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 40.0  # seconds, for what takes one or two on a quiet computer
HEARD = 1.3  # seconds until a change is in every answer: half a one for watchdog, 0.2 for `poll`, and some to spare
_ROOT = Path(__file__).parents[2]
_OVERDUE = 7 * 86_400.0


class Watching:
    """A daemon that runs; it is killed at the end of the ``with``, whatever happened."""

    def __init__(self, log: Path, *options: str) -> None:
        """Start it; it logs to ``log``, after what is there."""
        self.log = log
        self._read = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "photovault", "watch", "--json", *options]
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=os.environ | {"PYTHONPATH": path}
            )

    def __enter__(self) -> Self:
        try:
            self.wait("watching")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # What it logs.

    def wait(self, event: str, seconds: float = PATIENCE, **facts: object) -> dict[str, Any]:
        """The next event of this name with these facts; everything before it counts as read."""
        end = time.monotonic() + seconds
        while True:
            for one in self._unread():
                if one.get("event") == event and facts.items() <= one.items():
                    return one
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said()}"
            assert time.monotonic() < end, f"no {event!r} in {seconds} s:\n{self.said()}"
            time.sleep(0.02)

    def _unread(self) -> list[dict[str, Any]]:
        """Whole lines, one at a time, so that what follows the one that is waited for stays unread."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            line = file.readline()
        if not line.endswith(b"\n"):
            return []
        self._read += len(line)
        try:
            return [json.loads(line)]
        except ValueError:
            raise AssertionError(f"not an event:\n{self.said()}") from None

    def skip(self) -> None:
        """Everything that was logged until now counts as read."""
        self._read = self.log.stat().st_size

    def said(self) -> str:
        """The end of the log."""
        return self.log.read_text(errors="replace")[-5000:]

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of this name, read or not."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [one for one in found if one["event"] == name]

    # What it answers.

    def status(self) -> dict[str, Any]:
        """How it says that things stand."""
        answer = control.ask(Path(os.environ["PHOTOVAULT_STATE_DIR"]), "status")
        assert answer is not None, f"nobody answers:\n{self.said()}"
        return dict(answer["status"])

    def standings(self) -> dict[str, str]:
        """``protected``, ``pending``, ``failing`` or ``overdue``, for each destination."""
        return standings(self.status())

    def until(self, holds: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE) -> dict[str, Any]:
        """The first status for which it holds."""
        end = time.monotonic() + seconds
        while True:
            status = self.status()
            if holds(status):
                return status
            assert time.monotonic() < end, f"{status}\n{self.said()}"
            time.sleep(0.05)

    def until_ready(self) -> None:
        """Wait until it says, after its first look, that everything is safe everywhere."""
        self.until(lambda status: set(standings(status).values()) == {"protected"})

    def until_protected(self, seconds: float = PATIENCE) -> None:
        """Wait until it has heard of everything that was changed before, and says that all of it is safe everywhere."""
        time.sleep(HEARD)
        self.until(lambda status: set(standings(status).values()) == {"protected"}, seconds)

    # How it ends.

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to end, as systemd does; its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(12)

    def kill(self) -> None:
        """End it at once, also when it was stopped by SIGSTOP."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def standings(status: dict[str, Any]) -> dict[str, str]:
    """How each destination of a status stands, in one word."""
    now = datetime.now(UTC)
    return {one["name"]: str(standing(one, now, _OVERDUE)) for one in status["destinations"]}
