"""The gallery as somebody uses it: a real vault, the real server, a real browser; what is restored is compared byte by byte."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from photovault.vault.format import PartKind
from tests.support.browser import HOSTILE, PASSWORD, Gallery, Home, until
from tests.support.photos import put

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.support.browser import Browser, Visit


def tile(page: Page, name: str) -> Locator:
    """The tile of a photo, by a piece of its name."""
    return page.locator(f'.tile:has(img[alt*="{name}"])').first


def open_photo(page: Page, name: str) -> Page:
    """Click a photo of the timeline."""
    tile(page, name).locator("a").click()
    page.wait_for_url("**/photo/*")
    return page


def scroll_to(page: Page, name: str) -> Locator:
    """Roll down a timeline until a photo is there."""
    for _ in range(60):
        if tile(page, name).count():
            tile(page, name).scroll_into_view_if_needed()
            return tile(page, name)
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(60)
    raise AssertionError(f"{name} does not come")


def in_basket(page: Page) -> int:
    return int(page.locator("#basket-count").inner_text().split()[0].replace(",", ""))


def over(page: Page) -> Locator:
    """The job on the page, once it ended."""
    page.locator(".job:not(.is-running):not(.is-waiting)").wait_for(timeout=60_000)
    return page.locator(".job").first


def same(one: Path, other: bytes) -> bool:
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other).digest()


# The quick one ------------------------------------------------------------------------------------------------------


def test_photos_are_on_the_screen_and_one_can_be_opened(visit: Visit) -> None:
    page = visit.enter()
    page.locator(".tile img").first.wait_for()
    assert page.evaluate("document.images.length") > 5
    until(page, "[...document.images].slice(0, 5).every(one => one.complete && one.naturalWidth > 0)")
    open_photo(page, "NEW_0001")
    assert "NEW_0001.jpg" in page.locator("main").inner_text()
    page.go_back()
    page.locator(".tile img").first.wait_for()


# Every view ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_timeline_goes_to_any_year_and_is_worked_by_keys(visit: Visit) -> None:
    page = visit.enter()
    assert [page.locator(".month h2 a").nth(n).inner_text() for n in (0, 1)] == ["August 2025", "May 2025"]
    page.locator('.years a:has-text("2010")').click()
    until(
        page,
        "[...document.querySelectorAll('#\\\\32 010-05 img')].some(one => one.naturalWidth"
        " && one.getBoundingClientRect().top < innerHeight)",
    )
    assert scroll_to(page, "IMG_0012").locator("img").is_visible()

    visit.go("/")
    tile(page, "NEW_0002").locator("a").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+X")
    assert page.locator("input.pick:checked").count() == 3
    assert "3" in page.locator("#picked-count").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("input.pick:checked").count() == 0
    page.keyboard.press("x")
    page.keyboard.press("b")
    until(page, "document.querySelector('#basket-count').innerText.startsWith('1')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/photo/*")
    page.keyboard.press("Escape")
    page.locator(".month").first.wait_for()


@pytest.mark.slow
def test_badges_say_what_a_photo_is(visit: Visit) -> None:
    page = visit.enter()
    for name, badge in {"RAW_1": "RAW", "LIVE_1": "Live Photo", "film": "Video", "broken": "Broken"}.items():
        found = page.locator(
            f'.tile:has([aria-label="Select {name}.jpg"]), .tile:has([aria-label="Select {name}.mp4"])'
        )
        assert badge in found.first.inner_text(), name
    assert "Not proven yet" not in tile(page, "NEW_0002").inner_text()  # as nothing here is, a grid says so nowhere
    assert "Not proven yet" in tile(visit.go("/search?text=NEW_0002"), "NEW_0002").inner_text()


@pytest.mark.slow
def test_a_photo_tells_all_that_is_known_and_gives_its_files_back(visit: Visit, home: Home, tmp_path: Path) -> None:
    page = visit.enter()
    open_photo(page, "NEW_0002")
    until(page, "document.querySelector('#preview').naturalWidth == 480")
    said = page.locator(".about").inner_text()
    for fact in ("NEW_0002.jpg", "480", "Canon EOS 80D", "exif", "Not proven yet"):
        assert fact in said, fact
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('h1').innerText.includes('NEW_0001')")
    page.locator("a.step.newer").click()
    until(page, "document.querySelector('h1').innerText.includes('NEW_0002')")

    visit.go("/")
    scroll_to(page, "RAW_1").locator("a").click()
    links = page.locator(".file a")
    for at, name in enumerate(("RAW_1.jpg", "RAW_1.dng")):
        with page.expect_download() as coming:
            links.nth(at).click()
        coming.value.save_as(tmp_path / name)
        assert coming.value.suggested_filename == name
        assert same(tmp_path / name, (home.album / "odd" / name).read_bytes())


@pytest.mark.slow
def test_versions_of_a_photo_over_the_snapshots(visit: Visit, home: Home, tmp_path: Path) -> None:
    page = visit.enter()
    scroll_to(page, "IMG_0156").locator("a").click()
    page.get_by_text("Show versions").click()
    versions = page.locator("#versions-here li")
    versions.nth(1).wait_for()
    assert versions.count() == 2
    with page.expect_download() as coming:
        page.locator(".file a").first.click()
    coming.value.save_as(tmp_path / "new.jpg")
    assert same(tmp_path / "new.jpg", (home.album / "2024/IMG_0156.jpg").read_bytes())
    visit.go(f"/month/2024-05?at={home.moments()[-1]}")
    page.get_by_role("link", name="IMG_0156").click()
    with page.expect_download() as coming:
        page.locator(".file a").first.click()
    coming.value.save_as(tmp_path / "old.jpg")
    assert (tmp_path / "new.jpg").read_bytes() == (tmp_path / "old.jpg").read_bytes() + b"edited"


@pytest.mark.slow
def test_videos_play_and_can_be_jumped_in(visit: Visit) -> None:
    page = visit.enter()
    scroll_to(page, "film").locator("a").click()
    until(page, "document.querySelector('video').readyState >= 1")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(4, abs=0.2)
    page.evaluate("document.querySelector('video').currentTime = 3.5")
    until(page, "!document.querySelector('video').seeking && document.querySelector('video').readyState >= 2")
    visit.go("/")
    scroll_to(page, "LIVE_1").locator("a").click()
    page.locator("#motion").click()
    until(page, "document.querySelector('video')?.readyState >= 1")


@pytest.mark.slow
def test_names_that_are_html_are_text(visit: Visit) -> None:
    page = visit.enter()
    for name in HOSTILE:
        visit.go("/")
        page.locator(".tile img").first.wait_for()
        page.locator("input.pick").evaluate_all(
            "(all, name) => all.find(one => one.ariaLabel === `Select ${name}`).closest('.tile').querySelector('a').click()",
            name,
        )
        page.wait_for_url("**/photo/*")
        assert page.locator("h1").inner_text() == name
        assert page.title().startswith(name)
    assert page.locator("[onerror]").count() == 0


@pytest.mark.slow
def test_what_is_typed_is_found(visit: Visit) -> None:
    page = visit.enter("/search")
    page.get_by_role("searchbox").fill("turned")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?*turned*")
    assert page.locator(".grid .tile").count() == 1
    visit.go("/search?place=Sydney&from=2015&until=2016")
    names = page.locator(".grid .tile img").evaluate_all("all => all.map(one => one.alt)")
    assert names
    assert all("2015" in one or "2016" in one for one in names), names
    visit.go("/search?kind=video")
    assert page.locator(".grid .tile").count() == 1
    visit.go("/search?broken=1")
    assert "broken" in page.locator(".grid .tile").inner_text()
    visit.expect("400 (Bad Request)")
    visit.go("/search?from=yesterday")
    assert "yesterday" in page.locator("[role=alert]").inner_text()
    assert "script>" not in visit.go("/search?text=<script>alert(1)</script>").locator("main").inner_html()


@pytest.mark.slow
def test_photos_of_the_basket_come_back_bit_for_bit(visit: Visit, home: Home, tmp_path: Path) -> None:
    page, out = visit.enter(), tmp_path / "back"
    for name in ("NEW_0002.jpg", "NEW_0001.jpg", "RAW_1.jpg"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Add to basket").click()
    until(page, "document.querySelector('#basket-count').innerText.startsWith('3')")
    visit.go("/basket")

    tried = restored(page, out, button="Try it")
    for name in ("NEW_0001.jpg", "RAW_1.dng"):
        assert name in tried
    assert not out.exists()

    visit.go("/basket")
    assert "4 files" in restored(page, out)
    names = ("2025/NEW_0001.jpg", "2025/NEW_0002.jpg", "odd/RAW_1.jpg", "odd/RAW_1.dng")
    assert sorted(one.name for one in out.rglob("*.*")) == sorted(Path(name).name for name in names)
    for name in names:
        assert same(only(out, name), (home.album / name).read_bytes()), name

    mine = put(only(out, names[0]), b"something of mine")
    visit.go("/basket")
    restored(page, out)
    assert mine.read_bytes() == b"something of mine"
    visit.go("/basket")
    page.locator("input[name=overwrite][value=always]").check()
    restored(page, out)
    assert same(mine, (home.album / names[0]).read_bytes())

    visit.go("/basket")
    page.get_by_role("button", name="Empty it").click()
    page.get_by_text("The basket is empty").wait_for()
    assert in_basket(page) == 0


@pytest.mark.slow
def test_a_folder_that_will_not_do_is_said_beside_its_field(visit: Visit, home: Home) -> None:
    page = visit.enter()
    page.get_by_label("Select NEW_0002.jpg").check()
    page.keyboard.press("b")
    until(page, "document.querySelector('#basket-count').innerText.startsWith('1')")
    visit.expect("400 (Bad Request)")
    for wrong in ("relative/folder", str(home.words)):
        visit.go("/basket")
        page.locator("#to").fill(wrong)
        page.get_by_role("button", name="Restore").click()
        page.locator("#to-error, .job.is-failed").wait_for()
    assert home.words.read_text().split()


@pytest.mark.slow
def test_what_went_is_found_in_the_time_machine_and_brought_back(visit: Visit, home: Home, tmp_path: Path) -> None:
    page = visit.enter("/machine")
    assert page.locator(".snapshot").count() == 3
    page.get_by_role("link", name="What changed in the snapshot of 2025-09-01").click()
    page.wait_for_url("**/machine/*")
    said = page.locator("main").inner_text()
    assert ("1 came" in said, "2 went" in said) == (True, True), said
    went = page.locator("section", has=page.locator("#went"))
    assert {"IMG_0021.jpg", "IMG_0022.jpg"} <= set(names_in(went))

    visit.go("/machine")
    page.get_by_role("link", name="Look at the snapshot of 2025-03-01").click()
    page.get_by_text("You are looking at the snapshot of").wait_for(timeout=60_000)
    page.locator('.years a:has-text("2009")').click()
    page.get_by_label("Select IMG_0000.jpg").check()
    page.get_by_role("button", name="Add to basket").click()
    until(page, "document.querySelector('#basket-count').innerText.startsWith('1')")
    visit.go("/basket")
    restored(page, tmp_path / "out")
    assert same(only(tmp_path / "out", "IMG_0000.jpg"), home.gone["2009/IMG_0000.jpg"])

    visit.go(f"/machine/{home.moments()[0]}")
    page.locator("#add-went").click()
    page.wait_for_url("**/basket")
    restored(page, tmp_path / "more")
    for name in ("2011/IMG_0021.jpg", "2011/IMG_0022.jpg"):
        assert same(only(tmp_path / "more", name), home.gone[name])


def names_in(section: Locator) -> list[str]:
    """Files of the tiles in it."""
    found = section.locator("input.pick").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    return [name.removeprefix("Select ") for name in found]


def restored(page: Page, out: Path, button: str = "Restore") -> str:
    """What came of restoring the basket into a folder."""
    page.locator("#to").fill(str(out))
    page.locator(".restore").get_by_role("button", name=button).click()
    page.wait_for_url("**/jobs/*")
    assert "failed" not in over(page).inner_text()
    return page.locator("main").inner_text()


def only(folder: Path, name: str) -> Path:
    """The one file of this name below a folder."""
    (found,) = folder.rglob(Path(name).name)
    return found


@pytest.mark.slow
def test_health_says_what_status_says_and_a_drill_proves_photos(visit: Visit, home: Home) -> None:
    page = visit.enter("/health")
    status = home.run("status", fine=(0, 1, 3))
    said = page.locator("main").inner_text()
    assert status["fingerprint"][:4] in said
    page.locator('form[action="/health/drill"] button').click()
    page.wait_for_url("**/jobs/*")
    assert "50 of 50 photos tried" in over(page).inner_text()
    visit.go("/health")
    assert home.run("status", fine=(0, 1, 3))["proven"]["main"]


@pytest.mark.slow
def test_privacy_tells_what_left(visit: Visit, home: Home) -> None:
    said = visit.enter("/privacy").locator("main").inner_text()
    assert "face data: 0 objects" in " ".join(said.lower().split())
    assert str(home.vault) in said
    for kind in ("packs", "snapshots"):
        assert kind[:-1] in said.lower()


@pytest.mark.slow
def test_the_map_leads_to_photos_and_asks_nobody(visit: Visit) -> None:
    page = visit.enter("/places")
    page.locator("svg").first.wait_for()
    spots = page.locator('main a[href*="box="], main .spot')
    spots.first.wait_for()
    assert spots.count() >= 3
    spots.first.click()


@pytest.mark.slow
def test_where_nobody_agreed_to_it_no_page_speaks_of_faces_or_people(visit: Visit) -> None:
    page = visit.enter()
    page.locator(".tile img").first.wait_for()
    photo = page.locator(".tile a").first.get_attribute("href")
    assert photo is not None
    paths = [
        "/",
        "/month/2023-08",
        photo,
        f"{photo}/versions",
        "/search",
        "/search?text=img",
        "/places",
        "/machine",
        "/basket",
        "/health",
    ]
    for path in paths:
        visit.go(path)
        until(page, "!document.querySelector('[aria-busy=true]')")
        text = page.content().lower()
        assert not re.findall(r".{0,40}\b(?:faces?|people|persons?)\b.{0,40}", text), path
    visit.expect("404 (Not Found)")
    for path in ("/people", "/people/1", "/people/review", "/people/history", "/face/1"):
        answer = page.request.get(visit.gallery.origin + path)
        assert answer.status == 404, path
    assert not (visit.gallery.home.state / "people").exists()


@pytest.mark.slow
def test_an_entrance_for_one(visit: Visit) -> None:
    """Strangers, other names of this computer, and whoever comes second by the link."""
    visit.enter()
    place = urlsplit(visit.gallery.origin).netloc
    (cookie,) = visit.context.cookies()
    own = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")

    def status(path: str, method: str = "GET", **headers: str) -> int:
        connection = http.client.HTTPConnection(place, timeout=10)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    assert status("/", **own) == 200
    assert status("/") == 401
    assert status(urlsplit(visit.gallery.link).path) == 401
    assert status("/", Host="evil.example", **own) == 403
    assert status("/basket/empty", "POST", Origin="http://evil.example", **own) == 403
    assert status("/basket/empty", "POST", Origin=visit.gallery.origin, **own) == 401
    for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/file/../../etc/passwd", "/thumb/1%00", "/nothing"):
        assert status(path, **own) == 404, path


@pytest.mark.slow
def test_it_locks_and_opens_by_the_password_alone(visit: Visit) -> None:
    page = visit.enter()
    visit.expect("423 (Locked)", "401 (Unauthorized)")
    page.get_by_role("button", name="Lock").click()
    field = page.locator("input[type=password]")
    field.wait_for()
    for path in ("/search?text=img", "/photo/1", "/"):
        visit.go(path)
        assert page.locator("img").count() == 0
        assert "IMG_" not in page.content()
    field.fill("not the password")
    page.keyboard.press("Enter")
    page.locator("[role=alert]").wait_for()
    field.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator(".tile img").first.wait_for()


@pytest.mark.slow
def test_it_ends_when_it_is_told_to(home: Home) -> None:
    with Gallery(home) as gallery:
        began = time.monotonic()
        assert gallery.stop() == 0, gallery.said()
        assert time.monotonic() - began < 5
        assert gallery.said() == ""


@pytest.mark.slow
def test_a_page_that_asks_a_stranger_is_stopped_and_seen(visit: Visit) -> None:
    """These tests would notice: the policy of the page refuses it, and the browser's log has it."""
    page = visit.enter()
    page.locator(".tile img").first.wait_for()
    page.evaluate("fetch('http://stranger.example/').catch(() => 0)")
    page.evaluate("document.body.append(Object.assign(new Image(), { src: 'http://stranger.example/a.gif' }))")
    page.wait_for_timeout(200)
    with pytest.raises(AssertionError, match=r"stranger\.example"):
        visit.check()
    assert any("Content Security Policy" in one for one in visit.wrong), "it was refused, not only seen"
    visit.wrong.clear()
    visit.requests.clear()


# On another computer ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_on_a_bare_computer_nothing_but_listings_and_thumbnails_is_read(
    home: Home, browser: Browser, tmp_path: Path
) -> None:
    """All bytes of originals are zeros there; what needs none works, and a photo that is opened says what is amiss."""
    vault = tmp_path / "vault"
    shutil.copytree(home.vault, vault)
    assert zeroed(home, vault) > 170
    env = home.environment(tmp_path / "bare") | {"PHOTOVAULT_VAULT": str(vault)}
    with Gallery(home, "--words-file", str(home.words), env=env) as gallery, browser.visit(gallery) as visit:
        page = visit.enter()
        page.locator(".tile img").first.wait_for(timeout=60_000)
        until(page, "[...document.images].slice(0, 9).every(one => one.complete && one.naturalWidth > 0)")
        scroll_to(page, "IMG_0012")
        visit.go("/search?place=Sydney")
        assert page.locator(".grid .tile img").count() > 20
        visit.expect("500", "net::ERR", "404")
        page.locator(".tile a").first.click()
        page.locator("#cannot").wait_for()


def zeroed(home: Home, vault: Path) -> int:
    """Overwrite every part of a file's content in a copy of the vault; where they are is in the index that the device keeps."""
    (index,) = Path(home.env["PHOTOVAULT_CACHE_DIR"]).rglob("places.sqlite")
    connection = sqlite3.connect(index)
    asked = "SELECT lower(hex(name)), offset, stored FROM packs JOIN parts ON parts.pack = packs.id WHERE kind = ?"
    found = connection.execute(asked, (int(PartKind.CONTENT),)).fetchall()
    connection.close()
    for name, offset, stored in found:
        (pack,) = vault.rglob(name)
        with pack.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(stored))
    return len(found)
