"""What a user would miss in a backup, or would not want in it."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import ConfigError
from photovault.photos.rules import MEDIA, Rules, is_media, placeholder, stands_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    [
        *("IMG_1.jpg", "IMG_1.JPEG", "a.HEIC", "b.hif", "c.avif", "scan.TIFF", "edit.psd", "d.jxl"),
        *("x.CR2", "x.cr3", "x.NEF", "x.arw", "x.dng", "x.RAF", "x.orf", "x.rw2", "x.3fr", "x.gpr"),
        *("v.MP4", "v.mov", "v.m2ts", "v.3gp", "v.insv", "v.MOD", "v.avi"),
        *("x.xmp", "IMG_1.AAE", "GOPR1.THM", "x.nef.dop", "x.pp3"),
        *("IMG.2020.jpg", "..jpg", "caf\udce9.jpg", "a\nb.jpg"),
    ],
)
def test_photos_videos_and_sidecars_belong(name: str) -> None:
    assert is_media(os.fsencode(name))


@pytest.mark.parametrize(
    "name", ["", ".", "jpg", "notes.txt", "IMG_1.jpg.part", "a.jpg ", "x.", "json", "a.exe", "jpg/"]
)
def test_other_files_do_not(name: str) -> None:
    assert not is_media(name.encode())


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1.jpg.json",
        "IMG_1.JPG(2).json",
        "VID_1.mp4.supplemental-metadata.json",
        "VID_1.mp4.supplemental-metadata(1).json",
        "Screenshot_20240101-101010_Messages.jpg.supplemental-me.json",
        "Screenshot_20240101-101010_Messages.jpg.s.json",
        "IMG_1.supplemental-meta.json",
        "title that Takeout cut at its 46th character".ljust(46, "_") + ".json",
    ],
)
def test_the_notes_of_google_takeout_belong(name: str) -> None:
    assert is_media(name.encode())


@pytest.mark.parametrize(
    "name", ["package.json", "metadata.json", "a.b.json", "a.s.json", ".json", "x.jpg.jsonl", "a..json"]
)
def test_other_json_does_not(name: str) -> None:
    assert not is_media(name.encode())


def test_the_extensions_are_lower_case_and_without_a_dot() -> None:
    assert all(extension == extension.lower() and b"." not in extension for extension in MEDIA)


@given(st.binary(max_size=80))
def test_any_name_can_be_asked_about(name: bytes) -> None:
    assert is_media(name + b".jpg")
    assert isinstance(is_media(name + b".json"), bool)
    assert placeholder(name + b".jpg", SimpleNamespace()) is None


def test_without_patterns_nothing_is_left_out() -> None:
    assert not Rules([]).excludes(b"a.jpg", is_folder=False)


RULES = ["# comment", "", "*.tmp", "!keep.tmp", "/cache/", "raw/**/*.jpg"]


@pytest.mark.parametrize("path", ["a.tmp", "deep/down/a.tmp", "cache/", "cache/x.jpg", "raw/2020/x.jpg", "b.tmp/"])
def test_what_git_would_ignore_is_left_out(path: str) -> None:
    name, is_folder = path.removesuffix("/"), path.endswith("/")
    assert Rules(RULES).excludes(name, is_folder=is_folder)
    assert Rules(RULES).excludes(name.encode(), is_folder=is_folder)


@pytest.mark.parametrize("path", ["keep.tmp", "cache", "sub/cache/", "IMG_1.jpg", "raw/2020/x.png", "# comment"])
def test_what_git_would_keep_is_kept(path: str) -> None:
    name, is_folder = path.removesuffix("/"), path.endswith("/")
    assert not Rules(RULES).excludes(name, is_folder=is_folder)
    assert not Rules(RULES).excludes(name.encode(), is_folder=is_folder)


def test_a_name_that_is_no_unicode_is_matched_as_well() -> None:
    assert Rules(["*.tmp"]).excludes(b"caf\xe9.tmp", is_folder=False)


def test_a_set_with_a_bracket_in_it_is_a_pattern() -> None:
    assert Rules(["[[]old*"]).excludes("[old].jpg", is_folder=False)


@pytest.mark.parametrize("pattern", ["!", "a\\"])
def test_a_bad_pattern_is_named(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rules(["*.tmp", pattern])
    assert repr(pattern) in caught.value.what
    assert "gitignore" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "fields", "cloud"),
    [
        (b"a.jpg", {"st_flags": 0x4000_0000}, "iCloud"),
        (b"a.jpg", {"st_file_attributes": 0x0040_0000 | 0x20}, "OneDrive"),
        (b"a.jpg", {"st_file_attributes": 0x0004_0000}, "OneDrive"),
        (b"a.jpg", {"st_file_attributes": 0x1000}, "OneDrive"),
        (b".IMG_1.jpg.icloud", {}, "iCloud"),
        (b"IMG_1.jpg.nextcloud", {}, "Nextcloud"),
        (b"IMG_1.jpg.owncloud", {}, "ownCloud"),
    ],
)
def test_a_file_that_is_only_in_a_cloud_is_told_apart(name: bytes, fields: dict[str, int], cloud: str) -> None:
    reason = placeholder(name, SimpleNamespace(**fields))
    assert reason is not None
    assert cloud in reason


@pytest.mark.parametrize("name", [b"a.jpg", b"a.icloud", b".icloud", b".nextcloud", b".owncloud"])
def test_an_ordinary_file_is_no_placeholder(name: bytes, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(name)
    file.write_bytes(b"x")
    assert placeholder(name, file.lstat()) is None


def test_a_stub_names_the_photo_that_it_stands_for() -> None:
    assert stands_for(b".IMG_1.jpg.icloud") == b"IMG_1.jpg"
    assert stands_for(b"IMG_1.jpg.nextcloud") == b"IMG_1.jpg"
    assert stands_for(b"IMG_1.jpg") == b"IMG_1.jpg"
