"""Faces are turned, moved and scaled to where a network wants them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.people.engines import align
from photovault.people.engines.base import Found

DLIB = align.TEMPLATES["dlib"]
ANGLES = st.floats(-3, 3)


def face(turned=0.0, scale=1.0, x=0.0, y=0.0, size=150):
    """A face whose landmarks are the template's, turned about 0, scaled and moved."""
    by = scale * complex(math.cos(turned), math.sin(turned))
    points = [by * complex(px, py) * size + complex(x, y) for px, py in DLIB]
    return Found((x, y, size * scale, size * scale), tuple(v for p in points for v in (p.real, p.imag)), 0.9)


@given(ANGLES, st.floats(0.1, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_landmarks_come_to_the_template(turned, scale, x, y):
    found = face(turned, scale, x, y)
    change = align.turn(found, DLIB, 150)
    for n, (wanted_x, wanted_y) in enumerate(DLIB):
        point = change.scale * complex(*found.landmarks[2 * n : 2 * n + 2]) + change.shift
        assert abs(point - complex(wanted_x, wanted_y) * 150) < 1e-6


def drawn(scale, size=150):
    """A picture with a white disc in place of the nose and a dark one in place of the left eye, ``scale`` times as large as a chip."""
    ys, xs = np.mgrid[0 : size * scale, 0 : size * scale]
    image = np.full((size * scale, size * scale, 3), 128, np.uint8)
    for mark, value in ((2, 255), (1, 0)):
        x, y = (v * size * scale for v in DLIB[mark])
        image[(xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 < (8 * scale) ** 2] = value
    return image


@pytest.mark.parametrize("scale", [1, 2, 5, 12])
def test_a_large_face_is_made_smaller_and_lies_where_it_should(scale):
    chip = align.chip(drawn(scale), face(scale=scale), DLIB, 150).astype(int)[5:-5, 5:-5]
    for mark, spot in ((2, np.argwhere(chip[:, :, 0] > 190)), (1, np.argwhere(chip[:, :, 0] < 64))):
        middle = np.array(DLIB[mark][::-1]) * 150 - 0.5 / scale  # coordinates are those of pixels' middles
        assert np.abs(spot.mean(axis=0) + 5 - middle).max() < 0.25


def test_a_large_face_keeps_no_pattern_finer_than_a_pixel():
    rough = np.random.default_rng(1).integers(0, 2, (1500, 1500, 1), dtype=np.uint8).repeat(3, axis=2) * 255
    assert align.chip(rough, face(scale=10), DLIB, 150).std() < 25


def test_beyond_the_edge_is_black():
    chip = align.chip(np.full((100, 100, 3), 200, np.uint8), face(x=60), DLIB, 150)
    assert chip[20, 5].tolist() == [0, 0, 0] or chip[20, 140].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "found",
    [
        Found((10, 10, 50, 60), (), 0.5),
        Found((10, 10, 50, 60), (30.0, 30.0) * 5, 0.5),
        Found((10, 10, 50, 60), (math.nan,) * 10, 0.5),
        Found((-5000, -5000, 10, 10), (), 0.5),
        Found((0, 0, 0, 0), (), 0.5),
        face(scale=1e-3),
        face(x=1e7),
    ],
)
def test_odd_faces_still_give_a_chip(found):
    assert align.chip(np.zeros((80, 90, 3), np.uint8), found, DLIB, 150).shape == (150, 150, 3)
