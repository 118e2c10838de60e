"""Forgotten snapshots, packs that are going to be removed, and devices that did not know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.errors import OvertakenError
from photovault.model import Gone, Retention
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.reader import Reader
from tests.vault.some import elsewhere, names, noise, snapshot, spoil, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import NamedSnapshot, Vault
    from photovault.workers import Workers


@pytest.fixture
def other(opened: Vault, storage: MemoryStorage, tmp_path: Path) -> Iterator[Vault]:
    """The vault on another device, up to date."""
    vault = elsewhere(opened, storage, tmp_path)
    vault.refresh()
    yield vault
    vault.places.close()


def record(**change: object) -> Retention:
    fields = {"device_id": bytes(16), "device_name": "", "time": "2024-05-04T12:00:00.000000Z", "grace": 604800}
    return Retention(**(fields | change))


def put(vault: Vault, **change: object) -> bytes:
    return vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record(**change)))


def gone(one: NamedSnapshot) -> Gone:
    return Gone(name=one.name, device_id=one.snapshot.device_id, number=one.snapshot.number)


def packs(storage: MemoryStorage) -> list[bytes]:
    return [fmt.digest_of(name) for name in names(storage, "packs/")]


def test_a_forgotten_snapshot_does_not_count_on_any_device(opened: Vault, other: Vault) -> None:
    first, second = opened.commit(snapshot(1)), opened.commit(snapshot(2))
    put(opened, snapshots=(gone(first),))
    for vault in (opened, other):
        vault.refresh()
        found = vault.snapshots()
        assert (found.found, found.forgotten, found.removed) == ((second,), (first,), {first.name})


def test_a_pin_is_stronger_than_any_record_until_it_is_taken_away(opened: Vault, storage: MemoryStorage) -> None:
    first = opened.commit(snapshot(1))
    pin = put(opened, pins=(first.name,))
    put(opened, snapshots=(gone(first),))
    opened.refresh()
    assert opened.snapshots().found == (first,)
    opened.door.delete(fmt.object_name(ObjectKind.RETENTION, pin))
    opened.refresh()
    assert opened.snapshots().forgotten == (first,)


def test_a_record_that_is_taken_back_never_was(opened: Vault, other: Vault, workers: Workers) -> None:
    first = opened.commit(snapshot(1))
    (part,) = store(opened, workers, [noise(1000)])
    name = put(opened, snapshots=(gone(first),), packs=tuple(opened.places.packs()))
    other.refresh()
    assert not other.places.has(part)
    other.door.delete(fmt.object_name(ObjectKind.RETENTION, name))
    assert other.refresh().retired
    assert other.places.has(part)
    assert other.snapshots().found == (first,)
    assert not other.refresh().retired


def test_a_damaged_record_forgets_nothing_and_is_named(opened: Vault, other: Vault, storage: MemoryStorage) -> None:
    first = opened.commit(snapshot(1))
    name = fmt.object_name(ObjectKind.RETENTION, put(opened, snapshots=(gone(first),)))
    spoil(storage, name)
    assert [finding.where for finding in other.refresh().findings] == [name]
    assert other.snapshots().found == (first,)


def test_what_is_going_to_be_removed_is_read_but_stored_again(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    (part,) = store(opened, workers, [noise(1000)])
    put(opened, packs=tuple(packs(storage)))
    assert other.refresh().retired
    assert Reader(other).part(part) == noise(1000)
    before = set(packs(storage))
    assert store(other, workers, [noise(1000), noise(10, "more")])[0] == part
    assert set(packs(storage)) - before, "it was stored again"
    assert other.places.places_of(part)[0].pack not in before


def test_packs_that_were_removed_on_purpose_are_no_loss(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    store(opened, workers, [noise(1000)])
    other.refresh()
    (pack,) = packs(storage)
    put(opened, packs=(pack,))
    opened.door.delete(fmt.object_name(ObjectKind.PACK, pack))
    seen = other.refresh()
    assert (seen.vanished, seen.retired) == (0, True)
    assert other.places.packs() == {}
    assert other.refresh().retired is False


def test_a_pack_that_went_and_nobody_said_so_is_missed(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    store(opened, workers, [noise(1000)])
    store(opened, workers, [noise(1000, "two")])
    other.refresh()
    first, second = packs(storage)
    put(opened, packs=(first,))
    opened.door.delete(fmt.object_name(ObjectKind.PACK, second))
    assert other.refresh().vanished == 1


def test_a_run_that_did_not_know_of_a_mark_is_told_before_it_commits(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    store(opened, workers, [noise(1000)])
    other.refresh()
    put(opened, packs=tuple(packs(storage)))
    with pytest.raises(OvertakenError, match="1 packs"):
        other.commit(snapshot(1))
    assert names(storage, "snapshots/") == []
    other.refresh()
    other.commit(snapshot(1))


def test_marks_of_packs_that_a_run_never_knew_are_none_of_its_business(
    opened: Vault, other: Vault, storage: MemoryStorage
) -> None:
    put(opened, packs=(bytes(32),))
    other.commit(snapshot(1))
    assert len(names(storage, "snapshots/")) == 1


def test_a_run_that_slept_while_packs_went_is_told_though_the_mark_is_gone_too(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    store(opened, workers, [noise(1000)])
    other.refresh()
    (pack,) = packs(storage)
    del storage.objects[fmt.object_name(ObjectKind.PACK, pack)]
    other.is_late = lambda: True
    with pytest.raises(OvertakenError):
        other.commit(snapshot(1))
    assert names(storage, "snapshots/") == []


def test_a_run_that_sleeps_in_the_middle_of_its_commit_is_told_afterwards(
    opened: Vault, other: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(opened, workers, [noise(1000)])
    other.refresh()
    send = other.send_single

    def slow(kind: ObjectKind, plain: bytes) -> bytes:
        put(opened, packs=tuple(packs(storage)))
        return send(kind, plain)

    monkeypatch.setattr(other, "send_single", slow)
    with pytest.raises(OvertakenError):
        other.commit(snapshot(1))
    assert len(names(storage, "snapshots/")) == 1, "it is there; running again makes it whole"
