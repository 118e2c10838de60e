"""When a backup must not go on by itself: what a plan or a run saw, against what was there at the last one.  Pure.

Of each source it is counted how many of the files that were known

- have another size now (``resized``, seen without reading) or other bytes (``changed``, seen when they were read);
- are gone: not there any more, and nothing of their size and time came instead, wherever (so moving is no loss, also
  between disks that number their files anew); what is still there and only excluded by now is not gone either;
- are gone and have a namesake with something behind its name (``IMG_1.jpg.locked``): ``renamed``;
- were good (``photos.goodness``), and are bad now: ``spoilt``.

More than a share of the known files, and more than a few of them, is a refusal, in words that name what was seen.  A few
are enough where the sign is plain: renamed ones, and spoilt ones that are a share of what changed.

Guarantee: a first backup is never refused, a lost catalog changes no answer (the last version in the vault counts then).
Not guaranteed: that something which spoils a few photos a day is seen here; the last good version of each stays all the same.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from photovault.errors import GuardError
from photovault.photos.goodness import is_bad, is_good, is_named_as_one
from photovault.photos.rules import is_media

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from photovault.model import Entry

_SHOWN = 3
_NEVER = 100  # percent; more than all never happens
_LOOK = "look at these files first, what is in the vault is safe"
_LEFT_BEHIND = (
    b"~",
    b".bak",
    b".tmp",
    b".part",
    b".old",
    b".orig",
)  # of a photo that somebody edited, and then removed


class Guard(StrEnum):
    """What a user may allow."""

    CHANGES = "changes"
    LOSSES = "losses"
    BROKEN = "broken"
    MISSING = "missing"
    SPACE = "space"
    CLOCK = "clock"
    SUSPECT = "suspect"


_ADVICE = {Guard.SPACE: "make room there, or choose another place", Guard.CLOCK: "set the clock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When it is too much: percent, and ``least`` files; what is ``allowed`` is never too much.

    ``changed`` and ``lost`` are of the known files of a source, ``broken`` of those that changed.
    """

    changed: int = 30
    lost: int = 30
    broken: int = 10
    least: int = 20
    allowed: frozenset[Guard] = frozenset()

    def exceeded(self, guard: Guard, count: int, of: int, percent: int) -> bool:
        """Whether so many of so many are too many."""
        asked = guard not in self.allowed and percent < _NEVER
        return asked and count >= max(1, self.least) and count * 100 > of * percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a run must not go on: which guard says so, what it saw, and the first few files."""

    guard: Guard
    what: str
    files: str = ""


@dataclass(slots=True)
class Sample:
    """How many, and the first few of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, path: bytes, more: str = "") -> None:
        """One more."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(_shown(path) + more)

    def __str__(self) -> str:
        """The first few, in words."""
        left = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {left:,} more" if left > 0 else "")


@dataclass(slots=True)
class Movements:
    """Files that went and files that came, by size and modification time: what came as it went only moved."""

    went: array[int] = field(default_factory=lambda: array("q"))
    came: array[int] = field(default_factory=lambda: array("q"))
    paths: list[tuple[bytes, int]] = field(default_factory=list)

    def gone(self, path: bytes, size: int, mtime_ns: int) -> None:
        """A known file is not where it was."""
        key = hash((size, mtime_ns))
        self.went.append(key)
        if len(self.paths) < 16 * _SHOWN:
            self.paths.append((path, key))

    def new(self, size: int, mtime_ns: int) -> None:
        """A file is where none was known."""
        self.came.append(hash((size, mtime_ns)))

    def lost(self) -> Sample:
        """Those that went and did not come."""
        if not self.went:
            return Sample()
        left = Counter(self.went) - Counter(self.came)
        found = Sample(left.total())
        found.first = [_shown(path) for path, key in self.paths if left[key] > 0][:_SHOWN]
        return found


@dataclass(slots=True)
class Tally:
    """What was counted of one source.

    ``known``: files that it had at the last backup; ``fresh_bytes``: of files to be read that were not there then in this
    size, which is about what is to be stored.
    """

    label: str = ""
    known: int = 0
    fresh_bytes: int = 0
    resized: Sample = field(default_factory=Sample)
    moves: Movements = field(default_factory=Movements)
    renamed: Sample = field(default_factory=Sample)
    changed: Sample = field(default_factory=Sample)
    spoilt: Sample = field(default_factory=Sample)

    def refusals(self, limits: Limits) -> Iterator[Refusal]:
        """What the plan saw that is too much."""
        if not self.known:
            return
        lost = self.moves.lost()
        if limits.exceeded(Guard.LOSSES, self.renamed.count, 0, limits.lost):
            yield Refusal(
                guard=Guard.LOSSES,
                what=f"{_files(self.renamed.count)} in {self.label} got another ending to their names and are no photos "
                f"any more, as when something encrypts them",
                files=str(self.renamed),
            )
        elif limits.exceeded(Guard.LOSSES, lost.count, self.known, limits.lost):
            yield Refusal(guard=Guard.LOSSES, what=f"{self._of_known(lost)} in {self.label} are gone", files=str(lost))
        if limits.exceeded(Guard.CHANGES, self.resized.count, self.known, limits.changed):
            yield self._too_many_changed(self.resized)

    def judge(self, before: Entry, after: Entry, path: bytes, limits: Limits) -> None:
        """A known file was read again.

        Raises:
            GuardError: this one was one too many.
        """
        if before.digest == after.digest:
            return
        self.changed.add(path)
        if is_good(before) and is_bad(after):
            self.spoilt.add(path)
            if limits.exceeded(Guard.BROKEN, self.spoilt.count, self.changed.count, limits.broken):
                raise refused([self._too_many_spoilt()], limits.allowed)
        if limits.exceeded(Guard.CHANGES, self.changed.count, self.known, limits.changed):
            raise refused([self._too_many_changed(self.changed, "at least ")], limits.allowed)

    def _too_many_changed(self, which: Sample, about: str = "") -> Refusal:
        return Refusal(
            guard=Guard.CHANGES,
            what=f"{about}{self._of_known(which)} in {self.label} have other bytes than at the last backup",
            files=str(which),
        )

    def _too_many_spoilt(self) -> Refusal:
        return Refusal(
            guard=Guard.BROKEN,
            what=f"at least {_files(self.spoilt.count)} in {self.label} that were good at the last backup do not decode any more, "
            f"as when something encrypts them or a disk fails",
            files=str(self.spoilt),
        )

    def _of_known(self, which: Sample) -> str:
        return f"{which.count:,} of {_files(self.known)} ({round(which.count * 100 / self.known)} %)"


def refused(refusals: Iterable[Refusal], allowed: Collection[Guard] = ()) -> GuardError:
    """The error that says why a run stops, and how it goes on: with what was ``allowed`` before, and what stopped it."""
    found = list(refusals)
    names = ",".join(dict.fromkeys((*sorted(map(str, allowed)), *(str(one.guard) for one in found))))
    advice = "; ".join(dict.fromkeys(_ADVICE.get(one.guard, _LOOK) for one in found))
    told = "; ".join(f"{one.what}: {one.files}" if one.files else one.what for one in found)
    return GuardError(
        f"{told}; no snapshot was made",
        f"{advice}; to go on all the same: photovault backup --allow {names}",
        f"{'; '.join(one.what for one in found)}; no snapshot was made",
    )


def renamed_to(name: bytes, there: Collection[bytes]) -> bytes:
    """What a photo that is gone seems to be called now; empty if nothing there has its name and a strange end behind it."""
    if not is_named_as_one(name):
        return b""
    start = name + b"."
    for other in sorted(there):
        if other.startswith(start) and not is_media(other) and not other.endswith(_LEFT_BEHIND):
            return other
    return b""


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
