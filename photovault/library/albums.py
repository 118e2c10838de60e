"""Albums: files of the name ``photovault-albums.json`` that name photos beside and below them.

``{"version": 1, "albums": [{"name": text, "photos": [path relative to the file's folder]}]}``, as ``photovault import``
writes it.  It is an ordinary file of a backup, so anybody may have changed it: what is not as it should be is left out, and what
is no such file at all is an error.  Pure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.photos import rules
from photovault.photos.choose import fold

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME: Final = rules.ALBUMS
SIZE_MAX: Final = 16 * 1024 * 1024
_NAME_MAX: Final = 256
_ALBUMS_MAX: Final = 10_000
_VERSION: Final = 1


class Pictured(NamedTuple):
    """An album, and the raw path of one photo in it, in the snapshot."""

    album: str
    path: bytes


def album_list(name: str) -> str:
    """What an album is kept under: names that differ only by case or marks are one album."""
    return f"album {fold(name.strip())}"


def read_albums(folder: bytes, data: bytes) -> Iterator[Pictured]:
    """What an album file in ``folder`` says.

    Raises:
        ValueError: it is no album file of this version.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError from None
    if not isinstance(value, dict) or value.get("version") != _VERSION or not isinstance(value.get("albums"), list):
        raise ValueError
    for album in value["albums"][:_ALBUMS_MAX]:
        if isinstance(album, dict):
            yield from _photos(folder, album.get("name"), album.get("photos"))


def _photos(folder: bytes, name: object, photos: object) -> Iterator[Pictured]:
    if not isinstance(name, str) or not name.strip() or not isinstance(photos, list):
        return
    clean = "".join(c if c.isprintable() else " " for c in name[:_NAME_MAX]).strip()
    for photo in photos:
        path = _below(folder, photo)
        if clean and path is not None:
            yield Pictured(clean, path)


def _below(folder: bytes, photo: object) -> bytes | None:
    """The path in the snapshot; None when it is none, or leads out of the folder."""
    if not isinstance(photo, str):
        return None
    try:
        parts = [part for part in photo.encode("utf-8", "surrogateescape").split(b"/") if part not in (b"", b".")]
    except UnicodeEncodeError:
        return None
    if not parts or b".." in parts or photo.startswith("/"):
        return None
    return b"/".join([folder, *parts] if folder else parts)
