"""Writing: nothing twice, few objects, and an index of everything that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import GateError, UnavailableError
from photovault.vault import format as fmt
from photovault.vault import writer as module
from photovault.vault.format import Codec, ObjectKind, PackEntry, PartKind, Record
from photovault.vault.pack import Draft, open_single
from photovault.vault.reader import Reader
from photovault.vault.writer import Writer, merged
from tests.support.faults import FaultyStorage
from tests.support.world import make_vault
from tests.vault.some import add, elsewhere, names, noise, store

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


def indexed(vault: Vault, storage: MemoryStorage) -> list[list[PackEntry]]:
    """What each index object says."""
    plain = [open_single(vault.keyring, ObjectKind.INDEX, storage.objects[name]) for name in names(storage, "index/")]
    return [fmt.read_index(one) for one in plain]


def test_what_is_added_can_be_read(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    parts = [noise(size, size) for size in (0, 1, 100, 70_000)]
    ids = store(opened, workers, parts)
    assert [Reader(opened).part(part) for part in ids] == parts
    assert len(names(storage, "packs/")) == len(names(storage, "index/")) == 1
    ((entry,),) = indexed(opened, storage)
    assert [record.part_id for record in entry.records] == ids
    assert fmt.object_name(ObjectKind.PACK, entry.name) in storage.objects


def test_nothing_is_stored_twice(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    writer = Writer(opened, workers)
    for data in (b"a" * 1000, b"b" * 1000, b"a" * 1000):
        add(writer, opened, data)
    writer.finish()
    assert (writer.written.new_parts, writer.written.known_parts) == (2, 1)
    assert (writer.written.new_bytes, writer.written.known_bytes) == (2000, 1000)
    before = dict(storage.objects)
    again = Writer(opened, workers)
    add(again, opened, b"b" * 1000)
    again.finish()
    assert storage.objects == before
    assert (again.written.known_parts, again.written.objects, again.written.stored_bytes) == (1, 0, 0)


def test_a_listing_and_a_content_of_the_same_bytes_are_two_parts(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    page = b'{"entries":[],"version":1}'
    assert writer.add_listing(page) != add(writer, opened, page)
    writer.finish()
    assert writer.written.new_parts == 2


def test_what_is_stored_depends_on_the_parts_alone(tmp_path: Path, workers: Workers) -> None:
    found = []
    for name in ("one", "two"):
        vault = make_vault(tmp_path / name)
        store(vault, workers, [noise(3_000_000, n) for n in range(9)])
        found.append({stored.name for stored in vault.door.listing("")})
        vault.places.close()
    assert found[0] == found[1]


def test_objects_and_bytes_are_counted_as_the_storage_has_them(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    writer = Writer(opened, workers)
    for number in range(6):
        add(writer, opened, noise(3_500_000, number))
    writer.finish()
    sealed = [storage.objects[name] for name in names(storage, "packs/") + names(storage, "index/")]
    assert writer.written.objects == len(sealed) == 3
    assert writer.written.stored_bytes == sum(map(len, sealed))


@pytest.mark.parametrize("uniform", [False, True])
def test_the_last_pack_is_padded_as_asked(
    uniform: bool, opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    writer = Writer(opened, workers, uniform=uniform)
    add(writer, opened, b"small")
    writer.finish()
    (name,) = names(storage, "packs/")
    assert len(storage.objects[name]) == (fmt.SIZE_MAX if uniform else fmt.SIZE_MIN)


def test_a_full_pack_goes_before_the_end(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    """Memory is bounded: what is full is stored while more is added."""
    writer = Writer(opened, workers)
    for number in range(5):
        for part in range(4):
            add(writer, opened, noise(4 * 2**20 - (40_000 if part == 3 else 0), f"{number}.{part}"))
    assert len(names(storage, "packs/")) >= 3
    assert names(storage, "index/") == []
    writer.finish()
    assert len(names(storage, "packs/")) == 5


# The last packs.


def draft(size: int) -> Draft:
    record = Record(
        part_id=size.to_bytes(32, "big"), kind=PartKind.CONTENT, codec=Codec.PLAIN, length=size, stored=size
    )
    made = Draft(ObjectKind.PACK, bytearray(fmt.SIZE_MAX))
    made.add(record, bytes([size % 256]) * size)
    return made


def stored_size(drafts: list[Draft]) -> int:
    return sum(fmt.size_class(one.needed) for one in drafts)


@pytest.mark.parametrize(
    ("sizes", "packs"),
    [
        ([], []),
        ([5], [2**14]),
        ([5, 5, 5], [2**14]),
        ([10_000, 5_000], [2**14]),
        ([12_000_000, 3_000_000, 1_000_000], [2**24]),
        ([16_000_000, 3_000_000], [2**24, 2**22]),
        ([9_000_000, 9_000_000], [2**24, 2**24]),
        ([16_100, 16_100], [2**15]),
    ],
)
def test_tails_are_poured_together(sizes: list[int], packs: list[int]) -> None:
    assert (
        sorted((fmt.size_class(one.needed) for one in merged([draft(size) for size in sizes])), reverse=True) == packs
    )


@given(st.lists(st.integers(0, 20_000), max_size=3))
def test_pouring_loses_nothing_and_never_costs_more(sizes: list[int]) -> None:
    small = [Draft(ObjectKind.PACK, bytearray(70_000)) for _ in sizes]
    for number, (one, size) in enumerate(zip(small, sizes, strict=True)):
        one.add(Record(bytes([number]) * 32, PartKind.CONTENT, Codec.PLAIN, size, size), bytes([number]) * size)
    before = stored_size(small)
    after = merged(list(small))
    assert stored_size(after) <= before
    found = []
    for one in after:
        at = 0
        for record in one.records:
            assert bytes(one.plain[at : at + record.stored]) == record.part_id[:1] * record.stored
            at += record.stored
            found.append((record.part_id[0], record.stored))
        assert one.needed == fmt.OVERHEAD + sum(record.stored + fmt.PER_PART for record in one.records)
    assert sorted(found) == list(enumerate(sizes))


# The index.


def waiting(vault: Vault, packs: int, parts: int) -> list[PackEntry]:
    """Packs that no index lists."""
    made = [
        PackEntry(
            name=noise(32, f"pack {n}"),
            size=2**14,
            records=tuple(Record(noise(32, f"{n}.{m}"), PartKind.CONTENT, Codec.PLAIN, 1, 1) for m in range(parts)),
        )
        for n in range(packs)
    ]
    for pack in made:
        vault.places.add_pack(pack, indexed=False)
    return made


def test_an_index_that_would_be_too_large_is_cut(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = waiting(opened, 30, 100)  # 4440 bytes each
    monkeypatch.setattr(fmt, "SIZE_MAX", 2**15)
    Writer(opened, workers).finish()
    found = indexed(opened, storage)
    assert len(found) == 5
    assert sorted(pack.name for load in found for pack in load) == sorted(pack.name for pack in packs)
    assert max(len(storage.objects[name]) for name in names(storage, "index/")) == 2**15
    assert opened.places.not_indexed() == []


@given(st.lists(st.integers(0, 500), max_size=30))
def test_index_loads_are_whole_and_fit(parts: list[int]) -> None:
    packs = [
        PackEntry(name=bytes(32), size=2**14, records=(Record(bytes(32), PartKind.CONTENT, Codec.PLAIN, 1, 1),) * count)
        for count in parts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fmt, "SIZE_MAX", 2**15)
        loads = list(module.index_loads(packs))
    assert [pack for load in loads for pack in load] == packs
    for load in loads:
        assert load
        assert fmt.size_class(len(fmt.encode_index(load)) + fmt.OVERHEAD + fmt.PER_PART) <= 2**15


def test_the_fullest_pack_of_the_smallest_parts_fits_an_index() -> None:
    most = (fmt.SIZE_MAX - fmt.OVERHEAD) // (fmt.PER_PART + 1)
    assert fmt.index_size(most) + fmt.OVERHEAD + fmt.PER_PART <= fmt.SIZE_MAX


# When a run does not come to its end.


def test_an_interrupted_runs_packs_are_found_again(tmp_path: Path, storage: MemoryStorage, workers: Workers) -> None:
    """The packs went out, the index did not: the next run stores only an index."""
    parts = [noise(2_000_000, n) for n in range(5)]
    vault = make_vault(tmp_path, storage)
    faulty = FaultyStorage(storage, at=2, fault=lambda: UnavailableError("gone"))
    vault.door._storage = faulty
    with pytest.raises(UnavailableError):
        store(vault, workers, parts)
    vault.places.close()
    assert names(storage, "index/") == []
    (pack,) = names(storage, "packs/")

    later = elsewhere(vault, storage, tmp_path)
    assert later.refresh().findings == ()
    writer = Writer(later, workers)
    for data in parts:
        add(writer, later, data)
    writer.finish()
    assert (writer.written.new_parts, writer.written.known_parts) == (0, 5)
    assert names(storage, "packs/") == [pack]
    assert [[entry.name for entry in load] for load in indexed(later, storage)] == [[fmt.digest_of(pack)]]
    later.places.close()


def test_a_part_counts_only_when_the_storage_has_it(tmp_path: Path, storage: MemoryStorage, workers: Workers) -> None:
    vault = make_vault(tmp_path, storage)
    vault.door._storage = FaultyStorage(storage, at=1, fault=lambda: UnavailableError("gone"))
    writer = Writer(vault, workers)
    part = add(writer, vault, b"photo")
    with pytest.raises(UnavailableError):
        writer.finish()
    assert not vault.places.has(part)
    assert names(storage, "packs/") == []
    vault.places.close()


def test_what_does_not_open_does_not_leave(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit that flips in this computer's memory while a pack is sealed."""
    whole = module.seal

    def flipping(*args: object) -> memoryview:
        sealed = whole(*args)
        sealed[200] ^= 1
        return sealed

    monkeypatch.setattr(module, "seal", flipping)
    with pytest.raises(GateError, match="changed"):
        store(opened, workers, [b"photo"])
    assert names(storage, "packs/") == []


# What belongs together.


def photo(vault: Vault, number: int, *sizes: int) -> list[tuple[bytes, bytes]]:
    """Parts of a photo: metadata of its own, tables that all of them share, a picture of its own."""
    parts = [noise(20_000, f"metadata {number}"), b"tables" * 100, *(noise(size, (number, size)) for size in sizes)]
    return [(vault.keyring.part_id(PartKind.CONTENT, part), part) for part in parts]


def test_the_parts_of_a_photo_lie_side_by_side(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    photos = [photo(opened, number, 2_000_000 + 400_000 * (number % 5)) for number in range(24)]
    for one in photos:
        writer.add_content(one)
    writer.finish()
    for number, one in enumerate(photos):
        metadata, tables, picture = (opened.places.find(part_id) for part_id, _ in one)
        assert metadata.pack == picture.pack, number
        assert picture.start - metadata.end == (0 if number else tables.end - tables.start)
    assert (writer.written.new_parts, writer.written.known_parts) == (24 * 2 + 1, 23)


def test_what_repeats_within_a_file_is_stored_once(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    page = (opened.keyring.part_id(PartKind.CONTENT, b"page"), b"page")
    writer.add_content([page, page])
    writer.finish()
    assert (writer.written.new_parts, writer.written.known_parts) == (1, 1)


@pytest.mark.parametrize("parts", [[4 * 2**20] * 2, [60_000] * 250, [20_000, 4 * 2**20, 2**20, 20_000]])
def test_parts_that_belong_together_leave_no_pack_half_empty(
    parts: list[int], opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """A film of two large parts a window; nothing but small parts; a large photo."""
    writer = Writer(opened, workers)
    count = 64 * 2**20 // sum(parts)
    for number in range(count):
        writer.add_content((f"{number}.{at}".encode().ljust(32), bytes(size)) for at, size in enumerate(parts))
    writer.finish()
    stored = sum(len(storage.objects[name]) for name in names(storage, "packs/"))
    assert stored <= 1.4 * count * sum(parts), "a pack holds three parts of 4 MiB, not four"


def test_what_belongs_together_is_placed_alike_every_time(tmp_path: Path, workers: Workers) -> None:
    found = []
    for name in ("one", "two"):
        vault = make_vault(tmp_path / name)
        writer = Writer(vault, workers)
        for number in range(9):
            writer.add_content(photo(vault, number, 3_000_000))
        writer.finish()
        found.append({stored.name for stored in vault.door.listing("")})
        vault.places.close()
    assert found[0] == found[1]
