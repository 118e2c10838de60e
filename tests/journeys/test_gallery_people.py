"""People in the gallery: after a real consent, with real faces and the real store; and nothing of them once they are erased."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support import faces
from tests.support.browser import WIDTHS, Gallery, Home, overflow, until, violations
from tests.support.programs import missing

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.support.browser import Browser

NAME = "Ophelia <i>Quirinale</i>"
DRAWN = "[...document.querySelectorAll('img.face')].every(one => one.complete && one.naturalWidth > 0)"

pytestmark = pytest.mark.slow


def people(home: Home) -> dict[str, int]:
    """Who there is, as the command line says it: id or name, and how many faces."""
    return {one["name"] or one["id"]: one["count"] for one in home.run("people", "list", "--all")["people"]}


def decided(page: Page, button: str) -> None:
    """Press it, and wait for the page after."""
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


def test_a_life_with_people(browser: Browser, tmp_path: Path) -> None:
    if not faces.available():
        missing("the photos of faces are not there: run `python tests/fetch_faces.py`")
    home = Home(tmp_path / "home").meet()
    with Gallery(home) as gallery, browser.visit(gallery) as visit:
        page = visit.enter("/people")
        until(page, DRAWN)
        groups = page.locator(".folk li")
        assert groups.count() == sum(number > 1 for number in people(home).values())
        for path in ("/people", "/people/review"):
            visit.go(path)
            assert violations(page) == []
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                assert overflow(page) <= 0, (path, width)

        visit.go("/people")
        groups.first.locator("a").click()
        number = int(page.url.rpartition("/")[2])
        page.locator("#name").fill(NAME)
        decided(page, "Name")
        assert page.locator("h1").inner_text() == NAME
        assert people(home)[NAME]
        until(page, DRAWN)
        assert page.locator(".grid .tile").count() == people(home)[NAME]
        assert violations(page) == []

        merged_and_split(page, home, number)
        reviewed(page, home, gallery)
        of_photos(page, home, gallery, number)
        erased(page, home, gallery)
        visit.expect("404 (Not Found)")
        for path in ("/people", f"/people/{number}", "/face/1"):
            assert page.request.get(gallery.origin + path).status == 404
        for path in ("/", "/search", "/health", "/basket"):
            visit.go(path)
            assert not re.search(r"\b(?:faces?|people|person)\b", page.content().lower()), path


def merged_and_split(page: Page, home: Home, number: int) -> None:
    """What would be is shown first; both are taken back under Decisions."""
    before = people(home)
    page.get_by_role("link", name="Same as somebody else").click()
    page.locator(".folk li a").first.click()
    page.get_by_text("They become one group of").wait_for()
    assert people(home) == before, "a preview decides nothing"
    decided(page, "Make them one")
    together = people(home)[NAME]
    assert together > before[NAME]

    page.goto(f"{page.url.partition('/people')[0]}/people/{number}")
    page.locator(".choosing input").last.check()
    page.get_by_role("button", name="Take ticked faces out").click()
    page.get_by_text("Goes: 1 face").wait_for()
    decided(page, "Take them out")
    assert people(home)[NAME] == together - 1

    for _ in range(2):
        page.goto(f"{page.url.partition('/people')[0]}/people/history")
        with page.expect_navigation():
            page.locator(".decisions li:not(.undone) button").first.click()
    assert people(home) == before


def reviewed(page: Page, home: Home, gallery: Gallery) -> None:
    """Keys answer and take back; what was answered is not asked again."""
    page.goto(gallery.origin + "/people/review")
    asked = [one["id"] for one in home.run("people", "review")["questions"]]
    assert len(asked) >= 2
    until(page, DRAWN)
    for key in ("d", "u", "s"):
        with page.expect_navigation():
            page.keyboard.press(key)
        page.locator("h1").wait_for()
    assert asked[0] not in [one["id"] for one in home.run("people", "review")["questions"]]
    undone = [one["undone"] for one in home.run("people", "history")["history"]]
    assert (undone[0], undone[1]) in [(False, True), (True, False)]


def of_photos(page: Page, home: Home, gallery: Gallery, number: int) -> None:
    """A photo tells who is on it, and is found by that."""
    page.goto(f"{gallery.origin}/search?person=p{number}")
    assert page.locator(".grid .tile").count() >= people(home)[NAME]
    page.locator(".grid .tile a").first.click()
    page.wait_for_url("**/photo/*")
    assert NAME in page.locator(".somebody").all_inner_texts()


def erased(page: Page, home: Home, gallery: Gallery) -> None:
    """Privacy shows the consent, and ends it."""
    page.goto(gallery.origin + "/privacy")
    assert str(home.album) in page.locator("main").inner_text()
    page.locator('a[href="/privacy/erase"]').click()
    page.locator("input[name=sure]").check()
    decided(page, "Erase now")
    page.locator(".notice.good").wait_for()
    assert not (home.state / "people" / "faces.db").exists()
    assert home.run("people", "status")["consent"] == "withdrawn"
