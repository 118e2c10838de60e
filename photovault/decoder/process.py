"""One decoder, and the orders that it takes; see ``children.process`` for how it is started and ends.

Where open files cannot travel (Windows), the child asks for the ranges that it wants to read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from photovault.children.frames import Frame, ProtocolError, frame
from photovault.children.process import CAN_PASS, GoneError, Keeper, Process, Program, StartError, Words, boot_of
from photovault.decoder.protocol import (
    FILES_MAX,
    PREVIEW_MAX,
    THUMBNAIL_MAX,
    Box,
    Limits,
    Looked,
    Previewed,
    Viewed,
    looked,
    previewed,
    viewed,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from photovault.photos.looking import Asked

    Row = list[Any]

__all__ = ["CAN_PASS", "DIED", "TOO_SLOW", "WORDS", "Decoder", "GoneError", "Keeper", "StartError"]

_Seen = TypeVar("_Seen")
TOO_SLOW: Final = "it takes too long to decode"
DIED: Final = "the decoder ended on it"
WORDS: Final = Words(TOO_SLOW, DIED, "the decoders were closed", "the decoder does not start")

_BOOT: Final = boot_of("photovault.decoder.child")
_LIBRARIES: Final = ("PIL", "pi_heif", "imagecodecs", "rawpy", "av", "numpy", "defusedxml")


class Decoder(Process):
    """A running decoder."""

    def __init__(self, limits: Limits, keeper: Keeper, *, passing: bool = CAN_PASS) -> None:
        """Start it and wait until it is ready.

        Raises:
            StartError: it does not start.
        """
        self._limits, self._passing = limits, passing
        order = {"limits": {name: getattr(limits, name) for name in Limits.__slots__}}
        super().__init__(Program(_BOOT, order, _LIBRARIES, WORDS, passing), keeper)

    def look(self, files: Sequence[Asked]) -> Iterator[Looked]:
        """The answers for ``files``, in order, as they come.

        Raises:
            GoneError: at the first file that has no answer.
        """
        rows = [[file.size, os.fsdecode(file.name), file.thumbnail] for file in files]
        return self._answers({"do": "look"}, files, rows, THUMBNAIL_MAX, looked)

    def view(self, files: Sequence[Asked], edge: int) -> Iterator[Viewed]:
        """The pictures in ``files``, at most ``edge`` pixels wide and high, in order, as they come.

        Raises:
            GoneError: at the first file that has no answer.
        """
        rows = [[file.size, os.fsdecode(file.name), False] for file in files]
        head = {"do": "view", "edge": edge}
        return self._answers(head, files, rows, 3 * edge * edge, lambda answer: viewed(answer, edge))

    def preview(self, files: Sequence[Asked], edge: int, box: Box | None) -> Iterator[Previewed]:
        """The pictures in ``files`` as WebP, as ``Decoders.preview``, in order, as they come.

        Raises:
            GoneError: at the first file that has no answer.
        """
        rows = [[file.size, os.fsdecode(file.name), False] for file in files]
        return self._answers({"do": "preview", "edge": edge, "box": box}, files, rows, PREVIEW_MAX, previewed)

    def pack(self, jpeg: bytes | memoryview) -> Frame:
        """The child's answer to a JPEG.

        Raises:
            GoneError: it has none.
        """
        return self._ask({"do": "pack"}, jpeg, self._limits.pack_seconds, len(jpeg))

    def unpack(self, jxl: bytes | memoryview, size: int) -> Frame:
        """The child's answer to a JPEG XL file that is to become ``size`` bytes.

        Raises:
            GoneError: it has none.
        """
        return self._ask({"do": "unpack", "size": size}, jxl, self._limits.pack_seconds, size)

    # Files ------------------------------------------------------------------------------------------------------

    def _answers(
        self,
        head: dict[str, Any],
        files: Sequence[Asked],
        rows: Sequence[Row],
        largest: int,
        read: Callable[[Frame], _Seen],
    ) -> Iterator[_Seen]:
        step = FILES_MAX if self._passing else 1
        for at in range(0, len(files), step):
            some = files[at : at + step]
            self._send_files(frame(head | {"files": rows[at : at + step]}), some)
            for file in some:
                yield self._answer(file, largest, read)

    def _send_files(self, data: bytes, files: Sequence[Asked]) -> None:
        self._keeper.expect(self, self._limits.seconds)
        try:
            if self._passing:
                self._pass(data, [file.fd for file in files])
            else:
                self._write(data)
        except OSError as problem:
            raise GoneError(self._why) from problem

    def _answer(self, file: Asked, largest: int, read: Callable[[Frame], _Seen]) -> _Seen:
        try:
            answer = self._receive(self._limits.seconds, largest)
            while not self._passing and "read" in answer.head:
                self._send_range(file, *wanted(answer, file.size))
                answer = self._receive(self._limits.seconds, largest)
            self.jobs += 1
            return read(answer)
        except (EOFError, OSError, ProtocolError) as problem:
            raise GoneError(self._why) from problem

    def _send_range(self, file: Asked, offset: int, length: int) -> None:
        os.lseek(file.fd, offset, os.SEEK_SET)
        data = os.read(file.fd, length)
        self._write(frame({"do": "range"}, len(data)))
        self._write(data)
