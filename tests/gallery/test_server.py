"""A real server on loopback, and on a Unix socket, with people behind it who know synthetic photos."""

from __future__ import annotations

import http.client
import os
import re
import socket
import stat
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from photovault.errors import PhotovaultError, UsageError, WrongKeyError
from photovault.gallery import server as serving
from photovault.gallery.door import Door
from photovault.gallery.security import HEADERS, Guard, Notes, Place
from photovault.gallery.site import Site
from photovault.gallery.values import Job
from tests.support.gallery import FakeAsks, FakeJobs
from tests.support.programs import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_AFTER = 900.0
PASSWORD = "of the sea and of the hills"


class Vault:
    """Opens by its password, if it has one."""

    def __init__(self) -> None:
        self.protected = True

    def has_password(self) -> bool:
        return self.protected

    def open(self, password: str) -> FakeAsks:
        if password != PASSWORD:
            raise WrongKeyError("no slot opens")
        return FakeAsks(40)


class Hall:
    """A gallery that runs in a thread, its clock, and what it wrote down."""

    def __init__(self, at: Path | None = None) -> None:
        self.ahead = 0.0
        self.noted: list[str] = []
        self.defects: list[BaseException] = []
        self.vault = Vault()
        numbers = count(1)
        self.asks = FakeAsks(40)
        self.asks.jobs = FakeJobs()  # nothing is under way
        self.door = Door(
            self.asks,
            self.vault,
            lock_after=LOCK_AFTER,
            clock=lambda: time.monotonic() + self.ahead,
            random=lambda size: (next(numbers) * 7919).to_bytes(size, "big"),
        )
        self.at = at
        self.cookie = ""

    @contextmanager
    def serve(self) -> Iterator[Hall]:
        if self.at is None:
            listener, self.port = serving.listen()
            with self._over(listener):
                yield self
        else:
            self.port = 0
            with serving.listen_at(self.at) as listener, self._over(listener):
                yield self

    @contextmanager
    def _over(self, listener: socket.socket) -> Iterator[None]:
        self.place = Place(port=self.port)
        site = Site(self.door, cookie=self.place.cookie, defect=self.defects.append)

        def request(method: str, status: int, _seconds: float, scope: dict) -> None:
            self.noted.append(f"{method} {site.template(scope)} {status}")

        guard = Guard(site.application(), self.place, self.door, Notes(request=request, defect=self.defects.append))
        self.server = serving.Server(
            guard, listener, tick=lambda: False, close=self.door.close, defect=self.defects.append
        )
        thread = threading.Thread(target=self.server.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.server.stop()
            thread.join(10)
            assert not thread.is_alive()

    def connect(self) -> http.client.HTTPConnection:
        if self.at is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        made = http.client.HTTPConnection("localhost", timeout=20)
        made.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.sock.settimeout(20)
        made.sock.connect(str(self.at))
        return made

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}" if self.port else "localhost"

    def ask(self, path: str, method: str = "GET", form: dict | None = None, **headers: str | None) -> Answer:
        """As the user's browser asks; what is None is left out."""
        given = {"Host": self.host, "Cookie": self.cookie or None, "Sec-Fetch-Site": "same-origin"}
        if form is not None:
            method, given["Origin"] = "POST", f"http://{self.host}"
            given["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(form).encode() if form is not None else b""
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = self.connect()
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def enter(self) -> Answer:
        answer = self.ask(self.door.link, Sec_Fetch_Site="cross-site")
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def token(self, path: str = "/") -> str:
        """The CSRF token as a page carries it."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.ask(path).text)
        assert found is not None
        return found[1]


class Answer:
    """A response that was read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.pairs = [(name.lower(), value) for name, value in response.getheaders()]
        self.headers = dict(self.pairs)
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    with Hall().serve() as made:
        made.first = made.enter()
        yield made


@pytest.fixture
def own() -> Iterator[Hall]:
    """One of the test's own, to be locked or ended."""
    with Hall().serve() as made:
        made.enter()
        yield made


def test_the_link_gives_a_page_and_a_cookie_that_no_script_and_no_other_site_gets(hall: Hall) -> None:
    assert 'http-equiv="refresh" content="0; url=/"' in hall.first.text
    name, _, rest = hall.first.headers["set-cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert name == f"gallery-{hall.port}"
    assert len(value) == 43
    assert {flag.lower() for flag in flags} == {"httponly", "path=/", "samesite=strict"}  # no Expires: for the session
    assert hall.ask("/").status == 200


def test_the_link_works_once(hall: Hall) -> None:
    again = hall.ask("/in/" + hall.first.headers["set-cookie"].partition("=")[2][:43])
    assert again.status == 401
    fresh = Hall()
    link = fresh.door.link
    with fresh.serve():
        assert fresh.ask(link, "HEAD", Cookie=None).status == 401  # who only looks ahead does not use it up
        assert fresh.ask(link[:-1] + "!").status == 401
        assert fresh.ask(link, Sec_Fetch_Site="none").status == 200
        replayed = fresh.ask(link)
        assert replayed.status == 401
        assert "photovault gallery" in replayed.text
        assert "set-cookie" not in replayed.headers


def test_the_link_is_dead_after_five_minutes() -> None:
    with Hall().serve() as hall:
        link = hall.door.link
        hall.ahead = 301
        assert hall.ask(link).status == 401
        assert hall.door.is_forlorn


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_foreign_host_is_403(hall: Hall, host: str) -> None:
    for path in ("/", "/static/style.css", "/in/x"):
        assert hall.ask(path, Host=host).status == 403


def test_localhost_is_ours_but_the_cookie_is_asked_for(hall: Hall) -> None:
    assert hall.ask("/", Host=f"localhost:{hall.port}").status == 200
    assert hall.ask("/", Host=f"localhost:{hall.port}", Cookie=None).status == 401


def test_a_foreign_origin_is_403_and_changes_nothing(hall: Hall) -> None:
    form = {"csrf": hall.token(), "number": "1", "at": ""}
    for origin in ("https://evil.example", "http://127.0.0.1:1"):
        assert hall.ask("/basket/add", form=form, Origin=origin).status == 403
    assert hall.ask("/basket/add", form=form, Origin="null", Sec_Fetch_Site="none").status == 403
    assert hall.ask("/basket/add", form=form, Origin="null", Sec_Fetch_Site=None).status == 403
    assert hall.asks.restores.count() == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_is_403(hall: Hall, site: str) -> None:
    assert hall.ask("/", Sec_Fetch_Site=site).status == 403
    assert hall.ask("/thumb/1", Sec_Fetch_Site=site).status == 403


@pytest.mark.parametrize(
    "path", ["/", "/static/style.css", "/static/nothing", "/thumb/1", "/photo/1", "/nothing", "/unlock", "/awake"]
)
def test_without_the_cookie_401(hall: Hall, path: str) -> None:
    for cookie in (None, f"gallery-{hall.port}=x", "session=1"):
        answer = hall.ask(path, Cookie=cookie)
        assert answer.status == 401
        assert answer.body == hall.ask("/x", Cookie=None).body
    assert hall.ask(path, form={}, Cookie=None).status == 401


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_the_token_401_and_nothing_changes(hall: Hall, token: str) -> None:
    for path in ("/basket/add", "/lock"):
        assert hall.ask(path, form={"csrf": token, "number": "1", "at": ""}).status == 401
        assert hall.ask(path, form={"number": "1"}, X_CSRF_Token=token).status == 401
    assert hall.asks.restores.count() == 0
    assert hall.ask("/").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../security.py",
        "/static/../../errors.py",
        "/static/%2e%2e/security.py",
        "/static/%2e%2e%2fsecurity.py",
        "/static/..%5csecurity.py",
        "/static//style.css",
        "//static/style.css",
        "/static/style.css%00.png",
        "/static/\\style.css",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/",
        "/static/base.html",
        "/etc/passwd",
        "/photo/../photo/1",
        "http://evil.example/photo/1",
    ],
)
def test_path_tricks_are_404(hall: Hall, path: str) -> None:
    answer = hall.ask(path)
    assert answer.status == 404
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


def test_files_of_pages_are_given_out_by_fixed_names_and_types(hall: Hall) -> None:
    assert hall.ask("/static/style.css").headers["content-type"] == "text/css; charset=utf-8"
    assert hall.ask("/static/htmx.min.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert hall.ask("/static/icon.svg").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (200, {"path": "/"}),
        (200, {"path": "/", "method": "HEAD"}),
        (200, {"path": "/static/style.css"}),
        (200, {"path": "/thumb/1"}),
        (204, {"path": "/awake"}),
        (303, {"path": "/unlock"}),
        (401, {"path": "/", "Cookie": None}),
        (401, {"path": "/in/x"}),
        (401, {"path": "/lock", "form": {}}),
        (403, {"path": "/", "Host": "evil.example"}),
        (403, {"path": "/", "Sec_Fetch_Site": "cross-site"}),
        (404, {"path": "/nothing"}),
        (404, {"path": "//"}),
        (404, {"path": "/photo/999999999"}),
        (405, {"path": "/lock"}),
        (405, {"path": "/", "form": {}}),
        (405, {"path": "/", "method": "OPTIONS"}),
        (405, {"path": "/", "method": "TRACE"}),
        (413, {"path": "/lock", "form": {"csrf": "x" * 1_100_000}}),
        (414, {"path": "/search?text=" + "x" * 5000}),
    ],
)
def test_every_answer_has_every_header_once(hall: Hall, status: int, ask: dict) -> None:
    answer = hall.ask(**ask)
    assert answer.status == status
    for name, value in HEADERS.items():
        assert [given for key, given in answer.pairs if key == name.decode()] == [value.decode()]
    assert "no-store" in answer.headers["cache-control"]
    assert not answer.headers.keys() & {"server", "date", "x-powered-by"}
    assert "uvicorn" not in str(answer.pairs)


def test_pages_of_errors_say_what_to_do(hall: Hall) -> None:
    page = hall.ask("/nothing").text
    assert "There is no such page" in page
    assert "Go back to the timeline" in page
    assert "<!doctype" not in hall.ask("/photo/999999999/versions", HX_Request="true").text


def test_a_defect_shows_no_traceback(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args, **_more):
        raise KeyError("IMG_1234 of Anna")

    monkeypatch.setattr(hall.asks.photos, "spine", fails)
    answer = hall.ask("/")
    assert answer.status == 500
    assert "defect of photovault" in answer.text
    assert "IMG_1234" not in answer.text
    assert "Traceback" not in answer.text
    assert HEADERS[b"content-security-policy"].decode() == answer.headers["content-security-policy"]
    assert [type(one) for one in hall.defects] == [KeyError]
    hall.defects.clear()


def test_requests_are_noted_without_numbers_paths_and_questions(hall: Hall) -> None:
    hall.noted.clear()
    hall.ask("/photo/7?at=")
    hall.ask("/search?text=anna")
    hall.ask("/secret/anna")
    until = time.monotonic() + 10  # a line is written after its answer was sent; one of the test before may come first
    while not hall.noted or hall.noted[-1] != "GET (none) 404":
        assert time.monotonic() < until, hall.noted
        time.sleep(0.01)
    assert "GET /photo/{number} 200" in hall.noted
    assert not re.search(r"anna|7|at=", "".join(hall.noted))


def test_nothing_is_written_by_the_server_itself(hall: Hall, capfd: pytest.CaptureFixture[str]) -> None:
    hall.ask("/photo/7")
    with socket.create_connection(("127.0.0.1", hall.port)) as odd:
        odd.sendall(b"no HTTP at all\r\n\r\n")
        assert odd.recv(1000) == b""
    with socket.create_connection(("127.0.0.1", hall.port)) as odd:
        odd.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert b" 403 " in odd.recv(1000)
    out, err = capfd.readouterr()
    assert out + err == ""


def test_slow_clients_block_nobody(hall: Hall) -> None:
    slow = [socket.create_connection(("127.0.0.1", hall.port)) for _ in range(20)]
    try:
        for one in slow:
            one.sendall(b"GET / HTTP/1.1\r\nHo")
        began = time.monotonic()
        assert hall.ask("/").status == 200
        assert time.monotonic() - began < 5
    finally:
        for one in slow:
            one.close()


def test_whoever_says_nothing_is_sent_away(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_FIRST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", hall.port), timeout=10) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: ")
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""


def test_too_many_lines_push_out_the_one_that_waits_longest(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_LINES_MAX", 5)
    # Five seconds: sooner than every silent line ends.
    lines = [socket.create_connection(("127.0.0.1", hall.port), timeout=5) for _ in range(8)]
    try:
        assert hall.ask("/").status == 200
        with suppress(ConnectionResetError):
            assert lines[0].recv(1) == b""
    finally:
        for one in lines:
            one.close()


def test_a_head_that_is_too_large_is_no_request(hall: Hall) -> None:
    with socket.create_connection(("127.0.0.1", hall.port), timeout=10) as large:
        large.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000)
        with suppress(ConnectionResetError):
            assert large.recv(100) == b""


def test_it_listens_on_loopback_and_nowhere_else(hall: Hall) -> None:
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [one for one in listening if one.endswith(f":{hall.port:04X}")] == [f"0100007F:{hall.port:04X}"]
    with open("/proc/net/tcp6") as table:
        assert not [line for line in table if line.split()[1].endswith(f":{hall.port:04X}")]


_STRANGER = """
import http.client, socket, sys
line = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
for path in ("/", "/static/style.css", "/in/x", sys.argv[3]):
    if sys.argv[4:]:  # a socket of IPv6 is listed elsewhere by the system
        line.sock = socket.socket(socket.AF_INET6)
        line.sock.settimeout(20)
        line.sock.connect(("::ffff:127.0.0.1", int(sys.argv[1])))
    line.request("GET", path, headers={"Cookie": sys.argv[2], "Host": f"127.0.0.1:{sys.argv[1]}"})
    answer = line.getresponse()
    print(answer.status, answer.read())
    line.close()
"""


def as_nobody(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python as another user of this computer."""
    become = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode:
        missing("nobody here may become another user")
    command = [*sudo, "/usr/bin/env", "python3", "-c", become + code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)


@pytest.mark.parametrize("more", [(), ("IPv6",)])
def test_another_user_gets_nothing_even_with_the_cookie_and_the_link(more: tuple[str, ...]) -> None:
    fresh = Hall()
    link = fresh.door.link
    with fresh.serve():
        assert as_nobody(_STRANGER, fresh.port, "gallery=x", link, *more).stdout == "401 b''\n" * 4
        fresh.enter()  # the link was not used up
        assert as_nobody(_STRANGER, fresh.port, fresh.cookie, "/photo/1", *more).stdout == "401 b''\n" * 4
        assert fresh.ask("/").status == 200


def test_a_process_of_another_user_is_foreign(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)  # now this very process is
    assert (hall.ask("/").status, hall.ask("/").body) == (401, b"")
    monkeypatch.setenv("SUDO_UID", str(os.getuid()))  # who became root to serve looks at it as himself
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(serving, "user_of", lambda _peer, _own: os.getuid())
    assert hall.ask("/").status == 200
    monkeypatch.setattr(os, "geteuid", lambda: 4242)  # sudo led to somebody else than root
    assert hall.ask("/").status == 401
    monkeypatch.setattr(serving, "user_of", lambda _peer, _own: None)  # not Linux
    assert hall.ask("/").status == 200
    monkeypatch.setattr(serving, "user_of", lambda _peer, _own: serving.NOBODY)  # gone, or hidden
    assert hall.ask("/").status == 401


def test_whose_process_it_is_is_read_from_the_system(hall: Hall) -> None:
    with socket.create_connection(("127.0.0.1", hall.port)) as line:
        assert serving.user_of(line.getsockname(), line.getpeername()) == os.geteuid()
        assert serving.user_of(("127.0.0.1", 1), line.getpeername()) == serving.NOBODY
    with socket.socket(socket.AF_INET6) as line:
        line.connect(("::ffff:127.0.0.1", hall.port))
        mapped = ("127.0.0.1", line.getsockname()[1])
        assert serving.user_of(mapped, ("127.0.0.1", hall.port)) == os.geteuid()


def test_whose_process_it_is_is_not_known_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_TABLES", (("/nowhere/tcp", ""), ("/nowhere/tcp6", "")))
    assert serving.user_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


# Locking -------------------------------------------------------------------------------------------------------------


def test_digits_without_end_are_no_number(own: Hall) -> None:
    answer = own.ask("/basket/add", form={"csrf": own.token(), "number": "9" * 5000})
    assert answer.status == 400
    assert not own.defects


def test_what_fails_since_it_was_locked_meanwhile_is_the_locked_page(own: Hall) -> None:
    def locked_meanwhile(*_args, **_more):
        own.door.lock()
        raise PhotovaultError("the desk is closed")

    own.asks.photos.spine = locked_meanwhile
    page = own.ask("/")
    assert page.status == 423
    assert 'type="password"' in page.text


def test_it_locks_by_itself_and_pages_are_423(own: Hall) -> None:
    own.ahead = LOCK_AFTER + 1
    own.door.tick()
    assert own.asks.closed
    for path in ("/", "/photo/1", "/nothing", "/unlock", "/basket"):
        page = own.ask(path)
        assert page.status == 423
        assert "The gallery is locked" in page.text
        assert 'type="password"' in page.text
        assert HEADERS[b"content-security-policy"].decode() == page.headers["content-security-policy"]
    assert own.ask("/thumb/1").status == 423
    assert own.ask("/static/style.css").status == 200
    assert own.ask("/awake?poll=1", HX_Request="true").headers["hx-refresh"] == "true"


def test_what_a_page_repeats_does_not_keep_it_open(own: Hall) -> None:
    own.ahead = LOCK_AFTER - 5
    assert own.ask("/awake?poll=1").status == 204
    own.ahead = LOCK_AFTER + 1
    assert own.ask("/awake?poll=1").status in {204, 423}  # it is the keeper's second
    own.door.tick()
    assert own.ask("/awake?poll=1").status == 423


def test_looking_at_photos_keeps_it_open(own: Hall) -> None:
    own.ahead = LOCK_AFTER - 5
    assert own.ask("/").status == 200
    own.ahead = LOCK_AFTER + 5
    own.door.tick()
    assert own.ask("/").status == 200


def test_the_password_opens_it_again_where_one_was(own: Hall) -> None:
    token = own.token()
    locked = own.ask("/lock", form={"csrf": token})
    assert (locked.status, locked.headers["location"]) == (303, "/unlock")
    assert own.asks.closed
    page = own.ask("/search?text=a&at=")
    assert 'name="to" value="/search?text=a&amp;at="' in page.text
    assert own.ask("/unlock", form={"csrf": token, "password": PASSWORD}).status == 401  # a token of before
    token = own.token("/")
    wrong = own.ask("/unlock", form={"csrf": token, "password": "no", "to": "/photo/1"})
    assert wrong.status == 401
    assert "That password does not open the vault" in wrong.text
    assert 'value="no"' not in wrong.text
    assert 'name="to" value="/photo/1"' in wrong.text
    right = own.ask("/unlock", form={"csrf": token, "password": PASSWORD, "to": "/photo/1"})
    assert (right.status, right.headers["location"]) == (303, "/photo/1")
    assert own.ask("/").status == 200


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil", "", "javascript:x", "/\r\nX: 1", "/unlock"]
)
def test_unlocking_leads_to_no_other_site(own: Hall, to: str) -> None:
    own.door.lock()
    right = own.ask("/unlock", form={"csrf": own.token(), "password": PASSWORD, "to": to})
    assert (right.status, right.headers["location"]) == (303, "/")


def test_who_guesses_must_wait(own: Hall) -> None:
    own.door.lock()
    token = own.token()
    for _ in range(5):
        assert own.ask("/unlock", form={"csrf": token, "password": "no"}).status == 401
    refused = own.ask("/unlock", form={"csrf": token, "password": PASSWORD})
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert "Try again in" in refused.text


def test_a_vault_without_a_password_says_to_start_again(own: Hall) -> None:
    own.vault.protected = False
    own.door.lock()
    page = own.ask("/").text
    assert 'type="password"' not in page
    assert "photovault gallery" in page


def test_while_a_restore_still_runs_the_locked_page_says_so(own: Hall) -> None:
    job = Job(id="long", kind="restore", title="Restore", state="running")
    own.asks.jobs.put(job)
    own.ahead = LOCK_AFTER + 1
    own.door.tick()
    assert not own.asks.closed
    page = own.ask("/")
    assert page.status == 423
    assert "What was under way is finished first" in page.text
    assert own.ask("/jobs/long").status == 423
    own.asks.jobs.put(replace(job, state="done"))
    own.door.tick()
    assert own.asks.closed
    assert "finished first" not in own.ask("/").text


def test_a_change_while_locked_changes_nothing(own: Hall) -> None:
    token = own.token()
    own.door.lock()
    assert own.ask("/basket/add", form={"csrf": token, "number": "1", "at": ""}).status == 423


# The socket file, and the end ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "s"
    made.mkdir(mode=0o700)
    return made


def test_a_unix_socket_is_its_owners_alone_and_is_removed(folder: Path) -> None:
    before = _listening()
    hall = Hall(folder / "g")
    with hall.serve():
        assert stat.S_IMODE((folder / "g").lstat().st_mode) & 0o077 == 0
        hall.enter()
        assert hall.ask("/", Host="localhost:8000").status == 200
        assert hall.ask("/", Host="evil.example").status == 403
        assert _listening() == before
    assert not (folder / "g").exists()


def _listening() -> set[str]:
    """Inodes of the TCP sockets on which this process listens."""
    own = set()
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            own.add(os.readlink(f"/proc/self/fd/{fd}"))
    with open("/proc/net/tcp") as table:
        found = {line.split()[9] for line in table if line.split()[3] == "0A"}
    return {inode for inode in found if f"socket:[{inode}]" in own}


def test_another_user_cannot_reach_the_socket() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        path = Path(name, "g")
        with Hall(path).serve():
            done = as_nobody("import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path)
    assert "PermissionError" in done.stderr


def test_what_is_there_is_not_replaced(folder: Path) -> None:
    (folder / "file").write_text("mine")
    with pytest.raises(UsageError, match="no socket"), serving.listen_at(folder / "file"):
        pass
    assert (folder / "file").read_text() == "mine"
    (folder / "link").symlink_to(folder / "file")
    with pytest.raises(UsageError, match="no socket"), serving.listen_at(folder / "link"):
        pass
    with (
        Hall(folder / "g").serve(),
        pytest.raises(UsageError, match="a server is listening"),
        serving.listen_at(folder / "g"),
    ):
        pass


def test_what_a_killed_gallery_left_is_replaced(folder: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(folder / "g"))
    left.close()
    with Hall(folder / "g").serve() as hall:
        hall.enter()


def test_no_socket_where_others_can_write(folder: Path) -> None:
    os.chmod(folder, 0o777)
    with pytest.raises(UsageError, match="others can write"), serving.listen_at(folder / "g"):
        pass
    os.chmod(folder, 0o770)
    with pytest.raises(UsageError, match="others can write"), serving.listen_at(folder / "g"):
        pass
    with pytest.raises(UsageError, match="longer"), serving.listen_at(folder_of(folder) / ("g" * 120)):
        pass
    with pytest.raises(UsageError, match="cannot use"), serving.listen_at(folder / "no" / "g"):
        pass


def test_no_socket_in_a_folder_of_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(UsageError, match="others can write"), serving.listen_at(folder / "g"):
        pass


def test_at_the_end_what_another_put_at_its_place_stays(folder: Path) -> None:
    with serving.listen_at(folder / "g"):
        (folder / "g").rename(folder / "moved")
        (folder / "g").write_text("another's")
    assert (folder / "g").read_text() == "another's"


def folder_of(folder: Path) -> Path:
    os.chmod(folder, 0o700)
    return folder


def test_it_ends_soon_also_with_lines_open_and_work_under_way() -> None:
    hall = Hall()
    inside, go = threading.Event(), threading.Event()

    def long(*_args, **_more):
        inside.set()
        go.wait(30)
        raise PhotovaultError("ended")

    hall.asks.photos.spine = long
    lines = []
    ended = []
    with hall.serve():
        hall.enter()
        lines += [socket.create_connection(("127.0.0.1", hall.port)) for _ in range(3)]
        asking = threading.Thread(target=lambda: ended.append(_quietly(hall)))
        asking.start()
        assert inside.wait(10)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert hall.asks.closed
    go.set()
    asking.join(10)
    for one in lines:
        one.close()


def _quietly(hall: Hall) -> object:
    try:
        return hall.ask("/")
    except (OSError, http.client.HTTPException) as error:
        return error


def test_what_fails_each_second_does_not_keep_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_TICK", 0.01)
    listener, _ = serving.listen()
    told: list[BaseException] = []
    ticks = count()

    def tick() -> bool:
        if next(ticks) == 0:
            raise KeyError
        return True

    made = serving.Server(Guard(None, Place(port=1), None), listener, tick=tick, close=lambda: None, defect=told.append)
    assert made.run()
    assert [type(one) for one in told] == [KeyError]


def test_the_clock_goes_on_while_the_computer_sleeps() -> None:
    assert abs(serving.clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
