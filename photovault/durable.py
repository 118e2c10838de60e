"""New files on a disk: private, whole, durable, and where it matters never in place of another.

The steps of every writer here: ``create`` under a name that nobody else uses, ``write_all``, ``sync``, then the name
(``name_new``, or a plain rename by who may replace what is there), then ``sync_folder``.  In this order a crash leaves
the old file or the new one, and perhaps a temporary one, but never half a file under its final name.

Guarantee: what was synced survives a power cut, as far as the disk keeps its word.  ``name_new`` never replaces a file
where the disk has hard links.  Not guaranteed: on others, against somebody who takes the name in the same instant.
Every function raises OSError; each caller says in its own words what that means to the user.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
)


def create(path: bytes | str | Path, *, flags: int = 0, dir_fd: int | None = None) -> int:
    """Make a new file that only its owner can read, and open it to be written.

    What is there already, also a link (O_EXCL follows none), raises FileExistsError.
    """
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, new | flags, 0o600, dir_fd=dir_fd)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data``: a single write may take less."""
    rest = memoryview(data)
    while rest.nbytes:
        rest = rest[os.write(fd, rest) :]


def sync(fd: int) -> None:
    """Have what is written to ``fd`` on the medium; macOS needs more than fsync for that (its fsync(2) says so)."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - not on Windows

        with suppress(OSError):  # not every network file system has it; fsync is what is left then
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":  # folders cannot be opened there; NTFS journals names by itself
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        sync(fd)
    finally:
        os.close(fd)


def make_folders(path: Path) -> None:
    """Make a folder that only its owner can enter, and those above it that are missing; their names are durable."""
    missing = [one for one in (path, *path.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
        with suppress(PermissionError):  # a folder above may let nobody look into it
            sync_folder(one.parent)


def name_new(temporary: Path | str, path: Path) -> None:
    """Give a file its name, but never one that is taken: FileExistsError.  ``temporary`` may be left, to be removed."""
    try:
        os.link(temporary, path)  # fails if the name is taken; a rename would replace
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):  # this disk has no links: look first
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(path)) from None
        os.rename(temporary, path)
