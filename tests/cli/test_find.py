"""``photovault find`` and ``photovault catalog``."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from photovault.app.finding import FILE
from tests.support.photos import jpeg, put
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def taken_in_rome(seed: int) -> bytes:
    """A photo that says when and where it was taken."""
    exif = Image.Exif()
    exif[0x0110] = "PowerShot G7"
    exif[0x010F] = "Canon"
    exif.get_ifd(0x8769)[0x9003] = "2019:05:04 10:11:12"
    exif.get_ifd(0x8825).update({1: "N", 2: (41.0, 53.0, 30.0), 3: "E", 4: (12.0, 30.0, 0.0)})
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg(seed))).save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    root = tmp_path / "P"
    put(root / "Gita" / "IMG_1.jpg", taken_in_rome(1))
    put(root / "Gita" / "IMG_2.jpg", jpeg(2, taken="2020:01:02 03:04:05"))
    put(root / "Gita" / "IMG_2.jpg.xmp", b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        b' xmp:Rating="5"/></rdf:RDF></x:xmpmeta>')  # fmt: skip
    put(root / "copy.jpg", jpeg(2, taken="2020:01:02 03:04:05"))
    assert photovault("backup", root).code == 0
    return root


@pytest.fixture
def library(tmp_path: Path) -> Callable[[], Path]:
    """Where the search catalog is."""
    return lambda: next((tmp_path / "device" / "state").rglob(FILE))


def test_in_a_pipe_there_are_paths_only(photovault: Callable, photos: Path) -> None:
    done = photovault("find")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["P/Gita/IMG_1.jpg", "P/Gita/IMG_2.jpg", "P/copy.jpg"]
    assert photovault("find", "nothing-like-it").out == ""


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["gita", "img"], ["IMG_1.jpg", "IMG_2.jpg"]),
        (["--place", "Rome"], ["IMG_1.jpg"]),
        (["--place", "Italy", "--camera", "canon", "--kind", "jpg"], ["IMG_1.jpg"]),
        (["--place", "Peru"], []),
        (["--place", "41.9,12.5,3km", "--until", "2019"], ["IMG_1.jpg"]),
        (["--not-located", "--in", "P/Gita"], ["IMG_2.jpg"]),
        (["--rating", "5"], ["IMG_2.jpg"]),
        (["--from", "2020", "--newest"], ["copy.jpg", "IMG_2.jpg"]),
        (["--broken"], []),
        (["--set", "single", "rome"], ["IMG_1.jpg"]),
        (["--duplicates"], ["IMG_2.jpg", "copy.jpg"]),
        (["--duplicates=exact", "copy"], ["copy.jpg"]),
        (["--duplicates=exact", "--limit", "1"], ["IMG_2.jpg"]),
        (["--", "--duplicates"], []),
    ],
)  # fmt: skip
def test_options_choose(photovault: Callable, photos: Path, options: list[str], found: list[str]) -> None:
    done = photovault("find", *options)
    assert done.code == 0, done.err
    assert [path.rpartition("/")[2] for path in done.out.splitlines()] == found


@pytest.mark.parametrize(
    "options",
    [
        ["--place", "Nowhere At All"],
        ["--place", ""],
        ["--from", "yesterday"],
        ["--kind", "nonsense"],
        ["--album", "none"],
        ["--snapshot", "beef"],
        ["--after", "%%%"],
        ["--limit", "0"],
        ["--duplicates=maybe"],
    ],
)
def test_what_cannot_be_understood_is_wrong_use(photovault: Callable, photos: Path, options: list[str]) -> None:
    done = photovault("find", *options)
    assert done.code == 2
    assert "what to do" in done.err


@pytest.mark.usefixtures("real_decoders")
def test_a_smaller_copy_of_a_picture_looks_like_it(photovault: Callable, photos: Path) -> None:
    picture = Image.frombytes("L", (8, 6), Random(5).randbytes(48)).resize((640, 480), Image.Resampling.BICUBIC)
    for name, size, quality in (("large.jpg", (640, 480), 95), ("small.jpg", (320, 240), 60)):
        out = io.BytesIO()
        picture.resize(size).save(out, "JPEG", quality=quality)
        put(photos / name, out.getvalue())
    assert photovault("backup", photos).code == 0
    alike = {row["path"]: row["duplicates"] for row in photovault("find", "--duplicates=near", "--json").json["rows"]}
    assert (alike["P/large.jpg"], alike["P/small.jpg"]) == (["P/small.jpg"], ["P/large.jpg"])
    assert "P/large.jpg" not in photovault("find", "--duplicates").out


def test_json_has_facts_and_the_files_of_the_set_and_goes_on_page_by_page(photovault: Callable, photos: Path) -> None:
    first = photovault("find", "--json", "--limit", "2").json
    rome, gita = first["rows"]
    assert (rome["path"], rome["place"].rpartition(", ")[2], rome["facts"]["make"]) == (
        "P/Gita/IMG_1.jpg",
        "Italy",
        "Canon",
    )
    assert [(one["path"], one["role"]) for one in gita["members"]] == [
        ("P/Gita/IMG_2.jpg", "primary"), ("P/Gita/IMG_2.jpg.xmp", "sidecar"),
    ]  # fmt: skip
    second = photovault("find", "--json", "--limit", "2", "--after", first["next"]).json
    assert ([row["path"] for row in second["rows"]], second["next"]) == (["P/copy.jpg"], None)
    twins = photovault("find", "--json", "--duplicates").json["rows"]
    assert twins[0]["duplicates"] == ["P/copy.jpg"]


def test_on_a_terminal_there_is_a_table(photovault: Callable, photos: Path) -> None:
    person = Person("find")
    assert person.leaves() == 0
    assert "2019-05-04 10:11  Canon PowerShot G7" in person.seen
    assert "P/Gita/IMG_2.jpg  [and 1 file, 5 stars]" in person.seen
    more = Person("find", "--limit", "1")
    assert more.leaves() == 0
    assert "there are more: add --after" in more.seen


def test_an_older_snapshot_shows_what_was_in_it(photovault: Callable, photos: Path) -> None:
    (photos / "copy.jpg").unlink()
    photovault("backup", photos)
    assert "P/copy.jpg" not in photovault("find").out
    assert "P/copy.jpg" in photovault("find", "--snapshot", "latest~1").out


def test_albums_come_with_the_photos(photovault: Callable, photos: Path) -> None:
    album = {"version": 1, "albums": [{"name": "Best", "photos": ["Gita/IMG_1.jpg"]}]}
    put(photos / "photovault-albums.json", json.dumps(album).encode())
    photovault("backup", photos, "--time", "2030-01-01T00:00:00Z")
    (row,) = photovault("find", "--album", "best", "--json").json["rows"]
    assert (row["path"], row["albums"]) == ("P/Gita/IMG_1.jpg", ["Best"])
    assert photovault("catalog", "status", "--json").json["albums"] == {"Best": 1}
    assert "photovault-albums" not in photovault("find").out


def test_another_computer_finds_with_the_vault_alone_and_reads_no_photo(
    photovault: Callable, vault: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = photovault("find", "--json").json["rows"]
    shutil.rmtree(tmp_path / "device")
    monkeypatch.setattr("photovault.vault.reader.Reader.part", spied := _Spy())
    done = photovault("find", "--json", "--words-file", tmp_path / "words.txt")
    assert done.code == 0, done.err
    assert done.json["rows"] == before
    assert spied.pages_only


class _Spy:
    """Stands for ``Reader.part`` and looks at what it hands out."""

    def __init__(self) -> None:
        from photovault.vault.reader import Reader

        self._part, self.pages_only = Reader.part, True

    def __get__(self, reader, _: type) -> Callable[[bytes], bytes]:
        def part(part_id: bytes) -> bytes:
            data = self._part(reader, part_id)
            self.pages_only &= data.startswith(b'{"entries":[')
            return data

        return part


def test_a_rotten_catalog_is_made_again_with_a_word_about_it(
    photovault: Callable, photos: Path, library: Callable
) -> None:
    found = photovault("find").out
    library().write_bytes(b"rotten" * 10_000)
    done = photovault("find")
    assert (done.code, done.out) == (0, found)
    assert "search catalog was damaged" in done.err
    assert photovault("find").err == ""


def test_a_catalog_with_nothing_in_it_yet_is_not_called_damaged(photovault: Callable, photos: Path) -> None:
    photovault("backup", str(photos))
    assert photovault("catalog", "status").out.startswith("0 photos")
    assert photovault("find").err == ""


def test_rot_that_shows_only_on_the_way(photovault: Callable, photos: Path, library: Callable) -> None:
    import sqlite3

    found = photovault("find").out
    with sqlite3.connect(library()) as db:
        db.execute("UPDATE rows SET data = x'00'")
    db.close()
    done = photovault("find")
    assert (done.code, done.out) == (0, found)
    assert "search catalog was damaged" in done.err


def test_a_damaged_listing_is_named_and_the_rest_found(
    photovault: Callable, vault: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photovault.errors import DamageError
    from photovault.vault.reader import Reader

    kept = Reader.part

    def part(reader: Reader, part_id: bytes) -> bytes:
        data = kept(reader, part_id)
        if b"IMG_1.jpg" in data:
            raise DamageError("bad luck")
        return data

    monkeypatch.setattr(Reader, "part", part)
    for _ in range(2):
        done = photovault("find", "--json")
        assert done.code == 13
        assert [one["path"] for one in done.json["damaged"]] == ["P/Gita"]
        assert [row["path"] for row in done.json["rows"]] == ["P/copy.jpg"]
    done = photovault("find")
    assert (done.code, done.out, "damaged: P/Gita" in done.err) == (13, "P/copy.jpg\n", True)
    monkeypatch.setattr(Reader, "part", kept)
    assert (photovault("find").code, len(photovault("find").out.splitlines())) == (0, 3)


def test_two_at_once_both_find_all(photovault: Callable, photos: Path) -> None:
    command = [sys.executable, "-m", "photovault", "find"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) for _ in range(2)]
    outs = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert outs[0] == outs[1] == photovault("find").out


def test_the_catalog_says_what_it_holds_and_is_made_again(
    photovault: Callable, photos: Path, library: Callable
) -> None:
    empty = photovault("catalog", "status", "--json").json
    assert (empty["photos"], empty["current"]) == (0, False)
    assert "brings it up to date" in photovault("catalog", "status").out
    made = photovault("catalog", "rebuild", "--json").json
    assert (made["photos"], made["current"], made["path"]) == (3, True, str(library()))
    photovault("backup", photos, "--time", "2030-01-01T00:00:00Z")
    photovault("find")
    assert len(photovault("catalog", "status", "--json").json["snapshots"]) == 2
    assert len(photovault("catalog", "rebuild", "--json").json["snapshots"]) == 1


def test_a_vault_without_a_snapshot(photovault: Callable, vault: Path) -> None:
    assert photovault("find").code == 1
    assert photovault("catalog", "rebuild").code == 1
    assert photovault("catalog", "status", "--json").json["current"] is None
