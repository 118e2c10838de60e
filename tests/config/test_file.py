"""Any file is a configuration or an error that says why not, and no secret is in it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.config import Config, load, parse
from photovault.errors import ConfigError
from tests.config.some import refusal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    [
        "password = 'hunter2'",
        "[vault]\nPass_Word = 'hunter2'",
        "[[sources]]\npath='/a'\nsecret = 'hunter2'",
        "[a.b.c]\nmy-token = 'hunter2'",
        "x = [[{api_key = 'hunter2'}]]",
        ".".join(["a"] * 3000) + ".secret = 'hunter2'",
    ],
)
def test_a_secret_is_refused_and_the_message_says_where_it_belongs(text: str) -> None:
    error = refusal(text)
    assert "--password-file" in error.hint
    assert "PHOTOVAULT_PASSWORD_FILE" in error.hint
    assert "hunter2" not in error.what + error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[vault]\nurl = ", "line 2"),
        ("a = " + "[" * 5000, "too deeply"),
        ("a = " + "1" * 5000, "not valid TOML"),
    ],
)
def test_broken_toml_is_refused(text: str, what: str) -> None:
    assert what in refusal(text).what


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot read") as caught:
        load(tmp_path / "none.toml")
    assert "--config" in caught.value.hint


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[vault]\nurl = '/f\xfcr'\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: line 2: not UTF-8"):
        load(path)


def test_the_mark_that_notepad_writes_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[backup]\njobs = 2\n")
    assert load(path).backup.jobs == 2


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(ConfigError, match="no configuration"):
        load(path)


@given(st.text(alphabet="[]{}=.,'\"#\n \\abjobsu0", max_size=60))
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse(text, "my.toml"), Config)
