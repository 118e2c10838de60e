"""What a folder promises besides what every storage does (test_promises.py)."""

from __future__ import annotations

import errno
import os
import stat
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import AbsentError, MissingError, RefusedError, StorageError, UnavailableError
from photovault.storage import folder as folder_module
from photovault.storage.folder import FolderStorage
from tests.storage.odd_disks import FOLDERS, PREPARE

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.storage.base import Storage

MIB = 1024 * 1024


def listed(storage: Storage, prefix: str = "") -> dict[str, int]:
    found = [(one.name, one.size) for one in storage.listing(prefix)]
    assert len(found) == len(dict(found)), "a name is listed twice"
    return dict(found)


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    PREPARE[request.param](monkeypatch)
    return FolderStorage(tmp_path / "vault")


def left_over(storage: FolderStorage) -> list[str]:
    return sorted(os.listdir(os.path.join(storage.address, "tmp")))


def test_nothing_temporary_is_left(folder: FolderStorage) -> None:
    folder.put("small", b"x")
    folder.put("large", bytes(2 * MIB))
    with pytest.raises(RefusedError):
        folder.put("small", b"y")
    assert left_over(folder) == []


@pytest.mark.parametrize("size", [100, 2 * MIB])
@pytest.mark.parametrize(
    "failure",
    [
        (errno.ENOSPC, RefusedError, "no space left in {}: {:,} bytes were needed for a/b"),
        (errno.EDQUOT, RefusedError, "no space left in {}: {:,} bytes were needed for a/b"),
        (errno.EACCES, RefusedError, "{} refused a/b: Permission denied"),
        (errno.EROFS, RefusedError, "{} refused a/b: Read-only file system"),
        (errno.EIO, UnavailableError, "{} failed at a/b: Input/output error"),
        (errno.ESTALE, UnavailableError, "{} failed at a/b"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_object_that_could_not_be_written_is_not_there(
    folder: FolderStorage,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    failure: tuple[int, type[StorageError], str],
    call: str,
) -> None:
    number, kind, words = failure
    folder.put("before", b"old")

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StorageError) as caught:
            folder.put("a/b", bytes(size))
    assert type(caught.value) is kind
    assert words.format(folder.address, size) in caught.value.what
    assert caught.value.hint
    assert listed(folder) == {"before": 3}
    assert left_over(folder) == []
    folder.put("a/b", b"now it works")
    assert folder.get("a/b") == b"now it works"


def test_a_write_that_takes_little_at_a_time_is_finished(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: max(4096, len(data) // 2 // 4096 * 4096)]))
    data = Random(3).randbytes(MIB + 4096 * 3 + 17)
    folder.put("a", data)
    folder.put("b", data[:9999])
    assert folder.get("a") == data
    assert folder.get("b") == data[:9999]


def test_a_read_that_gives_little_at_a_time_is_finished(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Random(4).randbytes(2 * MIB)
    folder.put("a", data)
    real, realv = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda fd, size, at: real(fd, min(size, 70_000), at))
    monkeypatch.setattr(os, "preadv", lambda fd, views, at: realv(fd, [views[0][: 4096 * 11]], at))
    assert folder.get("a") == data
    assert folder.get("a", 5, MIB + 100) == data[5 : MIB + 105]


def test_an_object_that_shrinks_while_it_is_read_is_missing_not_short(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.put("a", bytes(MIB + 4096))
    real = os.fstat

    def longer(fd: int) -> os.stat_result:
        found = list(real(fd))
        found[stat.ST_SIZE] += 5000
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", longer)
    with pytest.raises(MissingError):
        folder.get("a")
    with pytest.raises(MissingError):
        folder.get("a", MIB)


def test_objects_belong_to_their_owner_only(folder: FolderStorage) -> None:
    folder.put("a/b", b"x")
    for path in ("", "a", "a/b", "tmp"):
        assert stat.S_IMODE(os.stat(os.path.join(folder.address, path)).st_mode) & 0o077 == 0


def test_a_disk_that_is_not_connected_is_unavailable_not_empty(tmp_path: Path) -> None:
    gone = FolderStorage(tmp_path / "gone")
    with pytest.raises(AbsentError, match="is not there") as caught:
        list(gone.listing(""))
    assert "connect" in caught.value.hint
    with pytest.raises(MissingError):
        gone.get("vault.json")
    gone.delete("vault.json")
    assert not (tmp_path / "gone").exists()


def test_leftovers_of_a_crash_are_never_listed_and_go_after_a_day(tmp_path: Path) -> None:
    FolderStorage(tmp_path).put("a", b"x")
    for name, hours in (("old", 25), ("another run writes this", 1)):
        path = tmp_path / "tmp" / name
        path.write_bytes(b"half of something")
        then = time.time() - hours * 3600
        os.utime(path, (then, then))
    storage = FolderStorage(tmp_path)
    assert listed(storage) == {"a": 1}
    storage.put("b", b"y")
    assert left_over(storage) == ["another run writes this"]
    assert listed(storage) == {"a": 1, "b": 1}


def test_a_disk_that_is_pulled_out_is_unavailable_not_damaged(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "vault")
    storage.put("a/b", b"x")
    assert storage.get("a/b") == b"x"
    os.rename(tmp_path / "vault", tmp_path / "away")
    uses = (lambda: storage.put("a/c", b"y"), lambda: storage.get("a/b"), lambda: list(storage.listing("")))
    for use in uses:
        with pytest.raises(UnavailableError, match="vault is not there"):
            use()


def test_a_bad_sector_costs_one_object(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a", b"x")
    folder.put("b", bytes(2 * MIB))

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail)
        patch.setattr(os, "preadv", fail)
        for name in ("a", "b"):
            with pytest.raises(MissingError, match=f"{name} cannot be read .*Input/output error"):
                folder.get(name)
    assert folder.get("a") == b"x"


def test_a_name_taken_meanwhile_is_not_overwritten(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another device stores other bytes under the name between our write and our link."""
    real = folder_module._write

    def write(path: str, data: bytes, flags: int) -> None:
        real(path, data, flags)
        final = os.path.join(folder.address, "a")
        if not os.path.exists(final):
            with open(final, "wb") as file:
                file.write(b"theirs")

    monkeypatch.setattr(folder_module, "_write", write)
    with pytest.raises(RefusedError, match="there already"):
        folder.put("a", b"ours")
    assert folder.get("a") == b"theirs"
    assert left_over(folder) == []


def test_large_objects_leave_the_page_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligned memory, as the writer of packs has it, goes out past the cache where the file system can."""
    import mmap

    flags: list[int] = []
    real = os.open

    def watch(path: str, flag: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        flags.append(flag)
        return real(path, flag, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watch)
    storage = FolderStorage(tmp_path)
    storage.put("packs/aa/x", memoryview(mmap.mmap(-1, 2 * MIB)))
    assert any(flag & os.O_DIRECT for flag in flags)
    flags.clear()
    assert storage.get("packs/aa/x") == bytes(2 * MIB)
    assert any(flag & os.O_DIRECT for flag in flags)
