"""A timeline cut into parts that are fetched at once, and photos of a map put together.  Pure.

A part has about 120 photos of one month.  Where it would end in the middle of a second it ends beside it, unless that second has
more photos than a part may have.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError
from photovault.gallery.values import Part, Spot
from photovault.library.moments import COUNT_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.library.showing import Located

PART: Final = 120
PART_MAX: Final = 500
COLUMNS_MAX: Final = 200
_DAY: Final = 86_400
_DEGREE: Final = 10_000_000
_ROUND: Final = 360.0
_EDGE: Final = 1e-6  # degrees, a tenth of a metre: what lies on the edge of a box that was rounded is in it
Box = tuple[float, float, float, float]


def parts_of(numbers: Sequence[int]) -> tuple[Part, ...]:
    """The parts of a timeline, the newest first; ``numbers``: of all its rows, ascending."""
    return tuple(_parts(numbers))


def _parts(numbers: Sequence[int]) -> Iterator[Part]:
    end = len(numbers)
    while end:
        month = _month(numbers[end - 1])
        begin = bisect_left(numbers, _first_of(month), 0, end)
        while end > begin:
            start = _start(numbers, begin, end)
            yield Part(month=month.isoformat()[:7], first=numbers[start], last=numbers[end - 1], count=end - start)
            end = start


def _start(numbers: Sequence[int], begin: int, end: int) -> int:
    """Where the part begins that ends before ``end``."""
    start = max(begin, end - PART)
    if start == begin or _second(numbers[start]) != _second(numbers[start - 1]):
        return start
    following = bisect_left(numbers, (_second(numbers[start]) + 1) << COUNT_BITS, start, end)
    if following < end:
        return following
    first = bisect_left(numbers, _second(numbers[start]) << COUNT_BITS, begin, end)
    return max(first, end - PART_MAX)


def _second(number: int) -> int:
    return number >> COUNT_BITS


def _month(number: int) -> date:
    """The first day of the month of a row; what is beyond every calendar counts as its last day."""
    day = min(1 + _second(number) // _DAY, date.max.toordinal())
    return date.fromordinal(max(1, day)).replace(day=1)


def _first_of(month: date) -> int:
    """The least number that a row of a month can have."""
    return (month.toordinal() - 1) * _DAY << COUNT_BITS


# The map ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cell:
    """Photos of one cell of the grid; ``east`` counts from the box's western side, so that 180 degrees are no border."""

    count: int = 0
    north: float = 0.0
    east: float = 0.0
    number: int = 0
    south: float = math.inf
    top: float = -math.inf
    west: float = math.inf
    right: float = -math.inf

    def add(self, number: int, latitude: float, east: float) -> None:
        self.count += 1
        self.north += latitude
        self.east += east
        self.number = number
        self.south, self.top = min(self.south, latitude), max(self.top, latitude)
        self.west, self.right = min(self.west, east), max(self.right, east)

    def spot(self, west: float) -> Spot:
        box = (_turned(west + self.west), self.south, _turned(west + self.right), self.top)
        middle = _turned(west + self.east / self.count)
        return Spot(latitude=self.north / self.count, longitude=middle, count=self.count, number=self.number, box=box)


def spots_of(located: Located, box: Box, columns: int) -> list[Spot]:
    """Photos in a box put together by a grid so many columns wide, those with the most first; the newest of each is shown.

    Raises:
        UsageError: it is no box, or the grid is too fine.
    """
    west, south, _, north = checked(box)
    if not 1 <= columns <= COLUMNS_MAX:
        raise UsageError(f"a map has 1 to {COLUMNS_MAX} columns")
    width = _width(box)
    side = max(width / columns, 1e-7)
    cells: dict[tuple[int, int], _Cell] = {}
    for number, latitude, longitude in zip(*located, strict=True):
        degrees, east = latitude / _DEGREE, _east_of(west, longitude)
        if east <= width and south - _EDGE <= degrees <= north + _EDGE:
            key = min(int(east / side), columns - 1), int((degrees - south + _EDGE) / side)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = _Cell()
            cell.add(number, degrees, east - _EDGE)
    return sorted((cell.spot(west) for cell in cells.values()), key=lambda spot: (-spot.count, -spot.number))


def checked(box: Box) -> Box:
    """The box; UsageError when it is none."""
    west, south, east, north = box
    if not all(map(math.isfinite, box)) or south > north or max(abs(west), abs(east)) > _ROUND:
        raise UsageError("that is no part of the map", "give west, south, east and north in degrees")
    return box


def is_within(box: Box, latitude: int | None, longitude: int | None) -> bool:
    """Whether a point in 1e-7 degrees is in a box, which may cross 180 degrees."""
    if latitude is None or longitude is None:
        return False
    west, south, _, north = box
    is_high = south - _EDGE <= latitude / _DEGREE <= north + _EDGE
    return is_high and _east_of(west, longitude) <= _width(box)


def _east_of(west: float, longitude: int) -> float:
    """Degrees eastward from a little west of the box."""
    return (longitude / _DEGREE - west + _EDGE) % _ROUND


def _width(box: Box) -> float:
    """Degrees from a little west of it to a little east; a box that goes all the way round ends where it begins."""
    west, _, east, _ = box
    return _ROUND if east - west >= _ROUND - 2 * _EDGE else (east - west) % _ROUND + 2 * _EDGE


def _turned(longitude: float) -> float:
    """From -180 up to 180 degrees."""
    return (longitude + 180) % _ROUND - 180
