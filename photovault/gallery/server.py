"""Listening on loopback, or on a Unix socket, and nowhere else, until somebody says stop.

The only place of the gallery that knows a network.  The port is the system's choice, the socket file is its owner's alone and lies in a
folder that nobody else can write to.  There is no access log.  A connection over which no request comes ends after ten seconds; when
there are too many, those that wait longest go first, so a program that holds lines open keeps nobody out.  On Linux it is known whose
process is at the other end of a loopback connection: another user's gets nothing, also with a stolen cookie (cookies are
not kept apart by ports, so another user's server on this computer may be shown ours).

Guarantee: ``run`` returns within three seconds after ``stop``, whatever is under way.  Not guaranteed: that each thread ended by then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from photovault.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

_WAITING: Final = 64
_LINES_MAX: Final = 128
_FIRST_SECONDS: Final = 10.0
_KEPT_SECONDS: Final = 30
_HEAD_MAX: Final = 32_768  # bytes
_TICK: Final = 1.0
_GRACE: Final = 1  # seconds for answers that have begun
_FAREWELL: Final = 1.5
_NAME_MAX: Final = 100  # bytes; unix(7) gives 108
_OTHERS: Final = 0o022
_UID: Final = 7  # column of /proc/net/tcp: see proc(5)
_MAPPED: Final = f"{0:016X}{socket.htonl(0xFFFF):08X}"  # before an address of IPv4 in one of IPv6 (RFC 4291, 2.5.5.2)
_TABLES: Final = (("/proc/net/tcp", ""), ("/proc/net/tcp6", _MAPPED))

NOBODY: Final = -1
"""No user has this number."""


def clock() -> float:
    """Seconds that go on while the computer sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def listen() -> tuple[socket.socket, int]:
    """A socket that listens on 127.0.0.1, and its port."""
    # Named as TCP, or asyncio does not turn Nagle's delay off, and each answer waits 40 ms for the browser's acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise RefusedError(f"cannot listen on 127.0.0.1: {error.strerror or error}", "try again") from None
    return listener, int(listener.getsockname()[1])


@contextmanager
def listen_at(path: Path) -> Iterator[socket.socket]:
    """A Unix socket that its owner alone can reach; it is removed at the end.

    Raises:
        UsageError: the folder will not do, something else is there, or a gallery that runs.
        RefusedError: it cannot be made.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("this system has no sockets in folders", "leave out --socket")
    path = path.expanduser().absolute()
    _check_folder(path)
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
        made = os.lstat(path)
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise RefusedError(f"cannot make {path}: {error.strerror or error}", "name another path") from None
    finally:
        os.umask(before)
    try:
        yield listener
    finally:
        listener.close()
        with suppress(OSError):
            if os.path.samestat(os.lstat(path), made):
                path.unlink()


def _check_folder(path: Path) -> None:
    try:
        folder = path.parent.stat()
    except OSError as error:
        raise UsageError(f"cannot use {path.parent}: {error.strerror}", "name a path in a folder of yours") from None
    if folder.st_uid != os.geteuid() or folder.st_mode & _OTHERS:
        raise UsageError(
            f"others can write to {path.parent}",
            "name a path in a folder that only you can write to, as $XDG_RUNTIME_DIR",
        )
    if len(os.fsencode(path)) > _NAME_MAX:
        raise UsageError(f"the path of the socket is longer than {_NAME_MAX} bytes", "name a shorter one")


def _make_room(path: Path) -> None:
    """What a gallery left that was killed goes; anything else stays."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise UsageError(f"{path} is there already, and is no socket", "name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(1.0)
        try:
            peer.connect(str(path))
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                path.unlink()
            return
        except OSError as error:
            raise UsageError(f"cannot tell what is at {path}: {error.strerror}", "name another path") from None
    raise UsageError(f"a server is listening at {path}", "use it, or name another path")


class Server:
    """Serves an application over one socket until it is told to stop."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        tick: Callable[[], bool],
        close: Callable[[], None],
        defect: Callable[[BaseException], None],
    ) -> None:
        """Serve ``app`` over ``listener``.

        Args:
            app: who answers.
            listener: bound, and closed at the end.
            tick: called each second in a thread; True: it is time to stop.
            close: called once in that thread, as soon as it is to stop.
            defect: is told what went wrong in that thread.
        """
        self._listener = listener
        self._tick = tick
        self._close = close
        self._defect = defect
        self._stopping = threading.Event()
        config = uvicorn.Config(
            app,
            http=_Line,
            ws="none",
            lifespan="off",
            loop="asyncio",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEPT_SECONDS,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=_HEAD_MAX,
        )
        self._server = _Server(config)

    def run(self) -> bool:
        """Serve until ``stop``; False when something still runs that would not end."""
        before = set(threading.enumerate())
        keeper = threading.Thread(target=self._keep, name="gallery-door", daemon=True)
        keeper.start()
        try:
            with _silence():
                asyncio.run(self._server.serve(sockets=[self._listener]))
        finally:
            self.stop()
            until = time.monotonic() + _FAREWELL
            keeper.join(_FAREWELL)
        return not keeper.is_alive() and _ended(before, until)

    def stop(self) -> None:
        """End soon; may be called by a signal, and more than once."""
        self._stopping.set()
        self._server.should_exit = True

    def _keep(self) -> None:
        while not self._stopping.wait(_TICK):
            self._safely(self._tick)
        self._safely(self._close)

    def _safely(self, step: Callable[[], bool | None]) -> None:
        """What fails once must not keep the gallery from locking later."""
        try:
            if step():
                self.stop()
        except Exception as error:  # noqa: BLE001 - as above
            self._defect(error)


@contextmanager
def _silence() -> Iterator[None]:
    """What uvicorn and asyncio say may name what was asked for; what matters is said by us."""
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi", "asyncio")]
    before = [one.disabled for one in loggers]
    for one in loggers:
        one.disabled = True
    try:
        yield
    finally:
        for one, was in zip(loggers, before, strict=True):
            one.disabled = was


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command line's."""
        yield


class _Line(H11Protocol):
    """A connection that must say something soon."""

    _since = 0.0
    _first: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self.app_state = {"foreign": is_foreign(transport)}
        self._first = self.loop.call_later(_FIRST_SECONDS, self._too_slow)
        if len(self.connections) > _LINES_MAX:
            self._push_out()

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._heard()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._first is None and not self.transport.is_closing():  # the next request must not take for ever either
            self._first = self.loop.call_later(_KEPT_SECONDS + _FIRST_SECONDS, self._too_slow)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - nothing is told to what speaks no HTTP
        self.transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _heard(self) -> None:
        if self._first is not None:
            self._first.cancel()
            self._first = None

    def _too_slow(self) -> None:
        self._first = None
        if self.is_idle:
            self.transport.abort()

    def _push_out(self) -> None:
        """Who waits longest without a request goes; if none does, the newest, which is this one."""
        idle = [one for one in self.connections if isinstance(one, _Line) and one.is_idle]
        oldest = min(idle, key=lambda one: (one.cycle is not None, one._since), default=self)  # noqa: SLF001
        self.connections.discard(oldest)
        oldest.transport.abort()


def is_foreign(transport: Any) -> bool:  # noqa: ANN401 - of asyncio
    """Whether a process of another user is at the other end, or none that the system knows of; no where the system does not say."""
    peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if not isinstance(peer, tuple) or not isinstance(own, tuple):
        return False  # a Unix socket has its file's rights
    user = user_of(peer, own)
    return user is not None and user not in {os.geteuid(), *_behind_sudo()}


def user_of(peer: tuple[str, int], own: tuple[str, int]) -> int | None:
    """The user of the process that connected from ``peer`` to ``own``, by /proc/net/tcp (proc(5)).

    A program may connect to 127.0.0.1 by a socket of IPv6 as well, which is listed elsewhere and written otherwise.  ``NOBODY`` when
    the system lists others but not this one, for example since it is gone again; None when it lists none at all.
    """
    listed = False
    for path, before in _TABLES * 2:  # a table that changes while it is read may pass over a line
        user = _user_in(path, [before + _hex(peer), before + _hex(own)])
        if user is not None and user != NOBODY:
            return user
        listed = listed or user == NOBODY
    return NOBODY if listed else None


def _user_in(path: str, wanted: list[str]) -> int | None:
    """The user of a connection in one table; ``NOBODY`` when it is not there, None when the table is not."""
    try:
        with open(path, encoding="ascii") as table:
            for line in table:
                columns = line.split()
                if columns[1:3] == wanted:
                    return int(columns[_UID])
    except (OSError, ValueError, IndexError):
        return None
    return NOBODY


def _hex(address: tuple[str, int]) -> str:
    """As the kernel writes it: the four bytes as one number of this machine."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def _behind_sudo() -> set[int]:
    """Root serves also who became root for it."""
    behind = os.environ.get("SUDO_UID", "")
    return {int(behind)} if os.geteuid() == 0 and behind.isascii() and behind.isdigit() else set()


def _ended(before: set[threading.Thread], until: float) -> bool:
    """Whether all threads have ended that came since and that the interpreter would wait for."""
    new = [one for one in threading.enumerate() if one not in before and not one.daemon]
    for one in new:
        one.join(max(0.0, until - time.monotonic()))
    return not any(one.is_alive() for one in new)
