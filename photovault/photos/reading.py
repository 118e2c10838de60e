"""Reading files for a backup: the part that workers do.

A file is opened without following a link, read into a buffer that the owner lends, cut into parts, hashed once for its
part ids and once as a whole.  Its size and times are compared before and after: a file that changed meanwhile is read
again, up to three times, and marked unsettled if it never held still.  Small files are read in batches, so that
the cost of handing work to a thread is shared; files larger than the buffer are read in windows of whole parts.

What a photo says of itself is read elsewhere: opened files are given away for it (``looking``) before they are read here,
and the answers are waited for only when somebody asks for the ``result``.  Guarantee: a file is read and hashed whatever
becomes of the look at it, and a thumbnail is that of the bytes that were read.  Face data is refused here (``refuse``), before
anything of it is handed on: of a small file once it is in the buffer, of a large one before its first window.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from photovault.model import INODE_MASK, Stamp
from photovault.photos import refuse
from photovault.photos.looking import Look, Seen, is_still, unseen
from photovault.photos.picture import Picture, picture
from photovault.photos.split import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from photovault.photos.looking import Ask

    PartId = Callable[[memoryview], bytes]
    _Open = tuple[int, os.stat_result]

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
    xattrs: tuple[tuple[str, bytes], ...]
    unsettled: bool = False
    seen: Seen = Seen()
    picture: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """A file that could not be read, or (``grown``) does not fit into the buffer any more."""

    why: str
    grown: bool = False


class ReaderOptions(NamedTuple):
    """How files are read.

    Attributes:
        part_id: of the bytes of a part.
        xattrs: whether to read extended attributes.
        look: who looks at files; nobody, if None.
        find_pictures: whether to find the pictures of JPEGs.
        own: device and inode of the files with face data, which are refused under any name.
    """

    part_id: PartId
    xattrs: bool
    look: Ask | None = None
    find_pictures: bool = False
    own: frozenset[tuple[int, int]] = frozenset()


class Reading:
    """Files that were read, and may still be looked at."""

    def __init__(self, answers: list[FileRead | NotRead], paths: Sequence[bytes], look: Look) -> None:
        """``answers``: what reading gave, one for each path; ``files`` from now on."""
        self.files = answers
        self._paths = paths
        self._look = look

    def result(self) -> list[FileRead | NotRead]:
        """What became of each file, in order, with what was seen in it; waits until that is known."""
        return [
            answer._replace(seen=_of_these_bytes(seen, path, answer.stamp)) if isinstance(answer, FileRead) else answer
            for answer, path, seen in zip(self.files, self._paths, self._look.result(), strict=True)
        ]


def read_batch(
    paths: Sequence[bytes], buffer: memoryview, options: ReaderOptions, *, thumbnails: bool = False
) -> Reading:
    """Read files that fit into ``buffer`` together; one answer each, in order.

    All are opened, and the system is told that they will be read, before the first is: so a disk can fetch the next
    ones while we work on this one.
    """
    files = [_opened(path) for path in paths]
    answers: list[FileRead | NotRead] = []
    used = 0
    try:
        look = Look(options.look, paths, list(map(_unless_not_read, files)), thumbnails=thumbnails)
        for path, file in zip(paths, files, strict=True):
            answer = file if isinstance(file, NotRead) else _read(file, path, buffer[used:], options, used)
            if isinstance(answer, FileRead):
                used += answer.stamp.size
            answers.append(answer)
    finally:
        _close(files)
    return Reading(answers, paths, look)


class Revisit:
    """A look at files that were read before: their bytes are taken as known as long as their stamps hold."""

    def __init__(self, paths: Sequence[bytes], stamps: Sequence[Stamp], ask: Ask | None) -> None:
        """Open the files that still are what their stamps say, and have them looked at."""
        self._paths = paths
        self._stamps = stamps
        files = [
            _opened(path) if is_still(path, stamp) else NotRead(why="it changed")
            for path, stamp in zip(paths, stamps, strict=True)
        ]
        try:
            self._look = Look(ask, paths, list(map(_unless_not_read, files)), thumbnails=True)
        finally:
            _close(files)

    def result(self) -> list[Seen | None]:
        """What was seen in each; None for one that is not what its stamp says, or was not until now."""
        return [
            seen if is_still(path, stamp) else None
            for seen, path, stamp in zip(self._look.result(), self._paths, self._stamps, strict=True)
        ]


def _of_these_bytes(seen: Seen, path: bytes, stamp: Stamp) -> Seen:
    """What was seen, unless the file is another by now and the thumbnail may be of that one."""
    if not seen.thumbnail or is_still(path, stamp):
        return seen
    return unseen(stamp.name, "it changed while it was looked at")


def _unless_not_read(file: _Open | NotRead) -> _Open | None:
    return None if isinstance(file, NotRead) else file


def _opened(path: bytes) -> _Open | NotRead:
    """The file, opened, and what it was then."""
    fd = None
    try:
        fd = open_quietly(path)
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
        return fd, os.fstat(fd)
    except OSError as error:
        if fd is not None:
            os.close(fd)
        return NotRead(why=error.strerror or type(error).__name__)


def _close(files: Sequence[_Open | NotRead]) -> None:
    for file in files:
        if not isinstance(file, NotRead):
            os.close(file[0])


def _read(file: _Open, path: bytes, room: memoryview, options: ReaderOptions, base: int) -> FileRead | NotRead:
    try:
        return _read_open(file, path, room, options, base)
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


def _read_open(file: _Open, path: bytes, room: memoryview, options: ReaderOptions, base: int) -> FileRead | NotRead:
    name = os.path.basename(path)
    settled = False
    fd, after = file
    for _ in range(ATTEMPTS):
        before = after
        if not stat.S_ISREG(before.st_mode):
            return NotRead(why="it is not a file any more")
        if (before.st_dev, before.st_ino) in options.own:
            return NotRead(why=refuse.WHY)
        if before.st_size > len(room):
            return NotRead(why="it grew", grown=True)
        size = fill(fd, 0, room[: before.st_size])
        after = os.fstat(fd)
        settled = size == before.st_size and _same(before, after)
        if settled:
            break
    data = room[:size]
    if refuse.holds_face_data(_memory_reader(data), size):
        return NotRead(why=refuse.WHY)
    pieces = tuple(_pieces(data, options.part_id, base))
    return FileRead(
        stamp=Stamp(name, before.st_ino & INODE_MASK, size, before.st_mtime_ns, before.st_ctime_ns),
        mode=stat.S_IMODE(before.st_mode),
        digest=hashlib.sha256(data).digest(),
        pieces=pieces,
        xattrs=_xattrs(fd) if options.xattrs else (),
        unsettled=not settled,
        picture=picture(data, [one.length for one in pieces]) if options.find_pictures else None,
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

    def __init__(self, path: bytes, options: ReaderOptions, *, thumbnails: bool = False) -> None:
        """Open the file, have it looked at and decide its parts.  Raises OSError."""
        self.path = path
        self._options = options
        self._thumbnails = thumbnails
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
        self._refuse()
        opened = (self._fd, self._before)
        self._look = Look(self._options.look, [self.path], [opened], thumbnails=self._thumbnails)
        self._digest = hashlib.sha256()
        self._size = 0
        lengths = split(self._read_at, self._before.st_size)
        self.windows = tuple(_windows(lengths)) or ((0, ()),)  # a file that was emptied has one empty window

    def _read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def _refuse(self) -> None:
        """Raise OSError for face data."""
        is_own = (self._before.st_dev, self._before.st_ino) in self._options.own
        if is_own or refuse.holds_face_data(self._read_at, self._before.st_size):
            raise OSError(refuse.WHY)

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
        """What was read and seen, without pieces; waits until all is seen."""
        st, name = self._before, os.path.basename(self.path)
        stamp = Stamp(name, st.st_ino & INODE_MASK, self._size, st.st_mtime_ns, st.st_ctime_ns)
        (seen,) = self._look.result()
        return FileRead(
            stamp=stamp,
            mode=stat.S_IMODE(st.st_mode),
            digest=self._digest.digest(),
            pieces=(),
            xattrs=_xattrs(self._fd) if self._options.xattrs else (),
            unsettled=unsettled,
            seen=_of_these_bytes(seen, self.path, stamp),
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
