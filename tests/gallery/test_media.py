"""Pictures, downloads and videos over HTTP: from a real server, as a browser gets them."""

from __future__ import annotations

import gc
import io
import socket
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photovault.errors import DamageError, UnavailableError, UndecodableError
from photovault.gallery.asks import NotThereError
from photovault.gallery.pages.media import _range, disposition
from photovault.gallery.server import listen
from tests.app.viewing.test_pictures import PAGE, House, opening  # noqa: F401 - a fixture
from tests.decoder.pictures import saved, scene
from tests.decoder.test_pictures import video
from tests.support.gallery import FakeAsks, FakeMember, serve
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BYTES = bytes(range(256)) * 1000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
WAIT = 10.0


class Pictures:
    """Pictures as a test wants them; what is an error is raised."""

    def __init__(self) -> None:
        self.thumbnails: dict[int, object] = {}
        self.previews: dict[int, object] = {}
        self.members: dict[tuple[int, int], object] = {}

    def thumbnail(self, number: int) -> object:
        return _given(self.thumbnails, number)

    def preview(self, number: int) -> object:
        return _given(self.previews, number)

    def member(self, number: int, index: int) -> object:
        return _given(self.members, (number, index))


def _given(found: dict, key: object) -> object:
    if key not in found:
        raise NotThereError("there is no such photo", "look for it")
    if isinstance(found[key], Exception):
        raise found[key]
    return found[key]


class Member(FakeMember):
    """A file that is read piece by piece, and fails after so many; says when nobody reads it any more."""

    def __init__(self, name: str, kind: str, data: bytes, *, fails_after: int = -1) -> None:
        super().__init__(name, kind, data)
        self.fails_after = fails_after
        self.pieces = 0
        self.over = threading.Event()

    def read(self, start: int, end: int) -> Iterator[bytes]:
        try:
            for at in range(start, end, 16_384):
                if self.pieces == self.fails_after:
                    raise DamageError("it is damaged", "run `photovault check`")
                self.pieces += 1
                yield self._data[at : min(at + 16_384, end)]
        finally:
            self.over.set()


@pytest.fixture(scope="module")
def served() -> Iterator[SimpleNamespace]:
    asks = FakeAsks(10)
    asks.pictures = pictures = Pictures()
    webp = saved(scene(), "WEBP")
    pictures.thumbnails |= {1: webp, 2: None, 3: UnavailableError("the line is dead", "wait")}
    pictures.previews |= {1: webp, 2: UndecodableError("it needs photovault[raw]", "pip install 'photovault[raw]'")}
    pictures.previews |= {3: DamageError("it is damaged", "run `photovault check`")}
    with serve(asks) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield SimpleNamespace(pictures=pictures, client=client, webp=webp, url=url)


# Pictures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/thumb/1", "/preview/1", "/thumb/1?at=ab12"])
def test_a_picture(served, path: str) -> None:
    found = served.client.get(path)
    assert (found.status_code, found.content) == (200, served.webp)
    assert found.headers["content-type"] == "image/webp"
    assert found.headers["cache-control"] == "no-store"
    assert served.client.head(path).headers["content-length"] == str(len(served.webp))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/thumb/2", 404, ""),
        ("/thumb/9", 404, ""),
        ("/thumb/3", 503, ""),
        ("/preview/2", 415, "it needs photovault[raw]\npip install 'photovault[raw]'"),
        ("/preview/3", 500, "it is damaged\nrun `photovault check`"),
        ("/preview/9", 404, "there is no such photo\nlook for it"),
    ],
)
def test_no_picture(served, path: str, status: int, text: str) -> None:
    found = served.client.get(path)
    assert (found.status_code, found.text) == (status, text)
    assert not found.headers.get("content-type", "").startswith(("image/", "text/html"))
    assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["thumb", "preview", "file", "play"])
@pytest.mark.parametrize(
    "name", ["x", "-1", "1x", "٣", "9" * 20, "9" * 4000, "%2e%2e", "..%2f..%2fetc%2fpasswd", "1%00"]
)
def test_what_is_no_number_is_not_there(served, kind: str, name: str) -> None:
    after = "/0" if kind in {"file", "play"} else ""
    assert served.client.get(f"/{kind}/{name}{after}").status_code == 404
    if after:
        assert served.client.get(f"/{kind}/1/{name}").status_code == 404


# Downloads --------------------------------------------------------------------------------------------------------------


def test_a_download(served) -> None:
    served.pictures.members[1, 0] = FakeMember("IMG_1.heic", "heic", BYTES)
    found = served.client.get("/file/1/0")
    assert (found.status_code, found.content) == (200, BYTES)
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-length"] == str(len(BYTES))
    assert found.headers["content-disposition"] == "attachment; filename=\"IMG_1.heic\"; filename*=UTF-8''IMG_1.heic"
    assert found.headers["cache-control"] == "no-store"
    assert served.client.get("/file/1/1").status_code == 404


def test_a_page_in_the_vault_is_only_saved(served) -> None:
    for name, kind, data in (("a.html", "", PAGE), ("b.svg", "", SVG), ("c.jpg", "jpeg", PAGE), ("d.mp4", "", PAGE)):
        served.pictures.members[2, 0] = FakeMember(name, kind, data)
        found = served.client.get("/file/2/0", headers={"Accept": "text/html"})
        assert found.headers["content-type"] == "application/octet-stream"
        assert found.headers["content-disposition"].startswith("attachment;")
        assert served.client.get("/play/2/0").status_code == 404


def test_an_empty_file_and_only_its_headers(served) -> None:
    served.pictures.members[3, 0] = FakeMember("a", "", b"")
    assert (served.client.get("/file/3/0").status_code, served.client.get("/file/3/0").content) == (200, b"")
    member = Member("a.mov", "mov", BYTES)
    served.pictures.members[3, 0] = member
    for path in ("/file/3/0", "/play/3/0"):
        found = served.client.head(path)
        assert (found.status_code, found.headers["content-length"], found.content) == (200, str(len(BYTES)), b"")
    assert member.pieces == 0


@given(st.text(st.characters(codec=None), max_size=300))
def test_no_name_adds_a_header(name: str) -> None:
    found = disposition(name)
    assert found.isascii()
    assert found.isprintable()
    plain, extended = found.removeprefix('attachment; filename="').split("\"; filename*=UTF-8''")
    assert set(plain).isdisjoint('"\\/;=,%\r\n')
    assert set(extended).isdisjoint("\"\\/; =,'\r\n")
    assert set(unquote(extended)).isdisjoint("/\\\r\n\x00\u202e")


def test_names_are_as_they_were_where_that_does_no_harm(served) -> None:
    name = 'Grüße "für" Ада.jpg'
    served.pictures.members[4, 0] = FakeMember(name, "jpeg", b"x")
    told = served.client.get("/file/4/0").headers["content-disposition"]
    assert unquote(told.partition("UTF-8''")[2]) == name
    assert 'filename="Gr__e _f_r_ ___.jpg"' in told
    assert disposition("") == "attachment; filename=\"photo\"; filename*=UTF-8''photo"


def test_damage_at_the_beginning_is_a_page_that_says_what_to_do(served) -> None:
    served.pictures.members[5, 0] = Member("a.mov", "mov", BYTES, fails_after=0)
    for path in ("/file/5/0", "/play/5/0"):
        found = served.client.get(path)
        assert found.status_code == 500
        assert "photovault check" in found.text


def test_damage_on_the_way_breaks_the_download(served, caplog) -> None:
    served.pictures.members[5, 1] = Member("a.mov", "mov", BYTES, fails_after=10)
    for path in ("/file/5/1", "/play/5/1"):
        served.pictures.members[5, 1].pieces = 0
        with pytest.raises(httpx.RemoteProtocolError):
            served.client.get(path)
    assert "Traceback" not in caplog.text
    assert "a.mov" not in caplog.text


@pytest.mark.parametrize("path", ["/file/6/0", "/play/6/0"])
def test_nothing_is_read_for_a_browser_that_went_away(served, path: str) -> None:
    member = Member("a.mov", "mov", bytes(200_000_000))
    served.pictures.members[6, 0] = member
    with httpx.stream("GET", served.url + path, trust_env=False) as answer:
        next(answer.iter_raw(1000))
    assert member.over.wait(WAIT)
    assert member.pieces * 16_384 < 100_000_000


# Ranges -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, len(BYTES)),
        ("bytes=100-199", 100, 200),
        ("bytes=255000-999999", 255_000, len(BYTES)),
        ("bytes=-1000", len(BYTES) - 1000, len(BYTES)),
        ("bytes=-999999999", 0, len(BYTES)),
        ("bytes=255999-", 255_999, 256_000),
    ],
)
def test_a_range(served, asked: str, start: int, end: int) -> None:
    served.pictures.members[7, 0] = Member("a.mp4", "mp4", BYTES)
    found = served.client.get("/play/7/0", headers={"Range": asked})
    assert (found.status_code, found.content) == (206, BYTES[start:end])
    assert found.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BYTES)}"
    assert found.headers["content-type"] == "video/mp4"
    only = served.client.head("/play/7/0", headers={"Range": asked})
    assert (only.status_code, only.headers["content-length"]) == (206, str(end - start))


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000", "bytes=-0"])
def test_a_range_that_is_not_there(served, asked: str) -> None:
    served.pictures.members[7, 0] = Member("a.mov", "mov", BYTES)
    found = served.client.get("/play/7/0", headers={"Range": asked})
    assert (found.status_code, found.content) == (416, b"")
    assert found.headers["content-range"] == f"bytes */{len(BYTES)}"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=0-9,20-29"},
        {"Range": "bytes=9-0"},
        {"Range": "bytes=-"},
        {"Range": "lines=0-9"},
        {"Range": "bytes=0-" + "9" * 30},
        {"Range": "bytes=0-9", "If-Range": '"x"'},
    ],
)
def test_what_is_no_single_range_is_the_whole_video(served, headers: dict[str, str]) -> None:
    served.pictures.members[7, 0] = Member("a.mov", "mov", BYTES)
    found = served.client.get("/play/7/0", headers=headers)
    assert (found.status_code, found.content) == (200, BYTES)
    assert found.headers["content-type"] == "video/quicktime"
    assert found.headers["accept-ranges"] == "bytes"


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}"), st.integers(0, 2**40))
def test_any_range_lies_in_the_file(text: str, size: int) -> None:
    request = SimpleNamespace(headers={"range": text})
    found = _range(request, size)
    if found is not None and found[0] < found[1]:
        assert 0 <= found[0] < found[1] <= size


# With a real vault ------------------------------------------------------------------------------------------------------


def test_everything_from_a_real_vault(tmp_path: Path, real_decoders: None, opening) -> None:  # noqa: F811
    movie, photo = video("mpeg4", "mov", frames=30), jpeg(3, size=(900, 600))
    house = House(tmp_path, {"a.jpg": photo, "b.mov": movie, "page.jpg": PAGE, "x.svg": SVG, "cut.jpg": photo[:-900]})
    numbers = house.numbers()
    asks = FakeAsks(10)
    asks.pictures = opening(house)
    with serve(asks) as url, httpx.Client(base_url=url, trust_env=False) as client:
        shown = {}
        for name, number in numbers.items():
            for kind in ("thumb", "preview"):
                found = client.get(f"/{kind}/{number}")
                shown[name, kind] = found.status_code
                if found.status_code == 200:
                    assert found.headers["content-type"] == "image/webp"
                    assert Image.open(io.BytesIO(found.content)).format == "WEBP"
                else:
                    assert not found.headers.get("content-type", "").startswith(("image/", "text/html"))
        assert {name for (name, _), status in shown.items() if status == 200} == {"a.jpg", "b.mov"}
        assert shown["page.jpg", "preview"] == shown["x.svg", "preview"] == shown["cut.jpg", "preview"] == 415
        for name, data in {"a.jpg": photo, "b.mov": movie, "page.jpg": PAGE, "x.svg": SVG}.items():
            found = client.get(f"/file/{numbers[name]}/0")
            assert found.content == data
            assert found.headers["content-type"] == "application/octet-stream"
        part = client.get(f"/play/{numbers['b.mov']}/0", headers={"Range": "bytes=5-"})
        assert (part.status_code, part.content) == (206, movie[5:])


def test_answers_do_not_wait_for_the_browser_s_acknowledgement() -> None:
    """Python takes TCP_NODELAY for sockets that are named as TCP only; without it each thumbnail takes 40 ms."""
    listener, _ = listen()
    with listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_pages_answer_while_any_number_of_pictures_waits_for_a_storage_that_hangs() -> None:
    gate, waiting = threading.Event(), threading.Semaphore(0)

    def hang(_number: int) -> bytes:
        waiting.release()
        gate.wait(WAIT)
        return saved(scene(), "WEBP")

    asks = FakeAsks(10)
    asks.pictures = SimpleNamespace(thumbnail=hang, preview=hang)
    with (
        serve(asks) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
        httpx.Client(base_url=url, trust_env=False, limits=httpx.Limits(), timeout=WAIT) as many,
    ):
        asked = [threading.Thread(target=many.get, args=(f"/{what}/1",)) for what in ("thumb", "preview") * 30]
        try:
            for one in asked:
                one.start()
            assert waiting.acquire(timeout=WAIT)
            began = time.monotonic()
            assert client.get("/search").status_code == 200
            assert time.monotonic() - began < WAIT / 2
        finally:
            gate.set()
        for one in asked:
            one.join(WAIT)


def test_two_hundred_thumbnails_by_six_connections(tmp_path: Path, real_decoders: None, opening) -> None:  # noqa: F811
    house = House(tmp_path, {f"{n:03}.jpg": jpeg(n, size=(160, 120)) for n in range(200)})
    numbers = list(house.numbers().values())
    asks = FakeAsks(10)
    asks.pictures = opening(house)
    waiting, found = list(numbers), dict[int, bytes]()
    gc.collect()
    with serve(asks) as url:

        def fetch() -> None:
            with httpx.Client(base_url=url, trust_env=False) as client:
                while waiting:
                    number = waiting.pop()
                    found[number] = client.get(f"/thumb/{number}").content

        began = time.monotonic()
        browsers = [threading.Thread(target=fetch) for _ in range(6)]
        for one in browsers:
            one.start()
        for one in browsers:
            one.join(60)
        assert time.monotonic() - began < 20  # a tenth of a second each would be slow on any computer
    assert len(found) == 200
    assert all(data[8:12] == b"WEBP" for data in found.values())
