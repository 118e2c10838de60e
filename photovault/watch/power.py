"""How the machine is: on battery or not, on a network that costs or not, and what time of day it is.

The battery is asked of psutil.  The network is asked of NetworkManager, by ``busctl`` or else ``nmcli``; other systems
do not say.  Both are asked again only when the last answer is old, since the daemon looks every second.

Guarantee: never fails, and takes ``_SECONDS`` at most now and then.  What cannot be found out is no reason to wait: there
is no battery, and the network costs nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped,unused-ignore]

from photovault.watch.schedule import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

BATTERY_EVERY = 15.0  # seconds
NETWORK_EVERY = 60.0
_SECONDS = 2.0
_ANSWER_MAX = 65_536
_MANAGER = "org.freedesktop.NetworkManager"
BUSCTL = ("busctl", "--system", "get-property", _MANAGER, f"/{_MANAGER.replace('.', '/')}", _MANAGER, "Metered")
NMCLI = ("nmcli", "--terse", "--fields", "GENERAL.STATE,GENERAL.METERED", "device", "show")


class Power:
    """The state of the machine, remembered for a while."""

    def __init__(
        self,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        *,
        battery: Callable[[], float | None] | None = None,
        run: Callable[[Sequence[str]], str] | None = None,
    ) -> None:
        """``now`` gives local time, ``clock`` seconds of a steady clock; ``run`` a command's output, empty if it failed."""
        self._now = now
        self._clock = clock
        self._ask_battery = battery or on_battery
        self._run = run or output_of
        self._battery: float | None = None
        self._metered = False
        self._battery_at = self._network_at = -float("inf")

    def conditions(self) -> Conditions:
        """How things are.  May be called from any thread."""
        at = self._clock()
        if at - self._battery_at >= BATTERY_EVERY:
            self._battery_at, self._battery = at, self._ask_battery()
        if at - self._network_at >= NETWORK_EVERY:
            self._network_at, self._metered = at, is_metered(self._run)
        return Conditions(when=self._now(), battery=self._battery, metered=self._metered)


def on_battery() -> float | None:
    """What is left in the battery, in percent; None on mains, or where there is no battery."""
    try:
        found = psutil.sensors_battery()
        if found is None or found.power_plugged is not False:
            return None
        return min(100.0, max(0.0, float(found.percent)))
    except Exception:  # noqa: BLE001 - odd hardware makes psutil raise anything, and it must keep no backup from running
        return None


def is_metered(run: Callable[[Sequence[str]], str]) -> bool:
    """Whether the network costs by the megabyte, as far as NetworkManager knows."""
    said = run(BUSCTL)
    return metered_by_busctl(said) if said else metered_by_nmcli(run(NMCLI))


def metered_by_busctl(text: str) -> bool:
    """Read ``u 4``.  NMMetered of NetworkManager's D-Bus types: 1 yes, 3 yes by guess, all else is no."""
    return re.fullmatch(r"u [13]\s*", text) is not None


def metered_by_nmcli(text: str) -> bool:
    """Whether a connected device (state 100) is said to be metered; devices are set apart by empty lines."""
    return any(
        re.search(r"^GENERAL\.STATE:100\b", device, re.MULTILINE)
        and re.search(r"^GENERAL\.METERED:yes\b", device, re.MULTILINE)
        for device in text.split("\n\n")
    )


def output_of(command: Sequence[str]) -> str:
    """What a command prints; empty when it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - one of the two commands above
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"LC_ALL": "C", "NOTIFY_SOCKET": ""},  # plain words; and only the daemon speaks for itself
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout[:_ANSWER_MAX].decode("utf-8", "replace") if done.returncode == 0 else ""
