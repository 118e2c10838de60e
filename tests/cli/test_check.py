"""``photovault check``: what it reads, and how it tells what was found."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def packs(tmp_path: Path, vault: Path, photovault: Callable) -> list[Path]:
    """The packs of a vault, oldest first; each of two snapshots brought one file."""
    for name in ("a.jpg", "b.jpg"):
        put(tmp_path / "P" / name, Random(name).randbytes(200_000))
        assert photovault("backup", tmp_path / "P").code == 0
    found = [path for path in (vault / "packs").rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def spoil(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_sound_vault(photovault: Callable, packs: list[Path]) -> None:
    done = photovault("check")
    assert (done.code, done.err) == (0, "")
    assert "no damage found" in done.out
    assert "no data read" in done.out
    value = photovault("check", "--data", "all", "--json").json
    assert (value["snapshots"], value["packs"], value["packs_read"], value["findings"]) == (
        2,
        len(packs),
        len(packs),
        [],
    )
    assert value["bytes_read"] == sum(path.stat().st_size for path in packs)
    assert value["key_slots"] == 2


@pytest.mark.parametrize(("data", "read"), [("none", 0), ("0%", 0), ("50%", 1), ("100%", 2), ("1", 1), ("1T", 2)])
def test_how_much_is_read(photovault: Callable, packs: list[Path], data: str, read: int) -> None:
    assert len(packs) == 2
    assert photovault("check", "--data", data, "--json").json["packs_read"] == read


@pytest.mark.parametrize("data", ["", "x", "101%", "-1%", "1e3", "all "])
def test_amounts_that_are_none(photovault: Callable, packs: list[Path], data: str) -> None:
    assert photovault("check", "--data", data).code == 2


def test_a_rotten_byte_is_found_by_reading_and_names_the_photo(photovault: Callable, packs: list[Path]) -> None:
    largest = packs[0]
    spoil(largest, 100_000)
    assert photovault("check").code == 0, "sizes and places are as they should be"
    done = photovault("check", "--data", "all")
    assert done.code == 13
    assert f"found: packs/{largest.parent.name}/{largest.name}" in done.err
    assert "cannot be restored: " in done.err
    assert "what to do: " in done.err
    value = photovault("check", "--data", "all", "--json")
    assert (value.code, value.err) == (13, "")
    assert len(value.json["findings"]) == 1


def test_a_missing_pack_is_found_without_reading(photovault: Callable, packs: list[Path]) -> None:
    packs[0].unlink()
    done = photovault("check", "--json")
    assert done.code == 13
    assert any(file.endswith(":P/a.jpg") for one in done.json["findings"] for file in one["files"])


def test_without_a_key_names_are_compared(photovault: Callable, vault: Path, packs: list[Path], tmp_path: Path) -> None:
    for path in (tmp_path / "device").rglob("device.key"):
        path.unlink()
    assert photovault("check", "--keyless", vault).code == 0
    spoil(packs[0], 50)
    done = photovault("check", "--keyless", vault, "--json")
    assert done.code == 13
    assert [one["where"] for one in done.json["findings"]] == [f"packs/{packs[0].parent.name}/{packs[0].name}"]


def test_a_roll_back_is_noticed(photovault: Callable, vault: Path, packs: list[Path]) -> None:
    snapshots = sorted((vault / "snapshots").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    data = snapshots[1].read_bytes()
    snapshots[1].unlink()
    done = photovault("check")
    assert (done.code, "shows an older state" in done.err) == (13, True)
    snapshots[1].write_bytes(data)
    assert photovault("check").code == 0
    snapshots[0].unlink()
    done = photovault("check")
    assert (done.code, "hides what it showed before" in done.err) == (13, True)


def test_a_changed_document_is_noticed(photovault: Callable, vault: Path, packs: list[Path]) -> None:
    path = vault / "RECOVER.txt"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"visit my website")
    done = photovault("check", "--json")
    assert done.code == 13
    assert [one["where"] for one in done.json["findings"]] == ["RECOVER.txt"]


def test_many_files_are_cut_short_unless_asked_for(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    twins = os.urandom(400_000)
    for number in range(15):
        put(tmp_path / "P" / f"{number}.jpg", twins)
    photovault("backup", tmp_path / "P")
    packs = [path for path in (vault / "packs").rglob("*") if path.is_file()]
    spoil(max(packs, key=lambda path: path.stat().st_size), 200_000)
    short, long = photovault("check", "--data", "all"), photovault("check", "--data", "all", "-v")
    assert "more; -v shows all" in short.err
    assert (short.err.count("cannot be restored"), long.err.count("cannot be restored")) == (10, 15)


def test_damage_names_the_copies_that_may_mend_it(photovault: Callable, packs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "device" / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    photovault("copy", "--to", "usb")
    assert "another copy" not in photovault("check", "--data", "all").err
    spoil(packs[0], 100_000)
    done = photovault("check", "--data", "all")
    assert "another copy may mend it: photovault check --data all --repair-from usb\n" in done.err
    assert photovault("check", "--data", "all", "--repair-from", "usb").code == 0
    (pack,) = (tmp_path / "usb").rglob(packs[0].name)
    spoil(pack, 100_000)
    done = photovault("check", "--vault", "usb", "--data", "all")
    assert "another copy may mend it: photovault check --vault usb --data all --repair-from main\n" in done.err
    assert photovault("check", "--vault", "usb", "--data", "all", "--repair-from", "main").code == 0


def test_a_repair_says_what_it_did_and_what_is_lost_photo_by_photo(
    photovault: Callable, packs: list[Path], tmp_path: Path
) -> None:
    os.rename(tmp_path / "P" / "b.jpg", tmp_path / "b.jpg")
    for pack in packs:
        spoil(pack, 100_000)
    done = photovault("check", "--repair", "--dry-run")
    assert (done.code, "would read 1 photo of this computer again" in done.out) == (13, True)
    assert photovault("check", "--data", "all").code == 13, "nothing was changed"
    done = photovault("check", "--repair")
    assert done.code == 13
    assert "made whole: 1 object, from its own parts" in done.out
    assert "stored again: 1 part from 1 photo on this computer" in done.out
    assert "lost: 1 photo in 1 snapshot" in done.err
    assert "    P/b.jpg: in " in done.err
    assert "; no snapshot has a good one" in done.err
    assert "a.jpg" not in done.err
    value = photovault("check", "--repair", "--json").json
    assert [(one["path"], one["good"], len(one["snapshots"])) for one in value["lost"]] == [("P/b.jpg", None, 1)]
    os.rename(tmp_path / "b.jpg", tmp_path / "P" / "b.jpg")
    done = photovault("check", "--repair")
    assert (done.code, "nothing is lost any more" in done.out, done.err) == (0, True, "")
    done = photovault("check", "--repair")
    assert (done.code, "no damage found" in done.out, done.err) == (0, True, "")


def test_a_repair_alone_reads_all_data(photovault: Callable, packs: list[Path]) -> None:
    assert photovault("check", "--repair", "--json").json["packs_read"] == len(packs)
    assert photovault("check", "--repair", "--data", "none", "--json").json["packs_read"] == 0


def test_what_goes_with_a_repair_and_what_does_not(photovault: Callable, vault: Path, packs: list[Path]) -> None:
    assert photovault("check", "--dry-run").code == 2
    assert photovault("check", "--repair", "--keyless", vault).code == 2
    assert photovault("check", "--repair", "--repair-from", "nowhere").code == 2
