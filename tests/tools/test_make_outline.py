"""The map of the gallery: what the tool makes of a small world, and that the map in the package is its work."""

from __future__ import annotations

import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("make_outline", ROOT / "tools" / "make_outline.py")
outline = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(outline)


def world(arcs, land, *countries):
    """A topology of whole degrees: ``arcs`` are lines of points."""
    steps = [[line[0], *([b[0] - a[0], b[1] - a[1]] for a, b in pairwise(line))] for line in arcs]
    return {
        "transform": {"scale": [1, 1], "translate": [0, 0]},
        "arcs": steps,
        "objects": {
            "land": {"type": "GeometryCollection", "geometries": [{"type": "MultiPolygon", "arcs": [land]}]},
            "countries": {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "arcs": one} for one in countries]},
        },
    }  # fmt: skip


def test_two_countries_are_one_land_with_a_border():
    # a square of two countries: its western and its eastern outline, and the line between them
    square = world(
        [[[0, 10], [0, 0], [10, 0]], [[10, 0], [20, 0], [20, 10], [10, 10]], [[10, 0], [10, 10]], [[10, 10], [0, 10]]],
        [[0, 1, 3]], [[0, 2, 3]], [[1, ~2]],
    )  # fmt: skip
    lines = [outline.stepped(line) for line in outline.lines_of(square)]
    (ring,) = outline.rings(square["objects"]["land"], lines)
    corners = {(x // outline.STEPS, y // outline.STEPS) for x, y in ring}
    assert corners >= {(0, 0), (20, 0), (20, 10), (0, 10)}
    assert ring[0] != ring[-1]
    assert outline.shared(square["objects"]["countries"]) == [2]


def test_a_line_walked_backwards_joins():
    lines = [[(0, 0), (5, 5)], [(9, 0), (5, 5)], [(9, 0), (0, 0)]]
    (ring,) = outline.rings({"type": "Polygon", "arcs": [[0, ~1, 2]]}, lines)
    assert ring == [(0, 0), (5, 5), (9, 0)]


def test_land_across_180_degrees_is_unrolled_not_torn():
    (line,) = outline.lines_of(world([[[178, 60], [-178, 62], [-175, 66]]], []))
    assert [x for x, _ in line] == [178, 182, 185]


def test_land_around_the_pole_is_closed_along_the_edge():
    around = [(x * 90 * outline.STEPS, 3000) for x in range(5)]
    (ring,) = outline.rings({"type": "Polygon", "arcs": [[0]]}, [around])
    assert ring[-2:] == [(outline.AROUND, outline.AROUND // 2), (0, outline.AROUND // 2)]


def test_thinning_keeps_ends_and_bends():
    line = [(0, 0), (1, 0.001), (2, 0), (2, 5), (2, 9)]
    assert outline.thinned(line, 0.05) == [(0, 0), (2, 0), (2, 9)]
    ring = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)]
    assert outline.thinned(ring, 0.05) == ring
    assert len(outline.thinned([(n, (n % 7) / 100) for n in range(20_000)], 0.5)) == 2  # no recursion


def test_a_path_says_the_same_points():
    steps = [(10, -5), (7, -5), (7, 0), (12, 3)]
    path = outline.open_path(steps)
    assert path == "M10-5l-3 0 0 5 5 3"
    assert outline.ring_path([(4, 4)]) == "M4 4h1v1z"


@pytest.mark.parametrize("latitude", [90, -90, 85.06])
def test_what_is_beyond_the_edge_lies_on_it(latitude):
    assert abs(outline.projected((0, latitude))[1]) == pytest.approx(180)


def test_the_map_of_the_package_says_where_it_is_from_and_holds_nothing_but_two_paths():
    text = (ROOT / "photovault" / "gallery" / "templates" / "world.svg").read_text(encoding="utf-8")
    assert (
        "world-atlas 2.0.2, countries-50m.json, SHA-256 032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97"
        in text
    )
    assert "public domain" in text
    drawing = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    assert re.findall(r"<(\w+)", drawing) == ["g", "path", "path"]
    assert set(re.findall(r' (\w+)="', drawing)) == {"id", "transform", "class", "d"}
    assert len(text) < 180_000
    assert "{" not in text  # it is included into a template
