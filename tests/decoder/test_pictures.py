"""Every kind of picture becomes a small, upright, sRGB WebP; what is broken is called so, and nothing else is."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from photovault.decoder import pictures, thumbnails
from photovault.decoder.pictures import BrokenError, CannotError
from photovault.facts import Facts
from tests.decoder.heic import LYING, heic
from tests.decoder.pictures import dng, png, quarters, saved, scene, swapped_profile, turned, untold
from tests.support.formats import facts

pytestmark = pytest.mark.filterwarnings("ignore")  # as a child does: libraries warn of what is in a file
COLOURS = ["red", "green", "blue", "white"]
EARLY, BAD = "it ends before its picture does", "its picture does not decode"
FORMS = ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"]


def made(data: bytes, known: Facts | None = None, pixels: int = 200_000_000) -> thumbnails.Thumbnail:
    found = pictures.picture(
        lambda at, length: data[at : at + length], len(data), known or facts(data), pixels, thumbnails.EDGE
    )
    return thumbnails.made_of(found)


def size(webp: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(webp)).size


# Kinds ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_kind(form: str) -> None:
    found = made(saved(scene(900, 600), form))
    assert size(found.webp) == (512, 341)
    assert quarters(found.webp) == COLOURS


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F", "LAB"])
def test_a_mode(mode: str) -> None:
    grey = scene().convert("L")
    image = {
        "I;16": lambda: grey.convert("I").point(lambda value: value * 257).convert("I;16"),
        "I": lambda: grey.convert("I").point(lambda value: value * 100_000),
        "F": lambda: grey.convert("F").point(lambda value: value / 255 - 2.0),
    }.get(mode, lambda: scene(mode=mode))()
    found = made(saved(image, "TIFF"))
    light = Image.open(io.BytesIO(found.webp)).convert("L").resize((2, 2), Image.Resampling.BOX)
    assert light.getpixel((0, 0)) < 120
    assert light.getpixel((1, 1)) > 230


def test_cmyk_jpeg() -> None:
    assert quarters(made(saved(scene(mode="CMYK"))).webp) == COLOURS


def test_deep_grey_keeps_its_steps() -> None:
    ramp = Image.new("I;16", (256, 4))
    for x in range(256):
        for y in range(4):
            ramp.putpixel((x, y), x * 257)
    steps = Image.open(io.BytesIO(made(saved(ramp, "PNG")).webp)).convert("L")
    assert [round(steps.getpixel((x, 2)) / 32) for x in (0, 64, 128, 192, 255)] == [0, 2, 4, 6, 8]


def test_transparency_is_white() -> None:
    clear = scene(mode="RGBA")
    clear.paste((255, 0, 0, 0), (0, 0, 32, 24))
    assert quarters(made(saved(clear, "PNG")).webp) == ["white", "green", "blue", "white"]
    palette = Image.new("P", (64, 48))
    assert quarters(made(saved(palette, "GIF", transparency=0)).webp) == ["white"] * 4


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_of_many_pictures(form: str) -> None:
    others = [Image.new("RGB", (64, 48), "black")] * 3
    assert quarters(made(saved(scene(), form, save_all=True, append_images=others)).webp) == COLOURS


def test_several_pictures_in_one_jpeg() -> None:
    other = Image.new("RGB", (64, 48), "black")
    assert quarters(made(saved(scene(), "MPO", save_all=True, append_images=[other])).webp) == COLOURS


def test_heic_is_turned_once() -> None:
    assert quarters(made(heic()).webp) == COLOURS
    found = made(heic(LYING, quarter_turns=3, orientation=6))
    assert size(found.webp) == (48, 64)
    assert quarters(found.webp) == COLOURS


def test_jpeg_xl() -> None:
    import imagecodecs
    import numpy as np

    array = np.asarray(scene(600, 400))
    for pixels in (array, array.astype("uint16") * 257, array.astype("float32") / 255):
        assert quarters(made(bytes(imagecodecs.jpegxl_encode(pixels))).webp) == COLOURS
    assert made(bytes(imagecodecs.jpegxl_encode(array[:, :, 0]))).webp


@pytest.mark.parametrize(("codec", "form"), [("mpeg4", "mov"), ("mpeg4", "mp4")])
def test_a_video_shows_its_first_second(codec: str, form: str) -> None:
    assert quarters(made(video(codec, form, frames=30)).webp) == COLOURS
    assert quarters(made(video(codec, form, frames=3)).webp) == ["black"] * 4  # and a shorter one its end


def video(codec: str, form: str, frames: int) -> bytes:
    """Ten frames a second; black, and the scene from one second on."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            image = scene(640, 480) if number >= 10 else Image.new("RGB", (640, 480))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return out.getvalue()


# RAW ------------------------------------------------------------------------------------------------------------------


def test_raw_shows_its_preview_turned_as_the_file_says() -> None:
    preview = saved(untold(scene(600, 900), 6))
    found = made(dng(900, 600, preview, orientation=6))
    assert size(found.webp) == (341, 512)
    assert quarters(found.webp) == COLOURS


def test_raw_without_preview_is_developed() -> None:
    found = made(dng(1200, 800))
    assert max(size(found.webp)) == 512


def test_raw_with_a_small_preview_is_developed_too() -> None:
    assert max(size(made(dng(1200, 800, saved(scene(160, 120)))).webp)) == 512


def test_raw_that_nobody_knows_shows_the_small_preview() -> None:
    data = dng(8, 8, saved(scene(160, 120)))[:-128]
    assert size(made(data, Facts(kind="nef")).webp) == (160, 120)
    with pytest.raises(CannotError):
        made(b"II*\0" + bytes(500), Facts(kind="nef"))


# What a thumbnail is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_upright(form: str, orientation: int) -> None:
    found = made(saved(untold(scene(96, 64), orientation), form, exif=turned(orientation)))
    assert size(found.webp) == (96, 64)
    assert quarters(found.webp) == COLOURS


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_colours_of_another_profile(form: str) -> None:
    found = made(saved(scene(), form, icc_profile=swapped_profile()))
    assert [quarters(found.webp)[0], quarters(found.webp)[2]] == ["blue", "red"]


@pytest.mark.parametrize("profile", [b"", b"rubbish", swapped_profile()[:200], bytes(5 << 20)])
def test_a_broken_profile_is_none(profile: bytes) -> None:
    assert quarters(made(saved(scene(), "TIFF", icc_profile=profile)).webp) == COLOURS


def test_no_metadata_comes_along() -> None:
    exif = turned(1)
    exif[0x010F] = "Secret camera"
    webp = made(saved(scene(), exif=exif, icc_profile=swapped_profile(), comment=b"Secret")).webp
    assert webp[12:16] == b"VP8 "  # the simple file format, which has no place for metadata
    assert b"Secret" not in webp
    assert len(webp) == struct.unpack("<I", webp[16:20])[0] + 20


@pytest.mark.parametrize(
    ("given", "wanted"), [((30, 20), (30, 20)), ((512, 9), (512, 9)), ((4000, 4), (512, 1)), ((1, 3000), (1, 512))]
)
def test_small_stays_small_and_narrow_stays_there(given: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert size(made(saved(Image.new("RGB", given), "PNG")).webp) == wanted


@pytest.mark.parametrize(
    "given", [(4000, 3000), (4032, 3024), (3024, 4032), (3600, 2400), (1200, 90), (6000, 4000), (600, 400)]
)
def test_a_large_jpeg_is_made_about_as_large(given: tuple[int, int]) -> None:
    width, height = size(made(saved(Image.new("RGB", given))).webp)
    assert 480 <= max(width, height) <= 512
    assert abs(width / height - given[0] / given[1]) < 0.02 * given[0] / given[1] + 0.1


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert made(saved(scene(900, 600))) == made(saved(scene(900, 600)))


def test_like_pictures_have_like_hashes() -> None:
    def distance(one: bytes, other: bytes) -> int:
        return (made(one).phash ^ made(other).phash).bit_count()

    photo, other = (Image.effect_noise((40, 30), 90).resize((1200, 900), Image.Resampling.BICUBIC) for _ in "ab")
    original = saved(photo.convert("RGB"), quality=92)
    assert distance(original, saved(photo.resize((500, 375)), quality=50)) <= 6
    assert distance(original, saved(photo.point(lambda value: value * 0.8 + 10))) <= 6
    assert distance(original, saved(untold(photo, 6), exif=turned(6))) <= 6
    assert distance(original, saved(other)) >= 16


# What is broken, and what is not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_half_a_file_is_broken(form: str) -> None:
    whole = saved(Image.effect_noise((300, 200), 90).convert("RGB"), form)
    with pytest.raises(BrokenError) as why:
        made(whole[: len(whole) // 2])
    assert str(why.value) in {EARLY, BAD}


def test_half_a_heic_and_half_a_video_are_broken() -> None:
    for whole in (heic(), video("mpeg4", "mov", frames=20)):
        with pytest.raises(BrokenError):
            made(whole[: len(whole) * 4 // 5])


def test_half_a_jpeg_xl_is_broken() -> None:
    import imagecodecs
    import numpy as np

    whole = bytes(imagecodecs.jpegxl_encode(np.asarray(Image.effect_noise((300, 200), 90)), lossless=True))
    with pytest.raises(BrokenError):
        made(whole[: len(whole) // 2])


def test_a_jpeg_whose_end_is_missing_ends_early() -> None:
    whole = saved(Image.effect_noise((300, 200), 90).convert("RGB"))
    with pytest.raises(BrokenError, match=EARLY):
        made(whole[: len(whole) // 2])


def test_an_unusual_jpeg_is_not_broken() -> None:
    twelve_bits = saved(scene()).replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")
    with pytest.raises(CannotError):
        made(twelve_bits)


def test_too_many_pixels_are_not_broken() -> None:
    with pytest.raises(CannotError, match="too many pixels"):
        made(png(50_000, 50_000))
    with pytest.raises(CannotError, match="too many pixels"):
        made(saved(scene()), pixels=64 * 48 - 1)
    assert made(saved(scene()), pixels=64 * 48)
    with pytest.raises(CannotError, match="too many pixels"):
        made(heic(), pixels=64 * 48 - 1)


def test_a_video_is_turned_as_its_track_says() -> None:
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    to_the_right = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data = video("mpeg4", "mov", frames=30)
    at = data.index(upright, data.index(b"tkhd"))
    turned = data[:at] + to_the_right + data[at + len(upright) :]
    top_left, top_right, bottom_left, bottom_right = COLOURS
    assert facts(turned).orientation == 6
    assert quarters(made(turned).webp) == [bottom_left, top_left, bottom_right, top_right]


@pytest.mark.parametrize("kind", ["", "xmp", "aae", "takeout"])
def test_what_is_no_picture_is_no_news(kind: str) -> None:
    with pytest.raises(CannotError, match=r"^$"):
        made(b"anything", Facts(kind=kind))


@pytest.mark.parametrize("library", ["imagecodecs", "av", "rawpy"])
def test_a_library_that_is_not_there_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, library, None)
    extra, kind = {"imagecodecs": ("jxl", "jxl"), "av": ("video", "mov"), "rawpy": ("raw", "nef")}[library]
    with pytest.raises(CannotError, match=rf"photovault\[{extra}\]|no decoder that knows it") as why:
        made(b"II*\0" + bytes(100), Facts(kind=kind))
    assert why.value.lacks == extra


@pytest.mark.parametrize("form", [*FORMS, "MPO"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_damage_is_an_answer(form: str, data: st.DataObject) -> None:
    spoilt = bytearray(saved(scene(), form))
    for _ in range(data.draw(st.integers(1, 6))):
        spoilt[data.draw(st.integers(12, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = made(bytes(spoilt), Facts(kind="jpeg" if form == "MPO" else form.lower()), pixels=1_000_000)
    except (BrokenError, CannotError, MemoryError):
        return
    assert found.webp[8:12] == b"WEBP"
