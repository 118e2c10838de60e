"""Folders on disks that cannot do all that Linux can: no hard links, no O_DIRECT, or one that fails late."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def _no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_old: str, _new: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


def _no_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)


def _direct_fails_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file opens with O_DIRECT, but the second write and every read are refused: alignment, or an odd network share."""
    import fcntl

    write, calls = os.write, []

    def refuse(fd: int, data: memoryview) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            return write(fd, data)
        calls.append(fd)
        if len(calls) % 2 == 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return write(fd, data[:4096])

    def preadv(_fd: int, _buffers: list[memoryview], _offset: int) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "write", refuse)
    monkeypatch.setattr(os, "preadv", preadv)


PREPARE: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "folder": lambda _: None,
    "no hard links": _no_links,
    "no O_DIRECT": _no_direct,
    "O_DIRECT fails late": _direct_fails_late,
}

FOLDERS = list(PREPARE)
