"""A storage over another: what is put stays here and goes no further, what is read comes from below.

For trying a run without sending anything.  What lies below is fixed at the beginning, so that two overlays show the
same whatever other devices do meanwhile.  Of what is put only a witness is kept, no bytes, so that memory stays small;
reading such an object is a ``MissingError``, unless another storage is given to keep it.  Nothing is ever put below or
removed there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from photovault.errors import MissingError
from photovault.storage.base import Buffer, Storage, Stored, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Seen = TypeVar("Seen")


class OverlayStorage(Generic[Seen]):
    """Shows ``below``, takes everything and sends nothing."""

    def __init__(
        self,
        below: Storage,
        present: Iterable[Stored],
        witness: Callable[[str, Buffer], Seen],
        kept: Storage | None = None,
    ) -> None:
        """Show the objects ``present`` of ``below``; keep what ``witness`` says of each object that is put.

        ``kept`` takes the bytes, for a run that reads again what it put.
        """
        self.put_here: dict[str, Seen] = {}
        self._below = below
        self._present = {stored.name: stored.size for stored in present}
        self._sizes: dict[str, int] = {}
        self._witness = witness
        self._kept = kept
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """That of the storage below."""
        return self._below.address

    def put(self, name: str, data: Buffer) -> None:
        """Keep a witness of an object."""
        check_name(name)
        seen = self._witness(name, data)
        if self._kept is not None:
            self._kept.put(name, data)
        with self._lock:
            self.put_here[name] = seen
            self._sizes[name] = len(data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range of an object that is below."""
        if self._kept is not None and name in self._sizes:
            return self._kept.get(name, offset, length)
        if name not in self._present:
            raise MissingError(f"{name} is not kept in a run that sends nothing")
        return self._below.get(name, offset, length)

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List what was there at the beginning, and what was put here."""
        with self._lock:
            found = self._present | self._sizes
        for name, size in found.items():
            if name.startswith(prefix):
                yield Stored(name=name, size=size)

    def delete(self, name: str) -> None:
        """Hide an object."""
        with self._lock:
            self._present.pop(name, None)
            self._sizes.pop(name, None)
