"""``photovault status``: is everything safe?"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path, vault: Path) -> Path:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[status]\noverdue = '1d'\n[[sources]]\npath = '{tmp_path / 'P'}'\n")
    return tmp_path / "P"


def test_before_the_first_backup(photovault: Callable, photos: Path) -> None:
    done = photovault("status")
    assert (done.code, done.out.startswith("NOT PROTECTED")) == (3, True)
    value = photovault("status", "--json").json
    assert (value["protected"], value["last_backup"], value["files_pending"]) == (False, None, 1)


def test_after_a_backup(photovault: Callable, photos: Path, vault: Path) -> None:
    photovault("backup")
    done = photovault("status")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("protected: last backup just now, 1 file, ")
    value = photovault("status", "--json").json
    assert (value["protected"], value["overdue"], value["files"], value["files_pending"]) == (True, False, 1, 0)
    assert value["vault"] == str(vault)


def test_what_waits_is_counted(photovault: Callable, photos: Path) -> None:
    photovault("backup")
    put(photos / "b.jpg", jpeg(2))
    done = photovault("status")
    assert "1 file new or changed since then" in done.out
    assert photovault("status", "--json").json["protected"] is False


def test_overdue(photovault: Callable, photos: Path) -> None:
    photovault("backup", "--time", "2020-01-01T00:00:00Z")
    done = photovault("status")
    assert (done.code, done.out.startswith("OVERDUE: last backup ")) == (3, True)
    assert photovault("status", "--json").json["overdue"] is True


def test_a_source_that_is_away_is_a_problem(photovault: Callable, photos: Path) -> None:
    photovault("backup")
    shutil.rmtree(photos)
    done = photovault("status")
    assert (done.code, str(photos) in done.err) == (3, True)
    assert photovault("status", "--json").json["problems"][0]["path"] == str(photos)


def test_problems_of_the_last_backup_are_remembered(photovault: Callable, photos: Path) -> None:
    put(photos / ".x.jpg.icloud", b"")
    assert photovault("backup").code == 3
    done = photovault("status")
    assert (done.code, "1 problem in the last backup" in done.out) == (3, True)


def test_quiet_still_answers(photovault: Callable, photos: Path) -> None:
    photovault("backup")
    assert photovault("status", "-q").out.count("\n") == 1


def test_no_vault(photovault: Callable, tmp_path: Path) -> None:
    done = photovault("status", "--vault", tmp_path / "nothing")
    assert (done.code, "photovault init" in done.err) == (10, True)


def test_what_cannot_be_read_is_incomplete_until_it_can(photovault: Callable, photos: Path) -> None:
    put(photos / ".x.jpg.icloud", b"")
    assert photovault("backup").code == 3
    value = photovault("status", "--json").json
    assert (value["state"], value["files_pending"], value["protected"]) == ("incomplete", 0, False)
    assert photovault("status").out.startswith("INCOMPLETE: last backup just now")
    (photos / ".x.jpg.icloud").unlink()
    assert photovault("backup").code == 0
    assert photovault("status", "--json").json["state"] == "protected"


def test_a_suspect_photo_is_incomplete_until_somebody_says_what_is_good(photovault: Callable, photos: Path) -> None:
    (path,) = photos.rglob("*.jpg")
    photovault("backup")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-10] + bytes(10))
    os.utime(path, ns=times)
    assert photovault("backup").code == 3
    done = photovault("status")
    assert (done.code, done.out.startswith("INCOMPLETE: ")) == (3, True)
    assert "suspect of bit rot: 1 file" in done.out + done.err
    photovault("backup", "--allow", "suspect")
    assert photovault("status").code == 0


def test_what_will_stop_the_next_backup_is_told(photovault: Callable, photos: Path) -> None:
    for number in range(30):
        put(photos / f"more{number}.jpg", jpeg(number))
    photovault("backup")
    for number in range(30):
        (photos / f"more{number}.jpg").unlink()
    done = photovault("status")
    assert "the next backup will stop: 30 of 31 files" in done.out + done.err


def test_a_snapshot_from_the_future_is_told_as_such(photovault: Callable, photos: Path) -> None:
    photovault("backup", "--time", "2999-01-01T00:00:00Z")
    done = photovault("status")
    assert (done.code, "days in the future (a clock is or was wrong)" in done.out) == (3, True)
    assert "just now" not in done.out
    assert photovault("backup").code == 15  # the clock may have jumped back
    photovault("backup", "--allow", "clock")
    assert photovault("status").code == 0


def test_what_the_daemon_looked_at_and_found_unchanged_is_not_overdue(
    photovault: Callable, photos: Path, tmp_path: Path
) -> None:
    photovault("backup", "--time", "2020-01-01T00:00:00Z")
    assert photovault("status").code == 3
    now = datetime.now(UTC).isoformat()
    kept = {"last_success": now, "failing_since": "", "pending_since": "", "problems": 0}
    memory = {"version": 1, "destinations": {"main": kept}, "pause": None}
    (tmp_path / "device" / "state" / "watch.json").write_text(json.dumps(memory))
    done = photovault("status", "--json")
    assert (done.code, done.json["state"], done.json["last_success"]) == (0, "protected", now)
    assert done.json["watch"]["destinations"][0]["state"] == "protected"


def test_what_the_daemon_left_as_failing_is_mended_by_a_later_backup(
    photovault: Callable, photos: Path, tmp_path: Path
) -> None:
    kept = {"last_success": "", "failing_since": "2020-01-01T00:00:00Z", "error": "away"}
    memory = {"version": 1, "destinations": {"main": kept}}
    photovault("backup")
    (tmp_path / "device" / "state" / "watch.json").write_text(json.dumps(memory))
    done = photovault("status", "--json")
    assert (done.code, done.json["state"]) == (0, "protected")
    assert done.json["watch"]["destinations"][0]["state"] == "protected"


def test_a_vault_that_is_away_leaves_what_is_remembered_of_its_copies(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
        config.write(f"[[destinations]]\nname = 'new'\nurl = '{tmp_path / 'new'}'\n")
    photovault("backup")
    photovault("copy", "--to", "usb")
    photovault("status")  # looks at the copy
    put(photos / "b.jpg", jpeg(2))
    photovault("backup")
    vault.rename(tmp_path / "pulled out")
    (tmp_path / "usb").rename(tmp_path / "pulled out, too")
    done = photovault("status")
    assert (done.code, done.out.startswith("NOT REACHED: ")) == (10, True)
    assert f"main ({vault}), not asked: it has snapshot " in done.out
    assert f"usb ({tmp_path / 'usb'}), not asked: it lacks newer ones than snapshot " in done.out
    assert f"new ({tmp_path / 'new'}), not asked: no snapshot of this device was ever seen there" in done.out
    value = photovault("status", "--json").json
    main, usb, new = value["destinations"]
    assert (value["protected"], bool(value["error"]), value["watch"]) == (False, True, None)
    assert (main["has_newest"], usb["has_newest"], new["has_newest"]) == (True, False, False)
    assert (main["sent"] > usb["sent"], new["snapshot"], new["sent"]) == (True, "", "")


def test_damage_that_a_check_found_is_told_until_it_is_mended(photovault: Callable, photos: Path, vault: Path) -> None:
    photovault("backup")
    pack = max((one for one in (vault / "packs").rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    whole = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(whole[:50] + bytes(2000) + whole[2050:])
    assert photovault("check", "--data", "all").code == 13
    done = photovault("status")
    assert (done.code, done.out.startswith("IN DOUBT: ")) == (3, True)
    assert "ALARM: 1 pack in the vault found damaged, and not mended yet" in done.out + done.err
    assert "run `photovault check --repair`" in done.out + done.err
    with (photos.parent / "device" / "config.toml").open(
        "a"
    ) as config:  # what is told beside several destinations, too
        config.write(f"[[destinations]]\nname = 'usb'\nurl = '{photos.parent / 'usb'}'\n")
    done = photovault("status")
    assert "ALARM: 1 pack in the vault found damaged" in done.out + done.err
    assert photovault("check", "--repair").code == 0
    done = photovault("status")
    assert (done.code, "damaged" in done.out + done.err) == (0, False)


def test_what_a_check_found_lost_is_told_until_a_check_finds_it_again(
    photovault: Callable, photos: Path, vault: Path
) -> None:
    photovault("backup")
    whole = {one: one.read_bytes() for one in (vault / "packs").rglob("*") if one.is_file()}
    for pack in whole:
        pack.unlink()
    assert photovault("check").code == 13
    for _ in range(2):
        done = photovault("status")
        assert (done.code, done.out.startswith("IN DOUBT: ")) == (3, True)
        assert "in the vault could not be restored at the check of " in done.out + done.err
    for pack, data in whole.items():
        pack.write_bytes(data)
    assert photovault("check").code == 0
    assert photovault("status").code == 0


def test_a_backup_that_a_guard_stopped_is_told_until_one_is_made(
    photovault: Callable, photos: Path, vault: Path
) -> None:
    for number in range(30):
        put(photos / f"{number}.jpg", jpeg(number))
    photovault("backup")
    for number in range(25):
        (photos / f"{number}.jpg").unlink()
    assert photovault("backup").code == 15
    for _ in range(2):
        done = photovault("status")
        assert (done.code, done.out.startswith("IN DOUBT: ")) == (3, True)
        assert "the last backup was stopped, on " in done.out + done.err
        assert "25 of " in done.out + done.err
    assert photovault("backup", "--allow", "losses").code == 0
    done = photovault("status")
    assert (done.code, "was stopped" in done.out + done.err) == (0, False)


def test_a_photo_that_only_the_damaged_pack_had_is_told_though_others_were_stored_again(
    photovault: Callable, photos: Path, vault: Path
) -> None:
    put(photos / "gone.jpg", jpeg(7))
    photovault("backup")
    pack = max((one for one in (vault / "packs").rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    pack.chmod(0o600)
    pack.write_bytes(bytes(pack.stat().st_size))
    assert photovault("check", "--data", "all").code == 13
    (photos / "gone.jpg").unlink()
    photovault("backup")
    done = photovault("status")
    assert done.code == 3
    assert "1 pack in the vault found damaged, and not mended yet" in done.out + done.err
