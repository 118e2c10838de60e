"""Whole files: that each has the size and the SHA-256 that its entry says.

Packs come by in the order in which they were stored, and with them most parts in the order of their files; so files are
hashed on the way, without a part being fetched or kept twice.  A file waits for its next part; one that is still
waiting at the end (a part of it was stored earlier, for another file) is finished by fetching what it lacks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, RefusedError, UnknownVersionError

if TYPE_CHECKING:
    from photovault.model import Entry
    from photovault.vault.reader import Reader

_EMPTY = hashlib.sha256()


@dataclass(slots=True, eq=False)
class _File:
    """A file on the way: what its entry says, and how far it is."""

    parts: tuple[bytes, ...]
    digest: bytes
    size: int
    at: int = 0
    hashed: hashlib._Hash | None = None

    def take(self, data: bytes) -> None:
        if self.hashed is None:
            self.hashed = hashlib.sha256()
        self.hashed.update(data)
        self.size -= len(data)
        self.at += 1

    @property
    def next(self) -> bytes | None:
        return self.parts[self.at] if self.at < len(self.parts) else None

    @property
    def is_right(self) -> bool:
        return self.size == 0 and (self.hashed or _EMPTY).digest() == self.digest


class Files:
    """Takes entries, then parts, and says which files are not what their entries say."""

    def __init__(self) -> None:
        """Start with none."""
        self.wrong: set[bytes] = set()
        self._waiting: dict[bytes, list[_File]] = {}
        self._known: set[bytes] = set()

    def expect(self, entry: Entry) -> bool:
        """A file to look at, once however many snapshots have it; False when it is empty and says something else."""
        key = hashlib.sha256(b"".join((entry.digest, entry.size.to_bytes(8, "big"), *entry.parts))).digest()[:16]
        file = _File(entry.parts, entry.digest, entry.size)
        if not entry.parts:
            return file.is_right
        if key not in self._known:
            self._known.add(key)
            self._waiting.setdefault(entry.parts[0], []).append(file)
        return True

    def part(self, part_id: bytes, data: bytes) -> None:
        """A part comes by."""
        for file in self._waiting.pop(part_id, ()):
            while file.next == part_id:  # some files are one part over and over
                file.take(data)
            self._go_on(file)

    def finish(self, reader: Reader) -> None:
        """Fetch what the files lack that are still waiting; parts that are lost or opaque are somebody else's finding."""
        waiting, self._waiting = self._waiting, {}
        for file in (file for files in waiting.values() for file in files):
            try:
                while (part := file.next) is not None:
                    file.take(reader.part(part))
            except (DamageError, MissingError, RefusedError, UnknownVersionError):
                continue
            self._go_on(file)

    def _go_on(self, file: _File) -> None:
        if file.next is not None:
            self._waiting.setdefault(file.next, []).append(file)
        elif not file.is_right:
            self.wrong.add(file.parts[0])
