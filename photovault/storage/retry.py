"""A storage that tries again what failed for now.

Only ``UnavailableError`` is tried again, and only where waiting helps, after a wait that doubles from half a second to
half a minute and is spread by chance, so that many devices do not come back at one moment.  That is safe for every
operation, because the promises of ``base`` make each of them harmless to repeat: a ``put`` whose answer got lost finds its
own bytes there.  A listing is complete before its first name is given out.  Guarantee: after ``retries`` further tries the
last error is raised, with the number of tries in it.  What was refused, is missing or is not there at all is raised at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from photovault.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.storage.base import Buffer, Storage, Stored

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0

_T = TypeVar("_T")


class Patience(Protocol):
    """How often to try again, and the world that waiting needs."""

    @property
    def retries(self) -> int:
        """Further tries after the first."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Waits for so many seconds."""

    @property
    def random(self) -> Callable[[], float]:
        """A number from 0 to 1."""


class Retrying:
    """``inner``, patiently."""

    def __init__(self, inner: Storage, patience: Patience) -> None:
        """Wrap a storage."""
        self._inner = inner
        self._patience = patience

    @property
    def address(self) -> str:
        """For messages."""
        return self._inner.address

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        self._again(partial(self._inner.put, name, data))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        return self._again(partial(self._inner.get, name, offset, length))

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        yield from self._again(lambda: list(self._inner.listing(prefix)))

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._again(partial(self._inner.delete, name))

    def _again(self, operation: Callable[[], _T]) -> _T:
        tried = 0
        while True:
            try:
                return operation()
            except UnavailableError as error:
                if not error.retryable:
                    raise
                if tried == self._patience.retries:
                    raise UnavailableError(_tries(error.what, tried + 1), error.hint) from error
            self._patience.sleep(pause(tried, self._patience.random()))
            tried += 1


def pause(tried: int, chance: float) -> float:
    """Seconds to wait after ``tried`` + 1 failures: half of the doubled time for sure, the rest by chance (0 to 1)."""
    full = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(tried, 30))
    return full * (0.5 + 0.5 * chance)


def _tries(what: str, count: int) -> str:
    return f"{what} (tried {count} times)" if count > 1 else what
