"""How things stand: whether the photos are safe, what waits, what is amiss at the destinations; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from photovault.app import guarding
from photovault.app.destinations import Around
from photovault.app.session import parse_time
from photovault.app.snapshots import newest_of
from photovault.app.sources import BackupRequest, sources
from photovault.backup import plan_backup
from photovault.backup.plan import Terms
from photovault.model import Finding
from photovault.vault.chains import fingerprint, silent
from photovault.watch.standing import Standing, seen, standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from photovault.app.destinations import Shown
    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.backup import BackupPlan
    from photovault.vault.vault import NamedSnapshot, Snapshots


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
        around: what every destination shows, and the newest state of all.
        signs: of a storage that does not show everything, what was found damaged there and is not mended, and what stopped
            the last backup.
        notes: what is worth a look, and may have harmless reasons.
        stopped: what a guard saw that stopped the last backup; empty when none did.
    """

    snapshots: Snapshots
    own: NamedSnapshot | None
    age_seconds: float | None
    last_success: str
    standing: Standing
    plan: BackupPlan | None
    around: Around = field(default_factory=Around)
    signs: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    stopped: str = ""

    @property
    def fingerprint(self) -> str:
        """Of what the vault shows, see ``chains.fingerprint``."""
        return fingerprint(self.snapshots.found)

    @property
    def destinations(self) -> tuple[Shown, ...]:
        """What every destination shows; none when there is only one."""
        return self.around.destinations

    @property
    def overdue(self) -> bool:
        """Whether the last success is too long ago, or never was."""
        return not self.last_success or self.standing is Standing.OVERDUE


def status(app: App, known: Mapping[str, Any] | None = None) -> Status:
    """How things stand, see ``App.status``."""
    with app.session() as session, app.catalog(session) as catalog:
        snapshots = session.vault.snapshots()
        own = newest_of(snapshots, session.device.device_id)
        age = None if own is None else (app.world.now() - parse_time(own.snapshot.time)).total_seconds()
        terms = Terms(limits=guarding.limits(app.config))
        plan = plan_backup(sources(app, BackupRequest()), catalog, terms) if app.config.sources else None
        suspect = guarding.suspect(catalog, plan)
        row = seen(
            known or {},
            app.world.now(),
            made=own.snapshot.time if own is not None else "",
            problems=_problems(own, plan) + suspect,
            pending=plan is not None and plan.totals.new + plan.totals.changed > 0,
        )
        around = app.look_around(session, snapshots)
        app.keep(session)
        quiet = silent(snapshots.found, app.world.now(), app.config.status.overdue, session.device.device_id)
        return Status(
            snapshots=snapshots,
            own=own,
            age_seconds=age,
            last_success=row["last_success"],
            standing=standing(row, app.world.now(), app.config.status.overdue),
            plan=plan,
            around=around,
            signs=(*app.signs, *_amiss(session)),
            notes=(*quiet, *guarding.notes(plan, suspect)),
            stopped=session.evidence.stopped()[0],
        )


def _amiss(session: Session) -> Iterator[Finding]:
    """What stopped the last backup; what the last check said to be lost; and packs that were found damaged and hold what no other has."""
    what, when = session.evidence.stopped()
    if what:
        yield Finding(
            what=f"the last backup was stopped, on {when[:10]}: {what}",
            hint="look at these files; `photovault backup` says how to go on",
        )
    photos, when = session.evidence.lost()
    if photos:
        yield Finding(
            what=f"{photos:,} photo{'' if photos == 1 else 's'} in the vault could not be restored at the check of {when[:10]}",
            hint="run `photovault check --repair`",
        )
    places = session.vault.places
    doubts = session.evidence.doubts()
    packs = [
        pack
        for pack in (doubts.keys() & places.packs().keys()) - places.shunned
        if not all(map(places.has, doubts[pack] or places.parts_of(pack)))
    ]
    if packs:
        number = f"{len(packs):,} pack{'' if len(packs) == 1 else 's'}"
        yield Finding(
            what=f"{number} in the vault found damaged, and not mended yet", hint="run `photovault check --repair`"
        )


def _problems(own: NamedSnapshot | None, plan: BackupPlan | None) -> int:
    """What is not protected: what is seen now; and, until the next backup, what the last one could not read."""
    left = own.snapshot.problems if own is not None and (plan is None or not plan.is_idle) else 0
    return max(left, len(plan.problems) if plan is not None else 0)
