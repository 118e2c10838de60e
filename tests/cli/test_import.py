"""``photovault import``: what a person is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from photovault.importing import copying
from tests.importing.some import ApplePhotos, album, left_over, notes, tree, zipped
from tests.support.photos import jpeg, put
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTOS = {f"Photos from 2021/{n:02}.jpg": jpeg(n, taken="2021:05:04 13:22:11") for n in range(30)}


@pytest.fixture
def takeout(tmp_path: Path) -> Path:
    files = {
        **PHOTOS,
        "Photos from 2021/gone.jpg.json": notes("gone.jpg"),
        "A/00.jpg": PHOTOS["Photos from 2021/00.jpg"],
    }
    return zipped(tmp_path / "takeout-1.zip", {**files, "A/metadata.json": album("A"), "x.html": b"x"})


def test_lines_for_a_person(photovault: Callable, takeout: Path, tmp_path: Path) -> None:
    done = photovault("import", "takeout", takeout, "--to", tmp_path / "out")
    assert done.code == 3
    for text in ("copied 30 files", "1 file more with the same bytes", "1 file left out", "1 album kept by name"):
        assert text in done.out
    assert "30 files: without notes of Google" in done.err
    assert "and 10 more; -v shows all" in done.err
    assert "1 file: notes without their photo" in done.err
    again = photovault("import", "takeout", takeout, "--to", tmp_path / "out", "-v")
    assert "30 files there already" in again.out
    assert "more; -v" not in again.err


def test_a_summary_for_a_program(photovault: Callable, takeout: Path, tmp_path: Path) -> None:
    done = photovault("import", "takeout", takeout, "--to", tmp_path / "out", "--json")
    assert (done.err, done.json["message_type"], done.json["schema"]) == ("", "summary", 1)
    assert set(done.json) >= {
        "files_copied",
        "bytes_copied",
        "files_there",
        "duplicates",
        "albums",
        "bare",
        "lonely",
        "problems",
    }
    assert done.json["bytes_copied"] == sum(map(len, PHOTOS.values()))


@pytest.mark.parametrize("what", ["takeout", "folder", "apple-photos"])
def test_help_begins_with_examples(photovault: Callable, what: str) -> None:
    done = photovault("import", what, "--help")
    assert (done.code, f"photovault import {what} " in done.out) == (0, True)


@pytest.mark.parametrize(
    "args",
    [
        ["takeout", "gone.zip", "--to", "out"],
        ["takeout", "--to", "out"],
        ["folder", "gone", "--to", "out"],
        ["folder", ".", "--to", "out", "--layout", "{yeer}"],
        ["apple-photos", ".", "--to", "out"],
        ["nothing"],
    ],
)
def test_wrong_use(photovault: Callable, tmp_path: Path, monkeypatch, args: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    done = photovault("import", *args)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_no_vault_is_needed_and_no_configuration_is_read(photovault: Callable, takeout: Path, tmp_path: Path) -> None:
    put(tmp_path / "device" / "config.toml", b"[vault]\nurl = '/nowhere'\n")
    assert photovault("import", "takeout", takeout, "--to", tmp_path / "out").code == 3


def test_ctrl_c_keeps_what_is_whole_and_the_next_run_does_the_rest(photovault, takeout, tmp_path, monkeypatch) -> None:
    write, written = copying._write, []

    def interrupted(stream, pending, where) -> bytes:
        written.append(pending)
        if len(written) > 10:
            raise KeyboardInterrupt
        return write(stream, pending, where)

    with monkeypatch.context() as patched:
        patched.setattr(copying, "_write", interrupted)
        assert photovault("import", "takeout", takeout, "--to", tmp_path / "out").code == 130
    assert len(tree(tmp_path / "out")) == 10
    assert left_over(tmp_path / "out") == []
    assert photovault("import", "takeout", takeout, "--to", tmp_path / "out", "--json").json["files_copied"] == 20


def test_albums_of_several_imports_come_together(photovault: Callable, tmp_path: Path) -> None:
    out = tmp_path / "out"
    photo = jpeg(1, taken="2021:05:04 13:22:11")
    one = zipped(tmp_path / "1.zip", {"A/a.jpg": photo, "A/metadata.json": album("Rome")})
    two = zipped(tmp_path / "2.zip", {"B/b.jpg": jpeg(2), "B/metadata.json": album("Rome"), "B/a.jpg": photo})
    for path in (one, two, two):
        assert photovault("import", "takeout", path, "--to", out).code == 0
    found = json.loads((out / "photovault-albums.json").read_bytes())["albums"]
    assert found == [{"name": "Rome", "photos": ["2021/05/a.jpg", "undated/b.jpg"]}]


def test_two_albums_of_one_name_become_one(photovault: Callable, takeout: Path, tmp_path: Path) -> None:
    twice = [{"name": "A", "photos": ["one.jpg"]}, {"name": "A", "photos": ["two.jpg"]}]
    put(tmp_path / "out/photovault-albums.json", json.dumps({"version": 1, "albums": twice}).encode())
    photovault("import", "takeout", takeout, "--to", tmp_path / "out")
    (found,) = json.loads((tmp_path / "out/photovault-albums.json").read_bytes())["albums"]
    assert found["photos"][:2] == ["one.jpg", "two.jpg"]


@pytest.mark.parametrize(
    "data", [b"mine", b'{"version": 2, "albums": []}', b'{"version": 1, "albums": [{"name": 5}]}', b"[" * 10**5]
)
def test_a_file_of_albums_that_is_not_ours_stays(
    photovault: Callable, takeout: Path, tmp_path: Path, data: bytes
) -> None:
    put(tmp_path / "out" / "photovault-albums.json", data)
    done = photovault("import", "takeout", takeout, "--to", tmp_path / "out")
    assert (done.code, "move it away" in done.err) == (1, True)
    assert tree(tmp_path / "out") == {"photovault-albums.json": data}  # nothing is copied before that is mended


def test_a_bar_on_a_terminal_and_names_that_cannot_steer_it(tmp_path: Path) -> None:
    library = ApplePhotos(tmp_path / "x")
    library.add("A" * 36, "evil\x1b[2J.jpg", {})
    library.db.close()
    person = Person("import", "apple-photos", library.root, "--to", tmp_path / "out")
    assert person.leaves() == 3
    assert "iCloud only" in person.seen
    assert "[2J" in person.seen  # shown as text: the escape itself is gone
