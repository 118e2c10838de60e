"""Every storage keeps the promises of storage/base.py, whatever the file system below it can do."""

from __future__ import annotations

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import MissingError, RefusedError, StorageError, UnavailableError
from photovault.storage import folder as folder_module
from photovault.storage.base import Stored
from photovault.storage.folder import FolderStorage
from photovault.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.storage.base import Storage

MIB = 1024 * 1024
FOLDERS = ["folder", "no hard links", "no O_DIRECT", "O_DIRECT fails late"]
BAD_NAMES = ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "/a", ".hidden", "a/.hidden", "ä", "a b", "a\0", "a\n"]


@pytest.fixture(params=[*FOLDERS, "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param == "memory":
        return MemoryStorage()
    _PREPARE[request.param](monkeypatch)
    return FolderStorage(tmp_path / "deep" / "vault")


def _no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_old: str, _new: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


def _no_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)


def _direct_fails_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file opens with O_DIRECT, but the second write and every read are refused: alignment, or an odd network share."""
    import fcntl

    write, calls = os.write, []

    def refuse(fd: int, data: memoryview) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            return write(fd, data)
        calls.append(fd)
        if len(calls) % 2 == 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return write(fd, data[:4096])

    def preadv(_fd: int, _buffers: list[memoryview], _offset: int) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "write", refuse)
    monkeypatch.setattr(os, "preadv", preadv)


_PREPARE: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "folder": lambda _: None,
    "no hard links": _no_links,
    "no O_DIRECT": _no_direct,
    "O_DIRECT fails late": _direct_fails_late,
}


def listed(storage: Storage, prefix: str = "") -> dict[str, int]:
    found = [(one.name, one.size) for one in storage.listing(prefix)]
    assert len(found) == len(dict(found)), "a name is listed twice"
    return dict(found)


# What every storage promises


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_what_was_put_comes_back(storage: Storage, size: int) -> None:
    data = Random(size).randbytes(size)
    storage.put("packs/ab/one", data)
    assert storage.get("packs/ab/one") == data
    assert listed(storage) == {"packs/ab/one": size}


@pytest.mark.parametrize("buffer", [bytes, bytearray, lambda data: memoryview(bytearray(b"x" + data))[1:]])
def test_any_buffer_will_do_and_is_copied(storage: Storage, buffer: Callable[[bytes], bytearray]) -> None:
    data = Random(1).randbytes(2 * MIB)
    given = buffer(data)
    storage.put("a", given)
    if not isinstance(given, bytes):
        given[:4] = b"\0\0\0\0"
    assert storage.get("a") == data


def test_ranges_are_whole_or_an_error(storage: Storage) -> None:
    data = Random(2).randbytes(3 * MIB + 5)
    storage.put("a", data)
    for offset, length in [
        (0, 0),
        (0, 1),
        (1, 4096),
        (4095, MIB),
        (1, 2 * MIB),
        (MIB - 1, 2 * MIB + 6),
        (len(data), 0),
    ]:
        assert storage.get("a", offset, length) == data[offset : offset + length]
    for offset in (0, 7, 2 * MIB, len(data)):
        assert storage.get("a", offset) == data[offset:]
    for offset, length in [(0, len(data) + 1), (len(data), 1), (len(data) + 1, 0), (1, 2**40), (2 * MIB, MIB + 6)]:
        with pytest.raises(MissingError):
            storage.get("a", offset, length)
    with pytest.raises(MissingError):
        storage.get("a", len(data) + 1)


def test_the_same_bytes_again_are_no_error(storage: Storage) -> None:
    for _ in range(3):
        storage.put("a/b", b"same")
        storage.put("large", memoryview(bytes(MIB)))
    assert listed(storage) == {"a/b": 4, "large": MIB}


@pytest.mark.parametrize("other", [b"", b"othe", b"other", b"sam"])
def test_other_bytes_never_replace_what_is_there(storage: Storage, other: bytes) -> None:
    storage.put("a/b", b"same")
    with pytest.raises(RefusedError, match="a/b is there already"):
        storage.put("a/b", other)
    assert storage.get("a/b") == b"same"
    assert listed(storage) == {"a/b": 4}


def test_what_is_not_there_is_missing(storage: Storage) -> None:
    storage.put("a/b", b"x")
    for name in ("a/c", "c", "a/b/c", "a"):
        with pytest.raises(MissingError, match=name):
            storage.get(name)


def test_a_listing_names_everything_below_a_prefix(storage: Storage) -> None:
    names = ["vault.json", "keys/1", "keys/2", "packs/00/a", "packs/00/b", "packs/ff/a", "keys-not"]
    for number, name in enumerate(names):
        storage.put(name, bytes(number))
    everything = {name: number for number, name in enumerate(names)}
    assert listed(storage) == everything
    assert listed(storage, "keys/") == {"keys/1": 1, "keys/2": 2}
    assert listed(storage, "packs/") == {name: size for name, size in everything.items() if name.startswith("packs/")}
    assert listed(storage, "packs/00/") == {"packs/00/a": 3, "packs/00/b": 4}
    assert listed(storage, "none/") == {}
    assert all(isinstance(one, Stored) for one in storage.listing(""))


def test_what_is_deleted_is_gone_and_its_name_is_free(storage: Storage) -> None:
    storage.put("a/b", b"x")
    storage.put("a/c", b"y")
    for _ in range(2):
        storage.delete("a/b")
    assert listed(storage) == {"a/c": 1}
    with pytest.raises(MissingError):
        storage.get("a/b")
    storage.put("a/b", b"new")
    assert storage.get("a/b") == b"new"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_could_lead_elsewhere_are_refused(storage: Storage, name: str) -> None:
    for use in (lambda: storage.put(name, b""), lambda: storage.get(name), lambda: storage.delete(name)):
        with pytest.raises(RefusedError, match="not a name"):
            use()


def test_several_threads_at_once(storage: Storage) -> None:
    def work(number: int) -> None:
        data = Random(number % 8).randbytes(MIB + number % 8)
        storage.put(f"packs/{number % 8:02}/x", data)
        assert storage.get(f"packs/{number % 8:02}/x") == data
        assert f"packs/{number % 8:02}/x" in listed(storage)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(24)))
    assert len(listed(storage)) == 8


def test_an_address_is_for_people(storage: Storage) -> None:
    assert storage.address.isprintable()
    assert storage.address


# What a folder promises besides


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStorage:
    _PREPARE[request.param](monkeypatch)
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
    with pytest.raises(UnavailableError, match="is not there") as caught:
        list(gone.listing(""))
    assert caught.value.retryable
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

    def watch(path: str, flag: int, mode: int = 0o777) -> int:
        flags.append(flag)
        return real(path, flag, mode)

    monkeypatch.setattr(os, "open", watch)
    storage = FolderStorage(tmp_path)
    storage.put("packs/aa/x", memoryview(mmap.mmap(-1, 2 * MIB)))
    assert any(flag & os.O_DIRECT for flag in flags)
    flags.clear()
    assert storage.get("packs/aa/x") == bytes(2 * MIB)
    assert any(flag & os.O_DIRECT for flag in flags)
