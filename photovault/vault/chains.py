"""What the snapshots of a vault must show: each device's chain, and no less than was seen before.  No I/O, no clock.

Every snapshot names the one before it, and tells what its device had seen at each storage (``heads``).  From that follows:

- roll-back: a storage lacks what this device, or whoever told, saw there (``rolled_back``);
- gap: a link is missing in the middle, and nobody says that it was only elsewhere (``gaps``);
- fork: two snapshots of one device have one number (``forks``);
- split: two devices each went on for two snapshots at one storage without being shown the other's (``splits``).  Backups that
  overlap can miss each other once, however long they take; no honest order of events gives both misses twice, so
  this asks no clock;
- silence: a device that used to be heard of about daily is not any more (``silent``), which may have harmless reasons.

What retention records name was removed on purpose and is no sign.  ``fingerprint`` is the same for all who are shown the
same.  Guarantee: no order of honest backups, copies and forgets gives a finding, and whatever this device saw once is missed
when it is gone.  Not guaranteed: that somebody who never saw the vault, and has nobody to compare with, notices that its
newest snapshots are held back.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from photovault.vault.vault import NamedSnapshot, Snapshots

_STATE = b"photovault/1/state"
_GROUPS = 8  # of four digits
_RHYTHM = 8  # snapshots by which a device's habit is judged
_DAILY = 36 * 3600  # seconds
_LONG_GONE = timedelta(days=90)  # a device that is silent for so long was put away, and somebody knows of it
_NAMED = 10  # snapshots in one hint
_CLONE = (
    "two computers use one state folder (one was cloned, or its home folder copied), or it was restored from an older "
    "backup: remove device.json of this vault from the state folder of one of them"
)
_SPLIT = (
    "do not rely on this storage alone: compare the fingerprint that `photovault status` shows on both devices, and "
    "keep a copy elsewhere"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A snapshot that was at a storage: of which device (16 bytes), its number there, and when this device first saw it.

    ``when`` is ISO 8601, empty when only others told.
    """

    device_id: bytes
    number: int
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What a storage shows that it should not, and what it lacks for a harmless reason."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


def signs(
    shown: Snapshots, here: str, heads: Mapping[str, tuple[int, str]], known: Mapping[bytes, Seen] | None = None
) -> Signs:
    """All that can be told of one storage.

    Args:
        shown: what it shows.
        here: what snapshots call it.
        heads: device id in hex to number and name in hex of the newest snapshot that anybody saw there.
        known: every snapshot that this device saw there itself, by name.
    """
    every = (*shown.found, *shown.forgotten)
    excused = shown.removed | _damaged(shown)
    missed = missing(every, heads, known or {}, excused)
    lost, elsewhere = gaps(every, here, excused)
    findings = [
        *rolled_back(every, heads, excused, known),
        *(one for one in lost if fmt.digest_of(one.where) not in missed),
        *forks(shown.found),
        *splits(shown.found),
    ]
    notes = (one for one in elsewhere if fmt.digest_of(one.where) not in missed)
    return Signs(findings=tuple(findings), notes=tuple(notes))


def _damaged(shown: Snapshots) -> frozenset[bytes]:
    """Snapshots that are there and cannot be read, which is told by itself."""
    return frozenset(fmt.digest_of(one.where) for one in shown.damaged if fmt.is_name(one.where))


def gaps(
    found: Sequence[NamedSnapshot], here: str, removed: Collection[bytes] = frozenset()
) -> tuple[list[Finding], list[Finding]]:
    """Links that are missing from the storage ``here``: lost, and only elsewhere; those in ``removed`` are no links."""
    present = {one.name for one in found}
    places: dict[bytes, set[str]] = defaultdict(set)
    for one in found:
        for head in one.snapshot.heads:
            places[head.snapshot].add(head.storage)
    lost, elsewhere = [], []
    for one in found:
        previous = one.snapshot.previous
        if previous is None or previous in present or previous in removed:
            continue
        if places[previous] and here not in places[previous]:
            elsewhere.append(_elsewhere(one, previous, min(places[previous])))
        else:
            lost.append(_lost(one, previous))
    return lost, elsewhere


def _lost(one: NamedSnapshot, previous: bytes) -> Finding:
    device, number = one.snapshot.device_name, one.snapshot.number - 1
    return Finding(
        what=f"the snapshot before {one.id[:8]} ({device}, number {number}) is missing",
        where=fmt.object_name(ObjectKind.SNAPSHOT, previous),
        hint=f"the storage lost or hid it: {_bring(previous)}",
    )


def _bring(*names: bytes) -> str:
    which = " ".join(name.hex()[:8] for name in names[-_NAMED:])
    return (
        "`photovault check --repair` brings back what this computer or another copy still has; "
        f"what is gone for good is not missed any more after `photovault forget {which}`"
    )


def _elsewhere(one: NamedSnapshot, previous: bytes, place: str) -> Finding:
    device, number = one.snapshot.device_name, one.snapshot.number - 1
    return Finding(
        what=f"the snapshot before {one.id[:8]} ({device}, number {number}) is at {place} and not here",
        where=fmt.object_name(ObjectKind.SNAPSHOT, previous),
        hint="bring this copy of the vault up to date with `photovault copy`",
    )


def missing(
    found: Iterable[NamedSnapshot],
    heads: Mapping[str, tuple[int, str]],
    known: Mapping[bytes, Seen],
    removed: Collection[bytes],
) -> dict[bytes, Seen]:
    """What was at a storage and is not there now; arguments as of ``signs``."""
    told = {
        bytes.fromhex(name): Seen(device_id=bytes.fromhex(device_id), number=number)
        for device_id, (number, name) in heads.items()
    }
    present = {one.name for one in found}
    return {name: seen for name, seen in {**told, **known}.items() if name not in present and name not in removed}


def rolled_back(
    found: Sequence[NamedSnapshot],
    heads: Mapping[str, tuple[int, str]],
    removed: Collection[bytes] = frozenset(),
    known: Mapping[bytes, Seen] | None = None,
) -> Iterator[Finding]:
    """What a storage showed before and does not now, one finding for each device; arguments as of ``signs``."""
    lost: dict[bytes, list[tuple[int, bytes, str]]] = defaultdict(list)
    for name, seen in missing(found, heads, known or {}, removed).items():
        lost[seen.device_id].append((seen.number, name, seen.when))
    for device_id, some in sorted(lost.items()):
        shown = [one.snapshot for one in found if one.snapshot.device_id == device_id]
        newest = max((one.number for one in shown), default=0)
        yield _missed(sorted(some), newest, shown[-1].device_name if shown else "")


def _missed(some: Sequence[tuple[int, bytes, str]], newest: int, device: str) -> Finding:
    number, name, when = some[-1]
    state = "shows an older state" if number > newest else "hides what it showed before"
    whose = f" of {device}" if device else ""
    seen = f"was there on {when[:10]}" if when else "was there before"
    more = f", and {len(some) - 1:,} before it" if len(some) > 1 else ""
    return Finding(
        what=f"the storage {state}: snapshot {name.hex()[:8]} (number {number}{whose}) {seen}{more}",
        where=fmt.object_name(ObjectKind.SNAPSHOT, name),
        hint=f"do not rely on this copy of the vault: {_bring(*(name for _, name, _ in some))}",
    )


def forks(found: Iterable[NamedSnapshot]) -> Iterator[Finding]:
    """Snapshots of one device that have one number.

    One that was stored at one storage just before a crash, of which the device never heard, may meet its like at another: both
    follow on the same snapshot, and nothing follows on one of them.
    """
    found = list(found)
    parents = {one.snapshot.previous for one in found}
    numbers: dict[tuple[bytes, int], list[NamedSnapshot]] = defaultdict(list)
    for one in found:
        numbers[one.snapshot.device_id, one.snapshot.number].append(one)
    last: dict[bytes, Finding] = {}  # one for each device: the first fork, from which all others follow
    for (device_id, _), some in sorted(numbers.items()):
        if len(some) > 1 and device_id not in last and not _is_crash(some, parents):
            last[device_id] = _fork(sorted(some, key=lambda one: one.name))
    yield from last.values()


def _is_crash(some: Sequence[NamedSnapshot], parents: Collection[bytes | None]) -> bool:
    went_on = [one for one in some if one.name in parents]
    places = {written_to(one) for one in some}
    return len(went_on) <= 1 and len({one.snapshot.previous for one in some}) == 1 and len(places) == len(some)


def _fork(some: Sequence[NamedSnapshot]) -> Finding:
    one = some[0].snapshot
    which = " and ".join(each.id[:8] for each in some[:3])
    return Finding(
        what=f"{one.device_name} made {len(some)} snapshots with the number {one.number}: {which}",
        where=fmt.object_name(ObjectKind.SNAPSHOT, some[0].name),
        hint=_CLONE,
    )


def written_to(one: NamedSnapshot) -> str:
    """The storage that a snapshot was made for; empty when it does not say.

    The first one at a storage that had none may name another, which had some.
    """
    heads = one.snapshot.heads
    return heads[0].storage if heads else ""


def splits(found: Iterable[NamedSnapshot]) -> Iterator[Finding]:
    """Storages that showed two devices different states; one finding for each pair of devices.

    Device A made N and then N' at a storage, and device B k and then k'.  If N' does not know k, k was stored after N' began; if
    k' does not know N, N was stored after k' began.  But N was stored before N' began, and k before k' began: that is a circle.
    """
    lines: dict[str, dict[bytes, list[NamedSnapshot]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(found, key=lambda one: one.snapshot.number):
        if place := written_to(one):
            lines[place][one.snapshot.device_id].append(one)
    for place, devices in sorted(lines.items()):
        kept = {device: _really(place, line) for device, line in devices.items()}
        for ours, theirs in combinations(sorted(kept), 2):
            finding = _split(place, kept[ours], kept[theirs])
            if finding is not None:
                yield finding


def _really(place: str, line: Sequence[NamedSnapshot]) -> list[NamedSnapshot]:
    """Those of a device that its next one does not say to be elsewhere."""
    denied = {
        one.name for one, after in pairwise(line) if _knows(after, place, one.snapshot.device_id) < one.snapshot.number
    }
    return [one for one in line if one.name not in denied]


def _split(place: str, ours: Sequence[NamedSnapshot], theirs: Sequence[NamedSnapshot]) -> Finding | None:
    if len(ours) < 2 or len(theirs) < 2:  # noqa: PLR2004 - two of each, see above
        return None
    our_id, their_id = ours[0].snapshot.device_id, theirs[0].snapshot.device_id
    numbers = [one.snapshot.number for one in theirs]
    for before, one in pairwise(ours):
        unknown = bisect_right(numbers, _knows(one, place, their_id))
        if unknown + 1 >= len(theirs):
            continue
        other = theirs[unknown + 1]
        if _knows(other, place, our_id) < before.snapshot.number:
            return _two_states(place, one, other)
    return None


def _knows(one: NamedSnapshot, place: str, device_id: bytes) -> int:
    """The highest number of a device that a snapshot knows to be at a storage."""
    heads = one.snapshot.heads
    return max((head.number for head in heads if head.storage == place and head.device_id == device_id), default=0)


def _two_states(place: str, one: NamedSnapshot, other: NamedSnapshot) -> Finding:
    left, right = (f"{each.snapshot.device_name} ({each.id[:8]}, {each.snapshot.time[:10]})" for each in (one, other))
    return Finding(
        what=f"{place} showed two devices different states: {left} and {right} did not see each other's snapshots",
        where=fmt.object_name(ObjectKind.SNAPSHOT, one.name),
        hint=_SPLIT,
    )


def silent(found: Iterable[NamedSnapshot], now: datetime, overdue: float, own: bytes = b"") -> Iterator[Finding]:
    """Devices that made a snapshot about once a day, and none for more than ``overdue`` seconds; no damage.

    Args:
        found: what a storage shows.
        now: with its time zone.
        overdue: seconds.
        own: a device that is not asked about.
    """
    times: dict[bytes, list[datetime]] = defaultdict(list)
    names: dict[bytes, str] = {}
    for one in sorted(found, key=lambda one: one.snapshot.number):
        times[one.snapshot.device_id].append(datetime.fromisoformat(one.snapshot.time))
        names[one.snapshot.device_id] = one.snapshot.device_name
    heard: dict[str, datetime] = {}
    for device_id, some in times.items():  # a device that was set up anew has another id and the same name
        heard[names[device_id]] = max(some[-1], heard.get(names[device_id], some[-1]))
    for device_id, some in sorted(times.items()):
        name, gone = names[device_id], now - some[-1]
        steps = [after - before for before, after in pairwise(some[-_RHYTHM:])]
        regular = len(steps) > 1 and sorted(steps)[len(steps) // 2].total_seconds() <= _DAILY  # the median
        if device_id != own and regular and heard[name] == some[-1] and timedelta(seconds=overdue) < gone < _LONG_GONE:
            yield Finding(
                what=f"{name} made a snapshot about once a day and none for {gone.days} days",
                hint="look whether it still backs up; if it does, the storage holds its snapshots back",
            )


def fingerprint(found: Iterable[NamedSnapshot]) -> str:
    """The state of a vault in 32 hexadecimal digits, in groups of four: the same for all who are shown the same.

    It is the beginning of SHA-256 over ``photovault/1/state`` and, for each device in order of its id, the id (16 bytes), the
    number of its newest snapshot (u64) and that one's name (32 bytes).  Empty when there is no snapshot.
    """
    newest: dict[bytes, tuple[int, bytes]] = {}
    for one in found:
        head = one.snapshot.number, one.name
        newest[one.snapshot.device_id] = max(head, newest.get(one.snapshot.device_id, head))
    if not newest:
        return ""
    state = b"".join(device + number.to_bytes(8, "big") + name for device, (number, name) in sorted(newest.items()))
    digits = hashlib.sha256(_STATE + state).hexdigest()
    return " ".join(digits[4 * group : 4 * group + 4] for group in range(_GROUPS))
