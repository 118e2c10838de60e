"""Parity maps: what is written is read, what is read is what a writer writes, and a shard is all in its pieces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import DamageError, UnknownVersionError
from photovault.vault.format import (
    OVERHEAD,
    PER_PART,
    ParityMap,
    encode_parity_map,
    is_size,
    parity_pieces,
    read_parity_map,
)

NAMES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=16, unique=True).map(tuple)
SIZES = st.integers(14, 24).map(lambda bits: 1 << bits)


@st.composite
def maps(draw: st.DrawFn) -> ParityMap:
    size = draw(SIZES)
    offset = draw(st.integers(0, size - 1))
    length = draw(st.integers(1, size - offset))
    return ParityMap(packs=draw(NAMES), size=size, shard=draw(st.integers(0, 1)), offset=offset, length=length)


@given(maps())
def test_what_is_written_is_read(parity: ParityMap) -> None:
    assert read_parity_map(encode_parity_map(parity)) == parity


@given(st.binary(max_size=200) | maps().map(encode_parity_map), st.data())
def test_whatever_is_read_is_refused_or_comes_back_the_same(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, max(0, len(data) - 1)))
    spoilt = data[:at] + draw.draw(st.binary(max_size=3)) + data[at + 1 :]
    try:
        parity = read_parity_map(spoilt)
    except (DamageError, UnknownVersionError):
        return
    assert encode_parity_map(parity) == spoilt


@given(NAMES, SIZES, st.integers(0, 1))
def test_a_shard_is_all_in_its_pieces_and_the_first_is_as_large_as_a_pack(
    packs: tuple[bytes, ...], size: int, shard: int
) -> None:
    first, rest = parity_pieces(packs, size, shard)
    assert (first.offset, first.end, rest.end) == (0, rest.offset, size)
    assert (first.object_size, rest.object_size) == (size, 2**14)
    assert OVERHEAD + 2 * PER_PART + len(encode_parity_map(first)) + first.length == size  # no byte is wasted
    assert all(is_size(one.object_size) for one in (first, rest))


@pytest.mark.parametrize("change", [{"size": 3 << 14}, {"shard": 2}, {"offset": 2**14}, {"length": 0}, {"packs": ()}])
def test_what_no_writer_makes_is_damage(change: dict[str, object]) -> None:
    good = ParityMap(packs=(bytes(32),), size=2**14, shard=0, offset=0, length=1)
    with pytest.raises(DamageError):
        read_parity_map(encode_parity_map(replace(good, **change)))
