"""A storage in memory, for tests and for trying things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.errors import MissingError, RefusedError
from photovault.storage.base import Buffer, Stored, check_name, check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemoryStorage:
    """Keeps objects in a dict, which tests may read and spoil."""

    def __init__(self) -> None:
        """Start empty."""
        self.objects: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """For messages."""
        return "memory:"

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        check_name(name)
        if self.objects.setdefault(name, bytes(data)) != data:
            raise RefusedError(f"{name} is there already, with other contents")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        check_name(name)
        try:
            data = self.objects[name]
        except KeyError:
            raise MissingError(f"{name} is not in the storage") from None
        if length is None:
            check_whole(name, len(data))
        end = len(data) if length is None else offset + length
        if end > len(data) or offset > len(data):
            raise MissingError(f"{name} ends before byte {end}")
        return data[offset:end]

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        for name, data in list(self.objects.items()):
            if name.startswith(prefix):
                yield Stored(name=name, size=len(data))

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        self.objects.pop(name, None)
