"""How a picture is turned, as Exif's orientation 1 to 8, from the ways in which movies and HEIF say it.

Each turning is a matrix ``(a, b, c, d)`` that takes a point (x to the right, y down) of the stored picture to
(a x + b y, c x + d y) of the upright one; the eight of Exif are all that keep the pixels a grid.
"""

from __future__ import annotations

Matrix = tuple[int, int, int, int]

UPRIGHT: Matrix = (1, 0, 0, 1)
TO_THE_LEFT: Matrix = (0, 1, -1, 0)
"""By 90 degrees, against the clock."""
TOP_TO_BOTTOM: Matrix = (1, 0, 0, -1)
LEFT_TO_RIGHT: Matrix = (-1, 0, 0, 1)

_ORIENTATIONS: dict[Matrix, int] = {
    UPRIGHT: 1,
    LEFT_TO_RIGHT: 2,
    (-1, 0, 0, -1): 3,
    TOP_TO_BOTTOM: 4,
    (0, 1, 1, 0): 5,
    (0, -1, 1, 0): 6,
    (0, -1, -1, 0): 7,
    TO_THE_LEFT: 8,
}


def then(first: Matrix, second: Matrix) -> Matrix:
    """The turning that does ``first`` and then ``second``."""
    a, b, c, d = first
    e, f, g, h = second
    return (e * a + f * c, e * b + f * d, g * a + h * c, g * b + h * d)


def orientation(matrix: Matrix) -> int | None:
    """Exif's number of a turning; None if it is another transformation."""
    return _ORIENTATIONS.get(matrix)
