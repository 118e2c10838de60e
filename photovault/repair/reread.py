"""Lost parts from the photos themselves, where they are still on this computer.

A file is read where a snapshot says that it was, and cut as a backup cuts it.  Every piece is named by its digest: what has
the name of a lost part is that part, whatever became of the rest of the file, and every snapshot that needs it is whole again.
Guarantee: nothing is stored that was not in the vault before, and face data is refused as by a backup.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.photos.reading import BUFFER, LargeFile, ReaderOptions
from photovault.vault.format import PartKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from photovault.progress import Progress
    from photovault.vault.vault import Vault
    from photovault.vault.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that may hold lost parts: its raw path on this computer, and the parts that snapshots say it had."""

    path: bytes
    parts: frozenset[bytes]


def reread(
    candidates: Iterable[Candidate],
    vault: Vault,
    writer: Writer,
    progress: Progress,
    own: frozenset[tuple[int, int]] = frozenset(),
) -> tuple[list[bytes], set[bytes]]:
    """Store what is found; returns the paths of the files that held something, and the parts.

    Args:
        candidates: of this computer; each is opened without following a link.
        vault: to whose ids the pieces are compared.
        writer: the caller finishes it.
        progress: is told of every file.
        own: device and inode of files with face data, which are not read on.
    """
    options = ReaderOptions(lambda data: vault.keyring.part_id(PartKind.CONTENT, data), xattrs=False, own=own)
    buffer = memoryview(bytearray(BUFFER))
    paths, found = [], set[bytes]()
    for one in candidates:
        wanted = {part for part in one.parts - found if not writer.has(part)}
        before = len(found)
        if wanted:
            for part_id, data in _pieces(one.path, options, buffer):
                if part_id in wanted and part_id not in found:
                    writer.add_content([(part_id, data)])
                    found.add(part_id)
        if len(found) > before:
            paths.append(one.path)
        progress.advance(1, 0, os.fsdecode(one.path))
    return paths, found


def _pieces(path: bytes, options: ReaderOptions, buffer: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The parts of a file as a backup cuts it; none of one that cannot be read."""
    try:
        file = LargeFile(path, options)
    except (OSError, ValueError):
        return
    try:
        for window in file.windows:
            for piece in file.read(window, buffer):
                yield piece.part_id, buffer[piece.start : piece.start + piece.length]
    except OSError:
        return
    finally:
        file.close()
