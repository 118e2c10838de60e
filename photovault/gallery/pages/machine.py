"""The time machine: every snapshot by day, what each brought, and the photos as of then.

Many snapshots are shown by the year, or where a year has too many by the month, or by the day: a page has some two hundred.  Days are
days of UTC, as the times of snapshots are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError
from photovault.gallery.asks import NotThereError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Site
    from photovault.gallery.values import Changes, Moment

AT_ONCE: Final = 200
"""Snapshots on a page, unless a single day has more; then as many of that day."""

_LENGTHS: Final = (4, 7, 10)  # of a year, a month and a day
_PERIOD: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day and its snapshots, the newest first."""

    name: str
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A year, month or day to choose; ``count``: of its snapshots."""

    name: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a page lists.

    Attributes:
        choices: years, then months, then days, as far as they are needed to choose.
        days: the snapshots.
        left: how many snapshots of the day there was no room for.
    """

    choices: tuple[tuple[Choice, ...], ...]
    days: tuple[Day, ...]
    left: int = 0


def routes(site: Site) -> list[Route]:
    """Where the time machine is."""

    def machine(request: Request) -> Response:
        return _machine(site, request)

    def moment(request: Request) -> Response:
        return _moment(site, request)

    return [site.page("/machine", machine), site.page("/machine/{id}", moment)]


def _machine(site: Site, request: Request) -> Response:
    params = request.query_params
    moments = site.asks.photos.moments()
    if params.get("until"):
        return site.see(f"/?at={as_of(moments, params['until']).id}")
    listing = listing_of(moments, params.get("in", ""))
    at = params.get("at", "")
    looked = next((one for one in moments if at and one.id.startswith(at)), None)
    return site.render(request, "machine.html", moments=moments, listing=listing, moment=looked)


def _moment(site: Site, request: Request) -> Response:
    changes = site.asks.photos.changes(request.path_params["id"])
    newer, older = beside(site.asks.photos.moments(), changes.moment)
    return site.render(
        request,
        "moment.html",
        changes=changes,
        shown=changes.moment,
        newer=newer,
        older=older,
        is_same=is_same(changes),
    )


def as_of(moments: Sequence[Moment], day: str) -> Moment:
    """The newest snapshot made on a day, or before it.

    Raises:
        UsageError: that is no day.
        NotThereError: there is none.
    """
    if not _DAY.fullmatch(day):
        raise UsageError("that is no day", "write it as 2021-05-04")
    found = [one for one in moments if one.time[:10] <= day]
    if not found:
        raise NotThereError(f"no snapshot is as old as {day}", "choose a later day in the time machine")
    return max(found, key=lambda one: one.time)


def listing_of(moments: Sequence[Moment], period: str) -> Listing:
    """The snapshots of a year, month or day, or the newest ones; with what else there is to choose.

    Raises:
        NotThereError: there is none of then.
    """
    if period and not (_PERIOD.fullmatch(period) and any(one.time.startswith(period) for one in moments)):
        raise NotThereError("no snapshot is of then", "see them all in the time machine")
    chosen, choices = list(moments), []
    for length in _LENGTHS:
        if len(chosen) <= AT_ONCE and len(period) < length:
            break
        name = period[:length] if len(period) >= length else max(one.time for one in chosen)[:length]
        choices.append(_choices(chosen, length, name))
        chosen = [one for one in chosen if one.time.startswith(name)]
    days = tuple(
        Day(name=name, moments=tuple(found)) for name, found in groupby(chosen[:AT_ONCE], lambda one: one.time[:10])
    )
    return Listing(choices=tuple(choices), days=days, left=max(0, len(chosen) - AT_ONCE))


def _choices(moments: Sequence[Moment], length: int, chosen: str) -> tuple[Choice, ...]:
    counts = Counter(one.time[:length] for one in moments)
    return tuple(
        Choice(name=name, count=count, is_chosen=name == chosen) for name, count in sorted(counts.items(), reverse=True)
    )


def beside(moments: Sequence[Moment], moment: Moment) -> tuple[Moment | None, Moment | None]:
    """The snapshots that follow and precede one, of whatever device; ``moments``: the newest first."""
    names = [one.id for one in moments]
    if moment.id not in names:
        return None, None
    place = names.index(moment.id)
    return (moments[place - 1] if place else None), (moments[place + 1] if place + 1 < len(moments) else None)


def is_same(changes: Changes) -> bool:
    """Whether nothing is another than before."""
    return changes.before is not None and not any(changes.counts.values())
