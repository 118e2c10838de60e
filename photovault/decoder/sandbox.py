"""What a process gives up before it reads what may be made to harm; Linux, and what of it others have.

Each layer is one function, says whether it is in force, and needs none of the others:

1. ``network``: a network namespace of its own, with nothing in it (with a user namespace where that needs one).
2. ``privileges``: no_new_privs, so that no program it might start has more rights.
3. ``files``: Landlock; nothing can be written, and read only what lies under the given folders; no TCP, no signals out.
4. ``limits``: resource limits; no file grows, no core is dumped, no process is made, address space has a ceiling.
5. ``calls``: seccomp; a list of allowed system calls, without sockets, programs, processes and opening for writing.

Guarantee: what a layer forbids stays forbidden for the process's whole life, whatever runs in it.  The process keeps the
descriptors that it has.  Not guaranteed: any single layer; a kernel or a container may lack it, and ``enter`` returns
those in force.  Layouts: landlock(7), seccomp(2), linux/bpf_common.h; numbers of calls: the kernel's tables.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LINUX: Final = sys.platform == "linux"


def enter(readable: Sequence[str], *, parent: int, memory: int, files: int, threads: bool = False) -> tuple[str, ...]:
    """Put this process, which has one thread, under every layer that there is; the names of those in force.

    Args:
        readable: folders and files that it may go on reading.
        parent: the process that must outlive it; it ends at once if that is gone already.
        memory: bytes of address space that it may ever have, in all.
        files: descriptors that it may have open.
        threads: whether it may start threads.
    """
    alone = network()
    _end_with(parent)
    layers = {
        "network": alone,
        "privileges": privileges(),
        "files": readable_only(readable),
        "limits": limits(memory=memory, files=files, threads=threads),
        "calls": calls(threads=threads),
    }
    return tuple(name for name, works in layers.items() if works)


def _end_with(parent: int) -> None:
    """End when the thread of ``parent`` that started this process ends."""
    if _LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


# Network, privileges, limits ----------------------------------------------------------------------------------------

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38


def network() -> bool:
    """Leave the network.  Root needs no user namespace, and would lose the right to read others' files in one."""
    if not _LINUX:
        return False
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET
    return bool(_libc().unshare(flags) == 0)


def privileges() -> bool:
    """Never gain rights by starting a program."""
    return _LINUX and _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limits(*, memory: int, files: int, threads: bool = False) -> bool:
    """Limit what the process can use.  Its own soft limits may be lowered further, and raised up to these.

    Threads count as processes and all of a user's are counted, so with ``threads`` only ``calls`` refuses processes.
    """
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return False
    wanted = {"RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": files, "RLIMIT_AS": memory}
    wanted |= {} if threads else {"RLIMIT_NPROC": 0}
    lowered = [_lower(resource, getattr(resource, name, None), value) for name, value in wanted.items()]
    return all(lowered)


def _lower(resource: object, which: int | None, value: int) -> bool:
    if which is None:
        return False
    try:
        _, hard = resource.getrlimit(which)  # type: ignore[attr-defined]
        value = value if hard < 0 else min(value, hard)
        resource.setrlimit(which, (value, value))  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return False
    return True


# Files: Landlock ----------------------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}  # how many kinds of access each version of Landlock knows; then 16
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals


def landlock_version() -> int:
    """The version of Landlock that this kernel offers, 0 if none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION)) if _LINUX else 0


def readable_only(paths: Iterable[str]) -> bool:
    """Refuse every access to files but reading what is under ``paths``; those that do not exist are passed over."""
    version = landlock_version()
    if not version:
        return False
    rules = struct.pack("QQQ", (1 << _RIGHTS.get(version, 16)) - 1, _TCP, _SCOPES)
    rules = rules[: 8 if version < 4 else 16 if version < 6 else 24]  # noqa: PLR2004 - versions as above
    ruleset = _syscall(_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for path in paths:
            _allow(ruleset, path)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)  # without it only root may
        return _syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)
    _syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    os.close(fd)


# System calls: seccomp ----------------------------------------------------------------------------------------------

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # x86_64 has a second set of numbers from here on
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # the last is O_TMPFILE's own
_TERMINAL = 0x5401  # TCGETS: what isatty() asks


def _table(text: str) -> dict[str, tuple[int, int]]:
    """System calls and their numbers on x86_64 and aarch64; -1 where there is none."""
    rows = (row.split() for row in text.replace("\n", ",").split(",") if row.strip())
    return {name: (int(one), int(other)) for name, one, other in rows}


_ALLOWED: Final = _table(
    """read 0 63, write 1 64, close 3 57, lseek 8 62, pread64 17 67, preadv 295 69, readv 19 65, writev 20 66
    sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212, poll 7 -1, ppoll 271 73, fcntl 72 25, dup 32 23
    mmap 9 222, mprotect 10 226, munmap 11 215, brk 12 214, mremap 25 216, madvise 28 233, membarrier 324 283
    stat 4 -1, fstat 5 80, lstat 6 -1, newfstatat 262 79, statx 332 291, readlink 89 -1, readlinkat 267 78
    access 21 -1, faccessat 269 48, faccessat2 439 439, getdents64 217 61, getcwd 79 17
    rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, sigaltstack 131 132, restart_syscall 219 128
    futex 202 98, set_robust_list 273 99, rseq 334 293, exit 60 93, exit_group 231 94, sched_yield 24 124
    clock_gettime 228 113, clock_getres 229 114, gettimeofday 96 169, nanosleep 35 101, clock_nanosleep 230 115
    getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177
    uname 63 160, getrusage 98 165, sysinfo 99 179, sched_getaffinity 204 123, getrandom 318 278"""
)
_ASKED: Final = _table("open 2 -1, openat 257 56, ioctl 16 29, prlimit64 302 261, clone 56 220, clone3 435 435")
_ARCHITECTURES: Final = ("x86_64", "aarch64")
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def calls(*, threads: bool = False) -> bool:
    """Refuse every system call that is not needed to read and compute; the refused ones fail with EPERM."""
    machine = platform.machine()
    if not _LINUX or machine not in _AUDIT_ARCH or sys.maxsize < 1 << 32:
        return False
    code = b"".join(_filter(machine, threads=threads))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)  # without it only root may
    return _prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program))


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: what to do, with what, and how many to skip if so and if not."""
    return struct.pack("=HBBI", code, yes, no, value)


def _filter(machine: str, *, threads: bool) -> Iterator[bytes]:
    yield _step(_LOAD, _ARCHITECTURE) + _step(_EQUAL, _AUDIT_ARCH[machine], 1) + _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER) + _step(_AT_LEAST, _X32, 0, 1) + _step(_RETURN, _ERRNO | _EPERM)
    at = _ARCHITECTURES.index(machine)
    for numbers in _ALLOWED.values():
        yield _on(numbers[at], _step(_RETURN, _ALLOW))
    yield _on(_ASKED["open"][at], _if_argument(1, _BITS, _WRITING, yes=_ERRNO | _EPERM, no=_ALLOW))
    yield _on(_ASKED["openat"][at], _if_argument(2, _BITS, _WRITING, yes=_ERRNO | _EPERM, no=_ALLOW))
    yield _on(_ASKED["ioctl"][at], _if_argument(1, _EQUAL, _TERMINAL, yes=_ALLOW, no=_ERRNO | _EPERM))
    yield _on(_ASKED["prlimit64"][at], _if_argument(0, _EQUAL, 0, yes=_ALLOW, no=_ERRNO | _EPERM))
    if threads:
        yield _on(_ASKED["clone"][at], _if_argument(0, _BITS, _CLONE_THREAD, yes=_ALLOW, no=_ERRNO | _EPERM))
    yield _on(
        _ASKED["clone3"][at], _step(_RETURN, _ERRNO | _ENOSYS)
    )  # its flags cannot be seen; libraries then use clone
    yield _step(_RETURN, _ERRNO | _EPERM)


def _on(number: int, then: bytes) -> bytes:
    return _step(_EQUAL, number, 0, len(then) // 8) + then if number >= 0 else b""


def _if_argument(which: int, test: int, value: int, *, yes: int, no: int) -> bytes:
    """Answer by the low 32 bits of an argument, which are all that the kernel looks at where this is used."""
    load = _step(_LOAD, _ARGUMENTS + 8 * which)  # both architectures are little-endian
    return load + _step(test, value, 0, 1) + _step(_RETURN, yes) + _step(_RETURN, no)


# The C library ------------------------------------------------------------------------------------------------------


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: object) -> bool:
    rest = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    rest += [ctypes.c_ulong(0)] * (4 - len(rest))
    return bool(_libc().prctl(option, *rest) == 0)


def _syscall(number: int, *arguments: object) -> int:
    call = _libc().syscall
    call.restype = ctypes.c_long
    return int(call(ctypes.c_long(number), *(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)))
