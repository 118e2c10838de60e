"""Sealed objects: parts in, one object of a standard size out, and back.

``Draft`` gathers parts until an object is full; ``seal`` turns a draft into stored bytes; ``open_object`` opens a whole
object and ``ObjectReader`` single parts of one.  Guarantee: an object opens only under this vault's keys and only if
every byte of it is what was sealed, padding included.  Not guaranteed here: that the object is the one that was asked
for (its name, the SHA-256 of its bytes, says that, and so does the part id that each part is bound to).

A *group* is a run of parts that were encoded together, as one JPEG XL file (codec JXL, then JXL_MORE): ``grouped`` finds
groups, ``decode_group`` gives the plaintexts of one.  Whoever decodes compares them with the part ids: a decoder is not
trusted.

``Packer`` decides which parts go into which pack: the fullest of a few open packs that still has room, so that full
packs waste little.  The small parts of a file go where its large ones go, so that one request reads them.  The choice
depends on the order of the parts alone, never on timing.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from photovault.crypto.seal import ObjectKey, object_salt
from photovault.errors import DamageError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PartKind, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from mmap import mmap

    from photovault.crypto.keys import Keyring
    from photovault.crypto.seal import Buffer

OPEN_PACKS = 4
_SMALL = 64 * 1024  # a part up to this is not worth a request of its own
FULL_ENOUGH = 64 * 1024  # a pack with less room than this is closed: waiting longer saves nothing
_COMPRESS_MIN = 128
SOI = 2  # bytes of the marker that every JPEG begins with
if TYPE_CHECKING:
    Unpack = Callable[[bytes, int], bytes]  # a JPEG XL file and the size of the JPEG that it must decode to


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

    def __init__(self, kind: ObjectKind, buffer: bytearray | mmap) -> None:
        """Start empty; ``buffer`` bounds the plaintext and is the caller's to reuse after sealing."""
        self.kind = kind
        self.buffer = buffer
        self.plain = memoryview(buffer)
        self.records: list[Record] = []
        self.used = 0
        self.needed = fmt.OVERHEAD

    def room_for(self, *records: Record) -> bool:
        """Whether the object stays within 16 MiB with these parts."""
        return self.needed + sum(record.stored + fmt.PER_PART for record in records) <= fmt.SIZE_MAX

    def add(self, record: Record, data: Buffer) -> None:
        """Append a part."""
        self.plain[self.used : self.used + record.stored] = data
        self.used += record.stored
        self.needed += record.stored + fmt.PER_PART
        self.records.append(record)

    def extend(self, records: Iterable[Record], data: Buffer) -> None:
        """Append parts, whose encoded bytes are one after another in ``data``."""
        view, at = memoryview(data), 0
        for record in records:
            self.add(record, view[at : at + record.stored])
            at += record.stored

    def turn(self) -> None:
        """Put the first part, with all of its group, behind the last one."""
        count = next((n for n, r in enumerate(self.records) if n and r.codec is not Codec.JXL_MORE), 0)
        first = self.records[:count]
        size = sum(record.stored for record in first)
        moved = bytes(self.plain[:size])
        self.plain[: self.used - size] = bytes(self.plain[size : self.used])
        self.plain[self.used - size : self.used] = moved
        self.records = [*self.records[count:], *first]

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


def grouped(found: Iterable[Region]) -> Iterator[tuple[Region, ...]]:
    """The parts of an object in order, those of a group together, every other one by itself."""
    group: list[Region] = []
    for region in found:
        if group and region.record.codec is not Codec.JXL_MORE:
            yield tuple(group)
            group = []
        group.append(region)
    if group:
        yield tuple(group)


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
        """The plaintext of one part that is in no group."""
        return decode(region.record, self.encoded(region, sealed))

    def encoded(self, region: Region, sealed: Buffer) -> bytes:
        """One part as it was encoded."""
        if len(sealed) != region.sealed_size:
            raise DamageError("a stored object is cut short")
        return self._key.open(region.number, sealed, region.record.associated)

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
    """Undo the codec of a part that is in no group; never makes more than the length that the record promises."""
    if record.codec is Codec.PLAIN:
        return encoded
    if record.codec in fmt.GROUPED:
        raise DamageError("a stored part decodes only with its group")
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(encoded, record.length + 1)
    except zlib.error:
        raise DamageError("a stored part does not decode") from None
    if len(data) != record.length or not machine.eof or machine.unused_data:
        raise DamageError("a stored part does not decode")
    return data


def group_records(parts: Sequence[tuple[bytes, int]], jxl: bytes, skip: int) -> list[Record] | None:
    """The records of parts (id, length in bytes) that are encoded together; None when that is no possible group.

    The encoded bytes are cut in proportion to the lengths, so that none is larger than its plaintext.
    """
    whole = sum(length for _, length in parts)
    if not 0 < len(jxl) <= whole <= fmt.GROUP_MAX - skip or not 0 <= skip <= fmt.SKIP_MAX:
        return None
    records, at, codec = [], 0, Codec.JXL
    for part_id, length in parts:
        start, at = at, at + length
        share = jxl[len(jxl) * start // whole : len(jxl) * at // whole]
        digest = hashlib.sha256(share).digest()
        records.append(Record(part_id, PartKind.CONTENT, codec, length, len(share), digest, skip))
        codec, skip = Codec.JXL_MORE, 0
    too_large = any(max(record.length, record.stored) > fmt.PART_MAX for record in records)
    return None if too_large or not Draft(ObjectKind.PACK, bytearray()).room_for(*records) else records


def decode_group(records: Sequence[Record], encoded: Iterable[bytes], unpack: Unpack) -> list[bytes]:
    """The plaintexts of the parts of a group; the caller compares them with the part ids.

    Raises:
        DamageError: they do not decode to what the records promise.
        UndecodableError: there is no decoder here.
    """
    skip, lengths = records[0].skip, [record.length for record in records]
    size = skip + sum(lengths)
    if records[0].codec is not Codec.JXL or size > fmt.GROUP_MAX:
        raise DamageError("a group of stored parts is not whole")
    jpeg = memoryview(unpack(b"".join(encoded), size))
    if len(jpeg) != size:
        raise DamageError("a group of stored parts does not decode")
    ends = accumulate(lengths, initial=skip)
    return [bytes(jpeg[start:end]) for start, end in pairwise(ends)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A whole object, checked: its parts' places and a way to read them."""

    reader: ObjectReader
    regions: tuple[Region, ...]
    data: memoryview

    def part(self, region: Region) -> bytes:
        """The plaintext of one part that is in no group."""
        return self.reader.part(region, self._sealed(region))

    def encoded(self, region: Region) -> bytes:
        """One part as it was encoded."""
        return self.reader.encoded(region, self._sealed(region))

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
    """Sorts parts into packs.

    Pages of listings have packs of their own, and so do thumbnails, so that a snapshot is browsed in few requests.
    """

    def __init__(self) -> None:
        """Start with no open pack."""
        self._open: list[Draft] = []
        self._apart: dict[PartKind, Draft] = {}

    def place(self, *records: Record) -> Draft | None:
        """The open pack that all of ``records`` (of one kind) should go into, or None when a new one must be started."""
        fullest = None
        kind = records[0].kind
        for draft in self._open if kind is PartKind.CONTENT else filter(None, [self._apart.get(kind)]):
            if draft.room_for(*records) and (fullest is None or draft.needed > fullest.needed):
                fullest = draft
        return fullest

    def together(self, records: Sequence[Record]) -> list[list[Record]]:
        """New parts of one file, content all of them, cut into runs that each go into one pack.

        They stay together if an open pack has room for all.  Otherwise each goes with the small ones before it, and what is
        left at the end with the last: to keep large parts together would leave packs half empty.  A run fits into any
        empty pack.
        """
        if records and self.place(*records) is not None:
            return [list(records)]
        found: list[list[Record]] = []
        small: list[Record] = []
        for record in records:
            small.append(record)
            if record.stored > _SMALL or sum(one.stored for one in small) > fmt.PART_MAX:
                found.append(small)
                small = []
        if found:
            found[-1] += small
            return found
        return [small] if small else []

    def start(self, record: Record, buffer: bytearray | mmap) -> tuple[Draft, Draft | None]:
        """A new open pack for ``record``, and the one that is closed to make room for it."""
        draft, closed = Draft(ObjectKind.PACK, buffer), None
        if record.kind is not PartKind.CONTENT:
            closed = self._apart.get(record.kind)
            self._apart[record.kind] = draft
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
        if draft in self._open:
            self._open.remove(draft)
        else:
            self._apart = {kind: other for kind, other in self._apart.items() if other is not draft}
        return True

    def rest(self) -> list[Draft]:
        """Close all."""
        rest = [*self._open, *(self._apart[kind] for kind in sorted(self._apart))]
        self._open, self._apart = [], {}
        return rest
