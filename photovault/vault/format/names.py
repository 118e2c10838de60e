"""Section 1: objects and their names."""

from __future__ import annotations

import re
from enum import IntEnum

from photovault.vault.format.encoding import HEX

HEADER_NAME = "vault.json"
RECOVERY_NAMES = ("RECOVER.txt", "recover.py", "FORMAT.md")
_NAME = re.compile(
    rf"vault\.json|RECOVER\.txt|recover\.py|FORMAT\.md|keys/{HEX}{{32}}"
    rf"|packs/(?P<fan>{HEX}{{2}})/(?P=fan){HEX}{{62}}|(?:parity|index|snapshots|retention)/{HEX}{{64}}"
)


class ObjectKind(IntEnum):
    """What a sealed object is."""

    PACK = 1
    INDEX = 2
    SNAPSHOT = 3
    RETENTION = 4
    PARITY = 5


class PartKind(IntEnum):
    """What a part is.  5, 7 and 9 are skipped: vectors of earlier readers say that they do not know them."""

    CONTENT = 1
    LISTING = 2
    INDEX = 3
    SNAPSHOT = 4
    THUMBNAIL = 6
    RETENTION = 8
    PARITY_MAP = 10
    PARITY = 11


class Codec(IntEnum):
    """How a part is encoded before it is sealed.  2 is skipped, as kind 5 is.

    ``JXL`` begins a group, each ``JXL_MORE`` after it goes on with it: the encoded bytes of all of them are one JPEG XL file.
    """

    PLAIN = 0
    ZLIB = 1
    JXL = 3
    JXL_MORE = 4


GROUPED = frozenset({Codec.JXL, Codec.JXL_MORE})
"""Codecs of parts that decode only together."""

PARTS_OF = {
    ObjectKind.PACK: frozenset({PartKind.CONTENT, PartKind.LISTING, PartKind.THUMBNAIL}),
    ObjectKind.INDEX: frozenset({PartKind.INDEX}),
    ObjectKind.SNAPSHOT: frozenset({PartKind.SNAPSHOT}),
    ObjectKind.RETENTION: frozenset({PartKind.RETENTION}),
    ObjectKind.PARITY: frozenset({PartKind.PARITY_MAP, PartKind.PARITY}),
}
PREFIX_OF = {  # in the order in which they are written
    ObjectKind.PACK: "packs/",
    ObjectKind.PARITY: "parity/",
    ObjectKind.INDEX: "index/",
    ObjectKind.SNAPSHOT: "snapshots/",
    ObjectKind.RETENTION: "retention/",
}


def object_name(kind: ObjectKind, digest: bytes) -> str:
    """Where an object with this SHA-256 is stored."""
    fan = f"{digest[:1].hex()}/" if kind is ObjectKind.PACK else ""
    return f"{PREFIX_OF[kind]}{fan}{digest.hex()}"


def is_name(name: str) -> bool:
    """Whether a vault may hold an object of this name."""
    return _NAME.fullmatch(name) is not None


def write_order(name: str) -> int:
    """The rank of an object: what has a lower one must be durable before it.  The header comes last: it means a vault."""
    if name == HEADER_NAME:
        return len(PREFIX_OF) + 1
    ranks = (rank for rank, prefix in enumerate(PREFIX_OF.values(), 1) if name.startswith(prefix))
    return next(ranks, 0)


def digest_of(name: str) -> bytes:
    """The SHA-256 that a sealed object's name promises."""
    return bytes.fromhex(name.rpartition("/")[2])
