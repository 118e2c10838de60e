"""Copying a vault: everything, as it is, in an order that may stop anywhere, and nothing that is damaged."""

from __future__ import annotations

import threading
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.copy import CopyPlan, CopyReport, leave_forgotten, plan_copy, run_copy
from photovault.errors import DamageError, RefusedError, UnavailableError, UsageError
from photovault.gate.door import Door, no_key
from photovault.storage.base import Stored
from photovault.storage.folder import FolderStorage
from photovault.storage.memory import MemoryStorage
from photovault.vault.vault import read_header
from photovault.workers import Workers
from tests.support.devices import Computer, Silent
from tests.support.faults import FaultyStorage, Killed, When
from tests.support.photos import library, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.storage.base import Storage


@pytest.fixture
def source() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(8), files=4)


@pytest.fixture
def computer(tmp_path: Path, source: MemoryStorage, photos: Path) -> Computer:
    made = Computer(tmp_path / "computer", "memory:")
    made.make_vault(source)
    made.backup(photos, storage=source)
    put(photos / "new.mp4", Random(9).randbytes(20_000_000))
    made.backup(photos, storage=source)
    return made


def copy(source: Storage, target: Storage, threads: int = 3) -> CopyReport:
    """As on a machine that has no key and knows nothing."""
    plan = plan_copy(source, target, read_header(source).vault_id)
    with Workers(threads) as workers:
        return run_copy(plan, source, Door(target, no_key), workers, Silent())


def names(storage: MemoryStorage, prefix: str) -> list[str]:
    return sorted(name for name in storage.objects if name.startswith(prefix))


def spoil(storage: MemoryStorage, name: str) -> None:
    storage.objects[name] = storage.objects[name][:-1] + bytes([storage.objects[name][-1] ^ 1])


def test_a_copy_is_the_same_vault(computer: Computer, source: MemoryStorage, photos: Path, tmp_path: Path) -> None:
    target = MemoryStorage()
    report = copy(source, target)
    assert target.objects == source.objects
    assert (report.objects, report.snapshots, report.damaged) == (len(source.objects), 2, ())
    assert report.size == sum(map(len, source.objects.values()))
    assert computer.check(target).findings == ()
    computer.restore(tmp_path / "out", storage=target)
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_a_second_copy_brings_only_what_is_new(computer: Computer, source: MemoryStorage, photos: Path) -> None:
    target = FaultyStorage(MemoryStorage())
    copy(source, target)
    assert copy(source, target).objects == 0
    before = set(source.objects)
    put(photos / "newer.jpg", b"x" * 50_000)
    computer.backup(photos, storage=source)
    target.puts.clear()
    report = copy(source, target)
    assert {name for name, _ in target.puts} == set(source.objects) - before
    assert report.snapshots == 1


def test_what_is_referred_to_comes_before_what_refers_to_it(computer: Computer, source: MemoryStorage) -> None:
    target = FaultyStorage(MemoryStorage())
    copy(source, target, threads=1)
    kinds = [name.partition("/")[0] for name, _ in target.puts]
    first = {kind: kinds.index(kind) for kind in kinds}
    last = {kind: len(kinds) - kinds[::-1].index(kind) for kind in kinds}
    order = ["keys", "packs", "index", "snapshots", "vault.json"]
    for one, other in pairwise(order):
        assert last[one] <= first[other], kinds


@pytest.mark.parametrize("when", When)
def test_a_copy_that_stops_anywhere_is_finished_by_the_next(
    computer: Computer, source: MemoryStorage, when: When
) -> None:
    for at in range(1, len(source.objects) + 1):
        target = MemoryStorage()
        with pytest.raises(Killed):
            copy(source, FaultyStorage(target, at=at, when=when), threads=1)
        if when is When.BEFORE:
            assert "vault.json" not in target.objects
        if when is When.SHORT and "vault.json" in target.objects:
            continue  # half a header: no storage that keeps its promise has one
        half = {finding.where for finding in copy(source, target).damaged}
        assert target.objects.keys() == source.objects.keys()
        assert {name for name, data in target.objects.items() if data != source.objects[name]} == half
        assert when is When.SHORT or not half
        assert not any(name.startswith(("packs/", "index/", "snapshots/")) for name in half)


def test_another_vault_is_left_alone(computer: Computer, source: MemoryStorage, tmp_path: Path) -> None:
    other = MemoryStorage()
    Computer(tmp_path / "other", "memory:", seed="other").make_vault(other)
    before = dict(other.objects)
    with pytest.raises(UsageError, match="another vault"):
        copy(source, other)
    del other.objects["vault.json"]
    with pytest.raises(UsageError, match="another vault"):
        copy(source, other)
    assert other.objects == {name: data for name, data in before.items() if name != "vault.json"}
    for name in names(other, "keys/"):
        del other.objects[name]
    other.objects[names(source, "packs/")[0]] = b"whose?"
    with pytest.raises(DamageError, match="cannot be told"):
        copy(source, other)


def test_other_files_at_either_place_are_left_alone(computer: Computer, source: MemoryStorage) -> None:
    source.objects["notes.txt"] = b"mine"
    target = MemoryStorage()
    target.objects["photo.jpg"] = b"hers"
    copy(source, target)
    assert (target.objects.pop("photo.jpg"), "notes.txt" in target.objects) == (b"hers", False)


def test_damaged_objects_are_named_and_the_rest_is_copied(computer: Computer, source: MemoryStorage) -> None:
    spoilt = [names(source, prefix)[0] for prefix in ("packs/", "index/", "snapshots/", "keys/")]
    for name in spoilt:
        spoil(source, name)
    target = MemoryStorage()
    report = copy(source, target)
    assert sorted(finding.where for finding in report.damaged) == sorted(spoilt)
    assert all("--repair-from" in finding.hint for finding in report.damaged)
    assert target.objects.keys() == source.objects.keys() - set(spoilt)


def test_a_cut_object_at_the_destination_is_replaced(computer: Computer, source: MemoryStorage) -> None:
    target = MemoryStorage()
    copy(source, target)
    cut = [names(source, prefix)[0] for prefix in ("packs/", "snapshots/")]
    for name in cut:
        target.objects[name] = target.objects[name][:100]
    assert copy(source, target).objects == 2
    assert target.objects == source.objects


def test_a_cut_object_that_cannot_be_deleted_stays_and_is_said(computer: Computer, source: MemoryStorage) -> None:
    target = MemoryStorage()
    copy(source, target)
    name = names(source, "packs/")[0]
    target.objects[name] = target.objects[name][:100]
    locked = FaultyStorage(target, at=1, fault=lambda: RefusedError("no right to delete"), on=("delete",))
    with pytest.raises(RefusedError, match="no right to delete"):
        copy(source, locked)
    assert target.objects[name] == source.objects[name][:100]


def test_a_key_slot_that_only_the_destination_has_is_named(computer: Computer, source: MemoryStorage) -> None:
    target = MemoryStorage()
    copy(source, target)
    gone = names(source, "keys/")[0]
    del source.objects[gone]
    assert copy(source, target).extra == (gone,)
    assert gone in target.objects


def test_a_source_that_goes_away_is_no_damage(computer: Computer, source: MemoryStorage) -> None:
    failing = FaultyStorage(source, at=4, fault=lambda: UnavailableError("gone"), on=("get",))
    target = MemoryStorage()
    with pytest.raises(UnavailableError):
        copy(failing, target)
    copy(source, target)
    assert target.objects == source.objects


def test_a_folder_that_is_not_there_yet_is_made(computer: Computer, source: MemoryStorage, tmp_path: Path) -> None:
    copy(source, FolderStorage(tmp_path / "new" / "copy"))
    assert read_header(FolderStorage(tmp_path / "new" / "copy")) == read_header(source)


def test_a_backup_that_goes_on_meanwhile_is_copied_whole_or_not_at_all(
    computer: Computer, source: MemoryStorage, photos: Path
) -> None:
    """A storage lists its packs, a backup ends, and the storage goes on to list its snapshots."""
    before = dict(source.objects)
    put(photos / "meanwhile.mp4", Random(10).randbytes(2_000_000))

    class Busy(FaultyStorage):
        def listing(self, prefix: str) -> Iterator[Stored]:
            if prefix != "":
                return super().listing(prefix)
            computer.backup(photos, storage=source)
            return (one for one in super().listing("") if one.name in before or not one.name.startswith("packs/"))

    target = MemoryStorage()
    copy(Busy(source), target)
    assert len(source.objects) > len(before)
    assert target.objects == before
    assert copy(source, target).snapshots == 1
    assert target.objects == source.objects


def test_several_requests_are_under_way_and_never_too_many(computer: Computer, source: MemoryStorage) -> None:
    class Counting(FaultyStorage):
        def __init__(self, inner: Storage) -> None:
            super().__init__(inner)
            self.now = self.most = 0
            self.counting = threading.Lock()
            self.two = threading.Barrier(2)

        def put(self, name: str, data: bytes) -> None:
            with self.counting:
                self.now += 1
                self.most = max(self.most, self.now)
            if name.startswith("packs/"):
                self.two.wait(10)  # breaks unless two are under way
            super().put(name, data)
            with self.counting:
                self.now -= 1

    while len(names(source, "packs/")) % 2:  # the barrier wants pairs
        del source.objects[names(source, "packs/")[-1]]
    target = Counting(MemoryStorage())
    copy(source, target, threads=3)
    assert 2 <= target.most <= 3


@pytest.mark.parametrize("new", [False, True])
def test_what_was_forgotten_there_stays_away_but_packs_come_with_a_new_snapshot(*, new: bool) -> None:
    gone = ["packs/ab/ab" + "0" * 62, "index/" + "1" * 64, "snapshots/" + "2" * 64, "retention/" + "3" * 64]
    other = ["keys/" + "4" * 32, *(["snapshots/" + "5" * 64] if new else [])]
    plan = CopyPlan(missing=tuple(Stored(name=name, size=1) for name in (*gone, *other)))
    left = leave_forgotten(plan, frozenset(gone))
    assert [one.name for one in left.missing] == [*(gone[:2] if new else []), *other]
    assert left.forgotten == (2 if new else 4)
