"""The pages of people: not there until somebody agreed, nothing decided by a link, and names are text."""

from __future__ import annotations

import re
from types import SimpleNamespace

import httpx
import pytest

from photovault.errors import BusyError, ConsentError
from photovault.gallery import values
from photovault.gallery.pages import people as pages
from tests.support.gallery import FakeAsks, FakePeople, serve

HOSTILE = "<script>alert(1)</script>\"'&{{ csrf }}"
TRACE = re.compile(r"\b(people|faces?|person|persons)\b", re.IGNORECASE)
GETS = (
    "/people", "/people?everybody=1&hidden=1&q=a", "/people/1", "/people/review", "/people/history", "/people/1/merge",
    "/people/1/merge?with=2", "/people/1/split?face=1", "/face/1",
)  # fmt: skip
POSTS = (
    "/people/1/name", "/people/1/hide", "/people/1/merge", "/people/1/split", "/people/review", "/people/undo",
)  # fmt: skip


@pytest.fixture(scope="module")
def served():
    asks = FakeAsks(60, people=True)
    with serve(asks) as url, httpx.Client(base_url=url, trust_env=False, headers={"x-csrf-token": "token"}) as client:
        yield SimpleNamespace(asks=asks, client=client)


@pytest.fixture
def site(served):
    """One server for all; the people are new each time."""
    served.asks.people = FakePeople(served.asks.photos, on=True)
    return SimpleNamespace(asks=served.asks, people=served.asks.people, get=served.client.get, post=served.client.post)


def texts(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


# While nobody agreed.


@pytest.mark.parametrize("path", GETS)
def test_while_nobody_agreed_no_page_is_there_and_what_is_said_is_no_trace(site, path):
    assert site.get(path).status_code == 200
    site.people.on = False
    found = site.get(path)
    assert found.status_code == 404
    assert not TRACE.search(texts(found).replace(path, ""))


@pytest.mark.parametrize("path", POSTS)
def test_while_nobody_agreed_nothing_is_decided(site, path):
    site.people.on = False
    assert site.post(path, data={"name": "x", "face": "1", "with": "2", "entry": "1"}).status_code == 404
    site.people.on = True
    assert site.people.history() == ()


def test_a_consent_that_ends_while_a_page_is_made_leaves_no_page(site, monkeypatch):
    def over(**_):
        site.people.on = False
        raise ConsentError("the consent was taken back", "photovault people enable")

    monkeypatch.setattr(site.people, "people", over)
    found = site.get("/people")
    assert found.status_code == 404
    assert not TRACE.search(texts(found))


def test_no_other_page_knows_of_it(site):
    site.people.on = False
    paths = ["/", "/search", "/search?q=a", "/places", "/machine", "/photo/5", "/basket", "/health", "/month/2021-05"]
    answered = 0
    for path in paths:
        found = site.get(path)
        answered += found.status_code == 200
        assert not TRACE.search(texts(found)), path
        assert "/people" not in found.text
        assert "/face/" not in found.text
    assert answered > 3


def test_a_release_that_is_missing_is_no_missing_page(site, monkeypatch):
    def refused(*_):
        raise ConsentError("no release of that person is on record", "photovault people release add")

    monkeypatch.setattr(site.people, "name", refused)
    found = site.post("/people/5/name", data={"name": "Zoe"})
    assert (found.status_code, "no release" in found.text.lower()) == (400, True)


# Changes.


@pytest.mark.parametrize("path", POSTS)
def test_a_change_needs_the_token_and_a_form(site, path):
    assert site.post(path, headers={"x-csrf-token": "wrong"}).status_code == 401
    assert site.get(path).status_code in {200, 400, 404, 405}
    assert site.people.history() == ()


@pytest.mark.parametrize("path", GETS)
def test_looking_decides_nothing(site, path):
    site.get(path)
    assert site.people.history() == ()


def test_somebody_is_named_renamed_and_listed_first(site):
    assert site.post("/people/5/name", data={"name": "  Zoe "}).headers["location"] == "/people/5"
    assert site.people.person(5).name == "Zoe"
    page = site.get("/people").text
    assert page.index(">Zoe<") < page.index(">Unnamed<")


@pytest.mark.parametrize("name", ["ada", "ADA", " Ada "])
def test_a_name_that_somebody_has_leads_to_a_merge_and_changes_nothing(site, name):
    found = site.post("/people/5/name", data={"name": name})
    assert found.headers["location"] == "/people/5/merge?with=1&why=name"
    assert "Somebody has that name already" in site.get(found.headers["location"]).text
    assert site.people.history() == ()


def test_a_merge_is_shown_then_made(site):
    page = site.get("/people/5/merge?with=1").text
    assert page.count("<section") == 2
    assert "/face/1" in page
    assert "/face/401" in page
    assert 'type="radio"' not in page, "one name, so nothing to choose"
    assert site.post("/people/5/merge", data={"with": "1"}).headers["location"] == "/people/1"
    assert len(site.people.history()) == 1


def test_of_two_names_one_must_be_chosen(site):
    assert site.get("/people/1/merge?with=2").text.count('type="radio"') == 2
    assert site.post("/people/1/merge", data={"with": "2"}).status_code == 400
    assert site.people.history() == ()
    assert site.post("/people/1/merge", data={"with": "2", "keep": "2"}).headers["location"] == "/people/2"


def test_somebody_is_looked_for_by_name_to_be_merged(site):
    assert "with=2" in site.get("/people/5/merge?q=gra").text
    assert "with=1" not in site.get("/people/5/merge?q=gra").text
    assert "with=5" not in site.get("/people/5/merge").text, "not with himself"
    assert site.get("/people/5/merge?with=5").status_code == 400


def test_a_split_is_shown_then_made(site):
    page = site.get("/people/1/split?face=1&face=2").text
    assert "Take 2 faces out of Ada?" in page
    assert "Stays: 24 faces" in page
    site.post("/people/1/split", data={"face": ["1", "2"]})
    assert 1 not in {face.id for face in site.people.person(1).faces}


@pytest.mark.parametrize("faces", ["", "?face=4711", "?" + "&".join(f"face={n + 1}" for n in range(26))])
def test_what_is_no_split_says_what_to_do(site, faces):
    found = site.get(f"/people/1/split{faces}")
    assert found.status_code == 400
    assert "go back" in found.text.lower() or "leave at least one" in found.text.lower()


def test_somebody_is_hidden_and_listed_again(site):
    site.post("/people/1/hide", data={"hidden": "yes"})
    assert ">Ada<" not in site.get("/people").text
    assert ">Ada<" in site.get("/people?hidden=1&everybody=1").text
    site.post("/people/1/hide", data={"hidden": "no"})
    assert ">Ada<" in site.get("/people").text


# Questions and decisions.


def test_a_question_shows_both_faces_and_every_answer_with_its_key(site):
    page = site.get("/people/review").text
    assert "/face/1" in page
    assert {"same", "different", "not a face", "skip"} == set(re.findall(r'name="answer" value="([^"]+)"', page))
    assert re.findall(r'data-key="(.)"', page) == ["s", "d", "n", " "]


def test_an_answer_is_kept_and_the_next_question_counts_it(site):
    found = site.post("/people/review", data={"doubt": "d0", "answer": "same", "answered": "3"})
    assert found.headers["location"] == "/people/review?answered=4"
    page = site.get(found.headers["location"]).text
    assert "4 answered" in page
    assert 'data-key="u"' in page
    back = site.post("/people/undo", data={"entry": "1", "next": "review", "answered": "4"})
    assert back.headers["location"] == "/people/review?answered=3"
    assert site.people.history()[0].undone


def test_every_decision_can_be_taken_back(site):
    site.post("/people/5/name", data={"name": "Zoe"})
    site.post("/people/6/name", data={"name": "Yann"})
    page = site.get("/people/history").text
    assert re.findall(r'name="entry" value="(\d+)"', page) == ["2", "1"]
    site.post("/people/undo", data={"entry": "1"})
    assert re.findall(r'name="entry" value="(\d+)"', site.get("/people/history").text) == ["2"]


def test_when_there_is_nothing_to_ask_and_nobody_the_pages_say_so(site, monkeypatch):
    monkeypatch.setattr(site.people, "doubts", lambda _limit: ())
    monkeypatch.setattr(site.people, "people", lambda **_: ())
    assert "Nothing to ask" in site.get("/people/review").text
    assert "photovault people scan" in site.get("/people").text
    assert "Nothing was decided yet" in site.get("/people/history").text


def test_a_scan_that_is_at_work_is_told_with_what_to_do(site, monkeypatch):
    def busy(*_):
        raise BusyError("faces are being looked for just now", "try again in a moment")

    monkeypatch.setattr(site.people, "name", busy)
    found = site.post("/people/5/name", data={"name": "Zoe"})
    assert found.status_code >= 400
    assert "try again in a moment" in found.text.lower()


# Names and pictures.


@pytest.mark.parametrize(
    "path", ["/people", "/people/5", "/people/history", "/people/5/merge?with=1", "/people/1/merge"]
)
def test_a_name_is_text_whatever_is_in_it(site, path):
    site.people.name(5, HOSTILE)
    page = site.get(path).text
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "alert(1)</script>" not in page


def test_what_is_looked_for_is_text_whatever_is_in_it(site):
    page = site.get("/people", params={"q": HOSTILE}).text
    assert "<script>alert" not in page
    assert 'value="&lt;script' in page


def test_a_face_is_a_picture_that_no_browser_keeps(site):
    found = site.get("/face/1")
    assert (found.headers["content-type"], found.headers["cache-control"]) == ("image/webp", "no-store")
    assert found.content[8:12] == b"WEBP"
    gone = site.get("/face/10")
    assert gone.headers["content-type"] == "image/svg+xml"
    assert gone.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [
    "/people/0", "/people/-1", "/people/99999999999999999999", "/people/" + "9" * 5000, "/people/p1", "/people/1e3",
    "/people/..%2f..%2fetc%2fpasswd", "/people/%D9%A1", "/people/1/merge?with=x", "/people/1/split?face=..",
    "/face/x", "/face/..%2f1", "/people/nobody",
])  # fmt: skip
def test_what_is_no_number_is_not_there(site, path):
    assert site.get(path).status_code == 404


@pytest.mark.parametrize("place", ["-1", "x", "99999999", "1e9"])
def test_a_strange_place_in_a_list_is_its_beginning_or_its_end(site, place):
    for path in ("/people", "/people/1", "/people/history", "/people/review"):
        assert site.get(f"{path}?from={place}&answered={place}").status_code == 200


def test_many_are_shown_page_by_page(site, monkeypatch):
    monkeypatch.setattr(pages, "GROUPS", 5)
    monkeypatch.setattr(pages, "FACES", 10)
    page = site.get("/people?q=&everybody=1").text
    assert page.count('class="called') == 5
    assert "everybody=1&amp;from=5" in page
    assert site.get("/people?everybody=1&from=10").text.count('class="called') == 2
    assert site.get("/people/1").text.count('name="face"') == 10
    assert site.get("/people/1?from=20").text.count('name="face"') == 6


def test_photos_that_cannot_be_shown_now_keep_nobody_from_the_page(site, monkeypatch):
    def busy(*_):
        raise BusyError("the listings are being read", "wait")

    monkeypatch.setattr(site.asks.photos, "search", busy)
    page = site.get("/people/1")
    assert (page.status_code, "the listings are being read" in page.text) == (200, True)


def test_photos_of_somebody_are_asked_for_by_number(site, monkeypatch):
    asked = []
    search = site.asks.photos.search
    monkeypatch.setattr(site.asks.photos, "search", lambda *given: asked.append(given) or search(*given))
    site.get("/people/1?at=")
    assert asked[0][1] == values.Question(person="p1")


@pytest.mark.parametrize("path", GETS[:-1])
def test_every_page_says_that_it_stays_here(site, path):
    assert "on this computer only" in site.get(path).text


@pytest.mark.parametrize("path", GETS[:-1])
def test_no_page_breaks_the_policy_of_contents(site, path):
    page = site.get(path).text
    assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=|javascript:|data:image|https?://", page)
