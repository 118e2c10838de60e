"""Rows as tiles with all their badges: what the desk knows of them, and what is looked up on this computer's disks.

The disks are looked at outside the desk, so that one that does not answer keeps nobody from the photos.  A photo of an older
snapshot that is not where it was is "away" only if the newest snapshot of this device does not have it elsewhere.  Where hardly
anything is proven yet, a grid to look at does not say so on every tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from photovault.app.snapshots import newest_of
from photovault.app.viewing.kept import unproven
from photovault.app.viewing.live import Live
from photovault.app.viewing.tiles import tile_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app.viewing.desk import Desk, Opened
    from photovault.gallery.values import Tile
    from photovault.library import Row
    from photovault.vault.vault import NamedSnapshot

_EXCEPTION: Final = 10  # from one in so many on, what is proven is no exception any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Rows of a snapshot and what the desk knows of them; ``is_own``: this device made it, ``is_newest``: as its last."""

    one: NamedSnapshot
    rows: tuple[Row, ...]
    unproven: frozenset[int]
    is_own: bool
    is_newest: bool


def lay(opened: Opened, one: NamedSnapshot, rows: Sequence[Row], *, sparing: bool = False) -> Laid:
    """Rows to make tiles of; at the desk.  ``sparing``: "unproven" is told only where a tenth of the rows or more are proven."""
    device = opened.session.device.device_id
    left = unproven(opened, rows)
    if sparing and (len(rows) - len(left)) * _EXCEPTION < len(rows):
        left = set()
    return Laid(
        one=one,
        rows=tuple(rows),
        unproven=frozenset(left),
        is_own=one.snapshot.device_id == device,
        is_newest=newest_of(opened.snapshots(), device) == one,
    )


class Grid:
    """Makes tiles; outside the desk."""

    def __init__(self, desk: Desk) -> None:
        """Ask ``desk`` where photos of older snapshots are now."""
        self._desk = desk
        self._live = Live()

    def tiles(self, laid: Laid) -> tuple[Tile, ...]:
        """A tile for each row."""
        where = self._live.badges(laid.one.snapshot, laid.rows) if laid.is_own else {}
        away = [row for row in laid.rows if where.get(row.number) == "away"]
        if away and not laid.is_newest:
            for number in self._desk.ask(lambda opened: _elsewhere(opened, away)):
                del where[number]
        return tuple(tile_of(row, _more(row.number, where, laid.unproven)) for row in laid.rows)


def _more(number: int, where: dict[int, str], unproven: frozenset[int]) -> tuple[str, ...]:
    found = (where.get(number, ""), "unproven" if number in unproven else "")
    return tuple(filter(None, found))


def _elsewhere(opened: Opened, rows: Sequence[Row]) -> list[int]:
    """Numbers of the rows that the newest snapshot of this device has, or may have: the catalog need not know it."""
    newest = newest_of(opened.snapshots(), opened.session.device.device_id)
    if newest is None or opened.library.mark(newest.name) is None:
        return [row.number for row in rows]
    digests = [row.members[0].digest for row in rows]
    there = opened.library.show(lambda show: show.by_digests(newest.name, digests))
    return [row.number for row in rows if row.members[0].digest in there]
