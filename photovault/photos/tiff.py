"""The directories of a TIFF file: TIFF, BigTIFF, Exif, DNG and the RAW formats that are built the same way.

A TIFF is a header (byte order, magic, place of the first directory) and directories (IFDs) of entries ``tag, type,
count, value or place of the value`` (TIFF 6.0, section 2; BigTIFF is the same with 64-bit fields).  ``directories``
walks the chain, the Exif directory and the SubIFDs, first come first served and without recursion.

Guarantee: at most 32 directories of at most 4,096 entries, each once, so a loop in the file ends.  A directory that
cannot be read is left out.  MakerNotes are not opened.
"""

from __future__ import annotations

import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGICS = frozenset(
    (
        *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, BigTIFF
        *(b"IIRO", b"IIRS", b"MMOR", b"IIU\0"),  # Olympus ORF, Panasonic RW2
    )
)

EXIF_IFD = 0x8769
SUB_IFDS = 0x014A

_MAX_DIRECTORIES = 32
_MAX_ENTRIES = 4096
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How numbers are written in this file, and from where offsets count."""

    base: int
    order: str
    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct


_FORMS = {
    (order, wide): (
        struct.Struct(order + ("Q" if wide else "H")),
        struct.Struct(order + ("HHQ8x" if wide else "HHI4x")),
        struct.Struct(order + ("Q" if wide else "I")),
    )
    for order in "<>"
    for wide in (False, True)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One directory; ``entries`` maps a tag to (type, count, place of the value field)."""

    window: Window
    form: _Form
    entries: dict[int, tuple[int, int, int]]

    def place(self, tag: int) -> tuple[int, int]:
        """Where the value of ``tag`` is: (offset in the file, length), in bytes; (0, 0) if there is none."""
        kind, count, at = self.entries.get(tag, (0, 0, 0))
        length = _TYPE_SIZES.get(kind, 0) * count
        if length <= self.form.offset.size:
            return at, length
        return self.form.base + _number(self.window, at, self.form.offset), length

    def large(self, least: int) -> Iterator[tuple[int, int]]:
        """The (start, stop) in the file of every value of ``least`` bytes or more.

        Raises:
            Unclear: more places than may be read.
        """
        for tag, (kind, count, _) in self.entries.items():
            if _TYPE_SIZES.get(kind, 0) * count >= least:
                start, length = self.place(tag)
                yield start, start + length

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of ``tag``; empty if there are none.

        Raises:
            Unclear: they are outside the file or too many.
        """
        kind, count, _ = self.entries.get(tag, (0, 0, 0))
        if kind not in _NUMBERS:
            return ()
        data = self.window.read(*self.place(tag))
        return struct.unpack(f"{self.form.order}{count}{_NUMBERS[kind]}", data)

    def text(self, tag: int) -> bytes:
        """The bytes of ``tag`` up to the first zero byte, at most 64; empty if there are none.

        Raises:
            Unclear: they are outside the file.
        """
        start, length = self.place(tag)
        return self.window.read(start, min(length, 64)).partition(b"\0")[0]


def directories(window: Window, base: int = 0) -> Iterator[Directory]:
    """The directories of the TIFF whose header is at ``base``: the first, its Exif directory, then the others.

    Raises:
        Unclear: there is no TIFF header.
    """
    form, first = _header(window, base)
    waiting, seen = deque([first]), {base}
    while waiting and len(seen) <= _MAX_DIRECTORIES:
        at = waiting.popleft()
        if at in seen:
            continue
        seen.add(at)
        try:
            directory, following = _directory(window, form, at)
        except Unclear:
            continue
        yield directory
        waiting.extend(following)


def _header(window: Window, base: int) -> tuple[_Form, int]:
    magic = window.read(base, 4)
    if magic not in MAGICS:
        raise Unclear
    order, wide = ("<" if magic[:1] == b"I" else ">"), b"+" in magic
    count, entry, offset = _FORMS[order, wide]
    form = _Form(base=base, order=order, count=count, entry=entry, offset=offset)
    return form, base + _number(window, base + (8 if wide else 4), offset)


def _directory(window: Window, form: _Form, at: int) -> tuple[Directory, list[int]]:
    count = _number(window, at, form.count)
    if count > _MAX_ENTRIES:
        raise Unclear
    step, first = form.entry.size, at + form.count.size
    table = window.read(first, count * step)
    value = first + step - form.offset.size
    rows = enumerate(form.entry.iter_unpack(table))
    entries = {tag: (kind, many, value + index * step) for index, (tag, kind, many) in rows}
    directory = Directory(window=window, form=form, entries=entries)
    return directory, _following(directory, first + len(table))


def _following(directory: Directory, end: int) -> list[int]:
    """Places of the directories that this one names; the next of the chain, written at ``end``, comes last."""
    found: list[int] = []
    with suppress(Unclear):
        found += directory.numbers(EXIF_IFD)[:1]
        found += directory.numbers(SUB_IFDS)[:_MAX_DIRECTORIES]
    with suppress(Unclear):  # some writers end the file, or the Exif segment, right after the last entry
        found.append(_number(directory.window, end, directory.form.offset))
    return [directory.form.base + place for place in found if place]


def _number(window: Window, at: int, form: struct.Struct) -> int:
    value: int = form.unpack(window.read(at, form.size))[0]
    return value
