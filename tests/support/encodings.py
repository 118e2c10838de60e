"""Twenty ways in which a vector may lie on a disk, and a search for all of them.

A leak is seldom the whole vector as it was: so what is looked for is a run of it, at its front, in its middle and at its
end, in each encoding.  Streams that zlib, gzip, bz2 or lzma made are unpacked, wherever they begin, and searched, too.
"""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import os
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_RUN = 6  # floats: 24 bytes, which stand nowhere by chance
_UNPACKED_MAX = 1 << 24


def floats(vector: Sequence[float]) -> tuple[float, ...]:
    """The vector as float32 has it."""
    return struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector))


def little(vector: Sequence[float]) -> bytes:
    """float32, little-endian: as the store keeps it."""
    return struct.pack(f"<{len(vector)}f", *vector)


def _base64(shift: int, alphabet: bytes = b"+/") -> Callable[[Sequence[float]], bytes]:
    """Base64 of the vector with ``shift`` bytes before it, without the letters that hold bits of what stands beside it."""

    def encode(vector: Sequence[float]) -> bytes:
        data = bytes(shift) + little(vector)
        text = base64.b64encode(data[: len(data) - len(data) % 3])
        return text[-(-shift * 8 // 6) :].translate(bytes.maketrans(b"+/", alphabet))

    return encode


def _json(vector: Sequence[float], digits: int = 17) -> bytes:
    return json.dumps([round(value, digits) for value in floats(vector)])[1:-1].encode()


ENCODINGS: dict[str, Callable[[Sequence[float]], bytes]] = {
    "float32 little-endian": little,
    "float32 big-endian": lambda v: struct.pack(f">{len(v)}f", *v),
    "float64 little-endian": lambda v: struct.pack(f"<{len(v)}d", *floats(v)),
    "float64 big-endian": lambda v: struct.pack(f">{len(v)}d", *floats(v)),
    "float16": lambda v: struct.pack(f"<{len(v)}e", *v),
    "hex": lambda v: little(v).hex().encode(),
    "HEX": lambda v: little(v).hex().upper().encode(),
    "base64": _base64(0),
    "base64, shifted by one": _base64(1),
    "base64, shifted by two": _base64(2),
    "base64 for addresses": _base64(0, b"-_"),
    "base32": lambda v: base64.b32encode(little(v)[: len(v) * 4 // 5 * 5]),
    "base85": lambda v: base64.b85encode(little(v)),
    "ascii85": lambda v: base64.a85encode(little(v)),
    "JSON": _json,
    "JSON of six digits": lambda v: _json(v, 6),
    "hex in UTF-16": lambda v: little(v).hex().encode("utf-16-le"),
    "JSON in UTF-16": lambda v: _json(v).decode().encode("utf-16-le"),
    "backwards": lambda v: little(v)[::-1],
    "inverted": lambda v: bytes(byte ^ 0xFF for byte in little(v)),
}
"""Of a run of floats: the bytes to look for."""

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": lambda data: zlib.compress(data, wbits=31),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def leaks(folder: Path, vectors: Sequence[Sequence[float]]) -> list[str]:
    """Where any of ``vectors`` is in a folder, in which encoding: in contents and in names."""
    wanted = [(name, form) for vector in vectors for name, form in _forms(vector)]
    found = []
    for path in sorted(folder.rglob("*")):
        data = os.fsencode(path.relative_to(folder)) + b"\n" + (path.read_bytes() if path.is_file() else b"")
        for how, piece in _with_unpacked(data):
            found += [f"{path.relative_to(folder)}: {name}{how}" for name, form in wanted if form in piece]
    return found


def _forms(vector: Sequence[float]) -> Iterator[tuple[str, bytes]]:
    middle = len(vector) // 2 // 2 * 2
    for at in {0, middle, len(vector) - _RUN}:
        for name, encode in ENCODINGS.items():
            yield name, encode(vector[at : at + _RUN])


def _with_unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", data
    for name, sign, make in (
        ("zlib", b"\x78", zlib.decompressobj),
        ("gzip", b"\x1f\x8b", lambda: zlib.decompressobj(31)),
        ("bz2", b"BZh", bz2.BZ2Decompressor),
        ("xz", b"\xfd7zXZ\0", lzma.LZMADecompressor),
    ):
        at = data.find(sign)
        while at >= 0:
            yield f" in {name}", _unpacked(make(), data[at:])
            at = data.find(sign, at + 1)


def _unpacked(unpacker, data: bytes) -> bytes:
    try:
        return unpacker.decompress(data, _UNPACKED_MAX)
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        return b""
