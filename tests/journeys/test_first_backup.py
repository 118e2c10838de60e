"""The main job: make a vault, back up a folder, lose it, get it back bit for bit."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

from tests.support.photos import library, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_what_was_lost_comes_back_bit_for_bit(tmp_path: Path, vault: Path, photovault: Callable) -> None:
    photos = library(tmp_path / "Pictures", Random(1))
    copy = tmp_path / "copy"
    shutil.copytree(photos, copy, symlinks=True)
    assert photovault("backup", photos).code == 0
    shutil.rmtree(photos)
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "Pictures", copy) == []
    assert photovault("check", "--data", "all").code == 0
