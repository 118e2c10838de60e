"""On battery or not, on a network that costs or not."""

from __future__ import annotations

import sys
from datetime import datetime
from types import SimpleNamespace

import pytest

from photovault.watch import power
from photovault.watch.power import (
    BATTERY_EVERY,
    BUSCTL,
    NETWORK_EVERY,
    NMCLI,
    Power,
    is_metered,
    metered_by_busctl,
    metered_by_nmcli,
    on_battery,
    output_of,
)
from photovault.watch.schedule import Conditions

NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001 - quiet hours are local


def battery(percent, *, plugged):
    return SimpleNamespace(percent=percent, secsleft=100, power_plugged=plugged)


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (None, None),
        (battery(50, plugged=True), None),
        (battery(50, plugged=None), None),
        (battery(50, plugged=False), 50.0),
        (battery(103.5, plugged=False), 100.0),
        (battery("odd", plugged=False), None),
        (battery(None, plugged=False), None),
    ],
)
def test_the_battery(monkeypatch, found, left):
    monkeypatch.setattr(power.psutil, "sensors_battery", lambda: found, raising=False)
    assert on_battery() == left


@pytest.mark.parametrize("error", [OSError(5, "I/O"), ValueError, AttributeError, RuntimeError, ZeroDivisionError])
def test_hardware_that_cannot_be_asked_is_no_battery(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(power.psutil, "sensors_battery", fail, raising=False)
    assert on_battery() is None


@pytest.mark.parametrize(
    ("text", "metered"),
    [
        ("u 1\n", True),
        ("u 3\n", True),
        ("u 0\n", False),
        ("u 2\n", False),
        ("u 4\n", False),
        ("", False),
        ("u 13", False),
    ],
)
def test_what_busctl_says(text, metered):
    assert metered_by_busctl(text) is metered


def device(state, metered):
    return f"GENERAL.STATE:{state}\nGENERAL.METERED:{metered}\n"


@pytest.mark.parametrize(
    ("text", "metered"),
    [
        (device("100 (connected)", "yes"), True),
        (device("100 (connected)", "yes (guessed)"), True),
        (device("100 (connected)", "no (guessed)"), False),
        (device("100 (connected)", "unknown"), False),
        (device("30 (disconnected)", "yes"), False),
        (device("100 (connected)", "no") + "\n" + device("100 (connected)", "yes"), True),
        (device("100 (connected)", "no") + "\n" + device("30 (disconnected)", "yes"), False),
        ("", False),
        ("nonsense\0", False),
    ],
)
def test_what_nmcli_says(text, metered):
    assert metered_by_nmcli(text) is metered


def test_nmcli_is_asked_only_where_busctl_knows_nothing():
    asked = []

    def run(command):
        asked.append(command)
        return {BUSCTL: "u 2\n"}.get(command, "")

    assert not is_metered(run)
    assert asked == [BUSCTL]
    asked.clear()
    assert is_metered(lambda command: device("100 (connected)", "yes") if command == NMCLI else "")


def test_where_there_is_neither_nothing_costs():
    assert not is_metered(lambda _: "")


def test_the_machine_is_not_asked_every_second():
    at, asked = [0.0], []

    def ask_battery():
        asked.append("battery")
        return 80.0

    def run(command):
        asked.append("network")
        return "u 1\n"

    machine = Power(lambda: NOON, lambda: at[0], battery=ask_battery, run=run)
    for second in range(int(NETWORK_EVERY) + 1):
        at[0] = float(second)
        assert machine.conditions() == Conditions(when=NOON, battery=80.0, metered=True)
    assert asked.count("network") == 2
    assert asked.count("battery") == NETWORK_EVERY // BATTERY_EVERY + 1


def test_a_command_that_is_not_there_fails_or_hangs_says_nothing(monkeypatch):
    monkeypatch.setattr(power, "_SECONDS", 0.2)
    assert output_of(["/nowhere/busctl"]) == ""
    assert output_of([sys.executable, "-c", "print('u 1'); raise SystemExit(1)"]) == ""
    assert output_of([sys.executable, "-c", "import time; time.sleep(60)"]) == ""
    assert output_of(["\0"]) == ""


def test_a_command_that_works_says_what_it_says():
    assert output_of([sys.executable, "-c", "print('u 1')"]) == "u 1\n"


def test_a_command_speaks_plainly_and_not_to_systemd(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    show = "import os; print(os.environ['LC_ALL'], os.environ['NOTIFY_SOCKET'], 'PATH' in os.environ)"
    assert output_of([sys.executable, "-c", show]) == "C  True\n"


def test_this_machine_can_be_asked():
    found = Power(lambda: NOON, lambda: 0.0).conditions()
    assert found.battery is None or 0 <= found.battery <= 100
