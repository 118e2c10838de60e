"""Telling systemd how the daemon is: sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.

Guarantee: telling takes no time and never fails; where nobody listens, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = ("/", "@")


class Notify:
    """Tells the service manager that started us, if one did."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """``environ``: with NOTIFY_SOCKET, and WATCHDOG_USEC where signs of life are wanted."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.alive_every = _half(environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", ""))
        self._told = 0.0
        self._status = ""

    def ready(self) -> None:
        """Started, or done with reading the configuration again."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Reading the configuration again; ``ready`` is to follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """On the way out."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; told only when it is another than before.  No names of photos."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self, now: float) -> None:
        """A sign of life, as often as one is wanted; ``now`` in seconds of a steady clock.  To be called in the loop."""
        if self.alive_every and (not self._told or now - self._told >= self.alive_every):
            self._told = now
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address.startswith(_PATH) or not hasattr(socket, "AF_UNIX"):
            return
        name = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.settimeout(0)
            there.sendto(text.encode("utf-8", "replace"), name)


def _half(microseconds: str, pid: str) -> float:
    """Half of the time in which systemd wants a sign of life, in seconds; 0 when it wants none from this process."""
    if (pid and pid != str(os.getpid())) or not (microseconds.isascii() and microseconds.isdigit()):
        return 0.0
    return min(int(microseconds[:15]), 3_600_000_000) / 2_000_000
