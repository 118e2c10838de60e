"""What this device saw with its own eyes at one destination of a vault.

A SQLite file in the state folder, one for each destination.  *Doubts*: parts that were found damaged in a pack; nothing new
relies on them until the pack was found whole.  *First sights*: when, by this device's own clock, a snapshot or a retention
record was seen for the first time, whatever time it claims.  *Shown*: every snapshot that was ever seen here, so that it is missed
when the storage hides it.  Nothing in it is sent anywhere.  Losing it costs no photo: what is damaged is found again by the
next check, what was first seen is seen as new, so it is kept longer, and what is hidden only the chains tell.  *Losses*: how
many photos the last check said to be lost.  *A stop*: what a guard saw that stopped the last backup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.database import open_database, open_in_memory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_VERSION = 1
_LOOK, _DATE = b"look ", len("2026-11-23")
_LOOK_SIZE = len(_LOOK) + _DATE  # digests have 32 bytes
_WHOLE = b""  # in place of a part: all of the pack
_SCHEMA = """
CREATE TABLE doubts (pack BLOB NOT NULL, part BLOB NOT NULL, why TEXT NOT NULL, since TEXT NOT NULL, news INTEGER NOT NULL,
    PRIMARY KEY (pack, part)) WITHOUT ROWID;
CREATE TABLE firsts (name BLOB PRIMARY KEY, seen TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE losses (photos INTEGER NOT NULL, since TEXT NOT NULL);
CREATE TABLE stops (what TEXT NOT NULL, since TEXT NOT NULL);
CREATE TABLE shown (name BLOB PRIMARY KEY, device BLOB NOT NULL, number INTEGER NOT NULL, since TEXT NOT NULL) WITHOUT ROWID;
"""


class Evidence:
    """The evidence of one destination; every change is durable when its method returns."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file, a damaged one is replaced; None for what is forgotten in the end."""
        self._db = open_in_memory(_SCHEMA) if path is None else open_database(path, _SCHEMA, _VERSION)

    def close(self) -> None:
        """Everything is written already."""
        self._db.close()

    def doubt(self, pack: bytes, parts: Collection[bytes], why: str, when: str) -> None:
        """Parts of a pack, or without any all of it, were found damaged at the ISO 8601 time ``when``."""
        self._db.executemany(
            "INSERT OR IGNORE INTO doubts VALUES (?, ?, ?, ?, 1)",
            ((pack, part, why, when) for part in parts or (_WHOLE,)),
        )
        self._db.commit()

    def lose(self, photos: int, when: str) -> None:
        """So many photos were found lost by a check at the ISO 8601 time ``when``; none ends it."""
        self._db.execute("DELETE FROM losses")
        if photos:
            self._db.execute("INSERT INTO losses VALUES (?, ?)", (photos, when))
        self._db.commit()

    def lost(self) -> tuple[int, str]:
        """How many photos the last check said to be lost, and when; none and nothing when all was there."""
        return self._db.execute("SELECT photos, since FROM losses").fetchone() or (0, "")

    def stop(self, what: str, when: str = "") -> None:
        """A guard that saw ``what`` stopped a backup at the ISO 8601 time ``when``; nothing ends it: a backup was made."""
        self._db.execute("DELETE FROM stops")
        if what:
            self._db.execute("INSERT INTO stops VALUES (?, ?)", (what, when))
        self._db.commit()

    def stopped(self) -> tuple[str, str]:
        """What stopped the last backup, and when; empty texts when nothing did."""
        return self._db.execute("SELECT what, since FROM stops").fetchone() or ("", "")

    def undoubt(self, packs: Iterable[bytes]) -> None:
        """These packs were found whole, or are gone."""
        self._db.executemany("DELETE FROM doubts WHERE pack = ?", ((pack,) for pack in packs))
        self._db.commit()

    def doubts(self) -> dict[bytes, frozenset[bytes]]:
        """By pack, the parts that were found damaged in it; an empty set means all of them."""
        found: dict[bytes, set[bytes]] = {}
        for pack, part in self._db.execute("SELECT pack, part FROM doubts"):
            found.setdefault(pack, set()).add(part)
        return {pack: frozenset() if _WHOLE in parts else frozenset(parts) for pack, parts in found.items()}

    @property
    def has_news(self) -> bool:
        """Whether there are doubts of which the catalog does not know yet."""
        return self._db.execute("SELECT 1 FROM doubts WHERE news = 1 LIMIT 1").fetchone() is not None

    def told(self) -> None:
        """The catalog knows of all doubts."""
        self._db.execute("UPDATE doubts SET news = 0")
        self._db.commit()

    def first_seen(self, names: Iterable[bytes], now: str) -> dict[bytes, str]:
        """When each of these objects (by digest) was seen for the first time, ISO 8601; for a new one that is ``now``."""
        wanted = list(names)
        self._db.executemany("INSERT OR IGNORE INTO firsts VALUES (?, ?)", ((name, now) for name in wanted))
        self._db.commit()
        seen = dict(self._db.execute("SELECT name, seen FROM firsts"))
        return {name: seen[name] for name in wanted}

    def note_look(self, now: str) -> None:
        """This device looked at the destination at the ISO 8601 time ``now``, by its own clock; one a day is kept."""
        name = _LOOK + now[:_DATE].encode()
        if self._db.execute("SELECT 1 FROM firsts WHERE name = ?", (name,)).fetchone() is None:
            self._db.execute("INSERT INTO firsts VALUES (?, ?)", (name, now))
            self._db.commit()

    def looks(self) -> list[str]:
        """When this device looked, ISO 8601, the first time of each day."""
        return [seen for (seen,) in self._db.execute("SELECT seen FROM firsts WHERE length(name) = ?", (_LOOK_SIZE,))]

    def forget_firsts(self, names: Iterable[bytes]) -> None:
        """These objects are gone."""
        self._db.executemany("DELETE FROM firsts WHERE name = ?", ((name,) for name in names))
        self._db.commit()

    def shown(self) -> dict[bytes, tuple[bytes, int, str]]:
        """Every snapshot that was ever seen here: by its name the device (16 bytes), the number, and since when, ISO 8601."""
        rows = self._db.execute("SELECT name, device, number, since FROM shown")
        return {name: (device, number, since) for name, device, number, since in rows}

    def note_shown(self, rows: Iterable[tuple[bytes, bytes, int]], when: str) -> None:
        """Snapshots that are here now: name, device, number."""
        self._db.executemany("INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?)", ((*row, when) for row in rows))
        self._db.commit()
