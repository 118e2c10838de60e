"""The ledger as an audit needs it: what happened last to each object, and what left by day, destination and kind.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.audit.values import Left
from photovault.gate.ledger import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from photovault.gate.ledger import Line

_DAY = len("2026-11-23")
_BREAKS_SHOWN = 10


@dataclass(slots=True, kw_only=True)
class Book:
    """What a ledger says.

    Attributes:
        lines: how many there are.
        since: when it began, or empty.
        number: of this device's newest snapshot at that time; later ones must have a line.
        breaks: where the chain breaks, the first few of them.
        known: objects that this device sent, anywhere, or that were left over when the ledger began.
        found: objects that were left over later, and that this device relies on.
        last: (destination, object) to what happened to it there last.
        newest: destination to the last snapshot that was sent there.
    """

    lines: int = 0
    since: str = ""
    number: int = 0
    breaks: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    last: dict[tuple[str, str], Event] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    _left: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)

    def left(self) -> Iterator[Left]:
        """What left, by day, destination and kind."""
        for (day, destination, kind), (objects, size, failed) in sorted(self._left.items()):
            yield Left(day=day, destination=destination, kind=kind, objects=objects, size=size, failed=failed)

    def sent_to(self, destination: str) -> Iterator[str]:
        """Objects that were sent to a destination and should still be there."""
        return (name for (where, name), event in self.last.items() if where == destination and event is Event.SENDING)

    def take(self, line: Line) -> None:
        """Count a line."""
        self.lines += 1
        if line.event is Event.BEGUN:
            self.since, self.number = line.time, line.number
            return
        if line.event is Event.FOUND:
            (self.found if self.last else self.known).add(line.name)
            return
        self.last[line.destination, line.name] = line.event
        if line.event is not Event.REMOVED:
            self.known.add(line.name)
        if line.event is Event.SENDING and line.kind == "snapshot":
            self.newest[line.destination] = line.name
        self._count(line)

    def _count(self, line: Line) -> None:
        if line.event not in {Event.SENDING, Event.FAILED}:
            return
        row = self._left.setdefault((line.time[:_DAY], line.destination, line.kind), [0, 0, 0])
        if line.event is Event.SENDING:
            row[0] += 1
            row[1] += line.size
        else:
            row[2] += 1


def read_book(lines: Iterable[Line | str]) -> Book:
    """Go through a ledger."""
    book = Book()
    for line in lines:
        if not isinstance(line, str):
            book.take(line)
        elif len(book.breaks) < _BREAKS_SHOWN:
            book.breaks.append(line)
    return book
