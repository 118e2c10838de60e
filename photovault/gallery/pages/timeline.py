"""The timeline: every photo of a snapshot by month, the newest first.

The page carries all months and the first photos; the rest of its photos come in parts when somebody gets near them (gallery.js).
Without scripts each month has a page of its own, two hundred photos at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from photovault.gallery.asks import NotThereError
from photovault.gallery.site import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Site
    from photovault.gallery.values import Part, Spine, Tile

AT_ONCE: Final = 60
"""Photos in the page itself: about two screens."""

_PAGE: Final = 200
_PART_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part in the page.  ``tiles``: None while it is yet to be fetched; ``joined``: the next one goes on in the same row."""

    part: Part
    tiles: tuple[Tile, ...] | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month with all its parts."""

    name: str
    count: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A year of the scrubber; ``month``: its newest one, ``count``: its photos."""

    name: str
    month: str
    count: int


def routes(site: Site) -> list[Route]:
    """Where the timeline is."""

    def timeline(request: Request) -> Response:
        return _timeline(site, request)

    def part(request: Request) -> Response:
        return _part(site, request)

    def month(request: Request) -> Response:
        return _month(site, request)

    return [site.page("/", timeline), site.page("/part", part), site.page("/month/{month}", month)]


def _timeline(site: Site, request: Request) -> Response:
    at = request.query_params.get("at", "")
    if not at and not site.asks.photos.moments():
        return site.render(request, "timeline.html", spine=None, months=(), years=())
    spine = site.asks.photos.spine(at)
    months = _months(spine, lambda one: site.asks.photos.tiles(at, one.first, one.last))
    return site.render(
        request, "timeline.html", spine=spine, moment=spine.moment, months=months, years=years_of(spine.parts)
    )


def _part(site: Site, request: Request) -> Response:
    asked = request.query_params
    first, last = number(asked.get("first", "")), number(asked.get("last", ""))
    tiles = site.asks.photos.tiles(asked.get("at", ""), first, last)
    return site.render(request, "part_piece.html", tiles=tiles[:_PART_MOST])


def _month(site: Site, request: Request) -> Response:
    at, name = request.query_params.get("at", ""), request.path_params["month"]
    spine = site.asks.photos.spine(at)
    pages = pages_of([part for part in spine.parts if part.month == name])
    page = number(request.query_params.get("page", "1"))
    if not 1 <= page <= len(pages):
        raise NotThereError("there is no such page of this month", "go back to the timeline")
    tiles = [tile for part in pages[page - 1] for tile in site.asks.photos.tiles(at, part.first, part.last)]
    newer, older = _beside([part.month for part in spine.parts], name)
    return site.render(
        request, "month.html", name=name, tiles=tiles, page=page, pages=len(pages), newer=newer, older=older,
        moment=spine.moment, total=sum(part.count for all_of in pages for part in all_of),
    )  # fmt: skip


def _months(spine: Spine, tiles: Callable[[Part], tuple[Tile, ...]]) -> tuple[Month, ...]:
    """All months; the first parts with their photos, until there are enough to look at."""
    pieces: list[Piece] = []
    shown = 0
    for part in spine.parts:
        pieces.append(Piece(part=part, tiles=tiles(part) if shown < AT_ONCE else None))
        shown += part.count
    return tuple(_joined(name, tuple(found)) for name, found in groupby(pieces, lambda piece: piece.part.month))


def _joined(name: str, pieces: tuple[Piece, ...]) -> Month:
    after = [*(piece.tiles is not None for piece in pieces[1:]), False]
    both = tuple(
        Piece(part=piece.part, tiles=piece.tiles, joined=piece.tiles is not None and goes_on)
        for piece, goes_on in zip(pieces, after, strict=True)
    )
    return Month(name=name, count=sum(piece.part.count for piece in pieces), pieces=both)


def years_of(parts: Iterable[Part]) -> tuple[Year, ...]:
    """The years of a timeline, the newest first."""
    found: list[Year] = []
    for name, group in groupby(parts, lambda part: part.month[:4]):
        all_of = list(group)
        found.append(Year(name=name, month=all_of[0].month, count=sum(part.count for part in all_of)))
    return tuple(found)


def pages_of(parts: Iterable[Part]) -> list[list[Part]]:
    """Parts put together to pages of about two hundred photos."""
    pages: list[list[Part]] = []
    room = 0
    for part in parts:
        if part.count > room:
            pages.append([])
            room = _PAGE
        pages[-1].append(part)
        room -= part.count
    return pages


def _beside(months: list[str], name: str) -> tuple[str, str]:
    """The months before and after one in the timeline, empty at its ends."""
    every = list(dict.fromkeys(months))
    place = every.index(name)
    return (every[place - 1] if place else "", every[place + 1] if place + 1 < len(every) else "")
