"""The one door out.

Whatever goes to a storage, a local folder too (it may be synced elsewhere), goes through the door.  It takes kinds of a
closed list only, and there is no kind for face data.  ``send`` takes sealed objects: one of the eleven standard sizes,
named by the door itself with the SHA-256 of the bytes, and opened again with the vault's key before it leaves.  What
cannot be opened, or holds a padding byte that is not zero, stays here; that catches a leak and a broken memory chip
alike.  ``publish`` takes the few documents that stand in clear, each only under a name of its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from photovault.errors import GateError, PhotovaultError, RefusedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.storage.base import Buffer, Storage, Stored

SIZE_MIN = 2**14
SIZE_MAX = 2**24


class Outbound(StrEnum):
    """Everything that may ever leave."""

    HEADER = "header"
    SLOT = "slot"
    RECOVERY = "recovery"
    PACK = "pack"
    INDEX = "index"
    SNAPSHOT = "snapshot"


_SEALED = {Outbound.PACK: "packs/", Outbound.INDEX: "index/", Outbound.SNAPSHOT: "snapshots/"}
_CLEAR = {
    Outbound.HEADER: re.compile(r"vault\.json"),
    Outbound.SLOT: re.compile(r"keys/[0-9a-f]{32}"),
    Outbound.RECOVERY: re.compile(r"RECOVER\.txt|recover\.py|FORMAT\.md"),
}
_HINT = "nothing was sent; if it happens again, test this computer's memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedObject:
    """Something that is ready to leave: its kind and its sealed bytes."""

    kind: Outbound
    data: Buffer


class Reopen(Protocol):
    """Opens an object with the vault's keys and raises if anything in it is not as it should be."""

    def __call__(self, kind: Outbound, data: Buffer, /) -> None:
        """Raise a PhotovaultError when the object must not leave."""


class Door:
    """A storage behind the gate: reading is free, writing is checked."""

    def __init__(self, storage: Storage, reopen: Reopen) -> None:
        """Guard ``storage``."""
        self._storage = storage
        self._reopen = reopen
        self.address = storage.address

    def send(self, candidate: SealedObject) -> bytes:
        """Let a sealed object out and return its name's digest (32 bytes), or raise GateError and let nothing out."""
        prefix = _SEALED.get(candidate.kind)
        size = len(candidate.data)
        if prefix is None or not SIZE_MIN <= size <= SIZE_MAX or size & (size - 1):
            raise GateError(f"the gate refused a {candidate.kind} of {size} bytes: not a standard size", _HINT)
        self._inspect(candidate.kind, candidate.data)
        digest = hashlib.sha256(candidate.data).digest()
        fan = f"{digest[:1].hex()}/" if candidate.kind is Outbound.PACK else ""
        self._put(f"{prefix}{fan}{digest.hex()}", candidate.data, digest)
        return digest

    def publish(self, kind: Outbound, name: str, data: bytes) -> None:
        """Let one of the clear documents out, under a name of its kind."""
        if kind not in _CLEAR or _CLEAR[kind].fullmatch(name) is None:
            raise GateError(f"the gate refused {name}: it is no place for a {kind}", _HINT)
        self._inspect(kind, data)
        self._storage.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read from the storage."""
        return self._storage.get(name, offset, length)

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List the storage."""
        return self._storage.listing(prefix)

    def delete(self, name: str) -> None:
        """Remove from the storage."""
        self._storage.delete(name)

    def _put(self, name: str, data: Buffer, digest: bytes) -> None:
        """Store an object; a damaged one under its name is replaced by the whole one, which has all that it ever had."""
        try:
            self._storage.put(name, data)
        except RefusedError:
            if not self._is_spoilt(name, digest):
                raise
            self._storage.delete(name)
            self._storage.put(name, data)

    def _is_spoilt(self, name: str, digest: bytes) -> bool:
        """Whether an object is there that is not what its name says."""
        try:
            return hashlib.sha256(self._storage.get(name)).digest() != digest
        except StorageError:
            return False

    def _inspect(self, kind: Outbound, data: Buffer) -> None:
        try:
            self._reopen(kind, data)
        except PhotovaultError as error:
            raise GateError(f"the gate refused a {kind}: {error.what}", _HINT) from error
