"""macOS: the command that starts a process in a sandbox, and the rules that it is given; sandbox-exec(1).

Apple documents neither for others, and calls the command deprecated, yet ships it and uses it; there is nothing else that a
program can put on itself without being signed for it.

Guarantee (as far as the command holds): no network, no file written, no process started, no other program asked for
anything (Mach services: how a program would have another reach a network), nothing read in the folders of users and other
disks but what is named.  Not guaranteed: what macOS reads for itself stays readable.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND: Final = "/usr/bin/sandbox-exec"
LAYER: Final = "seatbelt"
"""What this is called among the layers."""

_PRIVATE: Final = ("/Users", "/Volumes", "/private/tmp", "/private/var", "/Network", "/home")
_REFUSED: Final = (
    "network*",
    "file-write*",
    "process-fork",
    "process-exec*",
    "mach-lookup",
    "mach-register",
    "mach-priv*",
    "iokit-open",
    "ipc-posix*",
    "ipc-sysv*",
    "appleevent-send",
    "lsopen",
)


def prefix(program: str, readable: Iterable[str]) -> tuple[str, ...]:
    """What to put before a command that runs ``program``; empty where there is no such sandbox."""
    return (COMMAND, "-p", rules(program, readable)) if os.path.exists(COMMAND) else ()


def rules(program: str, readable: Iterable[str]) -> str:
    """The rules; the last that fits counts.

    Args:
        program: the one program that may be started, by the command itself.
        readable: folders and files that may be read, wherever they are.
    """
    programs = sorted({program, os.path.realpath(program)})
    folders = sorted({path for one in readable if os.path.isabs(one) for path in (one, os.path.realpath(one))})
    return "\n".join(
        (
            "(version 1)",
            "(allow default)",
            f"(deny {' '.join(_REFUSED)})",
            "(deny signal (target others))",
            _files("deny file-read-data", _PRIVATE),
            _files("allow file-read-data", [*folders, *programs]),
            *(f"(allow process-exec (literal {json.dumps(one)}))" for one in programs),
        )
    )


def _files(what: str, paths: Iterable[str]) -> str:
    return f"({what} {' '.join(f'(subpath {json.dumps(path, ensure_ascii=False)})' for path in paths)})"
