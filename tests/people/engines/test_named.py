"""The package ``face_recognition`` through its own functions, and the ways in which it can be missing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from photovault.errors import MissingExtraError
from photovault.people import engines
from photovault.people.engines import models
from photovault.people.values import EngineOrder
from tests.support import faces
from tests.support.programs import missing

ORDER = EngineOrder(kind="face_recognition")


@pytest.fixture(scope="session")
def named():
    """It is put beside the packages, as its dependency dlib would compile for eight minutes; dlib-bin is the same."""
    if not faces.NAMED_PACKAGE.is_dir():
        missing("face_recognition is not there: run `python tests/fetch_faces.py`")
    before = set(sys.modules)
    sys.path.append(str(faces.NAMED_PACKAGE))
    yield engines.open_engine(ORDER, models.locate(ORDER))
    sys.path.remove(str(faces.NAMED_PACKAGE))
    for name in {name for name in sys.modules if name.startswith("face_recognition")} - before:
        del sys.modules[name]


def test_it_finds_and_measures_as_the_package_does(named):
    import face_recognition

    shot = faces.portrait("obama", edge=600)
    image = np.asarray(shot.image)
    (found,) = named.detect(image)
    (place,) = face_recognition.face_locations(image)
    assert found.box == (place[3], place[0], place[1] - place[3], place[2] - place[0])
    (theirs,) = face_recognition.face_encodings(image, [place])
    assert np.abs(named.embed(image, [found])[0] - theirs).max() < 1e-6


def test_its_landmarks_are_those_of_the_default_engine(named, engine):
    for person in faces.PEOPLE:
        image = np.asarray(faces.portrait(person, edge=600).image)
        (one,), (other,) = named.detect(image), engine.detect(image)
        assert np.abs(np.array(one.landmarks) - other.landmarks).max() < 0.12 * other.box[3], person


def test_the_same_chip_measures_the_same_in_both(named, engine):
    import dlib
    import face_recognition.api

    image = np.asarray(faces.portrait("biden", edge=600).image)
    (found,) = named.detect(image)
    x, y, w, h = (round(value) for value in found.box)
    marks = face_recognition.api.pose_predictor_5_point(image, dlib.rectangle(x, y, x + w, y + h))
    chip = dlib.get_face_chip(image, marks, 150, 0.25)
    theirs = named.embed(image, [found])[0]
    assert np.abs(engine.measure([chip], mirrored=False)[0] - theirs).max() < 6e-7


def test_faces_that_the_default_engine_found_can_be_measured(named, engine):
    image = np.asarray(faces.group(["obama", "biden", "hopper", "collins"], edge=400).image)
    found = engine.detect(image)
    own = {
        round(one.box[0] / 400): row
        for one, row in zip(named.detect(image), named.embed(image, named.detect(image)), strict=True)
    }
    for one, row in zip(found, named.embed(image, found), strict=True):
        if round(one.box[0] / 400) in own:
            assert np.linalg.norm(row - own[round(one.box[0] / 400)]) < 0.35
    assert len(own) >= 2


def test_a_picture_without_faces_and_a_large_one(named):
    assert named.detect(np.zeros((60, 80, 3), np.uint8)) == []
    assert named.embed(np.zeros((60, 80, 3), np.uint8), []).shape == (0, 128)
    shot = faces.portrait("hopper", edge=2000)
    (found,) = named.detect(np.asarray(shot.image))
    assert found.box[2] > 400


# Where it is missing --------------------------------------------------------------------------------------------------

QUITS = "print('Please install `face_recognition_models`')\nquit()\n"
ASKS = "from pkg_resources import resource_filename\n"


def made(folder, package: str, models_package: str) -> str:
    """Python that says how opening the engine ended, where these packages are installed."""
    for name, text in (("face_recognition", package), ("face_recognition_models", models_package), ("dlib", "")):
        (folder / name / "models").mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
    for _, name in models.NAMED_FILES:
        (folder / "face_recognition_models" / name).write_bytes(b"weights")
    return f"""
import sys
sys.path.insert(0, {str(folder)!r})
from photovault.errors import MissingExtraError
from photovault.people import engines
from photovault.people.engines import models
from photovault.people.values import EngineOrder
order = EngineOrder(kind="face_recognition")
models.read = lambda path: b""
"""


END = """
try:
    engines.open_engine(order, models.locate(order))
except MissingExtraError as error:
    print("said:", error.hint)
"""


def test_quit_in_the_package_ends_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", made(tmp_path, QUITS, "") + END], capture_output=True, text=True, check=False
    )
    assert done.stdout == "said: pip install 'photovault[face-recognition]'\n", done.stderr


def test_setuptools_that_lost_pkg_resources_is_named_before_anything_is_imported(tmp_path):
    hidden = "import importlib.util\nfound = importlib.util.find_spec\n"
    hidden += "importlib.util.find_spec = lambda name: None if name == 'pkg_resources' else found(name)\n"
    program = made(tmp_path, QUITS, ASKS) + hidden + END + "print('face_recognition' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "said: pip install 'setuptools<81'\nFalse\n", done.stderr


def test_its_models_are_compared_with_what_is_known(tmp_path):
    made(tmp_path, "", "")
    path = tmp_path / "face_recognition_models" / models.NAMED_FILES[0][1]
    with pytest.raises(MissingExtraError, match="not the one that is known"):
        models.read(path)
