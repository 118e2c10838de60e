"""When a backup must not go on: the rules alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.backup.guards import Guard, Limits, Movements, Sample, Tally, refused, renamed_to
from photovault.errors import GuardError
from photovault.facts import Facts
from photovault.model import Entry, EntryKind

FEW = Limits(changed=30, lost=30, broken=10, least=3)


def version(number: int, digest: bytes = b"", **facts: str) -> Entry:
    return Entry(
        name=b"%d.jpg" % number,
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=0,
        digest=digest or b"old",
        facts=Facts(**facts or {"kind": "jpeg"}),
    )


def tally(known: int = 10, resized: int = 0, gone: int = 0, renamed: int = 0) -> Tally:
    made = Tally(label="/photos", known=known)
    for number in range(resized):
        made.resized.add(b"%d.jpg" % number)
    for number in range(gone):
        made.moves.gone(b"%d.jpg" % number, number, 7)
    for number in range(renamed):
        made.renamed.add(b"%d.jpg" % number)
    return made


def said(made: Tally, limits: Limits = FEW) -> list[Guard]:
    return [one.guard for one in made.refusals(limits)]


@pytest.mark.parametrize(
    ("seen", "guards"),
    [
        ({}, []),
        ({"resized": 3}, []),  # 30 % are not more than 30 %
        ({"resized": 4}, [Guard.CHANGES]),
        ({"gone": 3}, []),
        ({"gone": 4}, [Guard.LOSSES]),
        ({"known": 4, "gone": 2}, []),  # too few to say anything
        ({"known": 1000, "renamed": 3}, [Guard.LOSSES]),  # a plain sign: no share of them is needed
        ({"known": 1000, "renamed": 2}, []),
        ({"resized": 4, "gone": 4}, [Guard.LOSSES, Guard.CHANGES]),
        ({"known": 0, "resized": 9, "gone": 9, "renamed": 9}, []),  # a first backup
    ],
)
def test_more_than_a_share_and_more_than_a_few(seen: dict[str, int], guards: list[Guard]) -> None:
    assert said(tally(**seen)) == guards


def test_what_is_allowed_or_set_to_never_is_not_refused() -> None:
    seen = tally(resized=9, gone=9)
    assert said(seen, Limits(least=3, allowed=frozenset({Guard.CHANGES}))) == [Guard.LOSSES]
    assert said(seen, Limits(least=3, changed=100, lost=100)) == []
    assert said(tally(renamed=9), Limits(least=3, lost=100)) == []


def test_what_came_as_it_went_only_moved() -> None:
    moves = Movements()
    for number in range(5):
        moves.gone(b"a/%d.jpg" % number, number, 7)
    for number in range(3):
        moves.new(number, 7)
    moves.new(4, 8)  # another time: it is another file
    lost = moves.lost()
    assert (lost.count, lost.first) == (2, ["a/3.jpg", "a/4.jpg"])


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_never_more_are_lost_than_went(went: list[int], came: list[int]) -> None:
    moves = Movements()
    for number in went:
        moves.gone(b"x", number, 0)
    for number in came:
        moves.new(number, 0)
    assert moves.lost().count == sum(max(0, went.count(n) - came.count(n)) for n in set(went))


def test_a_few_are_named_and_the_rest_counted() -> None:
    sample = Sample()
    for number in range(1200):
        sample.add(b"%d.jpg" % number)
    assert str(sample) == "0.jpg, 1.jpg, 2.jpg and 1,197 more"


def test_the_words_name_counts_paths_and_the_way_on() -> None:
    error = refused(tally(known=20, gone=10).refusals(FEW))
    assert error.what == (
        "10 of 20 files (50 %) in /photos are gone: 0.jpg, 1.jpg, 2.jpg and 7 more; no snapshot was made"
    )
    assert error.unnamed == "10 of 20 files (50 %) in /photos are gone; no snapshot was made"  # a log names no photos
    assert error.hint.endswith("to go on all the same: photovault backup --allow losses")
    assert error.exit_code == 15


def test_good_photos_that_decode_no_more_stop_the_run_at_the_first_too_many() -> None:
    made = tally(known=1000)
    for number in range(2):
        made.judge(version(number), version(number, b"new", broken="noise"), b"x", FEW)
    with pytest.raises(GuardError, match="do not decode any more") as stopped:
        made.judge(version(2), version(2, b"new", broken="noise"), b"2.jpg", FEW)
    assert stopped.value.hint.endswith("--allow broken")
    assert stopped.value.what.startswith("at least 3 files in ")  # the others were not read any more


def test_what_was_allowed_stays_in_what_is_proposed() -> None:
    made, limits = tally(), Limits(least=3, changed=30, allowed=frozenset({Guard.BROKEN}))
    for number in range(3):
        made.judge(version(number), version(number, b"new"), b"x", limits)
    with pytest.raises(GuardError) as stopped:
        made.judge(version(3), version(3, b"new"), b"x", limits)
    assert stopped.value.what.startswith("at least 4 of 10 files (40 %) in ")
    assert stopped.value.hint.endswith("photovault backup --allow broken,changes")


def test_a_few_broken_ones_among_many_edited_ones_are_no_alarm() -> None:
    made = tally(known=1000)
    for number in range(50):
        made.judge(version(number), version(number, b"new"), b"x", FEW)
    for number in range(5):
        made.judge(version(number), version(number, b"new", broken="noise"), b"x", FEW)
    assert made.spoilt.count == 5


def test_what_was_broken_before_or_has_the_same_bytes_spoils_nothing() -> None:
    made = tally(known=1000)
    for number in range(50):
        made.judge(version(number, broken="noise"), version(number, b"new", broken="noise"), b"x", FEW)
        made.judge(version(number), version(number, broken="noise"), b"x", FEW)
    assert (made.spoilt.count, made.changed.count) == (0, 50)


def test_other_bytes_of_the_same_size_are_changes_too() -> None:
    made = tally(known=10)
    for number in range(3):
        made.judge(version(number), version(number, b"new"), b"x", FEW)
    with pytest.raises(GuardError, match=r"4 of 10 files \(40 %\) in /photos have other bytes"):
        made.judge(version(3), version(3, b"new"), b"x", FEW)


@pytest.mark.parametrize(
    ("name", "there", "now"),
    [
        (b"a.jpg", [b"a.jpg.locked"], b"a.jpg.locked"),
        (b"a.jpg", [b"b.jpg.locked", b"a.jpg.id-1.[x@y].wncry"], b"a.jpg.id-1.[x@y].wncry"),
        (b"a.jpg", [b"a.jpg.xmp", b"a.jpg.json", b"a.jpg~", b"a.jpg.bak"], b""),
        (b"a.jpg", [b"a.jpg.jpg"], b""),
        (b"notes.txt", [b"notes.txt.locked"], b""),
        (b"a.jpg", [b"a.jpgx"], b""),
    ],
)
def test_a_strange_end_behind_the_name_of_a_photo(name: bytes, there: list[bytes], now: bytes) -> None:
    assert renamed_to(name, there) == now
