"""Dates that photos carry: how they are written, which are real, and which is to be believed.

Exif writes ``2021:05:04 13:22:11``, XMP and QuickTime ISO 8601, movie headers seconds since 1904, names almost anything.
All become ISO 8601 with what is known of sub-seconds and offset.  The ``Rank`` says which of several dates wins.

Guarantee: only dates that exist, from 1800 to 2100 (from a name: 1990 to 2100; from a clock that counts seconds: 1971 to
2100, as a clock that was never set says 1904 or 1970).  Not guaranteed: that the clock was right.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from photovault.photos.claims.texts import decoded


class Rank(IntEnum):
    """How much a date is to be believed, best first."""

    ORIGINAL = 0  # when the camera took it
    CREATED = 1  # digitized, or when the file came to be
    CHANGED = 2  # programs change it with every edit
    CLOCK = 3  # of the satellites: right, but in UTC and sometimes of the last fix
    NAME = 4


CONFIDENCE = {
    Rank.ORIGINAL: "high",
    Rank.CREATED: "medium",
    Rank.CHANGED: "medium",
    Rank.CLOCK: "low",
    Rank.NAME: "low",
}


class Date(NamedTuple):
    """One date: its rank, ISO 8601 text, and where it is from."""

    rank: Rank
    when: str
    source: str


_FIRST, _FIRST_COUNTED, _FIRST_NAMED, _LAST = 1800, 1971, 1990, 2100
_DATE = re.compile(
    r"\s*(\d{4})([:/.-])(\d\d)\2(\d\d)"
    r"(?:[ T]+([01]\d|2[0-3]):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d{0,9})?)?\s*(Z|UTC|GMT)?([+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"\s*([+-])(0\d|1[0-4]):?([0-5]\d)", re.ASCII)
_DIGITS = re.compile(r"\d{1,6}", re.ASCII)
_MAX_TEXT = 64


def dates(rank: Rank, source: str, text: str | bytes, fraction: bytes = b"", offset: bytes = b"") -> tuple[Date, ...]:
    """The date that ``text`` writes, with sub-seconds and offset from elsewhere if it has none; empty if it is none."""
    when = iso(text, fraction, offset)
    return (Date(rank, when, source),) if when else ()


def iso(text: str | bytes, fraction: bytes = b"", offset: bytes = b"") -> str:
    """A written date as ISO 8601, or the empty string; a date without time is its midnight."""
    text = decoded(text[:_MAX_TEXT]) if isinstance(text, bytes) else text[:_MAX_TEXT]
    match = _DATE.match(text)
    if not match or (not match[5] and text[match.end() :].strip()):  # a time that is none makes the date doubtful
        return ""
    year, _, month, day, hour, minute, second, part, utc, zone = match.groups()
    when = _real(f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}", _FIRST)
    if not when or not hour:
        return when
    return when + (f".{part}" if part else _fraction(fraction)) + _zone(zone or utc or decoded(offset[:_MAX_TEXT]))


def _real(when: str, first: int) -> str:
    """``when`` if there was such a time between the years, or else the empty string."""
    try:
        year = datetime.fromisoformat(when).year
    except ValueError:
        return ""
    return when if first <= year <= _LAST else ""


def _fraction(text: bytes) -> str:
    match = _DIGITS.match(decoded(text[:_MAX_TEXT]))
    return "." + match[0] if match else ""


def _zone(text: str) -> str:
    if text.startswith(("Z", "UTC", "GMT")):
        return "+00:00"
    match = _OFFSET.match(text)
    return "{}{}:{}".format(*match.groups()) if match else ""


_EPOCH_OF_MOVIES, _EPOCH_OF_UNIX = datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SECONDS = 1 << 33


def since_1904(seconds: int) -> str:
    """UTC seconds of a movie header (ISO/IEC 14496-12, 8.2.2); zero means unknown."""
    return _counted(_EPOCH_OF_MOVIES, seconds, _FIRST_COUNTED) if seconds > 0 else ""


def since_1970(seconds: int) -> str:
    """UTC seconds of Unix, also of old photos before it; zero means unknown."""
    return _counted(_EPOCH_OF_UNIX, seconds, _FIRST) if seconds else ""


def _counted(epoch: datetime, seconds: int, first: int) -> str:
    if abs(seconds) >= _MAX_SECONDS:
        return ""
    return _real((epoch + timedelta(seconds=seconds)).isoformat(), first)


_NAME = re.compile(
    r"""(?<!\d) ((?:19|20)\d\d) ([-_.]?) (\d\d) \2 (\d\d)  # date; one kind of separator or none
    (?: (?: [-_ .T] | [ ]at[ ] )?
        ([01]\d|2[0-3]|\d(?=[.:h-])) [-_.:h]? ([0-5]\d) [-_.:m]? ([0-5]\d) (\d{3})?  # time; milliseconds
        (?: [\s\u202f\xa0]? ([AP])M )?  # macOS screenshots with a 12-hour clock
    )? (?!\d)""",
    re.VERBOSE | re.ASCII,
)
_MAX_NAME = 1024


def in_name(name: str) -> tuple[Date, ...]:
    """``IMG_20210504_132211``, ``2021-05-04 13.22.11``, ``VID-20210504-WA0001`` (00:00:00) and the like."""
    for match in _NAME.finditer(name[:_MAX_NAME]):
        year, _, month, day, hour, minute, second, milli, half = match.groups("")
        hours = int(hour or 0) if not half else int(hour) % 12 + 12 * (half == "P")
        when = _real(f"{year}-{month}-{day}T{hours:02}:{minute or '00'}:{second or '00'}", _FIRST_NAMED)
        if when:
            return (Date(Rank.NAME, when + (milli and "." + milli), "name"),)
    return ()
