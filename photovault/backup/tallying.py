"""Counting, while a source is planned, what became of the files that were known: for ``guards``.

Reads the catalog, or, where that forgot them, the last version in the vault; and the names in a folder from which something
is gone, to tell what is gone from what is only left out by now.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from photovault.backup.compare import join
from photovault.backup.guards import Tally, renamed_to
from photovault.catalog import FORGOTTEN
from photovault.model import EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from photovault.backup.compare import FolderChange
    from photovault.backup.plan import Earlier, SourceSpec
    from photovault.catalog import Catalog, KnownFolder
    from photovault.model import Stamp
    from photovault.photos.scan import FoundFolder, Scanner


class Last(NamedTuple):
    """A file as it was at the last backup."""

    size: int
    mtime_ns: int


class Tallying:
    """Fills the tally of one source."""

    def __init__(self, spec: SourceSpec, scanner: Scanner, catalog: Catalog, earlier: Earlier) -> None:
        """Nothing is counted yet."""
        self._spec = spec
        self._scanner = scanner
        self._catalog = catalog
        self._earlier = earlier
        top = catalog.folder(spec.path, b"") or earlier(spec)
        self.tally = Tally(label=spec.path, known=top.files + top.links if top is not None else 0)

    def folder(
        self,
        found: FoundFolder,
        known: KnownFolder | None,
        stamps: AbstractSet[Stamp],
        change: FolderChange,
        away: AbstractSet[bytes],
    ) -> None:
        """Count what became of the files of a folder, and of folders that were in it but for those that are ``away``."""
        if is_sure(known):
            files = {stamp.name: Last(stamp.size, stamp.mtime_ns) for stamp in stamps} if _differs(change) else {}
            folders = self._catalog.subfolders(self._spec.path, found.path)
        else:
            files, folders = self._in_vault(found.path) if self.tally.known else ({}, set())
        self._count_read(found, files, change)
        hidden = found.hidden
        present = {one.stamp.name for one in found.files}
        self._count_gone(found, {name: last for name, last in files.items() if name not in present | hidden})
        self._count_folders(found, folders - away - set(found.folders))

    def _in_vault(self, path: bytes) -> tuple[dict[bytes, Last], set[bytes]]:
        found = self._earlier.entries(self._spec, path)
        folders = {name for name, one in found.items() if one.kind is EntryKind.FOLDER}
        files = {name: Last(_size(one.size, one.target), one.mtime_ns) for name, one in found.items()}
        return {name: last for name, last in files.items() if name not in folders}, folders

    def _count_read(self, found: FoundFolder, files: Mapping[bytes, Last], change: FolderChange) -> None:
        for one in (*change.read, *(moved.found for moved in change.moved)):
            last = files.get(one.stamp.name)
            if last is None:
                self.tally.moves.new(one.stamp.size, one.stamp.mtime_ns)
            elif one.is_file and last.size != one.stamp.size:
                self.tally.resized.add(join(found.path, one.stamp.name))
        for name in found.held:  # they still move, perhaps from where something is gone
            if name not in files:
                self._count_held(found, name)
        self.tally.fresh_bytes += sum(
            one.stamp.size for one in change.read if _is_fresh(files.get(one.stamp.name), one.stamp)
        )

    def _count_held(self, found: FoundFolder, name: bytes) -> None:
        with suppress(OSError):
            st = os.lstat(self._scanner.full(join(found.path, name)))
            self.tally.moves.new(st.st_size, st.st_mtime_ns)

    def _count_gone(self, found: FoundFolder, gone: Mapping[bytes, Last]) -> None:
        there = self._there(found.path) if gone else frozenset()
        for name, last in sorted(gone.items()):
            if name in there:
                continue  # it is left out by now
            path = join(found.path, name)
            self.tally.moves.gone(path, last.size, last.mtime_ns)
            other = renamed_to(name, there)
            if other:
                self.tally.renamed.add(path, f" (now {os.fsdecode(other)})")

    def _count_folders(self, found: FoundFolder, gone: AbstractSet[bytes]) -> None:
        there = self._there(found.path) if gone else frozenset()
        for name in sorted(gone - there):
            for path, last in self._below(join(found.path, name)):
                self.tally.moves.gone(path, last.size, last.mtime_ns)

    def _there(self, path: bytes) -> frozenset[bytes]:
        """All names in a folder."""
        try:
            return frozenset(os.listdir(self._scanner.full(path)))
        except OSError:
            return frozenset()

    def _below(self, path: bytes) -> Iterator[tuple[bytes, Last]]:
        """The files of a folder that is gone, and of all below it."""
        if self._catalog.folder(self._spec.path, b"") is not None:
            for folder, stamp in self._catalog.files_below(self._spec.path, path):
                yield join(folder, stamp.name), Last(stamp.size, stamp.mtime_ns)
            return
        todo = [path]
        while todo:
            folder = todo.pop()
            files, folders = self._in_vault(folder)
            todo += [join(folder, name) for name in folders]
            yield from ((join(folder, name), last) for name, last in files.items())


def is_sure(known: KnownFolder | None) -> bool:
    """Whether the catalog knows all that was in a folder at the last backup; else the vault does."""
    return known is not None and known.mtime_ns != FORGOTTEN


def _differs(change: FolderChange) -> bool:
    return bool(change.read or change.moved or change.totals.gone)


def _is_fresh(last: Last | None, stamp: Stamp) -> bool:
    return last is None or last.size != stamp.size


def _size(size: int, target: bytes) -> int:
    """A link is as large as its target's name, for the system."""
    return len(target) or size
