"""Which snapshots are kept, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.forget import Hold, Keep, plan_forget
from photovault.forget.policy import heaviest_rising, leap, trusted_times
from photovault.model import Counts, Snapshot, Source
from photovault.vault.vault import NamedSnapshot

if TYPE_CHECKING:
    from photovault.forget import ForgetPlan

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAPTOP, PHONE = bytes(16), bytes([1]) * 16


def text(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def snapshot(
    number: int,
    when: datetime,
    *,
    device: bytes = LAPTOP,
    labels: tuple[str, ...] = ("Pictures",),
    offline: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
) -> NamedSnapshot:
    name = device[:1] + number.to_bytes(31, "big")
    return NamedSnapshot(
        name=name,
        snapshot=Snapshot(
            device_id=device,
            device_name="laptop",
            number=number,
            time=text(when),
            previous=None,
            root=(),
            counts=Counts(),
            sources=tuple(Source(label=one, path=f"/{one}", offline=one in offline) for one in labels),
            clear=(),
            epoch=1,
            program="test",
            tags=tags,
        ),
    )


def history(days: int, *, per_day: int = 1, device: bytes = LAPTOP) -> list[NamedSnapshot]:
    """Snapshots of so many days before now, oldest first."""
    begin = NOW - timedelta(days=days)
    return [snapshot(at + 1, begin + timedelta(hours=at * 24 / per_day), device=device) for at in range(days * per_day)]


def seen(found: list[NamedSnapshot]) -> dict[bytes, str]:
    """Each was seen here when it was made."""
    return {one.name: one.snapshot.time for one in found}


def plan(found: list[NamedSnapshot], keep: Keep, **more: object) -> ForgetPlan:
    given_seen = more.pop("first_seen", None) or seen(found)
    return plan_forget(found, keep, **{"now": NOW, "first_seen": given_seen} | more)  # type: ignore[arg-type]


def kept(found: ForgetPlan) -> dict[int, tuple[str, ...]]:
    return {one.one.snapshot.number: one.keep for one in found.decisions if one.keep}


def test_without_a_rule_nothing_goes() -> None:
    assert plan(history(40), Keep()).going == ()


def test_tags_alone_only_protect() -> None:
    assert plan(history(40), Keep(tags=("x",))).going == ()


def test_last_and_daily_and_the_reasons() -> None:
    found = kept(plan(history(30, per_day=2), Keep(last=2, daily=3, min_age=0)))
    assert list(found) == [57, 59, 60]
    assert found[60] == ("the newest of Pictures", "last 1 of 2", "daily 2026-11-23")
    assert found[59] == ("last 2 of 2", "daily 2026-11-22")
    assert found[57] == ("daily 2026-11-21",)


@pytest.mark.parametrize(
    ("keep", "numbers"),
    [
        (Keep(hourly=2, min_age=0), [399, 400]),
        (Keep(weekly=2, min_age=0), [393, 400]),
        (Keep(monthly=3, min_age=0), [347, 378, 400]),
        (Keep(yearly=2, min_age=0), [74, 400]),
        (Keep(within=3 * 86_400.0, min_age=0), [397, 398, 399, 400]),
    ],
)
def test_each_rule(keep: Keep, numbers: list[int]) -> None:
    assert list(kept(plan(history(400), keep))) == numbers


def test_a_tag_a_pin_and_a_hold_keep() -> None:
    found = history(30)
    found[3] = snapshot(4, NOW - timedelta(days=27), tags=("wedding",))
    made = plan(
        found,
        Keep(last=1, tags=("wedding",), min_age=0),
        pinned=frozenset([found[5].name]),
        holds={found[7].name: Hold(photos=3, first="a/b.jpg")},
    )
    assert kept(made) == {
        4: ("tag wedding",),
        6: ("pinned",),
        8: ("holds the last good version of 3 photos (first: a/b.jpg)",),
        30: ("the newest of Pictures", "last 1 of 1"),
    }


def test_counts_go_by_device_and_source() -> None:
    found = [snapshot(n, NOW - timedelta(days=20 - n), labels=("Pictures",)) for n in range(1, 6)]
    found += [snapshot(n, NOW - timedelta(days=20 - n), labels=("Scans",)) for n in range(6, 8)]
    found += history(9, device=PHONE)
    made = plan(found, Keep(last=2, min_age=0))
    assert [(one.one.snapshot.device_id[0], one.one.snapshot.number) for one in made.decisions if one.keep] == [
        (0, 4), (0, 5), (0, 6), (0, 7), (1, 8), (1, 9),
    ]  # fmt: skip


def test_a_snapshot_stays_if_any_of_its_sources_wants_it_and_one_that_was_away_wants_nothing() -> None:
    both = snapshot(1, NOW - timedelta(days=9), labels=("Pictures", "Card"))
    later = [
        snapshot(n, NOW - timedelta(days=9 - n), labels=("Pictures", "Card"), offline=("Card",)) for n in range(2, 6)
    ]
    made = plan([both, *later], Keep(last=1, min_age=0))
    assert list(kept(made)) == [1, 5]
    assert kept(made)[1] == ("the newest of Card", "last 1 of 1")


def test_what_is_young_stays_and_counts_for_nothing() -> None:
    found = history(30)
    made = plan(found, Keep(last=2))
    assert list(kept(made)) == [23, 24, *range(25, 31)]
    assert kept(made)[30][1].startswith("younger than 7 days: first seen 2026-11-")


def test_what_was_never_seen_is_young() -> None:
    assert plan(history(30), Keep(last=1), first_seen={b"": ""}).going == ()


def test_a_clock_that_was_set_back_makes_nothing_old() -> None:
    assert plan(history(30), Keep(last=1), now=datetime(1970, 1, 5, tzinfo=UTC)).going == ()


def test_named_ones_go_whatever_their_age_but_not_the_newest_or_pinned() -> None:
    found = history(5)
    named = frozenset(found[at].name for at in (1, 2, 4))
    made = plan(found, Keep(last=9), named=named, pinned=frozenset([found[2].name]))
    assert [one.snapshot.number for one in made.going] == [2]
    assert {one.one.snapshot.number: one.keep for one in made.refused} == {
        3: ("pinned",),
        5: ("the newest of Pictures",),
    }
    made = plan(found, Keep(), named=named, pinned=frozenset([found[2].name]), anyway=True)
    assert [one.snapshot.number for one in made.going] == [2, 5]


# Times that lie.


def test_times_that_fall_are_those_of_the_snapshot_before() -> None:
    chain = history(6)
    chain[2] = snapshot(3, datetime(1970, 1, 1, tzinfo=UTC))
    chain[4] = snapshot(5, NOW + timedelta(days=4000))
    times = trusted_times(chain, seen(history(6)), NOW)
    days = [(NOW - times[one.name]).days for one in chain]
    assert days == [6, 5, 5, 3, 3, 1]


def test_the_first_time_of_all_may_lie_too() -> None:
    chain = [snapshot(1, NOW + timedelta(days=99)), *history(3)[1:]]
    times = trusted_times(chain, seen(history(3)), NOW)
    assert times[chain[0].name] == times[chain[1].name]


def test_a_flood_with_forged_times_weighs_as_much_as_one_day() -> None:
    good = history(30)
    began = NOW - timedelta(days=1000)
    flood = [snapshot(100 + n, began + timedelta(minutes=n)) for n in range(300)]
    first_seen = seen(good) | dict.fromkeys((one.name for one in flood), text(NOW - timedelta(hours=1)))
    times = trusted_times([*good, *flood], first_seen, NOW)
    assert all(times[one.name] == datetime.fromisoformat(one.snapshot.time) for one in good)


@given(st.lists(st.integers(0, 30), max_size=12))
def test_the_heaviest_rising_sequence_is_one_and_none_is_longer(values: list[int]) -> None:
    moments = [NOW + timedelta(days=value) for value in values]
    chosen = sorted(heaviest_rising(moments, [1.0] * len(values)))
    assert all(values[a] <= values[b] for a, b in pairwise(chosen))
    longest = [1] * len(values)
    for at in range(len(values)):
        longest[at] = 1 + max((longest[b] for b in range(at) if values[b] <= values[at]), default=0)
    assert len(chosen) == max(longest, default=0)


times = st.builds(
    lambda year, day, seconds: datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=seconds),
    st.one_of(st.sampled_from([1, 1970, 2026, 2038, 9998]), st.integers(1, 9998)),
    st.integers(0, 364),
    st.integers(0, 86_399),
)
rules = st.builds(
    Keep,
    last=st.integers(0, 4),
    hourly=st.integers(0, 4),
    daily=st.integers(0, 9),
    weekly=st.integers(0, 4),
    monthly=st.integers(0, 4),
    yearly=st.integers(0, 2),
    within=st.sampled_from([0.0, 86_400.0, 30 * 86_400.0]),
)


@given(rules, st.lists(times, max_size=40), st.integers(1, 60), st.booleans())
def test_no_flood_and_no_forged_time_ages_out_what_was_good(
    keep: Keep, forged: list[datetime], days: int, same_device: bool
) -> None:
    """What came in the last week, whatever it says of itself, changes nothing about what was there before."""
    good = [one for one in history(days + 8) if one.snapshot.number <= days]
    device = LAPTOP if same_device else PHONE
    flood = [snapshot(days + 1 + n, when, device=device) for n, when in enumerate(forged)]
    first_seen = seen(good) | dict.fromkeys((one.name for one in flood), text(NOW - timedelta(days=6)))
    before = {one.name for one in plan(good, keep).staying}
    after = {one.name for one in plan([*good, *flood], keep, first_seen=first_seen).staying}
    newest = {good[-1].name} if flood else set()  # it stays as the newest of all, until another one is
    assert before - newest <= after
    assert {one.name for one in flood} <= after


@given(st.lists(times, min_size=1, max_size=30), rules)
def test_whatever_times_say_the_newest_of_a_line_stays(claimed: list[datetime], keep: Keep) -> None:
    found = [snapshot(n + 1, when) for n, when in enumerate(claimed)]
    old = dict.fromkeys((one.name for one in found), text(NOW - timedelta(days=90)))
    made = plan(found, keep, first_seen=old)
    assert found[-1].name in {one.name for one in made.staying}
    values = list(trusted_times(found, old, NOW).values())
    assert values == sorted(values)
    assert all(when <= NOW for when in values)


# The clock of this computer.


def test_a_leap_is_more_than_a_month_without_anything_that_ended_less_than_a_week_ago() -> None:
    days = [text(NOW - timedelta(days=n)) for n in (400, 390, 380)]
    assert leap(days, NOW) == (NOW - timedelta(days=380), NOW)
    again = text(NOW - timedelta(days=3))
    assert leap([*days, again], NOW) == (NOW - timedelta(days=380), NOW - timedelta(days=3))
    assert leap([*days, text(NOW - timedelta(days=8)), again], NOW) is None
    assert leap([text(NOW - timedelta(days=n)) for n in range(0, 300, 29)], NOW) is None
    assert leap([], NOW) is None
    assert leap([text(NOW + timedelta(days=90))], NOW) is None
