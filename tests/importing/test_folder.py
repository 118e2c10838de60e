"""A camera's card into a library by date: verified, together, never overwriting."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from photovault.importing.values import UnreadableError
from photovault.target import Pending
from tests.importing.some import left_over, tree
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOON = 1_620_129_600.0  # 2021-05-04T12:00:00Z


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card with two folders that have files of the same name."""
    dcim = tmp_path / "card" / "DCIM"
    put(dcim / "100CANON" / "IMG_0001.JPG", jpeg(1, taken="2021:05:04 13:22:11"), NOON + 0.123456)
    put(dcim / "100CANON" / "IMG_0001.CR2", b"II*\0" + bytes(2000), NOON)
    put(dcim / "100CANON" / "IMG_0001.xmp", b"<x/>", NOON)
    put(dcim / "100CANON" / "MVI_0002.MP4", b"\0\0\0\x18ftypmp42" + os.urandom(900_000), NOON)
    put(dcim / "101CANON" / "IMG_0001.JPG", jpeg(2, taken="2021:05:04 15:00:00"), NOON)
    put(dcim / "100CANON" / "INDEX.DAT", b"?", NOON)
    return tmp_path / "card"


@pytest.fixture
def run(photovault: Callable, card: Path, tmp_path: Path) -> Callable:
    """Import the card into ``out``."""

    def imported(*args: object, code: int = 0):
        done = photovault("import", "folder", card, "--to", tmp_path / "out", "--json", *args)
        assert done.code == code, (done.out, done.err)
        return done.json

    return imported


def test_a_card_by_day_with_sets_together_and_times_kept(run, card: Path, tmp_path: Path) -> None:
    report = run()
    day = tmp_path / "out/2021/2021-05-04"
    assert sorted(path.name for path in day.iterdir()) == [
        "IMG_0001-1.JPG",
        "IMG_0001.CR2",
        "IMG_0001.JPG",
        "IMG_0001.xmp",
        "MVI_0002.MP4",
    ]
    original = card / "DCIM/100CANON/IMG_0001.JPG"
    assert (day / "IMG_0001.JPG").read_bytes() == original.read_bytes()
    assert (day / "IMG_0001.JPG").stat().st_mtime_ns == original.stat().st_mtime_ns
    assert (report["files_copied"], report["other_files"]) == (5, 1)


def test_the_card_is_not_touched(run, card: Path) -> None:
    before = {path: (path.stat(), path.read_bytes() if path.is_file() else b"") for path in card.rglob("*")}
    run()
    for path, (info, data) in before.items():
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == (info.st_mtime_ns, info.st_ino)
        assert path.is_dir() or path.read_bytes() == data


def test_again_copies_only_what_is_new(run, card: Path, tmp_path: Path) -> None:
    run()
    put(card / "DCIM/101CANON/IMG_0003.JPG", jpeg(3, taken="2021:06:01 10:00:00"), NOON)
    report = run()
    assert (report["files_copied"], report["files_there"]) == (1, 5)
    assert (tmp_path / "out/2021/2021-06-01/IMG_0003.JPG").exists()


def test_a_template_of_ones_own(run, tmp_path: Path) -> None:
    run("--layout", "{year}{month}/{name}")
    assert (tmp_path / "out/202105/IMG_0001.JPG").exists()


def test_it_says_how_many_are_verified_and_never_that_the_card_may_be_erased(
    photovault, card: Path, tmp_path: Path
) -> None:
    done = photovault("import", "folder", card, "--to", tmp_path / "out")
    assert "5 files verified in the library" in done.out
    assert "nothing was erased" in done.out


def test_a_disk_that_gives_back_other_bytes_is_noticed(run, tmp_path: Path, monkeypatch) -> None:
    flush = Pending.flush

    def bad(self) -> None:
        flush(self)
        if self.parts[-1] == b"MVI_0002.MP4":
            with open(self._root.path(*self.parts[:-1], self.temporary), "r+b") as file:
                file.write(b"bad")

    monkeypatch.setattr(Pending, "flush", bad)
    report = run(code=3)
    assert [one["path"].rpartition("/")[2] for one in report["problems"]] == ["MVI_0002.MP4"]
    assert "erase" in report["problems"][0]["hint"]
    assert not (tmp_path / "out/2021/2021-05-04/MVI_0002.MP4").exists()
    assert left_over(tmp_path / "out") == []


def test_a_file_that_cannot_be_read_is_named_and_the_others_come(run, card: Path, tmp_path: Path, monkeypatch) -> None:
    from photovault.importing import disk

    read = disk.OnDisk.read

    def bad(self, size: int):
        if "MVI_0002" in self._where:
            raise UnreadableError(self._where, "Input/output error")
        return read(self, size)

    monkeypatch.setattr(disk.OnDisk, "read", bad)
    report = run(code=3)
    assert report["problems"][0]["what"] == "Input/output error"
    assert report["files_copied"] == 4


def test_a_file_that_vanishes_or_grows_meanwhile_is_named(photovault, card: Path, tmp_path: Path, monkeypatch) -> None:
    from photovault.app import importing

    plan = importing.plan_import

    def meddle(*args, **more):
        made = plan(*args, **more)
        (card / "DCIM/100CANON/IMG_0001.CR2").unlink()
        put(card / "DCIM/100CANON/AAA.JPG", jpeg(8))
        with open(card / "DCIM/100CANON/MVI_0002.MP4", "ab") as file:
            file.write(b"more")
        return made

    monkeypatch.setattr(importing, "plan_import", meddle)
    done = photovault("import", "folder", card, "--to", tmp_path / "out", "--json")
    assert done.code == 3
    assert {one["path"].rpartition("/")[2] for one in done.json["problems"]} == {"IMG_0001.CR2", "MVI_0002.MP4"}
    day = tmp_path / "out/2021/2021-05-04"
    assert sorted(path.name for path in day.iterdir()) == ["IMG_0001-1.JPG", "IMG_0001.JPG", "IMG_0001.xmp"]
    for name, folder in (("IMG_0001.JPG", "100CANON"), ("IMG_0001-1.JPG", "101CANON")):
        assert (day / name).read_bytes() == (card / "DCIM" / folder / "IMG_0001.JPG").read_bytes()


def test_something_that_came_to_be_there_meanwhile_stays(photovault, card: Path, tmp_path: Path, monkeypatch) -> None:
    flush = Pending.flush

    def meddle(self) -> None:
        flush(self)
        put(tmp_path / "out/2021/2021-05-04/MVI_0002.MP4", b"mine")

    monkeypatch.setattr(Pending, "flush", meddle)
    assert photovault("import", "folder", card, "--to", tmp_path / "out").code == 3
    assert (tmp_path / "out/2021/2021-05-04/MVI_0002.MP4").read_bytes() == b"mine"


def test_what_an_earlier_run_left_is_swept(run, tmp_path: Path) -> None:
    put(tmp_path / "out/2021/2021-05-04/.photovault-0123456789abcdef.tmp", b"half")
    run()
    assert left_over(tmp_path / "out") == []


def test_what_is_no_folder_is_refused(photovault, card: Path, tmp_path: Path) -> None:
    assert photovault("import", "folder", tmp_path / "gone", "--to", tmp_path / "out").code == 2
    assert photovault("import", "folder", card, "--to", card / "out").code == 2
    assert photovault("import", "folder", card, "--to", "").code == 2
    assert not (tmp_path / "out").exists()


def test_a_library_that_cannot_be_written_is_told(photovault, card: Path, tmp_path: Path) -> None:
    put(tmp_path / "out", b"a file")
    done = photovault("import", "folder", card, "--to", tmp_path / "out")
    assert (done.code, "in the way" in done.err) == (1, True)


def test_albums_of_another_library_do_not_get_a_date(run, card: Path, tmp_path: Path) -> None:
    put(card / "photovault-albums.json", b"{}", NOON)
    run()
    assert "photovault-albums.json" not in str(sorted(tree(tmp_path / "out")))
    shutil.rmtree(card)
