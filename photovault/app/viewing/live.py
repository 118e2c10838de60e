"""Whether the files of a snapshot are on this computer: there, only in a cloud, or not any more.

Only for snapshots of this device, whose sources say where each folder was.  A source that is not there, or holds nothing (a disk that
is not mounted leaves an empty folder), says nothing about its photos.  What is only in a cloud is told as ``photos.scan`` tells it:
by the marks of the file system, or by a small file that stands for the real one.

Guarantee: nothing is opened, and nobody waits longer than 50 ms for all photos of a page; a disk that does not answer
keeps one thread, and until it answers nothing is told.
"""

from __future__ import annotations

import os
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from photovault.photos.rules import placeholder, stands_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from photovault.library import Row
    from photovault.model import Snapshot

_PATIENCE: Final = 0.05  # seconds


class Live:
    """Looks for live files, in a thread that nobody has to wait for."""

    def __init__(self) -> None:
        """Look at nothing yet."""
        self._looking = threading.Lock()

    def badges(self, snapshot: Snapshot, rows: Sequence[Row]) -> dict[int, str]:
        """``away`` or ``cloud`` by the number of the row, for those that are not on this computer."""
        if not rows or not self._looking.acquire(timeout=_PATIENCE):
            return {}
        answers: SimpleQueue[dict[int, str]] = SimpleQueue()
        threading.Thread(target=self._look, args=(snapshot, rows, answers), name="live files", daemon=True).start()
        try:
            return answers.get(timeout=2 * _PATIENCE)
        except Empty:
            return {}

    def _look(self, snapshot: Snapshot, rows: Sequence[Row], answers: SimpleQueue[dict[int, str]]) -> None:
        try:
            answers.put(
                dict(_missing({os.fsencode(one.label): os.fsencode(one.path) for one in snapshot.sources}, rows))
            )
        finally:
            self._looking.release()


def _missing(sources: Mapping[bytes, bytes], rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """Badges of the rows that are not on this computer, as far as there is time."""
    until = time.monotonic() + _PATIENCE
    there: dict[bytes, bool] = {}
    stubs: dict[bytes, frozenset[bytes]] = {}
    for row in rows:
        if time.monotonic() > until:
            return
        label, _, inside = row.folder.partition(b"/")
        source = sources.get(label)
        if source is None:
            continue
        if source not in there:
            there[source] = _is_there(source)
        if not there[source]:
            continue
        folder = os.path.join(source, inside) if inside else source
        badge = _badge(folder, row.members[0].name, stubs)
        if badge:
            yield row.number, badge


def _is_there(source: bytes) -> bool:
    """Whether a source is mounted: it has anything in it."""
    try:
        with os.scandir(source) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def _badge(folder: bytes, name: bytes, stubs: dict[bytes, frozenset[bytes]]) -> str:
    try:
        st = os.lstat(os.path.join(folder, name))
    except (FileNotFoundError, NotADirectoryError):
        if folder not in stubs:
            stubs[folder] = _stubs(folder)
        return "cloud" if name in stubs[folder] else "away"
    except (OSError, ValueError):
        return ""
    return "cloud" if placeholder(name, st) else ""


def _stubs(folder: bytes) -> frozenset[bytes]:
    """Names of the real files for which small ones stand in a folder."""
    try:
        return frozenset(real for name in os.listdir(folder) if (real := stands_for(name)) != name)
    except OSError:
        return frozenset()
