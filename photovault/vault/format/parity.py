"""Section 10: parity."""

from __future__ import annotations

from dataclasses import dataclass

from photovault.errors import DamageError
from photovault.vault.format.encoding import (
    VERSION,
    Json,
    canonical,
    check_keys,
    read_canonical,
    read_digests,
    read_version,
    read_whole,
)
from photovault.vault.format.objects import OVERHEAD, PER_PART, SIZE_MAX, is_size, size_class

PARITY_PACKS = 16
"""Packs that a group has at most: those that it lacks count as zeros."""

PARITY_SHARDS = 2
"""Shards of every group: so many packs may be lost."""

_KEYS = frozenset({"length", "offset", "packs", "shard", "shards", "size", "version"})
_WHAT = "a parity map"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityMap:
    """What one parity object holds: some bytes of one shard of a group of packs.

    Attributes:
        packs: names (SHA-256) of the packs, 1 to 16, each once; the order counts.
        size: of every one of them, and so of a shard, in bytes.
        shard: 0 or 1.
        offset: where in the shard the bytes begin.
        length: how many they are.
    """

    packs: tuple[bytes, ...]
    size: int
    shard: int
    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where in the shard the bytes end."""
        return self.offset + self.length

    @property
    def object_size(self) -> int:
        """Bytes of the parity object: it has two parts, the map and the bytes."""
        return size_class(OVERHEAD + 2 * PER_PART + len(encode_parity_map(self)) + self.length)


def encode_parity_map(parity: ParityMap) -> bytes:
    """Plaintext of a parity map: canonical JSON."""
    return canonical(
        {
            "length": parity.length,
            "offset": parity.offset,
            "packs": [name.hex() for name in parity.packs],
            "shard": parity.shard,
            "shards": PARITY_SHARDS,
            "size": parity.size,
            "version": VERSION,
        }
    )


def read_parity_map(data: bytes) -> ParityMap:
    """Parse the plaintext of a parity map.

    Raises:
        DamageError: no writer makes these bytes.
        UnknownVersionError: a later version makes them.
    """
    value = read_canonical(data, _WHAT)
    read_version(value, _WHAT)
    check_keys(value, _KEYS, _WHAT)
    try:
        return _checked(value)
    except (TypeError, ValueError):
        raise DamageError(f"{_WHAT} is damaged") from None


def _checked(value: Json) -> ParityMap:
    packs = read_digests(value["packs"])
    size = read_whole(value["size"], 1, SIZE_MAX)
    read_whole(value["shards"], PARITY_SHARDS, PARITY_SHARDS)
    offset = read_whole(value["offset"], 0, size - 1)
    length = read_whole(value["length"], 1, size - offset)
    if not is_size(size) or not 0 < len(packs) <= PARITY_PACKS or len(set(packs)) != len(packs):
        raise ValueError
    shard = read_whole(value["shard"], 0, PARITY_SHARDS - 1)
    return ParityMap(packs=packs, size=size, shard=shard, offset=offset, length=length)


def parity_pieces(packs: tuple[bytes, ...], size: int, shard: int) -> list[ParityMap]:
    """A shard cut for its objects: the first has the size of a pack and is filled, a small one has the rest."""
    whole = ParityMap(packs=packs, size=size, shard=shard, offset=0, length=size)
    first = size - OVERHEAD - 2 * PER_PART - len(encode_parity_map(whole))
    return [
        ParityMap(packs=packs, size=size, shard=shard, offset=0, length=first),
        ParityMap(packs=packs, size=size, shard=shard, offset=first, length=size - first),
    ]
