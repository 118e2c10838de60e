"""The memory of the index: it may be lost or damaged at any time, and nothing in the vault is."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from photovault.errors import RefusedError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, PackEntry, PartKind, Record
from photovault.vault.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def digest(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def record(text: object, stored: int = 100) -> Record:
    return Record(part_id=digest(text), kind=PartKind.CONTENT, codec=Codec.PLAIN, length=stored, stored=stored)


def pack(name: str, *parts: object) -> PackEntry:
    return PackEntry(name=digest(name), size=2**15, records=tuple(map(record, parts)))


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    places = Places(tmp_path / "cache" / "places.sqlite")
    yield places
    places.close()


def test_a_part_is_found_where_its_pack_has_it(places: Places) -> None:
    listed = Record(part_id=digest("page"), kind=PartKind.LISTING, codec=Codec.ZLIB, length=500, stored=70)
    one = PackEntry(name=digest("one"), size=2**15, records=(record("a"), listed, record("b", 0)))
    places.add_pack(one, indexed=True)
    found = [places.find(digest(text)) for text in ("a", "page", "b")]
    assert [(place.region.number, place.region.offset) for place in found if place] == [(3, 112), (4, 228), (5, 314)]
    assert [place.region.record for place in found if place] == list(one.records)
    assert {(place.pack, place.size) for place in found if place} == {(one.name, one.size)}
    assert found[0] is not None
    assert found[0].pack_name == fmt.object_name(fmt.ObjectKind.PACK, one.name)
    assert places.find(digest("c")) is None
    assert places.has(digest("a"))
    assert not places.has(digest("c"))
    assert places.parts_of(one.name) == sorted(map(digest, ("a", "page", "b")))


def test_a_part_in_two_packs_keeps_its_first_place(places: Places) -> None:
    places.add_pack(pack("one", "a", "b"), indexed=True)
    places.add_pack(pack("two", "b", "c"), indexed=True)
    found = {text: place.pack for text in "abc" if (place := places.find(digest(text)))}
    assert found == {"a": digest("one"), "b": digest("one"), "c": digest("two")}
    assert places.packs() == {digest("one"): 2**15, digest("two"): 2**15}


def test_a_part_in_two_packs_is_read_from_the_one_that_stays(places: Places) -> None:
    places.add_pack(pack("one", "a", "b"), indexed=True)
    places.add_pack(pack("two", "b", "c"), indexed=True)
    assert [place.pack for place in places.places_of(digest("b"))] == [digest("one"), digest("two")]
    places.shun([digest("one")])
    assert [place.pack for place in places.places_of(digest("b"))] == [digest("two"), digest("one")]
    assert [places.has(digest(text)) for text in "abc"] == [False, True, True]
    assert places.find(digest("a")) is not None, "what is going to be removed can be read until then"
    places.shun([digest("two")])
    assert [places.has(digest(text)) for text in "abc"] == [True, True, False]


def test_nothing_new_relies_on_what_was_found_damaged(places: Places) -> None:
    places.add_pack(pack("one", "a", "b"), indexed=True)
    places.add_pack(pack("two", "b"), indexed=True)
    places.doubt(digest("one"), [digest("b")])
    assert [places.has(digest(text)) for text in "ab"] == [True, True]
    assert [place.pack for place in places.places_of(digest("b"))] == [digest("two"), digest("one")]
    places.doubt(digest("two"))
    places.shun([digest("two")])
    assert [places.has(digest(text)) for text in "ab"] == [True, False]
    places.doubt(digest("one"))
    assert not places.has(digest("a"))
    places.undoubt(digest("one"))
    assert [places.has(digest(text)) for text in "ab"] == [True, True]


def test_of_a_pack_found_damaged_as_a_whole_no_part_counts_again(places: Places) -> None:
    places.add_pack(pack("one", "a", "b"), indexed=True)
    places.doubt(digest("one"))
    places.doubt(digest("one"), [digest("a")])
    assert not places.has(digest("b"))


def test_packs_that_were_removed_on_purpose_take_their_parts_along(places: Places) -> None:
    for number in range(1100):
        places.add_pack(pack(f"pack {number}", f"part {number}", "shared"), indexed=True)
    places.drop_packs([*(digest(f"pack {number}") for number in range(1, 1100)), digest("unknown")])
    assert places.packs() == {digest("pack 0"): 2**15}
    assert places.has(digest("shared"))
    assert not any(places.has(digest(f"part {number}")) for number in range(1, 1100))


def test_which_retention_records_were_heeded_is_remembered(places: Places) -> None:
    places.heed([digest("one"), digest("two")])
    places.heed([digest("two"), digest("three")])
    assert places.heeded() == {digest("two"), digest("three")}


def test_a_part_twice_in_one_pack_has_one_place(places: Places) -> None:
    places.add_pack(pack("one", "a", "a"), indexed=False)
    place = places.find(digest("a"))
    assert place is not None
    assert place.region.number == 3


def test_packs_wait_for_an_index_in_the_order_in_which_they_came(places: Places) -> None:
    packs = [pack(f"pack {number}", number) for number in range(5)]
    for one in packs:
        places.add_pack(one, indexed=one is packs[1])
    assert places.not_indexed() == [packs[0], *packs[2:]]
    places.mark_indexed([packs[0], packs[3]])
    assert places.not_indexed() == [packs[2], packs[4]]


def test_an_index_of_another_device_counts_and_an_adoption_does_not_undo_it(places: Places) -> None:
    one = pack("one", "a")
    places.add_pack(one, indexed=False)
    places.add_pack(one, indexed=True)
    assert places.not_indexed() == []
    places.add_pack(one, indexed=False)
    assert places.not_indexed() == []
    assert len(places.packs()) == 1


def test_clear_forgets_packs_and_indexes_and_keeps_snapshots(places: Places) -> None:
    places.add_pack(pack("one", "a"), indexed=False)
    places.add_index(digest("index"))
    places.add_snapshot(digest("snapshot"), b"plain")
    places.clear()
    assert places.packs() == {}
    assert places.indexes() == set()
    assert places.not_indexed() == []
    assert places.find(digest("a")) is None
    assert not places.has(digest("a"))
    assert places.snapshot(digest("snapshot")) == b"plain"


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    places = Places(path)
    places.add_pack(pack("one", "a"), indexed=False)
    places.add_index(digest("index"))
    places.add_snapshot(digest("snapshot"), b"plain")
    places.commit()
    places.add_pack(pack("two", "b"), indexed=False)
    places.close()
    again = Places(path)
    assert again.packs().keys() == {digest("one")}
    assert again.not_indexed() == [pack("one", "a")]
    assert again.indexes() == {digest("index")}
    assert again.snapshot(digest("snapshot")) == b"plain"
    again.close()


def test_thousands_of_questions_get_the_same_answers(places: Places) -> None:
    """From some number of questions on a filter answers; it must follow what is added and what is forgotten."""
    places.add_pack(pack("one", *range(500)), indexed=True)
    for round_number in range(6):
        assert all(places.has(digest(number)) for number in range(500))
        assert not any(places.has(digest(number)) for number in range(500, 1000))
        if round_number == 4:
            places.add_pack(pack("two", *range(1000, 1100)), indexed=True)
    assert all(places.has(digest(number)) for number in range(1000, 1100))
    places.clear()
    assert not any(places.has(digest(number)) for number in range(1100))
    places.add_pack(pack("three", 7), indexed=True)
    assert [number for number in range(10) if places.has(digest(number))] == [7]


@pytest.mark.parametrize("spoil", ["noise", "start", "empty", "text", "cut", "version", "other tables"])
def test_a_damaged_file_is_replaced(spoil: str, tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    places = Places(path)
    places.add_pack(pack("one", *range(2000)), indexed=True)
    places.commit()
    places.close()
    whole = path.read_bytes()
    if spoil in {"version", "other tables"}:
        db = sqlite3.connect(path)
        db.executescript(
            "PRAGMA user_version = 99" if spoil == "version" else "DROP TABLE parts; PRAGMA user_version = 0"
        )
        db.close()
    else:
        spoilt = {
            "noise": digest(1) * 4000,
            "start": bytes(200) + whole[200:],
            "empty": b"",
            "text": b"hello",
            "cut": whole[:3000],
        }
        path.write_bytes(spoilt[spoil])
    again = Places(path)
    assert again.packs() == {}
    again.add_pack(pack("two", "a"), indexed=False)
    assert again.has(digest("a"))
    again.commit()
    again.close()


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RefusedError, match="file"):
        Places(tmp_path / "file" / "places.sqlite")
