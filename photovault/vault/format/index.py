"""Section 6: the index."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.vault.format.names import ObjectKind
from photovault.vault.format.objects import NO_DIGEST, Record, check_groups, checked_record, is_size

if TYPE_CHECKING:
    from collections.abc import Iterable

INDEX_PACK = struct.Struct("<32sII")  # pack name, pack size, part count
INDEX_PART = struct.Struct("<32sBBHII")  # part id, part kind, codec, skipped, length, stored length


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """What an index says of one pack: its name (SHA-256), its size, its parts in order."""

    name: bytes
    size: int
    records: tuple[Record, ...]


def encode_index(packs: list[PackEntry]) -> bytes:
    """Plaintext of an index: the packs one after another, each followed by its parts."""
    out = bytearray()
    for pack in packs:
        out += INDEX_PACK.pack(pack.name, pack.size, len(pack.records))
        out += encode_index_parts(pack.records)
    return bytes(out)


def encode_index_parts(records: Iterable[Record]) -> bytes:
    """What an index says of some parts of a pack: 44 bytes each."""
    packed = (INDEX_PART.pack(r.part_id, r.kind, r.codec, r.skip, r.length, r.stored) for r in records)
    return b"".join(packed)


def read_index_parts(data: bytes) -> tuple[Record, ...]:
    """Parts of a pack as an index lists them, in order; they have no digests.  ``data``: whole records."""
    records = tuple(checked_record((*fields, NO_DIGEST), ObjectKind.PACK) for fields in INDEX_PART.iter_unpack(data))
    check_groups(records)
    return records


def index_size(records: int) -> int:
    """Bytes that a pack of so many parts takes in an index."""
    return INDEX_PACK.size + records * INDEX_PART.size


def read_index(data: bytes) -> list[PackEntry]:
    """Parse the plaintext of an index."""
    packs, at = [], 0
    while at < len(data):
        if len(data) - at < INDEX_PACK.size:
            raise DamageError("an index is cut short")
        name, size, count = INDEX_PACK.unpack_from(data, at)
        at += INDEX_PACK.size
        end = at + count * INDEX_PART.size
        if end > len(data) or not is_size(size):
            raise DamageError("an index contradicts itself")
        packs.append(PackEntry(name=name, size=size, records=read_index_parts(data[at:end])))
        at = end
    return packs
