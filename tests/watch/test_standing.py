"""How a destination stands, in one word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.watch.standing import Standing, parse_time, seen, since_when, standing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEEK = 7 * 86_400.0


def ago(**time):
    return (NOW - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("one", "how", "since"),
    [
        ({"last_success": ago(hours=1)}, "protected", ago(hours=1)),
        ({"last_success": ago(hours=1), "pending_since": ago(minutes=2)}, "pending", ago(minutes=2)),
        ({"last_success": ago(hours=1), "failing_since": ago(minutes=2)}, "failing", ago(minutes=2)),
        ({"last_success": ago(hours=1), "problems": 2, "problems_since": ago(days=2)}, "incomplete", ago(days=2)),
        ({"last_success": ago(hours=1), "problems": 2, "pending_since": ago(minutes=2)}, "incomplete", ago(minutes=2)),
        ({"last_success": ago(hours=1), "problems": 2, "failing_since": ago(minutes=2)}, "failing", ago(minutes=2)),
        ({"last_success": ago(days=8), "problems": 2}, "overdue", ago(days=8)),
        ({"last_success": ago(hours=1), "damaged": 2, "damaged_since": ago(days=2)}, "damaged", ago(days=2)),
        ({"last_success": ago(hours=1), "damaged": 2, "failing_since": ago(days=2)}, "damaged", ""),
        ({"last_success": ago(days=8), "damaged": 2, "damaged_since": ago(days=2)}, "overdue", ago(days=8)),
        ({"last_success": "", "pending_since": ago(days=1), "problems": 2}, "pending", ago(days=1)),
        ({"last_success": ago(days=8), "failing_since": ago(days=6)}, "overdue", ago(days=8)),
        ({"last_success": ago(days=8), "pending_since": ago(days=8)}, "overdue", ago(days=8)),
        ({"last_success": "", "pending_since": ago(days=1)}, "pending", ago(days=1)),
        ({"last_success": "", "pending_since": ago(days=8)}, "overdue", ago(days=8)),
        ({"last_success": "", "pending_since": ""}, "pending", ""),
        ({}, "pending", ""),
    ],
)
def test_how_it_stands_and_since_when(one, how, since):
    found = standing(one, NOW, WEEK)
    assert (found, since_when(one, found)) == (how, since)


def test_a_backup_of_this_very_moment_and_of_tomorrow_are_not_overdue():
    assert standing({"last_success": ago(seconds=0)}, NOW, 0) is Standing.PROTECTED
    assert standing({"last_success": ago(days=-1)}, NOW, 0) is Standing.PROTECTED


def see(known, made, **more):
    return standing(seen(known, NOW, **{"made": made, "problems": 0, "pending": False} | more), NOW, WEEK)


def test_what_is_seen_puts_right_what_was_known():
    failing = {"last_success": ago(days=2), "failing_since": ago(hours=2)}
    assert see(failing, ago(days=2)) is Standing.FAILING
    assert see(failing, ago(hours=1)) is Standing.PROTECTED  # another run succeeded meanwhile
    assert see({"last_success": ago(hours=1)}, ago(days=30)) is Standing.PROTECTED  # nothing changed for a month
    assert see({}, ago(days=30)) is Standing.OVERDUE
    assert see({"last_success": ago(hours=1)}, "") is Standing.PENDING  # its snapshots are gone
    assert see({"last_success": ago(hours=1), "problems": 3}, ago(hours=2)) is Standing.PROTECTED
    assert see({"last_success": ago(hours=1)}, ago(hours=2), problems=1) is Standing.INCOMPLETE
    assert see({"last_success": ago(hours=1)}, ago(hours=2), pending=True) is Standing.PENDING
    assert see({"last_success": ago(hours=1), "pending_since": ago(minutes=1)}, ago(hours=2)) is Standing.PENDING


def test_a_snapshot_from_the_future_says_nothing_of_its_age():
    assert seen({}, NOW, made=ago(days=-2), problems=0, pending=False)["last_success"] == ""
    assert see({"last_success": ago(hours=1)}, ago(days=-400)) is Standing.PROTECTED


@given(st.one_of(st.none(), st.integers(), st.text(max_size=30), st.datetimes().map(datetime.isoformat)))
def test_any_time_is_a_time_with_a_zone_or_none(text):
    found = parse_time(text)
    assert found is None or found.tzinfo is not None
