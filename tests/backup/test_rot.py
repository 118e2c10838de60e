"""Other bytes under the same path, size and time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from photovault.backup.rot import cleared, is_news, judged
from photovault.facts import Facts
from photovault.model import Entry, EntryKind

GOOD = Entry(
    name=b"a.jpg", kind=EntryKind.FILE, mode=0o644, mtime_ns=5, size=9, digest=b"good", facts=Facts(kind="jpeg")
)
ROTTEN = replace(GOOD, digest=b"rott")


def test_other_bytes_of_the_same_size_and_time_are_suspect() -> None:
    after = judged(GOOD, ROTTEN)
    assert b"good".hex() in after.facts.suspect
    assert is_news(GOOD, after)


@pytest.mark.parametrize(
    "after",
    [
        GOOD,
        replace(ROTTEN, mtime_ns=6),
        replace(ROTTEN, size=10),
        replace(ROTTEN, unsettled=True),
        replace(GOOD, mode=0o600),
    ],
)
def test_what_is_not_suspect(after: Entry) -> None:
    assert judged(GOOD, after) == after
    assert not is_news(GOOD, judged(GOOD, after))


def test_a_version_that_kept_changing_proves_nothing() -> None:
    assert judged(replace(GOOD, unsettled=True), ROTTEN) == ROTTEN


def test_the_same_suspect_bytes_stay_suspect_and_are_no_news() -> None:
    before = judged(GOOD, ROTTEN)
    after = judged(before, replace(ROTTEN, mode=0o600))
    assert after.facts.suspect == before.facts.suspect
    assert not is_news(before, after)


def test_another_time_clears_it() -> None:
    assert not judged(judged(GOOD, ROTTEN), replace(ROTTEN, mtime_ns=6)).facts.suspect


def test_the_good_bytes_clear_it() -> None:
    assert judged(judged(GOOD, ROTTEN), GOOD) == GOOD


def test_bytes_that_go_on_changing_are_news_and_the_good_ones_stay_known() -> None:
    before = judged(GOOD, ROTTEN)
    after = judged(before, replace(ROTTEN, digest=b"more"))
    assert is_news(before, after)
    assert judged(after, GOOD) == GOOD


def test_the_user_may_vouch_for_it() -> None:
    assert cleared(judged(GOOD, ROTTEN)) == ROTTEN
