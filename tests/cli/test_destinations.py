"""``copy``, ``backup --to``, ``check --repair-from`` and ``status`` with several destinations, as a person meets them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path, vault: Path) -> Path:
    """A configured folder with one backup, and destinations called usb and nas that hold nothing yet."""
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    with (tmp_path / "device" / "config.toml").open("a") as config:
        for name in ("usb", "nas"):
            config.write(f"[[destinations]]\nname = '{name}'\nurl = '{tmp_path / name}'\n")
        config.write(f"[[sources]]\npath = '{tmp_path / 'P'}'\n")
    return tmp_path / "P"


def files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith("tmp/")}


def test_a_copy_brings_everything_and_then_nothing(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    photovault("backup")
    done = photovault("copy", "--to", "usb", "--json")
    assert (done.code, done.json["objects"], done.json["snapshots"]) == (0, len(files(vault)), 1)
    assert files(tmp_path / "usb") == files(vault)
    assert photovault("copy", "--to", "usb").out == "nothing to copy: usb has everything\n"
    assert photovault("copy", "--from", "usb", "--to", tmp_path / "nas").code == 0
    assert files(tmp_path / "nas") == files(vault)


def test_a_copy_needs_no_key_and_no_state(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photovault("backup")
    for name in ("STATE_DIR", "CACHE_DIR", "CONFIG"):
        monkeypatch.setenv(f"PHOTOVAULT_{name}", str(tmp_path / "middle" / name))
    monkeypatch.delenv("PHOTOVAULT_VAULT")
    done = photovault("copy", "--from", vault, "--to", tmp_path / "usb")
    assert (done.code, done.err) == (0, "")
    assert files(tmp_path / "usb") == files(vault)


def test_damage_at_the_source_is_named(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    photovault("backup")
    (pack, *_) = vault.glob("packs/*/*")
    pack.write_bytes(pack.read_bytes()[:-1] + b"x")
    done = photovault("copy", "--to", "usb")
    assert (done.code, pack.name in done.err, "what to do" in done.err) == (13, True, True)
    assert len(files(tmp_path / "usb")) == len(files(vault)) - 1
    assert photovault("copy", "--to", "usb", "--json").json["damaged"][0]["where"].endswith(pack.name)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--to", "nowhere"), 2, "known: main, usb, nas"),
        (("--to", "main"), 2, "two different places"),
        (("--from", "usb", "--to", "nas"), 10, "no vault"),
        ((), 2, "--to"),
        (("--to", "ftp://u:pw@host/x"), 2, ""),
    ],
)
def test_what_cannot_be_copied_is_said(
    photovault: Callable, photos: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    done = photovault("copy", *options)
    assert (done.code, said in done.err, "pw@" in done.err) == (code, True, False)


def test_another_vault_is_refused(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    photovault("init", "--vault", tmp_path / "usb", "--words-file", tmp_path / "other.txt")
    before = files(tmp_path / "usb")
    done = photovault("copy", "--to", "usb")
    assert (done.code, "another vault" in done.err, files(tmp_path / "usb") == before) == (2, True, True)


def test_a_copy_is_not_begun_where_a_disk_should_be(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    """Else the second copy would lie on the first one's disk, and look well."""
    photovault("backup")
    done = photovault("copy", "--to", tmp_path / "media" / "usb")
    assert (done.code, "connect its disk" in done.err, (tmp_path / "media").exists()) == (15, True, False)
    assert photovault("copy", "--to", "usb").code == 0
    (tmp_path / "usb").rename(tmp_path / "drawer")
    done = photovault("copy", "--to", "usb")
    assert (done.code, "held the vault before" in done.err, (tmp_path / "usb").exists()) == (15, True, False)
    (tmp_path / "usb").mkdir()  # a new disk: somebody says so
    assert photovault("copy", "--to", "usb").code == 0
    assert files(tmp_path / "usb") == files(vault)


def test_a_removed_way_in_stays_removed(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    photovault("backup")
    put(tmp_path / "pw", b"another long password\n")
    added = photovault("key", "add", "password", "--new-password-file", tmp_path / "pw", "--json").json["added"]
    assert photovault("copy", "--to", "usb", "--json").json["new_key_slots"] == []
    done = photovault("key", "remove", added)
    assert f"photovault key remove {added} --vault usb" in done.err
    done = photovault("copy", "--from", "usb", "--to", "main")
    assert (done.code, not (vault / "keys" / added).exists()) == (0, True)
    assert f"photovault key remove {added} --vault usb" in done.err
    assert photovault("copy", "--from", "usb", "--to", "main", "--json").json["removed_key_slots"] == [f"keys/{added}"]


def test_backup_to_several(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    photovault("copy", "--to", "usb")
    done = photovault("backup", "--to", "main", "--to", "usb")
    assert (done.code, done.out.count("snapshot "), done.err) == (0, 2, "")
    assert photovault("backup", "--to", "usb", "--json").json["destination"] == "usb"
    assert len(photovault("snapshots", "--vault", "usb", "--json").json["snapshots"]) == 2
    assert photovault("restore", "--vault", "usb", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "P", photos) == []


def test_one_destination_that_fails_does_not_stop_the_next(photovault: Callable, photos: Path) -> None:
    done = photovault("backup", "--to", "nas", "--to", "main")
    assert (done.code, "photovault copy --to nas" in done.err) == (10, True)
    assert photovault("status").code == 0
    assert len(photovault("snapshots", "--json").json["snapshots"]) == 1


def test_a_dry_run_to_a_destination(photovault: Callable, photos: Path) -> None:
    photovault("copy", "--to", "usb")
    photovault("backup")
    done = photovault("backup", "-n", "--to", "usb")
    assert (done.code, "1 new" in done.out) == (0, True)
    assert photovault("snapshots", "--vault", "usb", "--json").json["snapshots"] == []


def test_status_of_every_destination(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    photovault("backup")
    photovault("copy", "--to", "usb")
    photovault("backup")
    done = photovault("status")
    assert done.code == 0
    assert f"main ({vault}): newest snapshot" in done.out
    assert "1 snapshot behind; run `photovault copy --to usb`" in done.out
    assert "nas" in done.out
    assert "nothing is known: there is no vault" in done.out
    rows = {row["name"]: row for row in photovault("status", "--json").json["destinations"]}
    assert {name: (row["snapshots"], row["behind"]) for name, row in rows.items()} == {
        "main": (2, 0),
        "usb": (1, 1),
        "nas": (0, 0),
    }
    assert (rows["usb"]["address"], "no vault" in rows["nas"]["problem"]) == (str(tmp_path / "usb"), True)


def test_status_shows_a_roll_back(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    photovault("copy", "--to", "usb")
    photovault("backup", "--to", "usb")
    photovault("backup")
    (newest,) = (tmp_path / "usb" / "snapshots").iterdir()
    newest.unlink()
    shutil.rmtree(tmp_path / "device" / "cache")
    done = photovault("status")
    assert (done.code, "ROLLED BACK: usb" in done.err) == (3, True)
    rows = {row["name"]: row for row in photovault("status", "--json").json["destinations"]}
    assert [len(rows[name]["rolled_back"]) for name in ("main", "usb")] == [0, 1]
    done = photovault("check", "--vault", "usb")
    assert (done.code, "older state" in done.err) == (13, True)


def test_repair_from_another_copy(photovault: Callable, photos: Path, vault: Path, tmp_path: Path) -> None:
    photovault("backup")
    photovault("copy", "--to", "usb")
    for pack in (tmp_path / "usb").glob("packs/*/*"):
        pack.write_bytes(b"x" * pack.stat().st_size)
    assert photovault("check", "--vault", "usb", "--data", "all").code == 13
    done = photovault("check", "--vault", "usb", "--data", "all", "--repair-from", "main")
    assert (done.code, "made whole: 1 object, from main" in done.out, "no damage left" in done.out) == (0, True, True)
    assert files(tmp_path / "usb") == files(vault)
    assert photovault("check", "--repair-from", "usb", "--json").json["healed"] == []


def test_a_note_of_a_check_is_no_damage(photovault: Callable, photos: Path) -> None:
    photovault("copy", "--to", "usb")
    photovault("backup", "--to", "main", "--to", "usb")
    done = photovault("check", "--vault", "usb")
    assert (done.code, "note: the snapshot before" in done.out, done.err) == (0, True, "")
    assert len(photovault("check", "--vault", "usb", "--json").json["notes"]) == 1
