"""An open target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["linux", "win32"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Give an open target: once with open folders, once with the paths that stand in for them on Windows."""
    with Target(tmp_path / "out", platform=request.param) as made:
        yield made
