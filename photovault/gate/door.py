"""The one door out.

Whatever goes to a storage, a local folder too (it may be synced elsewhere), goes through the door.  It takes kinds of a
closed list only, and there is no kind for face data.  ``send`` takes sealed objects: one of the eleven standard sizes,
named by the door itself with the SHA-256 of the bytes, and opened again with the vault's key before it leaves.  What
cannot be opened, or holds a padding byte that is not zero, stays here; that catches a leak and a broken memory chip
alike.  ``publish`` takes the few documents that stand in clear, each only under a name of its own.  ``relay`` takes an
object of a vault as it is, for a copy on a machine without a key: its name must be one of a vault, and a sealed one's
bytes must be those that its name says.

Before anything leaves, the ledger has a durable line of it; what cannot be written down stays here.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from photovault.errors import GateError, PhotovaultError, RefusedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.storage.base import Buffer, Storage, Stored

SIZE_MIN = 2**14
SIZE_MAX = 2**24
CLEAR_MAX = 2**20


class Outbound(StrEnum):
    """Everything that may ever leave."""

    HEADER = "header"
    SLOT = "slot"
    RECOVERY = "recovery"
    PACK = "pack"
    INDEX = "index"
    SNAPSHOT = "snapshot"
    RETENTION = "retention"
    PARITY = "parity"


_SEALED = {
    Outbound.PACK: "packs/",
    Outbound.INDEX: "index/",
    Outbound.SNAPSHOT: "snapshots/",
    Outbound.RETENTION: "retention/",
    Outbound.PARITY: "parity/",
}
_CLEAR = {
    Outbound.HEADER: re.compile(r"vault\.json"),
    Outbound.SLOT: re.compile(r"keys/[0-9a-f]{32}"),
    Outbound.RECOVERY: re.compile(r"RECOVER\.txt|recover\.py|FORMAT\.md"),
}
_NAMES = _CLEAR | {
    Outbound.PACK: re.compile(r"packs/(?P<fan>[0-9a-f]{2})/(?P=fan)[0-9a-f]{62}"),
    Outbound.INDEX: re.compile(r"index/[0-9a-f]{64}"),
    Outbound.SNAPSHOT: re.compile(r"snapshots/[0-9a-f]{64}"),
    Outbound.RETENTION: re.compile(r"retention/[0-9a-f]{64}"),
    Outbound.PARITY: re.compile(r"parity/[0-9a-f]{64}"),
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


class Book(Protocol):
    """What the door writes down: a durable line before anything leaves, another if it failed or was removed."""

    def sending(self, destination: str, kind: str, name: str, size: int) -> None:
        """An object is about to leave; raises when that cannot be written down."""

    def failed(self, destination: str, kind: str, name: str, size: int) -> None:
        """The storage did not say that it has the object."""

    def removed(self, destination: str, kind: str, name: str) -> None:
        """An object was removed."""

    def found(self, destination: str, kind: str, name: str, size: int) -> None:
        """An object of an interrupted run is used from now on."""


def no_key(kind: Outbound, _data: Buffer) -> None:
    """A ``Reopen`` for a door without a key: only ``relay`` lets anything out of it."""
    raise PhotovaultError(f"there is no key here to open the {kind} with")


class _NoBook:
    """Writes nothing down."""

    def sending(self, destination: str, kind: str, name: str, size: int) -> None:
        pass

    def failed(self, destination: str, kind: str, name: str, size: int) -> None:
        pass

    def removed(self, destination: str, kind: str, name: str) -> None:
        pass

    def found(self, destination: str, kind: str, name: str, size: int) -> None:
        pass


class Door:
    """A storage behind the gate: reading is free, writing is checked and written down."""

    def __init__(self, storage: Storage, reopen: Reopen, ledger: Book | None = None) -> None:
        """Guard ``storage``; without a ledger, as for reading only, nothing is written down."""
        self._storage = storage
        self._reopen = reopen
        self._ledger = ledger or _NoBook()
        self.address = storage.address

    def send(self, candidate: SealedObject) -> bytes:
        """Let a sealed object out and return its name's digest (32 bytes), or raise GateError and let nothing out."""
        prefix = _SEALED.get(candidate.kind)
        size = len(candidate.data)
        if prefix is None or not _is_standard(size):
            raise GateError(f"the gate refused a {candidate.kind} of {size} bytes: not a standard size", _HINT)
        self._inspect(candidate.kind, candidate.data)
        digest = hashlib.sha256(candidate.data).digest()
        fan = f"{digest[:1].hex()}/" if candidate.kind is Outbound.PACK else ""
        self._put_sealed(candidate.kind, f"{prefix}{fan}{digest.hex()}", candidate.data, digest)
        return digest

    def publish(self, kind: Outbound, name: str, data: bytes) -> None:
        """Let one of the clear documents out, under a name of its kind."""
        if kind not in _CLEAR or _CLEAR[kind].fullmatch(name) is None:
            raise GateError(f"the gate refused {name}: it is no place for a {kind}", _HINT)
        self._inspect(kind, data)
        self._put(kind, name, data)

    def relay(self, name: str, data: Buffer) -> None:
        """Let an object out as it was found in another copy of the same vault.

        The caller has seen that both copies are of one vault (their ``vault.json`` are equal).

        Raises:
            GateError: no vault has an object of this name and size, or a sealed one's bytes are not those of its name.
        """
        kind = outbound_kind(name)
        if kind is None:
            raise GateError(f"the gate refused {name}: no vault has an object of that name", _HINT)
        if kind in _CLEAR:
            if len(data) > CLEAR_MAX:
                raise GateError(f"the gate refused {name}: no {kind} has {len(data):,} bytes", _HINT)
            self._put_clear(kind, name, data)
            return
        digest = hashlib.sha256(data).digest()
        if not _is_standard(len(data)) or digest.hex() != name.rpartition("/")[2]:
            raise GateError(f"the gate refused {name}: its bytes are not those that its name says", _HINT)
        self._put_sealed(kind, name, data, digest)

    def note_found(self, name: str, size: int) -> None:
        """Write down that this device relies on an object that an interrupted run left, perhaps another device's."""
        kind = outbound_kind(name)
        if kind is not None:
            self._ledger.found(self.address, kind, name, size)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read from the storage."""
        return self._storage.get(name, offset, length)

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List the storage."""
        return self._storage.listing(prefix)

    def delete(self, name: str) -> None:
        """Remove from the storage."""
        self._storage.delete(name)
        self._ledger.removed(self.address, outbound_kind(name) or "other", name)

    def _put(self, kind: Outbound, name: str, data: Buffer) -> None:
        """The line comes first: whatever happens afterwards, nothing has left that is not in the ledger."""
        self._ledger.sending(self.address, kind, name, len(data))
        self._put_noted(kind, name, data)

    def _put_noted(self, kind: Outbound, name: str, data: Buffer) -> None:
        try:
            self._storage.put(name, data)
        except StorageError:
            with suppress(RefusedError):  # a full disk here must not hide what went wrong there
                self._ledger.failed(self.address, kind, name, len(data))
            raise

    def _put_clear(self, kind: Outbound, name: str, data: Buffer) -> None:
        """Store a document; the beginning of it, which half an upload left under its name, is replaced by the whole one."""
        try:
            self._put(kind, name, data)
        except RefusedError:
            if not self._is_cut(name, data):
                raise
            self._replace(kind, name, data)

    def _put_sealed(self, kind: Outbound, name: str, data: Buffer, digest: bytes) -> None:
        """Store an object; a damaged one under its name is replaced by the whole one, which has all that it ever had."""
        self._ledger.sending(self.address, kind, name, len(data))
        try:
            self._put_noted(kind, name, data)
        except RefusedError:
            if not self._is_spoilt(name, digest):
                raise
            self._replace(kind, name, data)

    def _replace(self, kind: Outbound, name: str, data: Buffer) -> None:
        self._ledger.removed(self.address, kind, name)  # if this cannot be written, what is there stays
        self._ledger.sending(self.address, kind, name, len(data))
        self._storage.delete(name)
        self._put_noted(kind, name, data)

    def _is_spoilt(self, name: str, digest: bytes) -> bool:
        """Whether an object is there that is not what its name says."""
        try:
            return hashlib.sha256(self._storage.get(name)).digest() != digest
        except StorageError:
            return False

    def _is_cut(self, name: str, data: Buffer) -> bool:
        """Whether an object is there that is the beginning of this one and no more."""
        try:
            found = self._storage.get(name)
        except StorageError:
            return False
        return len(found) < len(data) and bytes(data).startswith(found)

    def _inspect(self, kind: Outbound, data: Buffer) -> None:
        try:
            self._reopen(kind, data)
        except PhotovaultError as error:
            raise GateError(f"the gate refused a {kind}: {error.what}", _HINT) from error


def outbound_kind(name: str) -> Outbound | None:
    """Of which kind an object of this name is; None when no vault has one."""
    return next((kind for kind, pattern in _NAMES.items() if pattern.fullmatch(name)), None)


def _is_standard(size: int) -> bool:
    return SIZE_MIN <= size <= SIZE_MAX and size & (size - 1) == 0
