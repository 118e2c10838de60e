"""Which packs go together, what must be made, and what may go."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.parity.grouping import Group, Order, Piece, groups_of, plan_parity, superseded, uncovered
from photovault.vault.format import parity_pieces

SMALL, LARGE = 2**14, 2**24


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def packs(*numbers: int) -> tuple[bytes, ...]:
    return tuple(map(name, numbers))


def pieces(group: tuple[bytes, ...], size: int = SMALL, salt: int = 0) -> list[Piece]:
    """All parity of a group."""
    cut = [one for shard in range(2) for one in parity_pieces(group, size, shard)]
    said = repr((group, size, salt)).encode()
    return [Piece(name=hashlib.sha256(said + bytes([n])).digest(), parity=one) for n, one in enumerate(cut)]


def present(*numbers: int, size: int = SMALL) -> dict[bytes, int]:
    return dict.fromkeys(packs(*numbers), size)


def settled(groups: list[Group], here: dict[bytes, int]) -> list[Group]:
    """The groups after all that is planned was made."""
    made = [piece for order in plan_parity(groups, here) for piece in pieces(order.packs, order.size, 1)]
    return groups_of([*(piece for group in groups for piece in group.pieces), *made])


def test_packs_of_one_size_go_together_sixteen_at_a_time() -> None:
    here = present(*range(20)) | present(*range(20, 23), size=LARGE)
    orders = plan_parity([], here)
    assert [(len(order.packs), order.size, order.base) for order in orders] == [
        (16, SMALL, None),
        (4, SMALL, None),
        (3, LARGE, None),
    ]
    assert {pack for order in orders for pack in order.packs} == here.keys()


def test_nothing_is_made_twice() -> None:
    groups = groups_of([*pieces(packs(*range(16))), *pieces(packs(16, 17))])
    assert plan_parity(groups, present(*range(18))) == []
    assert uncovered(groups, present(*range(18))) == []


def test_a_group_that_is_not_full_is_gone_on_with() -> None:
    (old,) = groups_of(pieces(packs(5, 3)))
    assert plan_parity([old], present(5, 3, 1)) == [Order(packs=packs(5, 3, 1), size=SMALL, base=old)]


def test_what_does_not_fit_into_it_begins_another() -> None:
    (old,) = groups_of(pieces(packs(*range(15))))
    first, second = plan_parity([old], present(*range(18)))
    assert first == Order(packs=packs(*range(16)), size=SMALL, base=old)
    assert second == Order(packs=packs(16, 17), size=SMALL)


def test_groups_of_two_devices_are_left_alone_until_there_is_something_new() -> None:
    groups = groups_of([*pieces(packs(1, 2)), *pieces(packs(3))])
    assert plan_parity(groups, present(1, 2, 3)) == []
    (order,) = plan_parity(groups, present(1, 2, 3, 4))
    assert (order.packs, order.base) == (packs(1, 2, 3, 4), groups[0])


def test_a_group_that_lacks_a_piece_of_parity_is_made_again_as_it_was() -> None:
    group = packs(9, 4, 7)
    for gone in range(4):
        left = [piece for n, piece in enumerate(pieces(group)) if n != gone]
        assert plan_parity(groups_of(left), present(4, 7, 9)) == [Order(packs=group, size=SMALL)]
        assert plan_parity(groups_of(left), present(4, 7, 9), mend_only=True) == [Order(packs=group, size=SMALL)]
    assert plan_parity([], present(4, 7, 9), mend_only=True) == []


def test_the_rest_of_a_group_whose_pack_went_is_grouped_anew() -> None:
    groups = groups_of(pieces(packs(*range(16))))
    here = present(*range(1, 16))
    assert uncovered(groups, here) == sorted(here)
    (order,) = plan_parity(groups, here)
    assert (order.packs, order.base) == (packs(*range(1, 16)), None)


def test_what_is_going_to_be_removed_gets_none() -> None:
    assert plan_parity([], present(1, 2), leave=packs(1)) == [Order(packs=packs(2), size=SMALL)]
    assert uncovered([], present(1, 2), leave=packs(1)) == [name(2)]


def test_a_group_with_a_pack_that_is_going_to_be_removed_is_not_gone_on_with() -> None:
    groups = groups_of(pieces(packs(1, 2)))
    assert plan_parity(groups, present(1, 2), leave=packs(1)) == []  # it stands as long as the pack is there
    assert plan_parity(groups, present(1, 2, 3), leave=packs(1)) == [Order(packs=packs(2, 3), size=SMALL)]


def test_a_pack_of_another_size_is_no_member() -> None:
    groups = groups_of(pieces(packs(1, 2)))
    assert uncovered(groups, present(1) | present(2, size=LARGE)) == packs_list(1, 2)


def packs_list(*numbers: int) -> list[bytes]:
    return list(packs(*numbers))


@given(st.lists(st.tuples(st.integers(1, 25), st.integers(0, 9)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_after_every_run_everything_is_covered_and_at_most_one_group_is_not_full(runs: list[tuple[int, int]]) -> None:
    groups: list[Group] = []
    here: dict[bytes, int] = {}
    number = 0
    for new, gone in runs:
        for pack in sorted(here)[:gone]:
            del here[pack]
        here |= present(*range(number, number + new))
        number += new
        orders = plan_parity(groups, here)
        assert sum(len(order.packs) < 16 for order in orders) <= 1
        groups = settled(groups, here)
        assert uncovered(groups, here) == []
        assert plan_parity(groups, here) == []
        useless = set(superseded(groups, here, sound=True))
        groups = groups_of(piece for group in groups for piece in group.pieces if piece.name not in useless)
        assert uncovered(groups, here) == []
        assert all(set(group.packs) & here.keys() for group in groups)


def test_a_group_that_is_part_of_a_larger_one_is_of_no_use() -> None:
    old, new = pieces(packs(1, 2)), pieces(packs(1, 2, 3))
    assert sorted(superseded(groups_of([*old, *new]), present(1, 2, 3), sound=True)) == sorted(p.name for p in old)


def test_unfinished_parity_supersedes_nothing() -> None:
    old, new = pieces(packs(1, 2)), pieces(packs(1, 2, 3))[:3]
    assert superseded(groups_of([*old, *new]), present(1, 2, 3), sound=True) == []


def test_parity_of_a_lost_pack_stays_until_nothing_needs_it() -> None:
    old, new = pieces(packs(1, 2)), pieces(packs(1, 3))
    groups = groups_of([*old, *new])
    assert superseded(groups, present(1, 3), sound=False) == []
    assert sorted(superseded(groups, present(1, 3), sound=True)) == sorted(piece.name for piece in old)


def test_parity_of_nothing_is_of_no_use() -> None:
    groups = groups_of(pieces(packs(1, 2)))
    assert len(superseded(groups, {}, sound=True)) == 4


def test_a_second_copy_under_another_key_is_of_no_use() -> None:
    groups = groups_of([*pieces(packs(1)), *pieces(packs(1), salt=1)])
    useless = superseded(groups, present(1), sound=True)
    assert len(useless) == 4
    left = groups_of(piece for piece in groups[0].pieces if piece.name not in useless)
    assert uncovered(left, present(1)) == []
