"""Local databases can be thrown away: one that is damaged costs time, never a run and never a photo."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from photovault.database import open_database
from photovault.errors import PhotovaultError, RefusedError
from photovault.storage.memory import MemoryStorage
from tests.support.devices import Computer
from tests.support.photos import library, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "CREATE TABLE things (name TEXT PRIMARY KEY)"


def names(path: Path, schema: str = SCHEMA, version: int = 1) -> list[str]:
    db = open_database(path, schema, version)
    found = [name for (name,) in db.execute("SELECT name FROM things ORDER BY name")]
    db.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one row."""
    path = tmp_path / "deep" / "x.sqlite"
    db = open_database(path, SCHEMA, 1)
    db.execute("INSERT INTO things VALUES ('kept')")
    db.commit()
    db.close()
    return path


def test_what_was_committed_is_kept_and_the_rest_is_not(path: Path) -> None:
    db = open_database(path, SCHEMA, 1)
    db.execute("INSERT INTO things VALUES ('lost')")
    db.close()
    assert names(path) == ["kept"]


@pytest.mark.parametrize("version", [0, 2, 77])
def test_another_version_begins_anew(path: Path, version: int) -> None:
    assert names(path, SCHEMA.replace("(", "(number INTEGER, "), version) == []
    assert names(path, SCHEMA, version) == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not a database, but long enough to be looked at" * 100,
        b"SQLite format 3\0" + b"\xff" * 8000,
        b"\0" * 4096,
    ],
    ids=["empty", "text", "header only", "zeros"],
)
def test_a_file_that_is_no_database_begins_anew(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    assert names(path) == []
    assert names(path) == []


def test_a_journal_of_a_file_that_is_gone_does_no_harm(path: Path) -> None:
    db = open_database(path, SCHEMA, 1)
    db.execute("INSERT INTO things VALUES ('in the journal')")
    db.commit()
    for end in ("-wal", "-shm"):
        shutil.copy(f"{path}{end}", f"{path}{end}.copy")
    db.close()
    path.write_bytes(b"damaged" * 1000)
    for end in ("-wal", "-shm"):
        os.replace(f"{path}{end}.copy", f"{path}{end}")
    assert names(path) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RefusedError, match=r"cannot use .*x\.sqlite") as caught:
        open_database(tmp_path / "file" / "x.sqlite", SCHEMA, 1)
    assert "permissions" in caught.value.hint
    (tmp_path / "x.sqlite").mkdir()
    with pytest.raises(RefusedError):
        open_database(tmp_path / "x.sqlite", SCHEMA, 1)
    assert (tmp_path / "x.sqlite").is_dir()


def test_a_database_that_another_run_uses_is_not_thrown_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: real(*args, **options | {"timeout": 0.01}))
    with pytest.raises(RefusedError, match="locked"):
        open_database(path, SCHEMA, 2)
    other.execute("ROLLBACK")
    other.close()
    assert names(path) == ["kept"]


def test_what_a_person_does_not_own_others_cannot_read(path: Path) -> None:
    assert path.parent.stat().st_mode & 0o077 == 0


# Damage inside, in the databases that a backup uses


def at_the_second_try(found: Path, run: Callable[[], Any]) -> Any:
    """What ``run`` gives; it may refuse once, and must say then which file it was and that it is to be run again."""
    try:
        return run()
    except PhotovaultError as error:
        assert str(found) in error.what  # noqa: PT017 - either outcome is right, a wrong message is not
        assert "run" in error.hint  # noqa: PT017 - as above
        return run()


@pytest.mark.parametrize("which", ["places", "catalog", "evidence"])
def test_a_database_that_rotted_inside_costs_no_photo(tmp_path: Path, which: str) -> None:
    """Bytes of every page are spoilt; the next run may refuse and say which file, and the one after it is right."""
    photos = library(tmp_path / "Pictures", Random(1))
    storage, computer = MemoryStorage(), Computer(tmp_path / "device", "memory:")
    computer.make_vault(storage)
    computer.backup(photos, storage=storage)
    (found,) = (tmp_path / "device").rglob(f"{which}.sqlite")
    whole, random = found.read_bytes(), Random(which)
    clean = dict(storage.objects)
    shutil.copytree(tmp_path / "device", tmp_path / "clean")
    for number, page in enumerate(range(0, len(whole), 4096)):
        storage.objects = dict(clean)
        shutil.rmtree(tmp_path / "device")
        shutil.copytree(tmp_path / "clean", tmp_path / "device")
        at = page + random.choice((random.randrange(100), random.randrange(4096)))
        spoilt = whole[:at] + random.randbytes(40) + whole[at + 40 :]
        found.write_bytes(spoilt[: len(whole)])
        put(photos / "new.jpg", random.randbytes(1000 + number))
        done = partial(at_the_second_try, found)
        done(lambda: computer.backup(photos, storage=storage))
        assert done(lambda: computer.check(storage)).findings == (), at
        report = done(lambda: computer.restore(tmp_path / "out", storage=storage))
        assert report.damaged == (), at
        assert same_tree(tmp_path / "out" / "Pictures", photos) == [], at
        shutil.rmtree(tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX belong to a process")
def test_opening_a_file_once_more_takes_no_lock_away_from_who_has_it_open(tmp_path):
    """Closing any descriptor of a file ends all locks that a process has on it; another process then removes the log in use."""
    first = open_database(tmp_path / "a.sqlite", "CREATE TABLE a (b)", 1)
    second = open_database(tmp_path / "a.sqlite", "CREATE TABLE a (b)", 1)
    tries = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)\n"  # SQLite's file format: the shared locks
    )
    done = subprocess.run([sys.executable, "-c", tries, tmp_path / "a.sqlite"], capture_output=True, check=False)
    assert b"BlockingIOError" in done.stderr
    second.close()
    first.close()
