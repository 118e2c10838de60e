"""``photovault status``: is everything safe?"""

from __future__ import annotations

import shutil
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
