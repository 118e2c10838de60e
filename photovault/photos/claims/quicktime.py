"""MP4, MOV, 3GP and CR3: the ``moov`` box says when, how long, how large, and what Apple, Android and Canon add.

The movie header (``mvhd``) has the time of creation in UTC and the duration, the track header (``tkhd``) of the first
video track pixels and turning.  Better are the date and the place in ``meta`` (``keys`` and ``ilst``), which phones write
in local time with its offset; older texts are in ``udta``.  XMP is in a ``uuid`` box or in ``udta``.  Canon's RAW files
keep the directories of their Exif in boxes CMT1 to CMT4.

Each box stands alone: one that is broken costs only itself.  Not guaranteed: that a movie header is UTC, as it should be.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.photos import boxes, tiff
from photovault.photos.claims import exif, texts, turning, xmp
from photovault.photos.claims.claims import NOTHING, Claims, Place, keywords, place, quietly, size, together
from photovault.photos.claims.dates import Date, Rank, dates, since_1904
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.photos.window import Window

_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_FULL, _UUID = 4, 16
_MAX_BETTER = 16


def read(window: Window) -> Claims:
    """The claims of a movie or CR3."""
    film = said = NOTHING
    with suppress(Unclear):  # what came before the broken box counts
        for box in boxes.boxes(window, 0, window.size):
            if box.kind == b"moov":
                film = movie(window, box)
            elif box.kind == b"uuid" and window.upto(box.body, _UUID) == _XMP_UUID:
                said = quietly(_xmp, window, box.body + _UUID, box.stop)
    return joined(film, (said,))


def movie(window: Window, moov: boxes.Box) -> Claims:
    """The claims of a ``moov`` box; never ``Unclear``."""
    headers: list[Claims] = []
    better: list[Claims] = []
    with suppress(Unclear):
        for box in boxes.boxes(window, moov.body, moov.stop):
            if box.kind in _HEADERS:
                headers.append(quietly(_HEADERS[box.kind], window, box))
            elif box.kind in _BETTER and len(better) < _MAX_BETTER:
                better.append(quietly(_BETTER[box.kind], window, box))
    return together(*better, *headers)


def _xmp(window: Window, start: int, stop: int) -> Claims:
    return xmp.claims(xmp.read(window.upto(start, max(0, min(stop - start, xmp.MAX)))))


# Headers ------------------------------------------------------------------------------------------------------------

_MOVIE, _MOVIE_LONG = struct.Struct(">4xI4xII"), struct.Struct(">4xQ8xIQ")
_UNKNOWN, _LONGEST = 0xFFFFFFFF, 1 << 48
_TRACK, _TRACK_LONG = 36, 48  # bytes before the matrix in version 0 and 1, without the 4 of the full box
_MATRIX = struct.Struct(">9iII")
_ONE = 0x10000


def _movie_header(window: Window, box: boxes.Box) -> Claims:
    """Version 0 or 1: times and duration of 32 or 64 bits (ISO/IEC 14496-12, 8.2.2)."""
    form = _MOVIE_LONG if window.read(box.body, 1) == b"\1" else _MOVIE
    created, scale, duration = form.unpack(window.read(box.body, form.size))
    when = since_1904(created)
    return Claims(
        dates=(Date(Rank.CREATED, when, "quicktime"),) if when else (),
        duration=duration * 1000 // scale if scale and 0 < duration < _LONGEST and duration != _UNKNOWN else None,
    )


def _track(window: Window, trak: boxes.Box) -> Claims:
    """Size and turning of a track that is video."""
    inner = {box.kind: box for box in boxes.boxes(window, trak.body, trak.stop)}
    if b"tkhd" not in inner or b"mdia" not in inner:
        return NOTHING
    media = inner[b"mdia"]
    handlers = (box for box in boxes.boxes(window, media.body, media.stop) if box.kind == b"hdlr")
    if not any(window.read(box.body + 8, 4) == b"vide" for box in handlers):
        return NOTHING
    return _track_header(window, inner[b"tkhd"].body)


def _track_header(window: Window, body: int) -> Claims:
    """The matrix (ISO/IEC 14496-12, 8.3.2) in 16.16 is ``a b u c d v x y w``: x' = a x + c y, y' = b x + d y."""
    start = body + _FULL + (_TRACK_LONG if window.read(body, 1) == b"\1" else _TRACK)
    a, b, _, c, d, _, _, _, _, width, height = _MATRIX.unpack(window.read(start, _MATRIX.size))
    pixels = size(_whole(width), _whole(height))
    matrix = (_sign(a), _sign(c), _sign(b), _sign(d))
    return Claims(size=pixels, orientation=turning.orientation(matrix)) if pixels else NOTHING


def _whole(length: int) -> int:
    """Pixels of 16.16; some programs write whole ones."""
    return length // _ONE or length


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


# Texts --------------------------------------------------------------------------------------------------------------

_TEXT_MAX = 4 * texts.TEXT
_DATA_HEADER = 16
_KEYS_MAX, _TEXTS_MAX = 64 * 1024, 256
_APPLE = b"com.apple.quicktime."
_DATES = ((Rank.ORIGINAL, b"creationdate"), (Rank.ORIGINAL, b"date"), (Rank.CREATED, b"\xa9day"))
_PLACES = (b"location.ISO6709", b"\xa9xyz")
_MAKES, _MODELS = (b"make", b"com.android.manufacturer", b"\xa9mak"), (b"model", b"com.android.model", b"\xa9mod")
_LENSES, _CONTENT = (b"camera.lens_model",), (b"content.identifier",)
_TITLES = (b"displayname", b"title", b"\xa9nam", b"titl")
_DESCRIPTIONS = (b"description", b"\xa9des", b"desc", b"dscp", b"\xa9cmt")
_KEYWORDS, _RATINGS = (b"keywords", b"keyw", b"kywd", b"\xa9key"), (b"rating.user",)
_FLOAT, _LOCATION = struct.Struct(">f"), struct.Struct(">3i")
_PLAIN_TEXTS = frozenset((b"titl", b"dscp", b"kywd", b"date"))
_FULL_TEXT = 6  # 3GP's begin with version, flags and language
_ISO_6709 = re.compile(
    r"([+-]\d{2}(?:\.\d{1,12})?)([+-]\d{3}(?:\.\d{1,12})?)(?:([+-]\d{1,9}(?:\.\d{1,12})?))?", re.ASCII
)


def _meta(window: Window, meta: boxes.Box) -> Claims:
    return _of_texts(_in_meta(window, meta))


def _user_data(window: Window, udta: boxes.Box) -> Claims:
    """Texts of ``udta``: QuickTime's begin with length and language, iTunes' are in a ``meta`` of their own."""
    found: dict[bytes, bytes] = {}
    said = NOTHING
    with suppress(Unclear):
        for box in boxes.boxes(window, udta.body, udta.stop):
            if box.kind == b"XMP_":
                said = quietly(_xmp, window, box.body, box.stop)
            elif box.kind == b"meta":
                found |= _in_meta(window, box)
            elif box.kind == b"loci":
                said = together(said, quietly(_location, window, box))
            elif box.kind[:1] == b"\xa9" or box.kind in _PLAIN_TEXTS:
                found.setdefault(box.kind, _plain(window, box))
    return joined(_of_texts(found), (said,))


def _plain(window: Window, box: boxes.Box) -> bytes:
    data = window.upto(box.body, min(_TEXT_MAX, box.stop - box.body))
    if box.kind in _PLAIN_TEXTS:
        return data[_FULL_TEXT:] if data.startswith(bytes(_FULL)) else data
    return data[4 : 4 + int.from_bytes(data[:2], "big")]


def _location(window: Window, loci: boxes.Box) -> Claims:
    """3GP's place (3GPP TS 26.244, 8.7): after a name and its role, longitude, latitude and altitude in 16.16."""
    data = window.upto(loci.body, min(_TEXT_MAX, loci.stop - loci.body))[_FULL_TEXT:]
    rest = data.partition(b"\0")[2][1 : 1 + _LOCATION.size]
    if len(rest) < _LOCATION.size:
        return NOTHING
    longitude, latitude, altitude = (number / _ONE for number in _LOCATION.unpack(rest))
    return Claims(place=place(latitude, longitude, altitude))


def _in_meta(window: Window, meta: boxes.Box) -> dict[bytes, bytes]:
    """The texts of ``ilst`` by their names; its boxes are called by names, or by numbers in ``keys``."""
    found: dict[bytes, bytes] = {}
    with suppress(Unclear):  # what came before the broken box counts
        skip = 0 if window.read(meta.body + 4, 4) == b"hdlr" else _FULL  # only ISO's is a full box, QuickTime's is none
        inner = {box.kind: box for box in boxes.boxes(window, meta.body + skip, meta.stop)}
        names = _names(window, inner[b"keys"]) if b"keys" in inner else []
        for box in boxes.boxes(window, inner[b"ilst"].body, inner[b"ilst"].stop) if b"ilst" in inner else ():
            number = int.from_bytes(box.kind, "big")
            name = names[number - 1] if 0 < number <= len(names) else box.kind
            if len(found) < _TEXTS_MAX and box.stop - box.body >= _DATA_HEADER:
                found.setdefault(name.removeprefix(_APPLE), _data(window, box))
    return found


def _data(window: Window, box: boxes.Box) -> bytes:
    """The value of the first ``data`` box: after its header come type and language."""
    stop = min(box.stop, box.body + int.from_bytes(window.read(box.body, 4), "big"))
    start = box.body + _DATA_HEADER
    return window.upto(start, max(0, min(_TEXT_MAX, stop - start)))


def _names(window: Window, keys: boxes.Box) -> list[bytes]:
    """``length, namespace, name`` for each key."""
    data = window.upto(keys.body, min(_KEYS_MAX, keys.stop - keys.body))
    found: list[bytes] = []
    at = 8
    while at + 8 <= len(data) and len(found) < _TEXTS_MAX:
        length = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 8 : at + length])
        at += max(8, length)
    return found


def _of_texts(found: dict[bytes, bytes]) -> Claims:
    def one(names: tuple[bytes, ...], most: int) -> str | None:
        return next((text for name in names if (text := texts.clean(found.get(name, b""), most))), None)

    words = one(_KEYWORDS, texts.TEXT) or ""
    return Claims(
        dates=tuple(date for rank, name in _DATES for date in dates(rank, "quicktime", found.get(name, b""))),
        keywords=keywords([texts.clean(word, texts.WORD) for word in words.split(",")]),
        make=one(_MAKES, texts.NAME),
        model=one(_MODELS, texts.NAME),
        lens=one(_LENSES, texts.NAME),
        place=_place(one(_PLACES, texts.NAME)),
        rating=_rating(found),
        title=one(_TITLES, texts.TITLE),
        description=one(_DESCRIPTIONS, texts.TEXT),
        content_id=one(_CONTENT, texts.NAME),
    )


def _rating(found: dict[bytes, bytes]) -> int | None:
    """Stars, which Apple writes as text or as a number of 32 bits; what is not 0 to 5 is something else."""
    data = next((found[name] for name in _RATINGS if name in found), b"")
    with suppress(ValueError, OverflowError, struct.error):
        number = round(float(data)) if data[:1].isdigit() else round(_FLOAT.unpack(data)[0])
        return exif.rating(number) if number >= 0 else None
    return None


def _place(text: str | None) -> Place | None:
    """``+52.5200+013.4050+034.000/`` (ISO 6709, annex H, in degrees)."""
    match = _ISO_6709.match(text or "")
    if not match:
        return None
    latitude, longitude, altitude = match.groups()
    return place(float(latitude), float(longitude), float(altitude) if altitude else None)


# Canon --------------------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 0x0100, 0x0101


def _canon(window: Window, box: boxes.Box) -> Claims:
    """CMT1, CMT2 and CMT4: the first directory of an Exif, its Exif directory and its GPS directory, each a TIFF."""
    if window.read(box.body, _UUID) != _CANON_UUID:
        return NOTHING
    parts = {part.kind: part.body for part in boxes.boxes(window, box.body + _UUID, box.stop)}
    found = {kind: found for kind in (b"CMT1", b"CMT2", b"CMT4") for found in _directory(window, parts.get(kind))}
    inner = found.get(b"CMT2")
    first = found.get(b"CMT1") or inner
    if first is None:
        return NOTHING
    pixels = size(first.number(_WIDTH), first.number(_HEIGHT))
    return together(Claims(size=pixels), exif.of_directories(first, inner or first, found.get(b"CMT4")))


def _directory(window: Window, start: int | None) -> Iterator[tiff.Directory]:
    with suppress(Unclear):
        if start is not None:
            yield tiff.first(window, start)


_HEADERS = {b"mvhd": _movie_header, b"trak": _track}
_BETTER = {b"meta": _meta, b"udta": _user_data, b"uuid": _canon}
