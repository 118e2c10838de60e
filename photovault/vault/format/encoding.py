"""Section 2: canonical JSON, and strict readers for what stands in it."""

from __future__ import annotations

import json
import re
from typing import Any

from photovault.errors import DamageError, UnknownVersionError

VERSION = 1
FIRST_EPOCH = 1
HEX = "[0-9a-f]"
EPOCH_MAX = 2**32 - 1  # sealed objects name their epoch in 32 bits
Json = dict[str, Any]
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only: one value has one encoding."""
    return ENCODER.encode(value).encode()


def read_canonical(data: bytes, what: str) -> Json:
    """The object that ``data`` encodes; DamageError unless it is exactly its canonical encoding."""
    try:
        value = json.loads(data)
        if isinstance(value, dict) and canonical(value) == data:
            return value
    except (ValueError, RecursionError):
        pass
    raise DamageError(f"{what} is damaged")


def check_keys(value: Json, required: frozenset[str], what: str, optional: frozenset[str] = frozenset()) -> None:
    """DamageError unless ``value`` has the required keys and no unknown one."""
    if not required <= value.keys() <= required | optional:
        raise DamageError(f"{what} has fields missing or unknown to this version")


def read_version(value: Json, what: str) -> None:
    """Refuse a later version: UnknownVersionError; or none: DamageError."""
    version = value.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise DamageError(f"{what} names no version")
    if version != VERSION:
        raise UnknownVersionError(
            f"{what} has format version {version}; this photovault reads version {VERSION}",
            "install a newer photovault",
        )


def read_hex(value: Json, key: str, size: int, what: str) -> bytes:
    """``size`` bytes of lower-case hexadecimal under ``key``; DamageError for anything else."""
    text = value[key]
    if not isinstance(text, str) or re.fullmatch(rf"{HEX}{{{2 * size}}}", text) is None:
        raise DamageError(f"{what}: {key} is not {size} bytes of hexadecimal")
    return bytes.fromhex(text)


_HEX_TEXT = re.compile(rf"(?:{HEX}{{2}})*")


def read_bytes(text: object, size: int | None = None) -> bytes:
    """Bytes from lower-case hexadecimal; ValueError for anything else, or another number of bytes."""
    if not isinstance(text, str) or _HEX_TEXT.fullmatch(text) is None or (size is not None and len(text) != 2 * size):
        raise ValueError
    return bytes.fromhex(text)


def read_whole(number: object, low: int, high: int) -> int:
    """A whole number; ValueError for anything else, or one outside ``low`` to ``high``."""
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise ValueError
    return number


def read_text(text: object) -> str:
    """Text; ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError  # noqa: TRY004 - one kind of error for one kind of trouble: not what a writer makes
    return text


def read_list(value: object) -> list[Any]:
    """A list; ValueError for anything else."""
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 - as above
    return value


def read_natural(value: Json, key: str, what: str) -> int:
    """A whole number from 0 under ``key``; DamageError for anything else."""
    number = value[key]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise DamageError(f"{what}: {key} is not a whole number")
    return number


def shown(raw: bytes) -> str:
    """A raw name for people and patterns: what is no printable text stands as escapes that cannot steer a terminal."""
    text = raw.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def name_text(raw: bytes) -> str:
    """A raw name as text: bytes that are no UTF-8 stand as U+DC80 to U+DCFF."""
    return raw.decode("utf-8", "surrogateescape")


def name_bytes(text: str) -> bytes:
    """The raw name of a text; ValueError when it does not come back the same."""
    raw = text.encode("utf-8", "surrogateescape")
    if name_text(raw) != text:
        raise ValueError
    return raw


def read_digests(values: object) -> tuple[bytes, ...]:
    """A list of 32-byte digests in hexadecimal; ValueError for anything else."""
    return tuple(read_bytes(value, 32) for value in read_list(values))
