"""No name and no link leads out of the folder; folders are made, looked at, finished and made durable."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from photovault.errors import RefusedError, StorageError
from photovault.target import Target
from photovault.target.folder import Folder
from tests.target.some import TEMPORARY, YEAR_2001, put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [b"..", b".", b"", b"/tmp/x", b"a/b", b"../../x", b"a\0", TEMPORARY])
def test_no_name_leads_out(target: Target, name: bytes) -> None:
    for attempt in (
        lambda: target.begin((name,), 1),
        lambda: target.begin((name, b"x"), 1),
        lambda: target.folder((b"a", name)),
        lambda: target.link((name,), b"x", 0),
        lambda: target.lstat((name,)),
        lambda: target.sweep((name,)),
        lambda: target.finish_folder((name,), mtime_ns=0, mode=0o700),
    ):
        with pytest.raises(RefusedError, match="cannot be written under this name"):
            attempt()
    assert list(target.root.parent.iterdir()) == [target.root]


@pytest.mark.parametrize("there", ["link", "file"])
def test_a_link_or_file_in_place_of_a_folder_is_refused(target: Target, tmp_path: Path, there: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if there == "link":
        (target.root / "a").symlink_to(outside)
    else:
        (target.root / "a").write_bytes(b"x")
    for attempt in (
        lambda: target.begin((b"a", b"x.jpg"), 1),
        lambda: target.folder((b"a", b"b")),
        lambda: target.link((b"a", b"x"), b"x", 0),
        lambda: target.lstat((b"a", b"x")),
        lambda: target.finish_folder((b"a",), mtime_ns=0, mode=0o700),
    ):
        with pytest.raises(RefusedError, match="is in the way") as caught:
            attempt()
        assert "never followed" in caught.value.hint
    assert list(outside.iterdir()) == []


def test_a_thousand_folders_deep_is_refused(target: Target) -> None:
    with pytest.raises(RefusedError, match="too deep"):
        target.folder((b"a",) * 1000)


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x")
    with pytest.raises(RefusedError, match="in the way"), Target(tmp_path / "out"):
        pass


def test_an_error_message_cannot_steer_the_terminal(target: Target) -> None:
    with pytest.raises(RefusedError) as caught:
        target.folder((b"\x1b[31m\xff", b".."))
    assert caught.value.what.isprintable()


def test_a_folder_gets_its_time_and_rights_at_the_end(target: Target) -> None:
    put(target, b"a", b"x.jpg")
    assert target.finish_folder((b"a",), mtime_ns=YEAR_2001, mode=0o4_750) == ()
    info = (target.root / "a").stat()
    assert (info.st_mtime_ns, stat.S_IMODE(info.st_mode)) == (YEAR_2001, 0o750)


def test_lstat_tells_what_is_there(target: Target) -> None:
    put(target, b"a", b"x.jpg", data=b"1234")
    target.link((b"l",), b"nowhere", 0)
    here, link = target.lstat((b"a", b"x.jpg")), target.lstat((b"l",))
    assert here is not None
    assert here.st_size == 4
    assert link is not None
    assert stat.S_ISLNK(link.st_mode)
    assert target.lstat((b"a", b"none")) is None
    assert target.lstat((b"none", b"none")) is None
    assert target.lstat(()) is not None


def test_a_folder_that_could_not_be_made_durable_is_tried_again(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    target.link((b"a",), b"x", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "sync", fail)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"out: Input/output error"):
                target.sync()
    target.sync()


def test_a_folder_that_is_gone_needs_no_sync(target: Target) -> None:
    target.link((b"a", b"b"), b"x", 0)
    (target.root / "a" / "b").unlink()
    (target.root / "a").rmdir()
    target.sync()
    assert list(target.root.iterdir()) == []
