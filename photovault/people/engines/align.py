"""A face turned, moved and scaled as a network wants it, by its five landmarks.

The landmarks are brought as near as can be to where they lay in what the network learned from.  The transform is the one of least squares among those that turn, scale and move and never mirror (S. Umeyama, "Least-squares
estimation of transformation parameters between two point patterns", 1991); with complex numbers it is one division.  A large
face is made smaller by the mean of areas first, so that no pixel of it is passed over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.people.engines.base import Found, Image

# Right eye, left eye, nose, right and left corner of the mouth, as fractions of the square.
_ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
_DLIB = ((46.9, 46.3), (103.9, 46.3), (75.4, 77.5), (50.2, 103.3), (100.6, 103.3))
TEMPLATES: Final = {
    "arcface": tuple((x / 112, y / 112) for x, y in _ARCFACE),  # insightface: recognition/arcface_torch
    "dlib": tuple((x / 150, y / 150) for x, y in _DLIB),  # where YuNet's landmarks lie in dlib's own chips
}


class Turn(NamedTuple):
    """x + iy -> scale * (x + iy) + shift, with complex numbers: a turn, a scale and a move."""

    scale: complex
    shift: complex


def turn(found: Found, template: Sequence[tuple[float, float]], size: int) -> Turn:
    """What brings a face's landmarks nearest to the template in a square of ``size`` pixels; its box, if it has none."""
    wanted = np.array([complex(x, y) * size for x, y in template])
    if len(found.landmarks) != 2 * len(wanted):
        return _of_box(found, size)
    given = np.array(found.landmarks[0::2]) + 1j * np.array(found.landmarks[1::2])
    middle, centre = given.mean(), wanted.mean()
    spread = float(np.sum(np.abs(given - middle) ** 2))
    if not np.isfinite(spread) or spread < 1:
        return _of_box(found, size)
    scale = complex(np.sum(np.conj(given - middle) * (wanted - centre)) / spread)
    return Turn(scale, complex(centre - scale * middle)) if scale else _of_box(found, size)


def _of_box(found: Found, size: int) -> Turn:
    x, y, w, h = found.box if all(map(math.isfinite, found.box)) else (0.0, 0.0, 1.0, 1.0)
    scale = size / max(1.0, w, h)
    return Turn(complex(scale), complex(size / 2, size / 2) - scale * complex(x + w / 2, y + h / 2))


def chip(image: Image, found: Found, template: Sequence[tuple[float, float]], size: int) -> Image:
    """The face in a square of ``size`` pixels; what lies beyond the image's edge is black."""
    change = turn(found, template, size)
    image, change = _cut(image, change, size)
    a, b = change.scale.real, change.scale.imag
    matrix = np.array([[a, -b, change.shift.real], [b, a, change.shift.imag]])
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def _cut(image: Image, change: Turn, size: int) -> tuple[Image, Turn]:
    """Only what is needed of the image, made smaller if the chip is less than two thirds of it."""
    scale = abs(change.scale)
    corners = [(complex(x, y) - change.shift) / change.scale for x in (0, size) for y in (0, size)]
    left, top = (max(0, int(min(values)) - 2) for values in ([c.real for c in corners], [c.imag for c in corners]))
    right, low = (int(max(values)) + 3 for values in ([c.real for c in corners], [c.imag for c in corners]))
    part = image[top : max(top + 1, low), left : max(left + 1, right)]
    if not part.size:
        return np.zeros((1, 1, 3), np.uint8), change
    change = Turn(change.scale, change.shift + change.scale * complex(left, top))
    if scale >= 2 / 3:
        return part, change
    height, width = (max(1, round(side * scale)) for side in part.shape[:2])
    by = part.shape[1] / width
    # Middles of pixels: x of the part is (x + 0.5) / by - 0.5 of what is smaller.
    half = complex(0.5, 0.5)
    return smaller(part, width, height), Turn(change.scale * by, change.shift + change.scale * half * (by - 1))


def smaller(image: Image, width: int, height: int) -> Image:
    """The image in that size, which is not larger: whole blocks of pixels are averaged, and the rest is done by lines between pixels.

    OpenCV averages blocks at 10 GB/s, and any other areas at a fortieth of that.
    """
    block = min(image.shape[1] // width, image.shape[0] // height)
    if block > 1:
        columns, rows = image.shape[1] // block, image.shape[0] // block
        whole = image[: rows * block, : columns * block]
        image = np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
