"""Real decoders that end in the middle, and runs that do: nothing is lost but a file's facts, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from photovault.app.sources import BackupRequest
from tests.backup.test_pictures import entries, thumbnails
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Done
    from tests.support.devices import Computer

TAKEN = "2021:05:04 13:22:11"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(60):
        put(root / f"{number // 20}" / f"{number}.jpg", jpeg(number, (400, 300), taken=TAKEN))
    return root


def decoders(of: int) -> list[psutil.Process]:
    """The decoders that a process has."""
    try:
        return psutil.Process(of).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


class Killer:
    """Kills all decoders when some files are done, several times."""

    def __init__(self) -> None:
        self.killed = 0

    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        for one in decoders(os.getpid()) if self.killed < 3 else ():
            one.kill()
            self.killed += 1


@pytest.mark.usefixtures("real_decoders")
def test_a_decoder_that_is_killed_costs_a_file_its_facts_at_most(
    computer: Computer, photos: Path, tmp_path: Path
) -> None:
    killer = Killer()
    report = computer.app().backup(BackupRequest(paths=(str(photos),)), killer)
    assert killer.killed
    assert (report.problems, report.warnings, report.totals.new) == ((), (), 60)
    kinds = [entry.facts.kind for entry in entries(computer).values()]
    assert kinds.count("jpeg") >= 60 - killer.killed
    computer.restore(tmp_path / "back")
    assert same_tree(tmp_path / "back" / "Pictures", photos) == []
    assert computer.check().findings == ()


@pytest.mark.usefixtures("real_decoders")
def test_real_facts_and_thumbnails_are_in_the_vault(computer: Computer, photos: Path) -> None:
    put(photos / "broken.jpg", jpeg(70, (400, 300))[:9_000])
    report = computer.app().backup(BackupRequest(paths=(str(photos),)), Silent())
    assert (report.thumbnails.made, report.thumbnails.left, report.problems) == (60, 0, ())
    assert [os.path.basename(one.path) for one in report.broken] == ["broken.jpg"]
    facts = entries(computer)["5.jpg"].facts
    assert (facts.kind, facts.width, facts.height, facts.phash is not None) == ("jpeg", 400, 300, True)
    assert all(data[8:12] == b"WEBP" for data in thumbnails(computer).values())
    assert decoders(os.getpid()) == []


class Silent(Killer):
    """Kills nobody."""

    def advance(self, files: int, size: int, path: str) -> None:
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle_leaves_no_process_and_the_next_one_finishes(
    vault: Path, photos: Path, tmp_path: Path, photovault: Callable[..., Done], number: signal.Signals
) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "photovault", "backup", str(photos)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    found: list[psutil.Process] = []
    end = time.monotonic() + 60
    while not found and run.poll() is None and time.monotonic() < end:
        found = decoders(run.pid)
        time.sleep(0.005)
    assert found
    run.send_signal(number)
    assert run.wait(30) == (130 if number is signal.SIGINT else -number)
    _, left = psutil.wait_procs(found, timeout=10)
    assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []
    assert photovault("backup", photos).code == 0
    assert photovault("restore", "--to", tmp_path / "back").code == 0
    assert same_tree(tmp_path / "back" / "Pictures", photos) == []
    assert photovault("check", "--data", "all").code == 0
