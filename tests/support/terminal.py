"""A person at a terminal: the program in a process of its own on a pseudo-terminal, questions answered as they come."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time

_PATIENCE = 30.0
_STEER = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Person:
    """Starts ``photovault`` with ``args`` and types."""

    def __init__(self, *args: object) -> None:
        self.seen = ""
        self._at = 0
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            words = [sys.executable, "-c", _CHEAP_MAIN, *map(str, args)]
            os.execve(sys.executable, words, os.environ | {"TERM": "xterm"})

    def sees(self, text: str) -> str:
        """Wait until ``text`` is on the screen, after what was seen before; returns what came until then."""
        end = time.monotonic() + _PATIENCE
        while text not in self.seen[self._at :]:
            if time.monotonic() > end or not self._read():
                message = f"{text!r} did not come; there is {self.seen[self._at :]!r}"
                raise AssertionError(message)
        start = self._at
        self._at = self.seen.index(text, start) + len(text)
        return self.seen[start : self._at]

    def types(self, text: str, end: str = "\r") -> None:
        """Type a line."""
        os.write(self._fd, (text + end).encode())

    def leaves(self) -> int:
        """Wait for the end; returns the exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def stops(self) -> None:
        """End it, whatever it does."""
        os.kill(self._pid, signal.SIGKILL)
        self.leaves()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], _PATIENCE)
        try:
            data = os.read(self._fd, 4096) if ready else b""
        except OSError:  # the other end is closed
            data = b""
        self.seen += _STEER.sub("", data.decode("utf-8", "replace"))
        return bool(data)


_CHEAP_MAIN = """
import sys
from photovault.app import settings
from photovault.crypto.wrap import Stretch
settings.DEFAULT_STRETCH = Stretch(memory_kib=64 * 1024, passes=1, lanes=4)
from photovault.cli.main import main
main()
"""
