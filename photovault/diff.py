"""Comparing two snapshots, path by path.

Both trees are walked side by side in the order of the names; folders with the same listing pages are passed over.  A
file that went here and came there with the same digest has moved.  Pure but for reading the listings.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.model import Entry, EntryKind
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.vault.reader import Reader


class Kind(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    CHANGED = "changed"
    DETAILS = "details"
    MOVED = "moved"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference.  ``path``: in the newer snapshot, or in the older one if it is gone; ``before``: where it was."""

    kind: Kind
    path: str
    size: int
    before: str = ""


def run_diff(reader: Reader, older: Sequence[bytes], newer: Sequence[bytes]) -> list[Change]:
    """What changed between the trees at two roots, in the order of the paths.

    Raises:
        DamageError: a listing cannot be read.
    """
    gone: dict[str, Entry] = {}
    added: dict[str, Entry] = {}
    changes: list[Change] = []
    for path, before, after in _pairs(reader, older, newer):
        if before is None and after is not None:
            added[path] = after
        elif after is None and before is not None:
            gone[path] = before
        elif before is not None and after is not None and before != after:
            same = (before.digest, before.target, before.kind) == (after.digest, after.target, after.kind)
            changes.append(Change(kind=Kind.DETAILS if same else Kind.CHANGED, path=path, size=after.size))
    return sorted([*changes, *match_moves(gone, added)], key=lambda change: change.path)


def match_moves(gone: dict[str, Entry], added: dict[str, Entry]) -> Iterator[Change]:
    """Pair files that went with files of the same digest that came; what stays alone is gone or added."""
    by_digest: dict[bytes, list[str]] = defaultdict(list)
    for path in sorted(gone, reverse=True):
        if gone[path].digest:
            by_digest[gone[path].digest].append(path)
    moved: set[str] = set()
    for path, entry in sorted(added.items()):
        if by_digest.get(entry.digest):
            before = by_digest[entry.digest].pop()
            moved.add(before)
            yield Change(kind=Kind.MOVED, path=path, size=entry.size, before=before)
        else:
            yield Change(kind=Kind.ADDED, path=path, size=entry.size)
    for path, entry in gone.items():
        if path not in moved:
            yield Change(kind=Kind.GONE, path=path, size=entry.size)


def _pairs(
    reader: Reader, older: Sequence[bytes], newer: Sequence[bytes]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Files and links of both trees by path, where their folders differ."""
    stack: list[tuple[str, Sequence[bytes], Sequence[bytes]]] = [("", older, newer)]
    while stack:
        path, left, right = stack.pop()
        if tuple(left) == tuple(right):
            continue
        before, after = _by_name(reader.folder(left)), _by_name(reader.folder(right))
        for name in sorted(before.keys() | after.keys()):
            one, other = before.get(name), after.get(name)
            inside = f"{path}/{shown(name)}" if path else shown(name)
            if _is_folder(one) or _is_folder(other):
                stack.append((inside, _pages(one), _pages(other)))
            file, new = (None if _is_folder(entry) else entry for entry in (one, other))
            if file is not None or new is not None:
                yield inside, file, new


def _by_name(entries: Iterable[Entry | DamageError]) -> dict[bytes, Entry]:
    found = {}
    for entry in entries:
        if isinstance(entry, DamageError):
            raise entry
        found[entry.name] = entry
    return found


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.FOLDER


def _pages(entry: Entry | None) -> Sequence[bytes]:
    return entry.parts if entry is not None and entry.kind is EntryKind.FOLDER else ()
