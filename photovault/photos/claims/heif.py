"""HEIC and AVIF: the ``meta`` box says which items a file has, which is the picture, and what belongs to it.

Pixels come from the ``ispe`` of the primary item.  Its orientation comes from ``irot`` and ``imir`` in their order, never
from Exif: that is what HEIF demands, and what decoders do by themselves, so a decoded picture is upright already and
must not be turned again.  Exif and XMP are items; an XMP that describes another item than the primary (``iref``,
``cdsc``) only tells of a gain map.

Guarantee: bounded by the window, by 4,096 properties and 4,096 associations.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from photovault.photos import boxes
from photovault.photos.claims import jxl, quicktime, turning, xmp
from photovault.photos.claims.claims import NOTHING, Claims, quietly, size, together
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

_FULL = 4
_MAX = 4096
_TELLING, _MAX_TELLING = frozenset((b"Exif", b"mime", b"tmap")), 16
_GAIN_MAP = Claims(gain_map=True)


def read(window: Window) -> Claims:
    """The claims of a HEIF file: of its picture, then of the movie of a sequence."""
    pictures = movie = video = NOTHING
    with suppress(Unclear):  # what came before the broken box counts
        for box in boxes.boxes(window, 0, window.size):
            if box.kind == b"meta":
                pictures = quietly(_meta, window, box)
            elif box.kind == b"moov":
                movie = quicktime.movie(window, box)
            elif box.kind == b"mpvd":  # the video of a Motion Photo
                video = Claims(motion=box.stop - box.body)
    return together(pictures, movie, video)


def _meta(window: Window, meta: boxes.Box) -> Claims:
    inner = {box.kind: box for box in boxes.boxes(window, meta.body + _FULL, meta.stop)}
    primary = _primary(window, inner.get(b"pitm"))
    properties = quietly(_properties, window, inner[b"iprp"], primary) if b"iprp" in inner else NOTHING
    camera, said = _items(window, meta, _described(window, inner.get(b"iref")), primary)
    found = joined(replace(camera, orientation=None), (replace(said, orientation=None),), properties)
    return replace(found, orientation=properties.orientation)


def _items(window: Window, meta: boxes.Box, described: dict[int, int], primary: int) -> tuple[Claims, Claims]:
    """What the Exif and XMP items say."""
    camera = said = NOTHING
    with suppress(Unclear):
        for item in islice(
            (one for one in boxes.items(window, meta) if one.kind in _TELLING and one.extents), _MAX_TELLING
        ):
            start, stop = item.extents[0]
            own = described.get(item.number, primary) == primary
            if item.kind == b"tmap":  # ISO 21496-1
                said = together(said, _GAIN_MAP)
            elif item.kind == b"mime":
                said = together(said, _xmp(window, start, stop, own=own))
            elif own and camera is NOTHING:
                camera = quietly(jxl.after_distance, window, start)
    return camera, said


def _xmp(window: Window, start: int, stop: int, *, own: bool) -> Claims:
    try:
        packet = xmp.read(window.upto(start, min(stop - start, xmp.MAX)))
    except Unclear:
        return NOTHING
    if own:
        return xmp.claims(packet)
    return _GAIN_MAP if xmp.has_gain_map(packet) else NOTHING


def _primary(window: Window, pitm: boxes.Box | None) -> int:
    if pitm is None:
        return 0
    wide = window.read(pitm.body, 1) > b"\0"
    return int.from_bytes(window.read(pitm.body + _FULL, 4 if wide else 2), "big")


def _described(window: Window, iref: boxes.Box | None) -> dict[int, int]:
    """Which item each item describes: the first that its ``cdsc`` names (ISO/IEC 14496-12, 8.11.12)."""
    found: dict[int, int] = {}
    if iref is None:
        return found
    with suppress(Unclear):
        width = 4 if window.read(iref.body, 1) > b"\0" else 2
        for box in boxes.boxes(window, iref.body + _FULL, iref.stop):
            if box.kind == b"cdsc":
                data = window.read(box.body, 2 * width + 2)
                found[int.from_bytes(data[:width], "big")] = int.from_bytes(data[width + 2 :], "big")
    return found


# Properties ---------------------------------------------------------------------------------------------------------


def _properties(window: Window, iprp: boxes.Box, primary: int) -> Claims:
    """Size and turning of the primary item; and whether any item is a gain map, which ``auxC`` says."""
    inner = {box.kind: box for box in boxes.boxes(window, iprp.body, iprp.stop)}
    if b"ipco" not in inner:
        return NOTHING
    all_of_them = list(boxes.boxes(window, inner[b"ipco"].body, inner[b"ipco"].stop))
    mine = _associated(_body(window, inner[b"ipma"]), primary) if b"ipma" in inner else []
    found = [all_of_them[number - 1] for number in mine if 0 < number <= len(all_of_them)]
    gain_map = any(b"hdrgainmap" in _body(window, box) for box in all_of_them if box.kind == b"auxC")
    return Claims(size=_size(window, found), orientation=_turned(window, found), gain_map=gain_map or None)


def _body(window: Window, box: boxes.Box) -> bytes:
    return window.read(box.body, box.body_stop - box.body)


def _size(window: Window, properties: list[boxes.Box]) -> tuple[int, int] | None:
    for box in properties:
        if box.kind == b"ispe":
            data = window.read(box.body + _FULL, 8)
            return size(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big"))
    return None


def _turned(window: Window, properties: list[boxes.Box]) -> int | None:
    """``irot`` turns against the clock in steps of 90 degrees, ``imir`` swaps top and bottom (0) or left and right (1)."""
    matrix = turning.UPRIGHT
    for box in properties:
        if box.kind == b"irot":
            for _ in range(window.read(box.body, 1)[0] & 3):
                matrix = turning.then(matrix, turning.TO_THE_LEFT)
        elif box.kind == b"imir":
            sideways = window.read(box.body, 1)[0] & 1
            matrix = turning.then(matrix, turning.LEFT_TO_RIGHT if sideways else turning.TOP_TO_BOTTOM)
    return turning.orientation(matrix)


def _associated(ipma: bytes, primary: int) -> list[int]:
    """The numbers, from 1, of the properties of the primary item (ISO/IEC 14496-12, 8.11.14)."""
    wide_item, wide_property = (4 if ipma[:1] > b"\0" else 2), (2 if ipma[3:4] and ipma[3] & 1 else 1)
    keep = 0x7FFF if wide_property == 2 else 0x7F  # noqa: PLR2004 - the highest bit says that it is essential
    at, count = 8, int.from_bytes(ipma[4:8], "big")
    for _ in range(min(count, _MAX)):
        item = int.from_bytes(ipma[at : at + wide_item], "big")
        many = int.from_bytes(ipma[at + wide_item : at + wide_item + 1], "big")
        start = at + wide_item + 1
        at = start + many * wide_property
        if item == primary or at > len(ipma):
            rows = range(start, min(at, len(ipma)), wide_property)
            return [int.from_bytes(ipma[row : row + wide_property], "big") & keep for row in rows]
    return []
