"""The live file beside the one of the snapshot: has it rotted on this computer's disk?

A file that still has the size and the times of the last backup was written to by nobody, so other bytes are the disk's, or the
memory's, doing.  Where the catalog does not know when the file's entry changed last, its size and time of modification must do.
Guarantee: a file that is not there, was changed, or changes while it is read is no alarm.  What is only in a cloud is not fetched.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from enum import StrEnum
from typing import TYPE_CHECKING

from photovault.model import INODE_MASK
from photovault.photos.reading import open_quietly
from photovault.photos.rules import placeholder

if TYPE_CHECKING:
    from photovault.model import Entry, Stamp

_PIECE = 1 << 20


class Live(StrEnum):
    """How the live file compares with the one of the snapshot; ``UNKNOWN`` where there is none."""

    UNKNOWN = "unknown"
    SAME = "same"
    CHANGED = "changed"
    ROTTEN = "rotten"
    UNREADABLE = "unreadable"


def compare(path: bytes, entry: Entry, stamp: Stamp | None) -> tuple[Live, str]:
    """How the file at ``path`` compares with ``entry``, and what the system said if it cannot be read.

    ``stamp``: what the file was when the version of ``entry`` was read from it, if that is known.
    """
    try:
        fd = open_quietly(path)
    except OSError as error:
        return (Live.UNREADABLE, error.strerror or "") if error.errno == errno.EIO else (Live.UNKNOWN, "")
    try:
        return _compared(fd, entry, stamp), ""
    except OSError as error:
        return Live.UNREADABLE, error.strerror or type(error).__name__
    finally:
        os.close(fd)


def _compared(fd: int, entry: Entry, stamp: Stamp | None) -> Live:
    st = os.fstat(fd)
    if not stat.S_ISREG(st.st_mode) or placeholder(entry.name, st):
        return Live.UNKNOWN
    if (st.st_size, st.st_mtime_ns) != (entry.size, entry.mtime_ns):
        return Live.CHANGED
    if _digest(fd) == entry.digest:
        return Live.SAME
    after = os.fstat(fd)
    still = (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == (st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    return Live.ROTTEN if still and not entry.unsettled and _untouched(st, stamp) else Live.CHANGED


def _untouched(st: os.stat_result, stamp: Stamp | None) -> bool:
    """Whether it is the file of the last backup, and nobody wrote to it since."""
    return stamp is None or (st.st_ino & INODE_MASK, st.st_ctime_ns) == (stamp.ino, stamp.ctime_ns)


def _digest(fd: int) -> bytes:
    digest = hashlib.sha256()
    while data := os.read(fd, _PIECE):
        digest.update(data)
    return digest.digest()
