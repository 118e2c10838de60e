"""Exporting: chosen photos of a snapshot as one zip, plain or sealed in the age format, to be handed to somebody.

The snapshot is walked in its order; workers fetch and open files ahead; this thread writes them into the zip one after
another.  Photos and videos are stored as they are (they do not compress), notes beside them deflated.  Names are made such as
every system takes; times are those of the files, to the second.  A sealed export goes through ``crypto.age`` piece by piece, so that
no plaintext touches a disk.

Guarantee: a file is in the zip only if its bytes have the digest that the snapshot promises; damage costs only the files that
need what is damaged, and they are named.  The export gets its name when it is whole and durable, never that of another file, and
what is left of an unfinished one is removed.  The same snapshot and choice give the same zip in the same time zone.  Memory: some
files of 16 MiB at most; larger ones are read twice, first to check them.  Not kept: rights, links, empty folders.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING

from photovault.durable import FULL, create, name_new, sync, sync_folder
from photovault.errors import DamageError, PhotovaultError, RefusedError, StorageError, UndecodableError, UsageError
from photovault.model import Entry, EntryKind, Problem
from photovault.names import plan_names
from photovault.photos.rules import PHOTOS, RAW, VIDEOS
from photovault.vault.format import shown
from photovault.vault.places import windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from photovault.crypto.age import Sealer
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.vault.places import Place
    from photovault.vault.reader import Fetcher, Reader
    from photovault.workers import Workers

_WHOLE = 16 * 1024 * 1024  # bytes of a file that is fetched at once
_AHEAD = 8
_EXTENDED_TIME = 0x5455  # "UT", Info-ZIP: seconds since 1970 UTC
_ZIP64 = 1 << 30
_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)  # that a zip can say
_AS_THEY_ARE = PHOTOS | RAW | VIDEOS
_PORTABLE = "win32"  # names that every system takes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export holds, in files and bytes, and what it could not have.

    Attributes:
        links: how many links were left out.
        damaged: files that cannot be exported because of missing or damaged objects.
        problems: files that nothing on this computer decodes.
        renamed: files under another name; no failure.
    """

    files: int = 0
    size: int = 0
    links: int = 0
    damaged: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    renamed: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    path: str
    name: str
    entry: Entry
    places: tuple[Place, ...]


@dataclass(slots=True, kw_only=True)
class _Tally:
    files: int = 0
    size: int = 0
    links: int = 0
    damaged: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    renamed: list[Problem] = field(default_factory=list)


def plan_export(reader: Reader, root: Sequence[bytes], choice: Choice) -> ExportReport:
    """What an export of ``choice`` would hold, without fetching a photo."""
    walk = _Walk(reader, choice)
    for one in walk.wanted(root):
        walk.tally.files += 1
        walk.tally.size += one.entry.size
    return walk.report()


def run_export(
    reader: Reader,
    root: Sequence[bytes],
    out: IO[bytes],
    workers: Workers,
    progress: Progress,
    *,
    choice: Choice,
) -> ExportReport:
    """Write a zip of what ``choice`` wants of the tree at ``root`` into ``out``, which need not be seekable.

    Raises:
        OSError: ``out`` cannot be written.
        StorageError: the storage failed as a whole.
    """
    walk = _Walk(reader, choice)
    fetcher = reader.fetcher
    with zipfile.ZipFile(out, "w") as archive:
        for one, data in workers.ordered(lambda one: _fetched(fetcher, one), walk.wanted(root), _AHEAD):
            try:
                pieces = [data] if isinstance(data, bytes) else _checked(fetcher, one, data)
            except UndecodableError as error:
                walk.tally.problems.append(Problem(path=one.path, what=error.what, hint=error.hint))
            except DamageError as error:
                walk.damaged(one.path, error)
            else:
                _add(
                    archive, one, pieces
                )  # damage that shows only now ends the run: a zip cannot take back what it holds
                walk.tally.files += 1
                walk.tally.size += one.entry.size
            progress.advance(1, one.entry.size, one.path)
    return walk.report()


class _Walk:
    """The files that are wanted, in the order of the snapshot."""

    def __init__(self, reader: Reader, choice: Choice) -> None:
        self._reader = reader
        self._choice = choice
        self.tally = _Tally()

    def wanted(self, root: Sequence[bytes]) -> Iterator[_Wanted]:
        stack = [iter(self._folder("", "", root))]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                continue
            path, name, entry = found
            if entry.kind is EntryKind.FOLDER:
                stack.append(iter(self._folder(path, f"{name}/", entry.parts)))
            elif entry.kind is EntryKind.LINK:
                self.tally.links += 1
            else:
                yield from self._placed(path, name, entry)

    def _folder(self, path: str, name: str, pages: Iterable[bytes]) -> Iterator[tuple[str, str, Entry]]:
        entries: list[Entry] = []
        for entry in self._reader.folder(pages):
            if isinstance(entry, DamageError):
                self.tally.damaged.append(Problem(path=path or "/", what=f"part of this folder is lost: {entry.what}"))
            else:
                entries.append(entry)
        planned = plan_names([entry.name for entry in entries], platform=_PORTABLE, folds_case=True)
        for entry, one, wanted in zip(entries, planned, self._wanted(path, entries), strict=True):
            if not wanted:
                continue
            inside = _inside(path, entry)
            if one.renamed is not None and entry.kind is not EntryKind.FOLDER:
                self.tally.renamed.append(Problem(path=inside, what=f"exported as {shown(one.name)}: {one.renamed}"))
            yield inside, name + one.name.decode("utf-8", "replace"), entry

    def _wanted(self, path: str, entries: Sequence[Entry]) -> list[bool]:
        """Which files of a folder are wanted, and which folders may hold something that is."""
        hits = iter(
            self._choice.chosen([(_inside(path, one), one) for one in entries if one.kind is not EntryKind.FOLDER])
        )
        return [
            self._choice.may_hold(_inside(path, one)) if one.kind is EntryKind.FOLDER else bool(next(hits))
            for one in entries
        ]

    def _placed(self, path: str, name: str, entry: Entry) -> Iterator[_Wanted]:
        try:
            places = tuple(map(self._reader.place, entry.parts))
        except DamageError as error:
            self.damaged(path, error)
        else:
            yield _Wanted(path=path, name=name, entry=entry, places=places)

    def damaged(self, path: str, error: PhotovaultError) -> None:
        hint = "try another snapshot or another copy of the vault"
        self.tally.damaged.append(Problem(path=path, what=error.what, hint=hint))

    def report(self) -> ExportReport:
        tally = self.tally
        return ExportReport(
            files=tally.files,
            size=tally.size,
            links=tally.links,
            damaged=tuple(tally.damaged),
            problems=tuple(tally.problems),
            renamed=tuple(tally.renamed),
        )


def _inside(path: str, entry: Entry) -> str:
    return f"{path}/{shown(entry.name)}" if path else shown(entry.name)


def _fetched(fetcher: Fetcher, one: _Wanted) -> bytes | PhotovaultError | None:
    """In a worker: the contents of a file, or what is wrong with it; None for a large one."""
    if one.entry.size > _WHOLE:
        return None
    try:
        data = b"".join(_pieces(fetcher, one.places))
        _check(one.entry, hashlib.sha256(data).digest())
    except PhotovaultError as error:
        return error
    return data


def _checked(fetcher: Fetcher, one: _Wanted, data: PhotovaultError | None) -> Iterable[bytes]:
    """The contents of a large file, once they were seen to be whole."""
    if isinstance(data, StorageError) and data.exit_code != DamageError.exit_code:
        raise data
    if data is not None:
        raise DamageError(data.what)
    digest = hashlib.sha256()
    for piece in _pieces(fetcher, one.places):
        digest.update(piece)
    _check(one.entry, digest.digest())
    return _pieces(fetcher, one.places)


def _check(entry: Entry, digest: bytes) -> None:
    if digest != entry.digest:
        raise DamageError("its contents are not those that were backed up")


def _pieces(fetcher: Fetcher, places: tuple[Place, ...]) -> Iterator[bytes]:
    """The plaintext of a file, some megabytes at a time.  Raises DamageError."""
    for window in windows(places):
        found = fetcher.fetch(window)
        for place in window:
            data = found[place.region.record.part_id]
            if isinstance(data, StorageError) and data.exit_code != DamageError.exit_code:
                raise data
            if isinstance(data, PhotovaultError):
                raise DamageError(data.what)
            yield data


def _add(archive: zipfile.ZipFile, one: _Wanted, pieces: Iterable[bytes]) -> None:
    info = zipfile.ZipInfo(one.name, _dos_time(one.entry.mtime_ns))
    info.compress_type = zipfile.ZIP_STORED if _is_media(one.name) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    info.create_system = 3  # Unix: what external_attr means
    info.extra = _extended_time(one.entry.mtime_ns)
    info.file_size = one.entry.size
    with archive.open(info, "w", force_zip64=one.entry.size >= _ZIP64) as file:
        for piece in pieces:
            file.write(piece)


def _is_media(name: str) -> bool:
    return name.rpartition(".")[2].lower().encode("utf-8", "replace") in _AS_THEY_ARE


def _dos_time(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    """Local time, as zip programs have it."""
    try:
        when = datetime.fromtimestamp(mtime_ns // 1_000_000_000)  # noqa: DTZ006 - the format knows no zones
    except (ValueError, OverflowError, OSError):
        return _FIRST
    return min(max((when.year, when.month, when.day, when.hour, when.minute, when.second), _FIRST), _LAST)


def _extended_time(mtime_ns: int) -> bytes:
    seconds = mtime_ns // 1_000_000_000
    return struct.pack("<HHBi", _EXTENDED_TIME, 5, 1, seconds) if -(2**31) <= seconds < 2**31 else b""


class SealedFile:
    """Seals what is written to it; for ``run_export`` in place of a file."""

    def __init__(self, file: IO[bytes], sealer: Sealer) -> None:
        """Write the header."""
        self._file = file
        self._sealer = sealer
        file.write(sealer.header)

    def write(self, data: bytes | memoryview, /) -> int:
        """Take plaintext."""
        self._file.write(self._sealer.update(data))
        return len(data)

    def flush(self) -> None:
        """Nothing: what is not a full piece must wait."""

    def finish(self) -> None:
        """Write the last piece."""
        self._file.write(self._sealer.finish())


@contextmanager
def new_file(path: Path, token: str) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends well, and is gone when it does not.

    ``token``: 16 hex digits.

    Raises:
        UsageError: there is something of this name already.
        RefusedError: no space, or no right to write there.
    """
    if os.path.lexists(path):
        raise _taken(path)
    temporary = path.with_name(f".photovault-{token}.tmp")
    try:
        fd = create(temporary)
        try:
            with open(fd, "wb") as file:
                yield file
                file.flush()
                sync(fd)
            _name(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise _refusal(error, path) from error


def _taken(path: Path) -> UsageError:
    return UsageError(f"{shown(os.fsencode(path))} is there already", "name a new file")


def _name(temporary: Path, path: Path) -> None:
    try:
        name_new(temporary, path)
    except FileExistsError:
        raise _taken(path) from None
    with suppress(OSError):  # not every system can
        sync_folder(path.parent)


def _refusal(error: OSError, path: Path) -> RefusedError:
    full = error.errno in FULL or error.errno == errno.EFBIG
    hint = (
        "make room there or name another disk; nothing was left behind"
        if full
        else "name a file in a folder that is there"
    )
    return RefusedError(f"cannot write {shown(os.fsencode(path))}: {error.strerror or error}", hint)
