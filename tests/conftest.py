"""Fixtures: no test touches the user's folders or keyring, and the command line runs in this process."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import typer
from hypothesis import settings

from photovault import database
from photovault.cli.main import COMMANDS, command_line, main
from photovault.crypto.wrap import stretch_password
from photovault.decoder.host import Decoders as _RealDecoders
from photovault.sandbox import LAYERS
from tests.support.eyes import Record, fake

settings.register_profile("patient", deadline=None)  # a busy computer is no defect
settings.load_profile("patient")

TRIED = ("operations failed", "states checked", "snapshots restored")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.servers import SeaweedFS, WsgiDAV
    from tests.support.sshd import Sshd


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


_numbers = count()


@pytest.fixture(autouse=True)
def _apart(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """State, cache and configuration of each test are its own; who asks for no folder gets the name of one to be."""
    if "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
    else:
        folder = tmp_path_factory.getbasetemp() / "apart" / str(next(_numbers))
    monkeypatch = request.getfixturevalue("monkeypatch")  # after the folder: it must be undone before that is removed
    for name in ("VAULT", "PASSWORD", "PASSWORD_FILE", "PASSWORD_COMMAND", "PASSWORD_FD", "LOG"):
        monkeypatch.delenv(f"PHOTOVAULT_{name}", raising=False)
    monkeypatch.setenv("PHOTOVAULT_STATE_DIR", str(folder / "device" / "state"))
    monkeypatch.setenv("PHOTOVAULT_CACHE_DIR", str(folder / "device" / "cache"))
    monkeypatch.setenv("PHOTOVAULT_CONFIG", str(folder / "device" / "config.toml"))
    monkeypatch.setenv("PHOTOVAULT_NO_KEYRING", "1")
    monkeypatch.setattr("photovault.app.settings.DEFAULT_STRETCH", _cheap())
    # This process goes on to other tests, which need a network; child processes leave theirs.
    monkeypatch.setattr("photovault.app.settings.LEAVE_NETWORK", lambda *, unix: LAYERS)
    # No test cuts the power, and those about durability record the calls.
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


@pytest.fixture(scope="session", autouse=True)
def _databases_wait_for_no_disk() -> None:
    """No test cuts the power, and each closing of a database would wait for the disk twice."""
    database.SYNCHRONOUS = "OFF"


@pytest.fixture(autouse=True)
def eyes(monkeypatch: pytest.MonkeyPatch) -> Record:
    """What decoders were asked: in this process they are played, because real ones take a quarter of a second to start."""
    record = Record()
    monkeypatch.setattr("photovault.decoder.host.Decoders", fake(record))
    return record


@pytest.fixture(autouse=True)
def _nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What always has the same result is computed once for all tests: a password's key, and the commands that were named."""
    monkeypatch.setattr("photovault.vault.slots.stretch_password", _stretched)
    monkeypatch.setattr("photovault.cli.main.command_line", _command_line)
    monkeypatch.setattr(typer.main, "get_command", _parser)


_stretched = cache(stretch_password)
_parser = cache(typer.main.get_command)
_of_commands = cache(command_line)


def _command_line(words: Sequence[str]) -> typer.Typer:
    return _of_commands(frozenset(COMMANDS.keys() & set(words)))


@pytest.fixture
def real_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoders as they are, in processes of their own."""
    monkeypatch.setattr("photovault.decoder.host.Decoders", _RealDecoders)


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

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def vault(tmp_path: Path, photovault: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new vault in a folder, named by the environment; its words are in ``words.txt`` beside it."""
    folder = tmp_path / "vault"
    done = photovault("init", "--vault", folder, "--words-file", tmp_path / "words.txt")
    assert done.code == 0, done.err
    monkeypatch.setenv("PHOTOVAULT_VAULT", str(folder))
    return folder


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A real SSH server, and the home folder of somebody whom it lets in."""
    from tests.support.sshd import Sshd

    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with Sshd(tmp_path / "sshd") as server:
        monkeypatch.setenv("HOME", str(server.home))
        yield server


@pytest.fixture
def rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The real rclone with a remote that is a folder; the address of a place in it."""
    from tests.support.programs import needed

    needed("rclone")
    (tmp_path / "disk").mkdir()
    config = tmp_path / "rclone.conf"
    config.write_text(f"[disk]\ntype = alias\nremote = {tmp_path}/disk\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(config))
    return "rclone:disk:deep/vault"


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 store, for all tests that leave it whole."""
    from tests.support.servers import SeaweedFS

    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def webdav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WsgiDAV]:
    """A real WebDAV server, for all tests that leave it whole."""
    from tests.support.servers import WsgiDAV

    server = WsgiDAV(tmp_path_factory.mktemp("webdav"))
    yield server
    server.kill()


@pytest.fixture
def s3_url(seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty place in S3; what logs in there is in the environment."""
    seaweedfs.let_in(monkeypatch)
    return seaweedfs.url(tmp_path.name)


@pytest.fixture
def webdav_url(webdav: WsgiDAV, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty place behind WebDAV; what logs in there is in the environment."""
    webdav.let_in(monkeypatch)
    return webdav.url(f"{tmp_path.name}/vault")


@pytest.fixture
def sftp_url(sshd: Sshd) -> str:
    """The address of an empty place behind SSH, with everything that is needed to log in."""
    return sshd.url()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the crash proofs tried, summed up: operations failed, states checked, snapshots restored, losses."""
    count: Counter[str] = Counter()
    proofs = set()
    for report in terminalreporter.stats.get("", []):  # where each test's end is, with all that it noted
        found = {name: tried for name, tried in report.user_properties if name in TRIED}
        count.update(found)
        proofs |= {report.nodeid} if found else set()
    if count:
        tried = ", ".join(f"{count[name]:,} {name}" for name in TRIED)
        losses = sum(report.nodeid in proofs for report in terminalreporter.stats.get("failed", []))
        terminalreporter.write_line(f"crash proofs: {tried}, {losses:,} losses")
