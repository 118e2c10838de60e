"""This computer: its clock, memory, disks, folders, limits, keyring, and what holds a decoder in."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import photovault
from photovault.app.doctoring.values import Look, bad, good, note
from photovault.app.guarding import free_bytes
from photovault.decoder import host
from photovault.device import keyring_name
from photovault.sandbox import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.app.runs import App

_GB: Final = 10**9
_LITTLE: Final = 2 * _GB  # bytes free
_NONE: Final = 200 * 10**6
_MEMORY: Final = 10**9
_FILES: Final = 512  # open at once
_FOLDERS_MAX: Final = 500_000
_PROC: Final = "/proc/sys/fs/inotify"
_DECODING: Final = tuple(layer for layer in LAYERS if layer not in {"dumps", "alarms"})
"""Layers that a decoder has where all is well; the others are for who holds a secret."""


def machine(app: App, folders: Sequence[str]) -> Iterator[Look]:
    """What there is to say of this computer; ``folders``: the sources that are there."""
    yield good("python", f"{sys.version.split()[0]} on {sys.platform}, photovault {photovault.__version__}")
    yield clock(app.world.now(), _installed())
    yield memory(_available())
    yield open_files(_may_open())
    for name, path in (("state folder", app.state_dir), ("cache folder", app.cache_dir)):
        yield from private(name, path)
    yield keyring(may=app.may_use_keyring)
    yield sandbox(_protection())
    if sys.platform.startswith("linux"):
        yield watches(sum(map(_folders, folders)), _limit("max_user_watches"), _limit("max_user_instances"))


def clock(now: datetime, installed: datetime) -> Look:
    """Whether the clock can be right: this program was not installed in the future."""
    if now < installed:
        what = f"it says {now:%Y-%m-%d %H:%M} UTC, and photovault was installed on {installed:%Y-%m-%d}"
        return bad("clock", what, "set the clock: snapshots, retention and overdue backups go by it")
    return good("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def memory(available: int | None) -> Look:
    """Whether a password can be tried and a photo decoded."""
    if available is None:
        return note("memory", "this system does not say how much is free", "nothing, unless a run ends for want of it")
    what = f"{available / _GB:,.1f} GB available"
    if available < _MEMORY:
        hint = "close other programs: a password takes 256 MB, a large photo up to 1 GB in a process of its own"
        return note("memory", what, hint)
    return good("memory", what)


def open_files(limit: int) -> Look:
    """Whether enough files can be open at once."""
    if 0 <= limit < _FILES:
        return note("open files", f"at most {limit} at once", f"raise it: ulimit -n {2 * _FILES}")
    return good("open files", "enough at once")


def private(name: str, path: Path) -> Iterator[Look]:
    """Whether a folder of ours can be written, is ours alone, and has room."""
    there = next(one for one in (path, *path.parents) if one.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        yield bad(name, "it cannot be written", f"give yourself the right: chmod u+rwx {there}", str(path))
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o700
    if mode & 0o077 and os.name != "nt":
        yield bad(name, "others of this computer can look into it", f"chmod 700 {path}", str(path))
        return
    yield room(name, free_bytes(path), str(path))


def room(name: str, free: int | None, where: str) -> Look:
    """Whether there is room on a disk."""
    if free is None:
        return note(
            name, "the disk does not say how much is free", "nothing, unless a backup stops for want of it", where
        )
    what = f"{free / _GB:,.1f} GB free"
    if free < _NONE:
        return bad(name, what, "make room there: a backup stops without it", where)
    return note(name, what, "make room there before long", where) if free < _LITTLE else good(name, what, where)


def keyring(*, may: bool) -> Look:
    """Whether the system keeps the keys of this computer."""
    if not may:
        return note(
            "keyring", "not used, because PHOTOVAULT_NO_KEYRING is set", "keys lie in files that only you can read"
        )
    name = keyring_name()
    if not name:
        hint = "keys lie in files that only you can read; a desktop session, or `pip install keyrings.alt`, would keep them"
        return note("keyring", "this system has none", hint)
    return good("keyring", name)


def sandbox(protection: Sequence[str]) -> Look:
    """Whether what a photo may hold is kept in while it is decoded."""
    lacks = [layer for layer in _DECODING if layer not in protection]
    if not lacks:
        return good("sandbox", f"decoders are held by {', '.join(protection)}")
    if not sys.platform.startswith("linux"):
        return note("sandbox", "decoders are held by less than on Linux", "open no photos that you do not trust")
    what = f"decoders lack {', '.join(lacks)}"
    hint = (
        "a kernel with Landlock, seccomp and user namespaces gives them (Linux 5.13 or newer); containers may forbid it"
    )
    return bad("sandbox", what, hint)


def watches(folders: int, limit: int | None, instances: int | None) -> Look:
    """Whether the daemon may watch every folder of the sources."""
    if limit is not None and folders > limit:
        what = f"{folders:,} folders to watch, and the system allows {limit:,}"
        return bad("watch limits", what, f"sudo sysctl fs.inotify.max_user_watches={max(1 << 20, 2 * folders)}")
    if instances is not None and instances < 8:  # noqa: PLR2004 - a daemon needs one, a desktop has some
        return bad("watch limits", f"{instances} instances", "sudo sysctl fs.inotify.max_user_instances=1024")
    return good("watch limits", f"{folders:,} folders to watch" + (f" of {limit:,} allowed" if limit else ""))


def _installed() -> datetime:
    """When the program came to this computer, as far as its files say; no later than they were made anywhere."""
    return datetime.fromtimestamp(os.stat(photovault.__file__).st_mtime, UTC)


def _may_open() -> int:
    """Files that may be open at once; -1 where nothing limits them."""
    if os.name == "nt":
        return -1
    import resource  # noqa: PLC0415 - Windows has none

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _available() -> int | None:
    """Bytes of memory that programs may still have."""
    try:
        with open("/proc/meminfo", encoding="ascii", errors="replace") as file:
            found = [line.split() for line in file if line.startswith("MemAvailable:")]
        return int(found[0][1]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def _limit(name: str) -> int | None:
    try:
        return int(Path(_PROC, name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _folders(top: str) -> int:
    """Folders below a source, itself counted; not more than any limit is."""
    count = 0
    for count, _ in enumerate(os.walk(top), 1):
        if count >= _FOLDERS_MAX:
            break
    return count


def _protection() -> tuple[str, ...]:
    with host.Decoders(count=1) as decoders:
        return decoders.protection
