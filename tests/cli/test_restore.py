"""``photovault restore``: which snapshot, which paths, and what happens to files that are there."""

from __future__ import annotations

import os
import shutil
import zipfile
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.cli.restore import split_arguments
from photovault.errors import UndecodableError, UsageError
from tests.support.photos import jpeg, library, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    """A library of which the vault holds two snapshots; the file ``late.jpg`` is in the newer one only."""
    root = library(tmp_path / "Pictures", Random(1), files=6)
    assert photovault("backup", root).code == 0
    put(root / "2012" / "late.jpg", jpeg(99, taken="2024:01:01 00:00:00"))
    assert photovault("backup", root).code == 0
    return root


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file())


def test_everything_of_the_newest_snapshot(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    done = photovault("restore", "--to", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_an_older_snapshot(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    ids = [one["id"] for one in photovault("snapshots", "--json").json["snapshots"]]
    for number, name in enumerate(["latest~1", ids[0], ids[0][:6]]):
        assert photovault("restore", name, "--to", tmp_path / str(number)).code == 0
        assert not (tmp_path / str(number) / "Pictures" / "2012" / "late.jpg").exists()
        assert (tmp_path / str(number) / "Pictures" / "2012" / "IMG_0002.jpg").exists()


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (["Pictures/2012"], ["2012/IMG_0002.jpg", "2012/late.jpg"]),
        (["latest~1", "Pictures/2012"], ["2012/IMG_0002.jpg"]),
        (["latest:Pictures/2012/late.jpg"], ["2012/late.jpg"]),
        (["latest:/Pictures/2012/"], ["2012/IMG_0002.jpg", "2012/late.jpg"]),
        (["IMG_000[23].*"], ["2012/IMG_0002.jpg", "2013/IMG_0003.jpg"]),
        (["Pictures/201[23]/*.jpg"], ["2012/IMG_0002.jpg", "2012/late.jpg", "2013/IMG_0003.jpg"]),
        (["--from", "2014", "--until", "2015-05-04", "*.jpg"], ["2014/IMG_0004.jpg", "2015/IMG_0005.jpg"]),
        (["--from", "2024-01-01", "--until", "2024-01"], ["2012/late.jpg"]),
        (["Pictures/link.jpg"], ["link.jpg"]),
        (["Pictures/raw \\xff\\xfe name.jpg"], [os.fsdecode(b"raw \xff\xfe name.jpg")]),
    ],
)
def test_what_is_chosen(photovault: Callable, photos: Path, tmp_path: Path, what: list[str], found: list[str]) -> None:
    done = photovault("restore", *what, "--to", tmp_path / "out")
    assert done.code == 0, done.err
    assert files(tmp_path / "out" / "Pictures") == found
    for name in found:
        assert (
            os.path.islink(photos / name)
            or (tmp_path / "out" / "Pictures" / name).read_bytes() == (photos / name).read_bytes()
        )


@pytest.mark.parametrize("tail", ["", "/", "/2012", "/2012/late.jpg", os.fsdecode(b"/raw \xff\xfe name.jpg")])
def test_a_path_on_this_computer(photovault: Callable, photos: Path, tmp_path: Path, tail: str) -> None:
    assert photovault("restore", f"{photos}{tail}", "--to", tmp_path / "out").code == 0
    inside = tmp_path / "out" / "Pictures" / tail.strip("/")
    assert same_tree(inside, photos / tail.strip("/")) == [] if inside.is_dir() else inside.is_file()


def test_an_empty_folder_can_be_chosen(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    assert photovault("restore", "Pictures/empty folder", "--to", tmp_path / "out").code == 0
    assert [path.name for path in (tmp_path / "out" / "Pictures").iterdir()] == ["empty folder"]


@pytest.mark.parametrize("what", [["nothing"], ["*.nothing"], ["--from", "2090"], ["Pictures/2012/late.jpg/x"]])
def test_nothing_that_matches_is_an_error(photovault: Callable, photos: Path, tmp_path: Path, what: list[str]) -> None:
    done = photovault("restore", *what, "--to", tmp_path / "out")
    assert (done.code, "nothing in the snapshot matches" in done.err) == (1, True)


@pytest.mark.parametrize("what", [["latest~7"], ["latest~x", "Pictures"], ["--from", "soon"]])
def test_wrong_use(photovault: Callable, photos: Path, tmp_path: Path, what: list[str]) -> None:
    assert photovault("restore", *what, "--to", tmp_path / "out").code == 2


def test_a_folder_named_as_a_snapshot_is_reached_behind_the_snapshot(
    photovault: Callable, photos: Path, tmp_path: Path
) -> None:
    name = photovault("snapshots", "--json").json["snapshots"][0]["id"][:8]
    put(tmp_path / "again" / name / "inside.jpg", jpeg(7))
    assert photovault("backup", tmp_path / "again" / name).code == 0
    assert photovault("restore", "latest", name, "--to", tmp_path / "one").code == 0
    assert files(tmp_path / "one") == [f"{name}/inside.jpg"]
    assert photovault("restore", name, "--to", tmp_path / "other").code == 0
    assert "Pictures/2012/IMG_0002.jpg" in files(tmp_path / "other"), "alone it names the snapshot"


def test_colons_in_names_are_no_snapshots(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    put(tmp_path / "P" / "12:30" / "a.jpg", jpeg(1))
    photovault("backup", tmp_path / "P")
    assert photovault("restore", "P/12:30", "--to", tmp_path / "out").code == 0
    assert files(tmp_path / "out") == ["P/12:30/a.jpg"]


def test_files_that_are_there_are_kept_unless_told_otherwise(
    photovault: Callable, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    photovault("restore", "--to", out)
    same, edited = out / "Pictures" / "2012" / "IMG_0002.jpg", out / "Pictures" / "2013" / "IMG_0003.jpg"
    edited.write_bytes(b"mine")
    done = photovault("restore", "--to", out, "--json").json
    assert (done["files_restored"], edited.read_bytes()) == (0, b"mine")
    inode = same.stat().st_ino
    newer = photovault("restore", "--to", out, "--overwrite", "if-newer", "--json").json
    assert (newer["problems"], edited.read_bytes()) == ([], b"mine"), "it is newer than the one in the snapshot"
    for rule in ("if-changed", "always"):
        edited.write_bytes(b"mine")
        assert photovault("restore", "--to", out, "--overwrite", rule).code == 0
        assert edited.read_bytes() == (photos / "2013" / "IMG_0003.jpg").read_bytes()
        assert same.stat().st_ino == inode, "a file that is right is not written again"
    assert same_tree(out / "Pictures", photos) == []


def test_always_sees_a_change_that_time_and_size_hide(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    photovault("restore", "--to", out)
    path = out / "Pictures" / "2013" / "IMG_0003.jpg"
    st = path.stat()
    path.write_bytes(bytes(st.st_size))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
    photovault("restore", "--to", out, "--overwrite", "if-changed")
    assert path.read_bytes() == bytes(st.st_size)
    photovault("restore", "--to", out, "--overwrite", "always")
    assert path.read_bytes() == (photos / "2013" / "IMG_0003.jpg").read_bytes()


def test_the_rule_of_the_configuration(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    put(tmp_path / "out" / "Pictures" / "2012" / "late.jpg", b"mine")
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write("[restore]\noverwrite = 'always'\n")
    photovault("restore", "--to", tmp_path / "out", "--overwrite", "never")
    assert (tmp_path / "out" / "Pictures" / "2012" / "late.jpg").read_bytes() == b"mine"
    photovault("restore", "--to", tmp_path / "out")
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_a_folder_with_other_things_keeps_them(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    mine = put(tmp_path / "out" / "Pictures" / "mine.txt", b"mine")
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    os.utime(tmp_path / "out" / "Pictures", ns=(0, photos.stat().st_mtime_ns))
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


@pytest.mark.parametrize("there", [False, True])
def test_a_dry_run_writes_nothing_at_all(photovault: Callable, photos: Path, tmp_path: Path, there: bool) -> None:
    out = tmp_path / "out"
    if there:
        put(out / "Pictures" / "2012" / "late.jpg", b"mine")
        os.utime(out, (0, 0))
    done = photovault("restore", "--to", out, "-n", "--json")
    assert (done.code, done.json["dry_run"]) == (0, True)
    assert done.json["files_restored"] == 14 - there
    assert done.json["files_kept"] == int(there)
    assert out.exists() is there
    if there:
        assert (files(out), out.stat().st_mtime) == (["Pictures/2012/late.jpg"], 0)
    assert photovault("restore", "nothing", "--to", out, "-n").code == 1


def test_a_target_that_is_a_file_is_a_clear_error(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    target = put(tmp_path / "file", b"mine")
    for more in ([], ["-n"]):
        done = photovault("restore", "--to", target, *more)
        assert (done.code, "in the way" in done.err) == (1, True)
    assert target.read_bytes() == b"mine"


def test_damage_costs_only_the_files_that_need_it(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path / "P" / f"{number:02}.jpg", Random(number).randbytes(3_000_000))
    photovault("backup", tmp_path / "P")
    packs = [path for path in (vault / "packs").rglob("*") if path.is_file()]
    put(tmp_path / "P" / "20.jpg", jpeg(20))
    photovault("backup", tmp_path / "P")  # its listing is in a pack of its own
    spoilt = bytearray(packs[0].read_bytes())
    spoilt[5_000_000] ^= 1
    packs[0].chmod(0o600)
    packs[0].write_bytes(spoilt)
    done = photovault("restore", "--to", tmp_path / "out", "--json")
    assert done.code == 13
    (lost,) = [one["path"] for one in done.json["damaged"]]
    assert files(tmp_path / "out") == [name for name in files(tmp_path) if name.startswith("P/") and name != lost]
    assert same_tree(tmp_path / "out" / "P", tmp_path / "P") == [str(f"/{lost[2:]}".encode())]
    assert "try another snapshot" in photovault("restore", "--to", tmp_path / "words").err
    found = photovault("check", "--data", "all", "--json")
    assert found.code == 13
    assert {file.partition(":")[2] for file in found.json["findings"][0]["files"]} == {lost}
    packs[1].unlink()
    shutil.rmtree(tmp_path / "out")
    done = photovault("restore", "--to", tmp_path / "out", "--json")
    assert (done.code, lost in [one["path"] for one in done.json["damaged"]]) == (13, True)
    assert done.json["files_restored"] == 21 - len(done.json["damaged"]) > 0


def test_arguments_are_a_snapshot_then_paths(photovault: Callable, photos: Path) -> None:
    from photovault.app import App, Settings

    made = App(Settings())
    assert split_arguments(made, []) == ("latest", [])
    assert split_arguments(made, ["a", "b"]) == ("latest", ["a", "b"])
    assert split_arguments(made, ["latest~1", "a"]) == ("latest~1", ["a"])
    assert split_arguments(made, ["latest:a", "b"]) == ("latest", ["a", "b"])
    assert split_arguments(made, [str(photos), f"{photos}x"]) == ("latest", ["Pictures", f"{photos}x"])
    with pytest.raises(UsageError):
        split_arguments(made, ["latest~9"])


@pytest.mark.parametrize("inside", ["vault", "vault/packs/new", "copy/restored", "link/restored"])
def test_nothing_is_restored_into_a_vault(photovault: Callable, photos: Path, tmp_path: Path, inside: str) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "vault")
    (tmp_path / "device" / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'copy'}'\n")
    before = files(tmp_path / "vault")
    done = photovault("restore", "--to", tmp_path / inside)
    assert (done.code, "in the folder of the vault" in done.err) == (2, True)
    assert files(tmp_path / "vault") == before
    assert files(tmp_path / "copy") == []
    assert photovault("restore", "--to", tmp_path / "vault beside").code == 0


def test_an_empty_name_is_not_the_present_folder(photovault: Callable, photos: Path) -> None:
    done = photovault("restore", "--to", "")
    assert (done.code, "--to is empty" in done.err) == (2, True)


@pytest.mark.parametrize("text", [None, b"[vault\n", b"\xff", b"[restore]\noverwrite = 'sometimes'\n"])
def test_photos_come_back_with_a_spoilt_configuration(
    photovault: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes | None
) -> None:
    monkeypatch.delenv("PHOTOVAULT_VAULT")
    config = tmp_path / "device" / "config.toml"
    config.unlink(missing_ok=True)
    if text is not None:
        config.write_bytes(text)
    for words in (["restore", "--to", tmp_path / "out"], ["snapshots"], ["ls"], ["check"]):
        done = photovault(*words)
        assert (done.code, str(config) in done.err) == (2, True)
        assert "photovault restore --no-config --vault URL --to DIR" in done.err
    done = photovault("restore", "--no-config", "--vault", tmp_path / "vault", "--to", tmp_path / "out")
    assert done.code == 0, done.err
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
    for words in (["snapshots"], ["ls"], ["check"], ["status"], ["diff", "latest~1", "latest"]):
        assert photovault(*words, "--no-config", "--vault", tmp_path / "vault").code == 0, words


def _lacking(jxl: bytes, size: int) -> bytes:
    raise UndecodableError("it is stored as JPEG XL, and nothing unpacks it", "pip install 'photovault[jxl]'")


@pytest.fixture
def packed(tmp_path: Path, vault: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of which two photos are in the vault as JPEG XL, on a computer that cannot unpack them."""
    root = library(tmp_path / "Pictures", Random(1), files=6)
    (root / "packed").mkdir()
    for number in range(2):
        put(root / "packed" / f"{number}.jpg", packable(number))
    monkeypatch.setattr("photovault.decoder.host.can_pack", lambda: True)
    (tmp_path / "device" / "config.toml").write_text("[backup]\ncodec = 'jxl'\n")
    assert photovault("backup", root, "--json").json["bytes_packed"] > 0
    monkeypatch.setattr("photovault.decoder.host.Decoders.unpack", lambda _self, jxl, size: _lacking(jxl, size))
    return root


def test_what_this_computer_cannot_decode_costs_no_other_file(
    photovault: Callable, packed: Path, tmp_path: Path
) -> None:
    done = photovault("restore", "--to", tmp_path / "out")
    assert done.code == 3, "nothing is damaged"
    assert "2 problems" in done.err
    assert "Pictures/packed/0.jpg: it is stored as JPEG XL" in done.err
    assert "pip install 'photovault[jxl]'" in done.err
    left = ["packed/0.jpg", "packed/1.jpg"]
    assert files(tmp_path / "out" / "Pictures") == sorted(set(files(packed)) - set(left))
    value = photovault("restore", "--to", tmp_path / "again", "--json").json
    assert ([one["path"] for one in value["problems"]], value["damaged"]) == ([f"Pictures/{one}" for one in left], [])


def test_an_export_goes_on_without_what_this_computer_cannot_decode(
    photovault: Callable, packed: Path, tmp_path: Path
) -> None:
    done = photovault("export", "--to", tmp_path / "out.zip")
    assert (done.code, "pip install 'photovault[jxl]'" in done.err) == (3, True)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
    assert "Pictures/2012/IMG_0002.jpg" in names
    assert not [name for name in names if "packed" in name]
    assert photovault("export", "--to", tmp_path / "folder").code == 3
    assert (tmp_path / "folder" / "Pictures" / "2012" / "IMG_0002.jpg").is_file()


def test_looking_at_a_vault_needs_no_photo_to_be_decoded(photovault: Callable, packed: Path) -> None:
    (packed / "packed" / "1.jpg").unlink()
    assert photovault("backup", packed).code == 0
    for what in (["ls", "latest", "Pictures/packed"], ["find", "0.jpg"], ["catalog", "rebuild"], ["check"]):
        done = photovault(*what)
        assert (done.code, done.err) == (0, ""), what
    assert "1.jpg" in photovault("diff", "latest~1", "latest").out


def packable(seed: int) -> bytes:
    """A JPEG large enough to be cut, that our play of a decoder makes smaller."""
    data = jpeg(seed, (400, 300))
    return data[:2] + b"\xff\xfe\x20\x02" + bytes(0x2000) + data[2:] + b"a" * 40_000
