"""TIFF and the RAW formats that are built the same way: DNG, CR2, NEF, ARW, ORF, RW2, PEF, SRW; and Fujifilm's RAF.

Which it is, the magic says (CR2, ORF, RW2, RAF), or a tag (DNG), or the maker of a picture whose pixels are those of a
sensor (NEF, ARW, PEF, SRW).  The pixels are those of the full picture: of the directory that says it is no reduced one; Canon
gives them in Exif, Panasonic as the borders of its sensor, Fujifilm in a table of its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.photos import raf as fujifilm
from photovault.photos import tiff
from photovault.photos.claims import exif, iptc, jpeg, xmp
from photovault.photos.claims.claims import NOTHING, Claims, size, together
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

_BY_MAGIC = {b"IIRO": "orf", b"IIRS": "orf", b"MMOR": "orf", b"IIU\0": "rw2"}
_BY_MAKE = {"NIKON": "nef", "SONY": "arw", "PENTAX": "pef", "RICOH": "pef", "SAMSUNG": "srw"}
_CR2_MARK = b"CR"
_KIND_OF_IMAGE, _WIDTH, _HEIGHT, _PHOTOMETRIC = 0x00FE, 0x0100, 0x0101, 0x0106
_XMP, _IPTC, _PHOTOSHOP, _DNG_VERSION = 0x02BC, 0x83BB, 0x8649, 0xC612
_SENSOR = 32803  # photometric interpretation: colour filter array
_EXIF_WIDTH, _EXIF_HEIGHT = 0xA002, 0xA003
_MAX_BLOCK = 256 * 1024


def read(window: Window) -> tuple[str, Claims]:
    """Kind and claims of a TIFF.

    Raises:
        Unclear: its first directory cannot be read.
    """
    first = tiff.first(window)
    others = list(first.inner(tiff.SUB_IFDS))
    camera = exif.of_directory(first)
    kind = _kind(window, first, others, camera)
    pixels = Claims(size=_pixels(kind, first, others))
    press = iptc.read(first.bytes(_IPTC, _MAX_BLOCK))
    if press == NOTHING:
        press = iptc.in_photoshop(first.bytes(_PHOTOSHOP, _MAX_BLOCK))
    found = joined(camera, _said(first), press, pixels)
    return kind, found if found.dates or kind != "rw2" else together(found, _panasonic(window, first))


def _kind(window: Window, first: tiff.Directory, others: list[tiff.Directory], camera: Claims) -> str:
    if window.head[:4] in _BY_MAGIC:
        return _BY_MAGIC[window.head[:4]]
    if window.head[8:10] == _CR2_MARK:
        return "cr2"
    if _DNG_VERSION in first.entries:
        return "dng"
    if any(one.number(_PHOTOMETRIC) == _SENSOR for one in (first, *others)):
        make = (camera.make or "").upper()
        return next((kind for name, kind in _BY_MAKE.items() if make.startswith(name)), "tiff")
    return "tiff"


def _said(first: tiff.Directory) -> tuple[Claims, ...]:
    packet = first.bytes(_XMP, xmp.MAX) if _XMP in first.entries else b""
    return (xmp.claims(xmp.read(packet)),) if packet else ()


# Pixels -------------------------------------------------------------------------------------------------------------

_TOP, _LEFT, _BOTTOM, _RIGHT = 4, 5, 6, 7


def _pixels(kind: str, first: tiff.Directory, others: list[tiff.Directory]) -> tuple[int, int] | None:
    if kind == "rw2":
        return _between_borders(first)
    if kind == "cr2":
        return next((_size(one, _EXIF_WIDTH, _EXIF_HEIGHT) for one in first.inner(tiff.EXIF_IFD)), None)
    full = [one for one in (first, *others) if one.number(_KIND_OF_IMAGE) == 0]
    return next((found for one in (*full, first) if (found := _size(one, _WIDTH, _HEIGHT))), None)


def _size(directory: tiff.Directory, width: int, height: int) -> tuple[int, int] | None:
    return size(directory.number(width), directory.number(height))


def _between_borders(first: tiff.Directory) -> tuple[int, int] | None:
    top, left, bottom, right = (first.number(tag) or 0 for tag in (_TOP, _LEFT, _BOTTOM, _RIGHT))
    return size(right - left, bottom - top)


# Panasonic and Fujifilm ---------------------------------------------------------------------------------------------

_PANASONIC_JPEG = 0x002E
_RAF_PIXELS, _RAF_PIXELS_OF_SENSOR = 0x0111, 0x0100
_MAX_ROWS = 256


def _panasonic(window: Window, first: tiff.Directory) -> Claims:
    """The Exif of the preview, for the cameras that have no other."""
    start, length = first.place(_PANASONIC_JPEG)
    return replace(jpeg.read(window, start), size=None, motion=None) if length else NOTHING


def raf(window: Window) -> Claims:
    """Exif from the JPEG that a RAF holds, pixels from its table.

    Raises:
        Unclear: the file ends within its header.
    """
    (start, _), (table, _), _ = fujifilm.places(window)
    preview = replace(jpeg.read(window, start), motion=None)
    return together(Claims(size=_raf_size(window, table)), preview)


def _raf_size(window: Window, table: int) -> tuple[int, int] | None:
    """Rows ``tag, length, body``; a size is height and width of 16 bits."""
    found: dict[int, bytes] = {}
    with suppress(Unclear):
        at = table + 4
        for _ in range(min(int.from_bytes(window.read(table, 4), "big"), _MAX_ROWS)):
            tag, length = int.from_bytes(window.read(at, 2), "big"), int.from_bytes(window.read(at + 2, 2), "big")
            found[tag] = window.read(at + 4, min(length, 4))
            at += 4 + length
    data = found.get(_RAF_PIXELS) or found.get(_RAF_PIXELS_OF_SENSOR) or b""
    return size(int.from_bytes(data[2:4], "big"), int.from_bytes(data[:2], "big"))
