"""May this card be erased?  Is every photo on it in snapshots, by its bytes, at enough destinations?

1. ``look``: names, kinds and sizes of what is below the folders; nothing is opened, links are not followed.
2. ``holdings``: at each destination, all listings of all snapshots that count are walked, each page once, and of files
   that have a size of one on the card it is remembered by their SHA-256 how well they are kept there.
3. ``run_covered``: files of such sizes are read from the first byte to the last, and their SHA-256 is looked up; a file of
   another size is nowhere and need not be read.
4. ``judge`` (pure) says of each file where it is, and why that is not enough.

Guarantee: a file counts as covered by a destination only if its bytes, as they were read just now, are those of a file in an
authenticated snapshot there, whose every part has a place in a pack that is there, that nobody marked for removal and that
was not found damaged.  Names, times and sizes alone prove nothing; what cannot be read or changes meanwhile is not covered.
Not guaranteed: that packs and snapshots which are there are still whole.  That is what ``check --data`` and ``drill`` are for.
Nothing is written.  Memory grows with the files on the card and with those of their sizes in the vault, not with the vault.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from photovault.errors import DamageError
from photovault.model import INODE_MASK, EntryKind, Problem, Stamp
from photovault.photos.rules import is_media, stands_for
from photovault.photos.scan import Scanner, ScanRules
from photovault.vault.format import shown
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from photovault.model import Entry
    from photovault.photos.scan import Found, FoundFolder, Identity
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot, Vault
    from photovault.workers import Workers

OTHERS_NAMED = 1000
_AHEAD = 6
_BLOCK = 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Held(IntEnum):
    """How well a destination keeps a file; the better one is the larger."""

    UNSETTLED = 1
    DAMAGED = 2
    GOOD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What one destination keeps of the sizes that were asked for.

    Attributes:
        held: SHA-256 of a file to how well it is kept.
        sizes: those of these files, bytes.
        problems: listings that cannot be read; what is in them is not held.
    """

    held: Mapping[bytes, Held]
    sizes: frozenset[int] = frozenset()
    problems: tuple[str, ...] = ()


class OnCard(NamedTuple):
    """A file on the card, as it was when its folder was read."""

    path: bytes
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is below the folders.

    Attributes:
        files: those that must be covered.
        others: names of files of other kinds and of links, at most ``OTHERS_NAMED`` of them.
        others_count: how many there are.
        problems: what could not be looked at.
    """

    files: tuple[OnCard, ...] = ()
    others: tuple[str, ...] = ()
    others_count: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def sizes(self) -> frozenset[int]:
        """Sizes of the files, bytes."""
        return frozenset(one.stamp.size for one in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Names of the destinations where a file is whole, where it is damaged, and where only a changing state of it is."""

    path: str
    size: int
    at: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredReport:
    """What is covered and what is not.

    Attributes:
        files: how many had to be; those that could not be read among them.
        size: their bytes.
        covered: how many are.
        by_copies: number of destinations to number of files that are at so many.
        at: name of a destination to number of files that are there.
        uncovered: those that were read and are at too few destinations, in the order of their paths.
        problems: what could not be read or looked at: nobody knows whether that is covered.
    """

    copies: int
    files: int
    size: int
    covered: int
    by_copies: Mapping[int, int]
    at: Mapping[str, int]
    uncovered: tuple[Verdict, ...] = ()
    problems: tuple[Problem, ...] = ()
    others: tuple[str, ...] = ()
    others_count: int = 0

    @property
    def is_covered(self) -> bool:
        """Whether something was looked at, and erasing all of it loses nothing; an empty folder may be a card that is not mounted."""
        return bool(self.files) and not self.uncovered and not self.problems


# 1. The card


def look(paths: Iterable[bytes], *, all_files: bool = False, avoid: frozenset[Identity] = frozenset()) -> Card:
    """What is below ``paths``: absolute paths of folders, or of files, which are then looked at whatever their kind.

    ``avoid``: folders that are not entered.

    Raises:
        OSError: one of the paths is not there.
    """
    looking = _Looking(all_files=all_files, avoid=avoid)
    for path in paths:
        looking.add(path)
    return looking.card()


@dataclass(slots=True, kw_only=True)
class _Looking:
    all_files: bool
    avoid: frozenset[Identity]
    files: dict[bytes, OnCard] = field(default_factory=dict)
    others: dict[bytes, None] = field(default_factory=dict)
    unnamed: int = 0
    problems: dict[Problem, None] = field(default_factory=dict)
    _entered: set[bytes] = field(default_factory=set)

    def add(self, path: bytes) -> None:
        st = os.stat(path)
        if stat.S_ISDIR(st.st_mode):
            self._tree(path)
        else:
            self._keep(os.path.realpath(path), _stamp(os.path.basename(path), st))

    def card(self) -> Card:
        names = [shown(path) for path in list(self.others)[:OTHERS_NAMED]]
        return Card(
            files=tuple(one for _, one in sorted(self.files.items())),
            others=tuple(names),
            others_count=len(self.others) + self.unnamed,
            problems=tuple(self.problems),
        )

    def _tree(self, root: bytes) -> None:
        scanner = Scanner(root, ScanRules(all_files=True, avoid=self.avoid))
        stack = [b""]
        while stack:
            path = stack.pop()
            full = scanner.full(path)
            if full in self._entered:
                continue
            self._entered.add(full)
            found = scanner.folder(path)
            self._folder(full, found)
            inside = [path + b"/" + name if path else name for name in found.folders]
            stack += reversed(inside)

    def _folder(self, full: bytes, found: FoundFolder) -> None:
        if found.unreadable:
            self._problem(full, f"this folder cannot be read: {found.unreadable}")
        for one in found.files:
            self._file(os.path.join(full, one.stamp.name), one)
        for name, why in (*found.cloud, *found.unseen):
            if self._wanted(name):
                self._problem(os.path.join(full, name), why)
            else:
                self.others[os.path.join(full, name)] = None
        self.unnamed += found.others

    def _file(self, path: bytes, one: Found) -> None:
        if one.kind is EntryKind.FILE and self._wanted(one.stamp.name):
            self._keep(path, one.stamp)
        else:
            self.others[path] = None

    def _wanted(self, name: bytes) -> bool:
        return self.all_files or is_media(stands_for(name))

    def _keep(self, path: bytes, stamp: Stamp) -> None:
        self.files[path] = OnCard(path, stamp)

    def _problem(self, path: bytes, what: str) -> None:
        self.problems[Problem(path=shown(path), what=what)] = None


def _stamp(name: bytes, st: os.stat_result) -> Stamp:
    return Stamp(name, st.st_ino & INODE_MASK, st.st_size, st.st_mtime_ns, st.st_ctime_ns)


# 2. The destinations


def holdings(vault: Vault, snapshots: Sequence[NamedSnapshot], sizes: Collection[int]) -> Holdings:
    """What a vault, opened and refreshed, keeps of files of these sizes.

    Raises:
        StorageError: the storage failed in the middle; then nothing is known of it.
    """
    walk = _Walk(vault, sizes)
    for one in reversed(snapshots):  # most of an older one is in the newest
        walk.snapshot(one)
    return Holdings(held=walk.held, sizes=frozenset(walk.sizes), problems=tuple(walk.problems))


class _Walk:
    """Walks listings, each page once."""

    def __init__(self, vault: Vault, sizes: Collection[int]) -> None:
        self._reader = Reader(vault)
        self._has = vault.places.has
        self._wanted = sizes
        self._seen: set[bytes] = set()
        self.held: dict[bytes, Held] = {}
        self.sizes: set[int] = set()
        self.problems: dict[str, None] = {}

    def snapshot(self, one: NamedSnapshot) -> None:
        stack = self._new(reversed(one.snapshot.root))
        while stack:
            page = stack.pop()
            if page in self._seen:
                continue
            self._seen.add(page)
            below = self._new(self._page(page))
            self._reader.look_ahead(below)
            stack += reversed(below)

    def _new(self, pages: Iterable[bytes]) -> list[bytes]:
        return [page for page in pages if page not in self._seen]

    def _page(self, page: bytes) -> list[bytes]:
        """Note the files of a page; returns the pages of its folders."""
        below: list[bytes] = []
        for entry in self._reader.folder((page,)):
            if isinstance(entry, DamageError):
                self.problems[entry.what] = None
            elif entry.kind is EntryKind.FOLDER:
                below += entry.parts
            elif entry.kind is EntryKind.FILE and entry.size in self._wanted:
                self._note(entry)
        return below

    def _note(self, entry: Entry) -> None:
        self.sizes.add(entry.size)
        before = self.held.get(entry.digest)
        if before is Held.GOOD:
            return
        now = self._how(entry)
        self.held[entry.digest] = now if before is None else max(before, now)

    def _how(self, entry: Entry) -> Held:
        if entry.unsettled:
            return Held.UNSETTLED
        return Held.GOOD if all(map(self._has, entry.parts)) else Held.DAMAGED


# 3. Reading


def run_covered(
    card: Card, held: Mapping[str, Holdings], copies: int, workers: Workers, progress: Progress
) -> CoveredReport:
    """Read the card and say what is covered.

    Args:
        card: what is on it.
        held: name of each destination that counts to what it keeps of these sizes, and perhaps of others.
        copies: how many destinations a file must be at.
        workers: to read files.
        progress: is told of every file.
    """
    size = sum(one.stamp.size for one in card.files)
    progress.total(len(card.files), size)
    tally = _Tally(copies)
    known = frozenset().union(*(one.sizes for one in held.values()))
    for one, digest in workers.ordered(partial(_digest, known), card.files, _AHEAD):
        progress.advance(1, one.stamp.size, shown(one.path))
        if isinstance(digest, Problem):
            tally.problems.append(digest)
        else:
            tally.add(judge(one, digest, held))
    return CoveredReport(
        copies=copies,
        files=len(card.files),
        size=size,
        covered=tally.covered,
        by_copies=dict(sorted(tally.by_copies.items())),
        at={name: tally.at[name] for name in held},
        uncovered=tuple(tally.uncovered),
        problems=(*card.problems, *tally.problems),
        others=card.others,
        others_count=card.others_count,
    )


def _digest(known: Collection[int], one: OnCard) -> bytes | Problem:
    """The SHA-256 of a whole file, or why nobody can say what is in it; nothing of one whose size is not ``known``."""
    if one.stamp.size not in known:
        return b""
    try:
        fd = os.open(one.path, _FLAGS)
        try:
            digest = hashlib.sha256()
            is_same = _is_still(fd, one.stamp) and _feed(fd, one.stamp.size, digest.update) and _is_still(fd, one.stamp)
        finally:
            os.close(fd)
    except OSError as error:
        return Problem(path=shown(one.path), what=f"it cannot be read: {error.strerror or type(error).__name__}")
    if not is_same:
        return Problem(path=shown(one.path), what="it changed while it was looked at", hint="ask again")
    return digest.digest()


def _is_still(fd: int, stamp: Stamp) -> bool:
    st = os.fstat(fd)
    return stat.S_ISREG(st.st_mode) and _stamp(stamp.name, st) == stamp


def _feed(fd: int, size: int, update: Callable[[bytes], None]) -> bool:
    """Hand on ``size`` bytes; False if there are fewer or more."""
    left = size
    while left and (block := os.read(fd, min(left, _BLOCK))):
        update(block)
        left -= len(block)
    return not left and not os.read(fd, 1)


# 4. The verdict


def judge(one: OnCard, digest: bytes, held: Mapping[str, Holdings]) -> Verdict:
    """Where a file with this SHA-256 is, and how."""
    states = {name: found.held.get(digest) for name, found in held.items()}

    def where(state: Held) -> tuple[str, ...]:
        return tuple(name for name, found in states.items() if found is state)

    return Verdict(
        path=shown(one.path),
        size=one.stamp.size,
        at=where(Held.GOOD),
        damaged=where(Held.DAMAGED),
        unsettled=where(Held.UNSETTLED),
    )


class _Tally:
    """Counts verdicts."""

    def __init__(self, copies: int) -> None:
        """A file at ``copies`` destinations is covered."""
        self._copies = copies
        self.covered = 0
        self.by_copies: Counter[int] = Counter()
        self.at: Counter[str] = Counter()
        self.uncovered: list[Verdict] = []
        self.problems: list[Problem] = []

    def add(self, one: Verdict) -> None:
        """Count one file."""
        self.by_copies[len(one.at)] += 1
        self.at.update(one.at)
        if len(one.at) >= self._copies:
            self.covered += 1
        else:
            self.uncovered.append(one)
