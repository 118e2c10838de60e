"""A vault: opened by a secret, read and written through the gate.

Write order is packs, then index, then snapshot, so whatever an interrupted run leaves is either unreferenced or whole.
``refresh`` compares what the storage lists with what is remembered: new index objects are read, packs that no index
lists are adopted by their own trailers (that is how an interrupted run's uploads are found again), packs that went or
changed size are forgotten with all their parts.  Guarantee: what is read is what was sealed under this vault's keys.
Not guaranteed: that the storage shows everything it was given; snapshots chain by device, which ``check`` follows.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photovault.crypto import keys as key_tree
from photovault.crypto.keys import FIRST_EPOCH, Keyring
from photovault.errors import (
    AbsentError,
    DamageError,
    MissingError,
    NoVaultError,
    UndecodableError,
    UnknownVersionError,
    UsageError,
)
from photovault.gate.door import Door, Outbound, SealedObject
from photovault.model import Finding, Head, Snapshot
from photovault.vault import format as fmt
from photovault.vault import slots as key_slots
from photovault.vault.format import Header, ObjectKind, PackEntry, Slot
from photovault.vault.pack import ObjectReader, make_part, open_object, open_single, seal_single
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from photovault.crypto.seal import Buffer
    from photovault.gate.door import Book
    from photovault.storage.base import Storage
    from photovault.vault.pack import Unpack
    from photovault.vault.places import Places
    from photovault.vault.slots import NewSlot, Secrets

_OUTBOUND = {
    ObjectKind.PACK: Outbound.PACK,
    ObjectKind.INDEX: Outbound.INDEX,
    ObjectKind.SNAPSHOT: Outbound.SNAPSHOT,
}
_CLEAR_AT_ONCE = 4
_KINDS = {outbound: kind for kind, outbound in _OUTBOUND.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSnapshot:
    """A snapshot and the SHA-256 it is stored under."""

    name: bytes
    snapshot: Snapshot

    @property
    def id(self) -> str:
        """The name as hexadecimal; any unique prefix of it names the snapshot."""
        return self.name.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """All snapshots, oldest first, and what was wrong with those that could not be read."""

    found: tuple[NamedSnapshot, ...]
    damaged: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What ``refresh`` saw: packs that went since last time, packs and index objects that cannot be read."""

    vanished: int
    findings: tuple[Finding, ...]


def no_unpack(_jxl: bytes, _size: int) -> bytes:
    """Without a decoder: UndecodableError, which says how to get one."""
    raise UndecodableError(
        "photos in this vault are stored as JPEG XL, and nothing here can decode that",
        "python -m pip install 'photovault[jxl]'; recover.py in the vault can use the program djxl instead",
    )


class Vault:
    """An opened vault."""

    def __init__(
        self,
        storage: Storage,
        keyring: Keyring,
        places: Places,
        ledger: Book | None = None,
        *,
        unpack: Unpack = no_unpack,
    ) -> None:
        """Wire an opened keyring to its storage; ``ledger`` is told of everything that leaves.

        ``unpack`` decodes a JPEG XL file to a JPEG of so many bytes, or raises DamageError; several threads may call it.
        ``heads`` goes into every snapshot that is committed: what the device has seen at each destination.
        """
        self.keyring = keyring
        self.unpack = unpack
        self.heads: tuple[Head, ...] = ()
        self.door = Door(storage, self._reopen, ledger)
        self.places = places

    def refresh(self) -> Refreshed:
        """Bring the memory of the index up to date with the storage; the caller commits it."""
        present = {fmt.digest_of(s.name): s.size for s in self.door.listing("packs/") if fmt.is_name(s.name)}
        vanished = sum(present.get(name) != size for name, size in self.places.packs().items())
        if vanished:
            self.places.clear()
        findings = self._read_indexes(present)
        findings += self._adopt(present)
        return Refreshed(vanished=vanished, findings=tuple(findings))

    def _read_indexes(self, present: Mapping[bytes, int]) -> list[Finding]:
        known, findings = self.places.indexes(), []
        for stored in sorted(self.door.listing("index/"), key=lambda stored: stored.name):
            if not fmt.is_name(stored.name) or fmt.digest_of(stored.name) in known:
                continue
            try:
                packs = fmt.read_index(self.read_single(ObjectKind.INDEX, fmt.digest_of(stored.name)))
            except (DamageError, MissingError) as error:
                findings.append(
                    _unreadable(stored.name, error, "nothing is lost: the packs say themselves what they hold")
                )
                continue
            for pack in packs:
                if present.get(pack.name) == pack.size:
                    self.places.add_pack(pack, indexed=True)
            self.places.add_index(fmt.digest_of(stored.name))
        return findings

    def _adopt(self, present: Mapping[bytes, int]) -> list[Finding]:
        findings = []
        for name in sorted(present.keys() - self.places.packs().keys()):
            try:
                self.places.add_pack(self.read_trailer(name, present[name]), indexed=False)
            except UnknownVersionError as error:
                if self._is_intact(fmt.object_name(ObjectKind.PACK, name)):
                    raise
                findings.append(_unreadable(fmt.object_name(ObjectKind.PACK, name), error, ""))
            except (DamageError, MissingError) as error:
                findings.append(_unreadable(fmt.object_name(ObjectKind.PACK, name), error, ""))
        return findings

    def note_left_over(self) -> None:
        """Have packs that no index lists written into the ledger: a run that was interrupted left them, and the next uses them."""
        for pack in self.places.not_indexed():
            self.door.note_found(fmt.object_name(ObjectKind.PACK, pack.name), pack.size)

    def _is_intact(self, name: str) -> bool:
        """Whether an object is what its name says: tells a later version from a flipped byte."""
        return hashlib.sha256(self.door.get(name)).digest() == fmt.digest_of(name)

    def read_trailer(self, pack: bytes, size: int) -> PackEntry:
        """What a pack says itself that it holds."""
        name = fmt.object_name(ObjectKind.PACK, pack)
        if not fmt.is_size(size):
            raise DamageError(f"{name} has a size that no object has")
        start = self.door.get(name, 0, fmt.HEAD_END)
        reader = self.pack_reader(pack, size, start)
        length, _, _ = reader.head(start, size)
        sealed = self.door.get(name, size - length - fmt.TAG, length + fmt.TAG)
        return PackEntry(name=pack, size=size, records=tuple(reader.records(sealed, size)))

    def pack_reader(self, pack: bytes, size: int, start: Buffer) -> ObjectReader:
        """A way to open parts of a pack, given its beginning.

        Raises:
            DamageError: the pack is damaged.
            UnknownVersionError: it is of a later version: no byte differs from what its name says.
        """
        try:
            return ObjectReader(self.keyring, ObjectKind.PACK, start)
        except UnknownVersionError:
            name = fmt.object_name(ObjectKind.PACK, pack)
            if hashlib.sha256(self.door.get(name, 0, size)).digest() == pack:
                raise
            raise DamageError(f"{name} is damaged in its first bytes") from None

    def read_single(self, kind: ObjectKind, digest: bytes) -> bytes:
        """The plaintext of an index or snapshot object."""
        data = self.door.get(fmt.object_name(kind, digest))
        if hashlib.sha256(data).digest() != digest:
            raise DamageError(f"{fmt.object_name(kind, digest)} is not what its name says")
        return open_single(self.keyring, kind, data)

    def send(self, kind: ObjectKind, sealed: Buffer) -> bytes:
        """Store a sealed object; returns its SHA-256.  May be called by workers."""
        return self.door.send(SealedObject(kind=_OUTBOUND[kind], data=sealed))

    def send_single(self, kind: ObjectKind, plain: bytes) -> bytes:
        """Seal and store an index or snapshot; returns its SHA-256."""
        part_kind = next(iter(fmt.PARTS_OF[kind]))
        record, data = make_part(self.keyring, part_kind, plain)
        return self.send(kind, seal_single(self.keyring, kind, record, data))

    def snapshots(self) -> Snapshots:
        """Every snapshot, oldest first."""
        found, damaged = [], []
        for stored in self.door.listing("snapshots/"):
            if not fmt.is_name(stored.name):
                continue
            try:
                found.append(self._snapshot(fmt.digest_of(stored.name)))
            except (DamageError, MissingError) as error:
                damaged.append(_unreadable(stored.name, error, "restore from another snapshot; this one is lost"))
        found.sort(key=lambda one: (one.snapshot.time, one.snapshot.number, one.name))
        self.places.commit()
        return Snapshots(found=tuple(found), damaged=tuple(damaged))

    def _snapshot(self, name: bytes) -> NamedSnapshot:
        plain = self.places.snapshot(name)
        if plain is not None:
            with suppress(DamageError):  # only the memory of it is damaged
                return NamedSnapshot(name=name, snapshot=fmt.read_snapshot(plain))
        plain = self.read_single(ObjectKind.SNAPSHOT, name)
        self.places.add_snapshot(name, plain)
        return NamedSnapshot(name=name, snapshot=fmt.read_snapshot(plain))

    def commit(self, snapshot: Snapshot) -> NamedSnapshot:
        """Store a snapshot: from now on it counts."""
        snapshot = replace(snapshot, heads=self.heads)
        plain = fmt.encode_snapshot(snapshot)
        name = self.send_single(ObjectKind.SNAPSHOT, plain)
        self.places.add_snapshot(name, plain)
        self.places.commit()
        return NamedSnapshot(name=name, snapshot=snapshot)

    def slots(self) -> tuple[list[Slot], list[Finding]]:
        """The key slots, and what is wrong with those that cannot be read or were not made by this vault."""
        good, findings = [], []
        for name in sorted(stored.name for stored in self.door.listing("keys/") if fmt.is_name(stored.name)):
            try:
                slot = fmt.read_slot(self.door.get(name), name)
                key_slots.check_slot(slot, self.keyring)
                good.append(slot)
            except (DamageError, MissingError, UnknownVersionError) as error:
                findings.append(
                    _unreadable(name, error, "make a new one with `photovault key add`, then remove this one")
                )
        return good, findings

    def add_slot(self, new: NewSlot) -> Slot:
        """Make a slot, store it, read it back and open it: only then does it count."""
        slot = key_slots.make_slot(new, keyring=self.keyring)
        self.door.publish(Outbound.SLOT, slot.name, slot.encode())
        again = fmt.read_slot(self.door.get(slot.name), slot.name)
        if key_slots.open_slot(again, new.secret) != self.keyring.roots[slot.epoch]:
            raise DamageError(f"the storage did not keep {slot.name}")
        return slot

    def clear_objects(self) -> tuple[tuple[str, bytes], ...]:
        """Name and SHA-256 of header, key slots and recovery documents, as they are now."""
        slots = [stored.name for stored in self.door.listing("keys/") if fmt.is_name(stored.name)]
        names = sorted([fmt.HEADER_NAME, *fmt.RECOVERY_NAMES, *slots])
        with Workers(_CLEAR_AT_ONCE) as workers:
            found = workers.ordered(self._digest, names, len(names))
            return tuple((name, digest) for name, digest in found if digest is not None)

    def _digest(self, name: str) -> bytes | None:
        try:
            return hashlib.sha256(self.door.get(name)).digest()
        except MissingError:
            return None

    def _reopen(self, kind: Outbound, data: Buffer) -> None:
        if kind in _KINDS:
            open_object(self.keyring, _KINDS[kind], data).verify()
        elif kind is Outbound.SLOT:
            value = fmt.read_canonical(bytes(data[:-1]), "a key slot")
            slot = fmt.read_slot(bytes(data), f"keys/{value.get('id')}")
            key_slots.check_slot(slot, self.keyring)
            key_slots.slot_info(slot, self.keyring)
        elif kind is Outbound.HEADER:
            check_header(fmt.read_header(bytes(data)), self.keyring)


def create(
    storage: Storage,
    *,
    vault_id: bytes,
    root: bytes,
    documents: Mapping[str, bytes],
    slots: Iterable[NewSlot],
    places: Places,
    ledger: Book | None = None,
) -> Vault:
    """Make a vault where there is none: documents, key slots, and last the header, so that a header means a vault.

    Args:
        storage: where; must hold no vault.
        vault_id: 16 random bytes.
        root: 32 random bytes.
        documents: the recovery documents by name.
        slots: at least one way in.
        places: the memory of the index.
        ledger: is told of everything that leaves.

    Raises:
        UsageError: there is a vault, or parts of one.
    """
    check_vacant(storage)
    keyring = Keyring.of(vault_id, {FIRST_EPOCH: root})
    vault = Vault(storage, keyring, places, ledger)
    for name, data in documents.items():
        vault.door.publish(Outbound.RECOVERY, name, data)
    for slot in slots:
        vault.add_slot(slot)
    header = Header(vault_id=vault_id)
    header = Header(vault_id=vault_id, mac=key_tree.mac(keyring.header_key, header.signed()))
    vault.door.publish(Outbound.HEADER, fmt.HEADER_NAME, header.encode())
    return vault


def check_vacant(storage: Storage) -> None:
    """UsageError when there is a vault; leftovers of an init that was interrupted are removed."""
    try:
        names = {stored.name for stored in storage.listing("") if fmt.is_name(stored.name)}
    except AbsentError:
        return  # not there yet: the first put makes it
    if fmt.HEADER_NAME in names:
        raise UsageError(f"there is a vault in {storage.address} already", "use it, or choose another place")
    if any(name.startswith(("packs/", "index/", "snapshots/")) for name in names):
        raise DamageError(f"there is a vault without {fmt.HEADER_NAME} in {storage.address}", "choose another place")
    if any(name.startswith("keys/") for name in names):  # an init that was interrupted before it made a vault
        for name in names:
            storage.delete(name)


def listed(storage: Storage | Door) -> dict[str, int]:
    """Every object of a vault with its size, and with each one all that it refers to, though a backup goes on meanwhile.

    Packs are there before the index, the index before the snapshot: so those that refer to others are looked for first.
    """
    early = {stored.name for prefix in ("snapshots/", "index/") for stored in storage.listing(prefix)}
    found = {stored.name: stored.size for stored in storage.listing("") if fmt.is_name(stored.name)}
    late = {name for name in found if name.startswith(("snapshots/", "index/"))} - early
    return {name: size for name, size in found.items() if name not in late}


def read_header(storage: Storage) -> Header:
    """The header of the vault in ``storage``.

    Raises:
        NoVaultError: there is none.
        DamageError: there is one without its header, or the header is damaged.
    """
    try:
        return fmt.read_header(storage.get(fmt.HEADER_NAME))
    except MissingError:
        pass
    if _has_slots(storage):
        raise DamageError(
            f"{fmt.HEADER_NAME} is missing from the vault in {storage.address}",
            "bring it back with `photovault copy` from another copy of this vault; recover.py restores without it",
        )
    raise NoVaultError(
        f"there is no vault in {storage.address}",
        "make one with `photovault init`, check the address, or connect the disk",
    )


def _has_slots(storage: Storage) -> bool:
    try:
        return any(fmt.is_name(stored.name) for stored in storage.listing("keys/"))
    except AbsentError:
        return False


def read_slots(storage: Storage) -> list[Slot]:
    """The key slots that can be parsed, not yet checked against the root."""
    names = sorted(stored.name for stored in storage.listing("keys/") if fmt.is_name(stored.name))
    with Workers(_CLEAR_AT_ONCE) as workers:
        found = workers.ordered(lambda name: _read_slot(storage, name), names, len(names))
        return [slot for _, slot in found if slot is not None]


def _read_slot(storage: Storage, name: str) -> Slot | None:
    try:
        return fmt.read_slot(storage.get(name), name)
    except (DamageError, MissingError, UnknownVersionError):
        return None  # another slot may open the vault; check names this one


def unlock(storage: Storage, secrets: Secrets) -> tuple[Keyring, Slot]:
    """Open the keyring of the vault in ``storage``."""
    return key_slots.open_keyring(read_header(storage), read_slots(storage), secrets)


def check_header(header: Header, keyring: Keyring) -> None:
    """DamageError unless somebody with the root wrote this header."""
    expected = key_tree.mac(keyring.header_key, header.signed())
    if header.vault_id != keyring.vault_id or not hmac.compare_digest(expected, header.mac):
        raise DamageError(f"{fmt.HEADER_NAME} was changed")


def _unreadable(name: str, error: Exception, hint: str) -> Finding:
    return Finding(what=str(error), where=name, hint=hint)
