"""With parity on, any two packs of each group may be lost or rot; a third one is named with its photos."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from photovault.app.proof import audit, two_run
from photovault.app.repairing import RepairRequest, repair_vault
from photovault.app.sources import BackupRequest
from photovault.app.switches import threads_switch
from photovault.check import parse_amount
from photovault.errors import MissingExtraError
from photovault.gate.door import Outbound, SealedObject
from photovault.parity import groups_of, open_parity, restore_packs, see_parity, uncovered
from photovault.parity.making import sealed_parity
from photovault.storage.folder import FolderStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.workers import Workers
from tests.support.devices import Computer, Silent
from tests.support.faults import FaultyStorage, Killed
from tests.support.photos import same_tree
from tests.vault.some import noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from photovault.audit import AuditReport
    from photovault.check import CheckReport
    from photovault.parity import Group, Restored
    from tests.conftest import Done


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer whose backups make parity."""
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    (made.folder / "config.toml").write_text("[vault]\nparity = true\n[backup]\nthumbnails = false\n")
    made.make_vault()
    return made


def album(folder: Path, count: int, first: int = 0) -> Path:
    """Photos that fill a pack of 16 KiB each, if each is backed up by itself."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:03}.jpg").write_bytes(noise(9_000, number))
    return folder


def one_by_one(computer: Computer, photos: Path, count: int) -> None:
    """Backups of one new photo each."""
    for number in range(count):
        album(photos, 1, number)
        computer.backup(photos)


def groups(computer: Computer) -> tuple[list[Group], dict[bytes, int]]:
    with computer.app().session() as session, Workers(2) as workers:
        return groups_of(see_parity(session.vault, workers).pieces), session.vault.stored(ObjectKind.PACK)


def path_of(vault: str, name: bytes) -> str:
    return f"{vault}/{fmt.object_name(fmt.ObjectKind.PACK, name)}"


def lose(vault: str, lost: Iterable[bytes]) -> None:
    """The first one is deleted, the others are overwritten."""

    for number, name in enumerate(lost):
        path = Path(path_of(vault, name))
        path.chmod(0o644)
        if number:
            path.write_bytes(noise(path.stat().st_size, "rot"))
        else:
            path.unlink()


def heal(computer: Computer, lost: Iterable[bytes]) -> list[Restored]:
    """What `check --repair` does with what a check found."""
    with computer.app().session(lock=True) as session, Workers(2) as workers:
        found = []
        for one in restore_packs(session.vault, lost, workers, Silent()):
            if one.data:
                session.vault.door.send(SealedObject(kind=Outbound.PACK, data=one.data))
            found.append(one)
        return found


def test_every_backup_leaves_every_pack_covered(computer: Computer, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(4):
        one_by_one(computer, album(photos, 1, 10 * number), 1)
        album(photos, 1, 10 * number + 1)
        computer.backup(photos)
        found, packs = groups(computer)
        assert uncovered(found, packs) == []
    report = computer.check()
    assert (report.findings, report.notes) == ((), ())
    before = sorted(path for path in (tmp_path / "vault" / "parity").iterdir())
    computer.backup(photos)  # stores a snapshot and no pack
    assert sorted(path for path in (tmp_path / "vault" / "parity").iterdir()) == before


def test_any_two_packs_of_each_group_come_back(computer: Computer, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    one_by_one(computer, photos, 9)
    found, packs = groups(computer)
    standing = [group for group in found if group.stands(packs)]
    covered = {name for group in standing for name in group.packs}
    assert covered == packs.keys()
    largest = max(standing, key=lambda group: len(group.packs))
    pairs = list(combinations(largest.packs, 2))
    for lost in pairs[:: len(pairs) // 6]:
        lose(computer.vault, lost)
        assert computer.check().findings
        assert {one.why for one in heal(computer, lost)} == {""}
        assert computer.check().findings == ()
    target = tmp_path / "target"
    computer.restore(target)
    assert same_tree(photos, target / "photos") == []


def test_three_packs_of_a_group_are_named_and_nothing_gets_worse(computer: Computer, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    config = computer.folder / "config.toml"
    on = config.read_text()
    config.write_text("")  # else the smaller groups that were there before bring more back
    one_by_one(computer, photos, 5)
    config.write_text(on)
    computer.backup(photos)
    (group,), _ = groups(computer)
    lost = group.packs[:3]
    lose(computer.vault, lost)
    healed = heal(computer, lost)
    assert [one.name for one in healed if one.why] == sorted(lost)
    assert any(one.files for one in computer.check().findings)


def test_a_check_says_how_many_packs_have_no_parity(computer: Computer, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 2)
    config = computer.folder / "config.toml"
    on = config.read_text()
    config.write_text("")
    computer.backup(photos)
    assert not (tmp_path / "vault" / "parity").exists()
    config.write_text(on)
    (note,) = computer.check(data="none").notes
    assert "no parity" in note.what
    computer.backup(photos)
    assert computer.check(data="none").notes == ()


def test_a_check_names_a_parity_object_that_was_cut(computer: Computer, tmp_path: Path) -> None:
    computer.backup(album(tmp_path / "photos", 2))
    cut = next((tmp_path / "vault" / "parity").iterdir())
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:5000])
    findings = computer.check(data="none").findings
    assert [one.where for one in findings] == [f"parity/{cut.name}"]
    assert not findings[0].files
    computer.backup(tmp_path / "photos")
    assert computer.check().findings == ()


def test_without_the_library_a_backup_says_what_to_do_before_it_begins(
    computer: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.parity.coding.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="not installed"):
        computer.backup(album(tmp_path / "photos", 1))
    assert computer.snapshots() == []


def test_two_devices_with_the_same_photos_make_the_same_parity(tmp_path: Path) -> None:
    """The clock and the device are in snapshots alone."""
    made = []
    photos = album(tmp_path / "photos", 3)
    for name in ("one", "two"):
        computer = Computer(tmp_path / name, tmp_path / name / "vault", seed="same")
        (computer.folder / "config.toml").write_text("[vault]\nparity = true\n[backup]\nthumbnails = false\n")
        computer.make_vault()
        computer.backup(photos)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name / "vault" / "parity").iterdir()})
    assert made[0]
    assert made[0] == made[1]


@pytest.mark.parametrize(("kind", "every"), [("put", 1), ("get", 4), ("listing", 2)])
def test_a_backup_that_is_killed_at_any_moment_leaves_less_parity_and_never_a_wrong_one(
    computer: Computer, tmp_path: Path, kind: str, every: int
) -> None:
    photos = album(tmp_path / "photos", 1)
    computer.backup(photos)
    at = 0
    while True:
        at += every
        album(photos, 1, 100 + at)
        storage = FaultyStorage(FolderStorage(Path(computer.vault)), at=at, on=(kind,))
        try:
            computer.backup(photos, storage=storage)
        except Killed:
            assert computer.check().findings == ()
            continue
        break
    assert at > 3
    found, packs = groups(computer)
    assert uncovered(found, packs) == []
    (lost, *_) = [name for group in found if group.stands(packs) for name in group.packs]
    lose(computer.vault, [lost])
    assert heal(computer, [lost])[0].why == ""
    assert computer.check().findings == ()


def test_a_storage_that_fails_while_parity_is_made_costs_a_warning(computer: Computer, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 1)

    class NoRoom(FolderStorage):
        def put(self, name: str, data: object) -> None:
            if name.startswith("parity/"):
                from photovault.errors import RefusedError

                raise RefusedError("no space left on the device")
            super().put(name, data)

    app = computer.app(NoRoom(Path(computer.vault)))
    app.backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert any("its parity is not: no space left" in warning for warning in app.warnings)
    computer.backup(photos)
    assert computer.check().notes == ()


def test_a_copy_has_the_parity_too(
    computer: Computer, tmp_path: Path, photovault: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(album(tmp_path / "photos", 2))
    done = photovault("copy", "--from", computer.vault, "--to", tmp_path / "copy", "--json")
    assert done.code == 0, done.err
    kept = [sorted(path.name for path in (tmp_path / name / "parity").iterdir()) for name in ("vault", "copy")]
    assert kept[0]
    assert kept[0] == kept[1]


def test_the_command_says_what_it_made(
    tmp_path: Path, vault: Path, photovault: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "device" / "config.toml"
    config.write_text(
        config.read_text() + "\nparity = true\n" if "[vault]" in config.read_text() else "[vault]\nparity = true\n"
    )
    done = photovault("backup", album(tmp_path / "photos", 3))
    assert done.code == 0, done.err
    assert "parity made of 1 group of packs" in done.out
    assert json.loads(photovault("check", "--json").out.splitlines()[-1])["notes"] == []


# The audit


def audited(computer: Computer) -> AuditReport:
    return audit(computer.app(), [], Silent())


def test_an_audit_computes_parity_again(computer: Computer, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for first in (0, 10):
        computer.backup(album(photos, 3, first))
    report = audited(computer)
    assert report.alarms == ()
    assert report.learned.classes["parity"]


def plant(computer: Computer, change: Callable[[bytearray], None]) -> str:
    """A parity object whose bytes were changed by somebody who holds the keys."""
    path = min((Path(computer.vault) / "parity").iterdir())
    with computer.app().session() as session:
        parity, held = open_parity(session.vault.keyring, path.read_bytes())
        data = bytearray(held)
        change(data)
        sealed = bytes(sealed_parity(session.vault, parity, memoryview(data)))
    path.unlink()
    name = f"parity/{hashlib.sha256(sealed).hexdigest()}"
    (Path(computer.vault) / name).write_bytes(sealed)
    return name


def test_an_audit_names_parity_that_its_packs_do_not_give(computer: Computer, tmp_path: Path) -> None:
    computer.backup(album(tmp_path / "photos", 3))

    def hide(data: bytearray) -> None:
        data[100:113] = b"a face vector"

    name = plant(computer, hide)
    assert [(one.where, one.what) for one in audited(computer).alarms] == [
        (name, "it is not what the packs give that it protects")
    ]


def test_without_the_library_an_audit_says_what_it_did_not_look_into(
    computer: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(album(tmp_path / "photos", 3))
    monkeypatch.setattr("photovault.parity.coding.find_spec", lambda _: None)
    report = audited(computer)
    assert report.alarms == ()
    assert any("were not looked into" in one.what for one in report.notes if one.where == "parity")


def test_an_audit_names_a_damaged_parity_object(computer: Computer, tmp_path: Path) -> None:
    computer.backup(album(tmp_path / "photos", 3))
    path = min((Path(computer.vault) / "parity").iterdir())
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert [one.where for one in audited(computer).alarms] == [f"parity/{path.name}"]


def test_an_audit_names_parity_of_packs_that_nobody_knows(computer: Computer, tmp_path: Path) -> None:
    computer.backup(album(tmp_path / "photos", 3))
    with computer.app().session() as session:
        parity = fmt.ParityMap(packs=(bytes(32),), size=2**14, shard=0, offset=0, length=5)
        name = session.vault.send(fmt.ObjectKind.PARITY, sealed_parity(session.vault, parity, memoryview(b"hello")))
    (alarm,) = audited(computer).alarms
    assert alarm.where == f"parity/{name.hex()}"
    assert "packs that are not there" in alarm.what


def test_both_runs_of_the_proof_send_the_same_parity(computer: Computer, tmp_path: Path) -> None:
    photos = album(tmp_path / "photos", 3)
    computer.backup(photos)
    album(photos, 2, 50)
    app = computer.app()
    request = BackupRequest(paths=(str(photos),), all_files=True)
    for as_first in (False, True):
        (report,) = two_run(app, request, [threads_switch()], Silent(), as_first=as_first)
        assert report.alarms == ()
        assert app.warnings == []
        assert report.objects > 6  # packs, index, snapshot and parity


# What `check --repair` makes of it


@pytest.fixture
def one_group(computer: Computer, tmp_path: Path) -> Group:
    """Of a vault of five packs in one group, whose photos are gone from this computer."""
    config = computer.folder / "config.toml"
    on = config.read_text()
    config.write_text("")  # else the smaller groups that were there before bring more back
    one_by_one(computer, tmp_path / "photos", 5)
    config.write_text(on)
    computer.backup(tmp_path / "photos")
    shutil.rmtree(tmp_path / "photos")
    (group,), _ = groups(computer)
    return group


def repaired(computer: Computer) -> CheckReport:
    request = RepairRequest(amount=parse_amount("all"), everything=True)
    return repair_vault(computer.app(), request, Silent()).after


def objects(vault: str) -> dict[str, bytes]:
    """All sealed objects."""
    folders = [Path(vault, name) for name in ("packs", "parity", "index", "snapshots", "retention")]
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_a_repair_brings_any_two_packs_back(computer: Computer, one_group: Group) -> None:
    whole = objects(computer.vault)
    for lost in list(combinations(one_group.packs, 2))[::2]:
        lose(computer.vault, lost)
        assert repaired(computer).findings == ()
        assert objects(computer.vault) == whole


def test_a_repair_brings_a_pack_and_a_parity_object_back(computer: Computer, one_group: Group) -> None:
    whole = objects(computer.vault)
    for path in sorted(Path(computer.vault, "parity").iterdir()):
        lose(computer.vault, one_group.packs[:1])
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:9000] + b"rot" + path.read_bytes()[9003:])
        assert repaired(computer).findings == ()
        assert objects(computer.vault) == whole


def test_a_repair_names_the_photos_of_three_lost_packs(computer: Computer, one_group: Group) -> None:
    lost = one_group.packs[:3]
    lose(computer.vault, lost)
    named = {file for one in repaired(computer).findings for file in one.files}

    assert named


@pytest.mark.slow
def test_packs_on_a_server_come_back(s3_url: str, tmp_path: Path) -> None:
    computer = Computer(tmp_path / "computer", s3_url)
    (computer.folder / "config.toml").write_text("[vault]\nparity = true\n[backup]\nthumbnails = false\n")
    computer.make_vault()
    photos = album(tmp_path / "photos", 1)
    (photos / "movie.mp4").write_bytes(noise(20_000_000, "movie"))
    computer.backup(photos)
    computer.backup(album(photos, 3, 50))
    found, packs = groups(computer)
    assert uncovered(found, packs) == []
    storage = computer.app().storage
    lost = [name for group in found if group.stands(packs) for name in group.packs[:2]]
    for name in lost:
        storage.delete(fmt.object_name(fmt.ObjectKind.PACK, name))
    assert repaired(computer).findings == ()
    computer.restore(tmp_path / "target")
    assert same_tree(photos, tmp_path / "target" / "photos") == []
