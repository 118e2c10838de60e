"""When a file has settled: examples, and the promise that no change is ever forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.watch.quiet import PATIENCE, QuietPeriod, is_partial

SETTLE, MAX_DELAY = 5.0, 60.0
A, B = b"/photos/a.jpg", b"/photos/b.jpg"


@pytest.fixture
def quiet():
    return QuietPeriod(SETTLE, MAX_DELAY)


def test_nothing_changed_nothing_is_due_and_nobody_need_look_again(quiet):
    decision = quiet.decide(0)
    assert (decision.due, decision.wait) == (False, None)


def test_a_photo_is_due_when_it_has_been_quiet_for_long_enough(quiet):
    quiet.changed(A, 0)
    assert quiet.decide(4.9).wait == pytest.approx(0.1)
    assert not quiet.decide(4.9).due
    assert quiet.decide(5).due


def test_a_slow_copy_is_not_taken_in_the_middle(quiet):
    for second in range(0, 50, 2):
        quiet.changed(A, second)
        assert not quiet.decide(second + 1).due
    assert quiet.decide(48 + SETTLE).due


def test_a_file_that_is_still_open_waits_for_its_writer(quiet):
    quiet.changed(A, 0, is_open=True)
    assert not quiet.decide(SETTLE + 1).due
    quiet.closed(A, 7)
    assert quiet.decide(7 + SETTLE).due


def test_a_writer_that_never_closes_does_not_hold_a_file_for_ever(quiet):
    quiet.changed(A, 0, is_open=True)
    assert quiet.decide(SETTLE * PATIENCE).due


def test_a_burst_is_one_backup(quiet):
    for number in range(40):
        quiet.changed(b"/photos/%d.jpg" % number, number)
        assert not quiet.decide(number).due
    assert quiet.decide(39 + SETTLE).due
    assert quiet.begin(39 + SETTLE) == frozenset()
    assert not quiet.decide(1000).due


def test_a_long_burst_does_not_keep_the_first_photo_waiting(quiet):
    quiet.changed(A, 0)
    for second in range(int(MAX_DELAY) + 1):
        quiet.changed(B, second)
    decision = quiet.decide(MAX_DELAY)
    assert decision.due
    assert decision.hold == {B}


def test_what_is_held_back_makes_the_next_run_due(quiet):
    quiet.changed(A, 0)
    quiet.changed(B, MAX_DELAY - 1)
    assert quiet.begin(MAX_DELAY) == {B}
    assert quiet.decide(MAX_DELAY - 1 + SETTLE).due


def test_a_file_that_never_holds_still_is_taken_in_the_end(quiet):
    for second in range(int(PATIENCE * MAX_DELAY) + 1):
        quiet.changed(A, second)
    decision = quiet.decide(PATIENCE * MAX_DELAY)
    assert decision.due
    assert decision.hold == frozenset()


def test_a_download_counts_under_its_real_name_only(quiet):
    quiet.changed(b"/photos/a.jpg.crdownload", 0, is_open=True)
    assert quiet.decide(1000).due is False
    quiet.gone(b"/photos/a.jpg.crdownload", 10)
    quiet.changed(A, 10)
    assert quiet.decide(10 + SETTLE).due


def test_a_removed_file_makes_a_run_due(quiet):
    quiet.gone(A, 0)
    assert quiet.decide(SETTLE).due


def test_more_changes_than_memory_are_still_a_change():
    quiet = QuietPeriod(SETTLE, MAX_DELAY, limit=100)
    for number in range(10_000):
        quiet.changed(b"/photos/%d.jpg" % number, 0)
    assert len(quiet) == 100
    assert quiet.decide(SETTLE).due


def test_events_that_never_stop_do_not_stop_backups():
    quiet = QuietPeriod(SETTLE, MAX_DELAY, limit=1)
    for second in range(int(MAX_DELAY) + 1):
        quiet.changed(b"/photos/%d.jpg" % second, second)
    assert quiet.decide(MAX_DELAY).due


def test_a_burst_is_waited_for_as_one_and_not_file_by_file():
    quiet = QuietPeriod(SETTLE, MAX_DELAY)
    for number in range(1000):
        quiet.changed(b"/photos/%d.jpg" % number, number / 1000)
    now, looks = 1.0, 0
    while not (decision := quiet.decide(now)).due:
        now, looks = now + decision.wait, looks + 1
    assert (now, looks) == (SETTLE + 0.999, 1)


@pytest.mark.parametrize(
    "name",
    [b"a.jpg.part", b"x.CRDOWNLOAD", b".~lock", b"a.jpg~", b"~$a.docx", b".pending-1700000000-IMG.jpg", b"x.tmp"],
)
def test_names_of_files_on_their_way(name):
    assert is_partial(name)


@pytest.mark.parametrize("name", [b"a.jpg", b"party.jpg", b"tmp.jpg", b"download.png", b"part"])
def test_names_of_photos(name):
    assert not is_partial(name)


_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["open", "write", "close", "gone", "something", "run"]),
        st.sampled_from([A, B, b"/photos/c/d.mov"]),
        st.floats(0, 30),
    ),
    max_size=60,
)


@given(_EVENTS)
def test_no_change_is_ever_forgotten(events):
    """After any events and runs: if something changed since the last run that took it, a run comes due by itself."""
    quiet = QuietPeriod(SETTLE, MAX_DELAY, limit=2)
    now, waiting = 0.0, set()
    for what, path, pause in events:
        now += pause
        if what == "run":
            hold = quiet.begin(now)
            waiting &= hold
        elif what == "something":
            quiet.something(now)
            waiting.add(b"?")
        elif what == "gone":
            quiet.gone(path, now)
            waiting = waiting - {path} | {b"?"}
        else:
            quiet.changed(path, now, is_open=what != "close")
            waiting.add(path)
    for _ in range(10_000):
        decision = quiet.decide(now)
        if decision.due or decision.wait is None:
            break
        assert decision.wait > 0
        now += decision.wait
    assert decision.due == bool(waiting)


@given(_EVENTS)
def test_the_oldest_change_never_waits_much_longer_than_max_delay(events):
    quiet = QuietPeriod(SETTLE, MAX_DELAY)
    now, first = 0.0, None
    for what, path, pause in events:
        now += min(pause, 4.0)
        if what in {"run", "gone", "something"}:
            continue
        quiet.changed(path, now)
        first = now if first is None else first
        settled = quiet.decide(now).hold != frozenset(quiet._moving)
        if first is not None and now - first >= MAX_DELAY and settled:
            assert quiet.decide(now).due
