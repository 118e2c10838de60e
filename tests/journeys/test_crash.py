"""Whatever interrupts a backup, at whatever moment: what was committed is whole, and the next run goes on from there."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.backup.guards import Guard
from photovault.device import run_lock
from photovault.errors import PhotovaultError, RefusedError, StorageError, UnavailableError
from photovault.storage.folder import FolderStorage
from photovault.storage.memory import MemoryStorage
from photovault.vault.slots import Secrets
from photovault.vault.vault import unlock
from tests.support.devices import WORDS, Computer
from tests.support.faults import FaultyStorage, Killed, When
from tests.support.photos import jpeg, put, same_tree
from tests.support.programs import missing
from tests.support.world import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photovault.storage.base import Storage

MB = 1_000_000
PACK = 2**24


# Faults at every put


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two full packs and a tail, so that packs, an index and a snapshot follow one another."""
    random, root = Random(7), tmp_path / "Pictures"
    put(root / "2020" / "a.jpg", jpeg(1))
    put(root / "2021" / "movie.mp4", random.randbytes(20 * MB))
    for number in range(4):
        put(root / "2022" / f"{number}.heic", random.randbytes(4 * MB))
    return root


@pytest.fixture
def begun(tmp_path: Path, photos: Path) -> tuple[Computer, MemoryStorage]:
    """A vault with one snapshot, and much that is new since then."""
    computer, storage = Computer(tmp_path / "device", "memory:"), MemoryStorage()
    computer.make_vault(storage)
    computer.backup(photos / "2020", storage=storage)
    return computer, storage


FAULTS: dict[str, tuple[Callable[[], BaseException], When]] = {
    "an error": (lambda: UnavailableError("the share is gone"), When.BEFORE),
    "an answer that is lost": (lambda: UnavailableError("no answer"), When.AFTER),
    "a kill": (Killed, When.BEFORE),
    "a kill after it": (Killed, When.AFTER),
    "half an object": (lambda: UnavailableError("the disk lied"), When.SHORT),
}


QUICK = {"a kill", "half an object"}
SLOW = [pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS if fault not in QUICK]


@pytest.mark.parametrize("fault", [*sorted(QUICK), *SLOW])
def test_a_run_that_fails_at_any_put_leaves_a_whole_vault(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], photos: Path, fault: str
) -> None:
    computer, storage = begun
    make, when = FAULTS[fault]
    clean = _clean_run(tmp_path, computer, storage, photos)
    kinds = [name.partition("/")[0] for name, _ in clean]
    assert kinds == ["packs"] * kinds.count("packs") + ["index", "snapshots"]
    assert kinds.count("packs") >= 3
    for number in range(1, len(clean) + 1):
        device, vault = _copy(tmp_path / str(number), computer), MemoryStorage()
        vault.objects = dict(storage.objects)
        failing = FaultyStorage(vault, at=number, fault=make, when=when)
        with pytest.raises((UnavailableError, Killed)):
            device.backup(photos, storage=failing)
        _finds_nothing(device, vault, but_halves=when is When.SHORT)
        _is_whole(device, vault, tmp_path / f"{number} out", photos)
        again = FaultyStorage(vault)
        report = device.backup(photos, storage=again)
        assert report.problems == ()
        _nothing_twice(vault, failing, again, clean, when)
        assert device.restore(tmp_path / f"{number} new", storage=vault).damaged == ()
        assert same_tree(tmp_path / f"{number} new" / "Pictures", photos) == []
        _finds_nothing(device, vault, but_halves=when is When.SHORT)
        shutil.rmtree(tmp_path / f"{number} new")


def _clean_run(tmp_path: Path, computer: Computer, storage: MemoryStorage, photos: Path) -> list[tuple[str, int]]:
    vault = MemoryStorage()
    vault.objects = dict(storage.objects)
    watched = FaultyStorage(vault)
    _copy(tmp_path / "clean", computer).backup(photos, storage=watched)
    return watched.puts


def _copy(folder: Path, computer: Computer) -> Computer:
    shutil.copytree(computer.folder, folder)
    return Computer(folder, computer.vault, seed="again", start=START + timedelta(hours=1))


def _finds_nothing(device: Computer, vault: Storage, *, but_halves: bool) -> None:
    """Half an object that no promise-keeping storage leaves is found as long as it is there, and costs no file."""
    findings = device.check(vault).findings
    assert len({finding.where for finding in findings}) <= but_halves
    assert not any(finding.files for finding in findings)


def _is_whole(device: Computer, vault: Storage, out: Path, photos: Path) -> None:
    """Every committed snapshot restores."""
    for number, snapshot in enumerate(device.snapshots(vault)):
        assert device.restore(out / str(number), snapshot, vault).damaged == ()
        top = out / str(number) / ("Pictures" if number else "2020")
        assert same_tree(top, photos if number else photos / "2020") == []
    shutil.rmtree(out)


def _nothing_twice(
    vault: MemoryStorage, failed: FaultyStorage, again: FaultyStorage, clean: list[tuple[str, int]], when: When
) -> None:
    """What is there is not sent again: together both runs put little more than one undisturbed run."""
    kept = [name for name, _ in failed.puts]
    assert not {name for name, _ in again.puts} & set(kept)
    packs = sum(size for name, size in clean if name.startswith("packs/"))
    stored = sum(len(data) for name, data in vault.objects.items() if name.startswith("packs/"))
    assert stored <= packs + PACK // 2, "parts were stored twice"
    if when is When.AFTER and failed.count == len(clean):  # the snapshot was there: only a new one is needed
        assert [name.partition("/")[0] for name, _ in again.puts] == ["snapshots"]


@pytest.mark.parametrize("number", range(1, 8))
def test_an_init_that_fails_can_be_repeated(tmp_path: Path, number: int) -> None:
    storage = MemoryStorage()
    computer = Computer(tmp_path / "device", "memory:")
    with suppress(UnavailableError):
        computer.make_vault(FaultyStorage(storage, at=number, fault=lambda: UnavailableError("gone")))
    if "vault.json" not in storage.objects:
        computer.make_vault(storage)
    put(tmp_path / "photos" / "a.jpg", jpeg())
    computer.backup(tmp_path / "photos", storage=storage)
    assert computer.check(storage).findings == ()
    assert unlock(storage, Secrets(words=WORDS))


def test_no_lock_is_left_and_none_is_ignored(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], photos: Path
) -> None:
    computer, storage = begun
    with pytest.raises(Killed):
        computer.backup(photos, storage=FaultyStorage(storage, at=1))
    (state,) = (computer.folder / "state" / "vaults").iterdir()
    with run_lock(state, wait=False), pytest.raises(PhotovaultError, match="another photovault run") as caught:
        computer.backup(photos, storage=storage)
    assert caught.value.exit_code == 11
    computer.backup(photos, storage=storage)


@pytest.mark.parametrize("on", ["get", "listing"])
def test_a_storage_that_fails_while_it_is_read_stops_the_run_with_its_own_error(
    tmp_path: Path, begun: tuple[Computer, MemoryStorage], photos: Path, on: str
) -> None:
    computer, storage = begun
    before = dict(storage.objects)
    number = 0
    while True:
        number += 1
        failing = FaultyStorage(storage, at=number, fault=lambda: UnavailableError("the share is gone"), on=(on,))
        try:
            computer.backup(photos / "2020", storage=failing)
        except UnavailableError:
            assert {name: storage.objects[name] for name in before} == before
        else:
            break
    assert number > 3
    assert computer.check(storage).findings == ()


# A full disk


def test_no_space_names_the_place_and_the_bytes(tmp_path: Path, photos: Path) -> None:
    vault = tmp_path / "vault"
    computer = Computer(tmp_path / "device", vault)
    computer.make_vault()
    computer.backup(photos / "2020")
    for number in (1, 3):
        full = _Full(vault, writes=number)
        with pytest.raises(RefusedError, match=r"no space left in .*/vault: [\d,]+ bytes were needed") as caught:
            computer.backup(photos, storage=full)
        assert caught.value.exit_code == 1
        assert "free space" in caught.value.hint
        assert computer.check().findings == ()
        assert os.listdir(vault / "tmp") == []
    assert computer.restore(tmp_path / "old", computer.snapshots()[0]).damaged == ()
    computer.backup(photos)
    assert computer.check().findings == ()


class _Full(FolderStorage):
    """A folder on a disk that is full after some writes: the system says so while the temporary file is written."""

    def __init__(self, root: Path, *, writes: int) -> None:
        super().__init__(root)
        self._left = writes

    def _write_temporary(self, data: bytes) -> str:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super()._write_temporary(data)


def test_a_disk_that_is_really_full(tmp_path: Path, photos: Path) -> None:
    with _small_disk(tmp_path / "disk") as disk:
        computer = Computer(tmp_path / "device", disk / "vault")
        computer.make_vault()
        first = computer.backup(photos / "2020").snapshot.id
        with pytest.raises(RefusedError, match=r"no space left in .*/disk/vault: 16,777,216 bytes were needed"):
            computer.backup(photos, allowed={Guard.SPACE})
        assert os.listdir(disk / "vault" / "tmp") == []
        assert computer.check().findings == ()
        assert computer.restore(tmp_path / "out", first).damaged == ()
        assert same_tree(tmp_path / "out" / "2020", photos / "2020") == []
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        computer.backup(photos)
        assert computer.check().findings == ()
        with pytest.raises(StorageError, match="no space left"):
            computer.restore(disk / "out")
        assert computer.restore(tmp_path / "all").damaged == ()
        assert same_tree(tmp_path / "all" / "Pictures", photos) == []


@contextmanager
def _small_disk(at: Path) -> Iterator[Path]:
    at.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "small", at], check=False, capture_output=True
    ).returncode:
        missing("mounting is not permitted here; the test above shows the same with a fault")
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


# Real processes


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line in a process of its own; what still runs at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(computer: Computer, *args: object) -> subprocess.Popen[str]:
        environ = {**os.environ, **computer.environ, "PHOTOVAULT_VAULT": computer.vault}
        command = [sys.executable, "-m", "photovault", *map(str, args)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env=environ, **pipes))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def done(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and standard error."""
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer with a vault in a folder."""
    made = Computer(tmp_path / "device", tmp_path / "vault")
    made.make_vault()
    return made


def slow(photos: Path) -> Path:
    """Some packs, and then a file that takes long to read and nothing to store."""
    random = Random(1)
    for number in range(80):  # the fifth open pack closes the first
        put(photos / f"a{number}.psd", random.randbytes(MB))
    with open(photos / "z.mp4", "wb") as file:
        file.write(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")  # what begins as a video is not searched for face data first
        file.truncate(40_000 * MB)
    return photos


def packs(computer: Computer) -> list[str]:
    with suppress(PhotovaultError):
        return [one.name for one in FolderStorage(computer.app().storage._root).listing("packs/")]
    return []


def test_kill_9_at_any_moment_loses_nothing(
    tmp_path: Path, computer: Computer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    random, photos = Random(9), tmp_path / "Pictures"
    whole: dict[str, Path] = {}
    for moment in (0.15, 0.3, 0.4, 0.5, 0.65, 0.8):
        for number in range(4):
            put(photos / f"{moment}" / f"{number}.psd", random.randbytes(6 * MB))
        process = start(computer, "backup", photos)
        time.sleep(moment)
        process.kill()
        done(process)
        assert computer.check().findings == ()
        whole |= {id_: _kept(tmp_path, photos, id_) for id_ in computer.snapshots() if id_ not in whole}
    code, err = done(start(computer, "backup", photos))
    assert (code, err) == (0, "")
    assert computer.check().findings == ()
    sent = sum(one.size for one in FolderStorage(tmp_path / "vault").listing("packs/"))
    assert sent < 6 * 24 * MB * 1.25, "what was there was sent again"
    whole[computer.snapshots()[-1]] = photos
    for snapshot in computer.snapshots():
        assert computer.restore(tmp_path / "out", snapshot).damaged == ()
        assert same_tree(tmp_path / "out" / "Pictures", whole[snapshot]) == []
        shutil.rmtree(tmp_path / "out")


def _kept(tmp_path: Path, photos: Path, name: str) -> Path:
    """The photos as they were when a snapshot was found that a killed run had finished."""
    shutil.copytree(photos, tmp_path / name, copy_function=os.link)
    for folder, _, _ in os.walk(photos):
        copy = os.path.join(tmp_path / name, os.path.relpath(folder, photos))
        shutil.copystat(folder, copy)
    return tmp_path / name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_says_so_and_the_next_goes_on(
    tmp_path: Path, computer: Computer, start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    photos = slow(tmp_path / "Pictures")
    process = start(computer, "backup", photos, "--allow", "space")
    wait_for(lambda: packs(computer))
    process.send_signal(number)
    begun = time.monotonic()
    code, err = done(process)
    assert code == 130
    hint = "what was finished stays and nothing is left half-done; run the same command again"
    assert err == f"error: cancelled\nwhat to do: {hint}\n"
    assert time.monotonic() - begun < 5
    assert computer.snapshots() == []
    assert computer.check().findings == ()
    (photos / "z.mp4").unlink()
    before = packs(computer)
    assert done(start(computer, "backup", photos)) == (0, "")
    assert set(before) < set(packs(computer))
    assert computer.check().findings == ()
    assert computer.restore(tmp_path / "out").damaged == ()
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_a_second_run_is_turned_away_or_waits(
    tmp_path: Path, computer: Computer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    photos = slow(tmp_path / "Pictures")
    first = start(computer, "backup", photos, "--allow", "space")
    wait_for(lambda: packs(computer))
    code, err = done(start(computer, "backup", photos / "a1.psd"))
    assert code == 2, "a file is no folder, and that is said before anything is locked"
    code, err = done(start(computer, "backup", photos))
    assert code == 11
    assert "another photovault run is using this vault" in err
    assert done(start(computer, "snapshots"))[0] == 0, "reading needs no lock"
    (photos / "later").mkdir()
    waiting = start(computer, "backup", photos / "later", "--all-files", "--wait")
    time.sleep(1)
    assert waiting.poll() is None
    first.send_signal(signal.SIGINT)
    assert done(first)[0] == 130
    assert done(waiting) == (0, "")
    assert computer.check().findings == ()


def test_two_devices_at_once_make_two_whole_snapshots(
    tmp_path: Path, computer: Computer, start: Callable[..., subprocess.Popen[str]]
) -> None:
    random = Random(11)
    other = Computer(tmp_path / "other device", computer.vault, seed="other")
    words = tmp_path / "words.txt"
    words.write_text(_words())
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for number in range(6):
        shared = random.randbytes(3 * MB)
        put(mine / f"{number}.psd", shared)
        put(theirs / f"copy of {number}.psd", shared)
        put(mine / f"own {number}.psd", random.randbytes(2 * MB))
        put(theirs / f"other {number}.psd", random.randbytes(2 * MB))
    runs = [start(computer, "backup", mine), start(other, "backup", theirs, "--words-file", words)]
    assert [done(run) for run in runs] == [(0, ""), (0, "")]
    for device, settings in ((computer, {}), (other, {"words_file": str(words)})):
        assert device.check(**settings).findings == ()
        first, second = device.snapshots(**settings)
        out = tmp_path / f"out of {device.folder.name}"
        for snapshot in (first, second):
            assert device.restore(out, snapshot, **settings).damaged == ()
        assert same_tree(out / "mine", mine) == []
        assert same_tree(out / "theirs", theirs) == []


def _words() -> str:
    from photovault.crypto.words import to_words

    return " ".join(to_words(WORDS))
