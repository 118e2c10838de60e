"""The values that the rooms of ``people`` pass to each other: frozen, free of I/O, without numpy.

A picture here is upright: turned as its metadata says.  Boxes and landmarks are kept as fractions of it, so they hold
whatever size it was decoded at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

FACES_MAX: Final = 128
"""Faces that are kept of one photo, the surest first."""

POOR: Final = 0.3
"""A face of less quality joins a group, and starts none."""


class Box(NamedTuple):
    """Where a face is: left, top, width and height, as fractions (0 to 1) of the picture's width and height."""

    x: float
    y: float
    w: float
    h: float

    def overlap(self, other: Box) -> float:
        """Intersection over union with another box of the same picture, 0 to 1."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if wide <= 0 or high <= 0:
            return 0.0
        return wide * high / (self.w * self.h + other.w * other.h - wide * high)

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels of a picture of that size."""
        left, top = round(self.x * width), round(self.y * height)
        return left, top, round((self.x + self.w) * width) - left, round((self.y + self.h) * height) - top


class Picture(NamedTuple):
    """An upright picture: ``pixels`` are RGB, eight bits, row by row; 3 * width * height bytes."""

    width: int
    height: int
    pixels: bytes


class Seen(NamedTuple):
    """A face as a worker saw it.

    Attributes:
        box: where it is.
        landmarks: right eye, left eye, nose, right and left corner of the mouth (the person's right, left in the picture):
            x and y of each, as fractions of the picture; empty if the engine has none.
        score: how sure the detector is, 0 to 1.
        quality: how good it is for telling people apart, 0 to 1; see ``POOR``.
        vector: its measures, float32 little-endian; those of one engine are compared by Euclidean distance.
    """

    box: Box
    landmarks: tuple[float, ...]
    score: float
    quality: float
    vector: bytes


class Curve(NamedTuple):
    """How far two faces of one person may be from each other: ``points`` are (faces in the library, distance), ascending.

    Between two points the distance goes with the logarithm of the number; before the first and after the last it stays.
    The more strangers there are, the more of them look alike by chance.
    """

    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOrder:
    """A model file of the user's own, as ``[people.model]`` describes it.

    Attributes:
        path: the ONNX file.
        sha256: of its bytes, hex; another file under that path is refused.
        size: width and height in pixels of the face that it takes.
        alignment: how a face is brought into that square: by landmarks as ArcFace does, or as dlib does.
        colours: order of the colours that it takes.
        mean, scale: a pixel value v goes in as (v - mean) * scale.
        metric: how its vectors are compared; "cosine" ones are brought to length 1.
        threshold: distance (Euclidean, after that) below which two faces are one person in a library of 2,000 faces.
    """

    path: str
    sha256: str
    size: int = 112
    alignment: Literal["arcface", "dlib"] = "arcface"
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: float = 127.5
    scale: float = 1 / 127.5
    metric: Literal["cosine", "euclidean"] = "cosine"
    threshold: float = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOrder:
    """Which engine is wanted; ``model`` for ``onnx`` alone."""

    kind: Literal["dlib", "face_recognition", "onnx"] = "dlib"
    model: ModelOrder | None = None
