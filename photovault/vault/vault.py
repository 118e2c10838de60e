"""A vault: opened by a secret, read and written through the gate.

Write order is packs, then index, then snapshot, so whatever an interrupted run leaves is either unreferenced or whole.
``refresh`` compares what the storage lists with what is remembered: new index objects are read, packs that no index
lists are adopted by their own trailers (that is how an interrupted run's uploads are found again), packs that went or
changed size are forgotten with all their parts.  Retention records say which snapshots are forgotten, and which packs
are going to be removed: nothing new relies on those.  ``commit`` looks before and after whether that changed since, also for
a device that slept for weeks in the middle of its run.  Guarantee: what is read is what was sealed under this vault's keys.
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
    OvertakenError,
    UndecodableError,
    UnknownVersionError,
    UsageError,
)
from photovault.gate.door import Door, Outbound, SealedObject
from photovault.model import Finding, Head, Retention, Snapshot
from photovault.vault import format as fmt
from photovault.vault import slots as key_slots
from photovault.vault.format import Header, ObjectKind, PackEntry, Slot
from photovault.vault.pack import ObjectReader, make_part, open_object, open_single, seal_single
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

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
    ObjectKind.RETENTION: Outbound.RETENTION,
    ObjectKind.PARITY: Outbound.PARITY,
}
_CLEAR_AT_ONCE = 4
_LOOKS = 4
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
class NamedRetention:
    """A retention record and the SHA-256 it is stored under."""

    name: bytes
    record: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """All snapshots that count, oldest first, and what was wrong with those that could not be read.

    Attributes:
        forgotten: those that are still stored, but do not count any more.
        removed: names of all that were ever forgotten on purpose, as far as somebody still says so.
        pinned: names of those that nothing makes go.
    """

    found: tuple[NamedSnapshot, ...]
    damaged: tuple[Finding, ...] = ()
    forgotten: tuple[NamedSnapshot, ...] = ()
    removed: frozenset[bytes] = frozenset()
    pinned: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What ``refresh`` saw.

    Attributes:
        vanished: packs that went since last time, and nobody said that they would.
        retired: other packs are going to be removed than last time, or were removed.
        findings: packs, index objects and retention records that cannot be read.
    """

    vanished: int
    findings: tuple[Finding, ...]
    retired: bool = False


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
        ``heads`` goes into every snapshot that is committed: what the device has seen at each destination.  ``is_late``
        says whether so much time went by since ``refresh`` that packs may have been removed.  ``use_number`` writes down that
        a snapshot's number is used, before it leaves.
        """
        self.keyring = keyring
        self.unpack = unpack
        self.heads: tuple[Head, ...] = ()
        self.retention: tuple[NamedRetention, ...] = ()
        self.is_late: Callable[[], bool] = lambda: False
        self.use_number: Callable[[int], None] = lambda _: None
        self.on_snapshots: Callable[[Snapshots], None] = lambda _: None
        self._relied_on: frozenset[bytes] = frozenset()
        self.door = Door(storage, self._reopen, ledger)
        self.places = places

    def stored(self, kind: ObjectKind) -> dict[bytes, int]:
        """The sealed objects of a kind that the storage lists: SHA-256 and size."""
        listing = self.door.listing(fmt.PREFIX_OF[kind])
        return {fmt.digest_of(one.name): one.size for one in listing if fmt.is_name(one.name)}

    def refresh(self) -> Refreshed:
        """Bring the memory of the index up to date with the storage; the caller commits it."""
        findings = self._read_retention()  # first: whatever a record relies on was there before it
        present = self.stored(ObjectKind.PACK)
        gone = {name for name, size in self.places.packs().items() if present.get(name) != size}
        meant = {name for one in self.retention for name in one.record.packs} - present.keys()
        retired = self.places.heeded() != {one.name for one in self.retention}
        self.places.drop_packs(gone & meant)
        if vanished := gone - meant:
            self.places.clear()
        findings += self._read_indexes(present)
        findings += self._adopt(present)
        self.places.shun(name for one in self.retention for name in one.record.packs)
        self.places.heed(one.name for one in self.retention)
        self._relied_on = frozenset(present)
        return Refreshed(
            vanished=len(vanished), findings=tuple(findings), retired=retired or not gone.isdisjoint(meant)
        )

    def _read_retention(self) -> list[Finding]:
        found, findings = [], []
        names = sorted(stored.name for stored in self.door.listing("retention/") if fmt.is_name(stored.name))
        heeded = self.places.heeded()
        self.places.drop_snapshots(heeded - set(map(fmt.digest_of, names)))  # a name alone must not bring one back
        for name in names:
            try:
                found.append(self._retention(fmt.digest_of(name), heeded))
            except (DamageError, MissingError) as error:
                hint = "nothing is removed because of it; `photovault forget` decides anew"
                findings.append(_unreadable(name, error, hint))
        found.sort(key=lambda one: (one.record.time, one.name))
        self.retention = tuple(found)
        return findings

    def _retention(self, name: bytes, heeded: Collection[bytes] = ()) -> NamedRetention:
        plain = self.places.snapshot(name) if name in heeded else None
        if plain is not None:
            with suppress(DamageError):  # only the memory of it is damaged
                return NamedRetention(name=name, record=fmt.read_retention(plain))
        plain = self.read_single(ObjectKind.RETENTION, name)
        self.places.add_snapshot(name, plain)
        return NamedRetention(name=name, record=fmt.read_retention(plain))

    def _check_overtaken(self) -> None:
        """OvertakenError when packs that this run may rely on were marked for removal, or removed, since ``refresh``."""
        marked = {name for one in self._new_retention() for name in one.record.packs}
        gone = (marked - self.places.shunned) & self.places.packs().keys() if marked else marked
        if self.is_late():
            gone |= self._relied_on - self.stored(ObjectKind.PACK).keys()
        if gone:
            raise OvertakenError(
                f"{len(gone)} packs that this run relied on are being removed by another device",
                "run the same command again: what they held is stored again",
            )

    def is_retold(self) -> bool:
        """Whether a retention record came, was taken back or was taken over into another since ``refresh``."""
        listed = {fmt.digest_of(one.name) for one in self.door.listing("retention/") if fmt.is_name(one.name)}
        return any(one.name not in listed for one in self.retention) or bool(self._new_retention())

    def _new_retention(self) -> list[NamedRetention]:
        """Records that came since ``refresh``; one that goes while they are read was taken over into another."""
        known = {one.name for one in self.retention}
        for _ in range(_LOOKS):
            found = []
            names = [fmt.digest_of(one.name) for one in self.door.listing("retention/") if fmt.is_name(one.name)]
            try:
                for name in names:
                    with suppress(DamageError):
                        found += [self._retention(name)] if name not in known else []
            except MissingError:
                continue
            break
        return found

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
        removed = self.forgotten()
        for stored in self.door.listing("snapshots/"):
            if not fmt.is_name(stored.name):
                continue
            try:
                found.append(self._snapshot(fmt.digest_of(stored.name)))
            except (DamageError, MissingError) as error:
                damaged.append(_unreadable(stored.name, error, "restore from another snapshot; this one is lost"))
        self.places.commit()
        found = in_order(found)
        snapshots = Snapshots(
            found=tuple(one for one in found if one.name not in removed),
            damaged=tuple(damaged),
            forgotten=tuple(one for one in found if one.name in removed),
            removed=removed,
            pinned=frozenset(name for one in self.retention for name in one.record.pins),
        )
        self.on_snapshots(snapshots)
        return snapshots

    def only_snapshots(self) -> Snapshots:
        """Every snapshot, as after ``refresh``, without all else that it looks at."""
        self._read_retention()
        return self.snapshots()

    def forgotten(self) -> frozenset[bytes]:
        """Names of the snapshots that somebody forgot on purpose and nobody pinned."""
        pins = {name for one in self.retention for name in one.record.pins}
        return frozenset(gone.name for one in self.retention for gone in one.record.snapshots) - pins

    def _snapshot(self, name: bytes) -> NamedSnapshot:
        plain = self.places.snapshot(name)
        if plain is not None:
            with suppress(DamageError):  # only the memory of it is damaged
                return NamedSnapshot(name=name, snapshot=fmt.read_snapshot(plain))
        plain = self.read_single(ObjectKind.SNAPSHOT, name)
        self.places.add_snapshot(name, plain)
        return NamedSnapshot(name=name, snapshot=fmt.read_snapshot(plain))

    def commit(self, snapshot: Snapshot) -> NamedSnapshot:
        """Store a snapshot: from now on it counts.

        Raises:
            OvertakenError: another device removes packs that this run may rely on; the run must be done again.
        """
        self._check_overtaken()
        self.use_number(snapshot.number)
        snapshot = replace(snapshot, heads=self.heads)
        plain = fmt.encode_snapshot(snapshot)
        name = self.send_single(ObjectKind.SNAPSHOT, plain)
        self.places.add_snapshot(name, plain)
        self.places.commit()
        self._check_overtaken()  # whoever slept between the two has what he needs to mend it
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


def in_order(found: Iterable[NamedSnapshot]) -> list[NamedSnapshot]:
    """Snapshots, oldest first: by time, but those of one device by their numbers.

    One that is dated after a later one of its device had a clock that was wrong: the later one counts as made then, too.
    """
    latest: dict[bytes, str] = {}
    keyed = []
    for one in sorted(found, key=lambda one: (one.snapshot.number, one.snapshot.time, one.name)):
        device = one.snapshot.device_id
        latest[device] = max(latest.get(device, ""), one.snapshot.time)
        keyed.append(((latest[device], one.snapshot.number, one.name), one))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


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
        "connect the disk, or check the address; if there never was one: `photovault init`",
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
