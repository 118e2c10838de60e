"""The live file beside the one of the snapshot: rot is told from change."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from photovault.drill import live
from photovault.drill.live import Live, compare
from photovault.model import INODE_MASK, Entry, EntryKind, Stamp

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"a photo of somebody" * 100


def backed_up(path: Path) -> tuple[bytes, Entry, Stamp]:
    path.write_bytes(DATA)
    os.utime(path, (1.6e9, 1.6e9))
    st = os.stat(path)
    entry = Entry(
        name=path.name.encode(),
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=st.st_mtime_ns,
        size=st.st_size,
        digest=hashlib.sha256(DATA).digest(),
    )
    return (
        os.fsencode(path),
        entry,
        Stamp(entry.name, st.st_ino & INODE_MASK, st.st_size, st.st_mtime_ns, st.st_ctime_ns),
    )


def rot(path: bytes) -> None:
    """Other bytes, the same size and time of modification."""
    st = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(50)
        file.write(b"X")
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def now(path: bytes, stamp: Stamp) -> Stamp:
    """The stamp that the file has now: as if nobody had written to it."""
    return stamp._replace(ctime_ns=os.stat(path).st_ctime_ns)


def test_a_file_as_it_was(tmp_path: Path) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    assert compare(path, entry, stamp) == compare(path, entry, None) == (Live.SAME, "")


def test_other_bytes_that_nobody_wrote_are_rot(tmp_path: Path) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    rot(path)
    assert compare(path, entry, now(path, stamp)) == (Live.ROTTEN, "")
    assert compare(path, entry, None) == (Live.ROTTEN, ""), "size and time say that nobody wrote"


def test_a_file_that_somebody_wrote_to_and_gave_its_old_time_was_changed(tmp_path: Path) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    rot(path)
    assert compare(path, entry, stamp._replace(ctime_ns=stamp.ctime_ns - 1)) == (Live.CHANGED, "")


@pytest.mark.parametrize("how", ["longer", "later"])
def test_a_file_that_was_changed_is_no_alarm_and_is_not_even_read(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    monkeypatch.setattr(live, "_digest", lambda _: pytest.fail("it was read"))
    if how == "longer":
        with open(path, "ab") as file:
            file.write(b"x")
        os.utime(path, (1.6e9, 1.6e9))
    else:
        os.utime(path, (1.7e9, 1.7e9))
    assert compare(path, entry, stamp) == (Live.CHANGED, "")


def test_a_file_that_changes_while_it_is_read_is_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, entry, _ = backed_up(tmp_path / "a.jpg")

    def written(_fd: int) -> bytes:
        os.utime(path, (1.7e9, 1.7e9))
        return b"other bytes"

    monkeypatch.setattr(live, "_digest", written)
    assert compare(path, entry, None) == (Live.CHANGED, "")


def test_a_file_that_was_never_whole_is_no_alarm(tmp_path: Path) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    rot(path)
    assert compare(path, replace(entry, unsettled=True), now(path, stamp)) == (Live.CHANGED, "")


@pytest.mark.parametrize("kind", ["gone", "a folder", "a link", "in a cloud"])
def test_what_is_no_file_here_is_not_compared(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")
    match kind:
        case "gone":
            os.unlink(path)
        case "a folder":
            os.unlink(path)
            os.mkdir(path)
        case "a link":
            os.rename(path, path + b".real")
            os.symlink(path + b".real", path)
        case "in a cloud":
            monkeypatch.setattr(live, "placeholder", lambda *_: "in iCloud only")
    assert compare(path, entry, stamp) == (Live.UNKNOWN, "")


def test_a_file_that_its_disk_does_not_give_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, entry, stamp = backed_up(tmp_path / "a.jpg")

    def fails(_fd: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(live, "_digest", fails)
    assert compare(path, entry, stamp) == (Live.UNREADABLE, "Input/output error")
