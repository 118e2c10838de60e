"""JPEG: IPTC, which of several claims counts, and what stands behind the picture."""

from __future__ import annotations

import struct

import pytest

from tests.support.formats import EXIF_IFD, exif_segment, facts, jpeg, segment, tiff, xmp, xmp_segment

VIDEO = struct.pack(">I4s", 24, b"ftyp") + b"mp42" + b"\0" * 500


def iptc(*datasets: tuple[int, bytes], before: bytes = b"") -> bytes:
    body = b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data for number, data in datasets)
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(body)) + body + b"\0" * (len(body) & 1)
    return segment(0xED, b"Photoshop 3.0\0" + before + block)


def test_iptc():
    other = b"8BIM\x03\xed\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    texts = [(5, b"Title"), (25, b"sun"), (25, "Meer \u00e4".encode()), (120, b"Caption \xe4"), (80, b"somebody")]
    found = facts(jpeg(iptc(*texts, (55, b"20210504"), (60, b"132211+0200"), before=other)))
    assert (found.title, found.description, found.keywords) == ("Title", "Caption \u00e4", ("Meer \u00e4", "sun"))
    assert (found.taken, found.taken_source, found.taken_confidence) == ("2021-05-04T13:22:11+02:00", "iptc", "high")


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        (b"20210504", b"", "2021-05-04T00:00:00"),
        (b"20210504", b"132211", "2021-05-04T13:22:11"),
        (b"20210230", b"132211", None),
        (b"00000000", b"000000", None),
    ],
)
def test_dates_of_iptc(day, time, expected):
    assert facts(jpeg(iptc((55, day), (60, time)))).taken == expected


def test_broken_iptc_keeps_what_was_read():
    good = iptc((5, b"Title"), (25, b"sun"))
    assert facts(jpeg(good.replace(b"\x1c\x02\x19", b"\x1d\x02\x19"))).title == "Title"
    assert facts(jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff"))).kind == "jpeg"


def test_the_cameras_date_and_the_peoples_texts_count_first():
    exif = {0x010E: "from Exif", 0x0132: "2023:01:01 00:00:00", EXIF_IFD: {0x9003: "2021:05:04 13:22:11"}}
    packet = xmp(
        'exif:DateTimeOriginal="2022-01-01T00:00:00"',
        "<dc:description><rdf:Alt><rdf:li>from XMP</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>sun</rdf:li></rdf:Bag></dc:subject>",
    )
    found = facts(jpeg(iptc((120, b"from IPTC"), (25, b"sea")), xmp_segment(packet), exif_segment(exif)))
    assert (found.taken, found.taken_source, found.description) == ("2021-05-04T13:22:11", "exif", "from XMP")
    assert found.keywords == ("sea", "sun")


def test_a_date_that_programs_change_counts_less_than_an_original_one():
    packet = xmp('photoshop:DateCreated="2021-05-04T13:22:11"')
    found = facts(jpeg(exif_segment({0x0132: "2023:01:01 00:00:00"}), xmp_segment(packet)))
    assert (found.taken, found.taken_confidence) == ("2021-05-04T13:22:11", "high")
    found = facts(jpeg(exif_segment({0x0132: "2023:01:01 00:00:00"})), "IMG_20210504_132211.jpg")
    assert (found.taken, found.taken_confidence) == ("2023-01-01T00:00:00", "medium")


def test_pixels_behind_many_segments():
    found = facts(jpeg(*[segment(0xE2, b"ICC_PROFILE\0" + b"\0" * 60_000)] * 6, size=(6000, 4000)))
    assert (found.width, found.height) == (6000, 4000)


def test_a_jpeg_that_breaks_off_keeps_what_was_read():
    data = jpeg(exif_segment({0x010F: "Canon"}))
    found = facts(data[: data.index(b"\xff\xc0") + 3])
    assert (found.kind, found.make, found.width) == ("jpeg", "Canon", None)


# Motion photos ------------------------------------------------------------------------------------------------------

ITEMS = (
    "<Container:Directory><rdf:Seq>"
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="{gain}"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item rdf:parseType="Resource"><Item:Semantic>MotionPhoto</Item:Semantic>'
    "<Item:Length>{video}</Item:Length></Container:Item></rdf:li></rdf:Seq></Container:Directory>"
)


def test_motion_photo_of_googles_first_kind():
    packet = xmp(f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(VIDEO)}" GCamera:BurstID="b-1"')
    found = facts(jpeg(xmp_segment(packet)) + VIDEO)
    assert (found.motion, found.burst_id, found.gain_map) == (len(VIDEO), "b-1", False)


def test_motion_photo_with_a_gain_map():
    packet = xmp('hdrgm:Version="1.0"', ITEMS.format(gain=300, video=len(VIDEO)))
    found = facts(jpeg(xmp_segment(packet)) + b"\xff\xd8" + b"\0" * 298 + VIDEO)
    assert (found.motion, found.gain_map) == (len(VIDEO), True)


def test_a_video_that_was_cut_off_is_not_claimed():
    packet = xmp(f'GCamera:MicroVideoOffset="{len(VIDEO)}"', ITEMS.format(gain=0, video=len(VIDEO)))
    assert facts(jpeg(xmp_segment(packet)) + b"\0" * len(VIDEO)).motion is None
    assert facts(jpeg(xmp_segment(packet))).motion is None


def samsung(video: bytes, back: int = 0, size: int = 0) -> bytes:
    data = struct.pack("<HHI", 0, 0x0A30, 16) + b"MotionPhoto_Data" + video
    rows = struct.pack("<HHII", 0, 0x0A30, back or len(data), size or len(data))
    directory = b"SEFH" + struct.pack("<II", 106, 1) + rows
    return data + directory + struct.pack("<I", len(directory)) + b"SEFT"


def test_motion_photo_of_samsung():
    assert facts(jpeg() + samsung(VIDEO)).motion == len(VIDEO)
    assert facts(jpeg() + samsung(VIDEO, back=0xFFFFFFFF)).motion is None
    assert facts(jpeg() + samsung(VIDEO, size=10)).motion is None


# Gain maps ----------------------------------------------------------------------------------------------------------


def test_gain_map_of_iso():
    assert facts(jpeg(segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"))).gain_map


def test_gain_map_of_apple_is_the_second_picture():
    def table(place: int) -> bytes:
        rows = b"\0" * 16 + struct.pack("<IIIHH", 0, 100, place, 0, 0)
        return segment(0xE2, b"MPF\0" + tiff({0xB001: 2, 0xB002: rows}))

    exif = exif_segment({0x010F: "Apple"})
    base = 2 + len(exif) + 4 + 4  # SOI, marker and length, MPF
    first = jpeg(exif, table(0))
    second = jpeg(xmp_segment(xmp('HDRGainMap:HDRGainMapVersion="65536"')))
    assert facts(jpeg(exif, table(len(first) - base)) + second).gain_map
    assert not facts(jpeg(exif, table(len(first) - base)) + jpeg()).gain_map
