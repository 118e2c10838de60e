"""The health page over HTTP: one sentence, the clock, the calendar, and what waits for nobody."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import BusyError, StorageError
from photovault.gallery.pages.health import SENTENCES, calendar, clock, span
from tests.support.gallery import FakeAsks, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.gallery.values import Health

DAY = 86400.0
TODAY = date(2026, 11, 23)


def health(word: str = "protected", **other) -> Health:
    return replace(FakeAsks(500, word=word).health.health(), **other)


class Site:
    """A site whose health is what a test says."""

    def __init__(self, client: httpx.Client, asks: FakeAsks) -> None:
        self.asks, self.client = asks, client

    def show(self, shown: Health) -> str:
        self.asks.health.health = lambda *, fresh=False: shown
        answer = self.client.get("/health")
        assert answer.status_code == 200
        return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", answer.text).split()))


@pytest.fixture
def site() -> Iterator[Site]:
    asks = FakeAsks(500)
    with serve(asks) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield Site(client, asks)


@pytest.mark.parametrize("word", SENTENCES)
def test_the_first_thing_said_is_whether_all_is_well(site: Site, word: str) -> None:
    page = site.show(health(word=word, protected=word == "protected"))
    assert SENTENCES[word][0] in page
    assert ("Your photos are protected" in page) == (word == "protected")


def test_what_is_amiss_comes_with_what_to_do(site: Site) -> None:
    page = site.show(health("overdue"))
    for said in (
        "Not protected: the last backup is too long ago.",
        "run photovault backup",
        "214 files new or changed since then wait",
        "1 pack in the vault found damaged, and not mended yet What to do: run photovault check --repair .",
        "/home/ada/Pictures/locked.jpg: not allowed to read it",
        "Pictures/2021/IMG_0001.jpg: the pack that holds it is damaged",
        "photovault check --data all --repair",
        "Rotted on this computer, whole in the vault: 1",
        "was stopped: 412 of 500 files are gone",
        "photovault key test",
        "53 days since the last success Overdue for 46 days.",
    ):
        assert said in page, said


def test_a_backup_just_made_and_none_at_all_have_a_clock(site: Site) -> None:
    assert "a moment since the last success Overdue in 6 days." in site.show(health(age=1.0))
    assert "never There is no backup yet." in site.show(
        health("not protected", age=None, since="", files=0, size=0, keys=())
    )


def test_the_clock_fills_until_a_backup_is_overdue() -> None:
    week = 7 * DAY
    found = [clock(health(age=age, overdue_after=week)) for age in (0, DAY, 6 * DAY, week, 99 * DAY, None)]
    assert [(one.percent, one.state) for one in found] == [
        (0, "good"), (14, "good"), (86, "warn"), (100, "bad"), (100, "bad"), (100, "bad"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "a moment"), (59, "a moment"), (60, "1 minute"), (7199, "1 hour"), (2 * DAY, "2 days")]
)
def test_a_time_in_words(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_calendar_has_a_square_for_each_day_of_53_weeks_the_last_one_today() -> None:
    found = calendar({"2026-11-23": 4, "2026-11-22": 100, "2025-11-24": 1, "2025-11-23": 7}, TODAY)
    assert len(found.days) == 52 * 7 + TODAY.weekday() + 1
    assert found.days[-1] == (12 * 52, 12 * TODAY.weekday(), 1, "23 November 2026: 4 files proven")
    assert found.days[-2][1:] == (72, 4, "22 November 2026: 100 files proven")
    assert found.days[0][:3] == (0, 0, 1)
    assert found.total == 105, "what is older than the calendar is not counted in it"
    assert found.by_month == (("2026-11", 104), ("2025-11", 1))


@given(
    days=st.dictionaries(st.dates(date(2020, 1, 1), date(2030, 1, 1)).map(str) | st.text(), st.integers(-5, 10**9)),
    today=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)
def test_any_days_make_a_calendar(days: dict[str, int], today: date) -> None:
    found = calendar(days, today)
    assert 52 * 7 < len(found.days) <= 53 * 7
    assert len({(one.x, one.y) for one in found.days}) == len(found.days)
    assert all(0 <= one.level <= 4 and one.x <= 12 * 52 and one.y <= 72 for one in found.days)
    assert all((one.level == 0) == one.title.endswith("nothing proven") for one in found.days)
    assert sum(files for _, files in found.by_month) == found.total


def test_while_storages_are_asked_the_page_is_there_and_loads_the_rest(site: Site) -> None:
    def slow(*, fresh: bool = False):
        raise BusyError("not yet", "wait")

    real, site.asks.health.health, site.asks.health.warm = site.asks.health.health, slow, False
    page = site.client.get("/health").text
    assert 'hx-get="/health/now?poll=1"' in page
    assert '<noscript><meta http-equiv="refresh" content="1;url=/health?now=1"></noscript>' in page
    for path in ("/health/now", "/health?now=1", "/health?now=fresh"):
        answer = site.client.get(path)
        assert (answer.status_code, 'hx-get="/health/now?poll=1"' in answer.text) == (200, True)
    site.asks.health.health = real
    piece = site.client.get("/health/now").text
    assert "Your photos are protected" in piece
    assert "<html" not in piece
    assert "hx-get" not in piece
    assert "Your photos are protected" in site.client.get("/health?now=1").text


def test_what_a_look_raises_is_told(site: Site) -> None:
    def fail(*, fresh: bool = False):
        raise StorageError("the disk hums <b>", "turn it off and on")

    site.asks.health.health = fail
    answer = site.client.get("/health/now", headers={"hx-request": "true"})
    assert answer.status_code == 503
    assert "The disk hums &lt;b&gt;" in answer.text
    assert "Turn it off and on" in answer.text


def test_photos_are_proven_by_a_button(site: Site) -> None:
    page = site.client.get("/health").text
    assert 'action="/health/drill"' in page
    assert "Prove 50 photos now" in page
    answer = site.client.post("/health/drill", data={"csrf": "token", "count": "50"})
    assert answer.status_code == 303
    assert "Restore 50 photos" in site.client.get(answer.headers["location"]).text
    jobs = len(site.asks.jobs.jobs())
    assert site.client.post("/health/drill", data={"count": "50"}).status_code == 401
    assert site.client.post("/health/drill", data={"csrf": "token", "count": "x"}).status_code == 400
    assert len(site.asks.jobs.jobs()) == jobs


def test_names_are_not_believed_and_faces_not_spoken_of(site: Site) -> None:
    bad = "<script>alert(1)</script>"
    one = health("overdue")
    shown = replace(one, signs=((bad, bad),), destinations=(replace(one.destinations[0], name=bad, damaged=(bad,)),))
    page = site.show(shown)
    assert bad in page, "as text"
    assert bad not in site.client.get("/health").text
    assert not re.search(r"\b(face|faces|people)\b", page, re.IGNORECASE)


def test_the_page_is_small(site: Site) -> None:
    assert len(site.client.get("/health").content) < 100_000
