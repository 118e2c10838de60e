"""What the face store can tell about people: lists, one person, who is meant, which photos.

Reads only.  Faces of photos that are no more where faces may be looked for are not counted and not shown; a person with
a name is, even with no face left.  A name is compared without its case, as NFC.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from photovault.errors import UsageError
from photovault.model import Stamp
from photovault.people.naming import folded
from photovault.people.shown import FaceShown, Person, Side, person_id
from photovault.people.values import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.people.store.encrypted import Encrypted

_PRESENT = "NOT faces.gone AND NOT faces.no_face"
_GROUPS = (
    "SELECT grp, count(*), count(DISTINCT photo), min(nullif(taken, '')), max(taken) FROM faces "
    f"JOIN photos ON photos.id = faces.photo WHERE {_PRESENT} AND grp IS NOT NULL {{which}} GROUP BY grp"
)
_FACES = (
    "SELECT grp, faces.id, x, y, w, h, quality, person IS NOT NULL, width, height, taken, "
    "files.path FROM faces JOIN photos ON photos.id = faces.photo LEFT JOIN files ON files.photo = faces.photo "
    f"WHERE {_PRESENT} AND {{which}} ORDER BY quality DESC, faces.id, files.path"  # where a photo lies twice, twice
)
_LISTED = 2  # faces from which a group without a name is listed


class Counts(NamedTuple):
    """How much there is: photos looked at, faces in them, people as ``people list`` counts them, and of those."""

    photos: int
    faces: int
    people: int
    named: int
    hidden: int


class Where(NamedTuple):
    """Where a face is.

    Attributes:
        box: in the upright picture.
        size: width and height of that picture, in pixels.
        files: paths, and by what each was known when it was looked at.
    """

    box: Box
    size: tuple[int, int]
    files: tuple[tuple[bytes, Stamp], ...]


class _Group(NamedTuple):
    faces: int = 0
    photos: int = 0
    first: str = ""
    last: str = ""


def people(db: Encrypted, *, everyone: bool, hidden: bool, faces: bool) -> list[Person]:
    """The groups: named ones first, then by their number of faces."""
    groups = {row[0]: _group(row) for row in db.rows(_GROUPS.format(which=""))}
    told = {row[0]: (row[1], bool(row[2])) for row in db.rows("SELECT id, name, hidden FROM people")}
    shown = _by_group(db.each(_FACES.format(which="grp IS NOT NULL"))) if faces else {}
    found = []
    for one in groups.keys() | {number for number, (name, _) in told.items() if name}:
        name, is_hidden = told.get(one, ("", False))
        group = groups.get(one, _Group())
        if (hidden or not is_hidden) and (everyone or name or group.faces >= _LISTED):
            found.append(_person(one, name, group, shown.get(one, []), hidden=is_hidden))
    return sorted(found, key=lambda one: (not one.name, -one.count, one.id))


def person(db: Encrypted, number: int) -> Person:
    """One group with its faces, the best first.

    Raises:
        UsageError: there is none of that number.
    """
    check(db, number)
    row = db.row(_GROUPS.format(which="AND grp = ?"), (number,))
    name, hidden = db.row("SELECT name, hidden FROM people WHERE id = ?", (number,)) or ("", 0)
    shown = _by_group(db.each(_FACES.format(which="grp = ?"), (number,)))
    return _person(number, name, _group(row) if row else _Group(), shown.get(number, []), hidden=bool(hidden))


def ungrouped(db: Encrypted) -> list[FaceShown]:
    """Faces in no group, which are too poor to tell whose they are, the best first."""
    return [face_shown(row[1:]) for row in db.each(_FACES.format(which="grp IS NULL"))]


def check(db: Encrypted, number: int) -> None:
    """Raises UsageError if there is no group or person of that number."""
    sql = (
        "SELECT 1 FROM people WHERE id = ?1 UNION SELECT 1 FROM faces WHERE grp = ?1 AND NOT no_face "
        "UNION SELECT 1 FROM faces WHERE person = ?1 LIMIT 1"
    )
    if db.row(sql, (number,)) is None:
        raise UsageError(f"there is no person p{number}", "photovault people list --all")


def find(db: Encrypted, ref: str) -> int:
    """The number of a person given as ``p7`` or by name.

    Raises:
        UsageError: there is none.
    """
    number = person_id(ref.strip())
    if number is not None:
        check(db, number)
        return number
    number = called(db, ref)
    if number is None:
        raise UsageError("nobody is called that", "photovault people list")
    return number


def called(db: Encrypted, name: str) -> int | None:
    """The number of the person with that name, None if there is none."""
    row = db.row("SELECT id FROM people WHERE folded = ?", (folded(name),)) if name.strip() else None
    return int(row[0]) if row else None


def names(db: Encrypted) -> dict[int, str]:
    """The names of those who have one."""
    return dict(db.rows("SELECT id, name FROM people WHERE name <> '' ORDER BY id"))


def digests_of(db: Encrypted, number: int) -> set[bytes]:
    """SHA-256 of every photo with that person."""
    sql = (
        "SELECT digest FROM photos WHERE digest IS NOT NULL AND id IN (SELECT photo FROM faces WHERE grp = ?1 AND NOT no_face "
        "UNION SELECT photo FROM faces WHERE person = ?1)"
    )
    return {bytes(digest) for (digest,) in db.rows(sql, (number,))}


def names_of_photos(db: Encrypted) -> dict[str, list[str]]:
    """Names of people that are not hidden, by photo."""
    sql = (
        "SELECT DISTINCT lower(hex(digest)), name FROM faces JOIN photos ON photos.id = photo "
        "JOIN people ON people.id = coalesce(person, grp) "
        "WHERE name <> '' AND NOT hidden AND NOT no_face AND digest IS NOT NULL ORDER BY 1, 2"
    )
    found: defaultdict[str, list[str]] = defaultdict(list)
    for digest, name in db.each(sql):
        found[digest].append(name)
    return dict(found)


def counts(db: Encrypted) -> Counts:
    """How much there is."""
    photos = db.row("SELECT count(*) FROM photos WHERE engine AND why = ''") or (0,)
    faces = db.row(f"SELECT count(*) FROM faces WHERE {_PRESENT}") or (0,)
    told = {row[0]: row[1:] for row in db.rows("SELECT id, name, hidden FROM people")}
    sizes = db.rows(
        f"SELECT grp, count(*) FROM faces WHERE {_PRESENT} AND grp IS NOT NULL GROUP BY grp HAVING count(*) >= {_LISTED}"
    )
    named = {number for number, (name, hidden) in told.items() if name and not hidden}
    listed = named | {number for number, _ in sizes if not told.get(number, ("", 0))[1]}
    hidden = sum(1 for _, hidden in told.values() if hidden)
    return Counts(photos[0], faces[0], len(listed), len(named), hidden)


def shown_path(path: bytes) -> str:
    """A path as text that is safe to print: what is no UTF-8, and control characters, as escapes."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def face_shown(row: tuple[Any, ...]) -> FaceShown:
    """A face, of what ``_FACES`` gives after the group."""
    number, x, y, w, h, quality, confirmed, width, height, taken, path = row
    return FaceShown(
        id=number,
        file=shown_path(bytes(path or b"")),
        box=Box(x, y, w, h).pixels(width, height),
        size=(width, height),
        quality=round(quality, 3),
        taken=taken,
        confirmed=bool(confirmed),
    )


def face(db: Encrypted, number: int) -> FaceShown:
    """One face.

    Raises:
        UsageError: there is none of that number.
    """
    sql = _FACES.format(which="faces.id = ?")
    row = db.row(sql, (number,))
    if row is None:
        raise UsageError(f"there is no face f{number}", "photovault people show ID")
    return face_shown(row[1:])


def where(db: Encrypted, number: int) -> Where:
    """Where one face is.

    Raises:
        UsageError: there is none of that number.
    """
    sql = f"SELECT x, y, w, h, width, height, photo FROM faces JOIN photos ON photos.id = photo WHERE {_PRESENT} AND faces.id = ?"
    row = db.row(sql, (number,))
    if row is None:
        raise UsageError(f"there is no face f{number}", "photovault people show ID")
    files = db.rows("SELECT path, name, ino, size, mtime, ctime FROM files WHERE photo = ? ORDER BY path", row[6:])
    return Where(Box(*row[:4]), (row[4], row[5]), tuple((bytes(one[0]), Stamp(*one[1:])) for one in files))


def best_faces(db: Encrypted) -> dict[int, int]:
    """The best face of each group."""
    sql = f"SELECT grp, id, max(quality) FROM faces WHERE {_PRESENT} AND grp IS NOT NULL GROUP BY grp"
    return {group: face for group, face, _ in db.each(sql)}


def on_photo(db: Encrypted, digest: bytes) -> list[tuple[int, int]]:
    """Who is on the photo with these bytes, from left to right: the group and the face; nobody who is hidden."""
    sql = (
        "SELECT grp, faces.id FROM faces JOIN photos ON photos.id = photo LEFT JOIN people ON people.id = grp "
        f"WHERE digest = ? AND {_PRESENT} AND grp IS NOT NULL AND NOT coalesce(hidden, 0) ORDER BY x, faces.id"
    )
    return [(group, face) for group, face in db.rows(sql, (digest,))]


def side(db: Encrypted, number: int) -> Side:
    """A face, and the group it is in."""
    shown = face(db, number)
    (group,) = db.row("SELECT grp FROM faces WHERE id = ?", (number,)) or (None,)
    size = db.row(f"SELECT count(*) FROM faces WHERE {_PRESENT} AND grp = ?", (group,)) or (0,)
    name = db.row("SELECT name FROM people WHERE id = ?", (group,)) or ("",)
    return Side(face=shown, person=group, name=name[0], count=size[0])


def _by_group(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[FaceShown]]:
    found: defaultdict[int, list[FaceShown]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(face_shown(row[1:]))
    return found


def _group(row: tuple[Any, ...]) -> _Group:
    return _Group(row[1], row[2], row[3] or "", row[4] or "")


def _person(number: int, name: str, group: _Group, faces: list[FaceShown], *, hidden: bool) -> Person:
    return Person(
        id=number,
        name=name,
        count=group.faces,
        photos=group.photos,
        hidden=hidden,
        first=group.first,
        last=group.last,
        faces=tuple(faces),
    )
