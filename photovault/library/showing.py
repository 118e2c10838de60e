"""What a page shows of a snapshot: its photos in the order of time, without decoding those that are not shown.

Ids of rows stand in the order of time, so the ids alone say how many photos each month has; which rows are photos or videos
says the index of words.  Places are read from rows as they are kept: a name of a fact stands in them once, for a quotation mark
in a text is written with a backslash.

Guarantee: a hundred thousand photos are some twenty bytes each, and take less than a second.
"""

from __future__ import annotations

import json
import re
from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.library import drafts
from photovault.library.finding import albums_of, numbers_of, snapshot_of
from photovault.library.moments import LAST_ID
from photovault.library.tokens import LOCATED, PICTURED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from photovault.database import Database
    from photovault.library.values import Row

_VISIBLE: Final = "CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = rows.chunk"
_WHOLE: Final = f"SELECT rows.id, data, path FROM rows {_VISIBLE} CROSS JOIN chunks ON chunks.id = rows.chunk"
_LATITUDE: Final = re.compile(rb'"latitude":(-?\d{1,9})[,}]')
_LONGITUDE: Final = re.compile(rb'"longitude":(-?\d{1,10})[,}]')
_FIRST: Final = re.compile(rb'\[\["(?:[^"\\]|\\.)*",')  # two brackets and a quotation mark open the members only
_AT_ONCE: Final = 10_000


class Located(NamedTuple):
    """Numbers of the photos that have a place, and where that is in 1e-7 degrees; three columns of one length."""

    numbers: array[int]
    latitudes: array[int]
    longitudes: array[int]


class Showing:
    """Questions of pages about snapshots that the library knows."""

    def __init__(self, db: Database) -> None:
        """Ask ``db``."""
        self._db = db

    def spine(self, name: bytes) -> array[int]:
        """The numbers of all photos and videos of a snapshot, ascending, which is the order of time."""
        snapshot = snapshot_of(self._db, name)
        rows = self._db.execute(
            "SELECT rows.id FROM visible CROSS JOIN rows ON rows.chunk = visible.chunk WHERE visible.snapshot = ?",
            (snapshot,),
        )
        pictured = self._with(PICTURED)
        return array("q", sorted(number for (number,) in rows if number in pictured))

    def _with(self, marks: Iterable[str]) -> set[int]:
        """Numbers of the rows of any snapshot that have one of these marks."""
        wanted = " OR ".join(f'"{mark}"' for mark in marks)
        return {number for (number,) in self._db.execute("SELECT rowid FROM words WHERE words MATCH ?", (wanted,))}

    def bare(self, name: bytes, kinds: Collection[str]) -> int:
        """How many files of a snapshot that are of these kinds, and not known to be broken, have no thumbnail."""
        snapshot = snapshot_of(self._db, name)
        wanted = " OR ".join(["instr(data, ?)"] * len(kinds))
        (count,) = self._db.execute(
            "SELECT count(*) FROM visible CROSS JOIN rows ON rows.chunk = visible.chunk WHERE visible.snapshot = ?"
            f" AND NOT instr(data, ?) AND NOT instr(data, ?) AND ({wanted})",
            (snapshot, b'"thumbnail":"', b'"broken":"', *(f'"kind":"{kind}"'.encode() for kind in sorted(kinds))),
        ).fetchone()
        return int(count)

    def located(self, name: bytes) -> Located:
        """The photos of a snapshot that have a place, in the order of time."""
        snapshot = snapshot_of(self._db, name)
        rows = self._db.execute(
            f"SELECT rows.id, data FROM words CROSS JOIN rows ON rows.id = words.rowid {_VISIBLE} WHERE words MATCH ?"
            " ORDER BY words.rowid",
            (snapshot, f'"{LOCATED}"'),
        )
        found = Located(array("q"), array("l"), array("l"))
        for number, data in rows:
            latitude, longitude = _LATITUDE.search(data), _LONGITUDE.search(data)
            if latitude is not None and longitude is not None:
                found.numbers.append(number)
                found.latitudes.append(int(latitude[1]))
                found.longitudes.append(int(longitude[1]))
        return found

    def between(self, name: bytes, first: int, last: int, limit: int) -> list[Row]:
        """At most ``limit`` rows of a snapshot from one number to another, inclusive, the newest first; albums left out."""
        rows = self._db.execute(
            f"{_WHOLE} WHERE rows.id BETWEEN ? AND ? ORDER BY rows.id DESC LIMIT ?",
            (snapshot_of(self._db, name), first, last, limit),
        )
        return [drafts.decode(path, data, number) for number, data, path in rows]

    def rows(self, name: bytes, numbers: Sequence[int]) -> list[Row]:
        """The rows of a snapshot of these numbers, as far as it has them, in their order; albums left out."""
        found: dict[int, Row] = {}
        snapshot = snapshot_of(self._db, name)
        for at in range(0, len(numbers), _AT_ONCE):
            some = json.dumps([number for number in numbers[at : at + _AT_ONCE] if 0 <= number <= LAST_ID])
            every = self._db.execute(f"{_WHOLE} WHERE rows.id IN (SELECT value FROM json_each(?))", (snapshot, some))
            found |= {number: drafts.decode(path, data, number) for number, data, path in every}
        return [found[number] for number in dict.fromkeys(numbers) if number in found]

    def row(self, name: bytes, number: int) -> Row | None:
        """One row of a snapshot, with its albums."""
        row = next(iter(self.rows(name, [number])), None)
        if row is None:
            return None
        return drafts.completed(row, albums_of(self._db, snapshot_of(self._db, name), number))

    def any_row(self, number: int) -> Row | None:
        """A row of any snapshot."""
        if not 0 <= number <= LAST_ID:
            return None
        row = self._db.execute(
            "SELECT data, path FROM rows JOIN chunks ON chunks.id = rows.chunk WHERE rows.id = ?", (number,)
        ).fetchone()
        return None if row is None else drafts.decode(row[1], row[0], number)

    def by_digests(self, name: bytes, digests: Collection[bytes]) -> dict[bytes, int]:
        """By SHA-256, the number of the first photo of a snapshot that has such a file."""
        wanted, found = frozenset(digests), dict[bytes, int]()
        for number, data, path in self._holding(snapshot_of(self._db, name), sorted(wanted)):
            for member in drafts.decode(path, data).members:
                if member.digest in wanted:
                    found.setdefault(member.digest, number)
        return found

    def _holding(self, snapshot: int, digests: Sequence[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
        for at in range(0, len(digests), _AT_ONCE):
            yield from self._db.execute(
                "SELECT rows.id, data, path FROM contents CROSS JOIN rows ON rows.id = contents.row"
                f" {_VISIBLE} CROSS JOIN chunks ON chunks.id = rows.chunk"
                " WHERE content IN (SELECT value FROM json_each(?))",
                (snapshot, numbers_of(self._db, digests[at : at + _AT_ONCE])),
            )

    def by_names(self, name: bytes, folder: bytes, files: Collection[bytes]) -> dict[bytes, Row]:
        """The photos of one folder of a snapshot whose first file has one of these names; albums left out."""
        rows = self._db.execute(
            "SELECT rows.id, data FROM chunks CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = chunks.id"
            " CROSS JOIN rows ON rows.chunk = chunks.id WHERE path = ?",
            (snapshot_of(self._db, name), folder),
        )
        wanted = frozenset(map(drafts.opening, files))
        found = {}
        for number, data in rows:
            if (first := _FIRST.search(data)) is not None and first[0] in wanted:
                row = drafts.decode(folder, data, number)
                found[row.members[0].name] = row
        return found

    def snapshots_of(self, number: int) -> tuple[bytes, ...]:
        """Names of the snapshots that have a row, the one brought up to date last first."""
        names = self._db.execute(
            "SELECT name FROM rows JOIN visible ON visible.chunk = rows.chunk JOIN snapshots ON snapshots.id = snapshot"
            " WHERE rows.id = ? ORDER BY used DESC",
            (number,),
        )
        return tuple(name for (name,) in names)
