"""The date of a photo: from Exif, XMP, the movie header or the name; never from nonsense; and never an error, for any bytes."""

from __future__ import annotations

import io
import json
import re
import struct
import time
from datetime import datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from photovault.facts import NOTHING, from_map, to_map
from photovault.photos.metadata import facts_of
from tests.support.formats import tiff

ORIGINAL, DIGITIZED, CHANGED = 0x9003, 0x9004, 0x0132
EXIF_IFD = 0x8769
WHEN = "2021:05:04 13:22:11"
ISO = "2021-05-04T13:22:11"


class Taken(NamedTuple):
    when: str
    source: str | None


def ask(data: bytes, name: str = "photo") -> Taken | None:
    found = facts_of(lambda offset, length: data[offset : offset + length], len(data), name)
    return Taken(found.taken, found.taken_source) if found.taken else None


def when(data: bytes, name: str = "photo") -> str | None:
    found = ask(data, name)
    return found.when if found else None


def exif(tags: dict[int, str], changed: str = "") -> bytes:
    """Exif as Pillow writes it, with its prefix: ``tags`` in the Exif directory, ``changed`` in the first one."""
    made = Image.Exif()
    if changed:
        made[CHANGED] = changed
    made.get_ifd(EXIF_IFD).update(tags)
    return made.tobytes()


def saved(form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(out, form, **options)
    return out.getvalue()


def jpeg(tags: dict[int, str], changed: str = "") -> bytes:
    return saved("JPEG", exif=exif(tags, changed))


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def heic(tiff: bytes) -> bytes:
    """A HEIC with one item, its Exif: the distance to the TIFF header, then ``Exif\\0\\0``, then the header."""
    item = struct.pack(">I", 6) + b"Exif\0\0" + tiff
    infe = box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 7, 0, b"Exif"), b"\0")
    iinf = box(b"iinf", b"\0" * 4, struct.pack(">H", 1), infe)

    def front(at: int) -> bytes:
        iloc = box(b"iloc", b"\0" * 4, b"\x44\0", struct.pack(">HHHHII", 1, 7, 0, 1, at, len(item)))
        return box(b"ftyp", b"heic\0\0\0\0mif1") + box(b"meta", b"\0" * 4, iinf, iloc) + struct.pack(">I4s", 8, b"mdat")

    start = len(front(0))
    return front(start)[:-8] + box(b"mdat", item)


def heic_in_idat(tiff: bytes) -> bytes:
    """The same with the item in the ``idat`` box, which ``iloc`` says with construction method 1."""
    item = struct.pack(">I", 0) + tiff
    infe = box(b"infe", b"\3\0\0\0", struct.pack(">IH4s", 7, 0, b"Exif"), b"\0")
    iinf = box(b"iinf", b"\1\0\0\0", struct.pack(">I", 1), infe)
    iloc = box(b"iloc", b"\2\0\0\0", b"\x44\0", struct.pack(">IIHHHII", 1, 7, 1, 0, 1, 0, len(item)))
    return box(b"ftyp", b"avif\0\0\0\0mif1") + box(b"meta", b"\0" * 4, iinf, iloc, box(b"idat", item))


def movie(created: int, version: int = 0) -> bytes:
    mvhd = box(b"mvhd", bytes([version, 0, 0, 0]), struct.pack(">Q" if version else ">I", created), b"\0" * 90)
    return box(b"ftyp", b"isom") + box(b"mdat", b"\0" * 100_000) + box(b"moov", mvhd)


# Exif in every format -----------------------------------------------------------------------------------------------

TIFF = exif({ORIGINAL: WHEN})[6:]
FORMATS = {
    "jpeg": jpeg({ORIGINAL: WHEN}),
    "tiff": TIFF,
    "tiff by pillow": saved("TIFF", exif=exif({ORIGINAL: WHEN})),
    "png": saved("PNG", exif=exif({ORIGINAL: WHEN})),
    "webp": saved("WEBP", exif=exif({ORIGINAL: WHEN})),
    "heic": heic(TIFF),
    "avif": heic_in_idat(TIFF),
    "jpeg xl": box(b"JXL ", b"\r\n\x87\n") + box(b"Exif", b"\0" * 4, TIFF),
    "raf": b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">I", 100) + b"\0" * 12 + jpeg({ORIGINAL: WHEN}),
    "cr3": box(b"ftyp", b"crx ")
    + box(
        b"moov", box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), box(b"CMT2", tiff({ORIGINAL: WHEN})))
    ),
}


@pytest.mark.parametrize("form", FORMATS)
def test_exif_is_found_in(form: str) -> None:
    assert ask(FORMATS[form], "IMG_19990101_000000.jpg") == Taken(when=ISO, source="exif")


def test_sub_seconds_and_offset_belong_to_the_date() -> None:
    tags = {ORIGINAL: WHEN, 0x9291: "123", 0x9011: "+02:00", 0x9292: "9", 0x9012: "-07:00"}
    assert when(jpeg(tags)) == ISO + ".123+02:00"
    tags[ORIGINAL] = "0000:00:00 00:00:00"
    tags[DIGITIZED] = WHEN
    assert when(jpeg(tags)) == ISO + ".9-07:00"


def test_nonsense_in_sub_seconds_and_offset_is_left_out() -> None:
    assert when(jpeg({ORIGINAL: WHEN, 0x9291: "  ", 0x9011: "   :  "})) == ISO
    assert when(jpeg({ORIGINAL: WHEN, 0x9291: "12345678", 0x9011: "+99:00"})) == ISO + ".123456"


def test_the_original_date_comes_before_the_others() -> None:
    tags = {ORIGINAL: WHEN, DIGITIZED: "2022:01:01 00:00:00"}
    assert when(jpeg(tags, changed="2023:01:01 00:00:00")) == ISO
    assert when(jpeg({DIGITIZED: WHEN}, changed="2023:01:01 00:00:00")) == ISO
    assert when(jpeg({}, changed=WHEN)) == ISO


@pytest.mark.parametrize(
    "wrong",
    [
        "0000:00:00 00:00:00",
        "2021:13:04 13:22:11",
        "2021:02:29 13:22:11",
        "2021:05:04 24:00:00",
        "2021:05:04 13:22:61",
        "1021:05:04 13:22:11",
        "    :  :     :  :  ",
        "yesterday",
    ],
)
def test_a_date_that_never_was_is_skipped(wrong: str) -> None:
    assert when(jpeg({ORIGINAL: wrong}, changed=WHEN)) == ISO
    assert ask(jpeg({ORIGINAL: wrong})) is None


def test_other_ways_to_write_a_date() -> None:
    assert when(jpeg({ORIGINAL: "2021-05-04T13:22:11"})) == ISO
    assert when(jpeg({ORIGINAL: "2021:05:04 13:22"})) == "2021-05-04T13:22:00"


def test_png_with_exif_behind_a_long_image() -> None:
    png = saved("PNG")
    chunk = struct.pack(">I", 9_000) + b"IDAT" + b"\0" * 9_004
    made = png[:-12] + chunk * 60 + struct.pack(">I", len(TIFF)) + b"eXIf" + TIFF + b"\0" * 4 + png[-12:]
    assert when(made) == ISO


# XMP and movies -----------------------------------------------------------------------------------------------------


def with_xmp(text: bytes) -> bytes:
    body = b"http://ns.adobe.com/xap/1.0/\0" + text
    return b"\xff\xd8" + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + saved("JPEG")[2:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'<x exif:DateTimeOriginal="2021-05-04T13:22:11.25+02:00"/>', ISO + ".25+02:00"),
        (b"<photoshop:DateCreated>2021-05-04T13:22:11</photoshop:DateCreated>", ISO),
        (b"<xmp:CreateDate>2021-05-04T13:22Z</xmp:CreateDate>", "2021-05-04T13:22:00+00:00"),
        (b"<xmp:CreateDate>2021-55-04T13:22Z</xmp:CreateDate>", None),
        (b"<xmp:ModifyDate>2021-05-04T13:22:11</xmp:ModifyDate>", None),
    ],
)
def test_xmp_of_a_jpeg_without_exif(text: bytes, expected: str | None) -> None:
    found = ask(with_xmp(text))
    assert found == (Taken(when=expected, source="xmp") if expected else None)


SECONDS = 3_702_979_331  # 2021-05-04 13:22:11 UTC, from 1904


@pytest.mark.parametrize("version", [0, 1])
def test_movie_header_is_utc(version: int) -> None:
    assert ask(movie(SECONDS, version)) == Taken(when=ISO + "+00:00", source="quicktime")


@pytest.mark.parametrize("created", [0, 5, 2_082_844_800, (1 << 64) - 1])
def test_movie_header_of_a_clock_that_was_never_set(created: int) -> None:
    assert ask(movie(created, version=1)) is None
    assert when(movie(created, version=1), "VID_20210504_132211.mp4") == ISO


# Names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20210504_132211.jpg", ISO),
        ("IMG_20210504_132211_HDR~2.jpg", ISO),
        ("PXL_20210504_132211123.MP.jpg", ISO + ".123"),
        ("20210504132211.mov", ISO),
        ("2021-05-04 13.22.11.jpg", ISO),
        ("2021-05-04 13.22.11-1.jpg", ISO),
        ("Screenshot_2021-05-04-13-22-11.png", ISO),
        ("Screenshot_20210504-132211_Maps.png", ISO),
        ("signal-2021-05-04-132211.jpeg", ISO),
        ("WhatsApp Image 2021-05-04 at 13.22.11.jpeg", ISO),
        ("Screen Shot 2021-05-04 at 1.22.11 PM.png", ISO),
        ("Screenshot 2021-05-04 at 12.22.11\u202fAM.png", "2021-05-04T00:22:11"),
        ("VID-20210504-WA0001.mp4", "2021-05-04T00:00:00"),
        ("2021_05_04.jpg", "2021-05-04T00:00:00"),
        ("scan 20219999 of 20210504.tif", "2021-05-04T00:00:00"),
        ("20210504_13221.jpg", "2021-05-04T00:00:00"),
        ("IMG_20210229_132211.jpg", None),
        ("IMG_19890504_132211.jpg", None),
        ("IMG_20210504132211999999.jpg", None),
        ("120210504.jpg", None),
        ("2021-0504.jpg", None),
        ("IMG_5195.HEIC", None),
        ("", None),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    assert ask(b"", name) == (Taken(when=expected, source="name") if expected else None)


@pytest.mark.parametrize(
    "text", [b"Get free photos of the sea", b"The wide sea", b"You skip", b"BMW, and how to wash it"]
)
def test_a_text_is_no_picture(text: bytes) -> None:
    found = facts_of(lambda offset, length: text[offset : offset + length], len(text), "notes.txt")
    assert (found.kind, found.width) == ("", None)


def test_an_old_movie_without_a_brand() -> None:
    data = b"\0\0\0\x08wide" + movie(SECONDS)[16:]
    assert facts_of(lambda offset, length: data[offset : offset + length], len(data), "").kind == "mov"


# Any bytes ----------------------------------------------------------------------------------------------------------

REAL = [*FORMATS.values(), movie(SECONDS), with_xmp(b'<x exif:DateTimeOriginal="2021-05-04T13:22:11.25+02:00"/>')]
STARTS = [
    *(
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0",
        b"\xff\xd8\xff\xed\1\0Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\xff\x1c\2",
    ),
    *(b"MM\0*\0\0\0\x08\0", b"II+\0\x08\0\0\0", b"IIU\0\x08\0\0\0", b"II*\0\x10\0\0\0CR\2\0", b"FUJIFILMCCD-RAW "),
    *(b"\x89PNG\r\n\x1a\n\0\0\0\x80zTXtTitle\0\0", b"RIFF\xff\0\0\0WEBPVP8 ", b"GIF89a", b"BM", b"\xff\x0a"),
    *(b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x10ftypheic\0\0\0\0\0\0\0\xffmeta\0\0\0\0"),
    *(
        b"\0\0\0\x10ftypqt  \0\0\0\0\0\0\0\xffmoov\0\0\0\x80meta",
        b'{"photoTakenTime": {"timestamp":',
        b"<x:xmpmeta adobe:ns:meta/ ",
    ),
]


def check_any(data: bytes, name: str) -> None:
    """Facts that a listing takes and gives back, a date that ``datetime`` can read, few reads within the file."""
    asked: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        assert 0 <= offset <= len(data)
        asked.append(length)
        return data[offset : offset + length]

    began = time.process_time()
    found = facts_of(read_at, len(data), name)
    assert time.process_time() - began < 2
    assert len(asked) <= 256
    assert sum(asked) <= 9 * 1024 * 1024
    assert from_map(json.loads(json.dumps(to_map(found)))) == found
    assert not re.search("[\\x00-\\x1f\\x7f\\ud800-\\udfff]", json.dumps(to_map(found), ensure_ascii=False))
    assert found.taken is None or 1800 <= datetime.fromisoformat(found.taken).year <= 2100


@settings(deadline=None)
@given(
    data=st.sampled_from(REAL),
    cut=st.integers(0, 300),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=8),
)
def test_damaged_files_give_facts(data: bytes, cut: int, changes: list[tuple[float, bytes]]) -> None:
    damaged = bytearray(data)
    for where, new in changes:
        at = int(where * min(len(data), 600))
        damaged[at : at + len(new)] = new
    check_any(bytes(damaged[: max(0, len(damaged) - cut)]), "photo")


@settings(deadline=None)
@given(data=st.sampled_from(REAL), other=st.sampled_from(REAL), at=st.integers(0, 600), part=st.integers(0, 600))
def test_files_within_files_give_facts(data: bytes, other: bytes, at: int, part: int) -> None:
    check_any(data[:at] + other[part : part + 5_000] + data[at:], "photo")


@given(data=st.binary(max_size=300), name=st.text(max_size=60) | st.from_regex(r"[12]\d{3}.?\d\d.?\d\d.{0,12}"))
def test_any_bytes_and_any_name_give_facts(data: bytes, name: str) -> None:
    check_any(data, name)


@settings(deadline=None)
@given(start=st.sampled_from(STARTS), data=st.binary(max_size=300))
def test_any_bytes_after_a_magic_give_facts(start: bytes, data: bytes) -> None:
    check_any(start + data, "photo")


# Files that are made to harm ----------------------------------------------------------------------------------------


def bombs() -> dict[str, bytes]:
    rows = struct.pack(">HHH", 1, 0, 65535) * 16_000
    iloc = box(b"iloc", b"\0" * 6, struct.pack(">H", 16_000), rows)
    many = struct.pack(">HHHHII", 1, 7, 0, 1, 60, 60_000)
    packet = b"<x>" + b"<a/>" * 15_000
    infe = box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 1, 0, b"mime"), b"\0")
    table = struct.pack("<4sIH", b"II*\0", 8, 4096) + struct.pack("<HHII", 0x8769, 4, 1, 8) * 4096 + b"\0" * 4
    exif_after_exif = b"".join(
        struct.pack(">HH", 0xFFE1, 14) + b"Exif\0\0" + b"II*\0" + b"\xff\xff" for _ in range(200)
    )
    loop = (
        b"II*\0"
        + struct.pack("<IH", 8, 400)
        + b"".join(struct.pack("<HHII", n, 4, 32, 8) for n in range(0x014A, 0x014A + 400))
    )
    return {
        "extents of no bytes": box(b"ftyp", b"heic\0\0\0\0mif1") + box(b"meta", b"\0" * 4, iloc),
        "one item many times": box(b"ftyp", b"heic\0\0\0\0mif1" + b"\0" * 40)
        + box(
            b"meta",
            b"\0" * 4,
            box(b"iinf", b"\0" * 4, struct.pack(">H", 1), infe),
            box(b"iloc", b"\0" * 4, b"\x44\0", struct.pack(">H", 4000), many.replace(b"\0\7", b"\0\1") * 4000),
            box(b"idat", packet),
        ),
        "boxes in boxes": nested(20_000),
        "a directory of directories": table,
        "Exif after Exif": b"\xff\xd8" + exif_after_exif,
        "directories that point at each other": loop,
        "a JPEG of fill bytes": b"\xff\xd8" + b"\xff" * 2_000_000,
        "tiny boxes": box(b"ftyp", b"isom\0\0\0\0") + struct.pack(">I4s", 8, b"free") * 500_000,
        "tiny chunks": b"\x89PNG\r\n\x1a\n" + (struct.pack(">I", 0) + b"tEXt" + b"\0" * 4) * 300_000,
        "a movie of user data": box(b"ftyp", b"isom\0\0\0\0")
        + box(b"moov", box(b"udta", box(b"\xa9nam", b"\0\1\0\0x")) * 60_000),
        "Canon within Canon": box(b"ftyp", b"crx \0\0\0\0")
        + box(
            b"moov", box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), box(b"CMT1", table[:2000])) * 300
        ),
    }


def nested(levels: int) -> bytes:
    return b"".join(struct.pack(">I4s", 8 * (levels - n), b"moov") for n in range(levels))


@pytest.mark.parametrize("kind", bombs())
def test_bombs_cost_little(kind: str) -> None:
    check_any(bombs()[kind], "photo")


def test_an_empty_file_is_nothing() -> None:
    assert facts_of(lambda _offset, _length: b"", 0, "") is not None
    assert facts_of(lambda _offset, _length: b"", 0, "") == NOTHING


def test_a_file_that_shrinks_while_it_is_read_gives_facts() -> None:
    data = FORMATS["tiff by pillow"]
    assert facts_of(lambda offset, length: data[offset : offset + length][:10], len(data), "x").kind == "tiff"


def test_an_error_of_the_disk_is_passed_on() -> None:
    def broken(_offset: int, _length: int) -> bytes:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        facts_of(broken, 100, "photo.jpg")
