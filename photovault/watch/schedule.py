"""When may a backup run, and when must a folder be looked at without any event?  Pure.

Times are seconds of a clock that goes on while the computer sleeps and that nobody can set (``CLOCK_BOOTTIME`` on
Linux); only quiet hours ask for the time of day.  A destination that failed is tried again after 30 seconds (sooner where
``max_delay`` is less than a tenth of that), then after twice as long each time, up to half an hour, each wait shortened at random by up to a quarter, so that many computers do
not come at the same moment.  Destinations know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from photovault.config import Hours

FIRST_RETRY = 30.0
LAST_RETRY = 1800.0
PAUSE_MAX = 366 * 86_400.0
JUMP = 60.0  # a clock that moved so much against another did not merely drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How things are now: battery in percent (None: on mains, or there is none), metered network, pause."""

    when: datetime
    battery: float | None = None
    metered: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """When backups may run: not in quiet hours, with so much battery at least, on metered networks or not."""

    quiet_hours: tuple[Hours, ...] = ()
    battery_min: int = 20
    on_metered: bool = False

    def why_not(self, now: Conditions, *, over_network: bool) -> str:
        """Why a backup must wait, in words; empty when it may run."""
        if now.paused:
            return "paused"
        if any(hours.holds(now.when) for hours in self.quiet_hours):
            return "quiet hours"
        if now.battery is not None and now.battery < self.battery_min:
            return f"on battery, {now.battery:.0f} % left"
        if now.metered and over_network and not self.on_metered:
            return "the network is metered"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One destination: since when it lacks something, when that was last added to, its last success, and how it fails."""

    name: str
    over_network: bool = False
    pending_since: float | None = None
    wanted: float = 0.0
    last_success: float | None = None
    failing_since: float | None = None
    failures: int = 0
    not_before: float = 0.0
    error: str = ""

    def needs(self, now: float) -> Turn:
        """Something changed that it does not have."""
        return replace(self, pending_since=now if self.pending_since is None else self.pending_since, wanted=now)

    def succeeded(self, began: float) -> Turn:
        """It has everything that was there when the run began, and lacks what came later."""
        pending = self.wanted if self.pending_since is not None and self.wanted > began else None
        return replace(
            self, pending_since=pending, last_success=began, failing_since=None, failures=0, not_before=0.0, error=""
        )

    def failed(self, now: float, error: str, chance: float, first: float = FIRST_RETRY) -> Turn:
        """It failed; ``chance`` is random, from 0 to 1; ``first``: seconds until it is tried again the first time."""
        failures = self.failures + 1
        wait = min(LAST_RETRY, first * 2 ** min(failures - 1, 20)) * (1 - chance / 4)
        since = self.failing_since if self.failing_since is not None else now
        return replace(self, failures=failures, failing_since=since, not_before=now + wait, error=error)

    def is_due(self, now: float, min_interval: float) -> bool:
        """Whether it lacks something, and may be tried now."""
        if self.pending_since is None or now < self.not_before:
            return False
        return self.last_success is None or now - self.last_success >= min_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Three clocks read together, in seconds: one that stops in sleep, one that does not, and the time of day."""

    awake: float
    boot: float
    wall: float

    def since(self, before: Clocks) -> str:
        """What happened since ``before`` that makes a full look necessary: slept, the clock was set, or nothing."""
        if (self.boot - before.boot) - (self.awake - before.awake) > 1:
            return "woke from sleep"
        if abs((self.wall - before.wall) - (self.boot - before.boot)) > JUMP:
            return "the clock was set"
        return ""
