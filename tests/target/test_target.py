"""Links are stored and never followed; what a crash left is swept away."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from photovault.errors import RefusedError
from photovault.target import Target
from tests.target.some import TEMPORARY, YEAR_2001, files_in, put, ready

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_open_at_the_end_is_removed(tmp_path: Path) -> None:
    with Target(tmp_path / "out") as target:
        target.begin((b"a.jpg",), 3).write(b"new")
        assert len(files_in(tmp_path)) == 1
    assert files_in(tmp_path) == {}


def test_many_threads_restore_into_the_same_folders(target: Target) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for n in range(20):
            put(target, b"deep", b"%d" % n, b"%d.jpg" % number)
            target.sweep((b"deep", b"%d" % n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(files_in(target.root)) == 160


def test_a_link_from_the_vault_is_stored_and_never_followed(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.link((b"a",), os.fsencode(outside), YEAR_2001)
    assert (target.root / "a").readlink() == outside
    assert (target.root / "a").lstat().st_mtime_ns == YEAR_2001
    with pytest.raises(RefusedError):
        target.begin((b"a", b"x.jpg"), 1)


@pytest.mark.parametrize("link", [b"", b"a\0b"])
def test_a_link_to_nowhere_is_refused(target: Target, link: bytes) -> None:
    with pytest.raises(RefusedError, match="points nowhere"):
        target.link((b"a",), link, 0)


def test_a_link_that_cannot_be_placed_leaves_nothing(target: Target) -> None:
    (target.root / "a").mkdir()
    with pytest.raises(RefusedError, match="in the way"):
        target.link((b"a",), b"x", 0)
    assert [path.name for path in target.root.iterdir()] == ["a"]


def test_left_over_files_of_a_crash_are_swept_and_nothing_else(target: Target) -> None:
    kept = [os.fsdecode(TEMPORARY) + "x", ".photovault-1.tmp", "photo.jpg"]
    target.folder((b"a",))
    for name in [os.fsdecode(TEMPORARY), *kept]:
        (target.root / "a" / name).write_bytes(b"")
    (target.root / "a" / ".photovault-ffffffffffffffff.tmp").mkdir()
    pending = ready(target, b"a", b"new.jpg")
    assert target.sweep((b"a",)) == 1
    assert target.sweep((b"none",)) == 0
    assert target.commit_all([pending]) == []
    assert sorted(files_in(target.root / "a")) == sorted([*kept, "new.jpg"])
