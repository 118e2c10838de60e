"""Finding photos: the search catalog, opened, kept up to date, and asked.

It is one file per vault, whatever destination is open: what it holds is named by content.  It is brought up to date when
somebody asks, for the snapshot that is asked about.  A rotten one is removed and made again, which a warning mentions.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photovault.app.snapshots import resolve
from photovault.database import DamagedError
from photovault.device import run_lock
from photovault.library import Library
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.library import Found, Key, Query, Standing
    from photovault.model import Problem
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot, Snapshots

FILE = "library.sqlite"
LOCK = "library.lock"
_REMADE = "the search catalog was damaged; it has been made again from the vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A page of an answer, the snapshot that it is about, and what of that could not be read and so not be found."""

    snapshot: NamedSnapshot
    found: Found
    damaged: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogStatus:
    """What the search catalog holds.

    Attributes:
        standing: of the file.
        path: where it is.
        current: whether it knows the newest snapshot; None when there is none.
        albums: names of that snapshot's albums and how many photos they hold.
        damaged: what could not be read, after a rebuild.
    """

    standing: Standing
    path: Path
    current: bool | None
    albums: dict[str, int]
    damaged: tuple[Problem, ...] = ()


def find(app: App, name: str, query: Query, progress: Progress, *, after: Key | None, limit: int) -> Iterator[Searched]:
    """Pages of at most ``limit`` rows that match in a snapshot; ``query.snapshot`` is filled in here.

    Raises:
        UsageError: a snapshot, date or album that is none.
        PhotovaultError: the vault holds no snapshot; what opening a vault raises.
    """
    with app.session() as session:
        snapshots = session.vault.snapshots()
        asking = _Asking(app, session, snapshots, resolve(snapshots, name), progress)
        while True:
            answer = asking.answer(query, after, limit)
            yield answer
            after = answer.found.following
            if after is None:
                return


def rebuild(app: App, progress: Progress) -> CatalogStatus:
    """Make the catalog anew from the vault alone, for its newest snapshot."""
    with app.session() as session:
        snapshots = session.vault.snapshots()
        one = resolve(snapshots, "latest")
        with run_lock(session.folder, wait=True, name=LOCK):
            for end in ("", "-wal", "-shm"):
                (session.folder / f"{FILE}{end}").unlink(missing_ok=True)
        with closing(Library(session.folder / FILE)) as library:
            damaged = _Asking(app, session, snapshots, one, progress).update(library)
            return replace(_status(session, library, one.name), damaged=damaged)


def status(app: App) -> CatalogStatus:
    """What the catalog holds; nothing is read for it but the list of snapshots."""
    with app.session() as session, closing(Library(session.folder / FILE)) as library:
        found = session.vault.snapshots().found
        return _status(session, library, found[-1].name if found else None)


def _status(session: Session, library: Library, newest: bytes | None) -> CatalogStatus:
    standing = library.standing()
    known = newest is not None and newest in standing.snapshots
    return CatalogStatus(
        standing=standing,
        path=session.folder / FILE,
        current=None if newest is None else library.knows(newest),
        albums=library.albums(newest) if known and newest is not None else {},
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """Somebody who asks about one snapshot."""

    app: App
    session: Session
    snapshots: Snapshots
    one: NamedSnapshot
    progress: Progress

    def answer(self, query: Query, after: Key | None, limit: int) -> Searched:
        """A page; where the catalog turns out to be rotten, from one that is made again."""
        try:
            return self._answer(query, after, limit)
        except DamagedError:
            self.app.warnings.append(_REMADE)
            return self._answer(query, after, limit)

    def _answer(self, query: Query, after: Key | None, limit: int) -> Searched:
        with closing(Library(self.session.folder / FILE)) as library:
            if library.replaced:
                self.app.warnings.append(_REMADE)
            damaged = self.update(library)
            found = library.find(replace(query, snapshot=self.one.name), after=after, limit=limit)
        return Searched(snapshot=self.one, found=found, damaged=damaged)

    def update(self, library: Library) -> tuple[Problem, ...]:
        """Have the snapshot in the catalog; one that is not all there is looked at again each time.

        Two at once would do the work twice: the second waits, and then finds it done.
        """
        if library.knows(self.one.name):
            return ()
        with run_lock(self.session.folder, wait=True, name=LOCK):
            existing = [one.name for one in self.snapshots.found]
            return library.update(Reader(self.session.vault), self.one, existing, self.progress)
