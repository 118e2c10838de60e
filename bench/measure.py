"""Run one command and say what it cost: wall time, processor time, peak memory, bytes and objects stored.

Times come from the kernel (wait4 counts the child and every descendant that it waited for). Peak memory is the larger
of the largest single process (ru_maxrss) and, for trees of processes on Linux, the largest sum of the proportional set
sizes, looked at twenty times a second. Before the clock starts everything dirty is written out, so that no tool pays
for the one before it.

The peak of the first process alone is what the kernel noted (VmHWM), at the last of those looks.

Not guaranteed: memory of a process that lives less than the time between two looks; a ru_maxrss below that of this
process, which a child inherits (some 20 to 40 MB).
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LOOK_EVERY_S = 0.05
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kilobytes elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One call of a tool: what to run, and in which folder."""

    argv: tuple[str, ...]
    cwd: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command cost: seconds on the clock, seconds of processor (user and system), peak memory in bytes.

    `peak_bytes` is of all its processes together, `main_bytes` of the first one alone, 0 where there is no /proc.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    main_bytes: int = 0


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


class CommandFailedError(BenchError):
    """A tool ended with an exit code other than 0; the message holds the command and the end of its output."""


def timed(command: Command, env: Mapping[str, str], log: Path, *, until_written: bool = False) -> Cost:
    """Run the command with its output in the file `log`; `until_written`: the clock stops when the disks have it all.

    Raises:
        CommandFailedError: it ended with another exit code than 0.
        OSError: it could not be started.

    """
    os.sync()
    with log.open("wb") as output:
        began = time.perf_counter()
        child = subprocess.Popen(
            command.argv, cwd=command.cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        with _TreeWatch(child.pid) as watch:
            _, status, used = os.wait4(child.pid, 0)
            if until_written:
                os.sync()
        wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        end = log.read_text(errors="replace")[-4_000:]
        message = f"exit code {child.returncode} from: {' '.join(command.argv)}\n{end}"
        raise CommandFailedError(message)
    peak = max(used.ru_maxrss * RSS_UNIT, watch.peak_bytes)
    cpu = used.ru_utime + used.ru_stime
    return Cost(wall_s=wall, cpu_s=cpu, peak_bytes=peak, main_bytes=watch.main_bytes)


def stored(folder: Path) -> tuple[int, int]:
    """Return the bytes (as the files' lengths) and the number of files below `folder`."""
    sizes = [Path(parent, name).stat().st_size for parent, _, names in os.walk(folder) for name in names]
    return sum(sizes), len(sizes)


def warm(folder: Path) -> None:
    """Read every file below `folder`, so that the page cache holds it as far as the memory reaches."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with Path(parent, name).open("rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def cool(folder: Path) -> None:
    """Let the page cache forget every file below `folder`, as after a restart; needs no rights, and Linux."""
    os.sync()
    for parent, _, names in os.walk(folder):
        for name in names:
            with Path(parent, name).open("rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_write_speed(folder: Path, size: int) -> float:
    """Return how many bytes a second the disk of `folder` takes, written in order and synced: the floor of a backup."""
    block = os.urandom(1 << 20)
    os.sync()
    probe = folder / "disk-probe"
    began = time.perf_counter()
    with probe.open("wb") as file:
        for _ in range(max(1, size >> 20)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    taken = time.perf_counter() - began
    probe.unlink()
    return max(1, size >> 20) * (1 << 20) / taken


def say(text: str) -> None:
    """Tell the user how far the benchmark is."""
    print(text, file=sys.stderr, flush=True)


class _TreeWatch:
    """Look at a process and its descendants until closed; keeps the largest sum of memory of two or more of them."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = self.main_bytes = 0
        self._pid, self._done = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK_EVERY_S):
            self.main_bytes = max(self.main_bytes, peak_of(self._pid))
            tree = list(_descendants(self._pid))
            if len(tree) > 1:  # of a lone process the kernel itself knows the peak
                self.peak_bytes = max(self.peak_bytes, sum(map(_proportional_bytes, tree)))


def _descendants(pid: int) -> Iterator[int]:
    """Yield the process and all below it; nothing of those that have just ended, nothing where there is no /proc."""
    yield pid
    try:
        lists = [children.read_text().split() for children in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has just ended
        return
    for child in (child for below in lists for child in below):
        yield from _descendants(int(child))


def _proportional_bytes(pid: int) -> int:
    """Return the memory of a process with shared pages split among their users, 0 if it has ended."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


def peak_of(pid: int) -> int:
    """Return the most memory that a process ever had, 0 if it has ended or there is no /proc."""
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmHWM:"))
