"""Having opened files looked at by somebody else, and an answer for each, whatever becomes of the look.

Who looks is not known here: an ``Ask`` takes opened files and goes on alone, so that they can be read and hashed
meanwhile.  Guarantee: a ``Look`` never raises for anything that happens there; a file that could not be looked at has what
its name says, and why.  Only files are given away, never pipes or folders, which could keep the other waiting.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from photovault.errors import PhotovaultError
from photovault.facts import NOTHING, Facts
from photovault.model import INODE_MASK
from photovault.photos.metadata import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.model import Stamp

    Ask = Callable[[Sequence["Asked"]], "Looking"]


class Asked(NamedTuple):
    """An opened file that is to be looked at.

    Attributes:
        fd: open for reading; read with ``pread`` only, from any place.
        size: bytes that may be read.
        name: its name without folders, which may hold its date.
        thumbnail: whether to decode it too.
    """

    fd: int
    size: int
    name: bytes
    thumbnail: bool


class Looked(Protocol):
    """What was seen in one file."""

    @property
    def facts(self) -> Facts:
        """What is known of it."""

    @property
    def thumbnail(self) -> bytes:
        """Its thumbnail, or nothing."""

    @property
    def thumbnail_seconds(self) -> float:
        """What the thumbnail cost, in seconds of a processor."""

    @property
    def why(self) -> str:
        """Why it could not be looked at; empty when it could."""

    @property
    def lacks(self) -> str:
        """The extra of this package without which there is no thumbnail; empty when none is missing."""


class Looking(Protocol):
    """A look at files that goes on elsewhere; it has its own hold of the files."""

    def result(self) -> Sequence[Looked]:
        """Wait for it: one answer for each file, in their order."""


class Seen(NamedTuple):
    """What a look at a file gave.

    Attributes:
        facts: what is known of it; from its name alone when it could not be looked at.
        thumbnail: its thumbnail, or nothing.
        seconds: what that cost, in seconds of a processor.
        tried: a thumbnail was asked for and answered, so it need not be asked for again.
        why: why it could not be looked at; empty when it could.
        lacks: the extra of this package without which there is no thumbnail; empty when none is missing.
    """

    facts: Facts = NOTHING
    thumbnail: bytes = b""
    seconds: float = 0.0
    tried: bool = False
    why: str = ""
    lacks: str = ""


class Look:
    """Opened files on their way to be looked at, and what comes back."""

    def __init__(
        self,
        ask: Ask | None,
        paths: Sequence[bytes],
        files: Sequence[tuple[int, os.stat_result] | None],
        *,
        thumbnails: bool,
    ) -> None:
        """Give the files away, which may be closed then; ``None`` stands for one that could not be opened."""
        self._names = [os.path.basename(path) for path in paths]
        self._thumbnails = thumbnails
        self._why = ""
        self._looking: Looking | None = None
        self._is_asked = [one is not None and stat.S_ISREG(one[1].st_mode) for one in files]
        if ask is None or not any(self._is_asked):
            return
        try:
            self._looking = ask(
                [
                    Asked(one[0], one[1].st_size, name, thumbnails)
                    for one, name, is_asked in zip(files, self._names, self._is_asked, strict=True)
                    if one is not None and is_asked
                ]
            )
        except (OSError, PhotovaultError) as error:
            self._why = str(error)

    def result(self) -> list[Seen]:
        """What was seen in each file; waits for it."""
        try:
            found = iter(self._looking.result() if self._looking is not None else ())
        except (OSError, PhotovaultError) as error:
            found, self._why = iter(()), str(error)
        return [
            self._seen(next(found, None) if is_asked else None, name)
            for name, is_asked in zip(self._names, self._is_asked, strict=True)
        ]

    def _seen(self, one: Looked | None, name: bytes) -> Seen:
        if one is None:
            return unseen(name, self._why)
        facts = by_name(name) if one.why and not one.facts.kind else one.facts
        return Seen(facts, one.thumbnail, one.thumbnail_seconds, self._thumbnails, one.why, one.lacks)


def unseen(name: bytes, why: str) -> Seen:
    """Of a file that nobody could look at."""
    return Seen(facts=by_name(name), why=why)


def is_still(path: bytes, stamp: Stamp) -> bool:
    """Whether the file at ``path`` is what its stamp says."""
    try:
        st = os.lstat(path)
    except OSError:
        return False
    return stamp[1:] == (st.st_ino & INODE_MASK, st.st_size, st.st_mtime_ns, st.st_ctime_ns)


def by_name(name: bytes) -> Facts:
    """What the name alone says."""
    return replace(facts_of(lambda _offset, _length: b"", 0, os.fsdecode(name)), broken="")
