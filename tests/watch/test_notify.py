"""What systemd is told."""

from __future__ import annotations

import os
import socket

import pytest

from photovault.watch.notify import Notify


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """Systemd's end of the socket."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("notify")
        end.settimeout(0.05)
        yield end


@pytest.fixture
def address(tmp_path):
    return {"NOTIFY_SOCKET": f"/proc/{os.getpid()}/cwd/notify"}  # short, however long the name of the folder


def heard(manager):
    said = []
    try:
        while True:
            said.append(manager.recv(4096).decode())
    except TimeoutError:
        return said


def test_the_life_of_a_daemon(manager, address):
    notify = Notify(address)
    notify.ready()
    notify.reloading()
    notify.stopping()
    ready, reloading, stopping = heard(manager)
    assert (ready, stopping) == ("READY=1", "STOPPING=1")
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_a_status_is_one_line_and_told_when_it_changes(manager, address):
    notify = Notify(address)
    for text in ("idle", "idle", "backing up\nREADY=1", "idle"):
        notify.status(text)
    assert heard(manager) == ["STATUS=idle", "STATUS=backing up READY=1", "STATUS=idle"]


def test_signs_of_life_come_twice_as_often_as_they_must(manager, address):
    notify = Notify(address | {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())})
    for second in range(1, 62):
        notify.alive(float(second))
    assert heard(manager) == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}]
)
def test_no_signs_of_life_where_none_are_wanted(manager, address, more):
    Notify(address | more).alive(1.0)
    assert heard(manager) == []


def test_an_abstract_address():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0photovault-test-{os.getpid()}")
        Notify({"NOTIFY_SOCKET": f"@photovault-test-{os.getpid()}"}).ready()
        end.settimeout(1)
        assert end.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "vsock:2:1234", "relative", "/" + "x" * 200, "@\0\0"])
def test_where_nobody_listens_nothing_happens(address):
    notify = Notify({"NOTIFY_SOCKET": address})
    notify.ready()
    notify.status("fine \udcff")


def test_a_manager_that_does_not_read_does_not_stop_us(manager, address):
    notify = Notify(address)
    for number in range(2000):
        notify.status(f"{number}")
