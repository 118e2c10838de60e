"""What was used last, in memory only: up to so many values of so many bytes together.  For any thread.

Those that nobody asked for longest go first.  Not guaranteed: that a value is made only once, where two threads want it at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")
_FEW: Final = 3


class Cache(Generic[Key, Value]):
    """Values by key."""

    def __init__(self, *, count: int = _FEW, size: int = 0) -> None:
        """At most ``count`` values, of at most ``size`` bytes together, where that is counted."""
        self._count_max, self._size_max = count, size
        self._found: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def get(self, key: Key) -> Value | None:
        """The value of a key, if it is kept."""
        found = self._used(key)
        return None if found is None else found[0]

    def made(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not kept; None may be a value."""
        found = self._used(key)
        if found is not None:
            return found[0]
        value = make()
        self.keep(key, value)
        return value

    def keep(self, key: Key, value: Value, size: int = 0) -> None:
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

    def _used(self, key: Key) -> tuple[Value, int] | None:
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found
