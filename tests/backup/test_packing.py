"""JPEGs made smaller: bit for bit the same, never stored twice, the same bytes whoever is done first."""

from __future__ import annotations

import os
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.backing import packs_jpegs
from photovault.backup.packing import ROOM
from photovault.errors import UsageError
from photovault.photos.reading import BUFFER
from photovault.vault.format import Codec
from photovault.vault.reader import Reader
from tests.support.devices import Computer
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.backup import BackupReport
    from tests.support.eyes import Record

COMMENT = b"\xff\xfe\x20\x02" + bytes(0x2000)


def photo(seed: int, size: tuple[int, int] = (400, 300)) -> bytes:
    """A JPEG large enough to be cut, that our play of a decoder makes smaller."""
    data = jpeg(seed, size)
    return data[:2] + COMMENT + data[2:] + b"a" * 40_000


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(5):
        put(root / "2020" / f"{number}.jpg", photo(number), mtime=1_600_000_000 + number)
    put(root / "movie.mp4", Random(1).randbytes(60_000))
    return root


def backup(computer: Computer, photos: Path, codec: str, jobs: int = 0) -> BackupReport:
    (computer.folder / "config.toml").write_text(f"[backup]\ncodec = '{codec}'\njobs = {jobs}\nthumbnails = false\n")
    return computer.backup(photos)


def comes_back(computer: Computer, photos: Path, tmp_path: Path) -> bool:
    out = tmp_path / f"back {time.monotonic_ns()}"
    report = computer.restore(out)
    return (report.damaged, report.problems, same_tree(out / "Pictures", photos)) == ((), (), [])


def forget_files(computer: Computer) -> None:
    """The next backup reads every file."""
    for catalog in (computer.folder / "state").rglob("catalog.sqlite"):
        catalog.unlink()


def test_a_packed_photo_comes_back_bit_for_bit_and_takes_less(
    computer: Computer, photos: Path, tmp_path: Path, eyes: Record
) -> None:
    report = backup(computer, photos, "jxl")
    assert len(eyes.packed) == 5
    assert report.written.packed_stored < report.written.packed_bytes * 3 / 4
    assert comes_back(computer, photos, tmp_path)
    assert computer.check().findings == ()


@pytest.mark.parametrize(("first", "then"), [("off", "jxl"), ("jxl", "off")])
def test_switching_stores_no_photo_again(
    computer: Computer, photos: Path, tmp_path: Path, first: str, then: str
) -> None:
    before = backup(computer, photos, first)
    forget_files(computer)
    put(photos / "2021" / "new.jpg", photo(9))
    report = backup(computer, photos, then)
    assert report.written.known_bytes >= before.written.new_bytes - 10_000
    assert report.written.new_bytes < 150_000
    assert comes_back(computer, photos, tmp_path)


def test_what_cannot_be_packed_is_stored_as_it_is(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.decoder.host.Decoders.pack", lambda *_: None)
    report = backup(computer, photos, "jxl")
    assert (report.written.packed_bytes, report.problems) == (0, ())
    assert comes_back(computer, photos, tmp_path)


def test_twins_are_packed_once_and_an_edit_of_metadata_packs_nothing(
    computer: Computer, photos: Path, tmp_path: Path, eyes: Record
) -> None:
    for number in range(4):
        put(photos / "2020" / f"twin{number}.jpg", photo(0))
    backup(computer, photos, "jxl")
    assert len(eyes.packed) == 5
    edited = photo(0).replace(COMMENT, b"\xff\xfe\x20\x02" + b"edited".ljust(0x2000), 1)
    put(photos / "2020" / "0.jpg", edited, mtime=1_700_000_000)
    report = backup(computer, photos, "jxl")
    assert (len(eyes.packed), report.totals.changed) == (5, 1)
    assert report.written.new_bytes < 20_000
    assert comes_back(computer, photos, tmp_path)


def test_the_same_photos_give_the_same_bytes_whoever_is_done_first(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photovault.decoder import host

    pack, random = host.Decoders.pack, Random(3)

    def slow(self, jpeg: bytes) -> bytes | None:
        time.sleep(random.random() / 50)
        return pack(self, jpeg)

    monkeypatch.setattr(host.Decoders, "pack", slow)
    for number in range(10):
        put(photos / f"{number % 3}" / f"{number}.jpg", photo(20 + number))
    stored = []
    for number, jobs in enumerate((1, 4, 4)):
        computer = Computer(tmp_path / f"computer{number}", tmp_path / f"vault{number}", seed="same")
        computer.make_vault()
        backup(computer, photos, "jxl", jobs)
        packs = (tmp_path / f"vault{number}" / "packs").rglob("*")
        stored.append({path.name for path in packs if path.is_file()})
    assert stored[0] == stored[1] == stored[2]


def test_a_photo_larger_than_a_buffer_is_packed_and_one_that_is_too_large_is_not(
    computer: Computer, photos: Path, tmp_path: Path, eyes: Record
) -> None:
    head = photo(50)
    put(photos / "large.jpg", head.ljust(BUFFER + 100_000, b"a"))
    put(photos / "too large.jpg", photo(51).ljust(ROOM + 100_000, b"b"))
    backup(computer, photos, "jxl")
    assert max(eyes.packed) < BUFFER + 100_000
    assert max(eyes.packed) > BUFFER
    assert comes_back(computer, photos, tmp_path)
    with computer.app().session() as session:
        codecs = [record.codec for pack in session.vault.places.packs() for record in _records(session, pack)]
        assert codecs.count(Codec.JXL) == 6
        assert codecs.count(Codec.JXL_MORE) >= 2
        assert Reader(session.vault)


def _records(session, pack: bytes) -> list:
    return list(session.vault.read_trailer(pack, session.vault.places.packs()[pack]).records)


def test_small_and_odd_files_are_left_alone(computer: Computer, photos: Path, tmp_path: Path, eyes: Record) -> None:
    put(photos / "small.jpg", jpeg(3))
    put(photos / "cut.jpg", photo(60)[:9_000])
    put(photos / "no jpeg.jpg", b"\xff\xd8\xff" + os.urandom(50_000))
    put(photos / "zeros.jpg", photo(61) + bytes(8 * 1024 * 1024 - 100_000))
    assert backup(computer, photos, "jxl").problems == ()
    assert comes_back(computer, photos, tmp_path)


def test_it_is_off_for_a_folder_and_on_for_a_remote_storage_unless_said_otherwise(
    computer: Computer, photos: Path, eyes: Record
) -> None:
    backup(computer, photos, "auto")
    assert eyes.packed == []
    made = computer.app()
    assert not packs_jpegs(made)
    computer.vault = "sftp://somebody@example.org/vault"
    assert packs_jpegs(computer.app())
    (computer.folder / "config.toml").write_text("[backup]\ncodec = 'off'\n")
    assert not packs_jpegs(computer.app())


def test_wanting_it_without_the_library_is_said_before_anything_is_stored(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.decoder.host.can_pack", lambda: False)
    with pytest.raises(UsageError) as error:
        backup(computer, photos, "jxl")
    assert "pip install 'photovault[jxl]'" in error.value.hint
    assert computer.snapshots() == []
    computer.vault = "sftp://somebody@example.org/vault"
    (computer.folder / "config.toml").write_text("")
    assert not packs_jpegs(computer.app())
