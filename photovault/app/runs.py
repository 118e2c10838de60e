"""One method per command: open what it needs, call the verb, remember what must be remembered.

Each method imports its own verb, so that a command costs no more start-up time than it needs.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from photovault.app.destinations import Destinations, Shown
from photovault.app.session import LEDGER_NAME, Session, device_name, parse_time, program
from photovault.app.settings import local_folder
from photovault.device import load_device, run_lock
from photovault.errors import GuardError, PhotovaultError, UsageError
from photovault.vault.chains import rolled_back
from photovault.vault.reader import Reader
from photovault.vault.vault import read_header
from photovault.workers import Workers, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from photovault.app.sources import BackupRequest
    from photovault.backup import BackupPlan, BackupReport, RunInfo, SourceSpec
    from photovault.backup.pictures import Pictures
    from photovault.backup.plan import Earlier
    from photovault.catalog import Catalog
    from photovault.check import Amount, CheckReport
    from photovault.copy import CopyReport
    from photovault.decoder.host import Decoders, Looking
    from photovault.diff import Change
    from photovault.photos.choose import Choice
    from photovault.photos.looking import Asked
    from photovault.progress import Progress
    from photovault.restore import Overwrite, RestoreReport
    from photovault.storage.base import Storage
    from photovault.vault.vault import NamedSnapshot, Snapshots
    from photovault.watch.standing import Standing

_LEAST_PREFIX = 4
_RESTORE_THREADS = 8  # restoring waits for two disks, so more threads than cores help
_REMOTE_THREADS = 12  # and for a network more still
_COPY_THREADS = 6  # each holds an object of up to 16 MiB
_SEED_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether the photos are safe.

    Attributes:
        own: the newest snapshot of this device.
        age_seconds: since then; negative when it is dated in the future.
        last_success: when everything was known to be in it, ISO 8601: then, or when the daemon last found nothing to add;
            empty when that never was, or is dated more than a day in the future, which says nothing.
        standing: in one word, as the daemon says it.
        plan: what waits; None without configured sources.
    """

    snapshots: Snapshots
    own: NamedSnapshot | None
    age_seconds: float | None
    last_success: str
    standing: Standing
    plan: BackupPlan | None
    destinations: tuple[Shown, ...] = ()

    @property
    def overdue(self) -> bool:
        """Whether the last success is too long ago, or never was."""
        from photovault.watch.standing import Standing

        return not self.last_success or self.standing is Standing.OVERDUE


class Eyes:
    """The decoder as a backup wants it."""

    def __init__(self, decoders: Decoders) -> None:
        """Ask ``decoders``."""
        self.pack = decoders.pack
        self._decoders = decoders

    def look(self, files: Sequence[Asked]) -> Looking:
        """Begin to look at opened files."""
        from photovault.decoder import host

        return self._decoders.look([host.Asked(*one) for one in files])


class App(Destinations):
    """One call of photovault.

    Attributes:
        in_no_hurry: backups make every thumbnail, so that what they store depends on no clock.
        names_too: backups take the names of people along, where somebody agreed to that.
        thumbnails_left: how many the last backup, or look for changes, left to be made.
    """

    in_no_hurry = False
    names_too = True
    thumbnails_left = 0

    def plan_backup(self, request: BackupRequest) -> BackupPlan:
        """What a backup would do, without doing it."""
        from photovault.app.sources import sources
        from photovault.backup import plan_backup

        specs = sources(self, request)
        with self.session() as session, self.catalog(session) as catalog:
            return plan_backup(specs, catalog, owed=request.all_thumbnails, earlier=_earlier(session))

    def backup(self, request: BackupRequest, progress: Progress) -> BackupReport:
        """Back up.

        Raises:
            GuardError: none of the sources is there.
            BusyError, StorageError, and what opening a vault raises.
        """
        with self._planned(request) as (session, catalog, plan):
            return self._back_up(request, session, catalog, plan, progress)

    def backup_if_changed(self, request: BackupRequest, progress: Progress) -> BackupReport | BackupPlan:
        """As ``backup``; no snapshot when the last one of this device there already says it all.

        Then the plan, or a report that is not new, where something had to be tried again: a file that cannot be read.
        """
        with self._planned(request) as (session, catalog, plan):
            own = newest_of(session.vault.snapshots(), session.device.device_id)
            labels = [source.spec.label for source in plan.sources]
            if plan.is_idle and own is not None and [one.label for one in own.snapshot.sources] == labels:
                owed = sum(catalog.owed_in(source.spec.path) for source in plan.sources)
                self.thumbnails_left = owed if self.config.backup.thumbnails else 0
                return plan
            return self._back_up(request, session, catalog, plan, progress, last=own)

    def make_thumbnails(
        self, request: BackupRequest, progress: Progress, enough: Callable[[], bool]
    ) -> BackupReport | None:
        """Make thumbnails that earlier backups left, until it is ``enough``; None, and no snapshot, when none is left.

        What changed meanwhile is backed up, too.
        """
        with self._planned(replace(request, all_thumbnails=True)) as (session, catalog, plan):
            if not plan.totals.looks:
                self.thumbnails_left = 0
                return None
            own = newest_of(session.vault.snapshots(), session.device.device_id)
            every = replace(request, all_thumbnails=True)
            return self._back_up(every, session, catalog, plan, progress, enough, last=own)

    @contextmanager
    def _planned(self, request: BackupRequest) -> Iterator[tuple[Session, Catalog, BackupPlan]]:
        from photovault.app.sources import sources
        from photovault.backup import plan_backup
        from photovault.decoder.host import installed

        specs = sources(self, request) + self._names(request)
        with self.session(lock=True) as session, self.catalog(session) as catalog:
            catalog.wake(installed())
            plan = plan_backup(specs, catalog, owed=request.all_thumbnails, earlier=_earlier(session))
            if all(source.offline for source in plan.sources):
                raise GuardError(
                    f"nothing to back up is there: {plan.sources[0].spec.path} {plan.sources[0].offline}",
                    "connect or mount it, then back up again; nothing was changed",
                )
            yield session, catalog, plan

    def _names(self, request: BackupRequest) -> list[SourceSpec]:
        """The names of people, for a backup of everything, where somebody agreed to that."""
        if request.paths or not self.names_too or not self.people_folder.is_dir():
            return []
        from photovault.app.people_names import names_sources

        return names_sources(self)

    def _back_up(
        self,
        request: BackupRequest,
        session: Session,
        catalog: Catalog,
        plan: BackupPlan,
        progress: Progress,
        enough: Callable[[], bool] = lambda: False,
        *,
        last: NamedSnapshot | None = None,
    ) -> BackupReport:
        from photovault.backup import run_backup
        from photovault.decoder.host import Decoders

        jobs = self.config.backup.jobs
        pack = self._packs()
        with Workers(jobs) as workers, Decoders(count=jobs) as decoders:
            pictures = replace(self._pictures(request), decoder=Eyes(decoders), enough=enough, pack=pack)
            info = self._run_info(session, request)
            report = run_backup(
                plan,
                session.vault,
                catalog,
                workers,
                info,
                progress,
                pictures=pictures,
                last=last,
            )
        if report.is_new:
            remember(session, report.snapshot)
        self.warnings += report.warnings
        self.thumbnails_left = report.thumbnails.left
        return report

    def _pictures(self, request: BackupRequest) -> Pictures:
        """Which thumbnails a backup makes."""
        from photovault.backup.pictures import Budget, NoLimit, Nothing, Pictures

        wanted = self.config.backup.thumbnails or request.all_thumbnails
        if not wanted:
            return Pictures(budget=Nothing(), wanted=False)
        no_limit = request.all_thumbnails or self.in_no_hurry
        budget = NoLimit() if no_limit else Budget(self.world.clock, usable_cores())
        return Pictures(budget=budget, owed=request.all_thumbnails)

    def _packs(self) -> bool:
        """Whether JPEGs are packed.

        Raises:
            UsageError: they should be, and what does it is not installed.
        """
        from photovault.decoder.host import can_pack

        codec = self.config.backup.codec
        if codec == "jxl" and not can_pack():
            raise UsageError(
                'codec = "jxl" needs a library that is not installed',
                "pip install 'photovault[jxl]', or codec = \"auto\"",
            )
        return codec == "jxl" or (codec == "auto" and local_folder(self.vault_url) is None and can_pack())

    def restore(
        self, name: str | None, choice: Choice, to: Path, rule: Overwrite, progress: Progress, *, dry_run: bool
    ) -> tuple[NamedSnapshot, RestoreReport]:
        """Restore what is chosen of a snapshot into a folder.

        Raises:
            PhotovaultError: nothing of the snapshot is what was asked for.
            UsageError: the folder is the vault's own.
        """
        from photovault.restore import run_restore
        from photovault.target import Target

        self._refuse_own(to)
        with self.session() as session:
            one = resolve(session.vault.snapshots(), name or "latest")
            progress.total(one.snapshot.counts.files, one.snapshot.counts.size)
            threads = _RESTORE_THREADS if local_folder(self.vault_url) is not None else _REMOTE_THREADS
            with Target(to, look_only=dry_run) as target, Workers(threads) as workers:
                report = run_restore(
                    Reader(session.vault, around=True),
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

    def _refuse_own(self, to: Path) -> None:
        """Photos among the vault's objects would be nobody's: not backed up, and unknown objects to every check."""
        from photovault.photos.scan import identities

        whole = to.absolute()
        if identities(map(str, (whole, *whole.parents))) & identities(self.vault_folders):
            raise UsageError(
                f"{to} is in the folder of the vault, or of a copy of it", "name another folder to restore into"
            )

    def check(self, amount: Amount, progress: Progress) -> CheckReport:
        """Check the vault; ``amount`` of its data is read."""
        with self.session() as session, Workers(_RESTORE_THREADS) as workers:
            self._learn_all(session)
            report = self._check(session, workers, progress, amount, self.world.random(_SEED_SIZE))
            self.keep(session)
            return report

    def repair(self, source: str, amount: Amount, progress: Progress) -> CheckReport:
        """Check the vault, put back from its copy at ``source`` what is damaged or missing, and check again.

        Raises:
            UsageError: there is another vault at ``source``, or it is the same place.
            BusyError, and what opening a vault raises.
        """
        from photovault.repair import plan_repair, run_repair

        url, seed = self.distinct(source, self.vault_url), self.world.random(_SEED_SIZE)
        with self.session(lock=True) as session, Workers(_RESTORE_THREADS) as workers:
            self._learn_all(session)
            report = self._check(session, workers, progress, amount, seed)
            with self.beside(session, url) as other:
                plan = plan_repair(session.vault, other, report.findings)
                healed, problems = run_repair(plan, session.vault, other, workers, progress)
            if healed:
                session.findings = session.vault.refresh().findings
                session.vault.places.commit()
                self._learn_all(session)
                report = self._check(session, workers, progress, amount, seed)
            session.device.save()
            return replace(report, findings=(*report.findings, *problems), healed=healed)

    def _learn_all(self, session: Session) -> None:
        self.learn(session, session.vault.snapshots())
        self.ask_others(session)

    def _check(
        self, session: Session, workers: Workers, progress: Progress, amount: Amount, seed: bytes
    ) -> CheckReport:
        from photovault.check import run_check

        return run_check(
            session.vault,
            session.device,
            workers,
            progress,
            here=session.here,
            amount=amount,
            seed=seed,
            refreshed=session.findings,
        )

    def copy(self, source: str, to: str, progress: Progress) -> CopyReport:
        """Bring one destination up to date from another; needs no key.

        Raises:
            UsageError: they are the same place, or hold different vaults.
            NoVaultError: there is no vault at ``source``.
            GuardError: the disk for ``to`` does not seem to be there.
            BusyError, DamageError, StorageError.
        """
        from photovault.copy import brings_ways, leave_out, plan_copy, run_copy
        from photovault.gate.door import Door, Outbound, no_key
        from photovault.gate.ledger import removed_names

        target, url = self.storage_at(self.url_of(to)), self.distinct(source, self.url_of(to))
        origin = self.storage_at(url)
        vault_id = read_header(origin).vault_id
        folder = self.state_dir / "vaults" / vault_id.hex()
        with run_lock(folder, wait=self.settings.wait), Workers(_COPY_THREADS) as workers:
            plan = plan_copy(origin, target, vault_id)
            if plan.fresh:
                _see_its_disk(target, folder / LEDGER_NAME)
            if brings_ways(plan):
                plan = leave_out(plan, removed_names(folder / LEDGER_NAME, Outbound.SLOT))
            door = Door(target, no_key, self.ledger(folder, load_device(folder, self.world.random)))
            return run_copy(plan, origin, door, workers, progress)

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

    def status(self, known: Mapping[str, Any] | None = None) -> Status:
        """How things stand; ``known``: what the daemon says of this destination, for one word for both."""
        from photovault.app.sources import BackupRequest, sources
        from photovault.backup import plan_backup
        from photovault.watch.standing import seen, standing

        with self.session() as session, self.catalog(session) as catalog:
            snapshots = session.vault.snapshots()
            own = newest_of(snapshots, session.device.device_id)
            age = None if own is None else (self.world.now() - parse_time(own.snapshot.time)).total_seconds()
            plan = plan_backup(sources(self, BackupRequest()), catalog) if self.config.sources else None
            row = seen(
                known or {},
                self.world.now(),
                made=own.snapshot.time if own is not None else "",
                problems=_problems(own, plan),
                pending=plan is not None and plan.totals.new + plan.totals.changed > 0,
            )
            self.learn(session, snapshots)
            shown = tuple(self.look_around(session, snapshots))
            self.keep(session)
            return Status(
                snapshots=snapshots,
                own=own,
                age_seconds=age,
                last_success=row["last_success"],
                standing=standing(row, self.world.now(), self.config.status.overdue),
                plan=plan,
                destinations=shown,
            )

    def _run_info(self, session: Session, request: BackupRequest) -> RunInfo:
        from photovault.backup import RunInfo

        snapshots = session.vault.snapshots()
        self.learn(session, snapshots)
        self.warnings += [
            f"{one.what}; run `photovault check`"
            for one in rolled_back(snapshots.found, session.device.heads.get(session.here, {}))
        ]
        number, previous = next_link(session)
        return RunInfo(
            device_id=session.device.device_id,
            device_name=device_name(),
            number=number,
            previous=previous,
            time=self.run_time(request.time),
            program=program(),
            tags=tuple(dict.fromkeys((*self.config.backup.tags, *request.tags))),
            xattrs=self.config.backup.xattrs,
            uniform=self.config.vault.padding == "uniform",
            own=self.face_files,
        )

    @property
    def face_files(self) -> frozenset[tuple[int, int]]:
        """Device and inode of the files with face data, of which no backup takes a link."""
        from photovault.photos.scan import identities

        return identities(os.path.join(top, name) for top, _, names in os.walk(self.people_folder) for name in names)


def _earlier(session: Session) -> Earlier:
    """The last versions of sources that the catalog does not know."""
    from photovault.backup.earlier import earlier_in

    return earlier_in(session.vault, session.device.device_id, device_name())


def _problems(own: NamedSnapshot | None, plan: BackupPlan | None) -> int:
    """What is not protected: what is seen now; and, until the next backup, what the last one could not read."""
    left = own.snapshot.problems if own is not None and (plan is None or not plan.is_idle) else 0
    return max(left, len(plan.problems) if plan is not None else 0)


def _see_its_disk(target: Storage, ledger: Path) -> None:
    """A first copy makes its folder, but not where a disk should be mounted, and not again where a copy was before.

    Else the second copy would come to lie on the first one's disk, and nobody would be told.
    """
    from photovault.gate.door import Outbound
    from photovault.gate.ledger import were_sent

    if not os.path.isabs(target.address) or os.path.isdir(target.address):
        return
    hint = f"connect its disk; if a new copy shall begin there, make the folder {target.address} first"
    if not os.path.isdir(os.path.dirname(target.address)):
        raise GuardError(f"{os.path.dirname(target.address)} is not there", hint)
    if were_sent(ledger, Outbound.HEADER, target.address):
        raise GuardError(f"{target.address} held the vault before and is not there now", hint)


def next_link(session: Session) -> tuple[int, bytes | None]:
    """Number of the next snapshot of this device, and the name of the one before, wherever that is."""
    number, name = session.device.newest(session.device.device_id)
    return number + 1, bytes.fromhex(name) or None


def remember(session: Session, one: NamedSnapshot) -> None:
    """A device that made a snapshot notices when the storage shows less."""
    session.device.saw(session.here, one.snapshot.device_id, one.snapshot.number, one.name)
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
