"""The map: what its addresses mean, what lies on it, and that it works by links, by hand and by keys."""

from __future__ import annotations

import html
import http.client
import math
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from photovault.errors import UsageError
from photovault.gallery.chart import WORLD, Chart, around, chart_of, clamped, latitude_of, projected, told
from photovault.gallery.pages.places import MOST, chart_asked, marks_of, outward, short, spots_on
from photovault.gallery.values import Spot
from tests.support.browser import overflow, violations
from tests.support.gallery import FakeAsks, serve
from tests.support.programs import needed

ANYWHERE = st.floats(-720, 720, allow_nan=False)


def spot(latitude, longitude, count=1, name="", number=7):
    box = (longitude - 0.1, max(-90, latitude - 0.1), longitude + 0.1, min(90, latitude + 0.1))
    return Spot(latitude=latitude, longitude=longitude, count=count, number=number, box=box, name=name)


class Spots:
    """Answers with the same spots always, and remembers what it was asked."""

    def __init__(self, *spots):
        self.all, self.asked = spots, []

    def spots(self, at, box, columns):
        self.asked.append((box, columns))
        return self.all


# The chart


@given(west=ANYWHERE, south=ANYWHERE, east=ANYWHERE, north=ANYWHERE)
def test_whatever_box_somebody_asks_for_the_map_stays_on_the_world(west, south, east, north):
    chart = chart_of((west, south, east, north))
    assert -180 <= chart.west < 180
    assert 0.0199 < chart.width <= 360
    assert chart.top >= -180.0001
    assert chart.top + chart.height <= 180.0001
    for moved in (chart.zoomed(0.5), chart.zoomed(2), chart.moved(0.4, -0.4)):
        assert 0.0199 < moved.width <= 360
        assert moved.top >= -180.0001


@given(st.floats(-85, 85))
def test_mercator_there_and_back(latitude):
    assert latitude_of(projected(latitude)) == pytest.approx(latitude, abs=1e-6)


@given(st.floats(-180, 179), st.floats(-80, 80), st.floats(0.05, 359))
def test_an_address_gives_the_chart_that_it_was_made_of(west, latitude, width):
    chart = clamped(west, projected(latitude), width)
    again = chart_asked({"box": told(chart.box)}, tuple)
    assert (again.west - chart.west + 180) % 360 - 180 == pytest.approx(0, abs=1e-4)
    assert again.top == pytest.approx(chart.top, abs=1e-3)
    assert again.width == pytest.approx(chart.width, abs=1e-3)


def test_photos_of_fiji_are_shown_together_though_180_degrees_lie_between_them():
    chart = around([(-17.0, 179.0), (-17.5, -179.5)], 8.0)
    assert chart.width < 20
    places = [chart.place(-17.0, 179.0), chart.place(-17.5, -179.5)]
    assert all(0 < x < 100 and 0 < y < 100 for x, y in places)
    assert places[0] < places[1]
    west, _, east, _ = chart.box
    assert west > east


def test_photos_all_over_the_world_show_the_world():
    assert around([(60, -150), (0, -70), (10, 10), (20, 90), (-42, 147)], 8.0) == WORLD
    assert around([], 8.0) == WORLD


def test_the_poles_lie_on_the_edge_and_are_asked_for_there():
    top = chart_of((-10, 80, 10, 90))
    assert top.box[3] == 90
    x, y = top.place(90, 0)
    assert 0 <= x <= 100
    assert y == pytest.approx(0, abs=1e-3)
    assert spots_on(Spots(spot(90, 0)), "", top)
    assert around([(90, 0), (-90, 0)], 8).height == pytest.approx(240)


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3",
        "1,2,3,4,5",
        "a,b,c,d",
        "nan,0,1,1",
        "inf,0,1,1",
        "1e308,0,1,1",
        ",,,",
        "0x1,2,3,4",
        "1" * 9999 + ",1,1,1",
    ],
)
def test_what_is_no_box_is_said(text):
    with pytest.raises(UsageError, match="no piece of the map"):
        chart_asked({"box": text}, tuple)


# What lies on it


def test_circles_grow_with_the_logarithm_and_the_most_come_first():
    spots = spots_on(Spots(*(spot(0, n * 10, 10**n) for n in range(7))), "", WORLD)
    marks = marks_of(WORLD, spots, "")
    assert [mark.size for mark in marks] == [6, 6, 5, 4, 3, 2, 1]
    assert [mark.short for mark in marks] == ["1.0M", "100k", "10k", "1.0k", "100", "10", "1"]


def test_a_circle_asks_for_exactly_its_photos():
    (mark,) = marks_of(WORLD, [spot(51.5, -0.1, 123, "London, United Kingdom")], "dccc")
    asked = parse_qs(urlsplit(mark.photos).query)
    assert asked["at"] == ["dccc"]
    west, south, east, north = map(float, asked["box"][0].split(","))
    assert west <= -0.2 + 1e-9
    assert -0.2 - west < 0.001
    assert south <= 51.4
    assert north >= 51.6
    assert east >= 0


@given(st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90)))
def test_rounding_a_box_loses_nothing_of_it(box):
    west, south, east, north = (float(one) for one in told(outward(box)).split(","))
    assert west <= box[0] + 1e-9
    assert south <= box[1] + 1e-9
    assert east >= box[2] - 1e-9
    assert north >= box[3] - 1e-9
    assert west >= -180
    assert east <= 180


def test_the_grid_stays_where_it_is_while_the_map_moves():
    photos = Spots()
    for west in (10.0, 10.3, 10.9):
        spots_on(photos, "", clamped(west, -60, 12.0))
    grids = [((box[2] - box[0]) / columns, box[0]) for box, columns in photos.asked]
    assert all(field == pytest.approx(1) and west == pytest.approx(10) for field, west in grids)


def test_of_thousands_of_spots_those_with_the_most_photos_are_drawn():
    every = [spot(-60 + n % 120, -179 + n // 120, 1 + n) for n in range(9000)]
    drawn = spots_on(Spots(*every), "", WORLD)
    assert len(drawn) == MOST
    assert drawn[0].count == 9000
    assert len([mark for mark in marks_of(WORLD, drawn, "") if mark.name]) <= 10


def test_no_name_is_written_over_another_circle():
    europe = chart_of((-15, 35, 30, 60))
    paris, below = spot(50, 2, 9, "Paris 10e Arrondissement, France"), spot(48.9, 3, 5)
    assert [mark.name for mark in marks_of(europe, [paris], "")] == ["Paris 10e Arrondiss…"]
    assert [mark.name for mark in marks_of(europe, [paris, below], "")] == ["", ""]


def test_the_count_in_a_circle_has_at_most_four_characters():
    assert all(len(short(10**n - back)) <= 4 for n in range(1, 9) for back in (0, 1))
    assert (short(999), short(1250), short(12_999)) == ("999", "1.2k", "12k")


# The page


@pytest.fixture
def asks():
    return FakeAsks(500)


def get(url, address, headers=None):
    """Status and text of a page."""
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    line.request("GET", address, headers=headers or {})
    answer = line.getresponse()
    found = answer.status, answer.read().decode()
    line.close()
    return found


def page(asks, address="/places", headers=None):
    with serve(asks) as url:
        return get(url, address, headers)


def test_the_page_has_the_map_the_circles_and_a_list(asks):
    text = page(asks)[1]
    assert 'id="land"' in text
    assert 'aria-label="Rome, Italy: 50 photos"' in text
    assert "400 photos with a place, 100 without" in text
    assert re.search(r'<img src="/thumb/\d+" alt=""', text)


def test_a_place_whose_photo_has_no_thumbnail_shows_a_sign(asks):
    asks.photos.spots = Spots(spot(50, 2, 9)).spots
    text = page(asks)[1]
    listed = text[text.index('id="listed"') :]
    assert "/thumb/" not in listed
    assert "icons.svg#picture" in listed


def test_without_scripts_links_zoom_in_until_one_place_is_left(asks):
    address = "/places?box=-12,35,30,62"
    with serve(asks) as url:
        for _ in range(6):
            _, text = get(url, address)
            address = html.unescape(re.search(r'href="(/places\?[^"]*)"[^>]*aria-label="Zoom in: Rome', text)[1])
    assert "Rome, Italy: 50 photos" in text
    assert "Oslo" not in text


def test_a_piece_holds_the_circles_but_not_the_world(asks):
    _, text = page(asks, "/places?box=-12,35,30,62", {"HX-Request": "true"})
    assert "Rome" in text
    assert 'hx-swap-oob="true"' in text
    assert len(text) < 20_000
    assert 'id="land"' not in text


def test_names_out_of_a_file_stay_text(asks):
    asks.photos.spots = Spots(spot(1, 1, 3, '<img src=x onerror="alert(1)">, "\'&')).spots
    text = page(asks)[1]
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=" in text


def test_every_link_keeps_the_snapshot_that_is_looked_at(asks):
    text = page(asks, "/places?at=cccc")[1]
    main = text[text.index("<main") : text.index("</main")]
    links = [html.unescape(link) for link in re.findall(r'<a [^>]*href="([^"]*)"', main)]
    assert len(links) > 10
    assert all(parse_qs(urlsplit(link).query).get("at") == ["cccc"] for link in links)


@pytest.mark.parametrize("query", ["box=1,2", "box=nan,nan,nan,nan", "lat=a&lon=b", "lat=1e999&lon=0"])
def test_a_broken_address_says_what_to_do(asks, query):
    status, text = page(asks, f"/places?{query}")
    assert status == 400
    assert "choose it on the map again" in text.lower()


def test_a_photo_shows_where_it_was_taken(asks):
    text = page(asks, "/places?lat=41.9&lon=12.5")[1]
    assert 'class="pin"' in text
    assert "Rome, Italy" in text


def test_no_photo_has_a_place(asks):
    asks.photos.located = lambda _at: 0
    text = page(asks)[1]
    assert "No photo has a place" in text
    assert 'id="land"' not in text


def test_an_empty_vault_says_how_to_begin():
    status, text = page(FakeAsks(0))
    assert status == 200
    assert "photovault backup" in text


def test_while_the_listings_are_read_the_page_says_so():
    assert "Read the listings" in page(FakeAsks(9, preparing="steady"))[1]


def test_the_page_weighs_less_than_300_kilobytes_with_all_that_it_loads():
    asks = FakeAsks(500)
    every = [spot(-60 + n % 120, -179 + n // 120, 1 + n, f"Town {n}, Country") for n in range(9000)]
    with serve(asks) as url:
        _, text = get(url, "/places")
        loaded = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', text))
        assert {"/static/places.js", "/static/places.css"} <= loaded
        own = sum(len(get(url, path)[1].encode()) for path in loaded)
        assert own + len(text.encode()) < 300_000
        asks.photos.spots = Spots(*every).spots
        assert len(get(url, "/places")[1]) < 450_000  # as many circles as there can be


# In a browser


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as run:
        chromium = run.chromium.launch(executable_path=needed("chromium"))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, asks):
    with serve(asks) as url:
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        said = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(f"{url}/places?box=-12,35,30,62")
        tab.wait_for_selector("#map.live")
        yield tab
        tab.close()
        assert said == []  # nothing refused by the policy, no error


def labels(tab):
    return {one.get_attribute("aria-label").partition(",")[0] for one in tab.query_selector_all(".marks a")}


def shown(tab):
    return [float(one) for one in tab.get_attribute("#sheet", "viewBox").split()]


def test_keys_zoom_and_move_and_the_circles_follow(opened):
    before = shown(opened)
    opened.focus("#map")
    opened.keyboard.press("-")
    opened.wait_for_function("document.querySelector('#sheet').viewBox.baseVal.width > 60")
    for _ in range(3):
        opened.keyboard.press("ArrowLeft")
    opened.wait_for_selector('.marks a[aria-label^="Boston"]')
    assert shown(opened)[2] > before[2]
    assert "box=" in opened.url


def test_a_drag_moves_the_map_and_opens_no_photo(opened):
    circle = opened.locator('.marks a[aria-label^="Rome"] circle')
    before, box = shown(opened), circle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(x - 150, y - 60, steps=6)
    opened.mouse.up()
    opened.wait_for_function(f"document.querySelector('#sheet').viewBox.baseVal.x > {before[0] + 1}")
    after = circle.bounding_box()
    assert after["x"] == pytest.approx(box["x"] - 150, abs=15)
    assert urlsplit(opened.url).path == "/places"


def test_the_wheel_zooms_about_the_pointer(opened):
    circle = opened.locator('.marks a[aria-label^="Rome"] circle')
    box = circle.bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = shown(opened)[2]
    with opened.expect_response(lambda answer: "/places?box=" in answer.url):
        opened.mouse.wheel(0, -120)
    opened.wait_for_timeout(100)
    assert shown(opened)[2] < before
    after = circle.bounding_box()
    assert math.hypot(after["x"] - box["x"], after["y"] - box["y"]) < 4


def test_a_link_zooms_in_place_and_keeps_the_focus(opened):
    opened.focus("#step-out")
    for _ in range(2):
        with opened.expect_response(lambda answer: "/places?box=" in answer.url):
            opened.keyboard.press("Enter")
        opened.wait_for_timeout(200)
    opened.wait_for_selector('.marks a[aria-label^="Boston"]')
    assert opened.evaluate("document.activeElement.id") == "step-out"
    assert labels(opened) >= {"Rome", "Lisbon", "Oslo"}


def test_a_circle_opens_its_photos(opened):
    opened.focus('.marks a[aria-label^="Rome"]')
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/search?box=*")


def test_the_map_moved_by_script_asks_for_what_the_server_would(opened):
    opened.click("#step-world")
    opened.wait_for_function("document.querySelector('#sheet').viewBox.baseVal.width === 360")
    opened.wait_for_timeout(400)
    assert chart_asked({"box": parse_qs(urlsplit(opened.url).query)["box"][0]}, tuple).width == 360
    west, top, width, _ = shown(opened)
    assert Chart(west=west, top=top, width=width).box == pytest.approx(WORLD.box)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "light"),
        pytest.param(360, "dark", marks=pytest.mark.slow),
        pytest.param(1024, "light", marks=pytest.mark.slow),
        pytest.param(1024, "dark", marks=pytest.mark.slow),
    ],
)
def test_everybody_can_use_the_map(browser, asks, width, scheme):
    asks.photos.spots = Spots(*asks.photos.spots("", (-180, -90, 180, 90), 12), spot(50, 5, 12345, "", 9)).spots
    with serve(asks) as url:
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        tab.goto(f"{url}/places")
        tab.wait_for_selector("#map.live")
        assert violations(tab) == []
        assert overflow(tab) <= 0
        sizes = [circle.bounding_box()["width"] for circle in tab.query_selector_all(".marks circle")]
        assert min(sizes) >= 24  # can be hit by a finger
        tab.close()
