"""Bringing the library up to date with a snapshot: from the listings alone, and only those that are new.

The tree is walked in depth, each folder after those in it; one that is known at its path with its listing is passed over
with all below it.  Rows are written as they come; their words go in sorted by id, many at once, for so the index wants
them.  Nothing is committed between a row and its words or between a folder and its rows, so an update that is interrupted
goes on where it was.  What no kept snapshot shows is removed at the end.

A listing that cannot be read is a ``Problem``; the folders above it are not remembered, so that they are looked at again next
time.  Guarantee: memory does not grow with the snapshot, only with its largest folder, of which at most 50,000 files are
taken at once (each such piece makes its own sets).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from photovault.errors import DamageError, MissingError
from photovault.library import albums, drafts
from photovault.library.alike import tells
from photovault.library.moments import COUNT_BITS
from photovault.library.schema import REACHABLE
from photovault.library.tokens import tokens
from photovault.model import EntryKind, Problem
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.database import Database
    from photovault.library.drafts import Draft
    from photovault.library.values import Row
    from photovault.model import Entry
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

SNAPSHOTS_KEPT: Final = 8
_AT_ONCE = 20_000  # rows between two commits
_PIECE = 50_000
_PATH_MAX = 65_536
_ID = 32
_SIGN = 1 << 63


class Listings(Protocol):
    """Where folders are read: a vault's ``Reader``."""

    def part(self, part_id: bytes) -> bytes:
        """The plaintext of a part; DamageError, MissingError."""

    def look_ahead(self, parts: Iterable[bytes]) -> None:
        """Fetch what will be asked for soon."""

    def folder(self, pages: Iterable[bytes]) -> Iterator[Entry | DamageError]:
        """The entries of a folder."""


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way: what is known of it, and which folders in it wait."""

    path: bytes
    pages: tuple[bytes, ...]
    waiting: list[tuple[bytes, tuple[bytes, ...]]] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    album: Entry | None = None
    whole: bool = True


class Indexing:
    """One update of the library; the caller keeps other updates out meanwhile."""

    def __init__(self, db: Database, listings: Listings, progress: Progress) -> None:
        """Write to ``db`` what ``listings`` hold."""
        self._db = db
        self._listings = listings
        self._progress = progress
        self._problems: list[Problem] = []
        self._words: list[tuple[int, str]] = []

    def update(self, one: NamedSnapshot, existing: Iterable[bytes]) -> tuple[Problem, ...]:
        """Know a snapshot; ``existing``: names of those that the vault has, the others are forgotten.

        Returns: what could not be read, again each time.
        """
        self._progress.total(one.snapshot.counts.files, one.snapshot.counts.size)
        root, whole = self._walk(one.snapshot.root)
        self._flush()
        number = self._remember(one.name, root, whole=whole)
        self._list_albums(number)
        self._forget(existing)
        self._db.commit()
        return tuple(self._problems)

    # The walk ---------------------------------------------------------------------------------------------------

    def _walk(self, root: tuple[bytes, ...]) -> tuple[int, bool]:
        """Know the folder that holds the sources, and all below it; returns its number, and whether all could be read."""
        known = self._known(b"", root)
        if known is not None:
            return known, True
        stack = [self._open(b"", root)]
        while True:
            visit = stack[-1]
            if visit.waiting:
                path, pages = visit.waiting.pop()
                known = self._known(path, pages)
                if known is None:
                    stack.append(self._open(path, pages))
                else:
                    visit.children.append(known)
                continue
            stack.pop()
            number = self._close(visit)
            if not stack:
                return number, visit.whole
            stack[-1].children.append(number)
            stack[-1].whole &= visit.whole

    def _known(self, path: bytes, pages: Sequence[bytes]) -> int | None:
        row = self._db.execute("SELECT id FROM folders WHERE path = ? AND pages = ?", (path, _digest(pages))).fetchone()
        return None if row is None else int(row[0])

    def _open(self, path: bytes, pages: tuple[bytes, ...]) -> _Visit:
        """Read a folder's own listing and keep its rows."""
        visit = _Visit(path=path, pages=pages)
        files: list[tuple[int, Entry]] = []
        for number, page in enumerate(pages):
            for entry in self._listings.folder((page,)):
                if isinstance(entry, DamageError):
                    self._problem(visit, entry.what)
                elif entry.kind is EntryKind.FOLDER:
                    self._enter(visit, entry)
                elif entry.kind is EntryKind.FILE:
                    files.append((number, entry))
            if len(files) >= _PIECE:
                self._keep(visit, files)
                files = []
        self._keep(visit, files)
        visit.waiting.reverse()
        self._listings.look_ahead(page for _, inside in reversed(visit.waiting) for page in inside)
        return visit

    def _enter(self, visit: _Visit, entry: Entry) -> None:
        path = visit.path + b"/" + entry.name if visit.path else entry.name
        if len(path) > _PATH_MAX:
            self._problem(visit, "folders are too deep in one another to be searched")
        else:
            visit.waiting.append((path, entry.parts))

    def _problem(self, visit: _Visit, what: str) -> None:
        visit.whole = False
        self._problems.append(Problem(path=shown(visit.path), what=what))

    def _close(self, visit: _Visit) -> int:
        """Remember a folder, now that all below it is."""
        pages = _digest(visit.pages) if visit.whole else None
        insert = "INSERT INTO folders (path, pages) VALUES (?, ?) RETURNING id"
        (number,) = self._db.execute(insert, (visit.path, pages)).fetchone()
        for table, others in (("below", visit.children), ("holds", visit.chunks)):
            self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", [(number, other) for other in others])
        if visit.album is not None:
            album = visit.album
            values = (number, album.digest, album.size, b"".join(album.parts))
            self._db.execute("INSERT INTO album_files VALUES (?, ?, ?, ?)", values)
        return int(number)

    # Rows ---------------------------------------------------------------------------------------------------------

    def _keep(self, visit: _Visit, files: Sequence[tuple[int, Entry]]) -> None:
        """Keep the rows of files, page by page."""
        by_page: defaultdict[int, list[Draft]] = defaultdict(list)
        for draft in drafts.drafts(visit.path, files):
            by_page[draft.page].append(draft)
        visit.chunks += [self._chunk(visit.path, found) for found in by_page.values()]
        for _, entry in files:
            if entry.name == albums.NAME:
                visit.album = entry
        self._progress.advance(len(files), sum(entry.size for _, entry in files), shown(visit.path))

    def _chunk(self, path: bytes, found: Sequence[Draft]) -> int:
        """The chunk of these rows, made if it is not known."""
        data = [drafts.encode(draft.row) for draft in found]
        digest = _digest((path, b"\0", *(hashlib.sha256(one).digest() for one in data)))
        row = self._db.execute("SELECT id FROM chunks WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return int(row[0])
        insert = "INSERT INTO chunks (path, digest) VALUES (?, ?) RETURNING id"
        (chunk,) = self._db.execute(insert, (path, digest)).fetchone()
        ids = list(self._ids([draft.second for draft in found]))
        self._db.executemany("INSERT INTO rows VALUES (?, ?, ?)", zip(ids, [chunk] * len(ids), data, strict=True))
        self._index([(number, draft.row) for number, draft in zip(ids, found, strict=True)])
        if len(self._words) >= _AT_ONCE:
            self._flush()
        return int(chunk)

    def _ids(self, seconds: Iterable[int]) -> Iterator[int]:
        """A free id for each row: after those of its second."""
        last: dict[int, int] = {}
        for second in seconds:
            if second not in last:
                first = second << COUNT_BITS
                range_ = (first, first + (1 << COUNT_BITS))
                (found,) = self._db.execute("SELECT max(id) FROM rows WHERE id >= ? AND id < ?", range_).fetchone()
                last[second] = first - 1 if found is None else found
            last[second] += 1
            yield last[second]

    def _index(self, rows: Sequence[tuple[int, Row]]) -> None:
        """Keep what rows are found by."""
        contents = [(content, number) for number, row in rows for content in drafts.contents(row)]
        self._db.executemany("INSERT INTO contents VALUES (?, ?)", contents)
        hashes = [(row.facts.phash - _SIGN, number) for number, row in rows if tells(row.facts.phash)]
        self._db.executemany("INSERT INTO hashes VALUES (?, ?)", hashes)
        self._words += [(number, tokens(row)) for number, row in rows]

    def _flush(self) -> None:
        """Commit rows with their words, in the order of the ids."""
        self._words.sort()
        self._db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", self._words)
        self._words = []
        self._db.commit()

    # The snapshot ---------------------------------------------------------------------------------------------------

    def _remember(self, name: bytes, root: int, *, whole: bool) -> int:
        """Make a snapshot known as what can be reached from a folder; returns its number."""
        self._db.execute(
            "INSERT INTO snapshots (name, root, whole, used) SELECT ?, ?, ?, coalesce(max(used), 0) + 1 FROM snapshots WHERE true"
            " ON CONFLICT (name) DO UPDATE SET root = excluded.root, whole = excluded.whole, used = excluded.used",
            (name, root, whole),
        )
        (number,) = self._db.execute("SELECT id FROM snapshots WHERE name = ?", (name,)).fetchone()
        _drop(self._db, number)
        self._db.execute(
            REACHABLE.format(start="SELECT ?")
            + "INSERT OR IGNORE INTO visible SELECT ?, chunk FROM reachable JOIN holds ON folder = reachable.id",
            (root, number),
        )
        return int(number)

    def _list_albums(self, number: int) -> None:
        """List the rows of each album of a snapshot."""
        found = self._db.execute(
            REACHABLE.format(start="SELECT root FROM snapshots WHERE id = ?")
            + "SELECT path, digest, size, parts FROM reachable JOIN album_files ON folder = reachable.id"
            " JOIN folders ON folders.id = reachable.id ORDER BY path",
            (number,),
        ).fetchall()
        for path, digest, size, parts in found:
            wanted: defaultdict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
            pictured = self._pictured(path, digest, size, parts)
            names = [(number, albums.album_list(name), name) for name in dict.fromkeys(one.album for one in pictured)]
            self._db.executemany("INSERT OR IGNORE INTO albums VALUES (?, ?, ?)", names)
            for one in pictured:
                folder, _, name = one.path.rpartition(b"/")
                wanted[folder].append((name, one.album))
            for folder, inside in wanted.items():
                self._list(number, folder, inside)

    def _pictured(self, path: bytes, digest: bytes, size: int, parts: bytes) -> list[albums.Pictured]:
        what = "not an album file that this version can read"
        try:
            data = self._album_text(digest, size, parts)
            return list(albums.read_albums(path, data))
        except (DamageError, MissingError) as error:
            what = f"cannot be read: {error.what}"
        except ValueError:
            pass
        self._problems.append(Problem(path=shown(path + b"/" + albums.NAME), what=what))
        return []

    def _album_text(self, digest: bytes, size: int, parts: bytes) -> bytes:
        """The contents of an album file, from the vault the first time."""
        row = self._db.execute("SELECT data FROM album_texts WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            return bytes(row[0])
        if size > albums.SIZE_MAX:
            raise ValueError
        data = b"".join(self._listings.part(parts[at : at + _ID]) for at in range(0, len(parts), _ID))
        if hashlib.sha256(data).digest() != digest:
            raise DamageError("it is not what was backed up")
        self._db.execute("INSERT OR REPLACE INTO album_texts VALUES (?, ?)", (digest, data))
        return data

    def _list(self, number: int, folder: bytes, pictured: Sequence[tuple[bytes, str]]) -> None:
        """List the rows of files of one folder under the names of their albums."""
        rows: dict[bytes, int] = {}
        for row, data in self._db.execute(
            "SELECT rows.id, data FROM chunks JOIN visible ON visible.chunk = chunks.id AND snapshot = ?"
            " JOIN rows ON rows.chunk = chunks.id WHERE path = ?",
            (number, folder),
        ):
            rows |= dict.fromkeys((one.name for one in drafts.decode(folder, data).members), row)
        found = [(number, albums.album_list(album), rows[name]) for name, album in pictured if name in rows]
        self._db.executemany("INSERT OR IGNORE INTO lists VALUES (?, ?, ?)", found)

    # What went ------------------------------------------------------------------------------------------------------

    def _forget(self, existing: Iterable[bytes]) -> None:
        """Remove snapshots that are no more, or were brought up to date too long ago, and all that no other shows."""
        present = set(existing)
        known = self._db.execute("SELECT id, name FROM snapshots ORDER BY used DESC").fetchall()
        for place, (number, name) in enumerate(known):
            if place >= SNAPSHOTS_KEPT or name not in present:
                _drop(self._db, number)
                self._db.execute("DELETE FROM snapshots WHERE id = ?", (number,))
        self._forget_folders()
        self._forget_rows()

    def _forget_folders(self) -> None:
        start = REACHABLE.format(start="SELECT root FROM snapshots")
        gone = self._db.execute(start + "SELECT id FROM folders WHERE id NOT IN (SELECT id FROM reachable)").fetchall()
        for table, column in (("folders", "id"), ("below", "parent"), ("holds", "folder"), ("album_files", "folder")):
            self._db.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)
        self._db.execute("DELETE FROM album_texts WHERE digest NOT IN (SELECT digest FROM album_files)")

    def _forget_rows(self) -> None:
        """Remove the chunks that no folder holds, a batch of rows at a time."""
        gone = self._db.execute("SELECT id, path FROM chunks WHERE id NOT IN (SELECT chunk FROM holds)").fetchall()
        words: list[tuple[int, str]] = []
        for chunk, path in gone:
            for number, data in self._db.execute("SELECT id, data FROM rows WHERE chunk = ?", (chunk,)).fetchall():
                row = drafts.decode(path, data)
                words.append((number, tokens(row)))
                self._forget_row(number, row)
            self._db.execute("DELETE FROM chunks WHERE id = ?", (chunk,))
            if len(words) >= _AT_ONCE:
                self._forget_words(words)
                words = []
        self._forget_words(words)
        for column in ("one", "other"):
            self._db.execute(f"DELETE FROM alike WHERE {column} NOT IN (SELECT hash FROM hashes)")
        self._db.execute("DELETE FROM compared WHERE hash NOT IN (SELECT hash FROM hashes)")

    def _forget_row(self, number: int, row: Row) -> None:
        for content in drafts.contents(row):
            self._db.execute("DELETE FROM contents WHERE content = ? AND row = ?", (content, number))
        if row.facts.phash is not None:
            self._db.execute("DELETE FROM hashes WHERE hash = ? AND row = ?", (row.facts.phash - _SIGN, number))
        self._db.execute("DELETE FROM rows WHERE id = ?", (number,))

    def _forget_words(self, words: list[tuple[int, str]]) -> None:
        words.sort()
        self._db.executemany("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", words)
        self._db.commit()


def _drop(db: Database, number: int) -> None:
    """Forget what a snapshot shows."""
    for table in ("visible", "albums", "lists", "listed"):
        db.execute(f"DELETE FROM {table} WHERE snapshot = ?", (number,))


def _digest(parts: Iterable[bytes]) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
