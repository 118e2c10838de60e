"""``photovault key``, and where passwords come from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import jpeg, put
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "a long enough password"


@pytest.fixture
def locked(vault: Path, tmp_path: Path, photovault: Callable) -> Path:
    """A vault with a password and a backup, opened by nothing that this device has."""
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    assert photovault("backup", tmp_path / "P").code == 0
    password = put(tmp_path / "pw", PASSWORD.encode())
    assert photovault("key", "add", "password", "--new-password-file", password).code == 0
    for path in (tmp_path / "device").rglob("device.key"):
        path.unlink()
    return vault


def ids(photovault: Callable, kind: str, *options: object) -> list[str]:
    done = photovault("key", "list", "--json", *options)
    return [one["id"] for one in done.json["keys"] if one["kind"] == kind]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_file_may_end_a_line(photovault: Callable, locked: Path, tmp_path: Path, ending: str) -> None:
    path = put(tmp_path / "file", (PASSWORD + ending).encode())
    assert photovault("ls", "--password-file", path).code == 0


@pytest.mark.parametrize(
    ("data", "code", "what"),
    [
        (b"", 2, "is empty"),
        (b"\n", 2, "is empty"),
        (b"\xff\xfe", 2, "not UTF-8"),
        (b"x" * 70_000, 2, "longer than"),
        (None, 2, "cannot read"),
        (b"wrong", 12, "do not open"),
        (PASSWORD.encode() + b"\n\n", 12, "do not open"),
        (PASSWORD.encode() + b" ", 12, "do not open"),
    ],
)
def test_password_files_that_do_not_open(
    photovault: Callable, locked: Path, tmp_path: Path, data: bytes | None, code: int, what: str
) -> None:
    path = tmp_path / "file"
    if data is not None:
        path.write_bytes(data)
    done = photovault("ls", "--password-file", path)
    assert (done.code, what in done.err, done.out) == (code, True, "")
    assert PASSWORD not in done.err


def test_a_password_by_command(photovault: Callable, locked: Path) -> None:
    assert photovault("ls", "--password-command", f"printf '%s\\n' '{PASSWORD}'").code == 0
    assert photovault("ls", "--password-command", "printf wrong").code == 12
    for command in ("false", "no-such-command-here", "'", ""):
        assert photovault("ls", "P", "--password-command", command or "true").code == 2


@pytest.mark.parametrize("command", [["ls", "P"], ["restore", "P/a.jpg", "--to", "OUT"], ["key", "test"], ["check"]])
@pytest.mark.parametrize("as_stdin", [False, True])
def test_a_password_by_descriptor(
    photovault: Callable, locked: Path, tmp_path: Path, command: list[str], as_stdin: bool
) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, PASSWORD.encode())
    os.close(write_end)
    kept = os.dup(0)
    try:
        if as_stdin:
            os.dup2(read_end, 0)
        args = [str(tmp_path / "out") if word == "OUT" else word for word in command]
        done = photovault(*args, "--password-fd", 0 if as_stdin else read_end)
        assert done.code == 0, done.err
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(read_end)


def test_a_descriptor_that_is_closed(photovault: Callable, locked: Path) -> None:
    assert photovault("ls", "--password-fd", 987).code == 2


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("PASSWORD", PASSWORD, 0), ("PASSWORD", "wrong", 12), ("PASSWORD_FILE", "FILE", 0), ("PASSWORD_FILE", "/no", 2),
        ("PASSWORD_COMMAND", f"printf '{PASSWORD}'", 0), ("PASSWORD_FD", "x", 2), ("PASSWORD_FD", "987", 2),
    ],
)  # fmt: skip
def test_the_environment(
    photovault: Callable,
    locked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    value: str,
    code: int,
) -> None:
    monkeypatch.setenv(f"PHOTOVAULT_{name}", value.replace("FILE", str(tmp_path / "pw")) if value == "FILE" else value)
    assert photovault("ls").code == code


def test_without_anything_the_flags_are_named_and_nobody_is_asked(photovault: Callable, locked: Path) -> None:
    done = photovault("ls")
    assert (done.code, "--password-file" in done.err) == (2, True)
    done = photovault("key", "test")
    assert (done.code, "--password-file" in done.err) == (2, True)


def test_on_a_terminal_the_password_is_asked_for_once_and_not_shown(locked: Path, tmp_path: Path) -> None:
    person = Person("restore", "P/a.jpg", "--to", tmp_path / "out")
    person.sees("Password of the vault: ")
    person.types(PASSWORD)
    person.sees("restored 1 file")
    assert person.leaves() == 0
    assert PASSWORD not in person.seen


def test_words_open_the_vault(photovault: Callable, locked: Path, tmp_path: Path) -> None:
    words = (tmp_path / "words.txt").read_text()
    shouted = put(tmp_path / "shouted", words.upper().replace("\n", "\r\n").encode())
    assert photovault("ls", "--words-file", shouted).code == 0
    last = words.split()[-1]
    for text, code in (
        (words.replace(last, "zoo" if last != "zoo" else "zone"), 12), ("one two", 12), ("", 2), (words + " extra", 12),
    ):  # fmt: skip
        assert photovault("ls", "--words-file", put(tmp_path / "bad", text.encode())).code == code
    assert photovault("ls", "--words-file", tmp_path / "nowhere").code == 2


def test_a_second_device_is_added_by_the_words(photovault: Callable, locked: Path, tmp_path: Path) -> None:
    assert photovault("ls").code == 2
    assert photovault("key", "add", "device", "--words-file", tmp_path / "words.txt", "--label", "the attic").code == 0
    assert photovault("ls").code == 0
    out = photovault("key", "list").out
    assert "the attic" in out
    assert [line for line in out.splitlines() if "(opened this time)" in line] == [
        line for line in out.splitlines() if "the attic" in line
    ]
    assert photovault("check").code == 0


def test_change_add_test_remove(photovault: Callable, locked: Path, tmp_path: Path) -> None:
    old, new = ("--password-file", tmp_path / "pw"), ("--password-file", put(tmp_path / "new", b"another password\n"))
    assert photovault("key", "change", *old, "--new-password-file", tmp_path / "new").code == 0
    assert [photovault("key", "test", *way).code for way in (old, new)] == [12, 0]
    assert "tested " in photovault("key", "list", *new).out
    assert photovault("key", "change", "words", *new, "--new-words-file", tmp_path / "w2").code == 0
    ways = [photovault("key", "test", "--words-file", tmp_path / name).code for name in ("words.txt", "w2")]
    assert ways == [12, 0]
    assert photovault("key", "change", "device", *new).code == 2
    (words,) = ids(photovault, "words", *new)
    (password,) = ids(photovault, "password", *new)
    assert photovault("key", "remove", words[:8], *new).code == 0
    done = photovault("key", "remove", password, *new)
    assert (done.code, "last password" in done.err) == (1, True)
    assert photovault("key", "remove", "zzzz", *new).code == 2
    assert photovault("check", *new).code == 0


def test_new_secrets_need_a_flag_without_a_terminal(photovault: Callable, locked: Path, tmp_path: Path) -> None:
    way = ("--password-file", tmp_path / "pw")
    for words, flag in (
        (["add", "password"], "--new-password-file"), (["add", "words"], "--new-words-file"),
        (["change", "password"], "--new-password-file"), (["change", "words"], "--new-words-file"),
    ):  # fmt: skip
        done = photovault("key", *words, *way)
        assert (done.code, flag in done.err) == (2, True), words
    assert len(photovault("key", "list", "--json", *way).json["keys"]) == 3


def test_a_key_command_in_json(photovault: Callable, locked: Path, tmp_path: Path) -> None:
    way = ("--password-file", tmp_path / "pw", "--json")
    added = photovault("key", "add", "words", *way, "--new-words-file", tmp_path / "w2").json
    assert (added["schema"], added["removed"], added["left"]) == (1, None, None)
    assert added["added"] in ids(photovault, "words", *way[:2])
    assert photovault("key", "remove", added["added"], *way).json["removed"] == added["added"]
    assert photovault("key", "test", *way).json["kind"] == "password"


def test_a_removed_slot_that_the_storage_puts_back_is_found(tmp_path, vault, photovault) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "a.jpg").write_bytes(b"photo")
    assert photovault("backup", tmp_path / "Pictures").code == 0
    (tmp_path / "pw").write_text("correct horse battery\n")
    added = photovault("key", "add", "password", "--new-password-file", tmp_path / "pw", "--json").json["added"]
    slot = vault / "keys" / added
    kept = slot.read_bytes()
    assert photovault("key", "remove", added).code == 0
    assert photovault("check").code == 0
    slot.write_bytes(kept)
    for _ in range(2):
        done = photovault("check")
        assert done.code == 13
        assert added in done.err
        assert "there again" in done.err
        assert photovault("backup", tmp_path / "Pictures").code == 0  # which lists what is there
