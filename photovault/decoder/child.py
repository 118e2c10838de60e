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
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from photovault import sandbox
from photovault.children.frames import Frame, read_frame
from photovault.decoder.line import FileOrder, PipeLine, SocketLine, UnreadableError
from photovault.decoder.protocol import FILES_MAX, NO_MEMORY, Limits
from photovault.facts import NOTHING, VIDEO_KINDS, Facts, to_map
from photovault.photos.metadata import facts_of
from photovault.sandbox.ceiling import Ceiling, code_folders, go_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.decoder.line import File, Line
    from photovault.decoder.protocol import Box
    from photovault.decoder.thumbnails import Decoded

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
    ceiling = Ceiling(max(limits.memory, limits.pack_memory))
    go_first()
    in_force = sandbox.enter(
        code_folders(order["package"]), parent=order["parent"], memory=ceiling.highest, files=_FILES, threads=True
    )
    line.send({"protection": in_force})
    with suppress(EOFError, OSError):
        while True:
            _serve(line, read_frame(line.read), limits, ceiling)
    os._exit(0)


def _serve(line: Line, order: Frame, limits: Limits, ceiling: Ceiling) -> None:
    match order.head["do"]:
        case "look":
            for file in [line.file(FileOrder(*row)) for row in order.head["files"]]:
                ceiling.set(limits.memory, limits.seconds)
                _look(line, file, limits)
        case "view":
            for file in [line.file(FileOrder(*row)) for row in order.head["files"]]:
                ceiling.set(limits.memory, limits.seconds)
                _view(line, file, order.head["edge"], limits)
        case "preview":
            for file in [line.file(FileOrder(*row)) for row in order.head["files"]]:
                ceiling.set(limits.memory, limits.seconds)
                _preview(line, file, (order.head["edge"], order.head["box"]), limits)
        case "pack":
            ceiling.set(limits.pack_memory, limits.pack_seconds)
            _pack(line, order.body, limits)
        case "unpack":
            ceiling.set(limits.pack_memory, limits.pack_seconds)
            _unpack(line, order.body)


# Orders -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Answer:
    """What is known of a file so far, so that what comes later costs nothing of it when it fails."""

    facts: Facts = NOTHING
    body: bytes = b""
    size: tuple[int, int, int, int] = (0, 0, 0, 0)
    lacks: str = ""
    began: float = field(default_factory=time.process_time)


def _look(line: Line, file: File, limits: Limits) -> None:
    answer = _Answer()
    why = _tried(file, answer, lambda: _thumbnail(file, answer, limits) if file.thumbnail else "")
    seconds = time.process_time() - answer.began if file.thumbnail else 0.0
    line.send({"facts": to_map(answer.facts), "seconds": seconds, "why": why, "lacks": answer.lacks}, answer.body)


def _view(line: Line, file: File, edge: int, limits: Limits) -> None:
    answer = _Answer()
    why = _tried(file, answer, lambda: _seen(file, answer, edge, limits))
    line.send({"facts": to_map(answer.facts), "size": answer.size, "why": why}, answer.body)


def _preview(line: Line, file: File, wanted: tuple[int, Box | None], limits: Limits) -> None:
    answer = _Answer()
    why = _tried(file, answer, lambda: _shown(file, answer, wanted, limits))
    line.send({"facts": to_map(answer.facts), "why": why, "lacks": answer.lacks}, answer.body)


def _tried(file: File, answer: _Answer, work: Callable[[], str]) -> str:
    """Facts, then ``work``; what it says, or why it failed."""
    try:
        answer.facts = facts_of(file.read_at, file.size, file.name)
        answer.began = time.process_time()
        return work()
    except MemoryError:
        return NO_MEMORY
    except UnreadableError:
        return _UNREADABLE
    except Exception:  # noqa: BLE001 - a mistake of ours or a library's is an answer, not the end of the process
        return _FAILED
    finally:
        file.close()


def _thumbnail(file: File, answer: _Answer, limits: Limits) -> str:
    from photovault.decoder import thumbnails

    def make() -> None:
        decoded = _decoded(file, answer, limits, thumbnails.EDGE)
        picture = thumbnails.made_of(decoded)
        answer.body, answer.facts = picture.webp, replace(answer.facts, phash=picture.phash)

    return _made(answer, make)


def _seen(file: File, answer: _Answer, edge: int, limits: Limits) -> str:
    from photovault.decoder import thumbnails

    def make() -> None:
        if answer.facts.kind in VIDEO_KINDS:
            return
        decoded = _decoded(file, answer, limits, edge)
        image = thumbnails.upright(decoded, edge)
        answer.size, answer.body = (*image.size, *thumbnails.full_size(decoded, image)), image.tobytes()

    return _made(answer, make)


def _shown(file: File, answer: _Answer, wanted: tuple[int, Box | None], limits: Limits) -> str:
    from photovault.decoder import thumbnails

    def make() -> None:
        decoded = _decoded(file, answer, limits, thumbnails.edge_of_whole(*wanted))
        answer.body = thumbnails.preview_of(decoded, *wanted)

    return _made(answer, make)


def _decoded(file: File, answer: _Answer, limits: Limits, edge: int) -> Decoded:
    from photovault.decoder import pictures

    return pictures.picture(file.read_at, file.size, answer.facts, limits.pixels, edge)


def _made(answer: _Answer, make: Callable[[], None]) -> str:
    """Why there is no picture; a broken one is a fact."""
    from photovault.decoder import pictures

    try:
        make()
    except pictures.BrokenError as problem:
        answer.facts = replace(answer.facts, broken=str(problem))
    except pictures.CannotError as problem:
        answer.lacks = problem.lacks
        return str(problem)
    return ""


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
