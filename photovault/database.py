"""A local SQLite file that can be thrown away.

Everything kept in one can be made again, so a file that is damaged, or was written by another version, is replaced by
an empty one instead of stopping the user.  Damage that shows only in the middle of a run ends that run and removes the
file, so that the next run works.  A file that cannot be used for another reason (no space, locked) stays.  Every error
of SQLite becomes one of ours here.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from photovault.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

_PASSING = {  # what is wrong is not the file
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class DamagedError(RefusedError):
    """The file did not hold what was written; it is gone now."""


class Database(sqlite3.Connection):
    """A connection whose errors are ours.  RefusedError: it cannot be used now; DamagedError: run again."""

    path: Path

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:  # noqa: ANN401 - as in the base class
        """Run one statement."""
        return self.cursor(_Cursor).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> _Cursor:  # noqa: ANN401 - as in the base class
        """Run one statement for each of several sets of values."""
        return self.cursor(_Cursor).executemany(sql, parameters)

    def commit(self) -> None:
        """Make what was written last."""
        try:
            super().commit()
        except sqlite3.DatabaseError as error:
            raise self.failed(error) from error

    def failed(self, error: sqlite3.DatabaseError) -> Exception:
        """What to raise for an error of SQLite; a mistake in the program stays one."""
        if isinstance(error, sqlite3.ProgrammingError):
            return error
        if error.sqlite_errorcode & 0xFF in _PASSING:
            return RefusedError(f"cannot use {self.path}: {error}", "check free space and permissions there")
        return self.damaged()

    def damaged(self) -> DamagedError:
        """Remove the file; what to raise then."""
        for name in (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm"):
            with suppress(OSError):
                self.path.with_name(name).unlink()
        hint = "run the same command again: all that was in it is found again, which takes longer this once"
        return DamagedError(f"{self.path} was damaged and has been removed", hint)


class _Cursor(sqlite3.Cursor):
    connection: Database

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:  # noqa: ANN401 - as in the base class
        try:
            super().execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise self.connection.failed(error) from error
        return self

    def executemany(self, sql: str, parameters: Any, /) -> _Cursor:  # noqa: ANN401 - as in the base class
        try:
            super().executemany(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise self.connection.failed(error) from error
        return self

    def fetchone(self) -> Any:  # noqa: ANN401 - as in the base class
        try:
            return super().fetchone()
        except sqlite3.DatabaseError as error:
            raise self.connection.failed(error) from error

    def fetchall(self) -> list[Any]:
        return list(self)

    def __next__(self) -> Any:  # noqa: ANN401 - as in the base class
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise self.connection.failed(error) from error


def open_database(path: Path, schema: str, version: int) -> Database:
    """Open or make the file at ``path`` with ``schema``.

    Raises:
        RefusedError: the folder cannot be written, or has no space.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _open(path, schema, version)
        except DamagedError:
            return _open(path, schema, version)
    except (sqlite3.DatabaseError, OSError) as error:
        raise RefusedError(f"cannot use {path}: {error}", "check free space and permissions there") from None


def _open(path: Path, schema: str, version: int) -> Database:
    db = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False, factory=Database)
    db.path = path
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA cache_size = -16384")
        if db.execute("PRAGMA user_version").fetchone() != (version,):
            _begin(db, schema, version)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        with suppress(sqlite3.DatabaseError):
            db.close()
        raise
    return db


def _begin(db: Database, schema: str, version: int) -> None:
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        db.execute(f'DROP TABLE "{table}"')
    for statement in schema.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
