"""Speaking with the daemon: a socket in the state folder, one question and one answer at a time.

A client connects, sends one line of JSON (``{"do": "pause", "seconds": 7200}``), gets one line back (``{"ok": true, ...}``)
and is done.  ``Server`` answers in a thread of its own, so that an answer comes however busy the daemon is; it may
only call what the daemon allows any thread to call.  ``only_one`` keeps a second daemon away with a lock that the system
drops when the process ends, however it ends; so a socket that is found by the one who holds the lock is a dead one's.

Guarantees: the socket is open to its owner alone from the moment it has its name, and both sides ask the system who the
other is; a line is at most ``REQUEST_MAX`` or ``ANSWER_MAX`` bytes, and a connection takes ``SECONDS`` at most.  Not
guaranteed: a way to speak with the daemon where there can be no such socket, as on Windows; it runs without, and
``is_running`` still finds it.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from photovault.device import run_lock
from photovault.errors import BusyError, PhotovaultError, RefusedError, UnavailableError
from photovault.watch.schedule import PAUSE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SOCKET = "watch.sock"
LOCK = "watch.lock"
REQUEST_MAX = 4096  # bytes
ANSWER_MAX = 4 << 20
SECONDS = 5.0  # for one connection
_NAME_MAX = 100  # bytes of a socket's path; the system's limit is 104 to 108
_WAITING = 8  # connections
_PAUSE = 0.05  # seconds
_CAN = hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")


class Controlled(Protocol):
    """What a client can ask for; ``daemon.Daemon`` is one.  Called from the server's thread."""

    def status(self) -> dict[str, Any]:
        """How things stand."""

    def pause(self, seconds: float) -> None:
        """Begin no backup for so long."""

    def resume(self) -> None:
        """End a pause."""

    def backup_now(self) -> None:
        """Back up at once."""

    def stop(self) -> None:
        """End."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Be the only daemon of this state folder.  Raises BusyError when there is one."""
    with ExitStack() as held:
        try:
            _take_lock(held, folder)
        except BusyError:
            raise BusyError(
                "photovault is watching already", "`photovault watch --stop` ends it, `photovault status` asks it"
            ) from None
        except OSError as error:
            raise RefusedError(
                f"cannot write {folder}: {error.strerror}", "check free space and permissions there"
            ) from None
        yield


def _take_lock(held: ExitStack, folder: Path) -> None:
    """Twice, since ``is_running`` may just be trying it."""
    try:
        held.enter_context(run_lock(folder, wait=False, name=LOCK))
    except BusyError:
        time.sleep(_PAUSE)
        held.enter_context(run_lock(folder, wait=False, name=LOCK))


def is_running(folder: Path) -> bool:
    """Whether a daemon runs there, whether or not it can be asked."""
    try:
        if (folder / LOCK).exists():
            with run_lock(folder, wait=False, name=LOCK):
                pass
    except BusyError:
        return True
    except OSError:
        pass
    return False


class Server:
    """Answers at the socket until ``close``; to be made by the one who holds ``only_one``."""

    def __init__(self, folder: Path, daemon: Controlled) -> None:
        """Listen.  Raises RefusedError when there can be no socket in ``folder``."""
        self._daemon = daemon
        self._path = folder / SOCKET
        self._listener = _listen(self._path)
        self._ours, theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(theirs,), name="control", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """For ``with``."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Answer no more, and take the socket away."""
        self._ours.close()
        self._thread.join(SECONDS)
        with suppress(OSError):
            self._path.unlink()

    def _serve(self, end: socket.socket) -> None:
        with end, self._listener, selectors.DefaultSelector() as wait:
            wait.register(self._listener, selectors.EVENT_READ)
            wait.register(end, selectors.EVENT_READ)
            while all(key.fileobj is not end for key, _ in wait.select()):
                try:
                    self._take()
                except OSError:  # whoever came has gone again; or there are no descriptors left, for now
                    time.sleep(_PAUSE)

    def _take(self) -> None:
        peer, _ = self._listener.accept()
        with peer:
            self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        if not _is_me(peer):
            return
        deadline = time.monotonic() + SECONDS
        try:
            request = json.loads(_line(peer, REQUEST_MAX, deadline))
            answer = {"ok": True} | obey(self._daemon, request if isinstance(request, dict) else {})
        except (ValueError, RecursionError):
            answer = {"ok": False, "error": "not a line of JSON"}
        except PhotovaultError as error:
            answer = {"ok": False, "error": error.what}
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect must not end the thread in silence
            answer = {"ok": False, "error": f"unexpected {type(error).__name__}: this is a defect of photovault"}
        _send(peer, answer, deadline)


def obey(daemon: Controlled, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a request says; what there is to say to it.  Raises PhotovaultError when it says nothing known."""
    match request:
        case {"do": "status"}:
            return {"pid": os.getpid(), "status": daemon.status()}
        case {"do": "pause", "seconds": int() | float() as seconds} if 0 < seconds <= PAUSE_MAX:
            daemon.pause(float(seconds))
        case {"do": "resume"}:
            daemon.resume()
        case {"do": "backup-now"}:
            daemon.backup_now()
        case {"do": "stop"}:
            daemon.stop()
        case _:
            raise PhotovaultError("not something that the daemon can do")
    return {}


def ask(folder: Path, do: str, **more: object) -> dict[str, Any] | None:
    """Ask the daemon whose state is in ``folder``; its answer, or None when none is running.

    ``do``: status, pause (with ``seconds``), resume, backup-now or stop.

    Raises:
        UnavailableError: it is there, and gives no answer that can be understood.
        PhotovaultError: it refused, and why.
    """
    try:
        raw = _exchange(folder / SOCKET, json.dumps({"do": do, **more}).encode() + b"\n")
        answer = json.loads(raw) if raw else None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "no answer that can be understood"
        raise UnavailableError(f"the daemon does not answer: {reason}", "look at its log, or start it anew") from None
    if answer is None:
        return None
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        raise PhotovaultError(f"the daemon refused: {answer.get('error') if isinstance(answer, dict) else 'oddly'}")
    return answer


def _exchange(path: Path, line: bytes) -> bytes:
    """The answer to a line; empty when nobody listens."""
    if not _CAN:
        return b""
    deadline = time.monotonic() + SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(SECONDS)
        try:
            with _reachable(path) as name:
                peer.connect(name)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return b""
        if not _is_me(peer):
            raise PermissionError(0, "the socket is somebody else's")
        peer.sendall(line)
        return _line(peer, ANSWER_MAX, deadline)


def _listen(path: Path) -> socket.socket:
    """A socket that listens and that nobody else could ever connect to: it gets its name when its rights are right."""
    if not _CAN:
        raise RefusedError("this system has no sockets in folders", "`photovault status` reads what it writes down")
    new = path.with_name(SOCKET + ".new")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        for left in (new, path):
            left.unlink(missing_ok=True)
        with _reachable(new) as name:
            listener.bind(name)
        os.chmod(new, 0o600)
        listener.listen(_WAITING)
        listener.settimeout(0)
        os.replace(new, path)
    except OSError as error:
        listener.close()
        raise RefusedError(
            f"cannot make {path}: {error.strerror or error}", "name another folder with PHOTOVAULT_STATE_DIR"
        ) from None
    return listener


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for ``path`` that is short enough for a socket: where it is too long, by way of its open folder (Linux)."""
    if len(os.fsencode(path)) <= _NAME_MAX or not sys.platform.startswith("linux"):
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _line(peer: socket.socket, limit: int, deadline: float) -> bytes:
    """Bytes up to a line feed.  Raises ValueError when they are too many, OSError when they take too long."""
    got = bytearray()
    while not got.endswith(b"\n"):
        peer.settimeout(max(0.001, deadline - time.monotonic()))
        more = peer.recv(65_536)
        got += more
        if not more or len(got) > limit:
            raise ValueError
    return bytes(got)


def _send(peer: socket.socket, answer: Mapping[str, Any], deadline: float) -> None:
    peer.settimeout(max(0.001, deadline - time.monotonic()))  # sendall counts it for the whole
    peer.sendall(json.dumps(answer).encode() + b"\n")


def _is_me(peer: socket.socket) -> bool:
    """Whether the process at the other end is of the same user; no where the system does not say."""
    uid = _uid(peer)
    return uid is not None and uid == os.geteuid()


def _uid(peer: socket.socket) -> int | None:
    """Linux: SO_PEERCRED gives struct ucred (socket(7)).  BSD, macOS: LOCAL_PEERCRED gives struct xucred (unix(4))."""
    with suppress(OSError, struct.error):
        if hasattr(socket, "SO_PEERCRED"):
            _pid, uid, _gid = struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            return int(uid)
        _version, uid = struct.unpack_from("II", peer.getsockopt(0, 1, 76))
        return int(uid)
    return None
