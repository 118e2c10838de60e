"""Durations, sizes and parts of the day, as people write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.config import parse_duration, parse_hours, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("0s", 0),
        ("500ms", 0.5),
        ("1m1s1ms", 61.001),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-1d", "1.5h", "30m1h", "1d1d", "7 d", "٣d", "ms", "1ms1s", "9" * 5000 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("100M", 10**8),
        ("1.5G", 15 * 10**8),
        ("4 MiB", 1 << 22),
        ("1.5KiB", 1536),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.M", "1,5G", "5X", "1e9", "9" * 5000, "1 kib"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_size(text)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute)  # noqa: DTZ001 - quiet hours are local


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-07:00", [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(21, 59), at(12)]),
        ("12:30-13:00", [at(12, 30), at(12, 59)], [at(12, 29), at(13), at(0)]),
        ("00:00-06:00", [at(0), at(5, 59)], [at(6), at(23, 59)]),
    ],
)
def test_quiet_hours(text: str, inside: list[datetime], outside: list[datetime]) -> None:
    hours = parse_hours(text)
    assert [hours.holds(when) for when in inside] == [True] * len(inside)
    assert [hours.holds(when) for when in outside] == [False] * len(outside)


@pytest.mark.parametrize("text", ["", "22-7", "24:00-07:00", "22:00-07:60", "07:00-07:00", "22:00-07:00 "])
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 22:00-07:00"):
        parse_hours(text)


@given(st.text(max_size=40), st.sampled_from([parse_duration, parse_size]))
def test_any_text_is_a_number_or_a_value_error(text: str, reader: Callable[[str], int]) -> None:
    with suppress(ValueError):
        assert reader(text) >= 0
