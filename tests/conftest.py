"""Fixtures: no test touches the user's folders or keyring, and the command line runs in this process."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from photovault.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output as JSON."""
        return dict(json.loads(self.out.splitlines()[-1]))


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State, cache and configuration of each test are its own."""
    for name in ("VAULT", "PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND", "PASSWORD_FD", "LOG"):
        monkeypatch.delenv(f"PHOTOVAULT_{name}", raising=False)
    monkeypatch.setenv("PHOTOVAULT_STATE_DIR", str(tmp_path / "device" / "state"))
    monkeypatch.setenv("PHOTOVAULT_CACHE_DIR", str(tmp_path / "device" / "cache"))
    monkeypatch.setenv("PHOTOVAULT_CONFIG", str(tmp_path / "device" / "config.toml"))
    monkeypatch.setenv("PHOTOVAULT_NO_KEYRING", "1")
    monkeypatch.setattr("photovault.app.settings.DEFAULT_STRETCH", _cheap())


def _cheap() -> object:
    from tests.support.world import CHEAP

    return CHEAP


@pytest.fixture
def photovault(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """Run the command line: ``photovault("ls", "--json").json``."""

    def run(*args: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return Done(code=int(left.value.code or 0), out=out, err=err)

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def vault(tmp_path: Path, photovault: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new vault in a folder, named by the environment; its words are in ``words.txt`` beside it."""
    folder = tmp_path / "vault"
    done = photovault("init", "--vault", folder, "--words-file", tmp_path / "words.txt")
    assert done.code == 0, done.err
    monkeypatch.setenv("PHOTOVAULT_VAULT", str(folder))
    return folder
