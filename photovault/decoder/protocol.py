"""What host and child say to each other: frames of JSON and bytes.

A frame is two 32-bit lengths (big-endian), a JSON object of the first length and bytes of the second.  The host sends
``look`` (the open files travel beside it as SCM_RIGHTS), ``pack``, ``unpack`` and, where files cannot travel, ``range``;
the child first says which layers protect it, then gives one answer for each file or picture, in order, or asks
for a range.

Guarantee: the host believes nothing.  An answer that is too long, is not JSON, or has a value that no child of ours gives
is a ``ProtocolError``, and the child that sent it is ended.  Not guaranteed: that the facts in a well-formed answer are
true; a child that a photo has taken over can lie about the files it is given.  Pure.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from photovault.facts import NOTHING, Facts, from_map

Read = Callable[[int], bytes | bytearray]
"""``read(n)`` gives exactly ``n`` bytes, or raises EOFError."""

FILES_MAX: Final = 64
"""Files in one frame: the kernel takes 253 descriptors at once, and a child holds them all until it has answered."""

THUMBNAIL_MAX: Final = 4 << 20
HEAD_MAX: Final = 8 << 20  # every text and keyword of a Facts at its longest, escaped
BODY_MAX: Final = 1 << 30
WHY_MAX: Final = 256
NO_MEMORY: Final = "it needs too much memory to decode"
EXTRAS: Final = {"jxl": "imagecodecs", "raw": "rawpy", "video": "av"}
"""The extras of this package that thumbnails of some files need, and the library of each."""

LACKS: Final = ("", *EXTRAS)
_LENGTHS: Final = struct.Struct(">II")


class ProtocolError(ValueError):
    """The other side said something that it never says."""


class Looked(NamedTuple):
    """What a child found.

    Attributes:
        facts: what the file says; ``phash`` and ``broken`` only where a thumbnail was asked for.
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


class Frame(NamedTuple):
    """One message: its JSON object, and bytes."""

    head: dict[str, Any]
    body: bytes | bytearray


def frame(head: dict[str, Any], length: int = 0) -> bytes:
    """The start of a frame whose body has ``length`` bytes; the body follows."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), length) + text


def read_frame(read: Read, *, head_max: int = HEAD_MAX, body_max: int = BODY_MAX) -> Frame:
    """The next frame; nothing longer than allowed is read or kept.

    Raises:
        EOFError: the other side is gone.
        ProtocolError: this is no frame.
    """
    head_length, body_length = _LENGTHS.unpack(read(_LENGTHS.size))
    if head_length > head_max or body_length > body_max:
        raise ProtocolError
    try:
        head = json.loads(read(head_length))
    except (ValueError, RecursionError) as problem:
        raise ProtocolError from problem
    if not isinstance(head, dict):
        raise ProtocolError
    return Frame(head, read(body_length) if body_length else b"")


def looked(answer: Frame) -> Looked:
    """The answer for one file.

    Raises:
        ProtocolError: it is none.
    """
    try:
        facts = from_map(answer.head["facts"])
        seconds, why, lacks = answer.head["seconds"], answer.head["why"], answer.head["lacks"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ProtocolError from problem
    number = isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0
    if not number or not isinstance(why, str) or len(why) > WHY_MAX or not _is_webp(answer.body) or lacks not in LACKS:
        raise ProtocolError
    # The part id of a thumbnail is given by the vault, never by a child.
    facts = replace(facts, thumbnail=b"") if facts.thumbnail else facts
    return Looked(facts, bytes(answer.body), float(seconds), why, lacks)


def _is_webp(body: bytes | bytearray) -> bool:
    """By its first bytes: what is shown as a picture must not be a page or a program."""
    return not body or (body[:4] == b"RIFF" and body[8:12] == b"WEBP")


def protection(hello: Frame) -> tuple[str, ...]:
    """The layers of the sandbox that a child's first frame names.

    Raises:
        ProtocolError: it names none.
    """
    names = hello.head.get("protection")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProtocolError
    return tuple(names)


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
