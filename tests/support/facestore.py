"""Stores of face data as photovault makes them, without faces: for tests that must see them refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from random import Random
from typing import TYPE_CHECKING

import apsw
import imagecodecs

from photovault.names import FACE_STORE_MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LZMA2 = [{"id": lzma.FILTER_LZMA2}]


def make(folder: Path, rows: int = 60) -> Path:
    """An encrypted database as the store is one, with its write-ahead log still beside it, and a key."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "faces.db"
    connection = apsw.Connection(str(database))
    connection.execute("PRAGMA cipher='chacha20'")
    connection.execute(f"PRAGMA key='raw:{Random(1).randbytes(32).hex()}{FACE_STORE_MAGIC.hex()}'")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE faces (vector)")
    random = Random(2)
    connection.executemany("INSERT INTO faces VALUES (?)", ((random.randbytes(512),) for _ in range(rows)))
    logs = {name: (folder / name).read_bytes() for name in ("faces.db-wal", "faces.db-shm")}
    connection.close()
    for name, data in logs.items():
        (folder / name).write_bytes(data)
    (folder / "face.key").write_bytes(Random(3).randbytes(32))
    (folder / "consent.jsonl").write_text('{"event": "granted"}\n')
    return database


def _zip(data: bytes, method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("notes.txt", b"a folder of mine " * 500)
        archive.writestr("faces.db", data)
    return out.getvalue()


def _tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, one in (("notes.txt", b"a folder of mine " * 500), ("people/faces.db", data)):
            member = tarfile.TarInfo(name)
            member.size = len(one)
            archive.addfile(member, io.BytesIO(one))
    return out.getvalue()


def _zstd(data: bytes) -> bytes:
    return imagecodecs.zstd_encode(data)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "a copy": lambda data: data,
    "cut short": lambda data: data[:5000],
    "zip, stored": lambda data: _zip(data, zipfile.ZIP_STORED),
    "zip, deflated": lambda data: _zip(data, zipfile.ZIP_DEFLATED),
    "tar": _tar,
    "tar.gz": lambda data: gzip.compress(_tar(data)),
    "tar.bz2": lambda data: bz2.compress(_tar(data)),
    "tar.xz": lambda data: lzma.compress(_tar(data)),
    "zst": _zstd,
    "gz": gzip.compress,
    "two streams of gzip": lambda data: gzip.compress(b"first") + gzip.compress(_tar(data)),
    "7z": lambda data: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24) + lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA2),
    "behind a text": lambda data: b"Dear diary\n" * 7 + data,
    "behind many megabytes": lambda data: Random(4).randbytes(9_000_001) + data,
}
"""Ways in which a store may come to lie among photos: what is made of its bytes."""
