"""JPEG: the segments before the image data say everything, and are read once, in order.

APP1 has Exif and XMP (and the rest of an XMP that does not fit into one segment), APP13 IPTC, APP2 the sign of an ISO gain
map, SOF the pixels.  Of each kind the first that can be read counts.  What programs and cameras both say, is taken
from Exif first, then XMP, then IPTC, but titles and the like from XMP first, as programs keep them there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.photos import jpeg
from photovault.photos.claims import exif, iptc, motion, several, xmp
from photovault.photos.claims.claims import NOTHING, Claims, quietly, size, together
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_HEADER = 40  # 32 bytes of a digest, length of the whole, offset of this piece
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_GAIN_MAP = Claims(gain_map=True)
_LONGEST_PREFIX = 35
_APPLE = "Apple"  # the only one to say so not in the first picture


def read(window: Window, start: int = 0) -> Claims:
    """The claims of the JPEG whose SOI is at ``start``; never ``Unclear``."""
    parts = _Parts(window)
    with suppress(Unclear):  # what came before the broken segment counts
        for segment in jpeg.segments(window, start):
            parts.add(segment)
    return parts.claims()


class _Parts:
    """What was found in the segments so far."""

    __slots__ = ("_exif", "_gain_map", "_iptc", "_more", "_several", "_size", "_window", "_xmp")

    def __init__(self, window: Window) -> None:
        self._window = window
        self._exif = self._iptc = self._gain_map = self._size = NOTHING
        self._xmp, self._several = b"", 0
        self._more: list[tuple[bytes, int, bytes]] = []

    def add(self, segment: jpeg.Segment) -> None:
        """Read one segment; the others have nothing that we know."""
        if segment.code in jpeg.FRAMES:
            self._frame(segment)
        elif segment.code in {jpeg.APP1, jpeg.APP2, jpeg.APP13}:
            prefix = self._window.upto(segment.body, min(_LONGEST_PREFIX, segment.stop - segment.body))
            self._app(segment, prefix)

    def _frame(self, segment: jpeg.Segment) -> None:
        """Precision, height and width (T.81, B.2.2)."""
        data = self._window.read(segment.body, 5)
        self._size = Claims(size=size(int.from_bytes(data[3:5], "big"), int.from_bytes(data[1:3], "big")))

    def _app(self, segment: jpeg.Segment, prefix: bytes) -> None:
        if prefix.startswith(jpeg.EXIF):
            if self._exif is NOTHING:
                self._exif = quietly(exif.read, self._window, segment.body + len(jpeg.EXIF))
        elif prefix.startswith(jpeg.XMP):
            self._xmp = self._xmp or self._body(segment, jpeg.XMP)
        elif prefix.startswith(_XMP_MORE):
            data = self._body(segment, _XMP_MORE)
            self._more.append((data[:32], int.from_bytes(data[36:40], "big"), data[_MORE_HEADER:]))
        elif prefix.startswith(iptc.PHOTOSHOP):
            if self._iptc is NOTHING:
                self._iptc = iptc.in_photoshop(self._body(segment, iptc.PHOTOSHOP))
        elif prefix.startswith(_ISO_GAIN_MAP):
            self._gain_map = _GAIN_MAP
        elif prefix.startswith(several.PREFIX):
            self._several = segment.body + len(several.PREFIX)

    def _body(self, segment: jpeg.Segment, prefix: bytes) -> bytes:
        start = segment.body + len(prefix)
        return self._window.upto(start, segment.stop - start)

    def claims(self) -> Claims:
        """All that was found."""
        packet = xmp.read(self._xmp) if self._xmp else xmp.Packet()
        said = (xmp.claims(packet), *self._said_further(packet)) if self._xmp else ()
        if self._exif.make == _APPLE and self._several and several.has_gain_map(self._window, self._several):
            self._gain_map = _GAIN_MAP
        video = motion.length(self._window, packet)
        moving = (Claims(motion=video),) if video else ()
        return joined(self._exif, said, self._iptc, self._size, self._gain_map, *moving)

    def _said_further(self, packet: xmp.Packet) -> tuple[Claims, ...]:
        """The rest of the XMP, if the first part names it: its pieces by their offsets."""
        name = packet.one("xmpNote:HasExtendedXMP").encode()
        pieces = sorted((offset, data) for digest, offset, data in self._more if name and digest == name)
        if not pieces or sum(len(data) for _, data in pieces) > xmp.MAX:
            return ()
        return (xmp.claims(xmp.read(b"".join(data for _, data in pieces))),)


def joined(camera: Claims, said: tuple[Claims, ...], press: Claims = NOTHING, *others: Claims) -> Claims:
    """Claims of one picture: the camera's before what was said later, but texts that people gave it first of all."""
    everything = together(camera, *said, press, *others)
    given = [*said, press, camera, *others]
    title = next((one.title for one in given if one.title), None)
    description = next((one.description for one in given if one.description), None)
    if (title, description) == (everything.title, everything.description):
        return everything
    return replace(everything, title=title, description=description)
