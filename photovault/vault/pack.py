"""Sealed objects: parts in, one object of a standard size out, and back.

``Draft`` gathers parts until an object is full; ``seal`` turns a draft into stored bytes; ``open_object`` opens a whole
object and ``ObjectReader`` single parts of one.  Guarantee: an object opens only under this vault's keys and only if
every byte of it is what was sealed, padding included.  Not guaranteed here: that the object is the one that was asked
for (its name, the SHA-256 of its bytes, says that, and so does the part id that each part is bound to).

``Packer`` decides which part goes into which pack: the fullest of a few open packs that still has room, so that full
packs waste little.  The choice depends on the order of the parts alone, never on timing.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from photovault.crypto.seal import ObjectKey, object_salt
from photovault.errors import DamageError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PartKind, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.crypto.keys import Keyring
    from photovault.crypto.seal import Buffer

OPEN_PACKS = 3
FULL_ENOUGH = 64 * 1024  # a pack with less room than this is closed: waiting longer saves nothing
_COMPRESS_MIN = 128


def make_part(keyring: Keyring, kind: PartKind, data: Buffer, *, compress: bool = False) -> tuple[Record, Buffer]:
    """The record and the encoded bytes of one part."""
    part_id = keyring.part_id(kind, data)
    if compress and len(data) > _COMPRESS_MIN:
        encoded = zlib.compress(data, 1)
        if len(encoded) < len(data):
            digest = hashlib.sha256(encoded).digest()
            record = Record(
                part_id=part_id, kind=kind, codec=Codec.ZLIB, length=len(data), stored=len(encoded), digest=digest
            )
            return record, encoded
    return plain_record(part_id, kind, len(data)), data


def plain_record(part_id: bytes, kind: PartKind, length: int) -> Record:
    """The record of a part that is stored as it is."""
    return Record(part_id, kind, Codec.PLAIN, length, length)


class Draft:
    """An object in the making: plaintext parts one after another in a buffer."""

    __slots__ = ("buffer", "kind", "needed", "plain", "records", "used")

    def __init__(self, kind: ObjectKind, buffer: bytearray) -> None:
        """Start empty; ``buffer`` bounds the plaintext and is the caller's to reuse after sealing."""
        self.kind = kind
        self.buffer = buffer
        self.plain = memoryview(buffer)
        self.records: list[Record] = []
        self.used = 0
        self.needed = fmt.OVERHEAD

    def room_for(self, record: Record) -> bool:
        """Whether the object stays within 16 MiB with this part."""
        return self.needed + record.stored + fmt.PER_PART <= fmt.SIZE_MAX

    def add(self, record: Record, data: Buffer) -> None:
        """Append a part."""
        self.plain[self.used : self.used + record.stored] = data
        self.used += record.stored
        self.needed += record.stored + fmt.PER_PART
        self.records.append(record)

    @property
    def room(self) -> int:
        """Bytes that the largest further part may have."""
        return fmt.SIZE_MAX - self.needed - fmt.PER_PART


def seal(draft: Draft, keyring: Keyring, size: int, out: memoryview) -> memoryview:
    """Seal a draft into ``out``; the stored bytes are its first ``size``.

    The same parts, size and keys always give the same bytes.
    """
    keys = keyring.current
    trailer = b"".join(record.encode() for record in draft.records)
    padding = size - draft.needed
    key = ObjectKey(keys, keyring.vault_id, draft.kind, object_salt(keys, draft.kind, size, trailer))
    preamble = fmt.Preamble(kind=draft.kind, epoch=keys.epoch, salt=key.salt, commitment=key.commitment)
    out[: fmt.PREAMBLE.size] = preamble.encode()
    head = fmt.HEAD.pack(len(trailer), len(draft.records), padding, 0)
    key.seal(fmt.REGION_HEAD, head, bytes([fmt.REGION_HEAD]), out[fmt.PREAMBLE.size : fmt.HEAD_END])
    at, plain, read = fmt.HEAD_END, draft.plain, 0
    for region, record in enumerate(draft.records, fmt.REGION_PARTS):
        end = at + record.stored + fmt.TAG
        key.seal(region, plain[read : read + record.stored], record.associated, out[at:end])
        at, read = end, read + record.stored
    end = at + padding + fmt.TAG
    key.seal(fmt.REGION_PADDING, _zeros(padding), bytes([fmt.REGION_PADDING]), out[at:end])
    key.seal(fmt.REGION_TRAILER, trailer, bytes([fmt.REGION_TRAILER]), out[end:size])
    return out[:size]


def seal_single(keyring: Keyring, kind: ObjectKind, record: Record, data: Buffer) -> bytes:
    """An index or snapshot object: one part, padded to its size class."""
    draft = Draft(kind, bytearray(record.stored))
    draft.add(record, data)
    size = fmt.size_class(draft.needed)
    return bytes(seal(draft, keyring, size, memoryview(bytearray(size))))


_ZEROS = bytes(1024 * 1024)


def _zeros(count: int) -> bytes:
    return _ZEROS[:count] if count <= len(_ZEROS) else bytes(count)


class Region(NamedTuple):
    """Where one part lies in its object: its region number (the nonce), offset and record."""

    number: int
    offset: int
    record: Record

    @property
    def sealed_size(self) -> int:
        """Stored bytes, tag included."""
        return self.record.stored + fmt.TAG


def regions(records: list[Record] | tuple[Record, ...]) -> Iterator[Region]:
    """The parts of an object with their places, in order."""
    at = fmt.HEAD_END
    for number, record in enumerate(records, fmt.REGION_PARTS):
        yield Region(number, at, record)
        at += record.stored + fmt.TAG


class ObjectReader:
    """Opens single parts of one object, given its first 112 bytes."""

    def __init__(self, keyring: Keyring, kind: ObjectKind, start: Buffer) -> None:
        """Check magic, version, kind, epoch and commitment."""
        preamble = fmt.read_preamble(start, kind)
        self._keys = keyring.epoch(preamble.epoch)
        self._kind = kind
        self._key = ObjectKey(self._keys, keyring.vault_id, kind, preamble.salt)
        self._key.check(preamble.commitment)

    def head(self, start: Buffer, size: int) -> tuple[int, int, int]:
        """Trailer length, part count, padding length."""
        sealed = start[fmt.PREAMBLE.size : fmt.HEAD_END]
        return fmt.read_head(self._key.open(fmt.REGION_HEAD, sealed, bytes([fmt.REGION_HEAD])), size)

    def records(self, sealed_trailer: Buffer, size: int) -> list[Record]:
        """Open the trailer and check that the object's salt is the one it must have."""
        trailer = self._key.open(fmt.REGION_TRAILER, sealed_trailer, bytes([fmt.REGION_TRAILER]))
        if object_salt(self._keys, self._kind, size, trailer) != self._key.salt:
            raise DamageError("a stored object was not sealed by the rules")
        return fmt.read_records(trailer, self._kind)

    def part(self, region: Region, sealed: Buffer) -> bytes:
        """The plaintext of one part."""
        if len(sealed) != region.sealed_size:
            raise DamageError("a stored object is cut short")
        return decode(region.record, self._key.open(region.number, sealed, region.record.associated))

    def part_into(self, region: Region, sealed: Buffer, out: memoryview) -> None:
        """One part as it was encoded, into ``out``."""
        if len(sealed) != region.sealed_size:
            raise DamageError("a stored object is cut short")
        self._key.open_into(region.number, sealed, region.record.associated, out)

    def check_padding(self, sealed: Buffer) -> None:
        """DamageError unless the padding is sealed zeros."""
        if any(self._key.open(fmt.REGION_PADDING, sealed, bytes([fmt.REGION_PADDING])).strip(b"\0")):
            raise DamageError("the padding of a stored object is not empty")


def decode(record: Record, encoded: bytes) -> bytes:
    """Undo a part's codec; never makes more than the length that the record promises."""
    if record.codec is Codec.PLAIN:
        return encoded
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(encoded, record.length + 1)
    except zlib.error:
        raise DamageError("a stored part does not decode") from None
    if len(data) != record.length or not machine.eof or machine.unused_data:
        raise DamageError("a stored part does not decode")
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A whole object, checked: its parts' places and a way to read them."""

    reader: ObjectReader
    regions: tuple[Region, ...]
    data: memoryview

    def part(self, region: Region) -> bytes:
        """The plaintext of one part."""
        return self.reader.part(region, self._sealed(region))

    def verify(self) -> None:
        """Open every part and keep none: DamageError when one does not open."""
        scratch = memoryview(bytearray(max((region.record.stored for region in self.regions), default=0)))
        for region in self.regions:
            self.reader.part_into(region, self._sealed(region), scratch[: region.record.stored])

    def _sealed(self, region: Region) -> memoryview:
        return self.data[region.offset : region.offset + region.sealed_size]


def open_object(keyring: Keyring, kind: ObjectKind, data: Buffer) -> Opened:
    """Open head, trailer and padding of a whole object and check that they account for every byte."""
    view, size = memoryview(data), len(data)
    if not fmt.is_size(size):
        raise DamageError("a stored object has a size that no object has")
    reader = ObjectReader(keyring, kind, view)
    trailer, count, padding = reader.head(view, size)
    records = reader.records(view[size - trailer - fmt.TAG :], size)
    found = tuple(regions(records))
    end = found[-1].offset + found[-1].sealed_size if found else fmt.HEAD_END
    if len(records) != count or end + padding + 2 * fmt.TAG + trailer != size:
        raise DamageError("a stored object contradicts itself")
    reader.check_padding(view[end : end + padding + fmt.TAG])
    return Opened(reader=reader, regions=found, data=view)


def open_single(keyring: Keyring, kind: ObjectKind, data: Buffer) -> bytes:
    """The plaintext of an index or snapshot object."""
    opened = open_object(keyring, kind, data)
    if len(opened.regions) != 1:
        raise DamageError("a stored object holds more than it should")
    return opened.part(opened.regions[0])


class Packer:
    """Sorts parts into packs.  Pages of listings have one of their own, so that a snapshot is browsed in few requests."""

    def __init__(self) -> None:
        """Start with no open pack."""
        self._open: list[Draft] = []
        self._listings: Draft | None = None

    def place(self, record: Record) -> Draft | None:
        """The open pack that ``record`` should go into, or None when a new one must be started."""
        fullest = None
        for draft in self._open if record.kind is PartKind.CONTENT else [self._listings]:
            if draft is not None and draft.room_for(record) and (fullest is None or draft.needed > fullest.needed):
                fullest = draft
        return fullest

    def start(self, record: Record, buffer: bytearray) -> tuple[Draft, Draft | None]:
        """A new open pack for ``record``, and the one that is closed to make room for it."""
        draft, closed = Draft(ObjectKind.PACK, buffer), None
        if record.kind is not PartKind.CONTENT:
            self._listings, closed = draft, self._listings
            return draft, closed
        if len(self._open) == OPEN_PACKS:
            closed = max(self._open, key=lambda draft: draft.needed)
            self._open.remove(closed)
        self._open.append(draft)
        return draft, closed

    def close_if_full(self, draft: Draft) -> bool:
        """Take ``draft`` from the open packs when hardly anything more fits."""
        if draft.room >= FULL_ENOUGH:
            return False
        if draft is self._listings:
            self._listings = None
        else:
            self._open.remove(draft)
        return True

    def rest(self) -> list[Draft]:
        """Close all."""
        rest = [*self._open, *([self._listings] if self._listings else [])]
        self._open, self._listings = [], None
        return rest
