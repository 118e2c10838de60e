"""Telling other backup tools and indexers that the folder of the people is not for them.

- Everywhere: ``CACHEDIR.TAG`` (bford.info/cachedir), which restic, borg, Kopia, tar and others heed.
- macOS: the extended attribute by which ``tmutil addexclusion`` marks what Time Machine leaves out; it holds a binary
  property list of the text ``com.apple.backupd``.
- Windows: not to be indexed, and no archive bit.  Windows has no mark on a folder that its own backups heed (they read a
  list in the registry, which only an administrator writes); OneDrive and File History take only folders one chooses.

Guarantee: what was done is returned in words.  Not guaranteed: that a tool heeds it; that is why the store is encrypted.
Where a mark cannot be set, that is said and no error.
"""

from __future__ import annotations

import ctypes
import os
import plistlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.durable import create, sync, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAG_NAME = "CACHEDIR.TAG"
TAG = b"""\
Signature: 8a477f597d28d172789f06886806bc55
# This folder holds face data of photovault, which must not be in any backup.
# For what this file is, see https://bford.info/cachedir/
"""
MAC_NAME = b"com.apple.metadata:com_apple_backup_excludeItem"
MAC_VALUE = plistlib.dumps("com.apple.backupd", fmt=plistlib.FMT_BINARY)
ARCHIVE = 0x20  # learn.microsoft.com/windows/win32/fileio/file-attribute-constants
NOT_INDEXED = 0x2000


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What marking asks of the system.  Each function raises OSError.

    Attributes:
        platform: as ``sys.platform``.
        set_attribute: of a path: name and value of an extended attribute (macOS).
        get_flags, set_flags: the attributes of a path, as bits (Windows).
    """

    platform: str
    set_attribute: Callable[[Path, bytes, bytes], None]
    get_flags: Callable[[Path], int]
    set_flags: Callable[[Path, int], None]


def mark(folder: Path, system: System | None = None) -> list[str]:
    """Mark ``folder``, which is made if needed; returns what could not be marked, nothing if all was."""
    system = system or here()
    problems = _try("CACHEDIR.TAG", lambda: _tag(folder))
    if system.platform == "darwin":
        problems += _try("the mark for Time Machine", lambda: system.set_attribute(folder, MAC_NAME, MAC_VALUE))
    if system.platform == "win32":
        problems += _try("the attributes of the folder", lambda: _flag(folder, system))
    return problems


def here() -> System:
    """The system that this runs on."""
    return System(platform=sys.platform, set_attribute=_set_attribute, get_flags=_get_flags, set_flags=_set_flags)


def _try(what: str, act: Callable[[], None]) -> list[str]:
    try:
        act()
    except OSError as error:
        return [f"{what} could not be set: {error.strerror or error}"]
    return []


def _tag(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / TAG_NAME
    try:
        if path.read_bytes() == TAG and not path.is_symlink():
            return
        path.unlink()
    except FileNotFoundError:
        pass
    fd = create(path)
    try:
        write_all(fd, TAG)
        sync(fd)
    finally:
        os.close(fd)


def _flag(folder: Path, system: System) -> None:
    system.set_flags(folder, system.get_flags(folder) & ~ARCHIVE | NOT_INDEXED)


def _set_attribute(path: Path, name: bytes, value: bytes) -> None:
    """As setxattr(2) of macOS has it: path, name, value, size, position, options; Python has no call for it there."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setxattr(os.fsencode(path), name, value, ctypes.c_size_t(len(value)), ctypes.c_uint32(0), 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _get_flags(path: Path) -> int:
    return int(getattr(os.stat(path), "st_file_attributes", 0))


def _set_flags(path: Path, flags: int) -> None:
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    if not kernel.SetFileAttributesW(os.fspath(path), ctypes.c_uint32(flags)):
        raise ctypes.WinError()  # type: ignore[attr-defined,unused-ignore]
