"""Small steps that the tests of writer, reader and vault share."""

from __future__ import annotations

import hashlib
from random import Random
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.model import Counts, Snapshot
from photovault.vault.format import PartKind
from photovault.vault.pack import make_part
from photovault.vault.places import Places
from photovault.vault.vault import Vault
from photovault.vault.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from photovault.storage.memory import MemoryStorage
    from photovault.workers import Workers


def noise(size: int, seed: object = 0) -> bytes:
    """Bytes that do not compress."""
    return Random(str(seed)).randbytes(size)


def add(writer: Writer, vault: Vault, data: bytes) -> bytes:
    """Add a part of content; returns its id."""
    record, encoded = make_part(vault.keyring, PartKind.CONTENT, data)
    writer.add(record, encoded)
    return record.part_id


def store(vault: Vault, workers: Workers, parts: Iterable[bytes]) -> list[bytes]:
    """Write parts into one new pack, and its index; returns the ids."""
    writer = Writer(vault, workers)
    ids = [add(writer, vault, data) for data in parts]
    writer.finish()
    return ids


def elsewhere(vault: Vault, storage: MemoryStorage, folder: Path) -> Vault:
    """The same vault on another device, which remembers nothing."""
    return Vault(storage, vault.keyring, Places(folder / "elsewhere.sqlite"))


def names(storage: MemoryStorage, prefix: str) -> list[str]:
    """Objects below a prefix."""
    return sorted(name for name in storage.objects if name.startswith(prefix))


def spoil(storage: MemoryStorage, name: str, at: int = 5000) -> None:
    """Flip a bit of an object."""
    data = bytearray(storage.objects[name])
    data[at] ^= 1
    storage.objects[name] = bytes(data)


def snapshot(number: int = 1, **change: object) -> Snapshot:
    """A snapshot of nothing."""
    fields: dict[str, object] = {
        "device_id": bytes(16),
        "device_name": "test",
        "number": number,
        "time": f"2024-05-04T12:00:{number:02}.000000Z",
        "previous": None,
        "root": (),
        "counts": Counts(),
        "sources": (),
        "clear": (),
        "epoch": 1,
        "program": "test",
    }
    return Snapshot(**(fields | change))


class Codec:
    """A stand-in for JPEG XL: bytes that are a fifth smaller, and can be exchanged for what they were made from."""

    def __init__(self) -> None:
        self.made: dict[bytes, bytes] = {}
        self.asked = 0

    def pack(self, jpeg: bytes) -> bytes:
        packed = noise(max(1, len(jpeg) * 4 // 5), hashlib.sha256(jpeg).hexdigest())
        self.made[packed] = jpeg
        return packed

    def unpack(self, jxl: bytes, size: int) -> bytes:
        self.asked += 1
        jpeg = self.made.get(bytes(jxl), b"")
        if len(jpeg) != size:
            raise DamageError("it does not decode")
        return jpeg


def add_group(
    writer: Writer, vault: Vault, codec: Codec, parts: Sequence[bytes], head: bytes = b"\xff\xd8"
) -> list[bytes]:
    """Add parts that are encoded together; returns their ids."""
    ids = [vault.keyring.part_id(PartKind.CONTENT, data) for data in parts]
    lengths = map(len, parts)
    jxl = codec.pack(head + b"".join(parts))
    assert writer.add_group(list(zip(ids, lengths, strict=True)), jxl, skip=len(head))
    return ids
