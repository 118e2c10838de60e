"""Every file that programs write into some folders while a test runs, also one that they remove again.

On Linux inotify tells of each file at once; it is opened then, and what it holds is kept, before and after each close.
Elsewhere only what is there at the end is seen.  Not seen: files outside the folders, and files without a name.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CREATE, _MODIFY, _CLOSED, _MOVED = 0x100, 0x2, 0x8, 0x80
_EVENT = struct.Struct("iIII")
_KEPT_MAX = 1 << 26


class Watch:
    """What was written below some folders, by path: each different content that was seen."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._seen: dict[Path, set[bytes]] = {}
        self._watches: dict[int, Path] = {}
        self._over = threading.Event()

    def contents(self) -> Iterator[tuple[Path, bytes]]:
        """Everything that was seen."""
        for path, found in self._seen.items():
            for data in found:
                yield path, data

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            for folder in self._folders:
                self._add(folder)
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if sys.platform == "linux":
            self._over.set()
            self._thread.join()
            os.close(self._fd)
        for folder in self._folders:
            for path in folder.rglob("*"):
                self._keep(path)

    def _add(self, folder: Path) -> None:
        """Watch a folder, and what came into it before it was watched."""
        mask = _CREATE | _MODIFY | _CLOSED | _MOVED
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), mask)
        if number < 0:
            return
        self._watches[number] = folder
        with suppress(OSError):
            for path in list(folder.iterdir()):
                self._come(path)

    def _come(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self._add(path)
        else:
            self._keep(path)

    def _keep(self, path: Path) -> None:
        with suppress(OSError):
            if path.is_file() and path.stat().st_size < _KEPT_MAX:
                data = path.read_bytes()
                if data:
                    self._seen.setdefault(path, set()).add(data)

    def _run(self) -> None:
        while not self._over.is_set() or select.select([self._fd], [], [], 0)[0]:
            if not select.select([self._fd], [], [], 0.05)[0]:
                continue
            with suppress(BlockingIOError):
                for number, name in _events(os.read(self._fd, 1 << 16)):
                    if number in self._watches and name:
                        self._come(self._watches[number] / os.fsdecode(name))


def _events(data: bytes) -> Iterable[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        number, _mask, _cookie, size = _EVENT.unpack_from(data, at)
        yield number, data[at + _EVENT.size : at + _EVENT.size + size].rstrip(b"\0")
        at += _EVENT.size + size


@contextmanager
def watched(*folders: Path) -> Iterator[Watch]:
    """Watch ``folders``, which are made if they are not there."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with Watch(*folders) as watch:
        yield watch
