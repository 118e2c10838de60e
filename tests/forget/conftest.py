"""A vault in memory, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.storage.memory import MemoryStorage
from photovault.workers import Workers
from tests.support.world import make_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.vault.vault import Vault


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def opened(tmp_path: Path, storage: MemoryStorage) -> Iterator[Vault]:
    vault = make_vault(tmp_path / "places", storage)
    yield vault
    vault.places.close()


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(2) as made:
        yield made
