"""How the gallery looks to whoever looks: at three widths, in light and in dark, to a screen reader, and without JavaScript."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import PASSWORD, WIDTHS, overflow, until, violations, weight

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.browser import Browser, Gallery, Visit

PAGES = {
    "timeline": "/",
    "month": "/month/2023-08",
    "photo": "/photo/{photo}",
    "search": "/search",
    "found": "/search?text=img",
    "nothing found": "/search?text=nosuchword",
    "places": "/places",
    "machine": "/machine",
    "moment": "/machine/{moment}",
    "past": "/?at={moment}",
    "basket, empty": "/basket",
    "health": "/health",
    "privacy": "/privacy",
    "no such photo": "/photo/99999999",
}
SCREENS = Path(os.environ["PHOTOVAULT_TESTS_SCREENS"]) if os.environ.get("PHOTOVAULT_TESTS_SCREENS") else None
"""A folder for pictures of every page, for somebody who wants to look at them."""

pytestmark = pytest.mark.slow


def numbers(page: Page) -> dict[str, str]:
    """A photo and a snapshot that are there."""
    page.locator(".tile img").first.wait_for()
    photo = re.search(r"/photo/(\d+)", page.locator(".tile a").first.get_attribute("href"))
    page.goto(page.url.rstrip("/") + "/machine")
    moment = re.findall(r"/machine/([0-9a-f]{4,64})", page.content())[-1]
    return {"photo": photo[1], "moment": moment}


def looked_at(visit: Visit, shown: str) -> list[str]:
    """What is wrong with every page, at every width."""
    page = visit.enter()
    known, wrong = numbers(page), []
    for name, path in PAGES.items():
        visit.go(path.format(**known))
        until(page, "document.querySelector('h1') && !document.querySelector('.preparing')", 60)
        wrong += [f"{name}: no single h1"] * (page.locator("h1").count() != 1)
        wrong += [f"{name}: {one}" for one in violations(page)]
        wrong += [f"{name}: {weight(page):,} bytes"] * (not 40_000 < weight(page) < 300_000)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wrong += [f"{name} at {width}: {overflow(page)} pixels too wide"] * (overflow(page) > 0)
            if SCREENS:
                page.wait_for_load_state("networkidle")
                page.screenshot(path=SCREENS / f"{re.sub('[^a-z]+', '-', name)}-{width}-{shown}.png")
    return wrong


@pytest.mark.parametrize("shown", ["light", "dark"])
def test_every_page_fits_and_can_be_read_by_everybody(browser: Browser, gallery: Gallery, shown: str) -> None:
    with browser.visit(gallery, width=1024, color_scheme=shown) as visit:
        visit.expect("404 (Not Found)")
        assert looked_at(visit, shown) == []


def test_what_matters_works_without_javascript(browser: Browser, gallery: Gallery, tmp_path: Path) -> None:
    home = gallery.home
    with browser.visit(gallery, java_script_enabled=False) as visit:
        page = visit.enter()
        page.locator(".month h2 a").first.wait_for(timeout=60_000)
        visit.go("/month/2023-08")
        assert page.get_by_role("heading", name="August 2023").count() == 1
        page.get_by_role("link", name="RAW_1").click()
        assert "RAW_1.dng" in page.locator("main").inner_text()
        page.get_by_role("link", name="Older photo").click()
        page.get_by_text("Show versions").click()
        page.get_by_role("heading", name="Versions of").wait_for()

        visit.go("/search")
        page.get_by_role("searchbox").fill("NEW_0001")
        page.get_by_role("button", name="Search").click()
        page.get_by_label("Select NEW_0001.jpg").check()
        page.get_by_role("button", name="Add to basket").click()
        page.wait_for_url("**/basket")
        page.locator("#to").fill(str(tmp_path / "out"))
        page.get_by_role("button", name="Restore").click()
        page.wait_for_url("**/jobs/*")
        page.locator(".job.is-done").wait_for(timeout=60_000)
        (back,) = (tmp_path / "out").rglob("*.jpg")
        assert back.read_bytes() == (home.album / "2025/NEW_0001.jpg").read_bytes()

        page.get_by_role("link", name="Time machine").first.click()
        assert page.locator(".snapshot").count() == 3
        visit.expect("423 (Locked)")
        page.get_by_role("button", name="Lock").click()
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button", name="Unlock").click()
        page.locator(".month h2 a").first.wait_for()
