"""A bounded view of a file for readers of photo formats.

A photo file may be broken or made to harm, so no offset and no count in it can be believed.  A ``Window`` is the only
way the format readers of this package look at a file: it checks every read against the end of the file, and allows
``MAX_READS`` reads (or as many as its owner says), ``MAX_ONE`` bytes in one and ``MAX_BYTES`` in all.  Bytes that are handed
out again, though read once, can be bounded too (``work``): a reader does work for each.  What goes beyond is ``Unclear``,
which ``split`` and ``facts_of`` turn into their plain answers: fixed parts, nothing known.

Guarantee: exactly the bytes asked for, or ``Unclear``; bounded work, whatever the file says.  Not guaranteed: that the
file stays the same between two reads; the caller notices a change in its own way.
"""

from __future__ import annotations

from collections.abc import Callable

Reader = Callable[[int, int], bytes]
"""``read_at(offset, length)`` gives up to ``length`` bytes, fewer only at the end of the file (as ``os.pread``)."""

HEAD = 64 * 1024
NEAR = 4 * 1024
MAX_READS = 64
MAX_ONE = 1024 * 1024
MAX_BYTES = 8 * 1024 * 1024
_STEP = 64  # the work of a read, in bytes, besides those that it gives
_ANY_WORK = 1 << 62


class Unclear(Exception):  # noqa: N818 - not an error of the user's: it never leaves this package
    """The file does not say, within bounds, what its format says it should."""


class Window:
    """Reads of a file of ``size`` bytes: the first 64 KiB at once, then 4 KiB or more where they are asked for."""

    __slots__ = ("_bytes_left", "_head", "_near", "_near_at", "_read_at", "_reads_left", "_work_left", "size")

    def __init__(self, read_at: Reader, size: int, reads: int = MAX_READS, work: int = _ANY_WORK) -> None:
        """Read the head of the file, the first of ``reads``; a short head makes later reads ``Unclear``."""
        self.size = size
        self._read_at = read_at
        self._head = read_at(0, min(size, HEAD))
        self._near, self._near_at = b"", 0
        self._reads_left, self._bytes_left = reads - 1, MAX_BYTES - HEAD
        self._work_left = work

    @property
    def head(self) -> bytes:
        """The first bytes of the file, at most 64 KiB."""
        return self._head

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes at ``offset``.

        Raises:
            Unclear: outside the file, or beyond what may be read.
        """
        stop = offset + length
        self._work_left -= length + _STEP
        if self._work_left < 0:
            raise Unclear
        if 0 <= offset <= stop <= len(self._head):
            return self._head[offset:stop]
        at = offset - self._near_at
        if 0 <= at <= at + length <= len(self._near):
            return self._near[at : at + length]
        return self._fetch(offset, length)

    def upto(self, offset: int, length: int) -> bytes:
        """At most ``length`` bytes at ``offset``, fewer at the end of the file.

        Raises:
            Unclear: ``offset`` is outside the file, or beyond what may be read.
        """
        return self.read(offset, max(0, min(length, self.size - offset)))

    def _fetch(self, offset: int, length: int) -> bytes:
        if offset < 0 or not 0 <= length <= MAX_ONE or offset + length > self.size:
            raise Unclear
        wanted = min(max(length, NEAR), self.size - offset)
        self._reads_left -= 1
        self._bytes_left -= wanted
        if self._reads_left < 0 or self._bytes_left < 0:
            raise Unclear
        self._near, self._near_at = self._read_at(offset, wanted), offset
        if len(self._near) < length:
            raise Unclear
        return self._near[:length]
