"""Which snapshots are kept, and why.  Pure.

1. Lines: a snapshot is in one line for each of its sources, of its device, that was there.  Rules count by line, and a
   snapshot is kept if any of its lines wants it.
2. Age counts from when this device first saw a snapshot, by its own clock.  What is younger than the minimum age is
   kept, and counts for no rule: a flood of new snapshots, or new ones with forged times, changes nothing about older ones.
3. Order is that of a device's chain.  Times are believed where they agree with it: the heaviest sequence of times that
   never falls, none of them later than now; all snapshots that were first seen on one day weigh as much as one.  A
   snapshot whose time is not in it takes that of the one before it.
4. The newest snapshot of each line, pinned ones, those with a tag to keep, and those that hold the last good version of
   a photo that a later one has broken, encrypted or suspect, are always kept.

Guarantee: as long as this device's clock is right, no time that anybody claims, and no number of snapshots, makes one
older than the minimum age go that would have stayed otherwise, until the others have that age, too.  Not guaranteed: the
same against who makes snapshots for longer than that, unseen; "hold" still is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from photovault.forget.values import COUNTED, DAY, Decision, ForgetPlan, Hold, Keep, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from photovault.vault.vault import NamedSnapshot

    Line = tuple[bytes, str]

LEAP: Final = 30 * DAY
SETTLED: Final = 7 * DAY
_DATE = len("2026-11-23")
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)  # nothing was backed up before; and each zone can show it

_BUCKETS: Final[dict[str, Callable[[datetime], str]]] = {
    "hourly": lambda when: when.strftime("%Y-%m-%d %Hh"),
    "daily": lambda when: when.strftime("%Y-%m-%d"),
    "weekly": lambda when: "{}-W{:02}".format(*when.isocalendar()[:2]),
    "monthly": lambda when: when.strftime("%Y-%m"),
    "yearly": lambda when: when.strftime("%Y"),
}


def plan_forget(  # noqa: PLR0913 - each is one thing that is known
    found: Sequence[NamedSnapshot],
    keep: Keep,
    *,
    now: datetime,
    first_seen: Mapping[bytes, str],
    pinned: frozenset[bytes] = frozenset(),
    named: frozenset[bytes] = frozenset(),
    holds: Mapping[bytes, Hold] | None = None,
    anyway: bool = False,
    zone: tzinfo = UTC,
) -> ForgetPlan:
    """Decide about every snapshot.

    Args:
        found: all snapshots that count, oldest first.
        keep: the rules; when they say nothing about what goes, and nothing is named, all is kept.
        now: by this device's clock.
        first_seen: by name, when this device first saw it, ISO 8601; one that is missing is new.
        pinned: names of snapshots that nothing makes go.
        named: names of snapshots that the user wants to go; then no rule is asked.
        holds: by name, which photos' last good version a snapshot holds.
        anyway: what is named goes even if it is the newest of a line or holds a last good version.
        zone: in which days begin.
    """
    always = _always(found, pinned, holds or {})
    if named:
        return _named_only(found, named, always, pinned, anyway=anyway)
    if not keep.says_what_goes:
        return ForgetPlan(decisions=tuple(Decision(one=one, keep=("no rule says that any goes",)) for one in found))
    reasons = {one.name: always[one.name] + _tagged(one, keep.tags) for one in found}
    young = {one.name for one in found if _age(one, first_seen, now) < timedelta(seconds=keep.min_age)}
    for name in young:
        reasons[name].append(f"younger than {span(keep.min_age)}: first seen {first_seen.get(name, 'now')[:_DATE]}")
    grown = [one for one in found if one.name not in young]
    for name, why in _wanted(grown, keep, now, first_seen, zone):
        reasons[name].append(why)
    return ForgetPlan(
        decisions=tuple(
            Decision(one=one, keep=tuple(dict.fromkeys(why)), goes="" if why else "no rule keeps it")
            for one in found
            for why in [reasons[one.name]]
        )
    )


def _named_only(
    found: Iterable[NamedSnapshot],
    named: frozenset[bytes],
    always: Mapping[bytes, list[str]],
    pinned: frozenset[bytes],
    *,
    anyway: bool,
) -> ForgetPlan:
    decisions, refused = [], []
    for one in found:
        if one.name not in named:
            decisions.append(Decision(one=one, keep=tuple(always[one.name]) or ("not named",)))
        elif always[one.name] and (one.name in pinned or not anyway):
            refused.append(Decision(one=one, keep=tuple(always[one.name])))
            decisions.append(refused[-1])
        else:
            decisions.append(Decision(one=one, goes="named"))
    return ForgetPlan(decisions=tuple(decisions), refused=tuple(refused))


def _always(
    found: Sequence[NamedSnapshot], pinned: frozenset[bytes], holds: Mapping[bytes, Hold]
) -> dict[bytes, list[str]]:
    """Reasons that no rule and no age changes."""
    reasons: dict[bytes, list[str]] = {one.name: [] for one in found}
    for (_, label), line in _lines(found).items():
        reasons[line[-1].name].append(f"the newest of {label}")
    for one in found:
        if one.name in pinned:
            reasons[one.name].append("pinned")
        if hold := holds.get(one.name):
            photos = f"{hold.photos:,} photo{'s' if hold.photos > 1 else ''}"
            reasons[one.name].append(f"holds the last good version of {photos} (first: {hold.first})")
    return reasons


def _tagged(one: NamedSnapshot, tags: Iterable[str]) -> list[str]:
    return [f"tag {tag}" for tag in tags if tag in one.snapshot.tags]


def _age(one: NamedSnapshot, first_seen: Mapping[bytes, str], now: datetime) -> timedelta:
    """How long this device knows of a snapshot; negative when its clock was set back since."""
    seen = first_seen.get(one.name)
    return now - moment(seen) if seen else timedelta()


def _order(one: NamedSnapshot) -> tuple[int, str, bytes]:
    """The place in a device's chain; only a forked one has two of a number."""
    return one.snapshot.number, one.snapshot.time, one.name


def _lines(found: Iterable[NamedSnapshot]) -> dict[Line, list[NamedSnapshot]]:
    """Every line with its snapshots, oldest first."""
    lines: dict[Line, list[NamedSnapshot]] = {}
    for one in sorted(found, key=_order):
        sources = one.snapshot.sources
        there = [source.label for source in sources if not source.offline] or [source.label for source in sources]
        for label in dict.fromkeys(there or [""]):
            lines.setdefault((one.snapshot.device_id, label), []).append(one)
    return lines


def _wanted(
    found: Sequence[NamedSnapshot], keep: Keep, now: datetime, first_seen: Mapping[bytes, str], zone: tzinfo
) -> Iterable[tuple[bytes, str]]:
    """Snapshots that a rule keeps, with the rule."""
    chains: dict[bytes, list[NamedSnapshot]] = {}
    for one in sorted(found, key=_order):
        chains.setdefault(one.snapshot.device_id, []).append(one)
    times = {
        name: when.astimezone(zone)
        for chain in chains.values()
        for name, when in trusted_times(chain, first_seen, now).items()
    }
    for line in _lines(found).values():
        newest = line[::-1]
        for rank, one in enumerate(newest[: keep.last], 1):
            yield one.name, f"last {rank} of {keep.last}"
        for rule in COUNTED[1:]:
            yield from _newest_in_each(newest, times, rule, getattr(keep, rule))
        if keep.within:
            since = times[newest[0].name] - timedelta(seconds=keep.within)
            yield from ((one.name, f"within {span(keep.within)}") for one in line if times[one.name] >= since)


def _newest_in_each(
    newest: Iterable[NamedSnapshot], times: Mapping[bytes, datetime], rule: str, number: int
) -> Iterable[tuple[bytes, str]]:
    """The newest snapshot of each of the last ``number`` hours, days ... that have one."""
    last = ""
    for one in newest:
        bucket = _BUCKETS[rule](times[one.name])
        if bucket == last:
            continue
        if number <= 0:
            return
        number, last = number - 1, bucket
        yield one.name, f"{rule} {bucket}"


def trusted_times(
    chain: Sequence[NamedSnapshot], first_seen: Mapping[bytes, str], now: datetime
) -> dict[bytes, datetime]:
    """A time for every snapshot of a device, in the order of its chain: never falling, never later than ``now``."""
    days = Counter(first_seen.get(one.name, "")[:_DATE] for one in chain)
    claimed = [max(moment(one.snapshot.time), _EPOCH) for one in chain]
    weights = [
        1 / days[first_seen.get(one.name, "")[:_DATE]] if when <= now else 0.0
        for one, when in zip(chain, claimed, strict=True)
    ]
    believed = heaviest_rising(claimed, weights)
    first = next((claimed[at] for at in sorted(believed)), now)
    times, before = {}, first
    for at, one in enumerate(chain):
        before = claimed[at] if at in believed else before
        times[one.name] = before
    return times


def heaviest_rising(values: Sequence[datetime], weights: Sequence[float]) -> set[int]:
    """Indices of the subsequence that never falls and weighs most; those without weight are in none.

    A Fenwick tree over the ranks of the values keeps the heaviest sequence that ends at or below each: O(n log n).
    """
    ranks = sorted(set(values))
    tree: list[tuple[float, int]] = [(0.0, -1)] * (len(ranks) + 1)  # weight, and the index that the sequence ends with
    before: list[int] = []
    for at, (value, weight) in enumerate(zip(values, weights, strict=True)):
        rank = bisect_left(ranks, value) + 1
        best, step = (0.0, -1), rank
        while step:
            best, step = max(best, tree[step]), step & (step - 1)
        before.append(best[1])
        while weight and rank < len(tree):
            tree[rank] = max(tree[rank], (best[0] + weight, at))
            rank += rank & -rank
    end, step = (0.0, -1), len(ranks)
    while step:
        end, step = max(end, tree[step]), step & (step - 1)
    chosen, at = set(), end[1]
    while at >= 0:
        chosen.add(at)
        at = before[at]
    return chosen


def leap(seen: Iterable[str], now: datetime) -> tuple[datetime, datetime] | None:
    """Between which two moments this device's clock seems to have leapt ahead; None when it did not.

    ``seen``: when it first saw snapshots and records, and when it looked for some.  More than ``LEAP`` without any, and then less than ``SETTLED`` until
    now, is as if nobody had used the computer for so long; or as if its clock were wrong.
    """
    times = sorted({moment(text) for text in seen} | {now})
    for before, after in pairwise(times):
        if after <= now and after - before > timedelta(seconds=LEAP) and now - after < timedelta(seconds=SETTLED):
            return before, after
    return None


def span(seconds: float) -> str:
    """A length of time in words."""
    for unit, length in (("day", DAY), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            number = seconds / length
            return f"{number:g} {unit}{'' if number == 1 else 's'}"
    return f"{seconds:g} seconds"
