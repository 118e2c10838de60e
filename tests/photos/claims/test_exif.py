"""Exif: camera, place, texts of Windows, Apple's note; each broken tag costs only itself."""

from __future__ import annotations

import struct

import pytest

from tests.support.formats import EXIF_IFD, GPS_IFD, degrees, exif_segment, facts, jpeg, segment, tiff

APPLE = b"Apple iOS\0\0\1MM"


def of(tags: dict[int, object], order: str = "<"):
    return facts(jpeg(exif_segment(tags, order)))


@pytest.mark.parametrize("order", "<>")
def test_camera_and_orientation(order):
    found = of({0x010F: "Canon ", 0x0110: "EOS R5\0rubbish", 0x0112: [6], EXIF_IFD: {0xA434: "RF50mm F1.2"}}, order)
    assert (found.make, found.model, found.lens, found.orientation) == ("Canon", "EOS R5", "RF50mm F1.2", 6)
    assert (found.kind, found.width, found.height) == ("jpeg", 64, 48)


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_an_orientation_that_is_none(number):
    assert of({0x0112: [number]}).orientation is None


def gps(**changes: object) -> dict[int, object]:
    tags: dict[str, object] = {
        "_1": "S",
        "_2": degrees((33, 1), (51, 1), (3154, 100)),
        "_3": "E",
        "_4": degrees((151, 1), (12, 1), (5124, 100)),
        "_6": [(1234, 100)],
    }
    return {GPS_IFD: {int(tag[1:]): value for tag, value in (tags | changes).items() if value is not None}}


def test_place():
    found = of(gps())
    assert (found.latitude, found.longitude, found.altitude) == (-338587611, 1512142333, 12340)


def test_below_the_sea():
    assert of(gps(_5=b"\1")).altitude == -12340


@pytest.mark.parametrize(
    "changes",
    [
        {"_1": None},
        {"_1": "X"},
        {"_2": degrees((91, 1))},
        {"_2": degrees((33, 0))},
        {"_2": degrees((0, 1)), "_4": degrees((0, 1))},
        {"_4": "text"},
    ],
)
def test_a_place_that_is_none(changes):
    found = of(gps(**changes))
    assert (found.latitude, found.longitude, found.altitude) == (None, None, None)


def test_seconds_that_are_undefined_leave_degrees_and_minutes():
    assert of(gps(_2=[(33, 1), (30, 1), (0, 0)])).latitude == -335000000


def test_an_altitude_out_of_this_world_is_left_out():
    found = of(gps(_6=[(4_000_000_000, 1)]))
    assert (found.altitude, found.latitude) == (None, -338587611)


def test_the_clock_of_the_satellites_is_the_last_help():
    clock = gps(_7=[(13, 1), (22, 1), (11, 1)], _29="2021:05:04")
    found = of(clock)
    assert (found.taken, found.taken_source, found.taken_confidence) == ("2021-05-04T13:22:11+00:00", "gps", "low")
    assert of(clock | {0x0132: "2022:01:01 00:00:00"}).taken == "2022-01-01T00:00:00"


def test_texts_of_windows():
    wide = {0x9C9B: "Title ä", 0x9C9C: "Comment", 0x9C9E: "sea; sun;sea;"}
    found = of({tag: text.encode("utf-16-le") + b"\0\0" for tag, text in wide.items()} | {0x4746: [4]})
    assert (found.title, found.description, found.keywords, found.rating) == ("Title ä", "Comment", ("sea", "sun"), 4)


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "DCIM\\100MEDIA\\DJI_0001.JPG", "   "])
def test_what_cameras_write_into_every_photo_is_no_description(text):
    assert of({0x010E: text}).description is None


def test_texts_are_clean_and_short():
    assert of({0x010E: "one\r\n\ttwo\x1b[31m\x7f three"}).description == "one two [31m  three"
    assert of({0x010E: "Gr\u00fc\u00dfe"}).description == "Gr\u00fc\u00dfe"
    assert of({0x010E: "x" * 9000}).description == "x" * 4096
    assert of({0x0110: b"caf\xe9\0"}).model == "caf\u00e9"


def test_apples_note_names_the_live_photo_and_the_burst():
    texts = {0x0B: b"BURST-1\0", 0x11: b"5B7C-LIVE\0"}
    at = len(APPLE) + 2 + 12 * len(texts) + 4
    rows, values = b"", b""
    for tag, text in texts.items():
        rows += struct.pack(">HHII", tag, 2, len(text), at + len(values))
        values += text
    note = APPLE + struct.pack(">H", len(texts)) + rows + b"\0" * 4 + values
    found = of({0x010F: "Apple", EXIF_IFD: {0x927C: note}})
    assert (found.content_id, found.burst_id) == ("5B7C-LIVE", "BURST-1")


@pytest.mark.parametrize("note", [APPLE, APPLE + b"\xff\xff", b"Nikon\0" + b"\xff" * 40])
def test_a_broken_or_foreign_note_costs_only_itself(note):
    found = of({0x010F: "Apple", EXIF_IFD: {0x927C: note}})
    assert (found.make, found.content_id) == ("Apple", None)


def test_a_value_outside_of_the_file_costs_only_itself():
    good = tiff({0x010F: "Canon", 0x0110: "EOS with a long name"})
    data = good.replace(struct.pack("<HHI", 0x0110, 2, 21), struct.pack("<HHI", 0x0110, 2, 0x7FFFFFFF))
    assert data != good
    found = facts(jpeg(segment(0xE1, b"Exif\0\0" + data)))
    assert (found.make, found.model) == ("Canon", None)


def test_a_directory_that_points_at_itself():
    loop = struct.pack("<4sIHHHIIHHIII", b"II*\0", 8, 2, EXIF_IFD, 4, 1, 8, GPS_IFD, 4, 1, 8, 8)
    assert facts(loop).kind == "tiff"
