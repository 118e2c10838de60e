"""Files in zips and tgz archives, read in place: nothing is unpacked to a disk first.

An archive is somebody else's bytes.  Of its names only the last part ever becomes a file name, and a name that leads
outside (``..``, absolute) is refused and named all the same.  A file is read at most as far as the archive says that it is
long, and not at all if it claims to be more than ``RATIO`` times as long as what is stored of it (a bomb).  Only stored and
deflated files are read: the other methods of zip cannot be unpacked in bounded memory.  A tgz is read twice from front to
end, never kept.

Guarantee: bounded memory; a damaged, encrypted or refused file is named and costs only itself; a damaged archive, what
comes after the damage.  Not guaranteed: that a zip
which changes between listing and reading is noticed before its checksums do.
"""

from __future__ import annotations

import io
import os
import re
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import UsageError
from photovault.importing.disk import FolderPart, told
from photovault.importing.values import Key, Member, UnreadableError
from photovault.model import Problem
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from photovault.importing.values import Opening, Part, Stream

RATIO = 200
_SMALL = 16 * 1024 * 1024  # a file of this size at most is no bomb
_DIRECTORY_MAX = 48 * 1024 * 1024  # of a zip; 100,000 photos of a Takeout need 16 MB
_MEMBERS_MAX = 2_000_000
_PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_UTF8 = 0x800
_ENCRYPTED = 0x1
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(EOFError, LookupError, NotImplementedError, OSError, RuntimeError, ValueError),
)
_TAR_ERRORS = (tarfile.TarError, zlib.error, struct.error, EOFError, LookupError, OSError, RuntimeError, ValueError)
_DOWNLOAD = re.compile(r"takeout-.*\.(zip|tgz|tar\.gz)", re.IGNORECASE)
_HEADER_MAX = 1024 * 1024
_LONG_HEADERS = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)


def open_parts(paths: Iterable[str]) -> list[Part]:
    """The folders and archives that a person named, in the order of their paths.

    Raises:
        UsageError: one of them is not there, or is neither.
    """
    named = sorted({os.path.abspath(os.path.expanduser(path)) for path in paths})
    every = [one for path in named for one in (path, *_downloads(path))]
    return [_open(number, path) for number, path in enumerate(dict.fromkeys(every))]


def _downloads(path: str) -> list[str]:
    """Takeout's archives right in a folder: people name the folder into which they downloaded them."""
    try:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    except OSError:
        return []  # the walk will say so
    return [os.path.join(path, name) for name in names if _DOWNLOAD.fullmatch(name)]


def _open(number: int, path: str) -> Part:
    if os.path.isdir(path):
        return FolderPart(number, os.fsencode(path))
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UsageError(f"cannot read {_text(path)}: {error.strerror}", "name folders, .zip or .tgz files") from None
    if magic[:2] == b"\x1f\x8b" or path.lower().endswith((".tgz", ".tar.gz")):
        return TarPart(number, path)
    if magic[:2] == b"PK" or path.lower().endswith(".zip"):
        return ZipPart(number, path)
    raise UsageError(f"{_text(path)} is no folder, zip or tgz archive", "name what Takeout gave you as it came")


def _text(path: str) -> str:
    return shown(os.fsencode(path))


class ZipPart:
    """A zip archive."""

    again = True

    def __init__(self, number: int, path: str) -> None:
        """Name it; nothing is read yet."""
        self._number = number
        self._shown = _text(path)
        self._path = path
        self._file: _Modest | None = None
        self._zip: zipfile.ZipFile | None = None
        self._infos: dict[int, zipfile.ZipInfo] = {}
        self.problems: list[Problem] = []

    def walk(self) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        """Every file that its list names."""
        self.problems.clear()
        with told(self._shown, _ZIP_ERRORS, "it is damaged or not complete", _AGAIN):
            infos = self._opened().infolist()
        for number, info in enumerate(infos):
            member = None if info.filename.endswith("/") else self._member(number, info)
            if member is not None:
                yield member, partial(self.open, member)

    @contextmanager
    def open(self, member: Member) -> Iterator[Stream]:
        """Open one file; its checksum is checked when its end is read."""
        info = self._infos[member.key.number]
        with told(member.where, _ZIP_ERRORS, _DAMAGED, _AGAIN):
            file = self._opened().open(info)
        with file:
            yield _Exact(file, info.file_size, member.where)

    def close(self) -> None:
        """Let go of the archive."""
        if self._file is not None:
            self._file.close()
        self._zip = self._file = None

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None:
            self.close()
            self._file = _Modest(io.FileIO(self._path))
            self._zip = zipfile.ZipFile(self._file)
        return self._zip

    def _member(self, number: int, info: zipfile.ZipInfo) -> Member | None:
        raw = _zip_name(info)
        member = _named(Key(self._number, number), raw, info.file_size, _zip_time(info), self._shown)
        why = _refused(raw) or _unreadable(info)
        if why or member is None:
            self.problems.append(Problem(path=f"{self._shown}:{shown(raw)}", what=why or "it has no name"))
            return None
        self._infos[number] = info
        return member


def _unreadable(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted, and is left out"
    if info.compress_type not in _PLAIN:
        return "it is packed in a way that Takeout does not use, and is left out"
    return (
        "it claims to be far larger than it can be, and is left out"
        if _bomb(info.file_size, info.compress_size)
        else ""
    )


def _bomb(size: int, stored: int) -> bool:
    return size > _SMALL and size > RATIO * max(stored, 1)


def _zip_name(info: zipfile.ZipInfo) -> bytes:
    """The raw name: zipfile takes names for cp437 that do not say that they are UTF-8, but most of those are, too."""
    if info.flag_bits & _UTF8:
        return info.orig_filename.encode("utf-8", "surrogateescape")
    try:
        raw = info.orig_filename.encode("cp437")
        raw.decode()
    except UnicodeError:
        return info.orig_filename.encode("utf-8", "surrogateescape")
    return raw


def _zip_time(info: zipfile.ZipInfo) -> int:
    try:
        return int(datetime(*info.date_time, tzinfo=UTC).timestamp()) * 1_000_000_000
    except ValueError:
        return 0


class _Modest(io.BufferedReader):
    """A file of which nobody can have more at once than a sane archive needs: its list of names is read in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = os.fstat(self.fileno()).st_size - self.tell()
        length = (
            left if size is None or size < 0 else min(size, left)
        )  # what is asked for is set aside before it is read
        if length > _DIRECTORY_MAX:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(max(length, 0))


class TarPart:
    """A tgz archive, readable from front to end only."""

    again = False

    def __init__(self, number: int, path: str) -> None:
        """Name it; nothing is read yet."""
        self._number = number
        self._path = path
        self._shown = _text(path)
        self.problems: list[Problem] = []

    def walk(self) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        """Every file, front to end."""
        self.problems.clear()
        with told(self._shown, _TAR_ERRORS, "it is damaged or not complete", _AGAIN):
            limit = RATIO * os.path.getsize(self._path) + _SMALL
            with tarfile.open(self._path, "r|gz", tarinfo=_ModestInfo) as tar:
                yield from self._members(tar, limit)

    def open(self, member: Member) -> Opening:
        """Not possible, and not needed: ``again`` says so, and digests are known from the first walk."""
        raise UnreadableError(member.where, "it can only be read in order")

    def close(self) -> None:
        """Nothing is held open."""

    def _members(self, tar: tarfile.TarFile, limit: int) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        for number, info in enumerate(iter(tar.next, None)):
            tar.members = []  # type: ignore[attr-defined]  # else it keeps every header
            if number > _MEMBERS_MAX or info.offset_data + info.size > limit:
                raise tarfile.ReadError("it claims to be far larger than it can be")
            raw = info.name.encode("utf-8", "surrogateescape")
            member = _named(Key(self._number, number), raw, info.size, _tar_time(info), self._shown)
            if not info.isreg() or info.sparse is not None or member is None:
                continue
            if _refused(raw):
                self.problems.append(Problem(path=member.where, what=_refused(raw)))
                continue
            yield member, partial(self._stream, tar, info, member)

    @contextmanager
    def _stream(self, tar: tarfile.TarFile, info: tarfile.TarInfo, member: Member) -> Iterator[Stream]:
        with told(member.where, _TAR_ERRORS, _DAMAGED, _AGAIN):
            file = tar.extractfile(info)
        if file is None:
            raise UnreadableError(member.where, "it holds no file")
        yield _Exact(file, info.size, member.where)


class _ModestInfo(tarfile.TarInfo):
    """A header that cannot claim to be longer than any name is: tarfile reads it in one piece."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG_HEADERS and self.size > _HEADER_MAX:
            raise tarfile.ReadError("a header of it is too long")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def _tar_time(info: tarfile.TarInfo) -> int:
    return int(min(max(float(info.mtime), 0.0), 2.0**33) * 1_000_000_000)


_DAMAGED = "it is damaged in its archive"
_AGAIN = "download this archive again, then run the same command again"


def _named(key: Key, raw: bytes, size: int, mtime_ns: int, archive: str) -> Member | None:
    folder, _, name = raw.rpartition(b"/")
    if not name or b"\0" in name or size < 0:
        return None
    where = f"{archive}:{shown(raw)}"
    return Member(key=key, folder=folder, name=name, size=size, mtime_ns=mtime_ns, where=where)


def _refused(raw: bytes) -> str:
    unsafe = raw.startswith((b"/", b"\\")) or b".." in raw.replace(b"\\", b"/").split(b"/") or b"\0" in raw
    return "its name leads out of the archive, and it is left out" if unsafe else ""


class _Exact:
    """Exactly as many bytes as the archive says, or UnreadableError."""

    def __init__(self, file: Stream, size: int, where: str) -> None:
        self._file = file
        self._left = size
        self._where = where

    def read(self, size: int, /) -> bytes:
        with told(self._where, (*_ZIP_ERRORS, *_TAR_ERRORS), _DAMAGED, _AGAIN):
            data = self._file.read(min(size, self._left) or 1)  # once more at the end: that checks the checksum
            if len(data) > self._left or (not data and self._left):
                raise EOFError
        self._left -= len(data)
        return data
