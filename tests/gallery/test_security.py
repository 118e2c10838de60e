"""Which requests are heard: the rules as plain values, and the wrapper that holds every request to them."""

from __future__ import annotations

import asyncio
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import PhotovaultError
from photovault.gallery.security import HEADERS, Asked, Guard, Notes, Place, cookies, refusal, safe, same, token_of

PORT = 40123
HOST = f"127.0.0.1:{PORT}"
OWN = f"http://{HOST}"
SECRET = "kX-cookie"
PLACE = Place(port=PORT)
UNIX = Place()


def asked(
    method: str = "GET", path: str = "/", query: str = "", *, foreign: bool = False, **headers: str | None
) -> Asked:
    """A request of the user's browser; what is None is left out."""
    given = {"host": HOST, "cookie": f"gallery-{PORT}={SECRET}", "sec_fetch_site": "same-origin"}
    if method == "POST":
        given["origin"] = OWN
    pairs = (given | headers).items()
    sent = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in pairs if value is not None)
    return Asked(method=method, path=path, query=query, headers=sent, is_foreign=foreign)


def status(request: Asked, place: Place = PLACE) -> int:
    """What becomes of it; 200 for what is heard."""
    refused = refusal(request, place, lambda cookie: cookie == SECRET)
    return 200 if refused is None else refused.status


@pytest.mark.parametrize("path", ["/", "/photo/12", "/static/style.css", "/machine/0123456789abcdef", "/in/whatever"])
def test_the_users_browser_is_heard(path: str) -> None:
    assert status(asked(path=path)) == 200


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"[::1]:{PORT}"])
def test_names_of_this_computer_are_ours(host: str) -> None:
    assert status(asked(host=host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        f"127.0.0.1:{PORT}0",
        f"0{HOST}",
        f"evil.example:{PORT}",
        f"localhost.evil.example:{PORT}",
        f"LOCALHOST:{PORT}",
        f"127.1:{PORT}",
        f"0.0.0.0:{PORT}",
        f"{HOST}.",
        f"{HOST}, {HOST}",
        f"me@{HOST}",
    ],
)
@pytest.mark.parametrize("path", ["/", "/in/token", "/static/style.css"])
def test_a_foreign_host_is_refused_before_anything_else(host: str | None, path: str) -> None:
    assert status(asked(path=path, host=host)) == 403
    assert status(asked("PUT", path, host=host, cookie=None)) == 403


def test_two_hosts_are_refused() -> None:
    request = asked()
    assert status(Asked(method="GET", path="/", headers=(*request.headers, (b"host", HOST.encode())))) == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "localhost:1"])
def test_any_port_may_be_forwarded_to_a_unix_socket(host: str) -> None:
    request = asked(host=host, cookie=f"{UNIX.cookie}={SECRET}")
    assert status(request, UNIX) == 200
    assert status(asked("POST", host=host, origin=f"http://{host}", cookie=f"{UNIX.cookie}={SECRET}"), UNIX) == 200
    assert status(asked("POST", host=host, origin="http://localhost:9", cookie=f"{UNIX.cookie}={SECRET}"), UNIX) == 403


@pytest.mark.parametrize("host", [HOST, "evil.example", "localhost:8000.evil.example", "localhost:", "xlocalhost:1"])
def test_a_unix_socket_has_no_other_name(host: str) -> None:
    assert status(asked(host=host, cookie=f"{UNIX.cookie}={SECRET}"), UNIX) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd", ""])
def test_another_site_is_refused_also_for_looking(site: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        assert status(asked(method, sec_fetch_site=site)) == 403
    assert status(asked(path="/in/token", sec_fetch_site=site)) == 200
    assert status(asked("POST", "/in/token", sec_fetch_site=site)) == 403


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_an_address_that_was_typed_is_heard(site: str | None) -> None:
    assert status(asked(sec_fetch_site=site)) == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "PROPFIND"])
def test_other_methods_are_refused(method: str) -> None:
    assert status(asked(method)) == 405


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:1",
        f"https://{HOST}",
        f"http://localhost:{PORT}",
        "file://",
        f"{OWN}/",
        "",
    ],
)
def test_a_change_from_another_origin_is_refused(origin: str) -> None:
    assert status(asked("POST", origin=origin)) == 403


@pytest.mark.parametrize("origin", ["null", None])
def test_a_form_without_referrer_is_believed_only_when_the_browser_says_it_is_ours(origin: str | None) -> None:
    assert status(asked("POST", origin=origin)) == 200
    assert status(asked("POST", origin=origin, sec_fetch_site=None)) == 403
    assert status(asked("POST", origin=origin, sec_fetch_site="none")) == 403


def test_two_origins_are_refused() -> None:
    request = asked("POST")
    assert status(Asked(method="POST", path="/", headers=(*request.headers, (b"origin", b"null")))) == 403


@pytest.mark.parametrize(
    "cookie",
    [
        None,
        "",
        f"gallery-{PORT}=",
        f"gallery-{PORT}=other",
        f"gallery-1={SECRET}",
        SECRET,
        f"x={SECRET}",
        f"GALLERY-{PORT}={SECRET}",
    ],
)
@pytest.mark.parametrize("path", ["/", "/photo/1", "/static/style.css", "/nothing", "/static/../x", "/unlock", "/in"])
def test_without_the_cookie_nothing_is_told(cookie: str | None, path: str) -> None:
    assert status(asked(path=path, cookie=cookie)) == 401
    assert status(asked("POST", path, cookie=cookie)) == 401


def test_the_answer_without_a_cookie_is_the_same_for_every_path() -> None:
    bodies = {
        refusal(asked(path=path, cookie=None), PLACE, lambda _: False).answer(piece=False)[1]
        for path in ("/", "/static/style.css", "/nothing", "/photo/1")
    }
    (body,) = bodies
    assert b"photovault gallery" in body


def test_another_users_program_gets_not_a_word_even_with_the_cookie_and_the_link() -> None:
    for request in (
        asked(foreign=True),
        asked(path="/in/token", foreign=True),
        asked(foreign=True, host="evil.example"),
    ):
        refused = refusal(request, PLACE, lambda _: True)
        assert refused is not None
        assert (refused.status, refused.answer(piece=False)[1]) == (401, b"")


def test_a_second_cookie_of_the_same_name_does_no_harm() -> None:
    name = f"gallery-{PORT}"
    assert status(asked(cookie=f"{name}=planted; a=b;{name}={SECRET}")) == 200
    assert cookies(["a=1; b=2", "a=3;a"], "a") == ["1", "3", ""]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret",
        "/static/..",
        "/../../etc/passwd",
        "/static/%2e%2e/x",
        "/static/%2E%2E%2Fx",
        "/static//etc/passwd",
        "//etc/passwd",
        "//",
        "/static/\\..\\x",
        "/static/x%00.css",
        "/static/\x00",
        "/photo/%31",
        "/./photo/1",
        "/.hidden",
        "/photo/1/",
        "/photo/1;x",
        "/photo/\u00e9",
        "http://127.0.0.1/",
        f"http://{HOST}/",
        "photo/1",
        "",
        "*",
    ],
)
def test_path_tricks_are_no_pages(path: str) -> None:
    assert status(asked(path=path)) == 404


@given(st.text(string.printable, max_size=40))
def test_what_is_heard_is_a_plain_path(path: str) -> None:
    if status(asked(path=path)) == 200 and not path.startswith("/in/"):
        assert re.fullmatch(r"[A-Za-z0-9/._~-]+", path)
        assert path == "/" or all(part and not part.startswith(".") for part in path[1:].split("/"))


def test_long_addresses_and_many_headers_are_refused() -> None:
    assert status(asked(path="/", query="a" * 4000)) == 200
    assert status(asked(path="/", query="a" * 5000)) == 414
    many = asked().headers + tuple((f"x-{n}".encode(), b"") for n in range(100))
    assert status(Asked(method="GET", path="/", headers=many)) == 431


@pytest.mark.parametrize(
    ("request_", "counts"),
    [
        (asked(), True),
        (asked(path="/health/now", query="poll=1"), False),
        (asked(path="/health/now", query="a=1&poll=1"), False),
        (asked(path="/search", query="text=poll=1"), True),
        (asked(path="/jobs/abc", hx_request="true"), False),
        (asked(path="/jobs/abc"), True),
        (asked("POST", path="/jobs/abc/cancel", query="poll=1", hx_request="true"), True),
    ],
)
def test_what_a_page_repeats_by_itself_is_nobody(request_: Asked, counts: bool) -> None:
    assert request_.is_activity is counts


def test_secrets_are_compared_whole() -> None:
    assert same("abc", "abc")
    assert not same("ab", "abc")
    assert not same("\u00e9\udcff", "abc")
    assert token_of(b"one") != token_of(b"two")
    assert re.fullmatch(r"[0-9a-f]{64}", token_of(b"one"))


def test_no_answer_can_weaken_the_headers() -> None:
    made = safe([(b"Content-Security-Policy", b"default-src *"), (b"X-Own", b"1"), (b"cache-control", b"private")])
    assert [value for name, value in made if name == b"content-security-policy"] == [
        HEADERS[b"content-security-policy"]
    ]
    assert (b"x-own", b"1") in made
    assert [value for name, value in made if name == b"cache-control"] == [b"private"]
    assert (b"cache-control", b"no-store") in safe([])


def test_the_policy_allows_nothing_but_ourselves() -> None:
    policy = HEADERS[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none';")
    assert set(re.findall(r"'[^']+'|https?:\S*|data:|\*", policy)) == {"'none'", "'self'"}
    assert HEADERS[b"referrer-policy"] == b"no-referrer"
    assert b"camera=()" in HEADERS[b"permissions-policy"]


# The wrapper ---------------------------------------------------------------------------------------------------------


class Keeper:
    """A door of which it is known who came."""

    def __init__(self) -> None:
        self.touched = 0

    def knows(self, cookie: str) -> bool:
        return cookie == SECRET

    def touch(self) -> None:
        self.touched += 1


def through(app, request: Asked, keeper: Keeper | None = None, notes: Notes | None = None) -> tuple[int, dict, bytes]:
    """Status, headers and body of an answer through a guard."""
    scope = {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(),
        "headers": list(request.headers),
        "state": {"foreign": request.is_foreign},
    }
    messages = []

    async def send(message) -> None:
        messages.append(message)

    asyncio.run(Guard(app, PLACE, keeper or Keeper(), notes)(scope, None, send))
    headers = dict(messages[0]["headers"])
    assert len(headers) == len(messages[0]["headers"])
    return messages[0]["status"], headers, b"".join(one.get("body", b"") for one in messages[1:])


async def fine(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"fine"})


async def broken(_scope, _receive, _send) -> None:
    raise KeyError("IMG_1234.jpg of Anna")


async def breaks_off(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise PhotovaultError("damaged")


@pytest.mark.parametrize(
    ("app", "request_", "expected"),
    [
        (fine, asked(), 200),
        (broken, asked(), 500),
        (fine, asked(cookie=None), 401),
        (fine, asked(host="evil.example"), 403),
        (fine, asked(path="//"), 404),
        (fine, asked("DELETE"), 405),
        (fine, asked(query="a" * 5000), 414),
        (fine, asked(foreign=True), 401),
    ],
)
def test_every_answer_has_the_headers(app, request_: Asked, expected: int) -> None:
    code, headers, _ = through(app, request_)
    assert code == expected
    assert HEADERS.items() <= headers.items()
    assert headers[b"cache-control"] == b"no-store"
    assert b"server" not in headers


def test_a_defect_is_told_by_its_kind_only() -> None:
    told = []
    code, _, body = through(broken, asked(), notes=Notes(defect=told.append))
    assert (code, [type(one) for one in told]) == (500, [KeyError])
    assert b"defect" in body
    assert b"IMG" not in body
    assert b"KeyError" not in body


def test_what_breaks_off_does_not_look_whole() -> None:
    told = []
    with pytest.raises(PhotovaultError):
        through(breaks_off, asked(), notes=Notes(defect=told.append))
    assert told == []  # damage of the vault is no defect of ours


def test_only_who_is_heard_and_did_something_keeps_the_gallery_open() -> None:
    keeper = Keeper()
    for request in (asked(cookie=None), asked(host="x"), asked(query="poll=1"), asked(path="//"), asked(path="/in/x")):
        through(fine, request, keeper)
    assert keeper.touched == 0
    through(fine, asked(), keeper)
    assert keeper.touched == 1


def test_a_piece_makes_the_browser_load_the_page_anew_when_its_session_is_over() -> None:
    assert through(fine, asked(cookie=None, hx_request="true"))[1][b"hx-refresh"] == b"true"
    assert b"hx-refresh" not in through(fine, asked(host="x", hx_request="true"))[1]


def test_each_request_is_noted_without_what_was_asked_for() -> None:
    noted = []
    times = iter([1.0, 1.5])
    notes = Notes(clock=lambda: next(times), request=lambda *what: noted.append(what))
    through(fine, asked(path="/photo/7"), notes=notes)
    assert [what[:3] for what in noted] == [("GET", 200, 0.5)]


def test_no_websocket_is_answered() -> None:
    asyncio.run(Guard(fine, PLACE, Keeper())({"type": "websocket"}, None, None))
