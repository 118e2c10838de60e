"""From what somebody typed to a question to the search catalog, and from its pages to a page of tiles.

A box on the map becomes a circle around it for the catalog's index, and what is in the circle only is left out here; so is what
a drill has restored, where only the rest is wanted.  A page that finds too little for too long ends early and says where to go on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.kept import unproven
from photovault.app.viewing.spine import Box, checked, is_within
from photovault.errors import UsageError
from photovault.gazetteer import Area, areas_of, distance_km
from photovault.library import ALIKE, SAME, Key, Query
from photovault.photos.choose import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.app.viewing.desk import Opened
    from photovault.gallery.values import Question
    from photovault.library import Row

LIMIT_MAX: Final = 500
_AT_ONCE: Final = 200
_PATIENCE: Final = 3.0  # seconds of looking through what does not match
_STARS: Final = 5
_WIDE: Final = 90.0  # degrees: a larger box has no circle around it that leaves much out


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A question as the catalog understands it, and what is left to be asked of each row."""

    query: Query
    box: Box | None = None
    unproven: bool = False


def wanted_of(question: Question, people: Callable[[str], frozenset[bytes]]) -> Wanted:
    """What somebody wants; the snapshot is left open.  ``people``: SHA-256 of the photos that a person is on.

    Raises:
        UsageError: it cannot be understood.
        ConsentError: it names a person, and nobody agreed to the grouping of faces.
    """
    if not 0 <= question.rating <= _STARS:
        raise UsageError(f"stars go from 1 to {_STARS}", "choose one of them, or leave it empty")
    if question.duplicates not in ("", SAME, ALIKE):
        raise UsageError(f"no such duplicates: {question.duplicates}", f"use {SAME} or {ALIKE}, or leave it empty")
    place = question.place.strip()
    box = checked(question.box) if question.box is not None else None
    query = Query(
        snapshot=b"",
        text=question.text,
        since=question.since.strip() or None,
        until=question.until.strip() or None,
        places=tuple(areas_of(place)) if place else _around(box),
        camera=question.camera,
        kind=kind_of(question.kind.strip()),
        rating=question.rating or None,
        broken=True if question.broken else None,
        album=question.album.strip() or None,
        duplicates=question.duplicates or None,
        digests=people(question.person.strip()) if question.person.strip() else None,
        newest=True,
        located=True if box is not None else None,
    )
    return Wanted(query=query, box=box, unproven=question.unproven)


def _around(box: Box | None) -> tuple[Area, ...] | None:
    """A circle around a box that is not too large for one."""
    if box is None:
        return None
    west, south, east, north = box
    width = (east - west) % 360
    if width > _WIDE or north - south > _WIDE:
        return None
    middle, turned = (south + north) / 2, (west + width / 2 + 180) % 360 - 180
    corners = [(latitude, longitude) for latitude in (south, middle, north) for longitude in (west, west + width / 2)]
    far = max(distance_km(middle, turned, latitude, longitude) for latitude, longitude in corners)
    return (Area(name="", latitude=middle, longitude=turned, radius_km=far + 0.01),)


def page(opened: Opened, snapshot: bytes, wanted: Wanted, after: str, limit: int) -> tuple[list[Row], str]:
    """Rows of a snapshot that follow ``after``, and where to go on, empty at the end.

    Raises:
        UsageError: a date or an album that is none, or ``after`` is no place in a list.
    """
    limit = max(1, min(limit, LIMIT_MAX))
    key = Key.decode(after) if after else None
    query = replace(wanted.query, snapshot=snapshot)
    until = time.monotonic() + _PATIENCE
    found: list[Row] = []
    while True:
        at_once = limit if wanted.box is None and not wanted.unproven else _AT_ONCE
        answer = opened.library.find(query, after=key, limit=at_once)
        fitting = list(_fitting(opened, wanted, answer.rows))
        room = limit - len(found)
        found += fitting[:room]
        if len(fitting) > room:
            return found, found[-1].key.encode()
        key = answer.following
        if key is None:
            return found, ""
        if len(found) >= limit or time.monotonic() > until:
            return found, key.encode()


def _fitting(opened: Opened, wanted: Wanted, rows: tuple[Row, ...]) -> Iterator[Row]:
    box = wanted.box
    inside = [row for row in rows if box is None or is_within(box, row.facts.latitude, row.facts.longitude)]
    left = unproven(opened, inside) if wanted.unproven else {row.number for row in inside}
    yield from (row for row in inside if row.number in left)
