"""Making JPEGs smaller on their way into the vault: a second stage between reading and storing.

The owner takes what was read, in the order of the jobs, and picks the pictures of JPEGs of which nothing is in the vault;
workers have each made into JPEG XL and back; what comes out is stored in the same order.  A picture that cannot be
packed, or is known when its turn to be stored comes, is stored as it is.  Guarantee: what is stored depends on the files
and their order alone, not on which worker was done first, and every part keeps its id, so that packing can be switched
on and off without storing a photo twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from photovault.backup.jobs import Batch
from photovault.photos.reading import BUFFER, FileRead, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from photovault.backup.jobs import Answer, Job
    from photovault.backup.pictures import Decoder
    from photovault.photos.picture import Picture
    from photovault.photos.reading import Piece
    from photovault.vault.writer import Writer
    from photovault.workers import Workers

ROOM = 2 * BUFFER
"""Bytes of the largest photo that is read as a whole when pictures are packed."""

_AHEAD = 4  # jobs whose pictures are being packed: bounds memory


class _Group(NamedTuple):
    """A picture that is worth packing: where its parts are in the buffer, and what comes before them."""

    pieces: tuple[Piece, ...]
    head: bytes

    def jpeg(self, buffer: memoryview) -> bytes:
        return b"".join([self.head, *(buffer[one.start : one.start + one.length] for one in self.pieces)])


@dataclass(slots=True, kw_only=True)
class _Stage:
    """A job that was read, and the pictures in it."""

    job: Job
    answer: Answer
    groups: Sequence[_Group] = field(default=())


class Packing:
    """Packs pictures of one run, or none if there is no ``decoder``."""

    def __init__(self, writer: Writer, workers: Workers, decoder: Decoder | None) -> None:
        """Store by ``writer``."""
        self._writer = writer
        self._workers = workers
        self._decoder = decoder
        self._on_the_way: set[bytes] = set()
        self._packed: Mapping[bytes, tuple[_Group, bytes | None]] = {}

    def beside(self, done: Iterator[tuple[Job, Answer]]) -> Iterator[tuple[Job, Answer]]:
        """The same jobs in the same order; while one is with the caller, ``store`` knows the pictures in it."""
        if self._decoder is None:
            yield from done
            return
        stages = map(self._stage, done)
        for stage, packed in self._workers.ordered(self._pack, stages, _AHEAD, inline=lambda stage: not stage.groups):
            self._packed = packed
            self._on_the_way -= packed.keys()
            yield stage.job, stage.answer

    def store(self, pieces: Sequence[Piece]) -> Iterable[Piece]:
        """Store the picture among the parts of a file, if it was packed; returns the parts that are still to be stored."""
        group, jxl = next((self._packed[one.part_id] for one in pieces if one.part_id in self._packed), (None, None))
        if group is None or jxl is None:
            return pieces
        parts = [(one.part_id, one.length) for one in group.pieces]
        if not self._writer.add_group(parts, jxl, skip=len(group.head)):
            return pieces
        return [one for one in pieces if one not in group.pieces]

    def _stage(self, done: tuple[Job, Answer]) -> _Stage:
        job, answer = done
        if not isinstance(job, Batch) or not isinstance(answer, Reading):
            return _Stage(job=job, answer=answer)
        groups = []
        for one in answer.files:
            if isinstance(one, FileRead) and one.picture is not None and self._is_new(one.pieces, one.picture):
                groups.append(_Group(one.pieces[one.picture.first : one.picture.stop], one.picture.head))
                self._on_the_way.add(groups[-1].pieces[0].part_id)
        return _Stage(job=job, answer=answer, groups=groups)

    def _is_new(self, pieces: Sequence[Piece], picture: Picture) -> bool:
        """Whether nothing of the picture is in the vault, or on its way there as part of a twin."""
        ids = [one.part_id for one in pieces[picture.first : picture.stop]]
        if ids[0] in self._on_the_way or len(set(ids)) < len(ids):
            return False
        return not any(map(self._writer.has, ids))

    def _pack(self, stage: _Stage) -> dict[bytes, tuple[_Group, bytes | None]]:
        """For workers: the packed pictures of a job, by the id of their first part."""
        if self._decoder is None or not isinstance(stage.job, Batch):
            return {}
        buffer = stage.job.buffer
        return {group.pieces[0].part_id: (group, self._decoder.pack(group.jpeg(buffer))) for group in stage.groups}
