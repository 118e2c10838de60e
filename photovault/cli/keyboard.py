"""Single keys of a terminal, without Enter.

While a ``Keyboard`` is open nothing that is typed is shown, and Ctrl-C still ends the program.  ``forget`` drops what was
typed too early, so that no key answers a question that nobody has seen.  An arrow or a function key, which comes as several
characters, counts as none: its last letter must not be taken for an answer.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

END = ""
"""What ``key`` gives when the terminal is gone, or at Ctrl-D."""

_AT_ONCE = 64
_STEERING = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)
_CONTROL_D = "\x04"


class Keyboard:
    """The keys of standard input; see ``opened``."""

    def forget(self) -> None:
        """Drop what was typed until now."""
        if sys.platform != "win32":
            import termios  # noqa: PLC0415 - not on Windows

            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)

    def key(self) -> str:
        """Wait for a key; one character, or ``END``."""
        if sys.platform == "win32":
            return typer.getchar()
        while True:
            data = os.read(sys.stdin.fileno(), _AT_ONCE)
            typed = _STEERING.sub("", data.decode("utf-8", "replace"))
            if not data or typed.startswith(_CONTROL_D):
                return END
            if typed:
                return typed[0]


@contextmanager
def opened() -> Iterator[Keyboard]:
    """Have keys come one by one; afterwards the terminal is as it was."""
    if sys.platform == "win32":
        yield Keyboard()
        return
    import termios  # noqa: PLC0415 - not on Windows
    import tty  # noqa: PLC0415 - as above

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield Keyboard()
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
