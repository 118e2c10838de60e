"""What is known of a file that is still elsewhere, from its front where it can only be read once.

Of a file on a disk the readers of ``photos`` may look anywhere; of one in an archive they see the first megabyte, where
photos keep their facts.  A video whose facts stand at its end says nothing then, and goes by its notes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from photovault.importing.disk import OnDisk
from photovault.photos.metadata import facts_of

if TYPE_CHECKING:
    from photovault.facts import Facts
    from photovault.importing.values import Member, Stream

_FRONT = 1024 * 1024
_PIECE = 64 * 1024


class Front:
    """The beginning of a stream, read as far as somebody looks, at most 1 MiB."""

    def __init__(self, stream: Stream) -> None:
        """Begin at the front of ``stream``."""
        self._stream = stream
        self.seen = bytearray()

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes at ``offset``; fewer behind the first megabyte."""
        while len(self.seen) < min(offset + size, _FRONT):
            more = self._stream.read(_PIECE)
            if not more:
                break
            self.seen += more
        return bytes(self.seen[offset : offset + size])


def look(stream: Stream, member: Member) -> tuple[Facts, bytes]:
    """Facts of a file, and the bytes of it that were read for them (of a file on a disk: none)."""
    name = member.name.decode("utf-8", "surrogateescape")
    if isinstance(stream, OnDisk):
        return facts_of(stream.read_at, member.size, name), b""
    front = Front(stream)
    return facts_of(front.read_at, member.size, name), bytes(front.seen)


class When(NamedTuple):
    """When something was taken: local time, and as a modification time, nanoseconds since 1970 UTC."""

    local: datetime
    mtime_ns: int


def own_date(facts: Facts, *, names: bool = True) -> When | None:
    """The date that a file itself says; ``names``: also if only its name says it."""
    if facts.taken is None or (facts.taken_confidence == "low" and not names):
        return None
    try:
        when = datetime.fromisoformat(facts.taken)
        seconds = when.timestamp()  # without an offset it counts as local time of this computer
    except (ValueError, OverflowError, OSError):
        return None
    return When(when.replace(tzinfo=None), int(seconds) * 1_000_000_000 + when.microsecond * 1000)
