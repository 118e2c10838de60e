"""The size attack must be able to find a leak: a program that shows sizes is told apart, one that does not is not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BENCH = Path(__file__).parents[2] / "bench"
SIZES = [Random(number).randrange(1_000_000, 8_000_000) for number in range(200)]


@pytest.fixture(scope="module")
def attack() -> Iterator[Any]:
    """The module, by the path that it is run from; the benchmark's modules leave no trace in this process."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("attack")
    sys.path.remove(str(BENCH))
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def outcome(attack: Any, shown: Callable[[int], int], seconds: Callable[[int], float]) -> Any:
    """An attack on a program that shows of a photo ``shown`` bytes in so many ``seconds``."""
    chance = Random(1)
    chosen = chance.sample(range(200), 100)

    def sight(number: int) -> Any:
        size = shown(SIZES[number])
        return attack.Sight(largest=size, total=size + 32_768, names=200, seconds=seconds(SIZES[number]))

    rehearsed = [sight(number) for number in range(200)]
    return attack.judged("it", [(number, sight(number)) for number in chosen], rehearsed, SIZES)


def test_a_program_that_shows_exact_sizes_is_told_apart(attack: Any) -> None:
    found = outcome(attack, lambda size: size + 64, lambda _: 0.0)
    assert (found.hits, found.is_no_better) == (100, False)


def test_sizes_rounded_to_10_kb_are_told_apart(attack: Any) -> None:
    assert not outcome(attack, lambda size: size // 10_000, lambda _: 0.0).is_no_better


def test_times_that_grow_with_the_photo_are_told_apart(attack: Any) -> None:
    assert not outcome(attack, attack.class_of, lambda size: size / 1e8).is_no_better


def test_size_classes_and_times_by_chance_tell_no_more_than_the_class(attack: Any) -> None:
    chance = Random(2)
    found = outcome(attack, attack.class_of, lambda _: chance.random())
    assert found.is_no_better
    assert found.expected == pytest.approx(sum(attack.shares(SIZES)[n] for n in Random(1).sample(range(200), 100)))


@pytest.mark.parametrize(("chances", "limit"), [([], 0), ([0.0] * 9, 0), ([1.0] * 9, 9), ([0.5, 0.5], 2), ([0.01], 0)])
def test_the_limit_is_what_guessing_stays_below_with_99_percent(attack: Any, chances: list[float], limit: int) -> None:
    assert attack.limit_of(chances, 0.99) == limit


def test_what_rclone_documents_of_its_sizes(attack: Any, tmp_path: Path) -> None:
    for size, sealed in ((1, 49), (65_536, 65_584), (65_537, 65_601), (1_000_000, 1_000_288)):
        (tmp_path / "photo").write_bytes(bytes(size))
        assert attack.documented(tmp_path / "photo").largest == sealed
