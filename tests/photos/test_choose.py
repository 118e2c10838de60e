"""Which entries are wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import UsageError
from photovault.facts import Facts
from photovault.model import Entry, EntryKind
from photovault.photos.choose import choose, taken_or_modified


def entry(taken: str | None = None, mtime_ns: int = 0, kind: EntryKind = EntryKind.FILE) -> Entry:
    return Entry(name=b"x", kind=kind, mode=0o644, mtime_ns=mtime_ns, facts=Facts(taken=taken))


def wanted(path: str, *paths: str) -> bool:
    return choose(paths).wants(path, entry())


def test_nothing_chosen_is_everything() -> None:
    assert choose([]).everything
    assert choose(["/"]).everything
    assert wanted("a/b.jpg")
    assert choose([]).wants_folder("a")


@pytest.mark.parametrize(
    ("path", "chosen", "is_wanted"),
    [
        ("P/2021/a.jpg", "P/2021", True),
        ("P/2021/a.jpg", "/P/2021/", True),
        ("P/2021/a.jpg", "P/2021/a.jpg", True),
        ("P/2021b/a.jpg", "P/2021", False),
        ("P/2021", "P/2021/a.jpg", False),
        ("P/2021/a.JPG", "*.jpg", False),
        ("P/2021/a.jpg", "*.jpg", True),
        ("P/2021/a.jpg", "2021/*.jpg", False),
        ("P/2021/a.jpg", "P/*/a.jpg", True),
        ("P/x/y/a.jpg", "P/**/a.jpg", True),
        ("P/IMG_1.jpg", "IMG_?.jpg", True),
        ("P/[old] ones/a.jpg", "P/[old] ones", True),
        ("P/a*b/c.jpg", "P/a*b", True),
    ],
)
def test_paths_and_patterns(path: str, chosen: str, is_wanted: bool) -> None:
    assert wanted(path, chosen) is is_wanted


def test_folders_that_cannot_hold_anything_wanted_are_spared() -> None:
    choice = choose(["P/2021/05"])
    assert [choice.may_hold(path) for path in ("P", "P/2021", "P/2021/05/x", "P/2022", "Q")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert choose(["*.jpg"]).may_hold("anything")


def test_a_folder_is_wanted_for_itself_only_by_its_path() -> None:
    assert choose(["P/2021"]).wants_folder("P/2021/05")
    assert not choose(["P/2021"]).wants_folder("P")
    assert not choose(["*.jpg"]).wants_folder("P")
    assert not choose([], "2021").wants_folder("P")


@pytest.mark.parametrize(
    ("since", "until", "taken", "is_wanted"),
    [
        ("2021-05", None, "2021-05-01T00:00:00", True),
        ("2021-05", None, "2021-04-30T23:59:59", False),
        (None, "2021-05", "2021-05-31T23:59:59", True),
        (None, "2021-05", "2021-06-01T00:00:00", False),
        ("2021", "2021", "2021-12-31T23:59:59+02:00", True),
        ("2021-05-04T13:00", "2021-05-04T13:00", "2021-05-04T13:00:59", True),
        ("2021-05-04T13:00", "2021-05-04T13:00", "2021-05-04T13:01:00", False),
    ],
)
def test_dates_are_compared_as_far_as_they_are_written(
    since: str | None, until: str | None, taken: str, is_wanted: bool
) -> None:
    assert choose([], since, until).wants("a.jpg", entry(taken)) is is_wanted


def test_without_a_date_taken_the_modification_time_counts() -> None:
    assert taken_or_modified(entry(mtime_ns=1_620_133_200_500_000_000)) == "2021-05-04T13:00:00.500000"
    assert choose([], "2021-05-04", "2021-05-04").wants("a", entry(mtime_ns=1_620_133_200 * 10**9))


@pytest.mark.parametrize("mtime_ns", [10**30, -(10**30)])
def test_impossible_times_are_no_error(mtime_ns: int) -> None:
    assert choose([], "1900").wants("a", entry(mtime_ns=mtime_ns)) is False


@pytest.mark.parametrize("date", ["", "21", "2021-5", "May 2021", "2021-05-04 13:00", "2021-05-04T1"])
def test_what_is_no_date_is_refused_by_name(date: str) -> None:
    with pytest.raises(UsageError, match="not a date"):
        choose([], date)
    with pytest.raises(UsageError, match="not a date"):
        choose([], None, date)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_choice_or_a_usage_error(chosen: str, path: str) -> None:
    try:
        choice = choose([chosen])
    except UsageError:
        return
    choice.wants(path, entry())
    choice.may_hold(path)
