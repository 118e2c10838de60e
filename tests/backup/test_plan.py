"""What a backup finds to do, and what it must not take for deleted."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.sources import BackupRequest
from photovault.backup import plan
from photovault.photos.scan import Scanner
from tests.support.photos import jpeg, library, put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.backup import BackupPlan
    from tests.support.devices import Computer


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(4):
        put(root / f"{number % 2}" / "deep" / f"{number}.jpg", jpeg(number))
    put(root / "top.jpg", jpeg(9))
    return root


def planned(computer: Computer, *paths: Path) -> BackupPlan:
    return computer.app().plan_backup(BackupRequest(paths=tuple(map(str, paths)), all_files=True))


def test_a_first_plan_counts_everything(computer: Computer, photos: Path) -> None:
    totals = planned(computer, photos).totals
    size = sum(path.stat().st_size for path in photos.rglob("*.jpg"))
    assert (totals.new, totals.changed, totals.unchanged, totals.read_bytes) == (5, 0, 0, size)


def test_nothing_changed_is_no_work(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    (source,) = planned(computer, photos).sources
    assert source.work == frozenset()
    assert source.totals.unchanged == 5


def test_work_is_the_changed_folder_and_those_above(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    put(photos / "1" / "deep" / "new.jpg", jpeg(20))
    (source,) = planned(computer, photos).sources
    assert source.work == {b"", b"1", b"1/deep"}
    assert (source.totals.new, source.totals.unchanged) == (1, 5)


def test_a_folder_that_went_counts_all_its_files_as_gone(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    shutil.rmtree(photos / "0")
    assert planned(computer, photos).totals.gone == 2


def test_plan_and_run_count_the_same(computer: Computer, photos: Path) -> None:
    library(photos / "more", Random(3), files=4)
    first = planned(computer, photos).totals
    assert computer.backup(photos).totals == first
    put(photos / "1" / "deep" / "1.jpg", jpeg(50))
    (photos / "0" / "deep" / "0.jpg").unlink()
    (photos / "more" / "2010").rename(photos / "elsewhere")
    again = planned(computer, photos).totals
    assert (again.changed, again.moved) == (1, 1)
    assert again.gone >= 1
    assert computer.backup(photos).totals == again


def test_more_folders_than_are_remembered_are_looked_at_again(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "KEPT_FILES", 3)
    (source,) = planned(computer, photos).sources
    assert 0 < len(source.found) < len(source.work)
    assert computer.backup(photos).snapshot.snapshot.counts.files == 5


def test_a_missing_source_is_offline(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    photos.rename(tmp_path / "away")
    (source,) = computer_plan_configured(computer, photos).sources
    assert "is not there" in source.offline
    assert source.problems[0].path == str(photos)


def test_a_source_that_is_suddenly_empty_is_offline(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    shutil.rmtree(photos)
    photos.mkdir()
    (source,) = planned(computer, photos).sources
    assert "perhaps it is not mounted" in source.offline


def test_a_source_that_was_always_empty_is_not_offline(computer: Computer, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    computer.backup(empty)
    assert planned(computer, empty).sources[0].offline == ""


def test_a_nested_mount_that_is_gone_is_not_deleted(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Scanner.folder

    def mounted(self, path, parent_device=None):
        return replace(real(self, path, parent_device), mount=path == b"1")

    with monkeypatch.context() as there:
        there.setattr(Scanner, "folder", mounted)
        computer.backup(photos)
        assert planned(computer, photos).problems == ()
    shutil.rmtree(photos / "1")
    (photos / "1").mkdir()
    found = planned(computer, photos)
    assert ["is not mounted" in one.what for one in found.problems] == [True]
    assert (found.totals.gone, found.totals.unchanged) == (0, 5)
    report = computer.backup(photos)
    assert len(report.problems) == 1
    assert report.snapshot.snapshot.counts.files == 5


def test_a_plan_holds_the_problems_of_folders_that_nobody_changed(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    real = os.scandir
    hidden = os.fsencode(photos / "1" / "deep")

    def scandir(path):
        if path == hidden:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    put(photos / "0" / "new.jpg", jpeg(30))
    assert [one.path for one in planned(computer, photos).problems] == [os.fsdecode(hidden)]
    report = computer.backup(photos)
    assert [one.path for one in report.problems] == [os.fsdecode(hidden)], "the run forgot what the plan saw"
    assert report.snapshot.snapshot.counts.files == 6
    assert report.snapshot.snapshot.problems == 1


def computer_plan_configured(computer: Computer, *paths: Path) -> BackupPlan:
    """A plan of configured sources, which may be missing."""
    text = "".join(f"[[sources]]\npath = '{path}'\n" for path in paths)
    (computer.folder / "config.toml").write_text(text)
    return computer.app().plan_backup(BackupRequest(all_files=True))
