"""Where photos may be restored to: what somebody typed, made a folder that will do, and folders to choose from.

Only names of mounted disks are looked at, and of the folders that every home has; what is in them is not listed.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from photovault.app.guarding import free_bytes
from photovault.app.restoring import refuse_own
from photovault.errors import PhotovaultError, UsageError
from photovault.gallery.values import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.runs import App

DEFAULT: Final = "~/Restored"
_NAME: Final = "Restored"
_OF_HOMES: Final = ("Desktop", "Documents", "Pictures")
_OF_DISKS: Final = ("/media/", "/run/media/", "/mnt/", "/Volumes/")
_MANY: Final = 12
_LONGEST: Final = 4096


def folder_of(text: str) -> Path:
    """The folder that somebody typed: absolute, or below his home as ``~/``.

    Raises:
        UsageError: it is none.
    """
    text = text.strip()
    if not text or "\0" in text or len(text) > _LONGEST:
        raise UsageError("no folder to restore into was named", f"name one, as {DEFAULT}")
    try:
        found = Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"nobody knows the home in {text}", "write the folder from the root on") from None
    if not found.is_absolute():
        raise UsageError(f"{text} does not say where it begins", f"write it from the root on, or as {DEFAULT}")
    return Path(os.path.normpath(found))


def refuse_unfit(app: App, folder: Path) -> None:
    """Go on only if files can be written there.

    Raises:
        UsageError: it is the vault's own, something that is no folder is in the way, or this user may not write there.
    """
    refuse_own(app, folder)
    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if not there.is_dir():
        raise UsageError(f"{there} is no folder", "name another one, or move that away")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"you may not write to {there}", "name a folder of your own")


def rooms(app: App, first: str) -> tuple[Room, ...]:
    """Folders to choose from: ``first``, then those of the home and of mounted disks that will do."""
    found: dict[str, Room] = {}
    for text in (first, DEFAULT, *_suggested()):
        try:
            folder = folder_of(text)
            refuse_unfit(app, folder)
        except (PhotovaultError, OSError):
            if text != first:
                continue
            folder = None
        found.setdefault(text, Room(path=text, free=free_bytes(folder) if folder is not None else None))
    return tuple(found.values())[:_MANY]


def _suggested() -> Iterator[str]:
    home = Path.home()
    for name in _OF_HOMES:
        if (home / name).is_dir():
            yield f"~/{name}/{_NAME}"
    for disk in sorted(set(_disks())):
        yield f"{disk}/{_NAME}"


def _disks() -> Iterator[str]:
    """Where disks are mounted that people put in; not those of networks, which may not answer.

    Lines of ``/proc/self/mountinfo``: see proc_pid_mountinfo(5); the fifth field is the place, with octal escapes, and after
    a lone ``-`` come the type and the device.
    """
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        lines = []
        if sys.platform == "darwin":
            yield from (f"/Volumes/{name}" for name in os.listdir("/Volumes"))
    for fields in lines:
        after = fields[fields.index("-") + 1 :] if "-" in fields else []
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]) if len(fields) > 4 else ""  # noqa: PLR2004
        if len(after) > 1 and after[1].startswith("/dev/") and place.startswith(_OF_DISKS):
            yield place
