"""Finding the JPEG inside a RAW file, in files built the way cameras build them, and in any bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.decoder.previews import JpegFrame, Preview, best, frame_of
from photovault.photos.window import Unclear, Window
from tests.decoder.pictures import dng
from tests.support.formats import box, jpeg, segment, tiff

SMALL, MIDDLE, LARGE = (jpeg(size=size) for size in ((160, 120), (640, 480), (4000, 3000)))


def reader(data: bytes):
    return lambda offset, length: data[offset : offset + length]


def found(data: bytes, edge: int = 512) -> Preview | None:
    return best(reader(data), len(data), edge)


def raw(*pictures: bytes) -> bytes:
    """A TIFF whose SubIFDs name these JPEGs."""

    def tags(starts: list[int]) -> dict[int, object]:
        subs = [{0x0201: start, 0x0202: len(one)} for start, one in zip(starts, pictures, strict=True)]
        return {0x010F: "NIKON CORPORATION", 0x014A: subs}

    at, starts = len(tiff(tags([0] * len(pictures)))), []
    for one in pictures:
        starts.append(at)
        at += len(one)
    return tiff(tags(starts)) + b"".join(pictures)


def shown(data: bytes, edge: int = 512) -> bytes:
    preview = found(data, edge)
    assert preview is not None
    return data[preview.start : preview.stop]


@pytest.mark.parametrize("order", [(SMALL, MIDDLE, LARGE), (LARGE, SMALL, MIDDLE)])
def test_the_smallest_that_is_large_enough(order: tuple[bytes, ...]) -> None:
    assert shown(raw(*order)) == MIDDLE
    assert shown(raw(*order), edge=2000) == LARGE


def test_else_the_largest() -> None:
    assert shown(raw(SMALL, MIDDLE), edge=5000) == MIDDLE


def test_a_single_strip() -> None:
    assert shown(dng(8, 8, preview=MIDDLE)) == MIDDLE


def test_panasonic() -> None:
    data = tiff({0x002E: MIDDLE}, header=b"IIU\0" + struct.pack("<I", 8))
    assert shown(data) == MIDDLE


def test_fujifilm() -> None:
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 100, len(MIDDLE))
    assert shown(head.ljust(100, b"\0") + MIDDLE + b"raw") == MIDDLE


def test_canon_cr3() -> None:
    preview = box(b"PRVW", bytes(16), MIDDLE)
    uuid = box(b"uuid", bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16"), bytes(8), preview)
    assert shown(box(b"ftyp", b"crx \0\0\0\1crx ") + uuid + box(b"mdat", b"raw")) == MIDDLE


def test_raw_data_that_is_lossless_jpeg_is_no_preview() -> None:
    lossless = MIDDLE.replace(b"\xff\xc0", b"\xff\xc3", 1)
    assert found(raw(lossless)) is None
    assert shown(raw(lossless, SMALL)) == SMALL


def test_a_preview_outside_the_file_is_none() -> None:
    assert found(raw(MIDDLE)[:-1]) is None


def test_a_frame_header() -> None:
    twelve = jpeg(segment(0xFE, b"comment")).replace(b"\x08\x00\x30\x00\x40", b"\x0c\x00\x30\x00\x40")
    assert frame_of(Window(reader(SMALL), len(SMALL))) == JpegFrame(0xC0, 8, 160, 120, 1)
    assert not frame_of(Window(reader(twelve), len(twelve))).ordinary
    with pytest.raises(Unclear):
        frame_of(Window(reader(b"\xff\xd8\xff\xda\0\2"), 6))


@given(
    st.binary(max_size=300), st.sampled_from([b"II*\0", b"MM\0*", b"IIU\0", b"FUJIFILMCCD-RAW ", b"\0\0\0\x18ftypcrx "])
)
def test_any_bytes(data: bytes, start: bytes) -> None:
    preview = found(start + data)
    assert preview is None or 0 <= preview.start < preview.stop <= len(start + data)


@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    spoilt = bytearray(raw(SMALL, MIDDLE))
    for _ in range(data.draw(st.integers(1, 8))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    preview = found(bytes(spoilt))
    assert preview is None or spoilt[preview.start : preview.start + 3] == b"\xff\xd8\xff"
