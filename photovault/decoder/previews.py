"""Where a RAW file keeps the JPEGs that a camera made of it; and what a JPEG says of its own picture.

TIFF-like RAW files name previews by JPEGInterchangeFormat (0x0201, 0x0202), as a single strip of a directory, or by
Panasonic's JpgFromRaw (0x002E); Fujifilm's RAF in its header; Canon's CR3 in its PRVW box.  ``best`` takes the smallest
that is large enough, else the largest, since decoding costs by the pixel.

Guarantee: bounded work for any bytes; every place given begins with a JPEG whose frame header was read, lies within the
file and has a picture that ordinary decoders know (RAW data is often lossless JPEG, which is left out).  Pure.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.photos import boxes, jpeg, raf, tiff
from photovault.photos.window import Reader, Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

_OFFSET, _LENGTH, _STRIPS, _STRIP_LENGTHS, _JPG_FROM_RAW = 0x0201, 0x0202, 0x0111, 0x0117, 0x002E
_CANON_PREVIEW: Final = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_ORDINARY: Final = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive
_BITS = 8
_PREVIEWS_MAX = 16


class Preview(NamedTuple):
    """A JPEG inside a file: where it starts and stops, and its pixels."""

    start: int
    stop: int
    width: int
    height: int


class JpegFrame(NamedTuple):
    """A JPEG's frame header (ITU-T T.81, B.2.2): marker, bits of a sample, pixels and colour components."""

    code: int
    bits: int
    width: int
    height: int
    components: int

    @property
    def ordinary(self) -> bool:
        """Whether every decoder knows it: not lossless, arithmetic or 12 bits."""
        return self.code in _ORDINARY and self.bits == _BITS


def frame_of(window: Window, start: int = 0) -> JpegFrame:
    """The frame header of the JPEG whose SOI is at ``start``.

    Raises:
        Unclear: there is none.
    """
    for segment in jpeg.segments(window, start):
        if segment.code in jpeg.FRAMES:
            bits, *sizes, components = window.read(segment.body, 6)
            height, width = sizes[0] << 8 | sizes[1], sizes[2] << 8 | sizes[3]
            return JpegFrame(segment.code, bits, width, height, components)
    raise Unclear


def best(read_at: Reader, size: int, edge: int) -> Preview | None:
    """The preview to show at ``edge`` pixels; None if none is found.

    Raises:
        OSError: and whatever else ``read_at`` raises; nothing else, for any bytes.
    """
    found: list[Preview] = []
    with suppress(Unclear):
        window = Window(read_at, size)
        for start, length in _places(window):
            with suppress(Unclear):
                found.append(_preview(window, start, length))
            if len(found) == _PREVIEWS_MAX:
                break
    enough = [one for one in found if max(one.width, one.height) >= edge]
    if enough:
        return min(enough, key=lambda one: (one.width * one.height, one.start))
    return max(found, key=lambda one: (one.width * one.height, -one.start), default=None)


def _preview(window: Window, start: int, length: int) -> Preview:
    if length <= 0 or start + length > window.size or window.read(start, 3) != jpeg.MAGIC:
        raise Unclear
    header = frame_of(window, start)
    if not header.ordinary or not header.width * header.height:
        raise Unclear
    return Preview(start, start + length, header.width, header.height)


def _places(window: Window) -> Iterator[tuple[int, int]]:
    head = window.head
    if head[:4] in tiff.MAGICS:
        yield from _in_tiff(window)
    elif head.startswith(raf.MAGIC):
        yield raf.places(window)[0]
    elif head[4:8] == b"ftyp":
        yield from _in_boxes(window)


def _in_tiff(window: Window) -> Iterator[tuple[int, int]]:
    for directory in tiff.directories(window):
        yield from _named(directory, _OFFSET, _LENGTH)
        yield from _named(directory, _STRIPS, _STRIP_LENGTHS)
        if _JPG_FROM_RAW in directory.entries:
            yield directory.place(_JPG_FROM_RAW)


def _named(directory: tiff.Directory, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """The (start, length) that two tags of a directory name, if each has one number."""
    with suppress(Unclear):
        starts, lengths = directory.numbers(offset), directory.numbers(length)
        if len(starts) == len(lengths) == 1:
            yield directory.form.base + starts[0], lengths[0]


def _in_boxes(window: Window) -> Iterator[tuple[int, int]]:
    """Canon's preview: a uuid box holding, after 8 bytes, a PRVW box with a JPEG after a 16-byte header."""
    for box in boxes.boxes(window, 0, window.size):
        if box.kind != b"uuid" or window.read(box.body, 16) != _CANON_PREVIEW:
            continue
        for inner in boxes.boxes(window, box.body + 24, box.body_stop):
            if inner.kind == b"PRVW":
                yield inner.body + 16, inner.body_stop - inner.body - 16
