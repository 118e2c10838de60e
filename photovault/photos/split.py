"""Cut a file into parts so that an edit of its metadata leaves most parts as they were.

A photo does not change in the middle: a new rating, title or thumbnail changes and moves what stands around the image
data, and the image data stays the same, byte for byte.  So the file is cut where image data starts and ends:

1. The first bytes say which format it is; the name is never asked.  Unknown formats have no cuts.
2. The format's tables name blocks of image data: JPEG from its first SOS on, and a motion photo's video; MP4, MOV, CR3
   and JPEG XL their media boxes; HEIC and AVIF the items of ``iloc``; TIFF, DNG and RAW strips, tiles, previews and
   large values; PNG the run of IDAT; WebP and AVI large chunks.
3. Small blocks that follow each other in one table are joined, by order and length and never by where they are.
4. Every start and end of a block is a cut; what lies between two cuts is a part, or parts of ``PART_MAX`` from its start.

Guarantee: the parts cover the file whatever its bytes are, their number is at most ``size / 64 KiB + 16``, the work is
bounded, and the same bytes always give the same parts.  What is not understood is not cut, and costs only that it is
stored again.  Not guaranteed: that a tool which encodes the image anew saves anything.
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from photovault.photos import boxes, jpeg, raf, tiff
from photovault.photos.window import Reader, Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PART_MAX", "Reader", "split"]

PART_MAX = 4 * 1024 * 1024 - 4096
"""Largest part, in bytes: four of them and what sealing adds fill a pack of 16 MiB, where four of 4 MiB would not fit."""

_WHOLE = 16 * 1024  # files up to this are one part
_SMALL = 8 * 1024  # blocks under this are joined to their run, or left to the metadata
_GROUP = 64 * 1024  # a run of small blocks is joined until it has this many bytes
_PAD = 16  # bytes that may lie between two blocks of a run
_COARSE = 1024 * 1024  # group, then pad as well, if that gives too many parts
_LEVELS = ((_GROUP, _PAD, True), (_COARSE, _PAD, True), (_COARSE, _COARSE, False))
_MAX_BLOCKS = 65536
_ALONE = -1


class _Block(NamedTuple):
    """Image data from ``start`` to ``stop``; blocks of the same ``run`` may be joined, those of run -1 never."""

    start: int
    stop: int
    run: int = _ALONE


def split(read_at: Reader, size: int) -> list[int]:
    """The lengths in bytes of the parts of a file of ``size`` bytes, in order.

    Each is from 1 to ``PART_MAX`` and they sum to ``size``; an empty file has none.  ``read_at`` is called at most 64
    times and asked for at most 8 MiB.

    Raises:
        OSError: and whatever else ``read_at`` raises; nothing else, for any bytes.
    """
    if size <= _WHOLE:
        return [size] if size else []
    blocks = sorted(_blocks(Window(read_at, size)), key=lambda block: (block.start, -block.stop))
    most = size // _GROUP + 16
    for group, pad, strict in _LEVELS:
        parts = _parts(size, _joined(blocks, group, pad, strict=strict))
        if len(parts) <= most:
            return parts
    return _parts(size, [])


def _parts(size: int, blocks: list[_Block]) -> list[int]:
    cuts = sorted({0, size, *(block.start for block in blocks), *(block.stop for block in blocks)})
    parts: list[int] = []
    for span in _spans(cuts):
        whole, rest = divmod(span, PART_MAX)
        parts += [PART_MAX] * whole + ([rest] if rest else [])
    return parts


def _spans(cuts: list[int]) -> Iterator[int]:
    """Lengths between cuts; neighbours that are all small, so mostly metadata, count as one."""
    small = 0
    for start, stop in pairwise(cuts):
        if stop - start < _SMALL:
            small += stop - start
        else:
            yield from (small, stop - start)
            small = 0
    yield small


def _joined(blocks: list[_Block], group: int, pad: int, *, strict: bool) -> list[_Block]:
    """Runs of small blocks as one block of about ``group`` bytes each."""
    joined: list[_Block] = []
    last = _Block(-1, -1)
    for block in blocks:
        small = block.stop - block.start < _SMALL or max(block.stop - block.start, last.stop - last.start) < group
        related = not strict or block.run == last.run != _ALONE
        if small and related and 0 <= block.start - last.stop <= pad and joined:
            last = joined[-1] = _Block(last.start, block.stop, last.run)
        else:
            last = block
            joined.append(block)
    return joined


def _blocks(window: Window) -> list[_Block]:
    """What the format names, up to the first thing that is unclear."""
    found: list[_Block] = []
    with suppress(Unclear):  # what was found until then are still good places to cut
        for block in islice(_format(window.head)(window), _MAX_BLOCKS):
            if 0 <= block.start < block.stop <= window.size:
                found.append(block)  # noqa: PERF401 - extend would lose the blocks before an Unclear
    return found


def _format(head: bytes) -> Callable[[Window], Iterator[_Block]]:
    """The reader for the format that the first bytes show."""
    if head[4:8] in boxes.FIRST_BOXES or head.startswith(boxes.JXL_MAGIC):
        return _in_boxes
    if head[:4] in tiff.MAGICS:
        return _in_rw2 if head.startswith(_RW2_MAGIC) else _in_tiff
    by_magic = {jpeg.MAGIC: _in_jpeg, boxes.PNG_MAGIC: _in_png, boxes.RIFF_MAGIC: _in_riff, raf.MAGIC: _in_raf}
    return next((reader for magic, reader in by_magic.items() if head.startswith(magic)), _in_nothing)


def _in_nothing(_window: Window) -> Iterator[_Block]:
    return iter(())


# JPEG ---------------------------------------------------------------------------------------------------------------

_VIDEO_LENGTH = re.compile(rb"(?:MicroVideoOffset|Length)(?:=['\"]|>)(\d{1,10})")
_MAX_VIDEOS = 8


def _in_jpeg(window: Window, start: int = 0, stop: int = 0) -> Iterator[_Block]:
    """Image data from SOS to the end, the video of a motion photo, and each large metadata segment.

    Tables between the segments and SOS (DQT, SOF, DHT) count as metadata: they are short, and so a comment that some
    tool puts between them does not move the cut.
    """
    stop = stop or window.size
    xmp = b""
    for segment in jpeg.segments(window, start):
        if segment.code == jpeg.SOS:
            yield _Block(segment.start, _video(window, xmp, stop))
            return
        yield _Block(start if segment.start == start + 2 else segment.start, segment.stop)
        if segment.code == jpeg.APP1 and (body := jpeg.body_after(window, segment, jpeg.XMP)):
            xmp = window.read(body, segment.stop - body)


def _video(window: Window, xmp: bytes, stop: int) -> int:
    """Where the video of a motion photo starts, or ``stop``.

    The XMP gives its length, counted from the end of the file, so that an edit of the metadata cannot make it wrong.
    """
    if b"MicroVideo" not in xmp and b"MotionPhoto" not in xmp:
        return stop
    for found in islice(_VIDEO_LENGTH.finditer(xmp), _MAX_VIDEOS):
        at = stop - int(found[1])
        if 0 < at < stop - 8 and window.read(at + 4, 4) == b"ftyp":
            return at
    return stop


# TIFF, DNG, RAW -----------------------------------------------------------------------------------------------------

_STRIPS, _TILES, _PREVIEW = (0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202)
_RW2_RAW, _RW2_JPEG = 0x0118, 0x002E
_RW2_MAGIC = b"IIU\0"


def _in_tiff(window: Window) -> Iterator[_Block]:
    """Strips, tiles and previews of every directory, and every large value: MakerNote, profiles, thumbnails."""
    run = 0
    for directory in tiff.directories(window):
        for places, lengths in (_STRIPS, _TILES, _PREVIEW):
            run += 1
            yield from _listed(directory, places, lengths, run)
        yield from (_Block(start, stop) for start, stop in directory.large(_SMALL))


def _listed(directory: tiff.Directory, places: int, lengths: int, run: int) -> Iterator[_Block]:
    if places in directory.entries and lengths in directory.entries:
        for start, length in zip(directory.numbers(places), directory.numbers(lengths), strict=False):
            yield _Block(start, start + length, run)


def _in_rw2(window: Window) -> Iterator[_Block]:
    """Panasonic: sensor data from the place in tag 0x118 to the end; the preview is a JPEG that carries the Exif."""
    yield from _in_tiff(window)
    for first in islice(tiff.directories(window), 1):
        yield from (_Block(start, window.size) for start in first.numbers(_RW2_RAW)[:1])
        start, length = first.place(_RW2_JPEG)
        if length >= _SMALL:
            yield from _in_jpeg(window, start, start + length)


def _in_raf(window: Window) -> Iterator[_Block]:
    """Fujifilm: tables and sensor data, and a JPEG that carries the Exif."""
    (preview, length), *others = raf.places(window)
    yield from (_Block(start, start + length) for start, length in others)
    yield from _in_jpeg(window, preview, preview + length)


# Boxes and chunks ---------------------------------------------------------------------------------------------------

_MEDIA = frozenset((b"mdat", b"mpvd", b"jxlc", b"jxlp", b"uuid"))


def _in_boxes(window: Window) -> Iterator[_Block]:
    """The bodies of media boxes, and within them the items of HEIF; the items of one type that touch are one run."""
    for box in boxes.boxes(window, 0, window.size):
        if box.kind in _MEDIA:
            yield _Block(box.body, box.stop)
        elif box.kind == b"meta":
            yield from _in_items(window, box)


def _in_items(window: Window, meta: boxes.Box) -> Iterator[_Block]:
    with suppress(Unclear):  # QuickTime has another kind of meta box; its file still has media boxes
        for item in boxes.items(window, meta):
            run = int.from_bytes(item.kind, "big")
            yield from (_Block(start, stop, run) for start, stop in item.extents)


def _in_riff(window: Window) -> Iterator[_Block]:
    for chunk in boxes.riff_chunks(window):
        yield _Block(chunk.start, chunk.stop, int.from_bytes(chunk.kind, "big"))


def _in_png(window: Window) -> Iterator[_Block]:
    """From the first IDAT to the last, and large chunks before it."""
    for chunk in boxes.png_chunks(window):
        if chunk.kind == b"IDAT":
            yield _Block(chunk.start, _last_idat(window))
            return
        yield _Block(chunk.start, chunk.stop)


def _last_idat(window: Window) -> int:
    try:
        return next(boxes.png_tail(window)).stop
    except Unclear:
        return window.size
