"""What host and child say to each other, in ``frames``.

The host sends ``look``, ``view`` and ``preview`` (the open files travel beside them as SCM_RIGHTS), ``pack``, ``unpack``
and, where files cannot travel, ``range``; the child first says which layers protect it, then gives one answer for each file or
picture, in order, or asks for a range.

Guarantee: the host believes nothing.  An answer that is too long, is not JSON, or has a value that no child of ours gives
is a ``ProtocolError``, and the child that sent it is ended.  Not guaranteed: that the facts or pixels in a well-formed
answer are true; a child that a photo has taken over can lie about the files it is given.  Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.children.frames import BODY_MAX, ProtocolError
from photovault.facts import NOTHING, Facts, from_map

if TYPE_CHECKING:
    from photovault.children.frames import Frame

FILES_MAX: Final = 64
"""Files in one frame: the kernel takes 253 descriptors at once, and a child holds them all until it has answered."""

THUMBNAIL_MAX: Final = 4 << 20
PREVIEW_MAX: Final = 16 << 20
WHY_MAX: Final = 256
_SIDE_MAX: Final = 1 << 24  # pixels; the most that a picture of 200 megapixels can be wide is more than any camera's
NO_MEMORY: Final = "it needs too much memory to decode"
EXTRAS: Final = {"jxl": "imagecodecs", "raw": "rawpy", "video": "av"}
"""The extras of this package that thumbnails of some files need, and the library of each."""

LACKS: Final = ("", *EXTRAS)
Box = tuple[float, float, float, float]
"""A piece of a picture: left, top, width and height as fractions of the whole upright one."""


class Looked(NamedTuple):
    """What a child found.

    Attributes:
        facts: what the file says; ``phash``, and that its pixels are ``broken``, only where a thumbnail was asked for.
        thumbnail: WebP of 480 to 512 pixels on its longer side (less only if the picture has less), or empty.
        thumbnail_seconds: CPU time that decoding and encoding took.
        why: why there is no answer, or no thumbnail, though the file may be good; empty if there is nothing to say.
        lacks: the one of ``EXTRAS`` that is not installed and without which there is no thumbnail; empty if none is missing.
    """

    facts: Facts = NOTHING
    thumbnail: bytes = b""
    thumbnail_seconds: float = 0.0
    why: str = ""
    lacks: str = ""


class Viewed(NamedTuple):
    """A picture as it is to be seen.

    Attributes:
        width, height: of what is here; 0 if there is no picture.
        pixels: upright, RGB, sRGB, eight bits, row by row: 3 * width * height bytes.
        full_width, full_height: of the whole picture, upright, in pixels; of a RAW file what its camera shows of it.
        facts: what the file says; ``broken`` if it does not decode.
        why: why there is no picture, though the file may be good; empty if there is one, if the file is broken, or if it
            is a video or no picture at all.
    """

    width: int = 0
    height: int = 0
    pixels: bytes = b""
    full_width: int = 0
    full_height: int = 0
    facts: Facts = NOTHING
    why: str = ""


class Previewed(NamedTuple):
    """A picture as it is to be shown by a browser.

    Attributes:
        webp: upright, sRGB, without metadata; empty if there is no picture.
        facts: what the file says; ``broken`` if it does not decode.
        why: why there is no picture, though the file may be good; empty if there is one, if the file is broken, or if it is
            no picture at all.
        lacks: the one of ``EXTRAS`` that is not installed and without which there is no picture; empty if none is missing.
    """

    webp: bytes = b""
    facts: Facts = NOTHING
    why: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost.

    Attributes:
        memory: bytes by which a child may grow while it looks at a file.
        seconds: wall time for a file, and nearly the CPU time too.
        pixels: larger pictures are not decoded.
        pack_memory, pack_seconds, pack_pixels: the same for packing a JPEG and unpacking it.
    """

    memory: int = 1 << 30
    seconds: float = 20.0
    pixels: int = 200_000_000
    pack_memory: int = 2 << 30
    pack_seconds: float = 90.0
    pack_pixels: int = 30_000_000


def looked(answer: Frame) -> Looked:
    """The answer for one file that was looked at.

    Raises:
        ProtocolError: it is none.
    """
    facts, why = _told(answer)
    seconds = answer.head.get("seconds")
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise ProtocolError
    webp, lacks = _shown(answer)
    return Looked(facts, webp, float(seconds), why, lacks)


def previewed(answer: Frame) -> Previewed:
    """The answer for one file that was to be shown.

    Raises:
        ProtocolError: it is none.
    """
    facts, why = _told(answer)
    webp, lacks = _shown(answer)
    return Previewed(webp, facts, why, lacks)


def viewed(answer: Frame, edge: int) -> Viewed:
    """The answer for one file that was to be seen, at most ``edge`` pixels wide and high.

    Raises:
        ProtocolError: it is none.
    """
    facts, why = _told(answer)
    match answer.head.get("size"):
        case [0, 0, 0, 0] if not answer.body:
            return Viewed(facts=facts, why=why)
        case [int(width), int(height), int(full_width), int(full_height)] if (
            0 < width <= edge
            and 0 < height <= edge
            and width <= full_width <= _SIDE_MAX
            and height <= full_height <= _SIDE_MAX
            and len(answer.body) == 3 * width * height
        ):
            return Viewed(width, height, bytes(answer.body), full_width, full_height, facts, why)
        case _:
            raise ProtocolError


def _told(answer: Frame) -> tuple[Facts, str]:
    """Facts, and a reason."""
    try:
        facts, why = from_map(answer.head["facts"]), answer.head["why"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ProtocolError from problem
    if not isinstance(why, str) or len(why) > WHY_MAX:
        raise ProtocolError
    # The part id of a thumbnail is given by the vault, never by a child.
    return (replace(facts, thumbnail=b"") if facts.thumbnail else facts), why


def _shown(answer: Frame) -> tuple[bytes, str]:
    """A picture, or nothing, and the extra that it lacks."""
    lacks = answer.head.get("lacks")
    if (answer.body and not is_webp(answer.body)) or lacks not in LACKS:
        raise ProtocolError
    return bytes(answer.body), lacks


def is_webp(data: bytes | bytearray) -> bool:
    """By its first bytes: what is shown as a picture must not be a page or a program."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def wanted(question: Frame, size: int) -> tuple[int, int]:
    """The (offset, length) of the range that a child asks for, within a file of ``size`` bytes.

    Raises:
        ProtocolError: it asks for none, or for too much at once.
    """
    match question.head.get("read"):
        case [int(offset), int(length)] if offset >= 0 and 0 <= length <= BODY_MAX:
            return min(offset, size), min(length, max(0, size - offset))
        case _:
            raise ProtocolError
