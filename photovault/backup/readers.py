"""Processes that read tiny files, so that the interpreter's lock is not what a backup waits for.

Reading a small file is a dozen short calls, and threads would run them one at a time.  So, once a run has met enough
small files, their batches go to two processes of this program that do nothing but read: they get the key of the part ids
and then paths through a pipe, and answer with what they read.  They end when the pipe does, whatever became of us.
Guarantee: a process that does not start, or dies, costs time only: the batch is read here.  Not guaranteed: a gain on
one core, so there they are not used.
"""

from __future__ import annotations

import marshal
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from photovault.backup.jobs import Content, contents
from photovault.crypto.keys import part_id
from photovault.model import Stamp
from photovault.photos.reading import BUFFER, NotRead, ReaderOptions, read_batch
from photovault.vault.format import PartKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any

PROCESSES = 2
_LENGTHS = struct.Struct("<II")  # of the message and of the bytes after it
_CALL = "from photovault.backup.readers import serve; serve()"


class Readers:
    """The processes, started when they are first needed; a context manager that ends them."""

    def __init__(self, id_key: bytes, *, xattrs: bool) -> None:
        """Read with the key of the part ids (32 bytes)."""
        self._first = (id_key, xattrs)
        self._options = options(id_key, xattrs=xattrs)
        self._idle: SimpleQueue[_Process | None] = SimpleQueue()
        self._all: list[_Process] = []

    def __enter__(self) -> Self:
        """Use them."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes."""
        for process in self._all:
            process.end()

    def start(self) -> None:
        """Start the processes.  For the owner's thread, once."""
        for _ in range(PROCESSES):
            with suppress(OSError, ValueError):
                self._all.append(_Process(self._first))
                self._idle.put(self._all[-1])
        if not self._all:
            self._idle.put(None)

    def read(self, paths: Sequence[bytes], buffer: memoryview) -> list[Content | NotRead]:
        """As ``contents(read_batch(...))``, in one of the processes.  For workers."""
        process = self._idle.get()
        try:
            if process is not None:
                return process.read(paths, buffer)
        except (OSError, EOFError, ValueError):
            process = None  # it is gone
        finally:
            self._idle.put(process)
        return contents(read_batch(paths, buffer, self._options))


class _Process:
    """One process and the pipes to it."""

    def __init__(self, first: tuple[bytes, bool]) -> None:
        self._child = subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-c", _CALL],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        _send(_there(self._child.stdin), first)

    def read(self, paths: Sequence[bytes], buffer: memoryview) -> list[Content | NotRead]:
        _send(_there(self._child.stdin), list(paths))
        return [
            NotRead(why=one[0], grown=one[1]) if len(one) == len(_Failed._fields) else _content(one)
            for one in _receive(_there(self._child.stdout), buffer)
        ]

    def end(self) -> None:
        with suppress(OSError):
            _there(self._child.stdin).close()
        _there(self._child.stdout).close()
        self._child.wait()


class _Failed(NamedTuple):
    why: str
    grown: bool


def _content(values: tuple[Any, ...]) -> Content:
    return Content(Stamp._make(values[0]), *values[1:])


def _there(pipe: Any) -> Any:  # noqa: ANN401 - what Popen opened because it was told to
    return pipe


def options(id_key: bytes, *, xattrs: bool) -> ReaderOptions:
    """How files are read, given the key of the part ids."""
    return ReaderOptions(lambda data: part_id(id_key, PartKind.CONTENT, data), xattrs)


def serve() -> None:
    """Be one of the processes: read what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    buffer = memoryview(bytearray(BUFFER))
    with suppress(EOFError, BrokenPipeError):
        id_key, xattrs = _receive(questions, buffer)
        how = options(id_key, xattrs=xattrs)
        while True:
            found = contents(read_batch(_receive(questions, buffer), buffer, how))
            used = sum(one.stamp.size for one in found if isinstance(one, Content))
            _send(answers, [_plain(one) for one in found], buffer[:used])


def _plain(one: Content | NotRead) -> tuple[Any, ...]:
    """Without the names of the fields, which marshal does not know."""
    if isinstance(one, NotRead):
        return (one.why, one.grown)
    return (tuple(one.stamp), one.entry, tuple(map(tuple, one.pieces)), one.unsettled)


def _send(pipe: BinaryIO, message: Any, data: memoryview = memoryview(b"")) -> None:  # noqa: ANN401, B008 - what marshal takes; it is empty
    encoded = marshal.dumps(message)
    pipe.write(_LENGTHS.pack(len(encoded), len(data)) + encoded)
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO, buffer: memoryview) -> Any:  # noqa: ANN401 - our own process sent it
    """The next message; the bytes after it go into ``buffer``.  EOFError when there is none."""
    size, more = _LENGTHS.unpack(_exactly(pipe, memoryview(bytearray(_LENGTHS.size))))
    message = marshal.loads(_exactly(pipe, memoryview(bytearray(size))))  # noqa: S302 - as above
    _exactly(pipe, buffer[:more])
    return message


def _exactly(pipe: Any, out: memoryview) -> memoryview:  # noqa: ANN401 - a buffered pipe
    done = 0
    while done < len(out):
        count = pipe.readinto(out[done:])
        if not count:
            raise EOFError
        done += count
    return out
