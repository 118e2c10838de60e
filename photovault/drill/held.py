"""A restored photo, where nobody finds it: in memory, in a file that never had a name.

Where the system has no such files (macOS), one on the disk that loses its name before the first byte is in it.  Of a large
video only the beginning and the end are held, which is what a decoder needs to show its first seconds; of other large files one is
held at a time, and none over 256 MiB.  The digest is of every byte in any case.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photovault.facts import PHOTO_KINDS, RAW_KINDS, VIDEO_KINDS
from photovault.photos.goodness import is_named_as_one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Lock

    from photovault.model import Entry

WHOLE = 64 << 20
"""Bytes of a file that each worker may hold."""

LARGEST = 256 << 20
END = 32 << 20
PICTURES = PHOTO_KINDS | RAW_KINDS | VIDEO_KINDS
TOO_LARGE = "larger than 256 MiB"
NO_ROOM = "there was no memory to hold it in"


class Held:
    """Takes the bytes of one file.

    Attributes:
        fd: of the file to be looked at; -1 when there is none.
        was_shown: whether there is, or was, one.
        partly: whether only its ends are in it.
        why: why it will not be looked at, though it is a picture; else empty.
    """

    def __init__(self, entry: Entry) -> None:
        """Nothing came yet."""
        self._entry = entry
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.fd = -1
        self.was_shown = False
        self.partly = entry.size > WHOLE and entry.facts.kind in VIDEO_KINDS
        self.why = ""
        if not is_picture(entry) or not entry.size:
            return
        if entry.size > LARGEST and not self.partly:
            self.why = TOO_LARGE
            return
        try:
            self.fd, self.was_shown = _nameless(), True
        except OSError:
            self.why = NO_ROOM

    @property
    def needs_room(self) -> bool:
        """Whether only one such file may be held at a time."""
        return self.fd >= 0 and self._entry.size > WHOLE and not self.partly

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._sha256.update(data)
        if self.fd >= 0 and self.size < self._entry.size:  # what comes beyond is compared and refused, not held
            try:
                self._keep(memoryview(data))
            except OSError:
                self.close()
                self.why = NO_ROOM
        self.size += len(data)

    def _keep(self, data: memoryview) -> None:
        start, end = self.size, self.size + len(data)
        if not self.partly or start < END or end > self._entry.size - END:
            while data.nbytes:
                done = os.pwrite(self.fd, data, start)
                data, start = data[done:], start + done

    @property
    def is_whole(self) -> bool:
        """Whether it is what was backed up."""
        return self.size == self._entry.size and self._sha256.digest() == self._entry.digest

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def is_picture(entry: Entry) -> bool:
    """Whether there is something to look at."""
    return entry.facts.kind in PICTURES or (not entry.facts.kind and is_named_as_one(entry.name))


@contextmanager
def room(held: Held, alone: Lock) -> Iterator[None]:
    """Wait until there is room for it."""
    if not held.needs_room:
        yield
        return
    with alone:
        yield


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("photovault")
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())
