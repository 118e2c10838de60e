"""Where a password comes from when nobody is asked: a file, a command, a file descriptor, the environment.

One trailing line end is dropped, everything else is the password.  Secrets are never taken from arguments, where other
users of the machine can read them, and never repeated in a message.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from photovault.errors import UsageError

if TYPE_CHECKING:
    import os

_LIMIT = 64 * 1024


def from_file(path: str, what: str = "password") -> str:
    """The contents of a file."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return _text(file.read(_LIMIT + 1), f"the {what} file")
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a ~user whom nobody knows
        reason = getattr(error, "strerror", None) or "no such path"
        raise UsageError(f"cannot read the {what} file {path}: {reason}") from None


def from_command(command: str) -> str:
    """What a command prints; it is run without a shell."""
    try:
        data = _printed(shlex.split(command))
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError) as error:
        raise UsageError(f"the password command failed: {type(error).__name__}", "run it by hand to see why") from None
    return _text(data, "what the password command printed")


def _printed(command: list[str]) -> bytes:
    """What a command prints, but no more than is too much; CalledProcessError when it fails."""
    with subprocess.Popen(  # noqa: S603 - the user's own command, that is what the option is for
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        data = process.stdout.read(_LIMIT + 1) if process.stdout else b""
        if len(data) > _LIMIT:
            process.kill()
            return data
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "")
    return data


def from_fd(fd: int) -> str:
    """What an inherited file descriptor holds."""
    try:
        with open(fd, "rb", closefd=False) as file:
            return _text(file.read(_LIMIT + 1), "the password on the file descriptor")
    except (OSError, ValueError, OverflowError, TypeError):  # TypeError: a number that no descriptor has
        raise UsageError(f"cannot read a password from file descriptor {fd}") from None


def _text(data: bytes, what: str) -> str:
    if len(data) > _LIMIT:
        raise UsageError(f"{what} is longer than {_LIMIT // 1024} KiB")
    if data.endswith(b"\n"):
        data = data[:-1].removesuffix(b"\r")
    if not data:
        raise UsageError(f"{what} is empty")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None


def strength_problem(password: str) -> str:
    """Why a new password is too weak, or the empty string.  A low bar: twelve characters, or eight with variety."""
    kinds = sum(any(test(char) for char in password) for test in (str.islower, str.isupper, str.isdigit, _is_other))
    if len(password) >= 12 and len(set(password)) >= 6:  # noqa: PLR2004 - the bar described above
        return ""
    if len(password) >= 8 and kinds >= 3:  # noqa: PLR2004 - the bar described above
        return ""
    return "a password needs twelve characters, or eight of three kinds (small, capital, digit, other)"


def _is_other(char: str) -> bool:
    return not char.isalnum()


def environment_password(environ: os._Environ[str] | dict[str, str]) -> str | None:
    """The password that the environment names, by file, command, descriptor or value."""
    if path := environ.get("PHOTOVAULT_PASSWORD_FILE"):
        return from_file(path)
    if command := environ.get("PHOTOVAULT_PASSWORD_COMMAND"):
        return from_command(command)
    if fd := environ.get("PHOTOVAULT_PASSWORD_FD"):
        if not fd.isdecimal() or len(fd) > 9:  # noqa: PLR2004 - no descriptor has ten digits
            raise UsageError("PHOTOVAULT_PASSWORD_FD is not a number")
        return from_fd(int(fd))
    return environ.get("PHOTOVAULT_PASSWORD") or None
