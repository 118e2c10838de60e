"""Sets of photos travel together: through a backup, a restore of a part, and recover.py, bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import formats, photos
from tests.support.photos import put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable

EXIF = formats.EXIF_IFD
MAKE, MODEL, SENSOR, TAKEN, NOTE = 0x010F, 0x0110, 0x0106, 0x9003, 0x927C
IPHONE = {MAKE: "Apple", MODEL: "iPhone 12"}


def apple(tag: int, text: str) -> bytes:
    """Apple's MakerNote with one value: 0x11 is the content identifier, 0x0B the burst."""
    header = b"Apple iOS\0\0\1MM"
    return header + formats.directory({tag: text}, ">", len(header))


def heic(taken: str, note: bytes, seed: int = 0) -> bytes:
    exif = formats.exif_item({**IPHONE, EXIF: {TAKEN: taken, NOTE: note}})
    return formats.heif([(b"hvc1", bytes([seed]) * 70_000), exif], [formats.ispe(4032, 3024)], {2: 1})


def mov(content_id: str = "", milliseconds: int = 2_900) -> bytes:
    keys = {"com.apple.quicktime.content.identifier": content_id} if content_id else {}
    meta = [formats.keys(keys)] if keys else []
    return formats.movie(formats.mvhd(3_700_000_000, duration=milliseconds), *meta, brand=b"qt  ")


def nef(taken: str) -> bytes:
    return (
        formats.tiff({MAKE: "NIKON CORPORATION", MODEL: "NIKON D750", SENSOR: [32803], EXIF: {TAKEN: taken}})
        + b"sensor" * 50_000
    )


def with_segment(segment: bytes, data: bytes) -> bytes:
    """A JPEG with one more segment behind its SOI."""
    return data[:2] + segment + data[2:]


def motion(video: bytes) -> bytes:
    packet = formats.xmp(f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(video)}"')
    return with_segment(formats.xmp_segment(packet), photos.jpeg(7, (500, 400), "2023:03:03 12:00:00")) + video


def ultra_hdr() -> bytes:
    packet = formats.xmp('hdrgm:Version="1.0" hdrgm:GainMapMax="3"')
    return with_segment(formats.xmp_segment(packet), photos.jpeg(8, (500, 400))) + photos.jpeg(9, (100, 80))


def notes(title: str) -> bytes:
    value = {"title": title, "photoTakenTime": {"timestamp": "1483272000"}, "description": "New Year at the sea"}
    return json.dumps(value | {"geoData": {"latitude": 41.9, "longitude": 12.5, "altitude": 20.0}}).encode()


SETS = {
    "live": {
        "IMG_0001.HEIC": heic("2021:05:04 13:22:11", apple(0x11, "8F2D-1")),
        "IMG_0001.MOV": mov("8F2D-1"),
        "IMG_0001.AAE": b"<plist><key>adjustmentFormatIdentifier</key></plist>",
        "IMG_E0001.HEIC": heic("2021:05:04 13:22:11", apple(0x11, "8F2D-1"), 1),
    },
    "live of other names": {
        "sunset.heic": heic("2021:06:01 20:00:00", apple(0x11, "8F2D-2"), 2),
        "sunset (film).mov": mov("8F2D-2", 60_000),
    },
    "raw": {
        "DSC_0001.NEF": nef("2022:02:02 10:00:00"),
        "dsc_0001.JPG": photos.jpeg(5, (600, 400), "2022:02:02 10:00:00"),
        "DSC_0001.xmp": formats.xmp('xmp:Rating="4"', "<dc:subject><rdf:Bag><rdf:li>Köln</rdf:li></rdf:Bag></dc:subject>"),
        "DSC_0001.NEF.dop": b"Sidecar = {}",
    },
    "motion": {"PXL_1.MP.jpg": motion(mov(milliseconds=1_500))},
    "ultra hdr": {"PXL_2.jpg": ultra_hdr()},
    "takeout": {
        "old scan.jpg": photos.jpeg(11, (300, 200)),
        "old scan.jpg.supplemental-metadata.json": notes("old scan.jpg"),
        "old scan-bearbeitet.jpg": photos.jpeg(12, (300, 200)),
    },
    "burst": {f"IMG_100{n}.HEIC": heic("2024:01:01 00:00:00", apple(0x0B, "burst-1"), 3 + n) for n in range(3)},
    "others": {
        "film.mov": mov(milliseconds=60_000),
        "film.jpg": photos.jpeg(13, taken="2010:10:10 10:10:10"),
        "lonely.xmp": formats.xmp('xmp:Rating="5"'),
    },
}  # fmt: skip


@pytest.fixture
def library(tmp_path: Path, vault: Path, photovault: Callable, real_decoders: None) -> Path:
    """All sets in one folder, backed up."""
    root = tmp_path / "Photos"
    for files in SETS.values():
        for name, data in files.items():
            put(root / "all of them" / name, data)
    done = photovault("backup", root)
    assert done.code == 0, done.err
    return root


def restored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILTERS = [
    (["--set", "live"], ["live", "live of other names"]),
    (["--kind", "live", "--from", "2021-05", "--until", "2021-05"], ["live"]),
    (["IMG_0001.MO?"], ["live"]),
    (["Photos/all of them/sunset.heic"], ["live of other names"]),
    (["Photos/all of them/dsc_0001.JPG"], ["raw"]),
    (["--set", "raw+jpeg"], ["raw"]),
    (["--kind", "nef"], ["raw"]),
    (["--rating", "4", "--camera", "d750"], ["raw"]),
    (["--text", "koln"], ["raw"]),
    (["--set", "motion"], ["motion"]),
    (["PXL_2.*"], ["ultra hdr"]),
    (["--place", "Rome"], ["takeout"]),
    (["--from", "2017", "--until", "2017-01-01"], ["takeout"]),
    (["--text", "sea new"], ["takeout"]),
    (["*-bearbeitet.jpg"], ["takeout"]),
    (["--set", "burst"], ["burst"]),
    (["--camera", "iphone", "--from", "2024"], ["burst"]),
]


def test_a_filter_that_hits_one_file_brings_its_set(photovault: Callable, library: Path, tmp_path: Path) -> None:
    for number, (options, sets) in enumerate(FILTERS):
        wanted = {name: data for one in sets for name, data in SETS[one].items()}
        done = photovault("restore", "--to", tmp_path / str(number), *options, "--json")
        assert done.code == 0, (options, done.err)
        assert restored(tmp_path / str(number)) == wanted, options
        assert done.json["files_restored"] == len(wanted), options
        listed = photovault("ls", *options, "--json").json["entries"]
        assert sorted(Path(one["path"]).name for one in listed) == sorted(wanted), options


def test_what_came_along_is_said_and_can_be_left_out(photovault: Callable, library: Path, tmp_path: Path) -> None:
    done = photovault("restore", "--to", tmp_path / "set", "Photos/all of them/IMG_0001.HEIC")
    assert "3 files of them because others of the same photo were chosen (see --only-matching)" in done.out
    done = photovault("restore", "--to", tmp_path / "one", "Photos/all of them/IMG_0001.HEIC", "--only-matching")
    assert "same photo" not in done.out
    assert list(restored(tmp_path / "one")) == ["IMG_0001.HEIC"]
    assert (
        photovault("ls", "Photos/all of them/IMG_0001.HEIC", "--only-matching").out
        == "Photos/all of them/IMG_0001.HEIC\n"
    )


def test_the_listing_says_what_belongs_to_what(photovault: Callable, library: Path) -> None:
    rows = {Path(one["path"]).name: one for one in photovault("ls", "-r", "--json").json["entries"]}
    members = list(SETS["live"])
    assert rows["IMG_0001.MOV"]["set"] == {
        "kind": "live",
        "role": "video",
        "members": sorted(
            members, key=lambda name: (name != "IMG_0001.HEIC", name != "IMG_0001.MOV", name != "IMG_E0001.HEIC")
        ),
    }
    assert rows["PXL_1.MP.jpg"]["set"]["kind"] == "motion"
    assert rows["PXL_1.MP.jpg"]["facts"]["motion"] == len(mov(milliseconds=1_500))
    assert rows["PXL_2.jpg"]["facts"]["gain_map"] is True
    assert rows["film.mov"]["set"] == {"kind": "single", "role": "primary", "members": ["film.mov"]}
    assert rows["lonely.xmp"]["set"]["kind"] == "sidecar"
    (line,) = photovault("ls", "-l", "Photos/all of them/IMG_0001.HEIC", "--only-matching").out.splitlines()
    assert line.split()[2:] == [
        "2021-05-04T13:22:11",
        "heic",
        "4032x3024",
        "Apple",
        "iPhone",
        "12",
        "Photos/all",
        "of",
        "them/IMG_0001.HEIC",
    ]


def test_everything_comes_back_bit_for_bit_by_both_ways(
    photovault: Callable, library: Path, vault: Path, tmp_path: Path
) -> None:
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "Photos", library) == []
    words = ["--words-file", tmp_path / "words.txt"]
    command = [sys.executable, "-I", vault / "recover.py", vault, tmp_path / "recovered", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert restored(tmp_path / "recovered") == restored(library)


def test_an_edit_is_told_by_photo_and_by_what_of_it(photovault: Callable, library: Path) -> None:
    folder = library / "all of them"
    put(folder / "PXL_1.MP.jpg", with_segment(formats.segment(0xFE, b"a comment"), SETS["motion"]["PXL_1.MP.jpg"]))
    put(folder / "dsc_0001.JPG", photos.jpeg(6, (600, 400), "2022:02:02 10:00:00"))
    put(folder / "DSC_0001.xmp", formats.xmp('xmp:Rating="5"'))
    (library / "moved").mkdir()
    for name in SETS["live of other names"]:
        (folder / name).rename(library / "moved" / name)
    for name in SETS["burst"]:
        (folder / name).unlink()
    for name, data in {"new.heic": heic("2024:02:02 10:00:00", apple(0x11, "new"), 9), "new.mov": mov("new")}.items():
        put(folder / name, data)
    assert photovault("backup", library).code == 0
    lines = [line for line in photovault("diff", "latest~1").out.splitlines() if not line.startswith("t ")]
    begin = "Photos/all of them/"
    assert lines[:-2] == [
        f"M  {begin}DSC_0001.xmp  (metadata only)",
        f"-  {begin}IMG_1000.HEIC  with IMG_1001.HEIC, IMG_1002.HEIC",
        f"M  {begin}PXL_1.MP.jpg  (metadata only)",
        f"M  {begin}dsc_0001.JPG  (picture)",
        f"+  {begin}new.heic  with new.mov",
        f"R  {begin}sunset.heic -> Photos/moved/sunset.heic  with sunset (film).mov",
    ]
    assert lines[-2] == "1 added, 3 changed, 1 gone, 1 moved"
    rows = {Path(one["path"]).name: one for one in photovault("diff", "latest~1", "--json").json["changes"]}
    assert [rows[name]["what"] for name in ("PXL_1.MP.jpg", "dsc_0001.JPG", "new.mov")] == ["metadata", "picture", None]
    assert rows["new.mov"]["set"] == f"{begin}new.heic"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--place", "Nowhereville-on-Sea"], "no place is known as Nowhereville-on-Sea"),
        (["--kind", "picture"], "not a kind of photo: picture"),
        (["--camera", ""], "--camera is empty"),
        (["--rating", "6"], "--rating"),
        (["--set", "pair"], "--set"),
    ],
)
def test_wrong_filters_are_refused_before_anything_is_restored(
    photovault: Callable, vault: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    for command in (["ls"], ["restore", "--to", tmp_path / "out"]):
        done = photovault(*command, *options)
        assert (done.code, said in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()
