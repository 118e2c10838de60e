"""The face store: which photos were looked at, the faces in them, their groups, and what was decided about them.

A photo is known by its bytes (SHA-256), so what hangs on it survives moving, copying and scanning again.  When its faces are
found anew, each is the known one whose box it covers (``same.SAME_BOX``), and keeps number, group and decisions; a known
face that is not found again stays, without a vector, if somebody decided something about it, and goes if nobody did.  A file
whose bytes changed but whose picture did not (somebody edited its tags) hands its decisions on to the new bytes.

Privacy: at the end of a scan ``sweep`` removes every vector, landmark and undecided face of photos that are no more where
faces may be looked for.  Decided faces stay as boxes without measures: they are the user's words, and when the photo
comes back they are its names again.

Guarantee: each call is one durable transaction (``together`` makes several one): after a kill the store is as after the last
that returned.  One process writes at a time (``people_lock``); others may read beside it.  Numbers of faces and people are
never used again.  Faces with values that no engine gives (not finite, out of the picture, of another length) are dropped.
Not guaranteed: that the faces of a damaged or lost store can be had back; it is in no backup, by design.
"""

from __future__ import annotations

import math
import os
import struct
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.errors import MissingExtraError, UsageError
from photovault.model import Stamp
from photovault.people.keeping.lock import people_lock
from photovault.people.store import listing
from photovault.people.store.encrypted import Encrypted, open_encrypted
from photovault.people.store.same import OnRecord, clipped, floats, is_near, matched
from photovault.people.store.schema import DECIDED, SCHEMA, VERSION
from photovault.people.values import FACES_MAX, Box, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import ModuleType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from photovault.people.grouping.grouping import Faces, Links
    from photovault.people.shown import FaceShown, Person, Side

FILE: Final = "faces.db"
CANARIES: Final = 3
_CANARY_SIZE = 128  # numbers
_SIZE_MAX = 4 * 4096  # bytes of a vector
_LANDMARKS = (0, 10)
_CHUNK = 4096  # rows


class Known(NamedTuple):
    """A photo whose faces another engine measured; ``faces`` without their vectors."""

    photo: int
    path: bytes
    stamp: Stamp
    digest: bytes
    faces: tuple[Seen, ...]


class Store:
    """An open face store."""

    def __init__(self, db: Encrypted, held: ExitStack, random: Callable[[int], bytes]) -> None:
        """Made by ``open``."""
        self.db = db
        self._held = held
        self._random = random

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether there is a store in ``folder``; opens nothing."""
        return (folder / FILE).is_file()

    @classmethod
    def open(
        cls,
        folder: Path,
        key: bytes,
        *,
        write: bool = True,
        wait: float = 0.0,
        random: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Open the store in ``folder``; make it if it is not there and ``write``.

        Args:
            folder: of the people.
            key: 32 bytes, see ``key.FaceKey``.
            write: take the lock; False reads only, also beside a process that writes.
            wait: seconds to wait for the lock.
            random: bytes for the canaries of a new store.

        Raises:
            UsageError: it is not there, and ``write`` is false.
            BusyError: another process has the lock.
            WrongKeyError: the key does not open it.
            DamageError: it is damaged.
            MissingExtraError: the extra is not installed.
            RefusedError: no space, no rights.
        """
        if not write and not cls.exists(folder):
            raise UsageError("no photo has been looked at yet", "photovault people scan")
        with ExitStack() as stack:
            if write:
                stack.enter_context(people_lock(folder, wait=wait))
            db = open_encrypted(folder / FILE, key, SCHEMA, VERSION, write=write)
            stack.callback(db.close)
            store = cls(db, stack.pop_all(), random)
        if write:
            store._plant_canaries()
        return store

    def close(self) -> None:
        """Close it and let go of the lock."""
        self._held.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def together(self) -> AbstractContextManager[None]:
        """All that is done in the block is done, or nothing of it; faster than one by one."""
        return self.db.together()

    def remember(self, key: str, value: str) -> None:
        """Keep a small text under a name of the caller's."""
        self._set_meta(f"note {key}", value)

    def recall(self, key: str) -> str:
        """What was kept under that name, or nothing."""
        return str(self._meta(f"note {key}") or "")

    def _meta(self, key: str) -> Any:  # noqa: ANN401 - a number or a text
        row = self.db.row("SELECT value FROM meta WHERE key = ?", (key,))
        return row[0] if row else None

    def _set_meta(self, key: str, value: str | int) -> None:
        self.db.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # Canaries -------------------------------------------------------------------------------------------------------

    def _plant_canaries(self) -> None:
        if self.db.row("SELECT 1 FROM vectors WHERE face < 0"):
            return
        with self.together():
            for number in range(1, CANARIES + 1):
                self.db.run("INSERT INTO vectors VALUES (?, 0, ?)", (-number, self._canary()))

    def _canary(self) -> bytes:
        """A vector as an engine could have given it: numbers between -0.25 and 0.25."""
        numbers = struct.unpack(f"<{_CANARY_SIZE}i", self._random(4 * _CANARY_SIZE))
        return struct.pack(f"<{_CANARY_SIZE}f", *(number / 2**33 for number in numbers))

    def canaries(self) -> list[bytes]:
        """The planted vectors, which are nobody's: found anywhere else, they show that face data got out."""
        return [bytes(vector) for (vector,) in self.db.rows("SELECT vector FROM vectors WHERE face < 0 ORDER BY face")]

    # Scanning -------------------------------------------------------------------------------------------------------

    def stamp_of(self, path: bytes) -> tuple[Stamp, int] | None:
        """By what a file was known when it was looked at, and its photo; None for one never seen."""
        row = self.db.row("SELECT name, ino, size, mtime, ctime, photo FROM files WHERE path = ?", (path,))
        return (Stamp(*row[:5]), row[5]) if row else None

    def photo_of(self, digest: bytes) -> tuple[int, str] | None:
        """The photo with these bytes, and the engine that looked at it; None if it has to be looked at."""
        sql = "SELECT photos.id, key FROM photos JOIN engines ON engines.id = engine WHERE digest = ? AND why = ''"
        row = self.db.row(sql, (digest,))
        return (row[0], row[1]) if row else None

    def put_photo(  # noqa: PLR0913, PLR0917 - what a scan knows of a photo
        self,
        path: bytes,
        stamp: Stamp,
        digest: bytes,
        width: int,
        height: int,
        taken: str,
        faces: Sequence[Seen],
        engine: str,
        why: str = "",
        *,
        orientation: int | None = 1,
    ) -> int:
        """Keep what was found in a photo; returns its number.

        Args:
            path: where it is, absolute.
            stamp: of the file, before it was read.
            digest: SHA-256 of its bytes; empty if it could not be read.
            width: pixels, upright.
            height: as ``width``.
            taken: ISO 8601 local time, or empty.
            faces: all that were found; those on record that are not among them go, or stay by hand (see the module).
            engine: key of the engine that measured them.
            why: why it could not be looked at, or empty; then the faces on record stay.
            orientation: how Exif says that the stored pixels are turned, 1 to 8; where None, as 1.
        """
        with self.together():
            before = self.db.row("SELECT photo FROM files WHERE path = ?", (path,))
            photo = self._photo(digest, before[0] if before else 0)
            number = self._engine(engine)
            if why:
                self.db.run("UPDATE photos SET engine = ?, why = ? WHERE id = ?", (number, why, photo))
                self.put_path(path, stamp, photo)
                return photo
            sql = (
                "UPDATE photos SET width = ?, height = ?, orientation = ?, taken = ?, engine = ?, why = '' WHERE id = ?"
            )
            same = before is not None and before[0] != photo and self._same_take(before[0], width, height, taken)
            self.db.run(sql, (width, height, orientation or 1, taken, number, photo))
            self.put_path(path, stamp, photo)
            self._put_faces(photo, faces, number)
            if before is not None and before[0] != photo:
                self._hand_on(before[0], photo, same=same)
        return photo

    def put_path(self, path: bytes, stamp: Stamp, photo: int) -> None:
        """Keep that a photo that is known is (also) there."""
        self.db.run("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", (path, photo, *stamp))

    def paths(self) -> Iterator[bytes]:
        """Every path that is known, sorted."""
        found = b""
        while rows := self.db.rows(f"SELECT path FROM files WHERE path > ? ORDER BY path LIMIT {_CHUNK}", (found,)):
            yield from (bytes(path) for (path,) in rows)
            found = rows[-1][0]

    def forget_path(self, path: bytes) -> None:
        """Forget that a photo was there; ``sweep`` removes what hung on it, unless it turned up elsewhere."""
        self.db.run("DELETE FROM files WHERE path = ?", (path,))

    def sweep(self) -> int:
        """Remove what is kept of photos that lie nowhere any more; how many there were.  Once, after a whole scan."""
        lost = "SELECT id FROM photos WHERE engine AND NOT EXISTS (SELECT 1 FROM files WHERE photo = photos.id)"
        with self.together():
            photos = self.db.rows(lost)
            for photo in photos:
                self._strip(photo[0])
            self._forget_skipped()
        if photos:
            self.db.write_back()
        return len(photos)

    def _strip(self, photo: int) -> None:
        of_photo = "(SELECT id FROM faces WHERE photo = ?)"
        self.db.run(f"DELETE FROM vectors WHERE face IN {of_photo}", (photo,))
        self.db.run(f"DELETE FROM faces WHERE photo = ? AND NOT {DECIDED}", (photo,))
        self.db.run("UPDATE faces SET gone = 1, landmarks = x'', fresh = 0 WHERE photo = ?", (photo,))
        self.db.run("UPDATE photos SET engine = 0 WHERE id = ?", (photo,))
        self.db.run(
            "DELETE FROM photos WHERE id = ? AND NOT EXISTS (SELECT 1 FROM faces WHERE photo = photos.id)", (photo,)
        )

    def _forget_skipped(self) -> None:
        gone = "NOT EXISTS (SELECT 1 FROM faces WHERE id = {})"
        self.db.run(f"DELETE FROM skipped WHERE {gone.format('against')} OR {gone.format('skipped.face')}")

    def photos_without(self, engine: str) -> Iterator[Known]:
        """The photos with faces that this engine has not measured, and where they lie; the newest on record first."""
        for photo in sorted(self._unmeasured(engine), reverse=True):
            file = self.db.row("SELECT min(path), name, ino, size, mtime, ctime FROM files WHERE photo = ?", (photo,))
            if file is not None and file[0] is not None:
                (digest,) = self.db.row("SELECT digest FROM photos WHERE id = ?", (photo,)) or (b"",)
                yield Known(photo, file[0], Stamp(*file[1:]), digest or b"", self._measurable(photo))

    def unmeasured(self, engine: str) -> int:
        """How many those are."""
        return len(self._unmeasured(engine))

    def _unmeasured(self, engine: str) -> list[int]:
        sql = (
            "SELECT DISTINCT photo FROM vectors CROSS JOIN faces ON faces.id = vectors.face "
            "WHERE (engine < ?1 OR engine > ?1) AND vectors.face > 0 AND NOT no_face AND NOT hand AND NOT gone"
        )
        return [photo for (photo,) in self.db.rows(sql, (self._engine_known(engine),))]

    def replace_vectors(self, photo: int, faces: Iterable[Seen], engine: str) -> None:
        """Keep another engine's measures of the faces of a photo: they are told by their boxes; nothing else changes."""
        with self.together():
            number = self._engine(engine)
            rows = [row for row in self._rows(photo) if not row.nothing]
            for row, seen in matched(rows, self._sound(faces, number)):
                self._measured(row, seen, number)
            self.db.run("UPDATE photos SET engine = ? WHERE id = ?", (number, photo))

    def _measurable(self, photo: int) -> tuple[Seen, ...]:
        sql = (
            "SELECT x, y, w, h, landmarks, score, quality FROM faces "
            "WHERE photo = ? AND NOT no_face AND NOT hand AND NOT gone ORDER BY id"
        )
        return tuple(
            Seen(Box(x, y, w, h), floats(landmarks), score, quality, b"")
            for x, y, w, h, landmarks, score, quality in self.db.rows(sql, (photo,))
        )

    def _photo(self, digest: bytes, before: int) -> int:
        """The photo with these bytes; of a file that cannot be read, the one that it was."""
        if not digest and before:
            return before
        row = self.db.row("SELECT id FROM photos WHERE digest = ?", (digest,)) if digest else None
        if row:
            return int(row[0])
        sql = (
            "INSERT INTO photos (digest, width, height, orientation, taken, engine, why) VALUES (?, 0, 0, 1, '', 0, '')"
        )
        return self.db.insert(sql, (digest or None,))

    def _engine(self, key: str) -> int:
        """The number of an engine, which is the current one from here on."""
        known = self._engine_known(key)
        number = known or self.db.insert("INSERT INTO engines (key, size) VALUES (?, 0)", (key,))
        if self._meta("engine") != number:
            self._set_meta("engine", number)
        return number

    def _engine_known(self, key: str) -> int:
        row = self.db.row("SELECT id FROM engines WHERE key = ?", (key,))
        return int(row[0]) if row else 0

    def _rows(self, photo: int) -> list[OnRecord]:
        sql = (
            f"SELECT id, x, y, w, h, {DECIDED}, no_face, vector FROM faces "
            "LEFT JOIN vectors ON vectors.face = faces.id WHERE photo = ? ORDER BY id"
        )
        return [
            OnRecord(row[0], Box(*row[1:5]), bool(row[5]), bool(row[6]), row[7]) for row in self.db.rows(sql, (photo,))
        ]

    def _put_faces(self, photo: int, faces: Sequence[Seen], engine: int) -> None:
        rows = self._rows(photo)
        sound = self._sound(faces, engine)
        pairs = matched(rows, sound)
        for row, seen in pairs:
            self._measured(row, seen, engine)
        found = {row.id for row, _ in pairs}
        self._not_found([row for row in rows if row.id not in found])
        placed = {id(seen) for _, seen in pairs}
        for seen in sound:
            if id(seen) not in placed:
                self._insert(photo, seen, engine)

    def _measured(self, row: OnRecord, seen: Seen, engine: int) -> None:
        """Take over what was seen where a known face is."""
        fresh = not row.nothing and row.vector != seen.vector
        sql = (
            "UPDATE faces SET x = ?, y = ?, w = ?, h = ?, landmarks = ?, score = ?, quality = ?, hand = 0, gone = 0, "
            "fresh = max(fresh, ?) WHERE id = ?"
        )
        self.db.run(sql, (*seen.box, _packed(seen.landmarks), seen.score, seen.quality, fresh, row.id))
        if not row.nothing:
            self.db.run("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (row.id, engine, seen.vector))

    def _not_found(self, rows: Sequence[OnRecord]) -> None:
        self.db.run_many("DELETE FROM vectors WHERE face = ?", [(row.id,) for row in rows])
        self.db.run_many("DELETE FROM faces WHERE id = ?", [(row.id,) for row in rows if not row.decided])
        kept = "UPDATE faces SET hand = 1, gone = 0, fresh = 0, landmarks = x'' WHERE id = ?"
        self.db.run_many(kept, [(row.id,) for row in rows if row.decided])

    def _insert(self, photo: int, seen: Seen, engine: int) -> None:
        sql = "INSERT INTO faces (photo, x, y, w, h, landmarks, score, quality) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        values = (photo, *seen.box, _packed(seen.landmarks), seen.score, seen.quality)
        self.db.run("INSERT INTO vectors VALUES (?, ?, ?)", (self.db.insert(sql, values), engine, seen.vector))

    def _sound(self, faces: Iterable[Seen], engine: int) -> list[Seen]:
        kept = (seen._replace(box=clipped(seen.box)) for seen in faces if self._is_sound(seen, engine))
        return list(islice(kept, FACES_MAX))

    def _is_sound(self, seen: Seen, engine: int) -> bool:
        inside = all(map(math.isfinite, seen.box)) and min(clipped(seen.box)[2:]) > 0
        rest = 0 <= seen.quality <= 1 and math.isfinite(seen.score) and len(seen.landmarks) in _LANDMARKS
        return inside and rest and all(map(math.isfinite, seen.landmarks)) and self._is_vector(seen.vector, engine)

    def _is_vector(self, vector: bytes, engine: int) -> bool:
        """Whether it is one, as long as all of its engine; the first says how long they are."""
        if not 0 < len(vector) <= _SIZE_MAX or len(vector) % 4 or not all(map(math.isfinite, floats(vector))):
            return False
        self.db.run("UPDATE engines SET size = ? WHERE id = ? AND size = 0", (len(vector), engine))
        return self.db.row("SELECT size FROM engines WHERE id = ?", (engine,)) == (len(vector),)

    def _same_take(self, photo: int, width: int, height: int, taken: str) -> bool:
        row = self.db.row("SELECT width, height, taken FROM photos WHERE id = ?", (photo,))
        return bool(taken) and row == (width, height, taken)

    def _hand_on(self, old: int, new: int, *, same: bool) -> None:
        """Give the decided faces of a photo to another with the same picture, if the old one lies nowhere any more.

        It is the same if it was taken at the same time and is as large, or if a face has nearly the same vector in it: the
        name of a file alone says nothing, as cameras use them again.
        """
        if self.db.row("SELECT 1 FROM files WHERE photo = ?", (old,)):
            return
        rows = self._rows(old)
        others = self._rows(new)
        pairs = [(row, other) for row, other in matched(rows, others) if not other.decided]
        if not (same or any(is_near(row.vector, other.vector) for row, other in pairs)):
            return
        for row, other in pairs:
            if row.decided:
                self._take_place(row, other)
        met = {row.id for row, _ in pairs} | {row.id for row, _ in matched(rows, others)}
        rest = [row for row in rows if row.decided and row.id not in met]
        self._not_found(rest)
        self.db.run_many("UPDATE faces SET photo = ? WHERE id = ?", [(new, row.id) for row in rest])

    def _take_place(self, row: OnRecord, other: OnRecord) -> None:
        """Put a decided face in place of the one that was found anew."""
        self.db.run("DELETE FROM vectors WHERE face = ?", (row.id,))
        self.db.run("UPDATE vectors SET face = ? WHERE face = ?", (row.id, other.id))
        columns = ("photo", "x", "y", "w", "h", "landmarks", "score", "quality", "hand", "gone", "fresh")
        taken = ", ".join(columns)
        self.db.run(
            f"UPDATE faces SET ({taken}) = (SELECT {taken} FROM faces WHERE id = ?) WHERE id = ?", (other.id, row.id)
        )
        if row.nothing:
            self.db.run("DELETE FROM vectors WHERE face = ?", (row.id,))
        self.db.run("DELETE FROM faces WHERE id = ?", (other.id,))

    # Grouping -------------------------------------------------------------------------------------------------------

    def load_faces(self) -> Faces:
        """All faces with a vector of the current engine, sorted by number.

        Raises:
            MissingExtraError: numpy is not installed.
        """
        faces: Faces = _arrays().load(self.db, self._current())
        return faces

    def links(self) -> Links:
        """What was said of pairs of faces, and for each "not this person" the pairs of the face with that person's."""
        links: Links = _arrays().links(self.db)
        return links

    def fresh(self) -> NDArray[np.int64]:
        """The faces that were never grouped since they were measured, sorted."""
        faces: NDArray[np.int64] = _arrays().fresh(self.db)
        return faces

    def assign(self, faces: Faces, labels: NDArray[np.int64]) -> int:
        """Keep the groups of ``faces``, which were loaded from here: a number each, -1 for none; how many faces moved.

        A confirmed face is in the group of its person, whatever the label says.
        """
        moved: int = _arrays().assign(self.db, self._current(), faces, labels)
        return moved

    def denials(self) -> list[tuple[int, int]]:
        """(face, person): this face is not that person."""
        return [(face, person) for face, person in self.db.rows("SELECT face, person FROM denials")]

    def confirmed_by_itself(self, person: int) -> list[int]:
        """The faces that somebody confirmed one by one to be that person."""
        return [face for (face,) in self.db.rows("SELECT id FROM faces WHERE person = ? AND sure = 2", (person,))]

    def skipped(self) -> set[tuple[int, int]]:
        """(against, face): pairs that were shown in a review, and that nobody wanted to answer."""
        return {(against, face) for against, face in self.db.rows("SELECT against, face FROM skipped")}

    def _current(self) -> int:
        """The engine that measured last."""
        return int(self._meta("engine") or 0)

    def next_id(self) -> int:
        """The number that the next new group or person takes."""
        return int(self._meta("next") or 1)

    def take_id(self) -> int:
        """A number for a new group or person, never given before."""
        with self.together():
            number = self.next_id()
            self._set_meta("next", number + 1)
        return number

    # People (see listing) -------------------------------------------------------------------------------------------

    def people(self, *, all: bool = False, hidden: bool = False, faces: bool = False) -> list[Person]:  # noqa: A002
        """The groups: named ones first, then by their number of faces; ``all`` also with those of one face."""
        return listing.people(self.db, everyone=all, hidden=hidden, faces=faces)

    def ungrouped(self) -> list[FaceShown]:
        """Faces in no group, the best first."""
        return listing.ungrouped(self.db)

    def person(self, person: int) -> Person:
        """One group with its faces, the best first.  UsageError if there is none of that number."""
        return listing.person(self.db, person)

    def side(self, face: int) -> Side:
        """A face and the group it is in.  UsageError if there is none of that number."""
        return listing.side(self.db, face)

    def where(self, face: int) -> listing.Where:
        """Where a face is.  UsageError if there is none of that number."""
        return listing.where(self.db, face)

    def best_faces(self) -> dict[int, int]:
        """The best face of each group."""
        return listing.best_faces(self.db)

    def on_photo(self, digest: bytes) -> list[tuple[int, int]]:
        """Who is on the photo with these bytes: (group, face), from left to right; nobody who is hidden."""
        return listing.on_photo(self.db, digest)

    def find(self, ref: str) -> int:
        """The number of a person given as ``p7`` or by name.  UsageError if there is none."""
        return listing.find(self.db, ref)

    def called(self, name: str) -> int | None:
        """The number of the person with that name, None if there is none."""
        return listing.called(self.db, name)

    def names(self) -> dict[int, str]:
        """The names of those who have one."""
        return listing.names(self.db)

    def digests_of(self, person: int) -> set[bytes]:
        """SHA-256 of every photo with that person, also of those that are gone from here but may be in a vault."""
        return listing.digests_of(self.db, person)

    def names_of_photos(self) -> dict[str, list[str]]:
        """Names by photo (SHA-256 in hex), sorted: all that may ever be backed up, and only with its own consent."""
        return listing.names_of_photos(self.db)

    def counts(self) -> listing.Counts:
        """How much there is."""
        return listing.counts(self.db)


def _packed(numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _arrays() -> ModuleType:
    try:
        from photovault.people.store import arrays  # noqa: PLC0415 - needs numpy, an extra
    except ImportError:
        raise MissingExtraError("numpy is not installed", "pip install 'photovault[faces]'") from None
    return arrays
