"""Figures of the crash proofs, summed up at the end by tests/conftest.py; and a device with a vault for the gallery's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.crashes import Figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.browser import Browser, Gallery, Home, Visit


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Iterator[Figures]:
    """Counts what a test tries; that travels with its report, also from a process of pytest-xdist."""
    made = Figures()
    yield made
    for name, count in made.count.items():
        record_property(name, count)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Photos and a vault of them, for all tests that only look."""
    from tests.support.browser import Home

    return Home(tmp_path_factory.mktemp("home")).grow()


@pytest.fixture(scope="module")  # Playwright runs an event loop in this thread, which other modules must not meet
def browser() -> Iterator[Browser]:
    """A real browser."""
    from tests.support.browser import Browser

    with Browser() as made:
        yield made


@pytest.fixture
def gallery(home: Home) -> Iterator[Gallery]:
    """The gallery of ``home``, open."""
    from tests.support.browser import Gallery

    with Gallery(home) as made:
        yield made


@pytest.fixture
def visit(browser: Browser, gallery: Gallery) -> Iterator[Visit]:
    """Pages of somebody who came by the link; at the end, what they asked for and what went wrong is looked at."""
    with browser.visit(gallery) as made:
        yield made
