"""The package ``face_recognition`` itself, through its own functions: for who wants what its users know.

Its detector (HOG) finds faces from about 40 pixels and takes a hundred times as long; its vectors are dlib's, of one
chip without a mirror image.  Importing it loads all of its models, the 68-point landmarks too; nothing but this engine does.
It says quit() where its models are not found, which would end a process without a word: ``models.locate`` looks before,
and here the import cannot get further than an error.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from photovault.errors import MissingExtraError
from photovault.people.engines import models
from photovault.people.engines.align import smaller
from photovault.people.engines.base import Found
from photovault.people.values import FACES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from photovault.people.engines.base import Image, Vectors
    from photovault.people.values import Curve, EngineOrder

EDGE: Final = 1024
_SURE: Final = 0.9
"""The package says where, not how sure it is."""

_SQUARE: Final = 0.95
_WIDE, _LOW = 0.8, 0.06
"""A box of YuNet, which is high, as dlib's square: its side and how much lower it lies, in heights of the box."""


class NamedEngine:
    """See the module; ``FaceEngine`` says what its methods promise."""

    name = "face_recognition"
    dimensions = 128

    def __init__(self, key: str, curve: Curve, package: Any) -> None:  # noqa: ANN401 - a module without types
        """Use the package, which is imported."""
        self.key, self.curve, self._package = key, curve, package

    def detect(self, image: Image) -> list[Found]:
        """The faces of an upright picture, in the package's order."""
        height, width = image.shape[:2]
        scale = min(1.0, EDGE / max(height, width))
        small = smaller(image, max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.ascontiguousarray(small)
        places = self._package.face_locations(small)[:FACES_MAX]
        marks = self._package.face_landmarks(small, places) if places else []
        return [_found(place, mark, 1 / scale) for place, mark in zip(places, marks, strict=True)]

    def embed(self, image: Image, faces: Sequence[Found]) -> Vectors:
        """The measures of these faces, a row each."""
        image = np.ascontiguousarray(image)
        rows = self._package.face_encodings(image, [_place(found) for found in faces]) if faces else []
        return np.array(rows, np.float32).reshape(-1, self.dimensions)


def _found(place: tuple[int, int, int, int], mark: Mapping[str, Sequence[tuple[int, int]]], scale: float) -> Found:
    top, right, bottom, left = place
    # Its "left" eye is the one on the left of the picture; lips begin and, in the middle, end at the mouth's corners.
    points = [_middle(mark["left_eye"]), _middle(mark["right_eye"]), mark["nose_bridge"][-1]]
    points += [mark["top_lip"][0], mark["top_lip"][6]]
    box = (left * scale, top * scale, (right - left) * scale, (bottom - top) * scale)
    return Found(box, tuple(float(value) * scale for point in points for value in point), _SURE)


def _middle(points: Sequence[tuple[int, int]]) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _place(found: Found) -> tuple[int, int, int, int]:
    """Top, right, bottom, left of a face as dlib frames one."""
    x, y, w, h = found.box
    if w < _SQUARE * h:
        side = max(w, _WIDE * h)
        x, y, w, h = x + w / 2 - side / 2, y + h / 2 - side / 2 + _LOW * h, side, side
    return round(y), round(x + w), round(y + h), round(x)


def open_named(order: EngineOrder, files: models.Models) -> NamedEngine:
    """Import the package.

    Raises:
        MissingExtraError: it cannot be, or its models are not those that are known.
    """
    for path in files.files:
        models.read(path)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            importlib.import_module("face_recognition_models")
            package = importlib.import_module("face_recognition")
    except (Exception, SystemExit) as error:
        raise MissingExtraError(f"The package face_recognition cannot be imported: {error}", models.NAMED) from error
    return NamedEngine(models.key_of(order), models.curve_of(order), package)
