"""When a backup may run, and how destinations that fail are tried again."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from photovault.config import parse_hours
from photovault.watch.schedule import LAST_RETRY, Allowed, Clocks, Conditions, Turn


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute)  # noqa: DTZ001 - quiet hours are local


def test_why_a_backup_waits():
    allowed = Allowed(quiet_hours=(parse_hours("22:00-07:00"),), battery_min=30)
    assert allowed.why_not(Conditions(when=at(12)), over_network=True) == ""
    assert allowed.why_not(Conditions(when=at(12), paused=True), over_network=False) == "paused"
    assert allowed.why_not(Conditions(when=at(23)), over_network=False) == "quiet hours"
    assert allowed.why_not(Conditions(when=at(12), battery=29.6), over_network=False) == "on battery, 30 % left"
    assert allowed.why_not(Conditions(when=at(12), battery=30), over_network=False) == ""
    assert allowed.why_not(Conditions(when=at(12), metered=True), over_network=True) == "the network is metered"
    assert allowed.why_not(Conditions(when=at(12), metered=True), over_network=False) == ""
    assert Allowed(on_metered=True).why_not(Conditions(when=at(12), metered=True), over_network=True) == ""


def test_a_destination_that_fails_waits_longer_each_time_and_is_never_given_up():
    turn, now, waits = Turn(name="nas").needs(0), 0.0, []
    for _ in range(12):
        assert turn.is_due(now, 0)
        turn = turn.failed(now, "away", 0.0)
        assert not turn.is_due(now, 0)
        waits.append(turn.not_before - now)
        now = turn.not_before
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (30, LAST_RETRY)
    assert (turn.failing_since, turn.pending_since, turn.error) == (0, 0, "away")


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_chance_shortens_a_wait_by_a_quarter_at_most(failures, chance):
    turn = Turn(name="nas", failures=failures - 1).failed(0, "away", chance)
    full = Turn(name="nas", failures=failures - 1).failed(0, "away", 0)
    assert full.not_before * 0.75 <= turn.not_before <= full.not_before <= LAST_RETRY


def test_success_forgets_failures_and_counts_from_the_beginning_of_the_run():
    assert Turn(name="nas").failed(10, "away", 0, 3).not_before == 13
    turn = Turn(name="nas").needs(0).failed(10, "away", 0.5).succeeded(100)
    assert (turn.pending_since, turn.failing_since, turn.failures, turn.error) == (None, None, 0, "")
    assert not turn.is_due(1000, 0)
    assert not turn.needs(120).is_due(120, 60)
    assert turn.needs(120).is_due(160, 60)


def test_what_came_during_a_run_is_still_lacking():
    turn = Turn(name="nas").needs(0).needs(120).succeeded(100)
    assert turn.pending_since == 120
    assert Turn(name="nas").needs(0).needs(100).succeeded(100).pending_since is None


def test_what_the_clocks_say():
    before = Clocks(awake=100, boot=100, wall=1e9)
    assert Clocks(awake=160, boot=160, wall=1e9 + 60).since(before) == ""
    assert Clocks(awake=160, boot=4000, wall=1e9 + 3900).since(before) == "woke from sleep"
    assert Clocks(awake=160, boot=160, wall=1e9 + 5000).since(before) == "the clock was set"
    assert Clocks(awake=160, boot=160, wall=1e9 - 5000).since(before) == "the clock was set"
    assert Clocks(awake=160, boot=160, wall=1e9 + 90).since(before) == ""
