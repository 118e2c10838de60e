"""Exif: the camera's own record, a TIFF inside of nearly every format (CIPA DC-008, Exif 2.32).

The first directory describes the picture (make, model, orientation, texts), the Exif directory it points at the moment
(dates, lens), the GPS directory the place.  Windows adds titles, keywords and a rating to the first.  Of all the makers'
notes only Apple's is opened: it says which video belongs to a Live Photo, and which photos to a burst.

Each tag stands alone: one that is broken costs only itself.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.photos import tiff
from photovault.photos.claims import texts
from photovault.photos.claims.claims import Claims, Place, keywords, orientation, place
from photovault.photos.claims.dates import Date, Rank, dates
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from photovault.photos.window import Window

_DATES = (
    (Rank.ORIGINAL, 0x9003, 0x9291, 0x9011),
    (Rank.CREATED, 0x9004, 0x9292, 0x9012),
    (Rank.CHANGED, 0x0132, 0x9290, 0x9010),
)
"""(rank, date, sub-seconds, offset): original, digitized, changed."""

_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION = 0x010E, 0x010F, 0x0110, 0x0112
_RATING, _XP_TITLE, _XP_COMMENT, _XP_KEYWORDS = 0x4746, 0x9C9B, 0x9C9C, 0x9C9E
_LENS, _MAKER_NOTE = 0xA434, 0x927C
_RATING_MAX = 5
_SHORT = 64

_OF_NOBODY = ("DIGITAL CAMERA", "SONY DSC", "DCIM", "EXIF_JPEG", "<KENOX")
"""How descriptions begin or end that cameras write into every photo, which says nothing about it."""


def read(window: Window, base: int) -> Claims:
    """The claims of the TIFF header at ``base``, which may follow the prefix ``Exif 0 0``.

    Raises:
        Unclear: there is no such header.
    """
    return of_directory(tiff.first(window, base))


def of_directory(first: tiff.Directory) -> Claims:
    """The claims of a first directory and of those that it points at."""
    inner = next(first.inner(tiff.EXIF_IFD), first)
    gps = next(first.inner(tiff.GPS_IFD), None) if tiff.GPS_IFD in first.entries else None
    return of_directories(first, inner, gps)


def of_directories(first: tiff.Directory, inner: tiff.Directory, gps: tiff.Directory | None) -> Claims:
    """The claims of the three directories, wherever a format keeps them."""
    content_id, burst_id = _apple(inner)
    return Claims(
        dates=(*_dates(first, inner), *(_clock(gps) if gps else ())),
        keywords=keywords([texts.clean(word, texts.WORD) for word in _wide(first, _XP_KEYWORDS).split(";")]),
        orientation=orientation(first.number(_ORIENTATION)),
        make=_text(first, _MAKE, texts.NAME),
        model=_text(first, _MODEL, texts.NAME),
        lens=_text(inner, _LENS, texts.NAME),
        place=_place(gps) if gps else None,
        rating=rating(first.number(_RATING)),
        title=texts.clean(_wide(first, _XP_TITLE), texts.TITLE) or None,
        description=_description(first),
        content_id=content_id,
        burst_id=burst_id,
    )


def rating(number: int | None) -> int | None:
    """Stars, if it is a number of stars."""
    return number if number is not None and number <= _RATING_MAX else None


def _text(directory: tiff.Directory, tag: int, most: int) -> str | None:
    if tag not in directory.entries:
        return None
    return texts.clean(directory.bytes(tag, 4 * most), most) or None


def _wide(directory: tiff.Directory, tag: int) -> str:
    """A text of Windows: UTF-16, two bytes a character, ended by a zero."""
    if tag not in directory.entries:
        return ""
    return directory.bytes(tag, 4 * texts.TEXT).decode("utf-16-le", "replace").partition("\0")[0]


def _description(first: tiff.Directory) -> str | None:
    text = _text(first, _DESCRIPTION, texts.TEXT)
    if text and not (text.upper().startswith(_OF_NOBODY) or text.upper().endswith(_OF_NOBODY)):
        return text
    return texts.clean(_wide(first, _XP_COMMENT), texts.TEXT) or None


def _dates(first: tiff.Directory, inner: tiff.Directory) -> list[Date]:
    found: list[Date] = []
    for rank, date, fraction, offset in _DATES:
        text = _either(inner, first, date)
        if text:
            found += dates(rank, "exif", text, _either(inner, first, fraction), _either(inner, first, offset))
    return found


def _either(one: tiff.Directory, other: tiff.Directory, tag: int) -> bytes:
    """Some programs put a tag into the wrong one of the two directories."""
    return (one if tag in one.entries else other).bytes(tag, _SHORT).partition(b"\0")[0]


# GPS ----------------------------------------------------------------------------------------------------------------

_NORTH_SOUTH, _LATITUDE, _EAST_WEST, _LONGITUDE, _BELOW, _ALTITUDE, _TIME, _DAY = (1, 2, 3, 4, 5, 6, 7, 0x1D)


def _place(gps: tiff.Directory) -> Place | None:
    latitude = _degrees(gps, _LATITUDE, gps.bytes(_NORTH_SOUTH, 1), b"NS")
    longitude = _degrees(gps, _LONGITUDE, gps.bytes(_EAST_WEST, 1), b"EW")
    if latitude is None or longitude is None:
        return None
    altitude = next((top / bottom for top, bottom in gps.fractions(_ALTITUDE)[:1] if bottom), None)
    below = gps.bytes(_BELOW, 1) == b"\1"
    return place(latitude, longitude, -altitude if altitude and below else altitude)


def _degrees(gps: tiff.Directory, tag: int, side: bytes, sides: bytes) -> float | None:
    """Degrees, minutes and seconds; the side is a letter, without which nobody can tell."""
    parts = gps.fractions(tag)[:3]
    if not parts or not parts[0][1] or not side or side not in sides:
        return None
    value: float = sum(top / bottom / 60**power for power, (top, bottom) in enumerate(parts) if bottom)
    return -value if side == sides[1:] else value


def _clock(gps: tiff.Directory) -> tuple[Date, ...]:
    """The time of the satellites, which is UTC."""
    parts = [top // bottom for top, bottom in gps.fractions(_TIME)[:3] if bottom]
    if len(parts) < 3:  # noqa: PLR2004 - hours, minutes, seconds
        return ()
    day = gps.bytes(_DAY, 10)
    clock = "{:02}:{:02}:{:02}".format(*parts).encode()
    return dates(Rank.CLOCK, "gps", day + b" " + clock, offset=b"Z")


# Apple's MakerNote --------------------------------------------------------------------------------------------------

_APPLE = b"Apple iOS\0"
_APPLE_DIRECTORY, _BURST, _CONTENT = 14, 0x000B, 0x0011


def _apple(inner: tiff.Directory) -> tuple[str | None, str | None]:
    """Content identifier and burst of Apple's MakerNote: a header of 14 bytes, then a directory."""
    if inner.bytes(_MAKER_NOTE, len(_APPLE)) != _APPLE:
        return None, None
    with suppress(Unclear):
        start, _ = inner.place(_MAKER_NOTE)
        note = tiff.maker_note(inner.window, start, start + _APPLE_DIRECTORY)
        return _text(note, _CONTENT, texts.NAME), _text(note, _BURST, texts.NAME)
    return None, None
