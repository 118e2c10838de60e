"""What the SFTP storage promises besides what every storage does."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from photovault.errors import DamageError, MissingError, RefusedError, StorageError, UnavailableError
from photovault.storage.addresses import parse_address
from photovault.storage.remote import sftp as sftp_module
from photovault.storage.remote.background import wait_for
from photovault.storage.remote.sftp import SftpStorage, open_sftp
from tests.support.pretending import pretending
from tests.support.programs import missing
from tests.support.remote import access
from tests.support.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIB = 1024 * 1024


def at(url: str, **other: object) -> SftpStorage:
    return open_sftp(parse_address(url), access(**other))


def listed(storage: SftpStorage, prefix: str = "") -> dict[str, int]:
    return {one.name: one.size for one in storage.listing(prefix)}


@pytest.fixture
def telling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A real server that writes down what it is asked."""
    with Sshd(tmp_path / "sshd", tells=True) as server:
        monkeypatch.setenv("HOME", str(server.home))
        yield server


def asked(server: Sshd) -> list[str]:
    verbs = r"(?m)^(?:debug1: request \d+: )?(open|write|fsync|close|rename|mkdir) "
    return re.findall(verbs, server.requests.read_text())


def test_an_object_is_made_durable_before_and_after_it_gets_its_name(telling: Sshd) -> None:
    storage = at(telling.url())
    storage.put("packs/ab/one", b"x")
    before = len(asked(telling))
    storage.put("packs/ab/two", Random(1).randbytes(3 * MIB))
    requests = [one for one in asked(telling)[before:] if one != "write"]
    begin = requests.index("open")
    assert requests[begin : begin + 6] == ["open", "fsync", "close", "rename", "open", "fsync"]


def test_new_folders_are_durable(telling: Sshd) -> None:
    at(telling.url(telling.folder / "deep" / "vault")).put("a/b", b"x")
    assert asked(telling).count("fsync") >= 2 + len({"deep", "vault", "tmp", "a"})


def test_objects_belong_to_their_owner_only(sshd: Sshd) -> None:
    at(sshd.url()).put("a/b", b"x")
    for path in ("", "a", "a/b", "tmp"):
        assert stat.S_IMODE(os.stat(sshd.folder / "vault" / path).st_mode) & 0o077 == 0


def test_a_path_may_begin_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "served").mkdir()
    with pretending(tmp_path, lambda channel: asyncssh.SFTPServer(channel, chroot=str(tmp_path / "served"))) as url:
        at(url.replace("/vault", "/~/mine")).put("a", b"x")
        at(url.replace("/vault", "/~")).put("b", b"x")
        at(url.replace("/vault", "/")).put("c", b"x")
    assert {"mine", "b", "c", "tmp"} == set(os.listdir(tmp_path / "served"))


def test_leftovers_of_a_crash_are_never_listed_and_go_after_a_day(sshd: Sshd) -> None:
    at(sshd.url()).put("a", b"x")
    folder = sshd.folder / "vault" / "tmp"
    for name, hours in (("old", 25), ("another run writes this", 1)):
        (folder / name).write_bytes(b"half of something")
        os.utime(folder / name, (time.time() - hours * 3600,) * 2)
    storage = at(sshd.url())
    assert listed(storage) == {"a": 1}
    storage.put("b", b"y")
    assert os.listdir(folder) == ["another run writes this"]


def test_a_folder_that_is_not_there_is_unavailable_not_empty(sshd: Sshd) -> None:
    storage = at(sshd.url())
    with pytest.raises(UnavailableError, match="is not there"):
        listed(storage)
    with pytest.raises(MissingError):
        storage.get("vault.json")
    storage.delete("vault.json")
    assert not (sshd.folder / "vault").exists()


def test_a_disk_that_is_pulled_out_is_unavailable_not_damaged(sshd: Sshd) -> None:
    storage = at(sshd.url())
    storage.put("a/b", b"x")
    (sshd.folder / "vault").rename(sshd.folder / "away")
    for use in (lambda: storage.put("a/c", b"y"), lambda: storage.get("a/b"), lambda: listed(storage, "a/")):
        with pytest.raises(UnavailableError, match="is not there"):
            use()


def test_a_name_taken_by_others_is_not_overwritten_and_nothing_temporary_is_left(sshd: Sshd) -> None:
    storage = at(sshd.url())
    storage.put("a", b"theirs")
    for data in (b"ours", b"theirS"):
        with pytest.raises(RefusedError, match="a is there already"):
            storage.put("a", data)
    storage.put("a", b"theirs")
    assert storage.get("a") == b"theirs"
    assert os.listdir(sshd.folder / "vault" / "tmp") == []


def test_a_server_that_dies_is_unavailable_and_used_again_when_it_is_back(sshd: Sshd) -> None:
    storage = at(sshd.url())
    storage.put("a", b"x")
    sshd.kill()
    for _ in range(2):
        for use in (lambda: storage.get("a"), lambda: storage.put("b", b"y"), lambda: listed(storage)):
            with pytest.raises(UnavailableError):
                use()
    sshd.start()
    storage.put("b", b"y")
    assert listed(storage) == {"a": 1, "b": 1}


def test_a_server_killed_in_the_middle_leaves_no_object_or_a_whole_one(sshd: Sshd) -> None:
    storage = at(sshd.url())
    storage.put("first", b"x")
    data = {f"packs/{n % 4}/{n}": Random(n).randbytes(4 * MIB) for n in range(24)}
    done: list[str] = []

    def put(name: str) -> None:
        try:
            storage.put(name, data[name])
            done.append(name)
        except UnavailableError:
            pass

    with ThreadPoolExecutor(4) as pool:
        for name in data:
            pool.submit(put, name)
        while len(done) < 3:
            time.sleep(0.001)
        sshd.kill()
    sshd.start()
    found = listed(storage, "packs/")
    assert set(done) <= set(found) < set(data)
    for name in found:
        assert storage.get(name) == data[name]
    for name, content in data.items():
        storage.put(name, content)
    assert listed(storage, "packs/") == {name: len(content) for name, content in data.items()}


def test_a_server_that_hangs_is_not_waited_for_long(sshd: Sshd) -> None:
    storage = at(sshd.url(), timeout=0.6)
    storage.put("a", b"x")
    sshd.send(signal.SIGSTOP)
    try:
        for use in (lambda: storage.get("a"), lambda: storage.put("b", bytes(MIB))):
            with pytest.raises(UnavailableError):
                use()
    finally:
        sshd.send(signal.SIGCONT)
    storage.put("b", b"y")
    assert storage.get("b") == b"y"


def test_a_server_that_allows_few_sessions_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sshd(tmp_path / "sshd", "MaxSessions 1") as server:
        monkeypatch.setenv("HOME", str(server.home))
        storage = at(server.url())
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: storage.put(f"a/{n}", bytes(n)), range(40)))
        assert len(listed(storage)) == 40


def test_threads_share_one_connection(sshd: Sshd) -> None:
    storage = at(sshd.url())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.put(f"a/{n}", bytes(n)), range(40)))
        assert list(pool.map(lambda n: storage.get(f"a/{n}"), range(40))) == [bytes(n) for n in range(40)]
    assert sshd.log.read_text().count("Accepted publickey") == 1


def test_a_storage_that_nobody_needs_any_more_hangs_up(sshd: Sshd) -> None:
    storage = at(sshd.url())
    storage.put("a", b"x")
    del storage
    gc.collect()
    end = time.monotonic() + 10
    while "Received disconnect" not in sshd.log.read_text():
        assert time.monotonic() < end, "the connection is still open"
        time.sleep(0.02)


@pytest.fixture
def full(sshd: Sshd) -> Iterator[Path]:
    """A disk of 8 MiB; only root can make one."""
    folder = sshd.folder / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True)
    if done.returncode:
        missing("a full disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_refuses_and_what_was_there_stays(sshd: Sshd, full: Path) -> None:
    storage = at(sshd.url(full / "vault"))
    storage.put("a", bytes(5 * MIB))
    with pytest.raises(RefusedError, match=f"no space left at .*: {5 * MIB:,} bytes were needed for b") as caught:
        storage.put("b", bytes(5 * MIB))
    assert "untouched" in caught.value.hint
    assert listed(storage) == {"a": 5 * MIB}
    assert os.listdir(full / "vault" / "tmp") == []
    storage.put("c", bytes(2 * MIB))


# Servers that are not as they should be


class _Served(asyncssh.SFTPServer):
    """A folder, with something wrong."""

    folder = ""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel, chroot=self.folder)


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SftpStorage]]:
    """A storage at a server with some methods replaced."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "served" / "vault").mkdir(parents=True)
    methods: dict[str, Any] = {}

    class Served(_Served):
        folder = str(tmp_path / "served")

    with pretending(tmp_path, Served) as url:

        def make(timeout: float = 20.0, **replaced: Any) -> SftpStorage:
            for name, method in (methods | replaced).items():
                setattr(Served, name, method)
            return at(url, timeout=timeout)

        yield make


def test_short_reads_are_finished(wrong: Callable[..., SftpStorage]) -> None:
    real = asyncssh.SFTPServer.read
    storage = wrong(read=lambda self, file, offset, size: real(self, file, offset, min(size, 5000)))
    data = Random(5).randbytes(200_000)
    storage.put("a", data)
    assert storage.get("a") == data
    assert storage.get("a", 7, 100_001) == data[7:100_008]


def test_a_slow_server_has_time_as_long_as_it_answers(wrong: Callable[..., SftpStorage]) -> None:
    real = asyncssh.SFTPServer.write

    async def slowly(self: asyncssh.SFTPServer, file: object, offset: int, data: bytes) -> int:
        await asyncio.sleep(0.25)
        return real(self, file, offset, data)

    data = Random(6).randbytes(2 * MIB)
    storage = wrong(timeout=1.0, write=slowly)
    begin = time.monotonic()
    storage.put("a", data)
    assert time.monotonic() - begin > 1.0
    assert storage.get("a") == data


def test_one_request_without_an_answer_does_not_hold_up_the_next(wrong: Callable[..., SftpStorage]) -> None:
    asked: list[bytes] = []

    async def first_never(self: asyncssh.SFTPServer, path: bytes) -> object:
        asked.append(path)
        if len(asked) == 1:
            await asyncio.sleep(1)
        return os.stat(self.map_path(path))

    storage = wrong()
    storage.put("a", b"x")
    storage = wrong(timeout=0.5, stat=first_never)
    with pytest.raises(UnavailableError, match=r"no answer for 0\.5 seconds"):
        storage.get("a")
    assert storage.get("a") == b"x"


def test_longer_reads_than_were_asked_for_are_no_data(wrong: Callable[..., SftpStorage]) -> None:
    storage = wrong(read=lambda self, file, offset, size: bytes(size + 1))
    storage.put("a", b"abc")
    with pytest.raises(MissingError, match="changed while it was read"):
        storage.get("a")


def test_an_object_that_ends_early_is_missing_not_short(wrong: Callable[..., SftpStorage]) -> None:
    real = asyncssh.SFTPServer.stat

    def longer(self: asyncssh.SFTPServer, path: bytes) -> object:
        found = asyncssh.SFTPAttrs.from_local(real(self, path))
        found.size = (found.size or 0) + 5000
        return found

    storage = wrong(stat=longer)
    storage.put("a", bytes(100_000))
    with pytest.raises(MissingError):
        storage.get("a")


def test_an_endless_object_takes_no_memory(wrong: Callable[..., SftpStorage]) -> None:
    storage = wrong(stat=lambda self, path: asyncssh.SFTPAttrs(size=2**62, permissions=stat.S_IFREG | 0o600))
    storage.put("a", b"x")
    with pytest.raises(DamageError):
        storage.get("a")


def test_endless_listings_end(wrong: Callable[..., SftpStorage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_module, "_MOST_NAMES", 1000)

    async def scandir(self: asyncssh.SFTPServer, path: bytes) -> Any:
        number = 0
        while True:
            number += 1
            yield asyncssh.SFTPName(str(number).encode(), attrs=asyncssh.SFTPAttrs(permissions=stat.S_IFREG, size=1))

    with pytest.raises(RefusedError, match="without end"):
        listed(wrong(scandir=scandir))


def test_endless_folders_end(wrong: Callable[..., SftpStorage]) -> None:
    async def scandir(self: asyncssh.SFTPServer, path: bytes) -> Any:
        yield asyncssh.SFTPName(b"deeper", attrs=asyncssh.SFTPAttrs(permissions=stat.S_IFDIR | 0o700))

    with pytest.raises(RefusedError, match="without end"):
        listed(wrong(scandir=scandir))


def test_nonsense_is_an_error_and_no_traceback(
    wrong: Callable[..., SftpStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = wrong()
    storage.put("a", b"x")
    monkeypatch.setattr(asyncssh.SFTPAttrs, "encode", lambda *_: b"\0\0\0\x01")  # a size without a size
    for use in (lambda: storage.get("a"), lambda: listed(storage)):
        with pytest.raises(UnavailableError):
            use()
    monkeypatch.undo()


def test_a_listing_that_breaks_off_is_an_error(wrong: Callable[..., SftpStorage]) -> None:
    async def scandir(self: asyncssh.SFTPServer, path: bytes) -> Any:
        yield asyncssh.SFTPName(b"one", attrs=asyncssh.SFTPAttrs(permissions=stat.S_IFREG, size=1))
        raise asyncssh.SFTPFailure("the disk is tired")

    with pytest.raises(UnavailableError, match="the disk is tired"):
        listed(wrong(scandir=scandir))


_NO, _ODD = asyncssh.SFTPPermissionDenied("no"), asyncssh.SFTPFailure("odd \x1b[31m\n words")
_CANNOT = asyncssh.SFTPOpUnsupported("no")


@pytest.mark.parametrize(
    ("method", "error", "kind"),
    [
        ("write", _NO, RefusedError),
        ("write", _ODD, UnavailableError),
        ("write", _CANNOT, RefusedError),
        ("rename", _NO, RefusedError),
        ("rename", _ODD, UnavailableError),
        ("rename", _CANNOT, RefusedError),
        ("fsync", _NO, RefusedError),
        ("fsync", _ODD, UnavailableError),
    ],
)
def test_an_object_that_could_not_be_written_is_not_there(
    wrong: Callable[..., SftpStorage], tmp_path: Path, method: str, error: Exception, kind: type[StorageError]
) -> None:
    def fail(*_: object) -> None:
        raise error

    real = getattr(asyncssh.SFTPServer, method)
    storage = wrong(**{method: fail})
    with pytest.raises(kind) as caught:
        storage.put("a", b"x")
    assert caught.value.what.isprintable()
    assert listed(storage) == {}
    assert os.listdir(tmp_path / "served" / "vault" / "tmp") == []
    storage = wrong(**{method: real})
    storage.put("a", b"x")
    assert storage.get("a") == b"x"


def test_a_server_without_fsync_is_enough(wrong: Callable[..., SftpStorage]) -> None:
    def unsupported(*_: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no")

    storage = wrong(fsync=unsupported)
    storage.put("a/b", b"x")
    assert listed(storage) == {"a/b": 1}


def test_whoever_is_interrupted_stops_the_work(wrong: Callable[..., SftpStorage]) -> None:
    begun, stopped = threading.Event(), threading.Event()

    async def slow(*_: object) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return b""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        main = threading.main_thread().ident
        threading.Thread(
            target=lambda: begun.wait(10) and not time.sleep(0.2) and signal.pthread_kill(main, signal.SIGALRM)
        ).start()
        with pytest.raises(KeyboardInterrupt):
            wait_for(slow())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stopped.wait(10)
