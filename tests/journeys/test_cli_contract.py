"""What scripts and monitoring rely on: exit codes, one JSON value a line, no secret anywhere."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from photovault.device import run_lock
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "Xylophone-Quartz-91"
NEW = "Zeppelin-Umbra-57"


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    assert photovault("backup", tmp_path / "P").code == 0
    return tmp_path / "P"


def test_exit_codes(photovault: Callable, vault: Path, photos: Path, tmp_path: Path) -> None:
    wrong = put(tmp_path / "wrong", b"wrong")
    assert photovault("status").code == 0
    assert photovault("ls", "nothing").code == 1
    assert photovault("ls", "--from", "soon").code == 2
    assert photovault("key", "add", "password").code == 2, "it would have to ask"
    assert photovault("ls", "--vault", tmp_path / "empty").code == 10
    assert photovault("key", "test", "--password-file", wrong).code == 12
    (folder,) = (tmp_path / "device" / "state" / "vaults").iterdir()
    with run_lock(folder, wait=False):
        assert photovault("backup", photos).code == 11
    put(photos / ".b.jpg.icloud", b"")
    assert photovault("backup", photos).code == 3
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[sources]]\npath = '{tmp_path / 'away'}'\n")
    assert photovault("backup").code == 15
    for path in (vault / "packs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert photovault("check").code == 13
    assert photovault("restore", "--to", tmp_path / "out").code == 13


def test_every_command_answers_programs_in_json_alone(
    photovault: Callable, vault: Path, photos: Path, tmp_path: Path
) -> None:
    put(tmp_path / "pw", PASSWORD.encode())
    commands = {
        ("init", "--vault", tmp_path / "v2", "--words-file", tmp_path / "w2"): {"vault", "id", "words_file", "config"},
        ("backup", photos): {"message_type", "snapshot", "files_new", "bytes_stored", "problems"},
        ("backup", photos, "-n"): {"message_type", "files_new", "problems"},
        ("restore", "--to", tmp_path / "out"): {"message_type", "files_restored", "damaged", "problems"},
        ("snapshots",): {"snapshots", "damaged"},
        ("ls",): {"snapshot", "entries", "damaged"},
        ("diff", "latest", "latest"): {"changes", "counts"},
        ("check", "--data", "all"): {"message_type", "findings", "files", "packs"},
        ("check", "--keyless", vault): {"message_type", "findings", "packs"},
        ("status",): {"protected", "overdue", "last_backup", "files_pending"},
        ("key", "list"): {"keys", "damaged"},
        ("key", "add", "password", "--new-password-file", tmp_path / "pw"): {"added", "removed"},
        ("key", "test", "--password-file", tmp_path / "pw"): {"id", "kind", "tested"},
    }
    for command, keys in commands.items():
        for place in (0, len(command)):
            words = list(command)
            words[place:place] = ["--json"]
            if place and command[0] == "init":
                words[2], words[4] = tmp_path / "v3", tmp_path / "w3"
            done = photovault(*words)
            assert (done.code, done.err) == (0, ""), words
            lines = [json.loads(line) for line in done.out.splitlines()]
            assert all(line["schema"] == 1 for line in lines), words
            assert keys <= lines[-1].keys(), words
            assert len(lines) == 1 or all("message_type" in line for line in lines), words


def test_no_secret_is_told_or_kept(photovault: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault, words_file, new_words = tmp_path / "vault", tmp_path / "secret" / "words", tmp_path / "secret" / "words2"
    old, new = put(tmp_path / "secret" / "pw", PASSWORD.encode()), put(tmp_path / "secret" / "new", NEW.encode())
    monkeypatch.setenv("PHOTOVAULT_VAULT", str(vault))
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    told = []
    for command in (
        ("init", "--words-file", words_file, "--password-file", old),
        ("backup", tmp_path / "P", "-v"),
        ("key", "list", "-v"),
        ("key", "test", "--password-file", old),
        ("key", "test", "--password-file", new),
        ("key", "test", "--words-file", words_file),
        ("ls", "--password-file", old, "--json"),
        ("key", "change", "password", "--password-file", old, "--new-password-file", new, "--json"),
        ("key", "change", "words", "--new-words-file", new_words),
        ("ls", "--words-file", old),
        ("ls", "--password-file", words_file),
        ("ls", "--password-command", f"cat {words_file} {words_file} nowhere"),
        ("key", "add", "device"),
        ("check", "--data", "all", "-v"),
        ("status", "-v"),
    ):
        done = photovault(*command)
        assert "Traceback" not in done.err
        told.append(done.out + done.err)
    said = "\n".join(told)
    keys = [path.read_bytes() for path in (tmp_path / "device").rglob("device.key")]
    words = [[line.split()[-1] for line in path.read_text().splitlines()] for path in (words_file, new_words)]
    assert [len(one) for one in words] == [24, 24]
    assert [len(key) for key in keys] == [32]
    for secret in (PASSWORD, NEW, keys[0].hex(), *(" ".join(one[at : at + 2]) for one in words for at in range(23))):
        assert secret not in said
    files = [*(tmp_path / "device").rglob("*"), *vault.rglob("*")]
    for path in (path for path in files if path.is_file()):
        data = path.read_bytes()
        for secret in (PASSWORD, NEW, " ".join(words[0][:3]), " ".join(words[1][:3]), "\n".join(words[1][:3])):
            assert secret.encode() not in data, path
        assert keys[0].hex().encode() not in data, path
        assert path.name == "device.key" or keys[0] not in data, path
        assert not path.stat().st_mode & 0o077 or vault in path.parents or path.suffix.startswith(".sqlite"), path


def test_nothing_of_a_photo_stands_in_clear_in_the_vault(
    photovault: Callable, vault: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.node", lambda: "annas-computer")
    assert photovault("backup", photos, "--tag", "wedding").code == 0
    stored = b"".join(path.read_bytes() for path in vault.rglob("*") if path.is_file())
    for secret in (
        b"a.jpg",
        os.fsencode(photos),
        (photos / "a.jpg").read_bytes()[200:300],
        b"annas-computer",
        b"wedding",
    ):
        assert secret not in stored


def test_the_calls_of_the_readme_work_without_a_terminal(photovault: Callable, tmp_path: Path) -> None:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    vault = tmp_path / "my vault"
    assert photovault("init", "--vault", vault, "--source", tmp_path / "P", "--words-file", tmp_path / "w").code == 0
    assert photovault("backup").code == 0
    assert photovault("backup", tmp_path / "P", "--vault", f"file://{str(vault).replace(' ', '%20')}").code == 0
    assert photovault("restore", "latest", "P", "--to", tmp_path / "out").code == 0
    assert photovault("check", "--data", "all").code == 0
    for command in ("snapshots", "ls", "status", "check"):
        assert photovault(command, "--json").json["schema"] == 1
