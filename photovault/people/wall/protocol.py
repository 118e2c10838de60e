"""What the host and a face worker say to each other, in ``children.frames``.

The host sends ``open`` (which engine, from which files), then ``find`` (a picture) and ``embed`` (a picture, and faces in
it that are to be measured anew).  The worker first says what protects it, or why it cannot work; then it gives
one answer for each picture: rows of a box, a score, a quality and landmarks, and after them the vectors as bytes.

Guarantee: the host believes nothing.  Numbers that are none, infinities, boxes outside the picture, vectors of another
length, more faces than a photo may have, or another number than was asked for, are a ``ProtocolError``, whose
text says nothing of them.  Not guaranteed: that well-formed faces are there; a worker that a photo has taken over can
lie about the photos after it.  Pure.
"""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.children.frames import Frame, ProtocolError, protection
from photovault.people.values import FACES_MAX, Box, Curve, EngineOrder, ModelOrder, Picture, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTOR_BYTES_MAX: Final = 4 * 4096 * FACES_MAX
WHY_MAX: Final = 256
REFUSED_MAX: Final = 2000
_DIMENSIONS_MAX: Final = 4096
_KEY_MAX: Final = 200
_POINTS_MAX: Final = 64
_LANDMARKS: Final = 10  # numbers: five points
_FAR: Final = 1.0  # by how much of the picture a landmark may lie outside: that of a face at the edge does
_LARGEST: Final = 1e4  # of the numbers in a vector
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one picture may cost.

    Attributes:
        memory: bytes by which a worker may grow for a picture.
        seconds: wall time for a picture, and nearly the CPU time too.
        pixels: larger pictures are not looked at.
        libraries: bytes of address space that an engine may take to load.
        start: seconds that this may last.
    """

    memory: int = 1 << 29
    seconds: float = 30.0
    pixels: int = 30_000_000
    libraries: int = 3 << 30
    start: float = 60.0


class Answer(NamedTuple):
    """What a worker found in a picture: its faces, or why there is no answer."""

    faces: tuple[Seen, ...] = ()
    why: str = ""


class Hello(NamedTuple):
    """What a worker says of itself.

    Attributes:
        key: which vectors its own can be compared with.
        dimensions: numbers in a vector.
        curve: how far two faces of one person may be from each other.
        protection: the layers of the sandbox that are in force.
    """

    key: str
    dimensions: int
    curve: Curve
    protection: tuple[str, ...]


class Refused(NamedTuple):
    """Why a worker cannot work: what to tell the user, and what he can do; and the layers that are in force."""

    message: str
    hint: str
    protection: tuple[str, ...]


# What the host sends ------------------------------------------------------------------------------------------------


class Opening(NamedTuple):
    """What a worker is told first.

    Attributes:
        order: which engine.
        files: those of its model.
        wanted: the layers of the sandbox without which it must not load it.
    """

    order: EngineOrder
    files: tuple[str, ...]
    wanted: tuple[str, ...]


def opening(first: Opening) -> dict[str, Any]:
    """The head of ``open``."""
    return {"do": "open", "engine": asdict(first.order), "files": first.files, "wanted": first.wanted}


def opened(head: dict[str, Any]) -> Opening:
    """What ``opening`` made, for the worker, which believes its host."""
    engine = dict(head["engine"])
    model = engine.pop("model")
    order = EngineOrder(**engine, model=None if model is None else ModelOrder(**model))
    return Opening(order, tuple(head["files"]), tuple(head["wanted"]))


def finding(picture: Picture) -> dict[str, Any]:
    """The head of ``find``; the pixels are its body."""
    return {"do": "find", "size": [picture.width, picture.height]}


def embedding(picture: Picture, faces: Sequence[Seen]) -> dict[str, Any]:
    """The head of ``embed``; the pixels are its body."""
    rows = [[*face.box, face.score, face.quality, *face.landmarks] for face in faces]
    return finding(picture) | {"do": "embed", "faces": rows}


# What the worker answers --------------------------------------------------------------------------------------------


def answering(faces: Sequence[Seen]) -> tuple[dict[str, Any], bytes]:
    """Head and body of the answer for a picture."""
    rows = [[*face.box, face.score, face.quality, *face.landmarks] for face in faces]
    return {"faces": rows, "why": ""}, b"".join(face.vector for face in faces)


def hello(said: Frame) -> Hello | Refused:
    """The first frame of a worker.

    Raises:
        ProtocolError: it is none.
    """
    layers = protection(said)
    match said.head:
        case {"refused": str(message), "hint": str(hint)} if len(message) + len(hint) <= REFUSED_MAX:
            return Refused(_printable(message), _printable(hint), layers)
        case {"key": str(key), "dimensions": int(dimensions), "curve": list(points)} if (
            0 < len(key) <= _KEY_MAX and key.isprintable() and 0 < dimensions <= _DIMENSIONS_MAX
        ):
            return Hello(key, dimensions, _curve(points), layers)
        case _:
            raise ProtocolError


def answer(said: Frame, dimensions: int, *, faces: Sequence[Seen] | None = None) -> Answer:
    """The answer for a picture.

    Args:
        said: what the worker said.
        dimensions: numbers in a vector.
        faces: those that were to be measured anew; they stay where they were, whatever the worker says.

    Raises:
        ProtocolError: it is none.
    """
    rows, why = said.head.get("faces"), said.head.get("why")
    if not isinstance(rows, list) or not isinstance(why, str) or len(why) > WHY_MAX or len(rows) > FACES_MAX:
        raise ProtocolError
    if why:
        if rows or said.body:
            raise ProtocolError
        return Answer(why=_printable(why))
    vectors = _vectors(bytes(said.body), len(rows), dimensions)
    if faces is None:
        return Answer(tuple(_seen(row, vector) for row, vector in zip(rows, vectors, strict=True)))
    if len(rows) != len(faces):
        raise ProtocolError
    return Answer(tuple(face._replace(vector=vector) for face, vector in zip(faces, vectors, strict=True)))


def seen_in(row: Sequence[float], vector: bytes = b"") -> Seen:
    """A face from the row that ``embedding`` made of it."""
    return Seen(Box(*row[:4]), tuple(row[6:]), row[4], row[5], vector)


def _seen(row: object, vector: bytes) -> Seen:
    if not isinstance(row, list) or len(row) not in {6, 6 + _LANDMARKS} or not all(map(_is_number, row)):
        raise ProtocolError
    face = seen_in([float(value) for value in row], vector)
    x, y, w, h = face.box
    inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 1 + _ROUNDING and y + h <= 1 + _ROUNDING
    sure = 0 <= face.score <= 1 and 0 <= face.quality <= 1
    near = all(-_FAR <= value <= 1 + _FAR for value in face.landmarks)
    if not (inside and sure and near):
        raise ProtocolError
    return face


def _vectors(body: bytes, count: int, dimensions: int) -> list[bytes]:
    step = 4 * dimensions
    if len(body) != count * step:
        raise ProtocolError
    numbers = array("f", body)
    if sys.byteorder == "big":
        numbers.byteswap()
    if not math.isfinite(sum(numbers)) or any(abs(number) > _LARGEST for number in numbers):
        raise ProtocolError
    return [body[at : at + step] for at in range(0, len(body), step)]


def _curve(points: list[object]) -> Curve:
    read: list[tuple[int, float]] = []
    for point in points:
        match point:
            case [int(faces), (int() | float()) as distance] if (
                _is_number(faces) and _is_number(distance) and faces > (read[-1][0] if read else 0) and distance > 0
            ):
                read.append((faces, float(distance)))
            case _:
                raise ProtocolError
    if not 0 < len(read) <= _POINTS_MAX:
        raise ProtocolError
    return Curve(tuple(read))


def _is_number(value: object) -> bool:
    """Neither true nor false, which Python counts as numbers; nor too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.maxsize if isinstance(value, int) else math.isfinite(value)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
