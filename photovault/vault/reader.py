"""Reading parts: from a place in a pack to plaintext.

``Reader`` belongs to the owner's thread and knows where parts are; ``Fetcher`` may be used by workers and fetches what
it is told to.  Parts that lie side by side in one pack are fetched in one request.  A part that is missing or damaged
is a value in the answer, not an exception, so that it costs only the files that need it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, PhotovaultError, UnknownVersionError
from photovault.model import Entry, EntryKind
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.vault.pack import ObjectReader
    from photovault.vault.places import Place
    from photovault.vault.vault import Vault

GAP_MAX = 32 * 1024  # fetching so many bytes too many is cheaper than another request
RUN_MAX = 8 * 1024 * 1024
_READERS_MAX = 512
_AHEAD_PARTS = 256
_AHEAD_BYTES = 8 * 1024 * 1024


class Fetcher:
    """Fetches and opens parts.  Safe for several threads."""

    def __init__(self, vault: Vault) -> None:
        """Read through the vault's door with its keys."""
        self._vault = vault
        self._readers: dict[bytes, ObjectReader] = {}
        self._lock = threading.Lock()

    def fetch(self, places: Iterable[Place]) -> dict[bytes, bytes | PhotovaultError]:
        """Plaintext, or what is wrong, by part id.  The caller bounds how much it asks for at once."""
        found: dict[bytes, bytes | PhotovaultError] = {}
        for run in runs(places):
            found.update(self._run(run))
        return found

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
        for place in run:
            at = place.region.offset - start
            yield place.region.record.part_id, _open(reader, place, data[at : at + place.region.sealed_size])

    def _fetched(self, run: Sequence[Place]) -> tuple[ObjectReader, int, memoryview]:
        """What opens the parts of a run, where its bytes begin in the pack, and the bytes; one request if it can be."""
        first = run[0]
        reader, start = self._readers.get(first.pack), first.region.offset
        if reader is None and start == fmt.HEAD_END:
            start = 0  # the pack's beginning comes along
        data = memoryview(self._vault.door.get(first.pack_name, start, _end(run[-1]) - start))
        if reader is None:
            reader = self._readers.get(first.pack) or self._reader(first, data if start == 0 else None)
        return reader, start, data

    def prepare(self, place: Place) -> None:
        """Fetch what opens the parts of a pack, if that is not known; what is wrong with it shows when a part is fetched."""
        if place.pack not in self._readers:
            with suppress(PhotovaultError):
                self._reader(place, None)

    def _reader(self, place: Place, begin: memoryview | None) -> ObjectReader:
        if begin is None:
            begin = memoryview(self._vault.door.get(place.pack_name, 0, fmt.PREAMBLE.size))
        reader = self._vault.pack_reader(place.pack, place.size, begin[: fmt.PREAMBLE.size])
        with self._lock:
            if len(self._readers) >= _READERS_MAX:
                self._readers.clear()
            self._readers[place.pack] = reader
        return reader


def _open(reader: ObjectReader, place: Place, sealed: memoryview) -> bytes | PhotovaultError:
    try:
        return reader.part(place.region, sealed)
    except DamageError as error:
        return DamageError(f"{place.pack_name} is damaged: {error.what}")


def _end(place: Place) -> int:
    return place.region.offset + place.region.sealed_size


def runs(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Group places into requests: one pack each, near each other, at most 8 MiB."""
    run: list[Place] = []
    for place in sorted(places, key=lambda place: (place.pack, place.region.offset)):
        if run and (
            place.pack != run[0].pack
            or place.region.offset - _end(run[-1]) > GAP_MAX
            or _end(place) - run[0].region.offset > RUN_MAX
        ):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


class Reader:
    """Finds parts and walks the folders of a snapshot.  For the owner's thread."""

    def __init__(self, vault: Vault) -> None:
        """Read from an opened and refreshed vault."""
        self._vault = vault
        self.fetcher = Fetcher(vault)
        self._ahead: dict[bytes, bytes | PhotovaultError] = {}

    def place(self, part_id: bytes) -> Place:
        """Where a part is; DamageError when it is nowhere."""
        place = self._vault.places.find(part_id)
        if place is None:
            raise DamageError(f"part {part_id.hex()[:12]} is in no pack of this vault")
        return place

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
        places = filter(None, (self._vault.places.find(part) for part in parts if part not in self._ahead))
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
