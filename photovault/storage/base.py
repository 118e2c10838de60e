"""What a storage promises.  Four methods; one test suite holds every implementation to these promises.

- ``put`` is atomic and durable: afterwards the object is whole under its name, even after a power cut; if it fails,
  there is no object of that name.  It never overwrites: putting the same bytes again is no error, other bytes are
  refused.  Nothing above relies on that refusal, because names are never used twice.
- ``get`` returns the bytes of a range: all of them or an error.  A range that ends after the object is an error.
- No object is larger than 16 MiB: a ``get`` of a whole one that is, is a ``DamageError`` and takes no memory.
- ``listing`` names every object below a prefix with its size, complete or an error, in no order.
- ``delete`` removes one object, durably: what is removed after it never stays away when this one comes back.  Removing
  what is not there is no error.
- After a ``put`` has returned, ``get`` and ``listing`` of the same process see it.

Names are relative, of ``[A-Za-z0-9._-]`` segments joined by ``/``.  Errors are of three kinds: ``UnavailableError`` (a
retry may help), ``RefusedError`` (rights, quota, space) and ``MissingError`` (not there, or its bytes cannot be read any
more, which costs only this object).  All methods may be called from several threads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from photovault.errors import DamageError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

Buffer = bytes | bytearray | memoryview
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")

OBJECT_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One object in a listing: its name and its size in bytes."""

    name: str
    size: int


class Storage(Protocol):
    """Where objects are kept."""

    @property
    def address(self) -> str:
        """For messages: where this is, without secrets."""

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """``length`` bytes from ``offset``, or all from there."""

    def listing(self, prefix: str) -> Iterator[Stored]:
        """Every object whose name begins with ``prefix``, which is empty or ends with a slash."""

    def delete(self, name: str) -> None:
        """Remove an object."""


def check_name(name: str) -> None:
    """RefusedError unless ``name`` is one that every storage can keep."""
    if _NAME.fullmatch(name) is None:
        raise RefusedError(f"not a name for a stored object: {name!r}")


def check_whole(name: str, size: int) -> None:
    """DamageError when an object is larger than any may be; asked before a whole object is read."""
    if size > OBJECT_MAX:
        raise DamageError(f"{name} has {size:,} bytes, more than any object of a vault")
