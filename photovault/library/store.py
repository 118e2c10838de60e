"""The library's file: opened, brought up to date, asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from photovault.database import open_database
from photovault.library.drafts import RotError
from photovault.library.finding import Finding
from photovault.library.indexing import Indexing, Listings
from photovault.library.schema import SCHEMA, VERSION
from photovault.library.showing import Showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from photovault.library.values import Found, Key, Query, Row
    from photovault.model import Problem
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

Shown = TypeVar("Shown")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """When a snapshot was brought up to date: while this stays the same, so do the rows and their numbers.

    Attributes:
        number, used: other ones after each time.
        whole: whether all of it could be read.
    """

    number: int
    used: int
    whole: bool


class Library:
    """The search catalog of one vault on this device.

    Every method may raise RefusedError (no space, no right to write) and DamagedError: the file was rotten and is gone; open
    it anew and bring it up to date again.
    """

    def __init__(self, path: Path, *, patience: float | None = None) -> None:
        """Open or make the file; ``patience``: seconds that others may take to write, where that is not a minute."""
        self._path = path
        self._db = open_database(path, SCHEMA, VERSION)
        if patience is not None:
            self._db.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")

    def close(self) -> None:
        """Forget what was not committed."""
        self._db.close()

    @property
    def replaced(self) -> bool:
        """Whether there was a file that could not even be opened, and this is a new one."""
        return self._db.replaced

    def mark(self, snapshot: bytes) -> Mark | None:
        """What tells when a snapshot was brought up to date here; None when it never was, or is not kept any more."""
        row = self._db.execute("SELECT id, used, whole FROM snapshots WHERE name = ?", (snapshot,)).fetchone()
        return None if row is None else Mark(number=row[0], used=row[1], whole=bool(row[2]))

    def knows(self, snapshot: bytes) -> bool:
        """Whether all of a snapshot is in the library."""
        mark = self.mark(snapshot)
        return mark is not None and mark.whole

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

    def show(self, question: Callable[[Showing], Shown]) -> Shown:
        """What a page asks of what the library shows.

        Raises:
            UsageError: the library does not know the snapshot.
        """
        try:
            return question(Showing(self._db))
        except RotError:
            raise self._db.damaged() from None

    def any_row(self, number: int) -> Row | None:
        """The row of a number, of whatever snapshot; None when there is none."""
        return self.show(lambda showing: showing.any_row(number))

    def snapshots_of(self, number: int) -> tuple[bytes, ...]:
        """Names of the snapshots that the library knows and that have a row, the one brought up to date last first."""
        return self.show(lambda showing: showing.snapshots_of(number))

    def standing(self) -> Standing:
        """What the library holds."""
        (photos,) = self._db.execute("SELECT count(*) FROM rows").fetchone()
        names = self._db.execute("SELECT name FROM snapshots ORDER BY used DESC").fetchall()
        sizes = (self._path.with_name(self._path.name + end) for end in ("", "-wal"))
        size = sum(path.stat().st_size for path in sizes if path.exists())
        return Standing(photos=photos, snapshots=tuple(name for (name,) in names), size=size)
