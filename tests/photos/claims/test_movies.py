"""MP4, MOV and 3GP: when, where, how long, how large, how turned; and the texts of Apple, Android and old phones."""

from __future__ import annotations

import struct

import pytest

from tests.support.formats import box, facts, full, keys, movie, mvhd, trak, xmp

SECONDS = 3_702_979_331  # 2021-05-04 13:22:11 UTC, from 1904
HEADER = "2021-05-04T13:22:11+00:00"
APPLE = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 13",
    "com.apple.quicktime.creationdate": "2021-05-04T15:22:10+0200",
    "com.apple.quicktime.location.ISO6709": "+52.5200+013.4050+034.500/",
    "com.apple.quicktime.content.identifier": "5B7C-LIVE",
}


def test_live_photo_of_apple():
    found = facts(movie(mvhd(SECONDS, duration=2345), trak(1920, 1440), keys(APPLE), brand=b"qt  "))
    assert (found.kind, found.width, found.height, found.duration) == ("mov", 1920, 1440, 2345)
    assert (found.taken, found.taken_source, found.taken_confidence) == (
        "2021-05-04T15:22:10+02:00",
        "quicktime",
        "high",
    )
    assert (found.latitude, found.longitude, found.altitude) == (525200000, 134050000, 34500)
    assert (found.make, found.model, found.content_id) == ("Apple", "iPhone 13", "5B7C-LIVE")


@pytest.mark.parametrize(("version", "brand", "kind"), [(0, b"isom", "mp4"), (1, b"3gp5", "mp4"), (0, b"qt  ", "mov")])
def test_movie_header(version, brand, kind):
    found = facts(movie(mvhd(SECONDS, version, scale=600, duration=900), trak(640, 480), brand=brand))
    assert (found.kind, found.taken, found.taken_confidence, found.duration) == (kind, HEADER, "medium", 1500)


@pytest.mark.parametrize(("scale", "duration"), [(0, 5), (1, 0xFFFFFFFF), (600, 0)])
def test_a_duration_that_is_none(scale, duration):
    assert facts(movie(mvhd(SECONDS, scale=scale, duration=duration))).duration is None
    assert facts(movie(mvhd(SECONDS, 1, scale=1, duration=2**64 - 1))).duration is None


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0, 1), 1),
        ((0, 1, 0, -1, 0, 0, 0, 0, 1), 6),
        ((-1, 0, 0, 0, -1, 0, 0, 0, 1), 3),
        ((0, -1, 0, 1, 0, 0, 0, 0, 1), 8),
        ((-1, 0, 0, 0, 1, 0, 0, 0, 1), 2),
        ((1, 1, 0, 1, 1, 0, 0, 0, 1), None),
    ],
)
def test_turned(matrix, expected):
    found = facts(movie(trak(1920, 1080, matrix)))
    assert (found.orientation, found.width, found.height) == (expected, 1920, 1080)


def test_the_first_track_that_is_video_counts():
    found = facts(movie(trak(0, 0, handler=b"soun"), trak(99, 99, handler=b"meta"), trak(640, 480), trak(320, 240)))
    assert (found.width, found.height) == (640, 480)


def test_a_track_header_with_long_times():
    found = facts(movie(trak(1920, 1080, (0, 1, 0, -1, 0, 0, 0, 0, 1), version=1)))
    assert (found.width, found.height, found.orientation) == (1920, 1080, 6)


def test_camera_of_android():
    names = {"com.android.manufacturer": "Google", "com.android.model": "Pixel 8"}
    found = facts(movie(keys(names)))
    assert (found.make, found.model) == ("Google", "Pixel 8")


def text(kind: bytes, value: str) -> bytes:
    return box(kind, struct.pack(">HH", len(value), 0x15C7), value.encode())


def test_texts_of_android_and_old_quicktime():
    udta = box(
        b"udta",
        text(b"\xa9xyz", "-33.8568+151.2153/"),
        text(b"\xa9nam", "Opera"),
        text(b"\xa9day", "2021-05-04T15:22:10+02:00"),
    )
    found = facts(movie(mvhd(SECONDS), udta))
    assert (found.latitude, found.longitude, found.altitude) == (-338568000, 1512153000, None)
    assert (found.title, found.taken) == ("Opera", "2021-05-04T15:22:10+02:00")


def test_a_year_alone_is_no_date():
    assert facts(movie(mvhd(SECONDS), box(b"udta", text(b"\xa9day", "2021")))).taken == HEADER


def test_texts_of_itunes():
    data = box(b"data", struct.pack(">II", 1, 0), b"Title")
    words = box(b"keyw", box(b"data", struct.pack(">II", 1, 0), b"sun, sea,"))
    udta = box(b"udta", full(b"meta", full(b"hdlr", b"\0" * 20), box(b"ilst", box(b"\xa9nam", data), words)))
    found = facts(movie(udta))
    assert (found.title, found.keywords) == ("Title", ("sea", "sun"))


def test_texts_of_3gp():
    place = struct.pack(">3i", -(118 << 16), 34 << 16, 12 << 16)
    udta = box(
        b"udta", full(b"titl", b"\x55\xc4", b"Hill\0"), full(b"loci", b"\x55\xc4", b"LA\0", b"\0", place, b"earth\0\0")
    )
    found = facts(movie(udta, brand=b"3gp5"))
    assert (found.title, found.latitude, found.longitude, found.altitude) == ("Hill", 340000000, -1180000000, 12000)


@pytest.mark.parametrize("where", ["+91.0+013.4/", "+00.0000+000.0000/", "52.5+13.4", "+52.5", "x"])
def test_a_place_that_is_none(where):
    assert facts(movie(keys({"com.apple.quicktime.location.ISO6709": where}))).latitude is None


@pytest.mark.parametrize(("text", "expected"), [("4", 4), ("4.000000", 4), ("9", None), ("nan", None), ("", None)])
def test_rating(text, expected):
    assert facts(movie(keys({"com.apple.quicktime.rating.user": text}))).rating == expected


def test_xmp_in_a_box_of_its_own_and_in_user_data():
    uuid = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), xmp('xmp:Rating="4"'))
    assert facts(movie(mvhd(SECONDS)) + uuid).rating == 4
    assert facts(movie(box(b"udta", box(b"XMP_", xmp('xmp:Rating="3"'))))).rating == 3


def test_a_broken_box_costs_only_itself():
    broken = struct.pack(">I4s", 3, b"junk")
    found = facts(movie(mvhd(SECONDS), box(b"udta", broken), trak(640, 480), keys(APPLE)))
    assert (found.width, found.make) == (640, "Apple")
    found = facts(movie(mvhd(SECONDS), trak(640, 480), broken))
    assert (found.width, found.taken) == (640, HEADER)


def test_boxes_within_boxes_without_end_take_no_time():
    nested = b""
    for _ in range(3000):
        nested = box(b"udta", nested)
    assert facts(movie(mvhd(SECONDS), nested)).taken == HEADER


def test_heic_sequence_has_the_date_of_its_movie():
    data = box(b"ftyp", b"hevc\0\0\0\0msf1hevc") + box(b"moov", mvhd(SECONDS), trak(640, 480, handler=b"pict"))
    found = facts(data)
    assert (found.kind, found.taken) == ("heic", HEADER)


def test_pixels_that_are_not_in_fixed_point():
    data = movie(trak(640, 480)).replace(struct.pack(">II", 640 << 16, 480 << 16), struct.pack(">II", 640, 480))
    found = facts(data)
    assert (found.width, found.height) == (640, 480)
