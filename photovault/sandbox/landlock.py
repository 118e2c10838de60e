"""Files: what a process can still open, by Landlock; landlock(7)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from photovault.sandbox.kernel import LINUX, no_new_privileges, syscall

if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}  # how many kinds of access each version of Landlock knows; then 16
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals


def landlock_version() -> int:
    """The version of Landlock that this kernel offers, 0 if none."""
    return max(0, syscall(_CREATE_RULESET, None, 0, _VERSION)) if LINUX else 0


def readable_only(paths: Iterable[str]) -> bool:
    """Refuse every access to files but reading what is under ``paths``; those that do not exist are passed over."""
    version = landlock_version()
    if not version:
        return False
    rules = struct.pack("QQQ", (1 << _RIGHTS.get(version, 16)) - 1, _TCP, _SCOPES)
    rules = rules[: 8 if version < 4 else 16 if version < 6 else 24]  # noqa: PLR2004 - versions as above
    ruleset = syscall(_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for path in paths:
            _allow(ruleset, path)
        no_new_privileges()
        return syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)
    syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
    os.close(fd)
