"""Made populations of faces, real ones multiplied, and how well a grouping agrees with who is who.

A made face is a person's middle plus what differs between photos of one person.  Spectra and spreads are fitted to vectors
of dlib's network (with the mirror image): the distances of two people and of two faces of one, how much both vary (some
groups of people look more alike to that network than others, some persons and some photos vary more), and what is known of
other methods on Faces in the Wild (`dlib.chinese_whispers` at .6 and .5 gives F1 .28/.54 and .97/.92 on the album made here;
on the real one .26/.51 and .90/.95).  Not guaranteed: that a method that does well here does as well on real faces.

Sources: Huang et al., "Labeled Faces in the Wild", 2007, for how many people have how many photos; Amigo et al., "A
comparison of extrinsic clustering evaluation metrics", 2009, for BCubed.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

DIMENSIONS = 128
_AT_LEAST: Mapping[int, int] = {
    1: 5749, 2: 1680, 3: 901, 4: 610, 5: 423, 6: 311, 7: 256, 8: 217, 9: 184, 10: 158,
    12: 127, 14: 106, 16: 86, 20: 62, 25: 42, 30: 34, 40: 19, 50: 12, 70: 7, 100: 5,
}  # fmt: skip
"""People of Faces in the Wild with so many photos or more."""
_MOST = (530, 236, 144, 121, 109)
_BETWEEN, _WITHIN = 0.29, 0.1  # variance, all dimensions together
_KINDS = np.array([0.5, 0.2, 0.12, 0.08, 0.06, 0.04])  # of people; those of one look more alike
_SHARE = 0.35  # of the variance between people that is between kinds
_VARYING = 0.15  # how much the spread differs between persons, and between faces
_LASTING = 0.3  # of the variance within a person that several photos have in common
_JITTER = 0.01
_SEVERAL = (8, 100)  # photos of a person whom an album knows


class Agreement(NamedTuple):
    """How well groups agree with who is who: pairwise F1 and BCubed F1, 0 to 1."""

    pairwise: float
    bcubed: float


def wild_sizes() -> Ids:
    """Return how many photos each person of Faces in the Wild has, the most first."""
    counts = sorted(_AT_LEAST)
    sizes = list(_MOST)
    for few, many in pairwise(counts):
        people = _AT_LEAST[few] - _AT_LEAST[many]
        sizes += [few + at * (many - few) // people for at in range(people)]
    return np.array(sorted(sizes, reverse=True))


def album(whose: Ids, seed: int, people: int = 65, strangers: int = 600) -> Ids:
    """Return the rows of an album: people with several photos (8 at least, if there are enough), and strangers with one."""
    rng = np.random.default_rng(seed)
    _, first, inverse, counts = np.unique(whose, return_index=True, return_inverse=True, return_counts=True)
    known = _some(rng, np.flatnonzero((counts >= _SEVERAL[0]) & (counts <= _SEVERAL[1])), people)
    rest = np.setdiff1d(np.arange(len(counts)), known)
    return np.sort(np.concatenate([np.flatnonzero(np.isin(inverse, known)), first[_some(rng, rest, strangers)]]))


def _some(rng: np.random.Generator, these: Ids, most: int) -> Ids:
    return rng.choice(these, min(most, len(these)), replace=False)


def made(sizes: Ids, seed: int) -> tuple[Vectors, Ids]:
    """Return vectors of people who have so many faces each, in mixed order, and whose each is."""
    rng = np.random.default_rng(seed)
    whose = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    between, within = _spectrum(1.3, _BETWEEN), _spectrum(0.5, _WITHIN)
    kinds = rng.normal(size=(len(_KINDS), DIMENSIONS)) * np.sqrt(between * _SHARE)
    people = kinds[rng.choice(len(_KINDS), len(sizes), p=_KINDS)]
    people += rng.normal(size=people.shape) * np.sqrt(between * (1 - _SHARE))
    turn = np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0].astype(np.float32)
    return people[whose].astype(np.float32) + _within(rng, sizes, whose, within) @ turn, whose


def _within(rng: np.random.Generator, sizes: Ids, whose: Ids, within: NDArray[np.float64]) -> Vectors:
    """What sets faces of one person apart: of each photo, and of times that several photos share."""
    times = np.maximum(1, np.sqrt(sizes).astype(np.int64))
    begin = np.cumsum(times) - times
    lasting = rng.normal(size=(int(times.sum()), DIMENSIONS)).astype(np.float32)
    person = np.exp(rng.normal(size=len(sizes)) * _VARYING - _VARYING**2)[whose]
    face = np.exp(rng.normal(size=len(whose)) * _VARYING - _VARYING**2)
    found = rng.standard_normal((len(whose), DIMENSIONS), np.float32) * np.sqrt(1 - _LASTING) * face[:, None]
    found += lasting[begin[whose] + (rng.random(len(whose)) * times[whose]).astype(np.int64)] * np.sqrt(_LASTING)
    spread: Vectors = (found * np.sqrt(within) * person[:, None]).astype(np.float32)
    return spread


def _spectrum(power: float, variance: float) -> NDArray[np.float64]:
    falling = np.arange(1, DIMENSIONS + 1) ** -power
    spectrum: NDArray[np.float64] = falling * variance / falling.sum()
    return spectrum


def multiplied(vectors: Vectors, whose: Ids, number: int, seed: int) -> tuple[Vectors, Ids]:
    """Return so many vectors: copies of those given, each copy turned about their mean, which makes other people of it."""
    rng = np.random.default_rng(seed)
    middle = vectors.mean(axis=0)
    copies = -(-number // len(vectors))
    found = np.empty((copies, *vectors.shape), np.float32)
    for at in range(copies):
        turn = (
            np.linalg.qr(rng.normal(size=(vectors.shape[1], vectors.shape[1])))[0] if at else np.eye(vectors.shape[1])
        )
        found[at] = (vectors - middle) @ turn + middle + rng.normal(size=vectors.shape) * _JITTER * bool(at)
    order = rng.permutation(copies * len(vectors))[:number]
    people = (np.arange(copies)[:, None] * (int(whose.max()) + 1) + whose).ravel()
    return found.reshape(-1, vectors.shape[1])[order], people[order]


def agreement(groups: Ids, whose: Ids) -> Agreement:
    """Compare groups with who is who; a negative group is a face by itself."""
    alone = np.where(groups < 0, int(groups.max(initial=0)) + 1 + np.arange(len(groups)), groups)
    _, ours = np.unique(alone, return_inverse=True)
    _, theirs = np.unique(whose, return_inverse=True)
    cells, counts = np.unique(np.stack([ours, theirs], axis=1), axis=0, return_counts=True)
    mine, real = np.bincount(ours), np.bincount(theirs)
    right = _pairs(counts)
    precision = (counts * counts / mine[cells[:, 0]]).sum() / len(groups)
    recall = (counts * counts / real[cells[:, 1]]).sum() / len(groups)
    return Agreement(_f1(right / max(1.0, _pairs(mine)), right / max(1.0, _pairs(real))), _f1(precision, recall))


def _pairs(counts: Ids) -> float:
    return float((counts.astype(np.float64) * (counts - 1) / 2).sum())


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
