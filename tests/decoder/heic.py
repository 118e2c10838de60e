"""A HEIC made by hand: an HEVC picture in the boxes of ISO/IEC 23008-12.

The pictures were encoded once, by x265, from ``scene(64, 48)`` and from ``untold(scene(48, 64), 6)``: few installations have
an encoder for HEVC.
"""

from __future__ import annotations

import struct
from base64 import b64decode

from tests.support.formats import box, full, tiff

CONFIGURATION = b64decode(
    "AAAAcWh2Y0MBBAgAAACfqAAAAAAe8AD8/fj4AAAPAyAAAQAXQAEMAf//BAgAAAMAn6gAAAMAAB66AkAhAAEAJkIBAQQIAAADAJ+oAAADAAAe"
    "oCCDFlurkwuaAgAAAwACAAADAAIQIgABAAZEAcFzwIk="
)
_BEFORE = "AAAAF0ABDAH//wQIAAADAJ+oAAADAAAeugJAAAAAJkIBAQQIAAADAJ+oAAADAAAeoCCDFlurkwuaAgAAAwACAAADAAIQAAAABkQBwXPAiQAA"
UPRIGHT = b64decode(_BEFORE + "ADwoAax2n+7/6nT6PQryttuWhbaFKdP1cI0rNlMdBGqHXM0jP1h86fgOoaDX/qDhNU8hewBwGH1OHqtdqG4=")
LYING = b64decode(_BEFORE + "ADkoAax2n+7/6nT6Pj0BQfs8rX3/v72YxV3tN12yj6d+Ltnkpnqm5s39YERtKnIs9b3MZgwJh4SZbfw=")


def heic(
    picture: bytes = UPRIGHT,
    *,
    quarter_turns: int = 0,
    orientation: int = 1,
    configuration: bytes = CONFIGURATION,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    """``picture`` as a HEIC that is to be turned left so many times; its Exif claims an ``orientation`` besides."""
    exif = b"\0\0\0\0" + tiff({0x0112: [orientation]})
    extent = full(b"ispe", struct.pack(">II", *size))
    properties = box(b"ipco", configuration, extent, box(b"irot", bytes([quarter_turns])))
    used = full(b"ipma", struct.pack(">IHB", 1, 1, 3), b"\x81\x02\x83")

    def meta(at: int) -> bytes:
        places = [(1, at, len(picture)), (2, at + len(picture), len(exif))]
        rows = b"".join(struct.pack(">HHHII", number, 0, 1, start, length) for number, start, length in places)
        kinds = [full(b"infe", struct.pack(">HH", 1, 0), b"hvc1\0", version=2)]
        kinds += [full(b"infe", struct.pack(">HH", 2, 0), b"Exif\0", version=2)]
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", b"\x44\0", struct.pack(">H", 2), rows),
            full(b"iinf", struct.pack(">H", 2), *kinds),
            full(b"iref", box(b"cdsc", struct.pack(">HHH", 2, 1, 1))),
            box(b"iprp", properties, used),
        )

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", picture, exif)
