"""Making a vault, with and without somebody to ask."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from photovault.cli.init import asked_back
from photovault.crypto.words import from_words, to_words
from tests.support.photos import jpeg, put
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "Correct horse 7"


def test_words_are_written_for_the_owner_only(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    assert words.stat().st_mode & 0o777 == 0o600
    assert len(from_words(words.read_text())) == 32
    assert photovault("key", "test", "--words-file", words).code == 0


def test_without_a_terminal_the_missing_flag_is_named(photovault: Callable, tmp_path: Path) -> None:
    done = photovault("init", "--vault", tmp_path / "v")
    assert (done.code, "--words-file" in done.err) == (2, True)
    assert not (tmp_path / "v").exists()


def test_a_vault_is_never_made_over_another(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    before = sorted((path, path.read_bytes()) for path in vault.rglob("*") if path.is_file())
    done = photovault("init", "--vault", vault, "--words-file", tmp_path / "w2")
    assert (done.code, "already" in done.err) == (2, True)
    assert sorted((path, path.read_bytes()) for path in vault.rglob("*") if path.is_file()) == before
    assert not (tmp_path / "w2").exists()


def test_words_are_never_written_over_a_file(photovault: Callable, tmp_path: Path) -> None:
    kept = put(tmp_path / "words", b"the words of another vault")
    done = photovault("init", "--vault", tmp_path / "v", "--words-file", kept)
    assert (done.code, kept.read_bytes()) == (2, b"the words of another vault")
    assert photovault("init", "--vault", tmp_path / "v", "--words-file", tmp_path / "no" / "such").code == 1


def test_the_configuration_names_vault_and_sources(photovault: Callable, tmp_path: Path) -> None:
    odd = tmp_path / 'odd "name" \\ \U000e0001\x01 ü'
    odd.mkdir()
    put(odd / "a.jpg", jpeg(1))
    done = photovault("init", "--vault", tmp_path / "v", "--words-file", tmp_path / "w", "--source", odd, "--json")
    assert (done.code, done.json["password"], done.json["schema"]) == (0, False, 1)
    config = tmp_path / "device" / "config.toml"
    assert done.json["config"] == str(config)
    assert config.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(config.read_text()) == {"vault": {"url": str(tmp_path / "v")}, "sources": [{"path": str(odd)}]}
    assert photovault("backup", "--json").json["files_new"] == 1


def test_a_configuration_that_is_there_stays_and_that_is_said(
    photovault: Callable, vault: Path, tmp_path: Path
) -> None:
    config = tmp_path / "device" / "config.toml"
    before = config.read_text()
    (tmp_path / "P").mkdir()
    done = photovault("init", "--vault", tmp_path / "v2", "--words-file", tmp_path / "w2", "--source", tmp_path / "P")
    assert (done.code, config.read_text()) == (0, before)
    assert str(config) in done.out


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_source_that_is_no_folder_makes_no_vault(photovault: Callable, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    done = photovault("init", "--vault", tmp_path / "v", "--words-file", tmp_path / "w", "--source", tmp_path / name)
    assert (done.code, "is not a folder" in done.err) == (2, True)
    assert not (tmp_path / "v").exists()
    assert not (tmp_path / "w").exists()


def test_a_password_from_a_file_is_a_way_in(photovault: Callable, tmp_path: Path) -> None:
    password = put(tmp_path / "pw", b"short\n")
    options = ("--vault", tmp_path / "v", "--password-file", password)
    assert photovault("init", *options, "--words-file", tmp_path / "w").code == 0
    assert photovault("key", "test", *options).code == 0


def test_the_three_words_asked_back_are_spread_and_the_same_each_time() -> None:
    for seed in range(50):
        words = to_words(bytes([seed]) * 32)
        first, second, third = asked_back(words)
        assert 1 <= first <= 8 < second <= 16 < third <= 24
        assert asked_back(words) == [first, second, third]


def test_on_a_terminal_a_password_is_asked_for_twice_and_three_words_back(photovault: Callable, tmp_path: Path) -> None:
    person = Person("init", "--vault", tmp_path / "v")
    person.sees("New password: ")
    person.types("weak")
    person.sees("a password needs")
    person.sees("New password: ")
    person.types(PASSWORD)
    person.sees("The same again: ")
    person.types("another one 77 Z")
    person.sees("they differ")
    person.sees("New password: ")
    person.types(PASSWORD)
    person.sees("The same again: ")
    person.types(PASSWORD)
    page = person.sees("the screen is cleared")
    words = [word for _, word in sorted((int(n), w) for n, w in re.findall(r"(\d+)\. ([a-z]+)", page))]
    assert len(from_words(" ".join(words))) == 32
    person.types("")
    for number in asked_back(words):
        person.sees(f"Word {number}")
        person.types("wrong")
        person.sees("that is not it")
        person.sees(f"Word {number}")
        person.types(words[number - 1].upper())
    assert person.leaves() == 0
    assert PASSWORD not in person.seen, "what is typed is not shown"
    typed = put(tmp_path / "typed", " ".join(words).encode())
    assert photovault("key", "test", "--vault", tmp_path / "v", "--words-file", typed).code == 0
    typed.write_text(PASSWORD)
    assert photovault("key", "test", "--vault", tmp_path / "v", "--password-file", typed).code == 0


def test_ctrl_c_at_a_question_cancels(tmp_path: Path) -> None:
    person = Person("init", "--vault", tmp_path / "v")
    person.sees("New password: ")
    person.types("\x03", end="")
    assert person.leaves() == 130
    assert "Traceback" not in person.seen
    assert not (tmp_path / "v").exists()


def test_a_first_backup_offers_to_make_the_vault(photovault: Callable, tmp_path: Path) -> None:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    person = Person("backup", tmp_path / "P", "--vault", tmp_path / "v")
    person.sees("Make one in")
    person.types("n")
    assert person.leaves() == 2
    assert not (tmp_path / "v").exists()
    person = Person("backup", tmp_path / "P", "--vault", tmp_path / "v", "--password-file", put(tmp_path / "pw", b"pw"))
    person.sees("Make one in")
    person.types("")
    page = person.sees("the screen is cleared")
    words = [word for _, word in sorted((int(n), w) for n, w in re.findall(r"(\d+)\. ([a-z]+)", page))]
    person.types("")
    for number in asked_back(words):
        person.sees(f"Word {number}")
        person.types(words[number - 1])
    person.sees("snapshot")
    assert person.leaves() == 0
    assert photovault("snapshots", "--vault", tmp_path / "v", "--json").json["snapshots"][0]["files"] == 1
