"""What was found rotten is not trusted again: the next backup stores it from the photo."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.storage.memory import MemoryStorage
from tests.support.devices import Computer
from tests.support.photos import put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        put(tmp_path / "Pictures" / f"{number}.jpg", Random(number).randbytes(40_000))
    return tmp_path / "Pictures"


@pytest.fixture
def computer(tmp_path: Path, storage: MemoryStorage, photos: Path) -> Computer:
    made = Computer(tmp_path / "device", "memory:")
    made.make_vault(storage)
    made.backup(photos, storage=storage)
    return made


def packs(storage: MemoryStorage) -> list[str]:
    return sorted(
        (name for name in storage.objects if name.startswith("packs/")), key=lambda n: len(storage.objects[n])
    )


def rot(storage: MemoryStorage, name: str, at: int) -> None:
    data = bytearray(storage.objects[name])
    data[at] ^= 1
    storage.objects[name] = bytes(data)


def lost(computer: Computer, storage: MemoryStorage, data: str = "none") -> list[str]:
    return [one.path for one in computer.check(storage, data).lost]


def test_a_rotten_part_is_stored_again_by_the_next_backup(
    tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path
) -> None:
    """kopia, duplicacy and borg 2 go on deduplicating against it, and exit 0."""
    rot(storage, packs(storage)[-1], 50_000)
    (only,) = lost(computer, storage, "all")
    before = set(packs(storage))
    report = computer.backup(photos, storage=storage)
    assert [report.written.new_parts > 0, len(set(packs(storage)) - before)] == [True, 1]
    assert report.totals.changed + report.totals.new == 1, "only the photo that needs it is read again"
    assert lost(computer, storage) == []
    assert computer.restore(tmp_path / "out", storage=storage).damaged == ()
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
    assert only.startswith("Pictures/")
    assert computer.backup(photos, storage=storage).written.new_parts == 0, "once is enough"


def test_what_was_lost_for_older_snapshots_is_whole_again_too(
    tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path
) -> None:
    (first,) = computer.snapshots(storage)
    rot(storage, packs(storage)[-1], 50_000)
    computer.check(storage)
    computer.backup(photos, storage=storage)
    assert computer.restore(tmp_path / "out", first, storage).damaged == ()


def test_a_restore_that_met_rot_tells_the_next_backup(
    tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path
) -> None:
    rot(storage, packs(storage)[-1], 50_000)
    assert len(computer.restore(tmp_path / "bad", storage=storage).damaged) == 1
    computer.backup(photos, storage=storage)
    assert computer.restore(tmp_path / "good", storage=storage).damaged == ()


@pytest.mark.parametrize("at", [20, 60, 90])
def test_a_pack_that_opens_no_more_is_replaced_by_the_same_one(
    tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path, at: int
) -> None:
    """All of it is stored again, which gives the same bytes; so the damaged one gives way."""
    name = packs(storage)[-1]
    whole = storage.objects[name]
    rot(storage, name, at)
    computer.check(storage)
    computer.backup(photos, storage=storage)
    assert (storage.objects[name] == whole) == (at < 80), "damage to the head costs no part"
    with computer.app(storage).session() as session:
        assert session.evidence.doubts() == {}
    assert lost(computer, storage, "all") == []


def test_a_pack_that_is_whole_again_is_trusted_again(computer: Computer, storage: MemoryStorage, photos: Path) -> None:
    name = packs(storage)[-1]
    whole = storage.objects[name]
    rot(storage, name, 50_000)
    assert lost(computer, storage, "all")
    storage.objects[name] = whole
    assert lost(computer, storage) == [], "what was doubted is read, though no data was asked for"
    assert computer.backup(photos, storage=storage).written.new_parts == 0


def test_a_person_meets_it(tmp_path: Path, photovault: Callable, vault: Path, photos: Path) -> None:
    assert photovault("backup", photos).code == 0
    largest = max(
        (path for path in (vault / "packs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    data = bytearray(largest.read_bytes())
    data[50_000] ^= 1
    largest.chmod(0o600)
    largest.write_bytes(data)
    assert photovault("backup", photos).code == 0, "nobody can know yet"
    done = photovault("check", "--data", "all")
    assert (done.code, "to mend all that can be mended: photovault check --repair" in done.err) == (13, True)
    assert photovault("backup", photos).code == 0
    done = photovault("check")
    assert (done.code, "no photo is lost by it" in done.err, "cannot be restored" in done.err) == (13, True, False)
    done = photovault("check", "--repair")
    assert (done.code, "made whole: 1 object, from its own parts" in done.out, done.err) == (0, True, "")
    assert largest.read_bytes() != data
    done = photovault("check", "--data", "all")
    assert (done.code, done.err, "no damage found" in done.out) == (0, "", True)
