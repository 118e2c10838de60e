"""What is left of a damaged pack: everything that the damage did not hit, and nothing that was not sealed."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.crypto.keys import Keyring
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PackEntry, PartKind, Record
from photovault.vault.pack import Draft, group_records, make_part, plain_record, seal
from photovault.vault.salvage import Remains, remains_of, sealed_again

KEYRING = Keyring.of(bytes(16), {1: b"\1" * 32})
LATER = Keyring.of(bytes(16), {1: b"\1" * 32, 2: b"\2" * 32})
PLAIN = [Random(seed).randbytes(1000 + seed) for seed in range(5)]
PAGE = b'{"entries":[' + b'"the same thing again and again",' * 40 + b"]}"


def pack(parts: list[tuple[Record, bytes]], keyring: Keyring = KEYRING) -> tuple[bytes, PackEntry]:
    """Stored bytes, and what an index says of them."""
    draft = Draft(ObjectKind.PACK, bytearray(sum(record.stored for record, _ in parts)))
    for record, data in parts:
        draft.add(record, data)
    size = fmt.size_class(draft.needed)
    data = bytes(seal(draft, keyring, size, memoryview(bytearray(size))))
    listed = fmt.read_index_parts(fmt.encode_index_parts(record for record, _ in parts))
    return data, PackEntry(name=hashlib.sha256(data).digest(), size=size, records=listed)


def plain_parts() -> list[tuple[Record, bytes]]:
    return [
        (plain_record(KEYRING.part_id(PartKind.CONTENT, data), PartKind.CONTENT, len(data)), data) for data in PLAIN
    ]


def mixed_parts() -> list[tuple[Record, bytes]]:
    record, page = make_part(KEYRING, PartKind.LISTING, PAGE, compress=True)
    jxl = Random(9).randbytes(700)
    group = group_records([(b"\7" * 32, 500), (b"\10" * 32, 900)], jxl, 2)
    assert group is not None
    shares = [jxl[: group[0].stored], jxl[group[0].stored :]]
    return [*plain_parts()[:2], (record, bytes(page)), *zip(group, shares, strict=True), *plain_parts()[2:]]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def saved(remains: Remains) -> list[bytes]:
    return [record.part_id for parts in remains.whole() for record, _ in parts]


def hit(data: bytes, parts: list[tuple[Record, bytes]], at: int) -> int | None:
    """The part that a byte belongs to."""
    start = fmt.HEAD_END
    for number, (record, _) in enumerate(parts):
        end = start + record.stored + fmt.TAG
        if start <= at < end:
            return number
        start = end
    return None


@pytest.mark.parametrize("known", [True, False])
def test_a_flipped_byte_costs_at_most_the_part_that_it_hits(known: bool) -> None:
    parts = plain_parts()
    data, entry = pack(parts)
    for at in [*range(120), *range(120, len(data), 97), *range(len(data) - 420, len(data))]:
        remains = remains_of(KEYRING, flipped(data, at), entry if known else None)
        lost = hit(data, parts, at)
        wanted = [record.part_id for number, (record, _) in enumerate(parts) if number != lost]
        if known:
            assert saved(remains) == wanted, at
            again = sealed_again(KEYRING, entry.name, entry.size, remains)
            assert (again == data) == (lost is None), at
        else:
            assert set(saved(remains)) <= set(wanted), at
            assert saved(remains) or at < fmt.HEAD_END or at >= len(data) - 396, at


def test_a_group_is_saved_only_whole() -> None:
    parts = mixed_parts()
    data, entry = pack(parts)
    start = fmt.HEAD_END + sum(record.stored + fmt.TAG for record, _ in parts[:4])
    remains = remains_of(KEYRING, flipped(data, start + 10), entry)
    assert saved(remains) == [record.part_id for record, _ in parts[:3] + parts[5:]]
    assert sealed_again(KEYRING, entry.name, entry.size, remains) is None


def test_what_an_index_tells_without_digests_is_saved_with_them() -> None:
    parts = mixed_parts()
    data, entry = pack(parts)
    remains = remains_of(KEYRING, flipped(data, len(data) - 5), entry)
    assert [one for group in remains.whole() for one in group] == parts
    assert sealed_again(KEYRING, entry.name, entry.size, remains) == data


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_of_a_pack_cut_short_the_beginning_is_saved(share: float) -> None:
    parts = plain_parts()
    data, entry = pack(parts)
    end = int(len(data) * share)
    ends = [fmt.HEAD_END]
    for record, _ in parts:
        ends.append(ends[-1] + record.stored + fmt.TAG)
    assert len(saved(remains_of(KEYRING, data[:end], entry))) == sum(one <= end for one in ends[1:])


def test_a_pack_of_an_earlier_epoch_is_sealed_again_as_it_was() -> None:
    data, entry = pack(mixed_parts())
    remains = remains_of(LATER, flipped(data, len(data) - 5), entry)
    assert sealed_again(LATER, entry.name, entry.size, remains) == data


def test_nothing_of_another_vault_is_saved() -> None:
    data, entry = pack(plain_parts(), Keyring.of(bytes(16), {1: b"\3" * 32}))
    assert saved(remains_of(KEYRING, data, entry)) == []


def test_an_index_that_lies_makes_nothing_of_nothing() -> None:
    data, _ = pack(plain_parts())
    _, other = pack(mixed_parts())
    remains = remains_of(KEYRING, flipped(data, len(data) - 5), other)
    assert set(saved(remains)) <= {record.part_id for record, _ in plain_parts()}
    assert sealed_again(KEYRING, other.name, other.size, remains) is None


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=3000), at=st.integers(0, 16000), known=st.booleans())
def test_any_bytes_are_borne(data: bytes, at: int, known: bool) -> None:
    whole, entry = pack(plain_parts())
    spoilt = whole[:at] + data + whole[at + len(data) :]
    ids = {record.part_id for record, _ in plain_parts()}
    assert set(saved(remains_of(KEYRING, spoilt, entry if known else None))) <= ids
    assert saved(remains_of(KEYRING, data, entry if known else None)) == []
