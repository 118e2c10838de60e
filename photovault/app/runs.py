"""One method per command.

Each imports its own room of ``app``, and with it its verb, so that a command costs no more start-up time than it needs.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from photovault.app.destinations import Destinations
from photovault.app.snapshots import list_snapshots, resolve
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from photovault.app.destinations import Around
    from photovault.app.snapshots import Listed
    from photovault.app.sources import BackupRequest
    from photovault.app.standing import Status
    from photovault.backup import BackupPlan, BackupReport
    from photovault.check import Amount, CheckReport
    from photovault.copy import CopyReport
    from photovault.diff import Change
    from photovault.parity import Made
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.restore import Overwrite, RestoreReport
    from photovault.vault.vault import NamedSnapshot, Snapshots

_SCRUB_THREADS = 8  # they wait for a disk


class App(Destinations):
    """One call of photovault.

    Attributes:
        in_no_hurry: backups make every thumbnail, so that what they store depends on no clock.
        names_too: backups take the names of people along, where somebody agreed to that.
        thumbnails_left: how many the last backup, or look for changes, left to be made.
        suspect: how many files the last backup, or look for changes, found to be suspect, now or earlier.
        parity: what the last backup made of it; None if nobody wants it.
    """

    in_no_hurry = False
    names_too = True
    thumbnails_left = 0
    parity: Made | None = None
    suspect = 0

    def plan_backup(self, request: BackupRequest) -> BackupPlan:
        """What a backup would do, without doing it."""
        from photovault.app import backing

        return backing.dry_run(self, request)

    def backup(self, request: BackupRequest, progress: Progress) -> BackupReport:
        """Back up.

        Raises:
            GuardError: none of the sources is there.
            BusyError, StorageError, and what opening a vault raises.
        """
        from photovault.app import backing

        return backing.backup(self, request, progress)

    def backup_if_changed(self, request: BackupRequest, progress: Progress) -> BackupReport | BackupPlan:
        """As ``backup``; no snapshot when the last one of this device there already says it all, and is not a day old.

        Then the plan, or a report that is not new, where something had to be tried again: a file that cannot be read.
        """
        from photovault.app import backing

        return backing.backup_if_changed(self, request, progress)

    def make_thumbnails(
        self, request: BackupRequest, progress: Progress, enough: Callable[[], bool]
    ) -> BackupReport | None:
        """Make thumbnails that earlier backups left, until it is ``enough``; None, and no snapshot, when none is left.

        What changed meanwhile is backed up, too.
        """
        from photovault.app import backing

        return backing.make_thumbnails(self, request, progress, enough)

    def restore(
        self,
        name: str | None,
        choice: Choice,
        to: Path,
        rule: Overwrite,
        progress: Progress,
        *,
        dry_run: bool,
        before: Callable[[Around], None] | None = None,
    ) -> tuple[NamedSnapshot, RestoreReport]:
        """Restore what is chosen of a snapshot into a folder; ``before`` is told first what else there is, as far as can be told.

        Raises:
            PhotovaultError: nothing of the snapshot is what was asked for.
            UsageError: the folder is the vault's own.
        """
        from photovault.app import restoring

        return restoring.restore(self, name, choice, to, rule, progress, dry_run=dry_run, before=before)

    def check(self, amount: Amount, progress: Progress) -> CheckReport:
        """Check the vault; ``amount`` of its data is read."""
        from photovault.app.checking import check

        return check(self, amount, progress)

    def copy(self, source: str, to: str, progress: Progress) -> CopyReport:
        """Bring one destination up to date from another; needs no key.

        Raises:
            UsageError: they are the same place, or hold different vaults.
            NoVaultError: there is no vault at ``source``.
            GuardError: the disk for ``to`` does not seem to be there.
            BusyError, DamageError, StorageError.
        """
        from photovault.app import copying

        return copying.copy(self, source, to, progress)

    def scrub(self, progress: Progress) -> CheckReport:
        """Compare objects with their names; needs no key."""
        from photovault.check import scrub

        with Workers(_SCRUB_THREADS) as workers:
            return scrub(self.storage, workers, progress)

    def diff(self, older: str, newer: str) -> list[Change]:
        """What changed between two snapshots."""
        from photovault.diff import run_diff

        with self.session() as session:
            snapshots = session.vault.snapshots()
            left, right = resolve(snapshots, older), resolve(snapshots, newer)
            return run_diff(Reader(session.vault), left.snapshot.root, right.snapshot.root)

    @contextmanager
    def browse(self) -> Iterator[tuple[Snapshots, Reader]]:
        """The snapshots, and a reader for their folders."""
        with self.session() as session:
            yield session.vault.snapshots(), Reader(session.vault)

    def list_snapshots(self) -> Listed:
        """The snapshots of the vault, what is amiss with them, and on a device that made none of them what else there is."""
        return list_snapshots(self)

    def status(self, known: Mapping[str, Any] | None = None) -> Status:
        """How things stand; ``known``: what the daemon says of this destination, for one word for both."""
        from photovault.app import standing

        return standing.status(self, known)

    @property
    def face_files(self) -> frozenset[tuple[int, int]]:
        """Device and inode of the files with face data, of which no backup takes a link."""
        from photovault.photos.scan import identities

        return identities(os.path.join(top, name) for top, _, names in os.walk(self.people_folder) for name in names)
