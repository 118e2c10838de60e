"""JPEG XL: the pixels from the first bits of its image (ISO/IEC 18181-1), and Exif and XMP in the boxes around it.

A file is the bare image, or boxes with the image in ``jxlc`` or in pieces ``jxlp``.  Boxes that are packed with Brotli
(``brob``) are not read.  Decoders turn the picture upright themselves, as its own header says and whatever its Exif
says; so the orientation is the header's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.photos import boxes
from photovault.photos.claims import exif, xmp
from photovault.photos.claims.claims import NOTHING, Claims, quietly
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

BARE_MAGIC = b"\xff\x0a"
_HEADER = 32
_PIECE = 4  # the number of a piece
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_BITS = (9, 13, 18, 30)


def bare(window: Window) -> Claims:
    """The claims of a bare image."""
    return _image(window.head[:_HEADER])


def read(window: Window) -> Claims:
    """The claims of a file of boxes."""
    pixels = camera = said = NOTHING
    with suppress(Unclear):  # what came before the broken box counts
        for box in boxes.boxes(window, 0, window.size):
            if box.kind in {b"jxlc", b"jxlp"} and pixels is NOTHING:
                pixels = _image(window.upto(box.body + (_PIECE if box.kind == b"jxlp" else 0), _HEADER))
            elif box.kind == b"Exif" and camera is NOTHING:
                camera = quietly(after_distance, window, box.body)
            elif box.kind == b"xml " and said is NOTHING:
                said = xmp.claims(xmp.read(window.upto(box.body, min(xmp.MAX, box.stop - box.body))))
    return joined(replace(camera, orientation=pixels.orientation), (replace(said, orientation=None),), pixels)


def after_distance(window: Window, start: int) -> Claims:
    """Exif in HEIF and JPEG XL starts with the distance to its TIFF header (ISO/IEC 23008-12, A.2.1).

    Raises:
        Unclear: there is no TIFF header.
    """
    return exif.read(window, start + 4 + int.from_bytes(window.read(start, 4), "big"))


class _Bits:
    """Numbers of any length, lowest bit first; zeros after the end."""

    __slots__ = ("_left",)

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value


def _image(data: bytes) -> Claims:
    """SizeHeader and the start of ImageMetadata, after the two bytes of the signature."""
    if not data.startswith(BARE_MAGIC):
        return NOTHING
    bits = _Bits(data[len(BARE_MAGIC) :])
    small = bool(bits.take(1))
    height = _length(bits, small=small)
    ratio = bits.take(3)
    width = height * _RATIOS[ratio - 1][0] // _RATIOS[ratio - 1][1] if ratio else _length(bits, small=small)
    plain = bits.take(1) or not bits.take(1)
    return Claims(size=(width, height), orientation=1 if plain else bits.take(3) + 1)


def _length(bits: _Bits, *, small: bool) -> int:
    if small:
        return (bits.take(5) + 1) * 8
    return bits.take(_BITS[bits.take(2)]) + 1
