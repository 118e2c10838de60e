"""What is known of a photo or video: a frozen value, and the JSON map that listings keep of it.

Every number is whole (times in milliseconds, places in ten-millionths of a degree), so that one value has one encoding
everywhere.  ``to_map`` leaves out what is not known; ``from_map`` takes a map of any later version: keys that it does not
know are passed over, but a known key with an impossible value is an error.  Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TEXT_MAX = 4096  # characters of one text; the readers cut, so that an entry fits into a page of a listing
_WORDS_MAX = 256
_DEGREE: Final = 10_000_000
_COUNT_MAX = 2**63 - 1
_ID = 32

PHOTO_KINDS: Final = frozenset(("jpeg", "heic", "avif", "png", "webp", "tiff", "gif", "jxl", "bmp"))
RAW_KINDS: Final = frozenset(("cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2", "pef", "srw"))
VIDEO_KINDS: Final = frozenset(("mp4", "mov"))
SIDECAR_KINDS: Final = frozenset(("xmp", "aae", "takeout"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts of one file, as they were read from it.

    Attributes:
        kind: format by content: one of ``PHOTO_KINDS``, ``RAW_KINDS``, ``VIDEO_KINDS`` or ``SIDECAR_KINDS``; empty when
            unknown.
        taken: date taken, ISO 8601 local time, with its offset and sub-seconds when known.
        taken_source: exif, xmp, iptc, quicktime, png (a text in it), takeout, gps (the satellites' clock), name.
        taken_confidence: high (the camera's original date), medium (a date that programs change too), low (a name, or
            only the satellites' clock).
        width, height: pixels as stored, before ``orientation``.
        orientation: how to turn those pixels upright, as Exif numbers it, 1 to 8; of HEIC, AVIF, JPEG XL and videos it is
            the container's own, which decoders apply by themselves.
        make, model, lens: of the camera.
        latitude, longitude: WGS 84, in 1e-7 degrees.
        altitude: millimetres above sea level.
        duration: milliseconds of a video.
        rating: 0 to 5; -1 for rejected.
        title, description: texts that somebody gave it.
        keywords: sorted, each once.
        content_id: Apple's content identifier, the same in the photo and the video of a Live Photo.
        burst_id: the same in all photos of a burst.
        motion: bytes of the video at the end of a Motion Photo.
        gain_map: whether it carries a gain map (Ultra HDR).
        thumbnail: part id (32 bytes) of its thumbnail, or empty.
        phash: perceptual hash of the picture, 64 bits, for finding near duplicates.
        broken: why it does not decode, or is no picture or video though its name says so; empty when nothing is known
            against it.
        suspect: why its bytes are in doubt though it may decode: they changed and the file's times did not; empty when
            nothing is.
    """

    kind: str = ""
    taken: str | None = None
    taken_source: str | None = None
    taken_confidence: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    latitude: int | None = None
    longitude: int | None = None
    altitude: int | None = None
    duration: int | None = None
    rating: int | None = None
    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    content_id: str | None = None
    burst_id: str | None = None
    motion: int | None = None
    gain_map: bool = False
    thumbnail: bytes = b""
    phash: int | None = None
    broken: str = ""
    suspect: str = ""


NOTHING: Final = Facts()
"""Nothing is known."""


def to_map(facts: Facts) -> dict[str, Any]:
    """The JSON map of ``facts``: known ones only, in the order of their names."""
    found: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(facts, name)
        if value is None or value == _DEFAULTS[name]:
            continue
        match value:
            case bytes():
                found[name] = value.hex()
            case tuple():
                found[name] = list(value)
            case _:
                found[name] = value
    return found


def from_map(found: Mapping[str, Any]) -> Facts:
    """The facts of a JSON map.

    Raises:
        ValueError: a fact has a value that no writer gives it.
    """
    if not isinstance(found, dict):
        raise ValueError  # noqa: TRY004 - one kind of error for one kind of trouble: not what a writer makes
    if not found:
        return NOTHING
    return Facts(**{name: _READERS[name](value) for name, value in found.items() if name in _READERS})


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_MAX:
        raise ValueError
    return value


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError
        return value

    return read


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _WORDS_MAX:
        raise ValueError
    return tuple(map(_text, value))


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError
    return True


def _id(value: object) -> bytes:
    part = bytes.fromhex(_text(value))
    if len(part) != _ID or part.hex() != value:
        raise ValueError
    return part


_NAMES: Final = tuple(sorted(one.name for one in fields(Facts)))
_DEFAULTS: Final = {one.name: one.default for one in fields(Facts)}
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        ("kind", "taken", "taken_source", "taken_confidence", "make", "model", "lens", "title", "description"), _text
    ),
    **dict.fromkeys(("content_id", "burst_id", "broken", "suspect"), _text),
    **dict.fromkeys(("width", "height", "duration", "motion"), _whole(0, _COUNT_MAX)),
    "orientation": _whole(1, 8),
    "latitude": _whole(-90 * _DEGREE, 90 * _DEGREE),
    "longitude": _whole(-180 * _DEGREE, 180 * _DEGREE),
    "altitude": _whole(-_COUNT_MAX, _COUNT_MAX),
    "rating": _whole(-1, 5),
    "keywords": _words,
    "gain_map": _true,
    "thumbnail": _id,
    "phash": _whole(0, 2**64 - 1),
}
