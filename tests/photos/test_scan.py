"""What is in a folder: sorted, without following a link, without opening a file."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from photovault.model import EntryKind
from photovault.photos.rules import Rules
from photovault.photos.scan import FoundFolder, Scanner, ScanRules, identities

if TYPE_CHECKING:
    from pathlib import Path


def scan(root: Path, path: bytes = b"", **rules: object) -> FoundFolder:
    return Scanner(os.fsencode(root), ScanRules(**rules)).folder(path)


def names(found: FoundFolder) -> list[bytes]:
    return [one.stamp.name for one in found.files]


def fill(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    return root


class Entry:
    """An entry of a folder whose stat result is changed or refused."""

    def __init__(self, entry: os.DirEntry, change) -> None:
        self.name, self._entry, self._change = entry.name, entry, change

    def stat(self, *, follow_symlinks: bool = True) -> object:
        return self._change(self.name, self._entry.stat(follow_symlinks=follow_symlinks))

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._entry.is_dir(follow_symlinks=follow_symlinks)


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch):
    """Let ``change(name, stat result)`` say what ``os.scandir`` shows."""
    real = os.scandir

    def use(change) -> None:
        class Scan:
            def __init__(self, path) -> None:
                self._inner = real(path)

            def __enter__(self):
                return (Entry(entry, change) for entry in self._inner)

            def __exit__(self, *_: object) -> None:
                self._inner.close()

        monkeypatch.setattr(os, "scandir", Scan)

    return use


def test_names_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpg", "a.jpg", "B.jpg", "\u00e9.jpg", "z/x.jpg", "Z/x.jpg")
    found = scan(tmp_path)
    assert names(found) == [b"B.jpg", b"a.jpg", b"b.jpg", "\u00e9.jpg".encode()]
    assert found.folders == (b"Z", b"z")


def test_only_photos_videos_and_what_belongs_to_them(tmp_path: Path) -> None:
    fill(tmp_path, "a.JPG", "b.mp4", "c.xmp", "d.txt", "e", "f.exe")
    found = scan(tmp_path)
    assert (names(found), found.others) == ([b"a.JPG", b"b.mp4", b"c.xmp"], 3)
    everything = scan(tmp_path, all_files=True)
    assert (len(everything.files), everything.others) == (6, 0)


def test_excluded_files_and_folders_are_counted_and_not_entered(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "Screenshots/s.jpg", "2020/b.jpg", "2020/tmp/c.jpg")
    rules = Rules(["Screenshots/", "/2020/tmp/", "b.jpg"])
    top, inner = scan(tmp_path, exclude=rules), scan(tmp_path, b"2020", exclude=rules)
    assert (names(top), top.folders, top.others) == ([b"a.jpg"], (b"2020",), 1)
    assert (names(inner), inner.folders, inner.others) == ([], (), 2)


def test_links_are_seen_and_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "real/a.jpg")
    (tmp_path / "to-folder").symlink_to("real")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    found = scan(tmp_path, all_files=True)
    assert [(one.stamp.name, one.kind) for one in found.files] == [
        (b"dangling.jpg", EntryKind.LINK), (b"to-folder", EntryKind.LINK),
    ]  # fmt: skip
    assert found.folders == (b"real",)


def test_the_source_itself_may_be_a_link(tmp_path: Path) -> None:
    fill(tmp_path, "real/a.jpg")
    (tmp_path / "link").symlink_to("real")
    assert names(scan(tmp_path / "link")) == [b"a.jpg"]


def test_special_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.jpg")
    found = scan(tmp_path, all_files=True)
    assert (names(found), found.others) == ([], 2)


def test_an_unreadable_folder_is_a_value(tmp_path: Path) -> None:
    assert scan(tmp_path / "nowhere").unreadable == "No such file or directory"
    fill(tmp_path, "file")
    assert scan(tmp_path / "file").unreadable == "Not a directory"


def test_avoided_folders_are_known_under_any_name(tmp_path: Path) -> None:
    fill(tmp_path, "vault/x.jpg", "other/y.jpg")
    avoid = identities([str(tmp_path / "vault"), str(tmp_path / "not there")])
    (tmp_path / "vault").rename(tmp_path / "renamed")
    found = scan(tmp_path, avoid=avoid)
    assert (found.folders, found.others) == ((b"other",), 1)


def test_other_file_systems_are_entered_unless_told_not_to(tmp_path: Path, lying) -> None:
    fill(tmp_path, "stick/a.jpg", "here/b.jpg")

    def elsewhere(name: bytes, st: os.stat_result) -> object:
        return os.stat_result([*st[:2], st.st_dev + (name == b"stick"), *st[3:]])

    lying(elsewhere)
    assert scan(tmp_path).folders == (b"here", b"stick")
    alone = scan(tmp_path, one_file_system=True)
    assert (alone.folders, alone.others) == ((b"here",), 1)


def test_a_folder_on_another_device_than_its_parent_is_a_mount(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.jpg")
    scanner = Scanner(os.fsencode(tmp_path), ScanRules())
    device = scanner.device(b"")
    assert device is not None
    assert scanner.folder(b"a", device).mount is False
    assert scanner.folder(b"a", device + 1).mount is True
    assert scanner.device(b"nowhere") is None


def test_what_cannot_be_looked_at_is_named_and_not_dropped(tmp_path: Path, lying) -> None:
    fill(tmp_path, "good.jpg", "bad.jpg", "bad.txt", "bad folder/x.jpg", "vanished.jpg")

    def refuse(name: bytes, st: os.stat_result) -> object:
        if name == b"vanished.jpg":
            raise FileNotFoundError(2, "No such file or directory")
        if name.startswith(b"bad"):
            raise PermissionError(13, "Permission denied")
        return st

    lying(refuse)
    found = scan(tmp_path)
    assert names(found) == [b"good.jpg"]
    assert found.unseen == ((b"bad.jpg", "Permission denied"),)
    assert found.folders == (b"bad folder",), "entering it will tell that it is unreadable"
    assert found.hidden == {b"bad.jpg"}


def test_files_in_a_cloud_are_named_by_their_real_names(tmp_path: Path, lying) -> None:
    fill(tmp_path, ".IMG_1.jpg.icloud", ".notes.txt.icloud", "b.jpg.nextcloud", "onedrive.jpg", "here.jpg")

    class Windows:
        def __init__(self, st: os.stat_result) -> None:
            self._st = st
            self.st_file_attributes = 0x0040_0000

        def __getattr__(self, name: str) -> object:
            return getattr(self._st, name)

    lying(lambda name, st: Windows(st) if name == b"onedrive.jpg" else st)
    found = scan(tmp_path)
    assert [name for name, _ in found.cloud] == [b"IMG_1.jpg", b"b.jpg", b"onedrive.jpg"]
    assert ["iCloud" in why or "Nextcloud" in why or "OneDrive" in why for _, why in found.cloud] == [True] * 3
    assert names(found) == [b"here.jpg"]
    assert found.others == 1


@pytest.mark.parametrize("name", ["a.jpg", "a.txt", "folder/x", ".a.jpg.icloud"])
def test_a_folder_with_anything_in_it_is_not_empty(tmp_path: Path, name: str) -> None:
    assert scan(tmp_path).is_empty
    fill(tmp_path, name)
    assert not scan(tmp_path).is_empty


def test_a_stamp_fits_into_the_catalog_whatever_the_inode(tmp_path: Path, lying) -> None:
    fill(tmp_path, "a.jpg")
    lying(lambda _, st: os.stat_result([st.st_mode, (1 << 64) - 1, *st[2:]]))
    assert 0 < scan(tmp_path).files[0].stamp.ino < 1 << 63
