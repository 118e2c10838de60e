"""Opening one object and deriving it again: what workers do.

Everything in a sealed object follows from its parts, their order, its size and the keys; so it is enough to open each
region, to compare the salt and each part's id with what they must be, and to see that the size is the one that the
contents have.  Parts that are stored together as JPEG XL are decoded for that; where nothing can decode them, they are
counted, compared with their SHA-256 and said to be opaque.  What a listing, an index or a snapshot says is encoded again and must give the same bytes: there is no
room in it for anything that this version does not know.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, RefusedError, UnknownVersionError
from photovault.parity import open_parity
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PackEntry, PartKind
from photovault.vault.pack import decode_group, grouped, make_part, open_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.audit.canaries import Canaries
    from photovault.crypto.keys import Keyring
    from photovault.gate.door import Door
    from photovault.model import Snapshot
    from photovault.vault.format import ParityMap, Record
    from photovault.vault.pack import Opened, Region, Unpack

UNREADABLE = (DamageError, MissingError, UnknownVersionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSeen:
    """What one pack holds.

    Attributes:
        why: what is wrong with it, or empty.
        records: its parts.
        contents: their plaintexts; empty for listings and thumbnails, None for what could not be decoded here.
        digest: SHA-256 of what an index must say of it.
        canaries: (part id, name of the canary) of parts that hold one.
        otherwise: how many listings are compressed in another way than this computer would.
        epoch: the key epoch that it names.
    """

    why: str = ""
    records: tuple[Record, ...] = ()
    contents: tuple[bytes | None, ...] = ()
    digest: bytes = b""
    canaries: tuple[tuple[bytes, str], ...] = ()
    otherwise: int = 0
    epoch: int = 0


def read_pack(door: Door, keyring: Keyring, unpack: Unpack, canaries: Canaries, name: str) -> PackSeen:
    """Fetch, open and derive again a whole pack; what is wrong with it is in the answer."""
    try:
        data = _fetch(door, name)
        opened = open_object(keyring, ObjectKind.PACK, data)
        records = tuple(region.record for region in opened.regions)
        _check_size(records, len(data), uniform=True)
        plains = tuple(_open_parts(opened, keyring, unpack))
    except UNREADABLE as error:
        return PackSeen(why=error.what)
    found = ((record.part_id, canaries.find(plain or b"")) for record, plain in zip(records, plains, strict=True))
    contents = [
        plain if record.kind is PartKind.CONTENT else b"" for record, plain in zip(records, plains, strict=True)
    ]
    return PackSeen(
        records=records,
        contents=tuple(contents),
        digest=index_digest(PackEntry(name=fmt.digest_of(name), size=len(data), records=records)),
        canaries=tuple((part_id, canary) for part_id, canary in found if canary),
        otherwise=sum(
            make_part(keyring, PartKind.LISTING, plain, compress=True)[0] != record
            for plain, record in zip(plains, records, strict=True)
            if record.kind is PartKind.LISTING and plain is not None
        ),
        epoch=fmt.read_preamble(data, ObjectKind.PACK).epoch,
    )


def read_single(door: Door, keyring: Keyring, kind: ObjectKind, name: str) -> tuple[bytes, int]:
    """The plaintext of an index or snapshot object, and the key epoch that it names.

    Raises:
        DamageError, MissingError, UnknownVersionError: what is wrong with it.
    """
    data = _fetch(door, name)
    opened = open_object(keyring, kind, data)
    if len(opened.regions) != 1:
        raise DamageError("it holds more than it should")
    record = opened.regions[0].record
    _check_size((record,), len(data))
    plain = opened.part(opened.regions[0])
    _check_id(keyring, record, plain)
    return plain, fmt.read_preamble(data, kind).epoch


def read_parity(door: Door, keyring: Keyring, name: str) -> tuple[ParityMap, bytes, int]:
    """What a parity object says it holds, the bytes, and the key epoch that it names; whether the bytes are right is not seen.

    Raises:
        DamageError, MissingError, UnknownVersionError: what is wrong with it.
    """
    data = _fetch(door, name)
    parity, held = open_parity(keyring, data)
    records = [region.record for region in open_object(keyring, ObjectKind.PARITY, data).regions]
    for record, plain in zip(records, (fmt.encode_parity_map(parity), held), strict=True):
        _check_id(keyring, record, plain)
    return parity, held, fmt.read_preamble(data, ObjectKind.PARITY).epoch


def read_snapshot(plain: bytes) -> Snapshot:
    """A snapshot that says nothing else than this version would write."""
    snapshot = fmt.read_snapshot(plain)
    if fmt.encode_snapshot(snapshot) != plain:
        raise DamageError("it says something that this version does not know")
    return snapshot


def index_digest(entry: PackEntry) -> bytes:
    """SHA-256 of what an index says of one pack."""
    return hashlib.sha256(fmt.encode_index([entry])).digest()


def _fetch(door: Door, name: str) -> bytes:
    data = door.get(name)
    if hashlib.sha256(data).digest() != fmt.digest_of(name):
        raise DamageError("its bytes are not those that its name says")
    return data


def _check_size(records: tuple[Record, ...], size: int, *, uniform: bool = False) -> None:
    """A size says nothing but how much is inside, or that every pack has the largest."""
    if not records:
        raise DamageError("it holds nothing")
    needed = fmt.OVERHEAD + sum(record.stored + fmt.PER_PART for record in records)
    if size != fmt.size_class(needed) and not (uniform and size == fmt.SIZE_MAX):
        raise DamageError("it is larger than its contents need")


def _check_id(keyring: Keyring, record: Record, plain: bytes) -> None:
    if keyring.part_id(record.kind, plain) != record.part_id:
        raise DamageError("it holds a part that is not what its id says")


def _open_parts(opened: Opened, keyring: Keyring, unpack: Unpack) -> Iterator[bytes | None]:
    """The plaintext of every part, each derived again; None for what nothing here can decode."""
    for group in grouped(opened.regions):
        if group[0].record.codec in fmt.GROUPED:
            yield from _open_group(opened, group, keyring, unpack)
            continue
        plain = opened.part(group[0])
        _check_id(keyring, group[0].record, plain)
        if group[0].record.kind is PartKind.LISTING:
            check_page(plain)
        yield plain


def _open_group(opened: Opened, group: Sequence[Region], keyring: Keyring, unpack: Unpack) -> Iterator[bytes | None]:
    """The plaintexts of parts that are encoded together."""
    records, encoded = [region.record for region in group], [opened.encoded(region) for region in group]
    for record, share in zip(records, encoded, strict=True):
        if hashlib.sha256(share).digest() != record.digest:
            raise DamageError("it holds a part that is not what its digest says")
    try:
        plains = decode_group(records, encoded, unpack)
    except RefusedError:
        yield from (None for _ in group)
        return
    for record, plain in zip(records, plains, strict=True):
        _check_id(keyring, record, plain)
        yield plain


def check_page(plain: bytes) -> None:
    """DamageError unless a page of a listing says only what this version would write."""
    entries = [fmt.encode_entry(entry) for entry in fmt.read_page(plain)]
    if b'{"entries":[' + b",".join(entries) + b'],"version":1}' != plain:
        raise DamageError("a listing in it says something that this version does not know")
