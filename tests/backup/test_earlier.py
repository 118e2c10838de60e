"""A source that is away while this device knows nothing of it: its last version is in the vault, and stays in the next one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.devices import Computer
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that stays, and a card that goes."""
    home, card = tmp_path / "home", tmp_path / "card"
    put(home / "a.jpg", jpeg(1))
    for number in range(3):
        put(card / "DCIM" / str(number) / "b.jpg", jpeg(10 + number))
    (card / "link.jpg").symlink_to("DCIM/0/b.jpg")
    return home, card


def configure(device: Path, sources: tuple[Path, Path]) -> None:
    """A source that is away can only be one of the configuration."""
    text = "".join(f"[[sources]]\npath = '{one}'\n" for one in sources)
    (device / "config.toml").write_text(f"[backup]\nthumbnails = false\n{text}")


def forget(computer_state: Path) -> None:
    """Lose the catalog, as when it is of another version."""
    for catalog in computer_state.rglob("catalog.sqlite*"):
        catalog.unlink()


def test_the_command_keeps_a_source_that_is_away_though_the_catalog_is_lost(
    tmp_path: Path, vault: Path, sources: tuple[Path, Path], photovault: Callable
) -> None:
    _, card = sources
    configure(tmp_path / "device", sources)
    before = photovault("backup", "--json").json
    forget(tmp_path / "device" / "state")
    card.rename(tmp_path / "elsewhere")
    done = photovault("backup", "--json")
    assert (done.code, [one["path"] for one in done.json["problems"]]) == (3, [str(card)])
    assert "is not there" in done.json["problems"][0]["what"]
    assert (done.json["files"], done.json["bytes"]) == (before["files"], before["bytes"])
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "card", tmp_path / "elsewhere") == []
    assert photovault("check", "--data", "all").code == 0
    assert photovault("audit").code == 0
    (tmp_path / "elsewhere").rename(card)
    done = photovault("backup", "--json")
    assert (done.code, done.json["files"], done.json["bytes_stored"] < 300_000) == (0, before["files"], True)


def test_an_empty_folder_where_a_disk_should_be_mounted_is_a_source_that_is_away(
    tmp_path: Path, vault: Path, sources: tuple[Path, Path], photovault: Callable
) -> None:
    _, card = sources
    configure(tmp_path / "device", sources)
    before = photovault("backup", "--json").json
    forget(tmp_path / "device" / "state")
    shutil.rmtree(card)
    card.mkdir()
    assert "perhaps it is not mounted" in photovault("backup", "-n", "--json").json["problems"][0]["what"]
    done = photovault("backup", "--json")
    assert (done.code, done.json["files"], done.json["files_gone"]) == (3, before["files"], 0)


def test_a_device_that_forgot_who_it_was_finds_its_own_again_and_no_other(
    tmp_path: Path, sources: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = sources[1]
    monkeypatch.setattr("photovault.app.backing.device_name", lambda: name)
    monkeypatch.setattr("photovault.app.guarding.device_name", lambda: name)
    name, computer = "laptop", Computer(tmp_path / "computer", tmp_path / "vault")
    computer.make_vault(password="a password for tests")
    configure(computer.folder, sources)
    computer.backup()
    shutil.rmtree(card)
    (tmp_path / "password").write_text("a password for tests")
    for name, files in (("tower", 1), ("laptop", 4)):
        other = Computer(tmp_path / name, tmp_path / "vault", seed=name)
        configure(other.folder, sources)
        report = other.backup(password_file=str(tmp_path / "password"))
        assert (report.snapshot.snapshot.counts.files, len(report.problems)) == (files, 1)
