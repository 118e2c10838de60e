"""Passwords come from files, commands, descriptors and the environment, whole and without being repeated to anybody."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from photovault.errors import UsageError
from photovault.passwords import environment_password, from_command, from_fd, from_file, strength_problem

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 64 * 1024
GOOD = {
    b"secret": "secret",
    b"secret\n": "secret",
    b"secret\r\n": "secret",
    b"secret\n\n": "secret\n",
    b"secret\r": "secret\r",
    b" two words \n": " two words ",
    "pässwörd\n".encode(): "pässwörd",
    b"a" * LIMIT: "a" * LIMIT,
}
BAD = {
    b"": "empty",
    b"\n": "empty",
    b"\r\n": "empty",
    b"\xff\xfe": "not UTF-8",
    b"a" * (LIMIT + 1): "longer than 64 KiB",
}


def printing(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def pipe(data: bytes) -> int:
    """The reading end of a pipe that holds at most what fits into one."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


@pytest.mark.parametrize("data", GOOD)
def test_one_line_end_is_dropped_and_nothing_else(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "password").write_bytes(data)
    assert from_file(str(tmp_path / "password")) == GOOD[data]
    assert from_command(shlex.join(["cat", str(tmp_path / "password")])) == GOOD[data]
    with open(tmp_path / "password", "rb") as file:
        assert from_fd(file.fileno()) == GOOD[data]
        os.fstat(file.fileno())  # it stays open: it is not ours


@pytest.mark.parametrize("data", BAD)
def test_what_is_no_password_is_refused_and_not_shown(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(data)
    with open(path, "rb") as file:
        uses = [
            lambda: from_file(str(path)),
            lambda: from_command(shlex.join(["cat", str(path)])),
            lambda: from_fd(file.fileno()),
        ]
        for use in uses:
            with pytest.raises(UsageError, match=BAD[data]) as caught:
                use()
            assert "aaaa" not in str(caught.value)


def test_a_home_folder_may_be_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "password").write_text("secret")
    assert from_file("~/password") == "secret"


@pytest.mark.parametrize("path", ["/nowhere/at all", "/", "a\0b", "~nobody of this name/x", ""])
def test_a_file_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(UsageError, match="cannot read the recovery words file"):
        from_file(path, "recovery words")


def test_a_file_without_end_is_too_long() -> None:
    with pytest.raises(UsageError, match="longer than"):
        from_file("/dev/zero")


@pytest.mark.parametrize(
    "command",
    [
        "false",
        "/nowhere/at-all",
        "",
        "   ",
        "unbalanced 'quote",
        "a\0b",
        printing("print('secret'); raise SystemExit(3)"),
    ],
)
def test_a_command_that_fails_gives_no_password(command: str) -> None:
    with pytest.raises(UsageError, match="password command failed") as caught:
        from_command(command)
    assert "secret" not in str(caught.value)
    assert "by hand" in caught.value.hint


def test_a_command_that_prints_without_end_is_stopped() -> None:
    with pytest.raises(UsageError, match="longer than"):
        from_command("yes")


def test_a_command_is_run_without_a_shell_and_without_our_input(tmp_path: Path) -> None:
    assert from_command("echo '$HOME' ';' touch x") == "$HOME ; touch x"
    with pytest.raises(UsageError, match="empty"):
        from_command("cat")


def test_a_descriptor_that_is_none_is_refused() -> None:
    for fd in (-1, 10_000, 2**40):
        with pytest.raises(UsageError, match="file descriptor"):
            from_fd(fd)


def test_a_pipe_is_read_to_its_end() -> None:
    reader = pipe(b"secret\n")
    try:
        assert from_fd(reader) == "secret"
    finally:
        os.close(reader)


def test_the_environment_names_a_source(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    reader = pipe(b"from a pipe\n")
    everything = {
        "PHOTOVAULT_PASSWORD_FILE": str(tmp_path / "password"),
        "PHOTOVAULT_PASSWORD_COMMAND": "echo from a command",
        "PHOTOVAULT_PASSWORD_FD": str(reader),
        "PHOTOVAULT_PASSWORD": "plain",
    }
    found = []
    while everything:
        found.append(environment_password(everything))
        everything.pop(next(iter(everything)))
    os.close(reader)
    assert found == ["from a file", "from a command", "from a pipe", "plain"]
    assert environment_password({}) is None
    assert environment_password({"PHOTOVAULT_PASSWORD": ""}) is None


@pytest.mark.parametrize("fd", ["x", "-1", "1.5", "9" * 5000, "²"])
def test_a_descriptor_in_the_environment_is_a_number(fd: str) -> None:
    with pytest.raises(UsageError, match="not a number"):
        environment_password({"PHOTOVAULT_PASSWORD_FD": fd})


@pytest.mark.parametrize("password", ["correct horse", "Summer2026", "aB3$efgh", "twelve chars", "äöüß12345678"])
def test_strong_enough(password: str) -> None:
    assert strength_problem(password) == ""


@pytest.mark.parametrize("password", ["", "short", "password", "12345678901", "aaaaaaaaaaaaaa", "aB3$", "abababababab"])
def test_too_weak(password: str) -> None:
    assert "twelve characters" in strength_problem(password)
