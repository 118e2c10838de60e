"""When thumbnails that backups left are made."""

from __future__ import annotations

from photovault.watch.spare import AFTER_FAILURE, IN_VAIN, LEAST, SpareTime


def test_only_what_is_left_somewhere_is_wanted() -> None:
    spare = SpareTime()
    assert not spare.wants("main", 0)
    spare.learn("main", 5)
    assert spare.wants("main", 0)
    assert not spare.wants("usb", 0)
    spare.learn("main", 0)
    assert not spare.wants("main", 0)


def test_a_slice_that_achieved_something_is_followed_by_the_next() -> None:
    spare = SpareTime()
    spare.learn("main", 5)
    spare.done("main", 3, 100)
    assert spare.wants("main", 100)
    spare.done("main", 0, 200)
    assert not spare.wants("main", 10 * IN_VAIN)


def test_a_slice_in_vain_or_that_failed_is_not_followed_at_once() -> None:
    spare = SpareTime()
    spare.learn("main", 5)
    spare.done("main", 5, 100)
    assert not spare.wants("main", 99 + IN_VAIN)
    assert spare.wants("main", 100 + IN_VAIN)
    spare.failed("main", 1_000_000)
    assert not spare.wants("main", 999_999 + AFTER_FAILURE)
    assert spare.wants("main", 1_000_000 + AFTER_FAILURE)


def test_what_came_new_is_worked_at_however_the_last_slice_ended() -> None:
    spare = SpareTime()
    spare.failed("main", 100)
    spare.renew("main")
    assert spare.wants("main", 100)


def test_what_there_is_always_more_of_waits_until_it_is_due() -> None:
    spare = SpareTime()
    spare.later("main", 5, 100, 0)
    assert spare.wants("main", 100), "the slice was not finished"
    spare.later("main", 0, 200, 86_400)
    assert not spare.wants("main", 200 + 86_399)
    assert spare.wants("main", 200 + 86_400)
    spare.later("main", 0, 300, 0)
    assert not spare.wants("main", 300 + LEAST - 1), "never again and again"
    spare.renew("main")
    assert spare.wants("main", 300)
