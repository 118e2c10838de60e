"""Which version of a photo is good, which is bad, and which is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.facts import NOTHING, Facts
from photovault.model import Entry, EntryKind
from photovault.photos.goodness import EMPTY, UNLIKE, is_bad, is_good, unlike, why_bad
from photovault.photos.looking import by_name
from photovault.photos.metadata import facts_of
from tests.support import formats
from tests.support.photos import jpeg

NOISE = bytes((7 * at + 13) % 251 for at in range(1, 4096))


def entry(
    name: str = "a.jpg", kind: EntryKind = EntryKind.FILE, /, *, unsettled: bool = False, **facts: object
) -> Entry:
    return Entry(
        name=name.encode(), kind=kind, mode=0o644, mtime_ns=0, facts=Facts(**facts), unsettled=unsettled
    )  # fmt: skip


def judged(name: str, data: bytes) -> tuple[bool, bool]:
    facts = facts_of(lambda offset, length: data[offset : offset + length], len(data), name)
    one = Entry(name=name.encode(), kind=EntryKind.FILE, mode=0o644, mtime_ns=0, facts=facts)
    return is_good(one), is_bad(one)


@pytest.mark.parametrize("kind", ["jpeg", "heic", "arw", "mov"])
def test_a_picture_or_video_of_a_known_kind_is_good(kind: str) -> None:
    assert is_good(entry(kind=kind))
    assert not is_bad(entry(kind=kind))


@pytest.mark.parametrize("against", [{"broken": "it ends before its picture does"}, {"suspect": "its bytes changed"}])
def test_what_does_not_decode_or_is_suspect_is_bad(against: dict[str, str]) -> None:
    assert not is_good(entry(kind="jpeg", **against))
    assert is_bad(entry(kind="jpeg", **against))
    assert why_bad(Facts(**against)) in against.values()


@pytest.mark.parametrize(
    "one",
    [
        entry("IMG_1.xmp", kind="xmp"),
        entry("IMG_1.jpg.json", kind="takeout"),
        entry("IMG_1.aae", kind="aae"),
        entry("IMG_1.THM", kind="jpeg"),
        entry("notes.txt"),
        entry("notes.txt", broken="who knows"),
        entry("a.jpg"),  # nobody looked at it
        entry("a.mkv"),  # looked at or not: a format of which we know no kind
        entry("a.jpg", EntryKind.LINK),
        entry("2021.jpg", EntryKind.FOLDER),
        entry("a.jpg", kind="jpeg", unsettled=True),
    ],
)
def test_neither_good_nor_bad(one: Entry) -> None:
    assert (is_good(one), is_bad(one)) == (False, False)


def test_a_sidecar_under_the_name_of_a_photo_is_bad() -> None:
    assert is_bad(entry("a.jpg", kind="xmp"))


def test_a_photo_under_any_name_is_good() -> None:
    assert is_good(entry("IMG_1", kind="jpeg"))
    assert judged("IMG_1.webp", jpeg(1)) == (True, False)


@pytest.mark.parametrize("name", ["a.jpg", "B.JPEG", "c.heic", "d.mp4", "e.MOV", "f.dng", "g.arw", "h.png", "i.tif"])
def test_bytes_that_no_format_begins_with_are_bad_under_the_name_of_a_photo(name: str) -> None:
    assert judged(name, NOISE) == (False, True)
    assert judged(name, b"\0" * 5000) == (False, True)
    assert judged(name, b"<html><body>404 Not Found</body></html>") == (False, True)
    assert judged(name, b"") == (False, True)


@pytest.mark.parametrize("name", ["a.psd", "a.avi", "a.mkv", "a.x3f", "a.jp2", "a.mpg", "a.raw", "a.txt", "a"])
def test_a_format_without_a_kind_is_never_called_bad(name: str) -> None:
    assert judged(name, NOISE) == (False, False)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.mp4", b"RIFF\0\0\1\0AVI LIST"),
        ("a.mov", b"\x1a\x45\xdf\xa3\x01"),
        ("a.mp4", b"\x00\x00\x01\xba\x44"),
        ("a.mp4", (b"\x47" + bytes(187)) * 3),
        ("a.m4v", (bytes(4) + b"\x47" + bytes(187)) * 3),
        ("a.jpg", b"8BPS\0\1"),
        ("a.jpg", b"P6\n2 2\n255\n"),
        ("a.mov", b"\0\0\0\x20udta"),
        ("._IMG_1.jpg", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"),
    ],
)
def test_another_format_under_that_name_is_not_called_bad(name: str, head: bytes) -> None:
    assert judged(name, head + NOISE) == (False, False)


def test_what_is_said_of_them() -> None:
    assert unlike("a.jpg", NOISE, "") == UNLIKE
    assert unlike("a.jpg", b"", "") == EMPTY
    assert unlike("a.jpg", NOISE, "jpeg") == unlike("a", NOISE, "") == ""


def test_the_name_alone_says_nothing_against_a_file() -> None:
    assert by_name(b"a.jpg") == NOTHING


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", jpeg(1)),
        ("a.png", formats.png()),
        ("a.heic", formats.heif([])),
        ("a.mp4", formats.movie()),
        ("a.dng", formats.tiff({0x0100: 2})),
        ("a.webp", formats.webp()),
    ],
)
def test_good_files_are_good(name: str, data: bytes) -> None:
    assert judged(name, data) == (True, False)


@given(st.binary(max_size=300), st.sampled_from(["a.jpg", "a.mov", "a.nef", "a.psd", "a", "a.xmp", ".jpg"]))
def test_nothing_is_both(data: bytes, name: str) -> None:
    assert judged(name, data) != (True, True)
