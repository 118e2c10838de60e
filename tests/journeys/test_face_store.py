"""The store of face data among the photos, under whatever name: refused, named, and no byte of it in the vault."""

from __future__ import annotations

import os
import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.proof import audit
from photovault.app.sources import BackupRequest
from photovault.names import FACE_STORE_MAGIC
from photovault.photos.refuse import HINT, WHY
from tests.support import facestore
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.backup import BackupReport


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault()
    return made


@pytest.fixture
def store(computer: Computer) -> Path:
    return facestore.make(computer.app().people_folder)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(3):
        put(root / f"{number}.jpg", jpeg(number))
    return root


def back_up(computer: Computer, photos: Path, *refused: Path) -> BackupReport:
    """Back up; ``refused`` and nothing else is a problem, and what was in it is nowhere in the vault."""
    report = computer.app().backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert sorted(one.path for one in report.problems) == sorted(map(str, refused))
    assert all(WHY in one.what and one.hint == HINT for one in report.problems)
    canary = put(photos.parent / "canary", FACE_STORE_MAGIC)
    assert audit(computer.app(), [str(canary)], Silent()).alarms == ()
    restored = photos.parent / "back"
    shutil.rmtree(restored, ignore_errors=True)
    assert computer.restore(restored).damaged == ()
    kept = photos.parent / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(photos, kept, symlinks=True)
    for one in refused:
        copy = kept / one.relative_to(photos)
        copy.unlink()
        shutil.copystat(one.parent, copy.parent)
    assert same_tree(restored / photos.name, kept) == []
    return report


@pytest.mark.parametrize("file", ["faces.db", "faces.db-wal", "faces.db-shm", "face.key", "consent.jsonl"])
@pytest.mark.parametrize("name", ["faces.db", "holiday.jpg"])
def test_a_hard_link_is_refused(computer: Computer, store: Path, photos: Path, file: str, name: str) -> None:
    os.link(store.with_name(file), photos / name)
    back_up(computer, photos, photos / name)


def test_a_link_is_kept_as_a_link_and_never_followed(computer: Computer, store: Path, photos: Path) -> None:
    (photos / "faces.jpg").symlink_to(store)
    (photos / "people.jpg").symlink_to(store.parent)
    back_up(computer, photos)


@pytest.mark.parametrize("name", ["faces.db", "holiday.jpg", "video.mp4", ".hidden"])
def test_a_copy_is_refused_under_any_name(computer: Computer, store: Path, photos: Path, name: str) -> None:
    shutil.copy2(store, photos / name)
    back_up(computer, photos, photos / name)


@pytest.mark.parametrize("way", facestore.PACKED)
def test_an_archive_with_the_store_is_refused(computer: Computer, store: Path, photos: Path, way: str) -> None:
    back_up(computer, photos, put(photos / "archive.bin", facestore.PACKED[way](store.read_bytes())))


@pytest.mark.parametrize("at", [0, 7_000_000, 30_000_000])
def test_a_large_file_with_the_store_in_it_is_refused_before_any_of_it_is_stored(
    computer: Computer, store: Path, photos: Path, at: int
) -> None:
    large = put(photos / "disk.img", Random(6).randbytes(at) + store.read_bytes() + bytes(30_000_000 - at))
    assert back_up(computer, photos, large).written.new_bytes < 100_000


def test_a_store_of_another_computer_or_profile_is_refused(computer: Computer, photos: Path, tmp_path: Path) -> None:
    """It is known by its bytes, wherever it lies."""
    other = facestore.make(photos / "old computer" / "state" / "people")
    (other.with_name("face.key")).unlink()
    other.with_name("faces.db-shm").unlink()
    back_up(computer, photos, other, other.with_name("faces.db-wal"))


def test_the_folder_itself_is_no_source_and_is_not_entered(
    photovault, computer: Computer, store: Path, photos: Path
) -> None:
    from photovault.errors import UsageError

    for path in (store.parent, store.parent.parent):
        with pytest.raises(UsageError, match="of photovault's own"):
            computer.app().backup(BackupRequest(paths=(str(path),), all_files=True), Silent())
    (photos / "moved").mkdir()
    moved = photos / "moved" / "people"
    store.parent.rename(moved)
    store.parent.symlink_to(moved)
    back_up_without(computer, photos, moved)


def back_up_without(computer: Computer, photos: Path, folder: Path) -> None:
    report = computer.app().backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert report.problems == ()
    restored = photos.parent / "back"
    computer.restore(restored)
    assert not (restored / photos.name / folder.relative_to(photos)).exists()


def test_a_photo_that_became_the_store_keeps_its_last_version(computer: Computer, store: Path, photos: Path) -> None:
    before = (photos / "0.jpg").read_bytes()
    back_up(computer, photos)
    shutil.copy(store, photos / "0.jpg")
    report = computer.app().backup(BackupRequest(paths=(str(photos),)), Silent())
    assert ["its last version is kept" in one.what for one in report.problems] == [True]
    computer.restore(photos.parent / "back2")
    assert (photos.parent / "back2" / photos.name / "0.jpg").read_bytes() == before


def test_people_are_told_what_to_do(photovault, vault: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copy(facestore.make(tmp_path / "elsewhere"), photos / "holiday.jpg")
    done = photovault("backup", photos)
    assert done.code == 3
    assert str(photos / "holiday.jpg") in done.err
    assert WHY in done.err
    assert "photovault people disable" in done.err
    assert photovault("backup", photos, "--json").json["problems"]


def test_an_import_refuses_it_too(photovault, vault: Path, photos: Path, tmp_path: Path) -> None:
    card = tmp_path / "card"
    shutil.copytree(photos, card / "DCIM")
    shutil.copy(facestore.make(tmp_path / "elsewhere"), card / "DCIM" / "9.jpg")
    done = photovault("import", "folder", card, "--to", tmp_path / "library")
    assert done.code == 3, done.err
    assert WHY in done.err
    found = [path.read_bytes() for path in (tmp_path / "library").rglob("*") if path.is_file()]
    assert sum(data.startswith(b"\xff\xd8") for data in found) == 3
    assert not any(FACE_STORE_MAGIC in data for data in found)
