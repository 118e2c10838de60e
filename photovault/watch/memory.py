"""Giving memory back: what one backup needed must not stay with a daemon that mostly waits.

glibc puts large blocks outside its heaps, from where they go back to the system when they are freed; but each time one
is freed, it raises the size that counts as large, up to 32 MiB.  Then the buffers of a backup (8 and 16 MiB) come to lie in
the heaps of its threads, where they stay: half an hour of backups held 340 MB.  Setting the size once ends that.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 1 << 20


def give_back() -> None:
    """Let blocks from 1 MiB on go back to the system when they are freed; does nothing where there is no glibc."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
