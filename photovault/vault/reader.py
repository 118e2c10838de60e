"""Reading parts: from a place in a pack to plaintext.

``Reader`` belongs to the owner's thread and knows where parts are; ``Fetcher`` may be used by workers and fetches what
it is told to.  Parts that lie side by side in one pack are fetched in one request, and pages of listings, where that is
wanted, with what lies around them.  Tiny parts, which many photos share, are kept for the next file.  A part that is
missing or damaged is a value in the answer, not an exception, so that it costs only the files that need it; so is one
that nothing here decodes.  A part that lies in several packs is taken from the next one when the first is damaged; what was
found damaged is remembered in ``damaged``, for whoever keeps account of it.

A part of a group is fetched with all of its group and decoded with it, once: what was decoded beside the wanted parts is kept
for the next request, up to 32 MiB of it.  Guarantee: what a decoder gives is handed out only if it is what the part's id says.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, PhotovaultError, UndecodableError, UnknownVersionError
from photovault.model import Entry, EntryKind
from photovault.vault import format as fmt
from photovault.vault.format import PartKind
from photovault.vault.pack import decode_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from photovault.vault.pack import ObjectReader, Region
    from photovault.vault.places import Place
    from photovault.vault.vault import Vault

GAP_MAX = 32 * 1024  # fetching so many bytes too many is cheaper than another request
RUN_MAX = 8 * 1024 * 1024 + 64 * 1024  # two parts of the largest size and their tags
_AROUND = (192 * 1024, 64 * 1024)  # bytes before and after a page: folders follow what is in them
_TINY = 4 * 1024
_TINY_BYTES = 4 * 1024 * 1024
_READERS_MAX = 512
_BESIDE_BYTES = 32 * 1024 * 1024
_AHEAD_PARTS = 256
_AHEAD_BYTES = 8 * 1024 * 1024


class Fetcher:
    """Fetches and opens parts.  Safe for several threads."""

    def __init__(self, vault: Vault, *, around: bool = False) -> None:
        """Read through the vault's door with its keys; ``around`` a page of a listing what lies there, too."""
        self._vault = vault
        self._reads_around = around
        self._readers: dict[bytes, ObjectReader] = {}
        self._opening: dict[bytes, threading.Lock] = {}
        self._block: tuple[bytes, int, memoryview] = (b"", 0, memoryview(b""))
        self._tiny: dict[bytes, bytes] = {}
        self._beside = _Beside()
        self._lock = threading.Lock()
        self.damaged: dict[bytes, set[bytes]] = {}
        """By pack, the parts that were found damaged or unreadable in it."""

    def fetch(self, places: Iterable[Place]) -> dict[bytes, bytes | PhotovaultError]:
        """Plaintext, or what is wrong, by part id.  The caller bounds how much it asks for at once.

        ``UndecodableError`` is for parts of a group where nothing here decodes one.
        """
        found: dict[bytes, bytes | PhotovaultError] = {}
        unknown: list[Place] = []
        for place in places:
            part_id = place.region.record.part_id
            kept = self._beside.take(place) if place.group else self._tiny.get(part_id)
            if kept is None:
                unknown.append(place)
            else:
                found[part_id] = kept
        for run in runs(unknown):
            found.update(self._run(run))
        for place in unknown:
            if isinstance(found[place.region.record.part_id], DamageError | MissingError):
                self._note_damage(place)
                self._look_elsewhere(place, found)
        self._keep_tiny(unknown, found)
        return found

    def _note_damage(self, place: Place) -> None:
        with self._lock:
            parts = self.damaged.setdefault(place.pack, set())
            parts.update(region.record.part_id for region in place.group or (place.region,))

    def _look_elsewhere(self, place: Place, found: dict[bytes, bytes | PhotovaultError]) -> None:
        """Take a part that is damaged in one pack from another that holds it."""
        part_id = place.region.record.part_id
        for other in place.others:
            again = self.fetch([other])[part_id]
            if isinstance(again, bytes):
                found[part_id] = again
                return

    def _keep_tiny(self, places: Iterable[Place], found: Mapping[bytes, bytes | PhotovaultError]) -> None:
        """Tables of photos by one camera are one part, in the pack of the first photo: a request for each, otherwise."""
        for place in places:
            record = place.region.record
            plain = found[record.part_id]
            if record.kind is PartKind.CONTENT and isinstance(plain, bytes) and len(plain) <= _TINY:
                if len(self._tiny) >= _TINY_BYTES // _TINY:
                    self._tiny.clear()
                self._tiny[record.part_id] = plain

    def _run(self, run: Sequence[Place]) -> Iterator[tuple[bytes, bytes | PhotovaultError]]:
        try:
            reader, start, data = self._fetched(run)
        except (DamageError, MissingError, UnknownVersionError) as error:
            if len(run) == 1:
                yield run[0].region.record.part_id, error
            else:  # a pack cut short may still hold the first of them
                for place in run:
                    yield from self._run([place])
            return
        for group, some in groupby(run, key=lambda place: place.group):
            if group:
                yield from self._open_group(reader, list(some), data, start)
                continue
            for place in some:
                yield place.region.record.part_id, _open(reader, place, _sealed(place.region, data, start))

    def _open_group(
        self, reader: ObjectReader, wanted: Sequence[Place], data: memoryview, start: int
    ) -> Iterator[tuple[bytes, bytes | PhotovaultError]]:
        """Decode a group, once for all that is wanted of it; keep the rest."""
        group = wanted[0].group
        try:
            encoded = [reader.encoded(region, _sealed(region, data, start)) for region in group]
            plains = decode_group([region.record for region in group], encoded, self._vault.unpack)
            self._check(group, plains)
        except UndecodableError as error:  # no damage, and other parts need no decoder
            yield from ((place.region.record.part_id, error) for place in wanted)
            return
        except DamageError as error:
            what = DamageError(f"{wanted[0].pack_name} is damaged: {error.what}")
            yield from ((place.region.record.part_id, what) for place in wanted)
            return
        by_number = {region.number: plain for region, plain in zip(group, plains, strict=True)}
        for place in wanted:
            yield place.region.record.part_id, by_number[place.region.number]
        asked = {place.region.number for place in wanted}
        for number, plain in by_number.items():
            if number not in asked:
                self._beside.keep((wanted[0].pack, number), plain)

    def _check(self, group: Iterable[Region], plains: Iterable[bytes]) -> None:
        """DamageError unless a group was decoded to what its part ids say."""
        for region, plain in zip(group, plains, strict=True):
            if self._vault.keyring.part_id(region.record.kind, plain) != region.record.part_id:
                raise DamageError("a group of stored parts decodes to something else than was stored")

    def _fetched(self, run: Sequence[Place]) -> tuple[ObjectReader, int, memoryview]:
        """What opens the parts of a run, where its bytes begin in the pack, and the bytes; one request if it can be."""
        first, end = run[0], run[-1].end
        reader, start = self._readers.get(first.pack), first.start
        if reader is None and start == fmt.HEAD_END:
            start = 0  # the pack's beginning comes along
        if self._reads_around and first.region.record.kind is PartKind.LISTING and end - start < min(_AROUND):
            start, data = self._around(first, start, end)
        else:
            data = memoryview(self._vault.door.get(first.pack_name, start, end - start))
        return reader or self._opened(first, data if start == 0 else None), start, data

    def _around(self, place: Place, start: int, end: int) -> tuple[int, memoryview]:
        """Where the bytes begin that hold these, and they; the pages that are asked for next are mostly in them."""
        pack, at, block = self._block
        if pack == place.pack and at <= start and end <= at + len(block):
            return at, block
        at = start - _AROUND[0] if start > 2 * _AROUND[0] else 0
        length = min(end + _AROUND[1], place.size) - at
        try:
            block = memoryview(self._vault.door.get(place.pack_name, at, length))
        except MissingError:  # a pack cut short may still hold this page
            return start, memoryview(self._vault.door.get(place.pack_name, start, end - start))
        self._block = place.pack, at, block
        return at, block

    def _opened(self, place: Place, begin: memoryview | None) -> ObjectReader:
        """What opens the parts of a pack; of several threads that lack it, one fetches it."""
        with self._opening.setdefault(place.pack, threading.Lock()):
            return self._readers.get(place.pack) or self._reader(place, begin)

    def prepare(self, place: Place) -> None:
        """Fetch what opens the parts of a pack, if that is not known; what is wrong with it shows when a part is fetched."""
        if place.pack not in self._readers:
            with suppress(PhotovaultError):
                self._opened(place, None)

    def _reader(self, place: Place, begin: memoryview | None) -> ObjectReader:
        if begin is None:
            begin = memoryview(self._vault.door.get(place.pack_name, 0, fmt.PREAMBLE.size))
        reader = self._vault.pack_reader(place.pack, place.size, begin[: fmt.PREAMBLE.size])
        with self._lock:
            if len(self._readers) >= _READERS_MAX:
                self._readers.clear()
                self._opening.clear()
            self._readers[place.pack] = reader
        return reader


def _open(reader: ObjectReader, place: Place, sealed: memoryview) -> bytes | PhotovaultError:
    try:
        return reader.part(place.region, sealed)
    except DamageError as error:
        return DamageError(f"{place.pack_name} is damaged: {error.what}")


def _sealed(region: Region, data: memoryview, start: int) -> memoryview:
    """The stored bytes of a region, of ``data`` that begins at ``start`` in the pack."""
    at = region.offset - start
    return data[at : at + region.sealed_size]


class _Beside:
    """Parts that were decoded because others of their group were asked for.  Each is given away once.  For several threads."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def keep(self, key: tuple[bytes, int], plain: bytes) -> None:
        """Keep the part at a region of a pack; the oldest ones go when there are too many bytes."""
        with self._lock:
            self._size += len(plain) - len(self._parts.pop(key, b""))
            self._parts[key] = plain
            while self._size > _BESIDE_BYTES:
                self._size -= len(self._parts.popitem(last=False)[1])

    def take(self, place: Place) -> bytes | None:
        """The part of this place, if it is kept."""
        with self._lock:
            plain = self._parts.pop((place.pack, place.region.number), None)
            self._size -= len(plain or b"")
            return plain


def runs(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Put places into requests: one pack each, near each other, at most 8 MiB, or one group, which may be larger."""
    run: list[Place] = []
    for place in sorted(places, key=lambda place: (place.pack, place.start, place.region.offset)):
        if run and not place.is_with(run[-1]) and _is_far(place, run):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _is_far(place: Place, run: Sequence[Place]) -> bool:
    return place.pack != run[0].pack or place.start - run[-1].end > GAP_MAX or place.end - run[0].start > RUN_MAX


class Reader:
    """Finds parts and walks the folders of a snapshot.  For the owner's thread."""

    def __init__(self, vault: Vault, *, around: bool = False) -> None:
        """Read from an opened and refreshed vault.

        ``around`` a page of a listing up to 256 KiB are read with it: for whoever walks all of a snapshot and reads the
        photos anyway.
        """
        self._vault = vault
        self.fetcher = Fetcher(vault, around=around)
        self._ahead: dict[bytes, bytes | PhotovaultError] = {}

    def place(self, part_id: bytes) -> Place:
        """Where a part is; DamageError when it is nowhere."""
        place = self._find(part_id)
        if place is None:
            raise DamageError(f"part {part_id.hex()[:12]} is in no pack of this vault")
        return place

    def _find(self, part_id: bytes) -> Place | None:
        """The best place of a part, which knows the others."""
        places = self._vault.places.places_of(part_id)
        return replace(places[0], others=tuple(places[1:])) if len(places) > 1 else next(iter(places), None)

    def part(self, part_id: bytes) -> bytes:
        """The plaintext of one part."""
        found = self._ahead.pop(part_id, None)
        if found is None:
            found = self.fetcher.fetch([self.place(part_id)])[part_id]
        if isinstance(found, PhotovaultError):
            raise found
        return found

    def look_ahead(self, parts: Iterable[bytes]) -> None:
        """Fetch parts that will be asked for soon, as far as they lie together and are few: they are kept until then."""
        places = filter(None, (self._find(part) for part in parts if part not in self._ahead))
        wanted: list[Place] = []
        size = sum(len(kept) for kept in self._ahead.values() if isinstance(kept, bytes))
        for place in places:
            size += place.region.record.length
            if size > _AHEAD_BYTES or len(wanted) + len(self._ahead) >= _AHEAD_PARTS:
                break
            wanted.append(place)
        if len(wanted) > 1:
            self._ahead.update(self.fetcher.fetch(wanted))

    def folder(self, pages: Iterable[bytes]) -> Iterator[Entry | DamageError]:
        """The entries of a folder, page by page; a page that cannot be read is an error among them."""
        for page in pages:
            try:
                yield from fmt.read_page(self.part(page))
            except (DamageError, MissingError) as error:
                yield DamageError(f"a page of a listing cannot be read: {error.what}")

    def walk(self, root: Sequence[bytes]) -> Iterator[tuple[tuple[bytes, ...], Entry | DamageError]]:
        """Every entry below ``root`` with its path, a folder before its contents, in the order of the names."""
        stack: list[tuple[tuple[bytes, ...], Iterator[Entry | DamageError]]] = [((), self.folder(root))]
        while stack:
            path, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
            elif isinstance(entry, DamageError):
                yield path, entry
            else:
                inside = (*path, entry.name)
                yield inside, entry
                if entry.kind is EntryKind.FOLDER:
                    stack.append((inside, self.folder(entry.parts)))
