"""A file of JSON lines, each bound to the one before it: how consents and releases are kept.

A line is an object in one form only (sorted keys, no blanks, ASCII) with ``event``, ``body``, ``number`` (from 1), ``time``
(UTC), ``previous`` (SHA-256 of the line before it) and ``digest`` (SHA-256 of the line without it).  So no line can be
changed, put in or taken out between others unseen, and accidental damage of the last one is seen, too.  A line is
durable before the call returns.  One that a power cut tore was never answered for; the next one takes its place.

Guarantee: what ``read`` gives up to a break is what was written.  Not guaranteed: that lines at the end were not cut
away, or that whoever may write as this user did not write the whole file anew; the receipts that were printed show that.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from photovault.durable import sync, sync_folder, write_all
from photovault.errors import BusyError, RefusedError
from photovault.people.keeping.lock import lock_file, waited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NOTHING = "0" * 64
BEGIN = b'{"body":{'
"""How every line, and so every such file, begins."""
_LINE_MAX = 256 * 1024  # bytes; a line holds a notice, and the paths of the chosen folders
_FILE_MAX = 64 * 1024 * 1024
_PATIENCE = 10.0  # seconds; a line takes milliseconds
_KEYS = frozenset({"body", "digest", "event", "number", "previous", "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; ``time`` is UTC, ISO 8601 with microseconds and Z."""

    number: int
    time: str
    event: str
    body: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says: every line, what is wrong with it, and how many lines from the end on are sound."""

    lines: tuple[Line, ...] = ()
    breaks: tuple[str, ...] = ()
    sound: int = 0

    @property
    def trusted(self) -> tuple[Line, ...]:
        """The lines after the last break."""
        return self.lines[len(self.lines) - self.sound :]


class Chain:
    """A file of lines."""

    def __init__(self, path: Path, what: str) -> None:
        """Use the file at ``path``, made with the first line; ``what``: what people call it."""
        self.path = path
        self._what = what

    def read(self) -> Read:
        """Every line, none when there is no file.

        Raises:
            RefusedError: the file cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                return _read(file.read(_FILE_MAX + 1))
        except FileNotFoundError:
            return Read()
        except OSError as error:
            raise RefusedError(
                f"cannot read {self._what} {self.path}: {error.strerror}", "check its permissions"
            ) from None

    def append(self, when: datetime, event: str, body: Mapping[str, Any]) -> Line:
        """Add a line; it is durable when this returns.

        Raises:
            RefusedError: it cannot be written; then nothing of it counts.
        """
        with self.alone() as end:
            return end.append(when, event, body)

    @contextmanager
    def alone(self) -> Iterator[End]:
        """Add lines while nobody else does: what belongs to them can be read and written in between.

        Raises:
            RefusedError: the file cannot be written, or has become longer than is ever read.
            BusyError: somebody else writes, for more than some seconds.
        """
        with self._translated():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            fd = os.open(self.path, flags, 0o600)
        try:
            with self._translated():
                if not waited(lambda: lock_file(fd), _PATIENCE):
                    raise BusyError(f"{self._what} {self.path} is being written", "try again")
                if os.fstat(fd).st_size > _FILE_MAX - _LINE_MAX:
                    raise RefusedError(f"{self._what} {self.path} is too long to be ours", "move it away")
            yield End(self, fd)
        finally:
            os.close(fd)

    def add(self, fd: int, when: datetime, event: str, body: Mapping[str, Any]) -> Line:
        """As ``End.append``."""
        with self._translated():
            number, previous = _cut_torn(fd)
            line, raw = _sealed(number + 1, utc(when), event, body, previous)
            write_all(fd, raw + b"\n")
            sync(fd)
            sync_folder(self.path.parent)
            return line

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RefusedError(
                f"cannot write {self._what} {self.path}: {error.strerror or error}; nothing was recorded",
                "check free space and permissions there",
            ) from None


class End(NamedTuple):
    """The end of a file that is ours alone for a while."""

    chain: Chain
    fd: int

    def append(self, when: datetime, event: str, body: Mapping[str, Any]) -> Line:
        """As ``Chain.append``."""
        return self.chain.add(self.fd, when, event, body)

    @property
    def next(self) -> int:
        """The number of the line that comes next."""
        return _cut_torn(self.fd)[0] + 1


def utc(when: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def moment(text: str) -> datetime:
    """The time that ``utc`` wrote.  Raises ValueError on anything else."""
    when = datetime.fromisoformat(text)
    if utc(when) != text:
        raise ValueError("no time as it is written here")
    return when


def _cut_torn(fd: int) -> tuple[int, str]:
    """How many lines there are and the SHA-256 of the last; what comes after it is torn and is cut off."""
    data = bytearray()
    os.lseek(fd, 0, os.SEEK_SET)
    while piece := os.read(fd, _FILE_MAX):
        data += piece
    end = data.rfind(b"\n") + 1
    if end < len(data):
        os.ftruncate(fd, end)
    os.lseek(fd, end, os.SEEK_SET)
    rows = bytes(data[:end]).split(b"\n")[:-1]
    return len(rows), hashlib.sha256(rows[-1]).hexdigest() if rows else NOTHING


def _sealed(number: int, time: str, event: str, body: Mapping[str, Any], previous: str) -> tuple[Line, bytes]:
    fields = {"body": dict(body), "event": event, "number": number, "previous": previous, "time": time}
    digest = hashlib.sha256(_encode(fields)).hexdigest()
    raw = _encode(fields | {"digest": digest})
    if len(raw) > _LINE_MAX:
        raise RefusedError("this is too long to be recorded", "name fewer folders, or ones that hold the others")
    return Line(number=number, time=time, event=event, body=dict(body), digest=digest), raw


def _encode(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _read(data: bytes) -> Read:
    if len(data) > _FILE_MAX:
        return Read(breaks=(f"it is longer than {_FILE_MAX >> 20} MiB",))
    lines: list[Line] = []
    breaks: list[str] = []
    previous, sound = NOTHING, 0
    for number, raw in enumerate(data.split(b"\n")[:-1], 1):  # what follows the last line end is torn
        line, said = _parse(raw)
        follows = line is not None and said == previous and line.number == number
        if not follows:
            breaks.append(f"line {number} does not follow from the lines before it")
        if line is not None:
            lines.append(line)
        sound = sound + 1 if follows else 0
        previous = hashlib.sha256(raw).hexdigest()
    return Read(tuple(lines), tuple(breaks), sound)


def _parse(raw: bytes) -> tuple[Line | None, str]:
    """A line, None for anything that is none, and the SHA-256 that it says the line before it has."""
    try:
        fields = json.loads(raw) if len(raw) <= _LINE_MAX else {}
        if fields.keys() != _KEYS or _encode(fields) != raw or not _typed(fields):
            return None, ""
        digest = fields.pop("digest")
        if hashlib.sha256(_encode(fields)).hexdigest() != digest:
            return None, ""
        moment(fields["time"])
        previous = fields.pop("previous")
        return Line(**fields, digest=digest), previous
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None, ""


def _typed(fields: Mapping[str, Any]) -> bool:
    texts = ("digest", "event", "previous", "time")
    return (
        all(isinstance(fields[key], str) for key in texts)
        and type(fields["number"]) is int
        and isinstance(fields["body"], dict)
    )
