"""What is to be imported, before anything is decided."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from photovault.errors import DamageError
from photovault.model import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[bytes, ...]
"""Names from the library's root down."""


class Key(NamedTuple):
    """Which file: the number of the part (folder, archive) and its number there."""

    part: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file where it is now.

    Attributes:
        folder: path of its folder inside its part, joined by ``/``.
        name: raw bytes, without a slash.
        size: bytes, as its archive or folder says.
        mtime_ns: modification time, nanoseconds since 1970 UTC.
        where: for messages.
    """

    key: Key
    folder: bytes
    name: bytes
    size: int
    mtime_ns: int
    where: str


class UnreadableError(DamageError):
    """A file or an archive that cannot be read."""

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        """``where``: which one, for people."""
        super().__init__(f"{where}: {what}", hint)
        self.problem = Problem(path=where, what=what, hint=hint)


class Stream(Protocol):
    """Bytes from the front to the end."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, none at the end.  Raises UnreadableError for what cannot be read."""


Opening = AbstractContextManager[Stream]


class Part(Protocol):
    """A folder or an archive with photos.

    ``walk`` gives every file in the same order each time, with what opens it, to be used before the next one is asked
    for.  ``open`` opens one at any time; archives that can only be read in order (``again`` is False) have none.
    ``problems`` are files that were passed over.
    """

    again: bool
    problems: list[Problem]

    def walk(self) -> Iterator[tuple[Member, Callable[[], Opening]]]:
        """Every file.  Raises UnreadableError if the part as a whole cannot be read further."""

    def open(self, member: Member) -> Opening:
        """Open one file."""

    def close(self) -> None:
        """Let go of the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A file with what it shall be called and when it was made.

    Attributes:
        name: wanted name in the library.
        mtime_ns: time that the copy gets.
        digest: SHA-256, if known already.
        main: a picture or video of its own; others (sidecars) go with theirs.
        rewritten: notes that differ each time they are asked for; the ones in the library stay.
    """

    member: Member
    name: bytes
    mtime_ns: int
    digest: bytes = b""
    main: bool = True
    rewritten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Files that belong together and get one folder and one number: a set, and its albums."""

    folder: Path
    files: tuple[Incoming, ...]
    albums: tuple[str, ...] = ()
