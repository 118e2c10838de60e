"""Numbers that people write, most with a unit: durations, sizes, parts of the day, digests.  Each reader raises ValueError.

The text of the error says what was expected, and never what was there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

HOUR = 3_600.0  # seconds
DAY = 86_400.0
_LONGEST = 15  # characters of a duration or size

_UNIT_MILLISECONDS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_UNIT_BYTES: dict[str, int] = {f"{k}{b}": 1000**n for n, k in enumerate("KMGT", 1) for b in ("", "B")} | {"": 1, "B": 1}
_UNIT_BYTES |= {f"{k}iB": 1024**n for n, k in enumerate("KMGT", 1)}

_DURATION = re.compile(r"(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)([a-z]+)", re.ASCII)
_TIME = r"([01]\d|2[0-3]):([0-5]\d)"
_HOURS = re.compile(f"{_TIME}-{_TIME}", re.ASCII)
_SIZE = re.compile(r"(\d+)(?:\.(\d+))? ?([A-Za-z]*)", re.ASCII)


def parse_duration(text: str) -> float:
    """Turn ``"2m"``, ``"7d"``, ``"1h30m"`` or ``"500ms"`` into seconds.

    Units are w, d, h, m, s, ms, each at most once and the longest first.  Raises ValueError on anything else.
    """
    if not text or len(text) > _LONGEST or _DURATION.fullmatch(text) is None:
        raise ValueError("a duration such as 500ms, 30s, 1h30m or 7d")
    parts = _DURATION_PART.findall(text)
    return sum(int(number) * _UNIT_MILLISECONDS[unit] for number, unit in parts) / 1000


def duration_between(shortest: float, longest: float, words: str) -> Callable[[str], float]:
    """Read a duration from ``shortest`` to ``longest`` seconds, which ``words`` says."""

    def convert(text: str) -> float:
        seconds = parse_duration(text)
        if not shortest <= seconds <= longest:
            raise ValueError(f"a duration {words}")
        return seconds

    return convert


def heartbeat(text: str) -> float:
    """A duration between two snapshots without news: each costs a look at everything, so an hour at least; 0: none."""
    seconds = parse_duration(text)
    if seconds and not HOUR <= seconds <= 30 * DAY:
        raise ValueError('a duration from 1h to 30d, or "0s" for never')
    return seconds


def parse_size(text: str) -> int:
    """Turn ``"100M"``, ``"1.5G"`` or ``"4 MiB"`` into bytes, rounded down.

    K, M, G, T (also KB ...) are powers of 1000, KiB ... of 1024.  Raises ValueError on anything else.
    """
    found = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found[3] not in _UNIT_BYTES:
        raise ValueError("a size such as 500K, 100M, 1.5G or 4MiB")
    decimals = found[2] or ""
    scale: int = 10 ** len(decimals)
    return int(found[1] + decimals) * _UNIT_BYTES[found[3]] // scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of the day, in minutes since midnight, local time; over midnight when ``end`` is before ``start``."""

    start: int
    end: int

    def holds(self, when: datetime) -> bool:
        """Whether a local time lies in it."""
        minute = when.hour * 60 + when.minute
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def parse_hours(text: str) -> Hours:
    """Read ``"22:00-07:00"``.  Raises ValueError on anything else."""
    found = _HOURS.fullmatch(text)
    hours = [int(part) for part in found.groups()] if found else [0] * 4
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if start == end:
        raise ValueError("a part of the day such as 22:00-07:00")
    return Hours(start=start, end=end)


def from_zero(number: int) -> int:
    """Refuse a negative number."""
    if number < 0:
        raise ValueError("0 or more")
    return number


def up_to_100(number: int) -> int:
    """Refuse a number that is no percentage, and no sensible number of attempts."""
    if not 0 <= number <= 100:  # noqa: PLR2004 - the name says it
        raise ValueError("a number from 0 to 100")
    return number


_Number = TypeVar("_Number", int, float)


def number_between(least: _Number, most: _Number) -> Callable[[_Number], _Number]:
    """Refuse a number that is less than ``least`` or more than ``most``, or that is none."""

    def convert(number: _Number) -> _Number:
        if not least <= number <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return number

    return convert


def sha256(text: str) -> str:
    """Refuse what is no SHA-256 in hex; its letters become small."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text, re.ASCII) is None:
        raise ValueError("the 64 hexadecimal digits that sha256sum prints")
    return text.lower()
