"""Which packs go together, what must be made, and what is of no use any more.  Rules only: no I/O.

A group *stands* when each of its packs is there with its size and each byte of its two shards is in some parity object.
Packs are covered by groups that stand.  ``plan_parity``: a group that fell short of parity alone is made again as it is, so that
a damaged object comes back under its name.  Then, size by size, if any pack is not covered, it and all that are in no
full group are put together anew, those of the largest such group first: its shards are added to, and its packs need not be
read again.  So everything is covered afterwards, and all groups of a size but one are full, unless two devices worked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from photovault.vault.format import PARITY_PACKS, PARITY_SHARDS, ParityMap, is_size

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A parity object: its name (SHA-256), and what it says it holds."""

    name: bytes
    parity: ParityMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packs that stand for each other.

    Attributes:
        packs: their names, in order.
        size: of each, bytes.
        pieces: the parity objects of them, in the order of their names.
    """

    packs: tuple[bytes, ...]
    size: int
    pieces: tuple[Piece, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all bytes of all shards are there."""
        return all(self._covers(shard) for shard in range(PARITY_SHARDS))

    def _covers(self, shard: int) -> bool:
        end = 0
        for piece in sorted(self.shard(shard), key=lambda piece: piece.parity.offset):
            if piece.parity.offset <= end:
                end = max(end, piece.parity.end)
        return end == self.size

    def shard(self, shard: int) -> list[Piece]:
        """The objects of one shard."""
        return [piece for piece in self.pieces if piece.parity.shard == shard]

    def is_all_there(self, present: Mapping[bytes, int]) -> bool:
        """Whether all packs are there."""
        return all(present.get(name) == self.size for name in self.packs)

    def stands(self, present: Mapping[bytes, int]) -> bool:
        """Whether any two may be lost."""
        return self.is_whole and self.is_all_there(present)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Parity to be made: of which packs, in order, each of ``size`` bytes.

    ``base``: a group of the first of these packs, whose shards need only be added to.
    """

    packs: tuple[bytes, ...]
    size: int
    base: Group | None = None

    @property
    def known(self) -> int:
        """How many of the packs need not be read."""
        return len(self.base.packs) if self.base is not None else 0


def groups_of(pieces: Iterable[Piece]) -> list[Group]:
    """The groups that parity objects speak of, the largest first."""
    found: dict[tuple[tuple[bytes, ...], int], list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: piece.name):
        found.setdefault((piece.parity.packs, piece.parity.size), []).append(piece)
    ordered = sorted(found.items(), key=lambda item: (-len(item[0][0]), item[0]))
    return [Group(packs=packs, size=size, pieces=tuple(some)) for (packs, size), some in ordered]


def uncovered(groups: Iterable[Group], present: Mapping[bytes, int], leave: Collection[bytes] = ()) -> list[bytes]:
    """The packs of those ``present`` (name to size), ``leave`` excepted, of which not any two may be lost."""
    covered = {name for group in groups if group.stands(present) for name in group.packs}
    return sorted(present.keys() - covered - set(leave))


def plan_parity(
    groups: Sequence[Group], present: Mapping[bytes, int], leave: Collection[bytes] = (), *, mend_only: bool = False
) -> list[Order]:
    """What must be made so that every pack is covered.

    Args:
        groups: of the parity objects that are there.
        present: packs that are there, with their sizes.
        leave: packs that need no parity: they are going to be removed.
        mend_only: only parity that is damaged or missing is made again.
    """
    mends, standing = _mends(groups, present, set(leave))
    orders = [_order(group.packs, group.size, standing) for group in mends]
    if mend_only:
        return orders
    covered = {name for group in (*standing, *mends) for name in group.packs}
    full = {name for group in (*standing, *mends) if len(group.packs) == PARITY_PACKS for name in group.packs}
    loose = sorted((size, name) for name, size in present.items() if name not in full and name not in leave)
    for size, some in groupby(loose, key=lambda one: one[0]):
        names = [name for _, name in some]
        if is_size(size) and not covered.issuperset(names):
            orders += _arranged(names, size, standing)
    return orders


def _mends(
    groups: Sequence[Group], present: Mapping[bytes, int], leave: Collection[bytes]
) -> tuple[list[Group], list[Group]]:
    """Groups that lack nothing but parity, and have a pack that is in no better one; and the groups that stand."""
    standing = [group for group in groups if group.stands(present)]
    covered = {name for group in standing for name in group.packs}
    mends: list[Group] = []
    for group in groups:
        needed = set(group.packs) - covered - set(leave)
        if needed and not group.is_whole and group.is_all_there(present):
            mends.append(group)
            covered.update(group.packs)
    return mends, standing


def _arranged(names: Collection[bytes], size: int, standing: Iterable[Group]) -> list[Order]:
    """All of ``names`` in groups, as many of them full as can be."""
    inner = [group for group in standing if group.size == size and set(group.packs) <= set(names)]
    first = inner[0].packs if inner else ()  # the largest
    ordered = (*first, *sorted(set(names) - set(first)))
    cuts = [ordered[at : at + PARITY_PACKS] for at in range(0, len(ordered), PARITY_PACKS)]
    done = {group.packs for group in inner}
    return [_order(packs, size, inner) for packs in cuts if packs not in done]


def _order(packs: tuple[bytes, ...], size: int, standing: Iterable[Group]) -> Order:
    """Parity of these packs, from the largest group that some of them begin with."""
    fits = [group for group in standing if group.size == size and group.packs == packs[: len(group.packs)]]
    return Order(packs=packs, size=size, base=max(fits, key=lambda group: len(group.packs), default=None))


def superseded(groups: Sequence[Group], present: Mapping[bytes, int], *, sound: bool) -> list[bytes]:
    """Names (SHA-256) of parity objects that protect nothing which others do not protect as well.

    Args:
        groups: of the parity objects that are there.
        present: packs that are there, with their sizes.
        sound: nothing that a snapshot needs is missing.  Otherwise parity of a pack that is not there stays: it may be
            what brings it back.
    """
    covered: set[bytes] = set()
    useless: list[bytes] = []
    for group in sorted(groups, key=lambda group: (not group.stands(present), -len(group.packs), group.packs)):
        needed = {name for name in group.packs if present.get(name) == group.size or not sound}
        if needed <= covered:
            useless += [piece.name for piece in group.pieces]
            continue
        useless += _doubles(group)
        if group.stands(present):
            covered.update(group.packs)
    return useless


def _doubles(group: Group) -> list[bytes]:
    """Objects of a group that hold the same as another: the keys changed between them."""
    kept: set[tuple[int, int, int]] = set()
    found: list[bytes] = []
    for piece in group.pieces:
        place = piece.parity.shard, piece.parity.offset, piece.parity.length
        if place in kept:
            found.append(piece.name)
        kept.add(place)
    return found
