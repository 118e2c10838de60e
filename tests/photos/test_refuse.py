"""Face data is recognised by its bytes, and nothing else is taken for it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photovault.names import FACE_STORE_MAGIC
from photovault.photos import refuse
from photovault.photos.refuse import Screen, holds_face_data, is_known
from tests.support import facestore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORE = FACE_STORE_MAGIC + Random(1).randbytes(20_000)


def refused(data: bytes) -> bool:
    return holds_face_data(lambda offset, length: data[offset : offset + length], len(data))


@pytest.mark.parametrize("way", facestore.PACKED)
def test_a_store_is_known_however_it_is_packed(tmp_path: Path, way: str) -> None:
    store = facestore.make(tmp_path / "people").read_bytes()
    assert refused(facestore.PACKED[way](store))


@pytest.mark.parametrize("way", facestore.PACKED)
def test_what_is_packed_in_the_same_way_and_is_no_store_is_let_through(way: str) -> None:
    assert not refused(facestore.PACKED[way](Random(1).randbytes(40_000)))


@pytest.mark.parametrize("at", [0, 1, refuse._PIECE - 16, refuse._PIECE - 8, refuse._PIECE - 1, refuse._PIECE, 700_000])
def test_the_mark_is_found_wherever_it_begins(at: int) -> None:
    assert refused(bytes(at) + STORE)
    assert refused(bytes(at) + FACE_STORE_MAGIC)
    assert not refused(bytes(at) + FACE_STORE_MAGIC[:-1])


@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(1, 40))
def test_pieces_of_any_size_hide_nothing(before: bytes, after: bytes, step: int) -> None:
    data = b"text" + before + FACE_STORE_MAGIC + after
    screen = Screen()
    found = [screen.feed(data[at : at + step]) for at in range(0, len(data), step)]
    assert found[-1] or is_known(data[:step])


@given(st.binary(max_size=2000), st.sampled_from([b"", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0\0"]))
def test_no_bytes_are_trouble(data: bytes, head: bytes) -> None:
    assert refused(head + data) == (FACE_STORE_MAGIC in data)


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_only_the_beginning_of_a_picture_is_read(kind: str) -> None:
    asked: list[int] = []
    data = picture(kind) + bytes(10_000_000)

    def read_at(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    assert not holds_face_data(read_at, len(data))
    assert sum(asked) <= 512


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x08wide\0\0\0\0mdat",
        b"RIFF\0\0\0\0AVI LIST",
        b"\x1a\x45\xdf\xa3",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"\0\0\1\xba",
        (b"G" + bytes(187)) * 3,
        (bytes(4) + b"G" + bytes(187)) * 3,
        b"II*\0",
    ],
)
def test_videos_and_raw_files_are_known(head: bytes) -> None:
    assert is_known(head)
    assert not is_known(b"x" + head)


@pytest.mark.parametrize("head", [b"", b"G", b"RIFF\0\0\0\0face", b"SQLite format 3\0", b"PK\3\4", FACE_STORE_MAGIC])
def test_other_beginnings_are_not(head: bytes) -> None:
    assert not is_known(head)


# Hostile archives


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_unpacked_only_so_far(monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
    monkeypatch.setattr(refuse, "_UNPACKED_MAX", 3_000_000)
    assert not refused(pack(bytes(20_000_000) + STORE))
    monkeypatch.setattr(refuse, "_UNPACKED_MAX", 30_000_000)
    assert refused(pack(bytes(20_000_000) + STORE))


def test_streams_without_end_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refuse, "_STREAMS_MAX", 50)
    mixed = gzip.compress(b"name" * 200 + STORE, 9)
    assert FACE_STORE_MAGIC not in mixed
    assert refused(gzip.compress(b"") * 40 + mixed)
    assert not refused(gzip.compress(b"") * 60 + mixed)


def test_a_decoder_that_wants_too_much_memory_does_not_get_it() -> None:
    large = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    assert not refused(lzma.compress(b"name" * 200 + STORE, filters=large))


def test_a_damaged_stream_is_searched_as_it_is() -> None:
    assert refused(b"\x1f\x8b\x08\0broken" + STORE)
    assert refused(gzip.compress(b"good") + b"trailing" + STORE)
    assert not refused(zlib.compress(b"name" * 200 + STORE)), "what nobody names as a stream is not unpacked"
