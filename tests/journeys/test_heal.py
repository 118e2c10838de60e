"""After damage: what the sources still have is stored again, and the vault is whole."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.storage.memory import MemoryStorage
from tests.support.devices import Computer
from tests.support.photos import library, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(3), files=4)


@pytest.fixture
def computer(tmp_path: Path, storage: MemoryStorage, photos: Path) -> Computer:
    made = Computer(tmp_path / "device", "memory:")
    made.make_vault(storage)
    made.backup(photos, storage=storage)
    return made


def cut(storage: MemoryStorage, name: str) -> None:
    storage.objects[name] = storage.objects[name][: len(storage.objects[name]) // 2]


def remove(storage: MemoryStorage, name: str) -> None:
    del storage.objects[name]


def empty(storage: MemoryStorage, name: str) -> None:
    storage.objects[name] = b""


@pytest.mark.parametrize("cache", ["kept", "lost"])
@pytest.mark.parametrize("damage", [cut, remove, empty])
def test_a_backup_stores_again_what_a_storage_lost(
    tmp_path: Path,
    computer: Computer,
    storage: MemoryStorage,
    photos: Path,
    damage: Callable[[MemoryStorage, str], None],
    cache: str,
) -> None:
    for name in [name for name in storage.objects if name.startswith("packs/")]:
        damage(storage, name)
    assert computer.check(storage, "none").findings
    if cache == "lost":
        shutil.rmtree(computer.folder / "cache")
    computer.backup(photos, storage=storage)
    assert computer.check(storage).findings == ()
    assert computer.restore(tmp_path / "out", storage=storage).damaged == ()
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


@pytest.mark.parametrize("lost", ["state/vaults/*/*/catalog.sqlite", "cache", "state/vaults/*/device.json"])
def test_what_a_device_remembers_can_be_lost(
    tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path, lost: str
) -> None:
    (path,) = computer.folder.glob(lost)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = {name for name in storage.objects if name.startswith("packs/")}
    assert computer.backup(photos, storage=storage).problems == ()
    assert {name for name in storage.objects if name.startswith("packs/")} == before, "known photos were stored again"
    assert computer.check(storage).findings == ()
    assert computer.restore(tmp_path / "out", storage=storage).damaged == ()
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
