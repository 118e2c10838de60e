"""The benchmark of faces runs without photos, measures what it says, and its scores are those of the papers."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def crowd() -> Iterator[Any]:
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("crowd")
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.slow
def test_it_groups_made_faces_well_and_says_what_it_took(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    words = ["--quick", "--sizes", "600", "--work", str(work), "--json", str(tmp_path / "raw.json")]
    done = subprocess.run([sys.executable, BENCH / "people.py", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {one["title"]: one for one in json.loads((tmp_path / "raw.json").read_text())["figures"]}
    ours = {name: row["value"] for name, row in rows.items() if "photovault" in name}
    assert len(ours) == 4
    assert min(ours.values()) > 0.8  # of few people a single mistake counts for much
    assert 0 < rows["600 faces: grouped"]["value"] < 60
    assert rows["600 faces: 60 more added"]["most"] == 10
    assert rows["600 faces: peak memory"]["value"] > 20
    assert "| 600 faces: F1 pairs |" in done.stdout
    assert list(work.iterdir()) == []


def test_a_folder_without_faces_is_said(tmp_path: Path) -> None:
    command = [sys.executable, BENCH / "people.py", "--faces", tmp_path, "--work", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no faces" in done.stderr


def test_the_scores_are_those_of_the_papers(crowd: Any) -> None:
    whose = np.array([1, 1, 1, 2, 2, 3])
    assert crowd.agreement(whose, whose) == (1, 1)
    one_group = crowd.agreement(np.zeros(6, np.int64), whose)
    assert one_group.pairwise == pytest.approx(2 * (4 / 15) / (1 + 4 / 15))
    assert one_group.bcubed == pytest.approx(2 * (14 / 36) / (1 + 14 / 36))
    alone = crowd.agreement(np.full(6, -1), whose)
    assert (alone.pairwise, alone.bcubed) == (0, pytest.approx(2 * 0.5 / 1.5))


def test_the_crowd_is_as_large_as_faces_in_the_wild(crowd: Any) -> None:
    sizes = crowd.wild_sizes()
    assert (len(sizes), sizes.max(), (sizes == 1).sum()) == (5749, 530, 4069)
    assert 12_500 < sizes.sum() < 14_000
    vectors, whose = crowd.made(sizes, 1)
    album = crowd.album(whose, 1)
    counts = np.bincount(whose[album])
    assert (np.count_nonzero(counts >= 8), np.count_nonzero(counts == 1)) == (65, 600)
    assert len(np.unique(album)) == len(album)
    assert vectors.shape == (sizes.sum(), 128)


def test_copies_are_other_people_with_the_same_distances(crowd: Any) -> None:
    vectors, whose = crowd.made(np.array([4, 3, 2]), 1)
    more, people = crowd.multiplied(vectors, whose, 27, 1)
    assert (len(more), sorted(np.bincount(people))) == (27, [2, 2, 2, 3, 3, 3, 4, 4, 4])
    inside = [np.linalg.norm(more[people == one][0] - more[people == one][1]) for one in range(9)]
    assert max(inside) < 0.7
