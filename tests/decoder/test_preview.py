"""Pictures for a browser: WebP and nothing else, upright, sRGB, without metadata, from real decoders under the same limits."""

from __future__ import annotations

import io
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from photovault.children.frames import Frame, ProtocolError
from photovault.decoder import pictures, process
from photovault.decoder.host import Asked, Decoders, Limits, Previewed
from photovault.decoder.pictures import CannotError
from photovault.decoder.process import DIED, TOO_SLOW
from photovault.decoder.protocol import PREVIEW_MAX, previewed
from photovault.facts import Facts, to_map
from tests.decoder.heic import LYING, heic
from tests.decoder.pictures import (
    POSTSCRIPT,
    asked,
    dng,
    many_scans,
    png,
    quarters,
    saved,
    scene,
    swapped_profile,
    text_bomb,
    turned,
    untold,
)
from tests.decoder.test_pictures import video
from tests.support.eyes import Record, fake

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = ["red", "green", "blue", "white"]
WEBP = b"RIFF1234WEBP"
PAGE = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.fixture(scope="module")
def decoders():
    with Decoders(count=1) as decoders:
        yield decoders


def preview(decoders: Decoders, folder: Path, *files: bytes, edge: int = 2048, **options) -> list[Previewed]:
    with asked(folder, *files, thumbnail=False, **options) as some:
        going = decoders.preview(some, edge)
    return going.result()


def opened(found: Previewed) -> Image.Image:
    image = Image.open(io.BytesIO(found.webp))
    assert image.format == "WEBP"
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
def test_a_kind(decoders: Decoders, tmp_path: Path, form: str) -> None:
    (found,) = preview(decoders, tmp_path, saved(scene(900, 600), form))
    assert opened(found).size == (900, 600)
    assert quarters(found.webp) == COLOURS
    assert (found.facts.kind, found.why, found.facts.broken, found.lacks) == (form.lower(), "", "", "")


def test_heic_raw_jpeg_xl_and_video(decoders: Decoders, tmp_path: Path) -> None:
    import imagecodecs
    import numpy as np

    packed = bytes(imagecodecs.jpegxl_encode(np.asarray(scene(600, 400))))
    files = [heic(LYING, quarter_turns=3, orientation=6), dng(1800, 1200, saved(scene(1200, 800))), packed]
    found = preview(decoders, tmp_path, *files, video("mpeg4", "mov", frames=30))
    assert [quarters(one.webp) for one in found] == [COLOURS] * 4
    assert [opened(one).size for one in found[:3]] == [(48, 64), (1200, 800), (600, 400)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(decoders: Decoders, tmp_path: Path, orientation: int) -> None:
    photo = saved(untold(scene(900, 600), orientation), exif=turned(orientation))
    (found,) = preview(decoders, tmp_path, photo, edge=300)
    assert opened(found).size == (300, 200)
    assert quarters(found.webp) == COLOURS


def test_a_large_one_is_made_as_small_as_asked_for_and_a_small_one_stays(decoders: Decoders, tmp_path: Path) -> None:
    large, small = preview(decoders, tmp_path, saved(scene(6000, 4000)), saved(scene(30, 20)))
    assert 1920 <= max(opened(large).size) <= 2048
    assert opened(small).size == (30, 20)


def test_nothing_of_the_file_but_its_picture(decoders: Decoders, tmp_path: Path) -> None:
    exif = turned(1)
    exif[0x010E] = "a secret place"
    (found,) = preview(decoders, tmp_path, saved(scene(), exif=exif, icc_profile=swapped_profile()))
    assert b"secret" not in found.webp
    assert {"exif", "icc_profile", "xmp"}.isdisjoint(opened(found).info)
    assert quarters(found.webp)[0] == "blue"  # its colours were converted, for the profile is gone


@pytest.mark.parametrize("name", [b"photo.jpg", b"photo.svg"])
def test_a_page_under_a_picture_s_name_is_none(decoders: Decoders, tmp_path: Path, name: bytes) -> None:
    for data in (PAGE, SVG, POSTSCRIPT, b"RIFF1234WEBP" + PAGE):
        (found,) = preview(decoders, tmp_path, data, names=[name])
        assert found.webp == b""


def test_what_does_not_decode(decoders: Decoders, tmp_path: Path) -> None:
    files = [saved(scene(900, 600))[:-300], png(50_000, 50_000), text_bomb(), b"", saved(scene())]
    early, large, bomb, empty, good = preview(decoders, tmp_path, *files)
    assert (early.webp, early.why, early.facts.broken) == (b"", "", "it ends before its picture does")
    assert (large.webp, large.why) == (b"", "it has too many pixels")
    assert bomb.webp == b""
    assert empty.webp == b""
    assert good.webp


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def lacking(*_: object) -> None:
        raise CannotError("photovault[video] is not installed", lacks="video")

    monkeypatch.setattr(pictures, "picture", lacking)
    with asked(tmp_path, b"anything") as some:
        (found,) = fake(Record())().preview(some, 100).result()
    assert (found.webp, found.why, found.lacks) == (b"", "photovault[video] is not installed", "video")


def test_a_box_is_cut_out_of_the_upright_picture(decoders: Decoders, tmp_path: Path) -> None:
    photo = saved(untold(scene(3000, 2000), 6), exif=turned(6))
    with asked(tmp_path, photo) as some:
        corner, middle, dot, beyond = (
            decoders.preview(some, 256, box).result()[0]
            for box in [(0.5, 0.0, 0.5, 0.5), (0.4, 0.4, 0.2, 0.2), (0.9, 0.9, 0.0, 0.0), (-1.0, 0.8, 9.0, 9.0)]
        )
    assert quarters(corner.webp) == ["green"] * 4
    assert opened(corner).size in {(256, 171), (256, 170)}
    assert quarters(middle.webp) == COLOURS
    assert max(opened(middle).size) == 256
    assert max(opened(dot).size) <= 3
    assert max(opened(beyond).size) <= 256


@pytest.mark.parametrize("box", [(float("nan"), 0, 1, 1), (0, 0, float("inf"), 1), ("a", 0, 1, 1), (1,)])
def test_a_box_that_is_none_costs_an_answer(decoders: Decoders, tmp_path: Path, box: tuple) -> None:
    with asked(tmp_path, saved(scene())) as some:
        (found,) = decoders.preview(some, 256, box).result()
    assert (found.webp, found.why) == (b"", "the decoder failed on it")


# Trouble, as with a look ----------------------------------------------------------------------------------------------


def test_too_slow_costs_one_picture(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(seconds=2.0)) as decoders:
        began = time.monotonic()
        before, slow, after = preview(decoders, tmp_path, saved(scene()), many_scans(20_000), saved(scene()))
        assert time.monotonic() - began < 15
    assert slow == Previewed(why=TOO_SLOW)
    assert before.webp
    assert after.webp


def test_too_much_memory_says_nothing_against_the_file(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(memory=48 << 20)) as decoders:
        preview(decoders, tmp_path, saved(scene(), "PNG"))
        (large,) = preview(decoders, tmp_path, png(9000, 9000, rows=bytes(9001 * 9000)))
    assert (large.webp, large.why, large.facts.broken) == (b"", "it needs too much memory to decode", "")


def test_without_passing_files_the_pictures_are_the_same(decoders: Decoders, tmp_path: Path) -> None:
    files = [saved(scene(900, 600)), b"", saved(scene(), "PNG")]
    with Decoders(count=1, passing=False) as others:
        assert preview(others, tmp_path, *files) == preview(decoders, tmp_path, *files)


def test_closed_or_without_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with Decoders(count=1) as decoders:
        assert preview(decoders, tmp_path, saved(scene())) == [Previewed(why="the decoder does not start")]
    assert preview(decoders, tmp_path, saved(scene())) == [Previewed(why="the decoders were closed")]


@pytest.mark.parametrize("body", [PAGE, SVG, bytes(PREVIEW_MAX + 1)])
def test_a_child_that_lies_costs_answers_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    hello, head = b'{"protection":[]}', b'{"facts":{},"why":"","lacks":""}'
    said = len(hello).to_bytes(4, "big") + bytes(4) + hello
    said += len(head).to_bytes(4, "big") + len(body).to_bytes(4, "big") + head + body[:1000]
    monkeypatch.setattr(process, "_BOOT", f"import os, time; os.write(0, {said!r}); time.sleep(60)")
    with Decoders(count=1, limits=Limits(seconds=2.0)) as decoders:
        assert preview(decoders, tmp_path, saved(scene())) == [Previewed(why=DIED)]


@pytest.mark.parametrize(
    ("wrong", "body"),
    [
        ({}, PAGE),
        ({}, b"RIFF"),
        ({}, b"\xff\xd8\xff" + bytes(20)),
        ({"lacks": "everything"}, WEBP),
        ({"lacks": None}, WEBP),
        ({"why": "x" * 300}, b""),
        ({"why": None}, b""),
        ({"facts": {"kind": 7}}, b""),
        ({"facts": None}, b""),
    ],
)
def test_an_answer_that_cannot_be(wrong: dict[str, object], body: bytes) -> None:
    head = {"facts": {}, "why": "", "lacks": ""}
    with pytest.raises(ProtocolError):
        previewed(Frame(head | wrong, body))
    told = to_map(Facts(kind="jpeg", thumbnail=bytes(32)))
    assert previewed(Frame(head | {"facts": told}, WEBP)) == Previewed(WEBP, Facts(kind="jpeg"))


def test_what_cannot_be_read_is_said(decoders: Decoders, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    (found,) = decoders.preview([Asked(folder, 100, b"x", False)], 100).result()
    os.close(folder)
    assert found == Previewed(why="it cannot be read")


def test_the_decoder_of_other_tests_shows_the_same(decoders: Decoders, tmp_path: Path) -> None:
    with asked(tmp_path, saved(scene(900, 600))) as some:
        assert fake(Record())().preview(some, 300).result() == decoders.preview(some, 300).result()
