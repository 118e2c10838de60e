"""What an action changes, written down so that it can be taken back.

Everything that a person can decide is a cell with a key and a value: where a face is (group, confirmed person, how sure, no
face), a person's name, a link of two faces, a denial.  An action sets cells; the first value before and the last one after
each are kept with it.  Taking it back checks that every cell still has the value after, and puts back the value before; so
it undoes that action and nothing else, in any order that makes sense, and says so where it does not.

The machine moves faces between groups meanwhile, which is no decision: then the group stays as it is now.  A face that
is no more is passed over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from photovault.errors import UsageError
from photovault.people.naming import folded
from photovault.people.store.schema import DECIDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from photovault.people.store.encrypted import Encrypted

Table = Literal["face", "made", "person", "link", "denial"]
Key = tuple[int, ...]
Value = list[Any] | None


class FaceCell(NamedTuple):
    """What is decided about a face: its group, whom it is confirmed to be, how sure (see ``schema``), whether it is none."""

    group: int | None
    person: int | None
    sure: int
    nothing: int


_READ: dict[Table, str] = {
    "face": "SELECT grp, person, sure, no_face FROM faces WHERE id = ?",
    "made": "SELECT photo, x, y, w, h FROM faces WHERE id = ?",
    "person": "SELECT name, hidden FROM people WHERE id = ?",
    "link": "SELECT same FROM links WHERE one = ? AND other = ?",
    "denial": "SELECT 1 FROM denials WHERE face = ? AND person = ?",
}
_CLEAR: dict[Table, str] = {
    "made": f"DELETE FROM faces WHERE id = ? AND hand AND NOT {DECIDED}",  # noqa: S608 - constants; unless a detector found it meanwhile
    "person": "DELETE FROM people WHERE id = ?",
    "link": "DELETE FROM links WHERE one = ? AND other = ?",
    "denial": "DELETE FROM denials WHERE face = ? AND person = ?",
}


class Changes:
    """The cells of one action; each ``set`` is done at once."""

    def __init__(self, db: Encrypted) -> None:
        """Nothing yet."""
        self._db = db
        self._cells: dict[tuple[Table, Key], list[Value]] = {}

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return any(before != after for before, after in self._cells.values())

    def face(self, face: int, cell: FaceCell) -> None:
        """Decide about a face."""
        self._set("face", (face,), list(cell))

    def make_face(self, photo: int, box: Sequence[float]) -> int:
        """A face where somebody says that one is; returns its number."""
        sql = (
            "INSERT INTO faces (photo, x, y, w, h, landmarks, score, quality, hand, fresh) "
            "VALUES (?, ?, ?, ?, ?, x'', 0, 0, 1, 0)"
        )
        face = self._db.insert(sql, (photo, *box))
        self._cells["made", (face,)] = [None, [photo, *box]]
        return face

    def person(self, person: int, name: str, *, hidden: bool) -> None:
        """Name or hide a person; one without a name that is not hidden needs no row."""
        self._set("person", (person,), [name, int(hidden)] if name or hidden else None)

    def link(self, one: int, other: int, same: bool | None) -> None:  # noqa: FBT001 - three values: yes, no, not said
        """Say that two faces are one person, or two, or nothing of it."""
        self._set("link", (min(one, other), max(one, other)), None if same is None else [int(same)])

    def deny(self, face: int, person: int, *, denied: bool = True) -> None:
        """Say that a face is not that person, or nothing of it."""
        self._set("denial", (face, person), [1] if denied else None)

    def dump(self) -> bytes:
        """The cells as bytes, for ``undo``."""
        cells = [[table, list(key), *values] for (table, key), values in self._cells.items()]
        return json.dumps(cells, separators=(",", ":")).encode()

    def _set(self, table: Table, key: Key, value: Value) -> None:
        before = read(self._db, table, key)
        if before == value:
            return
        self._cells.setdefault((table, key), [before, None])[1] = value
        _write(self._db, table, key, value)


def read(db: Encrypted, table: Table, key: Key) -> Value:
    """The value of a cell now."""
    row = db.row(_READ[table], key)
    return None if row is None else list(row)


def keys(data: bytes) -> set[tuple[str, Key]]:
    """Which cells an action changed."""
    return {(table, tuple(key)) for table, key, _, _ in json.loads(data)}


def names_before(data: bytes) -> list[str]:
    """The names that taking an action back brings back: those that it took from people."""
    return [
        before[0]
        for table, _, before, after in json.loads(data)
        if table == "person" and before and before[0] and (after is None or before[0] != after[0])
    ]


def conflicts(db: Encrypted, data: bytes) -> set[tuple[str, Key]]:
    """Which cells have another value than an action gave them, and so cannot be put back."""
    found = set()
    for table, key, _, after in json.loads(data):
        now = read(db, table, tuple(key))
        if table == "made" or (table == "face" and (now is None or after is None or now[1:] == after[1:])):
            continue
        if now != after:
            found.add((table, tuple(key)))
    return found


def undo(db: Encrypted, data: bytes) -> None:
    """Put back what was before an action.

    Raises:
        UsageError: a name that would come back is another person's now.
    """
    cells = json.loads(data)
    for table, key, _, _ in cells:  # first all names go: two people may have exchanged theirs
        if table == "person":
            _write(db, "person", tuple(key), None)
    for table, key, before, after in reversed(cells):
        if table == "face":
            _put_face_back(db, tuple(key), before, after)
        else:
            _check_free(db, table, before)
            _write(db, table, tuple(key), before)


def _put_face_back(db: Encrypted, key: Key, before: Value, after: Value) -> None:
    now = read(db, "face", key)
    if now is None or before is None or after is None:
        return
    group = before[0] if now[0] == after[0] else before[1] if before[1] is not None else now[0]
    _write(db, "face", key, [group, *before[1:]])


def _check_free(db: Encrypted, table: Table, before: Value) -> None:
    if table == "person" and before is not None and before[0]:
        row = db.row("SELECT id FROM people WHERE folded = ?", (folded(before[0]),))
        if row is not None:
            raise UsageError(
                f"the name that would come back is that of p{row[0]} now", "give that one another name first"
            )


def _write(db: Encrypted, table: Table, key: Key, value: Value) -> None:
    if value is None:
        if table in _CLEAR:
            db.run(_CLEAR[table], key)
        return
    match table:
        case "face":
            db.run("UPDATE faces SET grp = ?, person = ?, sure = ?, no_face = ? WHERE id = ?", (*value, *key))
        case "person":
            name, hidden = value
            sql = "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?)"
            db.run(sql, (*key, name, folded(name) if name else None, hidden))
        case "link":
            db.run("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", (*key, *value))
        case "denial":
            db.run("INSERT OR IGNORE INTO denials VALUES (?, ?)", key)
        case "made":
            pass  # a face that was made by hand is only ever taken away again


def later(entries: Iterable[tuple[int, bytes]], cells: set[tuple[str, Key]]) -> list[int]:
    """Which of some actions changed any of the cells."""
    return [number for number, data in entries if keys(data) & cells]
