"""One open folder, or on systems without ``openat`` its path; what is done by name in it follows no link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from photovault import durable

_JUNCTION = 0xA000_0003  # IO_REPARSE_TAG_MOUNT_POINT, winnt.h: a link between folders that lstat calls a folder


class Folder:
    """Names in it are used as ``at(name), dir_fd=fd``.  Everything raises OSError."""

    __slots__ = ("fd", "path")

    def __init__(self, path: bytes, fd: int | None) -> None:
        """``fd``: of the open folder, which is closed with it; None where the path must do."""
        self.path = path
        self.fd = fd

    @property
    def handle(self) -> int | bytes:
        """What the system's functions take for the folder itself."""
        return self.path if self.fd is None else self.fd

    def at(self, name: bytes) -> bytes:
        """What they take for something in it, beside ``dir_fd``."""
        return os.path.join(self.path, name) if self.fd is None else name

    def again(self) -> Folder:
        """Open it once more."""
        return Folder(self.path, None if self.fd is None else os.dup(self.fd))

    def child(self, name: bytes) -> Folder:
        """Open the folder ``name`` in this one and close this one; raises OSError if it is a link or no folder."""
        path = os.path.join(self.path, name)
        if self.fd is None:
            _refuse_link(path)
            return Folder(path, None)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
        self.close()
        return Folder(path, fd)

    def make(self, name: bytes) -> None:
        """Make a folder that only its owner can enter."""
        os.mkdir(self.at(name), 0o700, dir_fd=self.fd)

    def create(self, name: bytes) -> int:
        """Make a file and open it to be written."""
        return durable.create(self.at(name), dir_fd=self.fd)

    def link(self, name: bytes, target: bytes, mtime_ns: int) -> None:
        """Make a symbolic link; its time is set where the system can."""
        os.symlink(target, self.at(name), dir_fd=self.fd)
        if os.utime in os.supports_follow_symlinks:
            with suppress(OSError, OverflowError):
                os.utime(self.at(name), ns=(mtime_ns, mtime_ns), dir_fd=self.fd, follow_symlinks=False)

    def lstat(self, name: bytes) -> os.stat_result:
        """Look at something, not following a link."""
        return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False)

    def files(self) -> list[bytes]:
        """The names of all that is no folder."""
        with os.scandir(self.handle) as entries:
            return [os.fsencode(entry.name) for entry in entries if not entry.is_dir(follow_symlinks=False)]

    def remove(self, name: bytes) -> None:
        """Remove a file or link, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self.at(name), dir_fd=self.fd)

    def rename(self, old: bytes, new: bytes) -> None:
        """Give it another name, in place of what has it."""
        os.replace(self.at(old), self.at(new), src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def sync(self) -> None:
        """Make the names in it durable, where the system can."""
        if self.fd is not None:
            durable.sync(self.fd)

    def close(self) -> None:
        """Close it, once."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def _refuse_link(path: bytes) -> None:
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode) or getattr(info, "st_reparse_tag", 0) == _JUNCTION:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
