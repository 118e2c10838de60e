"""The replay audit explains every object of a vault, or names it with the reason; and it does not cry wolf."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import struct
import zlib
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from photovault.app.proof import audit
from photovault.audit import Canaries
from photovault.audit.tree import OTHER_FILE
from photovault.errors import GateError, UnavailableError, UsageError
from photovault.gate.door import Door, no_key
from photovault.gate.ledger import Ledger, read_ledger
from photovault.model import Entry, EntryKind
from photovault.photos.split import PART_MAX
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault import pack
from photovault.vault.format import ObjectKind, PackEntry, PartKind
from photovault.vault.pack import Draft, make_part, seal
from photovault.vault.vault import no_unpack
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.support.album import IMAGE, commit, store_album
from tests.support.devices import Computer, Silent
from tests.support.encodings import ENCODINGS
from tests.support.faults import FaultyStorage, Killed
from tests.support.photos import jpeg, put
from tests.support.world import Clock
from tests.vault.some import Codec, noise, spoil
from tests.vectors import make

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.audit import AuditReport
    from photovault.model import Finding
    from photovault.vault.vault import Vault


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(6):
        put(root / f"201{number % 2}" / f"{number}.jpg", jpeg(number, taken="2021:05:04 13:22:11"))
    put(root / "movie.mp4", Random(5).randbytes(5_000_000))
    put(root / "empty.jpg", b"")
    (root / "link.jpg").symlink_to("movie.mp4")
    return root


@pytest.fixture
def computer(tmp_path: Path, storage: MemoryStorage) -> Computer:
    made = Computer(tmp_path / "computer", "memory:")
    made.make_vault(storage, password="a password for tests")
    return made


@pytest.fixture
def backed_up(computer: Computer, storage: MemoryStorage, photos: Path) -> Computer:
    computer.backup(photos, storage=storage)
    return computer


def look(computer: Computer, storage: MemoryStorage, *canaries: Path, **settings: str) -> AuditReport:
    return audit(computer.app(storage, **settings), list(map(str, canaries)), Silent())


def names(storage: MemoryStorage, prefix: str) -> list[str]:
    return sorted(name for name in storage.objects if name.startswith(prefix))


def ledger_of(computer: Computer) -> Path:
    (path,) = computer.folder.rglob("ledger.jsonl")
    return path


def alarm(report: AuditReport, where: str) -> Finding:
    """The only alarm, which is about ``where``."""
    assert [one.where for one in report.alarms] == [where], report.alarms
    assert report.alarms[0].hint
    return report.alarms[0]


def without_gate(computer: Computer, storage: MemoryStorage, run) -> None:
    """Do something with the vault's keys that no ledger hears of."""
    with computer.app(storage).session() as session:
        vault = session.vault
        vault.door = Door(storage, vault._reopen)
        run(vault)


# A vault as it should be


def test_everything_is_explained(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    put(photos / "new.jpg", jpeg(50))
    (photos / "2010" / "0.jpg").unlink()
    backed_up.backup(photos, storage=storage)
    before = dict(storage.objects)
    report = look(backed_up, storage)
    assert (report.alarms, report.notes) == ((), ())
    assert storage.objects == before
    assert (report.objects, report.size) == (len(before), sum(map(len, before.values())))
    assert report.lines == len(before) + 1


def test_a_vault_without_a_backup_is_explained(computer: Computer, storage: MemoryStorage) -> None:
    report = look(computer, storage)
    assert (report.alarms, report.notes) == ((), ())


def test_what_left_is_counted_by_day_destination_and_kind(backed_up: Computer, storage: MemoryStorage) -> None:
    left = {(one.day, one.destination, one.kind): (one.objects, one.size) for one in look(backed_up, storage).left}
    sizes = {kind: [len(storage.objects[name]) for name in names(storage, kind)] for kind in ("packs/", "snapshots/")}
    assert left["2024-05-04", "memory:", "pack"] == (len(sizes["packs/"]), sum(sizes["packs/"]))
    assert left["2024-05-04", "memory:", "snapshot"] == (1, sum(sizes["snapshots/"]))
    assert {kind for _, _, kind in left} == {"header", "slot", "recovery", "pack", "index", "snapshot"}


def test_it_says_what_the_storage_can_learn(backed_up: Computer, storage: MemoryStorage) -> None:
    learned = look(backed_up, storage).learned
    assert learned.vault_id == json.loads(storage.objects["vault.json"])["vault"]
    assert learned.slots == {"device": 1, "password": 1, "words": 1}
    assert (learned.epochs, learned.days) == ((1,), (1, "2024-05-04", "2024-05-04"))
    assert learned.classes["snapshot"] == {16384: 1}
    assert sum(size * n for sizes in learned.classes.values() for size, n in sizes.items()) == learned.size


def test_two_devices_explain_each_other(
    backed_up: Computer, storage: MemoryStorage, photos: Path, tmp_path: Path
) -> None:
    words = put(tmp_path / "words.txt", _words())
    other = Computer(tmp_path / "other", "memory:", seed="other")
    put(photos / "more.mp4", noise(3_000_000))
    other.backup(photos, storage=storage, words_file=str(words))
    backed_up.backup(photos, storage=storage)
    assert look(backed_up, storage).alarms == ()
    assert look(other, storage, words_file=str(words)).alarms == ()


def _words() -> bytes:
    from photovault.crypto.words import to_words
    from tests.support.devices import WORDS

    return " ".join(to_words(WORDS)).encode()


def test_uniform_padding_is_explained(computer: Computer, storage: MemoryStorage, photos: Path) -> None:
    (computer.folder / "config.toml").write_text("[vault]\npadding = 'uniform'\n")
    computer.backup(photos, storage=storage)
    assert look(computer, storage).alarms == ()


def test_a_vault_that_moved_is_explained(backed_up: Computer, storage: MemoryStorage) -> None:
    class Elsewhere(MemoryStorage):
        address = "memory:elsewhere"

    moved = Elsewhere()
    moved.objects = storage.objects
    report = look(backed_up, moved)
    assert (report.alarms, report.learned.days[0]) == ((), 0)


def test_a_copy_without_a_key_is_explained(backed_up: Computer, storage: MemoryStorage, tmp_path: Path) -> None:
    class Elsewhere(MemoryStorage):
        address = "memory:copy"

    copy = Elsewhere()
    door = Door(copy, no_key, Ledger(tmp_path / "middle.jsonl", Clock()))
    for name, data in storage.objects.items():
        door.relay(name, data)
    assert look(backed_up, copy).alarms == ()
    assert len(list(read_ledger(tmp_path / "middle.jsonl"))) == len(copy.objects) + 1


# What somebody without keys can do


@pytest.mark.parametrize("name", ["faces.bin", "packs/ab", "index/" + "AB" * 32, "keys/x", "snapshots/" + "0" * 63])
def test_an_object_of_a_strange_name_is_an_alarm(backed_up: Computer, storage: MemoryStorage, name: str) -> None:
    storage.objects[name] = b"vector"
    assert "no vault has an object of this name" in alarm(look(backed_up, storage), name).what


@pytest.mark.parametrize("kind", ["packs/", "index/", "snapshots/"])
@pytest.mark.parametrize("at", [20, 5000, -1])
def test_a_changed_byte_is_an_alarm(backed_up: Computer, storage: MemoryStorage, kind: str, at: int) -> None:
    name = names(storage, kind)[0]
    spoil(storage, name, at)
    assert name in {one.where for one in look(backed_up, storage).alarms}


def test_garbage_under_a_good_name_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    for number, prefix in enumerate(("index/", "snapshots/")):
        data = noise(16384, number)
        storage.objects[prefix + pack.hashlib.sha256(data).hexdigest()] = data
    found = {one.where for one in look(backed_up, storage).alarms}
    assert len(found) == 2
    assert found <= storage.objects.keys()


def test_a_missing_pack_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    name = max(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))
    del storage.objects[name]
    assert (
        "it is not there, and snapshots need" in {one.where: one.what for one in look(backed_up, storage).alarms}[name]
    )


def test_a_missing_newest_snapshot_is_an_alarm(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    first = names(storage, "snapshots/")
    put(photos / "new.jpg", jpeg(50))
    backed_up.backup(photos, storage=storage)
    (newest,) = set(names(storage, "snapshots/")) - set(first)
    del storage.objects[newest]
    report = look(backed_up, storage)
    assert "it is not there" in {one.where: one.what for one in report.alarms}[newest]


def test_a_missing_key_slot_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    slots = {json.loads(storage.objects[name])["kind"]: name for name in names(storage, "keys/")}
    del storage.objects[slots["words"]]
    assert "a snapshot needs it" in alarm(look(backed_up, storage), slots["words"]).what


@pytest.mark.parametrize("name", fmt.RECOVERY_NAMES)
def test_another_program_in_place_of_ours_is_an_alarm(backed_up: Computer, storage: MemoryStorage, name: str) -> None:
    storage.objects[name] += b"# and send the photos to me"
    assert "knows its bytes" in alarm(look(backed_up, storage), name).what


@pytest.mark.parametrize("prefix", ["RECOVER.txt", "index/", "snapshots/", "packs/"])
def test_an_object_that_is_too_large_to_read_is_an_alarm(
    backed_up: Computer, storage: MemoryStorage, prefix: str
) -> None:
    name = names(storage, prefix)[-1]
    storage.objects[name] = bytes(fmt.SIZE_MAX + 1)
    assert name in {one.where for one in look(backed_up, storage).alarms}


def test_a_removed_slot_that_is_there_again_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    from photovault.app import keys

    added = keys.add_key(backed_up.app(storage), "password", "another password").added
    slot = storage.objects[f"keys/{added}"]
    keys.remove_key(backed_up.app(storage), added)
    assert look(backed_up, storage).alarms == ()
    storage.objects[f"keys/{added}"] = slot
    assert "there again" in alarm(look(backed_up, storage), f"keys/{added}").what


# What somebody with the keys can do, around the gate


def plant(vault: Vault, storage: MemoryStorage, *parts: bytes, size: int = 0) -> str:
    """A pack sealed by the vault's keys and put straight into the storage."""
    draft = Draft(ObjectKind.PACK, bytearray(fmt.SIZE_MAX))
    for part in parts:
        draft.add(*make_part(vault.keyring, PartKind.CONTENT, part))
    size = size or fmt.size_class(draft.needed)
    data = bytes(seal(draft, vault.keyring, size, memoryview(bytearray(size))))
    name = fmt.object_name(ObjectKind.PACK, pack.hashlib.sha256(data).digest())
    storage.objects[name] = data
    return name


def test_a_pack_around_the_gate_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    planted: list[str] = []
    without_gate(backed_up, storage, lambda vault: planted.append(plant(vault, storage, b"face: 0.123")))
    assert "the ledger has no line of it" in alarm(look(backed_up, storage), planted[0]).what


def test_a_part_beside_a_photo_is_an_alarm(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    planted: list[str] = []
    photo = (photos / "movie.mp4").read_bytes()[:PART_MAX]
    without_gate(backed_up, storage, lambda vault: planted.append(plant(vault, storage, photo, b"face: 0.123")))
    assert "no snapshot needs 1 of its parts (11 bytes)" in alarm(look(backed_up, storage), planted[0]).what


def test_padding_that_is_not_empty_is_an_alarm(
    backed_up: Computer, storage: MemoryStorage, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = (photos / "movie.mp4").read_bytes()[:PART_MAX]
    planted: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(pack, "_zeros", lambda count: b"face".ljust(count, b"\0"))
        without_gate(backed_up, storage, lambda vault: planted.append(plant(vault, storage, photo)))
    assert "padding" in {one.where: one.what for one in look(backed_up, storage).alarms}[planted[0]]


def test_a_size_that_says_something_is_an_alarm(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    photo = (photos / "2010" / "0.jpg").read_bytes()
    planted: list[str] = []
    without_gate(backed_up, storage, lambda vault: planted.append(plant(vault, storage, photo, size=2**20)))
    assert (
        "larger than its contents need" in {one.where: one.what for one in look(backed_up, storage).alarms}[planted[0]]
    )


def listed(vault: Vault, page: bytes, **change: object) -> bytes:
    """A snapshot whose top listing is ``page``, otherwise as the newest."""
    one = vault.snapshots().found[-1]
    with Workers(1) as workers:
        writer = Writer(vault, workers)
        root = (writer.add_listing(page),)
        writer.finish()
    snapshot = replace(one.snapshot, number=one.snapshot.number + 1, previous=one.name, root=root)
    return vault.commit(replace(snapshot, **change)).name


def test_a_fact_in_a_listing_that_nobody_knows_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    """``facts`` is an open map, so that readers accept what later versions write; the audit does not."""
    entry = {"facts": {"faces": 3}, "kind": "file", "mode": 420, "mtime": 0, "name": "a", "parts": []}
    empty = {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "size": 0}
    page = fmt.canonical({"entries": [entry | empty], "version": 1})
    assert fmt.read_page(page)
    with backed_up.app(storage).session(lock=True) as session:
        counts = replace(session.vault.snapshots().found[-1].snapshot.counts, files=1, folders=0, links=0, size=0)
        listed(session.vault, page, counts=counts)
    (found,) = look(backed_up, storage).alarms
    assert (found.where in names(storage, "packs/"), "does not know" in found.what) == (True, True)


def test_a_label_that_says_more_than_a_label_stays_here_and_is_an_alarm(
    computer: Computer, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photovault.app import keys
    from photovault.vault import slots

    real = slots.seal_note

    def more(note: bytes, *args: object, **options: object) -> bytes:
        return real((note.rstrip(b"\0")[:-1] + b',"x":1}').ljust(len(note), b"\0"), *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(slots, "seal_note", more)
        with pytest.raises(GateError, match="says more than its label"):
            keys.add_key(computer.app(storage), "device", None)
        patch.setattr(Door, "_inspect", lambda *_: None)
        added = keys.add_key(computer.app(storage), "device", None).added
    assert "says more than its label" in alarm(look(computer, storage), f"keys/{added}").what


def test_a_listing_that_is_compressed_otherwise_is_said(
    computer: Computer, storage: MemoryStorage, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No alarm: zlib is not the same everywhere; the two-run proof is the one to ask."""
    real = zlib.compress
    with monkeypatch.context() as patch:
        patch.setattr(pack.zlib, "compress", lambda data, _level: real(data, 9))
        computer.backup(photos, storage=storage)
    report = look(computer, storage)
    assert (report.alarms, [one.where for one in report.notes]) == ((), ["listings"])


def test_counts_that_count_something_else_are_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    with backed_up.app(storage).session(lock=True) as session:
        vault = session.vault
        one = vault.snapshots().found[-1]
        counts = replace(one.snapshot.counts, links=one.snapshot.counts.links + 7)
        again = replace(one.snapshot, number=2, previous=one.name, counts=counts)
        name = vault.commit(again).name
    assert "counts" in alarm(look(backed_up, storage), fmt.object_name(ObjectKind.SNAPSHOT, name)).what


def test_counts_of_a_folder_that_count_something_else_are_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    with backed_up.app(storage).session(lock=True) as session:
        vault = session.vault
        from photovault.vault.reader import Reader

        (top,) = Reader(vault).folder(vault.snapshots().found[-1].snapshot.root)
        page = b'{"entries":[' + fmt.encode_entry(replace(top, files=top.files + 128)) + b'],"version":1}'
        listed(vault, page)
    (found,) = look(backed_up, storage).alarms
    assert (found.where.endswith(":Pictures"), "counts" in found.what) == (True, True)


@pytest.mark.parametrize("change", [{"digest": bytes(32)}, {"size": 77}], ids=["digest", "size"])
@pytest.mark.parametrize("name", ["Pictures/2010/0.jpg", "Pictures/movie.mp4", "Pictures/empty.jpg"])
def test_a_digest_or_size_that_says_something_else_is_an_alarm(
    computer: Computer, storage: MemoryStorage, photos: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: dict
) -> None:
    """Room for 32 bytes a photo in a field that nobody reads before a restore."""
    real = fmt.encode_entry

    def lying(entry) -> bytes:
        return real(replace(entry, **change) if entry.name == name.rpartition("/")[2].encode() else entry)

    with monkeypatch.context() as patch:
        patch.setattr(fmt, "encode_entry", lying)
        computer.backup(photos, storage=storage)
    found = [one for one in look(computer, storage).alarms if "counts" not in one.what]
    assert [(one.where.partition(":")[2], one.what) for one in found] == [(name, OTHER_FILE)]


def test_parts_in_any_order_make_the_same_files(computer: Computer, storage: MemoryStorage, tmp_path: Path) -> None:
    """Files that share parts, repeat them, or have them in packs of earlier runs."""
    one, other, third = (noise(fmt.PART_MAX, n) for n in range(3))
    root = tmp_path / "Pictures"
    put(root / "a.mp4", one + other)
    computer.backup(root, storage=storage)
    put(root / "b.mp4", third + one + b"end")
    put(root / "c.mp4", third * 3 + other + one + one)
    put(root / "d.mp4", other + third)
    put(root / "e.mp4", b"")
    computer.backup(root, storage=storage)
    assert look(computer, storage).alarms == ()


def test_an_index_that_says_something_else_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    said: list[str] = []

    def lie(vault: Vault) -> None:
        name = fmt.digest_of(names(storage, "packs/")[0])
        entry = vault.read_trailer(name, len(storage.objects[names(storage, "packs/")[0]]))
        records = (entry.records[0]._replace(length=1, stored=1), *entry.records[1:])
        lying = PackEntry(name=name, size=entry.size, records=records)
        said.append(vault.send_single(ObjectKind.INDEX, fmt.encode_index([lying])).hex())
        gone = PackEntry(name=bytes(32), size=16384, records=entry.records)
        said.append(vault.send_single(ObjectKind.INDEX, fmt.encode_index([gone])).hex())

    without_gate(backed_up, storage, lie)
    found = {one.where: one.what for one in look(backed_up, storage).alarms}
    assert found.keys() == {f"index/{name}" for name in said}
    assert "something else" in found[f"index/{said[0]}"]
    assert "not there" in found[f"index/{said[1]}"]


def test_a_snapshot_of_this_device_around_the_gate_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    made: list[str] = []

    def commit(vault: Vault) -> None:
        one = vault.snapshots().found[-1]
        made.append(vault.commit(replace(one.snapshot, number=2, previous=one.name)).id)

    without_gate(backed_up, storage, commit)
    assert "snapshot 2 of this device" in alarm(look(backed_up, storage), f"snapshots/{made[0]}").what


# The ledger


def test_a_changed_ledger_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    path = ledger_of(backed_up)
    path.write_bytes(path.read_bytes().replace(b'"kind":"index"', b'"kind":"other"'))
    assert "does not follow" in alarm(look(backed_up, storage), "the ledger").what


def test_a_ledger_cut_at_the_end_is_an_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    path = ledger_of(backed_up)
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:-1]))
    (snapshot,) = names(storage, "snapshots/")
    assert "the ledger has no line of it" in alarm(look(backed_up, storage), snapshot).what


def test_a_pack_whose_line_was_written_out_of_a_new_chain_is_an_alarm(
    backed_up: Computer, storage: MemoryStorage
) -> None:
    path = ledger_of(backed_up)
    (name, *_) = names(storage, "packs/")
    kept = [line for line in read_ledger(path) if line.event != "begun" and line.name != name]
    path.unlink()
    forged = Ledger(path, Clock())
    for line in kept:
        forged.sending(line.destination, line.kind, line.name, line.size)
    assert "only this device's snapshots need it" in alarm(look(backed_up, storage), name).what


def test_a_lost_ledger_does_not_cry_wolf(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    ledger_of(backed_up).unlink()
    report = look(backed_up, storage)
    assert (report.alarms, [one.where for one in report.notes]) == ((), ["the ledger"])
    put(photos / "new.jpg", jpeg(50))
    backed_up.backup(photos, storage=storage)
    report = look(backed_up, storage)
    assert report.alarms == ()
    assert "began after snapshot 1" in report.notes[0].what


def test_a_lost_state_does_not_cry_wolf(
    backed_up: Computer, storage: MemoryStorage, photos: Path, tmp_path: Path
) -> None:
    put(photos / "new.mp4", noise(20_000_000))
    backed_up_dies(backed_up, storage, photos)
    words = str(put(tmp_path / "words.txt", _words()))
    shutil.rmtree(backed_up.folder / "state")
    shutil.rmtree(backed_up.folder / "cache")
    backed_up.backup(photos, storage=storage, words_file=words)
    assert look(backed_up, storage, words_file=words).alarms == ()


def backed_up_dies(computer: Computer, storage: MemoryStorage, photos: Path, **settings: str) -> None:
    """A backup whose process dies before the snapshot."""

    class Dying(FaultyStorage):
        def put(self, name: str, data: bytes) -> None:
            if name.startswith("index/"):
                self._at = self.count + 1
            super().put(name, data)

    with pytest.raises(Killed):
        computer.backup(photos, storage=Dying(storage), **settings)


def test_an_interrupted_run_is_said_and_no_alarm(backed_up: Computer, storage: MemoryStorage, photos: Path) -> None:
    put(photos / "new.mp4", noise(20_000_000))
    backed_up_dies(backed_up, storage, photos)
    report = look(backed_up, storage)
    assert report.alarms == ()
    assert "from an interrupted run" in report.notes[0].what
    backed_up.backup(photos, storage=storage)
    report = look(backed_up, storage)
    assert report.alarms == ()


def test_what_another_device_left_is_an_alarm_until_somebody_uses_it(
    backed_up: Computer, storage: MemoryStorage, photos: Path, tmp_path: Path
) -> None:
    words = str(put(tmp_path / "words.txt", _words()))
    other = Computer(tmp_path / "other", "memory:", seed="other")
    put(photos / "new.mp4", noise(20_000_000))
    backed_up_dies(other, storage, photos, words_file=words)
    report = look(backed_up, storage)
    assert {one.where for one in report.alarms} <= set(names(storage, "packs/"))
    assert "another device is backing up" in report.alarms[0].hint
    backed_up.backup(photos, storage=storage)
    assert look(backed_up, storage).alarms == ()


def test_a_backup_does_not_whitewash_a_pack_around_the_gate(
    backed_up: Computer, storage: MemoryStorage, photos: Path
) -> None:
    planted: list[str] = []
    without_gate(backed_up, storage, lambda vault: planted.append(plant(vault, storage, b"face: 0.123")))
    put(photos / "new.jpg", jpeg(50))
    backed_up.backup(photos, storage=storage)
    assert "no snapshot needs anything in it" in alarm(look(backed_up, storage), planted[0]).what


def test_a_backup_that_ends_during_an_audit_is_no_alarm(
    backed_up: Computer, storage: MemoryStorage, photos: Path
) -> None:
    class Busy(MemoryStorage):
        """While it is listed for the ``number``-th time, a backup comes and goes."""

        number = 0

        def listing(self, prefix: str):
            Busy.number -= 1
            if Busy.number == 0:
                put(photos / "meanwhile.mp4", noise(6_000_000, len(storage.objects)))
                backed_up.backup(photos, storage=storage)
            return super().listing(prefix)

    busy = Busy()
    busy.objects = storage.objects
    for number in range(1, 8):
        Busy.number = number
        assert look(backed_up, busy).alarms == (), number
    assert len(names(storage, "snapshots/")) > 4


# Canaries


SECRET = noise(200, "secret")


@pytest.mark.parametrize(
    "form",
    [
        lambda secret: secret,
        lambda secret: secret.hex().encode(),
        lambda secret: secret.hex().upper().encode(),
        *(partial(lambda shift, secret: base64.b64encode(bytes(shift) + secret + b"end"), n) for n in range(3)),
        *(partial(lambda shift, secret: base64.urlsafe_b64encode(bytes(shift) + secret), n) for n in range(3)),
    ],
)
@pytest.mark.parametrize("size", [16, 17, 18, 200])
def test_a_canary_is_found_in_every_form(form, size: int) -> None:
    canaries = Canaries([("mine", SECRET[:size]), ("other", noise(50, "other"))])
    assert canaries.find(noise(99) + form(SECRET[:size]) + noise(99, 1)) == "mine"
    assert canaries.find(form(SECRET[1:])) == ""


VECTORS = [
    struct.pack("<128f", *(Random(number).uniform(-0.25, 0.25) for number in range(at, at + 128))) for at in (0, 500)
]


@pytest.mark.parametrize(
    "form",
    [
        *(pytest.param(form, id=name) for name, form in ENCODINGS.items() if not name.startswith("JSON")),
        pytest.param(lambda numbers: json.dumps(numbers).encode(), id="JSON"),
        pytest.param(lambda numbers: json.dumps({"face": {"v": numbers}}, indent=1).encode(), id="JSON in lines"),
        pytest.param(lambda numbers: json.dumps(numbers, separators=(",", ":")).encode("utf-16"), id="JSON in UTF-16"),
        pytest.param(lambda numbers: json.dumps([round(n, 6) for n in numbers]).encode(), id="JSON of six digits"),
        pytest.param(lambda numbers: " ".join(map(str, np.float32(numbers))).encode(), id="NumPy's text"),
        pytest.param(lambda numbers: b"".join(b"%.6f\n" % n for n in numbers), id="a table"),
    ],
)
def test_a_planted_vector_is_found_however_it_is_written_down(form) -> None:
    canaries = Canaries(vectors=VECTORS)
    numbers = struct.unpack("<128f", VECTORS[0])
    assert canaries.find(noise(99) + form(numbers) + noise(99, 1)) == "of the store of face data"
    other = form(struct.unpack("<128f", struct.pack("<128f", *(-number for number in numbers))))
    assert form(numbers) == other or canaries.find(noise(99) + other + noise(99, 1)) == ""


def test_every_planted_vector_is_found_as_it_is() -> None:
    canaries = Canaries(vectors=VECTORS)
    assert [bool(canaries.find(b"." + vector)) for vector in VECTORS] == [True, True]
    assert canaries.find(noise(2_000_000)) == ""
    assert Canaries(vectors=[b"", bytes(12)]).find(bytes(1000)) == "", "what is no vector is not looked for"


@pytest.mark.parametrize("size", [0, 15, 2**20 + 1])
def test_a_canary_that_would_sing_by_chance_or_never_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="canary"):
        Canaries([("mine", bytes(size))])


def test_a_canary_in_a_photo_is_named_with_its_file(
    computer: Computer, storage: MemoryStorage, photos: Path, tmp_path: Path
) -> None:
    canary = put(tmp_path / "canary", SECRET)
    put(photos / "2010" / "leak.jpg", jpeg(70) + base64.b64encode(SECRET))
    computer.backup(photos, storage=storage)
    assert look(computer, storage, put(tmp_path / "absent", noise(100, "absent"))).alarms == ()
    (found,) = look(computer, storage, canary).alarms
    assert found.where in names(storage, "packs/")
    assert found.what.startswith(f"it holds the canary {canary}, in ")
    assert found.what.endswith(":Pictures/2010/leak.jpg")


def test_a_canary_in_a_name_a_tag_or_a_label_is_found(
    computer: Computer, storage: MemoryStorage, photos: Path, tmp_path: Path
) -> None:
    from photovault.app import keys

    canary = put(tmp_path / "canary", SECRET[:20])
    text = SECRET[:20].hex()
    put(photos / f"{text}.jpg", jpeg(1))
    (computer.folder / "config.toml").write_text(f"[backup]\ntags = ['{text}']\n")
    keys.add_key(computer.app(storage), "password", "another password", f"label \ud800 {text}")
    computer.backup(photos, storage=storage)
    found = look(computer, storage, canary).alarms
    assert {one.where.partition("/")[0] for one in found} == {"packs", "snapshots", "keys"}


def test_a_canary_that_is_not_there_is_told(computer: Computer, storage: MemoryStorage, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the canary"):
        look(computer, storage, tmp_path / "nothing")


# The storage fails


def test_a_storage_that_fails_is_an_error_and_no_alarm(backed_up: Computer, storage: MemoryStorage) -> None:
    failing = FaultyStorage(storage, at=12, on=("get",), fault=lambda: UnavailableError("the share is gone"))
    with pytest.raises(UnavailableError, match="the share is gone"):
        look(backed_up, failing)


# Thumbnails, and parts that are stored together


THUMBNAILS = [noise(500, "thumbnail"), noise(400, "another")]


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Codec:
    """What decodes in every session of the test."""
    made = Codec()
    monkeypatch.setattr("photovault.app.session._unpacker", lambda _stack: made.unpack)
    return made


@pytest.fixture
def album(computer: Computer, storage: MemoryStorage, codec: Codec) -> Computer:
    with computer.app(storage).session() as session:
        store_album(session, codec, thumbnails=THUMBNAILS)
    return computer


def grouped_pack(storage: MemoryStorage) -> str:
    return max(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))


def test_thumbnails_and_groups_are_explained_and_counted(album: Computer, storage: MemoryStorage) -> None:
    report = look(album, storage)
    assert (report.alarms, report.notes) == ((), ())
    assert (report.thumbnails, report.thumbnail_bytes) == (2, 900)
    assert report.opaque == 0


def test_what_nothing_here_decodes_is_said_and_no_alarm(
    album: Computer, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.app.session._unpacker", lambda _stack: no_unpack)
    report = look(album, storage)
    assert report.alarms == ()
    (note,) = report.notes
    assert "2 parts" in note.what
    assert "photovault[jxl]" in note.what
    assert report.opaque == 2
    assert report.opaque_bytes == (len(b"\xff\xd8 tables") + sum(map(len, IMAGE))) * 4 // 5


def test_a_group_that_decodes_to_something_else_is_an_alarm(
    album: Computer, storage: MemoryStorage, codec: Codec
) -> None:
    codec.made = {packed: jpeg[:-1] + b"?" for packed, jpeg in codec.made.items()}
    report = look(album, storage)
    assert any("not what its id says" in one.what and one.where.startswith("packs/") for one in report.alarms)


def test_a_thumbnail_that_no_file_has_is_an_alarm(album: Computer, storage: MemoryStorage) -> None:
    def hide(vault: Vault) -> None:
        with Workers(1) as workers:
            writer = Writer(vault, workers)
            writer.add_thumbnail(b"128 numbers that are a face")
            writer.finish()

    before = set(storage.objects)
    without_gate(album, storage, hide)
    (planted,) = [name for name in storage.objects.keys() - before if name.startswith("packs/")]
    assert planted in {one.where for one in look(album, storage).alarms}


def test_a_canary_in_a_thumbnail_or_a_group_is_found(album: Computer, storage: MemoryStorage, tmp_path: Path) -> None:
    for name, data in {"thumbnail": THUMBNAILS[0][:64], "group": IMAGE[1][500:540]}.items():
        found = look(album, storage, put(tmp_path / name, data)).alarms
        assert any("canary" in one.what and ".jpg" in one.what for one in found), name


def test_a_pack_of_thumbnails_that_went_is_an_alarm(album: Computer, storage: MemoryStorage) -> None:
    del storage.objects[min(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))]
    assert any("snapshots need" in one.what for one in look(album, storage).alarms)


@pytest.mark.usefixtures("real_decoders")
def test_a_photo_that_is_stored_as_jpeg_xl_is_restored_through_the_whole_program(
    computer: Computer, storage: MemoryStorage, tmp_path: Path
) -> None:
    """By a real decoder, in a process of its own."""
    with computer.app(storage).session() as session, Workers(1) as workers:
        writer = Writer(session.vault, workers)
        group = make.group([make.JPEG[:99], make.JPEG[99:]], 0, session.vault.keyring)
        writer._add(group)
        entry = Entry(
            name=b"a.jpg",
            kind=EntryKind.FILE,
            mode=0o644,
            mtime_ns=0,
            size=len(make.JPEG),
            digest=hashlib.sha256(make.JPEG).digest(),
            parts=tuple(record.part_id for record, _ in group),
        )
        commit(session, writer, [entry])
    assert computer.restore(tmp_path / "out", storage=storage).damaged == ()
    assert (tmp_path / "out" / "Pictures" / "a.jpg").read_bytes() == make.JPEG
    report = look(computer, storage)
    assert (report.alarms, report.notes) == ((), ())
