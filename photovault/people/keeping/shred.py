"""Removing a file so that its bytes are not left where they were, as far as a program can see to that.

The bytes are written over with zeros, made durable, read back, cut off, and the name is removed.  Links are removed, never
followed: what they lead to is not ours.

Guarantee: after no problem was returned, the name is gone, and what the file held has been written over through this
file.  Not guaranteed: on SSDs, copy-on-write file systems (Btrfs, ZFS, APFS), snapshots and journals the old bytes may
stay elsewhere on the disk for a while, where no program can reach them.  So what matters must be encrypted before.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from photovault.durable import sync, write_all

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 20


def shred(path: Path, *, overwrite: bool = True) -> list[str]:
    """Overwrite and remove one file; returns what could not be done.  A file that is not there is no problem.

    ``overwrite``: False for a file that has other names, which are not ours.
    """
    try:
        found = os.lstat(path)
        problems = _zeroed(path) if overwrite and stat.S_ISREG(found.st_mode) and found.st_size else []
        os.unlink(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path}: {error.strerror or error}"]
    return problems


def _zeroed(path: Path) -> list[str]:
    """Write over a regular file; what fails here does not keep it from being removed."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        return [f"{path} was not written over: {error.strerror}"]
    try:
        size = os.fstat(fd).st_size
        _fill(fd, size)
        sync(fd)
        whole = _is_zero(fd, size)
        os.ftruncate(fd, 0)
        sync(fd)
    except OSError as error:
        return [f"{path} was not written over: {error.strerror}"]
    finally:
        os.close(fd)
    return [] if whole else [f"{path} does not read as what was written over it"]


def _fill(fd: int, size: int) -> None:
    zeros = bytes(_PIECE)
    os.lseek(fd, 0, os.SEEK_SET)
    for at in range(0, size, _PIECE):
        write_all(fd, zeros[: min(_PIECE, size - at)])


def _is_zero(fd: int, size: int) -> bool:
    os.lseek(fd, 0, os.SEEK_SET)
    seen = 0
    while piece := os.read(fd, _PIECE):
        if piece.count(0) != len(piece):
            return False
        seen += len(piece)
    return seen == size
