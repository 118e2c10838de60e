"""What is left of a damaged pack: the parts that still open, and the pack itself where all of them do.  No I/O.

Every part is sealed by itself, so damage costs only what it hits.  Which parts a pack holds is read from its own trailer;
where that is damaged, from the index.  The key comes from the first bytes.  Where those are damaged, the salt among them
may still be right, or is computed from the index: it is a digest of the trailer, which an index tells in full of packs
that hold nothing encoded.

Guarantee: what is handed out was sealed under this vault's keys as the part that it is said to be (GCM, with the part id
as associated data), and of a part that is encoded by itself the plaintext is compared with its id.  A pack that is sealed again
is handed out only if its SHA-256 is its name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.crypto.seal import ObjectKey, object_salt
from photovault.errors import DamageError, PhotovaultError
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, Preamble
from photovault.vault.pack import Draft, ObjectReader, Region, decode, grouped, regions, seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from photovault.crypto.keys import Keyring
    from photovault.vault.format import PackEntry, Record

_SALT = slice(16, 48)  # of an object's first bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What still opens.

    Attributes:
        groups: every part of the pack, those of a group together, in order.
        encoded: the stored bytes, opened, by region number; what is missing does not open.
    """

    groups: tuple[tuple[Region, ...], ...]
    encoded: Mapping[int, bytes]

    @property
    def is_whole(self) -> bool:
        """Whether every part of the pack opens."""
        return bool(self.groups) and all(region.number in self.encoded for group in self.groups for region in group)

    def whole(self) -> Iterator[list[tuple[Record, bytes]]]:
        """Every part that can be stored again as it is, with its encoded bytes; a group only if all of it opens."""
        for group in self.groups:
            if all(region.number in self.encoded for region in group):
                yield [_told(region.record, self.encoded[region.number]) for region in group]


def remains_of(keyring: Keyring, data: bytes, entry: PackEntry | None = None) -> Remains:
    """What opens of a damaged or cut pack; ``entry``: what an index says of it."""
    best = Remains(groups=(), encoded={})
    for reader in _readers(keyring, data, entry):
        for records in _listings(reader, data, entry.records if entry else ()):
            groups = tuple(grouped(regions(tuple(records))))
            found = Remains(groups=groups, encoded=_opened(keyring, reader, data, groups))
            if len(found.encoded) > len(best.encoded):
                best = found
        if best.encoded:
            return best
    return best


def sealed_again(keyring: Keyring, name: bytes, size: int, remains: Remains) -> bytes | None:
    """The whole pack, made of its parts; None when it cannot be made of them as it was."""
    if not remains.is_whole or not fmt.is_size(size):
        return None
    parts = [one for group in remains.whole() for one in group]
    draft = Draft(ObjectKind.PACK, bytearray(sum(record.stored for record, _ in parts)))
    if not draft.room_for(*(record for record, _ in parts)):
        return None
    for record, encoded in parts:
        draft.add(record, encoded)
    if draft.needed > size:
        return None
    for keys in keyrings(keyring):
        sealed = bytes(seal(draft, keys, size, memoryview(bytearray(size))))
        if hashlib.sha256(sealed).digest() == name:
            return sealed
    return None


def keyrings(keyring: Keyring) -> Iterator[Keyring]:
    """The keys as they were in each epoch, the newest first: what was sealed then is sealed with them again."""
    yield keyring
    for epoch in sorted(keyring.roots, reverse=True)[1:]:
        roots = {number: root for number, root in keyring.roots.items() if number <= epoch}
        yield type(keyring).of(keyring.vault_id, roots)


def is_right(keyring: Keyring, record: Record, encoded: bytes) -> bool:
    """Whether an opened part is what its id says; of one in a group, whether it is what its record says, where that tells."""
    if record.codec in fmt.GROUPED:
        return not any(record.digest) or hashlib.sha256(encoded).digest() == record.digest
    try:
        return keyring.part_id(record.kind, decode(record, encoded)) == record.part_id
    except DamageError:
        return False


def _readers(keyring: Keyring, data: bytes, entry: PackEntry | None) -> Iterator[ObjectReader]:
    """Ways to open the parts: as the first bytes say, with their salt alone, and with the salt that the pack must have."""
    try:
        yield ObjectReader(keyring, ObjectKind.PACK, data)
    except PhotovaultError:
        for epoch in sorted(keyring.roots, reverse=True):
            if len(data) >= _SALT.stop:
                yield _reader(keyring, epoch, data[_SALT])
            if entry is not None:
                trailer = b"".join(record.encode() for record in entry.records)
                salt = object_salt(keyring.epoch(epoch), ObjectKind.PACK, entry.size, trailer)
                yield _reader(keyring, epoch, salt)


def _reader(keyring: Keyring, epoch: int, salt: bytes) -> ObjectReader:
    key = ObjectKey(keyring.epoch(epoch), keyring.vault_id, ObjectKind.PACK, salt)
    begin = Preamble(kind=ObjectKind.PACK, epoch=epoch, salt=salt, commitment=key.commitment)
    return ObjectReader(keyring, ObjectKind.PACK, begin.encode())


def _listings(reader: ObjectReader, data: bytes, listed: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """What the pack itself says that it holds, and what the index says."""
    try:
        length, _, _ = reader.head(data, len(data))
        yield reader.records(data[len(data) - length - fmt.TAG :], len(data))
    except PhotovaultError:
        trailer = (fmt.PER_PART - fmt.TAG) * len(listed)
        if listed and len(data) >= trailer + fmt.TAG:  # the head alone may be damaged
            try:
                yield reader.records(data[len(data) - trailer - fmt.TAG :], len(data))
            except PhotovaultError:
                yield listed
        elif listed:
            yield listed


def _opened(
    keyring: Keyring, reader: ObjectReader, data: bytes, groups: Iterable[tuple[Region, ...]]
) -> dict[int, bytes]:
    found = {}
    for group in groups:
        for region in group:
            try:
                encoded = reader.encoded(region, data[region.offset : region.offset + region.sealed_size])
            except DamageError:
                continue
            if is_right(keyring, region.record, encoded):
                found[region.number] = encoded
    return found


def _told(record: Record, encoded: bytes) -> tuple[Record, bytes]:
    """A part with the digest that a trailer has of it; an index has none."""
    if record.codec is Codec.PLAIN or any(record.digest):
        return record, encoded
    return record._replace(digest=hashlib.sha256(encoded).digest()), encoded
