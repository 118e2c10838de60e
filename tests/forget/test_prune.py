"""Which packs go, and which are stored anew: rules about numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photovault.forget import PackUse, plan_prune
from photovault.forget.prune import merged_sizes, together
from photovault.vault import format as fmt
from photovault.vault.format import Codec, PartKind, Record

MIB = 1 << 20


def pack(number: int, used: float, live: float, *, kinds: tuple[int, ...] = (1,), fixed: bool = False) -> PackUse:
    """Sizes in MiB."""
    taken = round(used * MIB)
    return PackUse(
        name=number.to_bytes(32, "big"),
        size=fmt.size_class(taken + fmt.OVERHEAD),
        used=taken,
        live=round(live * MIB),
        kinds=frozenset(kinds),
        fixed=fixed,
    )


def numbers(names: tuple[bytes, ...]) -> list[int]:
    return [int.from_bytes(name, "big") for name in names]


def test_what_nothing_needs_goes_and_what_is_full_stays() -> None:
    plan = plan_prune([pack(1, 15, 15), pack(2, 15, 0), pack(3, 12, 11)])
    assert (numbers(plan.removed), plan.rewritten) == ([2], ())
    assert plan.freed == 16 * MIB


def test_what_is_mostly_waste_is_stored_anew() -> None:
    plan = plan_prune([pack(1, 15, 15), pack(2, 15, 3)])
    assert (plan.removed, numbers(plan.rewritten)) == ((), [2])
    assert plan.rewritten_bytes == 3 * MIB
    assert plan.freed == 12 * MIB


def test_waste_that_frees_nothing_is_left() -> None:
    assert plan_prune([pack(1, 15, 9)]).rewritten == ()


def test_several_wasteful_ones_become_fewer() -> None:
    plan = plan_prune([pack(n, 15, 7) for n in range(4)])
    assert numbers(plan.rewritten) == [0, 1, 2, 3]
    assert plan.freed > 31 * MIB


def test_the_limit_is_the_callers() -> None:
    assert plan_prune([pack(1, 15, 7), pack(2, 15, 6)], max_waste=0.7).rewritten == ()


def test_small_ones_are_poured_together_while_none_is_larger_than_the_others() -> None:
    assert numbers(plan_prune([pack(n, 0.4, 0.4) for n in (1, 2)]).rewritten) == [1, 2]
    assert numbers(plan_prune([pack(n, 0.4, 0.4) for n in (1, 2, 3)]).rewritten) == [1, 2]  # three would take more room
    assert numbers(plan_prune([pack(n, 0.4, 0.4) for n in (1, 2, 3, 4)]).rewritten) == [1, 2, 3, 4]
    assert plan_prune([pack(1, 0.4, 0.4), pack(2, 3.9, 3.9)]).rewritten == ()
    assert plan_prune([pack(1, 0.4, 0.4)]).rewritten == ()


def test_kinds_keep_packs_of_their_own() -> None:
    assert plan_prune([pack(1, 0.4, 0.4), pack(2, 0.4, 0.4, kinds=(2,))]).rewritten == ()


def test_what_must_stay_stays() -> None:
    assert plan_prune([pack(1, 1, 0, fixed=True), pack(2, 15, 1, fixed=True)]).marked == frozenset()
    assert plan_prune([pack(1, 1, 0)], left_alone=frozenset([pack(1, 1, 0).name])).marked == frozenset()


def test_uniform_packs_are_merged_as_well() -> None:
    uses = [PackUse(name=bytes([n]) * 32, size=16 * MIB, used=MIB, live=MIB, kinds=frozenset([1])) for n in range(3)]
    plan = plan_prune(uses, uniform=True)
    assert len(plan.rewritten) == 3
    assert plan.freed == 32 * MIB


sizes = st.tuples(st.floats(0.001, 15.9), st.floats(0, 1), st.sampled_from([(1,), (2,), (1, 2)]), st.booleans())


@given(st.lists(sizes, max_size=25), st.booleans())
def test_a_plan_never_takes_more_room_and_comes_to_an_end(
    packs: list[tuple[float, float, tuple[int, ...], bool]], uniform: bool
) -> None:
    uses = [
        pack(at, used, used * share, kinds=kinds, fixed=fixed) for at, (used, share, kinds, fixed) in enumerate(packs)
    ]
    if uniform:
        uses = [
            PackUse(name=u.name, size=16 * MIB, used=u.used, live=u.live, kinds=u.kinds, fixed=u.fixed) for u in uses
        ]
    plan = plan_prune(uses, uniform=uniform)
    assert plan.freed >= 0
    assert len(plan.marked) == len(plan.removed) + len(plan.rewritten)
    by_name = {use.name: use for use in uses}
    assert all(by_name[name].live == 0 for name in plan.removed)
    assert not any(by_name[name].fixed for name in plan.marked)
    assert all(use.fixed or use.live or use.name in plan.removed for use in uses)


def test_parts_that_are_encoded_together_stay_together() -> None:
    def record(number: int, codec: Codec) -> Record:
        return Record(bytes([number]) * 32, PartKind.CONTENT, codec, 9, 9)

    codecs = [Codec.PLAIN, Codec.JXL, Codec.JXL_MORE, Codec.JXL_MORE, Codec.ZLIB, Codec.JXL, Codec.PLAIN]
    found = [len(group) for group in together(record(at, codec) for at, codec in enumerate(codecs))]
    assert found == [1, 3, 1, 1, 1]


def test_small_index_objects_are_merged_in_the_same_way() -> None:
    kib = 1024
    assert merged_sizes([16 * kib, 16 * kib]) == 2
    assert merged_sizes([16 * kib, 64 * kib]) == 0
    assert merged_sizes([16 * kib, 16 * kib, 32 * kib, 16 * MIB]) == 3
    assert merged_sizes([16 * kib]) == 0
    assert merged_sizes([]) == 0
