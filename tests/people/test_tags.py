"""Names from a backup find the groups that they belong to, or none."""

from __future__ import annotations

import time

import pytest

from photovault.errors import DamageError
from photovault.people.tags import decode, encode, match


def photo(number):
    return f"{number:064x}"


def names(**called):
    """``anna=(1, 2)``: the photos of each name."""
    found = {}
    for name, photos in called.items():
        for one in photos:
            found.setdefault(photo(one), []).append(name)
    return found


def groups(**photos):
    return {int(number[1:]): [photo(one) for one in those] for number, those in photos.items()}


def test_a_name_goes_to_the_group_that_is_in_the_same_photos():
    found = match(names(anna=(1, 2, 3, 4), ben=(4, 5, 6)), groups(p7=(1, 2, 3, 4), p8=(4, 5, 6), p9=(1,)))
    assert found == ({7: "anna", 8: "ben"}, 0)


def test_a_group_may_have_grown_and_photos_may_have_gone():
    assert match(names(anna=(1, 2, 3, 99)), groups(p7=(1, 2, 3, 4, 5))).names == {7: "anna"}


def test_two_who_are_always_together_are_not_told_apart():
    assert match(names(anna=(1, 2), ben=(1, 2)), groups(p7=(1, 2), p8=(1, 2))) == ({}, 2)


def test_a_group_that_fits_too_little_gets_no_name():
    assert match(names(anna=(1, 2, 3, 4, 5)), groups(p7=(1, 6, 7, 8))) == ({}, 1)


def test_a_name_whose_photos_are_all_elsewhere_fits_nobody():
    assert match(names(anna=(50,)), groups(p7=(1,))) == ({}, 1)
    assert match({}, {}) == ({}, 0)


def test_what_is_written_is_read_and_the_same_each_time():
    one = names(anna=(2, 1), Ünal=(1,))
    assert decode(encode(one)) == {photo(1): ["anna", "Ünal"], photo(2): ["anna"]}
    assert encode(one) == encode(dict(reversed(one.items())))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"photovault-names": 2, "photos": {}}',
        b'{"photovault-names": 1, "photos": {"ab": ["x"]}}',
        b'{"photovault-names": 1, "photos": {"' + b"g" * 64 + b'": ["x"]}}',
        b'{"photovault-names": 1, "photos": {"' + b"0" * 64 + b'": [1]}}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_another_file_is_refused(data):
    with pytest.raises(DamageError):
        decode(data)


def test_many_names_that_are_in_the_same_photos_take_no_long_time():
    often = range(300)
    called = {f"n{one}": often for one in range(400)} | {"anna": (1000, 1001)}
    there = {number: [photo(one) for one in often] for number in range(400)} | {900: [photo(1000), photo(1001)]}
    began = time.process_time()
    assert match(names(**called), there) == ({900: "anna"}, 400)
    assert time.process_time() - began < 10
