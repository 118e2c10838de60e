"""The engines that are shipped, in the real worker behind the real wall: what they need is allowed, and all layers hold."""

from __future__ import annotations

import array
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from photovault.people.values import EngineOrder, Picture
from photovault.people.wall.host import FaceWorkers
from photovault.sandbox import LAYERS
from tests.support import faces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no face workers yet")


@pytest.fixture(scope="module", params=["dlib", "face_recognition"])
def workers(request: pytest.FixtureRequest) -> Iterator[FaceWorkers]:
    faces.portrait("obama")  # or the tests are skipped
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(faces.NAMED_PACKAGE))
        with FaceWorkers(EngineOrder(kind=request.param), count=1) as some:
            yield some


def pixels(image: Image.Image) -> Picture:
    return Picture(image.width, image.height, image.convert("RGB").tobytes())


def distance(one: bytes, other: bytes) -> float:
    return math.dist(array.array("f", one), array.array("f", other))


def test_every_layer_is_in_force(workers: FaceWorkers) -> None:
    said = workers.start()
    assert set(said.protection) == set(LAYERS)
    assert said.dimensions == 128


def test_people_are_told_apart(workers: FaceWorkers) -> None:
    pictures = [pixels(faces.portrait(who, which).image) for who, which in (("obama", 0), ("obama", 1), ("biden", 0))]
    found = [workers.find(one).result() for one in pictures]
    one, same, other = (answer.faces[0].vector for answer in found)
    assert distance(one, same) < 0.5 < distance(one, other)
    assert workers.alarms == []


def test_measured_anew_a_face_is_the_same(workers: FaceWorkers) -> None:
    picture = pixels(faces.portrait("obama").image)
    before = workers.find(picture).result().faces
    after = workers.embed(picture, before).result().faces
    assert [one._replace(vector=b"") for one in after] == [one._replace(vector=b"") for one in before]
    assert all(distance(one.vector, other.vector) < 1e-3 for one, other in zip(before, after, strict=True))


def test_a_worker_stays_small_and_is_one_process(workers: FaceWorkers) -> None:
    large = faces.portrait("biden").image.resize((2048, 2048))
    assert workers.find(pixels(large)).result().faces
    (pid,) = workers.pids
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < 700_000  # kB
