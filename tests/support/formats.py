"""Photo and video files made byte by byte, as small as they can be: TIFF, JPEG, PNG, HEIF, movies."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photovault.facts import Facts

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
EXIF_IFD, GPS_IFD, SUB_IFDS = 0x8769, 0x8825, 0x014A
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


def facts(data: bytes, name: str = "photo") -> Facts:
    """The facts of a file that holds these bytes."""
    from photovault.photos.metadata import facts_of

    return facts_of(lambda offset, length: data[offset : offset + length], len(data), name)


# TIFF ---------------------------------------------------------------------------------------------------------------


def value(given: object, order: str) -> tuple[int, int, bytes]:
    """Type, count and bytes of a tag: text, a number, a list of numbers, (above, below) pairs, or bytes."""
    match given:
        case str():
            data = given.encode() + b"\0"
            return ASCII, len(data), data
        case bytes():
            return UNDEFINED, len(given), given
        case int():
            return LONG, 1, struct.pack(order + "I", given)
        case [(int(), int()), *_]:
            signed = any(number < 0 for pair in given for number in pair)
            data = b"".join(struct.pack(order + ("ii" if signed else "II"), *pair) for pair in given)
            return SRATIONAL if signed else RATIONAL, len(given), data
        case [*numbers]:
            return SHORT, len(numbers), struct.pack(f"{order}{len(numbers)}H", *numbers)
    raise TypeError(given)


def tiff(tags: dict[int, object], order: str = "<", header: bytes = b"") -> bytes:
    """A TIFF; a tag whose value is a dict (or a list of dicts) points at such directories."""
    start = header or (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + directory(tags, order, len(start))


def directory(tags: dict[int, object], order: str, at: int) -> bytes:
    """A directory that is to lie at ``at``, with its values and inner directories behind it."""
    rows, more = b"", b""
    behind = at + 2 + 12 * len(tags) + 4
    for tag, given in sorted(tags.items()):
        inner = [given] if isinstance(given, dict) else given
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            places = []
            for one in inner:
                places.append(behind + len(more))
                more += directory(one, order, places[-1])
            kind, count, data = LONG, len(places), struct.pack(f"{order}{len(places)}I", *places)
        else:
            kind, count, data = value(given, order)
        if len(data) > 4:
            data, more = struct.pack(order + "I", behind + len(more)), more + data + b"\0" * (len(data) & 1)
        rows += struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack(order + "H", len(tags)) + rows + b"\0" * 4 + more


def degrees(*parts: tuple[int, int]) -> list[tuple[int, int]]:
    """Degrees, minutes, seconds as GPS tags have them."""
    return [*parts, *[(0, 1)] * (3 - len(parts))]


# JPEG ---------------------------------------------------------------------------------------------------------------


def segment(code: int, body: bytes) -> bytes:
    """``FF code length body``."""
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def jpeg(*segments: bytes, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of these segments, whose image data is none."""
    frame = segment(0xC0, struct.pack(">BHHB", 8, size[1], size[0], 1) + b"\1\x11\0")
    return b"\xff\xd8" + b"".join(segments) + frame + segment(0xDA, b"\1\1\0\0\x3f\0") + b"image" * 20 + b"\xff\xd9"


def exif_segment(tags: dict[int, object], order: str = "<") -> bytes:
    """APP1 with Exif."""
    return segment(0xE1, b"Exif\0\0" + tiff(tags, order))


def xmp_segment(packet: bytes) -> bytes:
    """APP1 with XMP."""
    return segment(0xE1, XMP_PREFIX + packet)


_NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "HDRGainMap": "http://ns.apple.com/HDRGainMap/1.0/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
}


def xmp(attributes: str = "", elements: str = "") -> bytes:
    """An XMP packet with one ``rdf:Description``; customary prefixes are declared."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


# PNG and RIFF -------------------------------------------------------------------------------------------------------


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """``length kind body crc``."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, size: tuple[int, int] = (3, 2)) -> bytes:
    """A PNG with these chunks before its image."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    image = png_chunk(b"IDAT", zlib.compress(b"\0" * (size[0] + 1) * size[1]))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + image + png_chunk(b"IEND", b"")


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


# Boxes --------------------------------------------------------------------------------------------------------------


def box(kind: bytes, *bodies: bytes) -> bytes:
    """``length kind body``."""
    body = b"".join(bodies)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *bodies: bytes, version: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, bytes([version, 0, 0, 0]), *bodies)


def mvhd(created: int, version: int = 0, scale: int = 1000, duration: int = 0) -> bytes:
    """A movie header."""
    form = ">QQIQ" if version else ">IIII"
    return full(b"mvhd", struct.pack(form, created, created, scale, duration), b"\0" * 80, version=version)


def movie(*boxes: bytes, brand: bytes = b"isom") -> bytes:
    """A movie with these boxes in ``moov``, which comes after 100 kB of media."""
    return box(b"ftyp", brand + b"\0\0\0\0") + box(b"mdat", b"\0" * 100_000) + box(b"moov", *boxes)


def trak(
    width: int,
    height: int,
    matrix: tuple[int, ...] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
    handler: bytes = b"vide",
    version: int = 0,
) -> bytes:
    """A track."""
    fixed = [number * (1 << 30 if index % 3 == 2 else 1 << 16) for index, number in enumerate(matrix)]
    times = b"\0" * (48 if version else 36)
    tkhd = full(b"tkhd", times, struct.pack(">9iII", *fixed, width << 16, height << 16), version=version)
    return box(b"trak", tkhd, box(b"mdia", full(b"hdlr", b"\0" * 4, handler, b"\0" * 12)))


def keys(values: dict[str, str]) -> bytes:
    """QuickTime's ``meta`` with ``keys`` and ``ilst``."""
    names = b"".join(struct.pack(">I4s", len(name) + 8, b"mdta") + name.encode() for name in values)
    rows = [
        box(struct.pack(">I", number), box(b"data", struct.pack(">II", 1, 0), text.encode()))
        for number, text in enumerate(values.values(), 1)
    ]
    hdlr = full(b"hdlr", b"\0" * 4, b"mdta", b"\0" * 13)
    return box(b"meta", hdlr, full(b"keys", struct.pack(">I", len(values)), names), box(b"ilst", *rows))


def heif(
    items: list[tuple[bytes, bytes]],
    properties: list[bytes] | None = None,
    describes: dict[int, int] | None = None,
    brand: bytes = b"heic",
) -> bytes:
    """A HEIF file: items (type, bytes) numbered from 1, of which 1 is the picture and has all the properties."""
    properties = properties or []
    infes = [full(b"infe", struct.pack(">HH4s", n, 0, kind), b"\0", version=2) for n, (kind, _) in enumerate(items, 1)]
    iinf = full(b"iinf", struct.pack(">H", len(items)), *infes)
    ipma = full(b"ipma", struct.pack(">IHB", 1, 1, len(properties)), bytes(range(1, len(properties) + 1)))
    refs = [box(b"cdsc", struct.pack(">HHH", one, 1, other)) for one, other in (describes or {}).items()]

    def front(at: int) -> bytes:
        rows = b""
        for number, (_, data) in enumerate(items, 1):
            rows += struct.pack(">HHHII", number, 0, 1, at, len(data))
            at += len(data)
        iloc = full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), rows)
        parts = [full(b"pitm", struct.pack(">H", 1)), iinf, iloc, full(b"iref", *refs)]
        meta = full(b"meta", *parts, box(b"iprp", box(b"ipco", *properties), ipma))
        return box(b"ftyp", brand, b"\0\0\0\0mif1", brand) + meta

    start = len(front(0)) + 8
    return front(start) + box(b"mdat", *(data for _, data in items))


def ispe(width: int, height: int) -> bytes:
    """The size of an item."""
    return full(b"ispe", struct.pack(">II", width, height))


def exif_item(tags: dict[int, object]) -> tuple[bytes, bytes]:
    """Exif as an item of a HEIF file."""
    return b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + tiff(tags)
