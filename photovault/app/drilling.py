"""Drills: what is tried, from where, and what is remembered of it; one file of proofs for each destination."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from photovault.app.eyes import Eyes
from photovault.app.proven import FILE, proven_at
from photovault.app.session import kept_at, parse_time, utc_text
from photovault.app.settings import local_folder
from photovault.app.snapshots import newest_of, resolve
from photovault.catalog import Catalog
from photovault.decoder import host
from photovault.device import run_lock
from photovault.drill import (
    Amount,
    DrillReport,
    LiveFolder,
    Root,
    Sample,
    plan_drill,
    run_drill,
    survey,
    wanted_of,
)
from photovault.errors import PhotovaultError
from photovault.proofs import NAMED, RECENT, Proofs, Proven
from photovault.storage.folder import FolderStorage
from photovault.vault.format import read_entry
from photovault.vault.reader import Reader
from photovault.watch.run import Drilled
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.model import Entry, Problem, Snapshot, Stamp
    from photovault.progress import Progress
    from photovault.proofs import Key
    from photovault.vault.vault import NamedSnapshot

_LOCK = "drill.lock"
_CATALOG = "catalog.sqlite"
_THREADS = 4  # as many large photos are held at a time
_REMOTE_THREADS = 8
_WHY = "a drill could not read it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRequest:
    """What a drill was asked to do: ``snapshot`` is None for the newest of this device, or of every device on a bare machine."""

    amount: Amount
    snapshot: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What came of it.

    Attributes:
        snapshots: what was drilled.
        photos: how many there are in them.
        chosen, size: how many were to be tried, and their bytes.
        report: what was seen; None for a dry run.
        proven: how much is proven now; of a named snapshot nothing is told.
        files: how many files the newest snapshot holds.
    """

    snapshots: tuple[NamedSnapshot, ...]
    photos: int
    chosen: int
    size: int
    report: DrillReport | None
    proven: Proven | None
    files: int


def drill(app: App, request: DrillRequest, progress: Progress, *, enough: Callable[[], bool] = lambda: False) -> Drill:
    """Try a sample of the photos until it is ``enough``.

    Raises:
        BusyError: another drill of this vault is under way.
        PhotovaultError: there is no snapshot, and what opening a vault raises.
    """
    if isinstance(app.storage, FolderStorage):
        app.storage.direct_min = 1  # a drill must see the disk, also of small photos
    with ExitStack() as stack:
        session = stack.enter_context(app.session())
        stack.enter_context(run_lock(session.folder, wait=app.settings.wait, name=_LOCK))
        proofs = stack.enter_context(closing(Proofs(_kept(session) / FILE)))
        return _Drilling(app, session, proofs, request, stack).run(progress, enough)


def _kept(session: Session) -> Path:
    return kept_at(session.folder, session.vault.door.address)


class _Drilling:
    """One drill of an opened vault."""

    def __init__(self, app: App, session: Session, proofs: Proofs, request: DrillRequest, stack: ExitStack) -> None:
        self._app = app
        self._session = session
        self._proofs = proofs
        self._request = request
        self._view = RECENT if request.snapshot is None else NAMED
        self._now = app.world.now()
        self._reader = Reader(session.vault, around=True)
        self._snapshots = self._wanted()
        self._roots = tuple(_root(session, one, stack, many=len(self._snapshots) > 1) for one in self._snapshots)

    def _wanted(self) -> tuple[NamedSnapshot, ...]:
        found = self._session.vault.snapshots()
        if self._request.snapshot is not None:
            return (resolve(found, self._request.snapshot),)
        own = newest_of(found, self._session.device.device_id)
        if own is not None:
            return (own,)
        resolve(found, "latest")  # says what is wrong when there is none
        newest = (newest_of(found, device) for device in {one.snapshot.device_id for one in found.found})
        return tuple(sorted(filter(None, newest), key=lambda one: (one.snapshot.device_name, one.name)))

    def run(self, progress: Progress, enough: Callable[[], bool]) -> Drill:
        """Do it."""
        lost = survey(self._reader, self._roots, self._proofs, self._view, trees=self._trees(), now=self._now)
        keys = self._plan()
        chosen, size = self._proofs.total(self._view, keys)
        report = None
        if not self._request.dry_run:
            report = self._try(
                Sample(roots=self._roots, view=self._view, keys=keys, when=utc_text(self._now)), progress, enough
            )
            report = self._told(report, lost)
        else:
            self._app.warnings += [f"{one.path}: {one.what}" for one in lost]
        return Drill(
            snapshots=self._snapshots,
            photos=self._proofs.count(self._view),
            chosen=chosen,
            size=size,
            report=report,
            proven=self._proofs.standing(self._now) if self._view == RECENT else None,
            files=sum(one.snapshot.counts.files for one in self._snapshots),
        )

    def _trees(self) -> bytes:
        """What tells these snapshots from others that hold anything else: a later one without news is the same."""
        pages = (len(one.snapshot.root).to_bytes(4) + b"".join(one.snapshot.root) for one in self._snapshots)
        return hashlib.sha256(b"".join(pages)).digest()

    def _plan(self) -> frozenset[Key] | None:
        """Which photos; None for all."""
        proofs, view = self._proofs, self._view
        amount = self._request.amount
        if amount.count is None and amount.share is None:
            return None
        wanted = wanted_of(amount, proofs.count(view))
        failing, others = (proofs.known(view, self._now, failing=which) for which in (True, False))
        return frozenset(plan_drill(failing, others, wanted, self._seed()))

    def _seed(self) -> bytes:
        """Another one for each device and day."""
        day = self._now.date().isoformat().encode()
        return hashlib.sha256(self._session.device.device_id + day).digest()

    def _try(self, sample: Sample, progress: Progress, enough: Callable[[], bool]) -> DrillReport:
        far = local_folder(self._app.vault_url) is None
        with Workers(_REMOTE_THREADS if far else _THREADS) as workers, host.Decoders() as decoders:
            try:
                return run_drill(sample, self._reader, self._proofs, Eyes(decoders), workers, progress, enough=enough)
            finally:  # what was found damaged is so, however the run ended
                self._app.note_damage(self._session, self._reader.fetcher.damaged, _WHY)

    def _told(self, report: DrillReport, lost: tuple[Problem, ...]) -> DrillReport:
        """The whole report, once what it says is remembered."""
        self._app.note_damage(self._session, report.bad, _WHY)
        if self._view == RECENT and not report.left:
            self._proofs.drilled(utc_text(self._now))
            self._proofs.commit()
        folders = {one.path: one for one in (*lost, *report.damaged)}
        return replace(report, damaged=tuple(folders.values()))


def _root(session: Session, one: NamedSnapshot, stack: ExitStack, *, many: bool) -> Root:
    """A snapshot as a drill takes it; live files are those of this device."""
    snapshot = one.snapshot
    label = snapshot.device_name if many else ""
    if snapshot.device_id != session.device.device_id:
        return Root(pages=snapshot.root, label=label)
    path = _kept(session) / _CATALOG
    catalog = stack.enter_context(closing(Catalog(path))) if path.exists() else None
    return Root(pages=snapshot.root, label=label, live=_Sources(snapshot, catalog))


class _Sources:
    """Finds the live files of a snapshot of this device."""

    def __init__(self, snapshot: Snapshot, catalog: Catalog | None) -> None:
        self._paths = {os.fsencode(one.label): one.path for one in snapshot.sources}
        self._catalog = catalog

    def __call__(self, folder: bytes) -> LiveFolder | None:
        """See ``drill.survey.Live``."""
        label, _, inside = folder.partition(b"/")
        path = self._paths.get(label)
        if path is None:
            return None

        @cache
        def known() -> Mapping[bytes, tuple[Stamp, bytes]]:
            return self._known(path, inside)

        def stamp(entry: Entry) -> Stamp | None:
            found = known().get(entry.name)
            return found[0] if found is not None and read_entry(found[1]).digest == entry.digest else None

        return LiveFolder(os.path.join(os.fsencode(path), inside) if inside else os.fsencode(path), stamp)

    def _known(self, source: str, inside: bytes) -> Mapping[bytes, tuple[Stamp, bytes]]:
        """What the last backup knew of the files of a folder, with their encoded entries."""
        there = self._catalog.folder(source, inside) if self._catalog is not None else None
        if there is None or self._catalog is None:
            return {}
        entries = self._catalog.entries(there.number)
        stamps = self._catalog.stamps(there.number)
        return {one.name: (one, entries[one.name]) for one in stamps if one.name in entries}


def seen(report: DrillReport) -> list[str]:
    """What was seen of the photos that came back, and of the live files, in lines for people."""
    came = [
        f"{report.decoded:,} decoded" if report.decoded else "",
        f"{report.plain:,} are no pictures" if report.plain else "",
        *(f"{many:,} restored, not looked at: {why}" for why, many in report.not_looked_at.items()),
        f"{len(report.broken):,} broken before" if report.broken else "",
    ]
    live = [
        f"{report.same:,} the same on this computer" if report.same else "",
        f"{report.changed:,} changed here since" if report.changed else "",
    ]
    return [", ".join(filter(None, some)) for some in (came, live) if any(some)]


# In the background --------------------------------------------------------------------------------------------------


def drill_in_background(app: App, progress: Progress, enough: Callable[[], bool], *, left: int, again: bool) -> Drilled:
    """A slice of the daemon's drills of one destination, if one is due.

    Args:
        app: for that destination.
        progress: is told.
        enough: when the slice ends.
        left: how many the last slice left; 0 when it was finished.
        again: whether what failed is to be tried again though no drill is due.
    """
    section = app.config.drill
    before = proven_at(app, app.vault_url)
    wait = _until_due(app, before)
    failing = before.wrong if before is not None else 0
    if wait > 0 and not left and not (again and failing):
        return _drilled(before, again=wait)
    count = left or (section.count if wait <= 0 else min(section.count, 2 * failing))  # they are half of a sample
    done = drill(app, DrillRequest(amount=Amount(count=count)), progress, enough=enough)
    report = done.report
    if report is None:
        raise PhotovaultError("no drill was made")
    after = proven_at(app, app.vault_url)
    problems = len(report.problems)
    return _drilled(after, photos=report.proven, left=report.left, problems=problems, again=_until_due(app, after))


def _until_due(app: App, proven: Proven | None) -> float:
    """Seconds until the next drill."""
    if proven is None or not proven.drilled:
        return 0.0
    since = app.world.now() - parse_time(proven.drilled)
    return max(0.0, (timedelta(seconds=app.config.drill.every) - since).total_seconds())


def _drilled(proven: Proven | None, *, photos: int = 0, left: int = 0, problems: int = 0, again: float) -> Drilled:
    damaged = proven.wrong if proven is not None else 0
    return Drilled(photos=photos, left=left, damaged=damaged, problems=problems, again=again)
