"""What drives a browser is run by the second step of ``.ci/run``; a smoke of it, in tests/journeys, with every run."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, before anything is left out."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()) and "gallery" in item.path.parts:
            item.add_marker(pytest.mark.slow)
