"""Neighbours are those that are near: all of them in a small library, nearly all in a large one, the same each time."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from photovault.people.grouping import neighbours
from photovault.people.grouping.neighbours import between, graph
from tests.people.crowd import crowd

RADIUS = 0.6


def all_near(vectors: np.ndarray, radius: float) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a, vector in enumerate(vectors)
        for b in np.flatnonzero(np.linalg.norm(vectors - vector, axis=1) < radius).tolist()
        if a < b
    }


def edges(vectors: np.ndarray, k: int, radius: float = RADIUS) -> dict[tuple[int, int], float]:
    found = graph(vectors, k, radius)
    return dict(zip(zip(found.a.tolist(), found.b.tolist(), strict=True), found.distances.tolist(), strict=True))


def test_all_that_are_near_are_found_each_once() -> None:
    vectors = crowd([9, 4, 2, 1, 1])[0].vectors
    found = edges(vectors, 16)
    assert set(found) == all_near(vectors, RADIUS)
    assert all(far == pytest.approx(np.linalg.norm(vectors[a] - vectors[b]), abs=1e-4) for (a, b), far in found.items())


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = crowd([9, 4, 2, 1, 1])[0].vectors
    whole = edges(vectors, 16)
    monkeypatch.setattr(neighbours, "_BLOCK", 40)
    assert set(edges(vectors, 16)) == set(whole)


def test_of_many_only_the_nearest_are_kept() -> None:
    line = np.arange(50, dtype=np.float32)[:, None] * 0.01
    found = between(line, line, 3, RADIUS)
    assert found.a.tolist() == sorted(found.a.tolist())
    assert {b for a, b in zip(found.a.tolist(), found.b.tolist(), strict=True) if a == 20} == {19, 20, 21}
    assert len(found.a) == 150
    assert len(graph(line, 2, RADIUS).a) <= 100


@pytest.mark.parametrize("number", [0, 1, 2])
def test_few(number: int) -> None:
    vectors = np.zeros((number, 8), np.float32)
    assert list(edges(vectors, 5)) == ([(0, 1)] if number == 2 else [])
    assert len(between(vectors, np.zeros((0, 8), np.float32), 5, RADIUS).a) == 0


def test_cells_find_nearly_all_and_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = crowd([12] * 60 + [1] * 80)[0].vectors
    exact = edges(vectors, 24)
    monkeypatch.setattr(neighbours, "EXACT_MOST", 100)
    found = edges(vectors, 24)
    assert found == edges(vectors, 24)
    assert len(set(found) & set(exact)) > 0.9 * len(exact)
    assert not set(found) - all_near(vectors, RADIUS + 1e-4)


def test_a_thousand_faces_that_are_all_the_same_cost_no_more_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "EXACT_MOST", 100)
    assert len(graph(np.ones((5_000, 16), np.float32), 10, RADIUS).a) <= 11 * 5_000


def test_without_faiss_every_pair_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = crowd([9, 4, 2, 1, 1])[0].vectors
    monkeypatch.setattr(neighbours, "EXACT_MOST", 3)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert set(edges(vectors, 16)) == all_near(vectors, RADIUS)
