"""The code is the one of docs/format.md, and any two of 18 come back."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.errors import MissingExtraError
from photovault.parity.coding import added, factor, lost_of, need_code, shards_of
from tests.parity.field import FACTORS, shard_of
from tests.vault.some import noise


def some_packs(count: int, size: int = 50) -> list[bytes]:
    return [noise(size, (count, n)) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 15, 16])
def test_shards_are_those_of_the_format(count: int) -> None:
    packs = some_packs(count)
    assert shards_of(packs) == [shard_of(packs, 0), shard_of(packs, 1)]


def test_the_factors_are_those_of_the_format() -> None:
    assert FACTORS[0][:2] == [0xC5, 0x3B]
    assert [[factor(place, shard) for place in range(16)] for shard in range(2)] == FACTORS


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_any_two_of_a_group_come_back(count: int, library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not library:
        monkeypatch.setattr("photovault.parity.coding.can_code", lambda: False)
    packs = some_packs(count)
    shards = dict(enumerate(shards_of(packs)))
    for lost in [*combinations(range(count), 2), *((n,) for n in range(count))]:
        known = {n: data for n, data in enumerate(packs) if n not in lost}
        assert lost_of(known, shards, count) == {n: packs[n] for n in lost}
    for gone in range(count):  # and one pack and one shard
        known = {n: data for n, data in enumerate(packs) if n != gone}
        for left in range(2):
            assert lost_of(known, {left: shards[left]}, count) == {gone: packs[gone]}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_group_grows_by_what_is_new(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 16))
    first = data.draw(st.integers(1, count - 1))
    size = data.draw(st.integers(1, 40))
    packs = [data.draw(st.binary(min_size=size, max_size=size)) for _ in range(count)]
    old, more = shards_of(packs[:first]), shards_of(packs[first:], first)
    assert [added(a, b) for a, b in zip(old, more, strict=True)] == shards_of(packs)


def test_buffers_of_any_kind_are_taken() -> None:
    packs = some_packs(3)
    assert shards_of([memoryview(bytearray(one)) for one in packs]) == shards_of(packs)


def test_without_the_library_the_command_that_gets_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.parity.coding.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as error:
        need_code()
    assert error.value.exit_code == 2
    assert "pip install 'photovault[parity]'" in error.value.hint
