"""Backups: what one needs is opened, and what it made is remembered; when another device is in the way, it is run again."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from photovault.app import guarding
from photovault.app.eyes import Eyes
from photovault.app.session import device_name, parse_time, program, utc_text
from photovault.app.settings import local_folder
from photovault.app.snapshots import newest_of, next_link, remember
from photovault.app.sources import sources
from photovault.backup import RunInfo, plan_backup, run_backup
from photovault.backup.pictures import Budget, NoLimit, Nothing, Pictures
from photovault.decoder import host
from photovault.errors import GuardError, OvertakenError, UsageError
from photovault.workers import Workers, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.app.sources import BackupRequest
    from photovault.backup import BackupPlan, BackupReport, SourceSpec
    from photovault.catalog import Catalog
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

_T = TypeVar("_T")
_ABOUT = 0.9  # of the time between two heartbeats: looks are not exactly a day apart
_OVERTAKEN_MAX = 2  # more often it is not tried again by itself


def dry_run(app: App, request: BackupRequest) -> BackupPlan:
    """What a backup would do, see ``App.plan_backup``."""
    specs = sources(app, request)
    with app.session() as session, app.catalog(session) as catalog:
        return plan_backup(specs, catalog, guarding.terms(app.config, session, request))


def backup(app: App, request: BackupRequest, progress: Progress) -> BackupReport:
    """Back up, see ``App.backup``."""
    return _until_settled(lambda: _backup(app, request, progress))


def backup_if_changed(app: App, request: BackupRequest, progress: Progress) -> BackupReport | BackupPlan:
    """Back up what is new, see ``App.backup_if_changed``."""
    return _until_settled(lambda: _backup_if_changed(app, request, progress))


def make_thumbnails(
    app: App, request: BackupRequest, progress: Progress, enough: Callable[[], bool]
) -> BackupReport | None:
    """Make what was left, see ``App.make_thumbnails``."""
    return _until_settled(lambda: _make_thumbnails(app, request, progress, enough))


def _until_settled(run: Callable[[], _T]) -> _T:
    """Run again when another device removes what the run relied on: what that held is then stored again."""
    for _ in range(_OVERTAKEN_MAX):
        with suppress(OvertakenError):
            return run()
    return run()


def _backup(app: App, request: BackupRequest, progress: Progress) -> BackupReport:
    with _planned(app, request) as (session, catalog, plan):
        report = back_up(app, request, session, catalog, plan, progress)
        _protect(app, session, progress)
        return report


def _backup_if_changed(app: App, request: BackupRequest, progress: Progress) -> BackupReport | BackupPlan:
    with _planned(app, request) as (session, catalog, plan):
        own = newest_of(session.vault.snapshots(), session.device.device_id)
        labels = [source.spec.label for source in plan.sources]
        last = own if own is not None and not _wants_heartbeat(app, own) else None
        if plan.is_idle and last is not None and [one.label for one in last.snapshot.sources] == labels:
            owed = sum(catalog.owed_in(source.spec.path) for source in plan.sources)
            app.thumbnails_left = owed if app.config.backup.thumbnails else 0
            app.suspect = guarding.suspect(catalog, plan)
            return plan
        report = back_up(app, request, session, catalog, plan, progress, last=last)
        _protect(app, session, progress)
        return report


def _make_thumbnails(
    app: App, request: BackupRequest, progress: Progress, enough: Callable[[], bool]
) -> BackupReport | None:
    with _planned(app, replace(request, all_thumbnails=True)) as (session, catalog, plan):
        if not plan.totals.looks:
            app.thumbnails_left = 0
            return None
        own = newest_of(session.vault.snapshots(), session.device.device_id)
        every = replace(request, all_thumbnails=True)
        return back_up(app, every, session, catalog, plan, progress, enough=enough, last=own)


@contextmanager
def _planned(app: App, request: BackupRequest) -> Iterator[tuple[Session, Catalog, BackupPlan]]:
    if app.config.vault.parity:
        from photovault.parity import need_code

        need_code()
    specs = sources(app, request) + _names(app, request)
    with app.session(lock=True) as session, app.catalog(session) as catalog:
        catalog.wake(host.installed())
        try:
            plan = plan_backup(specs, catalog, guarding.terms(app.config, session, request))
            guarding.guard(app, plan)
            yield session, catalog, plan
        except GuardError as error:
            session.evidence.stop(error.what, utc_text(app.world.now()))  # until a backup is made, `status` says so
            raise
        session.evidence.stop("")


def _names(app: App, request: BackupRequest) -> list[SourceSpec]:
    """The names of people, for a backup of everything, where somebody agreed to that."""
    if request.paths or not app.names_too or not app.people_folder.is_dir():
        return []
    from photovault.app.people_names import names_sources

    return names_sources(app)


def _wants_heartbeat(app: App, own: NamedSnapshot) -> bool:
    """Whether it is about time for a snapshot without news: a storage that stopped in time is found out by it."""
    every = app.config.watch.heartbeat
    age = (app.world.now() - parse_time(own.snapshot.time)).total_seconds()
    return bool(every) and not 0 <= age < every * _ABOUT


def back_up(
    app: App,
    request: BackupRequest,
    session: Session,
    catalog: Catalog,
    plan: BackupPlan,
    progress: Progress,
    *,
    enough: Callable[[], bool] = lambda: False,
    last: NamedSnapshot | None = None,
) -> BackupReport:
    """Do what was planned; no snapshot without news if it would say no more than ``last``."""
    jobs = app.config.backup.jobs
    pack = packs_jpegs(app)
    with Workers(jobs) as workers, host.Decoders(count=jobs) as decoders:
        pictures = replace(_pictures(app, request), decoder=Eyes(decoders), enough=enough, pack=pack)
        info = _run_info(app, session, request)
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
    app.settle_doubts(session)
    if report.is_new:
        remember(session, report.snapshot)
    app.warnings += report.warnings
    app.thumbnails_left, app.suspect = report.thumbnails.left, report.suspect
    return report


def _pictures(app: App, request: BackupRequest) -> Pictures:
    """Which thumbnails a backup makes."""
    wanted = app.config.backup.thumbnails or request.all_thumbnails
    if not wanted:
        return Pictures(budget=Nothing(), wanted=False)
    no_limit = request.all_thumbnails or app.in_no_hurry
    budget = NoLimit() if no_limit else Budget(app.world.clock, usable_cores())
    return Pictures(budget=budget, owed=request.all_thumbnails)


def packs_jpegs(app: App) -> bool:
    """Whether JPEGs are packed.

    Raises:
        UsageError: they should be, and what does it is not installed.
    """
    codec = app.config.backup.codec
    if codec == "jxl" and not host.can_pack():
        raise UsageError(
            'codec = "jxl" needs a library that is not installed',
            "pip install 'photovault[jxl]', or codec = \"auto\"",
        )
    return codec == "jxl" or (codec == "auto" and local_folder(app.vault_url) is None and host.can_pack())


def _run_info(app: App, session: Session, request: BackupRequest) -> RunInfo:
    snapshots = session.vault.snapshots()
    own = newest_of(snapshots, session.device.device_id)
    warning = guarding.check_clock(app.world.now(), own.snapshot if own is not None else None, request)
    app.warnings += [warning] if warning else []
    session.evidence.first_seen((one.name for one in snapshots.found), utc_text(app.world.now()))
    number, previous = next_link(session)
    return RunInfo(
        device_id=session.device.device_id,
        device_name=device_name(),
        number=number,
        previous=previous,
        time=app.run_time(request.time),
        program=program(),
        tags=tuple(dict.fromkeys((*app.config.backup.tags, *request.tags))),
        xattrs=app.config.backup.xattrs,
        uniform=app.config.vault.padding == "uniform",
        own=app.face_files,
    )


def _protect(app: App, session: Session, progress: Progress) -> None:
    """Give parity to new packs, where that is wanted."""
    if app.config.vault.parity:
        from photovault.app.protecting import protect

        app.parity = protect(app, session, progress)
