"""Where the faces are: YuNet, run by ONNX Runtime.

1. The picture is made smaller to ``EDGE`` pixels on its longer side, and once more to ``COARSE``: YuNet knows faces from about 10 to
   300 pixels, and a face may fill the frame.
2. The network says for each point of three grids (8, 16 and 32 pixels apart) how likely a face is there, its box and five landmarks.
3. Of boxes that overlap, or lie within a surer one, the surest stays, of both scales together.

Guarantee: the same picture gives the same faces.  Not guaranteed: that faces of less than 15 of ``EDGE`` pixels are found.

The weights are Yu et al., "YuNet: A Tiny Millisecond-level Face Detector" (2023), MIT, file face_detection_yunet_2023mar.onnx of
OpenCV's zoo, which was written for one size and is freed from it; decoding as in OpenCV's modules/objdetect/src/face_detect.cpp.
ONNX Runtime takes half the time of OpenCV's FaceDetectorYN (docs/decisions/0015-face-engines.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from photovault.people.engines import protobuf
from photovault.people.engines.align import smaller
from photovault.people.engines.base import Found
from photovault.people.engines.runtime import Network
from photovault.people.values import FACES_MAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from photovault.people.engines.base import Image

EDGE: Final = 1024
AREA: Final = EDGE * EDGE * 3 // 4
"""A square picture is made a little smaller than ``EDGE``, so that none takes longer than one of 4:3."""

COARSE: Final = 256
SURE: Final = 0.6
"""A face of less score is none."""

OVERLAP: Final = 0.3
"""Intersection over union from which two boxes are one face."""

INSIDE: Final = 0.75
"""Share of a box from which it is a part of the surer face around it: in a face that fills the frame there are spots like faces."""

_STRIDES: Final = (8, 16, 32)
_MULTIPLE: Final = 32
_CANDIDATES: Final = 2000
_OUTPUTS: Final = tuple(f"{what}_{stride}" for stride in _STRIDES for what in ("cls", "obj", "bbox", "kps"))
_LANDMARKS: Final = slice(5, 15)


class YuNet:
    """The detector; a row of its own is score, left, top, width, height, and ten numbers of landmarks."""

    def __init__(self, model: bytes) -> None:
        """Read its file.

        Raises:
            NetworkError: it cannot be run.
        """
        cv2.setNumThreads(1)
        self._network = Network(protobuf.of_any_size(model, (1, 3, "height", "width")))

    def detect(self, image: Image) -> list[Found]:
        """The faces of an upright picture, the surest first."""
        height, width = image.shape[:2]
        fine = _scaled(image, min(1.0, EDGE / max(height, width), math.sqrt(AREA / (height * width))))
        scales = [fine, _scaled(fine, COARSE / max(fine.shape))] if max(fine.shape) > COARSE else [fine]
        rows = np.concatenate([self._in(small, width, height) for small in scales])
        return [_found(row) for row in apart(rows)[:FACES_MAX]]

    def _in(self, small: Image, width: int, height: int) -> NDArray[np.float32]:
        """Rows found in a picture, in pixels of the larger one that it was made of."""
        outputs = self._network(_blob(small), _OUTPUTS)
        columns = -(-small.shape[1] // _MULTIPLE) * _MULTIPLE
        rows = np.concatenate([_decoded(outputs[4 * n : 4 * n + 4], s, columns // s) for n, s in enumerate(_STRIDES)])
        rows[:, 1::2] *= width / small.shape[1]
        rows[:, 2::2] *= height / small.shape[0]
        return rows


def _scaled(image: Image, scale: float) -> Image:
    return smaller(image, *(max(1, round(side * scale)) for side in image.shape[1::-1]))


def _blob(image: Image) -> NDArray[np.float32]:
    """What the network takes: blue, green, red; sides are multiples of 32, filled with black."""
    height, width = image.shape[:2]
    shape = tuple(-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    blob = np.zeros((1, 3, *shape), np.float32)
    for channel in range(3):
        blob[0, channel, :height, :width] = image[:, :, 2 - channel]
    return blob


def _decoded(outputs: list[NDArray[np.float32]], stride: int, columns: int) -> NDArray[np.float32]:
    """Rows of one grid that are sure enough, in pixels of the network's input."""
    likely, there, boxes, points = (output[0] for output in outputs)
    scores = np.sqrt(np.clip(likely[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
    (chosen,) = np.nonzero(scores >= SURE)
    origin = np.stack([chosen % columns, chosen // columns], axis=1).astype(np.float32)
    middle = (origin + boxes[chosen, :2]) * stride
    size = np.exp(np.minimum(boxes[chosen, 2:], 10)) * stride
    marks = (np.tile(origin, 5) + points[chosen]) * stride
    return np.concatenate([scores[chosen, None], middle - size / 2, size, marks], axis=1)


def apart(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of rows whose boxes overlap, or lie within a surer one, the surest; the surest first."""
    rest = rows[np.argsort(-rows[:, 0], kind="stable")][:_CANDIDATES]
    kept = []
    while len(rest):
        kept.append(rest[0])
        rest = rest[1:][_another(rest[0], rest[1:])]
    return np.array(kept, np.float32).reshape(-1, rows.shape[1])


def _another(row: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the others are faces of their own beside a surer one."""
    low = np.maximum(row[1:3], others[:, 1:3])
    high = np.minimum(row[1:3] + row[3:5], others[:, 1:3] + others[:, 3:5])
    shared, areas = np.prod(np.maximum(high - low, 0), axis=1), np.prod(others[:, 3:5], axis=1)
    return np.asarray((shared <= OVERLAP * (row[3] * row[4] + areas - shared)) & (shared <= INSIDE * areas))


def _found(row: NDArray[np.float32]) -> Found:
    score, x, y, w, h = (float(value) for value in row[:5])
    return Found((x, y, w, h), tuple(float(value) for value in row[_LANDMARKS]), score)
