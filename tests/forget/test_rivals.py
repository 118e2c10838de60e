"""Forgetting among rivals: storages that hide, lose and show things again, and others who act in the middle of a removal."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.forgetting import pin, undo
from photovault.app.repairing import RepairRequest, repair_vault
from photovault.check import parse_amount
from photovault.errors import DamageError, GuardError, OvertakenError
from photovault.gate.door import Door
from photovault.model import Retention
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from tests.forget.test_run import AT_ONCE, LAST, Place
from tests.support.devices import Computer, Silent
from tests.support.photos import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photovault.storage.base import Buffer, Stored


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Deleting(MemoryStorage):
    """Lets something happen before the first object of a kind is removed."""

    def __init__(self, inner: MemoryStorage, happens: Callable[[], object], prefix: str = "packs/") -> None:
        super().__init__()
        self.objects = inner.objects
        self._prefix = prefix
        self._happens = [happens]

    def delete(self, name: str) -> None:
        if name.startswith(self._prefix) and self._happens:
            self._happens.pop()()
        super().delete(name)


def another(place: Place) -> Computer:
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now
    return other


def test_what_is_being_removed_cannot_be_taken_back_by_a_device_that_saw_it_late(place: Place) -> None:
    """It would rely on packs again while the other one, which saw that nothing needs them, is removing them."""
    place.backup(1, files=3)
    spare = place.folder / "other" / "Pictures"
    for one in place.photos.rglob("*.bin"):
        put(spare / one.name, one.read_bytes())
    place.backup(2)
    place.forget(keep=LAST)
    place.computer.sleep(days=5)
    other = another(place)
    with other.app(place.storage, words_file=place.words).session(lock=True) as session:
        session.evidence.first_seen([one.name for one in session.vault.retention], "2024-05-12T00:00:00.000000Z")
    place.computer.sleep(days=3)

    def meanwhile() -> None:
        with suppress(GuardError):
            undo(other.app(place.storage, words_file=place.words))
        other.backup(spare, storage=place.storage, words_file=place.words)

    report = place.forget(storage=Deleting(place.storage, meanwhile))
    assert report.removed.snapshots == 1
    assert (
        Computer(place.folder / "third", "memory:", seed="3").check(place.storage, words_file=place.words).findings
        == ()
    )


def test_a_record_that_was_taken_back_does_not_count_again_by_its_name(place: Place) -> None:
    """Whoever can write there, and has no keys, knows the name."""
    ids = [place.backup(n) for n in range(3)]
    other = another(place)
    place.forget(keep=LAST)
    other.snapshots(place.storage, words_file=place.words)
    (record,) = place.names("retention/")
    place.call(undo)
    assert other.snapshots(place.storage, words_file=place.words) == ids
    place.storage.objects[record] = b"x" * 16384
    assert place.snapshots() == ids
    assert other.snapshots(place.storage, words_file=place.words) == ids
    repair_vault(
        place.computer.app(place.storage, words_file=place.words), RepairRequest(amount=parse_amount("0")), Silent()
    )
    assert place.snapshots() == ids


def test_a_snapshot_that_the_storage_lost_keeps_its_packs(place: Place) -> None:
    """This computer remembers it, and a repair brings it back."""
    ids = [place.backup(n) for n in range(4)]
    whole = dict(place.storage.objects)
    del place.storage.objects[f"snapshots/{ids[1]}"]
    for _ in range(3):
        with pytest.raises(GuardError, match="1 snapshots are missing"):
            place.forget()
        place.computer.sleep(days=9)
    assert {name for name in whole if name.startswith("packs/")} <= place.storage.objects.keys()
    place.forget(ids[1])  # gone for good
    place.computer.sleep(days=9)
    assert place.forget().removed.packs


def test_no_time_and_no_grace_is_too_long(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    app = place.computer.app(place.storage, words_file=place.words)
    with app.session(lock=True) as session:
        for time, grace in (("9999-12-31T23:59:59.000000Z", 2 * 10**9), ("2024-05-05T00:00:00.000000Z", 2**63 - 1)):
            record = Retention(
                device_id=bytes(16),
                device_name="x",
                time=time,
                grace=grace,
                packs=tuple(fmt.digest_of(name) for name in place.names("packs/")),
            )
            session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))
    place.forget(request=AT_ONCE)
    place.computer.sleep(days=9)
    place.forget()
    assert place.snapshots() == ids[2:]
    place.assert_whole()


def test_many_packs_that_nobody_can_read_cost_one_look(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from photovault.forget import delete

    place.backup(1)
    for number in range(40):
        data = bytes([number]) * 16384
        place.storage.objects[fmt.object_name(ObjectKind.PACK, hashlib.sha256(data).digest())] = data
    looks: list[object] = []
    uses = delete.uses
    monkeypatch.setattr(delete, "uses", lambda *given: looks.append(1) or uses(*given))
    place.forget()
    place.computer.sleep(days=8)
    assert place.forget().removed.packs == 40
    assert len(looks) <= 2
    place.assert_whole()


def test_a_pack_that_cannot_be_read_stays_while_anything_is_doubted(place: Place) -> None:
    """Parity may bring it back, and it may have what is damaged elsewhere."""
    place.backup(1)
    data = b"x" * 16384
    unreadable = fmt.object_name(ObjectKind.PACK, hashlib.sha256(data).digest())
    place.storage.objects[unreadable] = data
    (pack, *_) = [name for name in place.names("packs/") if name != unreadable]

    def doubt(doubted: str) -> None:
        app = place.computer.app(place.storage, words_file=place.words)
        with app.session(lock=True) as session:
            app.note_damage(session, {fmt.digest_of(doubted): ()}, "rotten")

    place.forget()
    doubt(pack)
    place.computer.sleep(days=8)
    assert place.forget().removed.packs == 0
    assert place.names("retention/") == []
    assert unreadable in place.storage.objects


class Asked(MemoryStorage):
    """Lets something happen before something is read, once."""

    def __init__(self, inner: MemoryStorage, prefix: str, happens: Callable[[], object]) -> None:
        super().__init__()
        self.objects = inner.objects
        self._prefix = prefix
        self._happens = [happens]

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if name.startswith(self._prefix) and self._happens:
            self._happens.pop()()
        return super().get(name, offset, length)


def test_what_is_pinned_while_it_is_looked_what_goes_stays(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    other = another(place)
    other.snapshots(place.storage, words_file=place.words)

    def meanwhile() -> None:
        pin(other.app(place.storage, words_file=place.words), ids[0])

    class Listing(MemoryStorage):
        def listing(self, prefix: str) -> Iterator[Stored]:
            found = list(super().listing(prefix))
            looks.append(prefix)
            if looks.count("snapshots/") == 2 and meanwhiles:
                meanwhiles.pop()()
            return iter(found)

    looks: list[str] = []
    meanwhiles = [meanwhile]
    storage = Listing()
    storage.objects = place.storage.objects
    with pytest.raises(OvertakenError, match="pinned"):
        place.forget(storage=storage)
    place.forget()
    assert place.snapshots() == [ids[0], ids[2]]
    place.assert_whole()


def test_a_removal_stops_when_records_change(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.forget.delete._BETWEEN_LOOKS", 1)
    for n in range(6):
        place.backup(n)
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    packs = len(place.names("packs/"))

    def meanwhile() -> None:
        for name in place.names("retention/"):
            del place.storage.objects[name]

    report = place.forget(storage=Deleting(place.storage, meanwhile))
    assert report.removed.packs == 1
    assert len(place.names("packs/")) == packs - 1


def test_a_record_that_was_taken_over_while_a_run_looked_is_seen_all_the_same(place: Place) -> None:
    """A run lists a record, it goes, and what it said is in another one by now."""
    place.backup(1)
    with (
        place.computer.app(place.storage, words_file=place.words).session() as session,
        another(place).app(place.storage, words_file=place.words).session() as remover,
    ):
        record = Retention(
            device_id=bytes(16),
            device_name="x",
            time="2024-05-05T00:00:00.000000Z",
            grace=0,
            packs=tuple(fmt.digest_of(name) for name in place.names("packs/")),
        )
        first = remover.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))

        def taken_over() -> None:
            remover.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(replace(record, grace=2**63 - 1)))
            del place.storage.objects[fmt.object_name(ObjectKind.RETENTION, first)]

        session.vault.door = Door(Asked(place.storage, "retention/", taken_over), lambda *_: None)
        assert session.vault.is_retold()


def test_packs_that_went_during_a_repair_are_told_to_the_next_backup(place: Place) -> None:
    place.backup(1, files=3)
    place.backup(2, files=3)
    away = place.folder / "away"
    packs = place.names("packs/")
    rotten, going = packs[0], packs[-1]
    place.storage.objects[rotten] = place.storage.objects[rotten][:-20] + bytes(20)
    place.photos.rename(away)

    class Losing(MemoryStorage):
        def put(self, name: str, data: Buffer) -> None:
            self.objects.pop(going, None)
            super().put(name, data)

    storage = Losing()
    storage.objects = place.storage.objects
    repair_vault(
        place.computer.app(storage, words_file=place.words), RepairRequest(amount=parse_amount("all")), Silent()
    )
    assert going not in place.storage.objects
    away.rename(place.photos)
    report = place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    assert report.written.new_parts
    out = place.folder / "out"
    assert (
        Computer(place.folder / "third", "memory:", seed="3")
        .restore(out, storage=place.storage, words_file=place.words)
        .damaged
        == ()
    )


def write(place: Place, *packs: str, device: int = 1, grace: int = 3600) -> str:
    """A record of another device that marks packs; returns its name."""
    record = Retention(
        device_id=bytes([device]) * 16,
        device_name="x",
        time="2024-05-05T00:00:00.000000Z",
        grace=grace,
        packs=tuple(map(fmt.digest_of, packs)),
    )
    with place.computer.app(place.storage, words_file=place.words).session(lock=True) as session:
        name = session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))
    return fmt.object_name(ObjectKind.RETENTION, name)


def test_of_two_packs_with_the_same_parts_that_are_both_marked_one_stays(place: Place) -> None:
    place.backup(1)
    first = place.names("packs/")
    marked = write(place, *first, grace=2**63 - 1)
    place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    del place.storage.objects[marked]
    for number, name in enumerate(place.names("packs/"), 1):
        write(place, name, device=number)
    assert len(place.names("packs/")) == 2 * len(first)
    place.forget()  # sees the records for the first time
    place.computer.sleep(days=1)
    place.forget()
    place.assert_whole()


def test_a_snapshot_that_comes_while_others_are_removed_keeps_what_it_needs(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    with place.computer.app(place.storage, words_file=place.words).session(lock=True) as session:
        oldest = next(one.snapshot for one in session.vault.snapshots().found if one.id == ids[0])
        again = replace(oldest, device_id=b"other" * 3 + b"!", number=1, previous=None, heads=())
        late = fmt.object_name(
            ObjectKind.SNAPSHOT, session.vault.send_single(ObjectKind.SNAPSHOT, fmt.encode_snapshot(again))
        )
    data = place.storage.objects.pop(late)
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    storage = Deleting(place.storage, lambda: place.storage.objects.update({late: data}), "snapshots/")
    assert place.forget(storage=storage).removed.revived
    assert late.endswith(place.snapshots()[0])
    place.assert_whole()


def test_nothing_is_removed_while_a_snapshot_cannot_be_read(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    place.forget(keep=LAST)
    other = another(place)
    with other.app(place.storage, words_file=place.words).session(lock=True) as session:
        session.evidence.first_seen([one.name for one in session.vault.retention], "2024-05-06T00:00:00.000000Z")
    place.computer.sleep(days=9)
    place.storage.objects[f"snapshots/{ids[2]}"] = b"x" * 16384
    there = dict(place.storage.objects)
    with pytest.raises(DamageError, match="nobody knows what it needs"):
        other.forget(storage=place.storage, words_file=place.words)
    assert place.storage.objects == there


def test_nothing_is_removed_while_photos_are_in_no_pack(place: Place) -> None:
    """A pack that nobody can read may be just the one that has them."""
    put(place.photos / "large.bin", Random(7).randbytes(17_000_000))
    place.backup(1)
    largest = max(place.names("packs/"), key=lambda name: len(place.storage.objects[name]))
    place.storage.objects[largest] = b"x" * len(place.storage.objects[largest])
    there = dict(place.storage.objects)
    with pytest.raises(DamageError, match="in no pack"):
        another(place).forget(storage=Indexless(place.storage), words_file=place.words)
    assert place.storage.objects == there


@pytest.mark.parametrize("doubted", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_also_in_a_doubted_or_marked_pack_is_not_marked(place: Place, which: int, *, doubted: bool) -> None:
    place.backup(1)
    (first,) = place.names("packs/")
    marked = write(place, first, grace=2**63 - 1)
    place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    (second,) = {*place.names("packs/")} - {first}
    del place.storage.objects[marked]
    bad, good = (first, second) if which else (second, first)
    if doubted:
        app = place.computer.app(place.storage, words_file=place.words)
        with app.session(lock=True) as session:
            app.note_damage(session, {fmt.digest_of(bad): ()}, "rotten")
    else:
        write(place, bad)
    assert fmt.digest_of(good) not in place.forget().prune.removed


class Indexless(MemoryStorage):
    """Hides the index."""

    def __init__(self, inner: MemoryStorage) -> None:
        super().__init__()
        self.objects = inner.objects

    def listing(self, prefix: str) -> Iterator[Stored]:
        return (one for one in super().listing(prefix) if not one.name.startswith("index/"))
