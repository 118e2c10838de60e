"""GIF, BMP and WebP: the pixels from their headers; and Exif and XMP of those that have them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.photos import boxes, jpeg
from photovault.photos.claims import exif, xmp
from photovault.photos.claims.claims import NOTHING, Claims, quietly, size
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

GIF_MAGICS = (b"GIF87a", b"GIF89a")

_OLD_BMP = 12
_BMP_HEADERS = frozenset((_OLD_BMP, 16, 40, 52, 56, 64, 108, 124))  # bytes, of all versions
_GIF_XMP, _GIF_XMP_END = b"XMP DataXMP", b"<?xpacket end="
_VP8_KEY_FRAME = b"\x9d\x01\x2a"


def gif(window: Window) -> Claims:
    """The logical screen of a GIF, and the XMP in its application extension, if that is within the first 64 KiB."""
    head = window.head
    pixels = Claims(size=size(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")))
    start, _, rest = head.partition(_GIF_XMP)
    if len(start) == len(head):
        return pixels
    return joined(NOTHING, (xmp.claims(xmp.read(rest.partition(_GIF_XMP_END)[0])),), pixels)


def is_bmp(head: bytes) -> bool:
    """Whether a file that begins so is a BMP, and no text about BMWs."""
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def bmp(window: Window) -> Claims:
    """Width and height of the bitmap header, of 16 bits in the oldest; a negative height means top row first."""
    head = window.head
    if int.from_bytes(head[14:18], "little") == _OLD_BMP:
        return Claims(size=size(int.from_bytes(head[18:20], "little"), int.from_bytes(head[20:22], "little")))
    width, height = (int.from_bytes(head[at : at + 4], "little", signed=True) for at in (18, 22))
    return Claims(size=size(width, abs(height)))


def webp(window: Window) -> Claims:
    """The canvas of a WebP, which comes first, and its Exif and XMP, which come last (RFC 9649)."""
    pixels = camera = said = NOTHING
    with suppress(Unclear):  # what came before the broken chunk counts
        for chunk in boxes.riff_chunks(window):
            if chunk.kind in _CANVASES and pixels is NOTHING:
                pixels = Claims(size=_CANVASES[chunk.kind](window.upto(chunk.body, 10)))
            elif chunk.kind == b"EXIF" and camera is NOTHING:
                prefix = (
                    len(jpeg.EXIF) if window.upto(chunk.body, 4) == jpeg.EXIF[:4] else 0
                )  # some writers put it there
                camera = quietly(exif.read, window, chunk.body + prefix)
            elif chunk.kind == b"XMP " and said is NOTHING:
                said = xmp.claims(xmp.read(window.upto(chunk.body, min(xmp.MAX, chunk.body_stop - chunk.body))))
    return joined(camera, (said,), pixels)


def _extended(data: bytes) -> tuple[int, int] | None:
    return size(int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1)


def _lossless(data: bytes) -> tuple[int, int] | None:
    bits = int.from_bytes(data[1:5], "little")
    return size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)


def _lossy(data: bytes) -> tuple[int, int] | None:
    """A key frame of VP8 (RFC 6386, 9.1): 14 bits each, the other two are about scaling."""
    if data[3:6] != _VP8_KEY_FRAME:
        return None
    return size(int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF)


_CANVASES = {b"VP8X": _extended, b"VP8L": _lossless, b"VP8 ": _lossy}
