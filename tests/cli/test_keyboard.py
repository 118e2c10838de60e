"""Single keys: what counts as one, and that the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from photovault.cli.keyboard import END, opened

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fingers(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that is standard input."""
    ours, theirs = pty.openpty()
    with open(theirs, closefd=True) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"s", ["s"]),
        (b"\x1b[Ds", ["s"]),  # an arrow is no d
        (b"\x1bOD\x1b[3~\x1b[1;5Dn", ["n"]),
        ("\u00fc".encode(), ["\u00fc"]),
        (b"\xff", ["\ufffd"]),
        (b"sdn", ["s"]),  # pasted: the first counts
        (b"\x04", [END]),
        (b"\r", ["\n"]),
    ],
)
def test_what_is_a_key(fingers: int, typed: bytes, keys: list[str]) -> None:
    with opened() as keyboard:
        os.write(fingers, typed)
        assert [keyboard.key()] == keys


def test_what_was_typed_too_early_does_not_count(fingers: int) -> None:
    with opened() as keyboard:
        os.write(fingers, b"s")
        keyboard.forget()
        os.write(fingers, b"d")
        assert keyboard.key() == "d"


def test_the_terminal_is_left_as_it_was(fingers: int) -> None:
    before = termios.tcgetattr(sys.stdin.fileno())
    with suppress(KeyboardInterrupt), opened():
        assert termios.tcgetattr(sys.stdin.fileno()) != before
        raise KeyboardInterrupt
    assert termios.tcgetattr(sys.stdin.fileno()) == before
