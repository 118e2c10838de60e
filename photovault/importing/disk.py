"""Files on a disk, as an import reads them: all of a folder, or some that somebody else has listed.

Guarantee: links are not followed, pipes and devices not opened; a file that cannot be read is ``UnreadableError`` with its path.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from photovault.importing.values import Key, Member, UnreadableError
from photovault.model import Problem
from photovault.vault.format import shown

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from photovault.importing.values import Opening

_READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class FolderPart:
    """A folder on a disk.  Links are not followed."""

    again = True

    def __init__(self, number: int, root: bytes) -> None:
        """Name it; nothing is read yet."""
        self._number = number
        self.root = root
        self.problems: list[Problem] = []

    def walk(self) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        """Every file below it; what cannot be looked at is among the problems."""
        self.problems.clear()
        number = 0
        for folder, folders, names in os.walk(self.root, onerror=self._unreadable):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                info = self._stat(path)
                if info is not None:
                    inside = os.path.relpath(folder, os.path.dirname(self.root))
                    yield _of_folder(Key(self._number, number), inside, name, info, path), partial(_file, path)
                number += 1

    def open(self, member: Member) -> Opening:
        """Open one file."""
        return _file(os.path.join(os.path.dirname(self.root), member.folder, member.name))

    def close(self) -> None:
        """Nothing is held open."""

    def _stat(self, path: bytes) -> os.stat_result | None:
        try:
            info = os.lstat(path)
        except OSError as error:
            self.problems.append(Problem(path=shown(path), what=error.strerror or "cannot be read"))
            return None
        return info if stat.S_ISREG(info.st_mode) else None

    def _unreadable(self, error: OSError) -> None:
        where = error.filename if isinstance(error.filename, bytes) else os.fsencode(str(error.filename))
        self.problems.append(Problem(path=shown(where), what=error.strerror or "cannot be read"))


def _of_folder(key: Key, inside: bytes, name: bytes, info: os.stat_result, path: bytes) -> Member:
    return Member(key=key, folder=inside, name=name, size=info.st_size, mtime_ns=info.st_mtime_ns, where=shown(path))


@contextmanager
def _file(path: bytes) -> Iterator[OnDisk]:
    with told(shown(path), (OSError,)):
        file = open(os.open(path, _READING), "rb", buffering=0)  # noqa: SIM115 - closed below
    with file:
        yield OnDisk(file, shown(path))


class OnDisk:
    """A file that can be read anywhere."""

    def __init__(self, file: io.FileIO, where: str) -> None:
        """``where``: for messages."""
        self._file = file
        self._where = where

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, from where the last ones ended."""
        with told(self._where, (OSError,)):
            return self._file.read(size)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset``."""
        with told(self._where, (OSError,)):
            self._file.seek(offset)
            return self._file.read(size)


class FilesPart:
    """Some files of a folder on a disk, which somebody else has listed."""

    again = True

    def __init__(self, number: int, root: bytes) -> None:
        """Files below ``root``; a path that leads out of it is refused."""
        self._number = number
        self._root = os.path.realpath(root)
        self._paths: list[bytes] = []
        self._members: list[Member] = []
        self.problems: list[Problem] = []

    def names(self, folder: bytes) -> list[bytes]:
        """The names in one folder, sorted; none if it is not there, or cannot be read, which is a problem then."""
        path = os.path.join(self._root, folder)
        try:
            return sorted(os.listdir(path))
        except (FileNotFoundError, ValueError):
            return []
        except OSError as error:
            self.problems.append(Problem(path=shown(path), what=error.strerror or "cannot be read"))
            return []

    def add(self, folder: bytes, name: bytes) -> Member | None:
        """List one more file; None if it is not there, is no file, or is outside."""
        path = os.path.join(os.path.realpath(os.path.join(self._root, folder)), name)
        try:
            info = os.lstat(path)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(info.st_mode) or b"/" in name:
            return None
        if not path.startswith(self._root + b"/"):
            self.problems.append(Problem(path=shown(path), what="a link leads there, out of the library; left out"))
            return None
        member = _of_folder(Key(self._number, len(self._members)), folder, name, info, path)
        self._members.append(member)
        self._paths.append(path)
        return member

    def walk(self) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        """Every file, in the order in which they were added."""
        for member in self._members:
            yield member, partial(self.open, member)

    def open(self, member: Member) -> Opening:
        """Open one file."""
        return _file(self._paths[member.key.number])

    def close(self) -> None:
        """Nothing is held open."""


@contextmanager
def told(
    where: str, errors: tuple[type[Exception], ...], what: str = "it cannot be read", hint: str = ""
) -> Iterator[None]:
    """Make foreign errors about ``where`` ours: ``what`` is said where the system says nothing."""
    try:
        yield
    except errors as error:
        reason = (getattr(error, "strerror", None) or "") if isinstance(error, OSError) else ""
        raise UnreadableError(where, reason or what, hint) from error
