"""Pictures that look alike: pairs of perceptual hashes (64 bits) that differ in at most four.

A hash is cut into six bands.  Two hashes that differ in at most four bits differ in at most four bands, so two bands are
the same in both: it is enough to compare hashes that share some two of the six (15 ways to choose, some 21 bits each, so among
a million hashes each finds about one by chance).  Guarantee: every pair within four bits is found, as long as no more than
256 hashes share a choice of two bands; of more, those beyond are compared with the first 256 only.  Pure.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

BITS: Final = 64
DISTANCE: Final = 4
_CHAIN_MAX: Final = 256
_CUTS: Final = (0, 11, 22, 33, 44, 54, 64)
_BANDS: Final = tuple(((1 << high) - 1) ^ ((1 << low) - 1) for low, high in pairwise(_CUTS))
_MASKS: Final = tuple(one | other for one, other in combinations(_BANDS, 2))


def tells(phash: int | None) -> TypeGuard[int]:
    """Whether a hash says anything: that of a picture of one colour has no bit but the first, which is its brightness."""
    return phash is not None and phash >> 1 != 0


def pairs(fresh: Collection[int], known: Collection[int]) -> Iterator[tuple[int, int]]:
    """Pairs of different hashes within ``DISTANCE``: of fresh ones, and of a fresh with a known one; some more than once.

    Args:
        fresh: hashes, each once, 0 to 2^64 - 1; all pairs among them are looked for.
        known: hashes, each once, none of them fresh, whose pairs among each other are known.
    """
    for mask in _MASKS:
        yield from _sharing(fresh, known, mask)


def _sharing(fresh: Iterable[int], known: Iterable[int], mask: int) -> Iterator[tuple[int, int]]:
    """The pairs that are the same under a mask."""
    first: dict[int, int] = {}
    more: defaultdict[int, list[int]] = defaultdict(list)  # most are alone, and a list for each would be much memory
    for one in fresh:
        key = one & mask
        other = first.setdefault(key, one)
        if other is not one:
            chain = more[key]
            yield from _near(one, [other, *chain])
            if len(chain) < _CHAIN_MAX:
                chain.append(one)
    for one in known:
        key = one & mask
        if key in first:
            yield from _near(one, [first[key], *more.get(key, ())])


def _near(one: int, others: Iterable[int]) -> Iterator[tuple[int, int]]:
    for other in others:
        if (one ^ other).bit_count() <= DISTANCE:
            yield one, other
