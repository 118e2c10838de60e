"""Poor faces are told from good ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from photovault.people.engines.base import Found
from photovault.people.engines.quality import quality
from photovault.people.values import POOR
from tests.support import faces


def of(engine, image):
    pixels = np.asarray(image)
    return quality(pixels, engine.detect(pixels)[0])


@pytest.mark.parametrize("person", faces.PEOPLE)
def test_a_portrait_is_good(engine, person):
    assert of(engine, faces.portrait(person).image) > 0.9


@pytest.mark.parametrize("person", faces.PEOPLE)
def test_a_blurred_one_is_poor(engine, person):
    assert of(engine, faces.portrait(person).image.filter(ImageFilter.GaussianBlur(14))) < POOR


@pytest.mark.parametrize("person", faces.PEOPLE)
def test_a_tiny_one_is_poor(engine, person):
    assert of(engine, faces.small(person, 24).image) < POOR


def test_half_a_face_at_the_edge_is_worse(engine):
    shot = faces.portrait("collins")
    ((_, x, _, w, _),) = shot.faces
    (found,) = engine.detect(np.asarray(shot.image))
    half = np.asarray(shot.image.crop((round(x + w * 0.45), 0, shot.image.width, shot.image.height)))
    moved = Found((found.box[0] - round(x + w * 0.45), *found.box[1:]), found.landmarks, found.score)
    assert quality(half, moved) < POOR


def turned(share, apart=40.0):
    """A face whose nose is ``share`` of the eyes' distance away from the middle."""
    return Found((20, 20, 80, 100), (40, 50, 40 + apart, 50, 60 + share * apart, 72, 45, 95, 75, 95), 0.95)


def test_a_face_turned_away_is_worse_than_one_seen_from_the_front():
    rough = np.asarray(Image.effect_noise((140, 140), 90).convert("RGB"))
    front, half, side = (quality(rough, turned(share)) for share in (0, 0.5, 1.1))
    assert front > half > side
    assert side < POOR
    assert quality(rough, turned(0, apart=8)) < POOR  # a profile: one eye behind the other


@pytest.mark.parametrize(
    "found",
    [
        Found((0, 0, 0, 0), (), 1.0),
        Found((float("nan"),) * 4, (float("nan"),) * 10, float("nan")),
        Found((-1e9, 0, 10, 10), (0.0,) * 10, 0.9),
        Found((0, 0, 90, 90), (50.0, 50.0) * 5, 0.9),
    ],
)
def test_odd_faces_have_a_quality_too(found):
    assert 0 <= quality(np.full((100, 100, 3), 7, np.uint8), found) <= 1
