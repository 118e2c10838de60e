"""Several SFTP sessions over one connection, and how long to wait for answers.

A server does the requests of one session one after the other, so that a session which makes a file durable keeps the
others from nothing.  A session that failed, or did not answer, is not used again; a connection that is lost fails what is
under way on it, and the next operation connects anew.  A server that allows fewer sessions gets along with fewer.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import asyncssh

from photovault.errors import PhotovaultError
from photovault.storage.remote.background import soon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
    from typing import Any

_SESSIONS = 6  # OpenSSH allows ten on one connection
_BROKEN = (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost, asyncssh.SFTPBadMessage)

_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Sessions:
    """Sessions to borrow; made when they are needed."""

    def __init__(
        self, connect: Callable[[], Coroutine[Any, Any, asyncssh.SSHClientConnection]], timeout: float
    ) -> None:
        """``connect`` logs in; opening a session may take ``timeout`` seconds."""
        self._connect = connect
        self._timeout = timeout
        self._connecting: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._started = 0
        self._free: asyncio.LifoQueue[_Session | None] = asyncio.LifoQueue()
        for _ in range(_SESSIONS):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """Borrow a session; wait for one if all are in use."""
        session = await self._take()
        works = False
        try:
            yield session[1]
            works = True
        except (PhotovaultError, asyncssh.SFTPError) as error:
            works = not isinstance(error, _BROKEN)
            raise
        finally:
            if not works:
                session[1].exit()
                self._started -= 1
            self._free.put_nowait(session if works else None)

    def close(self) -> None:
        """Say goodbye, from any thread."""
        connection = self._connection()
        if connection is not None:
            soon(connection.close)

    async def _take(self) -> _Session:
        session = await self._free.get()
        if session is not None:
            if not session[0].is_closed():
                return session
            self._started -= 1
        self._started += 1
        try:
            return await self._start()
        except BaseException as error:
            self._started -= 1
            if isinstance(error, asyncssh.ChannelOpenError) and self._started:
                return await self._take()  # the server allows no more: share those that there are
            self._free.put_nowait(None)
            raise

    async def _start(self) -> _Session:
        if self._connecting is None or (self._connecting.done() and self._connection() is None):
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        connection = await asyncio.shield(self._connecting)  # whoever waits learns at once that it failed
        async with asyncio.timeout(self._timeout):
            return connection, await connection.start_sftp_client()

    def _connection(self) -> asyncssh.SSHClientConnection | None:
        """The connection, if there is one that works."""
        task = self._connecting
        if task is None or not task.done() or task.cancelled() or task.exception():
            return None
        return None if task.result().is_closed() else task.result()


_Session = tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]


class Watch:
    """Ends what waits when no answer has come to anybody for some seconds.

    Whose answer came does not matter: on a slow line the bytes of one operation wait behind those of the others.
    """

    def __init__(self, seconds: float) -> None:
        """Be patient for so long."""
        self._seconds = seconds
        self._limits: set[asyncio.Timeout] = set()
        self._last = 0.0

    @asynccontextmanager
    async def over(self) -> AsyncIterator[None]:
        """TimeoutError when it takes too long after the last answer."""
        async with asyncio.timeout(self._seconds) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def answered(self) -> None:
        """An answer came."""
        now = asyncio.get_running_loop().time()
        if now < self._last + self._seconds / 10:
            return  # soon enough the next time
        self._last = now
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now + self._seconds)


async def all_of(work: Callable[[_Item], Coroutine[Any, Any, _T]], items: Iterable[_Item], at_once: int) -> list[_T]:
    """What ``work`` returns for each item, ``at_once`` of them at a time; the first error stops the others."""
    places = asyncio.Semaphore(at_once)

    async def one(item: _Item) -> _T:
        async with places:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
