"""A storage that looks once while a vault is opened, and anew ever after.

Opening a vault asks for the header twice and lists four prefixes; over a network each question costs a round trip.  So the
first listing is one of everything, the snapshots having been listed before it: a snapshot that is seen then refers only
to packs that are seen, even if another device backs up meanwhile.  Each prefix is answered from it once.

Guarantee: a second question, and every question after something was put or deleted, goes to the storage.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.storage.base import Buffer, Storage, Stored

_LAST = "snapshots/"  # what refers to all else


class Glance:
    """``inner``, looked at once."""

    def __init__(self, inner: Storage, remembered: str) -> None:
        """``remembered``: the name of the object that is asked for more than once."""
        self._inner = inner
        self._remembered = remembered
        self._lock = threading.Lock()
        self._seen: dict[str, list[Stored]] | None = None
        self._answered: set[str] = set()
        self._object: bytes | None = None
        self._over = False

    @property
    def address(self) -> str:
        """For messages."""
        return self._inner.address

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        self._end()
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        if name != self._remembered or self._over or offset or length is not None:
            return self._inner.get(name, offset, length)
        with self._lock:
            found = self._object  # a put of another thread may forget it at any moment
            if found is None:
                found = self._object = self._inner.get(name)
            return found

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        found = None
        with self._lock:
            if not (self._over or prefix in self._answered or prefix.count("/") != 1):
                self._answered.add(prefix)
                seen = self._seen
                if seen is None:
                    seen = self._seen = self._look()
                found = seen.pop(prefix, [])
        yield from self._inner.listing(prefix) if found is None else found

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._end()
        self._inner.delete(name)

    def _look(self) -> dict[str, list[Stored]]:
        """Everything, by its first folder."""
        seen: dict[str, list[Stored]] = {_LAST: list(self._inner.listing(_LAST))}
        for stored in self._inner.listing(""):
            first = "".join(stored.name.partition("/")[:2])
            if first != _LAST:
                seen.setdefault(first, []).append(stored)
        return seen

    def _end(self) -> None:
        self._over = True
        self._seen = self._object = None
