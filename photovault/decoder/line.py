"""The child's end of the line, and the files that come over it.

Over a Unix socket open files come as descriptors, in the order of the orders that name them.  Over two pipes a file is
only a size, and its bytes are asked for range by range.  Both give a ``File``, and nothing else knows the difference.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from photovault.children.frames import frame, read_frame
from photovault.decoder.protocol import FILES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 1 << 16


class UnreadableError(Exception):
    """The file, or the line, cannot be read; no library takes it for an error of its own."""


class FileOrder(NamedTuple):
    """What an order says of a file: its size, its name, and whether its picture is wanted."""

    size: int
    name: str
    thumbnail: bool


class File:
    """A file that is being looked at; each method raises UnreadableError where the system does not read it."""

    def __init__(self, order: FileOrder, read_at: Callable[[int, int], bytes], fd: int = -1) -> None:
        """The file that ``order`` names."""
        self._read_at, self._fd = read_at, fd
        self.size, self.name, self.thumbnail = order

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``, fewer only at the end of the file."""
        try:
            return self._read_at(offset, length)
        except OSError as problem:
            raise UnreadableError from problem

    def close(self) -> None:
        """Let go of it."""
        if self._fd >= 0:
            os.close(self._fd)


class Line(Protocol):
    """What both lines can do."""

    def read(self, length: int) -> bytes | bytearray:
        """Exactly so many bytes; EOFError at the end."""

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame."""

    def file(self, order: FileOrder) -> File:
        """The next file that an order names."""


class SocketLine:
    """A Unix socket, which is standard input."""

    def __init__(self) -> None:
        """Take it over."""
        self._socket = socket.socket(fileno=0)
        self._data = bytearray()
        self._fds: deque[int] = deque()

    def read(self, length: int) -> bytes | bytearray:
        """See ``Line``."""
        while len(self._data) < length:
            data, fds, _, _ = socket.recv_fds(self._socket, max(_PIECE, length - len(self._data)), FILES_MAX)
            self._fds.extend(fds)
            if not data:
                raise EOFError
            self._data += data
        taken = self._data[:length]
        del self._data[:length]
        return taken

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """See ``Line``."""
        self._socket.sendall(frame(head, len(body)))
        if body:
            self._socket.sendall(body)

    def file(self, order: FileOrder) -> File:
        """See ``Line``."""
        fd = self._fds.popleft()
        return File(order, lambda offset, length: os.pread(fd, length, offset), fd)


class PipeLine:
    """Two pipes."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        """Orders come by one, answers go by the other."""
        self._orders, self._answers = orders, answers

    def read(self, length: int) -> bytes | bytearray:
        """See ``Line``."""
        data = self._orders.read(length)
        if len(data) < length:
            raise EOFError
        return data

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """See ``Line``."""
        self._answers.write(frame(head, len(body)) + body)
        self._answers.flush()

    def file(self, order: FileOrder) -> File:
        """See ``Line``."""
        return File(order, self._range)

    def _range(self, offset: int, length: int) -> bytes:
        self.send({"read": [offset, length]})
        return bytes(read_frame(self.read).body)
