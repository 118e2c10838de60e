"""Chains of snapshots over several storages: what is lost, only elsewhere, rolled back, forked, split or silent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from photovault.model import Finding, Head
from photovault.vault.chains import Seen, fingerprint, forks, gaps, rolled_back, signs, silent, splits
from photovault.vault.vault import NamedSnapshot, Snapshots
from tests.vault.some import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def test_what_was_forgotten_on_purpose_is_not_missed() -> None:
    assert gaps([ONE, named(3, (HERE, 2))], HERE, {name(2)}) == ([], [])
    assert list(rolled_back([ONE, TWO], {DEVICE.hex(): (3, name(3).hex())}, {name(3)})) == []


def test_a_newest_one_that_was_exchanged_for_another_is_missed() -> None:
    """The numbers alone would say that all is well."""
    other = NamedSnapshot(name=name(99), snapshot=snapshot(2, previous=name(1)))
    (finding,) = rolled_back([ONE, other], {DEVICE.hex(): (2, name(2).hex())})
    assert finding.where == "snapshots/" + "02" * 32
    assert "hides" in finding.what


def test_everything_that_was_seen_here_is_missed_when_it_is_gone() -> None:
    """Between snapshots that were forgotten, no chain leads to what is hidden; the memory of it does."""
    known = {name(n): Seen(device_id=DEVICE, number=n, when=f"2024-05-0{n}T00:00:00Z") for n in (1, 2, 3, 5)}
    (finding,) = rolled_back([named(5)], {}, {name(2)}, known)
    assert finding.where == "snapshots/" + "03" * 32
    assert "(number 3 of test) was there on 2024-05-03, and 1 before it" in finding.what


def test_one_thing_is_said_once() -> None:
    shown = Snapshots(found=(ONE, named(4, (HERE, 3))))
    found = signs(shown, HERE, {DEVICE.hex(): (4, name(4).hex())}, {name(3): Seen(device_id=DEVICE, number=3)})
    assert [finding.where for finding in found.findings] == ["snapshots/" + "03" * 32]


def test_a_snapshot_that_is_there_and_unreadable_is_not_missing() -> None:
    damaged = Finding(what="damaged", where="snapshots/" + "02" * 32)
    shown = Snapshots(found=(ONE, named(3, (HERE, 2))), damaged=(damaged,))
    assert signs(shown, HERE, {}, {name(2): Seen(device_id=DEVICE, number=2)}).findings == ()


# Forks


def fork(letter: int, number: int, previous: int, *heads: tuple[str, int]) -> NamedSnapshot:
    return NamedSnapshot(name=name(letter), snapshot=replace(named(number, *heads).snapshot, previous=name(previous)))


def test_two_with_one_number_are_a_fork() -> None:
    (finding,) = forks([ONE, TWO, fork(99, 2, 1, (HERE, 1))])
    assert "made 2 snapshots with the number 2" in finding.what
    assert "device.json" in finding.hint


def test_a_fork_is_said_once_however_long_both_go_on() -> None:
    more = [named(3, (HERE, 2)), fork(98, 2, 1, (HERE, 1)), fork(99, 3, 98, (HERE, 2))]
    (finding,) = forks([ONE, TWO, *more])
    assert "the number 2" in finding.what


def test_what_a_crash_leaves_is_no_fork() -> None:
    """It was stored here, the device never heard of it, and went on elsewhere."""
    crashed, went_on = fork(2, 2, 1, (HERE, 1)), fork(99, 2, 1, (THERE, 1))
    assert list(forks([ONE, crashed, went_on, fork(3, 3, 99, (THERE, 2))])) == []
    assert len(list(forks([ONE, crashed, went_on, fork(3, 3, 99), fork(4, 3, 2)]))) == 1


# Splits


def at(letter: int, number: int, device: int, **seen: int) -> NamedSnapshot:
    """A snapshot of a device, made at HERE; ``seen``: what it knew of devices a and b."""
    ids = {"a": bytes([1] * 16), "b": bytes([2] * 16)}
    heads = tuple(Head(storage=HERE, device_id=ids[who], number=n, snapshot=name(200)) for who, n in seen.items())
    own = snapshot(number, device_id=bytes([device] * 16), heads=heads)
    return NamedSnapshot(name=name(letter), snapshot=own)


def test_two_devices_that_never_saw_what_the_other_did_were_split() -> None:
    ours = [at(1, 1, 1, b=1), at(2, 2, 1, a=1, b=1), at(3, 3, 1, a=2, b=1)]
    theirs = [at(11, 2, 2, a=1, b=1), at(12, 3, 2, a=1, b=2)]
    (finding,) = splits(ours + theirs)
    assert f"{HERE} showed two devices different states" in finding.what
    assert list(splits(ours + theirs[:1])) == []  # one that overlaps is no proof


def test_backups_that_overlap_are_no_split() -> None:
    """A long one of one device, and three of another meanwhile."""
    ours = [at(1, 1, 1, b=1), at(2, 2, 1, a=1, b=1), at(3, 3, 1, a=2, b=4)]
    theirs = [at(n, n - 9, 2, a=1, b=n - 10) for n in (11, 12, 13)]
    assert list(splits(ours + theirs)) == []
    during = [at(1, 1, 1, b=1), at(2, 2, 1, a=1, b=1), at(3, 3, 1, a=2, b=1)]
    assert list(splits([*during, at(11, 2, 2, a=1, b=1), at(12, 3, 2, a=3, b=2)])) == []


# Silence


def daily(days: Iterable[int], device: int = 1, of: str = "laptop") -> list[NamedSnapshot]:
    return [
        NamedSnapshot(
            name=hashlib.sha256(f"{device} {day}".encode()).digest(),
            snapshot=snapshot(
                number, device_id=bytes([device] * 16), device_name=of, time=f"2024-05-{day:02}T12:00:00.000000Z"
            ),
        )
        for number, day in enumerate(days, 1)
    ]


@pytest.mark.parametrize(
    ("days", "today", "said"),
    [
        ((1, 2, 3, 4), 8, []),
        ((1, 2, 3, 4), 14, ["laptop made a snapshot about once a day and none for 9 days"]),
        ((1, 8, 15), 30, []),  # never daily
        ((1, 2), 30, []),  # no habit yet
    ],
)
def test_a_device_that_was_daily_and_is_silent_is_noted(days: tuple[int, ...], today: int, said: list[str]) -> None:
    now = datetime(2024, 5, today, 11, tzinfo=UTC)
    assert [one.what for one in silent(daily(days), now, 7 * 86400)] == said


def test_silence_that_is_explained_is_not_noted() -> None:
    now, some = datetime(2024, 5, 30, tzinfo=UTC), daily((1, 2, 3, 4))
    assert list(silent(some, now, 7 * 86400, own=bytes([1] * 16))) == []
    assert list(silent(some, now + timedelta(days=365), 7 * 86400)) == []  # put away, and known to be
    anew = daily((28, 29), device=2)  # set up anew under the same name
    assert list(silent([*some, *anew], now, 7 * 86400)) == []


# Fingerprints


def test_a_fingerprint_is_of_the_newest_of_each_device() -> None:
    state = b"photovault/1/state" + DEVICE + (2).to_bytes(8, "big") + name(2)
    digits = hashlib.sha256(state).hexdigest()[:32]
    assert fingerprint([TWO, ONE]).replace(" ", "") == digits
    assert fingerprint([TWO]) == fingerprint([ONE, TWO]) != fingerprint([ONE])
    assert len(fingerprint([ONE]).split(" ")) == 8
    assert fingerprint([]) == ""


# Honest histories and attacks, in a model of devices and storages


@dataclass
class Place:
    """A storage: what it shows, and what was forgotten there."""

    address: str
    shows: dict[bytes, NamedSnapshot] = field(default_factory=dict)
    removed: set[bytes] = field(default_factory=set)

    def snapshots(self) -> Snapshots:
        every = sorted(self.shows.values(), key=lambda one: one.name)
        return Snapshots(
            found=tuple(one for one in every if one.name not in self.removed),
            forgotten=tuple(one for one in every if one.name in self.removed),
            removed=frozenset(self.removed),
        )

    def older(self) -> Place:
        return Place(self.address, dict(self.shows), set(self.removed))


class Machine:
    """A device as app.destinations and app.runs make it one."""

    def __init__(self, number: int) -> None:
        self.device_id = bytes([number] * 16)
        self.heads: dict[str, dict[bytes, tuple[int, bytes]]] = {}
        self.known: dict[str, dict[bytes, Seen]] = {}
        self.under_way: tuple[Place, NamedSnapshot] | None = None

    def saw(self, storage: str, device_id: bytes, number: int, name: bytes) -> None:
        there = self.heads.setdefault(storage, {})
        there[device_id] = max((number, name), there.get(device_id, (0, b"")), key=lambda head: head[0])

    def look(self, place: Place) -> tuple[Finding, ...]:
        """Open the vault at a place; what is wrong with it."""
        shown, known = place.snapshots(), self.known.setdefault(place.address, {})
        for one in (*shown.found, *shown.forgotten):
            self.saw(place.address, one.snapshot.device_id, one.snapshot.number, one.name)
            known[one.name] = Seen(device_id=one.snapshot.device_id, number=one.snapshot.number, when="2024-05-04")
            for head in one.snapshot.heads:
                self.saw(head.storage, head.device_id, head.number, head.snapshot)
        heads = {key.hex(): (n, called.hex()) for key, (n, called) in self.heads.get(place.address, {}).items()}
        return signs(shown, place.address, heads, known).findings

    def begin(self, place: Place) -> tuple[Finding, ...]:
        found = self.look(place)
        number, previous = max((there.get(self.device_id, (0, b"")) for there in self.heads.values()), default=(0, b""))
        told = tuple(
            Head(storage=storage, device_id=device_id, number=n, snapshot=called)
            for storage in sorted(self.heads, key=lambda one: (one != place.address, one))
            for device_id, (n, called) in sorted(self.heads[storage].items())
        )
        made = snapshot(number + 1, device_id=self.device_id, previous=previous or None, heads=told)
        digest = hashlib.sha256(f"{self.device_id.hex()} {place.address} {number + 1} {previous.hex()}".encode())
        self.under_way = place, NamedSnapshot(name=digest.digest(), snapshot=made)
        return found

    def finish(self, *, crash: bool = False) -> None:
        assert self.under_way is not None
        place, one = self.under_way
        self.under_way = None
        place.shows[one.name] = one
        if not crash:
            self.saw(place.address, self.device_id, one.snapshot.number, one.name)

    def back_up(self, place: Place) -> tuple[Finding, ...]:
        found = self.begin(place)
        self.finish()
        return found


class Honest:
    """Devices and storages, all honest; the first device has a vault in the first place, and both have its copy."""

    def __init__(self) -> None:
        self.places = [Place(HERE), Place(THERE)]
        self.machines = [Machine(number) for number in (1, 2, 3)]
        self.past: list[Place] = []
        self.machines[0].back_up(self.places[0])
        self.copy(self.places[0], self.places[1], 99)

    def copy(self, source: Place, target: Place, many: int) -> None:
        """So many snapshots get there before it is broken off; records come last."""
        lacking = [one for one in source.shows.values() if one.name not in target.shows | dict.fromkeys(target.removed)]
        target.shows |= {one.name: one for one in lacking[:many]}
        if many >= len(lacking):
            target.removed |= source.removed

    def forget(self, place: Place, which: int, *, removed: bool) -> None:
        if place.shows:
            called = sorted(place.shows)[which % len(place.shows)]
            place.removed.add(called)
            if removed:
                del place.shows[called]

    def step(self, what: str, who: int, where: int, number: int) -> None:
        machine, place = self.machines[who], self.places[where]
        match what:
            case "begin" if machine.under_way is None:
                assert machine.begin(place) == ()
            case "finish" if machine.under_way is not None:
                machine.finish(crash=number == 0)
            case "look" if machine.under_way is None:
                assert machine.look(place) == ()
            case "copy":
                self.copy(place, self.places[1 - where], number)
            case "forget":
                self.forget(place, number, removed=bool(number % 2))
        self.past.append(place.older())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "finish", "finish", "look", "copy", "forget"]),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 9),
    ),
    max_size=60,
)


def history(steps: list[tuple[str, int, int, int]]) -> Honest:
    made = Honest()
    for step in steps:
        made.step(*step)
    return made


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_no_honest_history_gives_a_finding(steps: list[tuple[str, int, int, int]]) -> None:
    made = history(steps)
    for place in made.places:
        assert Machine(9).look(place) == ()  # who never saw it
        for machine in made.machines:
            assert machine.look(place) == ()


@given(st.lists(st.tuples(st.sampled_from(["begin", "finish"]), st.integers(0, 1)), max_size=40))
@settings(max_examples=100, deadline=None)
def test_backups_that_overlap_in_any_way_are_no_split(steps: list[tuple[str, int]]) -> None:
    made = history([("begin", 1, 0, 1), ("finish", 1, 0, 1), *((what, who, 0, 1) for what, who in steps)])
    assert Machine(9).look(made.places[0]) == ()


@given(STEPS, st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_snapshot_that_is_hidden_is_missed_by_whoever_saw_it(
    steps: list[tuple[str, int, int, int]], which: int
) -> None:
    made = history(steps)
    (place, _), machine = made.places, made.machines[1]
    machine.look(place)
    there = sorted(one.name for one in place.snapshots().found)
    assume(there)
    hidden = there[which % len(there)]
    del place.shows[hidden]
    assert hidden in missed(machine.look(place), place, machine)


def missed(findings: tuple[Finding, ...], place: Place, machine: Machine) -> set[bytes]:
    """Everything of the devices of which a finding says that something is missing."""
    whose = {
        machine.known[place.address][bytes.fromhex(one.where.partition("/")[2])].device_id
        for one in findings
        if "the storage" in one.what
    }
    return {name for name, seen in machine.known[place.address].items() if seen.device_id in whose}


@given(STEPS, st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_any_older_state_is_noticed_by_whoever_saw_a_newer_one(
    steps: list[tuple[str, int, int, int]], back: int
) -> None:
    made = history(steps)
    (place, _), machine = made.places, made.machines[2]
    machine.look(place)
    past = [older for older in made.past if older.address == place.address]
    assume(past)
    older = past[back % len(past)]
    lost = place.shows.keys() - older.shows.keys() - older.removed
    assert bool(machine.look(older)) == bool(lost)


@given(STEPS, st.integers(2, 4), st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_split_views_are_noticed_when_they_are_joined(
    steps: list[tuple[str, int, int, int]], ours: int, theirs: int
) -> None:
    made = history(steps)
    place, machines = made.places[0], made.machines[:2]
    for machine in machines:
        machine.under_way = None
        machine.back_up(place)
    views = [place.older(), place.older()]
    for machine, view, times in zip(machines, views, (ours, theirs), strict=True):
        for _ in range(times):
            assert machine.back_up(view) == ()
    joined = Place(place.address, views[0].shows | views[1].shows, place.removed)
    assert any("different states" in one.what for one in Machine(9).look(joined))
    if joined.shows != views[0].shows:
        machines[0].look(joined)  # from now on it knows better
        assert machines[0].look(views[0])


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_a_split_is_noticed_through_another_storage(steps: list[tuple[str, int, int, int]]) -> None:
    made = history(steps)
    place, witness = made.places
    ours, theirs = made.machines[:2]
    ours.under_way = theirs.under_way = None
    views = [place.older(), place.older()]
    theirs.back_up(views[1])
    theirs.back_up(witness)
    assert ours.look(witness) == ()
    assert any("older state" in one.what or "hides" in one.what for one in ours.look(views[0]))


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_a_storage_that_stopped_in_time_is_noticed_by_the_next_run(steps: list[tuple[str, int, int, int]]) -> None:
    made = history(steps)
    place, machine = made.places[1], made.machines[0]
    machine.under_way = None
    frozen = place.older()
    assert machine.back_up(place) == ()  # a heartbeat is enough
    assert machine.look(frozen)
