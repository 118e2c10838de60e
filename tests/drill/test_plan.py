"""Which photos are tried: the ones that wait longest, never the same ones for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.drill import Amount, plan_drill, wanted_of
from photovault.proofs import Key, Known

MARCH, MAY, JUNE = "2026-03-01T00:00:00.000000Z", "2026-05-01T00:00:00.000000Z", "2026-06-01T00:00:00.000000Z"


def key(number: int) -> Key:
    return Key(number.to_bytes(32), b"parts")


def known(*tried: str, first: int = 0) -> list[Known]:
    return [Known(key(first + number), when) for number, when in enumerate(tried)]


def numbers(keys: list[Key]) -> list[int]:
    return [int.from_bytes(one.photo) for one in keys]


@pytest.mark.parametrize(
    ("amount", "photos", "wanted"),
    [
        (Amount(count=5), 100, 5),
        (Amount(count=5), 3, 3),
        (Amount(share=0.1), 100, 10),
        (Amount(share=0.001), 100, 1),
        (Amount(share=1.0), 7, 7),
        (Amount(share=0.5), 0, 0),
        (Amount(), 100, 100),
    ],
)
def test_how_many(amount: Amount, photos: int, wanted: int) -> None:
    assert wanted_of(amount, photos) == wanted


def test_those_never_tried_come_first_then_those_whose_try_is_longest_ago() -> None:
    found = numbers(plan_drill([], known(JUNE, "", MARCH, MAY, ""), 4, b"seed"))
    assert sorted(found[:2]) == [1, 4]
    assert found[2:] == [2, 3]


def test_equals_come_in_the_order_of_the_seed() -> None:
    some = known(*[""] * 50)
    orders = {tuple(numbers(plan_drill([], some, 10, seed))) for seed in (b"a", b"b", b"c")}
    assert len(orders) == 3
    assert numbers(plan_drill([], some, 10, b"a")) == numbers(plan_drill([], reversed(some), 10, b"a"))


def test_what_failed_comes_again_soon_but_is_at_most_half() -> None:
    failing, others = known(*[JUNE] * 20), known(*[MARCH] * 20, first=100)
    found = numbers(plan_drill(failing, others, 10, b"\0"))
    assert (len([one for one in found if one < 100]), len(found)) == (5, 10)
    assert len(plan_drill(failing, others[:2], 10, b"\0")) == 10, "where there are no others, more of them"
    assert len(plan_drill(failing[:1], others, 10, b"\0")) == 10


def test_a_sample_of_one_is_not_always_the_one_that_fails() -> None:
    failing, others = known(JUNE), known(MARCH, first=100)
    found = {numbers(plan_drill(failing, others, 1, bytes([day])))[0] for day in range(2)}
    assert found == {0, 100}


@given(
    st.lists(st.sampled_from(["", MARCH, MAY]), max_size=20),
    st.lists(st.sampled_from(["", MARCH, MAY]), max_size=20),
    st.integers(0, 50),
    st.binary(min_size=1, max_size=4),
)
def test_a_sample_is_as_large_as_it_can_be_and_names_each_photo_once(
    failing: list[str], others: list[str], wanted: int, seed: bytes
) -> None:
    found = plan_drill(known(*failing), known(*others, first=100), wanted, seed)
    assert len(found) == len(set(found)) == min(wanted, len(failing) + len(others))


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 30))
def test_however_many_fail_every_other_photo_gets_its_turn(photos: int, wanted: int, failing: int) -> None:
    tried = dict.fromkeys(range(photos), "")
    bad = dict.fromkeys(range(1000, 1000 + failing), "")
    for day in range(4 * (photos // wanted + 1) + 2):
        when = f"2026-01-01T00:{day // 60:02}:{day % 60:02}.000000Z"
        rows = [[Known(key(number), when) for number, when in some.items()] for some in (bad, tried)]
        for number in numbers(plan_drill(rows[0], rows[1], wanted, bytes([day % 256]))):
            (tried if number in tried else bad)[number] = when
    assert all(tried.values())
