"""A local SQLite file that can be thrown away.

Everything kept in one can be made again, so a file that is damaged, or was written by another version, is replaced by
an empty one instead of stopping the user.  Damage that shows only in the middle of a run ends that run and removes the
file, so that the next run works.  A file that cannot be used for another reason (no space, locked) stays.  Every error
of SQLite becomes one of ours here.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photovault.durable import make_folders
from photovault.errors import DamageError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_PATIENCE = 60.0  # seconds that another process may take to write, before it counts as in the way
SYNCHRONOUS = "NORMAL"  # a power cut may take the last commits, never the file


class DamagedError(RefusedError):
    """The file did not hold what was written; it is gone now."""


class Database(sqlite3.Connection):
    """A connection whose errors are ours.  RefusedError: it cannot be used now; DamagedError: run again."""

    path: Path
    replaced = False
    """Whether a file that was there could not even be opened, and this is a new one."""

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
        if "no such module" in str(error):
            hint = "use a Python whose SQLite has full-text search (FTS5); all usual ones have"
            return RefusedError(f"cannot use {self.path}: {error}", hint)
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
        make_folders(path.parent)
        try:
            return _open(path, schema, version)
        except DamagedError:
            db = _open(path, schema, version)
            db.replaced = True
            return db
    except (sqlite3.DatabaseError, OSError) as error:
        why = (
            error.strerror if isinstance(error, OSError) and error.strerror else error
        )  # its text names the file again
        raise RefusedError(f"cannot use {path}: {why}", "check free space and permissions there") from None


def open_in_memory(schema: str) -> Database:
    """An empty database that ends with the process, in place of a file that cannot be written."""
    db = sqlite3.connect(":memory:", isolation_level="IMMEDIATE", check_same_thread=False, factory=Database)
    db.path = Path(":memory:")
    _begin(db, schema, 1)
    return db


def _open(path: Path, schema: str, version: int) -> Database:
    _make_private(path)
    db = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level="IMMEDIATE", check_same_thread=False, factory=Database
    )
    db.path = path
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        db.execute("PRAGMA cache_size = -16384")
        if db.execute("PRAGMA user_version").fetchone() != (version,):
            _begin(db, schema, version)
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        with suppress(sqlite3.DatabaseError):
            db.close()
        raise
    return db


def _make_private(path: Path) -> None:
    """Nobody else may read it; what SQLite makes beside it gets the same rights.

    One that is there is not opened: closing it would end the locks that this process has on it (POSIX), and another process would
    then take away the log that is in use here.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))


def _begin(db: Database, schema: str, version: int) -> None:
    virtual_first = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY sql NOT LIKE 'CREATE VIRTUAL%'"
    for (table,) in db.execute(virtual_first).fetchall():
        db.execute(f'DROP TABLE IF EXISTS "{table}"')  # those of a virtual one go with it
    for statement in schema.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()


class Foreign:
    """Somebody else's SQLite file, opened for reading only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Made by ``open_foreign`` only."""
        self._db = db

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table; none if there is no real table of that name (a view or a virtual one is none)."""
        kind = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND sql LIKE 'CREATE TABLE%'"
        if self._db.execute(kind, (table,)).fetchone() is None:
            return frozenset()
        return frozenset(str(row[0]) for row in self._db.execute("SELECT name FROM pragma_table_info(?)", (table,)))

    def tables(self) -> list[str]:
        """The names of all tables, sorted."""
        found = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name LIMIT 10000")
        return [str(row[0]) for row in found]

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """What a question gives; texts that are no UTF-8 come with lone surrogates."""
        return self._db.execute(sql)


_FOREIGN_STEPS = 1_000_000
_FOREIGN_PATIENCE = 20_000  # times so many steps: minutes
_FOREIGN_VALUE = 16 * 1024 * 1024  # bytes of one value


@contextmanager
def open_foreign(path: Path) -> Iterator[Foreign]:
    """Open a copy of a file that another program wrote, and that may be damaged or made to harm.

    Raises:
        DamageError: what is read in the block cannot be read, or takes for ever.
    """
    patience = iter(range(_FOREIGN_PATIENCE))
    try:
        with closing(sqlite3.connect(path)) as db:  # not read-only: its log must be read in, too
            db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _FOREIGN_VALUE)
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA cell_size_check = ON")
            db.execute("PRAGMA query_only = ON")
            db.set_progress_handler(lambda: next(patience, None) is None, _FOREIGN_STEPS)
            yield Foreign(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # Python decodes SQLite's message, which quotes the damage
        what = "it is damaged" if isinstance(error, UnicodeDecodeError) else str(error)
        raise DamageError(f"{path.name} cannot be read: {what}") from error
