"""Which faces of a picture are the same, found anew or on record.  Pure.

By where they are: two boxes that cover each other well enough are one face, whatever engine found them.  By their vectors, where
a file has other bytes than before: nearly the same numbers in the same place are the same picture.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from photovault.people.values import Box, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_BOX: Final = 0.4
"""Overlap (intersection over union) from which two boxes in one picture are one face."""
_SAME_VECTOR = 0.25  # distance of two vectors of one face in one picture, as a share of their length


class OnRecord(NamedTuple):
    """A face on record."""

    id: int
    box: Box
    decided: bool
    nothing: bool
    vector: bytes | None


Other = TypeVar("Other", OnRecord, Seen)


def clipped(box: Box) -> Box:
    """The part of a box that is in the picture; detectors guess on, over its edge."""
    left, top = max(0.0, box.x), max(0.0, box.y)
    return Box(left, top, min(1.0, box.x + box.w) - left, min(1.0, box.y + box.h) - top)


def matched(rows: Sequence[OnRecord], others: Sequence[Other]) -> list[tuple[OnRecord, Other]]:
    """Pairs of faces that cover each other, each in one pair at most, those that do so best first."""
    found = [(row.box.overlap(other.box), i, j) for i, row in enumerate(rows) for j, other in enumerate(others)]
    left, right = set(range(len(rows))), set(range(len(others)))
    pairs = []
    for overlap, i, j in sorted(found, key=lambda one: (-one[0], one[1], one[2])):
        if overlap >= SAME_BOX and i in left and j in right:
            pairs.append((rows[i], others[j]))
            left.discard(i)
            right.discard(j)
    return pairs


def is_near(one: bytes | None, other: bytes | None) -> bool:
    """Whether two vectors (float32, little-endian) are of one face in one picture; False where one is missing."""
    if one is None or other is None or len(one) != len(other):
        return False
    left, right = floats(one), floats(other)
    return math.dist(left, right) <= _SAME_VECTOR * max(math.hypot(*left), math.hypot(*right))


def floats(data: bytes) -> tuple[float, ...]:
    """The numbers of float32, little-endian."""
    return struct.unpack(f"<{len(data) // 4}f", data)
