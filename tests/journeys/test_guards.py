"""A library meets with an accident, and the backup stops and says what it saw; nothing good is lost by it."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import guarding
from photovault.errors import GuardError
from tests.backup.test_earlier import forget
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHOTOS = 40
NOISE = Random(4).randbytes(5_000)


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    """Forty photos that were backed up."""
    root = tmp_path / "P"
    for number in range(PHOTOS):
        put(root / f"{number % 4}" / f"{number:02}.jpg", jpeg(number), mtime=1_600_000_000 + number)
    assert photovault("backup", root).code == 0
    return root


def some(photos: Path, count: int) -> list[Path]:
    return sorted(photos.rglob("*.jpg"))[:count]


def spoil(path: Path, data: bytes = NOISE) -> None:
    path.write_bytes(data)


def in_place(path: Path, data: bytes) -> None:
    """Other bytes, of the same size and time."""
    st = path.stat()
    path.write_bytes((data * (st.st_size // len(data) + 1))[: st.st_size])
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def delete(path: Path) -> None:
    path.unlink()


def lock(path: Path) -> None:
    path.write_bytes(NOISE)
    path.rename(path.with_name(path.name + ".locked"))


def rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.stem}.doc"))


@pytest.mark.parametrize(
    ("harm", "count", "word", "seen"),
    [
        (spoil, 30, "changes", "30 of 40 files (75 %) in "),
        (lambda path: in_place(path, NOISE), 20, "broken", "20 files in "),
        (delete, 30, "losses", "30 of 40 files (75 %) in "),
        (rename, 30, "losses", "30 of 40 files (75 %) in "),
        (lock, 20, "losses", "are no photos any more, as when something encrypts them: 0/00.jpg (now 00.jpg.locked), "),
    ],
    ids=["encrypted", "encrypted in place", "deleted", "renamed", "renamed and encrypted"],
)
def test_it_stops_says_what_it_saw_and_goes_on_when_told(
    photos: Path, photovault: Callable, harm: Callable, count: int, word: str, seen: str
) -> None:
    (before,) = photovault("snapshots", "--json").json["snapshots"]
    for path in some(photos, count):
        harm(path)
    done = photovault("backup", photos)
    assert done.code == 15
    assert seen in done.err
    assert "0/00.jpg" in done.err
    assert f"what to do: look at these files first, what is in the vault is safe; to go on all the same: photovault backup --allow {word}\n" in done.err  # fmt: skip
    assert [one["id"] for one in photovault("snapshots", "--json").json["snapshots"]] == [before["id"]]
    said = photovault("backup", photos, "--json")
    assert (said.code, json.loads(said.err)["exit_code"]) == (15, 15)
    assert photovault("backup", photos, "--allow", f"{word},changes,broken,suspect").code == 0
    assert photovault("check", "--data", "all").code == 0


def test_a_plan_says_that_it_would_stop(photos: Path, photovault: Callable) -> None:
    for path in some(photos, 30):
        delete(path)
    done = photovault("backup", "-n", photos)
    assert (done.code, "30 gone" in done.out, "--allow losses" in done.err) == (15, True, True)


@pytest.mark.parametrize("harm", [delete, spoil, lambda path: in_place(path, NOISE)])
def test_a_lost_catalog_switches_no_guard_off(
    photos: Path, photovault: Callable, tmp_path: Path, harm: Callable
) -> None:
    for path in some(photos, 30):
        harm(path)
    forget(tmp_path / "device" / "state")
    assert photovault("backup", photos).code == 15
    assert photovault("backup", photos, "--allow", "losses,changes,broken").code in {0, 3}


def test_moving_everything_is_no_loss(photos: Path, photovault: Callable, tmp_path: Path) -> None:
    """Also to where files get other numbers, as on another disk."""
    for path in some(photos, PHOTOS):
        st = path.stat()
        put(photos / "all" / path.name, path.read_bytes(), mtime=st.st_mtime)
        path.unlink()
    done = photovault("backup", photos, "--json")
    assert (done.code, done.json["files"]) == (0, PHOTOS)
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "P", photos) == []


def test_what_is_left_out_by_now_is_no_loss(photos: Path, photovault: Callable) -> None:
    done = photovault("backup", photos, "--exclude", "0/", "--exclude", "*.jpg", "--json")
    assert (done.code, done.json["files"]) == (0, 0)


def test_editing_and_adding_is_no_accident(photos: Path, photovault: Callable) -> None:
    for number, path in enumerate(some(photos, 12)):
        path.write_bytes(jpeg(1000 + number))
    for number in range(100):
        put(photos / "new" / f"{number}.jpg", jpeg(2000 + number))
    assert photovault("backup", photos).code == 0


def test_the_limits_are_the_users(photos: Path, photovault: Callable, tmp_path: Path) -> None:
    (tmp_path / "device" / "config.toml").write_text("[guards]\nleast = 3\nlost = 5\n")
    for path in some(photos, 3):
        delete(path)
    assert photovault("backup", photos).code == 15
    (tmp_path / "device" / "config.toml").write_text("[guards]\nlost = 100\n")
    for path in some(photos, 30):
        delete(path)
    assert photovault("backup", photos).code == 0


def test_an_unknown_word_is_refused_with_the_known_ones(photos: Path, photovault: Callable) -> None:
    done = photovault("backup", photos, "--allow", "everything")
    assert (done.code, "'everything'" in done.err, "changes, losses, broken" in done.err) == (2, True, True)


def test_a_source_that_was_emptied_waits_for_a_word(photos: Path, photovault: Callable) -> None:
    for path in some(photos, PHOTOS):
        delete(path)
    for folder in photos.iterdir():
        folder.rmdir()
    done = photovault("backup", photos)
    assert (done.code, "perhaps it is not mounted" in done.err, "--allow missing" in done.err) == (15, True, True)
    done = photovault("backup", photos, "--allow", "missing,losses", "--json")
    assert (done.code, done.json["files"], done.json["files_gone"]) == (0, 0, PHOTOS)


# Room and the clock.


def test_a_full_disk_is_seen_before_anything_is_written(
    photos: Path, vault: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(photos / "film.mp4", Random(1).randbytes(3_000_000))
    before = sorted(vault.rglob("*"))
    monkeypatch.setattr(guarding, "free_bytes", lambda _path: 2_000_000)
    done = photovault("backup", photos)
    assert (done.code, "2.0 MB are free there" in done.err, "make room there" in done.err) == (15, True, True)
    assert sorted(vault.rglob("*")) == before
    assert photovault("backup", photos, "--allow", "space").code == 0
    assert photovault("backup", photos).code == 0  # nothing is to be written now


def test_room_is_asked_for_what_is_new_though_the_catalog_is_lost(
    photos: Path, photovault: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(tmp_path / "device" / "state")
    asked: list[Path] = []
    monkeypatch.setattr(guarding, "free_bytes", lambda path: asked.append(path) or (1 << 40))
    assert photovault("backup", photos).code == 0
    assert all(path.name != "vault" for path in asked)


def test_a_clock_that_jumped_back(tmp_path: Path) -> None:
    computer = Computer(tmp_path / "computer", tmp_path / "vault")
    computer.make_vault()
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    computer.backup(tmp_path / "P")
    computer._now.now -= timedelta(hours=3)
    with pytest.raises(GuardError, match="its last snapshot is of") as stopped:
        computer.backup(tmp_path / "P")
    assert stopped.value.hint == "set the clock; to go on all the same: photovault backup --allow clock"
    request = guarding_request(tmp_path / "P", "clock")
    assert computer.app().backup(request, Silent()).is_new
    computer.backup(tmp_path / "P")  # from now on this time counts
    computer._now.now += timedelta(days=500)
    app = computer.app()
    app.backup(guarding_request(tmp_path / "P"), Silent())
    assert any("set the clock" in one for one in app.warnings)


def guarding_request(folder: Path, *allowed: str) -> object:
    from photovault.app.sources import BackupRequest
    from photovault.backup.guards import Guard

    return BackupRequest(paths=(str(folder),), allowed=frozenset(map(Guard, allowed)))


# Bit rot.


def flip(path: Path) -> None:
    """One byte of a picture that decodes all the same."""
    st = path.stat()
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


@pytest.mark.parametrize("how", ["seen", "catalog lost", "reread"])
def test_bit_rot_is_an_alarm_and_both_versions_are_kept(
    photos: Path, photovault: Callable, tmp_path: Path, how: str
) -> None:
    good = (photos / "0" / "00.jpg").read_bytes()
    (first,) = (one["id"] for one in photovault("snapshots", "--json").json["snapshots"])
    flip(photos / "0" / "00.jpg")
    if how == "catalog lost":
        forget(tmp_path / "device" / "state")
    done = photovault("backup", photos, *(["--reread"] if how == "reread" else []))
    assert (done.code, "BIT ROT: 1 file" in done.err, "0/00.jpg: bit rot: its bytes changed" in done.err) == (
        3,
        True,
        True,
    )
    assert "--allow suspect" in done.err
    listed = photovault("ls", "--broken")
    assert listed.out.startswith("P/0/00.jpg: suspect: its bytes changed")
    assert photovault("restore", first, "P/0/00.jpg", "--to", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "P" / "0" / "00.jpg").read_bytes() == good
    again = photovault("backup", photos)
    assert (again.code, "1 file suspect since an earlier backup" in again.err) == (0, True)
    assert photovault("check", "--data", "all").code == 0


def test_bit_rot_in_json(photos: Path, photovault: Callable) -> None:
    flip(photos / "0" / "00.jpg")
    done = photovault("backup", photos, "--json")
    (one,) = done.json["bit_rot"]
    assert (one["path"], done.json["suspect"]) == (str(photos / "0" / "00.jpg"), 1)
    (row,) = photovault("ls", "--broken", "--json").json["entries"]
    assert row["why_bad"] == row["facts"]["suspect"]


def clear_by_word(photos: Path) -> tuple[str, ...]:
    return ("--allow", "suspect")


def clear_by_touch(photos: Path) -> tuple[str, ...]:
    os.utime(photos / "0" / "00.jpg")
    return ()


def clear_by_the_good_one(photos: Path) -> tuple[str, ...]:
    put(photos / "0" / "00.jpg", jpeg(0), mtime=1_600_000_000)
    return ()


@pytest.mark.parametrize("clear", [clear_by_word, clear_by_touch, clear_by_the_good_one])
def test_a_suspicion_ends(photos: Path, photovault: Callable, clear: Callable) -> None:
    flip(photos / "0" / "00.jpg")
    photovault("backup", photos)
    done = photovault("backup", photos, *clear(photos), "--json")
    assert (done.code, done.json["bit_rot"], done.json["suspect"]) == (0, [], 0)
    assert photovault("ls", "--broken").out == ""


def test_reading_everything_again_stores_nothing_new(photos: Path, photovault: Callable) -> None:
    done = photovault("backup", photos, "--reread", "--json")
    assert (done.code, done.json["files_unchanged"], done.json["files_changed"]) == (0, PHOTOS, 0)
    assert done.json["bytes_read"] == done.json["bytes"]
    assert done.json["bytes_new"] == 0


# Broken on ingest.


def test_broken_pictures_are_backed_up_and_listed_with_why(
    tmp_path: Path, vault: Path, photovault: Callable, real_decoders: None
) -> None:
    whole = jpeg(1, size=(640, 480))
    put(tmp_path / "P" / "whole.jpg", whole)
    put(tmp_path / "P" / "short.jpg", whole[: len(whole) // 2])
    put(tmp_path / "P" / "noise.heic", NOISE)
    put(tmp_path / "P" / "empty.png", b"")
    done = photovault("backup", tmp_path / "P", "--json")
    assert (done.code, done.json["files"], len(done.json["broken"])) == (0, 4, 3)
    assert photovault("ls", "--broken").out.splitlines() == [
        "P/empty.png: it is empty",
        "P/noise.heic: its first bytes are those of no picture or video",
        "P/short.jpg: it ends before its picture does",
    ]
    assert photovault("ls", "--broken", "latest", "P/short.jpg").out.startswith("P/short.jpg: ")
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "P", tmp_path / "P") == []
