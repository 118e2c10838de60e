"""One child process, and the line to it.

The child is this Python with ``-I`` (no environment, no user's folders on its path), a clean environment, and nothing
open but its end of a Unix socket, over which open files can travel.  ``photovault`` is imported from where it was imported
here, and third-party libraries from where this process finds them, so a checkout works as an installation does.

Where descriptors cannot travel (Windows) the line is two pipes.

Guarantee: whatever the child does, a call here ends at its deadline (``Keeper`` kills the child) with an answer or
``GoneError``; the child ends when the line does, and Ctrl-C does not reach it.  Not guaranteed: that a child which the
kernel cannot kill (a file system that hangs) is gone when ``end`` returns.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.children.frames import Frame, ProtocolError, frame, protection, read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

CAN_PASS: Final = hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX") and hasattr(os, "pread")

_START = 60.0  # seconds, on a disk that is busy with something else
_PATIENCE = 2.0  # seconds for a killed process to be gone
_TICK = 0.1
_KEPT: Final = ("LD_LIBRARY_PATH", "SYSTEMROOT")  # without which some Pythons do not start


class Words(NamedTuple):
    """Why a child gave no answer, as a user reads it."""

    slow: str
    died: str
    closed: str
    unstarted: str


class Program(NamedTuple):
    """What a child is.

    Attributes:
        boot: its first lines of Python; see ``boot_of``.
        order: what it must know from the start, for JSON: nothing that others may not see in a list of processes.
        libraries: packages that it may import; the folders in which they are go on its path.
        words: what is said of it.
        passing: whether the line can carry open files.
        prefix: a command that starts it, in a sandbox.
    """

    boot: str
    order: dict[str, Any]
    libraries: tuple[str, ...]
    words: Words
    passing: bool = CAN_PASS
    prefix: tuple[str, ...] = ()


def boot_of(module: str) -> str:
    """The first lines of a child that is ``main`` of ``module``."""
    return (
        "import sys; sys.path.insert(0, sys.argv[1]); import photovault; del sys.path[0]; "
        f"from {module} import main; main()"
    )


class GoneError(Exception):
    """The child is gone, and the process object is of no more use.

    Attributes:
        why: in words, for what it was asked about.
    """

    def __init__(self, why: str) -> None:
        """Keep the reason."""
        super().__init__(why)
        self.why = why


class StartError(GoneError):
    """There is no child to ask."""


class Keeper:
    """A thread that kills children whose deadline has passed."""

    def __init__(self) -> None:
        """Start."""
        self._lock = threading.Lock()
        self._deadlines: dict[Process, float] = {}
        self._over = threading.Event()
        threading.Thread(target=self._keep, name="keeper of children", daemon=True).start()

    def expect(self, process: Process, seconds: float) -> None:
        """Kill ``process`` unless ``calm`` is called within ``seconds``."""
        with self._lock:
            self._deadlines[process] = time.monotonic() + seconds

    def calm(self, process: Process) -> None:
        """Its answer is there."""
        with self._lock:
            self._deadlines.pop(process, None)

    def end(self) -> None:
        """Stop."""
        self._over.set()

    def _keep(self) -> None:
        while not self._over.wait(_TICK):
            now = time.monotonic()
            with self._lock:
                for process in [one for one, deadline in self._deadlines.items() if deadline < now]:
                    del self._deadlines[process]
                    process.kill_slow()


class Process:
    """A running child; for one thread, which must outlive it (Linux ends a child with the thread that started it)."""

    def __init__(self, program: Program, keeper: Keeper) -> None:
        """Start it and wait until it is ready.

        Raises:
            StartError: it does not start.
        """
        self._program, self._keeper = program, keeper
        self._why = program.words.died
        self.jobs = 0
        self.protection: tuple[str, ...] = ()
        try:
            self._start()
        except OSError as problem:
            raise StartError(program.words.unstarted) from problem
        try:
            self._greet()
        except (EOFError, OSError, ProtocolError) as problem:
            self.end()
            raise StartError(program.words.unstarted) from problem
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def gone(self) -> bool:
        """Whether it ended by itself, while it had nothing to do."""
        return self._popen.poll() is not None

    def kill(self, why: str) -> None:
        """End it now, from any thread."""
        self._why = why
        self._popen.kill()

    def kill_slow(self) -> None:
        """End it now: its deadline has passed."""
        self.kill(self._program.words.slow)

    def end(self) -> None:
        """End it, and let go of everything."""
        self._keeper.calm(self)
        self._popen.kill()
        self._close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_PATIENCE)

    def _ended(self, seconds: float) -> int | None:
        """How it ended by itself, which may be about to happen; None if it goes on."""
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(seconds)
        return None

    # Starting ---------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """What is said first.

        Raises:
            EOFError, OSError, ProtocolError: it is no child of ours.
        """
        self.protection = protection(self._receive(_START))

    def _start(self) -> None:
        if not self._program.passing:
            self._popen = self._run(subprocess.PIPE, subprocess.PIPE)
            return
        self._line, theirs = socket.socketpair()
        try:
            self._popen = self._run(theirs.fileno(), subprocess.DEVNULL)
        except BaseException:
            self._line.close()
            raise
        finally:
            theirs.close()

    def _run(self, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        words = ["-I", "-X", "utf8", "-c", self._program.boot, os.path.dirname(package), self._order(package)]
        return subprocess.Popen(  # noqa: S603 - this Python, and words of our own
            [*self._program.prefix, sys.executable or "", *words],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.abspath(os.sep),
            close_fds=True,
            start_new_session=True,
        )

    def _order(self, package: str) -> str:
        path = [entry for entry in sys.path if os.path.isabs(entry) and self._has_libraries(entry)]
        common = {"parent": os.getpid(), "package": package, "path": path, "passing": self._program.passing}
        return json.dumps(common | self._program.order)

    def _has_libraries(self, entry: str) -> bool:
        return any(os.path.isdir(os.path.join(entry, name)) for name in self._program.libraries)

    # Speaking ---------------------------------------------------------------------------------------------------

    def _ask(self, head: dict[str, Any], body: bytes | memoryview, seconds: float, largest: int) -> Frame:
        """Its answer, of at most ``largest`` bytes, to a job of at most ``seconds``.

        Raises:
            GoneError: it has none.
        """
        try:
            self._keeper.expect(self, seconds)
            self._write(frame(head, len(body)))
            self._write(body)
            self.jobs += 1
            return self._receive(seconds, largest)
        except (EOFError, OSError, ProtocolError) as problem:
            raise GoneError(self._why) from problem

    def _pass(self, data: bytes, fds: Sequence[int]) -> None:
        """Send open files with ``data``."""
        sent = socket.send_fds(self._line, [data], fds)
        self._line.sendall(data[sent:])

    def _receive(self, seconds: float, body_max: int = 0) -> Frame:
        self._keeper.expect(self, seconds)
        try:
            return read_frame(self._read, body_max=body_max)
        finally:
            self._keeper.calm(self)

    def _read(self, length: int) -> bytes | bytearray:
        data, done = bytearray(length), 0
        with memoryview(data) as view:
            while done < length:
                count = self._line.recv_into(view[done:]) if self._program.passing else self._read_pipe(view[done:])
                if not count:
                    raise EOFError
                done += count
        return data

    def _read_pipe(self, view: memoryview) -> int:
        pipe = self._popen.stdout
        return pipe.readinto(view) if pipe is not None else 0  # type: ignore[attr-defined]

    def _write(self, data: bytes | memoryview) -> None:
        if self._program.passing:
            self._line.sendall(data)
        elif self._popen.stdin is not None:
            self._popen.stdin.write(data)
            self._popen.stdin.flush()

    def _close(self) -> None:
        if self._program.passing:
            self._line.close()
            return
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _environment() -> dict[str, str]:
    """Nothing of the user's; and libraries that would start a thread for each core start none."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | threads
