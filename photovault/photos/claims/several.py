"""Several pictures in one JPEG (CIPA DC-007, Multi-Picture Format): is one of them a gain map?

Google says so in the XMP of the first picture; Apple only in that of the gain map itself, which stands behind the first
and is found by the table in APP2.  At most four further pictures are looked at, and of each the segments before its
image data.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from photovault.photos import jpeg, tiff
from photovault.photos.claims import xmp
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.photos.window import Window

PREFIX = b"MPF\0"

_ENTRIES, _ROW, _PLACE, _MAX = 0xB002, 16, slice(8, 12), 5


def has_gain_map(window: Window, base: int) -> bool:
    """Whether one of the further pictures is a gain map; ``base`` is where the table's TIFF header is."""
    return any(_is_gain_map(window, start) for start in _starts(window, base))


def _starts(window: Window, base: int) -> Iterator[int]:
    """Rows of attributes, size, place (from ``base``; 0 for the first picture) and dependents."""
    with suppress(Unclear):
        first = tiff.first(window, base)
        rows = first.bytes(_ENTRIES, _MAX * _ROW)
        order: Literal["little", "big"] = "little" if first.form.order == "<" else "big"
        for at in range(_ROW, len(rows), _ROW):
            place = int.from_bytes(rows[at : at + _ROW][_PLACE], order)
            if place:
                yield base + place


def _is_gain_map(window: Window, start: int) -> bool:
    with suppress(Unclear):
        for segment in jpeg.segments(window, start):
            body = jpeg.body_after(window, segment, jpeg.XMP) if segment.code == jpeg.APP1 else None
            if body:
                return xmp.has_gain_map(xmp.read(window.upto(body, segment.stop - body)))
    return False
