"""Drills of a whole device: what is tried, what is found, what is remembered, and that it came from the storage."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from photovault.app.drilling import DrillRequest, drill, drill_in_background
from photovault.app.proven import proven_at
from photovault.app.watching import _Drills
from photovault.crypto.words import to_words
from photovault.device import run_lock
from photovault.drill import Amount
from photovault.errors import BusyError, PhotovaultError, UnavailableError, UndecodableError
from photovault.proofs import Proofs
from photovault.storage.memory import MemoryStorage
from photovault.vault.reader import Reader
from photovault.watch.run import Drilled
from tests.support.devices import WORDS, Computer, Silent
from tests.support.eyes import BROKEN
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.app.drilling import Drill
    from photovault.drill import DrillReport
    from photovault.proofs import Proven
    from tests.support.eyes import Record


class Counting(MemoryStorage):
    """Counts the bytes of packs that are fetched, and the requests; gives no more than are ``left``."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched = 0
        self.requests: list[str] = []
        self.left: int | None = None

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().get(name, offset, length)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                raise UnavailableError("the line is dead")
        self.requests.append(name)
        self.fetched += len(data) if name.startswith("packs/") else 0
        return data


class House:
    """A computer with a vault and photos in two folders."""

    def __init__(self, folder: Path, photos: int = 6) -> None:
        self.folder = folder
        self.storage = Counting()
        self.computer = Computer(folder / "device", "memory:")
        self.computer.make_vault(self.storage)
        self.photos = folder / "Pictures"
        self.photos.mkdir()
        for number in range(photos):
            put(self.photos / f"{number % 2}" / f"{number}.jpg", jpeg(number))
        self.backup()

    def backup(self) -> None:
        self.computer.backup(self.photos, storage=self.storage)

    def drill(self, count: int | None = None, *, enough: Callable[[], bool] = lambda: False, **request: Any) -> Drill:
        wanted = DrillRequest(amount=Amount(count=count), **request)
        return drill(self.computer.app(self.storage), wanted, Silent(), enough=enough)

    def report(self, count: int | None = None, **request: Any) -> DrillReport:
        report = self.drill(count, **request).report
        assert report is not None
        return report

    def proven(self) -> Proven:
        """As ``status`` sees it."""
        (path,) = (self.computer.folder / "state" / "vaults").glob("*/*/proofs.sqlite")
        with closing(Proofs(path)) as proofs:
            return proofs.standing(self.computer.app(self.storage).world.now())

    def packs_of(self, path: str) -> list[tuple[str, int]]:
        """Pack and offset of each part of a photo."""
        with self.computer.app(self.storage).session() as session:
            reader = Reader(session.vault)
            root = session.vault.snapshots().found[-1].snapshot.root
            (entry,) = [one for inside, one in reader.walk(root) if inside == tuple(path.encode().split(b"/"))]
            places = [reader.place(part) for part in entry.parts]
            return [(place.pack_name, place.region.offset) for place in places]

    def spoil(self, path: str) -> None:
        name, offset = self.packs_of(path)[-1]
        data = bytearray(self.storage.objects[name])
        data[offset] ^= 1
        self.storage.objects[name] = bytes(data)

    def rot(self, name: str) -> None:
        """Other bytes on this computer's disk, and nothing else of the file is changed."""
        path = self.photos / name
        st = path.stat()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        with path.open("r+b") as file:
            file.write(data)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
        (catalog,) = (self.computer.folder / "state" / "vaults").glob("*/*/catalog.sqlite")
        with closing(sqlite3.connect(catalog)) as db, db:  # no test can change bytes below the file system
            db.execute("UPDATE files SET ctime = ? WHERE ino = ?", (path.stat().st_ctime_ns, path.stat().st_ino))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def paths(problems: tuple[Any, ...]) -> list[str]:
    return [one.path for one in problems]


# What is tried -------------------------------------------------------------------------------------------------------


def test_a_drill_of_everything_says_what_it_saw(house: House) -> None:
    put(house.photos / "notes.xmp", b"<x/>")
    put(house.photos / "twin.jpg", jpeg(1))
    put(house.photos / "bad.jpg", jpeg(50) + BROKEN)
    put(house.photos / "empty.jpg", b"")
    put(house.photos / "large.mp4", b"\0\0\0\x18ftypisom" + Random(1).randbytes(9_000_000))
    house.backup()
    done = house.drill()
    report = done.report
    assert (done.photos, report.chosen, report.proven, report.left) == (10, 10, 10, 0)
    assert (report.decoded, report.plain, paths(report.broken)) == (7, 1, ["Pictures/bad.jpg", "Pictures/empty.jpg"])
    assert (report.same, report.changed, report.damaged, report.problems, report.rotten) == (10, 0, (), (), ())
    assert report.size == sum(one.stat().st_size for one in house.photos.rglob("*") if one.is_file()) - len(jpeg(1))
    assert (done.proven.files, done.proven.proven, done.files) == (11, 11, 11)


def test_each_drill_tries_others_until_all_are_proven_and_then_the_oldest_again(house: House) -> None:
    seen = []
    for _ in range(3):
        house.report(2)
        seen.append(house.proven().proven)
        house.computer.sleep(days=10)
    assert seen == [2, 4, 6]
    first = house.proven().oldest
    house.report(2)
    assert house.proven().oldest > first
    house.computer.sleep(days=340)
    assert house.proven().proven == 6
    house.computer.sleep(days=20)
    assert house.proven().proven == 2


def test_it_comes_from_the_storage_each_time_and_not_from_a_cache(house: House) -> None:
    size = sum(one.stat().st_size for one in house.photos.rglob("*.jpg"))
    for _ in range(2):
        house.storage.fetched = 0
        house.report()
        assert house.storage.fetched >= size


def test_of_a_folder_the_disk_is_read_and_not_the_page_cache(tmp_path: Path) -> None:
    computer = Computer(tmp_path / "device", tmp_path / "vault")
    computer.make_vault()
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    computer.backup(tmp_path / "P")
    app = computer.app()
    drill(app, DrillRequest(amount=Amount()), Silent())
    assert app.storage.direct_min == 1


def test_neighbours_come_in_few_requests(tmp_path: Path) -> None:
    house = House(tmp_path, photos=40)
    house.drill(1)
    house.storage.requests.clear()
    assert house.report().proven == 40
    packs = [name for name in house.storage.requests if name.startswith("packs/")]
    assert len(packs) < 12


def test_a_snapshot_without_news_is_not_looked_through_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.report()
    house.backup()  # with nothing new
    module = importlib.import_module("photovault.drill.survey")
    monkeypatch.setattr(module, "_Survey", lambda *_: pytest.fail("it was looked through"))
    assert house.report().proven == 6
    monkeypatch.undo()
    put(house.photos / "new.jpg", jpeg(77))
    house.backup()
    assert house.report().proven == 7


def test_each_day_and_each_device_has_an_order_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    module = importlib.import_module("photovault.app.drilling")
    monkeypatch.setattr(module, "plan_drill", lambda *order: seeds.append(order[-1]) or [])
    house.drill(1)
    house.drill(1)
    house.computer.sleep(days=1)
    house.drill(1)
    (device,) = (house.computer.folder / "state" / "vaults").glob("*/device.json")
    device.unlink()
    house.drill(1)
    assert (seeds[0] == seeds[1], len(set(seeds))) == (True, 3)


def test_what_is_new_comes_first(house: House) -> None:
    house.report()
    put(house.photos / "new.jpg", jpeg(77))
    house.backup()
    house.report(1)
    assert (house.proven().proven, house.proven().files) == (7, 7)


def test_a_named_snapshot_is_drilled_and_does_not_stand_for_the_newest(house: House) -> None:
    put(house.photos / "new.jpg", jpeg(77))
    house.backup()
    done = house.drill(snapshot="latest~1")
    assert (done.report.proven, done.proven, done.photos) == (6, None, 6)
    assert house.proven().files == 0
    assert house.drill(1).proven.proven == 7, "what was proven there counts here"


def test_a_dry_run_fetches_no_photo_and_proves_nothing(house: House) -> None:
    house.drill(1, dry_run=True)
    house.storage.fetched = 0
    done = house.drill(4, dry_run=True)
    assert (done.report, done.chosen, done.photos) == (None, 4, 6)
    assert done.size == pytest.approx(4 * len(jpeg(1)), rel=0.1)
    assert house.storage.fetched == 0
    assert (house.proven().proven, house.proven().drilled) == (0, "")


def test_a_bare_machine_drills_the_newest_snapshot_of_every_device(house: House, tmp_path: Path) -> None:
    words = {"words_file": str(put(tmp_path / "words", " ".join(to_words(WORDS)).encode()))}
    other = Computer(tmp_path / "other", "memory:", seed="other")
    put(tmp_path / "Theirs" / "b.jpg", jpeg(90))
    other.backup(tmp_path / "Theirs", storage=house.storage, **words)
    bare = Computer(tmp_path / "bare", "memory:", seed="bare")
    request = DrillRequest(amount=Amount())
    done = drill(bare.app(house.storage, **words), request, Silent())
    assert (done.report.proven, done.report.same, len(done.snapshots)) == (7, 0, 2)
    assert house.report().proven == 6, "who has snapshots of his own drills those"


def test_without_a_snapshot_there_is_nothing_to_drill(tmp_path: Path) -> None:
    storage, computer = MemoryStorage(), Computer(tmp_path / "device", "memory:")
    computer.make_vault(storage)
    with pytest.raises(PhotovaultError, match="no snapshot"):
        drill(computer.app(storage), DrillRequest(amount=Amount()), Silent())


def test_two_drills_at_once_are_one_too_many(house: House) -> None:
    (folder,) = (house.computer.folder / "state" / "vaults").iterdir()
    with run_lock(folder, wait=False, name="drill.lock"), pytest.raises(BusyError):
        house.drill()
    with run_lock(folder, wait=False):
        assert house.report().proven == 6, "a backup is no reason to wait"


# What is found -------------------------------------------------------------------------------------------------------


def test_rot_in_the_vault_is_found_named_stored_again_and_proven(house: House) -> None:
    house.report()
    house.spoil("Pictures/1/3.jpg")
    report = house.report()
    assert (paths(report.damaged), report.proven) == (["Pictures/1/3.jpg"], 5)
    assert "`photovault backup` stores it again" in report.damaged[0].hint
    assert (paths(house.proven().damaged), house.proven().proven) == (["Pictures/1/3.jpg"], 5)
    house.backup()
    report = house.report(2)
    assert (report.damaged, report.proven) == ((), 2), "what failed is tried again at once"
    assert (house.proven().damaged, house.proven().proven) == ((), 6)


def test_a_damaged_photo_that_is_not_here_any_more_has_to_come_from_elsewhere(house: House) -> None:
    house.spoil("Pictures/1/3.jpg")
    (house.photos / "1" / "3.jpg").unlink()
    (problem,) = house.report().damaged
    assert "another copy" in problem.hint


def test_a_pack_that_went_costs_the_photos_in_it(house: House) -> None:
    (pack,) = {name for name, _ in house.packs_of("Pictures/1/3.jpg")}
    house.report()
    del house.storage.objects[pack]
    report = house.report()
    assert (report.damaged != (), report.proven) == (True, 0)
    assert (len(house.proven().damaged), house.proven().proven) == (6, 0)
    house.backup()
    assert house.report().proven == 6


def test_parts_that_are_whole_and_together_are_not_what_was_backed_up_are_damage_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.drill.held.Held.is_whole", property(lambda one: one._entry.name != b"3.jpg"))
    report = house.report()
    assert (paths(report.damaged), report.proven) == (["Pictures/1/3.jpg"], 5)
    monkeypatch.undo()
    before = len(house.storage.objects)
    house.backup()
    assert len(house.storage.objects) > before + 2, "it was read and stored again"


def test_rot_that_comes_while_it_drills_is_found_too(house: House) -> None:
    """The memory of the index may say where a part is, and the storage what it is now."""
    for name in [name for name in house.storage.objects if name.startswith("packs/")]:
        house.storage.objects[name] = house.storage.objects[name][:200] + bytes(len(house.storage.objects[name]) - 200)
    assert house.report().proven == 0


def test_a_listing_that_rotted_is_damage_and_what_it_named_is_not_proven(house: House) -> None:
    house.report()
    house.spoil("Pictures/1")
    report = house.report()
    assert (paths(report.damaged), report.proven, report.left) == (["Pictures/1"], 3, 0)
    assert (house.proven().proven, paths(house.proven().damaged)) == (3, ["Pictures/1"] * 3)
    house.backup()
    assert house.report().damaged == ()


def test_a_listing_that_rotted_before_anybody_looked_is_said_until_it_is_mended(house: House) -> None:
    house.spoil("Pictures/1")
    app = house.computer.app(house.storage)
    drill(app, DrillRequest(amount=Amount(), dry_run=True), Silent())
    assert [one.partition(":")[0] for one in app.warnings] == ["Pictures/1"]
    for _ in range(2):
        report = house.report()
        assert (paths(report.damaged), report.proven, house.proven().lost) == (["Pictures/1"], 3, 1)
    house.backup()
    assert (house.report().damaged, house.proven().lost) == ((), 0)


def test_bit_rot_on_this_computer_is_an_alarm_and_the_vault_is_whole(house: House) -> None:
    house.rot("1/3.jpg")
    report = house.report()
    assert (paths(report.rotten), report.proven, report.same, report.damaged) == (["Pictures/1/3.jpg"], 6, 5, ())
    assert "photovault restore 'Pictures/1/3.jpg'" in report.rotten[0].hint
    assert (paths(house.proven().rotten), house.proven().proven) == (["Pictures/1/3.jpg"], 6)
    put(house.photos / "1" / "3.jpg", jpeg(3))
    assert house.report(2).rotten == ()
    assert house.proven().rotten == ()


def test_what_was_changed_or_removed_here_since_is_no_alarm(house: House) -> None:
    put(house.photos / "0" / "0.jpg", jpeg(100), mtime=1.7e9)
    (house.photos / "0" / "2.jpg").unlink()
    st = (house.photos / "1" / "1.jpg").stat()
    (house.photos / "1" / "1.jpg").write_bytes(jpeg(1)[:-1] + b"x")  # its time is set back, but somebody wrote to it
    os.utime(house.photos / "1" / "1.jpg", ns=(st.st_atime_ns, st.st_mtime_ns))
    report = house.report()
    assert (report.proven, report.same, report.changed, report.rotten) == (6, 3, 2, ())


def test_a_source_that_is_away_changes_nothing(house: House, tmp_path: Path) -> None:
    house.photos.rename(tmp_path / "unmounted")
    report = house.report()
    assert (report.proven, report.same, report.changed, report.problems) == (6, 0, 0, ())


def test_what_no_decoder_looked_at_is_restored_all_the_same(house: House, eyes: Record) -> None:
    eyes.answer = lambda asked, looked: looked._replace(thumbnail=b"", lacks="video" if asked.name == b"0.jpg" else "")
    report = house.report()
    assert (report.proven, report.decoded) == (6, 0)
    assert report.not_looked_at["photovault[video] is not installed"] == 1


def test_a_decoder_that_fails_speaks_not_against_the_vault(house: House, eyes: Record) -> None:
    def fail(*_: object) -> None:
        raise PhotovaultError("it died")

    eyes.answer = fail
    report = house.report()
    assert (report.proven, report.damaged, sum(report.not_looked_at.values())) == (6, (), 6)


def test_what_nothing_here_decodes_is_neither_proven_nor_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, photos=0)
    (house.computer.folder / "config.toml").write_text("[backup]\ncodec = 'jxl'\n")
    monkeypatch.setattr("photovault.decoder.host.can_pack", lambda: True)
    put(house.photos / "a.jpg", jpeg(1, (600, 400)) + bytes(100_000))
    house.backup()
    assert house.report().proven == 1

    def lacks(*_: object) -> bytes:
        raise UndecodableError("nothing here unpacks it", "pip install it")

    monkeypatch.setattr("tests.support.eyes._unpacked", lacks)
    report = house.report()
    assert (report.proven, report.damaged, [one.hint for one in report.problems]) == (0, (), ["pip install it"])
    assert house.proven().proven == 1, "what was proven before stays so"


def test_a_storage_that_goes_away_ends_the_drill_and_what_was_proven_stays(tmp_path: Path) -> None:
    house = House(tmp_path, photos=0)
    for number in range(12):
        put(house.photos / f"{number}.bin", Random(number).randbytes(3_000_000))
    house.backup()
    house.drill(1, dry_run=True)
    house.storage.left = 20_000_000
    with pytest.raises(UnavailableError):
        house.drill()
    house.storage.left = None
    assert 0 < house.proven().proven < 12
    assert house.proven().drilled == ""
    assert house.report().proven == 12


def test_it_is_enough_when_somebody_says_so(house: House) -> None:
    turns = iter([False, False, True])
    report = house.report(enough=lambda: next(turns, True))
    assert (report.proven, report.left) == (2, 4)
    assert house.proven().drilled == ""
    assert house.report().left == 0
    assert house.proven().drilled


def test_of_a_photo_in_two_packs_a_whole_one_is_enough_and_the_damaged_one_is_named(house: House) -> None:
    house.spoil("Pictures/1/3.jpg")
    house.report()
    house.backup()  # stores it again, in another pack
    (evidence,) = (house.computer.folder / "state" / "vaults").glob("*/*/evidence.sqlite")
    evidence.unlink()  # nobody remembers which of the two is damaged
    report = house.report()
    assert (report.proven, report.damaged) == (6, ())
    assert paths(report.spoilt) == ["Pictures/1/3.jpg"]
    assert house.report().spoilt == (), "it is known now, and the whole one is taken"


# In the background, and at several destinations -----------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Computer:
    """A computer with a vault in a folder, and a copy of it."""
    computer = Computer(tmp_path / "device", tmp_path / "vault")
    computer.make_vault()
    for number in range(4):
        put(tmp_path / "P" / f"{number}.jpg", jpeg(number))
    computer.backup(tmp_path / "P")
    shutil.copytree(tmp_path / "vault", tmp_path / "usb")
    (computer.folder / "config.toml").write_text(
        f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n[drill]\ncount = 2\n"
    )
    return computer


def background(computer: Computer, place: str = "main", *, left: int = 0, again: bool = False) -> Any:
    return drill_in_background(computer.app().at(place), Silent(), lambda: False, left=left, again=again)


def test_a_proof_speaks_for_one_destination_alone(home: Computer, tmp_path: Path) -> None:
    drill(home.app(), DrillRequest(amount=Amount()), Silent())
    assert proven_at(home.app(), str(tmp_path / "vault")).proven == 4
    assert proven_at(home.app(), str(tmp_path / "usb")) is None
    background(home, "usb")
    assert proven_at(home.app(), str(tmp_path / "usb")).proven == 2


def test_in_the_background_one_is_made_when_it_is_due(home: Computer) -> None:
    first = background(home)
    assert (first.photos, first.left, first.damaged) == (2, 0, 0)
    assert 86_000 < first.again <= 86_400
    home.sleep(hours=23)
    assert background(home).photos == 0
    home.sleep(hours=1)
    assert background(home).photos == 2


def test_one_by_hand_counts_for_the_background_too(home: Computer) -> None:
    drill(home.app(), DrillRequest(amount=Amount(count=1)), Silent())
    assert background(home).photos == 0


def test_what_a_slice_left_is_tried_by_the_next(home: Computer) -> None:
    background(home)
    assert background(home, left=1).photos == 1


def test_when_none_is_due_nothing_is_opened(home: Computer, tmp_path: Path) -> None:
    background(home)
    (tmp_path / "vault").rename(tmp_path / "away")
    assert background(home).photos == 0


def test_damage_stays_said_and_is_looked_at_again_when_there_is_a_reason(home: Computer, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    packs = {path: path.read_bytes() for path in (vault / "packs").rglob("*") if path.is_file()}
    for path, data in packs.items():
        path.write_bytes(data[:300] + bytes(len(data) - 300))
    assert background(home).damaged
    assert (background(home).photos, background(home).damaged > 0) == (0, True)
    for path, data in packs.items():
        path.write_bytes(data)
    mended = background(home, again=True)
    assert (mended.photos > 0, mended.damaged) == (True, 0)


def test_the_daemon_goes_on_with_what_a_slice_left_and_makes_none_that_is_not_wanted(
    home: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def slice_(app: Any, *_: object, left: int, again: bool) -> Drilled:
        asked.append((app.name, left, again))
        return Drilled(left=max(0, 3 - len(asked)))

    monkeypatch.setattr("photovault.app.drilling.drill_in_background", slice_)
    drills = _Drills(home.app)
    for place in ("main", "main", "main", "usb"):
        drills(place, Silent(), lambda: False, again=place == "usb")
    assert asked == [("main", 0, False), ("main", 2, False), ("main", 1, False), ("usb", 0, True)]
    with (home.folder / "config.toml").open("a") as config:
        config.write("background = false\n")
    assert drills("main", Silent(), lambda: False, again=False) is None
    assert len(asked) == 4
