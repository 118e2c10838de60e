"""What a face engine is: the seam between photovault and the networks that find and measure faces.

An engine promises: ``detect`` gives the faces of an upright picture, the surest first, at most ``FACES_MAX``; ``embed`` gives one row
a face, in their order, and rows of engines with the same ``key`` may be compared by Euclidean distance; what a picture
gives depends on the picture alone.  It opens files and starts threads only while it is made, and keeps nothing of a picture.
Not promised: that there is a face where it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from photovault.people.values import Curve

    Image = NDArray[np.uint8]
    """Height x width x 3: red, green, blue."""

    Vectors = NDArray[np.float32]
    """Faces x dimensions."""


class Found(NamedTuple):
    """A face in an image.

    Attributes:
        box: left, top, width and height in pixels; it may reach over the image's edge.
        landmarks: x and y of right eye, left eye, nose, right and left corner of the mouth, in pixels (right: the person's,
            left in the picture); empty if the detector has none.
        score: how sure the detector is, 0 to 1.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[float, ...]
    score: float


class FaceEngine(Protocol):
    """Finds and measures faces; see the module."""

    @property
    def name(self) -> str:
        """The engine's kind, for people."""

    @property
    def key(self) -> str:
        """What its vectors can be compared with: those of the same key."""

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""

    @property
    def curve(self) -> Curve:
        """How far two faces of one person may be from each other."""

    def detect(self, image: Image) -> list[Found]:
        """The faces of an upright picture, the surest first."""

    def embed(self, image: Image, faces: Sequence[Found]) -> Vectors:
        """The measures of these faces of the picture, a row each."""
