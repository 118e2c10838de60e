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
        self._seen: list[Stored] | None = None
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
            if self._object is None:
                self._object = self._inner.get(name)
            return self._object

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        with self._lock:
            fresh = self._over or prefix in self._answered or not prefix
            if not fresh:
                self._answered.add(prefix)
                self._seen = self._look() if self._seen is None else self._seen
        if fresh or self._seen is None:
            yield from self._inner.listing(prefix)
        else:
            yield from [stored for stored in self._seen if stored.name.startswith(prefix)]

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._end()
        self._inner.delete(name)

    def _look(self) -> list[Stored]:
        last = list(self._inner.listing(_LAST))
        return [*last, *(stored for stored in self._inner.listing("") if not stored.name.startswith(_LAST))]

    def _end(self) -> None:
        self._over = True
        self._seen = self._object = None
