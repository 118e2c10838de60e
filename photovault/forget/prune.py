"""Which packs go, and which are stored anew without what nobody needs.  Pure, but for ``uses``, which reads the index memory.

A pack of which nothing is needed goes.  One with more waste than a share of it is stored anew.  Small packs, which every
backup leaves, are poured together when that makes fewer of them and takes no more room, and only as long as the largest is not
larger than all others together: so a byte is stored anew at most once for each doubling of its pack.  Packs of photos,
listings and thumbnails are looked at apart, as they are written apart.

A part that several packs have counts in one of them: in one that stays, if there is one.  Parts that are encoded together
stay together: if one is needed, all of them are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from photovault.forget.needed import Needed, short
from photovault.forget.values import PackUse, PrunePlan
from photovault.vault import format as fmt
from photovault.vault.format import Codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.vault.format import PackEntry, Record
    from photovault.vault.places import Places

MAX_WASTE: Final = 0.25
_SMALL: Final = fmt.SIZE_MAX // 2
_ROOM: Final = fmt.SIZE_MAX - fmt.PART_MAX // 2 - fmt.OVERHEAD
"""Bytes of parts that a full pack has at least, on average: they do not fit without a gap."""


def plan_prune(
    uses: Iterable[PackUse],
    *,
    left_alone: frozenset[bytes] = frozenset(),
    max_waste: float = MAX_WASTE,
    uniform: bool = False,
) -> PrunePlan:
    """Decide about every pack.

    Args:
        uses: every pack of the vault.
        left_alone: packs that another device may just be about to need.
        max_waste: the share of a pack's bytes (0 to 1) above which it is stored anew.
        uniform: every pack has 16 MiB.
    """
    removed: list[PackUse] = []
    pools: defaultdict[frozenset[int], list[PackUse]] = defaultdict(list)
    for use in uses:
        if use.fixed or use.name in left_alone:
            continue
        if not use.live:
            removed.append(use)
        elif _is_small(use) or _waste(use) > max_waste:
            pools[use.kinds].append(use)
    rewritten: list[PackUse] = []
    more = 0
    for _, pool in sorted(pools.items(), key=lambda one: sorted(one[0])):
        while chosen := poured_together(pool, max_waste=max_waste, uniform=uniform):
            rewritten += chosen
            more += _estimate([use.live for use in chosen], uniform=uniform)[1]
            pool = [use for use in pool if use not in chosen]  # noqa: PLW2901 - what is left of it
    return PrunePlan(
        removed=tuple(use.name for use in removed),
        rewritten=tuple(use.name for use in rewritten),
        freed=sum(use.size for use in (*removed, *rewritten)) - more,
        rewritten_bytes=sum(use.live for use in rewritten),
    )


def poured_together(pool: Iterable[PackUse], *, max_waste: float, uniform: bool) -> list[PackUse]:
    """Which of some packs are to become one, or fewer: wasteful ones first, then small ones, the smallest first."""
    order = sorted(pool, key=lambda use: (_waste(use) <= max_waste, use.used, use.name))
    wasteful = sum(_waste(use) > max_waste for use in order)
    for number in range(len(order), 0, -1):
        chosen = order[:number]
        count, size = _estimate([use.live for use in chosen], uniform=uniform)
        before = sum(use.size for use in chosen)
        if size > before or (count >= number and size == before):
            continue
        if number <= wasteful or 2 * chosen[-1].live <= sum(use.live for use in chosen):
            return chosen
    return []


def _is_small(use: PackUse) -> bool:
    return use.used + fmt.OVERHEAD <= _SMALL


def _waste(use: PackUse) -> float:
    return (use.used - use.live) / use.used if use.used else 0.0


def _estimate(live: Sequence[int], *, uniform: bool) -> tuple[int, int]:
    """How many packs these bytes of parts will take, and of how many bytes."""
    full, rest = divmod(sum(live), _ROOM) if sum(live) + fmt.OVERHEAD > fmt.SIZE_MAX else (0, sum(live))
    count = full + (rest > 0)
    last = fmt.size_class(rest + fmt.OVERHEAD) if rest else 0
    return count, count * fmt.SIZE_MAX if uniform else full * fmt.SIZE_MAX + last


def merged_sizes(sizes: Sequence[int]) -> int:
    """How many of the smallest index objects, of these padded sizes in ascending order, should become one; 0 for none."""
    for number, whole in reversed(list(enumerate(accumulate(sizes), 1))):
        if number > 1 and whole <= fmt.SIZE_MAX and 2 * sizes[number - 1] <= whole:
            return number
    return 0


@dataclass(slots=True, kw_only=True)
class Uses:
    """What of every pack is needed.

    Attributes:
        packs: every pack.
        elsewhere: by pack, the needed parts of it that count in another pack.
        orphans: packs of which no snapshot needs anything, not even one that is forgotten.
        lost: how many needed parts are in no pack.
    """

    packs: list[PackUse] = field(default_factory=list)
    elsewhere: dict[bytes, set[bytes]] = field(default_factory=dict)
    orphans: list[bytes] = field(default_factory=list)
    lost: int = 0

    def moves(self, pack: PackEntry, needed: Needed) -> Iterator[tuple[Record, ...]]:
        """The parts of a pack that must be stored anew, those of a group together."""
        apart = self.elsewhere.get(pack.name, set())
        for group in together(pack.records):
            if any(one.part_id in needed and one.part_id not in apart for one in group):
                yield group


def uses(places: Places, needed: Needed, dying: Needed) -> Uses:
    """What is needed of every pack that is known.

    Packs to rely on are asked first whether they have a part, then those that go, last those that are damaged.  ``dying``:
    what only forgotten snapshots need.
    """
    found, left = Uses(), needed.shorts()
    later: tuple[list[PackEntry], list[PackEntry]] = ([], [])
    for pack in places.contents(newest_first=True):  # what an interrupted run stored anew need not be again
        doubted, going = places.is_doubted(pack.name), pack.name in places.shunned
        if doubted or going:
            later[doubted].append(pack)
            continue
        live = _live(found, pack, needed, left)
        found.packs.append(_use(pack, live, fixed=False))
        if not live and not any(one.part_id in needed or one.part_id in dying for one in pack.records):
            found.orphans.append(pack.name)
    for packs in later:
        for pack in packs:
            live = _live(found, pack, needed, left)
            found.packs.append(_use(pack, live, fixed=live > 0 or pack.name in places.shunned))
    found.lost = len(left)
    return found


def _live(found: Uses, pack: PackEntry, needed: Needed, left: set[int]) -> int:
    """Bytes of the parts that count in this pack: they are not left for others."""
    live = 0
    for group in together(pack.records):
        wanted = [record.part_id for record in group if record.part_id in needed]
        here = {part for part in wanted if short(part) in left}
        left.difference_update(map(short, here))
        live += _size(group) if here else 0
        if len(here) < len(wanted):
            found.elsewhere.setdefault(pack.name, set()).update(part for part in wanted if part not in here)
    return live


def _use(pack: PackEntry, live: int, *, fixed: bool) -> PackUse:
    kinds = frozenset(int(record.kind) for record in pack.records)
    return PackUse(name=pack.name, size=pack.size, used=_size(pack.records), live=live, kinds=kinds, fixed=fixed)


def _size(records: Iterable[Record]) -> int:
    return sum(record.stored + fmt.PER_PART for record in records)


def together(records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    """The parts of a pack in order, those that are encoded together as one."""
    group: list[Record] = []
    for record in records:
        if group and record.codec is not Codec.JXL_MORE:
            yield tuple(group)
            group = []
        group.append(record)
    if group:
        yield tuple(group)
