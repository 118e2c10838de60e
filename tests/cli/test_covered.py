"""``covered`` as a person meets it: a card, a vault, a second copy of it, and everything that may be wrong with them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Done


@pytest.fixture
def card(tmp_path: Path, vault: Path, photovault: Callable[..., Done]) -> Path:
    """A card with four photos, all of them in the vault under other names and times, and a destination called usb."""
    config = tmp_path / "device" / "config.toml"
    config.write_text(f"[vault]\nurl = '{vault}'\n[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    for number in range(4):
        put(tmp_path / "card" / "DCIM" / f"IMG_{number}.JPG", jpeg(number), mtime=1e9)
        put(tmp_path / "library" / f"20{number}" / f"holiday {number}.jpg", jpeg(number))
    assert photovault("backup", tmp_path / "library").code == 0
    return tmp_path / "card"


def named(done: Done) -> list[str]:
    """Names of the files that are not covered."""
    return [os.path.basename(one["path"]) for one in done.json["uncovered"]]


def counting(done: Done) -> dict[str, bool]:
    return {one["name"]: one["counts"] for one in done.json["destinations"]}


def test_other_names_and_times_do_not_matter(photovault: Callable, card: Path) -> None:
    done = photovault("covered", card)
    assert done.code == 0
    assert done.out.startswith("4 photos, videos and sidecars, ")
    assert "  main: all (newest snapshot 20" in done.out
    assert done.out.endswith("yes, all 4 are in a snapshot\n")
    assert "usb: could not be asked: there is no vault" in done.err


def test_one_flipped_byte_is_another_photo(photovault: Callable, card: Path) -> None:
    path = card / "DCIM" / "IMG_2.JPG"
    st, data = path.stat(), bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    done = photovault("covered", card)
    assert done.code == 16
    assert f"not covered:\n  {path}: in no snapshot that counts\n" in done.out
    assert done.out.endswith("NO, do not erase it yet: 1 of 4 files is not covered\n")


def test_a_name_alone_covers_nothing(photovault: Callable, card: Path, tmp_path: Path) -> None:
    put(card / "holiday 1.jpg", b"something else")
    assert named(photovault("covered", card, "--json")) == ["holiday 1.jpg"]


def test_what_is_only_in_an_older_snapshot_counts(photovault: Callable, card: Path, tmp_path: Path) -> None:
    (tmp_path / "library" / "200" / "holiday 0.jpg").unlink()
    photovault("backup", tmp_path / "library")
    assert photovault("covered", card).code == 0


def test_as_many_copies_as_are_asked_for(photovault: Callable, card: Path, tmp_path: Path) -> None:
    done = photovault("covered", card, "--copies", 2)
    assert done.code == 16
    assert "IMG_0.JPG: only at main\n" in done.out
    assert photovault("copy", "--to", "usb").code == 0
    done = photovault("covered", card, "--copies", 2)
    assert done.code == 0
    assert done.out.endswith("yes, all 4 are in snapshots at 2 destinations or more\n")
    put(card / "new.jpg", jpeg(9))
    put(tmp_path / "library" / "new.jpg", jpeg(9))
    photovault("backup", tmp_path / "library")
    done = photovault("covered", card, "--copies", 2, "--json")
    assert (done.code, named(done), done.json["by_copies"]) == (16, ["new.jpg"], {"1": 1, "2": 4})
    done = photovault("covered", card, "--copies", 3)
    assert (done.code, "3 copies are asked for, and there are 2" in done.err) == (2, True)


def test_a_pack_that_was_removed_covers_nothing(photovault: Callable, card: Path, vault: Path) -> None:
    photovault("copy", "--to", "usb")
    for pack in (vault / "packs").glob("*/*"):
        pack.unlink()
    done = photovault("covered", card, "--json")
    assert (done.code, done.json["by_copies"]) == (0, {"1": 4})
    done = photovault("covered", card, "--copies", 2)
    assert (done.code, "IMG_0.JPG: only at usb\n" in done.out) == (16, True)
    assert "not every listing can be read" in done.err


@pytest.mark.parametrize("where", ["main", "usb"])
def test_what_was_found_damaged_is_trusted_no_more(
    photovault: Callable, card: Path, tmp_path: Path, where: str
) -> None:
    """Its size is as it was, so only what a check saw and remembers can tell."""
    photovault("copy", "--to", "usb")
    for pack in (tmp_path / {"main": "vault"}.get(where, where) / "packs").glob("*/*"):
        data = bytearray(pack.read_bytes())
        data[300:5000] = bytes(4700)
        pack.chmod(0o600)
        pack.write_bytes(data)
    options = ("--vault", where) if where == "usb" else ()
    assert photovault("check", "--data", "all", *options).code == 13
    done = photovault("covered", card, "--copies", 2, "--json")
    assert done.code == 16
    other = {"main": "usb", "usb": "main"}[where]
    assert all(one["at"] == [other] for one in done.json["uncovered"])
    assert len(done.json["uncovered"]) > 0


def test_with_the_vault_away_its_copies_are_asked(photovault: Callable, card: Path, tmp_path: Path) -> None:
    photovault("copy", "--to", "usb")
    (tmp_path / "vault").rename(tmp_path / "away")
    done = photovault("covered", card, "--json")
    assert (done.code, counting(done)) == (0, {"main": False, "usb": True})
    assert photovault("covered", card, "--copies", 2).code == 16
    (tmp_path / "usb").rename(tmp_path / "away too")
    assert photovault("covered", card).code == 10


def test_a_copy_that_was_rolled_back_covers_nothing(photovault: Callable, card: Path, tmp_path: Path) -> None:
    photovault("copy", "--to", "usb")
    shutil.copytree(tmp_path / "usb", tmp_path / "older")
    put(tmp_path / "library" / "more.jpg", jpeg(8))
    photovault("backup", tmp_path / "library")
    photovault("copy", "--to", "usb")
    photovault("status")
    shutil.rmtree(tmp_path / "usb")
    (tmp_path / "older").rename(tmp_path / "usb")
    done = photovault("covered", card, "--json")
    assert (done.code, counting(done)) == (0, {"main": True, "usb": False})
    done = photovault("covered", card, "--copies", 2)
    assert (done.code, "usb: does not count: the storage shows an older state" in done.err) == (16, True)


def test_a_vault_on_the_card_goes_with_the_card(photovault: Callable, card: Path, tmp_path: Path) -> None:
    done = photovault("covered", tmp_path, "--json")
    assert (done.code, counting(done)) == (16, {"main": False, "usb": False})
    assert done.json["destinations"][0]["problem"] == "does not count: it is in what would be erased"
    assert not any("/vault/" in name for name in done.json["others"]["paths"])


def test_other_files_are_named_so_that_nobody_erases_them_unknowingly(photovault: Callable, card: Path) -> None:
    for number in range(8):
        put(card / "Letters" / f"{number}.pdf", b"dear")
    done = photovault("covered", card)
    assert (done.code, done.out.splitlines()[-1]) == (
        0,
        "yes, all 4 are in a snapshot, and 8 other files were not looked at",
    )
    assert f"{card / 'Letters' / '0.pdf'}\n" in done.err
    assert "and 3 more" in done.err
    done = photovault("covered", card, "--all-files", "--json")
    assert (done.code, len(named(done)), done.json["others"]["count"]) == (16, 8, 0)


def test_an_empty_card_is_said_to_be_empty(photovault: Callable, card: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = photovault("covered", tmp_path / "empty")
    assert (done.code, done.out) == (16, "there is no photo or video; is it the right folder, and mounted?\n")
    assert photovault("covered", tmp_path / "empty", "--json").json["covered"] is False


def test_a_card_that_is_not_there_is_an_error(photovault: Callable, card: Path, tmp_path: Path) -> None:
    done = photovault("covered", card, tmp_path / "nowhere")
    assert (done.code, done.out) == (2, "")
    assert f"{tmp_path / 'nowhere'} cannot be looked at: No such file or directory" in done.err
    assert photovault("covered", f"{card}\0").code == 2
    assert photovault("covered").code == 2
    assert photovault("covered", card, "--copies", 0).code == 2


def test_names_cannot_steer_the_terminal(photovault: Callable, card: Path) -> None:
    with open(os.fsencode(card) + b"/evil\x1b[31m\xff\n.jpg", "wb") as file:
        file.write(b"new")
    done = photovault("covered", card)
    assert done.code == 16
    assert "evil\\x1b[31m\\xff\\n.jpg: in no snapshot" in done.out
    assert "\x1b" not in done.out + done.err
    assert photovault("covered", card, "--json").code == 16


def test_an_unreadable_file_is_not_covered(photovault: Callable, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str | bytes, *rest: int, **named: int) -> int:
        if os.fsencode(path).endswith(b"IMG_1.JPG"):
            raise OSError(5, "Input/output error", path)
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    done = photovault("covered", card)
    assert done.code == 16
    assert f"{card / 'DCIM' / 'IMG_1.JPG'}: it cannot be read: Input/output error" in done.err
    assert done.out.endswith("NO, do not erase it yet: nobody knows what is in 1 place\n")


def test_it_writes_nothing_but_what_this_device_knows(photovault: Callable, card: Path, tmp_path: Path) -> None:
    photovault("copy", "--to", "usb")

    def state() -> dict[Path, tuple[bytes, int]]:
        found = (path for top in ("card", "vault", "usb", "library") for path in (tmp_path / top).rglob("*"))
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found if path.is_file()}

    before = state()
    assert photovault("covered", card, "--copies", 2).code == 0
    assert state() == before


def test_while_a_backup_holds_the_lock_it_answers(photovault: Callable, card: Path, tmp_path: Path) -> None:
    from photovault.device import run_lock

    (folder,) = (tmp_path / "device" / "state" / "vaults").iterdir()
    with run_lock(folder, wait=False):
        assert photovault("covered", card).code == 0
