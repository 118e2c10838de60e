"""A storage on a server that speaks SFTP (protocol version 3, as OpenSSH does).

``put`` writes a temporary file under ``tmp/``, lets the server make it durable (fsync@openssh.com), renames it to its
name, which SFTP does not do when the name is taken, and makes the folder durable.  Blocks are sent and asked for without
waiting for the answers before them, and ``sessions`` share one connection.

Guarantee: an object is there whole or not at all, and no name is given twice, as far as the server keeps to SFTP.  A crash
can leave a temporary file behind; ``listing`` never shows it, and the first ``put`` a day later removes it.  An operation
ends when no answer has come for ``timeout`` seconds, to whomever.  Not guaranteed: durability after a power cut of a server
that does not know fsync@openssh.com.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import weakref
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

import asyncssh

from photovault.errors import AbsentError, MissingError, PhotovaultError, RefusedError, UnavailableError
from photovault.storage.base import Buffer, Stored, check_name, check_whole
from photovault.storage.remote.background import wait_for
from photovault.storage.remote.sessions import Sessions, Watch, all_of
from photovault.storage.remote.ssh import FOREIGN, check_login, connect, plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from photovault.storage.addresses import Address
    from photovault.storage.opening import Access

_TMP = "tmp"
_IN_FLIGHT = 8  # blocks that one put or get waits for at a time
_FOLDERS_AT_ONCE = 100
_DEEPEST = 8  # folders in folders; ours are two deep
_MOST_NAMES = 4_000_000  # in one listing; that many packs are 64 TB
_STALE_SECONDS = 24 * 3600  # no put takes so long, not even another device's
_LEAST_BLOCK, _MOST_BLOCK = 32 * 1024, 256 * 1024  # bytes; every server takes the first in a request
_NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
_PRIVATE_FILE = asyncssh.SFTPAttrs(permissions=0o600)
_PRIVATE_FOLDER = asyncssh.SFTPAttrs(permissions=0o700)
_NOT_THERE = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_NO_RIGHTS = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect, asyncssh.SFTPCannotDelete)
_NO_SPACE = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_TAKEN = (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists)  # version 3 has one word for everything

_T = TypeVar("_T")


def open_sftp(address: Address, access: Access) -> SftpStorage:
    """The storage at ``sftp://USER@HOST:PORT/PATH``; ``/~/PATH`` is below the home folder.  Nothing is asked of it yet.

    Raises:
        UsageError: the address names a user that cannot be.
    """
    check_login(address)
    return SftpStorage(address, access)


class SftpStorage:
    """Objects as files below one folder of a server."""

    def __init__(self, address: Address, access: Access) -> None:
        """Use the folder that ``address`` names, which is made on the first ``put``."""
        self.address = address.shown
        self._root = f".{address.path[2:]}" if f"{address.path}/".startswith("/~/") else address.path
        self._watch = Watch(access.timeout)
        self._sessions = Sessions(partial(connect, address, access), access.timeout)
        self._timeout = access.timeout
        self._folders: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._was_there = False
        self._swept = False
        weakref.finalize(self, self._sessions.close)

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        check_name(name)
        wait_for(self._with_session(lambda session: self._put(session, name, memoryview(data)), name, len(data)))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        check_name(name)
        return wait_for(self._with_session(lambda session: self._get(session, name, offset, length), name))

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        below = prefix.rstrip("/")
        yield from wait_for(self._with_session(lambda session: self._list(session, below), prefix or "the vault"))

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        wait_for(self._with_session(lambda session: self._delete(session, name), name))

    async def _with_session(
        self, work: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, _T]], name: str, writing: int | None = None
    ) -> _T:
        try:
            async with self._sessions.one() as session, self._watch.over():
                return await work(session)
        except PhotovaultError:
            raise
        except FOREIGN as error:
            raise self._translate(error, name, writing) from None

    async def _put(self, session: asyncssh.SFTPClient, name: str, data: memoryview) -> None:
        temporary, folder = f"{_TMP}/{uuid4().hex}", name.rpartition("/")[0]
        await self._make_folder(session, self._path(_TMP))
        making = self._later(self._make_folder(session, self._path(folder)))
        try:
            await self._write(session, temporary, data)
            await making
            self._was_there = True
            await self._sweep_once(session, temporary)
            await self._publish(session, temporary, name, data)
        except (asyncssh.SFTPError, PhotovaultError) as error:
            full = isinstance(error, asyncssh.SFTPFailure) and await self._is_full(session, len(data))
            with suppress(asyncssh.Error):
                await session.remove(self._path(temporary))
            if full:
                raise self._no_space(name, len(data)) from None
            raise

    async def _write(self, session: asyncssh.SFTPClient, name: str, data: memoryview) -> None:
        """A new durable file.

        It is made durable by a request that follows the last block at once: a server does what concerns one file in
        the order in which it was asked.
        """
        file = await session.open(self._path(name), _NEW, _PRIVATE_FILE, encoding=None, block_size=0)
        size = _block(session.limits.max_write_len)
        wait_for_close = False

        async def write(at: int) -> None:
            nonlocal wait_for_close
            if at < len(data):
                await file.write(cast("bytes", data[at : at + size]), at)  # any buffer will do
            else:
                try:
                    await file.fsync()
                except asyncssh.SFTPOpUnsupported:
                    wait_for_close = True  # that tells whether all is written, at least
            self._watch.answered()

        try:
            await all_of(write, (*range(0, len(data), size), len(data)), _IN_FLIGHT)
        finally:
            closing = self._later(file.close())
        if wait_for_close:
            await closing

    async def _publish(self, session: asyncssh.SFTPClient, temporary: str, name: str, data: memoryview) -> None:
        """Give a file its name; the same bytes under it already are as good."""
        naming = self._later(session.rename(self._path(temporary), self._path(name)))
        async with self._folder(session, self._path(name.rpartition("/")[0])) as opening:
            try:
                await naming
            except _TAKEN:
                if not await self._is_there_already(session, name, data):
                    raise
                await session.remove(self._path(temporary))
            await _sync(opening)

    async def _is_there_already(self, session: asyncssh.SFTPClient, name: str, data: memoryview) -> bool:
        """Whether there is an object of that name; RefusedError when it is another."""
        size = await self._size(session, name)
        if size is not None and (size != len(data) or await self._get(session, name, 0, size) != data):
            raise RefusedError(f"{name} is there already, with other contents") from None
        return size is not None

    async def _get(self, session: asyncssh.SFTPClient, name: str, offset: int, length: int | None) -> bytes:
        opening = self._later(_open(session, self._path(name)))
        try:
            size = await self._size(session, name)
            if size is None:
                raise await self._missing(session, name)
            self._was_there = True
            if length is None:
                check_whole(name, size)
            end = size if length is None else offset + length
            if end > size or offset > size:
                raise MissingError(f"{name} ends at byte {size}, byte {end} was asked for")
            step = _block(session.limits.max_read_len)
            return await self._read(await opening, name, range(offset, end, step), end)
        finally:
            self._later(_close(opening))

    async def _read(self, file: asyncssh.SFTPClientFile, name: str, starts: range, end: int) -> bytes:
        async def read(at: int) -> bytes:
            data, stop = b"", min(at + starts.step, end)
            while at + len(data) < stop:  # a read may be short without being at the end
                more: bytes = await file.read(stop - at - len(data), at + len(data))
                self._watch.answered()
                if not more or len(data) + len(more) > stop - at:
                    raise MissingError(f"{name} changed while it was read")
                data += more
            return data

        return b"".join(await all_of(read, starts, _IN_FLIGHT))

    async def _size(self, session: asyncssh.SFTPClient, name: str) -> int | None:
        """The size of an object, None when there is none."""
        try:
            found = await session.stat(self._path(name))
        except _NOT_THERE:
            return None
        return None if found.type == asyncssh.FILEXFER_TYPE_DIRECTORY else found.size or 0

    async def _list(self, session: asyncssh.SFTPClient, below: str) -> list[Stored]:
        found: list[Stored] = []
        try:
            folders = await self._entries(session, below, found)
        except _NOT_THERE:
            if below and await self._is_there(session):
                return []
            raise self._gone() from None
        self._was_there = True
        for _ in range(_DEEPEST):
            deeper = await all_of(partial(self._entries_if_there, session, found), folders, _FOLDERS_AT_ONCE)
            folders = [folder for more in deeper for folder in more]
        if folders:
            raise RefusedError(f"{self.address} has folders in folders without end, as no vault has")
        return found

    async def _entries_if_there(self, session: asyncssh.SFTPClient, found: list[Stored], folder: str) -> list[str]:
        with suppress(*_NOT_THERE):
            return await self._entries(session, folder, found)
        return []

    async def _entries(self, session: asyncssh.SFTPClient, folder: str, found: list[Stored]) -> list[str]:
        """Add the objects in a folder to ``found``; returns the folders in it."""
        folders: list[str] = []
        async for entry in session.scandir(os.fsencode(self._path(folder))):
            self._watch.answered()
            name = f"{folder}/{os.fsdecode(entry.filename)}" if folder else os.fsdecode(entry.filename)
            if entry.filename in {b".", b"..", b""} or name == _TMP:
                continue
            if len(found) + len(folders) >= _MOST_NAMES:
                raise RefusedError(f"{self.address} lists names without end, as no vault has")
            if entry.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
                folders.append(name)
            else:
                found.append(Stored(name=name, size=entry.attrs.size or 0))
        return folders

    async def _delete(self, session: asyncssh.SFTPClient, name: str) -> None:
        with suppress(*_NOT_THERE):
            await session.remove(self._path(name))

    async def _make_folder(self, session: asyncssh.SFTPClient, path: str) -> None:
        """Make a folder, and those that it is in, unless they are there; durable even if another task just made it."""
        if path in self._folders:
            return
        parent = posixpath.dirname(path)
        try:
            with suppress(*_TAKEN):  # it is there; if something else is, the rename into it fails
                await session.mkdir(path, _PRIVATE_FOLDER)
        except _NOT_THERE:
            if parent in {"", path}:
                raise
            await self._make_folder(session, parent)
            with suppress(*_TAKEN):
                await session.mkdir(path, _PRIVATE_FOLDER)
        async with self._folder(session, parent or ".") as opening:
            await _sync(opening)
        self._folders.add(path)

    @asynccontextmanager
    async def _folder(
        self, session: asyncssh.SFTPClient, path: str
    ) -> AsyncIterator[asyncio.Task[asyncssh.SFTPClientFile]]:
        """A folder that is being opened, to make the names in it durable."""
        opening = self._later(_open(session, path))
        try:
            yield opening
        finally:
            self._later(_close(opening))

    async def _sweep_once(self, session: asyncssh.SFTPClient, temporary: str) -> None:
        """Remove what crashed runs left under ``tmp/`` more than a day before ``temporary``, by the clock of the server."""
        if self._swept:
            return
        self._swept = True
        with suppress(asyncssh.SFTPError):
            now = (await session.stat(self._path(temporary))).mtime or 0
            for entry in await session.readdir(self._path(_TMP)):
                name = str(entry.filename)
                if name not in {".", ".."} and "/" not in name and (entry.attrs.mtime or now) < now - _STALE_SECONDS:
                    await session.remove(self._path(f"{_TMP}/{name}"))

    async def _is_there(self, session: asyncssh.SFTPClient) -> bool:
        try:
            await session.stat(self._path(""))
        except _NOT_THERE:
            return False
        return True

    async def _is_full(self, session: asyncssh.SFTPClient, needed: int) -> bool:
        """Whether the server has less room than is needed, if it tells."""
        try:
            found = await session.statvfs(self._path(""))
        except asyncssh.SFTPError:
            return False
        return found.bavail * found.frsize < needed or found.favail == 0 < found.files

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def _later(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Begin something now; whoever needs its result awaits it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return task

    async def _missing(self, session: asyncssh.SFTPClient, name: str) -> PhotovaultError:
        if self._was_there and not await self._is_there(session):
            return self._gone()
        return MissingError(f"{name} is not in {self.address}")

    def _gone(self) -> AbsentError:
        return AbsentError(
            f"{self.address} is not there", "check the path of the address, and that its disk is mounted on the server"
        )

    def _no_space(self, name: str, size: int) -> RefusedError:
        return RefusedError(
            f"no space left at {self.address}: {size:,} bytes were needed for {name}",
            "free space there or choose another place; what was there before is untouched",
        )

    def _translate(self, error: Exception, name: str, writing: int | None) -> PhotovaultError:
        why = plain(getattr(error, "reason", "") or str(error)) or type(error).__name__
        if isinstance(error, TimeoutError):
            why = f"no answer for {self._timeout:g} seconds"
        if isinstance(error, _NO_SPACE):
            return self._no_space(name, writing or 0)
        if isinstance(error, _NO_RIGHTS):
            return RefusedError(f"{self.address} refused {name}: {why}", "check the rights of that user on the server")
        if isinstance(error, _NOT_THERE):
            return self._gone() if writing is not None else MissingError(f"{name} is not in {self.address}")
        if isinstance(error, asyncssh.SFTPOpUnsupported):
            return RefusedError(f"{self.address} cannot do what {name} needs: {why}", "use another server")
        hint = "check the server" if writing is None else "check the server, and the space and quota that it gives you"
        return UnavailableError(f"{self.address} failed at {name}: {why}", hint)


def _block(limit: int) -> int:
    """How much to read or write in one request, to a server that names a limit; 0 is none."""
    return min(max(limit, _LEAST_BLOCK), _MOST_BLOCK)


async def _open(session: asyncssh.SFTPClient, path: str) -> asyncssh.SFTPClientFile:
    """A file to read; a folder too, on servers that open those."""
    return await session.open(path, asyncssh.FXF_READ, encoding=None, block_size=0)


async def _sync(opening: asyncio.Task[asyncssh.SFTPClientFile]) -> None:
    """Make names in a folder durable, where the server opens folders as files, as OpenSSH does."""
    try:
        await (await opening).fsync()
    except asyncssh.SFTPError as error:
        if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
            raise


async def _close(opening: asyncio.Task[asyncssh.SFTPClientFile]) -> None:
    await (await opening).close()
