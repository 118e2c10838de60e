"""Canaries: bytes that must be nowhere in a vault, searched for in everything that is decrypted.

Each is looked for as it is, in hexadecimal and in base64 (which has three forms, by where it begins).  A planted vector
of the store of face data is looked for by a run of its numbers, in whatever way programs write numbers down: binary of
three widths and both orders, hexadecimal, base64, base32, base85, text and JSON, also in UTF-16.  The first of several
vectors is looked for in all of these, the others as they are: what takes one along takes all along.

A tripwire, no proof: bytes that were changed or compressed on their way, or cut by the border of a part, are not
recognised.  The two-run proof needs no such luck.
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST = 16  # shorter ones stand in any photo by chance
MOST = 1 << 20
OF_FACES = "of the store of face data"
_AT, _RUN = 60, 30  # numbers of a vector: 120 bytes from byte 240 on, so that every code of its bytes begins anew there


class Canaries:
    """A set of canaries, ready to be searched for.  Safe for several threads."""

    def __init__(self, canaries: Iterable[tuple[str, bytes]] = (), vectors: Sequence[bytes] = ()) -> None:
        """Take (name for people, bytes) of each, and planted vectors, float32 little-endian.

        Raises:
            UsageError: one is shorter than 16 bytes or longer than 1 MiB.
        """
        self._forms: list[tuple[str, bytes]] = []
        for name, data in canaries:
            if not LEAST <= len(data) <= MOST:
                raise UsageError(f"the canary {name} has {len(data):,} bytes", f"use {LEAST} bytes to 1 MiB")
            self._forms += [(name, form) for form in _forms(data)]
        for number, vector in enumerate(vectors):
            run = vector[4 * _AT : 4 * (_AT + _RUN)]
            if len(run) >= LEAST:
                self._forms += [(OF_FACES, form) for form in ([run] if number else _vector_forms(run))]

    def find(self, data: bytes) -> str:
        """The name of the first canary in ``data``, or empty."""
        return next((name for name, form in self._forms if form in data), "")


def _vector_forms(run: bytes) -> set[bytes]:
    """A run of a vector, as it may be written down."""
    numbers = struct.unpack(f"<{len(run) // 4}f", run)
    binary = {struct.pack(f"{order}{len(numbers)}{width}", *numbers) for order in "<>" for width in "efd"}
    codes = {base64.b32encode(run), base64.b85encode(run), base64.a85encode(run)}
    texts = {sign.join(map(write, numbers)) for sign in (",", ", ", " ", "\n") for write in _WRITTEN}
    texts.add(max(map(repr, numbers), key=len))  # one with all its digits is enough, whatever stands beside it
    text = {form.encode() for form in texts}
    wide = {form.encode("utf-16-le") for form in (*texts, run.hex(), run.hex().upper())}
    changed = {run[::-1], bytes(byte ^ 0xFF for byte in run)}
    return binary | codes | text | wide | changed | _forms(run)


def _shortest(number: float) -> str:
    """As NumPy and C write a float32: as few digits as tell it from the next one."""
    digits = next(n for n in range(1, 18) if struct.pack("<f", float(f"{number:.{n}g}")) == struct.pack("<f", number))
    return f"{number:.{digits}g}"


_WRITTEN = (_shortest, "{:.6f}".format, lambda number: repr(round(number, 6)))


def _forms(data: bytes) -> set[bytes]:
    shifted = set()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data)
        # Letters at both ends hold bits of what stands beside it.
        shifted.add(text[-(-shift * 8 // 6) : len(text) - (4 if (shift + len(data)) % 3 else 0)])
    urls = {text.translate(bytes.maketrans(b"+/", b"-_")) for text in shifted}
    return {data, data.hex().encode(), data.hex().upper().encode()} | shifted | urls
