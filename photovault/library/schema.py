"""The tables of the library.

A folder at a path with a listing (``pages``: SHA-256 of its part ids) never changes, so it is looked at once; ``below`` says
which folders it has.  Its rows come in chunks, one a page, named by what is in them: a photo more in a large folder makes
one chunk anew.  A snapshot is the folders that can be reached from its root, and ``visible`` are their chunks.  ``pages`` is
NULL where something below could not be read, so that it is read again next time.

``rows.id`` stands in the order of time (see ``moments``).  ``lists`` are rows by albums and duplicates, per snapshot.
``alike`` has each pair both ways.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE snapshots (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, root INTEGER NOT NULL, whole INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE TABLE folders (id INTEGER PRIMARY KEY, path BLOB NOT NULL, pages BLOB, UNIQUE (path, pages));
CREATE TABLE below (parent INTEGER NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, path BLOB NOT NULL, digest BLOB NOT NULL UNIQUE);
CREATE INDEX chunks_by_path ON chunks (path);
CREATE TABLE holds (folder INTEGER NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (folder, chunk)) WITHOUT ROWID;
CREATE TABLE visible (snapshot INTEGER NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (snapshot, chunk)) WITHOUT ROWID;
CREATE TABLE rows (id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX rows_by_chunk ON rows (chunk);
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
CREATE TABLE contents (content INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (content, row)) WITHOUT ROWID;
CREATE TABLE hashes (hash INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (hash, row)) WITHOUT ROWID;
CREATE TABLE compared (hash INTEGER PRIMARY KEY);
CREATE TABLE alike (one INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE TABLE album_files (folder INTEGER NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL, parts BLOB NOT NULL, PRIMARY KEY (folder));
CREATE TABLE album_texts (digest BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE albums (snapshot INTEGER NOT NULL, list TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (snapshot, list)) WITHOUT ROWID;
CREATE TABLE lists (snapshot INTEGER NOT NULL, name TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (snapshot, name, row)) WITHOUT ROWID;
CREATE INDEX lists_by_row ON lists (row);
CREATE TABLE listed (snapshot INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (snapshot, name)) WITHOUT ROWID
"""
REACHABLE: Final = (
    "WITH RECURSIVE reachable (id) AS ({start} UNION SELECT child FROM below JOIN reachable ON parent = reachable.id) "
)
