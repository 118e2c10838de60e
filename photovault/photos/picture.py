"""Where the picture of a JPEG lies among the file's parts, and what it takes to decode it without the others.

``split`` cuts a JPEG where its image data begins, and before the video of a motion photo.  The picture is the parts
between; what a decoder needs besides (tables of quantization and Huffman codes, the frame header) stands before them,
among the metadata, and is ``head`` here: ``head`` and the picture's parts together are a JPEG with no metadata at all.
Guarantee: never raises for any bytes; bounded work.  Not guaranteed: that the JPEG decodes.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from photovault.photos import jpeg
from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_MAX = 0xFFFF  # bytes
_SOI = b"\xff\xd8"
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})  # APP0 to APP15, COM: ITU-T T.81, table B.1


class Picture(NamedTuple):
    """A JPEG's picture: parts ``first`` to ``stop`` (exclusive) of the file, and what a decoder needs before them."""

    first: int
    stop: int
    head: bytes


def picture(data: memoryview, lengths: Sequence[int]) -> Picture | None:
    """The picture of the file ``data``, of which ``split`` made parts of these lengths; None when it is no such JPEG."""
    if len(lengths) < 2 or data[:3] != jpeg.MAGIC:  # noqa: PLR2004 - metadata and picture
        return None
    starts = [0, *accumulate(lengths)][:-1]
    try:
        head, image = _head(Window(lambda offset, length: bytes(data[offset : offset + length]), len(data)))
        first = starts.index(image)
    except (Unclear, ValueError):
        return None
    stop = next((n for n in range(first + 1, len(starts)) if _is_video(data, starts[n])), len(starts))
    return Picture(first, stop, head) if len(head) <= HEAD_MAX else None


def _head(window: Window) -> tuple[bytes, int]:
    """The segments that are no metadata, and where the image data begins.  Raises Unclear."""
    found = [_SOI]
    for segment in jpeg.segments(window):
        if segment.code == jpeg.SOS:
            return b"".join(found), segment.start
        if segment.code not in _METADATA:
            found.append(window.read(segment.start, segment.stop - segment.start))
    raise Unclear


def _is_video(data: memoryview, start: int) -> bool:
    return bytes(data[start + 4 : start + 8]) == b"ftyp"
