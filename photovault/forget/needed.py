"""Which parts the snapshots of a vault need.

Every page of a listing is read once, however many snapshots share it.  Parts are remembered by the first eight bytes of
their ids, pages by all 32: about 90 bytes a part, 300 MB for a million photos.  Two parts with the same eight bytes (one
chance in ten million, for a million photos) only mean that one of them is kept for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.forget.lastgood import unreadable
from photovault.model import EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.vault.reader import Reader
    from photovault.vault.vault import NamedSnapshot


def short(part: bytes) -> int:
    """What is remembered of a part's id."""
    return int.from_bytes(part[:8], "little")


class Needed:
    """What some snapshots need."""

    def __init__(self, reader: Reader) -> None:
        """Read listings by ``reader``; nothing is needed yet."""
        self._reader = reader
        self._pages: set[bytes] = set()
        self._parts: set[int] = set()
        self._snapshots: set[bytes] = set()

    def add(self, snapshots: Iterable[NamedSnapshot]) -> None:
        """These snapshots count.

        Raises:
            DamageError: a listing cannot be read.
        """
        self._add(snapshots, forgotten=False)

    def add_forgotten(self, snapshots: Iterable[NamedSnapshot]) -> None:
        """These are forgotten, and still there: as much of them as can be read; one that came back may be in pieces."""
        self._add(snapshots, forgotten=True)

    def _add(self, snapshots: Iterable[NamedSnapshot], *, forgotten: bool) -> None:
        for one in snapshots:
            if one.name not in self._snapshots:
                self._snapshots.add(one.name)
                self._walk(one.snapshot.root, forgotten=forgotten)

    def _walk(self, root: Iterable[bytes], *, forgotten: bool) -> None:
        stack = [*root]
        while stack:
            page = stack.pop()
            if page in self._pages:
                continue
            self._pages.add(page)
            self._parts.add(short(page))
            for entry in self._reader.folder((page,)):
                if isinstance(entry, DamageError):
                    if forgotten:
                        break
                    raise unreadable(entry)
                if entry.kind is EntryKind.FOLDER:
                    self._reader.look_ahead(one for one in entry.parts if one not in self._pages)
                    stack += entry.parts
                else:
                    self._parts.update(map(short, entry.needed))

    def __contains__(self, part: bytes) -> bool:
        """Whether a part is needed."""
        return short(part) in self._parts

    def __len__(self) -> int:
        """How many parts are."""
        return len(self._parts)

    def shorts(self) -> set[int]:
        """All of them, to be changed by the caller."""
        return set(self._parts)

    def again(self) -> Needed:
        """The same, to which more can be added apart."""
        other = Needed(self._reader)
        other._pages, other._snapshots = set(self._pages), set(self._snapshots)
        return other
