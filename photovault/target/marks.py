"""What a file has besides its bytes: times, rights, extended attributes.  What cannot be kept loses no photo."""

from __future__ import annotations

import os
import sys


def stamp(handle: int | bytes, mtime_ns: int, mode: int) -> tuple[str, ...]:
    """Set rights (never setuid, setgid, sticky) and times; returns which of ``mode`` and ``time`` could not be set."""
    lost: list[str] = []
    try:
        os.chmod(handle, mode & 0o777)
    except OSError:
        lost.append("mode")
    try:
        os.utime(handle, ns=(mtime_ns, mtime_ns))
    except (OSError, OverflowError):
        lost.append("time")
    return tuple(lost)


def keep_xattr(fd: int, name: str, value: bytes) -> bool:
    """Set one attribute of the user's own; others (capabilities, access lists) would grant rights."""
    if sys.platform != "linux" or not name.startswith("user."):
        return False
    try:
        os.setxattr(fd, name, value)
    except (OSError, ValueError):
        return False
    return True
