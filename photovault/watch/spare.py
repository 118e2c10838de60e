"""What is done when nothing else is to be done, in slices: the thumbnails that backups left, drills, and looking for faces.  Pure.

A slice begins only on mains power, when nothing changed and nothing is due, and when a backup might run, too.  It ends
after ``SLICE`` seconds, or as soon as any of that is true no more, or the daemon is to stop; each leaves a whole snapshot, or
proofs of what was tried.  A destination at which a slice failed, or left as much as it found, is left alone for a while; so are
the faces.  There is always more to drill, and it waits until it is due.  Times are seconds, as in ``schedule``.
"""

from __future__ import annotations

SLICE = 300.0
AFTER_FAILURE = 1800.0
IN_VAIN = 86_400.0
LEAST = 60.0


class SpareTime:
    """How much each destination has left, and when it may be worked at."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._left: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def learn(self, name: str, left: int) -> None:
        """A backup says how much is left."""
        self._left[name] = left

    def wants(self, name: str, now: float) -> bool:
        """Whether a slice may begin."""
        return self._left.get(name, 0) > 0 and now >= self._not_before.get(name, now)

    def done(self, name: str, left: int, now: float) -> None:
        """A slice left so much."""
        if left >= self._left.get(name, 0):
            self._not_before[name] = now + IN_VAIN
        self._left[name] = left

    def renew(self, name: str) -> None:
        """Something came that may be worked at, however the last slice ended."""
        self._left[name] = max(1, self._left.get(name, 0))
        self._not_before.pop(name, None)

    def later(self, name: str, left: int, now: float, seconds: float) -> None:
        """A slice left so much; when that is nothing, there is more after so many seconds."""
        self._left[name] = max(1, left)
        self._not_before[name] = now if left else now + max(LEAST, seconds)

    def failed(self, name: str, now: float, seconds: float = AFTER_FAILURE) -> None:
        """A slice could not be."""
        self._not_before[name] = now + seconds
