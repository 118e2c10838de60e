"""When a photo or video was taken: only the date, and quickly.

In this order, the first real date wins:

1. Exif, wherever the format keeps it (JPEG, TIFF, DNG and RAW, HEIC and AVIF, CR3, PNG, WebP): DateTimeOriginal, then
   CreateDate, then DateTime, each with its own sub-seconds and offset.
2. XMP in a JPEG without such an Exif.
3. The creation time of the movie header (MP4, MOV), which is UTC.
4. A date in the file name, as phones, cameras, messengers and screenshots write it.

Guarantee: never raises for any bytes and any name, does bounded work, and gives only dates that exist, from 1800 to
2100 (from a name: 1990 to 2100).  Not guaranteed: that the clock was right, that a movie header is really UTC as it
should be, or a name local time (those that Pixel phones give are UTC).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from photovault.photos import boxes, jpeg, tiff
from photovault.photos.window import Reader, Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Taken", "taken"]

_FIRST_YEAR, _FIRST_NAMED_YEAR, _FIRST_MOVIE_YEAR, _LAST_YEAR = 1800, 1990, 1971, 2100
_Place = TypeVar("_Place", int, boxes.Box)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """When a photo was taken.

    Attributes:
        when: local time in ISO 8601, ``2021-05-04T13:22:11``, then ``.123`` and ``+02:00`` where they are known.
        source: where the date is from: ``exif``, ``xmp``, ``quicktime`` or ``name``.
    """

    when: str
    source: str


def taken(read_at: Reader, size: int, name: str) -> Taken | None:
    """When the file of ``size`` bytes, called ``name``, was taken, or None if it does not say.

    Raises:
        OSError: and whatever else ``read_at`` raises; nothing else, for any bytes.
    """
    try:
        found = _in_file(Window(read_at, size))
    except Unclear:
        found = None
    return found or _in_name(name)


def _in_file(window: Window) -> Taken | None:
    head = window.head
    if head.startswith(jpeg.MAGIC):
        return _in_jpeg(window)
    if head[:4] in tiff.MAGICS:
        return _in_exif(window, 0)
    if head[4:8] in boxes.FIRST_BOXES or head.startswith(boxes.JXL_MAGIC):
        return _in_boxes(window)
    if head.startswith(_RAF_MAGIC):
        return _in_jpeg(window, int.from_bytes(head[84:88], "big"))
    if head.startswith((boxes.PNG_MAGIC, boxes.RIFF_MAGIC)):
        return _in_chunks(window)
    return None


def _or_none(reader: Callable[[Window, _Place], Taken | None], window: Window, place: _Place) -> Taken | None:
    """What ``reader`` finds; None when that part of the file is unclear, so that the search can go on."""
    try:
        return reader(window, place)
    except Unclear:
        return None


# Exif ---------------------------------------------------------------------------------------------------------------

_RAF_MAGIC = b"FUJIFILMCCD-RAW "
_EXIF_DATES = ((0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012), (0x0132, 0x9290, 0x9010))
"""(date, sub-seconds, offset) as Exif 2.32 numbers them: original, digitized, changed."""

_DATE = re.compile(rb"\s*(\d{4})[:/-](\d\d)[:/-](\d\d)[ T]([01]\d|2[0-3]):(\d\d)(?::(\d\d))?")
_OFFSET = re.compile(rb"\s*([+-](?:0\d|1[0-4]):[0-5]\d)")
_DIGITS = re.compile(rb"\d{1,6}")


def _in_exif(window: Window, base: int) -> Taken | None:
    """The date of the TIFF at ``base``: in its first directory or its Exif directory, which comes next."""
    found = list(islice(tiff.directories(window, base), 2))
    for date, fraction, offset in _EXIF_DATES:
        when = _iso(_text(found, date))
        if when:
            return Taken(when=when + _fraction(_text(found, fraction)) + _offset(_text(found, offset)), source="exif")
    return None


def _text(directories: list[tiff.Directory], tag: int) -> bytes:
    for directory in directories:
        if tag in directory.entries:
            try:
                return directory.text(tag)
            except Unclear:
                continue
    return b""


def _iso(text: bytes) -> str:
    """``2021:05:04 13:22:11`` as ISO 8601, or the empty string if that is no date."""
    match = _DATE.match(text)
    if not match:
        return ""
    year, month, day, hour, minute, second = (field.decode() for field in match.groups(b"00"))
    return _real(f"{year}-{month}-{day}T{hour}:{minute}:{second}", _FIRST_YEAR)


def _real(when: str, first_year: int) -> str:
    """``when`` if there was such a time between the years, or else the empty string."""
    try:
        year = datetime.fromisoformat(when).year
    except ValueError:
        return ""
    return when if first_year <= year <= _LAST_YEAR else ""


def _fraction(text: bytes) -> str:
    match = _DIGITS.match(text)
    return "." + match[0].decode() if match else ""


def _offset(text: bytes) -> str:
    match = _OFFSET.match(text)
    return match[1].decode() if match else "+00:00" if text.startswith(b"Z") else ""


# JPEG ---------------------------------------------------------------------------------------------------------------

_XMP_DATE = re.compile(
    rb"(?:exif:DateTimeOriginal|photoshop:DateCreated|xmp:CreateDate)\s*(?:=\s*['\"]|>)"
    rb"([\d-]{10}T[\d:]{5,8})(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)?"
)


def _in_jpeg(window: Window, start: int = 0) -> Taken | None:
    from_xmp = None
    for segment in jpeg.segments(window, start):
        if segment.code != jpeg.APP1:
            continue
        if body := jpeg.body_after(window, segment, jpeg.EXIF):
            if found := _or_none(_in_exif, window, body):
                return found
        elif body := jpeg.body_after(window, segment, jpeg.XMP):
            from_xmp = from_xmp or _in_xmp(window.read(body, segment.stop - body))
    return from_xmp


def _in_xmp(text: bytes) -> Taken | None:
    for date, fraction, offset in _XMP_DATE.findall(text):
        when = _iso(date)
        if when:
            return Taken(when=when + fraction.decode() + _offset(offset), source="xmp")
    return None


# Boxes and chunks ---------------------------------------------------------------------------------------------------

_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_EXIF = b"CMT2"
_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)


def _in_boxes(window: Window) -> Taken | None:
    readers = {b"meta": _in_heif, b"moov": _in_movie, b"Exif": _in_jxl}
    for box in boxes.boxes(window, 0, window.size):
        if box.kind in readers and (found := _or_none(readers[box.kind], window, box)):
            return found
    return None


def _in_jxl(window: Window, box: boxes.Box) -> Taken | None:
    return _after_offset(window, box.body)


def _in_heif(window: Window, meta: boxes.Box) -> Taken | None:
    for item in boxes.items(window, meta):
        if item.kind == b"Exif" and item.extents:
            return _after_offset(window, item.extents[0][0])
    return None


def _after_offset(window: Window, start: int) -> Taken | None:
    """Exif in HEIF and JPEG XL starts with the distance to its TIFF header (ISO/IEC 23008-12, A.2.1)."""
    return _or_none(_in_exif, window, start + 4 + int.from_bytes(window.read(start, 4), "big"))


def _in_movie(window: Window, moov: boxes.Box) -> Taken | None:
    """Canon's Exif of a CR3, or else the creation time of the movie header."""
    from_header = None
    for box in boxes.boxes(window, moov.body, moov.stop):
        if box.kind == b"mvhd":
            from_header = _in_movie_header(window.read(box.body, 12))
        elif box.kind == b"uuid" and window.read(box.body, 16) == _CANON_UUID:
            inner = {part.kind: part.body for part in boxes.boxes(window, box.body + 16, box.stop)}
            return _or_none(_in_exif, window, inner.get(_CANON_EXIF, 0)) or from_header
    return from_header


def _in_movie_header(data: bytes) -> Taken | None:
    """Seconds since 1904 in UTC, of 32 or 64 bits (ISO/IEC 14496-12, 8.2.2); zero means unknown."""
    seconds = int.from_bytes(data[4:12] if data[0] == 1 else data[4:8], "big")
    if not 0 < seconds < 1 << 33:
        return None
    when = _EPOCH + timedelta(seconds=seconds)
    return Taken(when=when.isoformat(), source="quicktime") if _FIRST_MOVIE_YEAR <= when.year <= _LAST_YEAR else None


def _in_chunks(window: Window) -> Taken | None:
    for chunk in _chunks(window):
        if chunk.kind == b"eXIf":
            return _or_none(_in_exif, window, chunk.body)
        if chunk.kind == b"EXIF":
            prefix = len(jpeg.EXIF) if window.read(chunk.body, 4) == jpeg.EXIF[:4] else 0  # some writers put it there
            return _or_none(_in_exif, window, chunk.body + prefix)
    return None


def _chunks(window: Window) -> Iterator[boxes.Box]:
    """The chunks that may hold Exif; in a PNG only those before the image and those found at the end of the file."""
    if window.head.startswith(boxes.RIFF_MAGIC):
        yield from boxes.riff_chunks(window)
        return
    for chunk in boxes.png_chunks(window):
        yield chunk
        if chunk.kind == b"IDAT":
            break
    yield from boxes.png_tail(window)


# Names --------------------------------------------------------------------------------------------------------------

_NAME = re.compile(
    r"""(?<!\d) ((?:19|20)\d\d) ([-_.]?) (\d\d) \2 (\d\d)  # date; one kind of separator or none
    (?: (?: [-_ .T] | [ ]at[ ] )?
        ([01]\d|2[0-3]|\d(?=[.:h-])) [-_.:h]? ([0-5]\d) [-_.:m]? ([0-5]\d) (\d{3})?  # time; milliseconds
        (?: \s? ([AP])M )?  # macOS screenshots with a 12-hour clock
    )? (?!\d)""",
    re.VERBOSE,
)
_MAX_NAME = 1024


def _in_name(name: str) -> Taken | None:
    """``IMG_20210504_132211``, ``2021-05-04 13.22.11``, ``VID-20210504-WA0001`` (00:00:00) and the like."""
    for match in _NAME.finditer(name[:_MAX_NAME]):
        year, _, month, day, hour, minute, second, milli, half = match.groups("")
        hours = int(hour or 0) if not half else int(hour) % 12 + 12 * (half == "P")
        when = _real(f"{year}-{month}-{day}T{hours:02}:{minute or '00'}:{second or '00'}", _FIRST_NAMED_YEAR)
        if when:
            return Taken(when=when + (milli and "." + milli), source="name")
    return None
