"""Where a repair finds what was lost, step by step, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from photovault.device import write_private
from photovault.errors import RefusedError
from photovault.parity import make_parity
from photovault.repair import entries_of
from photovault.vault.format import digest_of
from photovault.workers import Workers
from tests.repair.damage import World, claimed, flip, make_world
from tests.support.devices import Silent
from tests.support.eyes import Record, fake
from tests.support.faults import FaultyStorage, Killed
from tests.support.photos import put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.repairing import RepairReport


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    with pytest.MonkeyPatch().context() as patch:
        patch.setattr("photovault.decoder.host.Decoders", fake(Record()))
        return make_world(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """A vault whose photos are gone from where its snapshots say that they are."""
    made.photos.rename(tmp_path / "away")
    yield made.copied(tmp_path / "world")
    (tmp_path / "away").rename(made.photos)


@pytest.fixture
def at_home(made: World, tmp_path: Path) -> World:
    """A vault whose newest photos are still where its snapshots say."""
    return made.copied(tmp_path / "world")


def sources(report: RepairReport) -> dict[str, str]:
    return {one.name: one.source for one in report.healed}


def largest(world: World, kind: str = "packs/") -> str:
    return max(world.names(kind), key=lambda name: len(world.storage.objects[name]))


def test_a_sound_vault_is_left_as_it_is(world: World) -> None:
    before = dict(world.storage.objects)
    report = world.repair()
    assert (report.after.findings, report.is_lost, world.storage.objects == before) == ((), False, True)


def test_damage_between_the_parts_is_made_good_from_the_parts(world: World) -> None:
    name = largest(world)
    whole = world.storage.objects[name]
    for at in (3, 50, 100, len(whole) - 90, len(whole) - 20, len(whole) - 40_000):
        flip(world.storage, name, at)
        report = world.repair()
        assert (sources(report), world.storage.objects[name] == whole) == ({name: "its own parts"}, True), at
        assert (report.after.findings, report.quarantined) == ((), ()), at


def test_what_still_opens_is_stored_again_and_the_rest_is_named(world: World) -> None:
    name, promised = largest(world), world.files()
    flip(world.storage, name, 150)
    report = world.repair()
    lost = promised - world.restorable()
    assert lost == claimed(report, promised, world.shown())
    assert len({path for _, path in lost}) == 1
    assert report.salvaged > 0
    assert name in world.storage.objects, "it may still be mended by another copy"
    assert report.quarantined == ()


def test_of_a_lost_photo_the_newest_good_version_is_named(world: World) -> None:
    first, *later = world.computer.snapshots(world.storage)
    world.rot("Pictures/0/0.jpg")
    (lost,) = world.repair().after.lost
    assert (lost.path, lost.snapshots, lost.good) == ("Pictures/0/0.jpg", tuple(later), first)
    assert os.fsdecode(lost.origin).endswith("/Pictures/0/0.jpg")


def test_photos_that_are_still_there_are_read_again(at_home: World) -> None:
    name, kept = at_home.rot("Pictures/large.mp4"), at_home.computer.snapshots(at_home.storage)
    lost = at_home.files() - at_home.restorable()
    report = at_home.repair()
    assert {path for _, path in lost} == {"Pictures/large.mp4"}
    assert ([os.path.basename(path) for path in report.reread], report.reread_parts) == (["large.mp4"], 1)
    assert (report.is_lost, report.after.lost, report.is_backed_up) == (False, (), False)
    assert at_home.restorable() == at_home.files(), "in every snapshot that needs it"
    assert at_home.computer.snapshots(at_home.storage) == kept
    assert (sources(report), report.quarantined) == ({name: "its own parts"}, ()), "with that part it is sealed again"


def test_a_photo_that_moved_is_found_where_it_is(at_home: World) -> None:
    at_home.rot("Pictures/2.jpg")
    assert len({path for _, path in at_home.files() - at_home.restorable()}) == 2, "under its old name, too"
    assert not at_home.repair().is_lost
    assert at_home.restorable() == at_home.files()


def test_a_file_that_is_another_now_heals_nothing(at_home: World, made: World) -> None:
    at_home.rot("Pictures/large.mp4")
    kept = (made.photos / "large.mp4").read_bytes()
    put(made.photos / "large.mp4", bytes(len(kept)))
    try:
        report = at_home.repair()
    finally:
        put(made.photos / "large.mp4", kept)
    assert (report.reread, report.quarantined, {one.path for one in report.after.lost}) == (
        (),
        (),
        {"Pictures/large.mp4"},
    )


def test_listings_are_made_again_by_a_backup(at_home: World) -> None:
    for name in at_home.names("packs/"):
        del at_home.storage.objects[name]
    report = at_home.repair()
    newest = at_home.computer.snapshots(at_home.storage)[3]
    assert (report.is_backed_up, report.is_lost) == (True, True), "older listings are gone for good"
    assert {path for snapshot, path in at_home.restorable() if snapshot == newest} >= {"Pictures/large.mp4"}


def test_snapshots_that_this_computer_knows_are_made_again(world: World) -> None:
    names = world.names("snapshots/")
    before = {name: world.storage.objects[name] for name in names}
    flip(world.storage, names[0], 200)
    del world.storage.objects[names[1]]
    report = world.repair()
    assert {name: world.storage.objects[name] for name in names} == before
    assert report.after.findings == ()


def test_an_index_that_cannot_be_read_is_made_anew(world: World) -> None:
    name = world.names("index/")[0]
    flip(world.storage, name, 500)
    report = world.repair()
    assert (report.indexes > 0, report.after.findings) == (True, ())
    shutil.rmtree(world.folder / "device" / "cache")
    assert world.restorable() == world.files()


def test_the_index_names_every_pack_again(world: World) -> None:
    for name in world.names("index/"):
        flip(world.storage, name, 300)
    world.repair()
    with world.computer.app(world.storage).session() as session:
        listed = {pack.name for _, packs in entries_of(session.vault) for pack in packs or ()}
    assert listed == {digest_of(name) for name in world.names("packs/")}


def test_an_index_that_is_gone_is_made_anew_though_no_check_misses_it(world: World) -> None:
    for name in world.names("index/"):
        del world.storage.objects[name]
    report = world.repair()
    assert (report.before.findings, report.indexes > 0) == ((), True)
    with world.computer.app(world.storage).session() as session:
        listed = {pack.name for _, packs in entries_of(session.vault) for pack in packs or ()}
    assert listed == {digest_of(name) for name in world.names("packs/")}


def test_swapped_objects_get_their_names_back(world: World) -> None:
    before = dict(world.storage.objects)
    for kind in ("packs/", "index/", "snapshots/"):
        names = world.names(kind)
        values = [world.storage.objects[name] for name in names]
        for name, value in zip(names, values[1:] + values[:1], strict=True):
            world.storage.objects[name] = value
    shutil.rmtree(world.folder / "device" / "cache")
    assert world.restorable() == set()
    report = world.repair()
    assert {name: data for name, data in world.storage.objects.items() if name in before} == before
    assert report.after.findings == ()
    assert not list((world.folder / "device" / "state").rglob("rescued/*"))


def test_swapped_packs_of_which_one_is_rotten_keep_what_still_opens(world: World) -> None:
    """What lies under a wrong name is found by its own list of parts, so it must not give way to the pack of that name."""
    small, large = sorted(world.names("packs/"), key=lambda name: len(world.storage.objects[name]))[-2:]
    flip(world.storage, small, 150)
    objects = world.storage.objects
    objects[small], objects[large] = objects[large], objects[small]
    shutil.rmtree(world.folder / "device" / "cache")
    before, promised = world.restorable(), world.files()
    report = world.repair()
    assert before <= world.restorable(), "it is read by its own list of parts, wherever it lies"
    assert promised - world.restorable() == claimed(report, promised, world.shown())
    assert len({path for _, path in promised - world.restorable()}) == 1


def test_what_an_interrupted_repair_put_aside_is_put_in_place(world: World) -> None:
    name = largest(world)
    data = world.storage.objects.pop(name)
    (state,) = (world.folder / "device" / "state" / "vaults").iterdir()
    write_private(state / "rescued" / name.replace("/", "_"), data)
    assert sources(world.repair()) == {name: "another name"}
    assert world.storage.objects[name] == data


class Locked(FaultyStorage):
    """Append-only credentials, object lock."""

    def delete(self, name: str) -> None:
        raise RefusedError(f"no right to delete {name}", "ask the owner of the bucket")


def test_a_damaged_pack_that_nothing_needs_is_marked_and_forget_removes_it(at_home: World) -> None:
    computer, storage, name = at_home.computer, at_home.storage, at_home.rot("Pictures/large.mp4")
    at_home.storage = Locked(storage)  # so that the whole one cannot take its place
    report = at_home.repair()
    at_home.storage = storage
    assert report.quarantined == (name,)
    assert (report.is_lost, report.salvaged > 0) == (False, True)
    assert (report.after.findings, [note.where for note in report.after.notes]) == ((), [name])
    assert (name in storage.objects, marked(at_home)) == (True, {digest_of(name)})
    assert computer.check(storage).findings == ()
    computer.sleep(days=8)
    computer.forget(storage=storage)
    assert name not in storage.objects
    assert computer.check(storage).findings == ()
    assert at_home.restorable() == at_home.files()


def test_a_pack_is_never_without_a_whole_copy_somewhere(world: World) -> None:
    """Killed when the damaged one is gone and the whole one is not there yet."""
    name = largest(world)
    whole = world.storage.objects[name]
    flip(world.storage, name, len(whole) - 20)
    storage, world.storage = world.storage, FaultyStorage(world.storage, at=2)  # the first put is refused: it is there
    with pytest.raises(Killed):
        world.repair()
    world.storage = storage
    assert name not in storage.objects
    world.repair()
    assert storage.objects[name] == whole


def marked(world: World) -> set[bytes]:
    with world.computer.app(world.storage).session() as session:
        return {pack for one in session.vault.retention for pack in one.record.packs}


def test_a_storage_that_does_not_delete_keeps_what_is_damaged_and_that_is_told(world: World) -> None:
    pack, index, before = largest(world), world.names("index/")[0], world.restorable()
    flip(world.storage, pack, 50)
    flip(world.storage, index, 50)
    kept = world.storage.objects[pack]
    storage, world.storage = world.storage, Locked(world.storage)
    report = world.repair()
    world.storage = storage
    assert storage.objects[pack] == kept
    assert world.restorable() == before
    assert not report.is_lost
    assert {one.hint for one in report.problems} == {"ask the owner of the bucket"}


def test_a_dry_run_changes_nothing(at_home: World) -> None:
    name = largest(at_home)
    flip(at_home.storage, name, 150)
    flip(at_home.storage, at_home.names("index/")[0], 150)
    before = dict(at_home.storage.objects)
    report = at_home.repair(dry_run=True)
    assert at_home.storage.objects == before
    assert [line.split(" ")[0] for line in report.planned] == ["read", "seal", "make", "back"]


def test_parts_come_from_other_packs_of_another_copy(world: World, tmp_path: Path) -> None:
    """The other copy was packed anew, so it has no pack of the lost one's name."""
    other = world.copied(tmp_path / "other")
    name = largest(world)
    del world.storage.objects[name]
    flip(other.storage, name, 200_000)  # so that only its parts, not the pack, can help
    other.storage.objects = {**other.storage.objects}
    write_folder(other, tmp_path / "usb")
    world.config(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    report = world.repair()
    assert report.borrowed > 0
    assert [one.what for one in report.after.findings if one.files] or report.after.lost


def write_folder(world: World, folder: Path) -> None:
    for name, data in world.storage.objects.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_a_copy_that_is_away_is_named_and_the_others_are_asked(world: World, tmp_path: Path) -> None:
    write_folder(world, tmp_path / "usb")
    text = "".join(f"[[destinations]]\nname = '{name}'\nurl = '{tmp_path / name}'\n" for name in ("drawer", "usb"))
    world.config(text)
    name = largest(world)
    whole = world.storage.objects.pop(name)
    report = world.repair()
    assert [one.path for one in report.away] == ["drawer"]
    assert (sources(report), world.storage.objects[name] == whole) == ({name: "usb"}, True)


def test_what_another_copy_has_whole_is_not_stored_in_pieces_too(world: World, tmp_path: Path) -> None:
    write_folder(world, tmp_path / "usb")
    world.config(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    before = dict(world.storage.objects)
    world.rot("Pictures/large.mp4")
    for name in world.names("index/"):
        flip(world.storage, name, 300)
    del world.storage.objects[min(world.names("packs/"), key=lambda name: len(world.storage.objects[name]))]
    report = world.repair()
    assert (report.borrowed, report.salvaged, report.quarantined) == (0, 0, ())
    assert world.storage.objects == before


def test_what_was_forgotten_on_purpose_does_not_come_back(world: World, tmp_path: Path) -> None:
    write_folder(world, tmp_path / "usb")
    world.config(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    computer = world.computer
    first = computer.snapshots(world.storage)[0]
    computer.forget(first, storage=world.storage)
    computer.sleep(days=8)
    computer.forget(storage=world.storage)
    gone = {str(path.relative_to(tmp_path / "usb")) for path in (tmp_path / "usb").rglob("*") if path.is_file()}
    gone -= world.storage.objects.keys()
    assert f"snapshots/{first}" in gone
    name = largest(world)
    flip(world.storage, name, 150)
    report = world.repair(sources=("usb",))
    assert name in {one.name for one in report.healed}
    assert not gone & world.storage.objects.keys()
    assert report.after.findings == ()


def protect(world: World) -> None:
    with world.computer.app(world.storage).session(lock=True) as session, Workers() as workers:
        make_parity(session.vault, workers, Silent())


@pytest.mark.parametrize("gone", [2, 3])
def test_parity_brings_packs_back(world: World, gone: int) -> None:
    """Any two of a group; with three, the photos are named."""
    for number in range(1, 4):  # packs of one size make a group: three more of the smallest
        put(world.folder / "more" / f"{number}.jpg", bytes([number]) * 9000)
        world.computer.backup(world.folder / "more", storage=world.storage)
    shutil.rmtree(world.folder / "more")
    protect(world)
    promised, before = world.files(), dict(world.storage.objects)
    small = [name for name in world.names("packs/") if len(before[name]) == 16 * 1024][:gone]
    del world.storage.objects[small[0]]
    for name in small[1:]:
        world.storage.objects[name] = bytes(len(before[name]))
    report = world.repair()
    lost = promised - world.restorable()
    assert lost == claimed(report, promised, world.shown())
    assert bool(lost) == (gone > 2)
    assert [one.where for one in report.problems if "parity does not bring it back" in one.what] == (
        sorted(small) if lost else []
    )
    if gone == 2:
        assert {name: world.storage.objects[name] for name in small} == {name: before[name] for name in small}
        assert set(sources(report).values()) == {"parity"}


def test_damaged_parity_is_made_again(world: World) -> None:
    protect(world)
    name = world.names("parity/")[0]
    whole = world.storage.objects[name]
    flip(world.storage, name, 9000)
    report = world.repair()
    assert (world.storage.objects[name] == whole, report.after.findings) == (True, ())
