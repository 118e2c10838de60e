"""A decoder in this process, so that a test of something else starts no other: it looks, and packs in a way of its own."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from photovault.children.frames import Frame
from photovault.decoder import child
from photovault.decoder.host import Looked, Viewed
from photovault.decoder.line import File, FileOrder
from photovault.decoder.protocol import Limits, previewed, viewed
from photovault.errors import DamageError
from photovault.photos.metadata import facts_of
from photovault.sandbox import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.decoder.host import Asked

PACKED = b"packed by a test"
BROKEN = b"broken"
SECONDS = 0.05


@dataclass
class Looking:
    """Answers that are ready."""

    answers: list[Any]

    def result(self) -> list[Any]:
        return self.answers


@dataclass
class Record:
    """What all decoders of a test were asked, and how they answer."""

    looked: list[tuple[str, bool]] = field(default_factory=list)
    packed: list[int] = field(default_factory=list)
    made: int = 0
    seconds: float = SECONDS
    answer: Callable[[Asked, Looked], Looked] = lambda _, looked: looked

    @property
    def names(self) -> list[str]:
        """Of the files that were looked at."""
        return sorted(name for name, _ in self.looked)

    @property
    def thumbnails(self) -> list[str]:
        """Names of the files of which a thumbnail was asked for."""
        return sorted(name for name, thumbnail in self.looked if thumbnail)


def fake(record: Record) -> type:
    """A class that stands in for ``Decoders`` and writes into ``record``."""

    class Decoders:
        def __init__(self, **_: Any) -> None:
            record.made += 1

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        protection = LAYERS  # what is played needs no sandbox

        def close(self) -> None:
            pass

        def look(self, files: Sequence[Asked]) -> Looking:
            return Looking(_all_looked(files, record))

        def view(self, files: Sequence[Asked], edge: int) -> Looking:
            return Looking(_all_viewed(files, edge))

        def preview(self, files: Sequence[Asked], edge: int, box: Any = None) -> Looking:
            return Looking([previewed(_said(one, child._preview, (edge, box))) for one in files])

        def pack(self, jpeg: bytes | memoryview) -> bytes | None:
            record.packed.append(len(jpeg))
            packed = PACKED + zlib.compress(jpeg, 1)
            return packed if len(packed) < len(jpeg) else None

        def unpack(self, jxl: bytes | memoryview, size: int) -> bytes:
            return _unpacked(jxl, size)

    return Decoders


def _unpacked(jxl: bytes | memoryview, size: int) -> bytes:
    if bytes(jxl[: len(PACKED)]) != PACKED:
        raise DamageError("it was not packed")
    data = zlib.decompress(jxl[len(PACKED) :])
    if len(data) != size:
        raise DamageError("it has another size")
    return data


def _all_looked(files: Sequence[Asked], record: Record) -> list[Looked]:
    return [_looked(one, record) for one in files]


def _all_viewed(files: Sequence[Asked], edge: int) -> list[Viewed]:
    return [_viewed(one, edge) for one in files]


def _viewed(asked: Asked, edge: int) -> Viewed:
    """As a decoder sees it, in this process."""
    return viewed(_said(asked, child._view, edge), edge)


def _said(asked: Asked, answer: Callable[..., None], wanted: object) -> Frame:
    """What a child would say of a file."""

    class Line:
        def send(self, head: dict[str, Any], body: bytes = b"") -> None:
            self.said = Frame(json.loads(json.dumps(head)), body)

    line = Line()
    order = FileOrder(asked.size, os.fsdecode(asked.name), False)
    answer(line, File(order, lambda offset, length: os.pread(asked.fd, length, offset)), wanted, Limits())
    return line.said


def thumbnail_of(data: bytes) -> bytes:
    """The thumbnail that a file of these bytes gets."""
    return b"thumbnail " + zlib.crc32(data).to_bytes(4)


def _looked(asked: Asked, record: Record) -> Looked:
    data = os.pread(asked.fd, asked.size, 0)
    name = os.fsdecode(asked.name)
    record.looked.append((name, asked.thumbnail))
    facts = facts_of(lambda offset, length: data[offset : offset + length], len(data), name)
    looked = Looked(facts=facts)
    if asked.thumbnail and facts.kind not in {"", "xmp", "aae", "takeout"}:
        if BROKEN in data:
            looked = looked._replace(facts=replace(facts, broken="it is made so"))
        else:
            looked = looked._replace(thumbnail=thumbnail_of(data), thumbnail_seconds=record.seconds)
    return record.answer(asked, looked)
