"""Thumbnails, as many browsers' threads want them: gathered, found together, fetched together.

A page asks for many at once.  Each thread puts what it wants in a line, and asks the desk to say where all in line are; whoever's
question comes first has the answers for all of them, fetches them in few requests, for thumbnails of one backup lie side by side, and
hands them out.  The others only wait, or go on with what came in line meanwhile.

Guarantee: what is given is a WebP; a thumbnail that is damaged, missing or something else is none, and what was found damaged is
remembered.  Memory: 24 MiB of those that were shown last, and sixteen on their way for each thread.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.cache import Cache
from photovault.app.viewing.entries import row_of
from photovault.database import DamagedError
from photovault.decoder.protocol import is_webp
from photovault.errors import DamageError, PhotovaultError

if TYPE_CHECKING:
    from photovault.app.viewing.desk import Desk, Opened
    from photovault.app.viewing.fetching import Fetching
    from photovault.vault.places import Place
    from photovault.vault.reader import Fetcher

_KEPT: Final = 24 << 20
_AT_ONCE: Final = 16


@dataclass(slots=True, eq=False)
class _Wanted:
    """A thumbnail that somebody waits for."""

    number: int
    answer: Future[bytes | None] = field(default_factory=Future)


@dataclass(slots=True)
class _Batch:
    """What one thread fetches for all who wait for it."""

    fetcher: Fetcher
    waiting: list[tuple[_Wanted, Place]] = field(default_factory=list)


class Thumbnails:
    """Answers with thumbnails."""

    def __init__(self, desk: Desk, fetching: Fetching) -> None:
        """Ask ``desk``."""
        self._desk = desk
        self._fetching = fetching
        self._kept: Cache[bytes, bytes] = Cache(size=_KEPT, count=_KEPT)
        self._line: list[_Wanted] = []
        self._lock = threading.Lock()

    def thumbnail(self, number: int) -> bytes | None:
        """That of the photo of a number; None where there is none that can be shown.

        Raises:
            NotThereError: there is no such photo.
            StorageError: the storage failed.
        """
        wanted = _Wanted(number)
        with self._lock:
            self._line.append(wanted)
        try:
            batch = self._desk.ask(self._batch)
        except BaseException:
            with self._lock:
                if wanted in self._line:
                    self._line.remove(wanted)
            raise
        self._serve(batch)
        return wanted.answer.result()  # there were as many questions as thumbnails in line, so somebody took this one

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()

    # At the desk.

    def _batch(self, opened: Opened) -> _Batch:
        """Take what is in line: what is known is answered, of the rest it is said where it is.

        The catalog may turn out to be rotten and the question be asked again: then all of them are in line again.
        """
        with self._lock:
            some, self._line = self._line[:_AT_ONCE], self._line[_AT_ONCE:]
        batch = _Batch(opened.reader.fetcher)
        try:
            for wanted in some:
                self._place(opened, wanted, batch)
        except BaseException:
            with self._lock:
                self._line = [one for one in some if not one.answer.done()] + self._line
            raise
        return batch

    def _place(self, opened: Opened, wanted: _Wanted, batch: _Batch) -> None:
        try:
            part = row_of(opened, wanted.number).facts.thumbnail
            kept = self._kept.get(part)
            if kept is None and part:
                (place,) = self._fetching.placed(opened, (part,)).places
                batch.waiting.append((wanted, place))
            else:
                wanted.answer.set_result(kept)
        except DamageError:
            wanted.answer.set_result(None)
        except DamagedError:
            raise
        except PhotovaultError as error:
            wanted.answer.set_exception(error)

    # In the thread of one who wants some.

    def _serve(self, batch: _Batch) -> None:
        """Fetch for all who wait; whatever happens, each of them has an answer."""
        if not batch.waiting:
            return
        places = {place.region.record.part_id: place for _, place in batch.waiting}
        try:
            found = batch.fetcher.fetch(places.values())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            for wanted, _ in batch.waiting:
                wanted.answer.set_exception(error)
            return
        for wanted, place in batch.waiting:
            wanted.answer.set_result(self._shown(place, found[place.region.record.part_id]))
        if not all(isinstance(one, bytes) for one in found.values()):
            self._fetching.note(batch.fetcher)

    def _shown(self, place: Place, found: bytes | PhotovaultError) -> bytes | None:
        if not isinstance(found, bytes) or not is_webp(found):
            return None
        self._kept.keep(place.region.record.part_id, found, len(found))
        return found
