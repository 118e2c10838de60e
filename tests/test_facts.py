"""Facts and their JSON map."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.facts import NOTHING, Facts, from_map, to_map

TEXT = st.text(max_size=40)
FACTS = st.builds(
    Facts,
    kind=TEXT,
    taken=st.none() | TEXT,
    width=st.none() | st.integers(0, 2**40),
    orientation=st.none() | st.integers(1, 8),
    latitude=st.none() | st.integers(-900_000_000, 900_000_000),
    rating=st.none() | st.integers(-1, 5),
    keywords=st.lists(TEXT, max_size=4).map(tuple),
    gain_map=st.booleans(),
    thumbnail=st.sampled_from([b"", bytes(range(32))]),
    phash=st.none() | st.integers(0, 2**64 - 1),
    broken=TEXT,
    suspect=TEXT,
)


@given(FACTS)
def test_facts_come_back_from_their_map(facts):
    assert from_map(json.loads(json.dumps(to_map(facts)))) == facts


def test_what_is_not_known_takes_no_room():
    assert to_map(NOTHING) == {}
    assert to_map(Facts(kind="jpeg", rating=0)) == {"kind": "jpeg", "rating": 0}


def test_facts_of_a_later_version_are_passed_over():
    assert from_map({"mood": ["sunny"], "kind": "heic"}) == Facts(kind="heic")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 1},
        {"taken": None},
        {"width": -1},
        {"width": True},
        {"width": 1.5},
        {"orientation": 9},
        {"latitude": 900_000_001},
        {"rating": 6},
        {"keywords": "one"},
        {"keywords": [1]},
        {"gain_map": False},
        {"thumbnail": "ab"},
        {"thumbnail": "AB" * 32},
        {"phash": 2**64},
        {"title": "x" * 5000},
    ],
)
def test_an_impossible_fact_is_an_error(wrong):
    with pytest.raises(ValueError):  # noqa: PT011 - any will do: the reader of listings turns it into damage
        from_map(wrong)
