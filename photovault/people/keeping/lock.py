"""One at a time in the folder of the people, and a way to end whoever is there.

Whoever writes the face store holds ``people.lock`` and has its process number in it; the system drops the lock when the
process ends, however it ends.  Erasing must not wait for a scan of many hours: it says so in the consent log, waits a
little, then asks the holder to end, then ends it.

Who erases writes no number: it is not ended by another one that erases, which would leave half of it undone.

Guarantee: the number that is read while the lock is held was written by its holder, since who lets go takes it away, so
nobody else is ended.  Not guaranteed: in the instant after a holder was killed and before the next one has written its number;
where the holder is in a container or on another computer, and has another number here; it is not ended, and
``BusyError`` says so, unless who has that number here holds a lock, too.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from photovault.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "people.lock"
_POLL_SECONDS = 0.05
_PATIENCE = (3.0, 10.0, 5.0)  # seconds until it is asked to end, until it is ended, until that is given up
_DIGITS = 20
_FAR = 1 << 30  # Windows locks bytes: one that no file here has


@contextmanager
def people_lock(folder: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of ``folder``, which is made if needed; wait for it at most so many seconds.

    Raises:
        BusyError: somebody else holds it.
    """
    fd = _open(folder)
    try:
        if not _within(fd, wait):
            raise BusyError("another photovault command is at work on faces", "wait for it with --wait, or stop it")
        _sign(fd, b"%d\n" % os.getpid())
        try:
            yield
        finally:
            _sign(fd, b"")
    finally:
        os.close(fd)


@contextmanager
def lock_taken_over(folder: Path, *, patience: tuple[float, float, float] = _PATIENCE) -> Iterator[str]:
    """Hold the lock of ``folder``, and end whoever does not let go of it; gives what was needed for that, in words.

    Raises:
        BusyError: its holder could not be ended.
    """
    fd = _open(folder)
    try:
        said = _take(fd, patience)
        _sign(fd, b"")
        yield said
    finally:
        os.close(fd)


def _take(fd: int, patience: tuple[float, float, float]) -> str:
    first, second, last = patience
    if _within(fd, 0):
        return "nobody was at work"
    if _within(fd, first):
        return "what was running ended by itself"
    for force, seconds in ((False, second), (True, last)):
        _end(_holder(fd), force=force)
        if _within(fd, seconds):
            return "what was running was ended" + (" by force" if force else "")
    raise BusyError(
        "something holds the face store and does not end", "end every photovault process, or restart, and try again"
    )


def _end(pid: int, *, force: bool) -> None:
    if pid in (0, 1, os.getpid()) or not _locks_something(pid):
        return
    with suppress(OSError):  # it ended meanwhile, or it is not ours to end: whether the lock is free says which
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM) if force else signal.SIGTERM)


def _locks_something(pid: int) -> bool:
    """Whether a process holds the lock of some file, as far as the system tells (Linux does).

    In a container, or on another computer, a holder has another number than here: then this is most likely somebody
    else's, who holds none.
    """
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            return any(line.split()[1:5:3] == ["FLOCK", str(pid)] for line in file)
    except OSError:
        return True


def _holder(fd: int) -> int:
    """The number of the process that holds the lock, 0 if it did not say."""
    os.lseek(fd, 0, os.SEEK_SET)
    text = os.read(fd, _DIGITS).strip()
    return int(text) if text.isdigit() else 0


def _sign(fd: int, number: bytes) -> None:
    """Write one's number, for those who must end us; on a full disk there is none, and they give up."""
    with suppress(OSError):
        os.lseek(fd, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
        os.write(fd, number)


def _open(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    follow = getattr(os, "O_NOFOLLOW", 0)
    return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | follow, 0o600)


def _within(fd: int, seconds: float) -> bool:
    return waited(lambda: lock_file(fd), seconds)


def waited(look: Callable[[], bool], seconds: float) -> bool:
    """Whether ``look`` says yes, now or within some seconds."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def lock_file(fd: int) -> bool:
    """Whether the lock of an open file is ours now; it is until the file is closed."""
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - Windows only

            os.lseek(fd, _FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True
