"""What the file system does with names is seen before the first file."""

from __future__ import annotations

import errno
import os
import unicodedata
from typing import TYPE_CHECKING

import pytest

from photovault.target import Target
from photovault.target.folder import Folder
from tests.target.some import files_in, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_this_file_system_is_seen_as_it_is_and_left_clean(tmp_path: Path) -> None:
    with Target(tmp_path / "out", platform="linux") as target:
        (target.root / "probe").write_bytes(b"")
        assert target.folds_case is (target.root / "PROBE").exists()
        assert [path.name for path in target.root.iterdir()] == ["probe"]


@pytest.mark.parametrize("fold", [bytes.lower, lambda name: unicodedata.normalize("NFC", name.decode()).encode()])
def test_a_disk_that_folds_names_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fold: Callable[[bytes], bytes]
) -> None:
    real = Folder.lstat

    def lstat(folder: Folder, name: bytes) -> os.stat_result:
        assert folder.fd is not None
        there = {fold(entry): entry for entry in map(os.fsencode, os.listdir(folder.fd))}
        return real(folder, there.get(fold(name), name))

    monkeypatch.setattr(Folder, "lstat", lstat)
    with Target(tmp_path, platform="linux") as target:
        assert target.folds_case
        assert [planned.renamed is None for planned in target.plan([b"A", b"a"])] == [True, False]


def test_a_usb_stick_has_the_rules_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Folder.create

    def create(folder: Folder, name: bytes) -> int:
        if b":" in name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(folder, name)

    monkeypatch.setattr(Folder, "create", create)
    with Target(tmp_path, platform="linux") as target:
        [planned] = target.plan([b"12:30.jpg"])
        assert planned.renamed is not None
        put(target, planned.name)
    assert list(files_in(tmp_path)) == [planned.name.decode()]
