"""What was agreed to, and what left this computer, as the gallery tells it.

The consent is looked up as the command line does it, by what needs no face code; it is there, too, where nobody ever agreed.  The
ledger is the open vault's.  It is added up line by line, by day, kind and destination, and read on from there the next time;
one that is shorter than before, or another file, is read anew.  A line of a kind that the gate does not know would be an object
that nobody let out: so the number of those, which must be none, is counted and not claimed.

Guarantee: memory does not grow with the ledger beyond ``ROWS`` rows, of which the oldest are dropped; totals are of all lines.
Not guaranteed: that lines read earlier are still what they were; ``photovault audit`` reads them all, and the vault.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

from photovault.app import consent as consenting
from photovault.app.session import LEDGER_NAME
from photovault.app.viewing.desk import own
from photovault.gallery.values import Left, Privacy
from photovault.gallery.words import amount, count
from photovault.gate.door import Outbound
from photovault.gate.ledger import Event, Line, Reading

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.runs import App

ROWS: Final = 20_000
SHOWN: Final = 1000
_BREAKS: Final = 20
_KINDS: Final = frozenset(Outbound)
_KINDS_TOLD: Final = 64
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LENGTH: Final = 200


class Privacies:
    """See ``gallery.asks.Privacies``."""

    def __init__(self, app: App) -> None:
        """Read nothing yet."""
        self._app = own(app)
        self._lock = threading.Lock()
        self._sums: Sums | None = None

    def close(self) -> None:
        """Forget what was added up."""
        self._sums = None

    def privacy(self) -> Privacy:
        """As of now."""
        log = consenting.consent(self._app)
        standing, newest = log.standing(), log.latest()
        sums = self._added_up()
        return Privacy(
            consent=standing.state,
            scope=standing.scope,
            since=standing.since,
            until=standing.until,
            days_left=self._days_left(standing.until) if standing.holds else None,
            why=standing.why,
            receipt=newest.text() if newest is not None else "",
            left=sums.newest(SHOWN),
            kinds=sums.kinds(),
            faces=sums.strange,
            broken=(*sums.broken(), *(f"the consent log: {one}" for one in standing.problems)),
        )

    def erase(self) -> str:
        """Take the consent back and erase all face data, as ``photovault people disable`` does."""
        done = consenting.disable(own(self._app))
        erased, receipt = done.erased, done.receipt
        if receipt is None:
            return "there was nothing to stop, and nothing to erase"
        whole = "looked again: no face data and no key are left" if erased.verified else "NOT everything is erased"
        first = f"{erased.stopped}; erased {count(erased.files, 'file')}, {amount(erased.size)}"
        problems = (f"not erased: {problem}" for problem in erased.problems)
        return "\n".join([first, whole, *problems, "", receipt.text()])

    def _days_left(self, until: str) -> int:
        return max(0, (datetime.fromisoformat(until) - self._app.world.now()).days)

    def _added_up(self) -> Sums:
        with self._lock:
            if self._sums is None:
                with self._app.session(refresh=False) as session:
                    self._sums = Sums(session.folder / LEDGER_NAME)
            self._sums.add()
            return self._sums


class Sums:
    """A ledger, added up.

    Attributes:
        strange: lines of objects of a kind that the gate lets nothing out of.
    """

    def __init__(self, path: Path) -> None:
        """Of the file at ``path``, whether it is there or not."""
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self._reading = Reading(self._path)
        self._state: tuple[int, ...] = ()
        self._rows: dict[tuple[str, str, str], list[int]] = {}
        self._objects: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._breaks: list[str] = []
        self._more_breaks = 0
        self.strange = 0

    def add(self) -> None:
        """Read on.

        Raises:
            RefusedError: it cannot be read.
        """
        state = self._state_now()
        if state == self._state:
            return
        if self._state and (state[:1] != self._state[:1] or state[1] < self._reading.offset):
            self._begin()
        for line in self._reading.on():
            if isinstance(line, Line):
                self._take(line)
            else:
                self._note_break(line)
        self._state = state

    def newest(self, limit: int) -> tuple[Left, ...]:
        """The newest days first."""
        keys = sorted(self._rows, key=lambda key: (key[0], key[2], key[1]), reverse=True)[:limit]
        return tuple(self._left(key) for key in keys)

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes by kind, of all lines."""
        return {kind: (self._objects[kind], self._bytes[kind]) for kind in sorted(self._objects)}

    def broken(self) -> tuple[str, ...]:
        """Where the chain breaks."""
        more = f"and {self._more_breaks:,} more"
        return (*self._breaks, more) if self._more_breaks else tuple(self._breaks)

    def _state_now(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return (0, 0)
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _take(self, line: Line) -> None:
        """Objects and bytes that were sent, without those of which the storage did not say that it has them."""
        if line.event not in {Event.SENDING, Event.FAILED, Event.REMOVED}:
            self.strange += line.event is Event.FOUND and line.kind not in _KINDS
            return
        row = self._row(line)
        if line.event is Event.REMOVED:
            row[3] += 1
            return
        sign = 1 if line.event is Event.SENDING else -1
        row[0], row[1], row[2] = row[0] + sign, row[1] + sign * line.size, row[2] + (sign < 0)
        kind = _short(line.kind)
        if kind in self._objects or len(self._objects) < _KINDS_TOLD:
            self._objects[kind] += sign
            self._bytes[kind] += sign * line.size
        self.strange += line.event is Event.SENDING and line.kind not in _KINDS

    def _row(self, line: Line) -> list[int]:
        day = line.time[:10] if _DAY.match(line.time) else "unknown"
        key = (day, _short(line.kind), _short(line.destination))
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= ROWS:
                for old in sorted(self._rows)[: ROWS // 4]:
                    del self._rows[old]
            row = self._rows[key] = [0, 0, 0, 0]
        return row

    def _left(self, key: tuple[str, str, str]) -> Left:
        day, kind, destination = key
        objects, size, failed, removed = self._rows[key]
        return Left(
            day=day,
            kind=kind,
            destination=destination,
            objects=max(0, objects),  # what failed after midnight was sent the day before
            size=max(0, size),
            failed=failed,
            removed=removed,
        )

    def _note_break(self, text: str) -> None:
        if len(self._breaks) < _BREAKS:
            self._breaks.append(text)
        else:
            self._more_breaks += 1


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else text[:_LENGTH] + "..."
