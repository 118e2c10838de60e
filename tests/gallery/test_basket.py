"""The restore basket and long work over HTTP: forms as a browser without scripts sends them, and the pieces that scripts ask for."""

from __future__ import annotations

import html
import re
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from photovault.gallery import values
from tests.app.viewing import test_restores
from tests.gallery.test_media import FakeAsks
from tests.support.gallery import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = {"hx-request": "true"}


class Site:
    """A browser without scripts."""

    def __init__(self, url: str, asks) -> None:
        self.asks, self._client = asks, httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._client.get(path, headers=headers)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields) -> httpx.Response:
        return self._client.post(path, data={"csrf": "token", **fields}, headers=headers or {})


@pytest.fixture
def site() -> Iterator[Site]:
    asks = FakeAsks(60)
    with serve(asks) as url, Site(url, asks) as made:
        yield made


def text(answer: httpx.Response) -> str:
    """What is read of a page."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", answer.text).split()))


def test_photos_are_put_in_and_taken_out_by_forms(site: Site) -> None:
    assert "The basket is empty" in text(site.get("/basket"))
    answer = site.post("/basket/add", number=["3", "5", "5"], at="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/basket")
    page = site.get("/basket")
    assert "2 photos" in text(page)
    assert sorted(re.findall(r'class="pick" type="checkbox" name="number" value="(\d+)"', page.text)) == ["3", "5"]
    at = re.search(r'name="at" value="([0-9a-f]+)"><button class="button">Take out', page.text)
    site.post("/basket/remove", number="3", at=at[1])
    assert "1 photo" in text(site.get("/basket"))
    site.post("/basket/empty")
    assert "The basket is empty" in text(site.get("/basket"))


def test_scripts_get_how_many_are_in(site: Site) -> None:
    answer = site.post("/basket/add", PIECE, number=["3", "5"], at="")
    assert (answer.status_code, text(answer)) == (200, "2 photos")
    assert 'id="basket-count"' in answer.text


def test_a_whole_snapshot_is_put_in_and_taken_out(site: Site) -> None:
    one = site.asks.photos.moments()[1]
    site.post("/basket/add", all="1", at=one.id)
    assert "Everything in the snapshot of" in text(site.get("/basket"))
    site.post("/basket/remove", all="1", at=one.id)
    assert "The basket is empty" in text(site.get("/basket"))


@pytest.mark.parametrize("number", ["-1", "x", "1e3", "9" * 30, ""])
def test_what_is_no_number_of_a_photo_is_refused(site: Site, number: str) -> None:
    assert site.post("/basket/add", number=number, at="").status_code == 400
    assert site.asks.restores.basket().is_empty


@pytest.mark.parametrize("path", ["add", "remove", "empty", "restore"])
def test_without_the_token_nothing_changes(site: Site, path: str) -> None:
    site.post("/basket/add", number="3", at="")
    assert site.post(f"/basket/{path}", csrf="", number="4", to="/x").status_code == 401
    assert site.asks.restores.basket().count == 1
    assert len(site.asks.jobs.jobs()) == 1


def test_a_folder_that_will_not_do_is_said_beside_what_was_typed(site: Site) -> None:
    site.post("/basket/add", number="3", at="")
    answer = site.post("/basket/restore", to='back"><b>', overwrite="always")
    assert answer.status_code == 400
    assert 'value="back&#34;&gt;&lt;b&gt;"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="always" checked' in answer.text
    assert "no absolute path" in text(answer)


def test_restoring_leads_to_a_page_that_loads_itself_until_it_is_over(site: Site) -> None:
    site.post("/basket/add", number="3", at="")
    answer = site.post("/basket/restore", to="~/Restored", overwrite="never")
    path = answer.headers["location"]
    assert (answer.status_code, path.startswith("/jobs/restore-")) == (303, True)
    page = site.get(path)
    assert (
        f'<noscript><meta http-equiv="refresh" content="2;url={path}?poll=1"></noscript>'
        in page.text.split("</head>")[0]
    )
    assert f'hx-get="{path}?poll=1"' in page.text
    for _ in range(4):
        page = site.get(path)
    assert "http-equiv" not in page.text
    assert "hx-trigger" not in page.text
    assert "Every file was checked" in text(page)
    assert "All is in ~/Restored" in text(page)


def test_a_job_tells_figures_and_can_be_cancelled(site: Site) -> None:
    job = values.Job(id="steady", kind="restore", title="Restore", state="running", files=1200, files_total=4000,
                     size=3 * 10**9, size_total=10**10, rate=48_000_000)  # fmt: skip
    site.asks.jobs.put(job)
    piece = site.get("/jobs/steady?poll=1", **PIECE)
    assert "<html" not in piece.text
    assert "1,200 of 4,000 files · 3.0 GB of 10.0 GB · 48.0 MB a second" in text(piece)
    assert 'value="30"' in piece.text
    assert site.post("/jobs/steady/cancel").headers["location"] == "/jobs/steady"
    assert "You stopped it" in text(site.get("/jobs/steady"))
    site.asks.jobs.put(job)
    assert "You stopped it" in text(site.post("/jobs/steady/cancel", PIECE))


def test_an_unknown_job_is_not_there(site: Site) -> None:
    for path in ("/jobs/none", "/jobs/..%2f..%2fetc"):
        assert site.get(path).status_code == 404
    assert site.post("/jobs/none/cancel").status_code == 404


def test_a_trial_lists_every_file_over_pages(site: Site) -> None:
    rows = tuple((f"<i>{number:03}.jpg", "would be written") for number in range(450))
    site.asks.jobs.put(values.Job(id="plan", kind="dry-run", title="What it would do", state="done", rows=rows))
    found: list[str] = []
    path = "/jobs/plan"
    while path:
        page = site.get(path)
        found += re.findall(r"<tr><td>&lt;i&gt;(\d+)\.jpg</td>", page.text)
        following = re.search(r'href="([^"]*)" rel="next"', page.text)
        path = following[1] if following else ""
    assert found == [f"{number:03}" for number in range(450)]
    assert "401 to 450 of 450 files" in text(page)
    assert site.get("/jobs/plan?first=x").status_code == 400
    assert site.get("/jobs/plan?first=99999999").status_code == 200


def test_a_failure_says_what_to_do_and_names_are_not_believed(site: Site) -> None:
    bad = "<script>alert(1)</script>"
    site.asks.jobs.put(
        values.Job(id="f", kind="restore", title=bad, state="failed", error=f"no space {bad}", hint="make room")
    )
    page = site.get("/jobs/f")
    assert bad not in page.text
    assert "Make room." in text(page)


def test_faces_are_not_spoken_of(site: Site) -> None:
    site.post("/basket/add", number="3", at="")
    for path in ("/basket", "/jobs/steady"):
        assert not re.search(r"\b(face|faces|people)\b", text(site.get(path)), re.IGNORECASE)


# Over a real vault -------------------------------------------------------------------------------------------------------


def test_what_is_restored_by_the_form_is_bit_for_bit_what_was_backed_up(tmp_path: Path) -> None:
    people = SimpleNamespace(enabled=lambda: False)
    with closing(test_restores.House(tmp_path)) as house:
        asks = SimpleNamespace(
            photos=house.asked, jobs=house.jobs, restores=house.restores, people=people,
            pictures=SimpleNamespace(thumbnail=None, preview=None),
        )  # fmt: skip
        numbers = house.numbers()
        with serve(asks) as url, Site(url, asks) as site:
            site.post("/basket/add", number=[str(numbers["IMG_1.HEIC"]), str(numbers[test_restores.ODD])], at="")
            page = site.get("/basket")
            assert test_restores.ODD in html.unescape(page.text)
            trial = _over(site, site.post("/basket/restore", to=str(house.to), overwrite="never", **{"try": "1"}))
            assert "Would restore 4 files" in text(trial)
            assert not house.to.exists()
            done = _over(site, site.post("/basket/restore", to=str(house.to), overwrite="never"))
            assert "Restored 4 files" in text(done)
        names = ("2022/IMG_1.HEIC", "2022/IMG_1.MOV", "2022/IMG_1.xmp", f"2021/{test_restores.ODD}")
        expected = {f"Pictures/{name}": (house.photos / name).read_bytes() for name in names}
        assert test_restores.files(house.to) == expected


def _over(site: Site, answer: httpx.Response) -> httpx.Response:
    """The page of a job once it is over."""
    assert answer.status_code == 303, text(answer)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        page = site.get(answer.headers["location"])
        if "http-equiv" not in page.text:
            return page
        time.sleep(0.05)
    raise AssertionError(text(page))
