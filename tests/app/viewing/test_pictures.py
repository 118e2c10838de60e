"""Pictures and files out of real vaults: what is fetched for them, what is shown, and what damage does."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from photovault.app.finding import FILE, find
from photovault.app.sources import BackupRequest
from photovault.app.viewing import pictures as room
from photovault.app.viewing import thumbs
from photovault.app.viewing.cache import Cache
from photovault.app.viewing.pictures import Pictures
from photovault.crypto.words import to_words
from photovault.decoder import pictures as libraries
from photovault.decoder.pictures import CannotError
from photovault.errors import DamageError, PhotovaultError, UnavailableError, UndecodableError
from photovault.gallery.asks import NotThereError
from photovault.library import Library, Query
from photovault.storage.memory import MemoryStorage
from photovault.vault.format import PartKind
from photovault.vault.pack import regions
from tests.decoder.pictures import png, quarters, saved, scene, turned, untold
from tests.decoder.test_pictures import video
from tests.support.devices import WORDS, Computer, Silent
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photovault.app import App
    from tests.support.eyes import Record

PAGE = b"<!doctype html><script>alert(1)</script>" + b" " * 50_000
GATE = 20.0


class Recording(MemoryStorage):
    """Remembers what is read of packs; ``gate``: reading waits for it; ``away``: it cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, int, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.away = False

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if self.away:
            raise UnavailableError("the line is dead")
        if not self.gate.is_set():
            self.waiting.set()
            assert self.gate.wait(GATE)
        data = super().get(name, offset, length)
        if name.startswith("packs/"):
            self.reads.append((name, offset, offset + len(data)))
        return data


class House:
    """A vault with photos, and a bare machine that shows them."""

    def __init__(self, folder: Path, photos: dict[str, bytes]) -> None:
        self.folder, self.storage = folder, Recording()
        self.home = Computer(folder / "home", "memory:")
        self.home.make_vault(self.storage)
        self.photos = folder / "Pictures"
        self.put(photos)
        self.words = folder / "words.txt"
        self.words.write_text(" ".join(to_words(WORDS)))
        self.away = Computer(folder / "away", "memory:", seed="another")

    def put(self, photos: dict[str, bytes]) -> None:
        for name, data in photos.items():
            put(self.photos / name, data)
        request = BackupRequest(paths=(str(self.photos),), all_files=True, all_thumbnails=True)
        self.home.app(self.storage).backup(request, Silent())

    def app(self) -> App:
        return self.away.app(self.storage, words_file=str(self.words))

    def numbers(self) -> dict[str, int]:
        """The numbers of photos, by the names of their primaries; the listings are read for it."""
        app = self.app()
        for _ in find(app, "latest", Query(snapshot=b""), Silent(), after=None, limit=1):
            break
        with app.session() as session, closing(Library(session.folder / FILE)) as library:
            found = library.find(Query(snapshot=session.vault.snapshots().found[-1].name), limit=3000)
            return {os.fsdecode(row.members[0].name): row.number for row in found.rows}

    def places(self, kind: PartKind) -> dict[str, list[tuple[int, int]]]:
        """Where in which packs the parts of a kind are."""
        found: dict[str, list[tuple[int, int]]] = {}
        with self.app().session() as session:
            for pack in session.vault.places.contents():
                spans = [
                    (one.offset, one.offset + one.sealed_size)
                    for one in regions(pack.records)
                    if one.record.kind is kind
                ]
                found[f"packs/{pack.name[:1].hex()}/{pack.name.hex()}"] = spans
        return found

    def read(self, kind: PartKind) -> int:
        """How many parts of a kind were read, wholly or partly, since ``reads`` was emptied."""
        reads, places = list(self.storage.reads), self.places(kind)
        return sum(
            any(name == pack and start < stop and first < end for pack, first, stop in reads)
            for name, spans in places.items()
            for start, end in spans
        )

    def spoil(self, kind: PartKind, which: int = 0) -> None:
        """Change a byte in the middle of a part."""
        name, (start, end) = [(name, span) for name, spans in self.places(kind).items() for span in spans][which]
        data = bytearray(self.storage.objects[name])
        data[(start + end) // 2] ^= 1
        self.storage.objects[name] = bytes(data)


def webp(colour: int, size: int = 20_000) -> bytes:
    """A WebP of about this many bytes."""
    return saved(Image.new("RGB", (64, 48), (colour % 256, 99, 7)), "WEBP") + Random(colour).randbytes(size)


def photos(count: int) -> dict[str, bytes]:
    """Photos of 70 kB and more each, so that nobody reads over them to save a request."""
    return {
        f"{n % 3}/{n:03}.jpg": jpeg(n, size=(320, 240), taken=f"2021:05:{n % 28 + 1:02} 13:22:11") for n in range(count)
    }


@pytest.fixture
def thumbnailed(eyes: Record) -> Record:
    """Decoders that make thumbnails at once; each is its photo's own."""
    eyes.answer = lambda asked, looked: (
        looked._replace(thumbnail=webp(int(os.fsdecode(asked.name)[:3]) + 1)) if looked.thumbnail else looked
    )
    return eyes


@pytest.fixture
def opening() -> Iterator[Callable[[House], Pictures]]:
    """Pictures of a house, closed in the end."""
    made: list[Pictures] = []

    def open_(house: House) -> Pictures:
        made.append(Pictures(house.app()))
        return made[-1]

    yield open_
    for one in made:
        one.close()


def size_of(picture: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(picture))
    assert image.format == "WEBP"
    return image.size


# Thumbnails -----------------------------------------------------------------------------------------------------------


def test_a_bare_machine_shows_thumbnails_and_reads_no_original(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(12))
    numbers = house.numbers()
    pictures = opening(house)
    assert {name: pictures.thumbnail(number) for name, number in numbers.items()} == {
        name: webp(int(name[:3]) + 1) for name in numbers
    }
    assert len(numbers) == 12
    assert house.read(PartKind.THUMBNAIL) == 12
    assert house.read(PartKind.CONTENT) == 0
    pictures.preview(numbers["003.jpg"])
    assert 0 < house.read(PartKind.CONTENT) <= 3  # what is before the picture, the picture, what is behind it


def test_what_was_shown_is_not_fetched_again(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(3))
    numbers = house.numbers()
    pictures = opening(house)
    first = [pictures.thumbnail(number) for number in numbers.values()]
    house.storage.reads.clear()
    assert [pictures.thumbnail(number) for number in numbers.values()] == first
    assert house.storage.reads == []


@pytest.mark.parametrize("number", [0, -1, 1, 2**63 - 1, 2**63, 10**19 - 1])
def test_no_such_photo(tmp_path: Path, thumbnailed: Record, opening, number: int) -> None:
    house = House(tmp_path, photos(1))
    house.numbers()
    pictures = opening(house)
    for ask in (pictures.thumbnail, pictures.preview, lambda number: pictures.member(number, 0)):
        with pytest.raises(NotThereError):
            ask(number)


def test_a_photo_without_a_thumbnail(tmp_path: Path, opening) -> None:
    house = House(tmp_path, {"000.txt": b"no picture", "001.jpg": jpeg(1)})
    pictures = opening(house)
    numbers = house.numbers()
    assert pictures.thumbnail(numbers["000.txt"]) is None
    assert pictures.thumbnail(numbers["001.jpg"]) is None  # the played decoder made something that is no WebP


def test_many_who_ask_at_once_share_requests(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(40))
    numbers = house.numbers()
    pictures = opening(house)
    pictures._desk.ask(lambda opened: opened.library)
    busy, answers = threading.Event(), dict[int, bytes | None]()
    held = threading.Thread(target=lambda: pictures._desk.ask(lambda _: busy.wait(GATE)))
    held.start()
    asking = [
        threading.Thread(target=lambda number=number: answers.update({number: pictures.thumbnail(number)}))
        for number in numbers.values()
    ]
    house.storage.reads.clear()
    for one in asking:
        one.start()
    while len(pictures._thumbnails._line) < len(numbers):
        time.sleep(0.01)
    busy.set()
    for one in [held, *asking]:
        one.join(GATE)
    assert answers == {number: webp(int(name[:3]) + 1) for name, number in numbers.items()}
    assert len(house.storage.reads) <= 25  # and not one or two for each of forty


def test_a_slow_storage_keeps_no_other_question_waiting(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(2))
    first, second = house.numbers().values()
    pictures = opening(house)
    shown = pictures.thumbnail(first)
    house.storage.gate.clear()
    slow = threading.Thread(target=pictures.thumbnail, args=(second,))
    slow.start()
    assert house.storage.waiting.wait(GATE)
    assert pictures.thumbnail(first) == shown
    assert slow.is_alive()
    house.storage.gate.set()
    slow.join(GATE)
    assert not slow.is_alive()


def test_a_damaged_thumbnail_is_none_and_remembered(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(6))
    numbers = house.numbers()
    house.spoil(PartKind.THUMBNAIL)
    pictures = opening(house)
    found = [pictures.thumbnail(number) for number in numbers.values()]
    assert found.count(None) == 1
    pictures.close()
    with house.app().session() as session:
        (parts,) = session.evidence.doubts().values()
        assert len(parts) == 1


def test_a_missing_pack_costs_pictures_and_no_error(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(3))
    numbers = house.numbers()
    pictures = opening(house)
    pictures._desk.ask(lambda opened: opened.snapshots())
    for name in [name for name, spans in house.places(PartKind.THUMBNAIL).items() if spans]:
        del house.storage.objects[name]
    assert [pictures.thumbnail(number) for number in numbers.values()] == [None] * 3
    pictures.close()
    with house.app().session(refresh=False) as session:
        assert session.evidence.doubts()


def test_a_storage_that_is_away_is_told_and_may_come_back(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(1))
    (number,) = house.numbers().values()
    pictures = opening(house)
    pictures._desk.ask(lambda opened: opened.library)
    house.storage.away = True
    with pytest.raises(UnavailableError):
        pictures.thumbnail(number)
    house.storage.away = False
    assert pictures.thumbnail(number) == webp(1)


def test_a_photo_that_was_backed_up_meanwhile(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(1))
    pictures = opening(house)
    assert pictures.thumbnail(house.numbers()["000.jpg"])
    house.put({"077.jpg": jpeg(77, size=(320, 240))})
    number = house.numbers()["077.jpg"]
    assert pictures.thumbnail(number) == webp(78)
    with Image.open(io.BytesIO(pictures.preview(number))) as image:
        assert image.size == (320, 240)


def test_a_rotten_catalog_costs_no_answer(tmp_path: Path, thumbnailed: Record, opening, monkeypatch) -> None:
    from photovault.database import DamagedError

    house = House(tmp_path, photos(1))
    (number,) = house.numbers().values()
    pictures = opening(house)
    real, rotten = thumbs.row_of, [DamagedError("it was rotten")]
    monkeypatch.setattr(thumbs, "row_of", lambda *given: _raise(rotten.pop()) if rotten else real(*given))
    assert pictures.thumbnail(number) == webp(1)
    rotten += [DamagedError("it was rotten"), DamagedError("and is again")]
    with pytest.raises(DamagedError):
        pictures.thumbnail(number)
    assert pictures._thumbnails._line == []
    assert pictures.thumbnail(number) == webp(1)


def _raise(error: Exception) -> None:
    raise error


def test_what_was_used_last_is_kept_up_to_so_many_bytes() -> None:
    kept: Cache[bytes, str] = Cache(size=10, count=3)
    for name in "abc":
        kept.keep(name.encode(), name, 2)
    assert kept.get(b"a") == "a"
    kept.keep(b"d", "d", 2)
    assert [kept.get(name) for name in (b"a", b"b", b"c", b"d")] == ["a", None, "c", "d"]
    kept.keep(b"e", "e", 9)
    assert (kept.size, kept.get(b"e"), kept.get(b"d")) == (9, "e", None)
    kept.keep(b"f", "f", 11)
    kept.keep(b"e", "again", 1)
    assert (kept.size, kept.get(b"e"), kept.get(b"f")) == (1, "again", None)
    kept.clear()
    assert (kept.size, kept.get(b"e")) == (0, None)


# Previews -------------------------------------------------------------------------------------------------------------


def test_a_preview_is_a_small_upright_webp(tmp_path: Path, real_decoders: None, opening) -> None:
    photo = saved(untold(scene(3000, 2000), 6), exif=turned(6))
    house = House(tmp_path, {"000.jpg": photo, "001.mov": video("mpeg4", "mov", frames=30)})
    numbers = house.numbers()
    pictures = opening(house)
    found = pictures.preview(numbers["000.jpg"])
    assert 1920 <= size_of(found)[0] <= 2048
    assert quarters(found) == ["red", "green", "blue", "white"]
    assert quarters(pictures.preview(numbers["001.mov"])) == ["red", "green", "blue", "white"]
    house.storage.reads.clear()
    assert pictures.preview(numbers["000.jpg"]) == found
    assert house.storage.reads == []
    pids = pictures._decoding._decoders.pids
    assert pids
    pictures.close()
    assert pictures._decoding._decoders.pids == ()
    assert (pictures._previews.size, pictures._thumbnails._kept.size, pictures._entries._kept.size) == (0, 0, 0)
    with pytest.raises(PhotovaultError, match="locked"):
        pictures.preview(numbers["000.jpg"])


def test_what_is_no_picture_is_told_and_never_shown(tmp_path: Path, real_decoders: None, opening) -> None:
    house = House(
        tmp_path,
        {
            "page.jpg": PAGE,
            "cut.jpg": saved(scene(900, 600))[:-300],
            "bomb.png": png(60_000, 60_000),
            "notes.txt": b"a note",
            "empty.jpg": b"",
        },
    )
    pictures = opening(house)
    told = {}
    for name, number in house.numbers().items():
        assert pictures.thumbnail(number) is None
        with pytest.raises(UndecodableError) as error:
            pictures.preview(number)
        told[name] = error.value.what
        assert "download it" in error.value.hint
    assert told["cut.jpg"] == "it is broken: it ends before its picture does"
    assert "too many pixels" in told["bomb.png"]
    assert told["notes.txt"] == told["empty.jpg"] == "it is no picture that can be shown"
    assert len(told) == 5


def test_what_is_not_installed_is_named(tmp_path: Path, opening, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> None:
        raise CannotError("photovault[video] is not installed", lacks="video")

    house = House(tmp_path, photos(1))
    pictures = opening(house)
    monkeypatch.setattr(libraries, "picture", lacking)
    with pytest.raises(UndecodableError, match=r"photovault\[video\]") as error:
        pictures.preview(house.numbers()["000.jpg"])
    assert error.value.hint == "pip install 'photovault[video]'"


def test_a_large_file_is_not_even_fetched(tmp_path: Path, opening, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path, photos(1))
    number = house.numbers()["000.jpg"]
    monkeypatch.setattr(room, "LARGEST", 1000)
    with pytest.raises(UndecodableError, match="larger than 256 MiB"):
        opening(house).preview(number)
    assert house.read(PartKind.CONTENT) == 0


def test_a_damaged_photo_is_no_preview_and_no_file(tmp_path: Path, thumbnailed: Record, opening) -> None:
    house = House(tmp_path, photos(2))
    numbers = house.numbers()
    for which in range(6):
        with suppress(IndexError):
            house.spoil(PartKind.CONTENT, which)
    pictures = opening(house)
    for number in numbers.values():
        with pytest.raises(DamageError) as error:
            pictures.preview(number)
        assert "photovault check" in error.value.hint
        assert pictures.thumbnail(number)
    pictures.close()
    with house.app().session() as session:
        assert session.evidence.doubts()


def test_previews_of_one_photo_at_once_are_made_in_turn(tmp_path: Path, opening) -> None:
    house = House(tmp_path, photos(4))
    pictures = opening(house)
    answers: list[bytes] = []
    asking = [
        threading.Thread(target=lambda number=number: answers.append(pictures.preview(number)))
        for number in list(house.numbers().values()) * 3
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join(GATE)
    assert len(answers) == 12
    assert len(set(answers)) == 4
    assert len(pictures._previews._found) == 3


def test_packed_photos_are_unpacked_as_in_a_restore(tmp_path: Path, opening) -> None:
    (tmp_path / "Pictures").mkdir()
    house = House(tmp_path, {})
    (house.home.folder / "config.toml").write_text('[backup]\ncodec = "jxl"\n')
    photo = saved(scene(3000, 2000), quality=95) + bytes(100)
    house.put({"000.jpg": photo})
    pictures = opening(house)
    number = house.numbers()["000.jpg"]
    with house.app().session() as session:
        assert any(record.codec.name == "JXL" for pack in session.vault.places.contents() for record in pack.records)
    assert size_of(pictures.preview(number)) == (2048, 1365)
    assert b"".join(pictures.member(number, 0).read(0, len(photo))) == photo


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path, opening, thumbnailed: Record):
    """A file of many parts, and its bytes."""
    data = Random(7).randbytes(21_000_000)
    house = House(tmp_path, {"000.mov": data})
    member = opening(house).member(house.numbers()["000.mov"], 0)
    house.storage.reads.clear()
    return house, member, data


def test_a_file_is_what_was_backed_up(large) -> None:
    _, member, data = large
    assert (member.name, member.size) == ("000.mov", len(data))
    assert b"".join(member.read(0, len(data))) == data


def test_any_range(large) -> None:
    _, member, data = large
    random = Random(1)
    edges = [0, 1, len(data) - 1, len(data), *(random.randrange(len(data)) for _ in range(12))]
    edges += [at + off for at in (4 << 20, 8 << 20) for off in (-1, 0, 1)]
    for start in edges:
        end = random.choice(edges)
        assert b"".join(member.read(start, end)) == data[start:end]
    assert list(member.read(5, 5)) == []


def test_a_range_fetches_only_what_it_touches_and_little_ahead(large) -> None:
    house, member, data = large
    next(member.read(10_000_000, 10_000_010))
    assert sum(end - start for _, start, end in house.storage.reads) < 9 << 20
    house.storage.reads.clear()
    reading = member.read(0, len(data))
    next(reading)
    assert sum(end - start for _, start, end in house.storage.reads) < 17 << 20
    reading.close()


def given_by(reading: Iterator[bytes]) -> tuple[bytes, PhotovaultError | None]:
    """What came before it ended, and the error that ended it."""
    given = b""
    try:
        for piece in reading:
            given += piece
    except PhotovaultError as error:
        return given, error
    return given, None


def test_the_end_of_a_file_that_is_another_is_never_given(large) -> None:
    _, member, data = large
    other = replace(member, entry=replace(member.entry, digest=hashlib.sha256(b"another").digest()))
    given, error = given_by(other.read(0, len(data)))
    assert isinstance(error, DamageError)
    assert len(given) < len(data)
    assert b"".join(other.read(0, 1000)) == data[:1000]  # each part is what it was; only all of them are not


def test_a_damaged_part_ends_the_file_there(tmp_path: Path, opening, thumbnailed: Record) -> None:
    data = Random(7).randbytes(21_000_000)
    house = House(tmp_path, {"000.mov": data})
    number = house.numbers()["000.mov"]
    house.spoil(PartKind.CONTENT, 4)
    member = opening(house).member(number, 0)
    given, error = given_by(member.read(0, len(data)))
    assert isinstance(error, DamageError)
    assert 0 < len(given) < len(data)
    assert data.startswith(given)


def test_reading_ends_when_the_gallery_is_locked(large, opening) -> None:
    house, _, data = large
    pictures = opening(house)
    reading = pictures.member(house.numbers()["000.mov"], 0).read(0, len(data))
    next(reading)
    pictures.close()
    with pytest.raises(PhotovaultError, match="locked"):
        list(reading)
    with pytest.raises(PhotovaultError, match="locked"):
        pictures.member(1, 0)


def test_files_of_a_set_by_number(tmp_path: Path, opening) -> None:
    note, photo = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", jpeg(1)
    house = House(tmp_path, {"IMG_1.jpg": photo, "IMG_1.jpg.xmp": note})
    pictures = opening(house)
    (number,) = house.numbers().values()
    assert [b"".join(pictures.member(number, index).read(0, 10**6)) for index in (0, 1)] == [photo, note]
    for index in (2, -1, 10**18):
        with pytest.raises(NotThereError):
            pictures.member(number, index)


def test_a_file_in_a_folder_of_many_pages(tmp_path: Path, opening, eyes: Record) -> None:
    house = House(tmp_path, {f"deep/er/{n:05}.txt": b"%d" % n for n in range(2500)})
    numbers = house.numbers()
    assert len(numbers) == 2500
    pictures = opening(house)
    for name in ("00000.txt", "01234.txt", "02499.txt", *Random(3).sample(sorted(numbers), 20)):
        member = pictures.member(numbers[name], 0)
        assert b"".join(member.read(0, member.size)) == b"%d" % int(name[:5])
