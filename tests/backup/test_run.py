"""Backing up: what is read, what is kept, and what a file that will not hold still costs."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import backing
from photovault.app.sources import BackupRequest
from photovault.backup import jobs, run, taking
from photovault.photos import reading
from photovault.photos.reading import BUFFER, LargeFile
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.backup import BackupReport

BIG = BUFFER + 100_000


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(3):
        put(root / "2020" / f"{number}.jpg", jpeg(number), mtime=1_600_000_000 + number)
    return root


def back(computer: Computer, tmp_path: Path) -> Path:
    """What the newest snapshot holds, restored."""
    out = tmp_path / "back"
    shutil.rmtree(out, ignore_errors=True)
    report = computer.restore(out)
    assert (report.damaged, report.problems) == ((), ())
    return out


# What it takes in the vault.


@pytest.mark.parametrize("head", [0, 100_000])
def test_a_large_video_takes_hardly_more_than_its_size(computer: Computer, tmp_path: Path, head: int) -> None:
    """Four of its parts fill a pack; when they had 4 MiB each, three did, and the vault grew by a third more."""
    media = Random(1).randbytes(100_000_000)
    box = b"\0\0\0\x10ftypisom\0\0\0\0" + struct.pack(">I4s", head + 8, b"free") + bytes(head)
    film = put(tmp_path / "Pictures" / "film.mp4", box + struct.pack(">I4s", len(media) + 8, b"mdat") + media)
    report = computer.backup(film.parent)
    assert report.written.stored_bytes < 1.06 * film.stat().st_size


# What is read again.


def test_nothing_is_read_twice(computer: Computer, photos: Path, reads: list[str]) -> None:
    computer.backup(photos)
    assert sorted(reads) == ["0.jpg", "1.jpg", "2.jpg"]
    reads.clear()
    again = computer.backup(photos)
    assert (reads, again.totals.unchanged, again.written.new_bytes) == ([], 3, 0)


def test_a_folder_that_was_renamed_is_not_read_at_all(
    computer: Computer, photos: Path, reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    (photos / "2020").rename(photos / "renamed")
    reads.clear()
    monkeypatch.setattr(run._Run, "_begins_as", lambda *_: pytest.fail("it was opened"))
    assert computer.backup(photos).totals.moved == 3
    assert reads == []
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_a_file_that_was_renamed_is_compared_by_its_first_part(
    computer: Computer, photos: Path, reads: list[str], tmp_path: Path
) -> None:
    computer.backup(photos)
    reads.clear()
    (photos / "2020" / "0.jpg").rename(photos / "best.jpg")
    assert computer.backup(photos).totals.moved == 1
    assert reads == []
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_a_renamed_file_with_other_bytes_is_read(
    computer: Computer, photos: Path, reads: list[str], tmp_path: Path
) -> None:
    computer.backup(photos)
    reads.clear()
    old = photos / "2020" / "0.jpg"
    before = old.stat()
    with old.open("r+b") as file:  # the same inode and size, as if the inode was used again
        file.write(b"another file")
    os.utime(old, ns=(before.st_atime_ns, before.st_mtime_ns))
    old.rename(photos / "other.jpg")
    assert computer.backup(photos).totals.moved == 0
    assert reads == ["other.jpg"]
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_swapped_names_are_restored_swapped(computer: Computer, photos: Path, tmp_path: Path) -> None:
    one, other = photos / "2020" / "0.jpg", photos / "2020" / "1.jpg"
    other.write_bytes(jpeg(77)[: one.stat().st_size].ljust(one.stat().st_size, b"\0"))
    os.utime(other, ns=(one.stat().st_mtime_ns, one.stat().st_mtime_ns))
    computer.backup(photos)
    one.rename(photos / "x")
    other.rename(one)
    (photos / "x").rename(other)
    computer.backup(photos)
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_an_edit_of_the_same_size_and_time_is_read(
    computer: Computer, photos: Path, reads: list[str], tmp_path: Path
) -> None:
    computer.backup(photos)
    reads.clear()
    path = photos / "2020" / "1.jpg"
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert computer.backup(photos).totals.changed == 1
    assert reads == ["1.jpg"]
    assert (back(computer, tmp_path) / "Pictures" / "2020" / "1.jpg").read_bytes() == bytes(before.st_size)


def test_new_rights_are_kept(computer: Computer, photos: Path, reads: list[str], tmp_path: Path) -> None:
    computer.backup(photos)
    reads.clear()
    (photos / "2020" / "1.jpg").chmod(0o600)
    report = computer.backup(photos)
    assert (reads, report.totals.changed, report.written.new_bytes < 2000) == (["1.jpg"], 1, True)
    assert (back(computer, tmp_path) / "Pictures" / "2020" / "1.jpg").stat().st_mode & 0o777 == 0o600


def test_new_attributes_are_kept(computer: Computer, photos: Path, reads: list[str], tmp_path: Path) -> None:
    computer.backup(photos)
    reads.clear()
    os.setxattr(photos / "2020" / "1.jpg", "user.note", b"grandma \xff")
    computer.backup(photos)
    assert reads == ["1.jpg"]
    restored = back(computer, tmp_path) / "Pictures" / "2020" / "1.jpg"
    assert os.getxattr(restored, "user.note") == b"grandma \xff"


def test_twins_are_stored_once(computer: Computer, photos: Path) -> None:
    noise = os.urandom(300_000)
    for number in range(5):
        put(photos / f"twin{number}.jpg", noise)
    assert computer.backup(photos).written.known_bytes >= 4 * len(noise)


# What cannot be read.


def refuse(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    real = os.open

    def opening(name, *args, **more):
        if name == os.fsencode(path):
            raise PermissionError(13, "Permission denied", name)
        return real(name, *args, **more)

    monkeypatch.setattr(os, "open", opening)


@pytest.mark.parametrize("size", [1000, BIG])
def test_an_unreadable_file_keeps_its_last_version_and_is_reported(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = put(photos / "locked.jpg", b"old" * (size // 3 + 1))
    computer.backup(photos)
    put(path, b"new" * (size // 3 + 1), mtime=1_700_000_000)
    put(photos / "other.jpg", jpeg(40))
    with monkeypatch.context() as locked:
        refuse(locked, path)
        report = computer.backup(photos)
    assert [one.path for one in report.problems] == [str(path)]
    assert "its last version is kept" in report.problems[0].what
    out = back(computer, tmp_path) / "Pictures"
    assert (out / "locked.jpg").read_bytes()[:3] == b"old"
    assert (out / "other.jpg").read_bytes() == jpeg(40)
    assert computer.backup(photos).problems == ()
    assert (back(computer, tmp_path) / "Pictures" / "locked.jpg").read_bytes()[:3] == b"new"


def test_an_unreadable_new_file_is_reported_and_taken_when_it_can_be_read(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(photos / "locked.jpg", jpeg(5))
    with monkeypatch.context() as locked:
        refuse(locked, path)
        (problem,) = computer.backup(photos).problems
    assert "it is not backed up" in problem.what
    assert computer.backup(photos).totals.new == 1
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_an_unreadable_file_that_is_renamed_is_not_believed_unseen(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(photos / "locked.jpg", b"old")
    computer.backup(photos)
    path.write_bytes(b"new")
    with monkeypatch.context() as locked:
        refuse(locked, path)
        computer.backup(photos)
    path.rename(photos / "renamed.jpg")
    computer.backup(photos)
    assert (back(computer, tmp_path) / "Pictures" / "renamed.jpg").read_bytes() == b"new"


def test_a_file_in_the_cloud_keeps_its_last_version(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    (photos / "2020" / "1.jpg").rename(photos / "2020" / ".1.jpg.icloud")
    (photos / "2020" / ".1.jpg.icloud").write_bytes(b"stub")
    report = computer.backup(photos)
    assert [(one.path, "iCloud" in one.what) for one in report.problems] == [(str(photos / "2020" / "1.jpg"), True)]
    assert (report.totals.gone, report.totals.cloud) == (0, 1)
    assert (back(computer, tmp_path) / "Pictures" / "2020" / "1.jpg").read_bytes() == jpeg(1)
    assert len(computer.backup(photos).problems) == 1, "it is still not protected"


def test_a_new_file_in_the_cloud_is_reported_on_every_run(computer: Computer, photos: Path) -> None:
    put(photos / "2021" / ".far.heic.icloud", b"stub")
    for _ in range(2):
        put(photos / "2020" / "0.jpg", os.urandom(100))
        assert [one.path for one in computer.backup(photos).problems] == [str(photos / "2021" / "far.heic")]


def test_a_file_that_still_moves_is_left_as_it_was(computer: Computer, photos: Path, tmp_path: Path) -> None:
    """Held back, a known file keeps its last version and a new one waits; the next run takes both, and nothing is a problem."""
    computer.backup(photos)
    known = photos / "2020" / "1.jpg"
    before = known.read_bytes()
    put(known, b"half of the new version")
    new = put(photos / "2020" / "new.jpg", b"half of a new photo")
    request = BackupRequest(paths=(str(photos),), hold=frozenset(map(os.fsencode, (known, new))))
    report = computer.app().backup(request, Silent())
    assert (report.problems, report.totals.held, report.totals.gone) == ((), 2, 0)
    kept = back(computer, tmp_path) / "Pictures" / "2020"
    assert (kept / "1.jpg").read_bytes() == before
    assert not (kept / "new.jpg").exists()
    report = computer.backup(photos)
    assert (report.totals.held, report.totals.new, report.totals.changed) == (0, 1, 1)
    assert same_tree(photos, back(computer, tmp_path) / "Pictures") == []


def test_a_file_that_cannot_be_looked_at_is_not_deleted(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    real = os.scandir

    class Broken:
        def __init__(self, entry: os.DirEntry) -> None:
            self.name, self._entry = entry.name, entry

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            if self.name == b"1.jpg":
                raise OSError(5, "Input/output error")
            return self._entry.stat(follow_symlinks=follow_symlinks)

        def is_dir(self, *, follow_symlinks: bool = True) -> bool:
            return self._entry.is_dir(follow_symlinks=follow_symlinks)

    class Scan:
        def __init__(self, path) -> None:
            self._inner = real(path)

        def __enter__(self) -> map:
            return map(Broken, self._inner)

        def __exit__(self, *_: object) -> None:
            self._inner.close()

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", lambda path: Scan(path) if isinstance(path, bytes) else real(path))
        report = computer.backup(photos)
    assert [one.path for one in report.problems] == [str(photos / "2020" / "1.jpg")]
    assert report.totals.gone == 0
    assert same_tree(back(computer, tmp_path) / "Pictures" / "2020", photos / "2020") == []


# Sources that come and go.


def run_configured(computer: Computer, *paths: Path) -> BackupReport:
    text = "".join(f"[[sources]]\npath = '{path}'\n" for path in paths)
    (computer.folder / "config.toml").write_text(text)
    return computer.app().backup(BackupRequest(all_files=True), Silent())


def test_a_source_that_is_away_keeps_its_last_version(computer: Computer, photos: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "Stick" / "a.jpg", jpeg(70)).parent
    run_configured(computer, photos, other)
    other.rename(tmp_path / "unplugged")
    put(photos / "new.jpg", jpeg(71))
    report = run_configured(computer, photos, other)
    assert [one.path for one in report.problems] == [str(other)]
    assert [(s.label, s.offline) for s in report.snapshot.snapshot.sources] == [("Pictures", False), ("Stick", True)]
    out = back(computer, tmp_path)
    assert (out / "Stick" / "a.jpg").read_bytes() == jpeg(70)
    assert (out / "Pictures" / "new.jpg").exists()
    (tmp_path / "unplugged").rename(other)
    assert run_configured(computer, photos, other).problems == ()


def test_a_source_that_was_never_there_costs_only_itself(computer: Computer, photos: Path, tmp_path: Path) -> None:
    report = run_configured(computer, photos, tmp_path / "never")
    assert len(report.problems) == 1
    assert sorted(path.name for path in back(computer, tmp_path).iterdir()) == ["Pictures"]


@pytest.mark.parametrize("leave_empty", [False, True])
@pytest.mark.parametrize("remembered", [100_000, 0])
def test_a_source_that_goes_between_looking_and_doing_is_not_deleted(
    computer: Computer,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    leave_empty: bool,
    remembered: int,
) -> None:
    computer.backup(photos)
    put(photos / "2020" / "new.jpg", jpeg(50))
    real = backing.plan_backup

    def plan_then_unplug(*args, **more):
        made = real(*args, **more)
        photos.rename(tmp_path / "unplugged")
        if leave_empty:
            photos.mkdir()
        return made

    monkeypatch.setattr("photovault.backup.plan.KEPT_FILES", remembered)
    monkeypatch.setattr(backing, "plan_backup", plan_then_unplug)
    report = computer.backup(photos)
    assert report.problems
    assert report.snapshot.snapshot.counts.files == 3
    assert sorted(path.name for path in (back(computer, tmp_path) / "Pictures" / "2020").iterdir()) == [
        "0.jpg", "1.jpg", "2.jpg",
    ]  # fmt: skip


# Files that change while they are read.


def meddle(monkeypatch: pytest.MonkeyPatch, path: Path, times: int, change: Callable[[Path], None]) -> None:
    """After each of the first ``times`` reads of a buffer from ``path``, change the file."""
    real, left, lock = reading.fill, [times], threading.Lock()

    def fill(fd, offset, out):
        size = real(fd, offset, out)
        with lock:  # the windows of a large file are read by several threads
            if left[0] > 0 and os.path.samestat(os.fstat(fd), path.stat()):
                left[0] -= 1
                change(path)
        return size

    monkeypatch.setattr(reading, "fill", fill)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def rewrite(path: Path) -> None:
    """Other bytes of the same size at the same time: only the change time tells."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(os.urandom(8))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("size", [5_000, BIG])
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_file_that_changes_once_is_read_again(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: Callable
) -> None:
    path = put(photos / "moving.jpg", os.urandom(size))
    with monkeypatch.context() as meddled:
        meddle(meddled, path, 1, change)
        report = computer.backup(photos)
    assert report.problems == ()
    assert (back(computer, tmp_path) / "Pictures" / "moving.jpg").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("size", [5_000, BIG])
@pytest.mark.parametrize("change", [grow, rewrite])
def test_a_file_that_never_holds_still_is_reported_and_read_again_next_time(
    computer: Computer,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reads: list[str],
    *,
    size: int,
    change: Callable,
) -> None:
    path = put(photos / "moving.jpg", os.urandom(size))
    with monkeypatch.context() as meddled:
        meddle(meddled, path, 1000, change)
        report = computer.backup(photos)
    assert [one.path for one in report.problems] == [str(path)]
    assert "kept changing" in report.problems[0].what
    reads.clear()
    assert computer.backup(photos).problems == ()
    assert reads == ["moving.jpg"]
    assert (back(computer, tmp_path) / "Pictures" / "moving.jpg").read_bytes() == path.read_bytes()


def test_a_file_that_never_held_still_is_read_again_also_under_another_name(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(photos / "moving.jpg", os.urandom(50_000))
    tail = path.read_bytes()[-100:]

    def rewrite_the_end(moving: Path) -> None:
        before = moving.stat()
        with moving.open("r+b") as file:
            file.seek(-100, os.SEEK_END)
            file.write(os.urandom(100))
        os.utime(moving, ns=(before.st_atime_ns, before.st_mtime_ns))

    with monkeypatch.context() as meddled:
        meddle(meddled, path, 1000, rewrite_the_end)
        monkeypatch.setattr("photovault.photos.reading.split", lambda _, size: [size - 100, 100])
        computer.backup(photos)
        path.rename(photos / "renamed.jpg")
    computer.backup(photos)
    restored = (back(computer, tmp_path) / "Pictures" / "renamed.jpg").read_bytes()
    assert restored == (photos / "renamed.jpg").read_bytes()
    assert not restored.endswith(tail)


def test_a_file_that_outgrows_the_buffer_is_read_whole(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(photos / "moving.mp4", os.urandom(5_000))
    meddle(monkeypatch, path, 1, lambda moving: os.truncate(moving, BIG))
    assert computer.backup(photos).problems == ()
    assert (back(computer, tmp_path) / "Pictures" / "moving.mp4").read_bytes() == path.read_bytes()


def test_many_files_that_outgrow_their_room_at_once_are_read(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        put(photos / "many" / f"{number}.jpg", bytes([number]) * 40_000)
    real = jobs.read_batch

    def grown(paths, buffer, options, **more):
        return real(paths, buffer[:1000], options, **more)  # as if each had grown since it was seen

    monkeypatch.setattr(jobs, "read_batch", grown)
    monkeypatch.setattr(taking, "BATCH_FILES", 1)
    monkeypatch.setattr(jobs, "SMALL", 0)
    assert computer.backup(photos).problems == ()
    assert same_tree(back(computer, tmp_path) / "Pictures" / "many", photos / "many") == []


def test_a_large_file_that_was_emptied_is_kept_empty(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(photos / "movie.mp4", bytes(BIG))

    class Emptied(LargeFile):
        def __init__(self, name, options, **more) -> None:
            os.truncate(name, 0)
            super().__init__(name, options, **more)

    monkeypatch.setattr(taking, "LargeFile", Emptied)
    assert computer.backup(photos).totals.new == 4
    assert (back(computer, tmp_path) / "Pictures" / "movie.mp4").read_bytes() == b""
    assert path.stat().st_size == 0


def test_a_file_too_large_for_one_entry_is_reported(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "PARTS_MAX", 1)
    put(photos / "movie.mp4", bytes(BIG))
    (problem,) = computer.backup(photos).problems
    assert "larger than one file may be" in problem.what


def test_a_file_that_becomes_a_link_is_not_followed(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = put(tmp_path / "secret", b"not yours")
    victim = photos / "2020" / "1.jpg"
    real = backing.plan_backup

    def plan_then_swap(*args, **more):
        made = real(*args, **more)
        victim.unlink()
        victim.symlink_to(secret)
        return made

    monkeypatch.setattr(backing, "plan_backup", plan_then_swap)
    assert [one.path for one in computer.backup(photos).problems] == [str(victim)]
    assert not (back(computer, tmp_path) / "Pictures" / "2020" / "1.jpg").exists()


# Odd things.


@pytest.mark.filterwarnings("error")
def test_special_files_are_left_out_without_waiting_for_them(computer: Computer, photos: Path, tmp_path: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(photos)  # the path of a socket must be short
        bound.bind("socket.jpg")
        os.chdir(here)
    os.symlink("/dev/zero", photos / "zero.jpg")
    report = computer.backup(photos)
    assert (report.problems, report.totals.others, report.totals.new) == ((), 2, 4)
    assert os.readlink(back(computer, tmp_path) / "Pictures" / "zero.jpg") == "/dev/zero"


def test_links_are_stored_as_links_and_a_loop_ends(computer: Computer, photos: Path, tmp_path: Path) -> None:
    (photos / "loop").symlink_to(".")
    (photos / "self.jpg").symlink_to("self.jpg")
    (photos / "up").symlink_to("../..")
    report = computer.backup(photos)
    counts = report.snapshot.snapshot.counts
    assert (counts.files, counts.links) == (3, 3)
    assert same_tree(back(computer, tmp_path) / "Pictures", photos) == []


def test_names_and_sources_that_are_no_text_come_back(computer: Computer, tmp_path: Path) -> None:
    root = os.fsencode(tmp_path) + b"/raw \xff\xfe"
    os.makedirs(root + b"/sub \xe9")
    with open(root + b"/sub \xe9/\x1b[31m\n.jpg", "wb") as file:
        file.write(jpeg(1))
    request = BackupRequest(paths=(os.fsdecode(root),), all_files=True)
    for _ in range(2):
        computer.app().backup(request, Silent())
    out = os.fsencode(back(computer, tmp_path))
    with open(out + b"/raw \xff\xfe/sub \xe9/\x1b[31m\n.jpg", "rb") as file:
        assert file.read() == jpeg(1)


def test_times_before_1970_and_beyond_the_database_come_back(computer: Computer, photos: Path, tmp_path: Path) -> None:
    os.utime(photos / "2020" / "0.jpg", ns=(-(10**18), -(10**18)))
    os.utime(photos / "2020" / "1.jpg", ns=(10**19, 10**19))
    os.utime(photos / "2020", ns=(10**19, 10**19))
    for _ in range(2):
        assert computer.backup(photos).problems == ()
    assert same_tree(back(computer, tmp_path) / "Pictures" / "2020", photos / "2020") == []


def test_inodes_of_64_bits_are_known_again(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    def high(st: os.stat_result) -> os.stat_result:
        times = {name: getattr(st, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        return os.stat_result([st.st_mode, st.st_ino | 1 << 63, *st[2:]], times)

    class Entry:
        def __init__(self, entry: os.DirEntry) -> None:
            self.name, self._entry = entry.name, entry

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            return high(self._entry.stat(follow_symlinks=follow_symlinks))

    class Scan:
        def __init__(self, path) -> None:
            self._inner = real_scan(path)

        def __enter__(self) -> map:
            return map(Entry, self._inner)

        def __exit__(self, *_: object) -> None:
            self._inner.close()

    real_scan, real_fstat = os.scandir, os.fstat
    monkeypatch.setattr(os, "scandir", lambda path: Scan(path) if isinstance(path, bytes) else real_scan(path))
    monkeypatch.setattr(os, "fstat", lambda fd: high(real_fstat(fd)))
    computer.backup(photos)
    reads.clear()
    assert computer.backup(photos).totals.unchanged == 3
    assert reads == []


def test_the_vault_and_the_programs_own_folders_are_not_backed_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    computer = Computer(home / "own", home / "vault")
    computer.make_vault()
    put(home / "a.jpg", jpeg(1))
    (home / "shortcut").symlink_to("vault")
    for _ in range(2):
        report = computer.backup(home)
    out = back(computer, tmp_path) / "home"
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == [
        "a.jpg", "own", "own/config.toml", "shortcut",
    ]  # fmt: skip
    assert report.problems == ()


def test_progress_reaches_what_was_announced(computer: Computer, photos: Path) -> None:
    put(photos / "movie.mp4", os.urandom(BIG))
    (photos / "link.jpg").symlink_to("x")
    seen = {"goal": (0, 0), "files": 0, "size": 0}

    class Watch:
        def total(self, files: int, size: int) -> None:
            seen["goal"] = (files, size)

        def advance(self, files: int, size: int, path: str) -> None:
            assert path
            seen["files"] += files
            seen["size"] += size

    computer.app().backup(BackupRequest(paths=(str(photos),), all_files=True), Watch())
    assert (seen["files"], seen["size"]) == seen["goal"]
