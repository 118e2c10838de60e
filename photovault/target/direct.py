"""Writing past the page cache where the system can: a restored photo is written once and not read again soon.

O_DIRECT wants aligned memory and whole blocks, so bytes gather in an aligned buffer and go out when it is full; the
last block goes the ordinary way.  Where O_DIRECT is refused, everything does.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading

from photovault.durable import write_all

MIN = 256 * 1024  # bytes of a file from which on it pays
_BUFFER = 1024 * 1024
_BLOCK = 4096


class _Buffers(threading.local):
    """Aligned buffers per thread, kept: fresh pages cost more than the writing."""

    def __init__(self) -> None:
        self._free = [memoryview(mmap.mmap(-1, _BUFFER))]

    def take(self) -> memoryview:
        return self._free.pop() if self._free else memoryview(mmap.mmap(-1, _BUFFER))

    def give(self, buffer: memoryview) -> None:
        self._free.append(buffer)


_buffers = _Buffers()


class Direct:
    """A file that is written from its beginning.  Raises OSError."""

    def __init__(self, fd: int) -> None:
        """``fd`` stays the caller's."""
        self._fd = fd
        self._buffer = _buffers.take()
        self._used = 0
        self._switched = self._switch(on=True)

    def write(self, data: memoryview) -> None:
        """Append ``data``."""
        while data.nbytes:
            count = min(data.nbytes, _BUFFER - self._used)
            self._buffer[self._used : self._used + count] = data[:count]
            self._used += count
            data = data[count:]
            if self._used == _BUFFER:
                self._flush(_BUFFER)

    def finish(self) -> None:
        """Write what is left; nothing can be appended any more."""
        whole = self._used // _BLOCK * _BLOCK
        rest = bytes(self._buffer[whole : self._used])
        self._flush(whole)
        self._switch(on=False)
        write_all(self._fd, rest)
        _buffers.give(self._buffer)

    def _flush(self, count: int) -> None:
        self._used = 0
        try:
            write_all(self._fd, self._buffer[:count])
        except OSError as error:
            if error.errno != errno.EINVAL or not self._switched:
                raise
            self._switched = self._switch(on=False)
            at = os.lseek(self._fd, 0, os.SEEK_CUR) % _BUFFER  # what of this buffer is written already
            write_all(self._fd, self._buffer[at:count])

    def _switch(self, *, on: bool) -> bool:
        if not hasattr(os, "O_DIRECT"):
            return False
        import fcntl  # noqa: PLC0415 - not on Windows

        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETFL, flags | os.O_DIRECT if on else flags & ~os.O_DIRECT)
        except OSError:  # this file system has no such thing
            return False
        return on
