"""What one job may cost the process that does it: memory and processor time; and which process goes first without memory."""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from contextlib import suppress
from typing import Final

try:
    import resource
except ImportError:  # Windows
    _CAN_LIMIT = False
else:
    _CAN_LIMIT = True

LIBRARY_FOLDERS: Final = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/dev/null",
)


def go_first() -> None:
    """Where memory runs out, let the system end this process and not the one that it works for."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def code_folders(package: str) -> list[str]:
    """Where code may be imported from after the start; ``package`` is the folder of ``photovault``."""
    paths = sysconfig.get_paths()
    standard = [paths["stdlib"], paths["platstdlib"], os.path.join(sys.base_exec_prefix, "lib")]
    return [package, *standard, *(entry for entry in sys.path if os.path.isabs(entry)), *LIBRARY_FOLDERS]


class Ceiling:
    """How far this process may grow and how long it may compute; set anew for each job, from where it is then."""

    def __init__(self, largest: int, *, libraries: int = 1 << 30) -> None:
        """Before the sandbox, which would refuse the file that says how large the process is.

        Args:
            largest: bytes that the costliest job may take.
            libraries: bytes of address space that imports may take.
        """
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            self._statm = -1
        self.highest = self._now() + largest + libraries

    def set(self, memory: int, seconds: float) -> None:
        """Allow ``memory`` bytes and ``seconds`` of CPU time more than now."""
        if not _CAN_LIMIT:
            return
        with suppress(OSError, ValueError):
            _lower(resource.RLIMIT_AS, min(self.highest, self._now() + memory))
        with suppress(OSError, ValueError):
            _lower(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 2)

    def _now(self) -> int:
        """Bytes of address space that are taken."""
        if self._statm < 0:
            return 0
        return int(os.pread(self._statm, 64, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard < 0 else min(value, hard), hard))
