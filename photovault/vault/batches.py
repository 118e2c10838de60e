"""Files for one worker at a time: those whose parts lie in one pack come together, because most of them lie side by side.

A batch holds files of at most 8 MiB together, so that all of its parts can be fetched at once, in few requests; a larger file
comes alone, and is fetched a window at a time.  Files of at most eight packs are gathered at once, which bounds what waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from photovault.errors import PhotovaultError
from photovault.vault.places import windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.vault.places import Place
    from photovault.vault.reader import Fetcher

Parts = dict[bytes, bytes | PhotovaultError]
Item = TypeVar("Item")
BATCH_FILES = 64
BATCH_BYTES = 8 * 1024 * 1024
_PACKS = 8  # that files are gathered of at a time


@dataclass(slots=True)
class Batch(Generic[Item]):
    """Files for one worker, with the places of their parts; ``size``: bytes of those parts."""

    files: list[tuple[Item, tuple[Place, ...]]] = field(default_factory=list)
    size: int = 0


class Batches(Generic[Item]):
    """Gathers files."""

    def __init__(self) -> None:
        """Nothing is gathered yet."""
        self._gathered: dict[bytes, Batch[Item]] = {}

    def add(self, item: Item, places: tuple[Place, ...]) -> Iterator[Batch[Item]]:
        """Take a file; yields what is to be done before another one comes."""
        pack = places[-1].pack if places else b""  # of a photo, that of the picture
        size = sum(place.region.record.length for place in places)  # what the entry says may be a lie
        yield from self._full(pack, size)
        batch = self._gathered.setdefault(pack, Batch())
        batch.files.append((item, places))
        batch.size += size

    def rest(self) -> Iterator[Batch[Item]]:
        """What is left when no more files come."""
        yield from self._gathered.values()
        self._gathered = {}

    def _full(self, pack: bytes, size: int) -> Iterator[Batch[Item]]:
        """What is to be done before a file of so many bytes is added to the batch of its pack."""
        batch = self._gathered.get(pack)
        if batch is not None and (batch.size + size > BATCH_BYTES or len(batch.files) == BATCH_FILES):
            yield self._gathered.pop(pack)
        elif batch is None and len(self._gathered) == _PACKS:
            yield self._gathered.pop(next(iter(self._gathered)))  # the oldest


def parts(fetcher: Fetcher, places: tuple[Place, ...], ready: Parts) -> Iterator[tuple[Place, bytes | PhotovaultError]]:
    """The plaintext of each part of a file or what is wrong with it, in order; what is ``ready`` need not be fetched.

    A window of parts is in memory at a time.

    Raises:
        StorageError: the storage failed.
    """
    for window in windows(places):
        found = ready if all(place.region.record.part_id in ready for place in window) else fetcher.fetch(window)
        for place in window:
            yield place, found[place.region.record.part_id]


def contents(fetcher: Fetcher, places: tuple[Place, ...], ready: Parts) -> Iterator[bytes]:
    """As ``parts``, only the plaintext.

    Raises:
        PhotovaultError: a part is missing, damaged or cannot be decoded here.
        StorageError: the storage failed.
    """
    for _, data in parts(fetcher, places, ready):
        if isinstance(data, PhotovaultError):
            raise data
        yield data
