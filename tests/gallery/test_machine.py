"""The time machine: every snapshot by day, photos as of a day, what came and went, and how to get back what went."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from photovault.errors import UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.pages.machine import AT_ONCE, as_of, beside, listing_of
from photovault.gallery.values import Moment
from tests.gallery.test_places import browser, get, page  # noqa: F401 - browser is a fixture
from tests.support.browser import overflow, violations
from tests.support.gallery import FakeAsks, serve


def moment(n, time):
    return Moment(id=f"{n:064x}", time=time, device="desk", files=n, size=n, number=n)


def moments(*times):
    return [moment(n, time) for n, time in reversed(list(enumerate(sorted(times), 1)))]


def shown(listing):
    return [one for day in listing.days for one in day.moments]


def test_the_photos_of_a_day_are_those_of_its_last_snapshot():
    every = moments("2024-01-03T10:00:00Z", "2024-01-03T22:00:00Z", "2024-02-01T09:00:00Z")
    assert as_of(every, "2024-01-03").time == "2024-01-03T22:00:00Z"
    assert as_of(every, "2024-01-31").time == "2024-01-03T22:00:00Z"
    assert as_of(every, "2030-12-31").time == "2024-02-01T09:00:00Z"
    with pytest.raises(NotThereError, match="as old as 2024-01-02"):
        as_of(every, "2024-01-02")


@pytest.mark.parametrize("day", ["yesterday", "2024-1-3", "2024-01-03T00:00", "²024-01-03", "9" * 5000])
def test_what_is_no_day_is_said(day):
    with pytest.raises(UsageError, match="no day"):
        as_of(moments("2024-01-03T10:00:00Z"), day)


def test_few_snapshots_are_listed_by_day_at_once():
    listing = listing_of(moments("2024-01-03T10:00:00Z", "2024-01-03T22:00:00Z", "2025-02-01T09:00:00Z"), "")
    assert [day.name for day in listing.days] == ["2025-02-01", "2024-01-03"]
    assert [one.time[11:13] for one in listing.days[1].moments] == ["22", "10"]
    assert not listing.choices


def test_a_thousand_snapshots_come_by_year_then_by_month():
    times = [f"{2020 + n // 360}-{n // 30 % 12 + 1:02}-{n % 30 + 1:02}T12:00:00Z" for n in range(1000)]
    every = moments(*times)
    listing = listing_of(every, "")
    assert 0 < len(shown(listing)) <= AT_ONCE
    assert shown(listing)[0] == every[0]
    years, months = listing.choices
    assert [one.name for one in years] == ["2022", "2021", "2020"]
    assert sum(one.count for one in years) == 1000
    assert [one.name for one in months if one.is_chosen] == ["2022-10"]
    older = listing_of(every, "2020-03")
    assert {one.time[:7] for one in shown(older)} == {"2020-03"}
    found = {one.id for choice in years for month in listing_of(every, choice.name).choices[1]
             for one in shown(listing_of(every, month.name))}  # fmt: skip
    assert len(found) == 1000  # every one can be reached


def test_a_day_with_too_many_says_how_many_are_left():
    every = moments(*(f"2024-05-01T{n // 60 % 24:02}:{n % 60:02}:00Z" for n in range(900)))
    listing = listing_of(every, "")
    assert len(shown(listing)) == AT_ONCE
    assert listing.left == 900 - AT_ONCE
    assert [choices[0].name for choices in listing.choices] == ["2024", "2024-05", "2024-05-01"]


@pytest.mark.parametrize("period", ["2019", "2024-13", "<b>", "2024-01-03T10", "20240", "%"])
def test_a_time_without_snapshots_is_said(period):
    with pytest.raises(NotThereError):
        listing_of(moments("2024-01-03T10:00:00Z"), period)


def test_neighbours_of_a_snapshot():
    newest, middle, oldest = moments("2024-01-03T10:00:00Z", "2024-01-04T10:00:00Z", "2024-01-05T10:00:00Z")
    assert beside([newest, middle, oldest], middle) == (newest, oldest)
    assert beside([newest, middle, oldest], newest) == (None, middle)
    assert beside([newest], oldest) == (None, None)


# The pages


@pytest.fixture
def asks():
    found = FakeAsks(500)
    changes = found.photos.changes

    def listed(at):  # the older snapshot is listed, so what went has numbers
        one = changes(at)
        return replace(one, went=tuple(replace(tile, number=n) for n, tile in enumerate(one.went, 1)))

    found.photos.changes = listed
    return found


def newest(asks):
    return asks.photos.moments()[0]


def test_every_snapshot_can_be_looked_at_and_asked_what_changed(asks):
    _, text = page(asks, "/machine")
    for one in asks.photos.moments():
        assert f'href="/?at={one.id}"' in text
        assert f'href="/machine/{one.id}"' in text
    assert text.count(">newest<") == 1
    assert "after the trip" in text
    assert "20 November 2026" in text


def test_a_day_leads_to_the_photos_as_of_then(asks):
    with serve(asks) as url:
        line = get(url, "/machine?until=2026-10-01")
        assert line[0] == 303
        assert get(url, "/machine?until=2020-01-01")[0] == 404
        assert get(url, "/machine?until=soon")[0] == 400


def test_what_changed_counts_and_shows(asks):
    _, text = page(asks, f"/machine/{newest(asks).id}")
    for said in (
        "25 came",
        "6 with another picture",
        "2 edited",
        "5 went",
        "1 moved or renamed",
        "2 touched, and otherwise the same",
    ):
        assert said in text
    before = asks.photos.moments()[1].id
    went = text[text.index('id="went"') : text.index('id="changed"')]
    assert f'href="/photo/1?at={before}"' in went
    assert f'name="at" value="{before}"' in went
    edited = text[text.index('id="edited"') : text.index('id="came"')]
    assert "The picture is the same" in edited
    assert edited.count("<img") == 2
    assert html.unescape(text).count(f"?at={newest(asks).id}") > 25  # what came is shown as of this snapshot


def test_the_first_snapshot_of_a_device_says_so(asks):
    _, text = page(asks, f"/machine/{asks.photos.moments()[-1].id}")
    assert "This is the first snapshot of laptop" in text


def test_nothing_changed_is_a_page_too(asks):
    changes = asks.photos.changes
    asks.photos.changes = lambda at: replace(
        changes(at), came=(), changed=(), edited=(), went=(), counts=dict.fromkeys(("added", "gone"), 0)
    )
    assert "Nothing changed" in page(asks, f"/machine/{newest(asks).id}")[1]


def test_an_unknown_snapshot_is_not_there(asks):
    assert page(asks, "/machine/1234")[0] == 404


def test_names_out_of_a_vault_stay_text(asks):
    one = replace(newest(asks), device="<script>alert(1)</script>", tags=('"><img src=x onerror=alert(1)>',))
    asks.photos.moments = lambda: (one,)
    _, text = page(asks, "/machine")
    assert "<script>alert" not in text
    assert "<img" not in text


def test_an_address_with_a_snapshot_that_is_none_shows_them_all():
    status, text = page(FakeAsks(20), '/machine?at="><script>alert(1)</script>')
    assert status == 200
    assert "<script>alert" not in text


def test_an_empty_vault_says_how_to_begin():
    status, text = page(FakeAsks(0), "/machine")
    assert status == 200
    assert "No snapshot yet" in text


def test_a_thousand_snapshots_make_no_heavy_page(asks):
    one = newest(asks)
    asks.photos.moments = lambda: tuple(
        replace(
            one,
            id=f"{n:064x}",
            time=f"{2026 - n // 350}-{12 - n // 30 % 12:02}-{28 - n % 28:02}T01:00:00Z",
            is_newest=n == 0,
        )
        for n in range(1000)
    )
    status, text = page(asks, "/machine")
    assert status == 200
    assert len(text) < 250_000
    assert re.search(r'href="/machine\?in=2025"', text)


def test_what_went_goes_into_the_basket_from_the_snapshot_before(asks, browser):  # noqa: F811
    with serve(asks) as url:
        tab = browser.new_page()
        tab.goto(f"{url}/machine/{newest(asks).id}")
        tab.click("#add-went")
        tab.wait_for_url("**/basket")
        tab.goto(f"{url}/machine/{newest(asks).id}")
        tab.check("section:has(#went) .pick >> nth=1", force=True)
        assert tab.is_visible("#some-went button")
        tab.close()
    basket = asks.restores.basket()
    assert [tile.number for _, tile in basket.tiles] == [1, 2, 3, 4, 5]
    assert basket.moments == (asks.photos.moments()[1].id,)


def test_what_is_ticked_among_what_went_comes_into_the_basket_by_its_key(asks, browser):  # noqa: F811
    with serve(asks) as url:
        tab = browser.new_page()
        tab.goto(f"{url}/machine/{newest(asks).id}")
        tab.locator("section:has(#went) .pick").first.check(force=True)
        tab.keyboard.press("b")
        tab.wait_for_url("**/basket")
        tab.close()
    assert asks.restores.basket().count == 1


def test_a_day_is_chosen_by_keyboard_and_its_photos_come(asks, browser):  # noqa: F811
    with serve(asks) as url:
        tab = browser.new_page()
        tab.goto(f"{url}/machine")
        tab.fill("#until", "2026-10-01")
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**/?at={asks.photos.moments()[2].id}")
        assert tab.is_visible("text=14 September 2026")
        tab.close()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "light"),
        pytest.param(360, "dark", marks=pytest.mark.slow),
        pytest.param(1024, "light", marks=pytest.mark.slow),
        pytest.param(1024, "dark", marks=pytest.mark.slow),
    ],
)
def test_everybody_can_use_the_time_machine(asks, browser, width, scheme):  # noqa: F811
    with serve(asks) as url:
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        for address in ("/machine", f"/machine/{newest(asks).id}"):
            tab.goto(f"{url}{address}")
            assert violations(tab) == []
            assert overflow(tab) <= 0
        tab.close()
