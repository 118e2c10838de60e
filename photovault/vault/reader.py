"""Reading parts: from a place in a pack to plaintext.

``Reader`` belongs to the owner's thread and knows where parts are; ``Fetcher`` may be used by workers and fetches what
it is told to.  Parts that lie side by side in one pack are fetched in one request.  A part that is missing or damaged
is a value in the answer, not an exception, so that it costs only the files that need it.
"""

from __future__ import annotations

import threading
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
            reader = self._reader(run[0])
            start = run[0].region.offset
            data = memoryview(self._vault.door.get(run[0].pack_name, start, _end(run[-1]) - start))
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

    def _reader(self, place: Place) -> ObjectReader:
        reader = self._readers.get(place.pack)
        if reader is None:
            start = self._vault.door.get(place.pack_name, 0, fmt.PREAMBLE.size)
            reader = self._vault.pack_reader(place.pack, place.size, start)
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

    def place(self, part_id: bytes) -> Place:
        """Where a part is; DamageError when it is nowhere."""
        place = self._vault.places.find(part_id)
        if place is None:
            raise DamageError(f"part {part_id.hex()[:12]} is in no pack of this vault")
        return place

    def part(self, part_id: bytes) -> bytes:
        """The plaintext of one part."""
        found = self.fetcher.fetch([self.place(part_id)])[part_id]
        if isinstance(found, PhotovaultError):
            raise found
        return found

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
