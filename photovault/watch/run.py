"""A run of the daemon, what came out of it, and how it is told: a backup, thumbnails, a drill, or looking for faces.  Pure.

The thread of a run writes its numbers and in the end its result; others read them, and may ask it to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from photovault.errors import CancelledError

if TYPE_CHECKING:
    from photovault.errors import PhotovaultError

FACES: Final = "faces in photos"
"""Stands for a destination, and can be the name of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a backup did: the snapshot's id, empty when nothing had changed; files and bytes stored anew.

    ``problems``: what could not be read, or is suspect; sources that are away are not among them, since they come back.
    ``thumbnails_left``: how many are still to be made.
    """

    snapshot: str = ""
    files: int = 0
    size: int = 0
    problems: int = 0
    thumbnails_left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faced:
    """What looking for faces did: photos looked at, photos still to be looked at, photos that could not be looked at."""

    photos: int = 0
    left: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """What a drill did.

    Attributes:
        photos: how many were proven.
        left: how many it did not come to.
        problems: how many of which nothing could be said here.
        damaged: how many are known not to come back, or to have rotted on this computer.
        again: seconds until the next drill is due.
    """

    photos: int = 0
    left: int = 0
    problems: int = 0
    damaged: int = 0
    again: float = 0.0


class Nothing:
    """There was nothing to do, and nothing was looked at."""


@dataclass(slots=True)
class Run:
    """The backup that is under way; ``spare``: it is none (see ``spare``), and ends soon when it is ``enough``; ``drill``: a drill."""

    destination: str
    began: float
    hold: frozenset[bytes]
    spare: bool = False
    enough: bool = False
    files: int = 0
    size: int = 0
    total_files: int = 0
    total_size: int = 0
    path: str = ""
    stop: bool = False
    drill: bool = False
    result: Done | Drilled | Faced | Nothing | PhotovaultError | None = None

    def total(self, files: int, size: int) -> None:
        """How much there is to do."""
        self.total_files, self.total_size = files, size

    def advance(self, files: int, size: int, path: str) -> None:
        """So much more is done.  Raises CancelledError when the run was asked to stop."""
        if self.stop:
            raise CancelledError("stopped")
        self.files += files
        self.size += size
        self.path = path


BEGINS: Final = {
    "backup": "backup begins",
    "thumbnails": "making thumbnails",
    "drill": "drill begins",
    "faces": "looking for faces",
}
"""What a log says, by the kind of a run."""


def kind_of(run: Run) -> str:
    """One of the keys of ``BEGINS``."""
    if run.destination == FACES:
        return "faces"
    return "drill" if run.drill else "thumbnails" if run.spare else "backup"


def about(run: Run) -> dict[str, object]:
    """What a log says of it when it begins."""
    return {} if run.destination == FACES else {"destination": run.destination}


def headline(run: Run) -> str:
    """What it does, in a line."""
    match kind_of(run):
        case "faces":
            return "looking for faces"
        case "thumbnails":
            return f"making thumbnails for {run.destination}"
        case "drill":
            return f"proving photos at {run.destination}"
        case _:
            return f"backing up to {run.destination}"


def run_status(run: Run, now: float) -> dict[str, Any]:
    """How far it is, as JSON has it; ``now`` in seconds, as ``began``."""
    seconds = max(now - run.began, 0.001)
    rate = run.size / seconds
    left = max(0, run.total_size - run.size)
    return {
        "what": kind_of(run),
        "destination": "" if run.destination == FACES else run.destination,
        "seconds": round(seconds, 1),
        "files": run.files,
        "files_total": run.total_files,
        "bytes": run.size,
        "bytes_total": run.total_size,
        "bytes_per_second": round(rate),
        "eta_seconds": round(left / rate) if rate and left else None,
        "file": run.path,
    }
