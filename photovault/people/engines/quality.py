"""How good a face is for telling people apart: a number from 0 to 1, the product of what its size, sharpness, pose and place say.

    size       eyes and mouth must have pixels: nothing at 16 wide, all at 64
    sharpness  edges of a blurred face are weak beside its light and shade (variance of the Laplacian over variance)
    pose       turned away, the nose leaves the middle between the eyes, and the eyes come close to each other
    place      what is beyond the picture's edge is not measured
    sureness   what is hardly a face to the detector is often none

Each is 1 for a face of a usual portrait, so 1 is good, and below ``values.POOR`` a face joins a group and starts none.
Not guaranteed: that a good face is a face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from photovault.people.engines import align

if TYPE_CHECKING:
    from photovault.people.engines.base import Found, Image

_CHIP: Final = 64
_SIZE: Final = (16.0, 64.0)
_SHARP: Final = (0.004, 0.03)
_SIDEWAYS: Final = (0.75, 0.35)  # of the distance of the eyes
_NARROW: Final = (0.35, 0.65)  # distance of the eyes to that of eyes and mouth
_INSIDE: Final = (0.5, 0.9)
_SURE: Final = (0.7, 0.88)
_LANDMARKS: Final = 10


def quality(image: Image, found: Found) -> float:
    """How good a face of an image is, 0 to 1."""
    _, _, w, h = found.box
    size = _ramp(min(w, h), _SIZE)
    return float(size * _sharpness(image, found) * _pose(found) * _place(image, found) * _ramp(found.score, _SURE))


def _ramp(value: float, between: tuple[float, float]) -> float:
    """0 at the first, 1 at the second, which may be the smaller one."""
    low, high = between
    share = (value - low) / (high - low)
    return min(1.0, max(0.0, share)) if share == share else 0.0  # noqa: PLR0124 - not a number


def _sharpness(image: Image, found: Found) -> float:
    chip = align.chip(image, found, align.TEMPLATES["arcface"], _CHIP)
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).astype(np.float32)
    spread = float(grey.var())
    return _ramp(float(cv2.Laplacian(grey, cv2.CV_32F)[1:-1, 1:-1].var()) / spread, _SHARP) if spread > 1 else 0.0


def _pose(found: Found) -> float:
    if len(found.landmarks) != _LANDMARKS:
        return 1.0
    right, left, nose, *mouth = (
        complex(x, y) for x, y in zip(found.landmarks[::2], found.landmarks[1::2], strict=True)
    )
    across, middle, lips = left - right, (left + right) / 2, sum(mouth) / 2
    apart = abs(across)
    if apart < 1:
        return 0.0
    # Along the line of the eyes, how far the nose is from the line between their middle and that of the mouth.
    down = lips - middle
    share = ((nose - middle) * down.conjugate()).real / max(abs(down) ** 2, 1e-9)
    sideways = abs(((nose - middle - share * down) * across.conjugate()).real) / apart**2
    return _ramp(sideways, _SIDEWAYS) * _ramp(apart / max(abs(down), 1e-9), _NARROW)


def _place(image: Image, found: Found) -> float:
    x, y, w, h = found.box
    wide = min(x + w, image.shape[1]) - max(x, 0)
    high = min(y + h, image.shape[0]) - max(y, 0)
    return _ramp(max(wide, 0) * max(high, 0) / max(w * h, 1e-9), _INSIDE)
