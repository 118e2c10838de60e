"""The picture of a JPEG: which parts it is, and what makes a JPEG of them without the metadata."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photovault.photos.picture import picture
from photovault.photos.split import split
from tests.support.photos import jpeg

COMMENT = b"\xff\xfe\x20\x02" + bytes(0x2000)
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(20_000)
XMP = b'http://ns.adobe.com/xap/1.0/\0<x MicroVideoOffset="%d"/>' % len(VIDEO)


def found(data: bytes):
    return picture(memoryview(data), split(lambda offset, length: data[offset : offset + length], len(data)))


def parts(data: bytes) -> list[bytes]:
    out, at = [], 0
    for length in split(lambda offset, length: data[offset : offset + length], len(data)):
        out.append(data[at : at + length])
        at += length
    return out


@pytest.mark.parametrize("comment", [b"", COMMENT], ids=["tables beside the metadata", "tables apart"])
def test_head_and_picture_are_a_jpeg_of_the_same_pixels_without_metadata(comment: bytes) -> None:
    whole = jpeg(1, (400, 300), taken="2021:05:04 13:22:11")
    whole = whole[:2] + comment + whole[2:]
    one = found(whole)
    assert one is not None
    alone = one.head + b"".join(parts(whole)[one.first : one.stop])
    assert Image.open(io.BytesIO(alone)).tobytes() == Image.open(io.BytesIO(whole)).tobytes()
    assert b"Exif" not in alone
    assert COMMENT not in alone
    assert whole.endswith(alone[len(one.head) :])


def test_the_video_of_a_motion_photo_is_no_picture() -> None:
    segment = b"\xff\xe1" + (len(XMP) + 2).to_bytes(2) + XMP
    data = jpeg(2, (400, 300))
    whole = data[:2] + segment + data[2:] + VIDEO
    one = found(whole)
    assert one is not None
    assert b"".join(parts(whole)[one.stop :]) == VIDEO


def test_what_is_no_jpeg_or_not_cut_has_none() -> None:
    assert found(jpeg(3)) is None
    assert found(b"\xff\xd8\xff" + bytes(50_000)) is None
    assert found(b"II*\0" + bytes(50_000)) is None
    assert found(b"") is None


def test_a_head_larger_than_any_has_none() -> None:
    data = jpeg(4, (400, 300))
    tables = b"\xff\xdb\xff\xff" + bytes(0xFFFD)
    assert found(data[:2] + tables * 2 + data[2:]) is None


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), max_size=8))
def test_any_bytes_have_an_answer(tail: bytes, lengths: list[int]) -> None:
    data = b"\xff\xd8\xff" + tail
    one = picture(memoryview(data), lengths)
    assert one is None or 0 < one.first < one.stop <= len(lengths)
