"""The part of the world that the map shows, as Mercator drew it: x is the longitude, y the stretched latitude, both in degrees, y down.

Mercator's projection, because what is looked at closely keeps its shape wherever it lies; what is near the poles looks too large, and
what is beyond 85 degrees is drawn on the edge.  A chart is half as wide again as it is high.  It may cross 180 degrees: its western side
is from -180 up to 180, its eastern side up to 360 degrees further.  Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ASPECT: Final = 1.5
AROUND: Final = 360.0
LEAST: Final = 0.02  # degrees across: some two kilometres
EDGE: Final = 180.0
"""How far the projected world goes to the north and to the south."""

_FURTHEST: Final = math.degrees(math.atan(math.sinh(math.pi)))  # degrees north that are drawn there
_POLE: Final = 90.0
_MARGIN: Final = 1.25
_FAR: Final = 200.0  # degrees across: as well the whole world, in its usual place
_TOLD: Final = 5  # digits behind the point: a metre
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A part of the world; make it by ``clamped`` or ``chart_of``.

    Attributes:
        west, top: its corner in projected degrees.
        width: in degrees.
    """

    west: float
    top: float
    width: float

    @property
    def height(self) -> float:
        """In projected degrees."""
        return self.width / ASPECT

    @property
    def box(self) -> Box:
        """West, south, east, north in degrees; east is below west where it crosses 180 degrees."""
        if self.width >= AROUND:
            return -AROUND / 2, self._south(), AROUND / 2, self._north()
        return self.west, self._south(), turned(self.west + self.width), self._north()

    def _south(self) -> float:
        bottom = self.top + self.height
        return -_POLE if bottom >= EDGE - LEAST else latitude_of(bottom)

    def _north(self) -> float:
        return _POLE if self.top <= LEAST - EDGE else latitude_of(self.top)

    def zoomed(self, factor: float) -> Chart:
        """About the same middle; a factor below 1 shows less of the world."""
        width = self.width * factor
        return clamped(self.west + (self.width - width) / 2, self.top + (self.height - width / ASPECT) / 2, width)

    def moved(self, right: float, down: float) -> Chart:
        """By parts of its own size."""
        return clamped(self.west + right * self.width, self.top + down * self.height, self.width)

    def place(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where a point lies, in percent from the left and from the top."""
        middle = self.west + self.width / 2
        x = longitude + AROUND * round((middle - longitude) / AROUND)
        return 100 * (x - self.west) / self.width, 100 * (projected(latitude) - self.top) / self.height


def projected(latitude: float) -> float:
    """The y of a latitude in degrees."""
    latitude = max(-_FURTHEST, min(_FURTHEST, latitude))
    return -math.degrees(math.asinh(math.tan(math.radians(latitude))))


def latitude_of(y: float) -> float:
    """The latitude of a y within the edges."""
    return -math.degrees(math.atan(math.sinh(math.radians(max(-EDGE, min(EDGE, y))))))


def turned(longitude: float) -> float:
    """The same longitude, from -180 up to 180."""
    return (longitude + AROUND / 2) % AROUND - AROUND / 2


def clamped(west: float, top: float, width: float) -> Chart:
    """A chart that stays on the world and is neither too near nor too far; its middle stays where it can."""
    middle, half = west + width / 2, max(LEAST, min(AROUND, width)) / 2
    down = top + width / ASPECT / 2
    reach = EDGE - half / ASPECT
    down = max(-reach, min(reach, down))
    return Chart(west=turned(middle - half), top=down - half / ASPECT, width=2 * half)


def chart_of(box: Box) -> Chart:
    """The least chart with all of a box in it; the box is clamped, and may cross 180 degrees."""
    west, south, east, north = box
    across = (east - west) % AROUND if abs(east - west) < AROUND else AROUND
    top, bottom = projected(max(south, north)), projected(min(south, north))
    width = max(across, (bottom - top) * ASPECT)
    return clamped(west + (across - width) / 2, (top + bottom - width / ASPECT) / 2, width)


WORLD: Final = chart_of((-180.0, -60.0, 180.0, 81.0))


def around(points: Iterable[tuple[float, float]], least: float) -> Chart:
    """A chart with all points (latitude, longitude) in it and some room about them, at least so many degrees wide."""
    found = list(points)
    if not found:
        return WORLD
    latitudes = [latitude for latitude, _ in found]
    west, east = _span([longitude for _, longitude in found])
    tight = chart_of((west, min(latitudes), east, max(latitudes)))
    wide = tight.zoomed(max(_MARGIN, least / tight.width))
    is_far = wide.width > _FAR and WORLD.box[1] < min(latitudes) and max(latitudes) < WORLD.box[3]
    return WORLD if is_far else wide


def _span(longitudes: list[float]) -> tuple[float, float]:
    """West and east of all longitudes: the widest gap between two neighbours is left out."""
    ring = sorted(turned(longitude) for longitude in longitudes)
    gaps = [(after - before, after, before) for before, after in pairwise([*ring, ring[0] + AROUND])]
    _, west, east = max(gaps)
    return turned(west), turned(west) + (east - west) % AROUND


def told(box: Box) -> str:
    """A box for an address."""
    return ",".join(f"{round(one, _TOLD):g}" if one == round(one) else f"{one:.{_TOLD}f}" for one in box)
