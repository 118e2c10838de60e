"""One child process, and the line to it.

The child is this Python with ``-I`` (no environment, no user's folders on its path), a clean environment, and nothing
open but its end of a Unix socket, over which open files travel.  ``photovault`` is imported from where it was imported
here, and third-party libraries from where this process finds them, so a checkout works as an installation does.

Where descriptors cannot travel (Windows) the line is two pipes, and the child asks for the ranges that it wants to read.

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
from typing import TYPE_CHECKING, Any, Final

from photovault.decoder.protocol import (
    FILES_MAX,
    THUMBNAIL_MAX,
    Frame,
    Limits,
    Looked,
    ProtocolError,
    frame,
    looked,
    protection,
    read_frame,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.photos.looking import Asked

CAN_PASS: Final = hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX") and hasattr(os, "pread")
TOO_SLOW: Final = "it takes too long to decode"
DIED: Final = "the decoder ended on it"

_START = 60.0  # seconds, on a disk that is busy with something else
_PATIENCE = 2.0  # seconds for a killed process to be gone
_TICK = 0.1
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import photovault; del sys.path[0]; "
    "from photovault.decoder.child import main; main()"
)
_KEPT: Final = ("LD_LIBRARY_PATH", "SYSTEMROOT")  # without which some Pythons do not start
_LIBRARIES: Final = ("PIL", "pi_heif", "imagecodecs", "rawpy", "av", "numpy", "defusedxml")


class GoneError(Exception):
    """The child is gone, and the process object is of no more use.

    Attributes:
        why: in words, for the file that it had.
    """

    def __init__(self, why: str) -> None:
        """Keep the reason."""
        super().__init__(why)
        self.why = why


class StartError(GoneError):
    """There is no child to ask."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("the decoder does not start")


class Keeper:
    """A thread that kills children whose deadline has passed."""

    def __init__(self) -> None:
        """Start."""
        self._lock = threading.Lock()
        self._deadlines: dict[Process, float] = {}
        self._over = threading.Event()
        threading.Thread(target=self._keep, name="decoders", daemon=True).start()

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
                    process.kill(TOO_SLOW)


class Process:
    """A running child; for one thread, which must outlive it (Linux ends a child with the thread that started it)."""

    def __init__(self, limits: Limits, keeper: Keeper, *, passing: bool = CAN_PASS) -> None:
        """Start it and wait until it is ready.

        Raises:
            StartError: it does not start.
        """
        self._limits, self._keeper, self._passing = limits, keeper, passing
        self._why = DIED
        self.jobs = 0
        try:
            self._start()
        except OSError as problem:
            raise StartError from problem
        try:
            self.protection = protection(self._receive(_START))
        except (EOFError, OSError, ProtocolError) as problem:
            self.end()
            raise StartError from problem

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def gone(self) -> bool:
        """Whether it ended by itself, while it had nothing to do."""
        return self._popen.poll() is not None

    def look(self, files: Sequence[Asked]) -> Iterator[Looked]:
        """The answers for ``files``, in order, as they come.

        Raises:
            GoneError: at the first file that has no answer.
        """
        step = FILES_MAX if self._passing else 1
        for at in range(0, len(files), step):
            some = files[at : at + step]
            self._send_files(some)
            for file in some:
                yield self._answer(file)

    def pack(self, jpeg: bytes | memoryview) -> Frame:
        """The child's answer to a JPEG.

        Raises:
            GoneError: it has none.
        """
        return self._transform({"do": "pack"}, jpeg, len(jpeg))

    def unpack(self, jxl: bytes | memoryview, size: int) -> Frame:
        """The child's answer to a JPEG XL file that is to become ``size`` bytes.

        Raises:
            GoneError: it has none.
        """
        return self._transform({"do": "unpack", "size": size}, jxl, size)

    def kill(self, why: str) -> None:
        """End it now, from any thread."""
        self._why = why
        self._popen.kill()

    def end(self) -> None:
        """End it, and let go of everything."""
        self._keeper.calm(self)
        self._popen.kill()
        self._close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_PATIENCE)

    # Starting ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if not self._passing:
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
        command = [
            sys.executable or "",
            "-I",
            "-X",
            "utf8",
            "-c",
            _BOOT,
            os.path.dirname(package),
            self._order(package),
        ]
        return subprocess.Popen(  # noqa: S603 - this Python, and words of our own
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.abspath(os.sep),
            close_fds=True,
            start_new_session=True,
        )

    def _order(self, package: str) -> str:
        """What the child must know, as JSON: nothing that others may not see in a list of processes."""
        limits = {name: getattr(self._limits, name) for name in Limits.__slots__}
        path = [entry for entry in sys.path if os.path.isabs(entry) and _has_libraries(entry)]
        return json.dumps(
            {"parent": os.getpid(), "package": package, "path": path, "passing": self._passing, "limits": limits}
        )

    # Speaking ---------------------------------------------------------------------------------------------------

    def _send_files(self, files: Sequence[Asked]) -> None:
        rows = [[file.size, os.fsdecode(file.name), file.thumbnail] for file in files]
        data = frame({"do": "look", "files": rows})
        self._keeper.expect(self, self._limits.seconds)
        try:
            if self._passing:
                sent = socket.send_fds(self._line, [data], [file.fd for file in files])
                self._line.sendall(data[sent:])
            else:
                self._write(data)
        except OSError as problem:
            raise GoneError(self._why) from problem

    def _answer(self, file: Asked) -> Looked:
        try:
            answer = self._receive(self._limits.seconds, THUMBNAIL_MAX)
            while not self._passing and "read" in answer.head:
                self._send_range(file, *wanted(answer, file.size))
                answer = self._receive(self._limits.seconds, THUMBNAIL_MAX)
            self.jobs += 1
            return looked(answer)
        except (EOFError, OSError, ProtocolError) as problem:
            raise GoneError(self._why) from problem

    def _send_range(self, file: Asked, offset: int, length: int) -> None:
        os.lseek(file.fd, offset, os.SEEK_SET)
        data = os.read(file.fd, length)
        self._write(frame({"do": "range"}, len(data)))
        self._write(data)

    def _transform(self, head: dict[str, Any], data: bytes | memoryview, largest: int) -> Frame:
        try:
            self._keeper.expect(self, self._limits.pack_seconds)
            self._write(frame(head, len(data)))
            self._write(data)
            self.jobs += 1
            return self._receive(self._limits.pack_seconds, largest)
        except (EOFError, OSError, ProtocolError) as problem:
            raise GoneError(self._why) from problem

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
                count = self._line.recv_into(view[done:]) if self._passing else self._read_pipe(view[done:])
                if not count:
                    raise EOFError
                done += count
        return data

    def _read_pipe(self, view: memoryview) -> int:
        pipe = self._popen.stdout
        return pipe.readinto(view) if pipe is not None else 0  # type: ignore[attr-defined]

    def _write(self, data: bytes | memoryview) -> None:
        if self._passing:
            self._line.sendall(data)
        elif self._popen.stdin is not None:
            self._popen.stdin.write(data)
            self._popen.stdin.flush()

    def _close(self) -> None:
        if self._passing:
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


def _has_libraries(entry: str) -> bool:
    return any(os.path.isdir(os.path.join(entry, name)) for name in _LIBRARIES)
