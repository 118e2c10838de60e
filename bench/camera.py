"""One photo or video as a camera writes it, made from a seed.

A JPEG is SOI | APP1 (EXIF: camera, date, place, maker note, thumbnail) | DQT | SOF0 | DHT | SOS | coded data | EOI. The
coded data is noise that no tool can compress. Every byte FF in it is followed by 00, as the standard wants, and nearly
every bit string is a valid Huffman code under the tables used here, so that a decoder works as hard as on a real photo
(it sees noise). The number of pixels follows from the number of bytes for the same reason.
A video is ftyp | moov (mvhd only) | mdat.

Guarantee: the same seed gives the same bytes (on one version of Python), and no two takes of noise share a long run.
Not guaranteed: that such a video plays.

Formats: ITU-T T.81 (JPEG), CIPA DC-008 (Exif 2.32), ISO/IEC 14496-12 (MP4).
"""

# ruff: noqa: S311 -- the noise guards nothing and must be the same for the same seed

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

_POOL_BYTES = 24_000_000
_BYTES_PER_BLOCK = 14.3  # coded bytes that 8x8 samples use up under the tables below, measured with libjpeg
_APP1_MOST = 65_533
_MP4_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)
_EXIF = b"Exif\0\0"
_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
_DESCRIPTION, _RATING = 0x010E, 0x4746


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What the camera notes about one photo. Latitude and longitude are in degrees, north and east positive."""

    taken: datetime
    make: str
    model: str
    latitude: float
    longitude: float


class Noise:
    """Incompressible bytes that are legal inside JPEG coded data: no marker occurs in them.

    Each take renames the bytes of a slice of one random pool, by a fresh permutation that keeps 00 and FF (1 GB/s).
    Two takes have no long run in common, so that no tool finds duplicates that a real library would not have.
    """

    def __init__(self, seed: int) -> None:
        """Draw the pool from `seed`."""
        self._pool = Random(seed).randbytes(_POOL_BYTES).replace(b"\xff", b"\xff\0")

    def take(self, rng: Random, size: int) -> bytes:
        """Return `size` bytes, `size` at most 24 MB."""
        names = list(range(1, 255))
        rng.shuffle(names)
        start = rng.randrange(len(self._pool) - size)
        piece = self._pool[start : start + size].translate(bytes([0, *names, 255]))
        return piece[:-1] + b"\0" if piece.endswith(b"\xff") else piece


def jpeg(shot: Shot, noise: Noise, rng: Random, size: int) -> bytes:
    """Return a JPEG of about `size` bytes."""
    thumbnail = _image(160, 120, noise.take(rng, rng.randrange(5_000, 12_000)))
    metadata = _app1(_tiff(shot, noise.take(rng, rng.randrange(2_000, 18_000)), thumbnail))
    coded = noise.take(rng, max(1_000, size - len(metadata)))
    width, height = _pixels(len(coded))
    image = _image(width, height, coded)
    return image[:2] + metadata + image[2:]


def mp4(taken: datetime, noise: Noise, rng: Random, size: int) -> bytes:
    """Return a video file of about `size` bytes."""
    seconds = int((taken - _MP4_EPOCH).total_seconds())
    header = struct.pack(">4x4I", seconds, seconds, 1_000, size // 2_000) + struct.pack(">IH10x", 0x10000, 0x100)
    matrix = struct.pack(">9I24xI", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000, 2)
    pieces = [noise.take(rng, min(8_000_000, size - at)) for at in range(0, size, 8_000_000)]
    brand = _box(b"ftyp", b"isom\0\0\2\0isommp42")
    return brand + _box(b"moov", _box(b"mvhd", header + matrix)) + _box(b"mdat", *pieces)


def edited(photo: bytes, *, rating: int, description: str) -> bytes:
    """Return the JPEG with another rating and description in its EXIF; nothing else in it changes.

    The first directory is written anew at the end of the EXIF block, so every offset in the block (maker notes too)
    stays true and all that follows the block moves.

    Raises:
        ValueError: not a JPEG, or its EXIF is damaged or leaves no room.

    """
    start, end = _exif_span(photo)
    block = photo[start + 10 : end] or b"II*\0\x08\0\0\0" + bytes(6)
    try:
        return photo[:start] + _app1(_with_fields(block, rating, description)) + photo[end:]
    except struct.error as error:
        message = "the EXIF block is damaged"
        raise ValueError(message) from error


def _with_fields(tiff: bytes, rating: int, description: str) -> bytes:
    """Return the TIFF block with a new first directory at its end."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        message = "the EXIF block has no TIFF header"
        raise ValueError(message)
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, at)
    rows = [struct.unpack_from(order + "HHI4s", tiff, at + 2 + 12 * row) for row in range(count)]
    following = struct.unpack_from(order + "I", tiff, at + 2 + 12 * count)[0]
    kept = [row for row in rows if row[0] not in {_DESCRIPTION, _RATING}]
    text = description.encode().ljust(4) + b"\0"  # four bytes or fewer would have to stand in the row itself
    body = tiff + bytes(len(tiff) % 2)
    kept.append((_DESCRIPTION, _ASCII, len(text), struct.pack(order + "I", len(body))))
    kept.append((_RATING, _SHORT, 1, struct.pack(order + "H2x", rating)))
    body += text + bytes(len(text) % 2)
    packed = [struct.pack(order + "HHI4s", *row) for row in sorted(kept)]
    directory = struct.pack(order + "H", len(packed)) + b"".join(packed) + struct.pack(order + "I", following)
    return body[:4] + struct.pack(order + "I", len(body)) + body[8:] + directory


def _exif_span(photo: bytes) -> tuple[int, int]:
    """Return where the EXIF segment begins and ends, or an empty span after SOI if there is none."""
    if photo[:2] != b"\xff\xd8":
        message = "not a JPEG"
        raise ValueError(message)
    at = 2
    while photo[at : at + 1] == b"\xff" and 0xE0 <= photo[at + 1] <= 0xEF:  # noqa: PLR2004 -- APP0 to APP15
        end = at + 2 + int.from_bytes(photo[at + 2 : at + 4], "big")
        if photo[at + 1] == 0xE1 and photo[at + 4 : at + 10] == _EXIF:  # noqa: PLR2004 -- APP1
            return at, end
        at = end
    return 2, 2


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _app1(tiff: bytes) -> bytes:
    if len(_EXIF) + len(tiff) > _APP1_MOST:
        message = "the EXIF block has no room left"
        raise ValueError(message)
    return _segment(0xE1, _EXIF + tiff)


def _image(width: int, height: int, coded: bytes) -> bytes:
    """Return a baseline JPEG, 4:2:0, without metadata."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    scan = bytes([3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0])
    quantisation = b"".join(bytes([table]) + bytes(range(2, 66)) for table in (0, 1))
    head = _segment(0xDB, quantisation) + _segment(0xC0, frame) + _segment(0xC4, _huffman()) + _segment(0xDA, scan)
    return b"\xff\xd8" + head + coded + b"\xff\xd9"


def _huffman() -> bytes:
    """Return tables of nearly equal code lengths: they leave only the all-ones code unused, which T.81 forbids."""
    steady = bytes([0, 0, 3, 9, *bytes(12), *range(12)])
    waves = [0x00, 0xF0, *(run << 4 | bits for run in range(16) for bits in range(1, 11))]
    varying = bytes([0, 0, 0, 0, 0, 0, 93, 69, *bytes(8), *waves])
    return b"".join(bytes([kind << 4 | table]) + (varying if kind else steady) for table in (0, 1) for kind in (0, 1))


def _pixels(coded: int) -> tuple[int, int]:
    """Return the width and height, 4:3, whose blocks use up `coded` bytes."""
    area = coded / _BYTES_PER_BLOCK / 1.5 * 64
    height = max(16, int((area * 3 / 4) ** 0.5) // 16 * 16)
    return height * 4 // 3 // 16 * 16, height


def _tiff(shot: Shot, maker_note: bytes, thumbnail: bytes) -> bytes:
    """Return the EXIF block: first directory, EXIF, GPS, thumbnail directory, thumbnail."""
    date = shot.taken.strftime("%Y:%m:%d %H:%M:%S")
    camera = [_ascii(0x10F, shot.make), _ascii(0x110, shot.model), _short(0x112, 1), _ascii(0x132, date)]
    details = [_ascii(0x9003, date), (0x927C, _UNDEFINED, len(maker_note), maker_note)]
    place = _place(shot)
    small = [_short(0x103, 6), _long(0x201, 0), _long(0x202, len(thumbnail))]
    details_at = 8 + _directory_size([*camera, _long(0x8769, 0), _long(0x8825, 0)])
    place_at = details_at + _directory_size(details)
    small_at = place_at + _directory_size(place)
    small[1] = _long(0x201, small_at + _directory_size(small))
    first = _directory(8, [*camera, _long(0x8769, details_at), _long(0x8825, place_at)], small_at)
    rest = _directory(details_at, details) + _directory(place_at, place) + _directory(small_at, small)
    return b"II*\0\x08\0\0\0" + first + rest + thumbnail


_Field = tuple[int, int, int, bytes]
"""Tag, type, count, value."""


def _directory(at: int, fields: list[_Field], following: int = 0) -> bytes:
    """Return a TIFF directory that stands at offset `at`, then the values that do not fit in it."""
    rows, heap = b"", b""
    heap_at = at + 6 + 12 * len(fields)
    for tag, kind, count, value in fields:
        inline = len(value) <= 4  # noqa: PLR2004 -- the size of the value field in TIFF
        stored = value if inline else struct.pack("<I", heap_at + len(heap))
        rows += struct.pack("<HHI4s", tag, kind, count, stored)
        heap += b"" if inline else value + bytes(len(value) % 2)
    return struct.pack("<H", len(fields)) + rows + struct.pack("<I", following) + heap


def _directory_size(fields: list[_Field]) -> int:
    return len(_directory(0, fields))


def _place(shot: Shot) -> list[_Field]:
    north, east = ("N" if shot.latitude >= 0 else "S"), ("E" if shot.longitude >= 0 else "W")
    return [
        _ascii(1, north),
        (2, _RATIONAL, 3, _degrees(shot.latitude)),
        _ascii(3, east),
        (4, _RATIONAL, 3, _degrees(shot.longitude)),
    ]


def _degrees(value: float) -> bytes:
    """Return degrees, minutes and seconds as three rationals."""
    hundredths = round(abs(value) * 360_000)
    return struct.pack("<6I", hundredths // 360_000, 1, hundredths // 6_000 % 60, 1, hundredths % 6_000, 100)


def _ascii(tag: int, text: str) -> _Field:
    return tag, _ASCII, len(text) + 1, text.encode("ascii") + b"\0"


def _short(tag: int, value: int) -> _Field:
    return tag, _SHORT, 1, struct.pack("<H", value)


def _long(tag: int, value: int) -> _Field:
    return tag, _LONG, 1, struct.pack("<I", value)


def _box(kind: bytes, *body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, body)), kind) + b"".join(body)
