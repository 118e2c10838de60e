"""What a photo was like in every snapshot, told by its folders alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.app.viewing import preparing, versions
from photovault.errors import DamageError
from photovault.vault.reader import Reader
from tests.app.viewing.house import House, named, photo, xmp
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.viewing.photos import Photos
    from photovault.gallery.values import Version


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.put("2019/a.jpg", photo(1, "2019:05:04 10:11:12"))
    made.put("2020/b.jpg", photo(2, "2020:05:04 10:11:12"))
    return made


def told(photos: Photos, name: str, at: str = "") -> tuple[Version, ...]:
    return photos.versions(at, named(photos, name, at).number).versions


def test_an_edit_is_a_version_and_what_changed_elsewhere_is_none(house: House) -> None:
    first = house.backup()
    house.put("2020/b.jpg", photo(3, "2020:05:04 10:11:12"))
    second = house.backup()
    house.put("2019/a.jpg", photo(4, "2019:05:04 10:11:12"))
    third = house.backup()
    with house.gallery() as photos:
        one, other = told(photos, "a.jpg")
        assert (one.moments, other.moments) == ((first, second), (third,))
        assert (one.what, other.what, one.is_shown, other.is_shown) == ("first", "picture", False, True)
        assert (one.size, other.size) == (len(photo(1, "2019:05:04 10:11:12")), len(photo(4, "2019:05:04 10:11:12")))
        assert one.since < one.until < other.since
        assert told(photos, "a.jpg", first)[0].is_shown


def test_every_version_can_be_opened_by_its_number(house: House) -> None:
    house.backup()
    house.put("2019/a.jpg", photo(4, "2019:05:04 10:11:12"))
    house.backup()
    with house.gallery() as photos:
        for one in told(photos, "a.jpg"):
            assert photos.photo(one.at, one.number).files[0].size == one.size


def test_a_version_that_is_not_listed_in_time_has_no_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.backup()
    house.put("2019/a.jpg", photo(4, "2019:05:04 10:11:12"))
    house.backup()
    with house.gallery() as photos:
        photos.spine("")
        monkeypatch.setattr(preparing.Preparing, "prepare", _not_ready)
        one, other = told(photos, "a.jpg")
        assert (one.number, one.at) == (0, first)
        assert other.number


def _not_ready(*_: object) -> None:
    from photovault.gallery.asks import NotReadyError

    raise NotReadyError("job")


def test_notes_beside_a_photo_are_metadata(house: House) -> None:
    house.put("2019/a.jpg.xmp", xmp(1))
    house.backup()
    house.put("2019/a.jpg.xmp", xmp(5))
    house.backup()
    with house.gallery() as photos:
        assert [one.what for one in told(photos, "a.jpg")] == ["first", "metadata"]


def test_new_words_in_a_large_file_are_metadata_and_new_light_is_a_picture(house: House) -> None:
    picture = jpeg(7, size=(900, 700))
    for data in (picture, picture[:2] + b"\xff\xfe\x00\x07words" + picture[2:], jpeg(8, size=(900, 700))):
        house.put("2021/c.jpg", data)
        house.backup()
    with house.gallery() as photos:
        assert [one.what for one in told(photos, "c.jpg")] == ["first", "metadata", "picture"]


def test_what_went_and_came_again(house: House) -> None:
    house.backup()
    (house.pictures / "2019" / "a.jpg").unlink()
    house.put("2021/c.jpg", photo(9))
    gone = house.backup()
    house.put("2019/a.jpg", photo(5))
    last = house.backup()
    with house.gallery() as photos:
        found = told(photos, "a.jpg")
        assert [one.what for one in found] == ["first", "gone", "first"]
        assert (found[1].moments, found[1].size, found[1].number, found[1].at) == ((gone,), 0, 0, "")
        assert (found[2].moments, found[2].is_shown) == ((last,), True)


def test_snapshots_before_the_photo_say_nothing_of_it(house: House) -> None:
    house.backup()
    house.put("2021/c.jpg", photo(9))
    second = house.backup()
    with house.gallery() as photos:
        assert [one.moments for one in told(photos, "c.jpg")] == [(second,)]


def test_a_folder_that_is_the_same_in_many_snapshots_is_read_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("2019/a2.jpg", photo(6))
    for number in range(12):
        house.put(f"other/{number}.jpg", photo(20 + number))
        house.backup()
    read = _count(monkeypatch)
    with house.gallery() as photos:
        number = named(photos, "a.jpg").number
        read.clear()
        assert len(photos.versions("", number).versions[0].moments) == 12
        assert len(read) == 12 + 12 + 1  # each root, each folder Pictures, and 2019 once
        read.clear()
        photos.versions("", number)
        assert read == []
        number = named(photos, "a2.jpg").number
        read.clear()
        assert len(photos.versions("", number).versions[0].moments) == 12
        assert len(read) == 1  # 2019


def test_who_has_waited_long_enough_gets_the_newest_and_goes_on_from_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        house.put("2019/a.jpg", photo(30 + number, "2019:05:04 10:11:12"))
        house.backup()
    ticks = iter(range(1000))
    monkeypatch.setattr(versions, "_clock", lambda: float(next(ticks)))
    monkeypatch.setattr(versions, "_PATIENCE", 2.5)
    with house.gallery() as photos:
        found = photos.versions("", named(photos, "a.jpg").number)
        assert len(found.versions) == 2
        assert "load the page again" in found.note
        assert found.versions[-1].is_shown


def test_a_snapshot_whose_listings_are_lost_is_left_out_and_told_of(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.backup()
    house.put("2019/a.jpg", photo(4, "2019:05:04 10:11:12"))
    second = house.backup()
    with house.gallery() as photos:
        number = named(photos, "a.jpg").number
        roots = {one.id: one.snapshot.root for one in photos._desk.ask(lambda opened: opened.snapshots().found)}
        (lost,) = [root for name, root in roots.items() if name != second]
        kept = Reader.part

        def part(reader: Reader, part_id: bytes) -> bytes:
            if part_id in lost:
                raise DamageError("bad luck")
            return kept(reader, part_id)

        monkeypatch.setattr(Reader, "part", part)
        found = photos.versions("", number)
        assert [one.moments for one in found.versions] == [(second,)]
        assert "photovault check" in found.note


def _count(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    kept, read = Reader.part, []

    def part(reader: Reader, part_id: bytes) -> bytes:
        read.append(part_id)
        return kept(reader, part_id)

    monkeypatch.setattr(Reader, "part", part)
    return read
