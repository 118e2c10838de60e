"""Sidecars: XMP, AAE and Takeout's JSON, known by what is in them."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.formats import facts, xmp

AAE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "x">\n'
    b'<plist version="1.0"><dict><key>adjustmentBaseVersion</key><integer>0</integer>'
    b"<key>adjustmentFormatIdentifier</key><string>com.apple.photo</string></dict></plist>"
)


def takeout(**changes: object) -> bytes:
    known = {
        "title": "IMG_1.jpg",
        "description": "By the sea",
        "photoTakenTime": {"timestamp": "1620134531", "formatted": "May 4, 2021, 1:22:11\u202fPM UTC"},
        "geoData": {"latitude": -33.8568, "longitude": 151.2153, "altitude": 12.5, "latitudeSpan": 0.0},
    }
    return json.dumps(known | changes, indent=2).encode()


def test_takeout():
    found = facts(takeout(), "IMG_1.jpg.json")
    assert (found.kind, found.title, found.description) == ("takeout", "IMG_1.jpg", "By the sea")
    assert (found.taken, found.taken_source) == ("2021-05-04T13:22:11+00:00", "takeout")
    assert (found.latitude, found.longitude, found.altitude) == (-338568000, 1512153000, 12500)


def test_the_cameras_place_where_google_knows_none():
    nowhere = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}
    assert facts(takeout(geoData=nowhere)).latitude is None
    assert facts(takeout(geoData=nowhere, geoDataExif={"latitude": 1.5, "longitude": 2.5})).latitude == 15000000


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("-86400", "1969-12-31T00:00:00+00:00"),
        (1620134531, "2021-05-04T13:22:11+00:00"),
        ("0", None),
        ("9" * 30, None),
        ("-", None),
        (None, None),
        ({}, None),
        ("\u0661", None),
    ],
)
def test_stamps(stamp, expected):
    found = facts(takeout(photoTakenTime={"timestamp": stamp}))
    assert (found.kind, found.taken) == ("takeout", expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"geoData": {"latitude": "x", "longitude": 1}},
        {"geoData": {"latitude": float("nan"), "longitude": 1.0}},
        {"geoData": {"latitude": 10**400, "longitude": 1.0}},
        {"geoData": [], "title": 5, "description": {"a": 1}},
    ],
)
def test_values_of_the_wrong_kind_are_left_out(changes):
    found = facts(takeout(**changes))
    assert (found.kind, found.latitude) == ("takeout", None)


def test_half_a_character_is_left_out():
    title = facts(takeout(title="a\ud83d b")).title
    assert title == "a  b"
    assert title.encode()


@pytest.mark.parametrize(
    "data", [b'{"title": "Album"}', b"[1]", b'{"photoTakenTime": 5}', b"{", b'{"a":' * 200_000, b"{}"]
)
def test_another_json_is_nothing(data):
    assert facts(data).kind == ""


def test_xmp_sidecar():
    data = xmp('xmp:Rating="5" exif:DateTimeOriginal="2021-05-04T13:22:11.5+02:00"')
    found = facts(data, "IMG_1.xmp")
    assert (found.kind, found.rating, found.taken) == ("xmp", 5, "2021-05-04T13:22:11.5+02:00")
    assert facts(b'\xef\xbb\xbf<?xml version="1.0"?>\n' + data).kind == "xmp"
    assert facts(data.decode().encode("utf-16")).rating == 5


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="adobe:ns:meta/"><rdf:RDF/></svg>',
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>',
        b"<xmpmetadata>",
        b"<?" * 3000,
    ],
)
def test_other_xml_is_nothing(data):
    assert facts(data).kind == ""


def test_aae():
    assert facts(AAE, "IMG_1.AAE").kind == "aae"
    assert facts(b"bplist00\xd1_\x10\x1aadjustmentFormatIdentifier").kind == "aae"
    assert facts(AAE.replace(b"adjustment", b"something")).kind == ""


def test_a_long_xmp_takes_no_time():
    began = time.process_time()
    assert facts(xmp('xmp:Rating="5"', "<a>x</a>" * 1_000_000)).rating == 5
    assert time.process_time() - began < 2
