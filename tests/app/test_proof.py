"""The two-run proof and the audit, with thumbnails and packed JPEGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.app.proof import audit, two_run
from photovault.app.sources import BackupRequest
from photovault.app.switches import switches
from photovault.backup import taking
from tests.backup.test_packing import photo
from tests.support.devices import Computer, Silent
from tests.support.photos import put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.eyes import Record


@pytest.fixture
def request_of_all(tmp_path: Path) -> BackupRequest:
    for number in range(9):
        put(tmp_path / "Pictures" / f"{number % 3}" / f"{number}.jpg", photo(number))
    return BackupRequest(paths=(str(tmp_path / "Pictures"),), all_files=True)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    (made.folder / "config.toml").write_text("[backup]\ncodec = 'jxl'\n")
    made.make_vault()
    return made


@pytest.mark.parametrize("backed_up", [False, True])
def test_two_runs_make_the_same_thumbnails_and_packs_whatever_time_they_have(
    computer: Computer,
    request_of_all: BackupRequest,
    tmp_path: Path,
    eyes: Record,
    monkeypatch: pytest.MonkeyPatch,
    backed_up: bool,
) -> None:
    eyes.seconds = 1e6
    monkeypatch.setattr(taking, "BATCH_FILES", 1)
    if backed_up:
        computer.app().backup(request_of_all, Silent())
        put(tmp_path / "Pictures" / "new.jpg", photo(20))
    eyes.looked.clear()
    app = computer.app()
    assert [one.alarms for one in two_run(app, request_of_all, switches(app), Silent())] == [(), ()]
    assert len(eyes.thumbnails) == (3 if backed_up else 27), "all, in each of three"
    assert eyes.packed


def test_the_audit_explains_thumbnails_and_packed_photos(
    computer: Computer, request_of_all: BackupRequest, eyes: Record
) -> None:
    report = computer.app().backup(request_of_all, Silent())
    assert report.thumbnails.made == 9
    assert report.written.packed_bytes
    assert audit(computer.app(), (), Silent()).alarms == ()
