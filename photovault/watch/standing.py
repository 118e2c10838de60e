"""How a destination stands, in one word.  Pure: one rule for ``status``, the alarms and the exit code.

A destination is overdue when its last success is longer ago than ``[status] overdue`` says, or when it never had one
and has lacked something for so long; failing, when the last try failed; pending, when it only lacks something; else
protected.  Overdue comes before failing, since it is the one that costs photos.
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
    FAILING = "failing"
    OVERDUE = "overdue"


def standing(one: Mapping[str, Any], now: datetime, overdue: float) -> Standing:
    """How a destination of ``Daemon.status`` stands; ``now`` with its time zone, ``overdue`` in seconds."""
    since = parse_time(one.get("last_success")) or parse_time(one.get("pending_since"))
    if since is not None and now - since > timedelta(seconds=overdue):
        return Standing.OVERDUE
    if one.get("failing_since"):
        return Standing.FAILING
    return Standing.PENDING if one.get("pending_since") or not one.get("last_success") else Standing.PROTECTED


def since_when(one: Mapping[str, Any], how: Standing) -> str:
    """Since when it stands so, ISO 8601 in UTC; empty when that is not known."""
    key = {Standing.FAILING: "failing_since", Standing.PENDING: "pending_since"}.get(how, "last_success")
    return str(one.get(key) or one.get("pending_since") or "")


def parse_time(text: object) -> datetime | None:
    """A time as the daemon writes it; None for anything else."""
    try:
        when = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when
