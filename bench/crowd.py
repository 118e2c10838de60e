"""Made populations of faces, real ones multiplied, and how well a grouping agrees with who is who.

A made face is a person's middle plus what differs between photos of one person.  People are of kinds, some of which look
more alike, and of families; photos of one person share occasions; a few are poor and drift to what is common to all, a few
bear a wrong name.  The numbers were sought at random until other methods gave here what is known of them on Faces in the
Wild (docs/decisions/0017-grouping.md has them), with spectra and spreads near those of real faces.  Such a
population varies much with its seed, as 65 people do: `SEED` is of one that was near, and was not used to choose thresholds.
Not guaranteed: that a method that does well here does as well on real faces.

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
_BETWEEN, _WITHIN = 0.265, 0.105  # variance, all dimensions together
_KINDS = np.array([0.5, 0.2, 0.12, 0.08, 0.06, 0.04])  # of people: how many are of each
_KIND, _FAMILY = 0.36, 0.15  # of the variance between people: what a kind has in common, and a family
_FAMILIES = 1500
_ALIKE = 0.12  # how much kinds differ in how alike their people look
_PERSON, _FACE = 0.05, 0.26  # how much the spread differs between persons, and between faces
_LASTING = 0.3  # of the variance within a person that photos of one occasion have in common
_WRONG = 0.004  # faces with another's name
_POOR, _DRIFT = 0.065, 0.44  # poor faces, and how far they go at most to what is common to all
SEED = 616
_JITTER = 0.01
_SEVERAL = (10, 300)  # photos of a person whom an album knows


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
    between = _spectrum(0.95, 2.0, _BETWEEN)
    kinds, people = _people(rng, len(sizes), between)
    wrong = rng.random(len(whose)) < _WRONG
    base = people[whose]
    base[wrong] = kinds[rng.choice(len(kinds), wrong.sum(), p=_KINDS)] + _some_of(rng, wrong.sum(), between, 1 - _KIND)
    drift = (rng.random(len(whose)) * _DRIFT * (rng.random(len(whose)) < _POOR))[:, None]
    common = rng.normal(size=DIMENSIONS) * np.sqrt(between) * 0.6
    vectors: Vectors = (base * (1 - drift) + common * drift).astype(np.float32)
    return vectors + _within(rng, sizes, whose), whose


def _people(
    rng: np.random.Generator, number: int, between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middles of kinds and of people."""
    kinds = _some_of(rng, len(_KINDS), between, _KIND)
    alike = np.exp(rng.normal(size=len(_KINDS)) * _ALIKE)
    mine = rng.choice(len(_KINDS), number, p=_KINDS)
    families = _some_of(rng, _FAMILIES, between, _FAMILY)
    own = families[rng.integers(0, _FAMILIES, number)] + _some_of(rng, number, between, 1 - _KIND - _FAMILY)
    return kinds, kinds[mine] + own * alike[mine][:, None]


def _some_of(rng: np.random.Generator, number: int, spectrum: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return rng.normal(size=(number, DIMENSIONS)) * np.sqrt(spectrum * share)


def _within(rng: np.random.Generator, sizes: Ids, whose: Ids) -> Vectors:
    """What sets faces of one person apart: of each photo, and of occasions that several photos share."""
    occasions = np.maximum(1, np.sqrt(sizes).astype(np.int64))
    begin = np.cumsum(occasions) - occasions
    lasting = rng.normal(size=(int(occasions.sum()), DIMENSIONS)).astype(np.float32)
    person = np.exp(rng.normal(size=len(sizes)) * _PERSON - _PERSON**2)[whose]
    face = np.exp(rng.normal(size=len(whose)) * _FACE - _FACE**2)
    found = rng.standard_normal((len(whose), DIMENSIONS), np.float32) * np.sqrt(1 - _LASTING) * face[:, None]
    found += lasting[begin[whose] + (rng.random(len(whose)) * occasions[whose]).astype(np.int64)] * np.sqrt(_LASTING)
    spread: Vectors = (found * np.sqrt(_spectrum(0.87, 2.5, _WITHIN)) * person[:, None]).astype(np.float32)
    return spread


def _spectrum(power: float, shift: float, variance: float) -> NDArray[np.float64]:
    falling = (np.arange(1, DIMENSIONS + 1) + shift) ** -power
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
