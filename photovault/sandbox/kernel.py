"""The three system calls that the layers of the sandbox are asked for by, through the C library."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

LINUX: Final = sys.platform == "linux"


def libc() -> ctypes.CDLL:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: object) -> bool:
    """Set a property of this process, by its number and up to four arguments; whether it worked."""
    rest = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    rest += [ctypes.c_ulong(0)] * (4 - len(rest))
    return bool(libc().prctl(option, *rest) == 0)


def syscall(number: int, *arguments: object) -> int:
    """A system call that the C library has no function for; less than zero if it failed."""
    call = libc().syscall
    call.restype = ctypes.c_long
    return int(call(ctypes.c_long(number), *(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)))


def no_new_privileges() -> bool:
    """No program that is started has more rights; Landlock and seccomp need it of all but root."""
    return LINUX and prctl(38, 1)
