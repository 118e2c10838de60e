"""New files are private, whole, and never in place of another."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import pytest

from photovault import durable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["links", "no links"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a disk, with a file that waits for its name."""
    if request.param == "no links":

        def link(_old: Path, _new: Path) -> None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

        monkeypatch.setattr(os, "link", link)
    (tmp_path / "temporary").write_bytes(b"new")
    return tmp_path


def test_a_file_gets_a_name_that_is_free(disk: Path) -> None:
    durable.name_new(disk / "temporary", disk / "a")
    assert (disk / "a").read_bytes() == b"new"


@pytest.mark.parametrize("there", ["file", "link to nowhere"])
def test_a_name_that_is_taken_stays_with_who_has_it(disk: Path, there: str) -> None:
    if there == "file":
        (disk / "a").write_bytes(b"old")
    else:
        (disk / "a").symlink_to("nowhere")
    before = (disk / "a").lstat().st_ino
    with pytest.raises(FileExistsError):
        durable.name_new(disk / "temporary", disk / "a")
    assert (disk / "a").lstat().st_ino == before
    assert (disk / "temporary").read_bytes() == b"new"


def test_a_disk_that_fails_is_no_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_old: Path, _new: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    (tmp_path / "temporary").write_bytes(b"new")
    with pytest.raises(OSError, match="Input/output"):
        durable.name_new(tmp_path / "temporary", tmp_path / "a")
    assert os.listdir(tmp_path) == ["temporary"]


def test_a_new_file_is_private_and_follows_no_link(tmp_path: Path) -> None:
    os.close(durable.create(tmp_path / "a"))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        durable.create(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    fd = durable.create(tmp_path / "a")
    durable.write_all(fd, b"0123456789")
    os.close(fd)
    assert (tmp_path / "a").read_bytes() == b"0123456789"
