"""Time as numbers: seconds since the year 1, and row ids that stand in the order of time.

A row's id is its second and a count: so the index of the words hands out what it finds in the order of time, and a page of
results costs what it shows, not what there is.  Offsets are left aside: a photo taken at noon was taken at noon.  Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from photovault.errors import UsageError

COUNT_BITS: Final = 24  # so many rows can have one second; 39 bits of seconds reach the year 9999
LAST_ID: Final = 2**63 - 1
_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:[.,+Z-].*)?)?)?)?)?)?")
_START: Final = datetime(1, 1, 1)  # noqa: DTZ001 - local time, wherever that was
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Final = (0, 0, 86400, 3600, 60, 1)  # seconds of what is written last; years and months differ


def second_of(text: str) -> int | None:
    """Seconds since the year 1 of the beginning of a date; None when it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, *clock = (int(part) if part else None for part in found.groups())
    try:
        when = datetime(year or 0, month or 1, day or 1, *(part or 0 for part in clock))  # type: ignore[arg-type] # noqa: DTZ001 - as above
    except ValueError:
        return None
    return (when - _START) // timedelta(seconds=1)


def ids_between(since: str | None, until: str | None) -> tuple[int, int]:
    """First and last id that a row of these dates can have; both inclusive as far as they are written.

    Raises:
        UsageError: not a date.
    """
    first = _span(since)[0] << COUNT_BITS if since is not None else 0
    last = ((_span(until)[1] + 1) << COUNT_BITS) - 1 if until is not None else LAST_ID
    return first, min(last, LAST_ID)


def _span(text: str) -> tuple[int, int]:
    """First and last second of what is written."""
    found, first = _DATE.fullmatch(text), second_of(text)
    if found is None or first is None:
        raise UsageError(f"not a date: {text}", "write it as 2021, 2021-05, 2021-05-04 or 2021-05-04T13:00")
    step = _STEPS[sum(part is not None for part in found.groups()) - 1]
    if not step:
        year, month = int(found[1]), int(found[2] or 12)
        following = f"{year + month // 12:04}-{month % 12 + 1:02}"
        step = (second_of(following) or (LAST_ID >> COUNT_BITS)) - first
    return first, first + step - 1


def time_of(taken: str | None, mtime_ns: int) -> tuple[str, int]:
    """What a photo goes by, as text and as seconds: the date taken, or else the modification time in UTC."""
    second = second_of(taken) if taken is not None else None
    if taken is not None and second is not None:
        return taken, second
    try:
        text = (_EPOCH + timedelta(microseconds=mtime_ns // 1000)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return "0001-01-01T00:00:00", 0
    return text, second_of(text) or 0
