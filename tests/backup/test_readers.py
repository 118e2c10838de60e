"""Tiny files read by other processes: the same answers, and no loss when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from photovault.backup import readers, run
from photovault.backup.jobs import Content, contents
from photovault.backup.readers import PROCESSES, Readers, options
from photovault.photos.reading import BUFFER, NotRead, read_batch
from tests.support.devices import Computer
from tests.support.photos import library, same_tree

KEY = bytes(range(32))


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for number in range(20):
        (folder / f"IMG_20240102_0304{number:02}.xmp").write_bytes(os.urandom(number * 50))
    os.setxattr(folder / "IMG_20240102_030405.xmp", "user.note", b"\x00value")
    os.symlink("elsewhere", folder / "link.xmp")
    os.mkfifo(folder / "pipe.xmp")
    return [*(os.fsencode(path) for path in sorted(folder.iterdir())), os.fsencode(folder / "gone.xmp")]


def test_another_process_answers_as_this_one_would(paths):
    here, there = memoryview(bytearray(BUFFER)), memoryview(bytearray(BUFFER))
    expected = contents(read_batch(paths, here, options(KEY, xattrs=True)))
    with Readers(KEY, xattrs=True) as processes:
        processes.start()
        found = processes.read(paths, there)
    assert found == expected
    assert sum(isinstance(one, NotRead) for one in found) == 3
    sizes = [one.stamp.size for one in found if isinstance(one, Content)]
    assert there[: sum(sizes)] == here[: sum(sizes)] != bytes(sum(sizes))


def test_what_a_process_that_died_was_to_read_is_read_here(paths):
    expected = contents(read_batch(paths, memoryview(bytearray(BUFFER)), options(KEY, xattrs=False)))
    with Readers(KEY, xattrs=False) as processes:
        processes.start()
        for one in processes._all:
            os.kill(one._child.pid, signal.SIGKILL)
            one._child.wait()
        for _ in range(PROCESSES + 1):
            assert processes.read(paths, memoryview(bytearray(BUFFER))) == expected


def test_a_computer_that_starts_no_process_reads_here(paths, monkeypatch):
    monkeypatch.setattr(readers.sys, "executable", "/nowhere/python")
    expected = contents(read_batch(paths, memoryview(bytearray(BUFFER)), options(KEY, xattrs=True)))
    with Readers(KEY, xattrs=True) as processes:
        processes.start()
        assert processes.read(paths, memoryview(bytearray(BUFFER))) == expected


def test_processes_end_with_the_run(paths):
    with Readers(KEY, xattrs=True) as processes:
        processes.start()
        children = [one._child for one in processes._all]
        assert [child.poll() for child in children] == [None] * PROCESSES
    assert [child.returncode for child in children] == [0] * PROCESSES


def test_they_end_by_themselves_when_their_owner_is_killed(tmp_path):
    script = (
        "import os,signal\n"
        "from photovault.backup.readers import Readers\n"
        "one = Readers(bytes(32), xattrs=True)\n"
        "one.start()\n"
        "print(*[process._child.pid for process in one._all], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    children = [int(pid) for pid in done.stdout.split()]
    assert len(children) == PROCESSES
    deadline = time.monotonic() + 20
    while any(_runs(pid) for pid in children):
        assert time.monotonic() < deadline, "a reader outlived its owner"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


def test_the_vault_is_the_same_whoever_reads(tmp_path, monkeypatch):
    """The same files, keys and clock: the same objects, with and without the processes."""
    source = tmp_path / "photos"
    library(source, Random(1))
    for number in range(300):
        (source / f"note{number:03}.xmp").write_bytes(b"x" * (number + 1))
    stored, asked = [], []
    real = Readers.read
    monkeypatch.setattr(Readers, "read", lambda self, *args: asked.append(least) or real(self, *args))
    for name, least in (("here", 10**9), ("there", 10)):
        monkeypatch.setattr(run, "TINY_FILES", least)
        computer = Computer(tmp_path / name, tmp_path / f"vault-{name}")
        computer.make_vault()
        computer.backup(source)
        vault = tmp_path / f"vault-{name}"
        stored.append({path.relative_to(vault): path.read_bytes() for path in vault.rglob("*") if path.is_file()})
        computer.restore(tmp_path / f"back-{name}")
        assert same_tree(source, tmp_path / f"back-{name}" / source.name) == []
    assert stored[0] == stored[1]
    assert set(asked) == {10}
