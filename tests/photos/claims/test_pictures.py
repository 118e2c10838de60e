"""PNG, GIF, BMP, WebP, JPEG XL, HEIC and AVIF, TIFF and RAW: pixels, orientation, and where each keeps its texts."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest

from tests.support.formats import (
    EXIF_IFD,
    SUB_IFDS,
    box,
    exif_item,
    exif_segment,
    facts,
    full,
    heif,
    ispe,
    jpeg,
    movie,
    png,
    png_chunk,
    segment,
    tiff,
    webp,
    xmp,
    xmp_segment,
)

EXIF = {0x0112: [6], 0x010F: "Canon", EXIF_IFD: {0x9003: "2021:05:04 13:22:11"}}
WHEN = "2021-05-04T13:22:11"
PACKET = xmp('xmp:Rating="4"')


def seen(found) -> tuple[object, ...]:
    return found.kind, found.width, found.height, found.orientation, found.make, found.taken, found.rating


# PNG ----------------------------------------------------------------------------------------------------------------


def itxt(text: bytes, *, packed: bool) -> bytes:
    body = zlib.compress(text) if packed else text
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"en\0\0" + body)


@pytest.mark.parametrize("packed", [False, True])
def test_png(packed):
    found = facts(png(png_chunk(b"eXIf", tiff(EXIF)), itxt(PACKET, packed=packed), size=(300, 200)))
    assert seen(found) == ("png", 300, 200, 6, "Canon", WHEN, 4)


def test_texts_of_png():
    texts = [b"Title\0Sea", b"Creation Time\x002021:05:04 13:22:11", b"Software\0x"]
    zipped = png_chunk(b"zTXt", b"Description\0\0" + zlib.compress(b"By the sea"))
    found = facts(png(*(png_chunk(b"tEXt", text) for text in texts), zipped))
    assert (found.title, found.description, found.taken, found.taken_source) == ("Sea", "By the sea", WHEN, "png")


def test_exif_that_imagemagick_writes_as_text():
    data = b"Exif\0\0" + tiff(EXIF)
    text = f"\nexif\n{len(data):8}\n{data.hex()}\n".encode()
    assert facts(png(png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))).make == "Canon"
    assert facts(png(png_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nnothex\n"))).make is None


def test_a_packed_bomb_in_a_png_is_not_unpacked():
    bomb = b"Title\0\0" + zlib.compress(b"\0" * 60_000_000, 9)
    assert len(bomb) < 64 * 1024
    data = png(png_chunk(b"zTXt", bomb), png_chunk(b"eXIf", tiff(EXIF)))
    tracemalloc.start()
    try:
        assert facts(data).make == "Canon"
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


# Small ones ---------------------------------------------------------------------------------------------------------


def test_gif():
    assert seen(facts(b"GIF89a" + struct.pack("<HH", 300, 200)))[:3] == ("gif", 300, 200)
    assert (
        facts(b"GIF89a" + struct.pack("<HH", 300, 200) + b"\0\0\0!\xff\x0bXMP DataXMP" + PACKET + b"\1\xff\xfe").rating
        == 4
    )


@pytest.mark.parametrize("height", [200, -200])
def test_bmp(height):
    assert seen(facts(b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 300, height)))[:3] == ("bmp", 300, 200)
    assert seen(facts(b"BM" + b"\0" * 12 + struct.pack("<IHH", 12, 300, 200)))[:3] == ("bmp", 300, 200)


EXTENDED = (b"VP8X", b"\x0c\0\0\0" + (299).to_bytes(3, "little") + (199).to_bytes(3, "little"))
LOSSY = (b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 300, 200 | 0x4000) + b"\0" * 9)
LOSSLESS = (b"VP8L", b"\x2f" + struct.pack("<I", 299 | 199 << 14) + b"\0" * 9)


@pytest.mark.parametrize("chunks", [[EXTENDED, (b"VP8 ", b"\0" * 20)], [LOSSY], [LOSSLESS], [EXTENDED, LOSSY]])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_webp(chunks, prefix):
    found = facts(webp(*chunks, (b"EXIF", prefix + tiff(EXIF)), (b"XMP ", PACKET)))
    assert seen(found) == ("webp", 300, 200, 6, "Canon", WHEN, 4)


def test_another_riff_is_nothing():
    assert facts(webp(LOSSY).replace(b"WEBP", b"AVI ")).kind == ""


# JPEG XL ------------------------------------------------------------------------------------------------------------


def bits(*fields: tuple[int, int]) -> bytes:
    value, at = 0, 0
    for number, count in fields:
        value |= number << at
        at += count
    return b"\xff\x0a" + value.to_bytes(24, "little")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (bits((1, 1), (31, 5), (1, 3), (1, 1)), (256, 256, 1)),
        (bits((0, 1), (1, 2), (2999, 13), (3, 3), (0, 1), (1, 1), (5, 3)), (4000, 3000, 6)),
        (bits((0, 1), (0, 2), (199, 9), (0, 3), (0, 2), (299, 9), (0, 1), (0, 1)), (300, 200, 1)),
        (bits((1, 1), (0, 5), (0, 3), (1, 5), (1, 1)), (16, 8, 1)),
        (bits((0, 1), (2, 2), (9999, 18), (0, 3), (3, 2), (299_999, 30), (1, 1)), (300_000, 10_000, 1)),
    ],
)
def test_jpeg_xl(image, expected):
    found = facts(image)
    assert (found.kind, found.width, found.height, found.orientation) == ("jxl", *expected)
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ") + box(b"Exif", b"\0" * 4, tiff(EXIF))
    for boxes in (box(b"jxlc", image), box(b"jxlp", b"\0" * 4, image)):
        found = facts(start + box(b"xml ", PACKET) + boxes)
        assert seen(found) == ("jxl", *expected, "Canon", WHEN, 4)


# HEIC and AVIF ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("brand", "kind"), [(b"heic", "heic"), (b"avif", "avif"), (b"mif1", "heic"), (b"hevc", "heic")]
)
def test_heif(brand, kind):
    items = [(b"hvc1", b"\0" * 50), exif_item(EXIF), (b"mime", PACKET)]
    found = facts(heif(items, [ispe(4032, 3024), box(b"irot", b"\3")], {2: 1, 3: 1}, brand))
    assert seen(found) == (kind, 4032, 3024, 6, "Canon", WHEN, 4)


def test_a_general_brand_is_what_the_others_say():
    assert facts(heif([(b"av01", b"")], brand=b"mif1").replace(b"mif1mif1", b"mif1avif")).kind == "avif"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ([], 1),
        ([box(b"irot", b"\1")], 8),
        ([box(b"irot", b"\2")], 3),
        ([box(b"imir", b"\0")], 4),
        ([box(b"imir", b"\1")], 2),
        ([box(b"irot", b"\3"), box(b"imir", b"\1")], 5),
        ([box(b"irot", b"\1"), box(b"imir", b"\1")], 7),
    ],
)
def test_the_container_turns_the_picture_and_exif_does_not(properties, expected):
    assert facts(heif([(b"hvc1", b""), exif_item(EXIF)], [ispe(40, 30), *properties])).orientation == expected


@pytest.mark.parametrize(("version", "wide"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_properties_with_wide_numbers(version, wide):
    data = heif([(b"hvc1", b"")], [ispe(4032, 3024), box(b"irot", b"\3")])
    plain = full(b"ipma", struct.pack(">IHB", 1, 1, 2), b"\1\2")
    item = struct.pack(">I" if version else ">H", 1) + b"\2"
    numbers = struct.pack(">HH", 0x8001, 2) if wide else b"\x81\2"
    other = box(b"ipma", bytes([version, 0, 0, wide]), struct.pack(">I", 1), item, numbers)
    assert plain in data
    longer = len(other) - len(plain)
    for kind in (b"iprp", b"meta"):
        at = data.index(kind) - 4
        data = data[:at] + struct.pack(">I", int.from_bytes(data[at : at + 4], "big") + longer) + data[at + 4 :]
    found = facts(data.replace(plain, other))
    assert (found.width, found.height, found.orientation) == (4032, 3024, 6)


def test_xmp_of_another_picture_only_tells_of_a_gain_map():
    gain_map = xmp('xmp:Rating="1" HDRGainMap:HDRGainMapVersion="65536"')
    items = [(b"hvc1", b""), (b"hvc1", b""), (b"mime", gain_map), (b"mime", PACKET)]
    found = facts(heif(items, [ispe(40, 30)], {3: 2, 4: 1}))
    assert (found.rating, found.gain_map) == (4, True)


def test_other_signs_of_a_gain_map():
    assert facts(heif([(b"hvc1", b""), (b"tmap", b"\0")])).gain_map
    assert facts(heif([(b"hvc1", b"")], [full(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")])).gain_map
    assert not facts(heif([(b"hvc1", b"")], [full(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0")])).gain_map


def test_the_video_of_a_heic_motion_photo():
    assert facts(heif([(b"hvc1", b"")]) + box(b"mpvd", b"\0" * 700)).motion == 700


# TIFF and RAW -------------------------------------------------------------------------------------------------------

SENSOR = {0x00FE: 0, 0x0100: 6000, 0x0101: 4000, 0x0106: [32803]}
PREVIEW = {0x00FE: 1, 0x0100: 160, 0x0101: 120}


def raw(make: str, **more: object) -> bytes:
    tags = {**PREVIEW, 0x010F: make, 0x0112: [1], SUB_IFDS: [dict(PREVIEW), SENSOR], EXIF_IFD: EXIF[EXIF_IFD]}
    return tiff(tags | {int(tag[1:]): value for tag, value in more.items()})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("nef", raw("NIKON CORPORATION")),
        ("arw", raw("SONY")),
        ("pef", raw("PENTAX")),
        ("srw", raw("SAMSUNG")),
        ("dng", raw("Google", _50706=b"\1\4\0\0")),
        ("tiff", raw("Somebody")),
        ("orf", b"IIRO" + raw("OLYMPUS")[4:]),
    ],
)
def test_raw_of_the_kinds_that_are_tiff(kind, data):
    found = facts(data)
    assert (found.kind, found.width, found.height, found.orientation, found.taken) == (kind, 6000, 4000, 1, WHEN)


def test_cr2():
    header = b"II*\0\x10\0\0\0CR\2\0\0\0\0\0"
    inner = {0x9003: "2021:05:04 13:22:11", 0xA002: 6000, 0xA003: 4000}
    found = facts(tiff({0x0100: 160, 0x0101: 120, 0x010F: "Canon", EXIF_IFD: inner}, header=header))
    assert seen(found)[:3] == ("cr2", 6000, 4000)
    assert (found.make, found.taken) == ("Canon", WHEN)


def test_rw2():
    preview = jpeg(exif_segment(EXIF))
    borders = {4: [10], 5: [20], 6: [4010], 7: [6020], 0x010F: "Panasonic"}
    found = facts(b"IIU\0" + tiff(borders | {0x2E: preview})[4:])
    assert (found.kind, found.width, found.height, found.make, found.taken) == ("rw2", 6000, 4000, "Panasonic", WHEN)


def test_raf():
    preview = jpeg(exif_segment(EXIF), size=(160, 120))
    table = struct.pack(">IHHHHHHHH", 2, 0x0100, 4, 4100, 6100, 0x0111, 4, 4000, 6000)
    places = struct.pack(">IIII", 108, len(preview), 108 + len(preview), len(table))
    found = facts(b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + places + b"\0" * 8 + preview + table)
    assert (found.kind, found.width, found.height, found.make, found.taken) == ("raf", 6000, 4000, "Canon", WHEN)


def test_cr3():
    first = tiff({0x0100: 6000, 0x0101: 4000, 0x010F: "Canon", 0x0112: [8]})
    second = tiff({0x9003: "2021:05:04 13:22:11", 0xA434: "RF50mm"})
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    inner = [box(b"CNCV", b"CanonCR3"), box(b"CMT1", first), box(b"CMT2", second), box(b"CMT4", b"II*\0broken")]
    found = facts(movie(box(b"uuid", canon, *inner), brand=b"crx "))
    assert seen(found)[:6] == ("cr3", 6000, 4000, 8, "Canon", WHEN)
    assert found.lens == "RF50mm"


def test_xmp_and_iptc_in_tiff():
    iptc = struct.pack(">BBBH", 0x1C, 2, 25, 3) + b"sea"
    found = facts(tiff({0x0100: 30, 0x0101: 20, 0x02BC: PACKET, 0x83BB: iptc}))
    assert (found.kind, found.rating, found.keywords, found.width) == ("tiff", 4, ("sea",), 30)


def test_big_tiff_with_a_size_that_no_picture_has():
    rows = struct.pack("<HHQQHHQQ", 0x0100, 16, 1, 2**64 - 1, 0x0101, 16, 1, 5)
    assert facts(struct.pack("<4sHHQQ", b"II+\0", 8, 0, 16, 2) + rows + b"\0" * 8).width is None


def test_content_counts_and_not_the_name():
    assert facts(jpeg(), "photo.nef").kind == "jpeg"
    assert facts(b"%!PS-Adobe-3.0 EPSF-3.0\n", "photo.jpg").kind == ""
    assert facts(segment(0xE1, b"x"), "photo.jpg").kind == ""
    assert facts(xmp_segment(PACKET), "photo.jpg").kind == ""
