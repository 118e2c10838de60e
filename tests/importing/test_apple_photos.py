"""A library of Apple Photos, which is only read."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.importing.some import ApplePhotos, tree
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B, C, D = ("A0000000-0000-0000-0000-00000000000" + letter for letter in "ABCD")
JUNE = 645_000_000.0  # 2021-06-10T06:40:00Z, seconds since 2001


@pytest.fixture
def library(tmp_path: Path) -> ApplePhotos:
    return ApplePhotos(tmp_path / "My.photoslibrary")


@pytest.fixture
def run(photovault: Callable, tmp_path: Path) -> Callable:
    """Import a library into ``out``."""

    def imported(library: ApplePhotos, *args: object, code: int = 0):
        done = photovault("import", "apple-photos", library.root, "--to", tmp_path / "out", "--json", *args)
        assert done.code == code, (done.out, done.err)
        return done.json

    return imported


def albums(root: Path) -> dict[str, list[str]]:
    found = json.loads((root / "photovault-albums.json").read_bytes())
    return {one["name"]: one["photos"] for one in found["albums"]}


@pytest.mark.parametrize("version", [5, 6, 8, 10])
def test_each_known_version(tmp_path: Path, run, version: int) -> None:
    library = ApplePhotos(tmp_path / "My.photoslibrary", version)
    library.album(1, "Italy", kind=4000)
    library.album(2, "Rome", parent=1)
    library.album(3, "gone", trashed=True)
    library.album(4, "Import", kind=1506)
    edit = 2 if version >= 10 else 1
    files = {
        ".heic": b"heic",
        "_3.mov": b"live",
        "_1_201_a.jpeg": jpeg(1),
        "_2_100_a.mov": b"edited live",
        ".aae": b"<plist/>",
    }
    library.add(A, "IMG_0001.HEIC", files, created=JUNE, adjusted=edit, favourite=True, albums=(2, 3, 4))
    library.add(B, "IMG_0002.JPG", {".jpg": jpeg(2), "_4.dng": b"raw"}, created=JUNE)
    library.add(C, "clip.mov", {".mov": b"movie", "_2_0_a.mov": b"edited movie"}, created=JUNE, adjusted=edit)
    report = run(library)
    assert (report["problems"], report["files_copied"]) == ([], 9)
    found = tree(tmp_path / "out")
    assert {name.removeprefix("2021/06/"): data for name, data in found.items() if "albums" not in name} == {
        "IMG_0001.HEIC": b"heic",
        "IMG_0001.mov": b"live",
        "IMG_0001.aae": b"<plist/>",
        "IMG_0001-edited.jpeg": jpeg(1),
        "IMG_0001-edited.mov": b"edited live",
        "IMG_0002.JPG": jpeg(2),
        "IMG_0002.dng": b"raw",
        "clip.mov": b"movie",
        "clip-edited.mov": b"edited movie",
    }
    every = [f"2021/06/IMG_0001{end}" for end in (".HEIC", ".mov", "-edited.jpeg", "-edited.mov")]
    assert {name: sorted(paths) for name, paths in albums(tmp_path / "out").items()} == {
        "Italy/Rome": sorted(every),
        "Favourites": sorted(every),
    }


def test_the_folder_goes_by_the_clock_at_the_place_and_the_time_is_exact(tmp_path: Path, library, run) -> None:
    library.add(
        A, "a.jpg", {".jpg": jpeg(1)}, created=646_704_000.0 - 1800, offset=7200
    )  # 23:30 UTC on 29 June is 1:30 there
    run(library)
    (path,) = (tmp_path / "out").rglob("a.jpg")
    assert path.stat().st_mtime == 646_704_000 - 1800 + 978_307_200
    assert path.parent.relative_to(tmp_path / "out").as_posix() == "2021/06"


def test_originals_in_icloud_only_and_elsewhere_are_named(tmp_path: Path, library, run) -> None:
    library.add(A, "cloud.heic", {}, adjusted=1)
    library.add(B, "pointed.jpg", {}, saved=10, folder="/Users/me/Pictures")
    library.add(C, "theirs.jpg", {}, shared=600_000_000.0)
    library.add(D, "here.jpg", {".jpg": jpeg(1)}, adjusted=1)
    report = run(library, code=3)
    assert (report["cloud"], report["referenced"], report["shared"]) == (
        ["cloud.heic"],
        ["pointed.jpg"],
        ["theirs.jpg"],
    )
    assert report["cloud_edits"] == ["cloud.heic", "here.jpg"]
    assert [path.name for path in (tmp_path / "out").rglob("*.jpg")] == ["here.jpg"]


def test_a_folder_that_cannot_be_read_and_a_link_out_of_the_library_are_named(tmp_path: Path, library, run) -> None:
    library.add(A, "a.jpg", {})
    library.add(B, "b.jpg", {}, folder="elsewhere")
    (library.root / "originals").mkdir(exist_ok=True)
    (library.root / "originals" / A[0]).write_bytes(b"a disk with an error")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{B}.jpg").write_bytes(jpeg(1))
    (library.root / "originals" / "elsewhere").symlink_to(tmp_path / "elsewhere")
    problems = [one["path"] for one in run(library, code=3)["problems"]]
    assert problems == [str(library.root / "originals" / A[0]), str(tmp_path / "elsewhere" / f"{B}.jpg")]


def test_the_trash_stays_there(tmp_path: Path, library, run) -> None:
    library.add(A, "a.jpg", {".jpg": jpeg(1)}, trashed=True)
    assert run(library)["in_trash"] == 1
    assert tree(tmp_path / "out") == {}
    assert run(library, "--trash")["files_copied"] == 1


def test_the_library_is_not_changed_and_what_was_written_last_is_seen(tmp_path: Path, library, run) -> None:
    """The photo is in the log of the database only, as it is while Photos runs."""
    library.add(A, "a.jpg", {".jpg": jpeg(1)})
    assert library.database.with_name("Photos.sqlite-wal").stat().st_size > 0
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in library.root.rglob("*")}
    assert run(library)["files_copied"] == 1
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in library.root.rglob("*")} == before
    assert not list((tmp_path / "device" / "cache").rglob("Photos.sqlite*"))


def test_again_copies_nothing(library, run) -> None:
    library.add(A, "a.jpg", {".jpg": jpeg(1), "_3.mov": b"live"})
    run(library)
    assert (run(library)["files_copied"], run(library)["files_there"]) == (0, 2)


def test_hostile_names_lead_nowhere(tmp_path: Path, library, run) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    library.add(A, "../../evil.jpg", {".jpg": jpeg(1)})
    library.add(B, "b.jpg", {}, folder="../..")
    library.db.execute("UPDATE ZASSET SET ZFILENAME = 'secret.jpg' WHERE ZUUID = ?", (B,))
    library.add("../x", "c.jpg", {})
    library.db.commit()
    report = run(library, code=3)
    assert report["cloud"] == ["b.jpg"]
    assert [path.name for path in (tmp_path / "out").rglob("*.jpg")] == ["evil.jpg"]
    assert b"secret" not in tree(tmp_path / "out").values()


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE ZASSET RENAME TO ZTHING",
        "ALTER TABLE ZASSET RENAME COLUMN ZFILENAME TO ZPATH",
        "ALTER TABLE Z_28ASSETS RENAME TO ZJOINED",
        "CREATE TABLE real AS SELECT * FROM ZASSET; DROP TABLE ZASSET; CREATE VIEW ZASSET AS SELECT * FROM real",
    ],
)
def test_an_unknown_version_is_told(library, run, photovault, tmp_path: Path, sql: str) -> None:
    library.db.executescript(sql)
    done = photovault("import", "apple-photos", library.root, "--to", tmp_path / "out")
    assert done.code == 1
    assert "version of Photos is not known" in done.err
    assert "import folder" in done.err


def test_an_old_library_and_none_at_all(photovault, tmp_path: Path) -> None:
    (tmp_path / "Old.photoslibrary" / "database").mkdir(parents=True)
    assert (
        "no library" in photovault("import", "apple-photos", tmp_path / "Old.photoslibrary", "--to", tmp_path / "o").err
    )
    (tmp_path / "Old.photoslibrary" / "database" / "photos.db").write_bytes(b"x")
    done = photovault("import", "apple-photos", tmp_path / "Old.photoslibrary", "--to", tmp_path / "o")
    assert (done.code, "newer Photos" in done.err) == (2, True)


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0" + bytes(100), os.urandom(5000)])
def test_a_damaged_database_is_told(photovault, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x" / "database").mkdir(parents=True)
    (tmp_path / "x" / "database" / "Photos.sqlite").write_bytes(data)
    done = photovault("import", "apple-photos", tmp_path / "x", "--to", tmp_path / "out")
    assert done.code in (1, 13)
    assert "defect" not in done.err


def test_a_changed_byte_anywhere_is_never_a_defect(tmp_path: Path, photovault) -> None:
    from random import Random

    library = ApplePhotos(tmp_path / "x")
    library.add(A, "a.jpg", {".jpg": jpeg(1)}, albums=(1,))
    library.album(1, "Rome")
    library.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    library.db.close()
    good = library.database.read_bytes()
    random = Random(5)
    for number in range(40):
        bad = bytearray(good)
        for _ in range(20):
            bad[random.randrange(len(bad))] = random.randrange(256)
        library.database.write_bytes(bad)
        done = photovault("import", "apple-photos", library.root, "--to", tmp_path / f"out{number}")
        assert done.code in (0, 1, 3, 13), done.err
        assert "defect" not in done.err


def test_questions_that_never_end_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photovault.database import open_foreign
    from photovault.errors import DamageError

    monkeypatch.setattr("photovault.database._FOREIGN_PATIENCE", 1)
    sqlite3.connect(tmp_path / "x").close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(DamageError), open_foreign(tmp_path / "x") as db:
        list(db.rows(endless))
