"""The same answers as exiftool, which reads more than anything else: it writes tags into files, and both read them.

One call writes all files, one reads them: the program takes a third of a second to start.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess

import pytest
from PIL import Image

from photovault.photos.metadata import facts_of
from tests.support.formats import (
    box,
    degrees,
    exif_item,
    exif_segment,
    heif,
    ispe,
    jpeg,
    keys,
    movie,
    mvhd,
    png,
    tiff,
    trak,
)
from tests.support.programs import needed

SECONDS = 3_702_979_331  # 2021-05-04 13:22:11 UTC, from 1904
CAMERA = [
    *("-EXIF:Make=Canon", "-EXIF:Model=EOS R5", "-EXIF:LensModel=RF50mm F1.2", "-EXIF:Orientation#=6"),
    *("-EXIF:DateTimeOriginal=2021:05:04 13:22:11", "-EXIF:SubSecTimeOriginal=123", "-EXIF:OffsetTimeOriginal=+02:00"),
    *("-EXIF:CreateDate=2021:05:04 13:22:12", "-EXIF:ModifyDate=2022:01:01 00:00:00"),
    *("-EXIF:GPSLatitude=33.8587611", "-EXIF:GPSLatitudeRef=S", "-EXIF:GPSLongitude=151.2142333"),
    *("-EXIF:GPSLongitudeRef=E", "-EXIF:GPSAltitude=12.34", "-EXIF:GPSAltitudeRef#=1"),
]
PEOPLE = [
    *("-XMP:Rating=4", "-XMP:Title=Sea & sun", "-XMP:Description=Am Meer, sch\u00f6n", "-XMP:Subject=sun"),
    "-XMP:Subject=Meer",
]
WRITTEN = {
    "camera.jpg": [*CAMERA, *PEOPLE, "-IPTC:Keywords=press", "-IPTC:ObjectName=Title"],
    "camera.png": [*CAMERA, *PEOPLE],
    "camera.webp": [*CAMERA, *PEOPLE],
    "camera.tif": [*CAMERA, *PEOPLE, "-IPTC:Keywords=press"],
    "camera.gif": PEOPLE,
    "big-endian.jpg": ["-ExifByteOrder=MM", *CAMERA],
    "digitized.jpg": [
        "-EXIF:CreateDate=2021:05:04 13:22:12",
        "-EXIF:SubSecTimeDigitized=05",
        "-EXIF:OffsetTimeDigitized=Z",
    ],
    "changed.jpg": ["-EXIF:ModifyDate=2022:01:01 00:00:00", "-EXIF:OffsetTime=-03:30"],
    "xmp.jpg": [
        *("-XMP-exif:DateTimeOriginal=2021:05:04 13:22:11.5+02:00", "-XMP-tiff:Make=Canon", "-XMP-tiff:Model=EOS"),
        *("-XMP-exif:GPSLatitude=52.5", "-XMP-exif:GPSLongitude=-13.404", "-XMP-exif:GPSAltitude=34.1"),
        *("-XMP-exif:GPSAltitudeRef#=0", "-XMP-xmp:Rating=-1"),
    ],
    "dated.jpg": ["-XMP-photoshop:DateCreated=2021:05:04 13:22:11", "-XMP-xmp:CreateDate=2022:01:01 00:00:00"],
    "iptc.jpg": [
        *("-IPTC:DateCreated=2021:05:04", "-IPTC:TimeCreated=13:22:11+02:00", "-IPTC:Keywords=sun"),
        *("-IPTC:Keywords=sea", "-IPTC:Caption-Abstract=By the sea", "-IPTC:ObjectName=Sea"),
    ],
    "windows.jpg": [
        "-EXIF:XPTitle=Sch\u00f6n",
        "-EXIF:XPKeywords=sun;sea",
        "-EXIF:Rating=3",
        "-EXIF:ImageDescription=By the sea",
    ],
    "apple.mov": [
        *("-Keys:CreationDate=2021:05:04 15:22:10+02:00", "-Keys:GPSCoordinates=-33.8587,151.2142,12.5"),
        *("-Keys:Make=Apple", "-Keys:Model=iPhone 13", "-Keys:Title=Sea"),
    ],
    "android.mp4": [
        "-UserData:GPSCoordinates=52.52,13.405,34",
        "-ItemList:Title=Sea",
        "-XMP:Rating=4",
        "-XMP:Subject=sun",
    ],
    "plain.mp4": [],
    "turned.mov": [],
    "live.mov": [],
    "sidecar.xmp": [*PEOPLE, "-XMP-exif:DateTimeOriginal=2021:05:04 13:22:11"],
    "apple.heic": [],
    "raw.dng": [],
    "raw.nef": [],
    "raw.arw": [],
    "raw.orf": [],
    "raw.cr2": [],
    "raw.cr3": [],
    "raw.rw2": [],
    "raw.raf": [],
    "bare.jxl": [],
    "plain.bmp": [],
    "lossless.webp": [],
}


def picture(form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (62, 47), "teal").save(out, form, **options)
    return out.getvalue()


def made(name: str) -> bytes:
    """The file before exiftool writes into it."""
    inner = {0x9003: "2021:05:04 13:22:11"}
    exif = {0x010F: "Apple", 0x0110: "iPhone 13", 0x8769: inner}
    sensor = {0x00FE: 0, 0x0100: 6000, 0x0101: 4000, 0x0106: [32803]}
    small = {0x00FE: 1, 0x0100: 160, 0x0101: 120}
    header = mvhd(SECONDS, scale=600, duration=900)
    return {
        "camera.png": lambda: png(size=(62, 47)),
        "camera.webp": lambda: picture("WEBP"),
        "lossless.webp": lambda: picture("WEBP", lossless=True),
        "camera.tif": lambda: picture("TIFF"),
        "camera.gif": lambda: picture("GIF"),
        "plain.bmp": lambda: picture("BMP"),
        "apple.mov": lambda: movie(header, trak(1920, 1440), brand=b"qt  "),
        "live.mov": lambda: movie(
            header, trak(1920, 1440), keys({"com.apple.quicktime.content.identifier": "5B7C"}), brand=b"qt  "
        ),
        "android.mp4": lambda: movie(header, trak(1920, 1080)),
        "plain.mp4": lambda: movie(mvhd(SECONDS, 1, scale=30_000, duration=1_001_000), trak(640, 480)),
        "turned.mov": lambda: movie(header, trak(1920, 1080, (0, 1, 0, -1, 0, 0, 0, 0, 1)), brand=b"qt  "),
        "sidecar.xmp": lambda: (
            b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
            b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
        ),
        "apple.heic": lambda: heif(
            [(b"hvc1", b"\0" * 50), exif_item({0x0112: [6]} | exif)], [ispe(4032, 3024), box(b"irot", b"\3")], {2: 1}
        ),
        "raw.nef": lambda: tiff({**small, 0x014A: [small, sensor], 0x010F: "NIKON", 0x0110: "Z 6", 0x8769: inner}),
        "raw.arw": lambda: tiff({**small, 0x014A: [sensor], 0x010F: "SONY", 0x0110: "ILCE-7", 0x8769: inner}),
        "raw.orf": lambda: b"IIRO" + tiff({0x0100: 4640, 0x0101: 3472, 0x010F: "OLYMPUS", 0x8769: inner})[4:],
        "raw.cr2": lambda: tiff(
            {0x0100: 160, 0x0101: 120, 0x010F: "Canon", 0x0110: "EOS", 0x8769: inner | {0xA002: 6000, 0xA003: 4000}},
            header=b"II*\0\x10\0\0\0CR\2\0\0\0\0\0",
        ),
        "raw.cr3": lambda: movie(
            box(
                *(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")),
                box(b"CMT1", tiff({0x0100: 6000, 0x0101: 4000, 0x010F: "Canon", 0x0110: "EOS R5", 0x0112: [8]})),
                box(b"CMT2", tiff(inner | {0xA434: "RF50mm"})),
                box(b"CMT4", tiff({1: "N", 2: degrees((52, 1)), 3: "W", 4: degrees((13, 1), (30, 1))})),
            ),
            brand=b"crx ",
        ),
        "raw.rw2": lambda: (
            b"IIU\0" + tiff({4: [10], 5: [20], 6: [4010], 7: [6020], 0x010F: "Panasonic", 0x8769: inner})[4:]
        ),
        "raw.raf": lambda: raf(jpeg(exif_segment({0x010F: "FUJIFILM", 0x8769: inner}))),
        "bare.jxl": lambda: bytes.fromhex("ff0afa7f1b0100") + b"\0" * 30,
        "raw.dng": lambda: tiff(
            {0x00FE: 1, 0x0100: 160, 0x0101: 120, 0x014A: [sensor, sensor], 0xC612: b"\1\4\0\0"} | exif
        ),
    }.get(name, lambda: picture("JPEG"))()


def raf(preview: bytes) -> bytes:
    table = struct.pack(">IHHHHHHHH", 2, 0x0100, 4, 4100, 6100, 0x0111, 4, 4000, 6000)
    front = b"FUJIFILMCCD-RAW 0201FF129502X-T30".ljust(84, b"\0")
    return (
        front
        + struct.pack(">IIII", 160, len(preview), 160 + len(preview), len(table)).ljust(76, b"\0")
        + preview
        + table
    )


@pytest.fixture(scope="module")
def read(tmp_path_factory) -> dict[str, tuple[dict, object]]:
    """What exiftool reads, and what we read, by the names of the files."""
    exiftool = needed("exiftool")
    folder = tmp_path_factory.mktemp("exiftool")
    for name in WRITTEN:
        (folder / name).write_bytes(made(name))
    lines = [
        line for name, tags in WRITTEN.items() if tags for line in (*_QUIET, *tags, str(folder / name), "-execute")
    ]
    (folder / "write.args").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run([exiftool, "-@", folder / "write.args"], check=True, capture_output=True)
    files = [folder / name for name in WRITTEN]
    found = subprocess.run([exiftool, "-json", "-n", "-G", *files], check=True, capture_output=True).stdout
    return {os.path.basename(row["SourceFile"]): (row, ours(row["SourceFile"])) for row in json.loads(found)}


_QUIET = ("-overwrite_original", "-q", "-m", "-codedcharacterset=utf8")


def ours(path: str):
    with open(path, "rb") as file:
        data = file.read()
    return facts_of(lambda offset, length: data[offset : offset + length], len(data), "photo")


def first(row: dict, *names: str) -> object:
    return next((row[name] for name in names if name in row), None)


def words(row: dict, name: str, separator: str = "\n") -> set[str]:
    given = row.get(name, [])
    return set(map(str, given)) if isinstance(given, list) else set(str(given).split(separator))


@pytest.mark.parametrize("name", WRITTEN)
def test_pixels_and_camera(read, name):
    row, found = read[name]
    size = row.get("Composite:ImageSize")
    assert (f"{found.width} {found.height}" if found.width else None) == size
    assert found.make == first(row, "EXIF:Make", "XMP:Make", "QuickTime:Make")
    assert found.model == first(row, "EXIF:Model", "XMP:Model", "QuickTime:Model")
    assert found.lens == first(row, "EXIF:LensModel")
    turned = {0: 1, 90: 6, 180: 3, 270: 8}.get(row.get("Composite:Rotation"))
    assert (found.orientation or 1) == (first(row, "EXIF:Orientation", "XMP:Orientation") or turned or 1)


def iso(text: object) -> str | None:
    """exiftool's date as we write it."""
    return None if text is None else (str(text)[:10].replace(":", "-") + "T" + str(text)[11:]).replace("Z", "+00:00")


@pytest.mark.parametrize("name", WRITTEN)
def test_date(read, name):
    row, found = read[name]
    names = ("Composite:SubSecDateTimeOriginal", "EXIF:DateTimeOriginal", "XMP:DateTimeOriginal", "XMP:DateCreated")
    later = ("Composite:SubSecCreateDate", "EXIF:CreateDate", "XMP:CreateDate")
    movies = iso(row["QuickTime:CreateDate"] + "Z") if row.get("QuickTime:CreateDate") else None
    changed = iso(first(row, "Composite:SubSecModifyDate"))
    original = iso(first(row, "QuickTime:CreationDate", *names, "Composite:DateTimeCreated", *later))
    assert found.taken == (original or movies or changed)


@pytest.mark.parametrize("name", WRITTEN)
def test_place_and_duration(read, name):
    row, found = read[name]
    latitude, longitude, altitude = (
        first(row, f"Composite:GPS{one}", f"XMP:GPS{one}") for one in ("Latitude", "Longitude", "Altitude")
    )
    assert found.latitude == (None if latitude is None else pytest.approx(latitude * 1e7, abs=5))
    assert found.longitude == (None if longitude is None else pytest.approx(longitude * 1e7, abs=5))
    assert found.altitude == (None if altitude is None else pytest.approx(altitude * 1000, abs=1))
    duration = first(row, "QuickTime:Duration")
    assert found.duration == (None if duration is None else pytest.approx(duration * 1000, abs=1))


@pytest.mark.parametrize("name", WRITTEN)
def test_texts_and_rating(read, name):
    row, found = read[name]
    assert found.rating == first(row, "XMP:Rating", "EXIF:Rating")
    assert found.title == first(row, "XMP:Title", "IPTC:ObjectName", "EXIF:XPTitle", "QuickTime:Title")
    assert found.description == first(row, "XMP:Description", "IPTC:Caption-Abstract", "EXIF:ImageDescription")
    keywords = words(row, "XMP:Subject") | words(row, "IPTC:Keywords") | words(row, "EXIF:XPKeywords", ";")
    assert set(found.keywords) == keywords
    assert found.content_id == first(row, "QuickTime:ContentIdentifier")


def test_every_tag_was_written(read):
    """Without this, a tag that exiftool refused would make both agree on nothing."""
    assert [name for name, (row, _) in read.items() if "Composite:ImageSize" not in row] == ["sidecar.xmp"]
    for name in ("camera.jpg", "camera.png", "camera.webp", "camera.tif", "big-endian.jpg"):
        found = read[name][1]
        assert (found.taken, found.lens, found.altitude) == ("2021-05-04T13:22:11.123+02:00", "RF50mm F1.2", -12340)
    assert read["xmp.jpg"][1].latitude == 525000000
    assert read["iptc.jpg"][1].taken == "2021-05-04T13:22:11+02:00"
    assert read["apple.mov"][1].taken == "2021-05-04T15:22:10+02:00"
    assert read["live.mov"][1].content_id == "5B7C"
    assert read["android.mp4"][1].rating == 4
    assert read["sidecar.xmp"][1].keywords == ("Meer", "sun")
