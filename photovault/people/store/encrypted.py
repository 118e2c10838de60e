"""An SQLite file of which only its holder of the key can read a byte, and whose errors are ours.

SQLite3 Multiple Ciphers encrypts each page with ChaCha20 and authenticates it with Poly1305, in the file and in its log
(``-wal``); temporary tables stay in memory.  The key is random and used as it is, so the salt need not be: the first 16 bytes
of the file, where the salt lies, are ``FACE_STORE_MAGIC``, by which the file is known wherever somebody puts it.  What
stays in clear: those bytes, eight of SQLite's header that say how large a page is, and how large the file is.

Guarantee: what was committed survives a kill or a power cut, as far as the disk keeps its word; a page that somebody
changed is an error, never wrong data.  Not guaranteed: an older copy of the whole file, put in its place, opens as well.
No error says what was in a statement.  The only home of apsw.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from photovault.errors import (
    BusyError,
    DamageError,
    MissingExtraError,
    PhotovaultError,
    RefusedError,
    UnknownVersionError,
    UnsafeError,
    WrongKeyError,
)
from photovault.names import FACE_STORE_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import apsw

KEY_SIZE = 32
_PATIENCE = 60_000  # milliseconds that another process may take to write
_INSTALL = "pip install 'photovault[faces]'"
_ANEW = "`photovault people disable` erases it; `photovault people enable` and `photovault people scan` begin anew"
_DAMAGE = ("CorruptError", "NotADBError")  # of apsw; by name, so that nothing is imported to translate
_BUSY = ("BusyError", "LockedError")
_PASSING = ("CantOpenError", "FullError", "IOError", "NoMemError", "PermissionsError", "ReadOnlyError", "NoLFSError")
_SETTINGS = (
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA cache_size = -16384",
)


class Encrypted:
    """An open file.  Every method may raise RefusedError, BusyError or DamageError."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        """Made by ``open_encrypted``."""
        self._db = db
        self._path = path

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        with self._translated():
            self._db.close()

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Run one statement that gives nothing."""
        with self._translated():
            self._db.execute(sql, values)

    def run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each of several sets of values."""
        with self._translated():
            self._db.executemany(sql, values)

    def insert(self, sql: str, values: Sequence[Any]) -> int:
        """Run one INSERT; the row's id."""
        with self._translated():
            self._db.execute(sql, values)
            return int(self._db.last_insert_rowid())

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row that a question gives, or None."""
        with self._translated():
            found: tuple[Any, ...] | None = self._db.execute(sql, values).fetchone()
            return found

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a question gives."""
        with self._translated():
            return list(self._db.execute(sql, values))

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows that a question gives, one after the other."""
        with self._translated():
            yield from self._db.execute(sql, values)

    def write_back(self) -> None:
        """Bring the log into the file and empty it, so that what was overwritten is; unless somebody reads just now."""
        if not self._db.in_transaction:
            self.row("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is done in the block, or nothing of it; may be nested, the outermost makes it last."""
        if self._db.in_transaction:
            yield
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with suppress(Exception):  # SQLite may have rolled back by itself; the first error is the one to tell
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PhotovaultError:
            raise
        except Exception as error:  # noqa: BLE001 - apsw's family is told apart by name; what is none of it goes on as it is
            _fail(error, self._path)


def _fail(error: Exception, path: Path) -> NoReturn:
    kind = type(error).__name__
    if kind in _DAMAGE:
        raise DamageError(f"the face store {path} is damaged", _ANEW) from None
    if kind in _BUSY:
        raise BusyError("another photovault run is writing to the face store", "run the same command again") from None
    if kind == "FullError":
        raise RefusedError(f"no space is left for {path}", "free some space and run the same command again") from None
    if kind in _PASSING:
        raise RefusedError(f"cannot use {path} ({kind})", "check free space and permissions there") from None
    raise error


def open_encrypted(path: Path, key: bytes, schema: str, version: int, *, write: bool) -> Encrypted:
    """Open the file at ``path``; make it with ``schema`` if it is not there and ``write``.

    Args:
        path: of the file; its folder is there.
        key: 32 random bytes.
        schema: statements that make the tables, with semicolons between them.
        version: of the schema.
        write: False to read only, also beside a process that writes.

    Raises:
        WrongKeyError: the key is not the file's, or its first page is damaged: the two cannot be told apart.
        DamageError: it is no such file.
        UnknownVersionError: a later photovault wrote it.
        MissingExtraError: what encrypts is not installed.
        RefusedError: no space, no rights.
    """
    if len(key) != KEY_SIZE:
        raise ValueError("a face key has 32 bytes")
    if write:
        _make_private(path)
    new = _check_front(path)
    file = Encrypted(_connect(path, key), path)
    try:
        _prepare(file, schema, version, new=new, write=write)
    except BaseException:
        with suppress(Exception):
            file.close()
        raise
    return file


def _make_private(path: Path) -> None:
    """Nobody else may read it; what SQLite makes beside it gets the same rights."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        no_links = getattr(os, "O_NOFOLLOW", 0)  # a link there could lead the faces out of the folder
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | no_links, 0o600))
    except OSError as error:
        raise RefusedError(f"cannot use {path}: {error.strerror}", "check free space and permissions there") from None


def _check_front(path: Path) -> bool:
    """Whether there is nothing in it yet."""
    try:
        with open(path, "rb") as file:
            front = file.read(len(FACE_STORE_MAGIC))
    except OSError as error:
        raise RefusedError(f"cannot use {path}: {error.strerror}", "check permissions there") from None
    if front not in (b"", FACE_STORE_MAGIC):
        raise DamageError(f"{path} is no face store, or its beginning is damaged", _ANEW)
    return not front


def _connect(path: Path, key: bytes) -> apsw.Connection:
    try:
        import apsw  # noqa: PLC0415 - an extra, and nothing of it is loaded before somebody agreed
    except ImportError:
        raise MissingExtraError("the library that encrypts the face store is not installed", _INSTALL) from None
    try:
        db = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)  # never makes one: it may be erased now
        if db.execute("PRAGMA cipher = 'chacha20'").fetchone() != ("chacha20",):
            what = "the apsw that is installed cannot encrypt: the package must be apsw-sqlite3mc"
            raise MissingExtraError(what, f"pip uninstall apsw apsw-sqlite3mc, then {_INSTALL}")
        db.execute(f"PRAGMA key = 'raw:{key.hex()}{FACE_STORE_MAGIC.hex()}'")
        db.set_busy_timeout(_PATIENCE)
    except apsw.Error as error:
        _fail(error, path)
    return db


def _prepare(file: Encrypted, schema: str, version: int, *, new: bool, write: bool) -> None:
    try:
        found = file.row("PRAGMA user_version")
        file.row("SELECT count(*) FROM sqlite_master")
    except DamageError:
        what = "the face store does not open with this computer's face key"
        raise WrongKeyError(
            what, f"bring the key back (keyring, or face.key beside the store); if it is lost: {_ANEW}"
        ) from None
    for setting in _SETTINGS:
        file.row(setting)
    if found not in ((0,), (version,)):
        raise UnknownVersionError("a later photovault wrote the face store", "install that version again")
    if found == (0,) and not write:
        raise BusyError("the face store is being made", "run the same command again")
    if not write:
        file.row("PRAGMA query_only = ON")
        return
    file.row("PRAGMA journal_mode = WAL")
    file.row("PRAGMA synchronous = FULL")
    if found == (0,):
        _begin(file, schema, version)
    if new and _check_front(file._path):  # noqa: SLF001 - one module
        raise UnsafeError("the face store could not be marked as one", "")


def _begin(file: Encrypted, schema: str, version: int) -> None:
    with file.together():
        for statement in schema.split(";"):
            file.run(statement)
        file.run(f"PRAGMA user_version = {version}")
