"""Faces are found: tiny, large, turned, many; and none where none is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from photovault.people.engines import models, yunet
from photovault.people.values import EngineOrder
from tests.support import faces


def overlap(one, other):
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, wide) * max(0, high) / (one[2] * one[3] + other[2] * other[3] - max(0, wide) * max(0, high))


def hits(found, shot):
    """How many of the faces of a shot were found where they are."""
    return sum(max((overlap(one.box, face[1:]) for one in found), default=0) > 0.5 for face in shot.faces)


def seen(engine, shot):
    return engine.detect(np.asarray(shot.image))


@pytest.mark.parametrize("person", faces.PEOPLE)
def test_a_portrait_has_one_face_and_its_landmarks_lie_in_it(engine, person):
    shot = faces.portrait(person)
    (found, *others) = seen(engine, shot)
    assert hits([found], shot) == 1
    assert others == []
    x, y, w, h = found.box
    assert all(
        x < px < x + w and y < py < y + h for px, py in zip(found.landmarks[::2], found.landmarks[1::2], strict=True)
    )
    right, left = found.landmarks[0], found.landmarks[2]
    assert right < left  # the person's right eye is on the left


@pytest.mark.parametrize("pixels", [20, 24, 40, 80, 200, 400])
def test_small_faces_are_found(engine, pixels):
    shots = [faces.small(person, pixels, (1024, 768), at=(60, 40)) for person in faces.PEOPLE]
    assert [hits(seen(engine, shot), shot) for shot in shots] == [1] * len(shots)


@pytest.mark.parametrize("edge", [1024, 2048])
@pytest.mark.parametrize("person", faces.PEOPLE)
def test_a_face_that_fills_the_frame_is_found(engine, person, edge):
    shot = faces.portrait(person, edge=640)
    ((_, x, y, w, h),) = shot.faces
    close = shot.image.crop((round(x - 0.1 * w), round(y), round(x + 1.1 * w), round(y + h)))
    close = close.resize((round(close.width * edge / close.height), edge), Image.Resampling.BICUBIC)
    found = engine.detect(np.asarray(close))
    assert len(found) == 1
    assert found[0].box[3] > 0.7 * edge


def test_each_of_thirty_in_a_group_is_found(engine):
    shot = faces.group([faces.PEOPLE[n % 4] for n in range(30)], edge=300)
    assert shot.image.size == (1800, 1500)
    found = seen(engine, shot)
    assert hits(found, shot) == 30
    assert len(found) == 30


def test_no_face_where_none_is(engine):
    assert [engine.detect(np.asarray(faces.nobody(seed=seed))) for seed in range(8)] == [[]] * 8


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (31, 33), (257, 255), (4096, 64)])
def test_pictures_of_any_shape_are_taken(engine, size):
    assert engine.detect(np.zeros((*size, 3), np.uint8)) == []


def test_at_most_so_many_faces_are_kept(engine, monkeypatch):
    monkeypatch.setattr(yunet, "FACES_MAX", 3)
    found = seen(engine, faces.group(["obama", "biden", "hopper", "collins", "obama"]))
    assert len(found) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_faces_are_those_of_opencv():
    """The decoding and the freed size, against OpenCV's own code for this network."""
    path = models.locate(EngineOrder()).files[0]
    image = np.ascontiguousarray(faces.group(["obama", "biden", "hopper", "collins"], columns=2).image)
    theirs = cv2.FaceDetectorYN.create(str(path), "", (image.shape[1], image.shape[0]), yunet.SURE, yunet.OVERLAP)
    wanted = theirs.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
    found = yunet.apart(yunet.YuNet(path.read_bytes())._in(image, image.shape[1], image.shape[0]))
    wanted = wanted[np.argsort(-wanted[:, 14])]
    assert np.abs(wanted[:, :14] - found[:, 1:]).max() < 0.01
    assert np.abs(wanted[:, 14] - found[:, 0]).max() < 1e-5


def test_of_boxes_that_overlap_the_surest_stays():
    rows = np.zeros((5, 15), np.float32)
    rows[:, :5] = [
        (0.7, 0, 0, 10, 10),  # the same face as the next
        (0.9, 1, 1, 10, 10),
        (0.8, 50, 50, 10, 10),
        (0.6, 9, 9, 10, 10),  # touches
        (0.65, 52, 52, 4, 4),  # within the third
    ]
    assert yunet.apart(rows)[:, 0].tolist() == pytest.approx([0.9, 0.8, 0.6])
