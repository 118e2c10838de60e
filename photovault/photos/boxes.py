"""Files made of boxes and chunks: ISO BMFF (MP4, MOV, HEIC, AVIF, CR3), JPEG XL, PNG and RIFF (WebP, AVI).

All of them are sequences of ``length, four letters, body`` that can be walked without knowing what a body means.  A box
that claims more than its parent holds is cut to the parent: a video whose end is missing is still a video.

``items`` reads what a HEIF file is about (ISO/IEC 23008-12): in the ``meta`` box, ``iinf`` gives each item a type and
``iloc`` the places of its bytes.  At most 4,096 boxes a level, 16,384 items and 16,384 extents are looked at.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

JXL_MAGIC = b"\0\0\0\x0cJXL "
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
RIFF_MAGIC = b"RIFF"
FIRST_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))
"""What an MP4 or MOV begins with, in bytes 4 to 8; old QuickTime files have no ``ftyp``."""

_MAX_BOXES = 4096
_MAX_EXTENTS = 16384
_TAIL = 128 * 1024
_FULL = 4  # version and flags at the start of a "full box"
_FIELD = {0: "0s", 4: "I", 8: "Q"}  # "0s" stands for a field that is not there
_IN_FILE, _IN_IDAT = 0, 1
_BOX = struct.Struct(">I4s")
_CHUNK = struct.Struct("<4sI")
_INFE, _INFE_WIDE = struct.Struct(">4xH2x4s"), struct.Struct(">4xI2x4s")
_ILOC = struct.Struct(">B3xBB")


class Box(NamedTuple):
    """One box or chunk: its four letters, and where it starts, its body starts, its body ends and it ends (bytes)."""

    kind: bytes
    start: int
    body: int
    body_stop: int
    stop: int


class Item(NamedTuple):
    """One item of a HEIF file: its type (``hvc1``, ``Exif``, ...), the (start, stop) of its bytes in the file, its number."""

    kind: bytes
    extents: list[tuple[int, int]]
    number: int


def boxes(window: Window, start: int, stop: int) -> Iterator[Box]:
    """The ISO BMFF boxes between ``start`` and ``stop``.

    Raises:
        Unclear: a box is shorter than its own header, or there are too many.
    """
    for _ in range(_MAX_BOXES):
        if stop - start < _BOX.size:
            return
        length, kind = _BOX.unpack(window.read(start, _BOX.size))
        body = start + _BOX.size
        if length == 1:
            body += 8
            length = int.from_bytes(window.read(start + 8, 8), "big")
        end = min(stop, start + length) if length else stop
        if end < body:
            raise Unclear
        yield Box(kind, start, body, end, end)
        start = end
    raise Unclear


def png_chunks(window: Window, start: int = len(PNG_MAGIC)) -> Iterator[Box]:
    """The chunks of a PNG from ``start`` on (PNG specification, 5.3).

    Raises:
        Unclear: a chunk reaches beyond the end of the file, or there are too many.
    """
    for _ in range(_MAX_BOXES):
        if start == window.size:
            return
        length, kind = _BOX.unpack(window.read(start, _BOX.size))
        body = start + _BOX.size
        stop = body + length + 4
        if stop > window.size:
            raise Unclear
        yield Box(kind, start, body, stop - 4, stop)
        start = stop
    raise Unclear


def png_tail(window: Window) -> Iterator[Box]:
    """The chunks of a PNG from its last IDAT on, found from the end of the file as there may be thousands of IDAT.

    Raises:
        Unclear: the last IDAT does not start within the last 128 KiB, or what follows it is no chunk.
    """
    start = max(0, window.size - _TAIL)
    at = window.read(start, window.size - start).rfind(b"IDAT")
    if at < _CHUNK.size:
        raise Unclear
    yield from png_chunks(window, start + at - 4)


def riff_chunks(window: Window) -> Iterator[Box]:
    """The chunks of a RIFF file after its ``RIFF size form`` header; each starts at an even offset.

    Raises:
        Unclear: there are too many.
    """
    start = 12
    for _ in range(_MAX_BOXES):
        if window.size - start < _CHUNK.size:
            return
        kind, length = _CHUNK.unpack(window.read(start, _CHUNK.size))
        body = start + _CHUNK.size
        end = min(window.size, body + length)
        stop = min(window.size, end + (length & 1))
        yield Box(kind, start, body, end, stop)
        start = stop
    raise Unclear


def items(window: Window, meta: Box) -> Iterator[Item]:
    """The items that the ``meta`` box names, in the order of ``iloc``; those kept in other files are left out.

    Raises:
        Unclear: the tables contradict themselves or are too long.
    """
    inner = {box.kind: box for box in boxes(window, meta.body + _FULL, meta.stop)}
    if b"iloc" not in inner:
        return
    kinds = dict(_item_kinds(window, inner[b"iinf"])) if b"iinf" in inner else {}
    bases = {_IN_FILE: 0}
    if b"idat" in inner:
        bases[_IN_IDAT] = inner[b"idat"].body
    for number, method, extents in _locations(window.read(inner[b"iloc"].body, _length(inner[b"iloc"]))):
        if method in bases:
            base = bases[method]
            places = [(base + at, base + at + length) for at, length in extents]
            yield Item(kinds.get(number, b""), places, number)


def _item_kinds(window: Window, iinf: Box) -> Iterator[tuple[int, bytes]]:
    """Item number and type of every ``infe`` box of version 2 or 3 (ISO/IEC 14496-12, 8.11.6); HEIF has no others."""
    data = window.read(iinf.body, _length(iinf))
    at = _FULL + (4 if data[:1] > b"\0" else 2)
    while at + _BOX.size <= len(data):
        length, kind = _BOX.unpack_from(data, at)
        body, at = at + _BOX.size, at + length
        if length < _BOX.size:
            raise Unclear
        form = _INFE_WIDE if data[body : body + 1] == b"\3" else _INFE
        if kind == b"infe" and body + form.size <= min(at, len(data)):
            yield form.unpack_from(data, body)


def _locations(iloc: bytes) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Number, construction method and (offset, length) extents of each item (ISO/IEC 14496-12, 8.11.3)."""
    left = _MAX_EXTENTS
    try:
        row, extent, at, count = _iloc_header(iloc)
        for _ in range(min(count, _MAX_EXTENTS)):
            number, method, base, many = row.unpack_from(iloc, at)
            at += row.size
            left -= many
            if left < 0:
                raise Unclear
            rows = [extent.unpack_from(iloc, at + index * extent.size) for index in range(many)]
            places = [((base or 0) + (offset or 0), length or 0) for _, offset, length in rows]
            at += many * extent.size
            yield number, (method or 0) & 0xF, places
    except (struct.error, KeyError) as problem:
        raise Unclear from problem


def _iloc_header(iloc: bytes) -> tuple[struct.Struct, struct.Struct, int, int]:
    """The layouts of an item and of an extent, where the first item is, and how many there are."""
    version, sizes_1, sizes_2 = _ILOC.unpack_from(iloc)
    offset, length, base, index = (_FIELD[size] for size in (sizes_1 >> 4, sizes_1 & 0xF, sizes_2 >> 4, sizes_2 & 0xF))
    number, method, index = [("H", "0s", "0s"), ("H", "H", index), ("I", "H", index)][min(version, 2)]
    row, extent = struct.Struct(f">{number}{method}2x{base}H"), struct.Struct(f">{index}{offset}{length}")
    (count,) = struct.unpack_from(">" + number, iloc, _ILOC.size)
    return row, extent, _ILOC.size + struct.calcsize(number), count


def _length(box: Box) -> int:
    return box.body_stop - box.body
