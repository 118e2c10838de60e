"""Making a damaged vault whole again: the steps of a repair in their order, and a check before and after them."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault import parity, repair
from photovault.app.checking import learn_all, look
from photovault.app.session import LEDGER_NAME, device_name, documents, utc_text
from photovault.app.sources import BackupRequest
from photovault.check import Amount, CheckReport
from photovault.errors import GateError, MissingExtraError, PhotovaultError, RefusedError
from photovault.gate.door import Outbound
from photovault.gate.ledger import removed_names
from photovault.model import Finding, Problem, Retention
from photovault.repair import Candidate, Healed, Wanted
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.writer import Writer
from photovault.watch.memory import give_back
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.parity import Restored
    from photovault.progress import Progress
    from photovault.vault.format import PackEntry

_THREADS = 8  # they wait for a disk or a network
_ROUNDS = 8  # a listing that is whole again may show that more is lost
_ASIDE = "rescued"
_KEPT = "nothing needs it any more; it is marked, and `photovault forget` removes it after its grace period"
_ROOMS = {kind: fmt.PREFIX_OF[kind] for kind in ObjectKind}
_HARMLESS = tuple(_ROOMS[kind] for kind in (ObjectKind.PACK, ObjectKind.PARITY, ObjectKind.INDEX, ObjectKind.RETENTION))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """What a repair was asked to do.

    Attributes:
        amount: how much data the check before it reads.
        sources: names or addresses of copies of the vault that are asked first.
        everything: use whatever can help, not these copies alone.
        dry_run: say what would be done, and change nothing.
    """

    amount: Amount
    sources: Sequence[str] = ()
    everything: bool = True
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair did.

    Attributes:
        before: what the first check saw.
        after: what the last check saw; the same where there was nothing to do.
        healed: objects that are whole again, and where they came from.
        borrowed: parts that came from other packs of another copy.
        salvaged: parts that still opened in damaged packs, and were stored again.
        reread: files of this computer that held lost parts.
        reread_parts: how many.
        indexes: new index objects.
        parity: new objects of parity.
        dropped: index objects that could not be read and were removed.
        quarantined: damaged packs that nothing needs any more, marked for removal.
        problems: what could not be healed, or not be removed.
        away: copies that could not be asked.
        planned: of a dry run, what would be done.
        is_backed_up: the configured sources were backed up, to make listings and thumbnails again.
    """

    before: CheckReport
    after: CheckReport
    healed: tuple[Healed, ...] = ()
    borrowed: int = 0
    salvaged: int = 0
    reread: tuple[str, ...] = ()
    reread_parts: int = 0
    indexes: int = 0
    parity: int = 0
    dropped: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    problems: tuple[Finding, ...] = ()
    away: tuple[Problem, ...] = ()
    planned: tuple[str, ...] = ()
    is_backed_up: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether something is lost: photos, or what only a person can put right."""
        return is_lost(self.after)


def is_lost(report: CheckReport) -> bool:
    """Whether a check says that something is lost, beside thumbnails and what can be made anew."""
    return bool(report.lost) or any(not one.where.startswith(_HARMLESS) for one in report.findings)


def repair_vault(app: App, request: RepairRequest, progress: Progress) -> RepairReport:
    """Check the vault, heal what is damaged or missing, and check again.

    Raises:
        UsageError: a copy that was named holds another vault, or is the same place.
        BusyError, and what opening a vault raises.
    """
    urls = [(name, app.distinct(name, app.vault_url)) for name in request.sources]
    run = _Run(app, request, progress, urls)
    with run.opened():
        run.begin()
        if request.dry_run:
            return run.plan()
        run.heal()
        if not run.wants_backup:
            return run.finish()
    run.back_up()
    with run.opened():
        run.look_again()
        return run.finish()


@dataclass(slots=True)
class _Run:
    """One repair: what it knows, and what it has done so far."""

    app: App
    request: RepairRequest
    progress: Progress
    urls: list[tuple[str, str]]
    healed: list[Healed] = field(default_factory=list)
    problems: dict[tuple[str, str], Finding] = field(default_factory=dict)
    away: dict[str, Problem] = field(default_factory=dict)
    reread: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    borrowed: int = 0
    salvaged: int = 0
    reread_parts: int = 0
    indexes: int = 0
    parity: int = 0
    is_backed_up: bool = False
    session: Session = field(init=False)
    workers: Workers = field(init=False)
    before: CheckReport = field(init=False)
    report: CheckReport = field(init=False)
    _known_entries: tuple[tuple[frozenset[bytes], int], dict[bytes, PackEntry]] = ((frozenset(), -1), {})
    _whys: dict[str, str] = field(default_factory=dict)
    _packs: frozenset[bytes] = frozenset()
    _bad: set[bytes] = field(default_factory=set)
    _mended: set[bytes] = field(default_factory=set)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The vault, with the run lock."""
        with self.app.session(lock=True) as session, Workers(_THREADS) as workers:
            self.session, self.workers = session, workers
            yield
            session.device.save()

    def begin(self) -> None:
        """The check that says what is to be healed."""
        learn_all(self.app, self.session)
        self.before = self.report = self._look(self.request.amount)
        self._packs = frozenset(self.session.vault.places.packs())

    def _look(self, amount: Amount) -> CheckReport:
        report = look(self.app, self.session, self.workers, self.progress, amount)
        self._bad |= report.damaged.keys()
        self._mended.clear()
        return report

    def look_again(self) -> None:
        """Check again: packs that were damaged or are new are read, the others were read before."""
        self._refresh()
        spoilt = set(self._spoilt_parity())
        packs = frozenset(self._bad | spoilt | (self.session.vault.places.packs().keys() - self._packs))
        self.report = self._look(Amount(packs=packs, has_singles=self._reads))

    @property
    def _reads(self) -> bool:
        return bool(self.request.amount.share or self.request.amount.size)

    def _refresh(self) -> None:
        self.session.findings = self.app.bring_up_to_date(self.session)

    # What is wrong, by name.

    @property
    def _spoilt(self) -> set[str]:
        return {one.where for one in self.report.findings if one.where}

    @property
    def _lost(self) -> frozenset[bytes]:
        return self.report.lost_parts | self.report.lost_thumbnails

    def _state(self) -> tuple[set[str], frozenset[bytes]]:
        return self._spoilt, self._lost

    # Healing.

    def heal(self) -> None:
        """Every step in turn, until nothing is wrong or nothing more helps."""
        if not self.report.findings or not self.request.everything:
            for name, url in self.urls:  # asked for by name: also what is only missing here
                self._from_copy(name, url)
                self.look_again()
        if not self.request.everything:
            return
        steps = (
            self._indexes_from_copies,
            self._misplaced,
            self._remembered,
            self._from_copies,
            self._from_parity,
            self._sealed_again,
            self._from_photos,
            self._sealed_again,
            self._from_packs,
            self._indexes,
        )
        for _ in range(_ROUNDS):
            before = self._state()
            for step in steps:
                if self.report.findings and self._tried(step):
                    self.look_again()
            if not self.report.findings or self._state() == before:
                return

    def _tried(self, step: Callable[[], bool]) -> bool:
        """What a step does; what the storage refuses in one must not keep the others from helping."""
        try:
            return step()
        except (GateError, RefusedError) as error:
            self._note([Finding(what=f"not everything could be stored: {error.what}", where="", hint=error.hint)])
            return True

    def _note(self, problems: Iterable[Finding]) -> None:
        self.problems |= {(one.where, one.what): one for one in problems}

    def _took(self, healed: Iterable[Healed]) -> bool:
        """Remember what is whole again; whether that is anything."""
        new = list(healed)
        self.healed += new
        packs = [fmt.digest_of(one.name) for one in new if one.name.startswith(_ROOMS[ObjectKind.PACK])]
        self.app.note_whole(self.session, packs)
        self._mended.update(packs)
        return bool(new)

    def _misplaced(self) -> bool:
        count, bad = 0, self.report.damaged
        if bad:
            with self._writer() as writer:
                count = repair.save_strangers(self.session.vault, bad, self._bad_entries(), writer)
        self.salvaged += count
        return (
            self._took(repair.put_in_place(self.session.vault, self._spoilt, self.session.folder / _ASIDE)) or count > 0
        )

    def _remembered(self) -> bool:
        known = repair.plan_remembered(self.session.vault, self._spoilt, documents())
        plan = [
            Wanted(name=name, size=len(data), digest=hashlib.sha256(data).digest())
            for name, data in sorted(known.items())
        ]
        healed, problems = repair.run_repair(
            plan,
            self.session.vault.door,
            known.__getitem__,
            "what this computer remembers",
            self.workers,
            self.progress,
        )
        self._note(problems)
        return self._took(healed)

    def _indexes_from_copies(self) -> bool:
        """An index first: it tells what damaged packs held, so nothing is taken for what it is not."""
        prefix = _ROOMS[ObjectKind.INDEX]
        return any(one.startswith(prefix) for one in self._spoilt) and self._from_copies(prefix)

    def _from_copies(self, prefix: str = "") -> bool:
        """What copies have, those named first; one that was named must be one."""
        done = False
        for name, url in self.urls:
            done |= self._from_copy(name, url, prefix)
        named = {url for _, url in self.urls}
        for one in self.app.others():
            if one.url not in named:
                done |= self._from_copy_if_there(one.name, one.url, prefix)
        return done

    def _from_copy_if_there(self, name: str, url: str, prefix: str) -> bool:
        try:
            return self._from_copy(name, url, prefix)
        except PhotovaultError as error:  # a disk in the drawer must not keep the other steps from helping
            self.away[name] = Problem(path=name, what=error.what, hint=error.hint)
            return False

    def _from_copy(self, name: str, url: str, prefix: str = "") -> bool:
        """Whole objects whose names begin with ``prefix``, and without one also parts in whatever packs."""
        with self.app.beside(self.session, url) as other:
            other.refresh()
            other.places.commit()
            plan = repair.plan_repair(
                self.session.vault, other, self.report.findings, lost=self._lost, removed=self._removed()
            )
            wanted = [one for one in plan if one.name.startswith(prefix)]
            healed, problems = repair.run_repair(
                wanted, self.session.vault.door, other.door.get, name, self.workers, self.progress
            )
            self._note(problems)
            done = self._took(healed)
            if self.request.everything and self._lost and not prefix:
                self._refresh()
                with self._writer() as writer:
                    some = repair.borrow(other, (part for part in self._lost if not writer.has(part)), writer)
                self.borrowed += some
                done |= some > 0
        return done

    def _removed(self) -> frozenset[str]:
        """What this device removed on purpose, at any destination."""
        path, found = self.session.folder / LEDGER_NAME, frozenset[str]()
        for kind in (Outbound.PACK, Outbound.INDEX, Outbound.SNAPSHOT, Outbound.RETENTION, Outbound.PARITY):
            with suppress(PhotovaultError):
                found |= removed_names(path, kind)
        return found - self._spoilt

    @contextmanager
    def _writer(self) -> Iterator[Writer]:
        """What stores parts again."""
        with self._without_damaged():
            writer = Writer(self.session.vault, self.workers, uniform=self.app.config.vault.padding == "uniform")
            yield writer
            writer.finish()

    @contextmanager
    def _without_damaged(self) -> Iterator[None]:
        """Meanwhile what lies in damaged packs does not count as stored."""
        places = self.session.vault.places
        before = places.shunned
        places.shun(before | (self.report.damaged.keys() - self._mended))
        try:
            yield
        finally:
            places.shun(before)

    def _from_parity(self) -> bool:
        lost = {*self.report.damaged, *self._absent()}
        if not lost or not any(True for _ in self.session.vault.door.listing(_ROOMS[ObjectKind.PARITY])):
            return False
        healed: list[Healed] = []
        self._whys.clear()
        give_back()  # rows of sixteen packs are held beside each other
        try:
            for one in parity.restore_packs(
                self.session.vault, lost, self.workers, self.progress, spoilt=self._spoilt_parity()
            ):
                healed += self._stored(one) if one.data else ()
                if one.why and one.why != parity.NO_PARITY:
                    self._whys[fmt.object_name(ObjectKind.PACK, one.name)] = one.why
        except MissingExtraError as error:
            self._note([Finding(what=error.what, where="parity", hint=error.hint)])
        return self._took(healed)

    def _stored(self, one: Restored) -> tuple[Healed, ...]:
        """Put a pack in its place before the next one is asked for: it may help to bring that back."""
        name = fmt.object_name(ObjectKind.PACK, one.name)
        plan = [Wanted(name=name, size=len(one.data), digest=one.name)]
        door, fetch = self.session.vault.door, _constant(one.data)
        healed, problems = repair.run_repair(plan, door, fetch, "parity", self.workers, self.progress)
        self._note(problems)
        return healed

    def _spoilt_parity(self) -> list[bytes]:
        return [fmt.digest_of(one) for one in self._spoilt if one.startswith(_ROOMS[ObjectKind.PARITY])]

    def _absent(self) -> set[bytes]:
        """Packs that are not there and may hold what is lost: as far as an index or parity still names them."""
        if not self._lost:
            return set()
        vault = self.session.vault
        there = vault.stored(ObjectKind.PACK).keys()
        found = {pack.name for pack in self._entries() if any(one.part_id in self._lost for one in pack.records)}
        with suppress(PhotovaultError):
            pieces = parity.see_parity(vault, self.workers, self._spoilt_parity()).pieces
            found |= {pack for group in parity.groups_of(pieces) for pack in group.packs}
        return found - there

    def _entries(self) -> Iterator[PackEntry]:
        """What readable index objects say of packs."""
        return (pack for _, packs in repair.entries_of(self.session.vault) for pack in packs or ())

    def _bad_entries(self) -> dict[bytes, PackEntry]:
        """What indexes say of the damaged packs; read again only when there may be more to read."""
        state = frozenset(self.report.damaged), len(self.healed)
        if self._known_entries[0] != state:
            found = {pack.name: pack for pack in self._entries() if pack.name in self.report.damaged}
            self._known_entries = state, found
        return self._known_entries[1]

    def _sealed_again(self) -> bool:
        if not self.report.damaged:
            return False
        with self._without_damaged():
            done = repair.seal_again(
                self.session.vault, self.report.damaged, self._bad_entries(), self.session.folder / _ASIDE
            )
        self._note(done.problems)
        return self._took(done.healed)

    def _from_packs(self) -> bool:
        if not self.report.damaged:
            return False
        with self._writer() as writer:
            count = repair.salvage(self.session.vault, self.report.damaged, self._bad_entries(), writer)
        self.salvaged += count
        return count > 0

    def _indexes(self) -> bool:
        done = repair.rebuild(self.session.vault, self.report.damaged.keys())
        self.indexes += done.made
        self.dropped += done.removed
        self._note(done.problems)
        return bool(done.made or done.removed)

    def _from_photos(self) -> bool:
        candidates = self._candidates()
        if not candidates:
            return False
        self.progress.total(len(candidates), 0)
        with self._writer() as writer:
            paths, parts = repair.reread(
                candidates, self.session.vault, writer, self.progress, frozenset(self.app.face_files)
            )
        self.reread += [os.fsdecode(path) for path in paths]
        self.reread_parts += len(parts)
        return bool(parts)

    def _candidates(self) -> list[Candidate]:
        """Files of this computer that a snapshot says to hold what is lost; this device's own first."""
        own = self.session.device.device_id
        lost = sorted(self.report.lost, key=lambda one: (one.device_id != own, one.origin))
        return [
            Candidate(path=one.origin, parts=one.parts)
            for one in lost
            if one.origin and not one.is_folder and os.path.isfile(one.origin)
        ]

    # After that.

    @property
    def wants_backup(self) -> bool:
        """Whether a backup may make again what is still lost: listings, thumbnails, photos that moved."""
        is_lost = self._lost or self.report.is_blind
        return bool(is_lost and self.request.everything and self.app.config.sources)

    def back_up(self) -> None:
        """Back up the configured sources; what stops that is told and costs nothing."""
        try:
            self.app.backup_if_changed(BackupRequest(), self.progress)
            self.is_backed_up = True
        except PhotovaultError as error:
            self._note([Finding(what=f"no backup could be made: {error.what}", where="", hint=error.hint)])

    def finish(self) -> RepairReport:
        """Mark what nothing needs any more, and say what was done."""
        if self.request.everything:
            self._tried(self._indexes)  # a pack that no index lists is no finding here, and slow to open elsewhere
        quarantined = self._quarantine() if self.request.everything else []
        if self.request.everything and (self._spoilt_parity() or self.app.config_if_there.vault.parity):
            self._mend_parity()
        after = _without(self.report, frozenset(quarantined))
        left = {one.where for one in after.findings}
        problems = [one for one in self.problems.values() if one.where in left or not fmt.is_name(one.where)]
        if after.lost:
            problems += (
                Finding(what=f"parity does not bring it back: {why}", where=name)
                for name, why in sorted(self._whys.items())
            )
        after = replace(after, healed=tuple(sorted({one.name for one in self.healed})))
        return replace(self._done(), after=after, quarantined=tuple(quarantined), problems=tuple(problems))

    def _done(self) -> RepairReport:
        return RepairReport(
            before=self.before,
            after=self.report,
            healed=tuple(self.healed),
            borrowed=self.borrowed,
            salvaged=self.salvaged,
            reread=tuple(self.reread),
            reread_parts=self.reread_parts,
            indexes=self.indexes,
            parity=self.parity,
            dropped=tuple(self.dropped),
            away=tuple(self.away.values()),
            is_backed_up=self.is_backed_up,
        )

    def _quarantine(self) -> list[str]:
        """Mark damaged packs that hold nothing any more that is not whole elsewhere."""
        places = self.session.vault.places
        new = {pack: parts for pack, parts in self.report.damaged.items() if pack not in places.shunned}
        with self._without_damaged():
            packs = repair.plan_quarantine(
                new, places.parts_of, places.has, self.report.lost_parts, is_blind=self.report.is_blind
            )
        if packs:
            now = utc_text(self.app.world.now())
            record = Retention(
                device_id=self.session.device.device_id,
                device_name=device_name(),
                time=now,
                grace=round(self.app.config_if_there.keep.grace),
                packs=tuple(packs),
            )
            name = self.session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))
            self.session.evidence.first_seen([name], now)
            self._refresh()
        return [fmt.object_name(ObjectKind.PACK, pack) for pack in packs]

    def _mend_parity(self) -> None:
        """Damaged parity is made again of the packs, which are whole by now; also what is missing, where parity is wanted."""
        wanted, lost = self.app.config_if_there.vault.parity, self.report.damaged or self._lost
        with suppress(MissingExtraError):
            made = parity.make_parity(
                self.session.vault,
                self.workers,
                self.progress,
                spoilt=self._spoilt_parity(),
                mend_only=bool(lost) or not wanted,
            )
            self.parity += made.objects
            if made.objects:
                self.look_again()

    # Without doing it.

    def plan(self) -> RepairReport:
        """What would be done, as far as that can be said without doing it."""
        planned = list(self._planned()) if self.report.findings else []
        return replace(self._done(), planned=tuple(planned))

    def _planned(self) -> Iterator[str]:
        vault, bad = self.session.vault, len(self.report.damaged)
        yield from self._planned_copies()
        known = repair.plan_remembered(vault, self._spoilt, documents())
        if known:
            yield f"make {_many(known, 'object')} again from what this computer remembers"
        if bad and any(True for _ in vault.door.listing(_ROOMS[ObjectKind.PARITY])):
            yield f"bring back {_many(self.report.damaged, 'damaged pack')} by parity"
        candidates = self._candidates()
        if candidates:
            yield f"read {_many(candidates, 'photo')} of this computer again, and store what is lost of them"
        if bad:
            yield f"seal {_many(self.report.damaged, 'pack')} again, if all parts can be had; else store what still opens"
        unreadable = [name for name, packs in repair.entries_of(vault) if packs is None]
        if unreadable:
            yield f"make {_many(unreadable, 'index object')} anew"
        if self.wants_backup:
            yield "back up the configured sources, if listings or thumbnails are still missing then"

    def _planned_copies(self) -> Iterator[str]:
        for name, url in [*self.urls, *((one.name, one.url) for one in self.app.others())]:
            with suppress(PhotovaultError), self.app.beside(self.session, url, hasty=True) as other:
                other.refresh()
                plan = repair.plan_repair(
                    self.session.vault, other, self.report.findings, lost=self._lost, removed=self._removed()
                )
                if plan:
                    yield f"put back {_many(plan, 'object')} from {name}, if whole there"


def _many(some: Collection[object], one: str) -> str:
    return f"{len(some):,} {one}{'' if len(some) == 1 else 's'}"


def _constant(data: bytes | bytearray | memoryview) -> Callable[[str], bytes]:
    return lambda _name: bytes(data)


def _without(report: CheckReport, quarantined: Collection[str]) -> CheckReport:
    """A report in which packs that are marked for removal are no damage any more."""
    notes = [
        Finding(what=f"{one.where} is damaged", where=one.where, hint=_KEPT)
        for one in report.findings
        if one.where in quarantined
    ]
    findings = tuple(one for one in report.findings if one.where not in quarantined)
    return replace(report, findings=findings, notes=(*report.notes, *notes))
