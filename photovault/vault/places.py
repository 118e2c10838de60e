"""Where every part is: the local memory of the vault's index.

A SQLite file in the cache folder: packs, the place of each part, which index objects were read, and the plaintext of
snapshots, so that nothing is fetched twice.  Everything in it can be made again from the vault, and nothing in it is
trusted: a wrong place fails to open.  The place of a part that is in a group knows all of the group, because only together
they decode.  A part may lie in several packs.  A place counts for what is to be stored only if its pack is neither *shunned*
(going to be removed) nor *doubted* (found damaged); to be read, the best place is taken, and doubted ones come last.
A file that is damaged or of another version is thrown away and begun anew.
Only the owner's thread uses it.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from photovault.database import open_database
from photovault.errors import PhotovaultError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, PackEntry, PartKind, Record, encode_index, read_index
from photovault.vault.pack import Region, grouped, regions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

WINDOW: Final = 8 * 1024 * 1024
_VERSION = 4
_ASKED_OFTEN = 2000  # from so many questions on a filter pays
_FILTER_BYTES = 8 * 1024 * 1024
_AT_ONCE = 500  # packs in one statement
_SCHEMA = """
CREATE TABLE packs (id INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL, size INTEGER NOT NULL, pending BLOB);
CREATE TABLE parts (part BLOB NOT NULL, pack INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL,
    kind INTEGER NOT NULL, codec INTEGER NOT NULL, length INTEGER NOT NULL, stored INTEGER NOT NULL,
    skip INTEGER NOT NULL, PRIMARY KEY (part, pack)) WITHOUT ROWID;
CREATE TABLE groups (pack INTEGER NOT NULL, first INTEGER NOT NULL, records BLOB NOT NULL, PRIMARY KEY (pack, first))
    WITHOUT ROWID;
CREATE TABLE indexes (name BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE snapshots (name BLOB PRIMARY KEY, plain BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE heeded (name BLOB PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part in a pack.

    Attributes:
        pack: the pack's name (SHA-256).
        size: of the pack, bytes.
        region: of the part.
        group: the regions of all parts that it is encoded with, its own among them, in order; empty for most parts.
        others: where else the part is, the best first, as far as whoever asked wanted to know.
    """

    pack: bytes
    size: int
    region: Region
    group: tuple[Region, ...] = ()
    others: tuple[Place, ...] = ()

    @property
    def start(self) -> int:
        """Where in the pack the bytes begin that the part is decoded from."""
        return (self.group[0] if self.group else self.region).offset

    @property
    def end(self) -> int:
        """Where they end."""
        last = self.group[-1] if self.group else self.region
        return last.offset + last.sealed_size

    def is_with(self, other: Place) -> bool:
        """Whether both parts are decoded from the same bytes."""
        return self.pack == other.pack and self.start == other.start

    @property
    def pack_name(self) -> str:
        """The object's name in the storage."""
        return f"packs/{self.pack[:1].hex()}/{self.pack.hex()}"


def windows(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Parts to fetch at once: up to ``WINDOW`` bytes, or a whole group, which is decoded as one."""
    window: list[Place] = []
    size = 0
    for place in places:
        if window and size + place.region.record.length > WINDOW and not place.is_with(window[-1]):
            yield window
            window, size = [], 0
        window.append(place)
        size += place.region.record.length
    if window:
        yield window


def _around(region: Region, records: tuple[Record, ...], at: int) -> tuple[Region, ...]:
    """The regions of a group whose ``at``-th part has this region."""
    offset = region.offset - sum(record.stored + fmt.TAG for record in records[:at])
    found = []
    for number, record in enumerate(records, region.number - at):
        found.append(Region(number=number, offset=offset, record=record))
        offset += record.stored + fmt.TAG
    return tuple(found)


class _Filter:
    """Says of most parts that are not there that they are not, without asking the database: one bit per hash value."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._bits = bytearray(_FILTER_BYTES)
        self.add(parts)

    def add(self, parts: Iterable[bytes]) -> None:
        for part in parts:
            value = int.from_bytes(part[:8], "little") % (_FILTER_BYTES * 8)
            self._bits[value >> 3] |= 1 << (value & 7)

    def may_hold(self, part: bytes) -> bool:
        value = int.from_bytes(part[:8], "little") % (_FILTER_BYTES * 8)
        return bool(self._bits[value >> 3] & 1 << (value & 7))


class Places:
    """The memory of one vault's index."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; a damaged one is replaced."""
        self._db = open_database(path, _SCHEMA, _VERSION)
        self._asked = 0
        self._filter: _Filter | None = None
        self._shunned: frozenset[bytes] = frozenset()
        self._doubts: dict[bytes, frozenset[bytes] | None] = {}
        self._settled: set[bytes] = set()

    def close(self) -> None:
        """Keep what was committed."""
        self._db.close()

    def commit(self) -> None:
        """Make what was added last."""
        self._db.commit()

    def rollback(self) -> None:
        """Forget what was added since."""
        self._db.rollback()

    def clear(self) -> None:
        """Forget everything about packs and parts."""
        for table in ("packs", "parts", "groups", "indexes"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are the four above

    def shun(self, packs: Iterable[bytes]) -> None:
        """From now on these packs, and no others, are going to be removed."""
        self._shunned = frozenset(packs)

    @property
    def shunned(self) -> frozenset[bytes]:
        """Packs that are going to be removed."""
        return self._shunned

    def doubt(self, pack: bytes, parts: Iterable[bytes] = ()) -> None:
        """Parts of a pack, or without any all of it, were found damaged."""
        before, more = self._doubts.get(pack, frozenset()), frozenset(parts)
        self._doubts[pack] = before | more if more and before is not None else None

    def undoubt(self, pack: bytes) -> None:
        """A pack was found whole."""
        if pack in self._doubts:
            del self._doubts[pack]
            self._settled.add(pack)

    @property
    def settled(self) -> frozenset[bytes]:
        """Packs that were doubted and are not any more."""
        return frozenset(self._settled - self._doubts.keys())

    @property
    def doubts(self) -> frozenset[bytes]:
        """Packs of which something is doubted."""
        return frozenset(self._doubts)

    def doubted(self, pack: bytes, part: bytes) -> bool:
        """Whether a part was found damaged in a pack."""
        parts = self._doubts.get(pack, frozenset())
        return parts is None or part in parts

    def is_doubted(self, pack: bytes) -> bool:
        """Whether anything was found damaged in a pack."""
        return pack in self._doubts

    def add_pack(self, pack: PackEntry, *, indexed: bool) -> None:
        """Remember a pack and its parts."""
        pending = None if indexed else encode_index([pack])
        self._db.execute(
            "INSERT INTO packs (name, size, pending) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET pending = iif(excluded.pending IS NULL, NULL, pending)",
            (pack.name, pack.size, pending),
        )
        (number,) = self._db.execute("SELECT id FROM packs WHERE name = ?", (pack.name,)).fetchone()
        if self._filter is not None:
            self._filter.add(record.part_id for record in pack.records)
        found = tuple(regions(pack.records))
        self._db.executemany(
            "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    r.record.part_id,
                    number,
                    r.number,
                    r.offset,
                    r.record.kind,
                    r.record.codec,
                    r.record.length,
                    r.record.stored,
                    r.record.skip,
                )
                for r in found
            ),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO groups VALUES (?, ?, ?)",
            (
                (number, group[0].number, fmt.encode_index_parts(region.record for region in group))
                for group in grouped(found)
                if len(group) > 1
            ),
        )

    def packs(self) -> dict[bytes, int]:
        """Every known pack with its size."""
        return dict(self._db.execute("SELECT name, size FROM packs"))

    def contents(self, *, newest_first: bool = False) -> Iterator[PackEntry]:
        """Every known pack with its parts in order; their records have no digests."""
        order = "packs.id DESC" if newest_first else "packs.id"
        rows = self._db.execute(
            "SELECT packs.name, packs.size, part, kind, codec, length, stored, skip"  # noqa: S608 - one of two orders
            f" FROM parts JOIN packs ON packs.id = parts.pack ORDER BY {order}, number"
        )
        for (name, size), some in groupby(rows, key=lambda row: (row[0], row[1])):
            records = tuple(
                Record(part, PartKind(kind), Codec(codec), length, stored, skip=skip)
                for _, _, part, kind, codec, length, stored, skip in some
            )
            yield PackEntry(name=name, size=size, records=records)

    def not_indexed(self) -> list[PackEntry]:
        """Packs that no index object lists yet, in the order in which they came."""
        rows = self._db.execute("SELECT pending FROM packs WHERE pending IS NOT NULL ORDER BY id")
        return [pack for (pending,) in rows for pack in read_index(pending)]

    def mark_indexed(self, packs: Iterable[PackEntry]) -> None:
        """These packs are in an index object now."""
        self._db.executemany("UPDATE packs SET pending = NULL WHERE name = ?", ((pack.name,) for pack in packs))

    def has(self, part_id: bytes) -> bool:
        """Whether the part has a place."""
        self._asked += 1
        if self._asked == _ASKED_OFTEN:
            self._filter = _Filter(part for (part,) in self._db.execute("SELECT part FROM parts"))
        if self._filter is not None and not self._filter.may_hold(part_id):
            return False
        if self._shunned or self._doubts:
            return any(self._rank(pack, part_id) == 0 for pack in self._packs_with(part_id))
        return self._db.execute("SELECT 1 FROM parts WHERE part = ?", (part_id,)).fetchone() is not None

    def _packs_with(self, part_id: bytes) -> Iterator[bytes]:
        rows = self._db.execute("SELECT name FROM parts JOIN packs ON packs.id = pack WHERE part = ?", (part_id,))
        return (name for (name,) in rows.fetchall())

    def _rank(self, pack: bytes, part_id: bytes) -> int:
        """How good a place is: 0 to rely on, 1 as long as it lasts, 2 when there is no other."""
        return 2 if self.doubted(pack, part_id) else int(pack in self._shunned)

    def find(self, part_id: bytes) -> Place | None:
        """The best place of a part."""
        return next(iter(self.places_of(part_id)), None)

    def places_of(self, part_id: bytes) -> list[Place]:
        """Every place of a part, the best first."""
        rows = self._db.execute(
            "SELECT packs.name, packs.size, packs.id, number, offset, kind, codec, length, stored, skip"
            " FROM parts JOIN packs ON packs.id = parts.pack WHERE part = ? ORDER BY packs.id",
            (part_id,),
        ).fetchall()
        if len(rows) > 1:
            rows.sort(key=lambda row: self._rank(row[0], part_id))
        return [self._place(part_id, row) for row in rows]

    def _place(self, part_id: bytes, row: tuple[Any, ...]) -> Place:
        pack, size, pack_id, number, offset, kind, codec, length, stored, skip = row
        record = Record(part_id, PartKind(kind), Codec(codec), length, stored, skip=skip)
        region = Region(number=number, offset=offset, record=record)
        group = self._group(pack_id, region) if record.codec in fmt.GROUPED else ()
        return Place(pack=pack, size=size, region=region, group=group)

    def _group(self, pack_id: int, region: Region) -> tuple[Region, ...]:
        """All of a part's group; of one whose group is not known, only itself: if that is not all, it will not decode."""
        row = self._db.execute(
            "SELECT first, records FROM groups WHERE pack = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (pack_id, region.number),
        ).fetchone()
        with suppress(PhotovaultError, struct.error):  # a bit of it rotted here
            if row is not None:
                records = fmt.read_index_parts(row[1])
                at = region.number - row[0]
                if at < len(records) and records[at].part_id == region.record.part_id:
                    return _around(region, records, at)
        return (region,)

    def parts_of(self, pack: bytes) -> list[bytes]:
        """The parts that are in one pack; they may be in others, too."""
        rows = self._db.execute("SELECT part FROM parts JOIN packs ON packs.id = pack WHERE name = ?", (pack,))
        return [part for (part,) in rows]

    def indexes(self) -> set[bytes]:
        """Index objects that were read."""
        return {name for (name,) in self._db.execute("SELECT name FROM indexes")}

    def add_index(self, name: bytes) -> None:
        """An index object was read."""
        self._db.execute("INSERT OR IGNORE INTO indexes VALUES (?)", (name,))

    def heeded(self) -> set[bytes]:
        """Retention records that were taken account of."""
        return {name for (name,) in self._db.execute("SELECT name FROM heeded")}

    def heed(self, names: Iterable[bytes]) -> None:
        """These retention records, and no others, were taken account of."""
        self._db.execute("DELETE FROM heeded")
        self._db.executemany("INSERT INTO heeded VALUES (?)", ((name,) for name in names))

    def drop_packs(self, packs: Iterable[bytes]) -> None:
        """Forget packs that were removed on purpose, and their parts."""
        names = list(packs)
        rows = (self._db.execute("SELECT id FROM packs WHERE name = ?", (name,)).fetchone() for name in names)
        numbers = [row[0] for row in rows if row is not None]
        for name in names:
            self.undoubt(name)
        for at in range(0, len(numbers), _AT_ONCE):
            some = numbers[at : at + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            for table, column in (("parts", "pack"), ("groups", "pack"), ("packs", "id")):
                self._db.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", some)  # noqa: S608 - as above

    def snapshot(self, name: bytes) -> bytes | None:
        """Plaintext of a snapshot or retention record that was read before; None also when a bit of it rotted here."""
        row = self._db.execute("SELECT plain, checksum FROM snapshots WHERE name = ?", (name,)).fetchone()
        return None if row is None or zlib.crc32(row[0]) != row[1] else bytes(row[0])

    def drop_snapshots(self, names: Iterable[bytes]) -> None:
        """Forget the plaintext of snapshots or retention records."""
        self._db.executemany("DELETE FROM snapshots WHERE name = ?", ((name,) for name in names))

    def add_snapshot(self, name: bytes, plain: bytes) -> None:
        """Remember the plaintext of a snapshot."""
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (name, plain, zlib.crc32(plain)))
