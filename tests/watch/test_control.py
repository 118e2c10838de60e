"""Speaking with the daemon, and keeping a second one away."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from photovault.errors import BusyError, PhotovaultError, RefusedError, UnavailableError
from photovault.watch import control
from photovault.watch.control import ANSWER_MAX, REQUEST_MAX, SOCKET, Server, ask, is_running, obey, only_one


class Obedient:
    """A daemon that remembers what it was told."""

    def __init__(self):
        self.told, self.answer = [], {"paused": None}

    def status(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def pause(self, seconds):
        self.told.append(("pause", seconds))

    def resume(self):
        self.told.append("resume")

    def backup_now(self):
        self.told.append("backup now")

    def stop(self):
        self.told.append("stop")


@pytest.fixture
def daemon():
    return Obedient()


@pytest.fixture
def folder(tmp_path, daemon):
    with Server(tmp_path, daemon):
        yield tmp_path


def raw(folder, data, *, end=True):
    """What comes back for these bytes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer, control._reachable(folder / SOCKET) as name:
        peer.settimeout(10)
        peer.connect(name)
        got = b""
        with suppress(ConnectionError):  # the server would not even read it
            peer.sendall(data)
            if end:
                peer.shutdown(socket.SHUT_WR)
            while more := peer.recv(65_536):
                got += more
        return got


def test_each_command_does_its_thing(folder, daemon):
    assert ask(folder, "pause", seconds=7200) == {"ok": True}
    for do in ("resume", "backup-now", "stop"):
        assert ask(folder, do) == {"ok": True}
    assert daemon.told == [("pause", 7200.0), "resume", "backup now", "stop"]


def test_the_status_is_what_the_daemon_says(folder, daemon):
    daemon.answer = {"destinations": [{"name": "nas", "error": "caf\u00e9 \udcff"}] * 1000}
    answer = ask(folder, "status")
    assert answer["status"] == daemon.answer
    assert answer["pid"] == os.getpid()


def test_no_daemon_no_answer(tmp_path):
    assert ask(tmp_path, "status") is None
    assert ask(tmp_path / "nowhere", "status") is None


def test_a_daemon_that_was_killed_gives_no_answer_and_the_next_one_takes_its_place(tmp_path, daemon):
    code = (
        "import os, pathlib, signal, sys; from photovault.watch.control import Server\n"
        "server = Server(pathlib.Path(sys.argv[1]), None); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert stat.S_ISSOCK((tmp_path / SOCKET).stat().st_mode)
    assert ask(tmp_path, "status") is None
    with Server(tmp_path, daemon):
        assert ask(tmp_path, "status")["ok"]


def test_a_closed_server_takes_its_socket_with_it(tmp_path, daemon):
    Server(tmp_path, daemon).close()
    assert os.listdir(tmp_path) == []


def test_only_the_owner_may_open_the_socket(folder):
    mode = (folder / SOCKET).stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)


def test_another_user_gets_no_answer(folder, daemon, monkeypatch):
    monkeypatch.setattr(control, "_uid", lambda _: os.geteuid() + 1)
    assert raw(folder, b'{"do": "stop"}\n') == b""
    assert daemon.told == []


def test_a_client_does_not_believe_the_socket_of_another_user(folder, monkeypatch):
    monkeypatch.setattr(control, "_uid", lambda _: None)
    with pytest.raises(UnavailableError, match="somebody else"):
        ask(folder, "status")


def test_the_system_says_who_the_other_is(folder):
    with socket.socket(socket.AF_UNIX) as peer, control._reachable(folder / SOCKET) as name:
        peer.connect(name)
        assert control._uid(peer) == os.geteuid()


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"do": "format"},
        {"do": ["stop"]},
        {"do": "pause"},
        {"do": "pause", "seconds": 0},
        {"do": "pause", "seconds": -1},
        {"do": "pause", "seconds": 1e300},
        {"do": "pause", "seconds": float("nan")},
        {"do": "pause", "seconds": "7"},
    ],
)
def test_what_is_no_command_is_refused(daemon, request_):
    with pytest.raises(PhotovaultError, match="not something"):
        obey(daemon, request_)
    assert daemon.told == []


def test_a_refusal_reaches_the_client(folder):
    with pytest.raises(PhotovaultError, match="the daemon refused: not something that the daemon can do"):
        ask(folder, "dance")


@pytest.mark.parametrize(
    "data", [b"\n", b"\xff\xfe\n", b"{" * 4000 + b"\n", b"[]\n", b"7\n", b"x" * (REQUEST_MAX + 2), b'{"do": "stop"}']
)
def test_nonsense_is_answered_or_dropped_and_does_no_harm(folder, daemon, data):
    got = raw(folder, data)
    assert got == b"" or json.loads(got)["ok"] is False
    assert ask(folder, "status")["ok"]
    assert daemon.told == []


def test_somebody_who_says_nothing_does_not_keep_others_waiting_for_ever(folder, monkeypatch):
    monkeypatch.setattr(control, "SECONDS", 0.3)
    before = time.monotonic()
    silent = threading.Thread(target=lambda: raw(folder, b"{", end=False))
    silent.start()
    time.sleep(0.05)
    monkeypatch.setattr(control, "SECONDS", 5)
    assert ask(folder, "status")["ok"]
    assert time.monotonic() - before < 3
    silent.join()


def test_a_defect_of_the_daemon_is_said_and_the_server_goes_on(folder, daemon):
    daemon.answer = KeyError("nas")
    with pytest.raises(PhotovaultError, match="unexpected KeyError"):
        ask(folder, "status")
    daemon.answer = {}
    assert ask(folder, "status")["ok"]


@pytest.mark.parametrize(
    "answer", [b"", b"no\n", b"[]\n", b'{"ok": 1}\n', b"[" * 100_000 + b"\n", b" " * (ANSWER_MAX + 1)]
)
def test_a_daemon_that_answers_nonsense_is_an_error(tmp_path, answer):
    with socket.socket(socket.AF_UNIX) as listener, control._reachable(tmp_path / SOCKET) as name:
        listener.bind(name)
        listener.listen()

        def serve():
            peer, _ = listener.accept()
            with peer, suppress(OSError):  # the client may have had enough
                peer.recv(100)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(PhotovaultError, match="the daemon"):
            ask(tmp_path, "status")
        thread.join()


def test_a_state_folder_with_a_very_long_name_will_do(tmp_path, daemon):
    folder = tmp_path / ("x" * 120) / ("y" * 120)
    folder.mkdir(parents=True)
    with Server(folder, daemon):
        assert ask(folder, "status")["ok"]


def test_where_there_can_be_no_socket_an_error_says_so(tmp_path, daemon):
    with pytest.raises(RefusedError, match="cannot make") as caught:
        Server(tmp_path / "nowhere", daemon)
    assert "PHOTOVAULT_STATE_DIR" in caught.value.hint


def test_a_second_daemon_is_refused_with_its_own_exit_code(tmp_path):
    folder = tmp_path / "state"
    with only_one(folder), pytest.raises(BusyError, match="watching already") as caught, only_one(folder):
        pass
    assert caught.value.exit_code == 11
    with only_one(folder):
        pass


def test_a_busy_vault_is_not_taken_for_a_second_daemon(tmp_path):
    with pytest.raises(BusyError, match="a run"), only_one(tmp_path):
        raise BusyError("a run")


def test_a_daemon_that_cannot_be_asked_is_found_all_the_same(tmp_path):
    folder = tmp_path / "state"
    assert not is_running(folder)
    assert not folder.exists()
    with only_one(folder):
        assert is_running(folder)
    assert not is_running(folder)


def test_whoever_only_looks_turns_no_daemon_away(tmp_path):
    looks = threading.Event()

    def look():
        while not looks.is_set():
            is_running(tmp_path)
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(20):
        with only_one(tmp_path):
            pass
    looks.set()
    thread.join()


def test_a_system_without_such_sockets_says_so_and_has_no_answer(tmp_path, daemon, monkeypatch):
    monkeypatch.setattr(control, "_CAN", False)
    with pytest.raises(RefusedError, match="no sockets in folders"):
        Server(tmp_path, daemon)
    assert ask(tmp_path, "status") is None
