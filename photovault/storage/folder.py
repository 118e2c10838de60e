"""A storage in a local folder: a disk, a mounted share, a stick.

``put`` writes a temporary file under ``tmp/``, makes it durable (fsync), links it to its name, which fails if the name
is taken, and makes the folder durable, and once a run those above it.  ``delete`` is durable as well.  File systems
without hard links (exFAT, some shares) get a rename instead.  Packs are written and read past the page cache where the
system can (O_DIRECT): they are used once, the cache is the user's, and a check must see the disk.
Guarantee: an object is there whole or not at all.  A crash can leave a temporary file behind; ``listing`` never shows
it, and the first ``put`` a day later removes it.  A process that was killed may have named what the disk does not know
yet: the first ``put`` makes that durable, because the caller may have seen it and relies on it.  Not guaranteed without
hard links: that two devices which put other bytes under one name at the same moment both learn of it.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import platform
import re
import threading
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from photovault.durable import FULL, NOT_ALLOWED, create, name_new, sync, sync_folder, write_all
from photovault.errors import AbsentError, MissingError, PhotovaultError, RefusedError, UnavailableError
from photovault.storage.base import Buffer, Stored, check_name, check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TMP = "tmp"
_TEMPORARY = re.compile(r"([0-9a-f]{8})-([1-9]\d{0,9})-[0-9a-f]{32}", re.ASCII)  # computer, process, chance
_DIRECT_MIN = 1024 * 1024
_BLOCK = 4096
_STALE_SECONDS = 24 * 3600  # no put takes so long, not even another device's
_NO_DIRECT = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


class FolderStorage:
    """Objects as files below one folder."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, which is made on the first ``put``."""
        self._root = root
        self._folders: set[str] = set()
        self._was_there = False
        self._tidied = False
        self._tidying = threading.Lock()
        self.direct_min = _DIRECT_MIN
        """So many bytes and more are read past the page cache; 1: all, for whoever wants to know what the disk holds."""

    @property
    def address(self) -> str:
        """For messages."""
        return str(self._root)

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        check_name(name)
        with self._translated(name, len(data)):
            self._make_folder(name.rpartition("/")[0])
            temporary = self._write_temporary(data)
            try:
                self._tidy_once(os.stat(temporary).st_mtime)
                self._publish(temporary, name, data)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        check_name(name)
        with self._translated(name), open(self._root / name, "rb", buffering=0) as file:
            self._was_there = True
            size = os.fstat(file.fileno()).st_size
            if length is None:
                check_whole(name, size)
            end = size if length is None else offset + length
            if end > size or offset > size:
                raise MissingError(f"{name} ends at byte {size}, byte {end} was asked for")
            if end - offset >= self.direct_min:
                data = _read_direct(self._root / name, offset, end - offset, name)
                if data is not None:
                    return data
            return _read_exactly(file.fileno(), offset, end - offset, name)

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        with self._translated(prefix or "the vault"):
            if not self._root.is_dir():
                raise self._gone()
            self._was_there = True
            yield from self._walk(prefix.rstrip("/"))

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        with self._translated(name), suppress(FileNotFoundError):
            os.unlink(self._root / name)
            _sync_folder((self._root / name).parent)

    def _tidy_once(self, now: float) -> None:
        """Clear up after runs that were killed; ``now`` by the clock of the disk."""
        with self._tidying:
            if not self._tidied:
                self._settle(now - _STALE_SECONDS)
                self._sweep(now - _STALE_SECONDS)
                self._tidied = True

    def _settle(self, since: float) -> None:
        """Make durable what others named lately: this run relies on what it saw, and who named it may be dead by now."""
        for folder in (self._root, *_folders_in(self._root), *_folders_in(self._root / "packs")):
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime >= since:
                    _sync_folder(folder)

    def _sweep(self, before: float) -> None:
        """Remove what was left under ``tmp/``."""
        with suppress(OSError):
            for entry in list(os.scandir(self._root / _TMP)):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    os.unlink(entry.path)

    def _walk(self, below: str) -> Iterator[Stored]:
        try:
            entries = list(os.scandir(self._root / below))
        except FileNotFoundError:
            return
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if name != _TMP:
                    yield from self._walk(name)
            else:
                yield Stored(name=name, size=entry.stat().st_size)

    def _make_folder(self, name: str) -> None:
        for folder in (_TMP, name):
            if folder in self._folders:
                continue
            for path in reversed((self._root / folder, *(self._root / folder).parents)):
                self._make_durable(path)
            self._folders.add(folder)

    def _make_durable(self, path: Path) -> None:
        """Make a folder whose name is durable; one that is there may be so only since a run that was killed, or goes on."""
        is_new = not path.exists()
        if is_new:
            path.mkdir(mode=0o700, exist_ok=True)
        if is_new or self._root in (path, *path.parents):
            with suppress(PermissionError):  # the folder above the root may let nobody look into it
                _sync_folder(path.parent)

    def _write_temporary(self, data: Buffer) -> str:
        path = os.fspath(self._root / _TMP / f"{_host()}-{os.getpid()}-{uuid4().hex}")
        try:
            if not (len(data) >= _DIRECT_MIN and _write_direct(path, data)):
                _write(path, data, 0)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(path)
            raise
        return path

    def _publish(self, temporary: str, name: str, data: Buffer) -> None:
        final = self._root / name
        try:
            name_new(temporary, final)
        except FileExistsError:
            if final.read_bytes() != data:
                raise RefusedError(f"{name} is there already, with other contents") from None
        _sync_folder(final.parent)

    def _gone(self) -> AbsentError:
        return AbsentError(f"{self._root} is not there", "connect the disk or mount the share, then try again")

    @contextmanager
    def _translated(self, name: str, writing: int | None = None) -> Iterator[None]:
        """Translate the system's errors about ``name``; ``writing``: so many bytes were to go there."""
        try:
            yield
        except PhotovaultError:
            raise
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            if writing is not None or (self._was_there and not self._root.is_dir()):
                raise self._gone() from error
            raise MissingError(f"{name} is not in {self._root}") from None
        except OSError as error:
            raise _translate(error, name, self._root, writing) from None


def sweep_unfinished(root: Path) -> int:
    """Remove what killed processes of this computer left below ``root``; returns how many files.

    The caller keeps other runs of this device out, and writes nothing there meanwhile.  What other computers left is
    removed a day later, by the first ``put``.
    """
    swept = 0
    with suppress(OSError):
        for entry in list(os.scandir(root / _TMP)):
            found = _TEMPORARY.fullmatch(entry.name)
            if found is not None and found[1] == _host() and _is_over(int(found[2])):
                os.unlink(entry.path)
                swept += 1
    return swept


def _is_over(pid: int) -> bool:
    """Whether a process does not write any more: it is gone, or it is this one."""
    if os.name == "nt":  # there, asking a process would end it
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return pid == os.getpid()


@cache
def _host() -> str:
    """This computer, as names of unfinished files say it."""
    return hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _folders_in(path: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return [path / entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    return []


def _write(path: str, data: Buffer, flags: int) -> None:
    """A new durable file."""
    fd = create(path, flags=flags)
    try:
        write_all(fd, data)
        sync(fd)
    finally:
        os.close(fd)


def _write_direct(path: str, data: Buffer) -> bool:
    """As ``_write``, past the page cache; False where the file system or the buffer's alignment does not allow it."""
    if not hasattr(os, "O_DIRECT"):
        return False
    try:
        _write(path, data, os.O_DIRECT)
    except OSError as error:
        if error.errno not in _NO_DIRECT:
            raise
        with suppress(FileNotFoundError):
            os.unlink(path)
        return False
    return True


def _read_direct(path: Path, offset: int, length: int, name: str) -> bytes | None:
    """A range read past the page cache, which is what a check of the disk must do; None where that is not possible."""
    if not hasattr(os, "O_DIRECT"):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno in _NO_DIRECT:
            return None
        raise
    try:
        return _read_aligned(fd, offset, length, name)
    except OSError as error:
        if error.errno in _NO_DIRECT:
            return None
        raise
    finally:
        os.close(fd)


class _Aligned(threading.local):
    """A page-aligned buffer per thread, as O_DIRECT wants it; kept, because fresh pages cost more than the reading."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _BLOCK)

    def of(self, size: int) -> memoryview:
        if len(self._memory) < size:
            self._memory = mmap.mmap(-1, size)
        return memoryview(self._memory)[:size]


_aligned = _Aligned()


def _read_aligned(fd: int, offset: int, length: int, name: str) -> bytes:
    start = offset // _BLOCK * _BLOCK
    wanted = offset + length - start
    data = _aligned.of(-(-wanted // _BLOCK) * _BLOCK)
    done = 0
    while done < wanted:
        count = os.preadv(fd, [data[done:]], start + done)
        if not count or (count % _BLOCK and done + count < wanted):
            raise MissingError(f"{name} ends before byte {offset + length}")
        done += count
    return bytes(data[offset - start : wanted])


def _read_exactly(fd: int, offset: int, length: int, name: str) -> bytes:
    data = os.pread(fd, length, offset)
    while len(data) < length:  # a read may be short without being at the end
        more = os.pread(fd, length - len(data), offset + len(data))
        if not more:
            raise MissingError(f"{name} became shorter while it was read")
        data += more
    return data


def _sync_folder(path: Path) -> None:
    try:
        sync_folder(path)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some shares cannot sync a folder
            raise


def _translate(error: OSError, name: str, root: Path, writing: int | None) -> PhotovaultError:
    why = error.strerror or type(error).__name__
    if error.errno == errno.EIO and writing is None and root.is_dir():
        return MissingError(f"{name} cannot be read from {root}: {why}", "the disk may be failing: copy the vault")
    if error.errno in FULL or error.errno == errno.EFBIG:
        return RefusedError(
            f"no space left in {root}: {writing or 0:,} bytes were needed for {name}",
            "free space there or choose another place; what was there before is untouched",
        )
    if error.errno in NOT_ALLOWED:
        return RefusedError(f"{root} refused {name}: {why}", "check the permissions of that folder")
    return UnavailableError(f"{root} failed at {name}: {why}", "check that the disk or share is connected and healthy")
