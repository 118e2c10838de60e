"""Which questions to ask of a person, most useful first; nothing here asks or remembers.

Two kinds: are these two groups one person (pairs that nearly became one), and does this face belong to its group (faces that
hardly fit).  What an answer settles is its gain: for two groups the faces of the smaller one, for a face itself alone; both
are weighed by how open the answer is: most at the threshold, little far above it.  So large groups near the threshold come
first, then faces that hardly fit a large or named group.

Each question shows one face of either side: of two groups the pair of faces that is nearest, among those that fit best; for
a face the best of its group.  "Same" is a must-link between the two, "different" a cannot-link.

Guarantee: no question is asked that an answer settled (a link between faces of the two, two names) or that was skipped; two
questions of one run never show the same pair; the order depends on the arguments alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from photovault.people.grouping.grouping import Faces, Grouped, Links

    Ids = NDArray[np.int64]

_LOOSE = 1.0  # of the threshold: a face that is farther from its group than this is uncertain
_SHOWN = 24  # faces of a group from which the one to show is chosen
_ROOM = 8  # questions that are weighed, for each that is wanted
_OPEN = 12.0  # how fast a question loses worth above the threshold: at 1.25 of it a twentieth is left


class Question(NamedTuple):
    """Is this one person?

    Attributes:
        kind: "groups": are ``group`` and ``other`` one person?  "face": does face ``face`` belong to ``group``?
        group: a person's id (the named one, else the larger one).
        other: the other person's id for "groups", else -1.
        face: the face asked about; for "groups" the face of ``other`` to show.
        against: the face of ``group`` to show beside it.
        distance: between the two groups, or of the face to its group.
        gain: how many faces the answer settles, weighed by how open it is; sorts the questions.
    """

    kind: Literal["groups", "face"]
    group: int
    other: int
    face: int
    against: int
    distance: float
    gain: float


def questions(
    faces: Faces,
    grouped: Grouped,
    links: Links,
    people: Mapping[int, str],
    limit: int,
    *,
    asked: Collection[tuple[int, int]] = (),
) -> list[Question]:
    """Return up to ``limit`` questions, most useful first.

    Args:
        faces: as they were grouped.
        grouped: the outcome.
        links: the answers so far: a pair of faces in them, or of groups that they tell apart, is never asked again.
        people: names of named groups, by id; two of them are never asked about.
        limit: how many at most.
        asked: pairs of faces that were shown (``against``, ``face``) and skipped; neither they nor their groups come again.
    """
    about = _About(faces, grouped, links, people, asked)
    found = [*about.of_groups(limit * _ROOM), *about.of_faces(limit * _ROOM)]
    found.sort(key=lambda one: (-one.gain, one.group, one.other, one.face))
    return found[: max(0, limit)]


class _About:
    """What is known of groups by number: their rows, names and what was answered."""

    def __init__(
        self,
        faces: Faces,
        grouped: Grouped,
        links: Links,
        people: Mapping[int, str],
        asked: Collection[tuple[int, int]],
    ) -> None:
        self._faces, self._grouped, self._people = faces, grouped, people
        self._rows = np.argsort(grouped.labels, kind="stable")
        self._sorted = grouped.labels[self._rows]
        self._order = np.argsort(faces.ids)
        shown = np.array(list(asked), np.int64).reshape(-1, 2)
        self._said = {_pair(*pair) for pair in np.concatenate([links.cannot, links.must, shown]).tolist()}
        self._answered = set(np.unique(np.concatenate([links.cannot, links.must, shown])[:, 1:]).tolist())
        self._apart = {_pair(*pair) for pair in self._labels(np.concatenate([links.cannot, shown])).tolist()}

    def of_groups(self, most: int) -> Iterator[Question]:
        near, distance = self._grouped.near, self._grouped.distance
        if not len(near):
            return
        sizes = self._size(near)
        gain = sizes.min(axis=1) * self._open(distance)
        for at in np.argsort(-gain, kind="stable"):
            pair = _pair(*near[at].tolist())
            if pair in self._apart or (pair[0] in self._people and pair[1] in self._people):
                continue
            yield self._of_groups(*self._leading(pair), float(distance[at]), float(gain[at]))
            most -= 1
            if most <= 0:
                return

    def of_faces(self, most: int) -> Iterator[Question]:
        faces, grouped = self._faces, self._grouped
        loose = (grouped.labels >= 0) & (grouped.fit > _LOOSE * grouped.threshold) & (faces.person < 0)
        rows = np.flatnonzero(loose & ~np.isin(faces.ids, list(self._answered)))
        rows = rows[np.lexsort((faces.ids[rows], grouped.fit[rows]))]
        for row in rows.tolist():
            group = int(grouped.labels[row])
            against = self._best(group, row)
            if against is None:
                continue
            ours, theirs = int(faces.ids[against]), int(faces.ids[row])
            if _pair(ours, theirs) in self._said:
                continue
            yield Question("face", group, -1, theirs, ours, float(grouped.fit[row]), self._worth(group, row))
            most -= 1
            if most <= 0:
                return

    def _of_groups(self, group: int, other: int, distance: float, gain: float) -> Question:
        ours, theirs = self._fitting(group), self._fitting(other)
        vectors = self._faces.vectors
        apart = np.linalg.norm(vectors[ours][:, None] - vectors[theirs][None], axis=2)
        at = np.unravel_index(int(np.argmin(np.where(np.isfinite(apart), apart, np.inf))), apart.shape)
        ids = self._faces.ids
        return Question("groups", group, other, int(ids[theirs[at[1]]]), int(ids[ours[at[0]]]), distance, gain)

    def _worth(self, group: int, row: int) -> float:
        """One face; half as much again in a group with a name, where it would go out under that name."""
        worth = 1.5 if group in self._people else 1.0
        return worth * float(self._open(self._grouped.fit[row : row + 1])[0])

    def _open(self, distance: NDArray[np.float32]) -> NDArray[np.float64]:
        over = np.asarray(distance, np.float64) / self._grouped.threshold - 1
        weight: NDArray[np.float64] = np.exp(-_OPEN * np.abs(over))
        return weight

    def _leading(self, pair: tuple[int, int]) -> tuple[int, int]:
        one, other = pair
        sizes = self._size(np.array([pair]))[0]
        return (other, one) if (other in self._people, sizes[1]) > (one in self._people, sizes[0]) else (one, other)

    def _size(self, groups: Ids) -> Ids:
        sizes: Ids = np.searchsorted(self._sorted, groups, side="right") - np.searchsorted(self._sorted, groups)
        return sizes

    def _members(self, group: int) -> Ids:
        begin, end = np.searchsorted(self._sorted, [group, group + 1])
        return self._rows[begin:end]

    def _fitting(self, group: int) -> Ids:
        """Return the rows of a group that fit it best, the best first."""
        rows = self._members(group)
        order = np.lexsort(
            (self._faces.ids[rows], self._grouped.fit[rows], -(self._faces.person[rows] >= 0).astype(int))
        )
        return rows[order[:_SHOWN]]

    def _best(self, group: int, row: int) -> int | None:
        return next((other for other in self._fitting(group).tolist() if other != row), None)

    def _labels(self, pairs: Ids) -> Ids:
        """Return the groups of pairs of face ids; of those that are not there, nothing."""
        ids = self._faces.ids[self._order]
        if not len(ids):
            return np.empty((0, 2), np.int64)
        at = np.minimum(np.searchsorted(ids, pairs), len(ids) - 1)
        known = (ids[at] == pairs).all(axis=1)
        labels: Ids = self._grouped.labels[self._order[at[known]]]
        return labels


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)
