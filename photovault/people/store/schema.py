"""The tables of the face store.

``photos`` are contents, told apart by their SHA-256; ``files`` are the paths that they lie at, with the stamp by which an
unchanged file is known.  A face belongs to a content, so a photo that was moved or copied keeps its faces, and nothing
is measured twice.  ``faces.grp`` is the group that the machine put it in; ``faces.person`` is whom somebody confirmed it to
be, ``sure`` how: 1 with the whole group, 2 by itself.  Groups and people have one space of numbers (``next`` in ``meta``), of
which none is ever used again; a row of ``people`` is there only for one with a name, or hidden.

``no_face``: it is none.  ``hand``: somebody says so, no detector found it there; it has no vector.  ``gone``: its photo is no more
where faces may be looked for.  ``fresh``: never grouped since it was measured.  ``links`` (smaller face first): one person
(same = 1), or two.  ``denials``: this face is not that person.  ``skipped``: pairs shown in a review that got no answer.
``history.changes`` is what an action changed, before and after (see ``changes``).  Canaries are vectors of faces below 0.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE engines (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE photos (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB UNIQUE, width INTEGER NOT NULL, height INTEGER NOT NULL, orientation INTEGER NOT NULL, taken TEXT NOT NULL, engine INTEGER NOT NULL, why TEXT NOT NULL);
CREATE TABLE files (path BLOB PRIMARY KEY, photo INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX files_by_photo ON files (photo);
CREATE TABLE faces (id INTEGER PRIMARY KEY AUTOINCREMENT, photo INTEGER NOT NULL, x REAL NOT NULL, y REAL NOT NULL, w REAL NOT NULL, h REAL NOT NULL, landmarks BLOB NOT NULL, score REAL NOT NULL, quality REAL NOT NULL, grp INTEGER, person INTEGER, sure INTEGER NOT NULL DEFAULT 0, no_face INTEGER NOT NULL DEFAULT 0, hand INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0, fresh INTEGER NOT NULL DEFAULT 1);
CREATE INDEX faces_by_photo ON faces (photo);
CREATE INDEX faces_by_group ON faces (grp, gone, photo, quality);
CREATE INDEX faces_by_person ON faces (person) WHERE person IS NOT NULL;
CREATE INDEX faces_fresh ON faces (id) WHERE fresh;
CREATE TABLE vectors (face INTEGER PRIMARY KEY, engine INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX vectors_by_engine ON vectors (engine);
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, folded TEXT UNIQUE, hidden INTEGER NOT NULL);
CREATE TABLE links (one INTEGER NOT NULL, other INTEGER NOT NULL, same INTEGER NOT NULL, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE INDEX links_by_other ON links (other);
CREATE TABLE denials (face INTEGER NOT NULL, person INTEGER NOT NULL, PRIMARY KEY (face, person)) WITHOUT ROWID;
CREATE TABLE skipped (against INTEGER NOT NULL, face INTEGER NOT NULL, PRIMARY KEY (against, face)) WITHOUT ROWID;
CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, action TEXT NOT NULL, text TEXT NOT NULL, people TEXT NOT NULL, changes BLOB NOT NULL, undone INTEGER NOT NULL DEFAULT 0)
"""
DECIDED: Final = (
    "(person IS NOT NULL OR no_face OR EXISTS (SELECT 1 FROM links WHERE one = faces.id) "
    "OR EXISTS (SELECT 1 FROM links WHERE other = faces.id) OR EXISTS (SELECT 1 FROM denials WHERE face = faces.id))"
)
"""Of a row of ``faces``: somebody decided something about it, so it is kept."""
