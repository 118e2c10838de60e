"""A storage that fails when told to, in the ways in which storages and processes do.

``FaultyStorage`` passes everything on, remembers what was put, and lets one operation go wrong: with an error before or
after the object was stored (an answer that got lost), with half an object under the name (a storage that breaks its
promise), or with ``Killed``, which no ``except Exception`` sees; after that nothing is passed on any more, as from a
process that is dead.  A ``Storm`` does so at any operation of any kind, over several storages at once.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import TYPE_CHECKING

from photovault.errors import RefusedError, UnavailableError

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


class Fault(StrEnum):
    """What happens to one operation of a storage."""

    ERROR = "an error, and nothing was done"
    LATE = "an error, though it was done"
    SHORT = "half an object is under the name"
    FULL = "no space from then on"
    KILL = "a kill before it"
    KILLED_AFTER = "a kill after it"

    def fits(self, kind: str) -> bool:
        """Whether it is another one than the others, for an operation of this kind."""
        return {
            "put": True,
            "delete": self in {Fault.ERROR, Fault.LATE, Fault.KILL, Fault.KILLED_AFTER},
        }.get(kind, self in {Fault.ERROR, Fault.KILL})


class Storm:
    """One fault at operation number ``at`` (from 1) of all storages that it is over; ``kinds``: what was asked for, in order."""

    def __init__(self, at: int = 0, fault: Fault = Fault.ERROR) -> None:
        self.kinds: list[str] = []
        self.at = at
        self.fault = fault
        self._lock = threading.Lock()

    @property
    def struck(self) -> bool:
        """Whether it happened."""
        return 0 < self.at <= len(self.kinds)

    def over(self, inner: Storage) -> Storage:
        """A storage that it can hit."""
        return _Exposed(inner, self)

    def around(self, kind: str, operation: Callable[[], object], half: Callable[[], object] = lambda: None) -> object:
        """Do an operation, or not."""
        with self._lock:
            before = self.struck
            self.kinds.append(kind)
            hit = self.struck and not before
        if before and self.fault in {Fault.KILL, Fault.KILLED_AFTER}:
            raise Killed
        if (hit or (before and kind == "put")) and self.fault is Fault.FULL:
            raise RefusedError("no space left")
        if not hit:
            return operation()
        if self.fault in {Fault.LATE, Fault.KILLED_AFTER}:
            operation()
        if self.fault is Fault.SHORT:
            half()
        raise Killed if self.fault in {Fault.KILL, Fault.KILLED_AFTER} else UnavailableError("the share is gone")


class _Exposed:
    """A storage under a storm."""

    def __init__(self, inner: Storage, storm: Storm) -> None:
        self._inner = inner
        self._storm = storm

    @property
    def address(self) -> str:
        return self._inner.address

    def put(self, name: str, data: Buffer) -> None:
        half = bytes(data[: len(data) // 2])
        self._storm.around("put", lambda: self._inner.put(name, data), lambda: self._inner.put(name, half))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._storm.around("get", lambda: self._inner.get(name, offset, length))  # type: ignore[return-value]

    def listing(self, prefix: str) -> Iterator[Stored]:
        return iter(self._storm.around("listing", lambda: list(self._inner.listing(prefix))))  # type: ignore[call-overload]

    def delete(self, name: str) -> None:
        self._storm.around("delete", lambda: self._inner.delete(name))
