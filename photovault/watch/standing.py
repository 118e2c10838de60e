"""How a destination stands, in one word.  Pure: one rule for ``status``, the alarms and the exit code.

A destination is overdue when its last success is longer ago than ``[status] overdue`` says, or when it never had one
and has lacked something for so long; damaged, when a drill found photos that do not come back from it, or that rotted on this
computer; failing, when the last try failed; incomplete, when the last one could not read everything; pending, when it only lacks
something; else protected.  Overdue and damaged come before failing, since they are the ones that cost photos.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Standing(StrEnum):
    """How a destination stands, the best first."""

    PROTECTED = "protected"
    PENDING = "pending"
    INCOMPLETE = "incomplete"
    FAILING = "failing"
    DAMAGED = "damaged"
    OVERDUE = "overdue"


_AHEAD = timedelta(days=1)  # a time that is so far in the future says nothing

BAD = frozenset({Standing.INCOMPLETE, Standing.FAILING, Standing.OVERDUE, Standing.DAMAGED})


def standing(one: Mapping[str, Any], now: datetime, overdue: float) -> Standing:
    """How a destination of ``Daemon.status`` stands; ``now`` with its time zone, ``overdue`` in seconds."""
    since = parse_time(one.get("last_success")) or parse_time(one.get("pending_since"))
    if since is not None and now - since > timedelta(seconds=overdue):
        return Standing.OVERDUE
    if one.get("damaged"):
        return Standing.DAMAGED
    if one.get("failing_since"):
        return Standing.FAILING
    if one.get("problems") and one.get("last_success"):
        return Standing.INCOMPLETE
    return Standing.PENDING if one.get("pending_since") or not one.get("last_success") else Standing.PROTECTED


def since_when(one: Mapping[str, Any], how: Standing) -> str:
    """Since when it stands so, ISO 8601 in UTC; empty when that is not known."""
    keys = {
        Standing.DAMAGED: "damaged_since",
        Standing.FAILING: "failing_since",
        Standing.INCOMPLETE: "problems_since",
        Standing.PENDING: "pending_since",
    }
    key = keys.get(how, "last_success")
    return str(one.get(key) or one.get("pending_since") or "")


def seen(known: Mapping[str, Any], now: datetime, *, made: str, problems: int, pending: bool) -> dict[str, Any]:
    """What the daemon knows of a destination, put right by what somebody else sees there now.

    Args:
        known: as for ``standing``; may be old, or empty.
        now: with its time zone.
        made: the time of the newest snapshot, empty when there is none: then whatever was known to be there is gone.
        problems: how much is there that cannot be read.
        pending: whether something is to be backed up.
    """
    when, failing = parse_time(made), parse_time(known.get("failing_since"))
    looked = parse_time(known.get("last_success")) if when is not None else None
    successes = [one for one in (when, looked) if one is not None and one - now < _AHEAD]
    return {
        **known,
        "last_success": max(successes).isoformat() if successes else "",
        "failing_since": known["failing_since"] if failing is not None and (when is None or when < failing) else "",
        "pending_since": now.isoformat() if pending else known.get("pending_since", ""),
        "problems": problems,
    }


def parse_time(text: object) -> datetime | None:
    """A time as the daemon writes it; None for anything else."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when
