"""Places: photos on an outline of the world that is in the page, so that nobody is asked for a piece of a map.

The page works by links alone: each moves or zooms the map.  With scripts (places.js) the map moves at once, and what is on it is
asked for when it rests.  A circle holds all photos of one field of a grid; its address asks for exactly these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from photovault.errors import UsageError
from photovault.gallery.chart import AROUND, WORLD, Chart, around, chart_of, projected, told, turned
from photovault.gallery.site import is_piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.asks import Photos
    from photovault.gallery.chart import Box
    from photovault.gallery.site import Site
    from photovault.gallery.values import Spot

COLUMNS: Final = 12
MOST: Final = 400
"""Circles at most: where a map has more, those with the fewest photos wait until somebody zooms in."""

_LISTED: Final = 12
_NAMES: Final = 10
_LETTERS, _LETTER, _RADIUS = 20, 0.9, 2.5  # of a name, and percent of the map's width and height on a small screen
_FIT: Final = 8.0  # degrees across at least, when all photos are looked at
_NEAR: Final = 3.0  # degrees across, when one photo is looked at
_TOWN: Final = 0.6  # degrees: what is spread further is around a town rather than in it
_SIZES: Final = 6
_HAIR: Final = 1e-6  # percent
_THOUSAND: Final = 1000
_POLE: Final = 90.0
_EXACT: Final = 1e5  # of a degree: a metre, as `told` writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A circle on the map.

    Attributes:
        x, y: percent from the left and from the top.
        longitude, down: where it is on the chart, in projected degrees.
        size: 1 to 6, growing with the logarithm of ``count``.
        short: the count in at most four characters.
        place: the town, for people; ``name``: of it, to be written on the map, or empty.
        photos, nearer: addresses of its photos, and of the map around them; ``box``: that map's corner and width.
    """

    x: float
    y: float
    longitude: float
    down: float
    size: int
    count: int
    short: str
    place: str
    name: str
    number: int
    thumbnail: bool
    photos: str
    nearer: str
    box: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A way to move the map: its sign, what it does, where that leads."""

    key: str
    sign: str
    what: str
    chart: Chart
    to: str


def routes(site: Site) -> list[Route]:
    """Where the map is."""

    def places(request: Request) -> Response:
        return _places(site, request)

    return [site.page("/places", places)]


def _places(site: Site, request: Request) -> Response:
    photos, params = site.asks.photos, request.query_params
    at = params.get("at", "")
    if not at and not photos.moments():
        return site.render(request, "places.html", chart=None, located=0, photos=0)
    located, point = photos.located(at), point_of(params)
    chart = chart_asked(params, lambda: photos.spots(at, (-180.0, -90.0, 180.0, 90.0), 3 * COLUMNS))
    marks = marks_of(chart, spots_on(photos, at, chart), at) if located else ()
    shown: dict[str, Any] = {
        "chart": chart, "marks": marks, "listed": marks[:_LISTED], "steps": steps_of(chart, at), "located": located,
        "here": sum(mark.count for mark in marks), "all_here": f"/search?{urlencode({'box': told(chart.box)})}",
        "pin": chart.place(*point) if point else None, "point": point,
    }  # fmt: skip
    if is_piece(request):
        return site.render(request, "places_piece.html", **shown)
    spine = photos.spine(at)
    return site.render(request, "places.html", photos=spine.photos, moment=spine.moment, **shown)


def chart_asked(params: Mapping[str, str], every: Callable[[], Iterable[Spot]]) -> Chart:
    """The chart that an address asks for; without a word about it, the one with all photos on it.

    Raises:
        UsageError: its numbers are none.
    """
    point = point_of(params)
    if params.get("box"):
        return chart_of(_box(params["box"]))
    if point:
        return around([point], _NEAR)
    return around([(spot.latitude, spot.longitude) for spot in every()], _FIT)


def point_of(params: Mapping[str, str]) -> tuple[float, float] | None:
    """Latitude and longitude of one photo, where the address names them."""
    if not params.get("lat") or not params.get("lon"):
        return None
    latitude, longitude = _degrees([params["lat"], params["lon"]])
    return max(-_POLE, min(_POLE, latitude)), turned(longitude)


def _box(text: str) -> Box:
    west, south, east, north = _degrees(text.split(",", 4), 4)
    return west, max(-_POLE, min(_POLE, south)), east, max(-_POLE, min(_POLE, north))


def _degrees(texts: list[str], count: int = 2) -> list[float]:
    """Numbers of degrees, of whatever size as long as they can be turned."""
    try:
        found = [float(text) for text in texts]
    except ValueError:
        found = []
    if len(found) != count or not all(abs(one) <= 2 * AROUND for one in found):  # false for what is no number, too
        raise UsageError("that is no piece of the map", "choose it on the map again")
    return found


def spots_on(photos: Photos, at: str, chart: Chart) -> list[Spot]:
    """Spots whose middle is on the chart, those with the most photos first.

    The grid begins at a whole field, not at the chart's edge, so circles stay what they are while somebody moves the map.
    """
    west, south, east, north = chart.box
    field = chart.width / COLUMNS
    columns = COLUMNS
    if chart.width < AROUND - 2 * field:
        begin = math.floor(west / field) * field
        columns = COLUMNS + 1
        west, east = turned(begin), turned(begin + columns * field)
    box = west, max(-_POLE, math.floor(south / field) * field), east, north
    inside = [spot for spot in photos.spots(at, box, columns) if _is_on(chart, spot)]
    return sorted(inside, key=lambda spot: (-spot.count, spot.number))[:MOST]


def _is_on(chart: Chart, spot: Spot) -> bool:
    x, y = chart.place(spot.latitude, spot.longitude)
    return -_HAIR <= x <= 100 + _HAIR and -_HAIR <= y <= 100 + _HAIR


def marks_of(chart: Chart, spots: Iterable[Spot], at: str) -> tuple[Mark, ...]:
    """Circles of spots, in their order; names only where nothing is in their way."""
    found = list(spots)
    places = [chart.place(spot.latitude, spot.longitude) for spot in found]
    named: list[tuple[float, float]] = []
    marks = []
    for spot, (x, y) in zip(found, places, strict=True):
        name = _short_name(spot.name) if len(named) < _NAMES else ""
        if name and _has_room(x, y, name, places, named):
            named.append((x, y))
        else:
            name = ""
        marks.append(_mark(chart, spot, at, x, y, name))
    return tuple(marks)


def _short_name(name: str) -> str:
    """The town, as far as there is room for it."""
    town = name.partition(",")[0]
    return town if len(town) <= _LETTERS else f"{town[: _LETTERS - 1].rstrip()}…"


def _has_room(
    x: float, y: float, name: str, places: Iterable[tuple[float, float]], named: Iterable[tuple[float, float]]
) -> bool:
    """Whether neither a circle nor another name lies where the name would be written: below its own circle."""
    half = len(name) * _LETTER / 2
    circles = any(abs(left - x) < half + _RADIUS and _RADIUS < top - y < 4 * _RADIUS for left, top in places)
    names = any(abs(left - x) < _LETTERS * _LETTER and abs(top - y) < 2 * _RADIUS for left, top in named)
    return not circles and not names


def _mark(chart: Chart, spot: Spot, at: str, x: float, y: float, name: str) -> Mark:
    moment = {"at": at} if at else {}
    nearer = chart_of(spot.box).zoomed(1.6)
    nearer = nearer if nearer.width > chart.width / 40 else around([(spot.latitude, spot.longitude)], chart.width / 4)
    return Mark(
        x=x, y=y, longitude=chart.west + x * chart.width / 100, down=projected(spot.latitude), size=min(_SIZES, len(str(spot.count))),
        count=spot.count, short=short(spot.count), place=place_of(spot), name=name, number=spot.number,
        thumbnail=spot.thumbnail,
        photos=f"/search?{urlencode({'box': told(outward(spot.box)), **moment})}",
        nearer=f"/places?{urlencode({'box': told(nearer.box), **moment})}", box=f"{nearer.west},{nearer.top},{nearer.width}",
    )  # fmt: skip


def outward(box: Box) -> Box:
    """A box rounded so that nothing in it is lost."""
    west, south, east, north = box
    return (
        max(-AROUND / 2, _low(west)),
        max(-_POLE, _low(south)),
        min(AROUND / 2, -_low(-east)),
        min(_POLE, -_low(-north)),
    )


def _low(degrees: float) -> float:
    return math.floor(degrees * _EXACT) / _EXACT


def place_of(spot: Spot) -> str:
    """Where that is, for people: a town, around a town, or degrees."""
    west, south, east, north = spot.box
    if spot.name:
        return spot.name if max((east - west) % AROUND, north - south) < _TOWN else f"Around {spot.name}"
    down, across = "N" if spot.latitude >= 0 else "S", "E" if spot.longitude >= 0 else "W"
    return f"{abs(spot.latitude):.2f}° {down}, {abs(spot.longitude):.2f}° {across}"


def short(count: int) -> str:
    """``999``, ``1.2k``, ``12k``, ``1.2M``."""
    for unit, size in (("M", _THOUSAND**2), ("k", _THOUSAND)):
        if count >= size:
            return f"{count // (size // 10) / 10:.1f}{unit}" if count < 10 * size else f"{count // size}{unit}"
    return str(count)


def steps_of(chart: Chart, at: str) -> list[Step]:
    """Every way to move the map by a link."""
    moment = {"at": at} if at else {}
    moves = (
        ("in", "+", "Zoom in", chart.zoomed(0.5)),
        ("out", "−", "Zoom out", chart.zoomed(2.0)),  # noqa: RUF001 - a minus as wide as the plus
        ("left", "←", "Move west", chart.moved(-0.4, 0)),
        ("up", "↑", "Move north", chart.moved(0, -0.4)),
        ("down", "↓", "Move south", chart.moved(0, 0.4)),
        ("right", "→", "Move east", chart.moved(0.4, 0)),
        ("world", "World", "", WORLD),
    )
    return [
        Step(key=key, sign=sign, what=what, chart=to, to=f"/places?{urlencode({'box': told(to.box), **moment})}")
        for key, sign, what, to in moves
    ]
