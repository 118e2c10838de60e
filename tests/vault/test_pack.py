"""Sealed objects: whatever goes in comes out, nothing else opens, and the size tells little."""

from __future__ import annotations

import tracemalloc
import zlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.crypto.keys import Keyring
from photovault.errors import DamageError, PhotovaultError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PartKind, Record
from photovault.vault.pack import (
    FULL_ENOUGH,
    OPEN_PACKS,
    Draft,
    Packer,
    decode,
    make_part,
    open_object,
    open_single,
    plain_record,
    seal,
    seal_single,
)

KEYRING = Keyring.of(bytes(16), {1: b"\1" * 32})
LATER = Keyring.of(bytes(16), {1: b"\1" * 32, 2: b"\2" * 32})
KINDS = st.sampled_from([PartKind.CONTENT, PartKind.LISTING])
PARTS = st.lists(st.tuples(KINDS, st.binary(max_size=3000), st.booleans()), max_size=12)
Parts = list[tuple[PartKind, bytes, bool]]


def sealed(parts: Parts, keyring: Keyring = KEYRING, size: int = 0) -> bytes:
    made = [make_part(keyring, kind, data, compress=compress) for kind, data, compress in parts]
    draft = Draft(ObjectKind.PACK, bytearray(sum(record.stored for record, _ in made)))
    for record, data in made:
        draft.add(record, data)
    size = size or fmt.size_class(draft.needed)
    return bytes(seal(draft, keyring, size, memoryview(bytearray(size))))


def contents(data: bytes, keyring: Keyring = KEYRING) -> list[bytes]:
    opened = open_object(keyring, ObjectKind.PACK, data)
    return [opened.part(region) for region in opened.regions]


def content(size: int, seed: int = 0) -> tuple[PartKind, bytes, bool]:
    return PartKind.CONTENT, Random(seed).randbytes(size), False


@given(PARTS)
def test_any_parts_come_out_as_they_went_in(parts: Parts) -> None:
    data = sealed(parts)
    assert contents(data) == [plain for _, plain, _ in parts]
    records = [region.record for region in open_object(KEYRING, ObjectKind.PACK, data).regions]
    assert [record.part_id for record in records] == [KEYRING.part_id(kind, plain) for kind, plain, _ in parts]
    open_object(KEYRING, ObjectKind.PACK, data).verify()


@given(PARTS)
def test_the_same_parts_give_the_same_bytes(parts: Parts) -> None:
    assert sealed(parts) == sealed(parts)


@given(st.integers(0, fmt.SIZE_MAX))
def test_sizes_are_powers_of_two_and_no_larger_than_needed(needed: int) -> None:
    size = fmt.size_class(max(needed, 1))
    assert fmt.is_size(size)
    assert size >= needed
    assert size == fmt.SIZE_MIN or size < 2 * needed


def test_an_object_has_one_of_eleven_sizes() -> None:
    sizes = [size for size in range(2**12, 2**24 + 2**13, 2**12) if fmt.is_size(size)]
    assert sizes == [2**bits for bits in range(14, 25)]
    assert not any(map(fmt.is_size, (0, -1, 1, 2**14 + 1, 2**14 - 1, 2**24 + 1, 2**25)))


@pytest.mark.parametrize(("length", "size"), [(16_148, 2**14), (16_149, 2**15), (32_532, 2**15), (32_533, 2**16)])
def test_a_size_is_used_to_the_last_byte(length: int, size: int) -> None:
    data = sealed([content(length)])
    assert len(data) == size
    assert contents(data) == [content(length)[1]]


def test_the_largest_pack_opens() -> None:
    parts = [content(fmt.PART_MAX, n) for n in range(3)]
    used = fmt.OVERHEAD + 3 * (fmt.PART_MAX + fmt.PER_PART)
    parts.append(content(fmt.SIZE_MAX - used - fmt.PER_PART, 3))
    data = sealed(parts)
    assert len(data) == fmt.SIZE_MAX
    assert contents(data) == [plain for _, plain, _ in parts]


def test_other_contents_order_size_kind_or_key_change_everything() -> None:
    """Never the same salt, so never the same key, for two plaintexts."""
    one, two = content(100, 1), content(100, 2)
    made = [
        sealed([one]),
        sealed([two]),
        sealed([one, two]),
        sealed([two, one]),
        sealed([one], size=2**15),
        sealed([(PartKind.LISTING, one[1], False)]),
        sealed([one], LATER),
        sealed([one], Keyring.of(b"\1" * 16, {1: b"\1" * 32})),
    ]
    assert len({data[16:48] for data in made}) == len(made)
    assert len({data[48:80] for data in made}) == len(made)


def test_an_object_of_an_earlier_epoch_opens_later_and_not_the_other_way() -> None:
    before, after = sealed([content(9)]), sealed([content(9)], LATER)
    assert contents(before, LATER) == contents(after, LATER) == [content(9)[1]]
    with pytest.raises(DamageError, match="epoch 2"):
        contents(after)


SMALL = sealed([content(5), (PartKind.LISTING, b"[]" * 200, True)])
LAST = fmt.SIZE_MIN - 2 * fmt.RECORD.size - fmt.TAG


@settings(max_examples=400)
@given(
    st.one_of(st.integers(0, 300), st.integers(300, LAST), st.integers(LAST - 20, fmt.SIZE_MIN - 1)), st.integers(0, 7)
)
def test_a_flipped_bit_anywhere_is_noticed(at: int, bit: int) -> None:
    data = bytearray(SMALL)
    data[at] ^= 1 << bit
    with pytest.raises(PhotovaultError):
        contents(bytes(data))


@given(st.binary(max_size=400), st.integers(0, 500))
def test_bytes_written_over_an_object_are_noticed(patch: bytes, at: int) -> None:
    data = SMALL[:at] + patch + SMALL[at + len(patch) :]
    if data == SMALL:
        assert contents(data)
        return
    with pytest.raises(PhotovaultError):
        contents(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_no_object(data: bytes) -> None:
    for whole in (data, data.ljust(fmt.SIZE_MIN, b"\0"), SMALL[:8] + data.ljust(fmt.SIZE_MIN - 8, b"\0")):
        for kind in ObjectKind:
            with pytest.raises(PhotovaultError):
                open_object(KEYRING, kind, whole)


def test_verify_reads_every_part() -> None:
    first, second = open_object(KEYRING, ObjectKind.PACK, SMALL).regions
    for at in (first.offset, second.offset, second.offset + second.sealed_size - 1):
        data = bytearray(SMALL)
        data[at] ^= 1
        opened = open_object(KEYRING, ObjectKind.PACK, bytes(data))
        with pytest.raises(DamageError):
            opened.verify()


def test_a_part_cut_short_is_noticed() -> None:
    opened = open_object(KEYRING, ObjectKind.PACK, SMALL)
    region = opened.regions[0]
    for sealed_part in (b"", SMALL[region.offset : region.offset + 5], SMALL[region.offset : region.offset + 22]):
        with pytest.raises(DamageError):
            opened.reader.part(region, sealed_part)
        with pytest.raises(DamageError):
            opened.reader.part_into(region, sealed_part, memoryview(bytearray(5)))


def test_index_and_snapshot_objects_hold_one_part() -> None:
    for kind, part_kind in ((ObjectKind.INDEX, PartKind.INDEX), (ObjectKind.SNAPSHOT, PartKind.SNAPSHOT)):
        for size in (0, 1, 20_000):
            record, plain = make_part(KEYRING, part_kind, Random(size).randbytes(size))
            data = seal_single(KEYRING, kind, record, plain)
            assert open_single(KEYRING, kind, data) == plain
            for other in set(ObjectKind) - {kind}:
                with pytest.raises(DamageError):
                    open_single(KEYRING, other, data)
    with pytest.raises(DamageError):
        open_single(KEYRING, ObjectKind.PACK, sealed([content(1), content(2)]))


# Codecs --------------------------------------------------------------------------------------------------------------


def zipped(data: bytes, length: int, tail: bytes = b"") -> tuple[Record, bytes]:
    encoded = zlib.compress(data) + tail
    record = Record(
        part_id=bytes(32), kind=PartKind.LISTING, codec=Codec.ZLIB, length=length, stored=len(encoded), digest=bytes(32)
    )
    return record, encoded


@given(st.binary(max_size=2000), st.integers(-2, 2))
def test_a_length_is_what_it_says(data: bytes, more: int) -> None:
    record, encoded = zipped(data, max(len(data) + more, 0))
    if record.length == len(data):
        assert decode(record, encoded) == data
        return
    with pytest.raises(DamageError):
        decode(record, encoded)


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    record, encoded = zipped(bytes(200_000_000), 1000)
    tracemalloc.start()
    with pytest.raises(DamageError):
        decode(record, encoded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@given(st.binary(min_size=1, max_size=100))
def test_what_is_no_zlib_stream_is_damage(tail: bytes) -> None:
    for record, encoded in (zipped(b"listing", 7, tail), (zipped(b"listing", 7)[0], tail)):
        with pytest.raises(DamageError):
            decode(record, encoded)
    record, encoded = zipped(b"listing", 7)
    with pytest.raises(DamageError):
        decode(record, encoded[:-1])


def test_only_what_becomes_smaller_is_compressed() -> None:
    for data, codec in ((b"ab" * 500, Codec.ZLIB), (Random(0).randbytes(1000), Codec.PLAIN), (b"aa", Codec.PLAIN)):
        record, encoded = make_part(KEYRING, PartKind.LISTING, data, compress=True)
        assert record.codec is codec
        assert (len(encoded) < len(data)) == (codec is Codec.ZLIB)
        assert decode(record, bytes(encoded)) == data
    assert make_part(KEYRING, PartKind.CONTENT, b"ab" * 500)[0].codec is Codec.PLAIN


# Packing -------------------------------------------------------------------------------------------------------------


CONTENT = plain_record(bytes(32), PartKind.CONTENT, 1)
LISTING = plain_record(bytes(32), PartKind.LISTING, 1)


def packed(sizes: list[int]) -> list[tuple[int, list[int]]]:
    """Bytes needed and part numbers of each pack, in the order in which packs are closed."""
    packer, buffer, done = Packer(), bytearray(), []

    def close(draft: Draft) -> None:
        done.append((draft.needed, [int.from_bytes(record.part_id, "big") for record in draft.records]))

    for number, size in enumerate(sizes):
        record = plain_record(number.to_bytes(32, "big"), PartKind.CONTENT, size)
        draft = packer.place(record)
        if draft is None:
            draft, closed = packer.start(record, buffer)
            if closed is not None:
                close(closed)
        assert draft.room_for(record)
        draft.records.append(record)  # as ``add`` does, without the bytes
        draft.needed += size + fmt.PER_PART
        if packer.close_if_full(draft):
            close(draft)
    for draft in packer.rest():
        close(draft)
    return done


SIZES = st.lists(st.one_of(st.integers(0, 60_000), st.integers(0, fmt.PART_MAX)), max_size=80)


@given(SIZES)
def test_every_part_is_in_one_pack_and_no_pack_is_too_large(sizes: list[int]) -> None:
    done = packed(sizes)
    assert sorted(number for _, numbers in done for number in numbers) == list(range(len(sizes)))
    for needed, numbers in done:
        assert numbers
        assert needed == fmt.OVERHEAD + sum(sizes[number] + fmt.PER_PART for number in numbers)
        assert needed <= fmt.SIZE_MAX
    assert done == packed(sizes)


def wasted(sizes: list[int]) -> float:
    """The share of padding in all packs but those that are open at the end."""
    full = packed(sizes)[:-OPEN_PACKS]
    return sum(fmt.SIZE_MAX - needed for needed, _ in full) / (fmt.SIZE_MAX * len(full))


def test_full_packs_waste_little() -> None:
    random = Random(1)
    awkward = [random.randint(2 * 2**20, 4 * 2**20) for _ in range(2000)]  # nothing small to fill the gaps with
    photos = [
        part for _ in range(500) for part in (random.randint(20_000, 60_000), 4 * 2**20, random.randint(1, 4 * 2**20))
    ]
    assert wasted(awkward) < 0.06
    assert wasted(photos) < 0.04


def test_a_pack_with_hardly_any_room_is_closed_at_once() -> None:
    almost = fmt.SIZE_MAX - fmt.OVERHEAD - 4 * fmt.PER_PART - 3 * fmt.PART_MAX
    for last, left_open in ((almost, 0), (almost - FULL_ENOUGH - 2 * fmt.PER_PART, 1)):
        packer = Packer()
        draft, _ = packer.start(CONTENT, bytearray())
        for size in (*[fmt.PART_MAX] * 3, last):
            draft.needed += size + fmt.PER_PART
        packer.close_if_full(draft)
        assert len(packer.rest()) == left_open


def test_at_most_three_packs_are_open() -> None:
    packer = Packer()
    drafts = []
    for number in range(OPEN_PACKS):
        draft, closed = packer.start(CONTENT, bytearray())
        draft.needed += number
        assert closed is None
        drafts.append(draft)
    _, closed = packer.start(CONTENT, bytearray())
    assert closed is drafts[-1]
    assert len(packer.rest()) == OPEN_PACKS
    assert packer.rest() == []


def test_pages_of_listings_lie_together() -> None:
    packer = Packer()
    content, _ = packer.start(CONTENT, bytearray())
    assert packer.place(LISTING) is None
    pages, closed = packer.start(LISTING, bytearray())
    assert closed is None
    assert (packer.place(LISTING), packer.place(CONTENT)) == (pages, content)
    pages.needed = fmt.SIZE_MAX
    assert packer.place(LISTING) is None
    assert packer.close_if_full(pages)
    assert packer.rest() == [content]
