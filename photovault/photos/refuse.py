"""Face data is refused: the store of it is never backed up or imported, wherever it lies and whatever it is called.

1. A file that is one of the store's own, known by device and inode, is refused under any name: so are hard links.
2. A file that begins with the store's mark is refused: a copy, or one that was renamed.
3. A file that does not begin as a picture or video is searched for the mark from front to end.  Encrypted bytes do not
   compress, so zip and tar keep the mark as it is, zstd and 7z too if there is no other file before it, and so does
   whatever the store is appended to.
4. What is compressed as one stream (gzip, bzip2, xz; a tar whose header shares a block with the mark) is unpacked for the
   search, up to 256 MiB of it.

Guarantee: of what these rules find, no byte is handed on; bounded work and memory, whatever the file says.  Not guaranteed:
against somebody who hides the store: behind a photo, as text, encrypted once more, in an archive within an archive; nor is a
log of the store's database known without the page that has the mark, if it is a copy; without the store's key it is noise.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from photovault.names import FACE_STORE_MAGIC
from photovault.photos import boxes, jpeg, raf, tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.photos.window import Reader

WHY = "it holds face data of photovault, which never leaves this computer"
HINT = "remove it from your photos; the store itself is erased by `photovault people disable`"

_PIECE = 256 * 1024
_HEAD = 512
_UNPACKED_MAX = 256 * 1024 * 1024
_STEP = 1024 * 1024
_STREAMS_MAX = 10_000  # in one file, one behind the other
_MEMORY_MAX = 128 * 1024 * 1024  # of an xz decoder; its highest level takes 65 MiB
_OVERLAP = len(FACE_STORE_MAGIC) - 1

_BEGINNINGS = (
    jpeg.MAGIC,
    boxes.PNG_MAGIC,
    boxes.JXL_MAGIC,
    raf.MAGIC,
    b"GIF87a",
    b"GIF89a",
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV
    b"\0\0\1\xba",  # MPEG program stream
)
_RIFF_KINDS = (b"WEBP", b"AVI ")
_TRANSPORT = ((0, 188), (4, 192))  # MPEG transport stream, as broadcast and as cameras write it: a G begins each packet


def holds_face_data(read_at: Reader, size: int) -> bool:
    """Whether a file of ``size`` bytes is the store of face data, or holds it.

    Pictures and videos are asked for their first bytes only, others are read from front to end.

    Raises:
        OSError: and whatever else ``read_at`` raises.
    """
    if is_known(read_at(0, _HEAD)):
        return False
    screen = Screen()
    return any(screen.feed(read_at(at, _PIECE)) for at in range(0, size, _PIECE))


def is_known(head: bytes) -> bool:
    """Whether a file with these first bytes, 512 if it has so many, begins as a picture or video."""
    if head.startswith(_BEGINNINGS) or head[4:8] in boxes.FIRST_BOXES or head[:4] in tiff.MAGICS:
        return True
    if head.startswith(boxes.RIFF_MAGIC):
        return head[8:12] in _RIFF_KINDS
    return any(head[at : at + 2 * step + 1 : step] == b"GGG" for at, step in _TRANSPORT)


class Screen:
    """Looks at a file as it goes by, piece by piece; the first should have 512 bytes, if the file does."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._searches: list[_Search | _Unpacking] | None = None
        self._caught = False

    def feed(self, data: bytes) -> bool:
        """Take the next piece; whether the mark was in it, or in one before."""
        if self._searches is None:
            self._searches = [] if is_known(data) else [_Search(), *_unpacking(data)]
        self._caught = self._caught or any(one.feed(data) for one in self._searches)
        return self._caught


class _Search:
    """Finds the mark in pieces, also where two of them meet."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> bool:
        found = FACE_STORE_MAGIC in data or FACE_STORE_MAGIC in self._tail + data[:_OVERLAP]
        self._tail = (self._tail + data[-_OVERLAP:])[-_OVERLAP:]
        return found


class _Machine(Protocol):
    """What unpacks one stream, as bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gzip:
    """zlib's decoder with the manners of the others."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._machine.eof

    @property
    def unused_data(self) -> bytes:
        return self._machine.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        found = self._machine.decompress(self._machine.unconsumed_tail + data, max_length)
        self.needs_input = not self._machine.unconsumed_tail
        return found


_STREAMS: dict[bytes, Callable[[], _Machine]] = {b"\x1f\x8b": _Gzip}
_BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, MemoryError, zlib.error)
try:
    import bz2
    import lzma
except ImportError:
    pass  # a Python without them: such files are searched as they are
else:
    _BROKEN += (lzma.LZMAError,)
    _STREAMS |= {b"BZh": bz2.BZ2Decompressor, b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_MEMORY_MAX)}


class _Unpacking:
    """Unpacks streams that follow one another and searches what comes out; what does not unpack ends it."""

    def __init__(self, new: Callable[[], _Machine]) -> None:
        self._new = new
        self._machine = new()
        self._streams = _STREAMS_MAX
        self._room = _UNPACKED_MAX
        self._search = _Search()

    def feed(self, data: bytes) -> bool:
        while self._room > 0:
            try:
                found = self._machine.decompress(data, _STEP)
            except _BROKEN:
                break
            self._room -= len(found)
            if self._search.feed(found):
                return True
            if self._machine.eof:
                data = self._machine.unused_data
                self._next()
            elif self._machine.needs_input:
                return False
            else:
                data = b""
            if not data and self._machine.needs_input:
                return False
        self._room = 0
        return False

    def _next(self) -> None:
        self._streams -= 1
        self._machine = self._new()
        if not self._streams:
            self._room = 0


def _unpacking(head: bytes) -> Iterator[_Unpacking]:
    """Something that unpacks, for a compressed stream."""
    for magic, new in _STREAMS.items():
        if head.startswith(magic):
            yield _Unpacking(new)
