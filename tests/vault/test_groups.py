"""Parts that are stored together as JPEG XL: they come back, all from one request and one decoding, or are named as damaged."""

from __future__ import annotations

import hashlib
import io
from itertools import pairwise
from typing import TYPE_CHECKING

import imagecodecs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photovault.errors import DamageError, PhotovaultError, UndecodableError
from photovault.vault import format as fmt
from photovault.vault.format import Codec as Codecs
from photovault.vault.format import ObjectKind, PackEntry, PartKind, Record
from photovault.vault.pack import Draft, decode_group, group_records, grouped, open_object, plain_record, regions
from photovault.vault.places import WINDOW, Place, Places, windows
from photovault.vault.reader import RUN_MAX, Reader, runs
from photovault.vault.writer import Writer, merged, pour
from tests.vault.some import Codec, add, add_group, elsewhere, names, noise, spoil

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

MIB = 2**20
PARTS = [noise(3_000, n) for n in range(3)]


@pytest.fixture
def codec(opened: Vault) -> Codec:
    made = Codec()
    opened.unpack = made.unpack
    return made


def records_of(vault: Vault, storage: MemoryStorage) -> list[list[Record]]:
    """The records of each pack, by its own trailer."""
    packs = (open_object(vault.keyring, ObjectKind.PACK, storage.objects[name]) for name in names(storage, "packs/"))
    return [[region.record for region in pack.regions] for pack in packs]


def read(vault: Vault, ids: list[bytes]) -> list[object]:
    reader = Reader(vault)
    found = reader.fetcher.fetch(map(reader.place, ids))
    return [found[part] for part in ids]


# They come back.


@pytest.mark.parametrize("sizes", [[1], [500], [3_000, 2_000, 4_000], [4 * MIB, 4 * MIB, 1_000], [1] * 40])
@pytest.mark.parametrize("head", [b"", b"\xff\xd8", b"\xff\xd8" + b"tables" * 100])
def test_a_group_comes_back(sizes: list[int], head: bytes, opened: Vault, workers: Workers, codec: Codec) -> None:
    parts = [noise(size, n) for n, size in enumerate(sizes)]
    if len(codec.pack(head + b"".join(parts))) > sum(sizes):
        head = b""  # no group becomes larger
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, parts, head)
    writer.finish()
    codec.asked = 0
    assert read(opened, ids) == parts
    assert codec.asked == 1
    assert writer.written.packed_bytes == sum(sizes) >= writer.written.packed_stored


def test_groups_and_plain_parts_are_neighbours(
    opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    writer = Writer(opened, workers)
    ids = [add(writer, opened, b"before")]
    ids += add_group(writer, opened, codec, PARTS)
    ids += add_group(writer, opened, codec, [noise(2_000, "single")])
    ids += add_group(writer, opened, codec, [noise(700, "x"), noise(800, "y")])
    ids += [add(writer, opened, b"after")]
    writer.finish()
    (records,) = records_of(opened, storage)
    assert "".join(str(record.codec.value) for record in records) == "03443340"
    wanted = [b"before", *PARTS, noise(2_000, "single"), noise(700, "x"), noise(800, "y"), b"after"]
    assert read(opened, ids) == wanted
    assert [Reader(opened).part(one) for one in ids] == wanted
    assert Reader(opened).fetcher.fetch([Reader(opened).place(ids[2])]) == {ids[2]: PARTS[1]}


def test_a_group_with_room_to_the_last_byte_fills_a_pack(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    lengths = [4 * MIB] * 4
    ids = [noise(32, n) for n in range(5)]
    room = fmt.SIZE_MAX - fmt.OVERHEAD - 5 * fmt.PER_PART
    parts = list(zip(ids, [*lengths, 4 * MIB], strict=True))
    assert group_records(parts, bytes(room + 1), 2) is None
    writer = Writer(opened, workers)
    add(writer, opened, b"small")
    assert not writer.add_group(parts, bytes(room + 1))
    assert writer.add_group(parts, bytes(room))
    assert not writer.has(noise(32, 9))
    assert all(writer.has(one) for one in ids)
    writer.finish()
    sizes = sorted(len(storage.objects[name]) for name in names(storage, "packs/"))
    assert sizes == [fmt.SIZE_MIN, fmt.SIZE_MAX]


def test_what_the_vault_has_is_not_stored_again(
    opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    """Twins that were packed at the same time: the second one finds all its parts there."""
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, PARTS)
    parts = [(one, 3_000) for one in ids]
    assert not writer.add_group(parts, codec.pack(b"\xff\xd8" + b"".join(PARTS)))
    assert not writer.add_group([(noise(32, "new"), 10), parts[1]], b"123")
    assert not any(add(writer, opened, part) != one for part, one in zip(PARTS, ids, strict=True))
    writer.finish()
    assert (writer.written.new_parts, writer.written.known_parts) == (3, 3)
    assert [len(records) for records in records_of(opened, storage)] == [3]


@pytest.mark.parametrize(
    ("lengths", "size", "skip"),
    [
        ([], 0, 2),
        ([10], 0, 2),
        ([10], 11, 2),
        ([4 * MIB + 1], 100, 2),
        ([4 * MIB] * 9, 100, 2),
        ([4 * MIB] * 8, 100, 1),
        ([10], 5, 65_536),
        ([10], 5, -1),
        ([1] * 200_000, 100_000, 2),
    ],
)
def test_an_impossible_group_is_not_made(lengths: list[int], size: int, skip: int) -> None:
    assert group_records([(bytes(32), length) for length in lengths], bytes(size), skip) is None


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), st.floats(0, 1), st.integers(0, 65_535))
def test_a_share_is_never_larger_than_its_part(lengths: list[int], share: float, skip: int) -> None:
    jxl = noise(max(1, int(sum(lengths) * share)))
    records = group_records([(bytes(32), length) for length in lengths], jxl, skip)
    if len(jxl) > sum(lengths):
        assert records is None
        return
    assert records is not None
    assert sum(record.stored for record in records) == len(jxl)
    assert all(record.stored <= record.length for record in records)
    ends = [0, *(sum(record.stored for record in records[:n]) for n in range(1, len(records) + 1))]
    digests = [hashlib.sha256(jxl[start:end]).digest() for start, end in pairwise(ends)]
    assert [record.digest for record in records] == digests
    assert fmt.read_records(b"".join(record.encode() for record in records), ObjectKind.PACK) == records


def small_jpeg() -> bytes:
    image = Image.effect_noise((160, 120), 60).convert("RGB")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    jpeg = out.getvalue()
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]  # without JFIF: metadata are another part


def test_a_real_jpeg_xl_comes_back(opened: Vault, workers: Workers) -> None:
    opened.unpack = lambda jxl, _size: bytes(imagecodecs.jpegxl_decode_jpeg(jxl))
    jpeg = small_jpeg()
    parts = [jpeg[2:1000], jpeg[1000:]]
    ids = [opened.keyring.part_id(PartKind.CONTENT, part) for part in parts]
    writer = Writer(opened, workers)
    jxl = imagecodecs.jpegxl_encode_jpeg(jpeg)
    assert writer.add_group(list(zip(ids, map(len, parts), strict=True)), jxl)
    writer.finish()
    assert read(opened, ids) == parts


# Places.


def test_an_index_and_a_trailer_say_the_same_of_a_group(
    tmp_path: Path, opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    writer = Writer(opened, workers)
    ids = [add(writer, opened, b"before"), *add_group(writer, opened, codec, PARTS, b"\xff\xd8 and tables")]
    writer.finish()
    for what in ("index/", "nothing"):
        for name in names(storage, what):
            del storage.objects[name]
        other = elsewhere(opened, storage, tmp_path / what.rstrip("/"))
        other.unpack = codec.unpack
        assert other.refresh().findings == ()
        assert read(other, ids) == [b"before", *PARTS]
        place = other.places.find(ids[2])
        assert place is not None
        assert [region.number for region in place.group] == [4, 5, 6]
        assert place.region == place.group[1]
        assert place.group[0].record.skip == len(b"\xff\xd8 and tables")
        other.places.close()


def test_a_group_is_whole_though_one_of_its_parts_has_another_place(
    tmp_path: Path, opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    """Two devices stored the same part, one plain and one in a group: the others of the group still need its bytes."""
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, PARTS)
    writer.finish()
    (packed,) = names(storage, "packs/")
    other = elsewhere(opened, storage, tmp_path)
    other.places.add_pack(
        PackEntry(name=bytes(32), size=2**14, records=(plain_record(ids[0], PartKind.CONTENT, 9),)), indexed=True
    )
    other.places.add_pack(opened.read_trailer(fmt.digest_of(packed), 2**14), indexed=True)
    other.unpack = codec.unpack
    first, second = other.places.find(ids[0]), other.places.find(ids[1])
    assert first is not None
    assert second is not None
    assert (first.pack, first.group) == (bytes(32), ())
    assert len(second.group) == 3
    assert read(other, ids[1:]) == PARTS[1:]
    other.places.close()


def test_a_group_that_is_half_forgotten_here_is_damage_and_no_other_bytes(
    opened: Vault, workers: Workers, codec: Codec
) -> None:
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, PARTS)
    writer.finish()
    for spoilt in (b"", b"\xff" * 44, b"x" * 7, None):
        query = "DELETE FROM groups" if spoilt is None else "UPDATE groups SET records = ?"
        opened.places._db.execute(query, () if spoilt is None else (spoilt,))
        assert [type(one) for one in read(opened, ids)] == [DamageError] * 3


def test_an_old_memory_of_places_is_begun_anew(tmp_path: Path) -> None:
    """It knows no groups."""
    import sqlite3

    path = tmp_path / "places.sqlite"
    places = Places(path)
    places.add_index(bytes(32))
    places.commit()
    places.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 2")
    db.commit()
    db.close()
    again = Places(path)
    assert again.indexes() == set()
    again.close()


# Requests.


def watched(storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int | None]]:
    asked: list[tuple[int, int | None]] = []
    real = storage.get

    def get(name: str, offset: int = 0, length: int | None = None) -> bytes:
        asked.append((offset, length))
        return real(name, offset, length)

    monkeypatch.setattr(storage, "get", get)
    return asked


def test_a_group_is_one_request_though_it_is_larger_than_others_may_be(
    opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [noise(4 * MIB - n, n) for n in range(3)]
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, parts)
    writer.finish()
    codec.asked = 0
    asked = watched(storage, monkeypatch)
    assert read(opened, ids) == parts
    assert [length for _, length in asked if length and length > RUN_MAX] == [max(length or 0 for _, length in asked)]
    assert len(asked) == 1
    assert codec.asked == 1


def test_a_file_that_is_read_part_by_part_is_decoded_once(opened: Vault, workers: Workers, codec: Codec) -> None:
    writer = Writer(opened, workers)
    ids = add_group(writer, opened, codec, PARTS)
    writer.finish()
    reader = Reader(opened)
    codec.asked = 0
    assert [reader.part(one) for one in ids] == PARTS
    assert codec.asked == 1
    assert reader.fetcher._beside._size == 0
    assert reader.part(ids[1]) == PARTS[1]
    assert codec.asked == 2


def test_what_is_kept_beside_is_bounded(opened: Vault, workers: Workers, codec: Codec) -> None:
    writer = Writer(opened, workers)
    groups = [[noise(100, f"{n} a"), noise(3 * MIB, n)] for n in range(14)]
    ids = [add_group(writer, opened, codec, parts) for parts in groups]
    writer.finish()
    reader = Reader(opened)
    for (small, _), (data, _) in zip(ids, groups, strict=True):
        assert reader.part(small) == data
    assert 28 * MIB < reader.fetcher._beside._size <= 32 * MIB
    codec.asked = 0
    assert reader.part(ids[-1][1]) == groups[-1][1]
    assert codec.asked == 0
    assert reader.part(ids[0][1]) == groups[0][1]
    assert codec.asked == 1


# Damage.


def stored_group(vault: Vault, workers: Workers, codec: Codec) -> list[bytes]:
    """A plain part, a group of three, a plain part."""
    writer = Writer(vault, workers)
    ids = [add(writer, vault, b"before"), *add_group(writer, vault, codec, PARTS), add(writer, vault, b"after")]
    writer.finish()
    return ids


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flipped_bit_costs_the_group_and_nothing_beside_it(
    number: int, opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    ids = stored_group(opened, workers, codec)
    place = opened.places.find(ids[1 + number])
    assert place is not None
    spoil(storage, place.pack_name, place.region.offset + 5)
    found = read(opened, ids)
    assert [type(one) for one in found] == [bytes, DamageError, DamageError, DamageError, bytes]
    assert all(place.pack_name in str(one) for one in found[1:4])


def test_a_group_cut_short_in_the_storage_costs_what_is_cut(
    opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    ids = stored_group(opened, workers, codec)
    (name,) = names(storage, "packs/")
    storage.objects[name] = storage.objects[name][:5_000]
    kinds = [isinstance(one, PhotovaultError) for one in read(opened, ids)]
    assert kinds == [False, True, True, True, True]


@pytest.mark.parametrize("wrong", ["longer", "shorter", "other", "empty", "refused"])
def test_a_decoder_is_not_trusted(wrong: str, opened: Vault, workers: Workers, codec: Codec) -> None:
    ids = stored_group(opened, workers, codec)

    def unpack(jxl: bytes, size: int) -> bytes:
        good = codec.unpack(jxl, size)
        if wrong == "refused":
            raise DamageError("the decoder was killed")
        other = good[:-1] + bytes([good[-1] ^ 1])
        return {"longer": good + b"x", "shorter": good[:-1], "other": other, "empty": b""}[wrong]

    opened.unpack = unpack
    assert [type(one) for one in read(opened, ids)] == [bytes, DamageError, DamageError, DamageError, bytes]


def test_without_a_decoder_it_is_said_what_to_install(
    tmp_path: Path, opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    ids = stored_group(opened, workers, codec)
    bare = elsewhere(opened, storage, tmp_path)
    bare.refresh()
    assert read(bare, [ids[0], ids[-1]]) == [b"before", b"after"]
    found = read(bare, ids)
    lacking = [one for one in found if isinstance(one, UndecodableError)]
    assert (len(lacking), found[0], found[-1]) == (len(ids) - 2, b"before", b"after"), "and nothing else is lost"
    assert "photovault[jxl]" in lacking[0].hint
    bare.places.close()


def test_a_part_of_a_group_does_not_decode_by_itself() -> None:
    more = Record(bytes(32), PartKind.CONTENT, Codecs.JXL_MORE, 5, 5)
    with pytest.raises(DamageError, match="not whole"):
        decode_group([more], [b"12345"], lambda _jxl, _size: b"12345")


# What is no group.


def records(*some: tuple[Codecs, PartKind, int, int]) -> list[Record]:
    """Records by codec, kind, length and skip."""
    return [Record(bytes(32), kind, codec, size, min(size, 4), noise(32), skip) for codec, kind, size, skip in some]


JXL, MORE, ZLIB, CONTENT = Codecs.JXL, Codecs.JXL_MORE, Codecs.ZLIB, PartKind.CONTENT
IMPOSSIBLE = {
    "goes on with nothing": records((MORE, CONTENT, 9, 0)),
    "goes on after another codec": records((JXL, CONTENT, 9, 2), (ZLIB, CONTENT, 9, 0), (MORE, CONTENT, 9, 0)),
    "of listings": records((JXL, PartKind.LISTING, 9, 2)),
    "of a thumbnail": records((JXL, PartKind.THUMBNAIL, 9, 2)),
    "goes on with a listing": records((JXL, CONTENT, 9, 2), (MORE, PartKind.LISTING, 9, 0)),
    "skips in the middle": records((JXL, CONTENT, 9, 2), (MORE, CONTENT, 9, 2)),
    "too large": records((JXL, CONTENT, 4 * MIB, 1), *[(MORE, CONTENT, 4 * MIB, 0)] * 7),
    "zlib that skips": records((ZLIB, CONTENT, 9, 1)),
    "a thumbnail in zlib": records((ZLIB, PartKind.THUMBNAIL, 9, 0)),
    "plain that skips": [Record(bytes(32), CONTENT, Codecs.PLAIN, 9, 9, skip=1)],
}


@pytest.mark.parametrize("wrong", IMPOSSIBLE)
def test_what_is_no_group_is_damage(wrong: str) -> None:
    """In the trailer of a pack and in an index alike."""
    trailer = b"".join(record.encode() for record in IMPOSSIBLE[wrong])
    with pytest.raises(DamageError, match="lists"):
        fmt.read_records(trailer, ObjectKind.PACK)
    with pytest.raises(DamageError, match="lists"):
        fmt.read_index(fmt.encode_index([PackEntry(name=bytes(32), size=2**14, records=tuple(IMPOSSIBLE[wrong]))]))


KINDS = st.sampled_from([CONTENT, PartKind.LISTING, PartKind.THUMBNAIL])
FIELDS = st.tuples(KINDS, st.sampled_from(Codecs), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2))


@given(st.lists(FIELDS, max_size=6))
def test_any_records_are_groups_or_refused(fields: list[tuple[PartKind, Codecs, int, int, int]]) -> None:
    made = [Record(bytes(32), kind, codec, length, stored, skip=skip) for kind, codec, length, stored, skip in fields]
    try:
        found = fmt.read_records(b"".join(record.encode() for record in made), ObjectKind.PACK)
    except DamageError:
        return
    assert found == made
    groups = list(grouped(regions(found)))
    assert [region for group in groups for region in group] == list(regions(found))
    for group in groups:
        codecs = [region.record.codec for region in group]
        assert len(codecs) == 1 or codecs == [JXL] + [MORE] * (len(codecs) - 1)
        assert codecs[0] is not MORE


# Packs.


@given(st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=4), max_size=12))
def test_pouring_keeps_groups_together(shapes: list[list[int]]) -> None:
    drafts = [Draft(ObjectKind.PACK, bytearray(200_000)) for _ in range(3)]
    for number, lengths in enumerate(shapes):
        ids = [(bytes([number, n]).ljust(32), length) for n, length in enumerate(lengths)]
        jxl = bytes([number]) * sum(lengths)
        made = group_records(ids, jxl, 2) if number % 3 else [plain_record(ids[0][0], CONTENT, lengths[0])]
        assert made is not None
        drafts[number % 2].extend(made, jxl)
    found = []
    for draft in merged(drafts):
        for group in grouped(regions(draft.records)):
            assert len({region.record.part_id[0] for region in group}) == 1
            found += [region.record.part_id[:2] for region in group]
        at = 0
        for record in draft.records:
            assert bytes(draft.plain[at : at + record.stored]) == record.part_id[:1] * record.stored
            at += record.stored
    wanted = [bytes([n, m]) for n, lengths in enumerate(shapes) for m in range(len(lengths) if n % 3 else 1)]
    assert sorted(found) == sorted(wanted)


def test_pouring_moves_every_byte() -> None:
    small, large = (Draft(ObjectKind.PACK, bytearray(100)) for _ in range(2))
    large.add(plain_record(b"a" * 32, CONTENT, 1), b"x")
    small.extend([plain_record(b"b" * 32, CONTENT, 2), plain_record(b"c" * 32, CONTENT, 3)], b"yyzzz")
    pour(small, large)
    assert bytes(large.plain[: large.used]) == b"xyyzzz"
    assert [record.stored for record in large.records] == [1, 2, 3]


# Thumbnails.


def test_thumbnails_have_packs_of_their_own(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    """A bare machine browses without fetching photos."""
    writer = Writer(opened, workers)
    ids = []
    for number in range(40):
        add(writer, opened, noise(3 * MIB, number))
        ids.append(writer.add_thumbnail(noise(40_000, f"t{number}")))
        writer.add_listing(b"[]" * (200 + number))
    assert writer.add_thumbnail(noise(40_000, "t7")) == ids[7]
    writer.finish()
    packs = [{record.kind for record in found} for found in records_of(opened, storage)]
    assert sum(PartKind.THUMBNAIL in kinds for kinds in packs) == 1
    assert (writer.written.thumbnails, writer.written.thumbnail_bytes) == (40, 1_600_000)
    assert read(opened, ids) == [noise(40_000, f"t{number}") for number in range(40)]


@pytest.mark.parametrize("size", [0, 4 * MIB + 1])
def test_a_thumbnail_that_no_part_can_hold_is_left_out(size: int, opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    assert writer.add_thumbnail(bytes(size)) == b""
    writer.finish()
    assert writer.written.objects == 0


def test_a_thumbnail_is_not_the_content_of_the_same_bytes(opened: Vault, workers: Workers) -> None:
    writer = Writer(opened, workers)
    assert writer.add_thumbnail(b"webp") != add(writer, opened, b"webp")
    writer.finish()
    assert writer.written.new_parts == 2


# Whatever is flipped, and whatever is asked for.


def test_a_flipped_bit_anywhere_gives_the_right_bytes_or_damage(
    opened: Vault, storage: MemoryStorage, workers: Workers, codec: Codec
) -> None:
    ids = stored_group(opened, workers, codec)
    wanted = [b"before", *PARTS, b"after"]
    (name,) = names(storage, "packs/")
    whole, used = storage.objects[name], 112 + sum(map(len, wanted))
    places = [opened.places.find(one) for one in ids]
    inside = range(places[1].group[0].offset, places[1].end)
    for at in [*range(130), *range(130, used, 97), *range(inside.start - 3, inside.start + 3), inside.stop - 1]:
        storage.objects[name] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        found = read(opened, ids)
        for one, data in zip(found, wanted, strict=True):
            assert isinstance(one, DamageError) or one == data
        spoilt = [isinstance(one, DamageError) for one in found]
        if at in inside:
            assert spoilt == [False, True, True, True, False], at


@given(
    st.lists(st.lists(st.integers(1, 4 * MIB), min_size=1, max_size=5), min_size=1, max_size=8),
    st.randoms(),
    st.booleans(),
)
def test_requests_and_windows_hold_whole_groups(shapes: list[list[int]], random: Random, backwards: bool) -> None:
    """Whatever parts are asked for, those of a group come together, and nothing else makes a request too large."""
    found = []
    for number, lengths in enumerate(shapes):
        codecs = [JXL] + [MORE] * (len(lengths) - 1) if number % 2 else [Codecs.PLAIN] * len(lengths)
        found += [
            Record(bytes([number, n]).ljust(32), CONTENT, codec, size, size)
            for n, (codec, size) in enumerate(zip(codecs, lengths, strict=True))
        ]
    some = [
        Place(
            pack=b"p" * 32, size=fmt.SIZE_MAX, region=region, group=group if region.record.codec in fmt.GROUPED else ()
        )
        for group in grouped(regions(found))
        for region in group
    ]
    wanted = [place for place in some if random.random() < 0.8]
    wanted = wanted[::-1] if backwards else wanted
    requests = list(runs(wanted))
    assert sorted(place.region for run in requests for place in run) == sorted(place.region for place in wanted)
    for run in requests:
        groups = {place.start for place in run}
        assert run[-1].end - run[0].start <= RUN_MAX or len(groups) == 1
    starts = [{place.start for place in run if place.group} for run in requests]
    assert sum(map(len, starts)) == len(set().union(*starts)) if starts else True
    found = list(windows(wanted))
    assert [place for window in found for place in window] == wanted
    for one, other in pairwise(found):
        assert not one[-1].is_with(other[0])
    for window in found:
        before = [place.region.record.length for place in window if not place.is_with(window[-1])]
        assert sum(before) <= WINDOW
