"""Parts for pictures: where they are is asked of the desk, their bytes are fetched by whoever wants them.

So a storage that is slow keeps only those waiting who wait for it.  What was found damaged is remembered, as a restore does it: the
next backup stores it again.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from photovault.errors import DamageError, PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app.viewing.desk import Desk, Opened
    from photovault.vault.places import Place
    from photovault.vault.reader import Fetcher

_WHY: Final = "the gallery found it damaged"


@dataclass(frozen=True, slots=True)
class Placed:
    """Parts in packs, and who fetches them: any thread may let it."""

    fetcher: Fetcher
    places: tuple[Place, ...]


class Fetching:
    """Fetches parts.  For any thread, but ``placed``, which is for that of the desk."""

    def __init__(self, desk: Desk) -> None:
        """Ask ``desk``."""
        self._desk = desk
        self._told: set[tuple[bytes, bytes]] = set()
        self._lock = threading.Lock()

    def placed(self, opened: Opened, parts: Sequence[bytes]) -> Placed:
        """Where parts are.  DamageError when one is nowhere, not even after another look."""
        try:
            places = tuple(map(opened.reader.place, parts))
        except DamageError:
            opened.snapshots()  # a backup may have stored it meanwhile
            places = tuple(map(opened.reader.place, parts))
        return Placed(opened.reader.fetcher, places)

    def part(self, part_id: bytes) -> bytes:
        """The plaintext of one part.

        Raises:
            PhotovaultError: it is missing or damaged, or the storage failed.
        """
        placed = self._desk.ask(lambda opened: self.placed(opened, (part_id,)))
        found = placed.fetcher.fetch(placed.places)[part_id]
        if isinstance(found, bytes):
            return found
        self.note(placed.fetcher)
        raise found

    def note(self, fetcher: Fetcher) -> None:
        """Remember what was found damaged, once."""
        bad = {(pack, part) for pack, parts in dict(fetcher.damaged).items() for part in tuple(parts)}
        with self._lock:
            news = bad - self._told
            self._told |= news
        if news:
            with suppress(PhotovaultError):  # a state folder that cannot be written keeps nobody from his photos
                self._desk.ask(lambda opened: _note(opened, news))


def _note(opened: Opened, news: set[tuple[bytes, bytes]]) -> None:
    by_pack: dict[bytes, set[bytes]] = {}
    for pack, part in news:
        by_pack.setdefault(pack, set()).add(part)
    opened.app.note_damage(opened.session, by_pack, _WHY)
