"""The page Privacy: what left, by day and kind; the consent in each of its states; erasing in two steps."""

from __future__ import annotations

import re
from types import SimpleNamespace

import httpx
import pytest

from photovault.gallery.pages.privacy import KINDS
from photovault.gallery.values import Left, Privacy
from photovault.gate.door import Outbound
from tests.support.gallery import FakeAsks, serve

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def served():
    asks = FakeAsks(20)
    with serve(asks) as url, httpx.Client(base_url=url, trust_env=False, headers={"x-csrf-token": "token"}) as client:
        yield SimpleNamespace(asks=asks, client=client)


@pytest.fixture
def site(served, monkeypatch):
    told = SimpleNamespace(privacy=Privacy(consent="never"), erased=[])
    monkeypatch.setattr(served.asks.privacy, "privacy", lambda: told.privacy)
    done = "nobody was at work; erased 2 files"
    monkeypatch.setattr(served.asks.privacy, "erase", lambda: told.erased.append(1) or done)
    return SimpleNamespace(told=told, get=served.client.get, post=served.client.post)


def text(page: httpx.Response) -> str:
    main = page.text.partition("<main")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", main))


def left(day: str, kind: str = "pack", objects: int = 3, **more: int) -> Left:
    return Left(day=day, kind=kind, destination="/mnt/cellar", objects=objects, size=objects << 20, **more)


def test_every_kind_that_may_leave_is_explained():
    assert KINDS.keys() == set(Outbound)


def test_what_left_is_told_by_kind_and_day(site):
    site.told.privacy = Privacy(
        consent="never",
        left=(left("2026-11-03", failed=1, removed=2), left("2026-11-01", "index", 1)),
        kinds={"pack": (1234, 5 << 30), "index": (1, 1 << 20)},
    )
    page = text(site.get("/privacy"))
    assert re.search(r"1,234 ?5\.4 GB", page)
    assert re.search(r"2026-11-03 ?/mnt/cellar ?Packs ?3 ?3\.1 MB ?1 failed, 2 removed there", page)
    assert page.index("2026-11-03") < page.index("2026-11-01")
    assert "photos, videos and their listings, sealed" in page


def test_days_are_folded_by_month(site):
    site.told.privacy = Privacy(consent="never", left=(left("2026-11-03"), left("2026-10-09"), left("2026-10-08")))
    assert "2026-11-03" in text(site.get("/privacy"))
    assert "2026-10-09" not in text(site.get("/privacy"))
    older = text(site.get("/privacy?month=2026-10"))
    assert "2026-10-09" in older
    assert "2026-10-08" in older
    assert "2026-11-03" in text(site.get("/privacy", params={"month": "<b>x" * 100}))


def test_face_data_are_zero_when_they_are(site):
    assert "Face data: 0 objects" in text(site.get("/privacy"))


def test_face_data_that_left_would_be_told_loudly(site):
    site.told.privacy = Privacy(consent="never", faces=2, kinds={HOSTILE: (2, 1024)})
    found = site.get("/privacy")
    assert "Face data: 2 objects" in text(found)
    assert "photovault audit" in text(found)
    assert "not a kind that the gate lets out" in text(found)
    assert HOSTILE not in found.text


def test_a_broken_ledger_is_told(site):
    site.told.privacy = Privacy(consent="never", broken=("line 7 does not follow from the lines before it",))
    assert "line 7 does not follow" in text(site.get("/privacy"))


def test_nothing_left_yet(site):
    assert "Nothing left yet" in text(site.get("/privacy"))


# The consent.


def test_never(site):
    page = site.get("/privacy")
    assert "Face grouping is off and was never turned on." in text(page)
    assert "photovault people enable" in text(page)
    assert "/privacy/erase" not in page.text
    assert "receipt" not in text(page).lower()


def test_granted(site):
    site.told.privacy = Privacy(
        consent="granted", scope=("/home/ada/Pictures", HOSTILE), since="2026-03-01T10:00:00.000000Z",
        until="2027-03-01T10:00:00.000000Z", days_left=97, receipt=f"Receipt 1: {HOSTILE}",
    )  # fmt: skip
    page = site.get("/privacy")
    for one in (
        "/home/ada/Pictures",
        "2026-03-01",
        "2027-03-01",
        "in 97 days",
        "Receipt 1:",
        "photovault people renew",
    ):
        assert one in text(page), one
    assert '"/privacy/erase"' in page.text
    assert HOSTILE not in page.text


@pytest.mark.parametrize("state", ["lapsed", "withdrawn"])
def test_over(site, state):
    site.told.privacy = Privacy(consent=state, why="the consent was taken back on 2026-11-01", receipt="Receipt 2: x")
    page = text(site.get("/privacy"))
    assert "The consent was taken back on 2026-11-01." in page
    assert "Receipt 2: x" in page


def test_a_consent_that_ends_soon_says_so(site):
    site.told.privacy = Privacy(
        consent="granted", why="the consent ends on 2026-12-01", until="2026-12-01T00:00:00Z", days_left=1
    )
    assert "The consent ends on 2026-12-01." in text(site.get("/privacy"))
    assert "in 1 day;" in text(site.get("/privacy"))


# Erasing.


def test_erasing_asks_once_more(site):
    assert "Nobody can bring it back" in text(site.get("/privacy/erase"))
    assert site.post("/privacy/erase").headers["location"] == "/privacy/erase"
    assert site.told.erased == []
    assert "erased 2 files" in text(site.post("/privacy/erase", data={"sure": "yes"}))
    assert site.told.erased == [1]


def test_erasing_needs_the_token(site):
    assert site.post("/privacy/erase", data={"sure": "yes"}, headers={"x-csrf-token": "wrong"}).status_code == 401
    assert site.told.erased == []


def test_what_could_not_be_erased_is_not_called_done(site, monkeypatch):
    monkeypatch.setattr(
        site.told, "erased", SimpleNamespace(append=lambda _: "NOT everything is erased\nnot erased: x")
    )
    page = text(site.post("/privacy/erase", data={"sure": "yes"}))
    assert "Not everything is erased." in page
    assert "It is done" not in page


@pytest.mark.parametrize("path", ["/privacy", "/privacy/erase"])
def test_no_page_breaks_the_policy_of_contents(site, path):
    page = site.get(path).text
    assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=|javascript:|data:image|https?://", page)
    assert "no request leaves" in page or path.endswith("erase")
