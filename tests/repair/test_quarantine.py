"""A damaged pack may go only when nothing is in it that anybody needs and that is nowhere else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photovault.repair.quarantine import plan_quarantine

PARTS = st.frozensets(st.integers(0, 7).map(lambda number: bytes([number])))


@given(held=PARTS, bad=PARTS, elsewhere=PARTS, needed=PARTS, blind=st.booleans())
def test_nothing_that_is_needed_goes(
    held: frozenset[bytes], bad: frozenset[bytes], elsewhere: frozenset[bytes], needed: frozenset[bytes], blind: bool
) -> None:
    bad &= held
    good = held - bad
    lost = needed - elsewhere - good
    gone = plan_quarantine({b"pack": bad}, lambda _: held, elsewhere.__contains__, lost, is_blind=blind)
    if gone:
        assert needed & held <= elsewhere
        assert good <= elsewhere, "what opens may be needed by a snapshot that is being made"
        assert not blind or held <= elsewhere, "nobody knows what is needed"
    else:
        assert not held <= elsewhere or (not held and (lost or blind))


def test_a_pack_of_which_nothing_is_known_stays_while_anything_is_lost() -> None:
    for lost, blind, goes in (({b"1"}, False, []), (set(), True, []), (set(), False, [b"pack"])):
        assert plan_quarantine({b"pack": ()}, lambda _: (), lambda _: True, lost, is_blind=blind) == goes
