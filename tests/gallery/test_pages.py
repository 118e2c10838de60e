"""The timeline, one photo and the search, as a browser gets them: by HTTP without scripts, and with scripts in Chromium."""

from __future__ import annotations

import re
from html import unescape
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from photovault.errors import UndecodableError, UsageError
from photovault.gallery.pages import search, timeline
from photovault.gallery.values import Part
from photovault.photos.choose import KINDS
from tests.support.gallery import FakeAsks, serve

NEWEST, BEFORE, OLDEST = "dccc", "cccc", "accc"


@pytest.fixture(scope="module")
def asks():
    return FakeAsks(700)


@pytest.fixture(scope="module")
def url(asks):
    with serve(asks) as address:
        yield address


def get(url, path, **headers):
    connection = HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return SimpleNamespace(status=answer.status, text=answer.read().decode())
    finally:
        connection.close()


def numbers_in(text):
    return [int(number) for number in re.findall(r'<a href="/photo/(\d+)', text)]


# The timeline -------------------------------------------------------------------------------------------------------


def test_the_timeline_shows_every_month_and_the_newest_photos(url, asks):
    page = get(url, "/")
    months = list(dict.fromkeys(part.month for part in asks.photos.spine("").parts))
    assert re.findall(r'<section class="month" id="([^"]+)"', page.text) == months
    shown = numbers_in(page.text)
    assert len(shown) >= timeline.AT_ONCE
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == 700


def test_parts_that_come_later_and_those_in_the_page_are_all_photos_once(url):
    text = get(url, "/").text
    numbers = numbers_in(text)
    for first, last, count in re.findall(r'<ul class="part" data-p="(\d+),(\d+),(\d+)"></ul>', text):
        part = numbers_in(get(url, f"/part?first={first}&last={last}", HX_Request="true").text)
        assert len(part) == int(count)
        numbers += part
    assert numbers == list(range(700, 0, -1))


def test_without_scripts_every_photo_is_in_the_page_of_a_month(url):
    text, numbers = get(url, "/").text, []
    for month in re.findall(r'<h2><a href="(/month/[^"]+)"', text):
        address = month
        while address:
            page = get(url, address)
            numbers += numbers_in(page.text)
            following = re.search(r'rel="next" href="([^"]+)">Older of this month', page.text)
            address = following and unescape(following[1])
    assert numbers == list(range(700, 0, -1))


def test_a_hundred_thousand_photos_make_a_page_under_200_kb():
    with serve(FakeAsks(100_000)) as url:
        page = get(url, "/")
    skeleton = re.sub(r'<li class="tile.*?</li>', "", page.text, flags=re.DOTALL)
    assert len(page.text) < 200_000
    assert len(skeleton) < 150_000
    assert len(re.findall(r'<ul class="part', skeleton)) > 1000


def test_a_snapshot_stays_in_all_links_and_is_told(url):
    text = get(url, f"/?at={OLDEST}").text
    assert "You are looking at the snapshot of <strong>3 January 2024</strong>" in text
    links = re.findall(r'href="(/(?:photo|month|search|places|machine)[^"]*)"', text)
    assert all(f"at={OLDEST}" in link for link in links)
    assert '<a class="button" href="/">Back to now</a>' in text
    assert "You are looking at" not in get(url, f"/?at={NEWEST}").text


@pytest.mark.parametrize(
    "path", ["/?at=9999", "/month/2026-11?page=99", "/month/1066-10", "/photo/701", f"/photo/700?at={OLDEST}"]
)
def test_what_is_not_there_says_so(url, path):
    answer = get(url, path)
    assert answer.status == 404
    assert "go back" in answer.text.casefold() or "see them" in answer.text.casefold()


@pytest.mark.parametrize(
    "path", ["/part?first=x&last=2", "/part", "/photo/x", "/month/2026-11?page=-1", "/photo/" + "9" * 30]
)
def test_what_is_no_number_is_refused(url, path):
    assert get(url, path).status == 400


def test_without_photos_it_says_what_to_do():
    with serve(FakeAsks(0)) as url:
        assert "photovault backup ~/Pictures" in get(url, "/").text
        assert "No photos yet" in get(url, "/search").text


def test_while_listings_are_read_it_says_so():
    with serve(FakeAsks(9, preparing="steady")) as url:
        assert "1,200 of 4,000 files" in get(url, "/").text


@given(st.lists(st.integers(1, 300), max_size=30))
def test_pages_of_a_month_keep_the_order_and_lose_nothing(counts):
    parts = [Part(month="2021-05", first=n, last=n, count=count) for n, count in enumerate(counts)]
    pages = timeline.pages_of(parts)
    assert [part for page in pages for part in page] == parts
    assert all(len(page) == 1 or sum(part.count for part in page) <= 200 for page in pages)


# A photo ------------------------------------------------------------------------------------------------------------


def test_a_photo_tells_all_that_is_known(url, asks):
    text = unescape(get(url, "/photo/490").text)
    photo = asks.photos.photo("", 490)
    for fact in photo.facts:
        assert f"<dt>{fact.label}</dt><dd>{fact.value}" in text
    assert [file.name for file in photo.files if f'aria-label="Download {file.name}"' in text] == [
        "IMG_00490.JPG",
        "IMG_00490.MOV",
    ]
    assert 'href="/play/490/1"' in text
    assert "Restored and compared on 30 October 2026" in text
    assert all(f">{album}</a>" in text for album in photo.albums)
    assert 'rel="prev" href="/photo/491"' in text
    assert 'rel="next" href="/photo/489"' in text


def test_the_ends_of_the_timeline_have_one_neighbour(url):
    assert 'rel="prev"' not in get(url, "/photo/700").text
    assert 'rel="next"' not in get(url, "/photo/1").text


def test_a_video_plays_and_is_no_picture(url):
    text = get(url, "/photo/459").text
    assert '<video controls preload="metadata" src="/play/459/0"' in text
    assert "/preview/459" not in text


def test_versions_are_a_piece_and_a_page(url, asks):
    piece, page = get(url, "/photo/480/versions", HX_Request="true").text, get(url, "/photo/480/versions").text
    assert "<html" not in piece
    assert piece.strip() in page
    assert f'href="/photo/480?at={asks.photos.moments()[2].id}">As it came' in piece
    assert "3 January 2024, 21:04 to 14 September 2026, 21:04" in piece


def test_the_basket_form_turns_round_once_it_is_in(asks):
    with serve(FakeAsks(30)) as url:
        assert 'action="/basket/add" id="basket-form"' in get(url, "/photo/7").text
    full = FakeAsks(30)
    full.restores.add("", [7])
    with serve(full) as url:
        text = get(url, "/photo/7").text
    assert 'action="/basket/remove" id="basket-form"' in text
    assert '<span id="basket-count" class="count">1<' in text


# The search ---------------------------------------------------------------------------------------------------------


def test_a_search_finds_what_fits_and_goes_on(url, asks):
    asked, numbers, address = (
        {"kind": "photo", "place": "rome"},
        [],
        f"/search?{urlencode({'kind': 'photo', 'place': 'rome'})}",
    )
    wanted = [tile.number for tile in asks.photos.search("", search.question_of(asked), "", 1000).tiles]
    while address:
        page = get(url, address)
        numbers += numbers_in(page.text)
        following = re.search(r'<li class="more"><a class="button" href="([^"]+)"', page.text)
        address = following and unescape(following[1])
    assert numbers == wanted
    assert len(wanted) > 50


def test_more_is_a_piece_of_tiles(url):
    text = get(url, "/search?kind=photo&after=300", HX_Request="true").text
    assert "<html" not in text
    assert numbers_in(text)[0] <= 300


def test_what_is_asked_stands_as_chips_that_take_themselves_out(url):
    text = unescape(get(url, f"/search?text=IMG&from=2020&stars=5&unproven=1&at={BEFORE}").text)
    chips = dict(re.findall(r'<a class="chip" href="([^"]+)">([^<]+)', text))
    assert list(chips.values()) == ["“IMG”", "from 2020", "5 stars", "Not proven yet"]
    assert f"/search?text=IMG&from=2020&stars=5&at={BEFORE}" in chips


@pytest.mark.parametrize(
    ("query", "said"),
    [("from=soon&text=IMG", "'soon' is no date"), ("stars=6&text=IMG", "Stars are 1 to 5"), ("box=1,2&text=IMG", "no piece of the map"),
     ("duplicates=many&text=IMG", "Duplicates are exact or near")],
)  # fmt: skip
def test_bad_input_is_told_beside_the_form_and_what_was_typed_stays(url, query, said):
    answer = get(url, f"/search?{query}")
    assert answer.status == 400
    assert said in unescape(answer.text)
    assert 'value="IMG"' in answer.text


def test_nothing_found_says_what_to_try(url):
    one, two = get(url, "/search?text=zzzz").text, get(url, "/search?text=zzzz+b").text
    assert "Nothing found" in one
    assert "Take one of the words above out" not in one
    assert "Take one of the words above out" in two
    assert "Take one of the words above out" in get(url, "/search?text=zzzz&camera=b").text


def test_what_is_typed_is_never_markup(url):
    hostile = '"><img src=x onerror=alert(1)>'
    text = get(
        url,
        "/search?" + urlencode(dict.fromkeys(("text", "from", "place", "camera", "album", "kind", "stars"), hostile)),
    ).text
    assert "<img src=x" not in text


def test_kinds_of_the_form_are_kinds_of_the_search():
    assert {kind for kind, _ in search.KINDS} <= set(KINDS)


@given(st.dictionaries(st.sampled_from(["stars", "box", "duplicates", "text", "broken"]), st.text(max_size=40)))
def test_any_question_is_understood_or_refused(typed):
    try:
        asked = search.question_of(typed)
    except UsageError:
        return
    assert 0 <= asked.rating <= 5
    assert asked.box is None or asked.box[1] <= asked.box[3]


# Nobody agreed to more ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/part?first=1&last=50",
        "/photo/480",
        "/photo/480/versions",
        "/search",
        "/search?person=p1",
        "/month/2014-01",
    ],
)
def test_without_consent_pages_say_nothing_of_faces(url, path):
    assert not re.search(r"\b(faces?|people|person|somebody|p1)\b", get(url, path).text, re.IGNORECASE)


def test_with_consent_a_photo_names_who_is_on_it():
    with serve(FakeAsks(60, people=True)) as url:
        assert any("Ada</a>" in get(url, f"/photo/{number}").text for number in range(1, 6))
        text = get(url, "/search?person=p1").text
        assert '<option value="p1" selected>Ada' in text
        assert '<a href="/people">People</a>' in text


# In a browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        chromium = play.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, request):
    context = browser.new_context(viewport={"width": 1024, "height": 768}, reduced_motion="reduce")
    tab = context.new_page()
    wrong = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield tab
    context.close()
    assert wrong == []


def wait_for(page, expression, *values):
    """The policy refuses what Playwright's own waiting evaluates, so look again and again."""
    for _ in range(200):
        if page.evaluate(expression, *values):
            return
        page.wait_for_timeout(25)
    raise AssertionError(expression)


def test_keys_move_choose_and_clear(url, page):
    page.goto(url + "/search?kind=photo")
    page.keyboard.press("ArrowRight")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getBoundingClientRect().top")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.getAttribute('href')") == first
    assert below > page.evaluate("document.activeElement.getBoundingClientRect().bottom")
    page.keyboard.press("x")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    assert page.locator("#picked-count").inner_text() == "5 selected"
    page.keyboard.press("Escape")
    assert not page.locator("#pick").is_visible()
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "ask-text"
    page.keyboard.type("x?")
    assert page.locator("#ask-text").input_value() == "x?"


@pytest.mark.parametrize("path", ["/", "/photo/480?at=cccc", "/health"])
def test_a_slash_opens_the_search_with_the_focus_in_its_field(url, page, path):
    page.goto(url + path)
    page.keyboard.press("/")
    page.wait_for_url("**/search*")
    wait_for(page, "document.activeElement.id === 'ask-text'")
    page.keyboard.type("sea")
    assert page.locator("#ask-text").input_value() == "sea"
    assert ("at=cccc" in page.url) == ("at=cccc" in path)


def test_the_view_that_is_open_is_in_sight_on_a_small_screen(url, page):
    page.set_viewport_size({"width": 360, "height": 740})
    for path, classes in (("/", "nav after"), ("/privacy", "nav before")):
        page.goto(url + path)
        wait_for(page, "classes => document.querySelector('.nav').className === classes", classes)
        assert page.evaluate(
            "(() => { const [nav, link] = ['.nav', '.nav [aria-current]'].map(one => document.querySelector(one).getBoundingClientRect());"
            " return link.left >= nav.left && link.right <= nav.right; })()"
        )


def test_a_grid_is_one_stop_of_the_tab_key(url, page):
    page.goto(url + "/search?kind=photo")
    assert page.locator('.tile > a[tabindex="0"]').count() == 1
    assert page.locator('.tile .pick:not([tabindex="-1"])').count() == 1


def test_what_is_chosen_goes_into_the_basket(page):
    asks = FakeAsks(300)
    with serve(asks) as url:
        page.goto(url)
        page.locator(".tile > a").first.focus()
        page.keyboard.press("Control+a")
        month = asks.photos.spine("").parts[0].month
        count = sum(part.count for part in asks.photos.spine("").parts if part.month == month)
        assert page.locator("#picked-count").inner_text() == f"{count} selected"
        page.locator("#pick .primary").click()
        wait_for(page, "count => document.querySelector('#basket-count').textContent.startsWith(count)", str(count))
        assert asks.restores.count() == count
        assert not page.locator("#pick").is_visible()


def test_a_year_far_away_is_there_at_once_and_what_lies_between_is_not_asked_for(page):
    with serve(FakeAsks(20_000)) as url:
        page.goto(url)
        asked = []
        page.on("request", lambda request: asked.append(request.url) if "/part" in request.url else None)
        page.locator(".years a", has_text="2012").click()
        wait_for(page, "document.querySelector('[id^=\"2012-\"] .tile') !== null")
        page.wait_for_timeout(400)
        top = page.evaluate("document.querySelector('[id^=\"2012-\"]').getBoundingClientRect().top")
    assert len(asked) < 12
    assert 40 < top < 80


def test_loading_above_does_not_move_what_is_looked_at(page):
    with serve(FakeAsks(20_000)) as url:
        page.goto(url)
        page.locator(".years a", has_text="2015").click()
        wait_for(page, "document.querySelector('[id^=\"2015-\"] .tile') !== null")
        page.wait_for_timeout(500)
        seen = (
            "(() => { window.held = [...document.querySelectorAll('.tile')].find(one => one.getBoundingClientRect().top > 300);"
            " return window.held.getBoundingClientRect().top; })()"
        )
        moved = []
        for _ in range(8):
            before = page.evaluate(seen)
            page.evaluate("window.scrollBy(0, -300)")
            page.wait_for_timeout(150)
            moved.append(page.evaluate("window.held.getBoundingClientRect().top") - before)
    assert all(abs(one - 300) < 3 for one in moved)


@pytest.mark.parametrize("width", [360, *(pytest.param(wide, marks=pytest.mark.slow) for wide in (1024, 1920))])
@pytest.mark.parametrize(
    "path", ["/", "/?at=accc", "/photo/490", "/photo/455", "/search", "/search?from=x&text=y", "/month/2014-01"]
)
def test_no_page_is_wider_than_the_window(url, page, width, path):
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_rows_of_the_grid_fill_the_width_and_the_last_does_not_stretch(url, page):
    page.goto(url + "/search?kind=photo&from=2026")
    rows = page.evaluate(
        "[...document.querySelectorAll('.tile')].map(tile => tile.getBoundingClientRect()).map(box => [box.top, box.bottom, box.right])"
    )
    by_top = {}
    for top, bottom, right in rows:
        by_top.setdefault(round(top), []).append((bottom - top, right))
    full = list(by_top.values())[:-1]
    assert all(max(right for _, right in row) == pytest.approx(full[0][-1][1], abs=2) for row in full)
    assert all(max(height for height, _ in row) - min(height for height, _ in row) < 1.5 for row in full)
    assert all(height < 181 for height, _ in list(by_top.values())[-1])


def test_a_photo_that_does_not_decode_says_why_and_offers_the_file(url, page):
    page.goto(url + "/photo/455")
    wait_for(
        page,
        "!document.querySelector('#cannot').hidden && document.querySelector('#why').textContent.includes('decode')",
    )
    assert page.locator("#cannot a").get_attribute("href") == "/file/455/0"


def test_a_command_is_told_as_it_is_typed_and_the_button_stays_small(page):
    asks = FakeAsks(30)

    def preview(_number):
        raise UndecodableError("showing it needs photovault[raw]", "pip install 'photovault[raw]'")

    asks.pictures.preview = preview
    with serve(asks) as url:
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(url + "/photo/7")
        wait_for(page, "document.querySelector('#why code') !== null")
        assert page.locator("#why code").inner_text() == "pip install 'photovault[raw]'"
        assert page.locator("#why").inner_text().startswith("Showing it needs photovault[raw]")
        assert page.locator("#cannot a").bounding_box()["width"] < 180


def test_a_picture_that_does_not_come_leaves_its_place_empty(page):
    asks = FakeAsks(30)
    asks.pictures.thumbnail = lambda _number: None
    with serve(asks) as url:
        page.goto(url)
        wait_for(page, "document.querySelector('.tile img.lost') !== null")
        assert page.locator(".tile img.lost").first.evaluate("image => getComputedStyle(image).opacity") == "0"


def test_arrows_step_from_photo_to_photo(url, page):
    page.goto(url + "/photo/480?at=cccc")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/photo/479?at=cccc")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/photo/480?at=cccc")
    page.keyboard.press("Escape")
    page.wait_for_url("**/?at=cccc#*")
