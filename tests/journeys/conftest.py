"""Figures of the crash proofs: what each test tried, summed up at the end by tests/conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.crashes import Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Iterator[Figures]:
    """Counts what a test tries; that travels with its report, also from a process of pytest-xdist."""
    made = Figures()
    yield made
    for name, count in made.count.items():
        record_property(name, count)
