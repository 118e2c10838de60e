"""The entry point: help, completion, options anywhere, and what becomes of errors."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from photovault import __version__
from photovault.cli.main import COMMANDS
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GROUPS = {
    "catalog": ["rebuild", "status"],
    "import": ["takeout", "folder", "apple-photos"],
    "key": ["list", "add", "change", "remove", "test"],
    "people": [
        *("enable", "disable", "receipt", "notice", "renew", "allow", "disallow"),
        *("scan", "status", "list", "show", "name", "merge", "split", "hide", "unhide"),
        *("review", "answer", "undo", "history", "export", "import"),
    ],
    "people release": ["add", "list", "withdraw"],
    "service": ["install", "uninstall", "status"],
}


def run(*args: object, python: tuple[str, ...] = (), **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "photovault", *map(str, args)],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_version(photovault: Callable) -> None:
    assert photovault("--version").out == f"photovault {__version__}\n"


def test_help_names_every_command_with_one_line(photovault: Callable) -> None:
    done = photovault("--help")
    assert done.code == 0
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line[:20])}", done.out, re.MULTILINE), name
    for code in ("0 done", "3 done in part", "12 wrong password", "15 stopped by a guard", "130 cancelled"):
        assert code in " ".join(done.out.split())


@pytest.mark.parametrize(
    "words",
    [[name] for name in COMMANDS if name not in GROUPS]
    + [[*one.split(), name] for one in GROUPS for name in GROUPS[one]],
)
def test_every_command_helps_with_examples_first(photovault: Callable, words: list[str]) -> None:
    for flag in ("--help", "-h"):
        done = photovault(*words, flag)
        assert (done.code, done.err) == (0, "")
    usage, text, *rest = re.split(r"\n{2,}", done.out)
    assert usage.strip().startswith("Usage: photovault " + " ".join(words))
    assert text.strip().endswith(".")
    assert "Examples:" in rest[0]
    assert f"photovault {' '.join(words)}" in "\n".join(rest[:3])
    assert "--json" in done.out
    if len(words) == 1:
        assert " ".join(text.split()) == COMMANDS[words[0]]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["import", "folder"], "photovault import folder"),
        (["find", "--bogus"], "photovault find"),
        (["finds"], "photovault"),
    ],
)
def test_wrong_use_leads_to_the_help_of_that_command(photovault: Callable, words: list[str], where: str) -> None:
    done = photovault(*words)
    assert done.code == 2
    assert f"what to do: see `{where} --help`" in done.err


@pytest.mark.parametrize("words", [[], *(name.split() for name in GROUPS)])
def test_no_command_shows_the_help(photovault: Callable, words: list[str]) -> None:
    done = photovault(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: photovault")
    assert "\\n" not in done.err


def test_help_loads_nothing_heavy() -> None:
    done = run("--help", python=("-X", "importtime"))
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"cryptography", "sqlite3", "pydantic", "keyring", "mnemonic", "pathspec", "rich", "PIL"}


def test_completion_offers_commands_and_options() -> None:
    environ = {"_PHOTOVAULT_COMPLETE": "complete_bash", "COMP_WORDS": "photovault ba", "COMP_CWORD": "1"}
    assert run(**environ).stdout.split() == ["backup"]
    environ |= {"COMP_WORDS": "photovault backup --all-f", "COMP_CWORD": "2"}
    assert run(**environ).stdout.split() == ["--all-files"]


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"], ["backup", "--nonsense"], ["restore"], ["ls", "--from", "someday"], ["key", "add", "nonsense"],
        ["restore", "--to", "x", "--overwrite", "sometimes"], ["check", "--data", "some"], ["--password-fd", "x", "ls"],
        ["diff"], ["backup", "--time", "someday", "."], ["ls", "--vault", ""], ["--vault", "", "status"],
        ["init", "--vault", ""], ["ls", "--config", ""], ["ls", "--words-file", ""], ["ls", "--password-file", ""],
        ["ls", "--no-config", "--profile", "work"], ["ls", "--no-config", "--config", "x.toml"],
    ],
)  # fmt: skip
def test_wrong_use_is_exit_2_and_says_what(photovault: Callable, vault: Path, args: list[str]) -> None:
    done = photovault(*args)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    for where in (0, len(args)):
        as_json = photovault(*args[:where], "--json", *args[where:])
        assert (as_json.code, as_json.out) == (2, "")
        assert json.loads(as_json.err)["exit_code"] == 2


def test_common_options_stand_before_or_after_the_command(photovault: Callable, vault: Path, monkeypatch) -> None:
    monkeypatch.delenv("PHOTOVAULT_VAULT")
    monkeypatch.setenv("PHOTOVAULT_CONFIG", str(vault.parent / "none.toml"))
    (vault.parent / "none.toml").touch()
    before = photovault("--json", "--vault", vault, "snapshots")
    after = photovault("snapshots", "--vault", vault, "--json")
    assert (before.code, before.json["snapshots"]) == (0, [])
    assert after == before
    assert photovault("--vault", "/nowhere", "snapshots", "--vault", vault).code == 0, "the later one counts"
    assert photovault("snapshots").code == 2


def test_errors_as_json_are_one_line_on_standard_error(photovault: Callable, tmp_path: Path) -> None:
    done = photovault("snapshots", "--json", "--vault", tmp_path / "nothing")
    assert (done.code, done.out) == (10, "")
    value = json.loads(done.err)
    assert (value["schema"], value["message_type"], value["exit_code"]) == (1, "error", 10)
    assert value["error"]
    assert value["hint"]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("\x1b[31ma secret detail")

    monkeypatch.setattr("photovault.app.runs.App.status", fail)


def test_a_defect_is_one_line_and_exit_1(photovault: Callable, vault: Path, broken: None) -> None:
    done = photovault("status")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == "error: unexpected RuntimeError: this is a defect of photovault"
    assert "--debug" in done.err
    assert "Traceback" not in done.err
    assert json.loads(photovault("status", "--json").err)["exit_code"] == 1


def test_a_defect_shows_its_traceback_for_debug(photovault: Callable, vault: Path, broken: None) -> None:
    with pytest.raises(RuntimeError):
        photovault("status", "--debug")


def test_an_error_of_the_system_is_told_as_such(photovault: Callable, vault: Path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error", "/some/\x1bfile")

    monkeypatch.setattr("photovault.app.runs.App.status", fail)
    done = photovault("status")
    assert done.code == 1
    assert done.err.startswith("error: Input/output error: /some/\\x1bfile")


def test_a_broken_pipe_is_no_traceback(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    for number in range(300):
        put(tmp_path / "P" / f"{number:04}{'x' * 200}.jpg", b"%d" % number)
    assert photovault("backup", tmp_path / "P").code == 0
    script = f'"{sys.executable}" -m photovault ls -r | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[0] == "P"[:1] + "/"
    assert done.stdout.splitlines()[-1] in {"1", "141"}
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_with_130(photovault: Callable, vault: Path, tmp_path: Path, monkeypatch, number) -> None:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    real = __import__("photovault.backup", fromlist=["run_backup"]).run_backup

    def interrupted(*args: object, **named: object) -> object:
        os.kill(os.getpid(), number)
        return real(*args, **named)

    with monkeypatch.context() as cut:
        cut.setattr("photovault.app.backing.run_backup", interrupted)
        done = photovault("backup", tmp_path / "P")
    assert (done.code, done.err.splitlines()[0]) == (130, "error: cancelled")
    assert photovault("snapshots", "--json").json["snapshots"] == []
    assert photovault("backup", tmp_path / "P").code == 0


def test_a_signal_before_the_command_begins_cancels_it(photovault: Callable, vault: Path, monkeypatch) -> None:
    def interrupted(*args: object, **named: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr("photovault.cli.main.command_line", interrupted)
        done = photovault("snapshots")
    assert (done.code, done.err) == (130, "error: cancelled\n")


def test_names_that_the_terminal_cannot_show_are_escaped(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    put(tmp_path / "P" / "n\u00e4me \U0001f431.jpg", jpeg(1))
    assert photovault("backup", tmp_path / "P").code == 0
    done = run("ls", "-r", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "P/n\\xe4me \\U0001f431.jpg")
