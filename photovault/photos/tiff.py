"""The directories of a TIFF file: TIFF, BigTIFF, Exif, DNG and the RAW formats that are built the same way.

A TIFF is a header (byte order, magic, place of the first directory) and directories (IFDs) of entries ``tag, type,
count, value or place of the value`` (TIFF 6.0, section 2; BigTIFF is the same with 64-bit fields).  ``directories``
walks the chain, the Exif directory and the SubIFDs, first come first served and without recursion; ``first`` and
``Directory.inner`` give single ones, for those who know what they look for.

Guarantee: at most 32 directories of at most 4,096 entries, each once, so a loop in the file ends.  A directory that
cannot be read is left out.  MakerNotes are opened only where somebody asks with ``maker_note``.
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
GPS_IFD = 0x8825
SUB_IFDS = 0x014A

_MAX_DIRECTORIES = 32
_MAX_ENTRIES = 4096
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_FRACTIONS = {5: "II", 10: "ii"}
_MAX_FRACTIONS = 4


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
    """One directory; ``entries`` maps a tag to (type, count, place of the value field), ``stop`` is where they end."""

    window: Window
    form: _Form
    entries: dict[int, tuple[int, int, int]]
    stop: int

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

    def number(self, tag: int) -> int | None:
        """The first whole number of ``tag``, or None; never an error."""
        kind, count, _ = self.entries.get(tag, (0, 0, 0))
        if not count or kind not in _NUMBERS:
            return None
        try:
            data = self.window.read(self.place(tag)[0], _TYPE_SIZES[kind])
        except Unclear:
            return None
        return int.from_bytes(data, "little" if self.form.order == "<" else "big")

    def fractions(self, tag: int) -> list[tuple[int, int]]:
        """Up to four (numerator, denominator) of ``tag``; empty if there are none; never an error."""
        kind, count, _ = self.entries.get(tag, (0, 0, 0))
        if not count or kind not in _FRACTIONS:
            return []
        try:
            data = self.window.read(self.place(tag)[0], 8 * min(count, _MAX_FRACTIONS))
        except Unclear:
            return []
        return list(struct.iter_unpack(self.form.order + _FRACTIONS[kind], data))

    def bytes(self, tag: int, most: int) -> bytes:
        """The first ``most`` bytes of ``tag``; empty if there are none, or they are outside the file."""
        try:
            start, length = self.place(tag)
            return self.window.read(start, min(length, most)) if length else b""
        except Unclear:
            return b""

    def inner(self, tag: int) -> Iterator[Directory]:
        """The directories that the numbers of ``tag`` point at, at most 32; those that cannot be read are left out."""
        with suppress(Unclear):
            for place in self.numbers(tag)[:_MAX_DIRECTORIES]:
                with suppress(Unclear):
                    yield _directory(self.window, self.form, self.form.base + place)


def directories(window: Window, base: int = 0) -> Iterator[Directory]:
    """The directories of the TIFF whose header is at ``base``: the first, its Exif directory, then the others.

    Raises:
        Unclear: there is no TIFF header.
    """
    form, start = _header(window, base)
    waiting, seen = deque([start]), {base}
    while waiting and len(seen) <= _MAX_DIRECTORIES:
        at = waiting.popleft()
        if at in seen:
            continue
        seen.add(at)
        try:
            directory = _directory(window, form, at)
            following = _following(directory)
        except Unclear:
            continue
        yield directory
        waiting.extend(following)


def first(window: Window, base: int = 0) -> Directory:
    """The first directory of the TIFF whose header is at ``base``.

    Raises:
        Unclear: there is none that can be read.
    """
    return _directory(window, *_header(window, base))


def maker_note(window: Window, base: int, at: int) -> Directory:
    """The big-endian directory at ``at`` whose offsets count from ``base``, as Apple's MakerNote has it.

    Raises:
        Unclear: it cannot be read.
    """
    count, entry, offset = _FORMS[">", False]
    return _directory(window, _Form(base=base, order=">", count=count, entry=entry, offset=offset), at)


def _header(window: Window, base: int) -> tuple[_Form, int]:
    magic = window.read(base, 4)
    if magic not in MAGICS:
        raise Unclear
    order, wide = ("<" if magic[:1] == b"I" else ">"), b"+" in magic
    count, entry, offset = _FORMS[order, wide]
    form = _Form(base=base, order=order, count=count, entry=entry, offset=offset)
    return form, base + _number(window, base + (8 if wide else 4), offset)


def _directory(window: Window, form: _Form, at: int) -> Directory:
    count = _number(window, at, form.count)
    if count > _MAX_ENTRIES:
        raise Unclear
    step, start = form.entry.size, at + form.count.size
    table = window.read(start, count * step)
    value = start + step - form.offset.size
    rows = enumerate(form.entry.iter_unpack(table))
    entries = {tag: (kind, many, value + index * step) for index, (tag, kind, many) in rows}
    return Directory(window=window, form=form, entries=entries, stop=start + len(table))


def _following(directory: Directory) -> list[int]:
    """Places of the directories that this one names; the next of the chain, written at its end, comes last."""
    found: list[int] = []
    with suppress(Unclear):
        found += directory.numbers(EXIF_IFD)[:1]
        found += directory.numbers(SUB_IFDS)[:_MAX_DIRECTORIES]
    with suppress(Unclear):  # some writers end the file, or the Exif segment, right after the last entry
        found.append(_number(directory.window, directory.stop, directory.form.offset))
    return [directory.form.base + place for place in found if place]


def _number(window: Window, at: int, form: struct.Struct) -> int:
    value: int = form.unpack(window.read(at, form.size))[0]
    return value
