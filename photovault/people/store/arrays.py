"""The face store as arrays, for the grouping; and back.

Read in pieces of some thousand rows into arrays that are made once, so memory is what the arrays take: 512 bytes a face and a
little, with dlib's vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from photovault.people.grouping.grouping import Faces, Links

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from photovault.people.store.encrypted import Encrypted

    _Row = tuple[int, int, float, int, int, bytes]

_CHUNK: Final = 4096  # rows
_SHOWN: Final = 32  # members that stand for a person, in the links that keep a face away from it


def load(db: Encrypted, engine: int) -> Faces:
    """All faces with a vector of an engine, sorted by number."""
    size, count = _extent(db, engine)
    arrays = Faces(
        ids=np.empty(count, np.int64),
        vectors=np.empty((count, size), np.float32),
        photos=np.empty(count, np.int64),
        quality=np.empty(count, np.float32),
        before=np.empty(count, np.int64),
        person=np.empty(count, np.int64),
    )
    at = 0
    for rows in _pieces(db, engine):
        _fill(arrays, slice(at, at + len(rows)), rows)
        at += len(rows)
    ids, vectors, photos, quality, before, person = arrays
    return Faces(ids[:at], vectors[:at], photos[:at], quality[:at], before[:at], person[:at])


def _fill(arrays: Faces, here: slice, rows: Sequence[_Row]) -> None:
    ids, photos, quality, before, person, vectors = zip(*rows, strict=True)
    arrays.ids[here], arrays.photos[here], arrays.quality[here] = ids, photos, quality
    arrays.before[here], arrays.person[here] = before, person
    arrays.vectors[here] = np.frombuffer(b"".join(vectors), "<f4").reshape(len(rows), -1)


def _extent(db: Encrypted, engine: int) -> tuple[int, int]:
    """Numbers in a vector, and how many faces there may be."""
    size = db.row("SELECT size FROM engines WHERE id = ?", (engine,)) or (0,)
    count = db.row("SELECT count(*) FROM vectors WHERE engine = ? AND face > 0", (engine,)) or (0,)
    return size[0] // 4, count[0]


def _pieces(db: Encrypted, engine: int) -> Iterator[list[_Row]]:
    sql = (
        "SELECT vectors.face, photo, quality, coalesce(grp, -1), coalesce(person, -1), vector FROM vectors "
        "CROSS JOIN faces ON faces.id = vectors.face "
        "WHERE vectors.face > ? AND +vectors.engine = ? AND NOT no_face ORDER BY vectors.face LIMIT ?"
    )
    last = 0
    while rows := db.rows(sql, (last, engine, _CHUNK)):
        yield rows
        last = rows[-1][0]


def links(db: Encrypted) -> Links:
    """What was said of pairs of faces, and for each "not this person" the pairs of the face with that person's."""
    said = db.rows("SELECT one, other, same FROM links")
    must = [(one, other) for one, other, same in said if same]
    cannot = {(one, other) for one, other, same in said if not same}
    for (person,) in db.rows("SELECT DISTINCT person FROM denials"):
        cannot.update(_kept_apart(db, person))
    return Links(_pairs(must), _pairs(sorted(cannot)))


def _kept_apart(db: Encrypted, person: int) -> Iterator[tuple[int, int]]:
    denied = {face for (face,) in db.rows("SELECT face FROM denials WHERE person = ?", (person,))}
    sql = (
        "SELECT id FROM faces WHERE (person = ?1 OR person IS NULL AND grp = ?1) AND NOT no_face AND NOT gone "
        "AND id NOT IN (SELECT face FROM denials WHERE person = ?1) ORDER BY person IS NULL, quality DESC LIMIT ?2"
    )
    for (member,) in db.rows(sql, (person, _SHOWN)):
        yield from ((min(face, member), max(face, member)) for face in denied)


def _pairs(pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(pairs, np.int64).reshape(-1, 2)


def fresh(db: Encrypted) -> NDArray[np.int64]:
    """The faces that were never grouped since they were measured, sorted."""
    found = db.rows("SELECT id FROM faces WHERE fresh AND NOT no_face ORDER BY id")
    return np.array([face for (face,) in found], np.int64)


def assign(db: Encrypted, engine: int, faces: Faces, labels: NDArray[np.int64]) -> int:
    """Keep a group for each face, which is its person's for a confirmed one; how many faces moved."""
    labels = np.where(faces.person >= 0, faces.person, labels)
    moved = np.flatnonzero(labels != faces.before)
    with db.together():
        changes = zip(labels[moved].tolist(), faces.ids[moved].tolist(), strict=True)
        db.run_many("UPDATE faces SET grp = nullif(?, -1) WHERE id = ?", changes)
        done = (
            "UPDATE faces SET fresh = 0 "
            "WHERE fresh AND EXISTS (SELECT 1 FROM vectors WHERE vectors.face = faces.id AND engine = ?)"
        )
        db.run(done, (engine,))
        above = "INSERT INTO meta VALUES ('next', ?1) ON CONFLICT DO UPDATE SET value = max(value, ?1)"
        db.run(above, (int(labels.max(initial=0)) + 1,))
    return len(moved)
