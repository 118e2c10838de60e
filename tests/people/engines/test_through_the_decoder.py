"""Faces in photos as cameras write them: turned by Exif, HEIC, a RAW's preview; the decoder's upright pixels are what is looked at."""

from __future__ import annotations

import io

import numpy as np
import pytest

from photovault.decoder.host import Decoders
from photovault.photos.looking import Asked
from tests.decoder.pictures import dng
from tests.support import faces


@pytest.fixture(scope="module")
def upright():
    with Decoders(count=1) as decoders:

        def view(path, edge=2048):
            with open(path, "rb") as file:
                asked = Asked(file.fileno(), path.stat().st_size, path.name.encode(), False)
                (viewed,) = decoders.view([asked], edge).result()
            assert viewed.why == ""
            return np.frombuffer(viewed.pixels, np.uint8).reshape(viewed.height, viewed.width, 3)

        yield view


def where(engine, image):
    """The one face's middle, as fractions, and whether its eyes are level and above the nose."""
    (found,) = engine.detect(image)
    x, y, w, h = found.box
    right, left, nose = (complex(*found.landmarks[n : n + 2]) for n in (0, 2, 4))
    stands = left.real > right.real and abs(left.imag - right.imag) < 0.2 * w and nose.imag > right.imag
    return (x + w / 2) / image.shape[1], (y + h / 2) / image.shape[0], stands


def expected(shot):
    ((_, x, y, w, h),) = shot.faces
    return pytest.approx(((x + w / 2) / shot.image.width, (y + h / 2) / shot.image.height, True), abs=0.04)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_jpegs(engine, upright, tmp_path, orientation):
    shot = faces.portrait("obama", 1)  # it looks aside, and does not lie in the middle
    path = faces.save(shot.image, tmp_path / "turned.jpg", orientation=orientation)
    assert where(engine, upright(path)) == expected(shot)


def test_heic(engine, upright, tmp_path):
    shot = faces.portrait("hopper")
    assert where(engine, upright(faces.save(shot.image, tmp_path / "a.heic"))) == expected(shot)


def test_heic_that_is_to_be_turned(engine, upright, tmp_path):
    shot = faces.portrait("hopper")
    path = tmp_path / "turned.heic"
    path.write_bytes(faces.heic(shot.image.rotate(-90, expand=True), quarter_turns=1))
    assert where(engine, upright(path)) == expected(shot)


def test_the_preview_of_a_raw(engine, upright, tmp_path):
    shot = faces.portrait("biden", edge=1200)
    preview = io.BytesIO()
    shot.image.save(preview, "JPEG", quality=90)
    path = tmp_path / "raw.dng"
    path.write_bytes(dng(*shot.image.size, preview.getvalue()))
    assert where(engine, upright(path)) == expected(shot)


def test_a_large_photo_is_made_smaller(engine, upright, tmp_path):
    shot = faces.portrait("collins", edge=3000)
    image = upright(faces.save(shot.image, tmp_path / "large.jpg"))
    assert max(image.shape) == 2048
    assert where(engine, image) == expected(shot)
