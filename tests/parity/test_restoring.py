"""Any two members of a group come back bit for bit; three do not, and are named."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from photovault.vault import format as fmt
from tests.parity.some import add_packs, groups_in, heal, pack_name, packs, parity_name, protect
from tests.vault.some import names, spoil

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


def lose(storage: MemoryStorage, lost: Iterable[bytes]) -> None:
    """The first goes, the others rot."""
    for number, name in enumerate(lost):
        if number:
            spoil(storage, pack_name(name))
        else:
            del storage.objects[pack_name(name)]


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_any_two_packs_of_a_group_come_back(
    opened: Vault, storage: MemoryStorage, workers: Workers, count: int
) -> None:
    add_packs(opened, workers, count)
    protect(opened, workers)
    whole, all_packs = dict(storage.objects), packs(storage)
    pairs = [*combinations(all_packs, 2), (all_packs[0],)]
    for lost in pairs[:: max(1, len(pairs) // 20)]:
        lose(storage, lost)
        found = heal(opened, workers, lost)
        assert {name: one.why for name, one in found.items()} == dict.fromkeys(lost, "")
        assert storage.objects == whole


def test_a_pack_and_any_parity_object_come_back(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 4)
    protect(opened, workers)
    whole = dict(storage.objects)
    for rotten in names(storage, "parity/"):
        lost = packs(storage)[2]
        del storage.objects[pack_name(lost)]
        spoil(storage, rotten, 8000)
        assert heal(opened, workers, [lost])[lost].why == ""
        protect(opened, workers, spoilt={fmt.digest_of(rotten)})
        assert storage.objects == whole


def test_two_packs_come_back_though_no_shard_is_needed_twice(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """Of one shard the first piece is lost, of the other the second: one pack still comes back."""
    add_packs(opened, workers, 4)
    protect(opened, workers)
    whole = dict(storage.objects)
    (group,) = groups_in(opened, workers)
    bad = [one for one in group.pieces if (one.parity.offset == 0) == (one.parity.shard == 0)]
    assert len(bad) == 2
    for one in bad:
        del storage.objects[parity_name(one.name)]
    lost = packs(storage)[0]
    del storage.objects[pack_name(lost)]
    assert heal(opened, workers, [lost])[lost].why == ""
    protect(opened, workers)
    assert storage.objects == whole


def test_three_do_not_come_back_and_say_so(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 20)
    protect(opened, workers)
    full, rest = groups_in(opened, workers)
    lost = [*full.packs[3:6], rest.packs[0]]
    lose(storage, lost)
    found = heal(opened, workers, lost)
    assert found[rest.packs[0]].why == ""
    for name in full.packs[3:6]:
        assert found[name].data == b""
        assert found[name].why.startswith("3 of the 16 packs of its parity group are lost")


def test_two_packs_and_one_shard_do_not_come_back(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 5)
    protect(opened, workers)
    spoil(storage, names(storage, "parity/")[0], 8000)
    lost = packs(storage)[:2]
    lose(storage, lost)
    assert all("so is parity" in one.why for one in heal(opened, workers, lost).values())


def test_a_pack_without_parity_says_so(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    add_packs(opened, workers, 2)
    lost = packs(storage)[0]
    assert heal(opened, workers, [lost])[lost].why == "it has no parity"


def test_another_member_that_rotted_unnoticed_comes_back_too(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 6)
    protect(opened, workers)
    whole = dict(storage.objects)
    lost, unnoticed = packs(storage)[1], packs(storage)[4]
    lose(storage, [lost])
    spoil(storage, pack_name(unnoticed))
    found = heal(opened, workers, [lost])
    assert {name: one.why for name, one in found.items()} == {lost: "", unnoticed: ""}
    assert storage.objects == whole


def test_a_member_that_vanished_meanwhile_comes_back_too(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packs(opened, workers, 6)
    protect(opened, workers)
    whole = dict(storage.objects)
    lost, short = packs(storage)[1], packs(storage)[4]
    lose(storage, [lost])
    listed = list(storage.listing(""))
    monkeypatch.setattr(storage, "listing", lambda prefix: (one for one in listed if one.name.startswith(prefix)))
    storage.objects[pack_name(short)] = storage.objects[pack_name(short)][:5000]
    found = heal(opened, workers, [lost])
    assert {name: one.why for name, one in found.items()} == {lost: "", short: ""}
    assert storage.objects == whole


def test_what_came_back_by_one_group_helps_another(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    """Two packs are in two groups, as two devices made them: three lost in the larger, of which one is also in the smaller."""
    add_packs(opened, workers, 2)
    protect(opened, workers)
    (small,) = groups_in(opened, workers)
    add_packs(opened, workers, 4, seed="more")
    protect(opened, workers)
    whole = dict(storage.objects)
    lost = [small.packs[0], *[name for name in packs(storage) if name not in small.packs][:2]]
    lose(storage, lost)
    found = heal(opened, workers, lost)
    assert {one.why for one in found.values()} == {""}
    assert storage.objects == whole


def test_packs_that_were_removed_on_purpose_are_not_brought_back(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    add_packs(opened, workers, 4)
    protect(opened, workers)
    gone, lost = packs(storage)[:2]
    lose(storage, [gone])
    lose(storage, [lost])
    assert list(heal(opened, workers, [lost])) == [lost]


def test_parity_that_somebody_made_wrong_brings_nothing_wrong_back(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_packs(opened, workers, 3)
    with monkeypatch.context() as patch:
        patch.setattr("photovault.parity.making.shards_of", lambda packs, _first: [bytes(len(packs[0]))] * 2)
        protect(opened, workers)
    lost = packs(storage)[0]
    lose(storage, [lost])
    found = heal(opened, workers, [lost])[lost]
    assert (found.data, bool(found.why)) == (b"", True)
    assert pack_name(lost) not in storage.objects


@pytest.mark.parametrize("count", [1, 2])
def test_packs_come_back_without_the_library_too(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    add_packs(opened, workers, 16)
    protect(opened, workers)
    whole = dict(storage.objects)
    monkeypatch.setattr("photovault.parity.coding.find_spec", lambda _: None)
    lost = packs(storage)[3 : 3 + count]
    lose(storage, lost)
    assert {one.why for one in heal(opened, workers, lost).values()} == {""}
    assert storage.objects == whole
