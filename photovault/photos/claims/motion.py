"""The video at the end of a Motion Photo: how long it is, if it is there.

Three ways are known: Google's first (``MicroVideoOffset``, counted from the end of the file), Google's second (a list of the
pictures in the file, in order, with their lengths), and Samsung's (a directory at the very end that names
``MotionPhoto_Data``).  Only what starts with an ``ftyp`` box is a video, so that a program that cut it off but left the
XMP as it was makes no false claim.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.photos.claims.xmp import Packet
    from photovault.photos.window import Window

_MAX_DIGITS = 12
_SAMSUNG_END, _SAMSUNG_START = b"SEFT", b"SEFH"
_SAMSUNG_ROW = struct.Struct("<2xHII")
_SAMSUNG_VIDEO = 0x0A30
_MAX_ROWS = 64


def length(window: Window, packet: Packet) -> int | None:
    """Bytes of the video at the end of the file; None if there is none."""
    with suppress(Unclear):
        for from_end, size in (*_of_google(packet), *_of_samsung(window)):
            if 0 < size <= from_end and _is_video(window, window.size - from_end):
                return size
    return None


def _is_video(window: Window, start: int) -> bool:
    with suppress(Unclear):
        return start > 0 and window.read(start + 4, 4) == b"ftyp"
    return False


def _of_google(packet: Packet) -> Iterator[tuple[int, int]]:
    """(distance of its start from the end of the file, length)."""
    offset = _number(packet.one("GCamera:MicroVideoOffset"))
    if offset:
        yield offset, offset
    for index, item in enumerate(packet.items):
        if item.get("Item:Semantic") == "MotionPhoto":
            own = _number(item.get("Item:Length", ""))
            yield own + sum(_number(after.get("Item:Length", "")) for after in packet.items[index + 1 :]), own


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


def _of_samsung(window: Window) -> Iterator[tuple[int, int]]:
    """The directory's rows count from where it starts back to their data: a header with a name, then the video."""
    end = window.size - 8
    if end < 0 or window.read(end + 4, 4) != _SAMSUNG_END:
        return
    long = int.from_bytes(window.read(end, 4), "little")
    head = window.read(end - long, 12)
    rows = int.from_bytes(head[8:], "little")
    if not head.startswith(_SAMSUNG_START) or rows > _MAX_ROWS:
        return
    for kind, back, size in _SAMSUNG_ROW.iter_unpack(window.read(end - long + 12, rows * _SAMSUNG_ROW.size)):
        if kind == _SAMSUNG_VIDEO:
            start = end - long - back
            name = 8 + int.from_bytes(window.read(start + 4, 4), "little")
            yield window.size - start - name, size - name
