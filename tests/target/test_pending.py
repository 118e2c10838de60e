"""A file is old, absent or whole, and durable before it has its name."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from photovault.errors import DamageError
from tests.target.some import YEAR_2001, files_in, put, ready

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.target import Target


def test_a_file_gets_its_bytes_time_and_rights(target: Target) -> None:
    pending = target.begin((b"2001", b"trip", b"a.jpg"), 10)
    pending.write(b"12345")
    pending.write(memoryview(b"67890"))
    assert pending.commit(mtime_ns=YEAR_2001, mode=0o640) == ()
    info = (target.root / "2001/trip/a.jpg").stat()
    assert (info.st_mtime_ns, stat.S_IMODE(info.st_mode)) == (YEAR_2001, 0o640)
    assert files_in(target.root) == {"2001/trip/a.jpg": b"1234567890"}


def test_a_batch_is_whole_and_leaves_nothing_behind(target: Target) -> None:
    batch = [ready(target, b"%d" % (n % 3), b"%d.jpg" % n, data=b"x" * n) for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        assert target.commit_all(batch, pool.map) == []
    assert files_in(target.root) == {f"{n % 3}/{n}.jpg": b"x" * n for n in range(50)}


def test_no_file_has_its_name_before_all_bytes_are_durable(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(fd: int) -> None:
        real_sync(fd)
        events.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")

    def replace(old: bytes, new: bytes, *, src_dir_fd: int | None, dst_dir_fd: int | None) -> None:
        real_replace(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        events.append("name")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    target.commit_all([ready(target, b"a", b"%d" % n) for n in range(3)])
    assert events[:6] == ["file"] * 3 + ["name"] * 3
    assert events[6:] == (["folder"] * 2 if target.by_fd else [])  # "a", and the root that has got "a"


def test_a_file_that_is_there_is_replaced_whole_or_not_at_all(target: Target) -> None:
    put(target, b"a.jpg", data=b"old")
    pending = target.begin((b"a.jpg",), 3)
    pending.write(b"ne")
    assert (target.root / "a.jpg").read_bytes() == b"old"
    with pytest.raises(DamageError, match="2 bytes came, 3 were to come"):
        pending.finish(mtime_ns=0, mode=0o600)
    assert files_in(target.root) == {"a.jpg": b"old"}
    put(target, b"a.jpg", data=b"new")
    assert files_in(target.root) == {"a.jpg": b"new"}


def test_an_abandoned_file_leaves_nothing(target: Target) -> None:
    pending = target.begin((b"a.jpg",), 3)
    pending.write(b"new")
    pending.abandon()
    pending.abandon()
    assert files_in(target.root) == {}


def test_a_file_under_way_is_private(target: Target) -> None:
    target.begin((b"a", b"a.jpg"), 1)
    [path] = (target.root / "a").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((target.root / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE(target.root.stat().st_mode) == 0o700


def test_a_commit_without_finish_is_a_mistake_of_the_caller(target: Target) -> None:
    with pytest.raises(ValueError, match="finish"):
        target.commit_all([target.begin((b"a",), 0)])


def test_a_file_replaces_a_link_and_not_what_it_points_at(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_bytes(b"precious")
    (target.root / "a.jpg").symlink_to(outside)
    put(target, b"a.jpg")
    assert outside.read_bytes() == b"precious"
    assert files_in(target.root) == {"a.jpg": b"photo"}


def test_a_folder_swapped_for_a_link_while_a_file_is_written_is_refused(target: Target, tmp_path: Path) -> None:
    pending = ready(target, b"a", b"x.jpg")
    (target.root / "a").rename(tmp_path / "moved")
    (target.root / "a").symlink_to(tmp_path)
    [(failed, error)] = target.commit_all([pending])
    assert failed is pending
    assert "in the way" in error.what
    assert not (tmp_path / "x.jpg").exists()


def test_a_folder_in_place_of_a_file_fails_that_file_only(target: Target) -> None:
    (target.root / "a.jpg").mkdir()
    batch = [ready(target, b"a.jpg"), ready(target, b"b.jpg")]
    [(failed, error)] = target.commit_all(batch)
    assert failed is batch[0]
    assert "in the way" in error.what
    assert files_in(target.root) == {"b.jpg": b"photo"}
