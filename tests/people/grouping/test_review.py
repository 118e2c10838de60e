"""The questions that settle most come first, and none comes twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from photovault.people.grouping.grouping import Faces, Grouped, group
from photovault.people.grouping.review import Question, questions
from tests.people.crowd import CURVE, links, of


def world(*groups: tuple[float, float, int]) -> tuple[Faces, Grouped]:
    """Faces of groups (x, y, how many) in a plane, as they are grouped."""
    vectors = np.array([spot for *spot, count in groups for _ in range(count)]).reshape(-1, 2)
    faces = of(np.pad(vectors, ((0, 0), (0, 126))))
    return faces, group(faces, links(), CURVE)


def ask(
    faces: Faces, grouped: Grouped, limit: int = 9, people: dict[int, str] | None = None, **said: Any
) -> list[Question]:
    asked = said.pop("asked", ())
    return questions(faces, grouped, links(**said), people or {}, limit, asked=asked)


PAIRS = ((0, 0, 20), (0.6, 0, 15), (9, 0, 20), (9.7, 0, 15), (30, 0, 2), (30.6, 0, 2))
"""Groups 1 to 6: two large ones near the threshold, two large ones farther off, two small ones near the threshold."""


def test_large_groups_near_the_threshold_come_first() -> None:
    found = ask(*world(*PAIRS))
    assert [(one.kind, one.group, one.other) for one in found] == [("groups", 1, 2), ("groups", 5, 6), ("groups", 3, 4)]
    assert found[0].gain > 5 * found[2].gain


def test_a_question_shows_a_face_of_either_side() -> None:
    faces, grouped = world(*PAIRS)
    for one in ask(faces, grouped):
        label = dict(zip(faces.ids.tolist(), grouped.labels.tolist(), strict=True))
        assert (label[one.against], label[one.face]) == (one.group, one.other)


def test_the_group_with_a_name_is_asked_about_the_other() -> None:
    first = ask(*world(*PAIRS), people={2: "Ada"})[0]
    assert (first.group, first.other) == (2, 1)


def test_two_named_people_are_no_question() -> None:
    found = ask(*world(*PAIRS), people={1: "Ada", 2: "Eve"})
    assert [(one.group, one.other) for one in found] == [(5, 6), (3, 4)]


def test_an_answer_or_a_skip_ends_a_question() -> None:
    faces, grouped = world(*PAIRS)
    first = ask(faces, grouped)[0]
    pair = (first.against, first.face)
    assert first not in ask(faces, grouped, cannot=[pair])
    assert {(1, 2)}.isdisjoint((one.group, one.other) for one in ask(faces, grouped, cannot=[(101, 121)]))
    assert {(1, 2)}.isdisjoint((one.group, one.other) for one in ask(faces, grouped, asked=[pair]))


def test_a_face_that_hardly_fits_is_asked_about_until_it_is_answered() -> None:
    faces, _ = world((0, 0, 10), (0.63, 0, 1))
    grouped = Grouped(
        np.ones(11, np.int64),
        np.where(np.arange(11) == 10, 0.63, 0.1).astype(np.float32),
        np.empty((0, 2), np.int64),
        np.empty(0, np.float32),
        0.58,
        2,
    )
    (found,) = ask(faces, grouped, people={1: "Ada"})
    assert (found.kind, found.group, found.other, found.face) == ("face", 1, -1, 110)
    assert found.against in range(100, 110)
    assert ask(faces, grouped, must=[(found.against, 110)]) == []
    assert ask(faces, grouped, asked=[(found.against, 110)]) == []
    assert ask(faces._replace(person=np.where(np.arange(11) == 10, 1, -1)), grouped) == []


def test_no_more_than_are_wanted() -> None:
    assert [len(ask(*world(*PAIRS), limit=limit)) for limit in (0, 1, 2)] == [0, 1, 2]
    assert ask(*world()) == []


def test_answering_everything_ends_the_review() -> None:
    rng = np.random.default_rng(3)
    faces = of(np.pad(rng.normal(size=(60, 3)) * 0.5, ((0, 0), (0, 125))))
    must: list[tuple[int, int]] = []
    cannot: list[tuple[int, int]] = []
    seen: set[tuple[str, frozenset[int]]] = set()
    for _ in range(300):
        grouped = group(faces, links(must, cannot), CURVE)
        found = ask(faces, grouped, limit=1, must=must, cannot=cannot)
        if not found:
            break
        pair = (found[0].against, found[0].face)
        assert (found[0].kind, frozenset(pair)) not in seen
        seen.add((found[0].kind, frozenset(pair)))
        (must if found[0].distance < 0.6 else cannot).append(pair)
    assert not found
    assert seen
