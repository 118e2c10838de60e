"""Where every part is: the local memory of the vault's index.

A SQLite file in the cache folder: packs, the place of each part, which index objects were read, and the plaintext of
snapshots, so that nothing is fetched twice.  Everything in it can be made again from the vault, and nothing in it is
trusted: a wrong place fails to open.  A file that is damaged or of another version is thrown away and begun anew.
Only the owner's thread uses it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.database import open_database
from photovault.vault.format import Codec, PackEntry, PartKind, Record, encode_index, read_index
from photovault.vault.pack import Region, regions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_VERSION = 2
_ASKED_OFTEN = 2000  # from so many questions on a filter pays
_FILTER_BYTES = 8 * 1024 * 1024
_SCHEMA = """
CREATE TABLE packs (id INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL, size INTEGER NOT NULL, pending BLOB);
CREATE TABLE parts (part BLOB PRIMARY KEY, pack INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL,
    kind INTEGER NOT NULL, codec INTEGER NOT NULL, length INTEGER NOT NULL, stored INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE indexes (name BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE snapshots (name BLOB PRIMARY KEY, plain BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part in a pack: the pack's name (SHA-256), its size, and the part's region."""

    pack: bytes
    size: int
    region: Region

    @property
    def pack_name(self) -> str:
        """The object's name in the storage."""
        return f"packs/{self.pack[:1].hex()}/{self.pack.hex()}"


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

    def close(self) -> None:
        """Keep what was committed."""
        self._db.close()

    def commit(self) -> None:
        """Make what was added last."""
        self._db.commit()

    def clear(self) -> None:
        """Forget everything about packs and parts."""
        for table in ("packs", "parts", "indexes"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are the three above

    def add_pack(self, pack: PackEntry, *, indexed: bool) -> None:
        """Remember a pack and its parts; a part that has a place already keeps it."""
        pending = None if indexed else encode_index([pack])
        self._db.execute(
            "INSERT INTO packs (name, size, pending) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET pending = iif(excluded.pending IS NULL, NULL, pending)",
            (pack.name, pack.size, pending),
        )
        (number,) = self._db.execute("SELECT id FROM packs WHERE name = ?", (pack.name,)).fetchone()
        if self._filter is not None:
            self._filter.add(record.part_id for record in pack.records)
        self._db.executemany(
            "INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
                )
                for r in regions(pack.records)
            ),
        )

    def packs(self) -> dict[bytes, int]:
        """Every known pack with its size."""
        return dict(self._db.execute("SELECT name, size FROM packs"))

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
        return self._db.execute("SELECT 1 FROM parts WHERE part = ?", (part_id,)).fetchone() is not None

    def find(self, part_id: bytes) -> Place | None:
        """The place of a part."""
        row = self._db.execute(
            "SELECT packs.name, packs.size, number, offset, kind, codec, length, stored"
            " FROM parts JOIN packs ON packs.id = parts.pack WHERE part = ?",
            (part_id,),
        ).fetchone()
        if row is None:
            return None
        pack, size, number, offset, kind, codec, length, stored = row
        record = Record(part_id=part_id, kind=PartKind(kind), codec=Codec(codec), length=length, stored=stored)
        return Place(pack=pack, size=size, region=Region(number=number, offset=offset, record=record))

    def parts_of(self, pack: bytes) -> list[bytes]:
        """The parts that have their place in one pack."""
        rows = self._db.execute("SELECT part FROM parts JOIN packs ON packs.id = pack WHERE name = ?", (pack,))
        return [part for (part,) in rows]

    def indexes(self) -> set[bytes]:
        """Index objects that were read."""
        return {name for (name,) in self._db.execute("SELECT name FROM indexes")}

    def add_index(self, name: bytes) -> None:
        """An index object was read."""
        self._db.execute("INSERT OR IGNORE INTO indexes VALUES (?)", (name,))

    def snapshot(self, name: bytes) -> bytes | None:
        """Plaintext of a snapshot that was read before; None also when a bit of it rotted here."""
        row = self._db.execute("SELECT plain, checksum FROM snapshots WHERE name = ?", (name,)).fetchone()
        return None if row is None or zlib.crc32(row[0]) != row[1] else bytes(row[0])

    def add_snapshot(self, name: bytes, plain: bytes) -> None:
        """Remember the plaintext of a snapshot."""
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (name, plain, zlib.crc32(plain)))
