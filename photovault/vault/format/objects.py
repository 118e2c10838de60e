"""Section 5: sealed objects."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from photovault.errors import DamageError, UnknownVersionError
from photovault.vault.format.encoding import VERSION
from photovault.vault.format.names import GROUPED, PARTS_OF, Codec, ObjectKind, PartKind

if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC = b"PVSEAL"
SIZE_MIN = 16 * 1024
SIZE_MAX = 16 * 1024 * 1024
PART_MAX = 4 * 1024 * 1024
GROUP_MAX = 32 * 1024 * 1024  # plaintext of a group, with what is skipped: bounds what decoding one takes
SKIP_MAX = 2**16 - 1
TAG = 16
PREAMBLE = struct.Struct("<6sBBII32s32s")  # magic, version, object kind, epoch, zero, salt, commitment
HEAD = struct.Struct("<IIII")  # trailer length, part count, padding length, zero
HEAD_END = PREAMBLE.size + HEAD.size + TAG  # 112: the parts begin here
RECORD = struct.Struct(
    "<32sBBHII32s"
)  # part id, part kind, codec, skipped bytes, length, stored length, digest of the encoded part
OVERHEAD = HEAD_END + TAG + TAG  # and the tags of padding and trailer
PER_PART = TAG + RECORD.size
NO_DIGEST = bytes(32)

REGION_HEAD, REGION_TRAILER, REGION_PADDING, REGION_PARTS = 0, 1, 2, 3


class Record(NamedTuple):
    """One part as the trailer lists it.

    ``digest``: SHA-256 of the encoded bytes, zeros for codec PLAIN.  ``skip``: of codec JXL, how many bytes the JPEG has before
    the plaintext of the group; zero for the other codecs.
    """

    part_id: bytes
    kind: PartKind
    codec: Codec
    length: int
    stored: int
    digest: bytes = NO_DIGEST
    skip: int = 0

    def encode(self) -> bytes:
        """76 bytes."""
        return RECORD.pack(self.part_id, self.kind, self.codec, self.skip, self.length, self.stored, self.digest)

    @property
    def associated(self) -> bytes:
        """What the sealed part is bound to, beside vault and object kind."""
        return bytes([REGION_PARTS, self.kind, self.codec]) + self.part_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Preamble:
    """The clear first 80 bytes of a sealed object."""

    kind: ObjectKind
    epoch: int
    salt: bytes
    commitment: bytes

    def encode(self) -> bytes:
        """80 bytes."""
        return PREAMBLE.pack(MAGIC, VERSION, self.kind, self.epoch, 0, self.salt, self.commitment)


def read_preamble(data: bytes | bytearray | memoryview, kind: ObjectKind) -> Preamble:
    """Parse the first 80 bytes of an object that should be of ``kind``."""
    if len(data) < PREAMBLE.size:
        raise DamageError("a stored object is cut short")
    magic, version, found, epoch, zero, salt, commitment = PREAMBLE.unpack_from(data)
    if magic != MAGIC:
        raise DamageError("a stored object does not begin as one")
    if version != VERSION:
        raise UnknownVersionError(
            f"a stored object has format version {version}; this photovault reads version {VERSION}",
            "install a newer photovault",
        )
    if found != kind or zero:
        raise DamageError("a stored object is of another kind than its place says")
    return Preamble(kind=kind, epoch=epoch, salt=salt, commitment=commitment)


def size_class(needed: int) -> int:
    """The smallest power of two from 16 KiB to 16 MiB that holds ``needed`` bytes."""
    return max(SIZE_MIN, 1 << (needed - 1).bit_length())


def is_size(size: int) -> bool:
    """Whether a sealed object may have this size."""
    return SIZE_MIN <= size <= SIZE_MAX and size & (size - 1) == 0


def read_head(data: bytes, size: int) -> tuple[int, int, int]:
    """Trailer length, part count and padding length from the opened head."""
    trailer, count, padding, zero = HEAD.unpack(data)
    if zero or trailer != count * RECORD.size or HEAD_END + padding + trailer + 2 * TAG > size:
        raise DamageError("a stored object contradicts itself")
    return trailer, count, padding


def read_records(trailer: bytes, kind: ObjectKind) -> list[Record]:
    """The parts that an opened trailer lists, in the order of their regions."""
    records = [checked_record(fields, kind) for fields in RECORD.iter_unpack(trailer)]
    check_groups(records)
    return records


def check_groups(records: Iterable[Record]) -> None:
    """DamageError unless every group begins with its beginning and is not larger than any may be."""
    size = None
    for record in records:
        if record.codec is Codec.JXL:
            size = record.skip + record.length
        elif record.codec is not Codec.JXL_MORE:
            size = None
            continue
        elif size is None:
            raise DamageError("a stored object lists a part of a group without the beginning of it")
        else:
            size += record.length
        if size > GROUP_MAX:
            raise DamageError("a stored object lists an impossible group of parts")


_PART_KINDS = {int(kind): kind for kind in PartKind}
_CODECS = {int(codec): codec for codec in Codec}
_NEVER_SMALLER = frozenset({PartKind.THUMBNAIL, PartKind.PARITY_MAP, PartKind.PARITY})


def checked_record(fields: tuple[bytes, int, int, int, int, int, bytes], kind: ObjectKind) -> Record:
    """A record from its unpacked fields; DamageError or UnknownVersionError for one that no writer makes."""
    part_id, part_kind, codec, skip, length, stored, digest = fields
    if part_kind not in _PART_KINDS or codec not in _CODECS:
        raise UnknownVersionError(
            "a stored object holds a kind of part unknown to this version", "install a newer photovault"
        )
    record = Record(part_id, _PART_KINDS[part_kind], _CODECS[codec], length, stored, digest, skip)
    limit = PART_MAX if kind is ObjectKind.PACK else SIZE_MAX
    if record.kind not in PARTS_OF[kind] or max(length, stored) > limit or not _is_possible(record):
        raise DamageError("a stored object lists an impossible part")
    return record


def _is_possible(record: Record) -> bool:
    """Whether a writer gives such a part such a codec."""
    if record.codec is Codec.PLAIN:
        return not record.skip and record.length == record.stored and record.digest == NO_DIGEST
    if record.codec in GROUPED:
        return record.kind is PartKind.CONTENT and (not record.skip or record.codec is Codec.JXL)
    return not record.skip and record.kind not in _NEVER_SMALLER
