"""Which photos were restored from one destination, and when: a dated proof for each.

A SQLite file in the state folder, one for each destination, so that a proof never speaks for another copy of the vault.  A photo
is the SHA-256 of a file and the parts that it is restored from: the same file cut into other parts is to be proven anew.  Beside
the proofs it holds what there is to be proven: the photos of the snapshots that were drilled last (a *view*), and on which page
of a listing each is named, so that a sample is found without walking the vault.  ``RECENT`` is what people see, ``NAMED`` a snapshot
that somebody named once.

Nothing in it is sent anywhere.  Losing it costs no photo, only the memory of what was proven.  A proof that is dated in the
future says nothing: some clock was wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.database import open_database
from photovault.model import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from photovault.model import Entry

RECENT: Final = 0
NAMED: Final = 1
YEAR: Final = timedelta(days=365)
_KEPT: Final = timedelta(days=730)  # proofs of photos that are in no snapshot any more
_AHEAD: Final = timedelta(days=1)
_FINGERPRINT = 16
_SHOWN = 1000
_VERSION = 1
_SCHEMA = """
CREATE TABLE views (view INTEGER PRIMARY KEY, trees BLOB NOT NULL, files INTEGER NOT NULL, lost INTEGER NOT NULL,
    drilled TEXT NOT NULL);
CREATE TABLE pages (id INTEGER PRIMARY KEY, view INTEGER NOT NULL, root INTEGER NOT NULL, part BLOB NOT NULL,
    folder BLOB NOT NULL);
CREATE TABLE photos (view INTEGER NOT NULL, photo BLOB NOT NULL, parts BLOB NOT NULL, page INTEGER NOT NULL,
    files INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (view, photo, parts)) WITHOUT ROWID;
CREATE TABLE proofs (photo BLOB NOT NULL, parts BLOB NOT NULL, proven TEXT NOT NULL, tried TEXT NOT NULL,
    damage TEXT NOT NULL, lacks TEXT NOT NULL, rotten TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY (photo, parts))
    WITHOUT ROWID;
"""
_KNOWN = """
SELECT photos.photo, photos.parts, coalesce(iif(tried > ?, '', tried), '') FROM photos
LEFT JOIN proofs ON proofs.photo = photos.photo AND proofs.parts = photos.parts
WHERE view = ? AND coalesce(damage != '' OR lacks != '' OR rotten != '', 0) = ?
"""

_CURRENT = """
(EXISTS (SELECT 1 FROM photos AS p WHERE p.view = 0 AND p.photo = proofs.photo AND p.parts = proofs.parts)
OR NOT EXISTS (SELECT 1 FROM photos AS p WHERE p.view = 0 AND p.photo = proofs.photo))
"""
_AT_ONCE = 500


class Key(NamedTuple):
    """A photo: the SHA-256 of its file, and which parts it is made of."""

    photo: bytes
    parts: bytes


def key_of(entry: Entry) -> Key:
    """The photo that an entry of a listing stands for."""
    return Key(entry.digest, hashlib.sha256(b"".join(entry.parts)).digest()[:_FINGERPRINT])


class Known(NamedTuple):
    """A photo and when it was tried last, ISO 8601 in UTC; empty for never."""

    key: Key
    tried: str


class Page(NamedTuple):
    """A page of a listing: its number here, which of the drilled snapshots it is of, its part id, the folder's path there."""

    number: int
    root: int
    part: bytes
    folder: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of trying to restore one photo; all empty: it came back as it was backed up.

    Attributes:
        damage: why it cannot be restored.
        lacks: why that could not be found out on this computer.
        rotten: what is wrong with the live file, where it differs and nobody wrote to it.
        path: of the photo in its snapshot.
    """

    damage: str = ""
    lacks: str = ""
    rotten: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """How much of what a destination holds was proven.

    Attributes:
        files: how many there were when they were looked through last.
        proven: how many of them were restored within ``YEAR``.
        oldest: the oldest of these proofs, ISO 8601; empty when there is none.
        lost: how many pages of listings could not be read then: nobody knows what they name.
        drilled: when a drill was finished last, ISO 8601; empty for never.
        damaged: photos that the last try did not bring back, at most 1000.
        rotten: photos whose live file rotted.
    """

    files: int = 0
    proven: int = 0
    oldest: str = ""
    lost: int = 0
    drilled: str = ""
    damaged: tuple[Problem, ...] = ()
    rotten: tuple[Problem, ...] = ()

    @property
    def wrong(self) -> int:
        """How many photos and listings are known not to be as they should."""
        return len(self.damaged) + len(self.rotten) + self.lost

    def of(self, newest: int) -> int:
        """How many files there are now, if the newest snapshot holds so many: what came since counts as not proven."""
        return max(self.files, newest)

    def percent(self, newest: int) -> int:
        """How much is proven, rounded down, 0 to 100."""
        return min(100, 100 * self.proven // max(1, self.of(newest)))


class Proofs:
    """The proofs of one destination."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; a damaged one is replaced."""
        self._db = open_database(path, _SCHEMA, _VERSION)

    def close(self) -> None:
        """Forget what was not committed."""
        self._db.close()

    def commit(self) -> None:
        """Make what was written last."""
        self._db.commit()

    # What there is to be proven.

    def knows(self, view: int, trees: bytes) -> bool:
        """Whether a view is of what has this digest, and whole."""
        row = self._db.execute("SELECT trees FROM views WHERE view = ?", (view,)).fetchone()
        return row is not None and row[0] == trees

    def begin(self, view: int) -> None:
        """Look through a view anew."""
        self._db.execute("DELETE FROM photos WHERE view = ?", (view,))
        self._db.execute("DELETE FROM pages WHERE view = ?", (view,))
        self._db.execute(
            "INSERT INTO views VALUES (?, x'', 0, 0, '') ON CONFLICT (view) DO UPDATE SET trees = x'', files = 0",
            (view,),
        )

    def add(self, view: int, root: int, part: bytes, folder: bytes, files: Iterable[Entry]) -> None:
        """A page of a listing and the files on it.  What is named on several pages belongs to the first."""
        (page,) = self._db.execute(
            "INSERT INTO pages (view, root, part, folder) VALUES (?, ?, ?, ?) RETURNING id", (view, root, part, folder)
        ).fetchone()
        self._db.executemany(
            "INSERT INTO photos VALUES (?, ?, ?, ?, 1, ?)"
            " ON CONFLICT (view, photo, parts) DO UPDATE SET files = files + 1",
            ((view, *key_of(entry), page, entry.size) for entry in files),
        )

    def end(self, view: int, trees: bytes, lost: int, now: datetime) -> None:
        """All pages were added but those ``lost``, which could not be read: then it is looked through again the next time."""
        self._db.execute(
            "UPDATE views SET trees = ?, lost = ?,"
            " files = (SELECT coalesce(sum(files), 0) FROM photos WHERE view = ?) WHERE view = ?",
            (b"" if lost else trees, lost, view, view),
        )
        self._db.execute(
            "DELETE FROM proofs WHERE tried < ? AND NOT EXISTS"
            " (SELECT 1 FROM photos WHERE photos.photo = proofs.photo AND photos.parts = proofs.parts)",
            (_text(now - _KEPT),),
        )

    def count(self, view: int) -> int:
        """How many photos a view has; the same file under two names is one."""
        (count,) = self._db.execute("SELECT count(*) FROM photos WHERE view = ?", (view,)).fetchone()
        return int(count)

    def known(self, view: int, now: datetime, *, failing: bool) -> Iterator[Known]:
        """The photos of a view that the last try found something wrong with, or all others."""
        rows = self._db.execute(_KNOWN, (_ahead(now), view, failing))
        return (Known(Key(photo, parts), tried) for photo, parts, tried in rows)

    def total(self, view: int, keys: Collection[Key] | None) -> tuple[int, int]:
        """Photos and bytes of those in ``keys``, of all when it is None."""
        if keys is None:
            row = self._db.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM photos WHERE view = ?", (view,)
            ).fetchone()
            return int(row[0]), int(row[1])
        return len(keys), sum(self._row(view, key)[1] for key in keys)

    def pages(self, view: int, keys: Collection[Key] | None) -> Iterator[Page]:
        """The pages on which these photos (all when it is None) are named, in the order of the snapshot."""
        numbers = None if keys is None else sorted({self._row(view, key)[0] for key in keys})
        if numbers is None:
            rows = self._db.execute("SELECT id FROM pages WHERE view = ? ORDER BY id", (view,))
            numbers = [number for (number,) in rows]
        for number in numbers:
            row = self._db.execute("SELECT id, root, part, folder FROM pages WHERE id = ?", (number,)).fetchone()
            if row is not None:
                yield Page(*row)

    def on(self, view: int, page: Page) -> list[Key]:
        """The photos that belong to a page; slow."""
        rows = self._db.execute("SELECT photo, parts FROM photos WHERE view = ? AND page = ?", (view, page.number))
        return list(map(Key._make, rows))

    def is_on(self, view: int, key: Key, page: Page) -> bool:
        """Whether this is the page that a photo belongs to."""
        return self._row(view, key)[0] == page.number

    def _row(self, view: int, key: Key) -> tuple[int, int]:
        """Page and size of a photo; no page has the number 0."""
        row = self._db.execute(
            "SELECT page, size FROM photos WHERE view = ? AND photo = ? AND parts = ?", (view, *key)
        ).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    # What was tried.

    def tried(self, key: Key, when: str, answer: Answer) -> None:
        """A photo was restored at the ISO 8601 time ``when``, or could not be.

        What was proven before stays proven only while nothing speaks against it.
        """
        proven = "" if answer.damage or answer.lacks else when
        row = (*key, proven, when, answer.damage, answer.lacks, answer.rotten, answer.path)
        if answer.lacks:  # says nothing about the photo
            before = self._db.execute("SELECT proven FROM proofs WHERE photo = ? AND parts = ?", key).fetchone()
            row = (*key, before[0] if before else "", *row[3:])
        self._db.execute("INSERT OR REPLACE INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def drilled(self, when: str) -> None:
        """A drill of the recent view was finished."""
        self._db.execute("UPDATE views SET drilled = ? WHERE view = ?", (when, RECENT))

    def standing(self, now: datetime) -> Proven:
        """How much is proven."""
        row = self._db.execute("SELECT files, lost, drilled FROM views WHERE view = ?", (RECENT,)).fetchone()
        files, lost, drilled = row or (0, 0, "")
        proven, oldest = self._db.execute(
            "SELECT coalesce(sum(files), 0), coalesce(min(proven), '') FROM photos JOIN proofs USING (photo, parts)"
            " WHERE view = ? AND proven >= ? AND proven <= ?",
            (RECENT, _text(now - YEAR), _ahead(now)),
        ).fetchone()
        return Proven(
            files=files,
            proven=proven,
            oldest=oldest,
            lost=lost,
            drilled=drilled if drilled <= _ahead(now) else "",
            damaged=tuple(self._wrong("damage")),
            rotten=tuple(self._wrong("rotten")),
        )

    def proven_of(
        self, digests: Iterable[bytes], now: datetime, *, within: timedelta | None = None
    ) -> dict[bytes, str]:
        """When files of these SHA-256 were restored last, ISO 8601; those never restored, or not ``within`` so long, are left out.

        Where the recent view has a file, only a proof of the parts that it is made of there counts.
        """
        since = "0" if within is None else _text(now - within)
        rows = self._of(
            digests,
            f"photo, max(proven) FROM proofs WHERE proven >= ? AND proven <= ? AND {_CURRENT}",
            since,
            _ahead(now),
        )
        return dict(rows)

    def wrong_with(self, digests: Iterable[bytes]) -> dict[bytes, str]:
        """What drills found wrong with files of these SHA-256: with what is stored of them, or else with the live file."""
        what = "photo, iif(damage != '', damage, rotten) FROM proofs WHERE (damage != '' OR rotten != '')"
        return dict(self._of(digests, f"{what} AND {_CURRENT}"))

    def by_day(self, now: datetime) -> dict[str, int]:
        """By day (``2026-11-23``), how many files of the recent view were restored last on it; of the last ``YEAR``."""
        rows = self._db.execute(
            "SELECT substr(proven, 1, 10) AS day, sum(files) FROM photos JOIN proofs USING (photo, parts)"
            " WHERE view = ? AND proven >= ? AND proven <= ? GROUP BY day ORDER BY day",
            (RECENT, _text(now - YEAR), _ahead(now)),
        )
        return dict(rows)

    def _of(self, digests: Iterable[bytes], what: str, *values: str) -> Iterator[tuple[bytes, str]]:
        """Rows by file, some hundred files at a time."""
        wanted = list(dict.fromkeys(digests))
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            yield from self._db.execute(f"SELECT {what} AND photo IN ({marks}) GROUP BY photo", (*values, *some))

    def _wrong(self, column: str) -> Iterator[Problem]:
        rows = self._db.execute(
            f"SELECT path, {column} FROM proofs WHERE {column} != '' AND EXISTS (SELECT 1 FROM photos WHERE view = ?"  # noqa: S608 - a name above
            " AND photos.photo = proofs.photo AND photos.parts = proofs.parts) ORDER BY path LIMIT ?",
            (RECENT, _SHOWN),
        )
        return (Problem(path=path, what=what) for path, what in rows)


def _ahead(now: datetime) -> str:
    return _text(now + _AHEAD)


def _text(when: datetime) -> str:
    """As times are written here, so that they can be compared as texts."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
