"""What this device knows of its files: the local catalog, one per vault and destination.

A SQLite file in the state folder.  Per folder: its listing in the last backup; per file: the size, times and inode it
had then, and its entry.  It answers "has this file changed?" and "did this file only move?" without reading it.  It
is never sent anywhere and can be thrown away: the next backup then reads every file once and finds it known.  Rows are
committed only after everything they refer to is durable in the vault.  Only the owner's thread uses it.  It also keeps
which files are owed a look: pictures that a run had no time to make a thumbnail of, and those for which a library is
missing, until it is there.

What goes from here into a listing unread (entries, pages) has a checksum: a rotten row must not become a snapshot that
promises what is not there.  It costs the catalog and one slow run.
"""

from __future__ import annotations

import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from photovault.database import open_database
from photovault.model import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_VERSION = 4
FORGOTTEN = -1
"""As the time of a folder: files of it may have been forgotten (``Catalog.retain``), and its listing is."""

EXTRAS = ("jxl", "raw", "video")
"""Extras of this package that thumbnails of some files need; their numbers in the column ``owed`` follow 1, a plain look."""

_LOOK = 1
_OWED = {"": _LOOK} | {extra: _LOOK + number for number, extra in enumerate(EXTRAS, 1)}
_EXTRA_OF = {number: extra for extra, number in _OWED.items()}
_LIMIT = 1 << 63
_SUSPECT_KEY = b'"suspect":'.hex()
_SUSPECT = f"instr(entry, X'{_SUSPECT_KEY}') > 0"  # in JSON this cannot be part of a name or of another text
_SCHEMA = """
CREATE TABLE folders (id INTEGER PRIMARY KEY, source BLOB NOT NULL, path BLOB NOT NULL, parent BLOB, mode INTEGER NOT NULL,
    mtime INTEGER NOT NULL, mount INTEGER NOT NULL, hollow INTEGER NOT NULL, pages BLOB NOT NULL, files INTEGER NOT NULL, folders INTEGER NOT NULL,
    links INTEGER NOT NULL, size INTEGER NOT NULL, checksum INTEGER NOT NULL, UNIQUE (source, path));
CREATE INDEX folders_by_parent ON folders (source, parent);
CREATE TABLE files (folder INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, entry BLOB NOT NULL, checksum INTEGER NOT NULL, owed INTEGER NOT NULL,
    PRIMARY KEY (folder, name)) WITHOUT ROWID;
CREATE INDEX files_by_inode ON files (ino);
CREATE INDEX files_owed ON files (folder) WHERE owed = 1;
CREATE INDEX files_lacking ON files (folder) WHERE owed > 1;
"""
_LATER = f"CREATE INDEX IF NOT EXISTS files_suspect ON files (folder) WHERE {_SUSPECT}"


class KnownFolder(NamedTuple):
    """A folder as the last backup left it.  ``pages``: part ids of its listing; the counts are of all below it.

    ``mount``: another file system was mounted here; ``hollow``: nothing below is part of a backup, but something is there.
    """

    number: int
    mode: int
    mtime_ns: int
    mount: bool
    hollow: bool
    pages: tuple[bytes, ...]
    files: int
    folders: int
    links: int
    size: int


class Catalog:
    """The catalog of one vault on this device."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; a damaged one is replaced, which costs one slow backup and nothing else."""
        self._db = open_database(path, _SCHEMA, _VERSION)
        self._db.execute(_LATER)

    def close(self) -> None:
        """Forget what was not committed."""
        self._db.close()

    def commit(self) -> None:
        """Make what was written last."""
        self._db.commit()

    def folder(self, source: str, path: bytes) -> KnownFolder | None:
        """A folder by its path inside a source (``b""`` is the source itself)."""
        row = self._db.execute(
            "SELECT checksum, id, mode, mtime, mount, hollow, pages, files, folders, links, size FROM folders"
            " WHERE source = ? AND path = ?",
            (_key(source), path),
        ).fetchone()
        if row is None:
            return None
        checksum, number, mode, mtime, mount, hollow, pages, *counts = row
        self._check(_folder_sum(pages, counts), checksum)
        return KnownFolder(number, mode, mtime, bool(mount), bool(hollow), _cut(pages), *counts)

    def stamps(self, folder: int) -> set[Stamp]:
        """The files and links of a folder."""
        return set(
            map(
                Stamp._make,
                self._db.execute("SELECT name, ino, size, mtime, ctime FROM files WHERE folder = ?", (folder,)),
            )
        )

    def entries(self, folder: int) -> dict[bytes, bytes]:
        """Encoded entries of a folder's files and links, by name."""
        found = {}
        for name, entry, checksum in self._db.execute(
            "SELECT name, entry, checksum FROM files WHERE folder = ?", (folder,)
        ):
            self._check(zlib.crc32(entry), checksum)
            found[name] = entry
        return found

    def owed(self, folder: int) -> dict[bytes, str]:
        """Names of the files of a folder that are owed a look: at once, or when the extra is installed that is named."""
        rows = self._db.execute("SELECT name, owed FROM files WHERE folder = ? AND owed > 0", (folder,))
        return {name: _EXTRA_OF.get(number, "") for name, number in rows}

    def owed_in(self, source: str) -> int:
        """How many files of a source are owed a look now."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM files JOIN folders ON folders.id = folder WHERE owed = 1 AND source = ?",
            (_key(source),),
        ).fetchone()
        return int(count)

    def lacking_in(self, source: str) -> dict[str, int]:
        """How many files of a source wait for an extra, by its name."""
        rows = self._db.execute(
            "SELECT owed, count(*) FROM files JOIN folders ON folders.id = folder WHERE owed > 1 AND source = ?"
            " GROUP BY owed",
            (_key(source),),
        )
        return {_EXTRA_OF[number]: count for number, count in rows if number in _EXTRA_OF}

    def wake(self, installed: Iterable[str]) -> None:
        """Files that waited for one of these extras are owed a look now."""
        for extra in installed:
            self._db.execute("UPDATE files SET owed = 1 WHERE owed > 1 AND owed = ?", (_OWED[extra],))

    def subfolders(self, source: str, path: bytes) -> set[bytes]:
        """Names of the folders that were directly inside a folder."""
        rows = self._db.execute("SELECT path FROM folders WHERE source = ? AND parent = ?", (_key(source), path))
        return {found.rpartition(b"/")[2] for (found,) in rows}

    def files_below(self, source: str, path: bytes) -> Iterator[tuple[bytes, Stamp]]:
        """Files and links of a folder and of all below it, each with the path of its folder."""
        below = path + b"/"
        rows = self._db.execute(
            "SELECT path, name, ino, files.size, files.mtime, ctime FROM files JOIN folders ON folders.id = folder"
            " WHERE source = ? AND path >= ? AND path < ?",
            (_key(source), path, below + b"\xff" * 256),
        )
        return ((found, Stamp._make(stamp)) for found, *stamp in rows if found == path or found.startswith(below))

    def suspects(self, source: str) -> dict[bytes, int]:
        """How many files of a source are suspect, by the path of their folder."""
        rows = self._db.execute(
            f"SELECT path, count(*) FROM files JOIN folders ON folders.id = folder WHERE {_SUSPECT} AND source = ?"  # noqa: S608 - the text is below
            " GROUP BY path",
            (_key(source),),
        )
        return dict(rows)

    def by_inode(self, ino: int) -> list[tuple[Stamp, bytes]]:
        """Files of this inode anywhere, with their encoded entries."""
        found = []
        for name, size, mtime, ctime, entry, checksum in self._db.execute(
            "SELECT name, size, mtime, ctime, entry, checksum FROM files WHERE ino = ?", (ino,)
        ):
            self._check(zlib.crc32(entry), checksum)
            found.append((Stamp(name, ino, size, mtime, ctime), entry))
        return found

    def is_empty(self) -> bool:
        """Whether nothing is known, as before the first backup."""
        return self._db.execute("SELECT 1 FROM folders LIMIT 1").fetchone() is None

    def put_folder(
        self,
        source: str,
        path: bytes,
        folder: KnownFolder,
        files: Iterable[tuple[Stamp, bytes]],
        owed: Mapping[bytes, str] = MappingProxyType({}),
    ) -> None:
        """Replace what is known of a folder; ``folder.number`` is ignored, ``owed`` is as the method of this name has it."""
        known = self.folder(source, path)
        if known is not None:
            self._db.execute("DELETE FROM files WHERE folder = ?", (known.number,))
        (number,) = self._db.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                None if known is None else known.number,
                _key(source),
                path,
                _parent(path),
                folder.mode,
                _within(folder.mtime_ns),
                *folder[3:5],
                b"".join(folder.pages),
                *folder[6:],
                _folder_sum(b"".join(folder.pages), folder[6:]),
            ),
        ).fetchone()
        self._db.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (number, *stamp[:3], *map(_within, stamp[3:]), entry, zlib.crc32(entry), _number(owed.get(stamp.name)))
                for stamp, entry in files
            ),
        )

    def drop_folder(self, source: str, path: bytes) -> None:
        """Forget a folder and all below it."""
        below = path + b"/"
        rows = self._db.execute(
            "SELECT id, path FROM folders WHERE source = ? AND path >= ? AND path < ?",
            (_key(source), path, below + b"\xff" * 256),
        ).fetchall()
        for number, found in rows:
            if found == path or found.startswith(below):
                self._db.execute("DELETE FROM files WHERE folder = ?", (number,))
                self._db.execute("DELETE FROM folders WHERE id = ?", (number,))

    def clear(self) -> None:
        """Forget everything."""
        self._db.execute("DELETE FROM files")
        self._db.execute("DELETE FROM folders")

    def take_over(
        self, other: Catalog, stored: Callable[[bytes], bool], parts_of: Callable[[bytes], Iterable[bytes]]
    ) -> None:
        """What the catalog of another destination knows of folders of which everything below is ``stored`` at this one.

        Half a folder would not do: a source that is away keeps its last listing unread.  The caller commits.
        """
        whole = other._whole(stored, parts_of)
        for table, columns in (("folders", 14), ("files", 9)):
            marks = ", ".join("?" * columns)
            rows = (row for row in other._db.execute(f"SELECT * FROM {table}") if row[0] in whole)  # noqa: S608 - the names are the two above
            self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - as above

    def _whole(self, stored: Callable[[bytes], bool], parts_of: Callable[[bytes], Iterable[bytes]]) -> set[int]:
        """Numbers of the folders of which every listing and file, at any depth, is ``stored``."""
        numbers, bad = {}, set()
        for number, source, path, pages, checksum, *counts in self._db.execute(
            "SELECT id, source, path, pages, checksum, files, folders, links, size FROM folders"
        ):
            numbers[source, path] = number
            if _folder_sum(pages, counts) != checksum or not all(map(stored, _cut(pages))):
                bad.add(number)
        for number, entry, checksum in self._db.execute("SELECT folder, entry, checksum FROM files"):
            if number not in bad and (zlib.crc32(entry) != checksum or not all(map(stored, parts_of(entry)))):
                bad.add(number)
        for (source, path), number in numbers.items():
            if number in bad:
                bad.update(numbers[source, above] for above in _above(path) if (source, above) in numbers)
        return set(numbers.values()) - bad

    def retain(self, stored: Callable[[bytes], bool], parts_of: Callable[[bytes], Iterable[bytes]]) -> int:
        """Forget files whose entry needs a part that is not ``stored``, and all folders' listings; returns how many files.

        Writes nothing where nothing is known: a first backup that is under way elsewhere holds the database.
        """
        if self.is_empty():
            return 0
        lost = [
            (folder, name)
            for folder, name, entry, checksum in self._db.execute("SELECT folder, name, entry, checksum FROM files")
            if zlib.crc32(entry) != checksum or not all(map(stored, parts_of(entry)))
        ]
        self._db.executemany("DELETE FROM files WHERE folder = ? AND name = ?", lost)
        self._db.execute("UPDATE folders SET mtime = ?", (FORGOTTEN,))
        return len(lost)

    def _check(self, found: int, checksum: int) -> None:
        if found != checksum:
            raise self._db.damaged()


def _number(owed: str | None) -> int:
    return 0 if owed is None else _OWED[owed]


def _folder_sum(pages: bytes, counts: Iterable[int]) -> int:
    return zlib.crc32(repr(tuple(counts)).encode(), zlib.crc32(pages))


def _above(path: bytes) -> Iterator[bytes]:
    """The folders that a folder is in, up to the source itself."""
    while path:
        path = path.rpartition(b"/")[0]
        yield path


def _parent(path: bytes) -> bytes | None:
    return path.rpartition(b"/")[0] if path else None


def _key(source: str) -> bytes:
    """A source's path as the system has it, which need not be text."""
    return source.encode("utf-8", "surrogateescape")


def _within(number: int) -> int:
    """A time that the database can hold; one after 2262 is not what it was, so that file is read each time."""
    return max(-_LIMIT, min(number, _LIMIT - 1))


def _cut(pages: bytes) -> tuple[bytes, ...]:
    return tuple(pages[at : at + 32] for at in range(0, len(pages), 32))
