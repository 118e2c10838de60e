"""Restores: photos of a snapshot into a folder."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.app.settings import local_folder
from photovault.app.snapshots import resolve
from photovault.errors import PhotovaultError, UsageError
from photovault.photos.scan import identities
from photovault.restore import run_restore
from photovault.target import Target
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.app.destinations import Around
    from photovault.app.runs import App
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.restore import Overwrite, RestoreReport
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
    _refuse_own(app, to)
    with app.session() as session:
        snapshots = session.vault.snapshots()
        if before is not None:
            with suppress(PhotovaultError):  # a restore fails neither for a configuration nor for other destinations
                before(app.look_around(session, snapshots))
        one = resolve(snapshots, name or "latest")
        progress.total(one.snapshot.counts.files, one.snapshot.counts.size)
        threads = _THREADS if local_folder(app.vault_url) is not None else _REMOTE_THREADS
        with Target(to, look_only=dry_run) as target, Workers(threads) as workers:
            reader = Reader(session.vault, around=True)
            report = run_restore(
                reader,
                one.snapshot.root,
                target,
                workers,
                progress,
                choice=choice,
                rule=rule,
                dry_run=dry_run,
            )
        app.note_damage(session, reader.fetcher.damaged, "a restore found it damaged")
        nothing = not (report.restored or report.kept or report.folders or report.damaged or report.problems)
        if nothing and not choice.everything:
            raise PhotovaultError("nothing in the snapshot matches", "look at it with `photovault ls`")
        return one, report


def _refuse_own(app: App, to: Path) -> None:
    """Photos among the vault's objects would be nobody's: not backed up, and unknown objects to every check."""
    whole = to.absolute()
    if identities(map(str, (whole, *whole.parents))) & identities(app.vault_folders):
        raise UsageError(
            f"{to} is in the folder of the vault, or of a copy of it", "name another folder to restore into"
        )
