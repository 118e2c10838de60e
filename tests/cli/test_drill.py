"""``photovault drill``, and what ``status`` says of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.eyes import BROKEN
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    for number in range(4):
        put(tmp_path / "P" / f"{number}.jpg", jpeg(number))
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[sources]]\npath = '{tmp_path / 'P'}'\n[drill]\ncount = 3\n")
    assert photovault("backup").code == 0
    return tmp_path / "P"


def spoil(vault: Path) -> None:
    for path in (vault / "packs").rglob("*"):
        if path.is_file():
            data = bytearray(path.read_bytes())
            data[len(data) // 6] ^= 1
            path.write_bytes(data)


def rot(path: Path, tmp_path: Path) -> None:
    """Other bytes, and nothing else of the file is changed."""
    st, data = path.stat(), bytearray(path.read_bytes())
    data[-3] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    (catalog,) = (tmp_path / "device" / "state" / "vaults").glob("*/*/catalog.sqlite")
    with closing(sqlite3.connect(catalog)) as db, db:
        db.execute("UPDATE files SET ctime = ?", (path.stat().st_ctime_ns,))


def lines(out: str) -> list[dict]:
    return [one for one in map(json.loads, out.splitlines()) if one["message_type"] != "status"]


def test_a_drill_says_what_it_saw_and_status_how_much_is_proven(photovault: Callable, photos: Path) -> None:
    assert "never proven" in photovault("status").out
    done = photovault("drill")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("proven: 3 of 3 photos tried, ")
    assert "3 decoded" in done.out
    assert "3 the same on this computer" in done.out
    assert "proven 75 % within 12 months, oldest proof 20" in done.out
    status = photovault("status")
    assert (status.code, "proven 75 % within 12 months, oldest proof 20" in status.out) == (0, True)
    proven = photovault("status", "--json").json["proven"]["main"]
    assert (proven["percent"], proven["files"], proven["files_proven"], proven["damaged"]) == (75, 4, 3, [])
    photovault("drill", "--count", 1)
    assert "proven 100 %" in photovault("status").out


def test_what_came_since_is_not_proven(photovault: Callable, photos: Path) -> None:
    photovault("drill", "--all")
    for number in range(4, 8):
        put(photos / f"{number}.jpg", jpeg(number))
    photovault("backup")
    assert "proven 50 %" in photovault("status").out
    assert photovault("status", "--json").json["proven"]["main"]["files"] == 8


@pytest.mark.parametrize(
    ("options", "tried"),
    [((), 3), (("--count", "2"), 2), (("--percent", "50"), 2), (("--percent", "1"), 1), (("--all",), 4)],
)
def test_how_many_are_tried(photovault: Callable, photos: Path, options: tuple[str, ...], tried: int) -> None:
    value = photovault("drill", "--json", *options).json
    assert (value["chosen"], value["proven"], value["message_type"]) == (tried, tried, "summary")
    assert photovault("drill", "--dry-run", "--json", *options).json["chosen"] == tried


@pytest.mark.parametrize(
    "options",
    [
        ("--count", "0"),
        ("--count", "x"),
        ("--percent", "0"),
        ("--percent", "101"),
        ("--count", "2", "--all"),
        ("nope",),
    ],
)
def test_wrong_use(photovault: Callable, photos: Path, options: tuple[str, ...]) -> None:
    assert photovault("drill", *options).code == 2


def test_a_dry_run_says_how_much_would_be_fetched(photovault: Callable, photos: Path) -> None:
    done = photovault("drill", "-n")
    assert (done.code, done.out.startswith("would fetch 3 photos of 4, 8.")) == (0, True)
    assert "never proven" in photovault("status").out


def test_damage_is_named_with_what_to_do_and_status_says_it_until_it_is_mended(
    photovault: Callable, photos: Path, vault: Path
) -> None:
    spoil(vault)
    done = photovault("drill", "--all")
    assert done.code == 13
    assert "DAMAGED, not to be restored from here: 1" in done.err
    assert "it is whole on this computer: `photovault backup` stores it again" in done.err
    status = photovault("status")
    assert (status.code, status.out.startswith("DAMAGED: last backup")) == (3, True)
    assert "DAMAGED: the last drill could not restore 1 photo:" in status.out
    value = photovault("status", "--json").json
    assert (value["protected"], value["state"], len(value["proven"]["main"]["damaged"])) == (False, "damaged", 1)
    assert photovault("backup").code == 0
    assert photovault("drill", "--count", 2).code == 0
    assert (photovault("status").code, photovault("status", "--json").json["protected"]) == (0, True)


def test_each_photo_with_a_problem_has_a_message_and_the_others_have_none(
    photovault: Callable, photos: Path, vault: Path
) -> None:
    put(photos / "bad.jpg", jpeg(9) + BROKEN)
    photovault("backup")
    found = lines(photovault("drill", "--all", "--json").out)
    assert [(one["message_type"], one.get("problem"), one.get("path")) for one in found[:-1]] == [
        ("photo", "broken", "P/bad.jpg")
    ]
    assert (found[-1]["proven"], found[-1]["decoded"], found[-1]["broken"]) == (5, 4, 1)
    spoil(vault)
    *photos_, summary = lines(photovault("drill", "--all", "--json").out)
    damaged = [one for one in photos_ if one["problem"] == "damaged"]
    assert 0 < len(damaged) == summary["damaged"] < 5
    assert all(one["path"].startswith("P/") and one["hint"] for one in damaged)


def test_bit_rot_on_this_computer_is_an_alarm_of_its_own(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    rot(photos / "2.jpg", tmp_path)
    done = photovault("drill", "--all")
    assert (done.code, "ROTTED on this computer:\n  P/2.jpg: " in done.err) == (3, True)
    assert "photovault restore 'P/2.jpg' --to DIR" in done.err
    status = photovault("status")
    assert (status.code, "ROTTED on this computer, whole in the vault: 1 photo" in status.out) == (3, True)
    assert "P/2.jpg" in status.out
    value = photovault("drill", "--all", "--json").json
    assert (value["rotten"], value["differs"], value["damaged"], value["proven"]) == (1, 1, 0, 4)


def test_two_destinations_are_told_apart(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    shutil.copytree(vault, tmp_path / "usb")
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    photovault("drill", "--all")
    status = photovault("status")
    assert "main: proven 100 %" in status.out
    assert "usb: never proven" in status.out
    spoil(tmp_path / "usb")
    assert photovault("drill", "--all", "--vault", "usb").code == 13
    status = photovault("status")
    assert (status.code, "main: proven 100 %" in status.out, "usb: proven 75 %" in status.out) == (3, True, True)
    assert "usb: DAMAGED" in status.out
    assert status.out.startswith("protected"), "the vault itself is"


def test_a_storage_that_is_away_is_17_and_status_still_says_what_was_proven(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    photovault("drill", "--all")
    vault.rename(tmp_path / "away")
    assert photovault("drill").code in (10, 17)
    assert "proven 100 % within 12 months" in photovault("status").out
    assert photovault("status", "--json").json["proven"]["main"]["percent"] == 100


def test_quiet_says_only_what_is_wrong(photovault: Callable, photos: Path, vault: Path) -> None:
    done = photovault("drill", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert photovault("status", "-q").out.count("\n") == 1
    spoil(vault)
    assert "DAMAGED" in photovault("drill", "-q", "--all").err


def test_damage_that_costs_no_photo_is_damage_all_the_same(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    spoil(vault)
    assert photovault("drill", "--all").code == 13
    assert photovault("backup").code == 0
    for path in (tmp_path / "device" / "state" / "vaults").glob("*/*/evidence.sqlite*"):
        path.unlink()  # nobody remembers which of the two places is the damaged one
    done = photovault("drill", "--all")
    assert (done.code, "damaged in one place, whole in another:" in done.err) == (13, True)
    assert "photovault check --data all --repair" in done.err
    assert photovault("status").code == 0, "every photo came back"
