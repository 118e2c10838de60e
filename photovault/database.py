"""A local SQLite file that can be thrown away.

Everything kept in one can be made again, so a file that is damaged, or was written by another version, is replaced by
an empty one instead of stopping the user.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path


def open_database(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """Open or make the file at ``path`` with ``schema``.

    Raises:
        RefusedError: the folder cannot be written, or has no space.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _open(path, schema, version)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            return _open(path, schema, version)
    except (sqlite3.DatabaseError, OSError) as error:
        raise RefusedError(f"cannot use {path}: {error}", "check free space and permissions there") from None


def _open(path: Path, schema: str, version: int) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone() != (version,):
            _begin(db, schema, version)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        with suppress(sqlite3.DatabaseError):
            db.close()
        raise
    return db


def _begin(db: sqlite3.Connection, schema: str, version: int) -> None:
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        db.execute(f'DROP TABLE "{table}"')
    db.executescript(schema)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
