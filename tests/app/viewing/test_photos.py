"""The photos of a gallery: in the order of time, with what is known of them, from real vaults."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.drilling import DrillRequest, drill
from photovault.app.finding import FILE, LOCK
from photovault.app.viewing import preparing
from photovault.app.viewing.jobs import Outcome
from photovault.app.viewing.spine import PART, PART_MAX, parts_of, spots_of
from photovault.crypto.words import to_words
from photovault.device import run_lock
from photovault.drill import Amount
from photovault.errors import BusyError, ConsentError, DamageError, RefusedError, UsageError
from photovault.gallery.asks import NotReadyError, NotThereError
from photovault.gallery.values import Question
from photovault.library.drafts import RotError
from photovault.library.moments import COUNT_BITS, second_of
from photovault.library.showing import Located
from photovault.vault.reader import Reader
from tests.app.viewing.house import FIJI_EAST, FIJI_WEST, ROME, House, named, names, photo, timeline, xmp
from tests.support.devices import WORDS, Computer, Silent
from tests.support.eyes import BROKEN
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.app.viewing.photos import Photos

WORLD = (-180.0, -90.0, 180.0, 90.0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Four photos of three months, two of them in one second, one with notes, and a film."""
    made = House(tmp_path)
    made.put("2019/IMG_1.jpg", photo(1, "2019:05:04 10:11:12", ROME))
    made.put("2020/IMG_2.jpg", photo(2, "2020:01:02 03:04:05", turned=6))
    made.put("2020/IMG_2.jpg.xmp", xmp(4))
    made.put("2020/IMG_3.jpg", photo(3, "2020:01:02 03:04:05"))
    made.put("2021/IMG_4.jpg", photo(4, "2021:07:01 00:00:00", FIJI_WEST))
    made.put("2021/film.mp4", Random(5).randbytes(5000))
    made.put("notes.xmp", xmp(1))
    return made


@pytest.fixture
def photos(house: House) -> Iterator[Photos]:
    house.backup()
    with house.gallery() as made:
        yield made


# The timeline


def test_the_timeline_of_a_small_vault_is_there_at_once_month_by_month_the_newest_first(photos: Photos) -> None:
    spine = photos.spine("")
    assert [(part.month, part.count) for part in spine.parts] == [
        ("2021-07", 1), ("2020-09", 1), ("2020-01", 2), ("2019-05", 1),
    ]  # fmt: skip
    assert (spine.photos, spine.note, spine.moment.is_newest) == (5, "", True)
    found = names(timeline(photos))
    assert (found[0], found[1], set(found[2:4]), found[4]) == (
        "IMG_4.jpg", "film.mp4", {"IMG_2.jpg", "IMG_3.jpg"}, "IMG_1.jpg",
    )  # fmt: skip


def test_a_tile_says_what_it_is_to_those_who_do_not_see_it(photos: Photos) -> None:
    turned = named(photos, "IMG_2.jpg")
    assert (turned.width, turned.height, turned.rating, turned.when) == (48, 64, 4, "2020-01-02T03:04:05")
    assert turned.size > 1000 + len(xmp(4))
    assert named(photos, "IMG_1.jpg").label.startswith("IMG_1.jpg, 2019-05-04 10:11, ")
    film = named(photos, "film.mp4")
    assert film.label.endswith("video")
    assert "video" in film.badges


def test_photos_without_a_thumbnail_are_counted_but_not_those_that_can_have_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("2020/torn.jpg", photo(5, "2020:03:05 10:11:12") + BROKEN)
    house.backup()
    with house.gallery() as photos:
        assert photos.spine("").bare == sum(
            not tile.thumbnail and "broken" not in tile.badges for tile in timeline(photos)
        )
        assert "broken" in named(photos, "torn.jpg").badges
        before = photos.spine("").bare
    monkeypatch.setattr("photovault.backup.pictures.Budget.grant", lambda _budget, _files: False)
    house.put("2020/plain.jpg", photo(6, "2020:03:04 10:11:12"))
    house.backup()
    with house.gallery() as photos:
        assert photos.spine("").bare == before + 1


def test_what_is_no_photo_is_not_in_the_timeline_and_can_be_found(photos: Photos) -> None:
    assert "notes.xmp" not in names(timeline(photos))
    assert names(photos.search("", Question(text="notes"), "", 10).tiles) == ["notes.xmp"]


def test_parts_are_of_one_month_and_end_between_two_seconds() -> None:
    random = Random(7)
    second = second_of("2020-01-30") or 0
    numbers = []
    for many in [*(random.choice((1, 1, 1, 2, 50)) for _ in range(300)), 400, 1700]:
        second += random.choice((1, 60, 40_000))
        numbers += [(second << COUNT_BITS) + count for count in range(many)]
    parts = parts_of(numbers)
    inside = [[one for one in numbers if part.first <= one <= part.last] for part in parts]
    assert sorted(one for some in inside for one in some) == numbers
    assert [len(some) for some in inside] == [part.count for part in parts]
    assert [part.first for part in parts] == sorted((part.first for part in parts), reverse=True)
    assert max(part.count for part in parts) == PART_MAX
    for part, some in zip(parts, inside, strict=True):
        seconds = {one >> COUNT_BITS for one in some}
        assert part.count <= PART or len(seconds) == 1
        days = {datetime.fromordinal(1 + one // 86_400).strftime("%Y-%m") for one in seconds}
        assert days == {part.month}
    cut = [{one >> COUNT_BITS for one in some} for some in inside]
    assert sum(bool(one & other) for one, other in pairwise(cut)) <= 4  # the second with 1,700


def test_rows_before_and_after_every_calendar_have_a_part() -> None:
    assert [part.month for part in parts_of([0, 2**63 - 1])] == ["9999-12", "0001-01"]
    assert parts_of([]) == ()


def test_a_part_that_nobody_cut_is_bounded(photos: Photos) -> None:
    assert len(photos.tiles("", 0, 10**18 * 9)) == 5
    assert photos.tiles("", 0, 10**30) == photos.tiles("", 0, 2**63 - 1)
    assert photos.tiles("", 5, 4) == ()


def test_an_empty_vault_says_how_to_begin(house: House) -> None:
    with house.gallery() as photos:
        assert photos.moments() == ()
        with pytest.raises(NotThereError, match="no snapshot") as told:
            photos.spine("")
        assert "photovault backup" in told.value.hint


def test_an_older_snapshot_shows_what_was_in_it(house: House) -> None:
    first = house.backup()
    house.put("new.jpg", photo(9, "2022:01:01 00:00:00"))
    second = house.backup()
    with house.gallery() as photos:
        assert [(one.id, one.is_newest) for one in photos.moments()] == [(second, True), (first, False)]
        assert names(timeline(photos))[0] == "new.jpg"
        assert names(timeline(photos, first[:8]))[0] == "IMG_4.jpg"
        assert photos.spine(first).moment.id == first
        new = named(photos, "new.jpg")
        with pytest.raises(NotThereError):
            photos.photo(first, new.number)


@pytest.mark.parametrize("at", ["beef", "zz", "latest~7", "../x", "00"])
def test_a_snapshot_that_is_none(photos: Photos, at: str) -> None:
    with pytest.raises(NotThereError):
        photos.spine(at)


@pytest.mark.parametrize("number", [0, 1, 2**63 - 1, 2**63, 10**30])
def test_a_number_that_is_none(photos: Photos, number: int) -> None:
    for ask in (photos.photo, photos.versions):
        with pytest.raises(NotThereError):
            ask("", number)
    with pytest.raises(NotThereError):
        photos.rows("", [number])


def test_a_snapshot_that_another_program_made_appears_within_fifteen_seconds(house: House, photos: Photos) -> None:
    assert len(timeline(photos)) == 5
    house.put("new.jpg", photo(9, "2022:01:01 00:00:00"))
    house.backup()
    house.seconds += 14
    assert len(photos.moments()) == 1
    house.seconds += 2
    assert names(timeline(photos))[0] == "new.jpg"
    assert len(photos.moments()) == 2


def test_a_storage_that_goes_away_leaves_the_timeline(house: House, photos: Photos) -> None:
    before = timeline(photos)
    house.vault.rename(house.folder / "unplugged")
    house.seconds += 60
    assert timeline(photos) == before
    (house.folder / "unplugged").rename(house.vault)
    house.put("new.jpg", photo(9, "2022:01:01 00:00:00"))
    house.backup()
    house.seconds += 60
    assert names(timeline(photos))[0] == "new.jpg"


def test_a_bare_machine_shows_the_same(house: House, tmp_path: Path) -> None:
    house.backup()
    with house.gallery() as photos:
        known = [(tile.name, tile.number, tile.width) for tile in timeline(photos)]
    words = tmp_path / "words.txt"
    words.write_text(" ".join(to_words(WORDS)))
    with house.gallery(Computer(tmp_path / "bare", house.vault, "bare"), words_file=str(words)) as photos:
        assert [(tile.name, tile.number, tile.width) for tile in timeline(photos)] == known
        assert photos.photo("", known[0][1]).kept[0].problem == ""


# Getting ready


def test_who_waits_longer_learns_of_the_job(house: House, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "QUICK", 0.1)
    state = next((house.home.folder / "state" / "vaults").iterdir())
    with run_lock(state, wait=False, name=LOCK):
        with pytest.raises(NotReadyError) as first:
            photos.spine("")
        with pytest.raises(NotReadyError) as second:
            photos.search("", Question(), "", 10)
        assert first.value.job == second.value.job
        assert (house.jobs.job(first.value.job).kind, house.jobs.job(first.value.job).state) == ("listings", "running")
    _until_over(house, first.value.job)
    assert house.jobs.job(first.value.job).state == "done"
    assert photos.spine("").photos == 5


def test_a_catalog_that_another_program_keeps_is_told_of(
    house: House, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "_IN_THE_WAY", 0.2)
    monkeypatch.setattr(preparing, "QUICK", 20.0)
    state = next((house.home.folder / "state" / "vaults").iterdir())
    with run_lock(state, wait=False, name=LOCK), pytest.raises(BusyError, match="another photovault"):
        photos.spine("")
    assert photos.spine("").photos == 5


def test_a_listing_can_be_stopped_and_begun_again(
    house: House, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "QUICK", 0.1)
    state = next((house.home.folder / "state" / "vaults").iterdir())
    with run_lock(state, wait=False, name=LOCK):
        with pytest.raises(NotReadyError) as told:
            photos.spine("")
        house.jobs.cancel(told.value.job)
        _until_over(house, told.value.job)
        assert house.jobs.job(told.value.job).state == "cancelled"
    monkeypatch.setattr(preparing, "QUICK", 20.0)
    assert photos.spine("").photos == 5


def test_a_job_that_was_dropped_before_its_turn_is_begun_again(
    house: House, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "QUICK", 0.1)
    gate = threading.Event()

    def wait(_: object) -> Outcome:
        gate.wait(20)
        return Outcome()

    others = [house.jobs.begin("drill", "", wait) for _ in range(3)]
    with pytest.raises(NotReadyError) as told:
        photos.spine("")
    house.jobs.cancel(told.value.job)
    gate.set()
    for other in others:
        _until_over(house, other)
    monkeypatch.setattr(preparing, "QUICK", 20.0)
    assert photos.spine("").photos == 5


def test_rot_in_the_catalog_costs_nobody_his_photos(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    from photovault.library import drafts

    before = timeline(photos)
    kept, rotten = drafts.decode, [True]

    def decode(*values: object) -> object:
        if rotten and rotten.pop():
            raise RotError
        return kept(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(drafts, "decode", decode)
    assert timeline(photos) == before


def test_a_catalog_that_cannot_be_written_is_told_of(house: House, photos: Photos) -> None:
    state = next((house.home.folder / "state" / "vaults").iterdir())
    (state / FILE).mkdir()
    with pytest.raises(RefusedError) as told:
        photos.spine("")
    assert told.value.hint


def test_a_listing_that_cannot_be_read_leaves_the_rest(
    house: House, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, asked = Reader.part, []

    def part(reader: Reader, part_id: bytes) -> bytes:
        data = kept(reader, part_id)
        if b"IMG_1.jpg" in data:
            asked.append(part_id)
            raise DamageError("bad luck")
        return data

    monkeypatch.setattr(Reader, "part", part)
    assert names(timeline(photos)) != []
    assert "IMG_1.jpg" not in names(timeline(photos))
    spine = photos.spine("")
    assert "Pictures/2019" in spine.note
    assert "photovault check" in spine.note
    assert len(asked) == 1  # not again for every page
    monkeypatch.setattr(Reader, "part", kept)
    house.put("new.jpg", photo(9, "2022:01:01 00:00:00"))
    house.backup()
    house.seconds += 60
    assert photos.spine("").note == ""
    assert "IMG_1.jpg" in names(timeline(photos))


# Badges


def test_what_is_only_in_a_cloud_and_what_went(house: House, photos: Photos) -> None:
    at = photos.moments()[0].id
    (house.pictures / "2020" / "IMG_3.jpg").unlink()
    (house.pictures / "2020" / "IMG_2.jpg").unlink()
    house.put("2020/.IMG_2.jpg.icloud", b"stub")
    assert "cloud" in named(photos, "IMG_2.jpg").badges
    assert "away" in named(photos, "IMG_3.jpg").badges
    assert not {"cloud", "away"} & set(named(photos, "IMG_1.jpg").badges)
    shutil.move(house.pictures / "2019" / "IMG_1.jpg", house.pictures / "moved.jpg")
    house.backup()
    house.seconds += 60
    assert "IMG_3.jpg" not in names(timeline(photos))
    assert "cloud" in named(photos, "IMG_2.jpg").badges  # a backup keeps what is in a cloud
    assert "away" in named(photos, "IMG_3.jpg", at).badges
    assert "away" not in named(photos, "IMG_1.jpg", at).badges


def test_a_source_that_is_not_mounted_says_nothing(house: House, photos: Photos) -> None:
    shutil.rmtree(house.pictures)
    assert not [tile for tile in timeline(photos) if {"cloud", "away"} & set(tile.badges)]
    house.pictures.mkdir()
    assert not [tile for tile in timeline(photos) if {"cloud", "away"} & set(tile.badges)]


def test_a_disk_that_does_not_answer_keeps_nobody(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    from photovault.app.viewing import live

    timeline(photos)
    gate = threading.Event()
    monkeypatch.setattr(live, "_is_there", lambda _: gate.wait(20))
    assert len(timeline(photos)) == 5
    gate.set()


def test_a_photo_is_unproven_until_a_drill_restored_it(house: House, photos: Photos) -> None:
    assert all("unproven" in tile.badges for tile in photos.search("", Question(text="jpg"), "", 10).tiles)
    assert "unproven" in photos.photo("", named(photos, "IMG_1.jpg").number).tile.badges
    assert len(photos.search("", Question(unproven=True), "", 10).tiles) == 6
    drill(house.app(), DrillRequest(amount=Amount(share=100.0)), Silent())
    assert not [tile for tile in timeline(photos) if "unproven" in tile.badges and "video" not in tile.badges]
    assert photos.search("", Question(unproven=True, kind="photo"), "", 10).tiles == ()
    kept = photos.photo("", named(photos, "IMG_1.jpg").number).kept[0]
    assert (kept.place, kept.proven[:4], kept.problem) == ("main", "2024", "")
    house.home.sleep(days=400)
    assert "unproven" in photos.photo("", named(photos, "IMG_1.jpg").number).tile.badges


def test_tiles_say_what_is_unproven_only_where_a_tenth_is_proven(house: House, photos: Photos) -> None:
    assert not [tile for tile in timeline(photos) if "unproven" in tile.badges]
    drill(house.app(), DrillRequest(amount=Amount(count=1)), Silent())
    tiles = photos.tiles("", 1, 2**62)
    assert len([tile for tile in tiles if "unproven" in tile.badges]) == len(tiles) - 1 == 4


def test_what_is_broken_has_a_badge_and_a_reason(house: House) -> None:
    house.put("empty.jpg", b"")
    house.backup()
    with house.gallery() as photos:
        tile = named(photos, "empty.jpg")
        assert "broken" in tile.badges
        assert [fact.label for fact in photos.photo("", tile.number).facts if fact.label == "Broken"] == ["Broken"]
        assert names(photos.search("", Question(broken=True, kind="photo"), "", 10).tiles) == ["empty.jpg"]


# One photo


def test_all_that_is_known_of_a_photo_is_told_in_words(photos: Photos) -> None:
    tiles = timeline(photos)
    told = photos.photo("", named(photos, "IMG_1.jpg").number)
    facts = {fact.label: (fact.value, fact.source) for fact in told.facts}
    assert facts["Taken"] == ("2019-05-04 10:11 (high confidence)", "exif")
    assert facts["Camera"][0] == "Canon PowerShot G7"
    assert facts["Size"][0] == "64 × 48 pixels, 0.003 megapixels"
    assert facts["Format"] == ("jpeg", "file")
    assert facts["SHA-256"] == (told.digest, "file")
    assert (told.folder, told.place.rpartition(", ")[2]) == ("Pictures/2019", "Italy")
    assert (round(told.latitude or 0, 3), round(told.longitude or 0, 3)) == (41.892, 12.5)
    assert replace(told.tile, badges=()) == tiles[-1]  # a grid does not say of a new library that nothing is proven yet
    assert (told.newer, told.older) == (tiles[-2].number, 0)
    assert (photos.photo("", tiles[0].number).newer, photos.photo("", tiles[0].number).older) == (0, tiles[1].number)


def test_files_of_the_set_are_named(photos: Photos) -> None:
    told = photos.photo("", named(photos, "IMG_2.jpg").number)
    assert [(one.name, one.role, one.kind, one.playable) for one in told.files] == [
        ("IMG_2.jpg", "primary", "jpeg", False),
        ("IMG_2.jpg.xmp", "sidecar", "xmp", False),
    ]
    assert ("Rating", "4 of 5 stars") in [(fact.label, fact.value) for fact in told.facts]


def test_texts_that_steer_a_terminal_or_turn_writing_around_are_made_plain(house: House) -> None:
    house.put("a\u202egpj.exe\x1b[31m.jpg", photo(8, "2023:01:01 00:00:00"))
    house.backup()
    with house.gallery() as photos:
        tile = timeline(photos)[0]
        assert tile.name.isprintable()
        assert tile.label.isprintable()


def test_a_destination_that_was_not_seen_to_have_it_says_so(house: House) -> None:
    (house.home.folder / "config.toml").write_text(
        f'[vault]\nurl = "{house.vault}"\n[[destinations]]\nname = "disk"\nurl = "{house.folder / "disk"}"\n'
    )
    house.backup()
    with house.gallery() as photos:
        main, disk = photos.photo("", timeline(photos)[0].number).kept
    assert (main.place, main.problem) == ("main", "")
    assert (disk.place, disk.address) == ("disk", str(house.folder / "disk"))
    assert "no backup there yet" in disk.problem


# Searching


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (Question(text="img"), ["IMG_4.jpg", "IMG_2.jpg", "IMG_3.jpg", "IMG_1.jpg"]),
        (Question(place="Rome"), ["IMG_1.jpg"]),
        (Question(place="Rome", box=(170, -20, -170, -10)), []),
        (Question(since="2020", until="2020-08"), ["IMG_2.jpg", "IMG_3.jpg"]),
        (Question(kind="video"), ["film.mp4"]),
        (Question(camera="powershot", rating=3), ["IMG_2.jpg"]),
        (Question(box=(12, 41, 13, 42)), ["IMG_1.jpg"]),
        (Question(box=(170, -20, -170, -10)), ["IMG_4.jpg"]),
        (Question(box=WORLD), ["IMG_4.jpg", "IMG_1.jpg"]),
        (Question(duplicates="exact"), []),
        (Question(text="nothing-like-it"), []),
    ],
)
def test_what_is_asked_for_is_found(photos: Photos, question: Question, found: list[str]) -> None:
    tiles = photos.search("", question, "", 10).tiles
    assert sorted(names(tiles)) == sorted(found)
    assert [tile.when for tile in tiles] == sorted((tile.when for tile in tiles), reverse=True)


@pytest.mark.parametrize(
    "question",
    [Question(), Question(unproven=True), Question(box=WORLD), Question(box=WORLD, unproven=True)],
)
def test_page_by_page_each_comes_once(photos: Photos, question: Question) -> None:
    whole = photos.search("", question, "", 100)
    assert whole.following == ""
    found, after = [], ""
    for _ in range(20):
        page = photos.search("", question, after, 1)
        found += page.tiles
        after = page.following
        if not after:
            break
    assert found == list(whole.tiles)


@pytest.mark.parametrize(
    "question",
    [
        Question(place="Nowhere At All"),
        Question(since="yesterday"),
        Question(kind="nonsense"),
        Question(album="none"),
        Question(rating=9),
        Question(duplicates="maybe"),  # type: ignore[arg-type]
        Question(box=(0, 10, 1, 5)),
        Question(box=(0, 0, float("nan"), 1)),
        Question(box=(0, 0, float("inf"), 1)),
    ],
)
def test_what_cannot_be_understood_is_wrong_use(photos: Photos, question: Question) -> None:
    with pytest.raises(UsageError) as told:
        photos.search("", question, "", 10)
    assert told.value.hint


def test_a_place_in_a_list_that_is_none_is_wrong_use(photos: Photos) -> None:
    with pytest.raises(UsageError):
        photos.search("", Question(), "%%%", 10)


def test_nobody_is_looked_for_before_somebody_agreed(photos: Photos) -> None:
    with pytest.raises(ConsentError):
        photos.search("", Question(person="Ada"), "", 10)


def test_a_person_is_found_by_the_photos(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = bytes.fromhex(photos.photo("", named(photos, "IMG_3.jpg").number).digest)
    monkeypatch.setattr(
        "photovault.app.people_process.digests_of", lambda _, who: frozenset({digest} if who == "Ada" else ())
    )
    assert names(photos.search("", Question(person=" Ada "), "", 10).tiles) == ["IMG_3.jpg"]
    assert names(photos.search("", Question(person="p7"), "", 10).tiles) == []


def test_albums_come_with_the_photos(house: House) -> None:
    house.put(
        "2019/photovault-albums.json", b'{"version": 1, "albums": [{"name": "Best", "photos": ["IMG_1.jpg", "none"]}]}'
    )
    house.backup()
    with house.gallery() as photos:
        assert photos.albums("") == {"Best": 1}
        (tile,) = photos.search("", Question(album="best"), "", 10).tiles
        assert photos.photo("", tile.number).albums == ("Best",)


def test_rows_are_given_in_the_order_in_which_they_were_asked_for(photos: Photos) -> None:
    numbers = [tile.number for tile in timeline(photos)][::-2]
    one, rows = photos.rows("", numbers)
    assert one.id == photos.moments()[0].id
    assert [row.number for row in rows] == numbers


# The map


def test_photos_of_the_map_are_all_there_and_named(photos: Photos) -> None:
    spots = photos.spots("", WORLD, 40)
    assert photos.located("") == sum(spot.count for spot in spots) == 2
    rome = next(spot for spot in spots if spot.latitude > 0)
    assert rome.name.endswith("Italy")
    assert rome.number == named(photos, "IMG_1.jpg").number
    assert (round(rome.latitude, 3), round(rome.longitude, 3)) == (41.892, 12.5)
    assert names(photos.search("", Question(box=rome.box), "", 10).tiles) == ["IMG_1.jpg"]


def test_the_map_has_no_border_at_180_degrees(house: House) -> None:
    house.put("east.jpg", photo(7, "2021:08:01 00:00:00", FIJI_EAST))
    house.backup()
    with house.gallery() as photos:
        (spot,) = photos.spots("", (170, -30, -170, 0), 1)
        assert spot.count == 2
        assert round(abs(spot.longitude)) == 180
        assert (round(spot.box[0], 1), round(spot.box[2], 1)) == (179.9, -179.9)
        assert len(photos.search("", Question(box=spot.box), "", 10).tiles) == 2


@pytest.mark.parametrize("columns", [0, -1, 10_000])
def test_a_grid_that_is_none_is_wrong_use(photos: Photos, columns: int) -> None:
    with pytest.raises(UsageError):
        photos.spots("", WORLD, columns)


def test_no_photo_is_lost_or_counted_twice_by_the_grid() -> None:
    from array import array

    random = Random(3)
    points = [
        (random.randint(-900_000_000, 900_000_000), random.randint(-1_800_000_000, 1_800_000_000)) for _ in range(500)
    ]
    located = Located(
        array("q", range(500)), array("l", [north for north, _ in points]), array("l", [east for _, east in points])
    )
    for columns in (1, 7, 200):
        assert sum(spot.count for spot in spots_of(located, WORLD, columns)) == 500
    halves = [spots_of(located, box, 5) for box in ((-170, -90, 10, 90), (10, -90, -170, 90))]
    assert sum(spot.count for half in halves for spot in half) == 500


# The time machine


def test_what_came_changed_and_went(house: House) -> None:
    first = house.backup()
    house.put("2021/new.jpg", photo(9, "2022:01:01 00:00:00"))
    house.put("2019/IMG_1.jpg", photo(10, "2019:05:04 10:11:12", ROME))
    (house.pictures / "2020" / "IMG_2.jpg").unlink()
    (house.pictures / "2020" / "IMG_2.jpg.xmp").unlink()
    second = house.backup()
    with house.gallery() as photos:
        assert photos.changes(first).before is None
        found = photos.changes("")
        assert (found.moment.id, found.before.id if found.before else "") == (second, first)
        assert (names(found.came), names(found.changed), names(found.went)) == (
            ["new.jpg"], ["IMG_1.jpg"], ["IMG_2.jpg"],
        )  # fmt: skip
        assert found.counts == {"added": 1, "changed": 1, "metadata": 0, "details": 0, "moved": 0, "gone": 1}
        assert photos.photo("", found.came[0].number).tile.name == "new.jpg"
        assert photos.photo(first, found.went[0].number).tile.name == "IMG_2.jpg"


def test_who_gave_a_photo_stars_did_not_change_its_picture(house: House) -> None:
    house.backup()
    house.put("2020/IMG_2.jpg.xmp", xmp(2))
    house.backup()
    with house.gallery() as photos:
        found = photos.changes("")
        assert (names(found.edited), found.changed) == (["IMG_2.jpg"], ())
        assert (found.counts["metadata"], found.counts["changed"]) == (1, 0)


def test_what_went_has_a_name_where_the_catalog_does_not_know_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.backup()
    (house.pictures / "2020" / "IMG_3.jpg").unlink()
    house.backup()
    with house.gallery() as photos:
        photos.spine("")
        state = next((house.home.folder / "state" / "vaults").iterdir())
        monkeypatch.setattr(preparing, "QUICK", 0.1)
        with run_lock(state, wait=False, name=LOCK):
            (went,) = photos.changes("").went
        assert (went.number, went.name) == (0, "IMG_3.jpg")


def test_the_snapshot_before_is_of_the_same_device(house: House, tmp_path: Path) -> None:
    first = house.backup()
    words = tmp_path / "words.txt"
    words.write_text(" ".join(to_words(WORDS)))
    other = Computer(tmp_path / "other", house.vault, "other")
    (tmp_path / "Else").mkdir()
    (tmp_path / "Else" / "x.jpg").write_bytes(jpeg(44))
    other.backup(tmp_path / "Else", words_file=str(words))
    house.put("2021/new.jpg", photo(9, "2022:01:01 00:00:00"))
    house.home.sleep(days=1)
    house.backup()
    with house.gallery() as photos:
        before = photos.changes("").before
        assert before is not None
        assert before.id == first
        assert {one.device for one in photos.moments()} == {photos.moments()[0].device}


def _until_over(house: House, job: str) -> None:
    for _ in range(2000):
        if house.jobs.job(job).is_over:
            return
        threading.Event().wait(0.01)
    pytest.fail("the job does not end")
