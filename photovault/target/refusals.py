"""What the system's errors mean for who writes files into a folder, and what to do about them."""

from __future__ import annotations

import errno

from photovault.durable import FULL, NOT_ALLOWED
from photovault.errors import RefusedError, StorageError

BAD_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
_IN_THE_WAY = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})


def refusal(error: OSError, place: str, size: int) -> StorageError:
    """Translate an error about ``place``; ``size`` is how many bytes were to go there."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        hint = "Make room there, or name a folder on another disk; then run the same command again."
        return RefusedError(f"{place}: no space left, {size} bytes are needed for this file", hint)
    if error.errno == errno.EFBIG:
        return RefusedError(f"{place}: {size} bytes are too many for one file there", "Name a folder on another disk.")
    if error.errno in NOT_ALLOWED:
        return RefusedError(f"{place}: not allowed: {reason}", "Name a folder that you may write to.")
    if error.errno in _IN_THE_WAY:
        hint = "Move it away, or name an empty folder; links are never followed."
        return RefusedError(f"{place}: a link, file or folder is in the way: {reason}", hint)
    if error.errno in BAD_NAME:
        return RefusedError(f"{place}: this disk does not take the name: {reason}", "Name a folder on another disk.")
    return StorageError(f"{place}: {reason}")
