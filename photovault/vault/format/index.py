"""Section 6: the index."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from photovault.errors import DamageError
from photovault.vault.format.names import ObjectKind
from photovault.vault.format.objects import NO_DIGEST, Record, checked_record, is_size

INDEX_PACK = struct.Struct("<32sII")  # pack name, pack size, part count
INDEX_PART = struct.Struct("<32sBBHII")  # part id, part kind, codec, zero, length, stored length


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
        for part in pack.records:
            out += INDEX_PART.pack(part.part_id, part.kind, part.codec, 0, part.length, part.stored)
    return bytes(out)


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
        packs.append(PackEntry(name=name, size=size, records=tuple(_index_part(data, i) for i in _steps(at, end))))
        at = end
    return packs


def _steps(at: int, end: int) -> range:
    return range(at, end, INDEX_PART.size)


def _index_part(data: bytes, at: int) -> Record:
    return checked_record((*INDEX_PART.unpack_from(data, at), NO_DIGEST), ObjectKind.PACK)
