"""What must not be one person, and what must: the rules that grouping keeps whatever the vectors say.

Two faces of one photo are two people, unless somebody said that they are one; a cannot-link holds for all that is tied to
either face; two confirmed persons are two.  ``tie`` makes the start: faces confirmed as one person, and must-links in the
order given, as far as they do not join what a rule with people's words behind it (a cannot-link, two names) keeps apart.

Guarantee: groups that are made only by ``tie`` and by joins that ``forbidden`` does not name keep every rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_NOBODY = -1


class Rules(NamedTuple):
    """What is known of n faces by row.

    Attributes:
        photos: int64[n], the photo of each.
        person: int64[n], the confirmed person, -1 for none.
        cannot: int64[k, 2], rows of pairs that are two people.
        settled: int64[n], groups that must not become one by themselves, -1 for none; when faces are added.
    """

    photos: Ids
    person: Ids
    cannot: Ids
    settled: Ids


def tie(start: Ids, must: Ids, rules: Rules) -> Ids:
    """Return an atom's number for each row: 0 to m - 1, in the order of their first rows.

    Args:
        start: int64[n], rows with the same number are tied already.
        must: int64[m, 2], rows that were said to be one person.
        rules: those of words bind here: cannot-links and persons.
    """
    _, atoms = np.unique(start, return_inverse=True)
    if len(must):
        atoms = _Ties(atoms, rules).all(must)[atoms]
    _, first, inverse = np.unique(atoms, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


class _Ties:
    """A union-find over atoms, of which some are enemies."""

    def __init__(self, atoms: Ids, rules: Rules) -> None:
        self._atoms = atoms
        self._above = list(range(int(atoms.max(initial=-1)) + 1))
        self._person = {int(atoms[row]): int(rules.person[row]) for row in np.flatnonzero(rules.person != _NOBODY)}
        self._enemies: dict[int, set[int]] = {}
        for one, other in atoms[rules.cannot].tolist():
            if one != other:  # else two faces that were confirmed as one person: the stronger word
                self._enemies.setdefault(one, set()).add(other)
                self._enemies.setdefault(other, set()).add(one)

    def all(self, must: Ids) -> Ids:
        for one, other in self._atoms[must].tolist():
            self._tie(self._top(one), self._top(other))
        return np.array([self._top(atom) for atom in range(len(self._above))], np.int64)

    def _tie(self, one: int, other: int) -> None:
        if one == other or other in self._enemies.get(one, ()) or self._two_persons(one, other):
            return
        self._above[other] = one
        if other in self._person:
            self._person[one] = self._person[other]
        for enemy in self._enemies.pop(other, set()):
            self._enemies[enemy].discard(other)
            self._enemies[enemy].add(one)
            self._enemies.setdefault(one, set()).add(enemy)

    def _two_persons(self, one: int, other: int) -> bool:
        return self._person.get(one, _NOBODY) != self._person.get(other, self._person.get(one, _NOBODY)) and (
            one in self._person
        )

    def _top(self, atom: int) -> int:
        while self._above[atom] != atom:
            self._above[atom] = self._above[self._above[atom]]
            atom = self._above[atom]
        return atom


def forbidden(rules: Rules, groups: Ids, one: Ids, other: Ids) -> Flags:
    """Return bool[p]: which pairs of different groups must not become one.

    Args:
        rules: of all rows.
        groups: int64[n], the group of each row, 0 upwards; -1 for a row that takes no part.
        one: int64[p], a group of each pair.
        other: int64[p], the other one.
    """
    if not len(one):
        return np.zeros(0, np.bool_)
    return (
        _differ(rules.person, groups, one, other)
        | _differ(rules.settled, groups, one, other)
        | _said(rules.cannot, groups, one, other)
        | _seen_together(rules.photos, groups, one, other)
    )


def broken(rules: Rules, groups: Ids, atoms: Ids) -> Ids:
    """Return the groups, made of atoms, in which two atoms break a rule."""
    many = [_mixed(rules.person, groups), _mixed(rules.settled, groups)]
    pairs = groups[rules.cannot]
    many.append(pairs[(pairs[:, 0] == pairs[:, 1]) & (pairs[:, 0] >= 0), 0])
    rows = np.flatnonzero((groups >= 0) & _in_company(rules.photos))
    order = rows[np.lexsort((atoms[rows], rules.photos[rows], groups[rows]))]
    same = (np.diff(groups[order]) == 0) & (np.diff(rules.photos[order]) == 0) & (np.diff(atoms[order]) != 0)
    many.append(groups[order[1:][same]])
    return np.unique(np.concatenate(many))


def _mixed(marks: Ids, groups: Ids) -> Ids:
    rows = np.flatnonzero((marks != _NOBODY) & (groups >= 0))
    rows = rows[np.lexsort((marks[rows], groups[rows]))]
    found: Ids = groups[rows[1:][(np.diff(groups[rows]) == 0) & (np.diff(marks[rows]) != 0)]]
    return found


def _differ(marks: Ids, groups: Ids, one: Ids, other: Ids) -> Flags:
    mark = np.full(max(int(groups.max(initial=0)), int(one.max()), int(other.max())) + 1, _NOBODY)
    rows = np.flatnonzero((marks != _NOBODY) & (groups >= 0))
    mark[groups[rows]] = marks[rows]
    differ: Flags = (mark[one] != _NOBODY) & (mark[other] != _NOBODY) & (mark[one] != mark[other])
    return differ


def _said(cannot: Ids, groups: Ids, one: Ids, other: Ids) -> Flags:
    pairs = groups[cannot]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    width = max(int(groups.max(initial=0)), int(one.max()), int(other.max())) + 1
    keys = np.minimum(pairs[:, 0], pairs[:, 1]) * width + np.maximum(pairs[:, 0], pairs[:, 1])
    return np.isin(np.minimum(one, other) * width + np.maximum(one, other), keys)


def _in_company(photos: Ids) -> Flags:
    _, inverse, counts = np.unique(photos, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def _seen_together(photos: Ids, groups: Ids, one: Ids, other: Ids) -> Flags:
    """Whether a photo has a face of either."""
    rows = np.flatnonzero((groups >= 0) & _in_company(photos))
    rows = rows[np.argsort(groups[rows], kind="stable")]
    left, right = _photos_of(photos, groups, rows, one), _photos_of(photos, groups, rows, other)
    found = np.zeros(len(one), np.bool_)
    found[np.intersect1d(left, right) // (int(photos.max(initial=0)) + 1)] = True
    return found


def _photos_of(photos: Ids, groups: Ids, rows: Ids, asked: Ids) -> Ids:
    """Return pair * (the largest photo + 1) + photo, each once, for the photos of the group of each pair."""
    begin, end = np.searchsorted(groups[rows], asked), np.searchsorted(groups[rows], asked, side="right")
    pair = np.repeat(np.arange(len(asked)), end - begin)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
    return np.unique(pair * (int(photos.max(initial=0)) + 1) + photos[rows[begin[pair] + within]])
