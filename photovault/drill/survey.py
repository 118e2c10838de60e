"""What there is to be proven: every file of the snapshots that are drilled, kept in ``proofs`` with the page that names it.

A snapshot that was looked through is not again: it never changes.  One of which a listing cannot be read is, each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from photovault.errors import DamageError, MissingError
from photovault.model import EntryKind, Problem
from photovault.vault.format import read_page, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from photovault.model import Entry, Stamp
    from photovault.proofs import Proofs
    from photovault.vault.reader import Reader

LOST_HINT = "run `photovault check --data all` to see all that it costs"


class LiveFolder(NamedTuple):
    """A folder on this computer that was backed up.

    Attributes:
        path: where it is.
        stamp: what a file was when the version of this entry was read from it; None when that is not known.
    """

    path: bytes
    stamp: Callable[[Entry], Stamp | None]


class Live(Protocol):
    """Finds the live files of a snapshot.  For the owner's thread."""

    def __call__(self, folder: bytes, /) -> LiveFolder | None:
        """The folder that has this path in the snapshot; None when it is none of this computer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A snapshot that is drilled.

    Attributes:
        pages: of its top listing.
        label: is said before its paths, where there are several.
        live: None for one of another computer.
    """

    pages: tuple[bytes, ...]
    label: str = ""
    live: Live | None = None

    def shown(self, folder: bytes, name: bytes = b"") -> str:
        """A path in it, for people."""
        path = shown(joined(folder, name)) or "/"
        return f"{self.label}: {path}" if self.label else path


def survey(
    reader: Reader, roots: Sequence[Root], proofs: Proofs, view: int, *, trees: bytes, now: datetime
) -> tuple[Problem, ...]:
    """Keep what there is to be proven, unless that is known already; returns the folders of which something cannot be read.

    Args:
        reader: of the vault.
        roots: the snapshots.
        proofs: where it is kept.
        view: under which number.
        trees: a digest of all that is in the snapshots: what was looked through under the same one is known.
        now: the time.
    """
    if proofs.knows(view, trees):
        return ()
    walk = _Survey(reader, proofs, view)
    proofs.begin(view)
    for number, root in enumerate(roots):
        walk.tree(number, root)
    proofs.end(view, trees, len(walk.damaged), now)
    proofs.commit()
    return tuple(walk.damaged)


class _Survey:
    def __init__(self, reader: Reader, proofs: Proofs, view: int) -> None:
        self._reader = reader
        self._proofs = proofs
        self._view = view
        self.damaged: list[Problem] = []

    def tree(self, number: int, root: Root) -> None:
        """Every page of a snapshot, a folder before what is in it."""
        stack = [(b"", page) for page in reversed(root.pages)]
        while stack:
            folder, page = stack.pop()
            entries = self._page(root, folder, page)
            below = [one for one in entries if one.kind is EntryKind.FOLDER]
            self._reader.look_ahead(part for one in below for part in one.parts)
            files = (one for one in entries if one.kind is EntryKind.FILE)
            self._proofs.add(self._view, number, page, folder, files)
            stack += [(joined(folder, one.name), part) for one in reversed(below) for part in reversed(one.parts)]

    def _page(self, root: Root, folder: bytes, page: bytes) -> list[Entry]:
        try:
            return read_page(self._reader.part(page))
        except (DamageError, MissingError) as error:
            self.damaged.append(lost_folder(root, folder, error))
            return []


def lost_folder(root: Root, folder: bytes, error: DamageError | MissingError) -> Problem:
    """A page of a folder's listing that cannot be read."""
    return Problem(path=root.shown(folder), what=f"part of this folder is lost: {error.what}", hint=LOST_HINT)


def joined(folder: bytes, name: bytes) -> bytes:
    """A path in a snapshot."""
    return b"/".join(filter(None, (folder, name)))
