"""Reading: few requests, and what is lost costs only those who need it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import DamageError, MissingError, UnavailableError, UnknownVersionError
from photovault.model import Entry, EntryKind
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PartKind, Record
from photovault.vault.pack import Region, regions
from photovault.vault.places import Place
from photovault.vault.reader import GAP_MAX, RUN_MAX, Reader, runs
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.vault.some import add, names, noise, spoil, store

if TYPE_CHECKING:
    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault


# Requests.


def places(pack: int, *sizes: int, skip: frozenset[int] = frozenset()) -> list[Place]:
    """Places of parts that lie one after another in a pack, without some of them."""
    records = [
        Record(bytes([pack, n % 256, n // 256]).ljust(32), PartKind.CONTENT, Codec.PLAIN, size, size)
        for n, size in enumerate(sizes)
    ]
    found = [Place(pack=bytes([pack]) * 32, size=fmt.SIZE_MAX, region=region) for region in regions(records)]
    return [place for n, place in enumerate(found) if n not in skip]


def shapes(some: list[Place]) -> list[list[tuple[int, int]]]:
    return [[(place.pack[0], place.region.number) for place in run] for run in runs(some)]


def test_neighbours_are_one_request() -> None:
    assert shapes(places(1, 100, 200, 300)) == [[(1, 3), (1, 4), (1, 5)]]
    assert shapes([*reversed(places(1, 100, 200, 300))]) == [[(1, 3), (1, 4), (1, 5)]]
    assert shapes([]) == []


def test_packs_are_separate_requests() -> None:
    both = [place for pair in zip(places(1, 5, 5), places(2, 5, 5), strict=True) for place in pair]
    assert shapes(both) == [[(1, 3), (1, 4)], [(2, 3), (2, 4)]]


def test_a_small_gap_is_fetched_and_a_large_one_is_not() -> None:
    for gap, count in ((GAP_MAX - 16, 1), (GAP_MAX - 15, 2)):
        assert len(shapes(places(1, 100, gap, 100, skip=frozenset({1})))) == count


@given(st.lists(st.integers(0, fmt.PART_MAX), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_requests_are_bounded_and_whole(sizes: list[int], skip: set[int]) -> None:
    some = places(1, *sizes, skip=frozenset(skip))
    found = list(runs(some))
    assert [place for run in found for place in run] == some
    for run in found:
        length = run[-1].region.offset + run[-1].region.sealed_size - run[0].region.offset
        assert length <= max(RUN_MAX, fmt.PART_MAX + fmt.TAG)


def test_the_same_place_twice_is_one_request() -> None:
    (one,) = places(1, 100)
    assert len(list(runs([one, one]))) == 1


# Parts.


def fetched(vault: Vault, ids: list[bytes]) -> list[object]:
    reader = Reader(vault)
    found = reader.fetcher.fetch(map(reader.place, ids))
    return [found[part] for part in ids]


def kinds(vault: Vault, ids: list[bytes]) -> list[type]:
    return [type(one) for one in fetched(vault, ids)]


def only_pack(storage: MemoryStorage) -> str:
    (name,) = names(storage, "packs/")
    return name


PARTS = [noise(5000, n) for n in range(4)]


def test_parts_of_several_packs_are_read(opened: Vault, workers: Workers) -> None:
    ids = store(opened, workers, PARTS[:2]) + store(opened, workers, PARTS[2:])
    assert fetched(opened, ids) == PARTS
    assert fetched(opened, [ids[3], ids[0], ids[3]]) == [PARTS[3], PARTS[0], PARTS[3]]


def test_a_part_that_is_nowhere_is_damage(opened: Vault) -> None:
    with pytest.raises(DamageError, match="no pack"):
        Reader(opened).part(bytes(32))


def test_a_flipped_bit_costs_one_part(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = store(opened, workers, PARTS)
    spoil(storage, only_pack(storage), 112 + 5016 + 10)
    found = fetched(opened, ids)
    assert isinstance(found[1], DamageError)
    assert only_pack(storage) in found[1].what
    assert [found[0], *found[2:]] == [PARTS[0], *PARTS[2:]]
    with pytest.raises(DamageError):
        Reader(opened).part(ids[1])


@pytest.mark.parametrize("at", [0, 5, 7, 8, 12, 16, 48, 79])
def test_a_damaged_beginning_costs_the_pack(at: int, opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = store(opened, workers, PARTS)
    spoil(storage, only_pack(storage), at)
    assert kinds(opened, ids) == [DamageError] * 4


def test_a_flipped_version_byte_is_damage_and_not_a_later_version(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    """Otherwise one bad bit would stop every command with the advice to install a newer program."""
    ids = store(opened, workers, PARTS)
    spoil(storage, only_pack(storage), 6)
    assert kinds(opened, ids) == [DamageError] * 4


def test_a_pack_of_a_later_version_is_told(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    """Its name says that its bytes are as they were written."""
    ids = store(opened, workers, PARTS)
    data = bytearray(storage.objects[only_pack(storage)])
    data[6] = 2
    digest = hashlib.sha256(data).digest()
    storage.objects[fmt.object_name(ObjectKind.PACK, digest)] = bytes(data)
    place = opened.places.find(ids[0])
    assert place is not None
    later = Place(pack=digest, size=len(data), region=place.region)
    (found,) = Reader(opened).fetcher.fetch([later]).values()
    assert isinstance(found, UnknownVersionError)


def test_a_missing_pack_costs_its_parts(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = store(opened, workers, PARTS[:2])
    lost = only_pack(storage)
    ids += store(opened, workers, PARTS[2:])
    del storage.objects[lost]
    assert kinds(opened, ids) == [MissingError, MissingError, bytes, bytes]


@pytest.mark.parametrize(
    ("left", "whole"), [(0, 0), (79, 0), (80, 0), (112, 0), (5127, 0), (5128, 1), (12_000, 2), (20_176, 4)]
)
def test_a_pack_cut_short_still_gives_what_it_has(
    left: int, whole: int, opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    ids = store(opened, workers, PARTS)
    storage.objects[only_pack(storage)] = storage.objects[only_pack(storage)][:left]
    assert kinds(opened, ids) == [bytes] * whole + [MissingError] * (4 - whole)


def test_a_storage_that_fails_for_now_is_no_damage(
    opened: Vault, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may be told that photos are lost because a cable was pulled."""
    ids = store(opened, workers, PARTS)

    def gone(*_: object) -> bytes:
        raise UnavailableError("unplugged")

    monkeypatch.setattr(opened.door, "get", gone)
    with pytest.raises(UnavailableError):
        fetched(opened, ids)


def test_a_wrong_place_does_not_open(opened: Vault, workers: Workers) -> None:
    """An index that lies gives damage, never other bytes."""
    ids = store(opened, workers, PARTS)
    fetcher = Reader(opened).fetcher
    good = opened.places.find(ids[0])
    other = opened.places.find(ids[1])
    assert good is not None
    assert other is not None
    for region in (
        Region(number=4, offset=good.region.offset, record=good.region.record),
        Region(number=3, offset=good.region.offset + 1, record=good.region.record),
        Region(number=4, offset=other.region.offset, record=good.region.record),
        Region(number=3, offset=112, record=other.region.record),
    ):
        found = fetcher.fetch([Place(pack=good.pack, size=good.size, region=region)])
        assert isinstance(found[region.record.part_id], DamageError)
    far = Region(number=3, offset=2**40, record=good.region.record)
    (found_far,) = fetcher.fetch([Place(pack=good.pack, size=good.size, region=far)]).values()
    assert isinstance(found_far, MissingError)


# Folders.


def file(name: bytes, *parts: bytes) -> Entry:
    return Entry(name=name, kind=EntryKind.FILE, mode=0o644, mtime_ns=0, digest=bytes(32), parts=parts)


def folder(name: bytes, pages: list[bytes]) -> Entry:
    return Entry(name=name, kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=tuple(pages))


def listing(writer: Writer, *some: Entry) -> list[bytes]:
    ordered = sorted(some, key=lambda entry: entry.name)
    return [writer.add_listing(page) for page in fmt.encode_pages((e.name, fmt.encode_entry(e)) for e in ordered)]


def walked(vault: Vault, root: list[bytes]) -> list[tuple[bytes, str]]:
    return [
        (b"/".join(path), "lost" if isinstance(entry, DamageError) else str(entry.kind))
        for path, entry in Reader(vault).walk(root)
    ]


def test_a_tree_is_walked_folders_first(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    inner = listing(writer, file(b"z"), file(b"a"))
    root = listing(writer, folder(b"m", inner), folder(b"empty", []), file(b"b"), folder(b"n", inner))
    writer.finish()
    assert walked(opened, root) == [
        (b"b", "file"),
        (b"empty", "folder"),
        (b"m", "folder"),
        (b"m/a", "file"),
        (b"m/z", "file"),
        (b"n", "folder"),
        (b"n/a", "file"),
        (b"n/z", "file"),
    ]


def test_a_lost_page_costs_what_is_on_it(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    writer = Writer(opened, workers)
    lost = listing(writer, file(b"x"))
    writer.finish()
    spoil(storage, only_pack(storage), 120)
    many = Writer(opened, workers)
    good = listing(many, file(b"y"))
    root = listing(many, folder(b"1", lost), folder(b"2", good), folder(b"3", [bytes(32)]))
    many.finish()
    assert walked(opened, root) == [
        (b"1", "folder"),
        (b"1", "lost"),
        (b"2", "folder"),
        (b"2/y", "file"),
        (b"3", "folder"),
        (b"3", "lost"),
    ]


def test_a_part_that_is_no_page_is_a_lost_page(opened: Vault, workers: Workers) -> None:
    """A listing that refers to a photo, or a photo that looks like JSON, is no way in."""
    writer = Writer(opened, workers)
    photo, page = add(writer, opened, noise(100)), add(writer, opened, b'{"entries":[{}],"version":1}')
    writer.finish()
    assert walked(opened, [photo, page]) == [(b"", "lost"), (b"", "lost")]


@pytest.mark.parametrize("name", [b"..", b".", b"a/b", b"/", b"\0"])
def test_a_hostile_name_is_delivered_and_nothing_is_done_with_it(name: bytes, opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    root = listing(writer, file(name))
    writer.finish()
    assert walked(opened, root) == [(name, "file")]


def test_a_deep_tree_needs_no_deep_stack(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    pages: list[bytes] = listing(writer, file(b"x"))
    for _ in range(1500):
        pages = listing(writer, folder(b"d", pages))
    writer.finish()
    assert len(walked(opened, pages)) == 1501


# Fewer requests.


def counted(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The offset of every request from now on."""
    asked: list[int] = []
    real = storage.get

    def get(name: str, offset: int = 0, length: int | None = None) -> bytes:
        asked.append(offset)
        return real(name, offset, length)

    monkeypatch.setattr(storage, "get", get)
    return asked


def test_what_is_looked_at_ahead_is_one_request_and_is_fetched_once(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = store(opened, workers, [noise(5000, n) for n in range(5)])
    reader, asked = Reader(opened), counted(storage, monkeypatch)
    reader.look_ahead(ids)
    assert [reader.part(one) for one in ids] == [noise(5000, n) for n in range(5)]
    assert len(asked) == 1
    assert reader.part(ids[0]) == noise(5000, 0)
    assert len(asked) == 2


def test_a_pack_that_was_prepared_costs_no_request_for_its_beginning(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = store(opened, workers, [noise(100_000, n) for n in range(3)])
    reader, asked = Reader(opened), counted(storage, monkeypatch)
    place = reader.place(ids[2])
    reader.fetcher.prepare(place)
    assert asked == [0]
    assert reader.fetcher.fetch([place]) == {ids[2]: noise(100_000, 2)}
    assert asked == [0, place.region.offset]


def test_preparing_a_pack_that_is_lost_says_nothing_yet(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    (part,) = store(opened, workers, [noise(500)])
    reader = Reader(opened)
    del storage.objects[only_pack(storage)]
    reader.fetcher.prepare(reader.place(part))
    assert isinstance(reader.fetcher.fetch([reader.place(part)])[part], MissingError)


def test_a_tiny_part_that_many_files_share_is_fetched_once(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tables,) = store(opened, workers, [b"tables" * 100])
    pictures = store(opened, workers, [noise(50_000, n) for n in range(4)])
    reader, asked = Reader(opened), counted(storage, monkeypatch)
    for picture in pictures:
        found = reader.fetcher.fetch(map(reader.place, [tables, picture]))
        assert found[tables] == b"tables" * 100
    assert len(asked) == 2 + 4 - 1, "the beginning of the second pack comes along with its first part"


def test_folders_in_folders_are_walked_in_two_requests(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(opened, workers)
    for number in range(5):
        add(writer, opened, noise(500_000, number))
    parts: tuple[bytes, ...] = ()
    for depth in range(20):
        name = f"{depth:02}".encode()
        entry = Entry(name=name, kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=parts)
        parts = tuple(writer.add_listing(page) for page in fmt.encode_pages([(name, fmt.encode_entry(entry))]))
    writer.finish()
    reader, asked = Reader(opened, around=True), counted(storage, monkeypatch)
    assert len(list(reader.walk(parts))) == 20
    assert len(asked) <= 2


def test_a_page_of_a_pack_that_was_cut_short_behind_it_is_read(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    writer = Writer(opened, workers)
    first, _ = writer.add_listing(noise(3000)), writer.add_listing(noise(90_000))
    writer.finish()
    reader, name = Reader(opened, around=True), only_pack(storage)
    storage.objects[name] = storage.objects[name][:20_000]
    assert reader.part(first) == noise(3000)


def test_threads_that_need_one_pack_fetch_its_beginning_once(
    opened: Vault, storage: MemoryStorage, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = store(opened, workers, [noise(100_000, n) for n in range(9)])
    reader = Reader(opened)
    places, asked = [reader.place(one) for one in ids[1:]], counted(storage, monkeypatch)
    with Workers(8) as many:
        found = [plain for _, plain in many.ordered(lambda place: reader.fetcher.fetch([place]), places, 8)]
    assert [one[part] for one, part in zip(found, ids[1:], strict=True)] == [noise(100_000, n) for n in range(1, 9)]
    assert asked.count(0) == 1


# A part in several packs.


def twice(vault: Vault, workers: Workers) -> tuple[bytes, str, str]:
    """A part that lies in two packs; its id, and where it is read from first."""
    (part,) = store(vault, workers, [noise(9000)])
    first = Reader(vault).place(part)
    vault.places.shun([first.pack])  # so that it is stored again
    store(vault, workers, [noise(9000), noise(2000, 1)])
    vault.places.shun([])
    place = Reader(vault).place(part)
    assert len(place.others) == 1
    return part, place.pack_name, place.others[0].pack_name


@pytest.mark.parametrize("gone", [True, False])
def test_a_part_that_is_damaged_in_one_pack_is_read_from_another(
    opened: Vault, storage: MemoryStorage, workers: Workers, gone: bool
) -> None:
    part, first, _ = twice(opened, workers)
    if gone:
        del storage.objects[first]
    else:
        spoil(storage, first)
    reader = Reader(opened)
    assert reader.part(part) == noise(9000)
    assert reader.fetcher.damaged == {fmt.digest_of(first): {part}}


def test_a_part_that_is_damaged_everywhere_is_an_error(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    part, first, second = twice(opened, workers)
    for name in (first, second):
        spoil(storage, name)
    reader = Reader(opened)
    with pytest.raises(DamageError):
        reader.part(part)
    assert set(reader.fetcher.damaged) == {fmt.digest_of(first), fmt.digest_of(second)}
