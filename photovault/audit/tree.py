"""Walking the snapshots: which parts they need, whose snapshots those are, and whether their numbers add up.

Every folder's listing is read once for each kind of owner, however many snapshots share it, so that a long history
costs little.  The counts in folders and snapshots are compared with what is there: no number is taken on trust.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.model import Counts, Entry, EntryKind, Finding
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.audit.files import Files
    from photovault.vault.reader import Reader
    from photovault.vault.vault import NamedSnapshot

OTHER_FILE = "its size or SHA-256 is not that of what is stored of it"
_COUNTS = "its counts are not those of what is in it"
_CHECK = "run `photovault check --data all`"
_ODD = "report it: no photovault writes that"


class Owner(IntFlag):
    """Whose snapshots need a part."""

    OURS = 1
    OTHERS = 2


@dataclass(slots=True, kw_only=True)
class _Visit:
    """A folder on the way: its entry (None at the top), its subfolders to go, and what was counted so far."""

    path: str
    pages: tuple[bytes, ...]
    entry: Entry | None
    todo: list[Entry] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    whole: bool = True


class Tree:
    """Collects what snapshots need.

    Attributes:
        needed: part id to the owners of the snapshots that name it.
        alarms: what does not add up, or cannot be read.
    """

    def __init__(self, reader: Reader, files: Files) -> None:
        """Read listings by ``reader``; ``files`` is told of every file."""
        self._files = files
        self.needed: dict[bytes, Owner] = {}
        self.alarms: list[Finding] = []
        self._reader = reader
        self._done: dict[tuple[tuple[bytes, ...], Owner], Counts | None] = {}

    def add(self, one: NamedSnapshot, owner: Owner) -> None:
        """Walk a snapshot."""
        counts = self._walk(one, owner)
        if counts is not None and counts != one.snapshot.counts:
            self.alarms.append(Finding(what=_COUNTS, where=fmt.object_name(ObjectKind.SNAPSHOT, one.name), hint=_ODD))

    def _walk(self, one: NamedSnapshot, owner: Owner) -> Counts | None:
        top = self._enter(f"{one.id[:8]}:", one.snapshot.root, None, owner)
        sources, stack = len(top.todo), [top]
        while True:
            visit = stack[-1]
            if visit.todo:
                entry = visit.todo.pop()
                if (entry.parts, owner) in self._done:
                    self._include(visit, entry, self._done[entry.parts, owner])
                else:
                    stack.append(self._enter(_below(visit.path, entry), entry.parts, entry, owner))
                continue
            stack.pop()
            counts = visit.counts if visit.whole else None
            if visit.entry is None:
                return counts and counts + Counts(folders=-sources)  # a source does not count as a folder
            self._done[visit.pages, owner] = counts
            self._include(stack[-1], visit.entry, counts)

    def _enter(self, path: str, pages: tuple[bytes, ...], entry: Entry | None, owner: Owner) -> _Visit:
        """Read a folder's own listing."""
        visit = _Visit(path=path, pages=pages, entry=entry)
        self._need(pages, owner)
        for one in self._reader.folder(pages):
            if isinstance(one, DamageError):
                self.alarms.append(Finding(what=one.what, where=path + "/", hint=_CHECK))
                visit.whole = False
            elif one.kind is EntryKind.FOLDER:
                visit.todo.append(one)
            else:
                self._need(one.needed, owner)
                link = one.kind is EntryKind.LINK
                if not link and not self._files.expect(one):
                    self.alarms.append(Finding(what=OTHER_FILE, where=_below(path, one), hint=_ODD))
                visit.counts += Counts(files=int(not link), links=int(link), size=one.size)
        return visit

    def _include(self, visit: _Visit, entry: Entry, counts: Counts | None) -> None:
        """A subfolder is done: compare it with its entry, and count it."""
        if counts is None:
            visit.whole = False
            return
        if (entry.files, entry.size) != (counts.files, counts.size):
            self.alarms.append(Finding(what=_COUNTS, where=_below(visit.path, entry), hint=_ODD))
        visit.counts += counts + Counts(folders=1)

    def _need(self, parts: tuple[bytes, ...], owner: Owner) -> None:
        for part in parts:
            self.needed[part] = self.needed.get(part, owner) | owner


def files_with(reader: Reader, snapshots: Iterable[NamedSnapshot], parts: frozenset[bytes]) -> dict[bytes, str]:
    """A file, or the folder of a listing, for each of some parts."""
    found: dict[bytes, str] = {}
    for one in snapshots:
        for path, entry in reader.walk(one.snapshot.root):
            if isinstance(entry, DamageError) or parts.isdisjoint(entry.needed):
                continue
            where = f"{one.id[:8]}:" + "/".join(map(fmt.shown, path))
            found |= dict.fromkeys(parts.intersection(entry.needed) - found.keys(), where)
    return found


def _below(path: str, entry: Entry) -> str:
    return f"{path}{'' if path.endswith(':') else '/'}{fmt.shown(entry.name)}"
