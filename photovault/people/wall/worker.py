"""The process that finds and measures faces: pixels come over its line, boxes and vectors go back, and nothing else.

1. The host says which engine, from which files.
2. The process gives up what it can (``sandbox.enter``), keeping the right to read Python's own folders and those files.  If
   a layer is missing without which it must not work, it says so and ends.
3. It loads the engine and uses it once, so that all that it needs is loaded.
4. Then it adds the last layer: whoever tries to reach a network, start something or write a file from here on is ended by
   the kernel with SIGSYS, and the host raises an alarm.  Before, such attempts only fail.
5. For each order: read, compute, answer.  What a picture gave is forgotten with the next one.

Guarantee: an engine's error, or its lack of memory, is an answer, which names neither; nothing is printed or written; when
the line ends, so does the process.  Each picture has a ceiling of memory and CPU time.  Imports of ours: ``children.frames``,
``people.protocol``, ``people.values``, ``people.engines``, ``sandbox``, ``errors``.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from photovault import sandbox
from photovault.children.frames import Frame, frame, read_frame
from photovault.errors import PhotovaultError
from photovault.people.values import FACES_MAX, Box, EngineOrder, Seen
from photovault.people.wall.protocol import REFUSED_MAX, Limits, Opening, answering, opened, seen_in
from photovault.sandbox.ceiling import Ceiling, code_folders, go_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from photovault.people.engines.base import FaceEngine, Found

    Image = NDArray[np.uint8]

_LINE: Final = 0
_LAST: Final = "alarms"
_PIECE: Final = 1 << 20
_FILES: Final = 256
_NO_MEMORY: Final = "looking for faces in it takes too much memory"
_FAILED: Final = "the face engine failed on it"
_TOO_LARGE: Final = "it has too many pixels to look for faces"
_BLANK: Final = 256  # pixels each way of the picture that the engine is tried with
_FACE: Final = ((64.0, 64.0, 128.0, 128.0), (96.0, 112.0, 160.0, 112.0, 128.0, 136.0, 104.0, 160.0, 152.0, 160.0))


def main() -> None:
    """Serve until the line ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    order = json.loads(sys.argv[2])
    sys.path += [entry for entry in order["path"] if entry not in sys.path]
    limits = Limits(**order["limits"])
    with suppress(EOFError, OSError):
        first = opened(read_frame(_read).head)
        ceiling = Ceiling(limits.memory, libraries=limits.libraries)
        go_first()
        readable = [*code_folders(order["package"]), *first.files]
        layers = sandbox.enter(
            readable, parent=order["parent"], memory=ceiling.highest, files=_FILES, threads=True, secret=True
        )
        _work(first, layers, limits, ceiling)
    os._exit(0)


def _work(first: Opening, layers: tuple[str, ...], limits: Limits, ceiling: Ceiling) -> None:
    if not set(first.wanted) <= {*layers, _LAST}:
        _send({"protection": layers, "refused": "it is not protected", "hint": ""})
        return
    try:
        engine = _engine(first.order, first.files)
    except Exception as problem:  # noqa: BLE001 - whatever a library raises, the user is told and the process ends
        _send({"protection": layers, **_refused(problem)})
        return
    layers = (*layers, *((_LAST,) if sandbox.alarms() else ()))
    _send({"protection": layers, "key": engine.key, "dimensions": engine.dimensions, "curve": engine.curve.points})
    while True:
        asked = read_frame(_read)
        ceiling.set(limits.memory, limits.seconds)
        _send(*_answer(engine, asked, limits))


# The engine ---------------------------------------------------------------------------------------------------------


def _engine(order: EngineOrder, files: Sequence[str]) -> FaceEngine:
    """The engine, which has been used once.

    Raises:
        Exception: any, by whatever library it needs.
    """
    import numpy as np  # noqa: PLC0415 - only here is there a need for it, and in the sandbox

    from photovault.people import engines  # noqa: PLC0415 - as above
    from photovault.people.engines.base import Found  # noqa: PLC0415 - as above
    from photovault.people.engines.models import Models  # noqa: PLC0415 - as above
    from photovault.people.engines.quality import quality  # noqa: PLC0415 - as above

    engine: FaceEngine = engines.open_engine(order, Models(files=tuple(map(Path, files))))
    blank, face = np.zeros((_BLANK, _BLANK, 3), np.uint8), Found(*_FACE, 1.0)
    engine.detect(blank)
    engine.embed(blank, [face])
    quality(blank, face)
    return engine


def _refused(problem: Exception) -> dict[str, str]:
    """What the user is told: our own errors in their words; of others their kind alone."""
    if isinstance(problem, PhotovaultError):
        message, hint = str(problem), getattr(problem, "hint", "") or ""
    elif isinstance(problem, MemoryError):
        message, hint = "The face engine needs more memory than a face worker may have", ""
    else:
        message, hint = f"The face engine does not start ({type(problem).__name__})", ""
    return {"refused": message[: REFUSED_MAX // 2], "hint": hint[: REFUSED_MAX // 2]}


# Pictures -----------------------------------------------------------------------------------------------------------


def _answer(engine: FaceEngine, asked: Frame, limits: Limits) -> tuple[dict[str, Any], bytes]:
    try:
        width, height = asked.head["size"]
        if width * height > limits.pixels:
            return _without(_TOO_LARGE)
        return answering(_faces(engine, asked, _image(asked.body, width, height)))
    except MemoryError:
        return _without(_NO_MEMORY)
    except Exception as problem:  # noqa: BLE001 - a mistake of ours or a library's is an answer, not the end of the process
        return _without(_NO_MEMORY if _is_no_memory(problem) else _FAILED)


def _without(why: str) -> tuple[dict[str, Any], bytes]:
    return {"faces": [], "why": why}, b""


def _is_no_memory(problem: Exception) -> bool:
    """Libraries have errors of their own for it."""
    text = str(problem).lower()
    return "memory" in text or "bad_alloc" in text or "failed to allocate" in text


def _image(body: bytes | bytearray, width: int, height: int) -> Image:
    import numpy as np  # noqa: PLC0415 - it is loaded by now

    return np.frombuffer(body, np.uint8).reshape(height, width, 3)


def _faces(engine: FaceEngine, asked: Frame, image: Image) -> list[Seen]:
    """The faces of a picture, or those that were asked for, with their vectors."""
    from photovault.people.engines.base import Found  # noqa: PLC0415 - as above
    from photovault.people.engines.quality import quality  # noqa: PLC0415 - as above

    height, width = image.shape[:2]
    if asked.head["do"] == "embed":
        seen = [seen_in(row) for row in asked.head["faces"]]
        found = [Found(*_pixels(face, width, height), face.score) for face in seen]
    else:
        pairs = [(one, _part(one.box, width, height)) for one in engine.detect(image)]
        found = [one for one, box in pairs if box is not None][:FACES_MAX]
        boxes = [box for _, box in pairs if box is not None][:FACES_MAX]
        seen = [_seen(one, box, quality(image, one), width, height) for one, box in zip(found, boxes, strict=True)]
    if not found:
        return []
    vectors = engine.embed(image, found)
    return [face._replace(vector=_bytes(row)) for face, row in zip(seen, vectors, strict=True)]


def _seen(found: Found, box: Box, quality: float, width: int, height: int) -> Seen:
    landmarks = tuple(value / (height if at % 2 else width) for at, value in enumerate(found.landmarks))
    return Seen(box, landmarks, min(1.0, max(0.0, float(found.score))), min(1.0, max(0.0, float(quality))), b"")


def _part(box: Sequence[float], width: int, height: int) -> Box | None:
    """What of a box in pixels lies in the picture, as fractions of it; None if nothing does."""
    x, y, w, h = map(float, box)
    left, right = max(0.0, x / width), min(1.0, (x + w) / width)
    top, bottom = max(0.0, y / height), min(1.0, (y + h) / height)
    there = all(map(math.isfinite, (x, y, w, h))) and left < right and top < bottom
    return Box(left, top, right - left, bottom - top) if there else None


def _pixels(face: Seen, width: int, height: int) -> tuple[tuple[float, float, float, float], tuple[float, ...]]:
    x, y, w, h = face.box
    landmarks = tuple(value * (height if at % 2 else width) for at, value in enumerate(face.landmarks))
    return (x * width, y * height, w * width, h * height), landmarks


def _bytes(row: NDArray[np.float32]) -> bytes:
    return row.astype("<f4").tobytes()


# The line -----------------------------------------------------------------------------------------------------------


def _read(length: int) -> bytearray:
    """Exactly so many bytes; EOFError at the end."""
    data, done = bytearray(length), 0
    with memoryview(data) as view:
        while done < length:
            count = os.readv(_LINE, [view[done : done + _PIECE]])
            if not count:
                raise EOFError
            done += count
    return data


def _send(head: dict[str, Any], body: bytes = b"") -> None:
    """Send a frame."""
    rest = memoryview(frame(head, len(body)) + body)  # both are small
    while rest:
        rest = rest[os.write(_LINE, rest) :]
