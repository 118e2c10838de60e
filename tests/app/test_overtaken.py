"""A device that backs up while another one tidies up: whatever went is stored again, by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from photovault.crypto.words import to_words
from photovault.errors import OvertakenError, RefusedError
from photovault.model import Retention
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from tests.support.devices import WORDS, Computer
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.storage.base import Buffer


class Interrupting(MemoryStorage):
    """Calls somebody the first times that an object with a prefix is to be put."""

    def __init__(self, inner: MemoryStorage, prefix: str, call: Callable[[], None], times: int = 1) -> None:
        super().__init__()
        self.objects = inner.objects
        self._prefix, self._call, self._times = prefix, call, times

    def put(self, name: str, data: Buffer) -> None:
        if name.startswith(self._prefix) and self._times:
            self._times -= 1
            self._call()
        super().put(name, data)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        put(tmp_path / "Pictures" / f"{number}.jpg", jpeg(number))
    return tmp_path / "Pictures"


@pytest.fixture
def begun(tmp_path: Path, photos: Path) -> tuple[Computer, MemoryStorage]:
    """A vault with a snapshot, and one photo more since then; ``pruner`` is another device that can open it."""
    computer, storage = Computer(tmp_path / "device", "memory:"), MemoryStorage()
    computer.make_vault(storage)
    computer.backup(photos, storage=storage)
    put(photos / "new.jpg", jpeg(9))
    return computer, storage


@pytest.fixture
def pruner(tmp_path: Path) -> Computer:
    """Another device."""
    (tmp_path / "words.txt").write_text(" ".join(to_words(WORDS)))
    return Computer(tmp_path / "pruner", "memory:")


def mark(pruner: Computer, storage: MemoryStorage, *, remove: bool) -> None:
    """Announce that every pack goes, and with ``remove``, as weeks later, see to it, and take the announcement away."""
    words = str(pruner.folder.parent / "words.txt")
    with pruner.app(storage, words_file=words).session() as session:
        vault = session.vault
        packs = tuple(vault.places.packs())
        record = Retention(
            device_id=bytes(16), device_name="pruner", time="2024-05-04T12:00:00.000000Z", grace=0, packs=packs
        )
        name = vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))
        if remove:
            for pack in packs:
                vault.door.delete(fmt.object_name(ObjectKind.PACK, pack))
            vault.door.delete(fmt.object_name(ObjectKind.RETENTION, name))


@pytest.mark.parametrize("prefix", ["packs/", "index/", "snapshots/"])
def test_a_mark_at_any_moment_makes_the_run_store_it_again(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], pruner: Computer, photos: Path, prefix: str
) -> None:
    computer, storage = begun
    old = {name for name in storage.objects if name.startswith("packs/")}
    calls: list[None] = []

    def announce() -> None:
        calls.append(None)
        mark(pruner, storage, remove=False)

    report = computer.backup(photos, storage=Interrupting(storage, prefix, announce))
    assert calls
    assert report.problems == ()
    marked = set(marked_packs(computer, storage))
    assert old <= marked
    for name in marked:
        storage.objects.pop(name)  # its time of grace is over
    out = tmp_path / "out"
    assert computer.restore(out, storage=storage).damaged == ()
    assert same_tree(out / "Pictures", photos) == []


def marked_packs(computer: Computer, storage: MemoryStorage) -> list[str]:
    with computer.app(storage).session() as session:
        return [fmt.object_name(ObjectKind.PACK, pack) for one in session.vault.retention for pack in one.record.packs]


def test_a_device_that_slept_for_weeks_in_the_middle_of_its_run(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], pruner: Computer, photos: Path
) -> None:
    computer, storage = begun
    clock = computer._now

    def sleep() -> None:
        mark(pruner, storage, remove=True)
        clock.now += timedelta(days=30)

    report = computer.backup(photos, storage=Interrupting(storage, "snapshots/", sleep))
    assert report.problems == ()
    out = tmp_path / "out"
    assert computer.restore(out, storage=storage).damaged == ()
    assert same_tree(out / "Pictures", photos) == []
    *_, late, last = computer.snapshots(storage)
    assert computer.restore(tmp_path / "late", late, storage).damaged == (), "it was committed after the packs went"
    assert same_tree(tmp_path / "late" / "Pictures", photos) == []
    assert late != last


def test_who_is_overtaken_again_and_again_is_told_to_come_back(
    begun: tuple[Computer, MemoryStorage], pruner: Computer, photos: Path
) -> None:
    computer, storage = begun
    busy = Interrupting(storage, "snapshots/", lambda: mark(pruner, storage, remove=False), times=10)
    with pytest.raises(OvertakenError, match="another device") as caught:
        computer.backup(photos, storage=busy)
    assert caught.value.retryable
    assert computer.backup(photos, storage=storage).problems == ()
    assert [finding for finding in computer.check(storage).findings if finding.files] == []


def test_what_was_found_damaged_is_stored_again_by_the_next_backup_once(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], pruner: Computer, photos: Path
) -> None:
    computer, storage = begun
    before = set(storage.objects)
    app = computer.app(storage)
    with app.session() as session:
        app.note_damage(session, dict.fromkeys(session.vault.places.packs(), ()), "it was rotten")
    computer.backup(photos, storage=storage)
    again = {name for name in storage.objects if name.startswith("packs/")} - before
    assert again
    for name in before:
        if name.startswith("packs/"):
            storage.objects[name] = b"rotten"
    computer.backup(photos, storage=storage)
    assert {name for name in storage.objects if name.startswith("packs/")} - before == again
    out = tmp_path / "out"
    assert computer.restore(out, storage=storage).damaged == ()
    assert same_tree(out / "Pictures", photos) == []


def test_evidence_that_cannot_be_opened_keeps_nobody_from_his_photos(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], photos: Path
) -> None:
    computer, storage = begun
    (evidence,) = (computer.folder / "state").rglob("evidence.sqlite")
    for left in evidence.parent.glob("evidence.sqlite*"):
        left.unlink()
    evidence.mkdir()
    assert computer.restore(tmp_path / "out", storage=storage).damaged == ()
    with pytest.raises(RefusedError, match="evidence"):
        computer.backup(photos, storage=storage)
