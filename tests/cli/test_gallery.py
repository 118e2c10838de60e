"""``photovault gallery``: how it is started, what it says, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from photovault.app import App, Settings, Surroundings
from photovault.app.viewing.serving import Reopening, WayIn, can_show
from photovault.cli import gallery as command
from photovault.errors import WrongKeyError
from tests.support.photos import jpeg, library, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSWORD = "of the sea and of the hills"


@pytest.fixture
def home(vault: Path, photovault: Callable, tmp_path: Path) -> Path:
    """A vault with some photos, and a password."""
    library(tmp_path / "pictures", Random(1))
    assert photovault("backup", tmp_path / "pictures").code == 0
    password = put(tmp_path / "pw", PASSWORD.encode())
    assert photovault("key", "add", "password", "--new-password-file", password).code == 0
    return tmp_path


class Running:
    """``photovault gallery`` in a process of its own."""

    def __init__(self, *words: object, **environ: str) -> None:
        given = {
            name: value for name, value in os.environ.items() if name not in {"DISPLAY", "SSH_CONNECTION", "SSH_TTY"}
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "photovault", "gallery", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=given | environ,
        )
        self.said = self.process.stdout.readline().strip()
        self.cookie = ""
        self.err = ""

    @property
    def link(self) -> str:
        """The first address that it said."""
        found = re.search(r"http://\S+/in/[A-Za-z0-9_-]{43}", self.said)
        assert found is not None, self.said + self.process.stderr.read()
        return found[0]

    def ask(self, path: str, form: dict | None = None) -> tuple[int, dict, str]:
        """As a browser asks."""
        host = urlsplit(self.link).netloc
        line = http.client.HTTPConnection(host, timeout=20)
        headers = {"Cookie": self.cookie, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        body = urlencode(form) if form is not None else None
        line.request("GET" if form is None else "POST", path, body, headers)
        answer = line.getresponse()
        try:
            return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")
        finally:
            line.close()

    def enter(self) -> None:
        status, headers, _ = self.ask(urlsplit(self.link).path)
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end; its exit code."""
        began = time.monotonic()
        self.process.send_signal(number)
        _, self.err = self.process.communicate(timeout=20)
        assert time.monotonic() - began < 8  # three, on a computer that is not busy
        return self.process.returncode


@contextmanager
def running(*words: object, **environ: str) -> Iterator[Running]:
    made = Running(*words, **environ)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.communicate()


def test_a_storage_that_shows_an_older_state_is_told_of_on_the_terminal_and_on_every_page(
    home: Path, vault: Path, photovault: Callable
) -> None:
    shutil.copytree(vault, home / "older")
    put(home / "pictures" / "new.jpg", jpeg(77))
    assert photovault("backup", home / "pictures").code == 0
    shutil.rmtree(vault)
    (home / "older").rename(vault)
    with running("--no-open") as gallery:
        gallery.enter()
        for path in ("/machine", "/", "/search"):  # the first one has the storage looked at
            page = gallery.ask(path)[2]
        assert "shows an older state" in page
        assert 'href="/health"' in page
        assert gallery.end() == 0
    assert "ALARM: " in gallery.err


def test_it_prints_the_link_alone_serves_the_photos_and_ends_by_a_signal(home: Path) -> None:
    with running("--no-open", "-v") as gallery:
        assert gallery.said == gallery.link
        token = gallery.link.rpartition("/")[2]
        assert gallery.ask("/")[0] == 401
        gallery.enter()
        assert gallery.ask(f"/in/{token}")[0] == 401
        status, headers, page = gallery.ask("/")
        assert status == 200
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "photovault" in page
        gallery.ask("/search?text=secretword")
        seen = _words_of_all_processes()
        assert "gallery" in seen
        assert token not in seen
        assert gallery.end() == 0
    assert "GET / 200" in gallery.err
    assert "secretword" not in gallery.err
    assert token not in gallery.err
    state = Path(os.environ["PHOTOVAULT_STATE_DIR"])
    assert not [one for one in state.rglob("*") if one.is_file() and token.encode() in one.read_bytes()]


def _words_of_all_processes() -> str:
    seen = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen.append(one.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(seen)


def test_ctrl_c_ends_it_quietly_and_without_v_nothing_is_logged(home: Path) -> None:
    with running("--json") as gallery:
        assert json.loads(gallery.said) == {"schema": 1, "url": gallery.link}
        gallery.enter()
        gallery.ask("/")
        assert gallery.end(signal.SIGINT) == 0
    assert gallery.err == ""


def test_locked_and_unlocked_with_the_password_of_the_vault(home: Path) -> None:
    with running("--no-open") as gallery:
        gallery.enter()
        assert gallery.ask("/lock", {"csrf": _token(gallery)})[0] == 303
        status, _, page = gallery.ask("/")
        assert (status, 'type="password"' in page) == (423, True)
        token = _token(gallery)
        status, _, page = gallery.ask("/unlock", {"csrf": token, "password": "no"})
        assert status == 401
        assert "That password does not open the vault" in page
        assert gallery.ask("/unlock", {"csrf": token, "password": PASSWORD})[0] == 303
        assert gallery.ask("/")[0] == 200
        assert gallery.end() == 0
    assert PASSWORD not in gallery.err
    for one in (home / "device").rglob("*"):
        assert not one.is_file() or PASSWORD.encode() not in one.read_bytes()


def _token(gallery: Running) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', gallery.ask("/")[2])
    assert found is not None
    return found[1]


def test_the_browser_is_given_a_file_and_never_the_link(home: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = put(tmp_path / "browser", f'#!/bin/sh\nprintf "%s" "$*" > {seen}.new; mv {seen}.new {seen}\n'.encode())
    os.chmod(browser, 0o755)
    with running(DISPLAY=":0", BROWSER=f"{browser} %s") as gallery:
        assert "opens in your browser" in gallery.said
        gallery.said = gallery.process.stdout.readline()
        _until(seen.exists)
        told = seen.read_text()
        file = Path(urlsplit(told).path)
        assert told == file.as_uri()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert f'content="0; url={gallery.link}"' in file.read_text()
        gallery.enter()
        _until(lambda: not file.exists())
        assert gallery.end() == 0


def test_the_file_goes_with_a_gallery_that_nobody_opened(home: Path, tmp_path: Path) -> None:
    with running(DISPLAY=":0", BROWSER="true") as gallery:
        folder = Path(os.environ["PHOTOVAULT_STATE_DIR"], "gallery")
        _until(lambda: list(folder.glob("open-*.html")))
        assert gallery.end() == 0
        assert list(folder.iterdir()) == []


def _until(true: Callable[[], object]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def test_a_unix_socket_is_served_and_removed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir(mode=0o700)
    with running("--socket", folder / "g") as gallery:
        assert gallery.link.startswith("http://localhost/in/")
        assert stat.S_IMODE((folder / "g").stat().st_mode) == 0o600
        assert gallery.end() == 0
    assert list(folder.iterdir()) == []


def test_it_ends_by_itself_when_nobody_came(home: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.gallery.door.LINK_SECONDS", 0.3)
    monkeypatch.setattr("photovault.gallery.server._TICK", 0.05)
    done = photovault("gallery", "--no-open")
    assert done.code == 0
    assert done.out.startswith("http://127.0.0.1:")
    assert "Nobody used the link" in done.err


def test_what_keeps_it_from_starting_is_told_before_anybody_listens(
    vault: Path, tmp_path: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("photovault.gallery.server.listen", None)
    put(tmp_path / "wrong", b"wrong")
    for words, code in (
        (["--vault", "nowhere"], 10),
        (["--password-file", "wrong"], 12),
        (["--socket", ""], 2),
        (["--socket", tmp_path / "wrong"], 2),
    ):
        done = photovault("gallery", "--no-open", *words)
        assert (done.code, done.out) == (code, "")
        assert "error: " in done.err


def test_unlocking_asks_for_the_password_although_this_device_has_a_key(home: Path) -> None:
    app = App(Settings(), Surroundings())
    given = []

    def open_asks(made: App) -> str:
        with made.session(refresh=False) as session:
            given.append((made.given_password(), session.slot.kind))
        return "asks"

    opener = Reopening(app, open_asks)
    assert opener.has_password()
    with pytest.raises(WrongKeyError):
        opener.open("wrong")
    assert given == []
    assert opener.open(PASSWORD) == "asks"
    assert given == [(None, "device")]  # so no password stays in memory
    for key in (home / "device").rglob("device.key"):
        key.unlink()
    assert opener.open(PASSWORD) == "asks"
    assert given[1:] == [(PASSWORD, "password")]
    assert "_given" not in app.__dict__


def test_a_vault_without_a_password_cannot_be_unlocked_by_one(vault: Path) -> None:
    assert not Reopening(App(Settings(), Surroundings()), lambda _: None).has_password()


@pytest.mark.parametrize("text", ["30s", "2d", "never", ""])
def test_a_lock_is_set_to_something_between_a_minute_and_a_day(vault: Path, photovault: Callable, text: str) -> None:
    with open(os.environ["PHOTOVAULT_CONFIG"], "a") as file:
        file.write(f'\n[gallery]\nlock_after = "{text}"\n')
    done = photovault("gallery", "--no-open")
    assert (done.code, done.out) == (2, "")
    assert "lock_after" in done.err


def test_without_the_extra_it_says_how_to_get_it(photovault: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.app.viewing.serving.find_spec", lambda _name: None)
    done = photovault("gallery")
    assert done.code == 2
    assert "pip install 'photovault[gallery]'" in done.err


@pytest.mark.parametrize(
    ("environ", "platform", "shows"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, "linux", False),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/0"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/ttys0"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_opened_only_where_it_would_be_seen(environ: dict, platform: str, shows: bool) -> None:
    assert can_show(environ, platform) is shows


def test_the_configuration_may_say_not_to_open(
    home: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr("photovault.cli.gallery.webbrowser.open", opened.append)
    monkeypatch.setattr("photovault.gallery.door.LINK_SECONDS", 0.3)
    monkeypatch.setattr("photovault.gallery.server._TICK", 0.05)
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    assert photovault("gallery").code == 0
    assert len(opened) == 1
    with open(os.environ["PHOTOVAULT_CONFIG"], "a") as file:
        file.write("\n[gallery]\nopen = false\n")
    assert photovault("gallery").out.startswith("http://127.0.0.1:")
    assert len(opened) == 1


def test_the_second_signal_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers, stopped, left = {}, [], []
    monkeypatch.setattr(command.signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(command.os, "_exit", left.append)
    command._end_by_signals(SimpleNamespace(stop=lambda: stopped.append(1)))
    handlers[signal.SIGINT](signal.SIGINT, None)
    assert (stopped, left) == ([1], [])
    handlers[signal.SIGTERM](signal.SIGTERM, None)
    assert (stopped, left) == ([1], [130])


def test_files_of_galleries_that_were_killed_are_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "open-1.html").write_text("old")
    os.utime(tmp_path / "open-1.html", (1, 1))
    (tmp_path / "open-2.html").write_text("of one that runs")
    made = WayIn(tmp_path)
    made.write("http://127.0.0.1:1/in/x")
    assert not (tmp_path / "open-1.html").exists()
    assert (tmp_path / "open-2.html").exists()
    made.remove()
    made.remove()
    assert [one.name for one in tmp_path.iterdir()] == ["open-2.html"]
