"""Retention records: which are due, which can be taken back, and what is left to say when all is done.  Pure.

A record is *pending* from when it is written until all that it names is removed.  Then what it says is still of use: a chain
of snapshots names removed ones, and other devices remember packs that are gone.  That is what *explanations* say: records
with the longest grace period there can be, so that nothing is ever removed because of them; a pack that comes back under the
same name is marked anew, and its grace period begins anew.

Explanations are bounded: of snapshots, only those that a stored one names, that were the newest of their device, or that came back;
of packs, those of the last year; and one record a month.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from photovault.forget.values import DAY, moment
from photovault.model import Gone, Retention

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from photovault.vault.vault import NamedRetention, NamedSnapshot

FOREVER: Final = 2**63 - 1
REMEMBERED: Final = 366 * DAY
_GRACE_MAX: Final = 100 * REMEMBERED
_AT_ONCE: Final = 100_000
"""Names in one record: it has room for 240,000."""
_MONTH, _YEAR = len("2026-11"), len("2026")


def is_pin(record: Retention) -> bool:
    """Whether a record only pins snapshots."""
    return bool(record.pins)


def is_explanation(record: Retention) -> bool:
    """Whether a record only says what was removed."""
    return not record.pins and record.grace > _GRACE_MAX


def pending(records: Iterable[NamedRetention]) -> list[NamedRetention]:
    """Records of which something is still to be removed."""
    return [one for one in records if not is_pin(one.record) and not is_explanation(one.record)]


def due_at(record: Retention, seen: str) -> datetime:
    """When what a pending record names may be removed: its grace period counts by its time, and by when it was seen here."""
    try:
        return max(moment(record.time), moment(seen)) + timedelta(seconds=record.grace)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def due(records: Iterable[NamedRetention], seen: Mapping[bytes, str], now: datetime) -> list[NamedRetention]:
    """The pending records whose grace period is over."""
    return [one for one in pending(records) if one.name in seen and due_at(one.record, seen[one.name]) <= now]


def to_undo(records: Iterable[NamedRetention], now: datetime) -> list[NamedRetention]:
    """The records of the last forget, if their grace period is not over; empty when there is nothing to take back.

    It counts by the record's time alone: as soon as it is over for anybody, that one may be removing what is named.
    """
    waiting = [one for one in pending(records) if due_at(one.record, one.record.time) > now]
    forgetting = [one for one in waiting if one.record.snapshots]
    last = max(forgetting, key=lambda one: (one.record.time, one.name), default=None)
    if last is None:
        return []
    same = (last.record.time, last.record.device_id)
    return [one for one in waiting if (one.record.time, one.record.device_id) == same]


def split(record: Retention) -> Iterator[Retention]:
    """A record in pieces that an object can hold; all snapshots are in the first."""
    names = [("packs", name) for name in record.packs]
    names += [("indexes", name) for name in record.indexes] + [("parity", name) for name in record.parity]
    for at in range(0, max(len(names), 1), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        piece = {kind: tuple(name for one, name in some if one == kind) for kind in ("packs", "indexes", "parity")}
        yield replace(record, snapshots=() if at else record.snapshots, **piece)  # type: ignore[arg-type]


def gone(one: NamedSnapshot) -> Gone:
    """A snapshot, as a record names it."""
    return Gone(name=one.name, device_id=one.snapshot.device_id, number=one.snapshot.number)


def explanations(done: Iterable[Retention], packs: Collection[bytes], now: datetime) -> list[Retention]:
    """What is left to say of records of which everything is removed that will be.

    Args:
        done: these records, explanations among them.
        packs: every pack that is stored: of these nothing is said.
        now: of packs that went more than a year before, nothing is said, either.
    """
    months: dict[str, list[Retention]] = {}
    for record in done:
        recent = moment(record.time) > now - timedelta(seconds=REMEMBERED)
        months.setdefault(record.time[: _MONTH if recent else _YEAR], []).append(record)
    found = []
    for month, records in sorted(months.items()):
        newest = max(records, key=lambda record: (record.time, record.device_id))
        snapshots = {one.name: one for record in records for one in record.snapshots}
        named = {name for record in records for name in record.packs} - set(packs) if len(month) > _YEAR else set()
        if snapshots or named:
            found.append(
                Retention(
                    device_id=newest.device_id,
                    device_name=newest.device_name,
                    time=newest.time,
                    grace=FOREVER,
                    snapshots=tuple(snapshots[name] for name in sorted(snapshots)),
                    packs=tuple(sorted(named)),
                )
            )
    return found
