"""Healing from another copy: what was damaged or lost is whole again, and nothing whole is touched."""

from __future__ import annotations

import shutil
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import keys
from photovault.app.repairing import RepairRequest, repair_vault
from photovault.check import parse_amount
from photovault.errors import RefusedError, UsageError
from photovault.storage.folder import FolderStorage
from tests.support.devices import Computer, Silent
from tests.support.faults import FaultyStorage
from tests.support.photos import library, put, same_tree

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.check import CheckReport
    from photovault.storage.base import Storage


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(8), files=4)


@pytest.fixture
def computer(tmp_path: Path, photos: Path) -> Computer:
    """A computer with a vault in ``main`` and a copy of it in ``usb``."""
    made = Computer(tmp_path / "computer", tmp_path / "main")
    made.make_vault()
    made.backup(photos)
    put(photos / "new.mp4", Random(9).randbytes(6_000_000))
    made.backup(photos)
    shutil.copytree(tmp_path / "main", tmp_path / "usb")
    (made.folder / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    return made


def repair(computer: Computer, storage: Storage | None = None, data: str = "all", source: str = "usb") -> CheckReport:
    """From that copy alone."""
    request = RepairRequest(amount=parse_amount(data), sources=(source,), everything=False)
    report = repair_vault(computer.app(storage), request, Silent())
    return replace(report.after, findings=(*report.after.findings, *report.problems))


def objects(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith("tmp/")}


def names(folder: Path, kind: str) -> list[str]:
    return sorted(name for name in objects(folder) if name.startswith(kind))


def spoil(path: Path, at: int = 9000) -> None:
    data = bytearray(path.read_bytes())
    data[min(at, len(data) - 30)] ^= 1
    path.write_bytes(data)


KINDS = ["packs/", "index/", "snapshots/", "keys/", "recover.py"]


@pytest.mark.parametrize("damage", ["spoilt", "gone", "cut"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_object_is_healed(computer: Computer, tmp_path: Path, kind: str, damage: str) -> None:
    main = tmp_path / "main"
    with computer.app().session() as session:
        opened_by = session.slot.name
    for name in names(main, kind):
        if name == opened_by:
            continue
        if damage == "gone":
            (main / name).unlink()
        elif damage == "cut":
            (main / name).write_bytes((main / name).read_bytes()[: (main / name).stat().st_size // 2])
        else:
            spoil(main / name)
    report = repair(computer)
    assert report.findings == ()
    assert set(report.healed) == {name for name in names(main, kind) if name != opened_by}
    assert objects(main) == objects(tmp_path / "usb")
    assert computer.check().findings == ()


def test_a_clean_vault_is_left_as_it_is(computer: Computer, tmp_path: Path) -> None:
    before = objects(tmp_path / "main")
    report = repair(computer)
    assert (report.healed, report.findings, objects(tmp_path / "main") == before) == ((), (), True)


def test_a_healed_vault_restores(computer: Computer, photos: Path, tmp_path: Path) -> None:
    for name in names(tmp_path / "main", "packs/"):
        (tmp_path / "main" / name).unlink()
    assert len(repair(computer, data="none").healed) == len(names(tmp_path / "usb", "packs/"))
    assert computer.restore(tmp_path / "out").damaged == ()
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
    assert computer.backup(photos).problems == ()
    assert computer.check().findings == ()


def test_damage_in_both_copies_is_reported_and_nothing_is_made_worse(computer: Computer, tmp_path: Path) -> None:
    bad, other = names(tmp_path / "main", "packs/")[:2]
    for name in (bad, other):
        spoil(tmp_path / "main" / name)
    spoil(tmp_path / "usb" / bad, at=20)
    before = (tmp_path / "main" / bad).read_bytes()
    report = repair(computer)
    assert report.healed == (other,)
    assert {finding.where for finding in report.findings if finding.where.startswith("packs/")} == {bad}
    assert any("damaged in" in finding.what and "too" in finding.what for finding in report.findings)
    assert (tmp_path / "main" / bad).read_bytes() == before


def test_a_storage_that_does_not_delete_loses_nothing(computer: Computer, tmp_path: Path) -> None:
    """Append-only credentials, object lock."""

    class Locked(FaultyStorage):
        def delete(self, name: str) -> None:
            raise RefusedError(f"no right to delete {name}", "ask the owner of the bucket")

    bad, lost = names(tmp_path / "main", "packs/")[:2]
    spoil(tmp_path / "main" / bad)
    (tmp_path / "main" / lost).unlink()
    before = (tmp_path / "main" / bad).read_bytes()
    report = repair(computer, Locked(FolderStorage(tmp_path / "main")))
    assert report.healed == (lost,)
    refused = [finding for finding in report.findings if "no right to delete" in finding.what]
    assert [(finding.where, finding.hint) for finding in refused] == [(bad, "ask the owner of the bucket")]
    assert (tmp_path / "main" / bad).read_bytes() == before


def test_a_lying_copy_brings_nothing_in(computer: Computer, tmp_path: Path) -> None:
    pack, document = names(tmp_path / "main", "packs/")[0], "recover.py"
    for name in (pack, document):
        (tmp_path / "main" / name).unlink()
        (tmp_path / "usb" / name).write_bytes((tmp_path / "usb" / name).read_bytes() + b"#")
    (tmp_path / "usb" / "keys" / ("ab" * 16)).write_bytes(b"{}\n")
    report = repair(computer)
    assert report.healed == ()
    assert not (tmp_path / "main" / pack).exists()
    assert not (tmp_path / "main" / document).exists()
    assert not (tmp_path / "main" / "keys" / ("ab" * 16)).exists()


def test_a_way_in_that_was_removed_does_not_come_back(computer: Computer, tmp_path: Path) -> None:
    keys.add_key(computer.app(), "password", "a long enough password")
    computer.app().copy("main", "usb", Silent())
    infos, _ = keys.list_keys(computer.app())
    (old,) = [one for one in infos if one.kind == "password"]
    keys.remove_key(computer.app(), old.slot_id)
    report = repair(computer)
    assert f"keys/{old.slot_id}" in objects(tmp_path / "usb")
    assert f"keys/{old.slot_id}" not in objects(tmp_path / "main")
    assert report.findings == ()


def test_a_way_in_that_came_back_is_not_called_healed(computer: Computer, tmp_path: Path) -> None:
    added = keys.add_key(computer.app(), "password", "a long enough password").added
    computer.app().copy("main", "usb", Silent())
    kept = (tmp_path / "main" / "keys" / added).read_bytes()
    keys.remove_key(computer.app(), added)
    (tmp_path / "main" / "keys" / added).write_bytes(kept)
    report = repair(computer)
    assert report.healed == ()
    assert [finding.where for finding in report.findings] == [f"keys/{added}"]


def test_another_vault_heals_nothing(computer: Computer, tmp_path: Path) -> None:
    stranger = Computer(tmp_path / "stranger", tmp_path / "other", seed="stranger")
    stranger.make_vault()
    with pytest.raises(UsageError, match="another vault"):
        repair(computer, source=str(tmp_path / "other"))
    with pytest.raises(UsageError, match="itself"):
        repair(computer, source=str(tmp_path / "main"))
    with pytest.raises(UsageError, match="no destination is called nowhere"):
        repair(computer, source="nowhere")
