"""The rule for one folder, on values alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.backup.compare import Totals, plan_folder
from photovault.model import DOUBTFUL, EntryKind, Stamp
from photovault.photos.scan import Found

BASE = Stamp(b"a.jpg", 7, 1000, 50, 60)


def file(stamp: Stamp, kind: EntryKind = EntryKind.FILE) -> Found:
    return Found(stamp, kind, 0o644)


def nowhere(_ino: int) -> list[tuple[Stamp, bytes]]:
    return []


def at(*stamps: Stamp):
    return lambda ino: [(stamp, b"entry of " + stamp.name) for stamp in stamps if stamp.ino == ino]


def test_the_same_stamp_is_kept_and_nothing_is_read() -> None:
    change = plan_folder([file(BASE)], {BASE}, at(BASE))
    assert (change.read, change.moved, change.kept) == ((), (), {b"a.jpg"})
    assert change.totals == Totals(unchanged=1)


@pytest.mark.parametrize("field", ["ino", "size", "mtime_ns", "ctime_ns"])
def test_any_difference_in_the_stamp_is_read(field: str) -> None:
    now = BASE._replace(**{field: getattr(BASE, field) + 1})
    change = plan_folder([file(now)], {BASE}, at(BASE))
    assert [one.stamp for one in change.read] == [now]
    assert change.totals == Totals(changed=1, read_bytes=now.size)


def test_a_new_name_is_new() -> None:
    change = plan_folder([file(BASE)], set(), nowhere)
    assert change.totals == Totals(new=1, read_bytes=1000)


def test_an_equal_change_time_makes_a_move_sure() -> None:
    change = plan_folder([file(BASE)], set(), at(BASE))
    assert [(one.found.stamp, one.sure) for one in change.moved] == [(BASE, True)]


def test_a_renamed_file_is_to_be_verified() -> None:
    now = BASE._replace(name=b"b.jpg", ctime_ns=99)
    change = plan_folder([file(now)], {BASE}, at(BASE))
    assert [(one.entry, one.sure) for one in change.moved] == [(b"entry of a.jpg", False)]
    assert change.totals == Totals(moved=1, gone=1)


def test_an_inode_used_again_under_the_same_name_is_read() -> None:
    now = BASE._replace(ctime_ns=99)
    assert plan_folder([file(now)], {BASE}, at(BASE)).moved == ()


@pytest.mark.parametrize("field", ["size", "mtime_ns"])
def test_an_inode_used_again_by_another_file_is_read(field: str) -> None:
    now = BASE._replace(name=b"b.jpg", **{field: 1})
    assert plan_folder([file(now)], {BASE}, at(BASE)).moved == ()


def test_names_that_were_swapped_go_by_their_inodes() -> None:
    other = Stamp(b"b.jpg", 8, 1000, 50, 60)
    now = [file(BASE._replace(ino=8, ctime_ns=99)), file(other._replace(ino=7, ctime_ns=99))]
    change = plan_folder(now, {BASE, other}, at(BASE, other))
    assert [one.entry for one in change.moved] == [b"entry of b.jpg", b"entry of a.jpg"]


def test_what_was_kept_in_doubt_is_read_under_any_name() -> None:
    doubtful = BASE._replace(ctime_ns=DOUBTFUL)
    for name in (b"a.jpg", b"b.jpg"):
        now = BASE._replace(name=name)
        assert plan_folder([file(now)], {doubtful}, at(doubtful)).read == (file(now),)


@pytest.mark.parametrize("one", [file(BASE._replace(size=0)), file(BASE, EntryKind.LINK)])
def test_empty_files_and_links_are_never_taken_for_moved(one: Found) -> None:
    assert plan_folder([one], set(), at(one.stamp)).read == (one,)


def test_a_hidden_file_is_not_gone() -> None:
    assert plan_folder([], {BASE}, nowhere, {b"a.jpg"}).totals == Totals()
    assert plan_folder([], {BASE}, nowhere).totals == Totals(gone=1)


small = st.integers(0, 2)
stamps = st.builds(Stamp, st.sampled_from([b"a", b"b", b"c"]), small, small, small, small)


@given(st.sets(stamps), st.sets(stamps))
def test_every_file_is_read_moved_or_kept_and_only_an_equal_stamp_is_kept(old: set[Stamp], new: set[Stamp]) -> None:
    now = [file(stamp) for stamp in {stamp.name: stamp for stamp in sorted(new)}.values()]
    known = set({stamp.name: stamp for stamp in sorted(old)}.values())
    change = plan_folder(now, known, at(*sorted(old)))
    kept = [one for one in now if one.stamp.name in change.kept]
    assert sorted([*change.read, *(one.found for one in change.moved), *kept]) == sorted(now)
    assert all(one.stamp in known for one in kept)
    for one in change.moved:
        assert one.found.stamp.size
        assert any(stamp[1:4] == one.found.stamp[1:4] for stamp in old)
