"""One method per command: open what it needs, call the verb, remember what must be remembered.

Each method imports its own verb, so that a command costs no more start-up time than it needs.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.app.session import Opener, Session, device_name, parse_time, program
from photovault.errors import GuardError, PhotovaultError, UsageError
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.app.sources import BackupRequest
    from photovault.backup import BackupPlan, BackupReport, RunInfo
    from photovault.check import Amount, CheckReport
    from photovault.diff import Change
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.restore import Overwrite, RestoreReport
    from photovault.vault.vault import NamedSnapshot, Snapshots

_LEAST_PREFIX = 4
_RESTORE_THREADS = 8  # restoring waits for two disks, so more threads than cores help
_SEED_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether the photos are safe: the newest snapshot of this device, its age, and what waits."""

    snapshots: Snapshots
    own: NamedSnapshot | None
    age_seconds: float | None
    overdue: bool
    plan: BackupPlan | None


class App(Opener):
    """One call of photovault."""

    def plan_backup(self, request: BackupRequest) -> BackupPlan:
        """What a backup would do, without doing it."""
        from photovault.app.sources import sources
        from photovault.backup import plan_backup

        specs = sources(self, request)
        with self.session() as session, self.catalog(session) as catalog:
            return plan_backup(specs, catalog)

    def backup(self, request: BackupRequest, progress: Progress) -> BackupReport:
        """Back up.

        Raises:
            GuardError: none of the sources is there.
            BusyError, StorageError, and what opening a vault raises.
        """
        from photovault.app.sources import sources
        from photovault.backup import plan_backup, run_backup

        specs = sources(self, request)
        with self.session(lock=True) as session, self.catalog(session) as catalog:
            plan = plan_backup(specs, catalog)
            if all(source.offline for source in plan.sources):
                raise GuardError(
                    f"nothing to back up is there: {plan.sources[0].spec.path} {plan.sources[0].offline}",
                    "connect or mount it, then back up again; nothing was changed",
                )
            with Workers(self.config.backup.jobs) as workers:
                info = self._run_info(session, request)
                report = run_backup(plan, session.vault, catalog, workers, info, progress)
            remember(session, report.snapshot)
            return report

    def restore(
        self, name: str | None, choice: Choice, to: Path, rule: Overwrite, progress: Progress, *, dry_run: bool
    ) -> tuple[NamedSnapshot, RestoreReport]:
        """Restore what is chosen of a snapshot into a folder.

        Raises:
            PhotovaultError: nothing of the snapshot is what was asked for.
        """
        from photovault.restore import run_restore
        from photovault.target import Target

        with self.session() as session:
            one = resolve(session.vault.snapshots(), name or "latest")
            progress.total(one.snapshot.counts.files, one.snapshot.counts.size)
            with Workers(_RESTORE_THREADS) as workers, Target(to, look_only=dry_run) as target:
                report = run_restore(
                    Reader(session.vault),
                    one.snapshot.root,
                    target,
                    workers,
                    progress,
                    choice=choice,
                    rule=rule,
                    dry_run=dry_run,
                )
            nothing = not (report.restored or report.kept or report.folders or report.damaged or report.problems)
            if nothing and not choice.everything:
                raise PhotovaultError("nothing in the snapshot matches", "look at it with `photovault ls`")
            return one, report

    def check(self, amount: Amount, progress: Progress) -> CheckReport:
        """Check the vault; ``amount`` of its data is read."""
        from photovault.check import run_check

        with self.session() as session, Workers(_RESTORE_THREADS) as workers:
            return run_check(
                session.vault,
                Reader(session.vault),
                session.device,
                workers,
                progress,
                amount=amount,
                seed=self.world.random(_SEED_SIZE),
                refreshed=session.findings,
            )

    def scrub(self, progress: Progress) -> CheckReport:
        """Compare objects with their names; needs no key."""
        from photovault.check import scrub

        with Workers(_RESTORE_THREADS) as workers:
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

    def status(self) -> Status:
        """How things stand."""
        from photovault.app.sources import BackupRequest, sources
        from photovault.backup import plan_backup

        with self.session() as session, self.catalog(session) as catalog:
            snapshots = session.vault.snapshots()
            own = newest_of(snapshots, session.device.device_id)
            age = None if own is None else (self.world.now() - parse_time(own.snapshot.time)).total_seconds()
            plan = plan_backup(sources(self, BackupRequest()), catalog) if self.config.sources else None
            overdue = age is None or age > self.config.status.overdue
            return Status(snapshots=snapshots, own=own, age_seconds=age, overdue=overdue, plan=plan)

    def _run_info(self, session: Session, request: BackupRequest) -> RunInfo:
        from photovault.backup import RunInfo

        own = newest_of(session.vault.snapshots(), session.device.device_id)
        seen, _ = session.device.heads.get(session.device.device_id.hex(), (0, ""))
        return RunInfo(
            device_id=session.device.device_id,
            device_name=device_name(),
            number=max(own.snapshot.number if own else 0, seen) + 1,
            previous=own.name if own else None,
            time=self.run_time(request.time),
            program=program(),
            tags=tuple(dict.fromkeys((*self.config.backup.tags, *request.tags))),
            xattrs=self.config.backup.xattrs,
            uniform=self.config.vault.padding == "uniform",
        )


def remember(session: Session, one: NamedSnapshot) -> None:
    """A device that made or saw a snapshot notices when the storage shows less."""
    session.device.saw(one.snapshot.device_id, one.snapshot.number, one.name)
    session.device.save()


def newest_of(snapshots: Snapshots, device_id: bytes) -> NamedSnapshot | None:
    """The snapshot of a device with the highest number."""
    own = [one for one in snapshots.found if one.snapshot.device_id == device_id]
    return max(own, key=lambda one: one.snapshot.number, default=None)


def resolve(snapshots: Snapshots, name: str) -> NamedSnapshot:
    """The snapshot that ``latest``, ``latest~N`` or a unique prefix of an id names.

    Raises:
        PhotovaultError: there is no snapshot.
        UsageError: the name fits none, or several.
    """
    found = snapshots.found
    if not found:
        lost = f"; {len(snapshots.damaged)} cannot be read" if snapshots.damaged else ""
        raise PhotovaultError(f"the vault holds no snapshot{lost}", "make one with `photovault backup`")
    base, _, back = name.partition("~")
    if base == "latest" and (back.isdecimal() or "~" not in name):
        steps = int(back or 0)
        if steps >= len(found):
            raise UsageError(f"there are only {len(found)} snapshots, {name} is none of them")
        return found[-1 - steps]
    matches = [one for one in found if len(name) >= _LEAST_PREFIX and one.id.startswith(name.lower())]
    if len(matches) == 1:
        return matches[0]
    problem = "names several snapshots" if matches else "is no snapshot"
    raise UsageError(
        f"{name} {problem}", "see `photovault snapshots`; use latest, latest~1 or at least 4 digits of an id"
    )


def names_snapshot(snapshots: Snapshots, text: str) -> bool:
    """Whether ``text`` is the name of a snapshot rather than a path."""
    if text.partition("~")[0] == "latest":
        return True
    try:
        resolve(snapshots, text)
    except PhotovaultError:
        return False
    return True
