"""Talking to a person or to a program.

A person gets lines on standard output, and on a terminal a bar with files, bytes, rate and remaining time on standard
error.  A program (``--json``) gets one document, or for long commands lines with a ``message_type``.  In a pipe there is
no bar.  The remaining time is shown only while it is known how much there is to do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.progress import Progress as Bars

    from photovault.model import Finding, Problem
    from photovault.progress import Progress

SCHEMA = 1
_EVERY_SECONDS = 1.0
_SHOWN = 20


class Output:
    """Where answers go."""

    def __init__(self, *, as_json: bool, quiet: bool, verbose: int, bars: bool) -> None:
        """Remember how to talk."""
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self._bars = bars and not as_json and not quiet

    def line(self, text: str = "") -> None:
        """A line for a person."""
        if not self.as_json and not self.quiet:
            print(printable(text))

    def always(self, text: str) -> None:
        """A line that is the answer itself, also with ``--quiet``."""
        if not self.as_json:
            print(printable(text))

    def warn(self, text: str) -> None:
        """A line on standard error, also with ``--quiet``."""
        if not self.as_json:
            print(printable(text), file=sys.stderr)

    def alarm(self, text: str) -> None:
        """What must not be overlooked: on standard error, red on a terminal, also with ``--quiet``."""
        if not self.as_json:
            red = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
            print(f"\x1b[1;31m{printable(text)}\x1b[0m" if red else printable(text), file=sys.stderr)

    def sign(self, one: Finding) -> None:
        """The storage does not show what it should: at once, on standard error, also with ``--quiet``; for programs as JSON."""
        if self.as_json:
            value = {"schema": SCHEMA, "message_type": "alarm", "what": one.what, "where": one.where, "hint": one.hint}
            print(json.dumps(value, ensure_ascii=True), file=sys.stderr, flush=True)
        else:
            self.alarm(f"ALARM: {one.what}")
            self.alarm(f"what to do: {one.hint}")

    def document(self, value: dict[str, Any]) -> None:
        """The whole answer of a short command."""
        if self.as_json:
            print(json.dumps({"schema": SCHEMA} | value, ensure_ascii=True))

    def message(self, kind: str, value: dict[str, Any]) -> None:
        """One of several answers of a long command."""
        if self.as_json:
            print(json.dumps({"schema": SCHEMA, "message_type": kind} | value, ensure_ascii=True), flush=True)

    def problems(self, problems: Iterable[Problem], heading: str) -> None:
        """What went wrong with single files: to standard error, also with ``--quiet``."""
        problems = list(problems)
        if self.as_json or not problems:
            return
        shown = len(problems) if self.verbose else _SHOWN
        print(f"{heading}:", file=sys.stderr)
        for one in problems[:shown]:
            hint = f" ({one.hint})" if one.hint else ""
            print(printable(f"  {one.path}: {one.what}{hint}"), file=sys.stderr)
        if len(problems) > shown:
            print(f"  and {len(problems) - shown} more; -v shows all", file=sys.stderr)

    def warnings(self, warnings: Iterable[str]) -> None:
        """What the user should know about the vault, on standard error, also with ``--quiet``."""
        if not self.as_json:
            for one in dict.fromkeys(warnings):
                print(f"warning: {printable(one)}", file=sys.stderr)

    @contextmanager
    def meter(self, what: str, *, lines: bool = True) -> Iterator[Progress]:
        """Show how far a long command is, the way that suits who is there; without ``lines`` a program gets one document."""
        if self.as_json and lines:
            yield _Lines(self)
        elif self._bars:
            with _bars() as bars:
                yield _Bar(bars, what)
        else:
            yield _Silent()


class _Silent:
    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        pass


class _Lines:
    """A status line of JSON each second."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._goal = (0, 0)
        self._done = [0, 0]
        self._began = self._last = time.monotonic()

    def total(self, files: int, size: int) -> None:
        self._goal, self._done = (files, size), [0, 0]  # the next step of several begins at nothing
        self._began = time.monotonic()

    def advance(self, files: int, size: int, path: str) -> None:  # noqa: ARG002 - names of files are not for logs
        self._done[0] += files
        self._done[1] += size
        now = time.monotonic()
        if now - self._last >= _EVERY_SECONDS:
            self._last = now
            self._output.message(
                "status",
                {
                    "files_done": self._done[0],
                    "files_total": self._goal[0],
                    "bytes_done": self._done[1],
                    "bytes_total": self._goal[1],
                    "seconds_left": self._left(now - self._began),
                },
            )

    def _left(self, seconds: float) -> int | None:
        """By the bytes done so far; None while nothing can be said."""
        done, goal = self._done[1], self._goal[1]
        return round(seconds * (goal - done) / done) if 0 < done <= goal else None


class _Bar:
    """A bar on the terminal."""

    def __init__(self, bars: Bars, what: str) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=None, files=0, goal=0, name="")
        self._files = 0

    def total(self, files: int, size: int) -> None:
        self._files = 0  # as above
        self._bars.update(self._task, total=size, completed=0, goal=files, files=0)

    def advance(self, files: int, size: int, path: str) -> None:
        self._files += files
        self._bars.update(self._task, advance=size, files=self._files, name=printable(path).rpartition("/")[2])


def _bars() -> Bars:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415 - only a terminal needs it
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415 - only a terminal needs it

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}/{task.fields[goal]} files"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=5,
    )


def amount(size: float) -> str:
    """Bytes for people: 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000 or unit == "TB":  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """Text that cannot steer a terminal and can be encoded."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def age(seconds: float) -> str:
    """How long ago, for people; a time to come is said to be one, since some clock is wrong."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= length:
            many = count(int(abs(seconds) // length), unit)
            return f"{many} ago" if seconds > 0 else f"dated {many} in the future (a clock is or was wrong)"
    return "just now"
