"""What a file system does with names, learned by making a file and looking for it under another name."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.target.refusals import BAD_NAME

if TYPE_CHECKING:
    from photovault.target.folder import Folder


def folds_names(folder: Folder, start: str) -> bool:
    """Say whether names are one that differ by case or normalisation; ``start`` is of names nobody has.  OSError."""
    if _sees(folder, f"{start}a.tmp", f"{start}A.tmp"):
        return True
    with suppress(OSError):  # it has no such letter
        return _sees(folder, f"{start}\u00e9.tmp", f"{start}e\u0301.tmp")
    return False


def is_of_windows(folder: Folder, start: str) -> bool:
    """Say whether names follow the rules of Windows: FAT, exFAT or NTFS, for which a colon is no letter.  OSError."""
    try:
        _sees(folder, f"{start}:.tmp", f"{start}:.tmp")
    except OSError as error:
        if error.errno not in BAD_NAME:
            raise
        return True
    return False


def _sees(folder: Folder, made: str, other: str) -> bool:
    """Say whether a file made as ``made``, which is removed at once, is also found as ``other``."""
    name = os.fsencode(made)
    os.close(folder.create(name))
    try:
        folder.lstat(os.fsencode(other))
    except FileNotFoundError:
        return False
    finally:
        folder.remove(name)
    return True
