"""Faces of one person come together, what was said binds, and names and numbers stay where they are."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.people.grouping import grouping
from photovault.people.grouping.grouping import NO_GROUP, Faces, Grouped, add, group, no_links, threshold_at
from photovault.people.values import Curve
from tests.people.crowd import CURVE, crowd, links, of, same

SIZES = (12, 7, 5, 3, 2, 1, 1, 1)


def grouped(faces: Faces, **said: Any) -> Grouped:
    return group(faces, links(**said), CURVE)


def permuted(faces: Faces, order: np.ndarray) -> Faces:
    return Faces(*(column[order] for column in faces))


def test_every_person_is_a_group() -> None:
    faces, whose = crowd(SIZES)
    found = grouped(faces)
    assert same(found.labels, whose)
    assert (found.labels.min(), found.next_id) == (1, 9)


def test_strangers_are_not_joined_in_a_crowd() -> None:
    faces, whose = crowd([20] * 30 + [1] * 400)
    labels = grouped(faces).labels
    mixed = [one for one in set(labels.tolist()) if len(set(whose[labels == one].tolist())) > 1]
    assert mixed == []
    assert len(set(labels.tolist())) <= 440


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("quality", [1.0, 0.1])
def test_few_faces(number: int, quality: float) -> None:
    faces, _ = crowd([1] * number)
    faces = faces._replace(quality=np.full(number, quality, np.float32))
    labels = grouped(faces).labels.tolist()
    assert labels == (list(range(1, number + 1)) if quality == 1 else [NO_GROUP] * number)
    assert add(faces, np.ones(number, np.bool_), no_links(), CURVE).labels.tolist() == labels


def test_two_faces_of_one_photo_are_two_people() -> None:
    twins = of(np.zeros((6, 128)))._replace(photos=np.array([0, 0, 1, 1, 2, 3]))
    labels = grouped(twins).labels
    assert labels[0] != labels[1]
    assert labels[2] != labels[3]
    assert len(set(labels.tolist())) == 2
    assert len(set(grouped(twins, must=[(100, 101)]).labels[:2].tolist())) == 1  # a mirror, somebody said


def beside(near: int) -> Faces:
    """Ten faces that are alike, some of the same person at .4, and one at .96: near to those, far from the middle."""
    vectors = np.zeros((11 + near, 128))
    vectors[10:, 0] = [0.4] * near + [0.96]
    return of(vectors)


@pytest.mark.parametrize(("near", "joins"), [(2, False), (3, True)])
def test_who_is_near_to_three_of_a_group_is_one_of_them(near: int, joins: bool) -> None:
    faces = beside(near)
    first = grouped(faces)
    assert len(set(first.labels[:-1].tolist())) == 1
    assert (first.labels[-1] == first.labels[0]) == joins
    new = faces.ids == faces.ids[-1]
    added = add(faces._replace(before=np.where(new, -1, first.labels)), new, no_links(), CURVE)
    assert added.labels[:-1].tolist() == first.labels[:-1].tolist()
    assert (added.labels[-1] == first.labels[0]) == joins


def test_who_is_near_to_three_of_a_group_keeps_the_rules() -> None:
    faces = beside(3)
    last = len(faces.ids) - 1
    together = faces._replace(photos=np.array([*range(last), 0]))
    assert grouped(together).labels[last] != grouped(together).labels[0]
    assert grouped(faces, cannot=[(100, 100 + last)]).labels[last] != 1
    named = faces._replace(person=np.where(np.arange(last + 1) == last, 50, -1))
    assert grouped(named).labels[last] == 50
    assert (grouped(named).labels[:last] != 50).all()


def test_poor_faces_join_and_start_nothing() -> None:
    faces, whose = crowd([6, 3, 3])
    quality = np.where((whose == 2) | (np.arange(12) == 5), 0.1, 1).astype(np.float32)
    found = grouped(faces._replace(quality=quality))
    assert found.labels[5] == found.labels[0]
    assert set(found.labels[whose == 2].tolist()) == {NO_GROUP}
    assert found.fit[5] > 0


@pytest.mark.parametrize(
    ("good", "named", "joins"), [(1, False, False), (2, False, False), (3, False, True), (1, True, True)]
)
def test_poor_faces_join_no_group_of_one_or_two_unless_it_has_a_name(good: int, named: bool, joins: bool) -> None:
    faces, _ = crowd([good + 1])
    quality = np.where(np.arange(good + 1) == good, 0.1, 1).astype(np.float32)
    person = np.where((np.arange(good + 1) == 0) & named, 7, -1)
    labels = grouped(faces._replace(quality=quality, person=person)).labels
    assert labels[0] != NO_GROUP
    assert labels[good] == (labels[0] if joins else NO_GROUP)


def test_poor_faces_keep_the_rules_too() -> None:
    faces, _ = crowd([8])
    poor = np.where(np.arange(8) >= 5, 0.1, 1).astype(np.float32)
    together = faces._replace(quality=poor, photos=np.array([0, 1, 2, 3, 4, 4, 5, 5]))
    labels = grouped(together, cannot=[(100, 107)]).labels
    assert labels[5] == NO_GROUP  # in one photo with a good face of the group
    assert (labels[6], labels[7]) == (labels[0], NO_GROUP)


def test_two_named_people_never_become_one() -> None:
    faces = of(np.zeros((8, 128)))
    person = np.array([5, 5, -1, -1, 9, -1, -1, -1])
    labels = grouped(faces._replace(person=person)).labels
    assert (labels[0], labels[1], labels[4]) == (5, 5, 9)
    assert set(labels.tolist()) <= {5, 9}


def test_groups_keep_their_ids() -> None:
    faces, _ = crowd(SIZES)
    first = grouped(faces)
    before = first.labels + 40
    again = group(faces._replace(before=before), no_links(), CURVE)
    assert again.labels.tolist() == before.tolist()
    more, whom = crowd([*SIZES, 4])
    grown = more._replace(before=np.concatenate([before, [-1] * 4]), ids=np.arange(36) + 100)
    labels = group(grown, no_links(), CURVE, first_id=77).labels
    assert same(labels, whom)
    assert set(labels[whom == len(SIZES)].tolist()) == {77}


def test_a_group_that_fell_apart_leaves_its_id_to_the_larger_part() -> None:
    faces, whose = crowd([6, 4])
    labels = group(faces._replace(before=np.full(10, 3)), no_links(), CURVE).labels
    assert set(labels[whose == 0].tolist()) == {3}
    assert set(labels[whose == 1].tolist()) == {4}


def test_an_id_of_a_person_goes_to_nobody_else() -> None:
    faces, _ = crowd([6, 4])
    person = np.array([-1] * 6 + [3] + [-1] * 3)
    labels = group(faces._replace(before=np.full(10, 3), person=person), no_links(), CURVE).labels
    assert labels.tolist() == [4] * 6 + [3] * 4


def test_added_faces_join_and_start_groups_while_others_stay() -> None:
    faces, whose = crowd([8, 6, 5, 3, 1])
    new = np.isin(np.arange(23), [1, 9, 15, 19, 20, 21, 22])
    before = np.where(new, -1, (whose + 1) * 10)
    before[2] = 20  # a mistake of before stays
    labels = add(faces._replace(before=before), new, no_links(), CURVE).labels
    assert labels[~new].tolist() == before[~new].tolist()
    assert labels[new].tolist() == [10, 20, 30, 31, 31, 31, 32]


def test_added_faces_do_not_join_two_groups_of_before() -> None:
    faces = of(np.zeros((6, 128)))
    before = np.array([1, 1, 1, 2, 2, -1])
    labels = add(faces._replace(before=before), before < 0, no_links(), CURVE).labels
    assert labels[:5].tolist() == before[:5].tolist()
    assert labels[5] in {1, 2}
    tied = add(faces._replace(before=before), before < 0, links([(100, 103)]), CURVE).labels
    assert len(set(tied.tolist())) == 1


def test_vectors_that_are_no_numbers_join_nothing() -> None:
    faces, _ = crowd([5, 5])
    faces.vectors[3] = np.nan
    faces.vectors[7] = np.inf
    person = np.array([-1] * 7 + [6] + [-1] * 2)
    labels = grouped(faces._replace(person=person)).labels
    assert (labels[3], labels[7]) == (NO_GROUP, 6)
    assert len(set(labels[[0, 1, 2, 4]].tolist())) == 1


def test_the_threshold_tightens_with_the_library() -> None:
    assert [threshold_at(CURVE, n) for n in (0, 1, 300, 2_000, 10**9)] == [0.53, 0.53, 0.53, 0.45, 0.415]
    assert 0.46 < threshold_at(CURVE, 1_000) < 0.51
    assert threshold_at(Curve(((1, 0.3),)), 50) == 0.3


def test_the_same_vectors_are_nearer_in_a_smaller_library() -> None:
    pair = np.zeros((2, 128))
    pair[1, 0] = 0.5
    crowded = np.concatenate([pair, 3 * np.random.default_rng(1).normal(size=(3_000, 128))])
    assert len(set(grouped(of(pair)).labels.tolist())) == 1
    assert len(set(grouped(of(crowded)).labels[:2].tolist())) == 2


def test_pairs_that_nearly_became_one_are_told() -> None:
    vectors = np.zeros((8, 128))
    vectors[4:, 0] = 0.62  # above 1.1 * .53
    found = grouped(of(vectors))
    assert found.near.tolist() == [[1, 2]]
    assert found.distance.tolist() == pytest.approx([0.62])
    assert found.threshold == pytest.approx(1.1 * 0.53)
    assert grouped(of(vectors), cannot=[(100, 105)]).near.tolist() == []


def test_a_large_library_goes_through_cells_and_comes_out_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    faces, _ = crowd([10] * 100 + [1] * 200)
    exact = grouped(faces).labels
    monkeypatch.setattr(grouping.neighbours, "EXACT_MOST", 100)
    assert same(grouped(faces).labels, exact)


# Whatever the vectors are: a few points, many of them the same, so that everything is near everything.

ROWS = 12
persons = st.lists(st.sampled_from([-1, -1, -1, 50, 51]), min_size=ROWS, max_size=ROWS)
pairs = st.lists(st.tuples(st.integers(100, 99 + ROWS), st.integers(100, 99 + ROWS)), max_size=6)


@st.composite
def worlds(draw: st.DrawFn) -> Faces:
    spots = draw(st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.7, 3.0]), min_size=ROWS, max_size=ROWS))
    vectors = np.zeros((ROWS, 4))
    vectors[:, 0] = spots
    column = st.lists(st.integers(0, 5), min_size=ROWS, max_size=ROWS)
    quality = np.array(draw(st.lists(st.sampled_from([0.1, 0.9, 0.9]), min_size=ROWS, max_size=ROWS)), np.float32)
    before = np.array(draw(column)) - 1
    return of(vectors)._replace(
        photos=np.array(draw(column)), quality=quality, before=before, person=np.array(draw(persons))
    )


def rules_hold(faces: Faces, found: Grouped, tied: set[frozenset[int]], cannot: list[tuple[int, int]]) -> None:
    label = dict(zip(faces.ids.tolist(), found.labels.tolist(), strict=True))
    photo = dict(zip(faces.ids.tolist(), faces.photos.tolist(), strict=True))
    person = dict(zip(faces.ids.tolist(), faces.person.tolist(), strict=True))
    assert all(label[one] == person[one] for one in label if person[one] >= 0)
    for one, other in combinations(label, 2):
        if label[one] == label[other] != NO_GROUP:
            assert photo[one] != photo[other] or any({one, other} <= them for them in tied)
            assert person[one] < 0 or person[other] < 0 or person[one] == person[other]
    for one, other in cannot:
        mine = person[one] >= 0 and person[one] == person[other]  # named alike by hand: that is the stronger word
        assert one == other or mine or label[one] != label[other] or label[one] == NO_GROUP


def ties(faces: Faces, must: list[tuple[int, int]]) -> set[frozenset[int]]:
    """The sets that are tied by words at the most: those of one person, and what must-links join."""
    sets = [set(faces.ids[faces.person == one].tolist()) for one in (50, 51)] + [set(pair) for pair in must]
    joined: list[set[int]] = []
    for one in sets:
        touching = [them for them in joined if them & one]
        joined = [them for them in joined if not them & one] + [one.union(*touching)]
    return {frozenset(them) for them in joined}


@settings(max_examples=80, deadline=None)
@given(worlds(), pairs, pairs)
def test_the_rules_hold_whatever_comes(
    faces: Faces, must: list[tuple[int, int]], cannot: list[tuple[int, int]]
) -> None:
    rules_hold(faces, grouped(faces, must=must, cannot=cannot), ties(faces, must), cannot)


@settings(max_examples=40, deadline=None)
@given(worlds(), pairs)
def test_must_links_hold(faces: Faces, must: list[tuple[int, int]]) -> None:
    labels = grouped(faces._replace(person=np.full(ROWS, -1)), must=must).labels
    for one, other in must:
        assert one == other or labels[one - 100] == labels[other - 100] != NO_GROUP


@settings(max_examples=40, deadline=None)
@given(worlds(), pairs, pairs, st.permutations(range(ROWS)))
def test_the_order_of_the_faces_does_not_matter(
    faces: Faces, must: list[tuple[int, int]], cannot: list[tuple[int, int]], order: list[int]
) -> None:
    one = grouped(faces, must=must, cannot=cannot)
    other = grouped(permuted(faces, np.array(order)), must=must, cannot=cannot)
    assert other.labels.tolist() == one.labels[order].tolist()
    assert other.fit.tolist() == one.fit[order].tolist()
    assert (other.near.tolist(), other.next_id) == (one.near.tolist(), one.next_id)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.lists(st.booleans(), min_size=ROWS, max_size=ROWS), pairs)
def test_adding_moves_only_what_is_new(faces: Faces, new: list[bool], cannot: list[tuple[int, int]]) -> None:
    fresh = np.array(new)
    nobody = np.full(ROWS, -1)
    at_first = faces._replace(before=nobody, person=nobody)
    before = np.where(fresh, -1, grouped(at_first, cannot=cannot).labels)
    after = add(at_first._replace(before=before), fresh, links(cannot=cannot), CURVE)
    stayed = ~fresh & (before >= 0)
    assert after.labels[stayed].tolist() == before[stayed].tolist()
    rules_hold(at_first, after, set(), cannot)
