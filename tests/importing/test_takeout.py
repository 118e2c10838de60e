"""Takeout: photos find their notes, wherever those are; each photo comes once; what did not match is named."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.app import importing
from photovault.importing.takeout import Note, read_note
from tests.importing.some import album, left_over, notes, tarred, tree, unpacked, zipped
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAY = jpeg(1, taken="2021:05:04 13:22:11")
PLAIN = jpeg(2)
MADE = 1_620_134_531  # 2021-05-04T13:22:11Z


@pytest.fixture
def run(photovault: Callable, tmp_path: Path) -> Callable:
    """Import parts into ``out``."""

    def imported(*args: object, code: int = 0):
        done = photovault("import", "takeout", *args, "--to", tmp_path / "out", "--json")
        assert done.code == code, (done.out, done.err)
        return done.json

    return imported


@pytest.mark.parametrize(
    "make", [(zipped, zipped), (tarred, zipped), (zipped, tarred), (unpacked, zipped), (tarred, unpacked)]
)
def test_notes_in_another_part_than_their_photo(tmp_path: Path, run, make) -> None:
    one = make[0](tmp_path / "takeout-1", {"Photos from 2021/IMG_1.jpg": PLAIN})
    two = make[1](
        tmp_path / "takeout-2", {"Photos from 2021/IMG_1.jpg.supplemental-metadata.json": notes("IMG_1.jpg", MADE)}
    )
    report = run(one, two)
    assert (report["bare"], report["lonely"], report["problems"]) == ([], [], [])
    out = tmp_path / "out"
    assert tree(out) == {"2021/05/IMG_1.jpg": PLAIN, "2021/05/IMG_1.jpg.json": notes("IMG_1.jpg", MADE)}
    assert (out / "2021/05/IMG_1.jpg").stat().st_mtime == MADE


def test_the_folder_goes_by_the_photos_own_date_the_time_by_googles(tmp_path: Path, run) -> None:
    """Taken on the 1st at 00:30 on a clock in Rome, when it was April in UTC."""
    photo = jpeg(1, taken="2021:05:01 00:30:00")
    run(
        zipped(
            tmp_path / "t.zip",
            {"Photos from 2021/a.jpg": photo, "Photos from 2021/a.jpg.json": notes("a.jpg", 1_619_821_800)},
        )
    )
    assert (tmp_path / "out/2021/05/a.jpg").stat().st_mtime == 1_619_821_800


def test_what_has_no_date_at_all(tmp_path: Path, run) -> None:
    report = run(zipped(tmp_path / "t.zip", {"Photos from 2021/a.jpg": PLAIN}))
    assert tree(tmp_path / "out") == {"undated/a.jpg": PLAIN}
    assert len(report["bare"]) == 1


def test_a_photo_in_albums_is_stored_once_and_in_all_of_them(tmp_path: Path, run) -> None:
    files = {
        "Rome/IMG_1.jpg": MAY,
        "Rome/IMG_1.jpg.json": notes("IMG_1.jpg", MADE),
        "Rome/metadata.json": album("Rome 2021"),
        "Best/Metadaten.json": album("Bëst"),
        "Best/IMG_1.jpg": MAY,
        "Photos from 2021/metadata.json": album("Photos from 2021"),
        "Photos from 2021/IMG_1.jpg": MAY,
        "Photos from 2021/IMG_1.jpg.json": notes("IMG_1.jpg", MADE, favorited=True),
    }
    report = run(zipped(tmp_path / "t.zip", files))
    assert sorted(tree(tmp_path / "out")) == ["2021/05/IMG_1.jpg", "2021/05/IMG_1.jpg.json", "photovault-albums.json"]
    assert report["duplicates"] == 2
    found = json.loads((tmp_path / "out/photovault-albums.json").read_bytes())
    assert found["version"] == 1
    assert [one["photos"] for one in found["albums"]] == [["2021/05/IMG_1.jpg"]] * 3
    assert {one["name"] for one in found["albums"]} == {"Favourites", "Rome 2021", "Bëst"}
    assert report["bare"] == []


def test_of_two_copies_the_one_with_notes_is_taken(tmp_path: Path, run) -> None:
    files = {
        "Photos from 2021/IMG_1.jpg": PLAIN,
        "Rome/IMG_1.jpg": PLAIN,
        "Rome/IMG_1.jpg.json": notes("IMG_1.jpg", MADE),
        "Rome/metadata.json": album("Rome"),
    }
    report = run(zipped(tmp_path / "t.zip", files))
    assert (report["bare"], report["duplicates"]) == ([], 1)
    assert tree(tmp_path / "out").keys() == {"2021/05/IMG_1.jpg", "2021/05/IMG_1.jpg.json", "photovault-albums.json"}
    assert (tmp_path / "out/2021/05/IMG_1.jpg").stat().st_mtime == MADE


@pytest.mark.parametrize("root", ["Takeout/Google Fotos", "Google Photos"])
def test_an_album_whose_own_notes_are_missing_keeps_its_name(tmp_path: Path, run, root: str) -> None:
    folders = ("Kids", "Fotos von 2021", "Archiv", "2021年の写真", "Trash", "Photos from 2020")
    files = {f"./{root}/{folder}/{number}.jpg": jpeg(number) for number, folder in enumerate(folders)}
    report = run(zipped(tmp_path / "t.zip", files | {"./Takeout/Drive/x/y.jpg": jpeg(9)}))
    found = json.loads((tmp_path / "out/photovault-albums.json").read_bytes())["albums"]
    assert (report["albums"], found) == (1, [{"name": "Kids", "photos": ["undated/0.jpg"]}])


def test_different_photos_of_one_name_keep_their_own_notes(tmp_path: Path, run) -> None:
    files = {
        "Photos from 2021/IMG_1.jpg": MAY,
        "Photos from 2021/IMG_1.jpg.json": notes("IMG_1.jpg", MADE, description="one"),
        "Rome/IMG_1.jpg": jpeg(7, taken="2021:05:06 10:00:00"),
        "Rome/IMG_1.jpg.json": notes("IMG_1.jpg", MADE, description="other"),
    }
    run(zipped(tmp_path / "t.zip", files))
    found = tree(tmp_path / "out/2021/05")
    assert sorted(found) == ["IMG_1-1.jpg", "IMG_1-1.jpg.json", "IMG_1.jpg", "IMG_1.jpg.json"]
    assert found["IMG_1-1.jpg"] == files["Rome/IMG_1.jpg"]
    assert b'"other"' in found["IMG_1-1.jpg.json"]


def test_edited_versions_and_live_videos_stay_with_their_photo(tmp_path: Path, run) -> None:
    """The video's own date is in UTC and the photo's on a clock at the place: the set goes by the picture."""
    files = {
        "Photos from 2021/IMG_1.jpg": jpeg(1, taken="2021:05:01 00:30:00"),
        "Photos from 2021/IMG_1-edited.jpg": jpeg(3),
        "Photos from 2021/IMG_1.MP4": b"\0\0\0\x18ftypmp42" + bytes(500),
        "Photos from 2021/IMG_1.jpg.json": notes("IMG_1.jpg", 1_619_821_800),
    }
    report = run(zipped(tmp_path / "t.zip", files))
    assert sorted(tree(tmp_path / "out")) == [
        "2021/05/IMG_1-edited.jpg",
        "2021/05/IMG_1.MP4",
        "2021/05/IMG_1.jpg",
        "2021/05/IMG_1.jpg.json",
    ]
    assert report["bare"] == []


def test_names_that_were_cut_find_their_notes(tmp_path: Path, run) -> None:
    long = "a" * 43 + ".jpg"
    files = {f"Photos from 2021/{long}": PLAIN, f"Photos from 2021/{long[:46]}.json": notes(long, MADE)}
    files |= {"Photos from 2021/b(1).jpg": jpeg(5), "Photos from 2021/b.jpg(1).json": notes("b.jpg", MADE)}
    report = run(zipped(tmp_path / "t.zip", files))
    assert (report["bare"], report["lonely"]) == ([], [])
    assert {f"2021/05/{long}.json", "2021/05/b(1).jpg.json"} < tree(tmp_path / "out").keys()


def test_the_trash_stays_there_unless_asked_for(tmp_path: Path, run) -> None:
    files = {
        "Trash/a.jpg": MAY,
        "Photos from 2021/b.jpg": PLAIN,
        "Photos from 2021/b.jpg.json": notes("b.jpg", MADE, trashed=True),
        "Archive/c.jpg": jpeg(4, taken="2021:05:04 13:22:11"),
    }
    path = zipped(tmp_path / "t.zip", files)
    assert run(path)["in_trash"] == 2
    assert tree(tmp_path / "out").keys() == {"2021/05/c.jpg"}
    assert run(path, "--trash")["in_trash"] == 0
    assert {"2021/05/a.jpg", "2021/05/b.jpg"} < tree(tmp_path / "out").keys()


def test_notes_without_photo_and_photos_without_notes_are_named(tmp_path: Path, run) -> None:
    files = {
        "Photos from 2021/a.jpg": MAY,
        "Photos from 2021/gone.jpg.json": notes("gone.jpg"),
        "Photos from 2021/x.html": b"x",
    }
    report = run(zipped(tmp_path / "t.zip", files), code=3)
    assert [one.rpartition("/")[2] for one in (*report["bare"], *report["lonely"])] == ["a.jpg", "gone.jpg.json"]
    assert report["other_files"] == 1


def test_a_repeated_run_copies_nothing_and_keeps_what_is_there(tmp_path: Path, run) -> None:
    files = {"Photos from 2021/a.jpg": MAY, "Photos from 2021/a.jpg.json": notes("a.jpg", MADE), "Rome/a.jpg": MAY}
    parts = [make(tmp_path / f"t{n}", files) for n, make in enumerate((zipped, tarred, unpacked))]
    run(*parts)
    before = {path: path.stat() for path in (tmp_path / "out").rglob("*.jp*")}
    later = {**files, "Photos from 2021/a.jpg.json": notes("a.jpg", MADE, imageViews="5")}
    report = run(*parts, zipped(tmp_path / "again.zip", later))
    assert report["files_copied"] == 0
    assert {path: path.stat().st_mtime_ns for path in before} == {path: one.st_mtime_ns for path, one in before.items()}
    assert {path: path.stat().st_ino for path in before} == {path: one.st_ino for path, one in before.items()}
    assert sorted(path.name for path in before) == ["a.jpg", "a.jpg.json"]


def test_nothing_in_the_library_is_overwritten(tmp_path: Path, run) -> None:
    (tmp_path / "out/2021/05").mkdir(parents=True)
    (tmp_path / "out/2021/05/a.jpg").write_bytes(b"mine")
    (tmp_path / "out/2021/05/a-1.jpg").symlink_to("a.jpg")
    run(zipped(tmp_path / "t.zip", {"Photos from 2021/a.jpg": MAY}))
    assert (tmp_path / "out/2021/05/a.jpg").read_bytes() == b"mine"
    assert (tmp_path / "out/2021/05/a-2.jpg").read_bytes() == MAY


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path, run) -> None:
    path = tarred(tmp_path / "t.tgz", {"Photos from 2021/a.jpg": MAY, "A/metadata.json": album("A"), "A/a.jpg": MAY})
    planned = run(path, "--dry-run")
    assert not (tmp_path / "out").exists()
    assert planned == run(path) | {"dry_run": True}


def test_an_archive_that_changes_between_looking_and_copying_is_noticed(tmp_path: Path, run, monkeypatch) -> None:
    path = tarred(tmp_path / "t.tgz", {"Photos from 2021/a.jpg": MAY, "Photos from 2021/b.jpg": PLAIN})
    copies = importing.run_copies

    def late(*args, **more):
        tarred(path, {"Photos from 2021/a.jpg": MAY[:-1] + b"?", "Photos from 2021/b.jpg": PLAIN})
        return copies(*args, **more)

    monkeypatch.setattr(importing, "run_copies", late)
    (problem,) = run(path, code=3)["problems"]
    assert (problem["path"].rpartition("/")[2], problem["what"]) == ("a.jpg", "it changed while it was imported")
    assert tree(tmp_path / "out") == {"undated/b.jpg": PLAIN}


def test_a_name_dates_a_photo_less_surely_than_google(tmp_path: Path, run) -> None:
    """It may be the name of a copy that was made later."""
    name = "IMG_20230203_040506.jpg"
    run(
        zipped(
            tmp_path / "t.zip", {f"Photos from 2021/{name}": PLAIN, f"Photos from 2021/{name}.json": notes(name, MADE)}
        )
    )
    assert (tmp_path / "out/2021/05" / name).exists()


def test_a_damaged_file_costs_only_itself(tmp_path: Path, run) -> None:
    names = [f"Photos from 2021/a: {n}.jpg" for n in range(5)]
    path = zipped(tmp_path / "t.zip", {name: jpeg(n, taken="2021:05:04 13:22:11") for n, name in enumerate(names)}, 0)
    data = bytearray(path.read_bytes())
    data[data.index(jpeg(2, taken="2021:05:04 13:22:11")) + 900] ^= 1
    path.write_bytes(data)
    report = run(path, code=3)
    assert [one["path"].rpartition("/")[2] for one in report["problems"]] == ["a: 2.jpg"]
    assert sorted(tree(tmp_path / "out")) == [f"2021/05/a: {n}.jpg" for n in (0, 1, 3, 4)]
    assert left_over(tmp_path / "out") == []


def test_a_part_that_is_not_whole_costs_only_what_is_missing(tmp_path: Path, run) -> None:
    good = zipped(tmp_path / "t1.zip", {"Photos from 2021/a.jpg": MAY})
    cut = tarred(tmp_path / "t2.tgz", {"Photos from 2021/b.jpg": PLAIN, "Photos from 2021/c.jpg": os.urandom(90_000)})
    cut.write_bytes(cut.read_bytes()[:40_000])
    report = run(good, cut, code=3)
    assert "2021/05/a.jpg" in tree(tmp_path / "out")
    assert "download" in report["problems"][0]["hint"]


def test_a_full_disk_ends_the_run_with_nothing_half_written(tmp_path: Path, photovault, monkeypatch) -> None:
    from photovault.target import Pending

    write, written = Pending.write, []

    def full(self, data) -> None:
        written.append(len(data))
        if len(written) > 3:
            import errno

            with self._root.refusals(self.parts, self.size):
                raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    files = {f"Photos from 2021/{n}.jpg": jpeg(n, taken="2021:05:04 13:22:11") for n in range(8)}
    path = zipped(tmp_path / "t.zip", files)
    with monkeypatch.context() as patched:
        patched.setattr(Pending, "write", full)
        done = photovault("import", "takeout", path, "--to", tmp_path / "out")
    assert done.code == 1
    assert "no space left" in done.err
    assert tree(tmp_path / "out") == {f"2021/05/{n}.jpg": files[f"Photos from 2021/{n}.jpg"] for n in range(3)}
    assert left_over(tmp_path / "out") == []
    assert photovault("import", "takeout", path, "--to", tmp_path / "out", "--json").json["files_copied"] == 5


def test_a_library_inside_of_what_is_imported_or_in_the_vault_is_refused(
    tmp_path: Path, photovault, vault: Path
) -> None:
    root = unpacked(tmp_path / "t", {"Photos from 2021/a.jpg": MAY})
    for to in (root / "out", root, vault / "photos"):
        assert photovault("import", "takeout", root, "--to", to).code == 2
    assert not (vault / "photos").exists()


def test_thousands_of_files_are_joined_in_linear_time() -> None:
    from photovault.facts import NOTHING
    from photovault.importing import takeout
    from photovault.importing.template import parse
    from photovault.importing.values import Key, Member

    found = takeout.Survey()
    folder = found.folders[b"Photos from 2021"]
    for number in range(8_000):
        name = b"IMG_%05d.jpg" % number
        member = Member(key=Key(0, number), folder=b"x", name=name, size=1, mtime_ns=0, where=f"x:{number}")
        said = Member(key=Key(1, number), folder=b"x", name=name + b".json", size=1, mtime_ns=0, where=f"y:{number}")
        folder.photos[member.key] = (member, NOTHING, b"")
        folder.notes[said.key] = (said, Note(title=name.decode(), taken=MADE), b"")
    start = time.process_time()
    gathered = takeout.gather(found, parse("{year}"), trash=False)
    assert time.process_time() - start < 10
    assert (len(gathered.sets), gathered.bare, gathered.lonely) == (8_000, (), ())


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ({"title": "a", "photoTakenTime": {"timestamp": "-5"}}, Note(title="a", taken=-5)),
        ({"title": "a", "photoTakenTime": {"timestamp": "9" * 30}}, Note(title="a")),
        ({"title": "a", "photoTakenTime": {"timestamp": None}}, Note(title="a")),
        ({"title": 5, "photoTakenTime": {}, "trashed": True}, Note(trashed=True)),
        ({"albumData": {"title": "Old"}}, Note(title="Old", album=True)),
        ({"title": "A"}, Note(title="A", album=True)),
        ({"title": "", "access": ""}, None),
        ([], None),
        (7, None),
    ],
)
def test_what_notes_say(value: object, note: Note | None) -> None:
    assert read_note(json.dumps(value).encode()) == note


@given(
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.text() | st.integers(),
            lambda inner: st.dictionaries(
                st.sampled_from(["title", "photoTakenTime", "timestamp", "albumData", "favorited"]), inner
            ),
        )
        .map(json.dumps)
        .map(str.encode),
    )
)
def test_notes_of_any_kind_raise_nothing(data: bytes) -> None:
    read_note(data)


def test_nested_notes_raise_nothing() -> None:
    assert read_note(b'{"title":' * 100_000) is None
