"""The segments of a JPEG file up to its image data (ITU-T T.81, annex B).

A JPEG is SOI, then segments ``FF code length16 body``, then, with the first SOS segment, the entropy-coded image, which
has no length.  ``segments`` walks from SOI to that SOS and no further, so its cost does not depend on the image's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\xff\xd8\xff"
APP1, APP2, APP13 = 0xE1, 0xE2, 0xED
SOS = 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The codes of SOF, which gives the size of the picture."""
EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"

_MARK = 0xFF
_MAX_STEPS = 256
_FIRST_WITH_LENGTH = 0xC0
_RESTARTS_TO_EOI = range(0xD0, 0xDA)


class Segment(NamedTuple):
    """One segment: its code (the byte after FF), where it starts, where its body starts and where it ends (bytes)."""

    code: int
    start: int
    body: int
    stop: int


def segments(window: Window, start: int = 0) -> Iterator[Segment]:
    """The segments of the JPEG whose SOI is at ``start``, in order; the last is the first SOS.

    Raises:
        Unclear: no SOS among the first 256 steps, or something else than a segment before it.
    """
    at = start + 2
    for _ in range(_MAX_STEPS):
        mark, code, high, low = window.read(at, 4)
        if mark != _MARK:
            raise Unclear
        if code == _MARK:  # a fill byte, which may stand before any marker
            at += 1
            continue
        if code < _FIRST_WITH_LENGTH or code in _RESTARTS_TO_EOI:
            raise Unclear
        stop = at + 2 + (high << 8 | low)
        yield Segment(code, at, at + 4, stop)
        if code == SOS:
            return
        at = stop
    raise Unclear


def body_after(window: Window, segment: Segment, prefix: bytes) -> int | None:
    """Where the body goes on after ``prefix`` (EXIF, XMP), or None when it is something else."""
    inner = segment.body + len(prefix)
    if inner <= segment.stop and window.read(segment.body, len(prefix)) == prefix:
        return inner
    return None
