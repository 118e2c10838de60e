"""Writing parts: deduplicated, packed, sealed and stored, in an order that depends on the input alone.

The owner's thread decides what is new and which pack it goes into; a thread beside the workers seals a full pack, sends it
through the gate and waits until the storage has it.  A part counts as stored only then.  ``finish`` closes the open packs, waits,
and writes the index of every pack that no index lists, adopted ones too.  The parts of a group go into one pack, one after
another, and stay so: nothing is ever put between parts that are next to each other.  Until a snapshot refers to them, parts are
nobody's: an interrupted run leaves nothing that could be mistaken for a backup.
"""

from __future__ import annotations

import hashlib
import mmap
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from photovault.errors import OvertakenError
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PackEntry, PartKind, Record
from photovault.vault.pack import SOI, Draft, Packer, group_records, make_part, plain_record, seal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from photovault.crypto.keys import Keyring
    from photovault.crypto.seal import Buffer
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

SEALING_MAX = 3  # packs being sealed and stored at a time: bounds memory


@dataclass(slots=True, kw_only=True)
class Written:
    """What a writer has done so far, in parts, plaintext bytes and stored bytes.

    Attributes:
        thumbnails: new ones; they count as new parts too.
        thumbnail_bytes: of these.
        packed_bytes: plaintext of new parts that were stored as JPEG XL.
        packed_stored: what that takes.
    """

    new_parts: int = 0
    known_parts: int = 0
    new_bytes: int = 0
    known_bytes: int = 0
    thumbnails: int = 0
    thumbnail_bytes: int = 0
    packed_bytes: int = 0
    packed_stored: int = 0
    objects: int = 0
    stored_bytes: int = 0


class Writer:
    """Adds parts to a vault."""

    def __init__(self, vault: Vault, workers: Workers, *, uniform: bool = False) -> None:
        """Write to ``vault``; ``uniform`` pads every pack to 16 MiB."""
        self.written = Written()
        self._vault = vault
        self._workers = workers
        self._uniform = uniform
        self._packer = Packer()
        self._pending: set[bytes] = set()
        self._sealing: deque[tuple[Draft, Future[tuple[bytes, int]]]] = deque()
        self._buffers: SimpleQueue[bytearray | mmap.mmap] = SimpleQueue()
        self._outs: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(SEALING_MAX):
            self._outs.put(memoryview(mmap.mmap(-1, fmt.SIZE_MAX)))  # page-aligned, for direct writes

    def has(self, part_id: bytes) -> bool:
        """Whether the vault has a part, or will have it when this writer is done."""
        return part_id in self._pending or self._vault.places.has(part_id)

    def add(self, record: Record, data: Buffer) -> bool:
        """Add a part unless the vault has it; returns whether it was new.  ``data`` is copied."""
        if self.has(record.part_id):
            self._count_known(record)
            return False
        self._add([(record, data)])
        return True

    def add_content(self, parts: Iterable[tuple[bytes, Buffer]]) -> None:
        """Add the parts of a file, id and bytes of each, in order, unless the vault has them.

        They lie next to each other as far as that costs no room.  The bytes are copied.
        """
        new: dict[bytes, tuple[Record, Buffer]] = {}
        for part_id, data in parts:
            record = plain_record(part_id, PartKind.CONTENT, len(data))
            if part_id in new or self.has(part_id):
                self._count_known(record)
            else:
                new[part_id] = record, data
        for records in self._packer.together([record for record, _ in new.values()]):
            self._add([new[record.part_id] for record in records])

    def add_thumbnail(self, data: bytes) -> bytes:
        """Add a thumbnail unless the vault has it; returns its part id, or nothing for one of 0 or more than 4 MiB."""
        if not 0 < len(data) <= fmt.PART_MAX:
            return b""
        record, _ = make_part(self._vault.keyring, PartKind.THUMBNAIL, data)
        if self.add(record, data):
            self.written.thumbnails += 1
            self.written.thumbnail_bytes += len(data)
        return record.part_id

    def add_group(self, parts: Sequence[tuple[bytes, int]], jxl: bytes, *, skip: int = SOI) -> bool:
        """Add parts of content that are encoded together.

        Args:
            parts: id and length in bytes of each, in order; none of them in the vault.
            jxl: a JPEG XL file, which was seen to decode to a JPEG of ``skip`` bytes and then the parts.
            skip: how many bytes the JPEG has before the parts: SOI, and tables that are in another part.

        Returns:
            False when nothing was added, because the vault has one of them by now or no pack can hold them together: then
            the caller adds each by itself.
        """
        records = group_records(parts, jxl, skip)
        if records is None or any(self.has(part_id) for part_id, _ in parts):
            return False
        self._add([*zip(records, _shares(records, jxl), strict=True)])
        self.written.packed_bytes += sum(record.length for record in records)
        self.written.packed_stored += len(jxl)
        return True

    def add_encoded(self, parts: Sequence[tuple[Record, Buffer]]) -> bool:
        """Add a part, or all parts of a group, as another pack holds them, unless the vault has all of them elsewhere.

        Returns whether they were added.  The caller has seen that each record, digest included, is true of its bytes.
        """
        if all(self.has(record.part_id) for record, _ in parts):
            for record, _ in parts:
                self._count_known(record)
            return False
        self._add(parts)
        return True

    def _add(self, parts: Sequence[tuple[Record, Buffer]]) -> None:
        """Add new parts with their encoded bytes next to each other."""
        records = [record for record, _ in parts]
        draft = self._packer.place(*records)
        if draft is None:
            draft, closed = self._packer.start(records[0], self._buffer())
            if closed is not None:
                self._seal(closed, fmt.SIZE_MAX)
        for record, data in parts:
            draft.add(record, data)
        self._pending.update(record.part_id for record in records)
        self.written.new_parts += len(records)
        self.written.new_bytes += sum(record.length for record in records)
        if self._packer.close_if_full(draft):
            self._seal(draft, fmt.SIZE_MAX)

    def _count_known(self, record: Record) -> None:
        self.written.known_parts += 1
        self.written.known_bytes += record.length

    def add_listing(self, page: bytes) -> bytes:
        """Add a page of a listing; returns its part id."""
        record, data = make_part(self._vault.keyring, PartKind.LISTING, page, compress=True)
        self.add(record, data)
        return record.part_id

    def finish(self) -> None:
        """Store everything that was added, and an index of it."""
        self.flush()
        self._index()

    def flush(self) -> None:
        """Store everything that was added, and no index."""
        for draft in merged(self._packer.rest()):
            self._seal(draft, fmt.SIZE_MAX if self._uniform else fmt.size_class(draft.needed))
        while self._sealing:
            self._collect()

    def _index(self) -> None:
        for packs in index_loads(self._vault.places.not_indexed()):
            plain = fmt.encode_index(packs)
            self._count(fmt.size_class(len(plain) + fmt.OVERHEAD + fmt.PER_PART))
            self._vault.places.add_index(self._vault.send_single(ObjectKind.INDEX, plain))
            self._vault.places.mark_indexed(packs)
        self._vault.places.commit()

    def _buffer(self) -> bytearray | mmap.mmap:
        """Room for one pack; what is never written to takes no memory, and most tail packs are small."""
        try:
            return self._buffers.get_nowait()
        except Empty:
            return mmap.mmap(-1, fmt.SIZE_MAX)

    def _seal(self, draft: Draft, size: int) -> None:
        if len(self._sealing) >= SEALING_MAX:
            self._collect()
        future = self._workers.start(lambda: self._seal_and_send(draft, size))
        self._sealing.append((draft, future))

    def _seal_and_send(self, draft: Draft, size: int) -> tuple[bytes, int]:
        out = self._outs.get()
        try:
            sealed = sealed_anew(draft, self._vault.keyring, size, out, self._vault.places.shunned)
            self._buffers.put(draft.buffer)
            return self._vault.send(ObjectKind.PACK, sealed), len(sealed)
        finally:
            self._outs.put(out)

    def _collect(self) -> None:
        draft, future = self._sealing.popleft()
        name, size = future.result()
        self._vault.places.add_pack(PackEntry(name=name, size=size, records=tuple(draft.records)), indexed=False)
        self._vault.places.undoubt(name)  # if a damaged pack had this name, the whole one took its place
        self._pending.difference_update(record.part_id for record in draft.records)
        self._count(size)

    def _count(self, size: int) -> None:
        self.written.objects += 1
        self.written.stored_bytes += size


def sealed_anew(draft: Draft, keyring: Keyring, size: int, out: memoryview, shunned: Container[bytes]) -> memoryview:
    """Seal a draft into ``out``, as an object that is none of those which are going to be removed.

    The same parts in the same order are the same object: stored again they would only be what is to be removed.  So they
    are put into another order, or the object is padded to 16 MiB; the order in ``draft`` is then the new one.

    Raises:
        OvertakenError: every order of them is going to be removed.
    """
    for size_now in dict.fromkeys((size, fmt.SIZE_MAX)):
        for _ in draft.records:
            sealed = seal(draft, keyring, size_now, out)
            if not shunned or hashlib.sha256(sealed).digest() not in shunned:
                return sealed
            draft.turn()
    raise OvertakenError("what this run would store is being removed by another device", "run the same command again")


def _shares(records: Iterable[Record], encoded: bytes) -> Iterator[memoryview]:
    """What each of the parts that were encoded together has of it."""
    view, at = memoryview(encoded), 0
    for record in records:
        yield view[at : at + record.stored]
        at += record.stored


def merged(drafts: list[Draft]) -> list[Draft]:
    """Pour tail packs together where that makes fewer of them or smaller ones in all."""
    drafts = sorted(drafts, key=lambda draft: -draft.needed)
    for small in drafts[:0:-1]:
        for large in drafts:
            if large is small or not all_fit(large, small):
                continue
            alone = fmt.size_class(large.needed) + fmt.size_class(small.needed)
            if fmt.size_class(large.needed + small.needed - fmt.OVERHEAD) <= alone:
                pour(small, large)
                drafts.remove(small)
                break
    return drafts


def all_fit(large: Draft, small: Draft) -> bool:
    """Whether one object can hold both."""
    return large.needed + small.needed - fmt.OVERHEAD <= fmt.SIZE_MAX


def pour(small: Draft, large: Draft) -> None:
    """Move every part of one draft to the end of another; it begins with no part that goes on with a group."""
    large.extend(small.records, small.plain[: small.used])


def index_loads(packs: list[PackEntry]) -> Iterator[list[PackEntry]]:
    """Cut packs into loads that one index object can hold."""
    limit = fmt.SIZE_MAX - fmt.OVERHEAD - fmt.PER_PART
    load: list[PackEntry] = []
    size = 0
    for pack in packs:
        more = fmt.index_size(len(pack.records))
        if load and size + more > limit:
            yield load
            load, size = [], 0
        load.append(pack)
        size += more
    if load:
        yield load
