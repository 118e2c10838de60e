"""The basket over a real vault: what is in it, where it goes, and that it comes back bit for bit."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from photovault.app.viewing import folders, restores, restoring
from photovault.app.viewing.jobs import Jobs
from photovault.app.viewing.photos import Photos
from photovault.app.viewing.restores import Restores
from photovault.errors import PhotovaultError, UsageError
from photovault.gallery.asks import NotReadyError, NotThereError
from photovault.vault.reader import Reader
from tests.app.viewing.test_jobs import ended
from tests.support.devices import Computer
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ODD = "a [1] * star?.jpg"


class House:
    """A vault with two snapshots, and a basket over it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.photos = folder, folder / "Pictures"
        put(self.photos / "2021" / "one.jpg", jpeg(1, taken="2021:05:04 13:22:11"))
        put(self.photos / "2021" / ODD, jpeg(2, taken="2021:05:05 13:22:11"))
        put(self.photos / "2021" / "a 1 b star9.jpg", jpeg(3, taken="2021:05:06 13:22:11"))
        put(self.photos / "2022" / "IMG_1.HEIC", b"not really" * 50)
        put(self.photos / "2022" / "IMG_1.MOV", b"a video" * 60)
        put(self.photos / "2022" / "IMG_1.xmp", b"<x/>")
        put(self.photos / "2022" / "IMG_2.jpg", jpeg(4, taken="2022:05:06 13:22:11"))
        self.computer = Computer(folder / "device", folder / "vault")
        self.computer.make_vault()
        self.computer.backup(self.photos)
        self.computer.sleep(days=1)
        put(self.photos / "2021" / "one.jpg", jpeg(9, taken="2021:05:04 13:22:11"), mtime=1_700_000_000)
        self.computer.backup(self.photos)
        app = self.computer.app()
        self.jobs = Jobs(app.world.random)
        self.asked = Photos(app, self.jobs)
        self.restores = Restores(app, self.jobs, self.asked)
        self.to = folder / "back"

    def close(self) -> None:
        for one in (self.jobs, self.restores, self.asked):
            one.close()

    def numbers(self, at: str = "") -> dict[str, int]:
        """Photos of a snapshot by name."""
        while True:
            try:
                spine = self.asked.spine(at)
                break
            except NotReadyError as error:
                ended(self.jobs, error.job)
        tiles = [tile for part in spine.parts for tile in self.asked.tiles(at, part.first, part.last)]
        return {tile.name: tile.number for tile in tiles}

    def put_in(self, *names: str, at: str = "") -> None:
        numbers = self.numbers(at)
        self.restores.add(at, [numbers[name] for name in names])

    def run(self, overwrite: str = "never", *, dry_run: bool = False):
        return ended(self.jobs, self.restores.start(str(self.to), overwrite, dry_run=dry_run))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path)) as made:
        yield made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_in_the_basket_comes_back_with_its_set_and_nothing_else_does(house: House) -> None:
    house.put_in("IMG_1.HEIC", ODD)
    basket = house.restores.basket()
    assert (basket.count, len(basket.moments), basket.apart, house.restores.count()) == (2, 1, False, 2)
    assert {tile.name for _, tile in basket.tiles} == {"IMG_1.HEIC", ODD}
    job = house.run()
    assert (job.state, job.problems) == ("done", ())
    names = {"2022/IMG_1.HEIC", "2022/IMG_1.MOV", "2022/IMG_1.xmp", f"2021/{ODD}"}
    assert files(house.to) == {f"Pictures/{name}": (house.photos / name).read_bytes() for name in names}
    assert basket.size == sum(len(data) for data in files(house.to).values()) == job.size == job.size_total
    assert job.lines[0].startswith("restored 4 files, ")
    assert job.lines[0].endswith(f"to {house.to}")
    assert os.stat(house.to / "Pictures/2022/IMG_1.HEIC").st_mtime == 1_600_000_000.25


def test_a_dry_run_names_every_file_and_writes_nothing(house: House) -> None:
    house.put_in("one.jpg", "IMG_1.HEIC")
    put(house.to / "Pictures/2021/one.jpg", b"another")
    before = files(house.to)
    rows = {rule: dict(house.run(rule, dry_run=True).rows) for rule in ("never", "if-changed", "always")}
    assert files(house.to) == before
    assert set(rows["never"]) == {
        f"Pictures/{name}" for name in ("2021/one.jpg", "2022/IMG_1.HEIC", "2022/IMG_1.MOV", "2022/IMG_1.xmp")
    }
    assert [one["Pictures/2021/one.jpg"] for one in rows.values()] == [
        "is there already, would be kept",
        "would replace what is there",
        "would replace what is there",
    ]
    assert rows["never"]["Pictures/2022/IMG_1.MOV"] == "would be written"
    put(house.to / "Pictures/2021/one.jpg", (house.photos / "2021/one.jpg").read_bytes())
    assert (
        dict(house.run("always", dry_run=True).rows)["Pictures/2021/one.jpg"]
        == "is there, would be replaced if its contents differ"
    )


def test_what_is_there_is_kept_or_replaced_as_was_said(house: House) -> None:
    house.put_in("one.jpg")
    there = put(house.to / "Pictures/2021/one.jpg", b"another")
    assert house.run("never").lines[1] == "1 file there already, and kept"
    assert there.read_bytes() == b"another"
    house.run("if-changed")
    assert there.read_bytes() == (house.photos / "2021/one.jpg").read_bytes()


def test_two_versions_of_a_photo_get_a_folder_each(house: House) -> None:
    newest, oldest = house.asked.moments()
    house.put_in("one.jpg")
    house.put_in("one.jpg", at=oldest.id)
    house.put_in("IMG_2.jpg")
    assert house.restores.basket().apart
    assert house.run().state == "done"
    found = files(house.to)
    names = [f"{one.time[:10]} {one.id[:8]}" for one in (newest, oldest)]
    assert set(found) == {
        f"{names[0]}/Pictures/2021/one.jpg",
        f"{names[1]}/Pictures/2021/one.jpg",
        f"{names[0]}/Pictures/2022/IMG_2.jpg",
    }
    assert found[f"{names[1]}/Pictures/2021/one.jpg"] == jpeg(1, taken="2021:05:04 13:22:11")
    assert found[f"{names[0]}/Pictures/2021/one.jpg"] == jpeg(9, taken="2021:05:04 13:22:11")


def test_the_same_photo_of_two_snapshots_is_one(house: House) -> None:
    _, oldest = house.asked.moments()
    house.put_in("IMG_2.jpg")
    house.put_in("IMG_2.jpg", at=oldest.id)
    assert (house.restores.basket().count, house.restores.basket().apart) == (1, False)


def test_a_whole_snapshot_comes_back_whole(house: House) -> None:
    _, oldest = house.asked.moments()
    house.put_in("one.jpg", at=oldest.id)
    house.restores.add_all(oldest.id)
    basket = house.restores.basket()
    assert (basket.count, [one.id for one in basket.whole], house.restores.count()) == (0, [oldest.id], 7)
    job = house.run()
    assert (job.state, len(files(house.to))) == ("done", 7)
    assert (house.to / "Pictures/2021/one.jpg").read_bytes() == jpeg(1, taken="2021:05:04 13:22:11")
    house.restores.remove_all(oldest.id)
    assert house.restores.basket().is_empty
    with pytest.raises(NotThereError):
        house.restores.add_all("ffff0000")


def test_photos_are_taken_out_and_an_empty_basket_is_not_restored(house: House) -> None:
    house.put_in("one.jpg", "IMG_2.jpg")
    numbers = house.numbers()
    house.restores.remove([numbers["one.jpg"], 12345])
    assert [house.restores.holds(numbers[name]) for name in ("one.jpg", "IMG_2.jpg")] == [False, True]
    assert house.restores.basket().count == 1
    house.restores.empty()
    assert house.restores.basket().is_empty
    with pytest.raises(UsageError, match="empty"):
        house.restores.start(str(house.to), "never", dry_run=False)
    with pytest.raises(NotThereError):
        house.restores.add("", [2**70])


def test_a_full_basket_takes_no_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restores, "MOST", 2)
    house.put_in("one.jpg", "IMG_2.jpg")
    house.put_in("one.jpg")
    with pytest.raises(UsageError, match="2 photos at most"):
        house.put_in("IMG_1.HEIC")
    assert house.restores.basket().count == 2


@pytest.mark.parametrize("to", ["", "  ", "back", "./back", "~nobody-of-this-name/x", "a\0b", "/" + "x" * 5000])
def test_what_names_no_folder_is_refused(house: House, to: str) -> None:
    house.put_in("one.jpg")
    with pytest.raises(UsageError) as refused:
        house.restores.start(to, "never", dry_run=True)
    assert refused.value.hint


def test_folders_that_will_not_do_are_refused_before_anything_is_done(house: House) -> None:
    house.put_in("one.jpg")
    put(house.folder / "file", b"x")
    before = files(house.folder / "vault")
    for to in (
        house.folder / "vault",
        house.folder / "vault" / "in",
        house.folder / "x" / ".." / "vault",
        house.folder / "file" / "in",
    ):
        with pytest.raises(UsageError):
            house.restores.start(str(to), "never", dry_run=False)
    with pytest.raises(UsageError):
        house.restores.start(str(house.to), "sometimes", dry_run=False)
    assert files(house.folder / "vault") == before
    assert not house.to.exists()


def test_a_folder_of_somebody_else_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put_in("one.jpg")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match="may not write"):
        house.restores.start(str(house.to), "never", dry_run=False)


def test_too_little_room_is_said_before_anything_is_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put_in("one.jpg", "IMG_1.HEIC")
    monkeypatch.setattr(restoring, "free_bytes", lambda _: 600)
    job = house.run()
    assert (job.state, job.error.endswith("600 B are free there")) == ("failed", True)
    assert not house.to.exists()
    assert house.run(dry_run=True).state == "partly"
    put(house.to / "Pictures/2021/one.jpg", b"kept")
    put(house.to / "Pictures/2022/IMG_1.HEIC", b"kept")
    assert house.run().state == "done", "what is there already needs no room"


def test_damage_costs_only_the_files_that_need_it_and_they_are_named(house: House) -> None:
    house.put_in("one.jpg", "IMG_2.jpg")
    _break(house, "Pictures/2021/one.jpg")
    job = house.run()
    assert job.state == "partly"
    assert [what.split(":")[0] for what, _ in job.problems] == ["Pictures/2021/one.jpg"]
    assert all(hint for _, hint in job.problems)
    assert set(files(house.to)) == {"Pictures/2022/IMG_2.jpg"}


def _break(house: House, path: str) -> None:
    """Flip a byte of what a file is restored from."""
    with house.computer.app().session() as session:
        reader = Reader(session.vault)
        root = session.vault.snapshots().found[-1].snapshot.root
        (entry,) = [one for inside, one in reader.walk(root) if b"/".join(inside) == path.encode()]
        place = reader.place(entry.parts[0])
    pack = house.folder / "vault" / place.pack_name
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[place.start] ^= 0xFF
    pack.write_bytes(bytes(data))


def test_cancelling_leaves_whole_files_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.restores.add_all("")
    real = restoring._Steps.advance

    def advance(self, number, size, path) -> None:
        for job in house.jobs.jobs():
            house.jobs.cancel(job.id)
        real(self, number, size, path)

    monkeypatch.setattr(restoring._Steps, "advance", advance)
    job = house.run()
    assert job.state == "cancelled"
    for name, data in files(house.to).items():
        assert data == (house.folder / name).read_bytes()


def test_nothing_can_be_restored_once_it_is_closed(house: House) -> None:
    house.put_in("one.jpg")
    house.restores.close()
    for ask in (house.restores.rooms, lambda: house.restores.start(str(house.to), "never", dry_run=False)):
        with pytest.raises(PhotovaultError, match="locked"):
            ask()
    assert house.restores.count() == 0


def test_folders_to_choose_from_are_names_with_room_and_the_last_one_comes_first(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = house.folder / "home"
    (home / "Pictures").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(folders, "_disks", lambda: iter([str(house.folder / "stick"), str(house.folder / "vault")]))
    rooms = house.restores.rooms()
    assert [one.path for one in rooms] == ["~/Restored", "~/Pictures/Restored", f"{house.folder}/stick/Restored"]
    assert all(one.free for one in rooms)
    house.put_in("one.jpg")
    house.run()
    assert house.restores.rooms()[0].path == str(house.to)


def test_disks_are_those_that_people_put_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "36 35 98:0 / / rw - ext4 /dev/root rw\n"
        "37 35 98:1 / /media/ada/My\\040Stick rw,noatime master:1 - vfat /dev/sdb1 rw\n"
        "38 35 0:40 / /mnt/nas rw - nfs nas:/photos rw\n"
        "39 35 98:2 / /mnt/disk rw - ext4 /dev/sdc1 rw\n"
        "broken\n\n"
    )
    (tmp_path / "mountinfo").write_text(text)
    real = open
    monkeypatch.setattr(
        "builtins.open",
        lambda path, *more, **named: real(
            tmp_path / "mountinfo" if path == "/proc/self/mountinfo" else path, *more, **named
        ),
    )
    assert list(folders._disks()) == ["/media/ada/My Stick", "/mnt/disk"]
