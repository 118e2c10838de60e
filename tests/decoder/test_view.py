"""Pictures to be looked at: upright, RGB, at most as large as asked for, from real decoders under the same limits."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from photovault.children.frames import Frame, ProtocolError
from photovault.decoder import process
from photovault.decoder.host import Asked, Decoders, Limits, Viewed
from photovault.decoder.process import DIED, TOO_SLOW
from photovault.decoder.protocol import viewed
from photovault.facts import NOTHING, to_map
from tests.decoder.heic import LYING, heic
from tests.decoder.pictures import asked, dng, many_scans, png, saved, scene, swapped_profile, turned, untold
from tests.decoder.test_pictures import video
from tests.support.eyes import Record, fake

if TYPE_CHECKING:
    from pathlib import Path

CORNERS = [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)]
FORMS = ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"]


@pytest.fixture(scope="module")
def decoders():
    with Decoders(count=1) as decoders:
        yield decoders


def view(decoders: Decoders, folder: Path, *files: bytes, edge: int = 2048) -> list[Viewed]:
    with asked(folder, *files, thumbnail=False) as some:
        viewing = decoders.view(some, edge)
    return viewing.result()


def corners(found: Viewed) -> list[tuple[int, ...]]:
    """The colours in the middle of the quarters."""
    image = Image.frombytes("RGB", (found.width, found.height), found.pixels)
    return [image.getpixel((x * image.width // 4, y * image.height // 4)) for y in (1, 3) for x in (1, 3)]


def like(found: Viewed, wanted: list[tuple[int, ...]]) -> bool:
    pairs = zip(corners(found), wanted, strict=True)
    return all(abs(a - b) < 40 for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_a_kind(decoders: Decoders, tmp_path: Path, form: str) -> None:
    (found,) = view(decoders, tmp_path, saved(scene(900, 600), form))
    assert (found.width, found.height, found.full_width, found.full_height) == (900, 600, 900, 600)
    assert like(found, CORNERS)
    assert found.facts.kind == form.lower()
    assert (found.why, found.facts.broken) == ("", "")


def test_heic_jpeg_xl_and_raw(decoders: Decoders, tmp_path: Path) -> None:
    import imagecodecs
    import numpy as np

    files = [heic(), bytes(imagecodecs.jpegxl_encode(np.asarray(scene(600, 400)))), dng(1200, 800)]
    first, second, third = view(decoders, tmp_path, *files)
    assert [like(one, CORNERS) for one in (first, second)] == [True, True]
    assert (first.width, second.width) == (64, 600)
    assert third.width > 500


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(decoders: Decoders, tmp_path: Path, orientation: int) -> None:
    photo = saved(untold(scene(900, 600), orientation), exif=turned(orientation))
    large, small = (view(decoders, tmp_path, photo, edge=edge)[0] for edge in (2048, 300))
    assert (large.width, large.height, large.full_width, large.full_height) == (900, 600, 900, 600)
    assert (small.width, small.height, small.full_width, small.full_height) == (300, 200, 900, 600)
    assert like(large, CORNERS)
    assert like(small, CORNERS)


def test_heic_is_turned_once(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = view(decoders, tmp_path, heic(LYING, quarter_turns=3, orientation=6))
    assert (found.width, found.height, found.full_width, found.full_height) == (48, 64, 48, 64)
    assert like(found, CORNERS)


@pytest.mark.parametrize("given", [(4000, 3000), (4032, 3024), (3024, 4032), (6000, 4000), (2049, 100), (2048, 2048)])
def test_a_large_one_is_made_about_as_large_as_asked_for(
    decoders: Decoders, tmp_path: Path, given: tuple[int, int]
) -> None:
    (found,) = view(decoders, tmp_path, saved(scene(*given)))
    assert 1920 <= max(found.width, found.height) <= 2048
    assert (found.full_width, found.full_height) == given
    assert len(found.pixels) == 3 * found.width * found.height
    assert like(found, CORNERS)


def test_twelve_megapixels_are_decoded_at_half(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = view(decoders, tmp_path, saved(scene(4000, 3000)))
    assert (found.width, found.height) == (2000, 1500)


def test_nothing_is_made_larger(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = view(decoders, tmp_path, saved(scene(30, 20)))
    assert (found.width, found.height) == (30, 20)


def test_raw_shows_its_preview_and_says_how_large_it_is(decoders: Decoders, tmp_path: Path) -> None:
    preview = saved(untold(scene(1000, 1500), 6))
    (found,) = view(decoders, tmp_path, dng(1800, 1200, preview, orientation=6))
    assert (found.width, found.height) == (1000, 1500)
    assert (found.full_width, found.full_height) == (1200, 1800)
    assert like(found, CORNERS)


def test_a_preview_of_another_shape_stands_for_itself(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = view(decoders, tmp_path, dng(1800, 1200, saved(scene(1100, 600))))
    assert (found.width, found.full_width, found.full_height) == (1100, 1100, 600)


def test_colours_are_those_of_a_screen(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = view(decoders, tmp_path, saved(scene(), "TIFF", icc_profile=swapped_profile()))
    assert like(found, [(0, 0, 255), corners(found)[1], (255, 0, 0), (255, 255, 255)])


def test_what_is_no_picture(decoders: Decoders, tmp_path: Path) -> None:
    files = [b"", b"no photo", video("mpeg4", "mov", frames=3), saved(scene(900, 600))[:-300], png(50_000, 50_000)]
    *nothing, early, large = view(decoders, tmp_path, *files)
    assert [(one.width, one.pixels, one.why, one.facts.broken) for one in nothing] == [(0, b"", "", "")] * 3
    assert nothing[2].facts.kind == "mov"
    assert (early.pixels, early.why, early.facts.broken) == (b"", "", "it ends before its picture does")
    assert (large.pixels, large.why) == (b"", "it has too many pixels")


def test_several_are_answered_in_order(decoders: Decoders, tmp_path: Path) -> None:
    found = view(decoders, tmp_path, *[saved(scene(100 + at, 80)) for at in range(20)])
    assert [one.width for one in found] == [100 + at for at in range(20)]


# Trouble, as with a look ---------------------------------------------------------------------------------------------


def test_too_slow_costs_one_picture(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(seconds=2.0)) as decoders:
        began = time.monotonic()
        before, slow, after = view(decoders, tmp_path, saved(scene()), many_scans(20_000), saved(scene()))
        assert time.monotonic() - began < 15
    assert slow == Viewed(why=TOO_SLOW)
    assert before.pixels
    assert after.pixels


def test_too_much_memory_says_nothing_against_the_file(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(memory=48 << 20)) as decoders:
        view(decoders, tmp_path, saved(scene(), "PNG"))
        large, good = view(decoders, tmp_path, png(9000, 9000, rows=bytes(9001 * 9000)), saved(scene()))
    assert (large.why, large.facts.broken, large.facts.width) == ("it needs too much memory to decode", "", 9000)
    assert good.pixels


def test_without_passing_files_the_pictures_are_the_same(decoders: Decoders, tmp_path: Path) -> None:
    files = [saved(scene(900, 600)), b"", saved(scene(), "PNG")]
    with Decoders(count=1, passing=False) as others:
        assert view(others, tmp_path, *files) == view(decoders, tmp_path, *files)


def test_what_cannot_be_read_is_said(decoders: Decoders, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    (found,) = decoders.view([Asked(folder, 100, b"x", False)], 100).result()
    os.close(folder)
    assert found == Viewed(why="it cannot be read")


def test_closed_or_without_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with Decoders(count=1) as decoders:
        assert view(decoders, tmp_path, saved(scene())) == [Viewed(why="the decoder does not start")]
    assert view(decoders, tmp_path, saved(scene())) == [Viewed(why="the decoders were closed")]


def test_a_child_that_lies_costs_answers_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lies = (b'{"protection":[]}', b'{"facts":{},"size":[9,9,9,9],"why":""}')
    said = b"".join(len(one).to_bytes(4, "big") + bytes(4) + one for one in lies)
    monkeypatch.setattr(process, "_BOOT", f"import os, time; os.write(0, {said!r}); time.sleep(60)")
    with Decoders(count=1) as decoders:
        assert view(decoders, tmp_path, saved(scene()), saved(scene())) == [Viewed(why=DIED)] * 2


@pytest.mark.parametrize(
    ("size", "length"),
    [
        ([3, 2, 3, 2], 17),
        ([101, 1, 101, 1], 303),
        ([0, 0, 0, 0], 3),
        ([-1, -1, 3, 3], 3),
        ([3, 2, 2, 2], 18),
        ([3, 2, 1 << 30, 2], 18),
        ([3.0, 2, 3, 2], 18),
        ([3, 2], 18),
        (None, 0),
    ],
)
def test_a_picture_that_cannot_be(size: object, length: int) -> None:
    with pytest.raises(ProtocolError):
        viewed(Frame({"facts": to_map(NOTHING), "size": size, "why": ""}, bytes(length)), 100)
    assert viewed(Frame({"facts": {}, "size": [3, 2, 6, 4], "why": ""}, bytes(18)), 100).full_width == 6


def test_the_decoder_of_other_tests_sees_the_same(decoders: Decoders, tmp_path: Path) -> None:
    photo = saved(scene(900, 600))
    with asked(tmp_path, photo) as some:
        assert fake(Record())().view(some, 300).result() == decoders.view(some, 300).result()
