"""A storage that shows an older state, hides a snapshot, splits or stops: told by every command, on the device that knew better."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from photovault.cli.main import COMMANDS
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Done

# How each command reads a vault that is open; None: it opens none (and why).
READS: dict[str, tuple[str, ...] | None] = {
    "init": None,  # makes one
    "backup": ("backup", "{photos}"),
    "restore": ("restore", "--to", "{tmp}/out"),
    "export": ("export", "P", "--to", "{tmp}/out.zip"),
    "import": None,  # into a folder
    "snapshots": ("snapshots",),
    "ls": ("ls", "latest"),
    "find": ("find", "a"),
    "diff": ("diff", "latest", "latest"),
    "copy": ("copy", "--to", "{tmp}/copy"),
    "check": ("check",),
    "audit": ("audit",),
    "status": ("status",),
    "catalog": ("catalog", "status"),
    "watch": None,  # backs up as `backup` does: see below
    "service": None,  # has the system start `watch`
    "key": ("key", "list"),
    "people": None,  # never opens a vault
    "drill": ("drill", "--all"),
    "covered": ("covered", "{photos}"),
    "forget": ("forget", "--dry-run"),
    "doctor": ("doctor",),
    "gallery": None,  # serves until it is ended: tests/cli/test_gallery.py
}
CODES = {"snapshots": 13, "check": 13, "status": 3, "doctor": 3}


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable[..., Done]) -> Path:
    """Photos with two backups, and a copy of the vault as it was after the first."""
    folder = tmp_path / "P"
    put(folder / "a.jpg", jpeg(1))
    assert photovault("backup", folder).code == 0
    shutil.copytree(vault, tmp_path / "older")
    put(folder / "b.jpg", jpeg(2))
    assert photovault("backup", folder).code == 0
    return folder


@pytest.fixture
def rolled_back(tmp_path: Path, vault: Path, photos: Path) -> Path:
    """The photos; the vault is as it was after the first backup."""
    shutil.rmtree(vault)
    (tmp_path / "older").rename(vault)
    return photos


def said(done: Done) -> list[dict[str, Any]]:
    """Everything that an answer in JSON says, wherever it does."""
    return [json.loads(line) for line in (done.out + done.err).splitlines()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_reads_the_vault_tells_of_an_older_state(
    name: str, photovault: Callable[..., Done], rolled_back: Path, tmp_path: Path
) -> None:
    """A new command must say here how it reads the vault."""
    words = READS[name]
    if words is None:
        return
    done = photovault(*(word.format(photos=rolled_back, tmp=tmp_path) for word in words))
    assert "shows an older state: snapshot" in done.err
    assert done.err.count("ALARM: ") == (name != "check")  # which has it among its findings
    if name in CODES:
        assert done.code == CODES[name]


@pytest.mark.parametrize("name", ["restore", "ls", "snapshots", "check", "status", "key"])
def test_programs_are_told_as_well(
    name: str, photovault: Callable[..., Done], rolled_back: Path, tmp_path: Path
) -> None:
    done = photovault(*(word.format(photos=rolled_back, tmp=tmp_path) for word in READS[name] or ()), "--json")
    assert any("older state" in json.dumps(one) for one in said(done))


def test_whoever_only_looked_knows_better_too(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOVAULT_STATE_DIR", str(tmp_path / "other" / "state"))
    opened = ("--words-file", tmp_path / "words.txt")
    assert photovault("ls", *opened).code == 0
    shutil.rmtree(vault)
    (tmp_path / "older").rename(vault)
    assert "shows an older state" in photovault("ls", *opened).err


def test_it_is_told_before_a_restore_begins(photovault: Callable[..., Done], rolled_back: Path, tmp_path: Path) -> None:
    done = photovault("restore", "--to", rolled_back / "a.jpg")  # no folder, so it cannot even begin
    assert (done.code, done.err.index("ALARM") < done.err.index("error:")) == (1, True)


def test_a_hidden_snapshot_in_the_middle_is_named(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path
) -> None:
    put(photos / "c.jpg", jpeg(3))
    photovault("backup", photos)
    middle = photovault("snapshots", "--json").json["snapshots"][1]
    (vault / "snapshots" / middle["id"]).unlink()
    done = photovault("snapshots")
    assert done.code == 13
    assert (
        f"hides what it showed before: snapshot {middle['id'][:8]} (number 2 of {middle['device']}) was there on"
        in done.err
    )
    assert photovault("check").err.count("found: ") == 1
    shutil.rmtree(tmp_path / "device" / "state")  # a device that never saw it goes by the chain
    done = photovault("snapshots", "--words-file", tmp_path / "words.txt")
    assert (done.code, "number 2) is missing" in done.err) == (13, True)


def test_a_clone_of_a_device_is_noticed(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the next snapshot made where the other's is not seen; then the storage shows both."""
    shutil.copytree(tmp_path / "device", tmp_path / "clone")
    shutil.copytree(vault, tmp_path / "before")
    put(photos / "c.jpg", jpeg(3))
    photovault("backup", photos)
    shutil.copytree(vault, tmp_path / "hidden")
    shutil.rmtree(vault)
    (tmp_path / "before").rename(vault)
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"PHOTOVAULT_{name}_DIR", str(tmp_path / "clone" / name.lower()))
    put(photos / "d.jpg", jpeg(4))
    assert photovault("backup", photos).err == ""
    shutil.copytree(tmp_path / "hidden", vault, dirs_exist_ok=True)
    done = photovault("snapshots")
    assert (done.code, "made 2 snapshots with the number 3" in done.err, "cloned" in done.err) == (13, True, True)


# A fingerprint, and a bare machine


def test_everybody_who_sees_the_same_sees_one_fingerprint(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = photovault("snapshots", "--json").json["fingerprint"]
    assert [len(group) for group in mine.split(" ")] == [4] * 8
    assert f"fingerprint {mine}" in photovault("status").out
    assert f"fingerprint: {mine}" in photovault("snapshots").out
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"PHOTOVAULT_{name}_DIR", str(tmp_path / "bare" / name.lower()))
    opened = ("--words-file", tmp_path / "words.txt")
    for command in ("snapshots", "status"):
        done = photovault(command, *opened)
        assert "made no backup in this vault" in done.out
        assert f"fingerprint: {mine}" in done.out
        assert photovault(command, *opened, "--json").json["newest"]["fingerprint"] == mine
    done = photovault("restore", *opened, "--to", tmp_path / "out")
    assert done.code == 0
    assert done.out.index(f"fingerprint: {mine}") < done.out.index("restored 2 files")
    photovault("restore", "latest~1", *opened, "--to", tmp_path / "again", "--json")
    shutil.rmtree(vault)
    (tmp_path / "older").rename(vault)
    assert photovault("snapshots", *opened, "--json").json["fingerprint"] != mine


def test_a_bare_machine_is_told_that_another_destination_is_newer(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path
) -> None:
    photovault("copy", "--to", tmp_path / "usb")
    put(photos / "c.jpg", jpeg(3))
    photovault("backup", photos, "--vault", tmp_path / "usb")
    for folder in ("state", "cache"):
        shutil.rmtree(tmp_path / "device" / folder)
    (tmp_path / "device" / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    opened = ("--words-file", tmp_path / "words.txt")
    done = photovault("restore", *opened, "--to", tmp_path / "out")
    assert (done.code, "not the newest state: main lacks 1 snapshot that usb has" in done.err) == (0, True)
    assert "--vault usb" in done.err
    assert "the newest that it can see, in usb:" in done.out
    row = photovault("snapshots", *opened, "--json").json["newest"]
    assert (row["destination"], row["files"], row["known_here"]) == ("usb", 3, False)
    done = photovault("restore", *opened, "--to", tmp_path / "more", "--json")
    state = json.loads(done.out.splitlines()[0])
    assert (state["message_type"], state["behind"], state["newest"]["destination"]) == ("state", 1, "usb")
    assert "not the newest" not in photovault("restore", "--vault", "usb", *opened, "--to", tmp_path / "third").err
    (tmp_path / "usb").rename(tmp_path / "drawer")
    done = photovault("restore", *opened, "--to", tmp_path / "fourth")
    assert (done.code, "usb could not be asked" in done.out) == (0, True)


def test_a_restore_needs_no_other_destination_and_no_good_configuration(
    photovault: Callable[..., Done], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "device" / "config.toml").write_text("[watch]\nnonsense = 1\n")
    assert photovault("snapshots").code == 0
    done = photovault("restore", "--no-config", "--to", tmp_path / "out")
    assert (done.code, len(list((tmp_path / "out" / "P").iterdir()))) == (0, 2)


def test_what_comes_back_ends_the_alarm(
    photovault: Callable[..., Done], photos: Path, vault: Path, tmp_path: Path
) -> None:
    photovault("copy", "--to", tmp_path / "usb")
    shutil.rmtree(vault)
    (tmp_path / "older").rename(vault)
    assert photovault("snapshots").code == 13
    assert photovault("copy", "--from", tmp_path / "usb", "--to", vault).code == 0
    done = photovault("snapshots")
    assert (done.code, done.err) == (0, "")


def test_what_is_gone_for_good_can_be_given_up(photovault: Callable[..., Done], rolled_back: Path) -> None:
    (sign,) = photovault("snapshots", "--json").json["signs"]
    lost = sign["where"].partition("/")[2]
    assert sign["hint"].endswith(f"`photovault forget {lost[:8]}`")
    assert photovault("forget", lost[:8]).code == 0
    for command in ("snapshots", "check", "ls"):
        done = photovault(command)
        assert (done.code, done.err) == (0, "")
    assert photovault("backup", rolled_back).err == ""
    assert photovault("check").code == 0
