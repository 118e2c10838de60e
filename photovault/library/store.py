"""The library's file: opened, brought up to date, asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.database import open_database
from photovault.library.drafts import RotError
from photovault.library.finding import Finding
from photovault.library.indexing import Indexing, Listings
from photovault.library.schema import SCHEMA, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from photovault.library.values import Found, Key, Query
    from photovault.model import Problem
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the library holds.

    Attributes:
        photos: rows of all snapshots together; a photo that was edited in between counts twice.
        snapshots: names of those that it knows, the one brought up to date last first.
        size: bytes on disk.
    """

    photos: int
    snapshots: tuple[bytes, ...]
    size: int


class Library:
    """The search catalog of one vault on this device.

    Every method may raise RefusedError (no space, no right to write) and DamagedError: the file was rotten and is gone; open
    it anew and bring it up to date again.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        self._path = path
        self._db = open_database(path, SCHEMA, VERSION)

    def close(self) -> None:
        """Forget what was not committed."""
        self._db.close()

    @property
    def replaced(self) -> bool:
        """Whether there was a file that could not even be opened, and this is a new one."""
        return self._db.replaced

    def knows(self, snapshot: bytes) -> bool:
        """Whether all of a snapshot is in the library."""
        row = self._db.execute("SELECT whole FROM snapshots WHERE name = ?", (snapshot,)).fetchone()
        return row is not None and bool(row[0])

    def update(
        self, listings: Listings, snapshot: NamedSnapshot, existing: Iterable[bytes], progress: Progress
    ) -> tuple[Problem, ...]:
        """Bring the library up to date for a snapshot; reads listings that are new, and no photo.

        ``existing``: names of all snapshots of the vault.  The caller keeps other updates out (``run_lock``).

        Returns: what could not be read; all else can be found.
        """
        try:
            return Indexing(self._db, listings, progress).update(snapshot, existing)
        except RotError:
            raise self._db.damaged() from None

    def find(self, query: Query, *, after: Key | None = None, limit: int = 100) -> Found:
        """At most ``limit`` rows that follow ``after``, in the order of time and path.

        Raises:
            UsageError: a date that is none, an album that is not there, or a snapshot that the library does not know.
        """
        try:
            return Finding(self._db).find(query, after=after, limit=limit)
        except RotError:
            raise self._db.damaged() from None

    def albums(self, snapshot: bytes) -> dict[str, int]:
        """The albums of a snapshot and how many photos they hold, by name."""
        return Finding(self._db).albums(snapshot)

    def standing(self) -> Standing:
        """What the library holds."""
        (photos,) = self._db.execute("SELECT count(*) FROM rows").fetchone()
        names = self._db.execute("SELECT name FROM snapshots ORDER BY used DESC").fetchall()
        sizes = (self._path.with_name(self._path.name + end) for end in ("", "-wal"))
        size = sum(path.stat().st_size for path in sizes if path.exists())
        return Standing(photos=photos, snapshots=tuple(name for (name,) in names), size=size)
