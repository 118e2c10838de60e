"""Chains of snapshots over several storages: what is lost, what is only elsewhere, what was rolled back."""

from __future__ import annotations

import pytest

from photovault.model import Head
from photovault.vault.chains import gaps, rolled_back
from photovault.vault.vault import NamedSnapshot
from tests.vault.some import snapshot

HERE, THERE, THIRD = "s3://here/vault", "s3://there/vault", "file://laptop/mnt/disk"
DEVICE = bytes(16)


def name(number: int) -> bytes:
    return bytes([number]) * 32


def named(number: int, *heads: tuple[str, int]) -> NamedSnapshot:
    """A snapshot of a chain; ``heads``: storages and the number seen there."""
    told = tuple(Head(storage=place, device_id=DEVICE, number=n, snapshot=name(n)) for place, n in heads)
    previous = name(number - 1) if number > 1 else None
    return NamedSnapshot(name=name(number), snapshot=snapshot(number, previous=previous, heads=told))


ONE, TWO = named(1), named(2, (HERE, 1))


def test_a_whole_chain_has_no_gap() -> None:
    assert gaps([ONE, TWO, named(3, (HERE, 2))], HERE) == ([], [])


def test_a_missing_link_that_nobody_knows_of_is_lost() -> None:
    (lost,), elsewhere = gaps([ONE, named(3)], HERE)
    assert (lost.where, elsewhere) == ("snapshots/" + "02" * 32, [])
    assert "number 2) is missing" in lost.what


@pytest.mark.parametrize("places", [(HERE,), (HERE, THERE), (THERE, HERE, THIRD)])
def test_a_missing_link_that_was_seen_here_is_lost(places: tuple[str, ...]) -> None:
    lost, elsewhere = gaps([ONE, named(3, *((place, 2) for place in places))], HERE)
    assert (len(lost), elsewhere) == (1, [])


def test_a_missing_link_that_was_seen_only_elsewhere_is_no_loss() -> None:
    lost, (note,) = gaps([ONE, named(3, (HERE, 1), (THERE, 2))], HERE)
    assert lost == []
    assert THERE in note.what
    assert "photovault copy" in note.hint


def test_another_snapshot_may_know_that_it_was_here() -> None:
    found = [ONE, named(3, (THERE, 2)), named(5, (HERE, 2), (THERE, 4))]
    lost, elsewhere = gaps(found, HERE)
    assert [finding.where for finding in lost] == ["snapshots/" + "02" * 32]
    assert [finding.where for finding in elsewhere] == ["snapshots/" + "04" * 32]


def test_the_same_vault_elsewhere_is_looked_at_from_there() -> None:
    """What is no loss here is one there: that storage had it."""
    found = [ONE, named(3, (HERE, 1), (THERE, 2))]
    assert [len(some) for some in gaps(found, THERE)] == [1, 0]


def test_less_than_was_seen_is_a_roll_back() -> None:
    seen = {DEVICE.hex(): (3, name(3).hex())}
    (finding,) = rolled_back([ONE, TWO], seen)
    assert finding.where == "snapshots/" + "03" * 32
    assert "older state" in finding.what


def test_as_much_as_was_seen_or_more_is_none() -> None:
    assert list(rolled_back([ONE, TWO], {DEVICE.hex(): (2, name(2).hex())})) == []
    assert list(rolled_back([ONE, TWO], {DEVICE.hex(): (1, name(1).hex())})) == []
    assert list(rolled_back([], {})) == []


def test_a_device_that_is_gone_altogether_is_missed() -> None:
    assert len(list(rolled_back([ONE], {"ff" * 16: (1, name(9).hex()), DEVICE.hex(): (1, name(1).hex())}))) == 1
