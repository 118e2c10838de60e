"""The process that decodes: it reads orders from its line and answers, and that is all it can do.

It first gives up what it can (``sandbox``), keeping the right to read Python's own folders, so that a library is
imported when the first file needs it.  Facts need none.  Then, for each order: read, compute, answer.

Guarantee: a library's error, or its lack of memory, is an answer; nothing is printed or written; when the line ends, so
does the process.  Each job has a ceiling of memory and CPU time that kills the process where a library ignores it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import sysconfig
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from photovault.decoder import sandbox
from photovault.decoder.line import FileOrder, PipeLine, SocketLine, UnreadableError
from photovault.decoder.protocol import FILES_MAX, NO_MEMORY, Frame, Limits, read_frame
from photovault.facts import NOTHING, Facts, to_map
from photovault.photos.metadata import facts_of

if TYPE_CHECKING:
    from photovault.decoder.line import File, Line

try:
    import resource
except ImportError:  # Windows
    _CAN_LIMIT = False
else:
    _CAN_LIMIT = True

_LIBRARY_FOLDERS: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/dev/null",
)
_FOR_LIBRARIES: Final = 1 << 30  # bytes of address space that imports may take
_FILES: Final = 4 * FILES_MAX
_UNREADABLE: Final = "it cannot be read"
_FAILED: Final = "the decoder failed on it"


def main() -> None:
    """Serve until the line ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    order = json.loads(sys.argv[2])
    sys.path += [entry for entry in order["path"] if entry not in sys.path]
    limits = Limits(**order["limits"])
    line: Line = SocketLine() if order["passing"] else PipeLine(sys.stdin.buffer, sys.stdout.buffer)
    ceiling = Ceiling(limits)
    _go_first()
    in_force = sandbox.enter(
        _readable(order["package"]), parent=order["parent"], memory=ceiling.highest, files=_FILES, threads=True
    )
    line.send({"protection": in_force})
    with suppress(EOFError, OSError):
        while True:
            _serve(line, read_frame(line.read), limits, ceiling)
    os._exit(0)


def _go_first() -> None:
    """Where memory runs out, let the system end this process and not the one that makes a backup."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _readable(package: str) -> list[str]:
    """Where code may be imported from after the start."""
    paths = sysconfig.get_paths()
    standard = [paths["stdlib"], paths["platstdlib"], os.path.join(sys.base_exec_prefix, "lib")]
    return [package, *standard, *(entry for entry in sys.path if os.path.isabs(entry)), *_LIBRARY_FOLDERS]


def _serve(line: Line, order: Frame, limits: Limits, ceiling: Ceiling) -> None:
    match order.head["do"]:
        case "look":
            for file in [line.file(FileOrder(*row)) for row in order.head["files"]]:
                ceiling.set(limits.memory, limits.seconds)
                _look(line, file, limits)
        case "pack":
            ceiling.set(limits.pack_memory, limits.pack_seconds)
            _pack(line, order.body, limits)
        case "unpack":
            ceiling.set(limits.pack_memory, limits.pack_seconds)
            _unpack(line, order.body)


# Orders -------------------------------------------------------------------------------------------------------------


def _look(line: Line, file: File, limits: Limits) -> None:
    facts, picture, why, lacks = NOTHING, b"", "", ""
    began = time.process_time()
    try:
        facts = facts_of(file.read_at, file.size, file.name)
        began = time.process_time()
        if file.thumbnail:
            facts, picture, why, lacks = _picture(file, facts, limits)
    except MemoryError:
        why = NO_MEMORY
    except UnreadableError:
        why = _UNREADABLE
    except Exception:  # noqa: BLE001 - a mistake of ours or a library's is an answer, not the end of the process
        why = _FAILED
    finally:
        file.close()
    seconds = time.process_time() - began if file.thumbnail else 0.0
    line.send({"facts": to_map(facts), "seconds": seconds, "why": why, "lacks": lacks}, picture)


def _picture(file: File, facts: Facts, limits: Limits) -> tuple[Facts, bytes, str, str]:
    from photovault.decoder import pictures, thumbnails

    try:
        picture = thumbnails.made_of(pictures.picture(file.read_at, file.size, facts, limits.pixels))
    except pictures.BrokenError as problem:
        return replace(facts, broken=str(problem)), b"", "", ""
    except pictures.CannotError as problem:
        return facts, b"", str(problem), problem.lacks
    return replace(facts, phash=picture.phash), picture.webp, "", ""


def _pack(line: Line, jpeg: bytes | bytearray, limits: Limits) -> None:
    from photovault.decoder import jxl

    try:
        packed = jxl.pack(bytes(jpeg), limits.pack_pixels)
    except MemoryError:
        packed = b""
    line.send({"packed": bool(packed)}, packed)


def _unpack(line: Line, packed: bytes | bytearray) -> None:
    from photovault.decoder import jxl

    if not jxl.there():
        line.send({"missing": True})
        return
    try:
        jpeg = jxl.unpack(bytes(packed))
    except MemoryError:
        jpeg = b""
    line.send({"unpacked": bool(jpeg)}, jpeg)


# Ceilings -----------------------------------------------------------------------------------------------------------


class Ceiling:
    """How far this process may grow and how long it may compute; set anew for each job, from where it is then."""

    def __init__(self, limits: Limits) -> None:
        """Before the sandbox, which would refuse the file that says how large the process is."""
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            self._statm = -1
        self._largest = max(limits.memory, limits.pack_memory)
        self.highest = self._now() + self._largest + _FOR_LIBRARIES

    def set(self, memory: int, seconds: float) -> None:
        """Allow ``memory`` bytes and ``seconds`` of CPU time more than now."""
        if not _CAN_LIMIT:
            return
        with suppress(OSError, ValueError):
            _lower(resource.RLIMIT_AS, min(self.highest, self._now() + memory))
        with suppress(OSError, ValueError):
            _lower(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 2)

    def _now(self) -> int:
        """Bytes of address space that are taken."""
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 64, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard < 0 else min(value, hard), hard))
