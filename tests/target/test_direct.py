"""Past the page cache every byte arrives, too."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.target.direct import Direct
from tests.target.some import YEAR_2001, files_in, put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.target import Pending, Target


MIB = 1024 * 1024
SIZES = [0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 5 * MIB + 3]
PIECES = [1000, 4096, 300_000, MIB, 8 * MIB]


def direct_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not know O_DIRECT says so when the flag is set."""
    import fcntl

    real = fcntl.fcntl

    def refuse(fd: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(fd, command, value)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def direct_fails_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each large write half goes out, whole blocks or not, and then O_DIRECT is refused."""
    import fcntl

    write, calls = os.write, []

    def odd(fd: int, data: memoryview) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            return write(fd, data)
        calls.append(len(data))
        if len(calls) % 3 == 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return write(fd, data[: max(4096, len(data) // 2 // 4096 * 4096)])

    monkeypatch.setattr(os, "write", odd)


HOW = {
    "with O_DIRECT": lambda _: None,
    "without O_DIRECT": direct_is_refused,
    "with EINVAL in the middle": direct_fails_in_the_middle,
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", SIZES)
def test_bytes_come_out_as_they_went_in_around_blocks_and_buffers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    HOW[how](monkeypatch)
    data = Random(size).randbytes(size)
    for piece in PIECES:
        path = tmp_path / str(piece)
        with open(path, "wb", buffering=0) as file:
            direct = Direct(file.fileno())
            for at in range(0, size, piece):
                direct.write(memoryview(data)[at : at + piece])
            direct.finish()
        assert path.read_bytes() == data


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", [256 * 1024 - 1, 256 * 1024, MIB + 1, 5 * MIB + 3])
def test_a_large_file_is_restored_bit_for_bit(
    target: Target, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    HOW[how](monkeypatch)
    data = Random(size).randbytes(size)
    pending = target.begin((b"a.mp4",), size)
    for at in range(0, size, 700_001):
        pending.write(data[at : at + 700_001])
    pending.commit(mtime_ns=YEAR_2001, mode=0o600)
    assert files_in(target.root) == {"a.mp4": data}
    assert (target.root / "a.mp4").stat().st_mtime_ns == YEAR_2001


def test_large_files_at_once_in_several_threads_do_not_share_a_buffer(target: Target) -> None:
    def work(number: int) -> Pending:
        both = [target.begin((b"%d.%d" % (number, half),), 2 * MIB + number) for half in range(2)]
        for at in range(0, 2 * MIB, 500_000):  # two files of one thread, turn by turn
            for half, pending in enumerate(both):
                pending.write(bytes([number, half]) * ((min(500_000, 2 * MIB - at)) // 2))
        for pending in both:
            pending.write(bytes(number))
            pending.finish(mtime_ns=0, mode=0o600)
        return both

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(work, range(8)))
    assert target.commit_all([pending for both in batches for pending in both]) == []
    wanted = {f"{n}.{half}": bytes([n, half]) * MIB + bytes(n) for n in range(8) for half in range(2)}
    assert files_in(target.root) == wanted


def test_a_large_file_that_is_abandoned_half_way_leaves_nothing(target: Target) -> None:
    for _ in range(3):
        pending = target.begin((b"a.mp4",), 5 * MIB)
        pending.write(bytes(2 * MIB + 5))
        pending.abandon()
    assert files_in(target.root) == {}
    put(target, b"a.mp4", data=b"x" * 5 * MIB)
    assert files_in(target.root) == {"a.mp4": b"x" * 5 * MIB}
