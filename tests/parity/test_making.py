"""After every run every pack is covered, by objects that are what the format says."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from photovault.errors import MissingExtraError
from photovault.parity import see_parity, uncovered
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import open_object
from tests.parity.field import shard_of
from tests.parity.some import add_packs, groups_in, pack_name, packs, parity_name, protect
from tests.support.faults import FaultyStorage, Killed
from tests.vault.some import elsewhere, names, spoil

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


def sizes(storage: MemoryStorage) -> dict[bytes, int]:
    return {name: len(storage.objects[pack_name(name)]) for name in packs(storage)}


def assert_covered(vault: Vault, storage: MemoryStorage, workers: Workers) -> None:
    """Everything has parity, and all parity is that of the packs."""
    groups = groups_in(vault, workers)
    assert uncovered(groups, sizes(storage)) == []
    for group in groups:
        data = [storage.objects[pack_name(name)] for name in group.packs]
        for piece in group.pieces:
            parity = piece.parity
            opened = open_object(vault.keyring, ObjectKind.PARITY, storage.objects[parity_name(piece.name)])
            (first, second) = opened.regions
            assert (first.record.kind, second.record.kind) == (PartKind.PARITY_MAP, PartKind.PARITY)
            assert fmt.read_parity_map(opened.part(first)) == parity
            assert opened.part(second) == shard_of(data, parity.shard)[parity.offset : parity.end]


def test_every_pack_is_covered_and_read_once(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 18)
    made = protect(opened, workers)
    assert (made.groups, made.objects, made.packs_read, made.findings) == (2, 8, 18, ())
    assert made.stored_bytes == sum(len(storage.objects[name]) for name in names(storage, "parity/")) == 8 * 2**14
    assert_covered(opened, storage, workers)
    before = dict(storage.objects)
    assert protect(opened, workers).objects == 0
    assert storage.objects == before


def test_a_group_grows_without_its_packs_being_read_again(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 3)
    protect(opened, workers)
    add_packs(opened, workers, 2, seed="more")
    made = protect(opened, workers)
    assert (made.groups, made.packs_read) == (1, 2)
    assert len(groups_in(opened, workers)[0].packs) == 5
    assert_covered(opened, storage, workers)


def test_a_group_whose_parity_rotted_grows_by_being_read(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 3)
    protect(opened, workers)
    spoil(storage, names(storage, "parity/")[0])
    add_packs(opened, workers, 1, seed="more")
    assert protect(opened, workers).packs_read == 4


def test_packs_of_each_size_have_groups_of_their_own(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 2)
    add_packs(opened, workers, 2, size=40_000)
    assert protect(opened, workers).groups == 2
    assert sorted(group.size for group in groups_in(opened, workers)) == [2**14, 2**16]
    assert_covered(opened, storage, workers)
    pieces = [piece.parity for group in groups_in(opened, workers) for piece in group.pieces if group.size == 2**16]
    assert sorted(piece.object_size for piece in pieces) == [2**14, 2**14, 2**16, 2**16]


def test_objects_are_of_the_eleven_sizes_and_named_by_their_bytes(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 2)
    protect(opened, workers)
    for name in names(storage, "parity/"):
        data = storage.objects[name]
        assert fmt.is_size(len(data))
        assert name == f"parity/{hashlib.sha256(data).hexdigest()}"


def test_the_same_packs_give_the_same_parity(
    opened: Vault, storage: MemoryStorage, workers: Workers, tmp_path: Path
) -> None:
    add_packs(opened, workers, 5)
    protect(opened, workers)
    first = {name: storage.objects.pop(name) for name in names(storage, "parity/")}
    other = elsewhere(opened, storage, tmp_path)
    other.refresh()
    protect(other, workers)
    assert first == {name: storage.objects[name] for name in names(storage, "parity/")}
    other.places.close()


def test_a_device_that_knows_nothing_reads_the_maps_and_then_remembers_them(
    opened: Vault, storage: MemoryStorage, workers: Workers, tmp_path: Path
) -> None:
    add_packs(opened, workers, 5)
    protect(opened, workers)
    counted = FaultyStorage(storage, on=("get",))
    other = elsewhere(opened, counted, tmp_path)
    assert len(see_parity(other, workers).pieces) == 4
    assert counted.count == 8
    assert len(see_parity(other, workers).pieces) == 4
    assert counted.count == 8
    other.places.close()


def test_no_parity_is_made_of_a_pack_that_rotted(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 3)
    rotten, short = packs(storage)[1], packs(storage)[2]
    spoil(storage, pack_name(rotten))
    storage.objects[pack_name(short)] = storage.objects[pack_name(short)][: 2**13]
    made = protect(opened, workers)
    assert [finding.where for finding in made.findings] == [pack_name(rotten)]
    (group,) = groups_in(opened, workers)
    assert group.packs == (packs(storage)[0],)


def test_a_pack_that_ends_too_soon_is_named(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packs(opened, workers, 2)
    short, other = packs(storage)
    listed = list(storage.listing(""))
    monkeypatch.setattr(storage, "listing", lambda prefix: (one for one in listed if one.name.startswith(prefix)))
    storage.objects[pack_name(short)] = storage.objects[pack_name(short)][:5000]
    made = protect(opened, workers)
    assert [finding.where for finding in made.findings] == [pack_name(short)]
    monkeypatch.undo()
    assert [group.packs for group in groups_in(opened, workers)] == [(other,)]


def test_a_damaged_map_is_a_finding_and_made_again(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 2)
    protect(opened, workers)
    whole = dict(storage.objects)
    where = names(storage, "parity/")[2]
    opened.places.add_snapshot(fmt.digest_of(where), b"rotten")  # not to be answered from memory
    spoil(storage, where, 200)
    made = protect(opened, workers)
    assert [finding.where for finding in made.findings] == [where]
    assert storage.objects == whole


def test_damaged_parity_that_is_named_is_made_again_even_if_nothing_else_is(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 2)
    protect(opened, workers)
    whole = dict(storage.objects)
    where = names(storage, "parity/")[0]
    spoil(storage, where, 9000)
    add_packs(opened, workers, 1, seed="more")
    new = {name: data for name, data in storage.objects.items() if name not in whole}
    assert protect(opened, workers, spoilt={fmt.digest_of(where)}, mend_only=True).groups == 1
    assert storage.objects == whole | new


def test_packs_that_are_going_to_be_removed_get_none(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 2)
    opened.places.shun(packs(storage)[:1])
    protect(opened, workers)
    assert groups_in(opened, workers)[0].packs == tuple(packs(storage)[1:])


def test_without_anything_to_make_the_library_is_not_asked_for(
    opened: Vault, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packs(opened, workers, 1)
    protect(opened, workers)
    monkeypatch.setattr("photovault.parity.coding.find_spec", lambda _: None)
    assert protect(opened, workers).objects == 0
    add_packs(opened, workers, 1, seed="more")
    with pytest.raises(MissingExtraError):
        protect(opened, workers)


@pytest.mark.parametrize("at", range(1, 9))
def test_whatever_a_killed_run_left_the_next_one_covers_everything(
    opened: Vault, storage: MemoryStorage, workers: Workers, tmp_path: Path, at: int
) -> None:
    add_packs(opened, workers, 3)
    protect(opened, workers)
    add_packs(opened, workers, 15, seed="more")
    other = elsewhere(opened, FaultyStorage(storage, at=at), tmp_path)
    other.refresh()
    with pytest.raises(Killed):
        protect(other, workers)
    other.places.close()
    groups = groups_in(opened, workers)
    assert {3} <= {len(group.packs) for group in groups}  # what was covered still is
    protect(opened, workers)
    assert_covered(opened, storage, workers)


def test_a_group_takes_no_more_memory_than_a_few_packs(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.parity.columns.WINDOW", 2**18)
    monkeypatch.setattr("photovault.parity.columns._STEP", (2**12, 2**16))
    add_packs(opened, workers, 16, size=200_000)
    monkeypatch.setattr(storage, "put", lambda _name, _data: None)
    tracemalloc.start()
    protect(opened, workers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**18  # the packs are 16 times 2**18


def test_no_wrong_parity_is_made_of_maps_that_are_remembered_wrong(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 3)
    protect(opened, workers)
    (group,) = groups_in(opened, workers)
    one, other = (piece for piece in group.pieces if piece.parity.offset == 0)
    opened.places.add_snapshot(one.name, fmt.encode_parity_map(other.parity))
    opened.places.add_snapshot(other.name, fmt.encode_parity_map(one.parity))
    add_packs(opened, workers, 1, seed="more")
    assert protect(opened, workers).packs_read == 4
    storage.objects = {  # the old ones are remembered wrong for ever
        name: data for name, data in storage.objects.items() if name not in map(parity_name, (one.name, other.name))
    }
    assert_covered(opened, storage, workers)


def test_an_object_that_was_cut_is_a_finding(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 2)
    protect(opened, workers)
    where = names(storage, "parity/")[0]
    storage.objects[where] = storage.objects[where][:5000]
    seen = see_parity(opened, workers)
    assert [finding.where for finding in seen.findings] == [where]
    assert len(seen.pieces) == 3
