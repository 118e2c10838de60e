"""XMP: what programs write about a photo, as RDF in XML (ISO 16684-1).

A property is an attribute of ``rdf:Description`` or an element in it, its values are text or ``rdf:li`` in a list.  The
reader keeps those properties that it knows, in order, and only those of the photo itself: what lies within another
property speaks of something else (a layer, an ingredient), but for Google's list of the pictures in the file.

The XML parser is expat.  A DOCTYPE ends the reading, so there are no entities to expand and no files to fetch; so do
more than 20,000 elements, 64 levels or 64 KiB of wanted text.  What was read until then is kept, also when the XML
breaks off.  Prefixes are resolved, but not by scope: a program that gives one prefix two meanings is misread.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from photovault.photos.claims import texts
from photovault.photos.claims.claims import Claims, Place, keywords, orientation, place
from photovault.photos.claims.dates import Date, Rank, dates

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = {
    "adobe:ns:meta/": "x",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xmp/note/": "xmpNote",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "hdrgm",
    "http://ns.apple.com/HDRGainMap/1.0/": "HDRGainMap",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/1.0/container/item/": "Item",
    "http://ns.google.com/photos/dd/1.0/container/": "Container",
    "http://ns.google.com/photos/dd/1.0/item/": "Item",
    "http://purl.org/dc/elements/1.1/": "dc",
}
_CUSTOMARY = {prefix: prefix for prefix in _PREFIXES.values()} | {"xap": "xmp"}  # for files that forget to declare them

_DATES = (
    (Rank.ORIGINAL, "exif:DateTimeOriginal"),
    (Rank.ORIGINAL, "photoshop:DateCreated"),
    (Rank.CREATED, "exif:DateTimeDigitized"),
    (Rank.CREATED, "xmp:CreateDate"),
)
_LENSES = ("exifEX:LensModel", "aux:Lens")
_GPS = ("exif:GPSLatitude", "exif:GPSLongitude", "exif:GPSAltitude", "exif:GPSAltitudeRef")
_CAMERA = ("tiff:Make", "tiff:Model", "tiff:Orientation", "xmp:Rating", "xmpNote:HasExtendedXMP")
_GAIN_MAPS = ("hdrgm:Version", "HDRGainMap:HDRGainMapVersion")
_TEXTS = ("dc:title", "dc:description", "dc:subject")
_GOOGLE = ("GCamera:MicroVideoOffset", "GCamera:BurstID")
_WANTED = frozenset((*(name for _, name in _DATES), *_LENSES, *_GPS, *_CAMERA, *_GAIN_MAPS, *_TEXTS, *_GOOGLE))
_OF_ITEMS = frozenset(("Item:Semantic", "Item:Length"))
_READ = _WANTED | _OF_ITEMS

_MAX_ELEMENTS, _MAX_DEPTH, _MAX_TEXT, _MAX_ITEMS, _MAX_PREFIXES = 20_000, 64, 64 * 1024, 64, 256
_ROOT = re.compile(rb"(?:<\?[^>]*>\s*)*<(?:[\w.-]+:)?(xmpmeta|xapmeta|RDF)[\s>]")
_MAX_PROLOGUE = 4096
MAX = 1024 * 1024
"""Bytes of XMP that are read."""


class Packet:
    """What was read of an XMP packet: the values of each known property, and the items of Google's list."""

    __slots__ = ("items", "values")

    def __init__(self) -> None:
        """Nothing yet."""
        self.values: dict[str, list[str]] = {}
        self.items: list[dict[str, str]] = []

    def one(self, name: str) -> str:
        """The first value of a property, or the empty string."""
        return self.values[name][0] if name in self.values else ""


def read(data: bytes) -> Packet:
    """The known properties of an XMP packet, up to where its XML ends or breaks; never an error."""
    return _Reading().read(_utf8(data[:MAX]))


def claims(packet: Packet) -> Claims:
    """What the properties say of the photo."""
    one = packet.one
    return Claims(
        dates=tuple(date for rank, name in _DATES for date in _date(rank, one(name))),
        keywords=keywords([texts.clean(word, texts.WORD) for word in packet.values.get("dc:subject", ())]),
        orientation=orientation(_whole(one("tiff:Orientation"))),
        make=texts.clean(one("tiff:Make"), texts.NAME) or None,
        model=texts.clean(one("tiff:Model"), texts.NAME) or None,
        lens=texts.clean(next(filter(None, map(one, _LENSES)), ""), texts.NAME) or None,
        place=_place(packet.values),
        rating=_rating(one("xmp:Rating")),
        title=texts.clean(one("dc:title"), texts.TITLE) or None,
        description=texts.clean(one("dc:description"), texts.TEXT) or None,
        burst_id=texts.clean(one("GCamera:BurstID"), texts.NAME) or None,
        gain_map=has_gain_map(packet) or None,
    )


def has_gain_map(packet: Packet) -> bool:
    """Whether the packet speaks of a gain map: Adobe's and Google's, Apple's, or one in Google's list."""
    listed = any(item.get("Item:Semantic") == "GainMap" for item in packet.items)
    return listed or any(name in packet.values for name in _GAIN_MAPS)


def looks_like(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is XMP: a sidecar, and no other XML that has RDF in it, as drawings do."""
    text = _utf8(head[:_MAX_PROLOGUE])
    root = _ROOT.match(text)
    return root is not None and (root[1] != b"RDF" or b"ns.adobe.com/" in text)


def _utf8(data: bytes) -> bytes:
    """The packet as UTF-8, which nearly all are; so the parser needs no encoding that the file may name."""
    if data.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data.removeprefix(codecs.BOM_UTF8).strip(b"\0 \t\r\n")


# The reader ---------------------------------------------------------------------------------------------------------


class _Enough(Exception):  # noqa: N818 - no error: what was read until then counts
    """A bound is reached, or something that XMP must not have."""


class _Reading:
    """The state of one reading: where in the XML we are, and what is found so far."""

    __slots__ = ("_elements", "_found", "_inside", "_names", "_path", "_text", "_text_left", "_within")

    def __init__(self) -> None:
        self._found = Packet()
        self._names = _CUSTOMARY
        self._path: list[str] = []
        self._inside = 0  # how many properties are open
        self._within = ""  # the known property that is open
        self._text: list[str] = []
        self._elements, self._text_left = _MAX_ELEMENTS, _MAX_TEXT

    def read(self, data: bytes) -> Packet:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(data, True)  # noqa: FBT003 - expat has no name for it
        except (expat.ExpatError, _Enough):
            self._flush()
        return self._found

    def _refuse(self, *_: object) -> None:
        raise _Enough

    def _start(self, element: str, attributes: Mapping[str, str]) -> None:
        self._elements -= 1
        if self._elements < 0 or len(self._path) >= _MAX_DEPTH:
            raise _Enough
        if any(name.startswith("xmlns:") for name in attributes):
            self._declare(attributes)
        name = self._resolve(element)
        if name in {"rdf:li", "Container:Item"} and "Container:Directory" in self._path:
            self._next_item()
        for key, value in attributes.items():
            self._keep(self._resolve(key), value, self._inside)
        self._path.append(name)
        self._inside += not name.startswith(("rdf:", "x:"))
        if not self._within and name in _READ:
            self._within, self._text = name, []

    def _end(self, _element: str) -> None:
        name = self._path.pop()
        if name in {"rdf:li", self._within}:
            self._flush()
        if not name.startswith(("rdf:", "x:")):
            self._inside -= 1
            if name == self._within:
                self._within = ""

    def _characters(self, data: str) -> None:
        if self._within:
            self._text.append(data)
            self._text_left -= len(data)
            if self._text_left < 0:
                raise _Enough

    def _flush(self) -> None:
        if self._within:
            self._keep(self._within, "".join(self._text), self._inside - 1)
            self._text = []

    def _keep(self, name: str, value: str, depth: int) -> None:
        value = value.strip()
        if not value:
            return
        if name in _OF_ITEMS and self._found.items:
            self._found.items[-1].setdefault(name, value)
        elif name in _WANTED and (depth == 0 or name.startswith("GCamera:")):
            self._found.values.setdefault(name, []).append(value)

    def _next_item(self) -> None:
        if len(self._found.items) >= _MAX_ITEMS:
            raise _Enough
        self._found.items.append({})

    def _declare(self, attributes: Mapping[str, str]) -> None:
        declared = {name[6:]: _PREFIXES.get(uri, "") for name, uri in attributes.items() if name.startswith("xmlns:")}
        self._names = self._names | declared
        if len(self._names) > _MAX_PREFIXES:
            raise _Enough

    def _resolve(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        return f"{self._names.get(prefix, '')}:{local}"


# Values -------------------------------------------------------------------------------------------------------------

_COORDINATE = re.compile(
    r"(\d{1,3}(?:\.\d{1,12})?)(?:,(\d{1,3}(?:\.\d{1,12})?))?(?:,(\d{1,3}(?:\.\d{1,12})?))? ?([NSEW])"
)
_NUMBER = re.compile(r"([+-]?\d{1,12}(?:\.\d{1,12})?)(?:/(\d{1,12}))?")
_RATINGS = range(-1, 6)


def _date(rank: Rank, text: str) -> tuple[Date, ...]:
    return dates(rank, "xmp", text) if text else ()


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) == 1 else None


def _rating(text: str) -> int | None:
    """Stars, as ``3`` or ``3.0``; -1 is rejected."""
    number = _fraction(text)
    return round(number) if number is not None and round(number) in _RATINGS else None


def _place(values: Mapping[str, list[str]]) -> Place | None:
    latitude, longitude, altitude, below = (values.get(name, [""])[0] for name in _GPS)
    north, east, height = _degrees(latitude, "NS"), _degrees(longitude, "EW"), _fraction(altitude)
    if north is None or east is None:
        return None
    return place(north, east, -height if height and below == "1" else height)


def _degrees(text: str, sides: str) -> float | None:
    """``52,30.5N`` or ``52,30,30N`` (XMP specification part 2, GPSCoordinate)."""
    match = _COORDINATE.fullmatch(text)
    if not match or match[4] not in sides:
        return None
    value: float = sum(float(part) / 60**power for power, part in enumerate(match.groups()[:3]) if part)
    return -value if match[4] == sides[1] else value


def _fraction(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    if not match or (match[2] and not int(match[2])):
        return None
    return float(match[1]) / int(match[2] or 1)
