#!/usr/bin/env python3
"""Make the gallery's map out of Natural Earth's countries; run by hand, once for each new release of the data.

    npm pack world-atlas@2.0.2
    python tools/make_outline.py world-atlas-2.0.2.tgz photovault/gallery/templates/world.svg

1. Read ``countries-50m.json`` out of the package.  It is TopoJSON (github.com/topojson/topojson-specification, 2.1 and 2.2): lines
   ("arcs") of whole numbers, each but the first a step from the one before, that countries share by their index, ``~i`` for one
   walked backwards.  Lines may jump over 180 degrees; they are unrolled, so that Siberia goes on to 190.
2. Project each line as Mercator did: x is the longitude, y the stretched latitude, both in degrees, cut at 85 degrees.
3. Leave out points that are nearer than TOLERANCE to the line without them (Douglas and Peucker 1973).  Lines are thinned, not
   countries, so neighbours still meet.
4. Write two paths of whole steps of 1/STEPS degrees: ``land`` to be filled and ``borders``, lines that two countries share.

Guarantee: the same package gives the same bytes; its version and SHA-256 stand in the file.  Not guaranteed: where a border is
contested, what is drawn is Natural Earth's answer (who holds the land), nobody else's.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tarfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE = "package/countries-50m.json"
STEPS = 24  # to a degree: 4.6 km on the equator, about what the data are good for
TOLERANCE = 0.05  # degrees
AROUND = 360 * STEPS
EDGE = math.degrees(math.atan(math.sinh(math.pi)))  # 85.05: there the projected world is a square

Point = tuple[float, float]
Step = tuple[int, int]


def main(package: str, target: str) -> None:
    """Read the package, write the map."""
    data = Path(package).read_bytes()
    with tarfile.open(package) as members:
        world = json.loads(_member(members, SOURCE))
        about = json.loads(_member(members, "package/package.json"))
        licence = _member(members, "package/LICENSE").decode()
    origin = (
        f"{about['name']} {about['version']}, {SOURCE.rpartition('/')[2]}, SHA-256 {hashlib.sha256(data).hexdigest()}"
    )
    Path(target).write_text(drawn(world, origin, licence), encoding="utf-8")


def _member(members: tarfile.TarFile, name: str) -> bytes:
    member = members.extractfile(name)
    if member is None:
        raise SystemExit(f"{name} is no file of the package")
    return member.read()


def drawn(world: dict[str, Any], origin: str, licence: str) -> str:
    """The map as a piece of SVG, with where it is from."""
    lines = [stepped(thinned([projected(point) for point in line], TOLERANCE)) for line in lines_of(world)]
    land = "".join(ring_path(ring) for ring in rings(world["objects"]["land"], lines))
    borders = "".join(open_path(lines[index]) for index in shared(world["objects"]["countries"]))
    return (
        f"<!-- Made by tools/make_outline.py of {origin}.\n"
        "Natural Earth 4.1 (naturalearthdata.com), which is in the public domain; the package is under the ISC licence:\n"
        f"{licence.strip()} -->\n"
        f'<g id="land" transform="scale({1 / STEPS})">\n'
        f'<path class="land" d="{land}"/>\n<path class="borders" d="{borders}"/>\n</g>\n'
    )


def lines_of(world: dict[str, Any]) -> Iterator[list[Point]]:
    """The lines of a topology, in degrees of longitude and latitude."""
    (wide, high), (west, south) = world["transform"]["scale"], world["transform"]["translate"]
    for arc in world["arcs"]:
        x = y = 0
        line = []
        for right, up in arc:
            x, y = x + right, y + up
            line.append((_unrolled(west + x * wide, line), south + y * high))
        yield line


def _unrolled(longitude: float, line: Sequence[Point]) -> float:
    """The longitude, turned around the world until it is nearest to the end of the line."""
    return longitude + 360 * round((line[-1][0] - longitude) / 360) if line else longitude


def projected(point: Point) -> Point:
    """Mercator's projection in degrees, y down as on a screen."""
    longitude, latitude = point
    latitude = math.radians(max(-EDGE, min(EDGE, latitude)))
    return longitude, -math.degrees(math.asinh(math.tan(latitude)))


def thinned(line: Sequence[Point], tolerance: float) -> list[Point]:
    """The line without points that hardly bend it; its ends stay, and of a ring also the point farthest from its end."""
    kept = {0, len(line) - 1}
    open_spans = [(0, len(line) - 1)]
    while open_spans:
        first, last = open_spans.pop()
        far, middle = max(
            ((_distance(line[index], line[first], line[last]), index) for index in range(first + 1, last)),
            default=(0.0, 0),
        )
        if far > tolerance:
            kept.add(middle)
            open_spans += [(first, middle), (middle, last)]
    return [line[index] for index in sorted(kept)]


def _distance(point: Point, start: Point, end: Point) -> float:
    """Of a point to a line between two others."""
    across, down = end[0] - start[0], end[1] - start[1]
    length = across * across + down * down
    along = ((point[0] - start[0]) * across + (point[1] - start[1]) * down) / length if length else 0.0
    along = max(0.0, min(1.0, along))
    return math.hypot(point[0] - start[0] - along * across, point[1] - start[1] - along * down)


def stepped(line: Sequence[Point]) -> list[Step]:
    """The line in whole steps, no step twice in a row."""
    steps: list[Step] = []
    for x, y in line:
        step = (round(x * STEPS), round(y * STEPS))
        if not steps or steps[-1] != step:
            steps.append(step)
    return steps


def rings(shape: dict[str, Any], lines: Sequence[list[Step]]) -> Iterator[list[Step]]:
    """The rings of every polygon of a shape, each put together from its lines, without its first point again at the end."""
    for ring in _ring_indices(shape):
        points: list[Step] = []
        for index in ring:
            line = lines[index] if index >= 0 else lines[~index][::-1]
            turn = AROUND * round((points[-1][0] - line[0][0]) / AROUND) if points else 0
            points += [(x + turn, y) for x, y in line[1 if points else 0 :]]
        yield _closed(points)


def _closed(points: list[Step]) -> list[Step]:
    """A ring that goes around the world (Antarctica) is closed along the lower edge of the map."""
    (first, _), (last, _) = points[0], points[-1]
    if abs(last - first) >= AROUND:
        return [*points, (last, AROUND // 2), (first, AROUND // 2)]
    return points[:-1] if len(points) > 1 else points


def _ring_indices(shape: dict[str, Any]) -> Iterator[list[int]]:
    if shape["type"] == "GeometryCollection":
        for part in shape["geometries"]:
            yield from _ring_indices(part)
    elif shape["type"] == "MultiPolygon":
        for polygon in shape["arcs"]:
            yield from polygon
    elif shape["type"] == "Polygon":
        yield from shape["arcs"]


def shared(countries: dict[str, Any]) -> list[int]:
    """Indices of the lines that are of more than one country."""
    uses: Counter[int] = Counter()
    for country in countries["geometries"]:
        uses.update({index if index >= 0 else ~index for ring in _ring_indices(country) for index in ring})
    return sorted(index for index, count in uses.items() if count > 1)


def ring_path(ring: Sequence[Step]) -> str:
    """A closed path.  An island smaller than a step stays as a speck: somebody may have been there."""
    if len(ring) < 3:
        return f"M{_pair(ring[0])}h1v1z"
    return open_path(ring) + "z"


def open_path(line: Sequence[Step]) -> str:
    """A path in steps from point to point."""
    if len(line) < 2:
        return ""
    moves = [(x - before_x, y - before_y) for (before_x, before_y), (x, y) in pairwise(line)]
    text = f"M{_pair(line[0])}l{_pair(moves[0])}"
    return text + "".join(_pair(move) if move[0] < 0 else f" {_pair(move)}" for move in moves[1:])


def _pair(step: Step) -> str:
    """Two numbers as short as SVG has them: a minus parts as well as a blank."""
    return f"{step[0]}{step[1]}" if step[1] < 0 else f"{step[0]} {step[1]}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: make_outline.py world-atlas-2.0.2.tgz photovault/gallery/templates/world.svg")
    main(sys.argv[1], sys.argv[2])
