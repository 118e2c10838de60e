"""The same state, photos, keys and clock give the same objects under the same names, and small changes stay small."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from photovault.app.sources import BackupRequest
from photovault.storage.folder import FolderStorage
from photovault.vault.writer import Writer
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, library, put, same_tree
from tests.support.world import START


def objects(vault: Path) -> dict[str, bytes]:
    return {str(path.relative_to(vault)): path.read_bytes() for path in vault.rglob("*") if path.is_file()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = library(tmp_path / "Pictures", Random(5), files=20)
    for number in range(8):
        put(root / "large" / f"{number}.mp4", Random(number).randbytes(3_000_000 + number))
    return root


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault(password="a password for tests")
    return made


def twin(computer: Computer, folder: Path, jobs: int) -> Computer:
    """The same computer with the same vault, elsewhere, with another number of threads."""
    shutil.copytree(computer.folder, folder / "computer")
    shutil.copytree(computer.vault, folder / "vault")
    copy = Computer(folder / "computer", folder / "vault", seed="second run", start=START + timedelta(days=1))
    (copy.folder / "config.toml").write_text(f"[backup]\njobs = {jobs}\n")
    return copy


def stored_by_a_run(computer: Computer, photos: Path, jobs: int) -> dict[str, bytes]:
    """What is in the vault after a run; afterwards all is as before.  It stays where it is: snapshots say where they are."""
    folders = [computer.folder, Path(computer.vault)]
    saved = computer.folder.parent / "saved"
    for folder in folders:
        shutil.copytree(folder, saved / folder.name)
    same = Computer(computer.folder, computer.vault, seed="second run", start=START + timedelta(days=1))
    (same.folder / "config.toml").write_text(f"[backup]\njobs = {jobs}\n")
    same.backup(photos)
    found = objects(folders[1])
    for folder in folders:
        shutil.rmtree(folder)
        (saved / folder.name).rename(folder)
    return found


@pytest.mark.parametrize("first_is_backed_up", [False, True])
def test_runs_from_the_same_state_store_the_same_bytes(
    computer: Computer, photos: Path, tmp_path: Path, first_is_backed_up: bool
) -> None:
    if first_is_backed_up:
        computer.backup(photos)
        put(photos / "new" / "a.jpg", jpeg(90))
        put(photos / "large" / "0.mp4", Random(77).randbytes(9_500_000), mtime=1_700_000_000)
        (photos / "2012").rename(photos / "renamed")
    one, *others = (stored_by_a_run(computer, photos, jobs) for jobs in (1, 4, 4))
    assert len(one) > 8
    for other in others:
        assert other.keys() == one.keys()
        assert other == one


def test_the_order_in_which_packs_are_done_does_not_matter(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):  # enough for four packs
        put(photos / "larger" / f"{number}.mp4", Random(100 + number).randbytes(9_000_000))
    copies = [twin(computer, tmp_path / str(number), 4) for number in range(2)]
    copies[0].backup(photos)
    real, lock, seen = FolderStorage.put, threading.Lock(), []

    def put_the_first_last(self: FolderStorage, name: str, data: bytes) -> None:
        with lock:
            seen.append(name)
            first = len(seen) == 1
        if first:
            time.sleep(1)
        real(self, name, data)

    collect = Writer._collect

    def collect_when_the_second_is_done(self: Writer) -> None:
        time.sleep(0.5 if len(seen) < 4 else 0)
        collect(self)

    monkeypatch.setattr(FolderStorage, "put", put_the_first_last)
    monkeypatch.setattr(Writer, "_collect", collect_when_the_second_is_done)
    copies[1].backup(photos)
    assert objects(tmp_path / "1" / "vault") == objects(tmp_path / "0" / "vault")


def test_another_clock_changes_only_the_snapshot(computer: Computer, photos: Path, tmp_path: Path) -> None:
    copies = [twin(computer, tmp_path / str(number), 2) for number in range(2)]
    for number, copy in enumerate(copies):
        request = BackupRequest(paths=(str(photos),), time=f"202{number}-01-01T00:00:00Z")
        copy.app().backup(request, Silent())
    one, other = (set(objects(tmp_path / str(number) / "vault")) for number in range(2))
    assert {name.partition("/")[0] for name in one ^ other} == {"snapshots"}


def test_a_second_run_adds_a_snapshot_and_nothing_else(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    before = objects(tmp_path / "vault")
    report = computer.backup(photos)
    added = objects(tmp_path / "vault").keys() - before.keys()
    assert [name.partition("/")[0] for name in added] == ["snapshots"]
    assert (report.written.new_parts, report.written.objects) == (0, 1)


def test_a_lost_catalog_costs_reading_and_no_storage(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    before = objects(tmp_path / "vault")
    for path in computer.folder.rglob("catalog.sqlite*"):
        path.unlink()
    report = computer.backup(photos)
    assert (report.totals.new > 20, report.written.new_parts) == (True, 0)
    assert len(objects(tmp_path / "vault")) == len(before) + 1


def test_a_renamed_tree_stores_only_a_listing(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    (photos / "large").rename(photos / "LARGE")
    report = computer.backup(photos)
    assert report.totals.moved == 8
    assert report.written.new_bytes < 10_000
    assert report.written.stored_bytes <= 3 * 16 * 1024
    computer.restore(tmp_path / "out")
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_an_edit_of_the_metadata_stores_little(computer: Computer, photos: Path, tmp_path: Path) -> None:
    picture = jpeg(3, (1600, 1200))
    path = put(photos / "edited.jpg", picture)
    computer.backup(photos)
    note = b"a new caption" * 100
    segment = b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note
    put(path, picture[:2] + segment + picture[2:], mtime=1_700_000_000)
    report = computer.backup(photos)
    assert len(picture) > 1_000_000
    assert (report.totals.changed, report.written.new_bytes < 60_000) == (1, True)
    computer.restore(tmp_path / "out")
    assert (tmp_path / "out" / "Pictures" / "edited.jpg").read_bytes() == path.read_bytes()


def test_padding_can_be_uniform(computer: Computer, photos: Path, tmp_path: Path) -> None:
    (computer.folder / "config.toml").write_text("[vault]\npadding = 'uniform'\n")
    computer.backup(photos)
    sizes = {path.stat().st_size for path in (tmp_path / "vault" / "packs").rglob("*") if path.is_file()}
    assert sizes == {16 * 1024 * 1024}
