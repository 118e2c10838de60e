"""A storage that takes no more than its share of the line.

Each transfer books the time that its bytes take at the limit, after all transfers booked before it, and waits until its
time comes.  Guarantee: averaged over a few objects the limit holds, however many threads transfer.  Not guaranteed: that
it holds within one object, which goes at the speed of the line (16 MiB at most), and that listings count.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.storage.base import Buffer, Storage, Stored


class Share(Protocol):
    """How much of the line, and the world that waiting needs."""

    @property
    def upload_limit(self) -> int:
        """Bytes per second; 0 for all."""

    @property
    def download_limit(self) -> int:
        """Bytes per second; 0 for all."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Waits for so many seconds."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds, never backwards."""


class Limited:
    """``inner``, slowly enough."""

    def __init__(self, inner: Storage, share: Share) -> None:
        """Wrap a storage."""
        self._inner = inner
        self._up = _Line(share.upload_limit, share)
        self._down = _Line(share.download_limit, share)

    @property
    def address(self) -> str:
        """For messages."""
        return self._inner.address

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        self._up.take(len(data))
        self._inner.put(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range.  How much comes is known only afterwards, so the next one waits for it."""
        self._down.take(0)
        data = self._inner.get(name, offset, length)
        self._down.book(len(data))
        return data

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        return self._inner.listing(prefix)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._inner.delete(name)


class _Line:
    """One direction: until when it is booked."""

    def __init__(self, limit: int, share: Share) -> None:
        self._limit = limit
        self._share = share
        self._free_at = float("-inf")
        self._lock = threading.Lock()

    def book(self, size: int) -> float:
        """Book the next free time for ``size`` bytes; returns in how many seconds it begins."""
        if not self._limit:
            return 0.0
        with self._lock:
            now = self._share.clock()
            begin = max(now, self._free_at)
            self._free_at = begin + size / self._limit
            return begin - now

    def take(self, size: int) -> None:
        """Book, and wait until the booked time begins."""
        wait = self.book(size)
        if wait > 0:
            self._share.sleep(wait)
