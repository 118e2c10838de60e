"""What a backup does with what is seen in files: facts into their entries, thumbnails within a budget.

Facts cost little and are always taken.  Thumbnails cost far more than reading and hashing, so a run makes only as many as
the ``Budget`` allows: all of them in a small backup, a bounded share of the time in a large one.  A picture that got none
is owed a look, which the catalog remembers; one that was looked at in vain is not, but where only a library was missing, it
is when that is installed.

Guarantee: with a budget without limit, what is stored depends on the files alone.  Nothing here can stop a run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from photovault.model import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from photovault.facts import Facts
    from photovault.photos.looking import Asked, Looking, Seen
    from photovault.vault.writer import Writer

_log = logging.getLogger(__name__)

FLOOR = 1.75  # seconds of all cores that thumbnails may take in any run
SHARE = 0.25  # of the time since a run began, likewise
_FIRST_GUESS = 0.05  # seconds that one thumbnail takes, until it is known
_NO_PICTURE = frozenset({"", "xmp", "aae", "takeout"})
_DECODE_HINT = "it is backed up as it is; look at it, an older snapshot may have a good one"


class Budget:
    """How much time thumbnails may take: ``FLOOR``, or ``SHARE`` of the run when that is more; of each core."""

    def __init__(self, clock: Callable[[], float], cores: int) -> None:
        """Begin now; ``clock`` is monotonic, in seconds."""
        self._clock = clock
        self._cores = cores
        self._began = clock()
        self._waiting = 0
        self._answered = 0
        self._spent = 0.0

    def grant(self, files: int) -> bool:
        """Whether thumbnails of so many files more may be asked for."""
        allowed = self._cores * max(FLOOR, SHARE * (self._clock() - self._began))
        mean = self._spent / self._answered if self._answered else _FIRST_GUESS
        granted = self._spent + self._waiting * mean < allowed
        self._waiting += files if granted else 0
        return granted

    def insist(self, files: int) -> None:
        """Thumbnails of so many files are asked for whatever they cost."""
        self._waiting += files

    def settle(self, files: int, seconds: float) -> None:
        """So many that were granted are over, at this price in seconds of a core."""
        self._waiting -= files
        self._answered += files
        self._spent += seconds


class NoLimit(Budget):
    """All thumbnails, whatever they cost."""

    def __init__(self) -> None:
        """Needs no clock."""
        super().__init__(lambda: 0.0, 1)

    def grant(self, files: int) -> bool:  # noqa: ARG002 - see the base class
        """Always."""
        return True


class Nothing(NoLimit):
    """No thumbnails."""

    def grant(self, files: int) -> bool:  # noqa: ARG002 - see the base class
        """Never."""
        return False


class Decoder(Protocol):
    """Looks into files, and packs JPEGs; ``decoder.Decoders`` is one."""

    def look(self, files: Sequence[Asked], /) -> Looking:
        """Begin to look at opened files; returns at once, and they may be closed then."""

    def pack(self, jpeg: bytes, /) -> bytes | None:
        """A JPEG as JPEG XL from which it can be made again, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """How a run deals with pictures.

    Attributes:
        decoder: who looks into files; None for nobody.
        budget: how many thumbnails are made.
        wanted: whether a picture without a thumbnail lacks something.
        owed: also look at unchanged files that are owed a look.
        enough: whether to leave the rest of those for another time.
        pack: store the pictures of JPEGs as JPEG XL where that is smaller.
    """

    decoder: Decoder | None = None
    budget: Budget = field(default_factory=Nothing)
    wanted: bool = True
    owed: bool = False
    enough: Callable[[], bool] = lambda: False
    pack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """How many a run made, their bytes, and how many files are still owed one.

    ``lacking``: how many pictures have none because an extra of this package is missing, by its name; only of a run that
    makes all that are owed.
    """

    made: int = 0
    size: int = 0
    left: int = 0
    lacking: Mapping[str, int] = field(default_factory=dict)


class Album:
    """What one run saw in files.  For the owner's thread."""

    def __init__(self, pictures: Pictures, writer: Writer) -> None:
        """Store thumbnails by ``writer``."""
        self.broken: list[Problem] = []
        self._pictures = pictures
        self._writer = writer
        self._made = self._size = 0
        self._blind = 0
        self._why = ""
        self._has_looked = False

    def hear(self, seen: Iterable[Seen]) -> None:
        """What came back together, before it is taken: if one could be looked at, the others are to blame themselves."""
        self._has_looked = self._has_looked or any(one.facts.kind or not one.why for one in seen)

    def take(self, seen: Seen, path: str) -> tuple[Facts, str | None]:
        """Facts for the entry of the file at ``path``, its thumbnail stored; and the look that it is still owed, if any."""
        self.hear([seen])
        if seen.why and not seen.facts.kind:
            return seen.facts, "" if self._not_seen(seen, path) else None
        if seen.why:
            _log.debug("%s: no thumbnail: %s", path, seen.why)
        facts = self._with_thumbnail(seen)
        if facts.broken:
            self.broken.append(Problem(path=path, what=facts.broken, hint=_DECODE_HINT))
        if seen.lacks:
            return facts, seen.lacks
        return facts, "" if not seen.tried and is_picture(facts) else None

    def thumbnails(self, left: int, lacking: Mapping[str, int]) -> Thumbnails:
        """What was made; ``left`` and ``lacking`` are what the catalog says afterwards."""
        return Thumbnails(
            made=self._made,
            size=self._size,
            left=left if self._pictures.wanted else 0,
            lacking=dict(lacking) if self._pictures.owed else {},
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """That nothing could be seen at all; single files are not worth it."""
        if self._has_looked or not self._blind:
            return ()
        return (f"{self._blind:,} files were backed up without their facts, the decoder does not work: {self._why}",)

    def _with_thumbnail(self, seen: Seen) -> Facts:
        part = self._writer.add_thumbnail(seen.thumbnail) if seen.thumbnail else b""
        if not part:
            return seen.facts
        self._made += 1
        self._size += len(seen.thumbnail)
        return replace(seen.facts, thumbnail=part)

    def _not_seen(self, seen: Seen, path: str) -> bool:
        """Worth another look, unless others could be looked at: then it is the file."""
        _log.debug("%s: no facts: %s", path, seen.why)
        self._blind += 1
        self._why = seen.why
        return not (seen.tried and self._has_looked)


def is_picture(facts: Facts) -> bool:
    """Whether a file with these facts can have a thumbnail."""
    return facts.kind not in _NO_PICTURE


def is_owed(facts: Facts) -> bool:
    """Whether a file of which these facts are known already should be looked at again."""
    return is_picture(facts) and not facts.thumbnail and not facts.broken
