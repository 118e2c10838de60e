"""From the store to groups and back: what a scan ends with.

Few new faces join the groups that are there (``grouping.add``), many make all groups anew (``grouping.group``), which
keep their numbers as far as their faces do.  Then what was decided is put on top, whatever the grouping said: a confirmed face is
its person; a face that was denied a person is not in that group; of two that are two people and landed in one group, the
poorer one that nobody confirmed leaves it.

Guarantee: no confirmed name is ever lost here, and no two people who were confirmed become one.  Memory: the arrays of
``arrays.load`` and what the grouping takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from photovault.people.grouping import grouping, review
from photovault.people.shown import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from photovault.people.grouping.grouping import Faces, Links
    from photovault.people.store.store import Store
    from photovault.people.values import Curve

    Ids = NDArray[np.int64]

_LAST_FULL: Final = "faces when all were grouped"
FEW: Final = 0.05
"""Share of new faces up to which they only join; with more, all are grouped anew."""
_ALWAYS_FEW = 20  # faces
_GROWTH = 1.2  # since all were grouped
_STEEP = 8.0  # how fast it gets unlikely that two are one, as their distance passes the threshold
_STRICT = 0.8  # of the distance at which faces are one person, for splitting


class Regrouped(NamedTuple):
    """What became of the faces: how many there are, their groups, how many moved, whether all were grouped anew."""

    faces: int
    groups: int
    moved: int
    full: bool


def regroup(store: Store, curve: Curve, *, full: bool = False, threads: int = 0) -> Regrouped:
    """Group the faces of the store and keep the outcome there.

    Args:
        store: open for writing.
        curve: the engine's.
        full: group all anew, however few are new.
        threads: how many may work; 0 for as many as there are processors.

    Raises:
        RefusedError: no space.
    """
    faces = store.load_faces()
    count = len(faces.ids)
    new = np.isin(faces.ids, store.fresh())
    full = full or _is_much(new, store)
    if not count or not (full or new.any()):
        return Regrouped(count, _groups(faces.before), 0, full=False)
    links, first = store.links(), store.next_id()
    if full:
        labels = grouping.group(faces, links, curve, first_id=first, threads=threads).labels
    else:
        labels = grouping.add(faces, new, links, curve, first_id=first, threads=threads).labels
    labels = settled(faces, labels, links, store.denials(), first_id=first)
    with store.together():
        if full:
            store.remember(_LAST_FULL, str(count))
        return Regrouped(count, _groups(labels), store.assign(faces, labels), full=full)


def ask(store: Store, curve: Curve, limit: int) -> list[review.Question]:
    """The questions to ask now, the most useful first; nothing is changed."""
    faces = store.load_faces()
    links = store.links()
    none = np.zeros(len(faces.ids), np.bool_)
    grouped = grouping.add(faces, none, links, curve, first_id=store.next_id())
    return review.questions(faces, grouped, links, store.names(), limit, asked=store.skipped())


def shown_questions(store: Store, curve: Curve, limit: int) -> list[Question]:
    """As ``ask``, with what is needed to show them."""
    found = ask(store, curve, limit)
    near = grouping.threshold_at(curve, store.counts().faces)
    return [
        Question(
            id=f"f{one.face}-f{one.against}",
            left=store.side(one.face),
            right=store.side(one.against),
            likely=round(1 / (1 + float(np.exp(_STEEP * (one.distance / near - 1)))), 3),
        )
        for one in found
    ]


def strict_parts(store: Store, person: int, curve: Curve) -> list[list[int]]:
    """How a group falls apart when its faces must be more alike: the faces of each part but the largest.

    Faces that somebody confirmed one by one stay.
    """
    faces = store.load_faces()
    inside = np.flatnonzero((faces.before == person) | (faces.person == person))
    firm = np.isin(faces.ids[inside], store.confirmed_by_itself(person))
    part = _picked(faces, inside)._replace(before=np.full(len(inside), -1), person=np.where(firm, person, -1))
    stricter = curve._replace(points=((1, _STRICT * grouping.threshold_at(curve, len(faces.ids))),))
    labels = grouping.group(part, store.links(), stricter, first_id=store.next_id()).labels
    return _parts(part.ids, labels, person if firm.any() else None)


def _parts(ids: Ids, labels: Ids, stays: int | None) -> list[list[int]]:
    numbers, counts = np.unique(labels[labels >= 0], return_counts=True)
    if not len(numbers):
        return []
    largest = stays if stays is not None else int(numbers[counts.argmax()])
    return [ids[labels == number].tolist() for number in numbers.tolist() if number != largest]


def settled(faces: Faces, labels: Ids, links: Links, denials: Sequence[tuple[int, int]], *, first_id: int) -> Ids:
    """Labels that keep to what was decided; new groups take numbers from ``first_id``, or above all there are."""
    labels = np.where(faces.person >= 0, faces.person, labels)
    free = iter(range(max(first_id, int(labels.max(initial=0)) + 1), np.iinfo(np.int64).max))
    place = {face: at for at, face in enumerate(faces.ids.tolist())} if denials or len(links.cannot) else {}
    for face, person in denials:
        at = place.get(face)
        if at is not None and labels[at] == person and faces.person[at] < 0:
            labels[at] = next(free)
    for one, other in links.cannot.tolist():
        at = _leaves(faces, labels, place.get(one), place.get(other))
        if at is not None:
            labels[at] = next(free)
    return labels


def _leaves(faces: Faces, labels: Ids, one: int | None, other: int | None) -> int | None:
    """Which of two that are two people leaves their group: the poorer one, but nobody who was confirmed."""
    if one is None or other is None or labels[one] != labels[other] or labels[one] < 0:
        return None
    candidates = [at for at in (one, other) if faces.person[at] < 0]
    return min(candidates, key=lambda at: (faces.quality[at], -at)) if candidates else None


def _is_much(new: NDArray[np.bool_], store: Store) -> bool:
    """Whether many are new, or many few have come since all were grouped."""
    count, then = len(new), int(store.recall(_LAST_FULL) or 0)
    return int(new.sum()) > max(_ALWAYS_FEW, count * FEW) or count > max(then * _GROWTH, then + _ALWAYS_FEW)


def _picked(faces: Faces, rows: Ids) -> Faces:
    ids, vectors, photos, quality, before, person = faces
    return faces._replace(
        ids=ids[rows],
        vectors=vectors[rows],
        photos=photos[rows],
        quality=quality[rows],
        before=before[rows],
        person=person[rows],
    )


def _groups(labels: Ids) -> int:
    return len(np.unique(labels[labels >= 0]))
