"""``photovault service``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from photovault.cli import service as cli_service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A Linux whose systemd remembers what it was told."""
    ran: list[str] = []

    def run(command: Sequence[str]) -> tuple[int, str]:
        ran.append(" ".join(command))
        return 0, "active\n" if "is-active" in command else ""

    monkeypatch.setattr(cli_service, "run_command", run)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return ran


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "device" / "config.toml"
    path.parent.mkdir()
    path.write_text(f"[vault]\nurl = '{tmp_path}/vault'\n[[sources]]\npath = '{tmp_path}/P'\n")
    return path


def unit(tmp_path: Path) -> Path:
    return tmp_path / ".config" / "systemd" / "user" / "photovault.service"


def test_install_status_uninstall(photovault: Callable, systemctl: list[str], config: Path, tmp_path: Path) -> None:
    assert photovault("service", "status").out.startswith("not installed")
    done = photovault("service", "install")
    assert done.code == 0, done.err
    assert "loginctl enable-linger" in done.out
    assert f"--config {config} watch\n" in unit(tmp_path).read_text()
    done = photovault("service", "status", "--json")
    assert (done.code, done.json["installed"], done.json["running"]) == (0, True, True)
    assert photovault("service", "uninstall", "--json").json["removed"] is True
    assert not unit(tmp_path).exists()
    assert photovault("service", "uninstall").out == "there was no service to remove\n"


def test_a_service_that_does_not_run_is_told_by_the_exit_code(
    photovault: Callable, systemctl: list[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photovault("service", "install")
    monkeypatch.setattr(cli_service, "run_command", lambda _: (3, "failed\n"))
    done = photovault("service", "status")
    assert (done.code, "NOT RUNNING" in done.out) == (3, True)


def test_the_daemon_gets_the_folders_and_no_secrets(
    photovault: Callable, systemctl: list[str], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOVAULT_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pw").write_text("hunter2")
    done = photovault("service", "install", "--print", "--password-file", "pw")
    assert done.code == 0, done.err
    assert f"--password-file {tmp_path}/pw watch\n" in done.out
    assert f"Environment=PHOTOVAULT_STATE_DIR={tmp_path}/device/state\n" in done.out
    assert "hunter2" not in done.out
    assert systemctl == []
    assert not unit(tmp_path).exists()


@pytest.mark.parametrize(
    "option", [("--vault", "/mnt/v"), ("--password-command", "pass show x"), ("--words-file", "words")]
)
def test_what_a_service_cannot_have_is_refused(
    photovault: Callable, systemctl: list[str], config: Path, option: tuple[str, str]
) -> None:
    done = photovault("service", "install", *option)
    assert (done.code, f"a service takes no {option[0]}" in done.err) == (2, True)
    assert systemctl == []


@pytest.mark.parametrize(
    ("text", "what"), [("", "no vault is named"), ("[vault]\nurl = '/mnt/v'\n", "no folders are named")]
)
def test_what_could_only_fail_at_each_start_is_refused(
    photovault: Callable, systemctl: list[str], config: Path, text: str, what: str
) -> None:
    config.write_text(text)
    done = photovault("service", "install")
    assert (done.code, what in done.err, str(config) in done.err) == (2, True, True)
    assert systemctl == []


def test_on_another_system_it_says_so(
    photovault: Callable, systemctl: list[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    done = photovault("service", "status")
    assert (done.code, "plan9" in done.err) == (2, True)
