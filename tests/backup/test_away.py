"""What is not mounted is not deleted, whatever lies there instead; until the user says that it is gone for good."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from photovault.app.sources import BackupRequest
from photovault.backup.guards import Guard
from photovault.errors import GuardError
from photovault.photos.scan import Scanner
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.backup import BackupReport


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder, and in it another, where a card is mounted."""
    root = tmp_path / "Pictures"
    put(root / "home.jpg", jpeg(1))
    put(root / "card" / "DCIM" / "a.jpg", jpeg(2))
    put(root / "card" / "b.jpg", jpeg(3))
    return root


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Paths inside the source on which something is mounted."""
    real, mounted = Scanner.folder, set()

    def folder(self: Scanner, path: bytes, parent_device: int | None = None) -> object:
        return replace(real(self, path, parent_device), mount=path in mounted)

    monkeypatch.setattr(Scanner, "folder", folder)
    return mounted


def backup(computer: Computer, folder: Path, *allowed: Guard) -> BackupReport:
    request = BackupRequest(paths=(str(folder),), allowed=frozenset(allowed))
    return computer.app().backup(request, Silent())


def emptied(card: Path) -> None:
    card.mkdir()


def something_else(card: Path) -> None:
    put(card / "stray.jpg", jpeg(9))


def no_folder(card: Path) -> None:
    pass


LEFT = [emptied, something_else, no_folder]


@pytest.mark.parametrize("left", LEFT)
def test_a_card_that_was_taken_out_keeps_its_last_version(
    computer: Computer, photos: Path, mounts: set[bytes], left: Callable
) -> None:
    mounts.add(b"card")
    backup(computer, photos)
    mounts.clear()
    shutil.rmtree(photos / "card")
    left(photos / "card")
    for _ in range(2):  # the second run knows only what the first one kept
        report = backup(computer, photos)
        assert report.snapshot.snapshot.counts.files == 3
        (problem,) = report.problems
        assert (problem.path, problem.what[:14]) == (str(photos / "card"), "is not mounted")
        assert "--allow missing" in problem.hint
        assert report.totals.gone == 0


@pytest.mark.parametrize("left", LEFT)
def test_what_is_gone_for_good_goes_when_the_user_says_so(
    computer: Computer, photos: Path, mounts: set[bytes], left: Callable
) -> None:
    mounts.add(b"card")
    backup(computer, photos)
    mounts.clear()
    shutil.rmtree(photos / "card")
    left(photos / "card")
    report = backup(computer, photos, Guard.MISSING)
    assert (report.problems, report.totals.gone) == ((), 2)
    assert report.snapshot.snapshot.counts.files == 1 + (left is something_else)


def test_a_card_that_is_back_is_as_before(computer: Computer, photos: Path, mounts: set[bytes]) -> None:
    mounts.add(b"card")
    backup(computer, photos)
    mounts.clear()
    (photos / "card").rename(photos.parent / "drawer")
    (photos / "card").mkdir()
    backup(computer, photos)
    (photos / "card").rmdir()
    (photos.parent / "drawer").rename(photos / "card")
    mounts.add(b"card")
    last = backup(computer, photos)
    assert (last.problems, last.snapshot.snapshot.counts.files) == ((), 3)
    assert (last.totals.new, last.totals.gone, last.totals.read_bytes) == (0, 0, 0)


def test_a_mount_under_which_the_same_photos_lie_is_there(computer: Computer, photos: Path, mounts: set[bytes]) -> None:
    """Somebody copied the card into the folder."""
    mounts.add(b"card")
    backup(computer, photos)
    mounts.clear()
    (photos / "card" / "b.jpg").unlink()
    report = backup(computer, photos)
    assert (report.problems, report.snapshot.snapshot.counts.files) == ((), 2)


@pytest.mark.parametrize("left", [emptied, something_else])
def test_a_source_that_is_itself_a_mount(computer: Computer, photos: Path, mounts: set[bytes], left: Callable) -> None:
    mounts.add(b"")
    backup(computer, photos)
    mounts.clear()
    shutil.rmtree(photos)
    left(photos)
    with pytest.raises(GuardError, match="nothing to back up is there") as stopped:
        backup(computer, photos)
    assert "--allow missing" in stopped.value.hint


def test_the_source_is_seen_to_be_a_mount_by_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from photovault.photos import scan

    real = scan.os.stat

    class Elsewhere:
        def __init__(self, found: object) -> None:
            self._found = found

        def __getattr__(self, name: str) -> object:
            return getattr(self._found, name) + 1 if name == "st_dev" else getattr(self._found, name)

    (tmp_path / "source").mkdir()
    scanner = Scanner(bytes(tmp_path / "source"), scan.ScanRules())
    assert not scanner.folder(b"").mount
    monkeypatch.setattr(
        scan.os,
        "stat",
        lambda path, **more: Elsewhere(real(path, **more)) if path == bytes(tmp_path) else real(path, **more),
    )
    assert scanner.folder(b"").mount
