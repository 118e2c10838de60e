"""Reading files for a backup: the part that workers do.

A file is opened without following a link, read into a buffer that the owner lends, cut into parts, hashed once for its
part ids and once as a whole.  Its size and times are compared before and after: a file that changed meanwhile is read
again, up to three times, and marked unsettled if it never held still.  Small files are read in batches, so that
the cost of handing work to a thread is shared; files larger than the buffer are read in windows of whole parts.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from photovault.model import INODE_MASK, Stamp
from photovault.photos.metadata import Taken, taken
from photovault.photos.split import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    PartId = Callable[[memoryview], bytes]

BUFFER = 8 * 1024 * 1024
ATTEMPTS = 3
XATTRS_MAX = 64 * 1024  # an entry with them must fit into a page of a listing
_NOATIME = getattr(os, "O_NOATIME", 0)
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Piece(NamedTuple):
    """One part of a file in the buffer."""

    part_id: bytes
    start: int
    length: int


class FileRead(NamedTuple):
    """A file that was read: what it is, and where its parts lie in the buffer (empty for a file read in windows)."""

    stamp: Stamp
    mode: int
    digest: bytes
    pieces: tuple[Piece, ...]
    taken: Taken | None
    xattrs: tuple[tuple[str, bytes], ...]
    unsettled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """A file that could not be read, or (``grown``) does not fit into the buffer any more."""

    why: str
    grown: bool = False


class ReaderOptions(NamedTuple):
    """How files are read."""

    part_id: PartId
    xattrs: bool


def read_batch(paths: Sequence[bytes], buffer: memoryview, options: ReaderOptions) -> list[FileRead | NotRead]:
    """Read files that fit into ``buffer`` together; one answer each, in order.

    All are opened, and the system is told that they will be read, before the first is: so a disk can fetch the next
    ones while we work on this one.
    """
    files = [_opened(path) for path in paths]
    answers: list[FileRead | NotRead] = []
    used = 0
    try:
        for path, fd in zip(paths, files, strict=True):
            answer = fd if isinstance(fd, NotRead) else _read(fd, path, buffer[used:], options, used)
            if isinstance(answer, FileRead):
                used += answer.stamp.size
            answers.append(answer)
    finally:
        for fd in files:
            if not isinstance(fd, NotRead):
                os.close(fd)
    return answers


def _opened(path: bytes) -> int | NotRead:
    try:
        fd = open_quietly(path)
    except OSError as error:
        return NotRead(why=error.strerror or type(error).__name__)
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
    return fd


def _read(fd: int, path: bytes, room: memoryview, options: ReaderOptions, base: int) -> FileRead | NotRead:
    try:
        return _read_open(fd, path, room, options, base)
    except OSError as error:
        return NotRead(why=error.strerror or type(error).__name__)


def open_quietly(path: bytes) -> int:
    """Open a file for reading, not following a link and, where we may, without a mark of having read it.

    Without O_NOATIME each file that is read is also written to: its time of access.  Only the owner may ask for it.
    """
    if _NOATIME:
        try:
            return os.open(path, _FLAGS | _NOATIME)
        except PermissionError:
            pass
    return os.open(path, _FLAGS)


def _read_open(fd: int, path: bytes, room: memoryview, options: ReaderOptions, base: int) -> FileRead | NotRead:
    name = os.path.basename(path)
    settled = False
    for _ in range(ATTEMPTS):
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            return NotRead(why="it is not a file any more")
        if before.st_size > len(room):
            return NotRead(why="it grew", grown=True)
        size = fill(fd, 0, room[: before.st_size])
        settled = size == before.st_size and _same(before, os.fstat(fd))
        if settled:
            break
    data = room[:size]
    return FileRead(
        stamp=Stamp(name, before.st_ino & INODE_MASK, size, before.st_mtime_ns, before.st_ctime_ns),
        mode=stat.S_IMODE(before.st_mode),
        digest=hashlib.sha256(data).digest(),
        pieces=tuple(_pieces(data, options.part_id, base)),
        taken=taken(_memory_reader(data), size, os.fsdecode(name)),
        xattrs=_xattrs(fd) if options.xattrs else (),
        unsettled=not settled,
    )


def _pieces(data: memoryview, part_id: PartId, base: int) -> Iterator[Piece]:
    at = 0
    for length in split(_memory_reader(data), len(data)):
        yield Piece(part_id(data[at : at + length]), base + at, length)
        at += length


def _memory_reader(data: memoryview) -> Callable[[int, int], bytes]:
    return lambda offset, length: bytes(data[offset : offset + length])


def fill(fd: int, offset: int, out: memoryview) -> int:
    """Read until ``out`` is full or the file ends; returns how many bytes."""
    done = 0
    while done < len(out):
        count = (
            os.preadv(fd, [out[done:]], offset + done)
            if hasattr(os, "preadv")
            else _pread(fd, offset + done, out[done:])
        )
        if not count:
            break
        done += count
    return done


def _pread(fd: int, offset: int, out: memoryview) -> int:
    os.lseek(fd, offset, os.SEEK_SET)
    data = os.read(fd, min(len(out), BUFFER))
    out[: len(data)] = data
    return len(data)


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def _xattrs(fd: int) -> tuple[tuple[str, bytes], ...]:
    """User attributes, sorted, up to 64 KiB in all; none where the system or the file system has no such thing."""
    if not hasattr(os, "listxattr"):
        return ()
    found, room = [], XATTRS_MAX
    try:
        for name in sorted(name for name in os.listxattr(fd) if name.startswith("user.")):
            value = os.getxattr(fd, name)
            room -= len(name) + len(value)
            if room >= 0:
                found.append((name, value))
    except OSError:
        return ()
    return tuple(found)


class LargeFile:
    """A file that is read in windows of whole parts, each at most as large as the buffer."""

    def __init__(self, path: bytes, options: ReaderOptions) -> None:
        """Open the file and decide its parts.  Raises OSError."""
        self.path = path
        self._options = options
        self._fd = open_quietly(path)
        try:
            self._begin()
        except BaseException:
            os.close(self._fd)
            raise

    def _begin(self) -> None:
        self._before = os.fstat(self._fd)
        if not stat.S_ISREG(self._before.st_mode):
            raise OSError("it is not a file any more")
        self._digest = hashlib.sha256()
        self._size = 0
        lengths = split(lambda offset, length: os.pread(self._fd, length, offset), self._before.st_size)
        self.windows = tuple(_windows(lengths)) or ((0, ()),)  # a file that was emptied has one empty window

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def read(self, window: tuple[int, tuple[int, ...]], buffer: memoryview) -> tuple[Piece, ...]:
        """Read one window into ``buffer`` and hash its parts; a file that became shorter gives fewer bytes.  For workers."""
        offset, lengths = window
        size = fill(self._fd, offset, buffer[: sum(lengths)])
        pieces, at = [], 0
        for length in lengths:
            length = min(length, size - at)  # noqa: PLW2901 - the end of a file that shrank
            if length <= 0:
                break
            pieces.append(Piece(self._options.part_id(buffer[at : at + length]), at, length))
            at += length
        return tuple(pieces)

    def add(self, data: memoryview) -> None:
        """Take a window into the digest, in order.  For the owner."""
        self._digest.update(data)
        self._size += len(data)

    def settled(self) -> bool:
        """Whether the file is now what it was when the first window was read."""
        return self._size == self._before.st_size and _same(self._before, os.fstat(self._fd))

    def again(self) -> None:
        """Begin from the start."""
        self._begin()

    def result(self, *, unsettled: bool) -> FileRead:
        """What was read, without pieces."""
        st, name = self._before, os.path.basename(self.path)
        return FileRead(
            stamp=Stamp(name, st.st_ino & INODE_MASK, self._size, st.st_mtime_ns, st.st_ctime_ns),
            mode=stat.S_IMODE(st.st_mode),
            digest=self._digest.digest(),
            pieces=(),
            taken=taken(lambda offset, length: os.pread(self._fd, length, offset), self._size, os.fsdecode(name)),
            xattrs=_xattrs(self._fd) if self._options.xattrs else (),
            unsettled=unsettled,
        )


def _windows(lengths: list[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Group parts into windows: (offset in the file, lengths of the parts)."""
    offset, size = 0, 0
    window: list[int] = []
    for length in lengths:
        if window and size + length > BUFFER:
            yield offset, tuple(window)
            offset, size, window = offset + size, 0, []
        window.append(length)
        size += length
    if window:
        yield offset, tuple(window)
