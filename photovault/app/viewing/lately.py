"""What was used last, in memory only, up to so many bytes and so many of them.  For any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lately(Generic[Value]):
    """Values by key; those that nobody asked for longest go first."""

    def __init__(self, *, size: int, count: int) -> None:
        """At most ``size`` bytes in at most ``count`` values."""
        self._size_max, self._count_max = size, count
        self._found: OrderedDict[bytes, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def get(self, key: bytes) -> Value | None:
        """The value of a key, if it is kept."""
        with self._lock:
            found = self._found.get(key)
            if found is None:
                return None
            self._found.move_to_end(key)
            return found[0]

    def keep(self, key: bytes, value: Value, size: int) -> None:
        """Keep a value of so many bytes; one that is larger than all may be, is not kept."""
        if size > self._size_max:
            return
        with self._lock:
            self._size += size - self._found.pop(key, (None, 0))[1]
            self._found[key] = value, size
            while self._size > self._size_max or len(self._found) > self._count_max:
                self._size -= self._found.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._found.clear()
            self._size = 0
