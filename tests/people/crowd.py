"""A made crowd: vectors around a middle for each person, with the distances that dlib's have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from photovault.people.grouping.grouping import Faces, Links
from photovault.people.values import Curve

if TYPE_CHECKING:
    from collections.abc import Sequence

CURVE = Curve(((300, 0.53), (2_000, 0.45), (13_000, 0.415)))
DIMENSIONS = 128
_BETWEEN, _WITHIN = 0.84, 0.38  # usual distances of two people, and of two faces of one


def crowd(sizes: Sequence[int], seed: int = 0, *, within: float = _WITHIN) -> tuple[Faces, np.ndarray]:
    """Return faces of people who have so many each, every face in a photo of its own, and whose each is."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(len(sizes)), sizes)
    people = rng.normal(size=(len(sizes), DIMENSIONS)) * (_BETWEEN**2 - within**2) ** 0.5 / (2 * DIMENSIONS) ** 0.5
    vectors = people[whose] + rng.normal(size=(len(whose), DIMENSIONS)) * within / (2 * DIMENSIONS) ** 0.5
    return of(vectors), whose


def of(vectors: np.ndarray) -> Faces:
    """Return good faces with these vectors: ids from 100 upwards, each in a photo of its own, in no group before."""
    n = len(vectors)
    none = np.full(n, -1)
    return Faces(
        np.arange(n) + 100, vectors.astype(np.float32), np.arange(n), np.ones(n, np.float32), none, none.copy()
    )


def links(must: Sequence[tuple[int, int]] = (), cannot: Sequence[tuple[int, int]] = ()) -> Links:
    """Return links between faces by their ids."""
    return Links(np.array(must, np.int64).reshape(-1, 2), np.array(cannot, np.int64).reshape(-1, 2))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labellings make the same groups, whatever they are called."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))
