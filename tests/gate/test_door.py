"""Only what was sealed by this vault's keys, and the few clear documents under their names, get through the door."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import DamageError, GateError, MissingError, RefusedError, UnavailableError
from photovault.facts import Facts
from photovault.gate.door import SIZE_MAX, SIZE_MIN, Door, Outbound, SealedObject, no_key
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import Draft, make_part, seal, seal_single
from tests.support.faults import FaultyStorage
from tests.support.world import make_vault

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.vault.vault import Vault

SEALED = [Outbound.PACK, Outbound.INDEX, Outbound.SNAPSHOT]


class Opener:
    """Stands for the vault's keys: remembers what it was asked, refuses what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Outbound, bytes]] = []
        self.error: Exception | None = None

    def __call__(self, kind: Outbound, data: bytes) -> None:
        self.asked.append((kind, bytes(data)))
        if self.error:
            raise self.error


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def door(storage: MemoryStorage, opener: Opener) -> Door:
    return Door(storage, opener)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path)


def objects(vault: Vault) -> dict[str, bytes]:
    return vault.door._storage.objects


# The door itself


@pytest.mark.parametrize("kind", SEALED)
def test_a_sealed_object_gets_the_name_of_its_bytes(door: Door, storage: MemoryStorage, kind: Outbound) -> None:
    data = Random(1).randbytes(SIZE_MIN)
    digest = door.send(SealedObject(kind=kind, data=memoryview(data)))
    assert digest == hashlib.sha256(data).digest()
    fan = f"{digest.hex()[:2]}/" if kind is Outbound.PACK else ""
    folder = {Outbound.PACK: "packs", Outbound.INDEX: "index", Outbound.SNAPSHOT: "snapshots"}[kind]
    assert storage.objects == {f"{folder}/{fan}{digest.hex()}": data}


def test_there_is_no_kind_for_faces() -> None:
    sealed = {"pack", "index", "snapshot", "retention", "parity"}
    assert set(Outbound) == {"header", "slot", "recovery"} | sealed


@pytest.mark.parametrize("size", [0, 1, SIZE_MIN - 1, SIZE_MIN // 2, SIZE_MIN + 1, 3 * SIZE_MIN, SIZE_MAX * 2])
def test_a_size_that_would_tell_something_stays_here(
    door: Door, storage: MemoryStorage, opener: Opener, size: int
) -> None:
    with pytest.raises(GateError, match="not a standard size") as caught:
        door.send(SealedObject(kind=Outbound.PACK, data=bytes(size)))
    assert caught.value.exit_code == 14
    assert storage.objects == {}


@pytest.mark.parametrize("size", [2**power for power in range(14, 25)])
def test_the_eleven_standard_sizes_may_leave(door: Door, storage: MemoryStorage, size: int) -> None:
    door.send(SealedObject(kind=Outbound.PACK, data=bytes(size)))
    assert [len(data) for data in storage.objects.values()] == [size]


@pytest.mark.parametrize("kind", [Outbound.HEADER, Outbound.SLOT, Outbound.RECOVERY, "faces", "", None])
def test_nothing_else_is_a_sealed_object(door: Door, storage: MemoryStorage, kind: Outbound) -> None:
    with pytest.raises(GateError):
        door.send(SealedObject(kind=kind, data=bytes(SIZE_MIN)))
    assert storage.objects == {}


@pytest.mark.parametrize("kind", SEALED)
def test_what_cannot_be_opened_again_stays_here(
    door: Door, storage: MemoryStorage, opener: Opener, kind: Outbound
) -> None:
    opener.error = DamageError("stored bytes were changed")
    with pytest.raises(GateError, match=f"refused a {kind}: stored bytes were changed") as caught:
        door.send(SealedObject(kind=kind, data=bytes(SIZE_MIN)))
    assert "memory" in caught.value.hint
    assert opener.asked == [(kind, bytes(SIZE_MIN))]
    assert storage.objects == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Outbound.HEADER, "vault.json"),
        (Outbound.SLOT, "keys/" + "0a" * 16),
        (Outbound.RECOVERY, "RECOVER.txt"),
        (Outbound.RECOVERY, "recover.py"),
        (Outbound.RECOVERY, "FORMAT.md"),
    ],
)
def test_clear_documents_leave_under_their_own_names_only(
    door: Door, storage: MemoryStorage, opener: Opener, kind: Outbound, name: str
) -> None:
    others = {"vault.json", "keys/" + "0a" * 16, "RECOVER.txt", "recover.py", "FORMAT.md"}
    if kind is Outbound.RECOVERY:
        others -= {"RECOVER.txt", "recover.py", "FORMAT.md"}
    more = {
        "faces.json",
        "vault.json/x",
        "keys/../x",
        "keys/" + "0A" * 16,
        "keys/" + "0a" * 15,
        f"{name}\n",
        f"x{name}",
        "",
    }
    for other in (others | more) - {name}:
        with pytest.raises(GateError, match="it is no place for a"):
            door.publish(kind, other, b"text")
    assert storage.objects == {}
    door.publish(kind, name, b"text")
    assert storage.objects == {name: b"text"}
    assert opener.asked == [(kind, b"text")]


@pytest.mark.parametrize("kind", [*SEALED, "faces"])
def test_sealed_kinds_are_no_clear_documents(door: Door, storage: MemoryStorage, kind: Outbound) -> None:
    with pytest.raises(GateError):
        door.publish(kind, "vault.json", b"text")
    assert storage.objects == {}


def test_a_clear_document_that_fails_its_own_check_stays_here(
    door: Door, storage: MemoryStorage, opener: Opener
) -> None:
    opener.error = DamageError("it is damaged")
    with pytest.raises(GateError):
        door.publish(Outbound.HEADER, "vault.json", b"text")
    assert storage.objects == {}


def test_reading_listing_and_removing_pass_through(door: Door, storage: MemoryStorage) -> None:
    storage.put("keys/a", b"0123")
    assert door.get("keys/a", 1, 2) == b"12"
    assert [one.name for one in door.listing("keys/")] == ["keys/a"]
    door.delete("keys/a")
    assert storage.objects == {}
    with pytest.raises(MissingError):
        door.get("keys/a")
    assert door.address == storage.address


# An object that is there already


def test_the_same_object_again_is_no_error(door: Door, storage: MemoryStorage) -> None:
    for _ in range(2):
        door.send(SealedObject(kind=Outbound.PACK, data=bytes(SIZE_MIN)))
    assert len(storage.objects) == 1


@pytest.mark.parametrize("damaged", [b"", bytes(SIZE_MIN - 1), bytes(SIZE_MIN - 1) + b"\x01"])
def test_a_damaged_object_is_replaced_by_the_whole_one(door: Door, storage: MemoryStorage, damaged: bytes) -> None:
    """Otherwise photos that rotted in the vault could never be stored again: the same bytes have the same name."""
    door.send(SealedObject(kind=Outbound.PACK, data=bytes(SIZE_MIN)))
    (name,) = storage.objects
    storage.objects[name] = damaged
    door.send(SealedObject(kind=Outbound.PACK, data=bytes(SIZE_MIN)))
    assert storage.objects == {name: bytes(SIZE_MIN)}


def test_a_refusal_for_another_reason_removes_nothing(storage: MemoryStorage, opener: Opener) -> None:
    failing = FaultyStorage(storage, at=1, fault=lambda: RefusedError("no space left"))
    door = Door(failing, opener)
    digest = hashlib.sha256(bytes(SIZE_MIN)).hexdigest()
    storage.objects[f"index/{digest}"] = bytes(SIZE_MIN)
    with pytest.raises(RefusedError, match="no space"):
        door.send(SealedObject(kind=Outbound.INDEX, data=bytes(SIZE_MIN)))
    assert storage.objects == {f"index/{digest}": bytes(SIZE_MIN)}
    failing = FaultyStorage(MemoryStorage(), at=1, fault=lambda: RefusedError("no space left"))
    with pytest.raises(RefusedError, match="no space"):
        Door(failing, opener).send(SealedObject(kind=Outbound.INDEX, data=bytes(SIZE_MIN)))


def test_a_storage_that_fails_is_not_the_gate(opener: Opener) -> None:
    failing = FaultyStorage(MemoryStorage(), at=1, fault=lambda: UnavailableError("the share is gone"))
    with pytest.raises(UnavailableError, match="the share is gone"):
        Door(failing, opener).send(SealedObject(kind=Outbound.INDEX, data=bytes(SIZE_MIN)))


# With a vault's keys behind it


def test_every_changed_byte_of_an_object_is_stopped_by_the_keys(vault: Vault) -> None:
    record, data = make_part(vault.keyring, PartKind.INDEX, b"")
    sealed = seal_single(vault.keyring, ObjectKind.INDEX, record, data)
    before = dict(objects(vault))
    random = Random(5)
    for at in (*range(112), *random.sample(range(112, len(sealed)), 200), len(sealed) - 1):
        changed = bytearray(sealed)
        changed[at] ^= 1 << random.randrange(8)
        with pytest.raises(GateError):
            vault.door.send(SealedObject(kind=Outbound.INDEX, data=changed))
    assert objects(vault) == before
    vault.door.send(SealedObject(kind=Outbound.INDEX, data=sealed))


def test_a_pack_with_something_in_its_padding_is_stopped(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leak planted where the format says zeros, sealed by the right keys."""
    draft = Draft(ObjectKind.PACK, bytearray(1000))
    draft.add(*make_part(vault.keyring, PartKind.CONTENT, b"photo"))
    size = fmt.size_class(draft.needed)
    monkeypatch.setattr("photovault.vault.pack._zeros", lambda count: b"face: 0.123"[:count].ljust(count, b"\0"))
    leaking = seal(draft, vault.keyring, size, memoryview(bytearray(size)))
    with pytest.raises(GateError, match="padding"):
        vault.send(ObjectKind.PACK, leaking)
    monkeypatch.undo()
    assert vault.send(ObjectKind.PACK, seal(draft, vault.keyring, size, memoryview(bytearray(size))))


@pytest.mark.parametrize("kind", [0, 3, 5, 7, 255])
def test_a_part_of_a_kind_that_is_not_on_the_list_is_stopped(vault: Vault, kind: int) -> None:
    """A kind for faces, say; sealed by the right keys, it does not leave, and nobody would read it."""
    record, data = make_part(vault.keyring, PartKind.CONTENT, b"face: 0.123")
    draft = Draft(ObjectKind.PACK, bytearray(1000))
    draft.add(record._replace(kind=kind), data)
    size = fmt.size_class(draft.needed)
    sealed = seal(draft, vault.keyring, size, memoryview(bytearray(size)))
    before = dict(objects(vault))
    with pytest.raises(GateError, match=r"unknown to this version|impossible part"):
        vault.send(ObjectKind.PACK, sealed)
    assert objects(vault) == before


def test_an_object_of_a_kind_that_is_not_on_the_list_is_stopped(vault: Vault) -> None:
    record, data = make_part(vault.keyring, PartKind.CONTENT, b"face: 0.123")
    draft = Draft(9, bytearray(1000))
    draft.add(record, data)
    size = fmt.size_class(draft.needed)
    sealed = seal(draft, vault.keyring, size, memoryview(bytearray(size)))
    before = dict(objects(vault))
    for kind in SEALED:
        with pytest.raises(GateError):
            vault.door.send(SealedObject(kind=kind, data=sealed))
    with pytest.raises(KeyError):
        vault.send(9, sealed)
    assert objects(vault) == before


def test_the_lists_of_kinds_have_none_for_faces() -> None:
    """Whoever adds one must come by here, and say why in docs/decisions."""
    assert set(ObjectKind.__members__) == {"PACK", "INDEX", "SNAPSHOT", "RETENTION", "PARITY"}
    records = {"RETENTION", "PARITY_MAP", "PARITY"}
    assert set(PartKind.__members__) == {"CONTENT", "LISTING", "INDEX", "SNAPSHOT", "THUMBNAIL"} | records
    assert not any(word in field.name for field in fields(Facts) for word in ("face", "person", "people", "vector"))


def test_an_object_of_another_kind_or_vault_is_stopped(vault: Vault, tmp_path: Path) -> None:
    other = make_vault(tmp_path / "other", seed="other")
    record, data = make_part(vault.keyring, PartKind.INDEX, b"")
    sealed = seal_single(vault.keyring, ObjectKind.INDEX, record, data)
    for kind in (Outbound.PACK, Outbound.SNAPSHOT):
        with pytest.raises(GateError):
            vault.door.send(SealedObject(kind=kind, data=sealed))
    with pytest.raises(GateError, match="does not belong to this vault"):
        other.door.send(SealedObject(kind=Outbound.INDEX, data=sealed))
    with pytest.raises(GateError):
        vault.door.send(SealedObject(kind=Outbound.INDEX, data=Random(1).randbytes(SIZE_MIN)))


def test_a_slot_or_header_that_the_root_did_not_sign_is_stopped(vault: Vault, tmp_path: Path) -> None:
    other = make_vault(tmp_path / "other", seed="other")
    before = dict(objects(vault))
    for name, data in objects(other).items():
        if name.startswith("keys/"):
            with pytest.raises(GateError):
                vault.door.publish(Outbound.SLOT, name, data)
    with pytest.raises(GateError):
        vault.door.publish(Outbound.HEADER, "vault.json", objects(other)["vault.json"])
    assert objects(vault) == before


@pytest.mark.parametrize("data", [b"", b"{}", b"null\n", b"[]\n", b"\xff\xff", b'{"id":1}\n', b"[" * 100_000])
@pytest.mark.parametrize("kind", [Outbound.SLOT, Outbound.HEADER])
def test_garbage_instead_of_a_document_is_stopped(vault: Vault, kind: Outbound, data: bytes) -> None:
    name = "vault.json" if kind is Outbound.HEADER else "keys/" + "0a" * 16
    with pytest.raises(GateError):
        vault.door.publish(kind, name, data)


# The ledger


class Book:
    """Writes down what the door says, and what was in the storage at that moment."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.said: list[tuple[str, str, int]] = []
        self.full = self.spoilt = False
        self._storage = storage

    def sending(self, destination: str, kind: str, name: str, size: int) -> None:
        self._say("sending", destination, name, kind)
        assert self.spoilt or name not in self._storage.objects

    def failed(self, destination: str, kind: str, name: str, size: int) -> None:
        self._say("failed", destination, name, kind)

    def removed(self, destination: str, kind: str, name: str) -> None:
        self._say("removed", destination, name, kind)
        assert self.spoilt or name not in self._storage.objects

    def found(self, destination: str, kind: str, name: str, size: int) -> None:
        self._say("found", destination, name, kind)

    def _say(self, event: str, destination: str, name: str, kind: str) -> None:
        if self.full:
            raise RefusedError("cannot write the ledger")
        assert destination == self._storage.address
        self.said.append((event, kind, name))


@pytest.fixture
def book(storage: MemoryStorage) -> Book:
    return Book(storage)


def pack_name(data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return f"packs/{digest[:2]}/{digest}"


PACK = bytes(SIZE_MIN)


def test_a_line_comes_before_its_object(storage: MemoryStorage, opener: Opener, book: Book) -> None:
    door = Door(storage, opener, book)
    door.send(SealedObject(kind=Outbound.PACK, data=PACK))
    door.publish(Outbound.HEADER, "vault.json", b"{}")
    door.delete("vault.json")
    assert book.said == [
        ("sending", "pack", pack_name(PACK)),
        ("sending", "header", "vault.json"),
        ("removed", "header", "vault.json"),
    ]


def test_what_cannot_be_written_down_stays_here(storage: MemoryStorage, opener: Opener, book: Book) -> None:
    book.full = True
    door = Door(storage, opener, book)
    with pytest.raises(RefusedError, match="the ledger"):
        door.send(SealedObject(kind=Outbound.PACK, data=PACK))
    with pytest.raises(RefusedError, match="the ledger"):
        door.publish(Outbound.RECOVERY, "recover.py", b"text")
    with pytest.raises(RefusedError, match="the ledger"):
        door.relay(pack_name(PACK), PACK)
    assert storage.objects == {}


def test_what_the_gate_refuses_is_not_written_down(storage: MemoryStorage, opener: Opener, book: Book) -> None:
    opener.error = DamageError("changed")
    with pytest.raises(GateError):
        Door(storage, opener, book).send(SealedObject(kind=Outbound.PACK, data=PACK))
    assert book.said == []


@pytest.mark.parametrize("fault", [UnavailableError, RefusedError])
def test_a_failure_is_written_down(storage: MemoryStorage, opener: Opener, book: Book, fault: type[Exception]) -> None:
    failing = FaultyStorage(storage, at=1, fault=lambda: fault("failed"))
    with pytest.raises(fault, match="failed"):
        Door(failing, opener, book).send(SealedObject(kind=Outbound.PACK, data=PACK))
    assert [event for event, _, _ in book.said] == ["sending", "failed"]


def test_a_replacement_is_written_down(storage: MemoryStorage, opener: Opener, book: Book) -> None:
    book.spoilt = True
    storage.objects[pack_name(PACK)] = b"rotten"
    Door(storage, opener, book).send(SealedObject(kind=Outbound.PACK, data=PACK))
    assert [event for event, _, _ in book.said] == ["sending", "failed", "removed", "sending"]
    assert storage.objects == {pack_name(PACK): PACK}


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_damaged_object_stays_when_its_replacement_cannot_be_written_down(
    storage: MemoryStorage, opener: Opener, book: Book, lines: int
) -> None:
    """Half of it may still be of use; the new one would not be there."""
    book.spoilt = True
    storage.objects[pack_name(PACK)] = b"rotten"
    say = book._say

    def full(*args: str) -> None:
        book.full = len(book.said) >= lines
        say(*args)

    book._say = full
    with pytest.raises(RefusedError):
        Door(storage, opener, book).send(SealedObject(kind=Outbound.PACK, data=PACK))
    assert storage.objects == {pack_name(PACK): b"rotten"}


def test_a_pack_that_was_left_over_is_written_down(storage: MemoryStorage, opener: Opener, book: Book) -> None:
    Door(storage, opener, book).note_found(pack_name(PACK), SIZE_MIN)
    assert book.said == [("found", "pack", pack_name(PACK))]


# Relaying objects of a vault as they are


@pytest.mark.parametrize("size", [SIZE_MIN, SIZE_MAX])
@pytest.mark.parametrize("folder", ["packs", "index", "snapshots"])
def test_a_sealed_object_is_relayed_without_a_key(storage: MemoryStorage, book: Book, folder: str, size: int) -> None:
    data = Random(size).randbytes(size)
    name = pack_name(data) if folder == "packs" else f"{folder}/{hashlib.sha256(data).hexdigest()}"
    Door(storage, no_key, book).relay(name, data)
    assert storage.objects == {name: data}
    assert book.said == [("sending", {"index": "index"}.get(folder, folder[:-1]), name)]


@pytest.mark.parametrize("name", ["vault.json", "keys/" + "0a" * 16, "RECOVER.txt", "recover.py", "FORMAT.md"])
def test_a_clear_document_is_relayed(storage: MemoryStorage, name: str) -> None:
    Door(storage, no_key).relay(name, b"text")
    assert storage.objects == {name: b"text"}
    with pytest.raises(GateError, match=r"no .* has"):
        Door(storage, no_key).relay(name, bytes(2**20 + 1))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (pack_name(PACK), PACK[:-1] + b"\x01"),
        (pack_name(PACK[1:]), PACK[1:]),
        (pack_name(b""), b""),
        (pack_name(bytes(SIZE_MAX * 2)), bytes(SIZE_MAX * 2)),
        (pack_name(PACK).replace("packs/", "faces/"), PACK),
        ("packs/00/" + pack_name(PACK)[9:], PACK),
        ("index/" + pack_name(PACK)[6:], PACK),
        ("snapshots/../vault.json", b"{}"),
        ("faces.json", b"{}"),
        ("vault.json\n", b"{}"),
        ("", b""),
    ],
    ids=range(11),
)
def test_nothing_else_is_relayed(storage: MemoryStorage, book: Book, name: str, data: bytes) -> None:
    with pytest.raises(GateError):
        Door(storage, no_key, book).relay(name, data)
    assert (storage.objects, book.said) == ({}, [])


def test_a_door_without_a_key_only_relays(storage: MemoryStorage) -> None:
    door = Door(storage, no_key)
    with pytest.raises(GateError, match="no key"):
        door.send(SealedObject(kind=Outbound.PACK, data=PACK))
    with pytest.raises(GateError, match="no key"):
        door.publish(Outbound.HEADER, "vault.json", b"{}")
    assert storage.objects == {}
