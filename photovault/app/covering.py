"""May this card be erased: every destination is asked, and one that cannot be asked, or hides something, has nothing.

What is learned here of destinations decides only what counts.  Nothing is locked, and but for the memory of the index and of
what was seen nothing is written.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.app.session import place_of
from photovault.app.settings import local_folder
from photovault.covered import Holdings, holdings, look, run_covered
from photovault.errors import DamageError, NoVaultError, PhotovaultError, StorageError, UsageError
from photovault.photos.scan import identities
from photovault.vault.chains import forks, signs
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.config import DestinationSection
    from photovault.covered import Card, CoveredReport
    from photovault.photos.scan import Identity
    from photovault.progress import Progress
    from photovault.vault.vault import Snapshots, Vault

_BEHIND = "`photovault check` says more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A destination.

    Attributes:
        name: as configured; ``main`` is the vault itself.
        problem: why it counts as having nothing; empty when it counts.
        notes: what should be known of it, though it counts.
        newest: time of its newest snapshot, ISO 8601; empty when there is none.
    """

    name: str
    problem: str = ""
    notes: tuple[str, ...] = ()
    newest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A destination that can be asked."""

    name: str
    url: str
    vault: Vault
    snapshots: Snapshots
    place: str


def covered(
    app: App, paths: Sequence[str], progress: Progress, *, copies: int = 1, all_files: bool = False
) -> tuple[CoveredReport, tuple[Asked, ...]]:
    """Whether everything below ``paths`` is at ``copies`` destinations at least, and what every destination said.

    Raises:
        UsageError: a path is not there or cannot be read, or there are not so many destinations.
        NoVaultError, StorageError: no destination can be asked.
        WrongKeyError, and what else opening a vault raises.
    """
    every = app.destinations()
    if copies > len(every):
        raise UsageError(
            f"{copies} copies are asked for, and there {'is' if len(every) == 1 else 'are'} {len(every)}",
            "add [[destinations]] to the configuration, or ask for fewer --copies",
        )
    card = _look(app, paths, all_files=all_files)
    with ExitStack() as stack:
        asked, opened, session = _open(app, every, stack)
        held = {}
        for one in opened:
            said, found = _ask(one, session, card, _removed(opened), paths)
            asked[one.name] = said
            if found is not None:
                held[one.name] = found
        with Workers(app.config.backup.jobs) as workers:
            report = run_covered(card, held, copies, workers, progress)
    return report, tuple(asked[one.name] for one in every)


def _look(app: App, paths: Sequence[str], *, all_files: bool) -> Card:
    try:
        roots = [os.fsencode(os.path.realpath(os.path.expanduser(path))) for path in paths]
        for root in roots:
            if os.path.isdir(root):
                os.scandir(root).close()
        return look(roots, all_files=all_files, avoid=identities(app.own_folders))
    except (OSError, ValueError) as error:
        where = os.fsdecode(error.filename) if isinstance(error, OSError) and error.filename else paths[0]
        why = (error.strerror if isinstance(error, OSError) else "") or "it is no path"
        raise UsageError(f"{where} cannot be looked at: {why}", "is the card there, and may you read it?") from None


def _open(
    app: App, every: Sequence[DestinationSection], stack: ExitStack
) -> tuple[dict[str, Asked], list[_Open], Session]:
    """Open what can be opened: the first as a session, the others beside it."""
    asked: dict[str, Asked] = {}
    opened: list[_Open] = []
    session: Session | None = None
    first: PhotovaultError | None = None
    for one in sorted(every, key=lambda one: one.name != app.name):
        try:
            if session is None:
                session = _session(app, one, stack)
                opened.append(_of(one, session.vault, session.vault.snapshots(), session.here))
            else:
                opened.append(_beside(app, session, one, stack))
        except (NoVaultError, StorageError, DamageError, UsageError) as error:
            first = first or error
            asked[one.name] = Asked(name=one.name, problem=f"could not be asked: {error.what}")
    if session is None:
        raise first or NoVaultError("there is no vault")
    return asked, opened, session


def _session(app: App, one: DestinationSection, stack: ExitStack) -> Session:
    if one.name == app.name:
        return stack.enter_context(app.session())
    here = app.at(one.name)
    here.warnings = app.warnings
    return stack.enter_context(here.session())


def _of(one: DestinationSection, vault: Vault, snapshots: Snapshots, place: str) -> _Open:
    return _Open(name=one.name, url=one.url, vault=vault, snapshots=snapshots, place=place)


def _beside(app: App, session: Session, one: DestinationSection, stack: ExitStack) -> _Open:
    vault = stack.enter_context(app.beside(session, one.url))
    vault.refresh()
    vault.places.commit()
    snapshots = vault.only_snapshots()
    place = place_of(app.storage_at(one.url))
    app.learn(session, snapshots, place)
    return _of(one, vault, snapshots, place)


def _removed(opened: Iterable[_Open]) -> frozenset[bytes]:
    """What somebody forgot on purpose anywhere: the other destinations only do not know of it yet."""
    return frozenset[bytes]().union(*(one.snapshots.removed for one in opened))


def _ask(
    one: _Open, session: Session, card: Card, removed: frozenset[bytes], paths: Iterable[str]
) -> tuple[Asked, Holdings | None]:
    found = [other for other in one.snapshots.found if other.name not in removed]
    newest = found[-1].snapshot.time if found else ""
    problem = _hidden(one, session) or _on_the_card(one, paths)
    if problem:
        return Asked(name=one.name, problem=problem, newest=newest), None
    try:
        held = holdings(one.vault, found, card.sizes)
    except StorageError as error:
        return Asked(name=one.name, problem=f"could not be asked to the end: {error.what}"), None
    return Asked(name=one.name, notes=tuple(_notes(one, held, paths)), newest=newest), held


def _hidden(one: _Open, session: Session) -> str:
    """Why a storage that showed more before has nothing; a computer that was copied is no fault of a storage."""
    told = signs(one.snapshots, one.place, session.device.heads.get(one.place, {})).findings
    harmless = set(forks(one.snapshots.found))
    return next((f"does not count: {sign.what}" for sign in told if sign not in harmless), "")


def _on_the_card(one: _Open, paths: Iterable[str]) -> str:
    """Why a vault that is in what will be erased has nothing."""
    folder = local_folder(one.url)
    if folder is None:
        return ""
    whole = folder.resolve()
    inside = identities(map(str, (whole, *whole.parents))) & _identities(paths)
    return "does not count: it is in what would be erased" if inside else ""


def _identities(paths: Iterable[str]) -> frozenset[Identity]:
    return identities(map(os.path.expanduser, paths))


def _notes(one: _Open, held: Holdings, paths: Iterable[str]) -> Iterator[str]:
    folder = local_folder(one.url)
    disks = {disk for disk, _ in _identities(paths)}
    if folder is not None and disks & {disk for disk, _ in identities([str(folder)])}:
        yield "it is on the same disk: erase what was looked at, and not the whole disk"
    if one.snapshots.damaged:
        yield f"not every snapshot can be read, and what only those hold does not count; {_BEHIND}"
    if held.problems:
        yield f"not every listing can be read, and what only those hold does not count; {_BEHIND}"
