"""Restores: photos of a snapshot into a folder."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from photovault.app.settings import local_folder
from photovault.app.snapshots import resolve
from photovault.errors import PhotovaultError, UsageError
from photovault.photos.scan import identities
from photovault.restore import plan_restore, run_restore
from photovault.target import Target
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photovault.app.destinations import Around
    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.restore import Overwrite, Planned, RestoreReport
    from photovault.vault.vault import NamedSnapshot

_THREADS = 8  # restoring waits for two disks, so more threads than cores help
_REMOTE_THREADS = 12  # and for a network more still


def restore(
    app: App,
    name: str | None,
    choice: Choice,
    to: Path,
    rule: Overwrite,
    progress: Progress,
    *,
    dry_run: bool,
    before: Callable[[Around], None] | None = None,
) -> tuple[NamedSnapshot, RestoreReport]:
    """Restore what is chosen, see ``App.restore``."""
    if dry_run:
        return plan(app, name, choice, to, rule, lambda _: None, before=before)
    with _opened(app, name, to, before) as (session, one):
        progress.total(one.snapshot.counts.files, one.snapshot.counts.size)
        with Target(to) as target, Workers(_threads(app)) as workers:
            reader = Reader(session.vault, around=True)
            report = run_restore(reader, one.snapshot.root, target, workers, progress, choice=choice, rule=rule)
        app.note_damage(session, reader.fetcher.damaged, "a restore found it damaged")
        return one, _something(report, choice)


def plan(
    app: App,
    name: str | None,
    choice: Choice,
    to: Path,
    rule: Overwrite,
    tell: Callable[[Planned], None],
    *,
    before: Callable[[Around], None] | None = None,
) -> tuple[NamedSnapshot, RestoreReport]:
    """What ``restore`` would do; ``tell`` is told of each file.  Nothing is written, and no folder made."""
    with _opened(app, name, to, before) as (session, one):
        with Target(to, look_only=True) as target, Workers(_threads(app)) as workers:
            reader = Reader(session.vault, around=True)
            report = plan_restore(reader, one.snapshot.root, target, workers, tell, choice=choice, rule=rule)
        app.note_damage(session, reader.fetcher.damaged, "a restore found it damaged")
        return one, _something(report, choice)


@contextmanager
def _opened(
    app: App, name: str | None, to: Path, before: Callable[[Around], None] | None
) -> Iterator[tuple[Session, NamedSnapshot]]:
    """The vault and the snapshot, once it is certain that ``to`` may be written to."""
    refuse_own(app, to)
    with app.session() as session:
        snapshots = session.vault.snapshots()
        if before is not None:
            with suppress(PhotovaultError):  # a restore fails neither for a configuration nor for other destinations
                before(app.look_around(session, snapshots))
        yield session, resolve(snapshots, name or "latest")


def _threads(app: App) -> int:
    return _THREADS if local_folder(app.vault_url) is not None else _REMOTE_THREADS


def _something(report: RestoreReport, choice: Choice) -> RestoreReport:
    """The report; PhotovaultError when nothing is what was asked for."""
    nothing = not (report.restored or report.kept or report.folders or report.damaged or report.problems)
    if nothing and not choice.everything:
        raise PhotovaultError("nothing in the snapshot matches", "look at it with `photovault ls`")
    return report


def refuse_own(app: App, to: Path) -> None:
    """UsageError for the folder of the vault.

    Photos among the vault's objects would be nobody's: not backed up, and unknown objects to every check.
    """
    whole = to.absolute()
    if identities(map(str, (whole, *whole.parents))) & identities(app.vault_folders):
        raise UsageError(
            f"{to} is in the folder of the vault, or of a copy of it", "name another folder to restore into"
        )
