"""What a process gives up before it reads what may be made to harm, or what must not get out; Linux, and what others have.

Each layer is one function, says whether it is in force, and needs none of the others:

1. ``network``: a network namespace of its own, with nothing in it (with a user namespace where that needs one).
2. ``privileges``: no_new_privs, so that no program it might start has more rights.
3. ``files``: Landlock; nothing can be written, and read only what lies under the given folders; no TCP, no signals out.
4. ``limits``: resource limits; no file grows, no core is dumped, no process is made, address space has a ceiling.
5. ``calls``: seccomp; a list of allowed system calls, without sockets, programs, processes and opening for writing.
6. ``dumps``: no core is dumped, and no other process of this user may look into this one.
7. ``alarms``: seccomp; once everything is loaded, what only hostile code calls ends the process visibly (``seccomp``).

``enter`` is for a process that reads and computes.  ``leave_network`` is for one that holds secrets and goes on writing
files and starting programs, which then have no network either.

Guarantee: what a layer forbids stays forbidden for the process's whole life, whatever runs in it.  The process keeps the
descriptors that it has.  Not guaranteed: any single layer; a kernel or a container may lack it, and those in force are
returned.  ``leave_network`` hides nothing from a program that runs as the same user and has a network.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from photovault.sandbox.kernel import LINUX, libc, no_new_privileges, prctl
from photovault.sandbox.landlock import landlock_version, readable_only
from photovault.sandbox.seccomp import alarms, alone, calls

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LAYERS",
    "alarms",
    "alone",
    "calls",
    "dumps",
    "enter",
    "landlock_version",
    "leave_network",
    "limits",
    "network",
    "privileges",
    "readable_only",
]

LAYERS: Final = ("network", "privileges", "files", "limits", "calls", "dumps", "alarms")
"""All that there are."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SOL_SOCKET, _SO_DOMAIN, _AF_UNIX = 1, 39, 1
_CAPABILITIES: Final = struct.pack("=Ii", 0x20080522, 0)  # version 3 of the call, this thread


def enter(
    readable: Sequence[str], *, parent: int, memory: int, files: int, threads: bool = False, secret: bool = False
) -> tuple[str, ...]:
    """Put this process, which has one thread, under every layer that there is; the names of those in force.

    Args:
        readable: folders and files that it may go on reading.
        parent: the process that must outlive it; it ends at once if that is gone already.
        memory: bytes of address space that it may ever have, in all.
        files: descriptors that it may have open.
        threads: whether it may start threads.
        secret: whether nobody may look into it; then ``alarms`` may be added later, when all is loaded.
    """
    separate = network()
    _end_with(parent)
    layers = {
        "network": separate,
        "privileges": privileges(),
        "files": readable_only(readable),
        "limits": limits(memory=memory, files=files, threads=threads),
        "dumps": secret and dumps(),
        "calls": calls(threads=threads, further=secret),
    }
    return tuple(name for name in LAYERS if layers.get(name))


def leave_network(*, unix: bool = False) -> tuple[str, ...]:
    """Let this process and all that it starts reach no network any more; the names of the layers in force.

    Call it before the first thread is started; a second call may take away what the first left, and what the first put in
    force stays so.  "network" is in force only if no socket of a network was open before.  Files keep their owners.

    Args:
        unix: whether it may still connect to Unix sockets by their path (the keyring listens on one), until the next call.
    """
    separate = _has_one_thread() and network(keep_owners=True)
    layers = {
        "network": separate and not _has_network_sockets(),
        "privileges": privileges(),
        "calls": alone(unix=unix),
        "dumps": dumps(),
    }
    return tuple(name for name in LAYERS if layers.get(name))


def _end_with(parent: int) -> None:
    """End when the thread of ``parent`` that started this process ends."""
    if LINUX:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


# Network ------------------------------------------------------------------------------------------------------------


def network(*, keep_owners: bool = False) -> bool:
    """Leave the network.  Root needs no user namespace, and would lose the right to read others' files in one.

    Args:
        keep_owners: whether files are to show their owner, and new ones have one, in a new user namespace.
    """
    if not LINUX:
        return False
    if os.geteuid() == 0:
        return bool(libc().unshare(_CLONE_NEWNET) == 0)
    user, group = os.geteuid(), os.getegid()
    if libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    if keep_owners:
        prctl(_PR_SET_DUMPABLE, 1)  # or its own files in /proc would not be its own, if this is the second time
        _keep(user, group)
    libc().capset(_CAPABILITIES, bytes(24))  # a new namespace comes with every right inside it
    return True


def _keep(user: int, group: int) -> None:
    """Have the same numbers inside as outside; user_namespaces(7).  Without it children could not leave the network too."""
    rows = {"setgroups": b"deny", "uid_map": b"%d %d 1" % (user, user), "gid_map": b"%d %d 1" % (group, group)}
    for name, row in rows.items():
        with suppress(OSError), open(f"/proc/self/{name}", "wb") as file:
            file.write(row)


def _has_one_thread() -> bool:
    """The kernel moves a single thread to another network: the others would stay where they are."""
    return LINUX and len(os.listdir("/proc/self/task")) == 1


def _has_network_sockets() -> bool:
    return any(_family(int(fd)) not in {None, _AF_UNIX} for fd in os.listdir("/proc/self/fd"))


def _family(fd: int) -> int | None:
    """Of the socket ``fd``; None if it is none."""
    family, size = ctypes.c_int(), ctypes.c_uint(4)
    failed = libc().getsockopt(fd, _SOL_SOCKET, _SO_DOMAIN, ctypes.byref(family), ctypes.byref(size))
    return None if failed else family.value


# Privileges, limits, dumps ------------------------------------------------------------------------------------------


def privileges() -> bool:
    """Never gain rights by starting a program."""
    return no_new_privileges()


def limits(*, memory: int, files: int, threads: bool = False) -> bool:
    """Limit what the process can use.  Its own soft limits may be lowered further, and raised up to these.

    Threads count as processes and all of a user's are counted, so with ``threads`` only ``calls`` refuses processes.
    """
    wanted = {"RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": files, "RLIMIT_AS": memory}
    wanted |= {} if threads else {"RLIMIT_NPROC": 0}
    lowered = [_limit(name, value) for name, value in wanted.items()]
    return all(lowered)


def dumps() -> bool:
    """Leave no core behind, whoever collects them, and let no process of the same user trace this one or read its memory."""
    small = _limit("RLIMIT_CORE", 0)
    return small and (prctl(_PR_SET_DUMPABLE, 0) if LINUX else sys.platform != "win32")


def _limit(name: str, value: int) -> bool:
    try:
        import resource  # noqa: PLC0415 - not on Windows

        which = getattr(resource, name)
        _, hard = resource.getrlimit(which)
        value = value if hard < 0 else min(value, hard)
        resource.setrlimit(which, (value, value))
    except (ImportError, AttributeError, OSError, ValueError):
        return False
    return True
