"""The ledger: what left this device, when, to where, of which kind and size.

A file of JSON lines in the state folder.  Each line holds the SHA-256 of the line before it, so that none can be
changed, added or taken out between others unseen; the first says what the newest snapshot of this device was when the
ledger began.  A line is durable before its object leaves: what was sent has a line, and a line alone proves only that
sending was begun.  A line that a power cut tore was never followed by an object; the next one takes its place.

Guarantee: what ``read_ledger`` gives up to the first break of the chain is what was written.  Not guaranteed: that lines at the
end were not cut away, or that the owner of this computer did not write the whole file anew; ``audit`` compares the
ledger with the vault for that reason.  The caller keeps other runs of this device out (the run lock).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

from photovault.durable import make_folders, sync, sync_folder, write_all
from photovault.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

_NOTHING = "0" * 64
_LINE_MAX = 64 * 1024  # bytes; a path is at most a few thousand
_FIELDS = frozenset({"destination", "event", "kind", "name", "previous", "size", "time"})
_BEGIN_FIELDS = frozenset({"event", "number", "previous", "time"})


class Event(StrEnum):
    """What a line says."""

    BEGUN = "begun"
    SENDING = "sending"
    FAILED = "failed"
    REMOVED = "removed"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        time: UTC, ISO 8601 with microseconds and Z.
        destination: the storage's address, without secrets.
        kind: pack, index, snapshot, slot, header or recovery.
        name: of the object.
        size: bytes of the object; 0 when it was removed.
        number: of the device's newest snapshot when the ledger began; 0 in all other lines.
    """

    time: str
    event: Event
    destination: str = ""
    kind: str = ""
    name: str = ""
    size: int = 0
    number: int = 0


class Ledger:
    """Writes lines.  Its methods may be called from several threads.

    Each raises RefusedError when the line cannot be written and made durable: then nothing may leave.
    """

    def __init__(self, path: Path, now: Callable[[], datetime], *, number: int = 0) -> None:
        """Use the file at ``path``, made on the first line; ``number`` is that of the device's newest snapshot."""
        self._path = path
        self._now = now
        self._number = number
        self._lock = threading.Lock()
        self._end = -1
        self._previous = _NOTHING

    def sending(self, destination: str, kind: str, name: str, size: int) -> None:
        """An object is about to leave."""
        self._write(Event.SENDING, destination, kind, name, size)

    def failed(self, destination: str, kind: str, name: str, size: int) -> None:
        """The storage did not say that it has the object; it may have it all the same."""
        self._write(Event.FAILED, destination, kind, name, size)

    def removed(self, destination: str, kind: str, name: str) -> None:
        """An object was removed."""
        self._write(Event.REMOVED, destination, kind, name, 0)

    def found(self, destination: str, kind: str, name: str, size: int) -> None:
        """An object that an interrupted run left, of this device or another; this device relies on it from now on."""
        self._write(Event.FOUND, destination, kind, name, size)

    def _write(self, event: Event, destination: str, kind: str, name: str, size: int) -> None:
        fields = {"destination": destination, "event": event, "kind": kind, "name": name, "size": size}
        with self._lock:
            try:
                self._append(fields)
            except OSError as error:
                self._end = -1
                raise RefusedError(
                    f"cannot write the ledger {self._path}: {error.strerror or error}; nothing was sent",
                    "check free space and permissions there",
                ) from None

    def _append(self, fields: dict[str, Any]) -> None:
        make_folders(self._path.parent)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        try:
            if os.fstat(fd).st_size != self._end:  # another writer was here since, or this is the first line of ours
                self._previous, self._end = _last(fd)
            lines = b"" if self._end else self._line({"event": Event.BEGUN, "number": self._number})
            lines += self._line(fields)
            write_all(fd, lines)
            if fields["event"] is not Event.FOUND:  # nothing leaves for it, and the next line takes it along
                sync(fd)
            if not self._end:
                sync_folder(self._path.parent)
            self._end += len(lines)
        finally:
            os.close(fd)

    def _line(self, fields: dict[str, Any]) -> bytes:
        when = self._now().astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        line = _encode(fields | {"previous": self._previous, "time": when})
        self._previous = hashlib.sha256(line).hexdigest()
        return line + b"\n"


def read_ledger(path: Path) -> Iterator[Line | str]:
    """The lines of the ledger at ``path`` in order, none when there is no file.

    Where the chain breaks, a text among them says so; what comes after it is read all the same.

    Raises:
        RefusedError: the file cannot be read.
    """
    return Reading(path).on()


class Reading:
    """A ledger that is read, and later read on from there.

    What was read is not looked at again: who wants to know whether it is still so begins anew.
    """

    def __init__(self, path: Path) -> None:
        """Begin with the first line of the file at ``path``, whether it is there or not."""
        self._path = path
        self._number = 0
        self._previous = _NOTHING
        self.offset = 0

    def on(self) -> Iterator[Line | str]:
        """As ``read_ledger``, the lines that were not read yet; ``offset`` is where the last one ends.

        Raises:
            RefusedError: the file cannot be read.
        """
        try:
            with open(self._path, "rb") as file:
                file.seek(self.offset)
                yield from self._lines(file)
        except FileNotFoundError:
            return
        except OSError as error:
            what = f"cannot read the ledger {self._path}: {error.strerror}"
            raise RefusedError(what, "check its permissions") from None

    def _lines(self, file: IO[bytes]) -> Iterator[Line | str]:
        for raw in iter(lambda: file.readline(_LINE_MAX), b""):
            if not raw.endswith(b"\n") and len(raw) < _LINE_MAX:
                return  # torn by a power cut: its object never left
            previous, self._previous = self._previous, hashlib.sha256(raw.rstrip(b"\n")).hexdigest()
            self._number, self.offset = self._number + 1, self.offset + len(raw)
            line, said = _parse(raw.rstrip(b"\n"))
            if line is None or said != previous or (line.event is Event.BEGUN) != (self._number == 1):
                yield f"line {self._number} does not follow from the lines before it"
            if line is not None:
                yield line


def removed_names(path: Path, kind: str) -> frozenset[str]:
    """Names of objects of a kind that this device removed at some destination and has not stored there again since.

    Raises:
        RefusedError: the ledger at ``path`` cannot be read.
    """
    last: dict[tuple[str, str], Event] = {}
    for line in read_ledger(path):
        if isinstance(line, Line) and line.kind == kind and line.event in {Event.SENDING, Event.REMOVED}:
            last[line.destination, line.name] = line.event
    return frozenset(name for (_, name), event in last.items() if event is Event.REMOVED)


def removed_at(path: Path, destination: str) -> frozenset[str]:
    """Names of all objects that this device removed at a destination, and has not sent there since.

    Raises:
        RefusedError: the ledger at ``path`` cannot be read.
    """
    last: dict[str, Event] = {}
    for line in read_ledger(path):
        if isinstance(line, Line) and line.destination == destination and line.event in {Event.SENDING, Event.REMOVED}:
            last[line.name] = line.event
    return frozenset(name for name, event in last.items() if event is Event.REMOVED)


def were_sent(path: Path, kind: str, destination: str) -> bool:
    """Whether this device ever sent an object of a kind to a destination, and the storage said that it has it.

    Raises:
        RefusedError: the ledger at ``path`` cannot be read.
    """
    last = None
    for line in read_ledger(path):
        if isinstance(line, Line) and (line.kind, line.destination) == (kind, destination):
            last = line.event
    return last is Event.SENDING


def last_sent(path: Path, kind: str) -> dict[str, str]:
    """When this device last stored an object of a kind at each destination: address to ISO 8601 in UTC.

    Raises:
        RefusedError: the ledger at ``path`` cannot be read.
    """
    last: dict[str, str] = {}
    before = ""
    for line in read_ledger(path):
        if not isinstance(line, Line) or line.kind != kind:
            continue
        if line.event is Event.SENDING:
            before, last[line.destination] = last.get(line.destination, ""), line.time
        elif line.event is Event.FAILED and last.get(line.destination):
            last[line.destination] = before
    return {destination: when for destination, when in last.items() if when}


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _parse(raw: bytes) -> tuple[Line | None, str]:
    """A line, None for anything that is none, and the SHA-256 that it says the line before it has."""
    try:
        fields = json.loads(raw)
        previous = fields.pop("previous") if _encode(fields) == raw else None
        wanted = _BEGIN_FIELDS if fields["event"] == Event.BEGUN else _FIELDS
        if not isinstance(previous, str) or fields.keys() | {"previous"} != wanted:
            return None, ""
        if any(not isinstance(fields[key], int if key in {"size", "number"} else str) for key in fields):
            return None, ""
        return Line(**fields | {"event": Event(fields["event"])}), previous
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, ""


def _last(fd: int) -> tuple[str, int]:
    """SHA-256 of the last whole line, and where it ends; what comes after it is torn and is cut off."""
    size = os.fstat(fd).st_size
    tail = _read_at(fd, max(0, size - 2 * _LINE_MAX))
    end = tail.rfind(b"\n") + 1
    torn = len(tail) - end
    if torn:
        os.ftruncate(fd, size - torn)
    if not end:
        return _NOTHING, size - torn
    line = tail[tail.rfind(b"\n", 0, end - 1) + 1 : end - 1]
    return hashlib.sha256(line).hexdigest(), size - torn


def _read_at(fd: int, start: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    found = bytearray()
    while piece := os.read(fd, _LINE_MAX):
        found += piece
    return bytes(found)
