"""Answering a question: one page of rows, in the order of the time taken and then of the paths.

A question for an album or for duplicates goes along the list of those rows; one with words or marks along the index of
words; any other along the rows.  All three hand out ids in the order of time, so that the first page of a million matches
costs no more than that page.  Rows of one second are put in the order of their paths (a second with a hundred thousand
photos makes its pages slow, but not large), and what a circle's cells hold beyond the circle is left out here.

Lists of duplicates are made when first asked for in a snapshot: a second for a million photos (exact), ten to twenty for
pictures that look alike, and less when only few are new since.
"""

from __future__ import annotations

import heapq
import json
import math
from itertools import groupby, starmap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.errors import UsageError
from photovault.gazetteer import distance_km, is_in
from photovault.library import drafts
from photovault.library.albums import album_list
from photovault.library.alike import pairs, tells
from photovault.library.moments import COUNT_BITS, ids_between, second_of
from photovault.library.tokens import expression
from photovault.library.values import ALIKE, SAME, Found, Key, Query, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from photovault.database import Database

_NAMED_MAX: Final = 20
_DEGREE: Final = 10_000_000
_SIGN: Final = 1 << 63
_DUPLICATES_MAX: Final = 100


class _Hit(NamedTuple):
    key: Key
    number: int
    row: Row


class Finding:
    """Questions about snapshots that the library knows."""

    def __init__(self, db: Database) -> None:
        """Ask ``db``."""
        self._db = db

    def find(self, query: Query, *, after: Key | None = None, limit: int = 100) -> Found:
        """At most ``limit`` rows that follow ``after``.

        Raises:
            UsageError: a date that is none, or an album that is not there.
        """
        snapshot = snapshot_of(self._db, query.snapshot)
        hits: list[_Hit] = []
        for second in self._seconds(snapshot, query, after):
            first = heapq.nlargest if query.newest else heapq.nsmallest
            hits += first(limit + 1, second, key=lambda hit: hit.key)  # a second may have any number of photos
            if len(hits) > limit:
                break
        more, hits = len(hits) > limit, hits[:limit]
        rows = tuple(self._complete(snapshot, query, hit) for hit in hits)
        return Found(rows=rows, following=hits[-1].key if more and hits else None)

    def albums(self, snapshot: bytes) -> dict[str, int]:
        """The albums of a snapshot and how many photos they hold, by name."""
        return self._albums(snapshot_of(self._db, snapshot))

    def _albums(self, snapshot: int) -> dict[str, int]:
        rows = self._db.execute(
            "SELECT albums.name, count(row) FROM albums LEFT JOIN lists"
            " ON lists.snapshot = albums.snapshot AND lists.name = list WHERE albums.snapshot = ? GROUP BY list ORDER BY list",
            (snapshot,),
        )
        return dict(rows.fetchall())

    # Candidates -------------------------------------------------------------------------------------------------------

    def _seconds(self, snapshot: int, query: Query, after: Key | None) -> Iterator[Iterator[_Hit]]:
        """What matches and follows ``after``, second by second; within a second in no order."""
        first, last = ids_between(query.since, query.until)
        second = second_of(after.when) if after is not None else None
        if second is not None and query.newest:
            last = min(last, ((second + 1) << COUNT_BITS) - 1)
        elif second is not None:
            first = max(first, second << COUNT_BITS)
        rows = self._candidates(snapshot, query, first, last)
        for _, group in groupby(rows, key=lambda row: row[0] >> COUNT_BITS):
            hits = starmap(_hit, group)
            yield (hit for hit in hits if _follows(hit.key, after, query) and _holds(query, hit.row))

    def _candidates(self, snapshot: int, query: Query, first: int, last: int) -> Iterable[tuple[int, bytes, bytes]]:
        """Id, data and folder of rows, in the order of the ids."""
        source, conditions, values = self._source(snapshot, query)
        number = {"rows": "rows.id", "words": "words.rowid", "lists": "lists.row"}[source]
        order = "DESC" if query.newest else "ASC"
        if query.digests is not None:
            conditions += (
                f" AND {number} IN (SELECT row FROM contents WHERE content IN (SELECT value FROM json_each(?)))"
            )
            values.append(numbers_of(self._db, query.digests))
        joined = "rows" if source == "rows" else f"{source} CROSS JOIN rows ON rows.id = {number}"
        return self._db.execute(
            f"SELECT {number}, rows.data, chunks.path FROM {joined}"
            " CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = rows.chunk"
            " CROSS JOIN chunks ON chunks.id = rows.chunk"
            f" WHERE {number} BETWEEN ? AND ? {conditions} ORDER BY {number} {order}",
            (snapshot, first, last, *values),
        )

    def _source(self, snapshot: int, query: Query) -> tuple[str, str, list[Any]]:
        """The table to go along, and what else must be true there."""
        wanted, lists = expression(query), self._lists(snapshot, query)
        if not lists:
            return ("words", "AND words MATCH ?", [wanted]) if wanted else ("rows", "", [])
        conditions, values = "AND lists.snapshot = ? AND lists.name = ?", [snapshot, lists[0]]
        for name in lists[1:]:
            conditions += (
                " AND EXISTS (SELECT 1 FROM lists AS l WHERE l.snapshot = ? AND l.name = ? AND l.row = lists.row)"
            )
            values += [snapshot, name]
        if wanted:
            conditions += " AND EXISTS (SELECT 1 FROM words WHERE words MATCH ? AND words.rowid = lists.row)"
            values.append(wanted)
        return "lists", conditions, values

    def _lists(self, snapshot: int, query: Query) -> list[str]:
        """Names of the lists that a row must be in."""
        found = []
        if query.album is not None:
            found.append(self._album_list(snapshot, query.album))
        if query.duplicates is not None:
            self._list_duplicates(snapshot, query.duplicates)
            found.append(query.duplicates)
        return found

    def _album_list(self, snapshot: int, name: str) -> str:
        listed = album_list(name)
        there = "SELECT 1 FROM albums WHERE snapshot = ? AND list = ?"
        if self._db.execute(there, (snapshot, listed)).fetchone() is None:
            known = sorted(self._albums(snapshot))
            hint = f"there are {', '.join(known[:_NAMED_MAX])}" if known else "the snapshot holds no albums"
            raise UsageError(f"no album is called {name}", hint)
        return listed

    # What else a row says -----------------------------------------------------------------------------------------------

    def _complete(self, snapshot: int, query: Query, hit: _Hit) -> Row:
        """The row with its albums and, where they were asked for, its duplicates."""
        others = self._duplicates(snapshot, query.duplicates, hit) if query.duplicates is not None else ()
        return drafts.completed(hit.row, albums_of(self._db, snapshot, hit.number), tuple(others))

    def _duplicates(self, snapshot: int, how: str, hit: _Hit) -> list[bytes]:
        """Paths of the others, at most a hundred."""
        if how == SAME:
            table, column, keys = "contents", "content", drafts.contents(hit.row)
        else:
            table, column, keys = "hashes", "hash", self._near(hit.row)
        found = []
        for key in sorted(keys):
            for number, data, path in self._db.execute(
                f"SELECT rows.id, data, path FROM {table} AS t CROSS JOIN rows ON rows.id = t.row"
                " CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = rows.chunk"
                f" CROSS JOIN chunks ON chunks.id = rows.chunk WHERE t.{column} = ? LIMIT ?",
                (snapshot, key, _DUPLICATES_MAX + 1),
            ):
                if number != hit.number:
                    found.append(drafts.decode(path, data).path)
        return sorted(set(found))[:_DUPLICATES_MAX]

    def _near(self, row: Row) -> set[int]:
        """The hash of a row, and those near it, as they are kept."""
        if not tells(row.facts.phash):
            return set()
        own = row.facts.phash - _SIGN
        near = self._db.execute("SELECT other FROM alike WHERE one = ? LIMIT ?", (own, _DUPLICATES_MAX))
        return {own, *(number for (number,) in near)}

    # Lists of duplicates ------------------------------------------------------------------------------------------------

    def _list_duplicates(self, snapshot: int, how: str) -> None:
        """List the rows of a snapshot that another row of it is the same as, or alike, unless that is done."""
        done = "SELECT 1 FROM listed WHERE snapshot = ? AND name = ?"
        if self._db.execute(done, (snapshot, how)).fetchone() is not None:
            return
        if how == ALIKE:
            self._compare()
        rows = self._same(snapshot) if how == SAME else self._alike(snapshot)
        self._db.executemany("INSERT OR IGNORE INTO lists VALUES (?, ?, ?)", ((snapshot, how, row) for row in rows))
        self._db.execute("INSERT OR IGNORE INTO listed VALUES (?, ?)", (snapshot, how))
        self._db.commit()

    def _same(self, snapshot: int) -> set[int]:
        return self._sharing(snapshot, "contents", "content")

    def _alike(self, snapshot: int) -> set[int]:
        """Rows that share their hash, and rows with hashes near each other of which both are in the snapshot."""
        found = self._sharing(snapshot, "hashes", "hash")
        for one, other in self._db.execute("SELECT one, other FROM alike WHERE one < other").fetchall():
            left, right = self._with_hash(snapshot, one), self._with_hash(snapshot, other)
            if left and right:
                found |= left | right
        return found

    def _with_hash(self, snapshot: int, number: int) -> set[int]:
        rows = self._db.execute(
            "SELECT row FROM hashes CROSS JOIN rows ON rows.id = row"
            " CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = rows.chunk WHERE hash = ?",
            (snapshot, number),
        )
        return {row for (row,) in rows}

    def _sharing(self, snapshot: int, table: str, column: str) -> set[int]:
        """Rows of a snapshot that have a value in common with another one of it."""
        rows = self._db.execute(
            f"SELECT t.{column}, t.row FROM (SELECT {column} FROM {table} GROUP BY {column} HAVING count(*) > 1) AS many"
            f" CROSS JOIN {table} AS t ON t.{column} = many.{column} CROSS JOIN rows ON rows.id = t.row"
            f" CROSS JOIN visible ON visible.snapshot = ? AND visible.chunk = rows.chunk ORDER BY t.{column}",
            (snapshot,),
        )
        found: set[int] = set()
        for _, group in groupby(rows, key=lambda row: row[0]):
            same = {row for _, row in group}
            found |= same if len(same) > 1 else set()
        return found

    def _compare(self) -> None:
        """Pair the hashes that came since the last time with all others."""
        fresh = self._hashes("NOT IN")
        found = pairs(fresh, self._hashes("IN"))
        signed = (two for one, other in found for two in ((one - _SIGN, other - _SIGN), (other - _SIGN, one - _SIGN)))
        self._db.executemany("INSERT OR IGNORE INTO alike VALUES (?, ?)", signed)
        self._db.executemany("INSERT OR IGNORE INTO compared VALUES (?)", ((one - _SIGN,) for one in fresh))

    def _hashes(self, which: str) -> list[int]:
        rows = self._db.execute(f"SELECT DISTINCT hash FROM hashes WHERE hash {which} (SELECT hash FROM compared)")
        return [number + _SIGN for (number,) in rows]


def _hit(number: int, data: bytes, folder: bytes) -> _Hit:
    row = drafts.decode(folder, data, number)
    return _Hit(row.key, number, row)


def snapshot_of(db: Database, name: bytes) -> int:
    """The number of a snapshot; UsageError when the library does not know it."""
    row = db.execute("SELECT id FROM snapshots WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise UsageError("the library does not know this snapshot", "run `photovault catalog rebuild`")
    return int(row[0])


def albums_of(db: Database, snapshot: int, number: int) -> tuple[str, ...]:
    """Names of the albums of a snapshot that a row is in."""
    names = db.execute(
        "SELECT albums.name FROM lists JOIN albums ON albums.snapshot = lists.snapshot AND list = lists.name"
        " WHERE lists.row = ? AND lists.snapshot = ? ORDER BY list",
        (number, snapshot),
    )
    return tuple(name for (name,) in names)


def numbers_of(db: Database, digests: Iterable[bytes]) -> str:
    """Numbers of contents as JSON.  Whose photos they are must be in no file, so what is made of them stays in memory."""
    db.execute("PRAGMA temp_store = MEMORY")
    return json.dumps(sorted(map(drafts.number_of, digests)))


def _follows(key: Key, after: Key | None, query: Query) -> bool:
    if after is None:
        return True
    return key < after if query.newest else key > after


def _holds(query: Query, row: Row) -> bool:
    """What the words alone do not decide: whether a place is in a circle, and what is below a folder deep down."""
    if query.folder and not (row.folder == query.folder or row.folder.startswith(query.folder + b"/")):
        return False
    if query.digests is not None and query.digests.isdisjoint(one.digest for one in row.members):
        return False
    if query.places is None:
        return True
    if row.facts.latitude is None or row.facts.longitude is None:
        return False
    latitude, longitude = row.facts.latitude / _DEGREE, row.facts.longitude / _DEGREE
    return any(
        is_in(row.region, area.region)
        if area.region
        else distance_km(area.latitude, area.longitude, latitude, longitude) <= area.radius_km + math.ulp(1.0)
        for area in query.places
    )
