"""Forgetting and pruning a whole vault: what goes, what stays, and what happens when anything fails on the way."""

from __future__ import annotations

import shutil
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.forgetting import ForgetRequest, pin, undo, unpin
from photovault.crypto.words import to_words
from photovault.errors import DamageError, GuardError, OvertakenError, PhotovaultError, RefusedError, UsageError
from photovault.forget import Keep
from photovault.gate.ledger import removed_at
from photovault.model import Retention
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from tests.journeys.test_two_devices import Between
from tests.support.devices import WORDS, Computer
from tests.support.faults import FaultyStorage, Killed, When
from tests.support.photos import put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.forget import ForgetReport
    from photovault.storage.base import Buffer

LAST = Keep(last=1, min_age=0)
AT_ONCE = ForgetRequest(keep=LAST, min_age=0.0, grace=0.0)


class Place:
    """A vault in memory, a device, and its photos; each backup changes some of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = MemoryStorage()
        self.words = str(put(folder / "words", " ".join(to_words(WORDS)).encode()))
        self.computer = Computer(folder / "computer", "memory:", seed="one")
        self.computer.make_vault(self.storage)
        self.photos = folder / "Pictures"
        put(self.photos / "stays.bin", Random(0).randbytes(120_000))

    def backup(self, seed: int = 0, files: int = 1) -> str:
        """A snapshot with files of its own; those of the one before are gone."""
        for old in self.photos.glob("own*"):
            old.unlink()
        for number in range(files):
            put(self.photos / f"own{number}.bin", Random(seed * 100 + number).randbytes(90_000))
        self.computer.sleep(days=1)
        report = self.computer.backup(self.photos, storage=self.storage, words_file=self.words)
        return report.snapshot.id

    def forget(self, *names: str, **more: object) -> ForgetReport:
        return self.computer.forget(*names, **({"storage": self.storage, "words_file": self.words} | more))  # type: ignore[arg-type]

    def snapshots(self) -> list[str]:
        return self.computer.snapshots(self.storage, words_file=self.words)

    def call(self, what: Callable[..., object], *args: object) -> object:
        return what(self.computer.app(self.storage, words_file=self.words), *args)

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.storage.objects if name.startswith(prefix))

    def assert_whole(self, photos: Path | None = None) -> None:
        """A stranger finds nothing wrong, and what was backed up last comes back; ``photos``: where it was."""
        third = Computer(self.folder / "third", "memory:", seed="third")
        third._now = self.computer._now
        assert third.check(self.storage, words_file=self.words).findings == ()
        out = self.folder / "out"
        assert third.restore(out, storage=self.storage, words_file=self.words).damaged == ()
        assert same_tree(out / "Pictures", photos or self.photos) == []
        shutil.rmtree(out)
        shutil.rmtree(third.folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_forgotten_goes_when_its_grace_is_over(place: Place) -> None:
    ids = [place.backup(n) for n in range(4)]
    before = sum(map(len, place.storage.objects.values()))
    report = place.forget(keep=LAST)
    assert [one.id for one in report.plan.going] == ids[:3]
    assert place.snapshots() == ids[3:]
    assert len(place.names("snapshots/")) == 4
    assert report.due.startswith("2024-05-15")
    assert report.prune.freed > 0

    place.computer.sleep(days=6)
    assert place.forget().removed.snapshots == 0
    place.computer.sleep(days=2)
    removed = place.forget().removed
    assert (removed.snapshots, removed.packs > 0, removed.refused) == (3, True, ())
    assert place.names("snapshots/") == [f"snapshots/{ids[3]}"]
    assert before - sum(map(len, place.storage.objects.values())) > 3 * 90_000
    place.assert_whole()


def test_a_second_forget_has_nothing_to_do(place: Place) -> None:
    for n in range(3):
        place.backup(n)
    place.forget(request=AT_ONCE)
    place.forget(request=AT_ONCE)
    there = dict(place.storage.objects)
    report = place.forget(keep=LAST)
    assert place.storage.objects == there
    assert (report.prune.marked, report.plan.going, report.removed.packs) == (frozenset(), (), 0)


def test_without_a_rule_only_room_is_given_back(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    report = place.forget(request=ForgetRequest(grace=0.0))
    assert report.plan.going == ()
    assert place.snapshots() == ids
    place.assert_whole()


def test_a_dry_run_says_it_and_changes_nothing(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    there = dict(place.storage.objects)
    report = place.forget(request=ForgetRequest(keep=LAST, min_age=0.0, dry_run=True))
    assert [one.id for one in report.plan.going] == ids[:2]
    assert report.prune.freed > 0
    assert place.storage.objects == there


def test_named_ones_go_at_any_age_and_by_any_unique_prefix(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    place.forget(ids[1][:8])
    assert place.snapshots() == [ids[0], ids[2]]
    with pytest.raises(UsageError, match="forgotten already"):
        place.forget(ids[1][:8])
    with pytest.raises(UsageError, match="no snapshot"):
        place.forget("beef1234")


def test_the_newest_goes_only_anyway(place: Place) -> None:
    ids = [place.backup(n) for n in range(2)]
    with pytest.raises(GuardError, match="the newest of Pictures"):
        place.forget("latest")
    assert place.snapshots() == ids
    place.forget(request=ForgetRequest(names=("latest",), anyway=True))
    assert place.snapshots() == ids[:1]


def test_the_last_forget_is_taken_back_within_its_grace(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    place.forget(keep=LAST)
    place.computer.sleep(days=6)
    assert place.call(undo)[0] == 2
    assert place.snapshots() == ids
    place.computer.sleep(days=30)
    place.forget(request=ForgetRequest(clock_is_right=True))
    place.assert_whole()
    assert place.snapshots() == ids


def test_nothing_is_taken_back_when_the_grace_is_over(place: Place) -> None:
    for n in range(3):
        place.backup(n)
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    with pytest.raises(GuardError, match="nothing to take back"):
        place.call(undo)


def test_a_pin_keeps_and_brings_back(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    place.call(pin, ids[0])
    assert [one.id for one in place.forget(keep=LAST).plan.going] == [ids[1]]
    place.call(pin, ids[1])  # forgotten, and still there
    place.computer.sleep(days=8)
    place.forget()
    assert place.snapshots() == ids
    place.assert_whole()
    assert place.call(unpin, ids[1])[1]
    assert not place.call(unpin, ids[1])[1]
    assert place.snapshots() == ids  # nobody says any more that it is forgotten
    with pytest.raises(GuardError, match="pinned"):
        place.forget(request=ForgetRequest(names=(ids[0],), anyway=True))


def test_policy_forgets_nothing_young(place: Place) -> None:
    ids = [place.backup(n) for n in range(9)]
    assert place.forget(keep=Keep(last=1)).plan.going == ()  # seen here for the first time only now
    place.computer.sleep(days=8)
    assert [one.id for one in place.forget(keep=Keep(last=1)).plan.going] == ids[:8]


def test_a_clock_that_leapt_stops_it(place: Place) -> None:
    for n in range(3):
        place.backup(n)
    place.computer.sleep(days=400)
    with pytest.raises(GuardError, match="clock says 2025-06"):
        place.forget(keep=Keep(last=1))
    assert place.forget(request=ForgetRequest(keep=Keep(last=1), clock_is_right=True)).plan.going


# What other devices do meanwhile.


def test_what_another_device_needs_by_now_is_not_removed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had seen the pack before it was marked, slept, and committed when it was marked long since: it is not trusted to look."""
    place.backup(1, files=3)
    shutil.copytree(place.photos, place.folder / "other" / "Pictures")
    place.backup(2)
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now

    monkeypatch.setattr("photovault.vault.vault.Vault._check_overtaken", lambda _: None)
    storage = Between(place.storage, 12, lambda: place.forget(keep=LAST))
    other.backup(place.folder / "other" / "Pictures", storage=storage, words_file=place.words)
    place.computer.sleep(days=9)
    report = place.forget()
    assert report.removed.snapshots == 1
    assert report.removed.revived > 0
    place.assert_whole(place.folder / "other" / "Pictures")
    assert len(place.snapshots()) == 2


def test_packs_of_a_run_that_goes_on_elsewhere_are_left_alone(place: Place) -> None:
    place.backup(1)
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now
    photos = place.folder / "other" / "Pictures"
    for number in range(5):
        put(photos / f"{number}.bin", Random(100 + number).randbytes(4_000_000))
    with pytest.raises(Killed):
        other.backup(photos, storage=FaultyStorage(place.storage, at=2), words_file=place.words)
    packs = len(place.names("packs/"))
    for _ in range(3):
        place.forget()
        place.computer.sleep(days=9)
    assert len(place.names("packs/")) == packs
    place.computer.sleep(days=20)
    place.forget(request=ForgetRequest(clock_is_right=True))
    place.computer.sleep(days=8)
    place.forget(request=ForgetRequest(clock_is_right=True))
    assert len(place.names("packs/")) < packs
    place.assert_whole()


def test_what_killed_runs_left_is_reclaimed(place: Place) -> None:
    place.backup(1)
    for number in range(6):
        put(place.photos / f"own{number}.bin", Random(900 + number).randbytes(4_000_000))
    with pytest.raises(Killed):
        place.computer.backup(place.photos, storage=FaultyStorage(place.storage, at=2), words_file=place.words)
    left = place.names("packs/")
    place.forget()
    assert place.names("packs/") == left  # the next run may need them
    place.backup(2)
    place.forget()
    place.computer.sleep(days=8)
    place.forget()
    assert sum(map(len, place.storage.objects.values())) < 1_500_000
    place.assert_whole()


def test_two_pruners_that_mark_the_copy_of_each_other_keep_both(place: Place) -> None:
    """The same photos in two packs, by two devices at once: each pruner thinks that the other pack is enough."""
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now
    shutil.copytree(place.photos, place.folder / "other" / "Pictures")
    put(place.folder / "other" / "Pictures" / "more.bin", b"x" * 70_000)

    def both() -> None:
        other.backup(place.folder / "other" / "Pictures", storage=place.storage, words_file=place.words)

    place.computer.backup(place.photos, storage=Between(place.storage, 11, both), words_file=place.words)
    packs = place.names("packs/")
    assert len(packs) == 2
    app = place.computer.app(place.storage, words_file=place.words)
    with app.session(lock=True) as session:
        for number, name in enumerate(packs):
            record = Retention(
                device_id=bytes([number]) * 16,
                device_name="x",
                time="2024-05-05T00:00:00.000000Z",
                grace=3600,
                packs=(fmt.digest_of(name),),
            )
            session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))
    place.forget()  # sees the records for the first time
    place.computer.sleep(days=1)
    assert place.forget().removed.revived == 2
    assert set(place.names("packs/")) >= set(packs)
    place.computer.sleep(days=8)
    place.forget()
    place.computer.sleep(days=8)
    place.forget()
    assert place.computer.check(place.storage, words_file=place.words).findings == ()


def test_two_that_forget_at_once_take_it_back(place: Place) -> None:
    ids = [place.backup(n) for n in range(4)]
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now

    class Late(MemoryStorage):
        def put(self, name: str, data: Buffer) -> None:
            if name.startswith("retention/") and not done:
                done.append(name)
                other.forget(ids[0], storage=place.storage, words_file=place.words)
            super().put(name, data)

    done: list[str] = []
    late = Late()
    late.objects = place.storage.objects
    with pytest.raises(OvertakenError, match="same moment"):
        place.forget(ids[1], storage=late)
    assert place.snapshots() == ids[1:]
    place.forget(ids[1])
    assert place.snapshots() == ids[2:]


# Damage.


def test_a_snapshot_that_cannot_be_read_stops_it_until_it_is_named(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    name = f"snapshots/{ids[1]}"
    place.storage.objects[name] = bytes(len(place.storage.objects[name]))
    shutil.rmtree(place.computer.folder / "cache")
    there = dict(place.storage.objects)
    with pytest.raises(DamageError, match="nobody knows what it needs"):
        place.forget(keep=LAST)
    assert place.storage.objects == there
    place.forget(ids[1][:8])
    place.forget(request=AT_ONCE)
    assert place.snapshots() == ids[2:]


def test_a_snapshot_whose_listing_is_lost_can_be_forgotten_by_name(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    app = place.computer.app(place.storage, words_file=place.words)
    with app.session() as session:
        [root] = session.vault.snapshots().found[1].snapshot.root
        pack = session.vault.places.places_of(root)[0].pack_name
    del place.storage.objects[pack]
    with pytest.raises(DamageError):
        place.forget(keep=LAST)
    place.forget(ids[1])
    place.forget(request=AT_ONCE)
    assert place.snapshots() == ids[2:]
    assert place.computer.check(place.storage, words_file=place.words).findings == ()


def test_a_lost_pack_stops_it(place: Place) -> None:
    place.backup(1)
    place.backup(2)
    del place.storage.objects[place.names("packs/")[0]]
    with pytest.raises(DamageError):
        place.forget(keep=LAST)


def test_a_pack_that_rotted_is_not_rewritten_and_told(place: Place) -> None:
    for n in range(4):
        place.backup(n)
    for name in place.names("packs/"):
        data = bytearray(place.storage.objects[name])
        data[200] ^= 1
        place.storage.objects[name] = bytes(data)
    packs = place.names("packs/")
    report = place.forget(keep=LAST)
    assert report.findings
    assert "cannot be stored anew" in report.findings[0].what
    assert set(packs) <= set(place.names("packs/"))


def test_what_is_left_is_not_removed_when_the_other_place_rotted_meanwhile(place: Place) -> None:
    for n in range(4):
        place.backup(n)
    before = set(place.names("packs/"))
    place.forget(keep=LAST)
    for name in set(place.names("packs/")) - before:
        place.storage.objects[name] = bytes(len(place.storage.objects[name]))
    place.computer.sleep(days=8)
    with suppress(DamageError):
        place.forget()
    third = Computer(place.folder / "third", "memory:", seed="third")
    third._now = place.computer._now
    out = place.folder / "out"
    assert third.restore(out, storage=place.storage, words_file=place.words).damaged == ()
    assert same_tree(out / "Pictures", place.photos) == []


def test_a_half_object_under_a_name_is_reclaimed(place: Place) -> None:
    place.backup(1)
    place.storage.objects["packs/ab/ab" + "0" * 62] = b"PVSEAL" + bytes(900)
    place.forget()
    place.computer.sleep(days=8)
    place.forget()
    assert "packs/ab/ab" + "0" * 62 not in place.storage.objects
    place.assert_whole()


# Storages that do not remove, and runs that end.


class WriteOnce(MemoryStorage):
    """Refuses to remove anything."""

    def delete(self, name: str) -> None:
        raise RefusedError(f"{name} is locked")


def test_a_storage_that_removes_nothing_is_told_and_nothing_is_lost(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    locked = WriteOnce()
    locked.objects = place.storage.objects
    place.forget(keep=LAST, storage=locked)
    place.computer.sleep(days=8)
    report = place.forget(storage=locked)
    assert len(report.removed.refused) > 2
    assert report.removed.packs == 0
    assert place.snapshots() == ids[2:]
    place.assert_whole()
    assert place.forget().removed.snapshots == 2  # when it does
    place.assert_whole()


def _prepared(place: Place) -> tuple[dict[str, bytes], int]:
    """A vault in which something is due, something is forgotten, and something is to be stored anew."""
    for n in range(3):
        place.backup(n, files=2)
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    for n in range(3, 6):
        place.backup(n, files=2)
    counting = FaultyStorage(place.storage, on=("put", "get", "listing", "delete"))
    there = dict(place.storage.objects)
    shutil.copytree(place.computer.folder, place.folder / "saved")
    place.forget(keep=LAST, storage=counting)
    return there, counting.count


REFUSED = [lambda: RefusedError("full")]
EVERY = [(Killed, When.BEFORE), (*REFUSED, When.BEFORE)]


@pytest.mark.parametrize(("fault", "when"), [(Killed, When.AFTER), (Killed, When.SHORT)])
def test_whatever_put_fails_the_next_run_goes_on(place: Place, fault: Callable[[], BaseException], when: When) -> None:
    _fail_each(place, fault, when, ("put",), step=1)


@pytest.mark.parametrize(("fault", "when"), EVERY)
def test_whatever_fails_the_next_run_goes_on(place: Place, fault: Callable[[], BaseException], when: When) -> None:
    _fail_each(place, fault, when, ("put", "get", "listing", "delete"), step=9)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "when"), EVERY)
def test_whichever_fails_the_next_run_goes_on(place: Place, fault: Callable[[], BaseException], when: When) -> None:
    _fail_each(place, fault, when, ("put", "get", "listing", "delete"), step=1)


def _fail_each(place: Place, fault: Callable[[], BaseException], when: When, on: tuple[str, ...], *, step: int) -> None:
    """The n-th operation fails, for each ``step``-th n: what counts is whole, and the next runs finish the work."""
    there, operations = _prepared(place)
    assert operations > 30
    at, began = 1 - step, place.computer._now.now
    while True:
        at += step
        place.storage.objects = dict(there)
        shutil.rmtree(place.computer.folder)
        shutil.copytree(place.folder / "saved", place.computer.folder)
        place.computer._now.now = began
        faulty = FaultyStorage(place.storage, at=at, fault=fault, when=when, on=on)
        with suppress(Killed, PhotovaultError):
            place.forget(keep=LAST, storage=faulty)
        if faulty.count < at:
            break
        if when is not When.SHORT and at % 3 == 1:  # half a record is told, until the next run
            place.assert_whole()
        for days in (0, 8, 8):
            place.computer.sleep(days=days)
            place.forget(keep=LAST)
        assert len(place.snapshots()) == 1
        assert len(place.names("snapshots/")) == 1
        assert sum(map(len, place.storage.objects.values())) < 1_000_000
        place.assert_whole()
    assert at > 2


# What others are told.


def test_the_ledger_has_a_line_of_all_that_was_removed(place: Place) -> None:
    for n in range(3):
        place.backup(n)
    before = set(place.storage.objects)
    place.forget(request=AT_ONCE)
    [ledger] = (place.computer.folder / "state").glob("vaults/*/ledger.jsonl")
    gone = before - set(place.storage.objects)
    assert gone
    assert gone <= removed_at(ledger, "memory:")


def test_a_device_that_slept_for_months_sees_nothing_amiss(place: Place) -> None:
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now
    for n in range(3):
        place.backup(n)
    assert other.check(place.storage, words_file=place.words).findings == ()
    for n in range(3, 6):
        place.backup(n)
        place.forget(request=AT_ONCE)
    place.computer.sleep(days=200)
    app = other.app(place.storage, words_file=place.words)
    with app.session() as session:
        assert session.findings == ()
        session.vault.snapshots()
    assert app.warnings == []
    assert other.check(place.storage, words_file=place.words).findings == ()


def test_a_snapshot_that_is_lost_for_good_is_looked_for_no_more(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    del place.storage.objects[f"snapshots/{ids[1]}"]
    assert place.computer.check(place.storage, words_file=place.words).findings
    place.forget(ids[1][:10])
    assert place.computer.check(place.storage, words_file=place.words).findings == ()
    assert place.snapshots() == [ids[0], ids[2]]


def test_after_the_newest_went_the_next_backup_stores_it_all_again(place: Place) -> None:
    place.backup(1)
    newest = place.backup(2, files=4)
    place.forget(request=ForgetRequest(names=(newest,), anyway=True, grace=0.0))
    assert newest not in place.snapshots()
    report = place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    assert report.written.new_parts >= 4
    place.assert_whole()
    other = Computer(place.folder / "other computer", "memory:", seed="two")
    other._now = place.computer._now
    assert other.check(place.storage, words_file=place.words).findings == ()


@pytest.mark.parametrize("at", range(1, 9))
def test_also_when_the_run_that_removed_it_was_killed(place: Place, at: int) -> None:
    place.backup(1)
    newest = place.backup(2, files=4)
    gone = ForgetRequest(names=(newest,), anyway=True, grace=0.0)
    with suppress(Killed):
        place.forget(request=gone, storage=FaultyStorage(place.storage, at=at, on=("put", "delete"), when=When.BEFORE))
    place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    place.assert_whole()


def test_an_empty_vault_has_nothing_to_forget(place: Place) -> None:
    report = place.forget(keep=LAST)
    assert (report.plan.decisions, report.prune.marked) == ((), frozenset())
    assert place.names("retention/") == []


def test_ransomware_that_floods_the_vault_ages_out_nothing_that_was_good(place: Place) -> None:
    """Every photo is overwritten, and a backup made every minute: by rules, the good ones stay as long as bad ones follow."""
    good = place.backup(1, files=3)
    ids = [place.backup(n, files=3) for n in range(2, 4)]
    place.forget()
    place.computer.sleep(days=8)
    place.forget(keep=Keep(last=2))
    for path in place.photos.glob("*.bin"):
        path.write_bytes(b"encrypted" + path.name.encode())
    for n in range(12):
        put(place.photos / "counter.bin", str(n).encode())
        place.computer.backup(place.photos, storage=place.storage, words_file=place.words)
    report = place.forget(keep=Keep(last=2))
    assert set(ids) <= {one.id for one in report.plan.staying}
    assert good not in place.snapshots()


def test_parity_of_packs_that_went_goes_and_what_stays_keeps_its_own(place: Place) -> None:
    (place.computer.folder / "config.toml").write_text("[vault]\nparity = true\n")
    for n in range(4):
        place.backup(n)
    assert place.names("parity/")
    place.forget(keep=LAST)
    place.computer.sleep(days=8)
    place.forget()
    report = place.computer.check(place.storage, words_file=place.words)
    assert report.findings == ()
    assert not any("no parity" in one.what for one in report.notes)
    there = place.names("parity/")
    place.forget()
    assert place.names("parity/") == there
    assert sum(len(place.storage.objects[name]) for name in there) < 3_000_000
    place.assert_whole()
