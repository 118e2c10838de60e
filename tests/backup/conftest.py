"""A computer with a vault, and a list of what a backup read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from photovault.backup import jobs, taking
from photovault.photos.reading import LargeFile, read_batch
from tests.support.devices import Computer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer that has just made its vault."""
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault()
    return made


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read as a whole since the list was cleared last."""
    seen: list[str] = []

    def spy(paths, buffer, options, **more):
        seen.extend(os.fsdecode(os.path.basename(path)) for path in paths)
        return read_batch(paths, buffer, options, **more)

    class Spy(LargeFile):
        def __init__(self, path, options, **more) -> None:
            seen.append(os.fsdecode(os.path.basename(path)))
            super().__init__(path, options, **more)

    monkeypatch.setattr(jobs, "read_batch", spy)
    monkeypatch.setattr(taking, "LargeFile", Spy)
    return seen
