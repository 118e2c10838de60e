"""Album names, in a file of their own in the library: ``photovault-albums.json``.

    {"version": 1, "albums": [{"name": "Holidays", "photos": ["2021/05/IMG_1.jpg"]}]}

Paths are relative to the file, joined by ``/``; bytes that are no UTF-8 stand as lone surrogates, as Python has them.
Guarantee: ``text`` of ``merged`` keeps every album and photo that was there, and each once.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from photovault.errors import RefusedError
from photovault.photos import rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.importing.values import Path

    Albums = dict[str, dict[str, None]]

NAME = rules.ALBUMS
FAVOURITES = "Favourites"
LONGEST = 16 * 1024 * 1024  # bytes
_VERSION = 1


def read(data: bytes) -> Albums:
    """The albums of a file.

    Raises:
        RefusedError: it is none that this version wrote; it must not be replaced then.
    """
    try:
        return _albums(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError):
        hint = "move it away, then run the same command again"
        raise RefusedError(f"{NAME.decode()} in the library is none that this version can read", hint) from None


def _albums(value: Any) -> Albums:  # noqa: ANN401 - JSON
    if value["version"] != _VERSION:
        raise ValueError
    found: Albums = {}
    for one in value["albums"]:
        found.setdefault(_text(one["name"]), {}).update(dict.fromkeys(map(_text, one["photos"])))
    return found


def read_file(path: bytes) -> bytes:
    """The bytes of the file at ``path``, none if it is not there.

    Raises:
        RefusedError: it is no file, or far too long.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(fd, "rb") as file:
            data = file.read(LONGEST + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RefusedError(f"cannot read {NAME.decode()} in the library: {error.strerror}", "move it away") from None
    if len(data) > LONGEST:
        raise RefusedError(f"{NAME.decode()} in the library is too long", "move it away")
    return data


def merged(old: Albums, new: Iterable[tuple[str, Iterable[Path]]]) -> Albums:
    """``old`` with the photos of ``new`` behind."""
    found = {name: dict(photos) for name, photos in old.items()}
    for name, paths in new:
        found.setdefault(name, {}).update(
            dict.fromkeys(b"/".join(path).decode("utf-8", "surrogateescape") for path in paths)
        )
    return found


def text(albums: Albums) -> bytes:
    """The file of ``albums``."""
    value = {"version": _VERSION, "albums": [{"name": name, "photos": list(albums[name])} for name in albums]}
    return json.dumps(value, indent=1).encode() + b"\n"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
