"""System calls: which a process can still make, by seccomp; seccomp(2), linux/bpf_common.h, the kernel's tables of numbers.

Three filters, which bind every thread and all that is started from it, for ever:

- ``calls``: a list of what is allowed, for a process that reads and computes.  All else fails with EPERM.
- ``alarms``: on top of it, for one that has nothing more to load: calls that then only hostile code makes (a network,
  io_uring, another process or program, a file to write) end the process with SIGSYS, which cannot be caught or hidden.
- ``alone``: a list of what is refused, for a process that goes on writing files and starting programs: all by which it, or
  what it starts, could reach a network or get at what another process has open.

Where two filters differ the stricter answer counts.  Calls of other architectures (x32, 32 bits) are refused by all.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import TYPE_CHECKING, Final

from photovault.sandbox.kernel import LINUX, no_new_privileges, syscall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Filter = Callable[[int], Iterator[bytes]]

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # x86_64 has a second set of numbers from here on
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # the last is O_TMPFILE's own
_TERMINAL = 0x5401  # TCGETS: what isatty() asks
_SET_FILTER, _ALL_THREADS = 1, 1
_UNIX, _STREAM, _KIND = 1, 1, 0xF  # AF_UNIX; SOCK_STREAM, and the bits of a type without its flags
_ARCHITECTURES: Final = ("x86_64", "aarch64")
_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


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
_FURTHER: Final = _table("seccomp 317 277")
_NETWORK: Final = _table(
    "connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242, socket 41 198, socketpair 53 199"
)
_RINGS: Final = _table("io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427")
_OTHERS: Final = _table(
    "ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, pidfd_getfd 438 438, setns 308 268, bpf 321 280"
)
_MAKING: Final = _table(
    """execve 59 221, execveat 322 281, fork 57 -1, vfork 58 -1, kill 62 129, unshare 272 97, mount 165 40
    creat 85 -1, openat2 437 437, truncate 76 45, unlink 87 -1, unlinkat 263 35, rename 82 -1, renameat 264 38
    renameat2 316 276, mkdir 83 -1, mkdirat 258 34, rmdir 84 -1, link 86 -1, linkat 265 37, symlink 88 -1
    symlinkat 266 36, mknod 133 -1, mknodat 259 33"""
)


def calls(*, threads: bool = False, further: bool = False) -> bool:
    """Refuse every system call that is not needed to read and compute; the refused ones fail with EPERM.

    Args:
        threads: whether threads may be started.
        further: whether another filter may be added later, which can only refuse more.
    """
    return _install(lambda at: _of_allowed(at, threads=threads, further=further))


def alarms() -> bool:
    """End the process, by SIGSYS, when it makes a call that it has no honest use for."""
    return _install(_of_alarms)


def alone(*, unix: bool = False) -> bool:
    """Refuse sockets, and other processes' insides.  Pairs of stream sockets and programs stay.

    Args:
        unix: whether Unix sockets may still be made and connected, until this is called again without.
    """
    return _install(lambda at: _of_refused(at, unix=unix))


# Installing ---------------------------------------------------------------------------------------------------------


class _Program(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _install(steps: Filter) -> bool:
    """Bind this process with all its threads."""
    machine = platform.machine()
    if not LINUX or machine not in _AUDIT_ARCH or sys.maxsize < 1 << 32:
        return False
    at = _ARCHITECTURES.index(machine)
    code = b"".join((*_ours_only(machine), *steps(at)))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    no_new_privileges()
    return syscall(_FURTHER["seccomp"][at], _SET_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0


def _ours_only(machine: str) -> Iterator[bytes]:
    yield _step(_LOAD, _ARCHITECTURE) + _step(_EQUAL, _AUDIT_ARCH[machine], 1) + _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER) + _step(_AT_LEAST, _X32, 0, 1) + _step(_RETURN, _ERRNO | _EPERM)


# The filters --------------------------------------------------------------------------------------------------------


def _of_allowed(at: int, *, threads: bool, further: bool) -> Iterator[bytes]:
    for numbers in (*_ALLOWED.values(), *(_FURTHER.values() if further else ())):
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


def _of_alarms(at: int) -> Iterator[bytes]:
    for numbers in (_NETWORK | _RINGS | _OTHERS | _MAKING).values():
        yield _on(numbers[at], _step(_RETURN, _KILL))
    yield _on(_ASKED["open"][at], _if_argument(1, _BITS, _WRITING, yes=_KILL, no=_ALLOW))
    yield _on(_ASKED["openat"][at], _if_argument(2, _BITS, _WRITING, yes=_KILL, no=_ALLOW))
    yield _on(_ASKED["clone"][at], _if_argument(0, _BITS, _CLONE_THREAD, yes=_ALLOW, no=_KILL))
    yield _step(_RETURN, _ALLOW)


def _of_refused(at: int, *, unix: bool) -> Iterator[bytes]:
    refused = _NETWORK | _RINGS | _OTHERS
    # A pair of datagram sockets could send to any Unix address without ``connect``; a pair of streams cannot.
    yield _on(refused.pop("socketpair")[at], _if_kind(1, _KIND, _STREAM, yes=_ALLOW, no=_ERRNO | _EPERM))
    if unix:
        yield _on(refused.pop("socket")[at], _if_argument(0, _EQUAL, _UNIX, yes=_ALLOW, no=_ERRNO | _EPERM))
        del refused["connect"]
    for numbers in refused.values():
        yield _on(numbers[at], _step(_RETURN, _ERRNO | _EPERM))
    yield _step(_RETURN, _ALLOW)


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction: what to do, with what, and how many to skip if so and if not."""
    return struct.pack("=HBBI", code, yes, no, value)


def _on(number: int, then: bytes) -> bytes:
    return _step(_EQUAL, number, 0, len(then) // 8) + then if number >= 0 else b""


def _if_argument(which: int, test: int, value: int, *, yes: int, no: int) -> bytes:
    """Answer by the low 32 bits of an argument, which are all that the kernel looks at where this is used."""
    load = _step(_LOAD, _ARGUMENTS + 8 * which)  # both architectures are little-endian
    return load + _step(test, value, 0, 1) + _step(_RETURN, yes) + _step(_RETURN, no)


def _if_kind(which: int, mask: int, value: int, *, yes: int, no: int) -> bytes:
    """As ``_if_argument``, of some bits of it."""
    load = _step(_LOAD, _ARGUMENTS + 8 * which) + _step(_AND, mask)
    return load + _step(_EQUAL, value, 0, 1) + _step(_RETURN, yes) + _step(_RETURN, no)
