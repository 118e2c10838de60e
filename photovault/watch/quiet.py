"""When has a file settled?  Pure: paths and times in, a decision out.

A file has settled when nothing changed it for ``settle`` seconds and, as far as the system says so, whoever wrote it has
closed it.  A backup is due when something settled and either nothing else is still moving, so that the burst of a camera
import becomes one snapshot, or the oldest change has waited for ``max_delay``.  Files that still move are then held
back: the run leaves them at their last version, and they make the next one due.  A file that never holds still is held
back for ten times ``max_delay`` at most; a writer that keeps a file open without writing, ten times ``settle``.
Downloads under way have names of their own; they count when they get their real one.

Guarantee: every change makes a run due that begins after it, whatever comes in between; memory is bounded: with more
than ``limit`` paths it only remembers that something changed.  Not guaranteed: that events are complete, so a full scan
has the last word; every run is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PATIENCE = 10
LIMIT = 10_000
_PARTIAL = re.compile(
    rb"\.(?:part|partial|crdownload|download|opdownload|filepart|tmp|temp|!ut|!qb|aria2|swp|syncing)$"
    rb"|^\.~|~$|^~\$|^\.goutputstream-|^\.syncthing\.|^\.nfs[0-9a-f]{8}|^\.pending-",
    re.IGNORECASE,
)


def is_partial(name: bytes) -> bool:
    """Whether a file of this name (no folder) is on its way to another name."""
    return _PARTIAL.search(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now.

    Attributes:
        due: a backup should begin.
        hold: absolute paths of files that still move; the run leaves them as they were.
        wait: seconds after which ``due`` may be another one, None if only after another change.
    """

    due: bool
    hold: frozenset[bytes] = frozenset()
    wait: float | None = None


@dataclass(slots=True)
class _Change:
    """Since when something changes (monotonic seconds), when it did last, and whether its writer has it open."""

    first: float
    last: float
    is_open: bool = False


class QuietPeriod:
    """The changes that no backup has taken yet."""

    def __init__(self, settle: float, max_delay: float, limit: int = LIMIT) -> None:
        """Times in seconds."""
        self.settle = settle
        self.max_delay = max_delay
        self._limit = limit
        self._moving: dict[bytes, _Change] = {}
        self._rest: _Change | None = None  # changes that concern no file that could still move

    def __len__(self) -> int:
        """Paths that are remembered."""
        return len(self._moving)

    @property
    def is_empty(self) -> bool:
        """Whether there is no change that no backup has taken."""
        return not self._moving and self._rest is None

    def changed(self, path: bytes, now: float, *, is_open: bool = False) -> None:
        """A file was made, written to or given this name; ``is_open``: and its writer is known to have it open."""
        if is_partial(path.rpartition(b"/")[2]):
            return
        one = self._moving.get(path)
        if one is not None:
            one.last, one.is_open = now, is_open
        elif len(self._moving) < self._limit:
            self._moving[path] = _Change(now, now, is_open)
        else:
            self.something(now)

    def closed(self, path: bytes, now: float) -> None:
        """The writer of a file closed it."""
        self.changed(path, now)

    def gone(self, path: bytes, now: float) -> None:
        """A file or folder was removed, or has this name no more."""
        if not is_partial(path.rpartition(b"/")[2]):
            self._moving.pop(path, None)
            self.something(now)

    def something(self, now: float) -> None:
        """Something changed, nobody knows what: a folder, or events got lost."""
        if self._rest is None:
            self._rest = _Change(now, now)
        self._rest.last = now

    def decide(self, now: float) -> Decision:
        """Whether a backup is due."""
        held = {path for path, one in self._moving.items() if not self._is_settled(one, now)}
        changes = [*self._moving.values(), *([self._rest] if self._rest else [])]
        if not changes:
            return Decision(due=False)
        oldest = min(one.first for one in changes)
        resting = self._rest is not None and now < self._rest.last + self.settle
        something_settled = len(self._moving) > len(held) or (self._rest is not None and not resting)
        late = now >= oldest + self.max_delay
        if something_settled and not held and not resting:
            return Decision(due=True)
        if late and (something_settled or self._rest is not None):
            return Decision(due=True, hold=frozenset(held))
        return Decision(due=False, hold=frozenset(held), wait=self._wait(now, oldest))

    def begin(self, now: float) -> frozenset[bytes]:
        """A backup begins: it takes what settled; what is held back stays.  Returns that."""
        hold = self.decide(now).hold
        self._moving = {path: one for path, one in self._moving.items() if path in hold}
        self._rest = None
        return hold

    def _is_settled(self, one: _Change, now: float) -> bool:
        return now >= self._settles(one)

    def _settles(self, one: _Change) -> float:
        """When it settles, if nothing changes it again."""
        return min(one.last + self.settle * (PATIENCE if one.is_open else 1), one.first + PATIENCE * self.max_delay)

    def _wait(self, now: float, oldest: float) -> float:
        """Until everything has settled, or the oldest has waited long enough and something else has settled."""
        times = [self._settles(one) for one in self._moving.values()]
        rest = [] if self._rest is None else [self._rest.last + self.settle]
        late = max(oldest + self.max_delay, oldest if rest else min(times))
        return max(0.0, min(max(times + rest), late) - now)
