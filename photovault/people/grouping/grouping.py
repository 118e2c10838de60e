"""Group faces by person: a graph of neighbours, chinese whispers, then merging by average linkage.

1. Faces that were said to be one person (must-link, or confirmed as the same person) are tied into one *atom*; every other
   good face is an atom by itself.  Poor faces wait.
2. Whispers: every atom takes the label that weighs most among its neighbours, again and again; an edge weighs more the
   nearer the two are.  Only edges below the threshold count.
3. What breaks a rule falls apart again, into its atoms.
4. Merging: the two groups nearest to each other become one, as long as their average distance (see ``linkage``) is below
   1.1 times the threshold and no rule forbids it; twice, since the middles have moved after the first time.
5. A face that is alone still joins the group of which three faces are that near to it: photos of one person that vary
   much are near a few others, not near the middle of all.
6. Poor faces join the nearest group below the threshold, or none.
7. A group keeps the id that most of its faces had before; a confirmed person's is the person's.

The rules: two faces of one photo are not one person, unless somebody said so; cannot-links bind; two confirmed persons never
become one.  Where answers contradict each other, the one that keeps faces apart wins over a must-link.  The threshold comes
from the engine's curve: the more faces, the more strangers look alike, and the tighter it is.

Guarantee: the outcome depends on the faces by their ids, not on their order, and on no clock or chance; rules hold whatever
the vectors are.  Not guaranteed: that a group is one person, which only people can say; bit-equal outcomes on other
processors, since sums of floating numbers differ there.

Sources: Biemann, "Chinese Whispers", TextGraphs 2006; Murtagh, "A survey of recent advances in hierarchical clustering
algorithms", Computer Journal 1983 (reciprocal neighbours, reducibility).
"""

from __future__ import annotations

from bisect import bisect_left
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from photovault.people.grouping import neighbours
from photovault.people.grouping.linkage import SPREAD, Middles, merge, middles
from photovault.people.grouping.rules import Rules, broken, forbidden, tie
from photovault.people.grouping.whispers import whispers
from photovault.people.values import POOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from photovault.people.values import Curve

    Ids = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Flags = NDArray[np.bool_]

NO_GROUP = -1
"""The label of a face in no group."""

_NEIGHBOURS = 48
_MERGED = 1.1  # of the threshold: groups that are nearer become one
_WIDE = 1.25  # of the threshold: farther pairs of groups are no question
_FINE = 1 << 16  # steps of an edge's weight: sums of whole numbers are the same in any order
_BESIDE = 3  # faces of a group, near to one that is alone, that make it one of them
_MIDDLES = 16  # neighbours of a group
_NEAR_MOST = 10_000
_CHUNK = 1 << 15  # rows
_FAR = 1e6  # of a group without a vector that counts


class Faces(NamedTuple):
    """n faces, in any order; the arrays have one row a face.

    Attributes:
        ids: int64[n], each once.
        vectors: float32[n, d], Euclidean distance is the unit.
        photos: int64[n], the photo that it is in; two faces of one photo are two people.
        quality: float32[n], 0 to 1; below ``POOR`` a face joins groups and starts none.
        before: int64[n], the group it was in; -1 for none.
        person: int64[n], the person whom it is confirmed to be: a group's id too; -1 for none.
    """

    ids: Ids
    vectors: Floats
    photos: Ids
    quality: Floats
    before: Ids
    person: Ids


class Links(NamedTuple):
    """What was said of pairs of faces: ``must`` int64[m, 2] are one person, ``cannot`` int64[k, 2] are two; face ids.

    Ids of faces that are not among those grouped are passed over.
    """

    must: Ids
    cannot: Ids


class Grouped(NamedTuple):
    """The outcome, a row a face in the order of ``Faces``.

    Attributes:
        labels: int64[n], the group's id; -1 for a face in no group (poor ones alone; a good face alone is a group of one).
        fit: float32[n], root of the mean squared distance to the good faces of its group, 0 for one alone.
        near: int64[p, 2] pairs of groups that nearly became one (smaller id first), nearest first; for the review.
        distance: float32[p], the distance of each pair, in the same unit.
        threshold: distance below which groups became one; above it, pairs are in ``near``.
        next_id: an id above all in use.
    """

    labels: Ids
    fit: Floats
    near: Ids
    distance: Floats
    threshold: float
    next_id: int


def no_links() -> Links:
    """Return links that bind nothing."""
    return Links(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64))


def threshold_at(curve: Curve, faces: int) -> float:
    """Return the distance below which two faces are one person in a library of so many faces; see ``Curve``."""
    sizes = [size for size, _ in curve.points]
    at = bisect_left(sizes, faces)
    if at in (0, len(sizes)):
        return curve.points[min(at, len(sizes) - 1)][1]
    (few, wide), (many, tight) = curve.points[at - 1 : at + 1]
    return wide + (tight - wide) * log(faces / few) / log(many / few)


def group(faces: Faces, links: Links, curve: Curve, *, first_id: int = 1, threads: int = 0) -> Grouped:
    """Group all faces anew; groups keep the ids that most of their faces had.

    Args:
        faces: all, but those said to be no face.
        links: what was said of pairs of faces.
        curve: the engine's.
        first_id: new groups take ids from here upwards (and above all in ``before`` and ``person``), so that an id that was
            used once is never used for another.
        threads: how many may work on the neighbours; 0 for as many as there are processors.
    """
    order = np.argsort(faces.ids)
    sorted_ = _taken(faces, order)
    alone = np.full(len(order), NO_GROUP)
    return _back(order, _Run(sorted_, links, alone, threshold_at(curve, len(order)), first_id, threads).all())


def add(faces: Faces, new: Flags, links: Links, curve: Curve, *, first_id: int = 1, threads: int = 0) -> Grouped:
    """Group the ``new`` faces only (bool[n]): they join a group or start one; all others keep ``before``.

    What was said binds here too: a must-link between two groups of before joins them.  The arguments are those of ``group``;
    ``near`` is of the groups that new faces are in, and of all where none is new.
    """
    order = np.argsort(faces.ids)
    sorted_ = _taken(faces, order)
    settled = np.where(new[order], NO_GROUP, sorted_.before)
    run = _Run(sorted_, links, settled, threshold_at(curve, len(order)), first_id, threads)
    return _back(order, run.some(new[order]))


def _taken(faces: Faces, rows: Ids) -> Faces:
    if (rows == np.arange(len(rows))).all():
        return faces  # half the memory
    return Faces(
        faces.ids[rows],
        faces.vectors[rows],
        faces.photos[rows],
        faces.quality[rows],
        faces.before[rows],
        faces.person[rows],
    )


def _back(order: Ids, found: Grouped) -> Grouped:
    """Bring the outcome into the order of the faces that were given."""
    labels, fit = np.empty_like(found.labels), np.empty_like(found.fit)
    labels[order], fit[order] = found.labels, found.fit
    return found._replace(labels=labels, fit=fit)


class _Run:
    """One run over faces that are sorted by id; the steps are those of the module's docstring.

    ``groups`` in here are int64[n]: a number for each face, -1 for one that waits.
    """

    def __init__(self, faces: Faces, links: Links, settled: Ids, threshold: float, first_id: int, threads: int) -> None:
        self._faces, self._first_id, self._threads = faces, first_id, threads
        self._whisper, self._most = threshold, _MERGED * threshold
        cannot, must = _rows(faces.ids, links.cannot), _rows(faces.ids, links.must)
        self._rules = Rules(faces.photos, faces.person, cannot, settled)
        self._atoms = tie(self._start(), must, self._rules)
        sound = np.isfinite(faces.vectors).all(axis=1)
        good = sound & (faces.quality >= POOR)
        bound = np.isin(self._atoms, self._atoms[must.ravel()]) | (faces.person >= 0) | (settled >= 0)
        self._firm = good | bound
        self._weighs = good | (bound & sound & ~np.isin(self._atoms, self._atoms[good]))
        self._poor = sound & ~self._firm

    def _start(self) -> Ids:
        """A number for each face: of its settled group, its person, or its own."""
        n = len(self._faces.ids)
        start = np.where(self._rules.settled >= 0, self._rules.settled, self._faces.person)
        return np.where(start >= 0, start + n, np.arange(n))

    def all(self) -> Grouped:
        rows = np.flatnonzero(self._weighs)
        vectors = self._faces.vectors if self._weighs.all() else self._faces.vectors[rows]
        a, b, far = neighbours.graph(vectors, _NEIGHBOURS, self._most, threads=self._threads)
        a, b = rows[a], rows[b]
        groups = self._whispered(np.where(self._firm, self._atoms, NO_GROUP), a, b, far)
        groups = self._merged(groups, a, b, rows)
        groups = self._merged(groups, rows[:0], rows[:0], rows)
        alone = self._alone(groups)
        asking, other = np.concatenate([a[alone[a]], b[alone[b]]]), np.concatenate([b[alone[a]], a[alone[b]]])
        groups = self._beside(groups, asking, other, np.concatenate([far[alone[a]], far[alone[b]]]))
        return self._finished(groups, rows)

    def some(self, new: Flags) -> Grouped:
        rows, mine = np.flatnonzero(self._weighs), np.flatnonzero(self._weighs & new)
        vectors = self._faces.vectors
        a, b, far = neighbours.between(vectors[mine], vectors[rows], _NEIGHBOURS, self._most, threads=self._threads)
        a, b = mine[a], rows[b]
        groups = self._merged(np.where(self._firm, self._atoms, NO_GROUP), a, b, mine)
        alone = self._alone(groups)[a]
        groups = self._beside(groups, a[alone], b[alone], far[alone])
        return self._finished(groups, mine if new.any() else rows)

    def _whispered(self, groups: Ids, a: Ids, b: Ids, far: Floats) -> Ids:
        """Join atoms by whispers; the groups that break a rule fall apart again."""
        near = (far < self._whisper) & (groups[a] != groups[b])
        weight = _FINE - (_FINE * (far[near] / self._most) ** 2).astype(np.int64)
        atoms = int(self._atoms.max(initial=-1)) + 1
        labels = whispers(atoms, groups[a[near]], groups[b[near]], weight)
        joined = np.where(groups >= 0, labels[self._atoms] + atoms, NO_GROUP)  # no label is an atom's number
        return np.where(np.isin(joined, broken(self._rules, joined, self._atoms)), groups, joined)

    def _merged(self, groups: Ids, a: Ids, b: Ids, moving: Ids) -> Ids:
        """Merge groups by average linkage; rows ``a`` and ``b`` are near each other, ``moving`` are those it is about.

        Between groups of one face the neighbours of faces say all; larger ones are compared by their middles too.
        """
        groups, middle = self._middles(groups)
        large = middle.counts > 1
        asking = np.unique(groups[moving])
        one, other = self._close(middle, asking[large[asking]], np.flatnonzero(large), self._most)
        pairs = np.concatenate([groups[a], one]), np.concatenate([groups[b], other])
        return merge(middle, groups, pairs, self._most, self._rules)

    def _alone(self, groups: Ids) -> Flags:
        """Which faces are in a group of one, and nobody's and of no group before."""
        counts = np.bincount(groups[groups >= 0], minlength=1)
        alone: Flags = (groups >= 0) & (counts[groups] == 1) & (self._faces.person < 0) & (self._rules.settled < 0)
        return alone

    def _beside(self, groups: Ids, asking: Ids, other: Ids, far: Floats) -> Ids:
        """Let faces that are alone, ``asking``, join the group of which ``_BESIDE`` are near; ``far`` from each ``other``."""
        company = ~self._alone(groups)[other]
        row, goal, far = asking[company], groups[other[company]], far[company]
        order = np.lexsort((far, goal, row))
        row, goal, far = row[order], goal[order], far[order]
        begins = np.flatnonzero((np.diff(row, prepend=-1) != 0) | (np.diff(goal, prepend=-1) != 0))
        enough = begins[np.diff(begins, append=len(row)) >= _BESIDE]
        mean = far[enough[:, None] + np.arange(_BESIDE)].mean(axis=1)
        row, goal = row[enough], goal[enough]
        order = np.lexsort((goal, row, mean))
        waiting = groups.copy()
        waiting[row] = NO_GROUP
        joined = self._joined(waiting, row[order], goal[order])
        return np.where(joined == NO_GROUP, groups, joined)

    def _middles(self, groups: Ids) -> tuple[Ids, Middles]:
        """Number the groups from 0, and return them with their middles."""
        numbers, inverse = np.unique(groups, return_inverse=True)
        groups = inverse - int(np.isin(NO_GROUP, numbers))
        weighed = np.where(self._weighs, groups, NO_GROUP)
        return groups, middles(self._faces.vectors, weighed, int(groups.max(initial=-1)) + 1)

    def _close(self, middle: Middles, asking: Ids, among: Ids, most: float) -> tuple[Ids, Ids]:
        """Return pairs of groups nearer than ``most``: of each of ``asking`` some of the nearest ``among`` others."""
        asked, places = _questions(middle, asking), _places(middle, among)
        a, b, _ = neighbours.between(asked, places, _MIDDLES + 1, most, threads=self._threads)
        return asking[a], among[b]

    def _finished(self, groups: Ids, moving: Ids) -> Grouped:
        groups, middle = self._middles(groups)
        groups = self._with_poor(groups, middle)
        names, next_id = self._names(groups)
        near, distance = self._questionable(groups, middle, moving)
        pairs = np.sort(names[near], axis=1)
        labels = np.where(groups >= 0, names[groups], NO_GROUP) if len(names) else groups
        return Grouped(labels, self._fit(groups, middle), pairs, distance, self._most, next_id)

    def _with_poor(self, groups: Ids, middle: Middles) -> Ids:
        """Let poor faces join: each the nearest group below the threshold that no rule forbids, the nearest face first.

        A poor face is near every blurred thing, so a group of one or two faces is no place for it, unless it has a name.
        """
        rows = np.flatnonzero(self._poor)
        firm = middle.counts >= _BESIDE
        firm[groups[(self._faces.person >= 0) & (groups >= 0)]] = True
        among = np.flatnonzero(firm)
        places = _places(middle, among)
        asking = np.pad(self._faces.vectors[rows], ((0, 0), (0, 1)))
        a, b, far = neighbours.between(asking, places, _MIDDLES, self._most, threads=self._threads)
        row, goal = rows[a], among[b]
        order = np.lexsort((goal, row, far))
        return self._joined(groups, row[order], goal[order])

    def _joined(self, groups: Ids, row: Ids, goal: Ids) -> Ids:
        """Let faces in no group join: each ``row`` the first ``goal`` of its own that no rule forbids."""
        while len(row):
            groups, row, goal = self._join(groups, row, goal)
        return groups

    def _join(self, groups: Ids, row: Ids, goal: Ids) -> tuple[Ids, Ids, Ids]:
        """Let each face try its first goal; return the new groups, and the tries that are left."""
        _, first = np.unique(row, return_index=True)
        first = np.sort(first)
        ours, their = row[first], goal[first]
        _, alone = np.unique(np.stack([their, self._faces.photos[ours]]), axis=1, return_index=True)
        alone.sort()
        tried = groups.copy()
        own = int(groups.max(initial=-1)) + 1 + np.arange(len(alone))
        tried[ours[alone]] = own
        bad = forbidden(self._rules, tried, own, their[alone])
        joins = groups.copy()
        joins[ours[alone][~bad]] = their[alone][~bad]
        joins = self._without_foes(groups, joins)
        left = np.ones(len(row), np.bool_)
        left[first] = False
        left &= joins[row] == NO_GROUP
        return joins, row[left], goal[left]

    def _without_foes(self, groups: Ids, joins: Ids) -> Ids:
        """Take back who joined together with one that it cannot be with: both came in the same moment."""
        pairs = self._rules.cannot
        both = (joins[pairs[:, 0]] == joins[pairs[:, 1]]) & (joins[pairs[:, 0]] >= 0)
        late = np.where(groups[pairs[both, 1]] < 0, pairs[both, 1], pairs[both, 0])
        joins[late] = groups[late]
        return joins

    def _names(self, groups: Ids) -> tuple[Ids, int]:
        """Return the id of each group, and the next free one."""
        person, before = self._faces.person, np.where(self._faces.person >= 0, NO_GROUP, self._faces.before)
        free = max(self._first_id, int(person.max(initial=-1)) + 1, int(self._faces.before.max(initial=-1)) + 1)
        names = np.full(int(groups.max(initial=-1)) + 1, NO_GROUP)
        sure = (person >= 0) & (groups >= 0)
        names[groups[sure]] = person[sure]
        known = (before >= 0) & (groups >= 0) & ~np.isin(before, person[person >= 0])
        _inherit(names, groups[known], before[known])
        fresh = np.flatnonzero(names == NO_GROUP)
        names[fresh] = free + np.arange(len(fresh))
        return names, free + len(fresh)

    def _questionable(self, groups: Ids, middle: Middles, moving: Ids) -> tuple[Ids, Floats]:
        """Return the pairs of groups that are a little too far from each other, nearest first, and how far."""
        most = _WIDE * self._most
        asking = np.unique(groups[moving])
        asking = asking[middle.counts[asking] > 1]
        one, other = self._close(middle, asking, np.flatnonzero(middle.counts), most)
        pairs = np.unique(np.sort(np.stack([one, other], axis=1), axis=1), axis=0)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        far = np.sqrt(middle.squares(pairs[:, 0], pairs[:, 1]))
        order = np.argsort(far, kind="stable")[: 2 * _NEAR_MOST]
        pairs, far = pairs[order], far[order]
        may = (far < most) & ~forbidden(self._rules._replace(settled=self._rules.settled * 0 - 1), groups, *pairs.T)
        return pairs[may][:_NEAR_MOST], far[may][:_NEAR_MOST].astype(np.float32)

    def _fit(self, groups: Ids, middle: Middles) -> Floats:
        """How far each face is from its group."""
        fit = np.zeros(len(groups), np.float32)
        rows = np.flatnonzero((groups >= 0) & (self._weighs | self._poor))
        for at in range(0, len(rows), _CHUNK):
            part = rows[at : at + _CHUNK]
            mine = groups[part]
            apart = self._faces.vectors[part] - middle.means[mine]
            fit[part] = np.sqrt(np.einsum("nd,nd->n", apart, apart) + middle.spreads[mine])
        return fit


def _rows(ids: Ids, pairs: Ids) -> Ids:
    """Return the rows of pairs of ids, those left out that are not there; ``ids`` are ascending."""
    pairs = pairs.reshape(-1, 2)
    if not len(ids):
        return np.empty((0, 2), np.int64)
    rows: Ids = np.minimum(np.searchsorted(ids, pairs), len(ids) - 1)
    known: Ids = rows[(ids[rows] == pairs).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]
    return known


def _questions(middle: Middles, groups: Ids) -> Floats:
    return np.pad(middle.means[groups], ((0, 0), (0, 1)))


def _places(middle: Middles, groups: Ids) -> Floats:
    """Return points whose distance to a vector (padded by 0) is its distance to the group."""
    spreads = np.sqrt(np.where(middle.counts[groups] > 0, SPREAD * middle.spreads[groups], _FAR))
    return np.concatenate([middle.means[groups], spreads[:, None].astype(np.float32)], axis=1)


def _inherit(names: Ids, groups: Ids, before: Ids) -> None:
    """Give groups without a name the id that most of their faces had, each id once, in place."""
    pairs, counts = np.unique(np.stack([groups, before], axis=1), axis=0, return_counts=True)
    used: set[int] = set()
    for at in np.lexsort((pairs[:, 0], pairs[:, 1], -counts)):
        number, wanted = pairs[at].tolist()
        if names[number] == NO_GROUP and wanted not in used:
            names[number] = wanted
            used.add(wanted)
