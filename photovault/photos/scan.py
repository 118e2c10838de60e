"""What is in a folder right now: names, kinds and times, without opening a file.

Links are seen, never followed.  Folders that must not be entered (the vault itself, the state and cache folders) are
known by device and inode, so no other name or link leads into them.  An unreadable folder is a value in the answer,
not an exception.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from photovault.model import INODE_MASK, EntryKind, Stamp
from photovault.photos.rules import Rules, is_media, placeholder, stands_for

if TYPE_CHECKING:
    from collections.abc import Iterable

Identity = tuple[int, int]


class Found(NamedTuple):
    """A file or symbolic link that belongs to the backup."""

    stamp: Stamp
    kind: EntryKind
    mode: int

    @property
    def is_file(self) -> bool:
        """Whether it is no link."""
        return self.kind is EntryKind.FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFolder:
    """A folder as it is now.

    Attributes:
        path: relative to the source, parts joined by ``/``; empty for the source itself.
        files: files and links of the backup, in the order of their raw names.
        folders: names of folders to enter, in order.
        mount: another file system begins here.
        others: how many things were left out.
        cloud: (name of the real file, why) of files that are not on this disk.
        unseen: (name, why) of files that are there and cannot be looked at.
        held: names of files that are to be left as they were.
        unreadable: why the folder could not be read, or empty.
    """

    path: bytes
    mode: int = 0
    mtime_ns: int = 0
    mount: bool = False
    files: tuple[Found, ...] = ()
    folders: tuple[bytes, ...] = ()
    others: int = 0
    cloud: tuple[tuple[bytes, str], ...] = ()
    unseen: tuple[tuple[bytes, str], ...] = ()
    held: tuple[bytes, ...] = ()
    unreadable: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all in it."""
        return not (self.files or self.folders or self.others or self.cloud or self.unseen or self.held)

    @property
    def hidden(self) -> frozenset[bytes]:
        """Names of files that cannot or must not be read now, and have not gone for that."""
        return frozenset(name for name, _ in (*self.cloud, *self.unseen)).union(self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRules:
    """What belongs to the backup of one source; ``hold``: absolute paths of files to be left as they were."""

    all_files: bool = False
    one_file_system: bool = False
    exclude: Rules = field(default_factory=lambda: Rules(()))
    avoid: frozenset[Identity] = frozenset()
    hold: frozenset[bytes] = frozenset()

    def wants(self, path: bytes) -> bool:
        """Whether a file of this path (relative to the source) belongs to the backup, as far as its name says."""
        name = path.rpartition(b"/")[2]
        return (self.all_files or is_media(stands_for(name))) and not self.exclude.excludes(path, is_folder=False)


class Scanner:
    """Reads the folders of one source."""

    def __init__(self, root: bytes, rules: ScanRules) -> None:
        """Scan below ``root``, an absolute path."""
        self.root = root
        self._rules = rules

    def full(self, path: bytes) -> bytes:
        """The absolute path of something in the source."""
        return self.root + b"/" + path if path else self.root

    def folder(self, path: bytes, parent_device: int | None = None) -> FoundFolder:
        """What is in one folder of the source."""
        full = self.full(path)
        try:
            own = os.stat(full, follow_symlinks=not path)
            if not path and parent_device is None:
                parent_device = os.stat(os.path.dirname(full)).st_dev
            found = _Sorting(path, full, self._rules, own.st_dev)
            with os.scandir(full) as entries:
                for entry in entries:
                    found.add(entry)
        except OSError as error:
            return FoundFolder(path=path, unreadable=error.strerror or type(error).__name__)
        mount = parent_device is not None and own.st_dev != parent_device
        return found.sorted(mode=stat.S_IMODE(own.st_mode), mtime_ns=own.st_mtime_ns, mount=mount)

    def device(self, path: bytes) -> int | None:
        """The device of a folder, None when it cannot be asked."""
        try:
            return os.stat(self.full(path)).st_dev
        except OSError:
            return None


class _Sorting:
    """Sorts what a folder holds."""

    def __init__(self, path: bytes, full: bytes, rules: ScanRules, device: int) -> None:
        self._path = path
        self._full = full
        self._rules = rules
        self._device = device
        self._files: list[Found] = []
        self._folders: list[bytes] = []
        self._cloud: list[tuple[bytes, str]] = []
        self._unseen: list[tuple[bytes, str]] = []
        self._held: list[bytes] = []
        self._others = 0

    def add(self, entry: os.DirEntry[bytes]) -> None:
        try:
            st = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # went away while we looked
            return
        except OSError as error:
            self._add_unseen(entry, error.strerror or type(error).__name__)
            return
        if stat.S_ISREG(st.st_mode):
            self._add_file(entry.name, st)
        elif stat.S_ISDIR(st.st_mode):
            self._add_folder(entry.name, st)
        elif stat.S_ISLNK(st.st_mode) and self._wanted(entry.name):
            self._files.append(_found(entry.name, st, EntryKind.LINK))
        else:
            self._others += 1

    def sorted(self, *, mode: int, mtime_ns: int, mount: bool) -> FoundFolder:
        return FoundFolder(
            path=self._path,
            mode=mode,
            mtime_ns=mtime_ns,
            mount=mount,
            files=tuple(sorted(self._files)),
            folders=tuple(sorted(self._folders)),
            others=self._others,
            cloud=tuple(sorted(self._cloud)),
            unseen=tuple(sorted(self._unseen)),
            held=tuple(sorted(self._held)),
        )

    def _add_unseen(self, entry: os.DirEntry[bytes], why: str) -> None:
        """A folder will be found unreadable; a file can only be named."""
        if entry.is_dir(follow_symlinks=False):
            if not self._rules.exclude.excludes(self._join(entry.name), is_folder=True):
                self._folders.append(entry.name)
        elif self._wanted(entry.name):
            self._unseen.append((entry.name, why))

    def _add_file(self, name: bytes, st: os.stat_result) -> None:
        why = placeholder(name, st)
        real = name if why is None else stands_for(name)
        if not self._wanted(real):
            self._others += 1
        elif why is not None:
            self._cloud.append((real, why))
        elif self._rules.hold and self._full + b"/" + name in self._rules.hold:
            self._held.append(name)
        else:
            self._files.append(_found(name, st, EntryKind.FILE))

    def _add_folder(self, name: bytes, st: os.stat_result) -> None:
        inside = self._rules.exclude.excludes(self._join(name), is_folder=True)
        elsewhere = self._rules.one_file_system and st.st_dev != self._device
        if inside or elsewhere or (st.st_dev, st.st_ino) in self._rules.avoid:
            self._others += 1
        else:
            self._folders.append(name)

    def _wanted(self, name: bytes) -> bool:
        return self._rules.wants(self._join(name))

    def _join(self, name: bytes) -> bytes:
        return self._path + b"/" + name if self._path else name


def _found(name: bytes, st: os.stat_result, kind: EntryKind) -> Found:
    stamp = Stamp(name, st.st_ino & INODE_MASK, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    return Found(stamp, kind, stat.S_IMODE(st.st_mode))


def identities(paths: Iterable[str]) -> frozenset[Identity]:
    """Device and inode of the folders that exist among ``paths``."""
    found = set()
    for path in paths:
        try:
            st = os.stat(path)
        except OSError:
            continue
        found.add((st.st_dev, st.st_ino))
    return frozenset(found)
