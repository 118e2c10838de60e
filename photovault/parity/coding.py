"""The code: 16 packs and 2 shards, any 16 of which say all, byte by byte.

Systematic Reed-Solomon over GF(256), as ``zfec`` has it and docs/format.md says without it: the bytes of the packs at one
place are the values of a polynomial of degree below 16 at 16 points, the shards' bytes its values at two more.  Packs that a
group lacks are zeros and take no room.  The code is linear: the shards of packs together are the XOR of what each
adds to them, so a group grows by reading its shards and the new packs alone.

The library makes parity and is an extra.  To bring packs back none is needed: the two equations of a place are solved here, an
eighth as fast, on any computer.
"""

from __future__ import annotations

from functools import cache, lru_cache, reduce
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING

from photovault.errors import MissingExtraError
from photovault.vault.format import PARITY_PACKS, PARITY_SHARDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from photovault.crypto.seal import Buffer

_ALL = PARITY_PACKS + PARITY_SHARDS
_SHARDS = tuple(range(PARITY_PACKS, _ALL))


def can_code() -> bool:
    """Whether the library is installed; it is not imported."""
    return find_spec("zfec") is not None


def need_code() -> None:
    """Raises MissingExtraError, which says how to get it, if the library is not installed."""
    if not can_code():
        raise MissingExtraError(
            "parity needs a library that is not installed", "python -m pip install 'photovault[parity]'"
        )


def shards_of(packs: Sequence[Buffer], first: int = 0) -> list[bytes]:
    """What packs add to the bytes of the two shards at one place.

    Args:
        packs: bytes of at most 16 packs, all as many and of the same place.
        first: the place of the first of them in the group.
    """
    import zfec

    zeros = _zeros(len(packs[0]))
    blocks = (zeros,) * first + tuple(packs) + (zeros,) * (PARITY_PACKS - first - len(packs))
    return list(zfec.Encoder(PARITY_PACKS, _ALL).encode(blocks, _SHARDS))


def lost_of(packs: Mapping[int, Buffer], shards: Mapping[int, Buffer], count: int) -> dict[int, bytes]:
    """The bytes of those packs of a group of ``count`` that are not given, by their places.

    Args:
        packs: bytes of packs by their place in the group, all as many.
        shards: bytes of shards by number, at least as many shards as packs are not given.
        count: how many packs the group has.
    """
    lost = [place for place in range(count) if place not in packs]
    if not can_code():
        return _solved(packs, {number: shards[number] for number in sorted(shards)[: len(lost)]}, lost)
    import zfec

    zeros = _zeros(len(next(iter(shards.values()))))
    instead = dict(zip(lost, sorted(shards), strict=False))
    blocks = [shards[instead[n]] if n in instead else packs.get(n, zeros) for n in range(PARITY_PACKS)]
    numbers = [PARITY_PACKS + instead[n] if n in instead else n for n in range(PARITY_PACKS)]
    found = zfec.Decoder(PARITY_PACKS, _ALL).decode(tuple(blocks), tuple(numbers))
    return {place: found[place] for place in lost}


def added(one: Buffer, other: Buffer) -> bytes:
    """The sum of two runs of bytes, equally many, in the field of the code: their XOR."""
    total = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return total.to_bytes(len(one), "little")


def _solved(packs: Mapping[int, Buffer], shards: Mapping[int, Buffer], lost: Sequence[int]) -> dict[int, bytes]:
    """As ``lost_of``, without a library, of at most two lost packs and as many shards."""
    rest = {
        number: reduce(added, (scaled(data, factor(place, number)) for place, data in packs.items()), bytes(shard))
        for number, shard in shards.items()
    }
    if len(lost) == 1:
        ((number, data),) = rest.items()
        return {lost[0]: scaled(data, inverse(factor(lost[0], number)))}
    one, other = lost
    both = times(factor(one, 0), factor(other, 1)) ^ times(factor(other, 0), factor(one, 1))
    return {
        mine: added(
            scaled(rest[0], times(factor(its, 1), inverse(both))), scaled(rest[1], times(factor(its, 0), inverse(both)))
        )
        for mine, its in ((one, other), (other, one))
    }


def times(one: int, other: int) -> int:
    """The product of two numbers of GF(256), with x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    for bit in range(8):
        product ^= one << bit if other >> bit & 1 else 0
    for bit in range(14, 7, -1):
        product ^= 0x11D << bit - 8 if product >> bit & 1 else 0
    return product


@cache
def inverse(one: int) -> int:
    """The number that gives 1 with ``one``, which is not 0."""
    return next(other for other in range(1, 256) if times(one, other) == 1)


_POINTS = (0, *accumulate([2] * (_ALL - 2), times, initial=1))


@cache
def factor(place: int, shard: int) -> int:
    """What a byte of the pack at ``place`` counts for in the shard: Lagrange's polynomial of its point, at the shard's."""
    mine, at = _POINTS[place], _POINTS[PARITY_PACKS + shard]
    others = (point for point in _POINTS[:PARITY_PACKS] if point != mine)
    return reduce(times, (times(at ^ other, inverse(mine ^ other)) for other in others), 1)


def scaled(data: Buffer, by: int) -> bytes:
    """Every byte times a number."""
    return bytes(data).translate(_table(by))


@cache
def _table(by: int) -> bytes:
    return bytes(times(by, byte) for byte in range(256))


@lru_cache(maxsize=2)
def _zeros(size: int) -> bytes:
    return bytes(size)
