"""The code of docs/format.md, section 10, written from that page alone: slow, and without any library."""

from __future__ import annotations

from functools import reduce
from itertools import accumulate, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def times(a: int, b: int) -> int:
    """Multiply in GF(256) with x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def inverse(a: int) -> int:
    """The number whose product with ``a`` is 1."""
    return reduce(lambda power, _: times(power, a), range(253), a)


POINTS = [0, *accumulate(repeat(2, 16), times, initial=1)]  # 0, 1, 2, 4, ...: those of 16 packs, then of two shards


def factor(pack: int, shard: int) -> int:
    """What the byte of a pack counts for in the byte of a shard: Lagrange's polynomial of the one, at the point of the other."""
    value = 1
    for other in (n for n in range(16) if n != pack):
        value = times(value, POINTS[16 + shard] ^ POINTS[other])
        value = times(value, inverse(POINTS[pack] ^ POINTS[other]))
    return value


FACTORS = [[factor(pack, shard) for pack in range(16)] for shard in range(2)]


def shard_of(packs: Sequence[bytes], shard: int) -> bytes:
    """A shard of at most 16 packs."""
    total = 0
    for pack, data in enumerate(packs):
        table = bytes(times(FACTORS[shard][pack], value) for value in range(256))
        total ^= int.from_bytes(data.translate(table), "big")
    return total.to_bytes(len(packs[0]), "big")
