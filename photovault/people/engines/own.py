"""A model of the user's own: an ONNX file that takes a face and gives its measures (ArcFace, SFace, MobileFaceNet, FaceNet ...).

YuNet finds, the face is brought into the square that the model was trained with, and the vectors of the face and of its mirror
image are averaged; those that are compared by angle are then brought to length 1, so that Euclidean distance is the unit for
all engines: distance² = 2 - 2 cosine.  Taken are models with one input, (n, 3, size, size) or (n, size, size, 3), and one row
of numbers a face as their first output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from photovault.errors import UsageError
from photovault.people.engines import align, models
from photovault.people.engines.runtime import Network, NetworkError
from photovault.people.engines.yunet import YuNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from photovault.people.engines.base import Found, Image, Vectors
    from photovault.people.values import Curve, EngineOrder, ModelOrder

_DIMENSIONS: Final = range(8, 4097)
_COLOURS: Final = 3
_AXES: Final = 4


class OwnEngine:
    """See the module; ``FaceEngine`` says what its methods promise."""

    name = "onnx"

    def __init__(self, key: str, curve: Curve, model: ModelOrder, detector: YuNet, network: Network) -> None:
        """Join what finds and what measures.

        Raises:
            NetworkError: the network takes or gives something else than faces and their measures.
        """
        self.key, self.curve = key, curve
        self._model, self._detector, self._network = model, detector, network
        self._colours_last, self._one_by_one = _layout(network.shape, model.size)
        self.dimensions = self._network_of(np.zeros((1, model.size, model.size, 3), np.float32)).shape[1]
        if self.dimensions not in _DIMENSIONS:
            raise NetworkError(f"it gives {self.dimensions} numbers a face, not 8 to 4096")

    def detect(self, image: Image) -> list[Found]:
        """The faces of an upright picture, the surest first."""
        return self._detector.detect(image)

    def embed(self, image: Image, faces: Sequence[Found]) -> Vectors:
        """The measures of these faces, a row each."""
        rows = [np.empty((0, self.dimensions), np.float32)]
        for found in faces:
            chip = align.chip(image, found, align.TEMPLATES[self._model.alignment], self._model.size)
            both = np.stack([chip, chip[:, ::-1]]).astype(np.float32)
            both = both[..., ::-1] if self._model.colours == "bgr" else both
            vectors = self._network_of((both - np.float32(self._model.mean)) * np.float32(self._model.scale))
            rows.append(self._unit(vectors).mean(axis=0, keepdims=True))
        return self._unit(np.concatenate(rows))

    def _unit(self, vectors: Vectors) -> Vectors:
        """Of length 1 if they are compared by angle; finite in any case."""
        vectors = np.nan_to_num(vectors, posinf=0.0, neginf=0.0)
        if self._model.metric == "cosine":
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-9))
        return np.asarray(vectors, np.float32)

    def _network_of(self, faces: NDArray[np.float32]) -> Vectors:
        """What the network gives for prepared faces (n, size, size, 3), a row each."""
        given = np.ascontiguousarray(faces if self._colours_last else faces.transpose(0, 3, 1, 2))
        parts = np.split(given, len(given)) if self._one_by_one else [given]
        rows = [np.asarray(self._network(part)[0], np.float32) for part in parts]
        if any(len(row) != len(part) for row, part in zip(rows, parts, strict=True) if row.ndim) or not rows[0].ndim:
            raise NetworkError("it does not give a row of numbers for each face")
        return np.concatenate([row.reshape(len(row), -1) for row in rows])


def _layout(shape: tuple[int | str | None, ...], size: int) -> tuple[bool, bool]:
    """Whether a network takes the colours last, and one face at a time only.

    Raises:
        NetworkError: it takes something else than colour pictures of that size.
    """
    said = f"it takes {list(shape)}, not faces of {size} x {size} pixels in three colours"
    if len(shape) != _AXES:
        raise NetworkError(said)
    colours_last = shape[1] != _COLOURS and shape[3] == _COLOURS
    sides, colours = (shape[1:3], shape[3]) if colours_last else (shape[2:4], shape[1])
    if any(isinstance(side, int) and side != size for side in sides) or (
        isinstance(colours, int) and colours != _COLOURS
    ):
        raise NetworkError(said)
    return colours_last, isinstance(shape[0], int)


def open_own(order: EngineOrder, files: models.Models) -> OwnEngine:
    """Make the engine.

    Raises:
        MissingExtraError: the detector's file is not the one that is known.
        UsageError: the model is another file, or cannot be used, and why.
    """
    model = models.described(order)
    detector, own = files.files
    data = models.read(own, model.sha256)
    finder = YuNet(models.read(detector))
    try:
        return OwnEngine(models.key_of(order), models.curve_of(order), model, finder, Network(data))
    except NetworkError as error:
        raise UsageError(f"The model {own} cannot be used: {error}", "see docs/people.md, Your own model") from error
