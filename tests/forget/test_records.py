"""What retention records mean, and what is left of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from photovault.forget.records import FOREVER, due, explanations, is_explanation, pending, split, to_undo
from photovault.model import Gone, Retention
from photovault.vault.vault import NamedRetention

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86_400


def text(days_ago: float) -> str:
    return (NOW - timedelta(days=days_ago)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def gone(number: int) -> Gone:
    return Gone(name=bytes([number]) * 32, device_id=bytes(16), number=number)


def record(days_ago: float, *, grace: int = 7 * DAY, packs: tuple[int, ...] = (), **more: object) -> Retention:
    names = tuple(bytes([one]) * 32 for one in packs)
    return Retention(
        device_id=bytes(16),
        device_name="x",
        time=text(days_ago),
        grace=grace,
        packs=names,
        **more,  # type: ignore[arg-type]
    )


def named(number: int, one: Retention) -> NamedRetention:
    return NamedRetention(name=bytes([number]) * 32, record=one)


def test_grace_counts_by_the_record_and_by_when_it_was_seen_here() -> None:
    old = named(1, record(30, packs=(1,)))
    assert due([old], {old.name: text(8)}, NOW) == [old]
    assert due([old], {old.name: text(6)}, NOW) == []
    young = named(2, record(6, packs=(1,)))
    assert due([young], {young.name: text(30)}, NOW) == []
    assert due([old], {}, NOW) == []


def test_pins_and_explanations_are_never_due() -> None:
    pin = named(1, record(30, grace=0, pins=(bytes(32),)))
    said = named(2, record(300, grace=FOREVER, packs=(1,)))
    assert pending([pin, said]) == []
    assert due([pin, said], {pin.name: text(30), said.name: text(300)}, NOW) == []


def test_the_last_that_forgot_snapshots_is_taken_back_in_all_its_pieces() -> None:
    first = named(1, record(3, snapshots=(gone(1),)))
    second = [named(2, record(2, snapshots=(gone(2),))), named(3, record(2, packs=(4,)))]
    only_room = named(4, record(1, packs=(5,)))
    assert to_undo([first, *second, only_room], NOW) == second
    assert to_undo([first, *second, only_room], NOW + timedelta(days=5.5)) == []


def test_what_is_done_becomes_one_explanation_a_month_and_one_a_year() -> None:
    done = [
        record(1, snapshots=(gone(1),), packs=(1, 2)),
        record(2, snapshots=(gone(2),), packs=(3,)),
        record(40, packs=(4,)),
        record(400, snapshots=(gone(3),), packs=(5,)),
        record(420, snapshots=(gone(4),), packs=(6,)),
        record(430, packs=(7,)),
    ]
    made = explanations(done, {bytes([2]) * 32}, NOW)
    assert [[one.number for one in found.snapshots] for found in made] == [[3, 4], [], [1, 2]]
    assert [[name[0] for name in found.packs] for found in made] == [[], [4], [1, 3]]
    assert all(is_explanation(one) for one in made)
    assert explanations(made, set(), NOW) == made
    assert explanations(made, set(), NOW + timedelta(days=500))[-1].packs == ()


def test_a_record_of_more_than_an_object_holds_is_cut() -> None:
    packs = tuple(n.to_bytes(32, "big") for n in range(250_000))
    whole = Retention(
        device_id=bytes(16),
        device_name="x",
        time=text(0),
        grace=1,
        packs=packs,
        indexes=(bytes(32),),
        snapshots=(gone(1),),
    )
    pieces = list(split(whole))
    assert [len(one.packs) for one in pieces] == [100_000, 100_000, 50_000]
    assert [len(one.snapshots) for one in pieces] == [1, 0, 0]
    assert pieces[-1].indexes == (bytes(32),)
    assert len(list(split(record(0, snapshots=(gone(1),))))) == 1
