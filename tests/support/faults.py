"""A storage that fails when told to, in the ways in which storages and processes do.

``FaultyStorage`` passes everything on, remembers what was put, and lets one operation go wrong: with an error before or
after the object was stored (an answer that got lost), with half an object under the name (a storage that breaks its
promise), or with ``Killed``, which no ``except Exception`` sees; after that nothing is passed on any more, as from a
process that is dead.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.storage.base import Buffer, Storage, Stored


class Killed(BaseException):
    """The process ends here."""


class When(StrEnum):
    """What is left of the operation that goes wrong."""

    BEFORE = "nothing was done"
    AFTER = "it was done, the answer is lost"
    SHORT = "half an object is under the name"


class FaultyStorage:
    """``inner`` with one fault: operation number ``at`` (from 1) of the kinds ``on`` raises what ``fault`` makes."""

    def __init__(
        self,
        inner: Storage,
        *,
        at: int = 0,
        fault: Callable[[], BaseException] = Killed,
        when: When = When.BEFORE,
        on: tuple[str, ...] = ("put",),
    ) -> None:
        self.puts: list[tuple[str, int]] = []
        self.count = 0
        self._inner = inner
        self._at = at
        self._fault = fault
        self._when = when
        self._on = on
        self._dead = False
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return self._inner.address

    def put(self, name: str, data: Buffer) -> None:
        if not self._strikes("put"):
            self._inner.put(name, data)
        else:
            if self._when is When.AFTER:
                self._inner.put(name, data)
            if self._when is When.SHORT:
                self._inner.put(name, bytes(data[: len(data) // 2]))
            self._strike()
        with self._lock:
            self.puts.append((name, len(data)))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if self._strikes("get"):
            self._strike()
        return self._inner.get(name, offset, length)

    def listing(self, prefix: str) -> Iterator[Stored]:
        if self._strikes("listing"):
            self._strike()
        return self._inner.listing(prefix)

    def delete(self, name: str) -> None:
        if self._strikes("delete"):
            self._strike()
        self._inner.delete(name)

    def _strikes(self, kind: str) -> bool:
        with self._lock:
            if self._dead:
                raise Killed
            self.count += kind in self._on
            return kind in self._on and self.count == self._at

    def _strike(self) -> None:
        error = self._fault()
        self._dead = isinstance(error, Killed)
        raise error
