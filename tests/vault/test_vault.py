"""A vault as a whole: made, opened, brought up to date, and found again after accidents."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from photovault.errors import (
    AbsentError,
    DamageError,
    GateError,
    NoVaultError,
    RefusedError,
    UnknownVersionError,
    UsageError,
    WrongKeyError,
)
from photovault.gate.door import Outbound, SealedObject
from photovault.vault import format as fmt
from photovault.vault.format import Header, ObjectKind
from photovault.vault.places import Places
from photovault.vault.reader import Reader
from photovault.vault.slots import Secrets
from photovault.vault.vault import Vault, check_header, check_vacant, create, read_header, read_slots, unlock
from tests.support.faults import FaultyStorage, Killed
from tests.support.world import DEVICE, WORDS, make_vault, new_slot, seeded
from tests.vault.some import elsewhere, names, noise, snapshot, spoil, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.storage.memory import MemoryStorage
    from photovault.workers import Workers


@pytest.fixture
def other(opened: Vault, storage: MemoryStorage, tmp_path: Path) -> Iterator[Vault]:
    """The vault on another device, which has seen nothing of it."""
    vault = elsewhere(opened, storage, tmp_path)
    yield vault
    vault.places.close()


def contents(vault: Vault, ids: list[bytes]) -> list[bytes]:
    return [Reader(vault).part(part) for part in ids]


# Made.


def test_a_new_vault_has_its_header_last(tmp_path: Path, storage: MemoryStorage) -> None:
    make_vault(tmp_path, storage).places.close()
    order = list(storage.objects)
    assert order[:3] == ["RECOVER.txt", "recover.py", "FORMAT.md"]
    assert [name.partition("/")[0] for name in order[3:]] == ["keys", "keys", "vault.json"]
    assert all(map(fmt.is_name, order))


def test_a_new_vault_opens_with_each_of_its_secrets(opened: Vault, storage: MemoryStorage) -> None:
    for secrets in (Secrets(words=WORDS), Secrets(device=DEVICE)):
        keyring, _ = unlock(storage, secrets)
        assert keyring.roots == opened.keyring.roots
    with pytest.raises(WrongKeyError):
        unlock(storage, Secrets(words=DEVICE))


def test_no_vault_is_made_over_another(opened: Vault, storage: MemoryStorage, tmp_path: Path) -> None:
    before = dict(storage.objects)
    with pytest.raises(UsageError, match="there is a vault"):
        make_vault(tmp_path / "again", storage, seed="again")
    assert storage.objects == before


@pytest.mark.parametrize("at", range(1, 7))
def test_an_interrupted_init_can_be_begun_again(at: int, tmp_path: Path, storage: MemoryStorage) -> None:
    """Killed before each of its objects."""
    with pytest.raises(Killed):
        make_vault(tmp_path / "first", FaultyStorage(storage, at=at), seed="first")
    with pytest.raises((NoVaultError, DamageError)):
        read_header(storage)
    vault = make_vault(tmp_path / "second", storage, seed="second")
    assert unlock(storage, Secrets(words=WORDS))[0].roots == vault.keyring.roots
    assert len(names(storage, "keys/")) == 2
    vault.places.close()


def test_somebodys_own_documents_are_not_removed(storage: MemoryStorage, tmp_path: Path) -> None:
    """A folder for a vault may hold a file that is called as one of ours."""
    storage.objects = {"FORMAT.md": b"my own", "photo.jpg": b"x", "keys/readme": b"y"}
    before = dict(storage.objects)
    check_vacant(storage)
    assert storage.objects == before
    with pytest.raises(RefusedError, match=r"FORMAT\.md"):
        make_vault(tmp_path, storage)
    assert storage.objects["FORMAT.md"] == b"my own"


def test_a_vault_that_lost_its_header_is_not_made_anew(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    store(opened, workers, [b"photo"])
    del storage.objects["vault.json"]
    before = dict(storage.objects)
    with pytest.raises(DamageError, match="without"):
        check_vacant(storage)
    with pytest.raises(DamageError, match="missing") as caught:
        read_header(storage)
    assert "recover.py" in caught.value.hint
    assert storage.objects == before


def test_where_there_is_no_vault_that_is_said(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoVaultError):
        read_header(storage)

    def gone(_: str) -> None:
        raise AbsentError("not there")

    monkeypatch.setattr(storage, "listing", gone)
    check_vacant(storage)
    with pytest.raises(NoVaultError):
        read_header(storage)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: b"", DamageError),
        (lambda data: data[:-1], DamageError),
        (lambda data: data.replace(b'"version":1', b'"version":2'), UnknownVersionError),
        (lambda data: data.replace(b"AES-256", b"AES-128"), UnknownVersionError),
        (lambda data: data.replace(b'"mac":"', b'"mac":"00')[: len(data)], DamageError),
        (lambda data: bytes(200), DamageError),
    ],
)
def test_a_changed_header_opens_nothing(change: object, error: type, opened: Vault, storage: MemoryStorage) -> None:
    storage.objects["vault.json"] = change(storage.objects["vault.json"])
    with pytest.raises(error):
        unlock(storage, Secrets(words=WORDS))


def test_a_header_of_another_vault_is_not_this_ones(opened: Vault, tmp_path: Path) -> None:
    there = make_vault(tmp_path / "there", seed="there")
    header = fmt.read_header(there.door.get("vault.json"))
    there.places.close()
    check_header(header, there.keyring)
    for bad in (header, replace(header, vault_id=opened.keyring.vault_id), Header(vault_id=opened.keyring.vault_id)):
        with pytest.raises(DamageError):
            check_header(bad, opened.keyring)


# Up to date.


def test_another_device_finds_what_was_stored(opened: Vault, other: Vault, workers: Workers) -> None:
    ids = store(opened, workers, [b"one", b"two"])
    seen = other.refresh()
    assert (seen.vanished, seen.findings) == (0, ())
    assert contents(other, ids) == [b"one", b"two"]
    assert other.places.not_indexed() == []


def test_a_refresh_without_news_reads_nothing(opened: Vault, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    store(opened, workers, [b"one"])
    opened.refresh()

    def never(*_: object) -> bytes:
        pytest.fail("read something")

    monkeypatch.setattr(opened.door, "get", never)
    assert opened.refresh().findings == ()


def test_a_lost_index_is_made_again_from_the_packs(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    ids = store(opened, workers, [b"one"]) + store(opened, workers, [b"two"])
    for name in names(storage, "index/"):
        del storage.objects[name]
    assert other.refresh().findings == ()
    assert contents(other, ids) == [b"one", b"two"]
    assert len(other.places.not_indexed()) == 2
    store(other, workers, [])
    assert len(names(storage, "index/")) == 1
    assert other.places.not_indexed() == []


def test_a_damaged_index_is_told_and_made_up_for(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    ids = store(opened, workers, [b"one"])
    (index,) = names(storage, "index/")
    for at in (0, 6, 20, 100, 9000):
        spoil(storage, index, at)
        (finding,) = other.refresh().findings
        assert finding.where == index
        assert "nothing is lost" in finding.hint
        assert contents(other, ids) == [b"one"]
        spoil(storage, index, at)


def test_an_index_that_lists_what_is_not_there_is_no_trouble(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    lost, kept = store(opened, workers, [b"one"]), store(opened, workers, [b"two"])
    place = opened.places.find(lost[0])
    assert place is not None
    pack = storage.objects.pop(place.pack_name)
    other.refresh()
    assert not other.places.has(lost[0])
    assert contents(other, kept) == [b"two"]
    storage.objects[place.pack_name] = pack  # a sync that took its time
    other.refresh()
    assert contents(other, lost) == [b"one"]


@pytest.mark.parametrize("left", [None, 0, 100, 2**13])
def test_parts_of_a_pack_that_went_are_forgotten(
    left: int | None, opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """So the next backup stores them again."""
    lost, kept = store(opened, workers, [b"one"]), store(opened, workers, [b"two"])
    place = opened.places.find(lost[0])
    assert place is not None
    data = storage.objects.pop(place.pack_name)
    if left is not None:
        storage.objects[place.pack_name] = data[:left]
    seen = opened.refresh()
    assert seen.vanished == 1
    assert [finding.where for finding in seen.findings] == ([] if left is None else [place.pack_name])
    assert not opened.places.has(lost[0])
    assert contents(opened, kept) == [b"two"]
    if left is None:
        assert store(opened, workers, [b"one"]) == lost
        assert contents(opened, lost) == [b"one"]


def test_files_that_are_no_objects_are_passed_over(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """A file manager or a sync program leaves things; no run may fail for it."""
    ids = store(opened, workers, [b"one"])
    clear = opened.clear_objects()
    named = opened.commit(snapshot())
    for folder in ("", "keys/", "packs/", "packs/00/", "index/", "snapshots/"):
        for name in (".DS_Store", "Thumbs.db", "desktop (1).ini", f"{bytes(32).hex()}.tmp"):
            storage.objects[folder + name] = b"x"
    assert other.refresh().findings == ()
    assert contents(other, ids) == [b"one"]
    assert [one.name for one in other.snapshots().found] == [named.name]
    slots, findings = other.slots()
    assert (len(slots), findings) == (2, [])
    assert other.clear_objects() == clear
    assert unlock(storage, Secrets(words=WORDS))[0].roots == opened.keyring.roots


def test_a_strange_pack_is_told(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = store(opened, workers, [b"one"])
    for size in (0, 10, 2**14, 2**14 + 1):
        name = fmt.object_name(ObjectKind.PACK, hashlib.sha256(bytes(size)).digest())
        storage.objects[name] = bytes(size)
        (finding,) = opened.refresh().findings
        assert finding.where == name
        del storage.objects[name]
    assert contents(opened, ids) == [b"one"]


def test_a_pack_under_another_name_tells_of_itself(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """A storage that renames packs gains nothing: each says what is in it."""
    ids = store(opened, workers, [b"one"])
    (pack,) = names(storage, "packs/")
    (index,) = names(storage, "index/")
    del storage.objects[index]
    storage.objects[fmt.object_name(ObjectKind.PACK, bytes(32))] = storage.objects.pop(pack)
    other.refresh()
    assert contents(other, ids) == [b"one"]


def test_objects_of_another_vault_are_told(
    opened: Vault, storage: MemoryStorage, workers: Workers, tmp_path: Path
) -> None:
    there = make_vault(tmp_path / "there", seed="there")
    store(there, workers, [b"foreign"])
    there.commit(snapshot())
    for stored in there.door.listing(""):
        if stored.name.startswith(("packs/", "index/", "snapshots/", "keys/")):
            storage.objects[stored.name] = there.door.get(stored.name)
    there.places.close()
    assert {finding.where.partition("/")[0] for finding in opened.refresh().findings} == {"packs", "index"}
    assert len(opened.snapshots().damaged) == 1
    assert opened.snapshots().found == ()
    slots, findings = opened.slots()
    assert (len(slots), len(findings)) == (2, 2)
    assert unlock(storage, Secrets(device=DEVICE))[0].roots == opened.keyring.roots


# Snapshots.


def test_snapshots_are_seen_in_the_order_of_their_time(opened: Vault, other: Vault) -> None:
    made = [opened.commit(snapshot(number)) for number in (3, 1, 2)]
    for vault in (opened, other, other):
        found = vault.snapshots()
        assert [one.snapshot.number for one in found.found] == [1, 2, 3]
        assert {one.name for one in found.found} == {one.name for one in made}
        assert found.damaged == ()


def test_the_same_snapshot_is_one_object(opened: Vault, storage: MemoryStorage) -> None:
    assert opened.commit(snapshot()) == opened.commit(snapshot())
    assert len(names(storage, "snapshots/")) == 1


@pytest.mark.parametrize("at", [0, 6, 16, 90, 120, 16_000])
def test_a_damaged_snapshot_costs_only_itself(at: int, opened: Vault, other: Vault, storage: MemoryStorage) -> None:
    bad, good = opened.commit(snapshot(1)), opened.commit(snapshot(2))
    spoil(storage, fmt.object_name(ObjectKind.SNAPSHOT, bad.name), at)
    seen = other.snapshots()
    assert [one.name for one in seen.found] == [good.name]
    assert [finding.where for finding in seen.damaged] == [fmt.object_name(ObjectKind.SNAPSHOT, bad.name)]


def test_a_snapshot_under_the_name_of_another_is_damage(opened: Vault, other: Vault, storage: MemoryStorage) -> None:
    """Otherwise a storage could show an old state as the newest."""
    one, two = opened.commit(snapshot(1)), opened.commit(snapshot(2))
    objects = [fmt.object_name(ObjectKind.SNAPSHOT, named.name) for named in (one, two)]
    storage.objects[objects[1]] = storage.objects[objects[0]]
    assert [named.name for named in other.snapshots().found] == [one.name]


def test_a_damaged_memory_of_a_snapshot_is_read_again(opened: Vault) -> None:
    named = opened.commit(snapshot())
    opened.places.add_snapshot(named.name, b"rotten")
    assert opened.snapshots().found == (named,)
    assert opened.places.snapshot(named.name) == fmt.encode_snapshot(named.snapshot)


def test_a_snapshot_that_went_is_not_shown_from_memory(opened: Vault, storage: MemoryStorage) -> None:
    named = opened.commit(snapshot())
    assert opened.snapshots().found == (named,)
    del storage.objects[fmt.object_name(ObjectKind.SNAPSHOT, named.name)]
    assert opened.snapshots().found == ()


# Key slots.


def test_a_slot_more_opens_the_vault(opened: Vault, storage: MemoryStorage) -> None:
    slot = opened.add_slot(new_slot("password", "secret", seeded("more")))
    assert unlock(storage, Secrets(password=lambda: "secret"))[1] == slot
    assert len(opened.slots()[0]) == 3
    assert slot.name in dict(opened.clear_objects())


def test_a_rotten_slot_is_named_and_the_others_open(opened: Vault, storage: MemoryStorage) -> None:
    (rotten, sound) = sorted(names(storage, "keys/"))
    for at in (0, 100, 300, len(storage.objects[rotten]) - 1):
        spoil(storage, rotten, at)
        slots, findings = opened.slots()
        assert [slot.name for slot in slots] == [sound]
        assert [finding.where for finding in findings] == [rotten]
        unlock(storage, Secrets(words=WORDS, device=DEVICE))
        spoil(storage, rotten, at)


def test_a_slot_that_the_storage_did_not_keep_is_noticed(
    opened: Vault, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody relies on it."""
    kept = storage.put

    def forgetful(name: str, data: bytes) -> None:
        kept(name, bytes(data).replace(b'"wrapped":"', b'"wrapped":"0')[:-3] + b'"}\n')

    monkeypatch.setattr(storage, "put", forgetful)
    with pytest.raises(DamageError):
        opened.add_slot(new_slot("device", noise(32), seeded("forgotten")))


@pytest.mark.parametrize("change", [(b'"version":1', b'"version":2'), (b'"kind":"', b'"kind":"later ')])
def test_a_slot_of_a_later_version_does_not_shut_out_the_others(
    change: tuple[bytes, bytes], opened: Vault, storage: MemoryStorage
) -> None:
    later, sound = names(storage, "keys/")
    storage.objects[later] = storage.objects[later].replace(*change)
    assert [slot.name for slot in read_slots(storage)] == [sound]
    assert unlock(storage, Secrets(words=WORDS, device=DEVICE))[1].name == sound
    assert [finding.where for finding in opened.slots()[1]] == [later]


def test_missing_documents_are_missing_from_the_list(opened: Vault, storage: MemoryStorage) -> None:
    whole = opened.clear_objects()
    assert [name for name, _ in whole] == sorted(storage.objects)
    assert all(hashlib.sha256(storage.objects[name]).digest() == digest for name, digest in whole)
    del storage.objects["recover.py"]
    assert opened.clear_objects() == tuple(one for one in whole if one[0] != "recover.py")


# The way out.


def test_only_what_this_vault_can_open_leaves(opened: Vault, storage: MemoryStorage, tmp_path: Path) -> None:
    there = make_vault(tmp_path / "there", seed="there")
    named = there.commit(snapshot())
    foreign = there.door.get(fmt.object_name(ObjectKind.SNAPSHOT, named.name))
    there.places.close()
    before = dict(storage.objects)
    for kind, data in ((Outbound.SNAPSHOT, foreign), (Outbound.PACK, bytes(2**14)), (Outbound.INDEX, foreign)):
        with pytest.raises(GateError):
            opened.door.send(SealedObject(kind=kind, data=data))
    header = Header(vault_id=bytes(16), mac=bytes(32)).encode()
    for kind, name, data in ((Outbound.HEADER, "vault.json", header), (Outbound.SLOT, f"keys/{'0' * 32}", b"{}\n")):
        with pytest.raises(GateError):
            opened.door.publish(kind, name, data)
    assert storage.objects == before


def test_a_vault_is_made_with_what_it_is_given(tmp_path: Path, storage: MemoryStorage) -> None:
    places = Places(tmp_path / "places.sqlite")
    slot = new_slot("words", WORDS, seeded())
    vault = create(storage, vault_id=b"i" * 16, root=b"r" * 32, documents={}, slots=[slot], places=places)
    assert vault.keyring.vault_id == b"i" * 16
    assert vault.keyring.roots == {1: b"r" * 32}
    assert sorted(storage.objects) == [f"keys/{slot.slot_id.hex()}", "vault.json"]
    assert b"r" * 32 not in b"".join(storage.objects.values())
    places.close()


def test_a_snapshot_from_the_future_is_not_the_newest_once_its_device_made_another(opened: Vault) -> None:
    wrong = opened.commit(snapshot(1, time="2099-01-01T00:00:00.000000Z"))
    right = opened.commit(snapshot(2, previous=wrong.name))
    assert opened.snapshots().found == (wrong, right)


def test_a_clock_that_was_set_back_moves_no_snapshot(opened: Vault) -> None:
    one = opened.commit(snapshot(1))
    two = opened.commit(snapshot(2, time="1970-01-01T00:00:00.000000Z"))
    other = opened.commit(snapshot(1, device_id=bytes(15) + b"2", time="2024-05-04T12:00:00.000000Z"))
    assert opened.snapshots().found == (other, one, two)
