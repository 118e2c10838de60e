"""What parent and child say to each other: frames of JSON and bytes.

A frame is two 32-bit lengths (big-endian), a JSON object of the first length and bytes of the second.

Guarantee: nothing longer than allowed is read or kept; what is no frame is a ``ProtocolError``.  Pure.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

Read = Callable[[int], bytes | bytearray]
"""``read(n)`` gives exactly ``n`` bytes, or raises EOFError."""

HEAD_MAX: Final = 8 << 20
BODY_MAX: Final = 1 << 30
_LENGTHS: Final = struct.Struct(">II")


class ProtocolError(ValueError):
    """The other side said something that it never says."""


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


def protection(hello: Frame) -> tuple[str, ...]:
    """The layers of the sandbox that a child's first frame names.

    Raises:
        ProtocolError: it names none.
    """
    names = hello.head.get("protection")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProtocolError
    return tuple(names)
