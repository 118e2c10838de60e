"""One forget at one storage, from what is due to what is marked.

1. What earlier records named is deleted, if its grace period is over (``delete``).
2. ``policy`` decides about snapshots, ``prune`` about packs; a dry run ends here.
3. What is needed of packs that go is stored anew and durable; then the index of what stays; then the record, which makes
   snapshots count no more and marks what goes.  Nothing is deleted before the grace period is over.
4. The records are read again: if another device forgot snapshots in the same moment, this one takes back what it said, for
   each may have relied on what the other one forgets.

Guarantee: until the record is written, every snapshot is as it was; interrupted anywhere, the next run goes on from what
is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.errors import DamageError, GuardError, OvertakenError
from photovault.forget.delete import Deletion, check_readable, drop_parity
from photovault.forget.lastgood import holds
from photovault.forget.needed import Needed
from photovault.forget.policy import leap, plan_forget, span
from photovault.forget.prune import MAX_WASTE, Uses, plan_prune, uses
from photovault.forget.records import due, due_at, gone, pending, split, to_undo
from photovault.forget.rewrite import reindex, rewrite
from photovault.forget.values import DAY, ForgetPlan, ForgetReport, Hold, Keep, PrunePlan, Removed, moment
from photovault.model import Gone, Retention
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from photovault.model import Finding
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot, Snapshots, Vault
    from photovault.workers import Workers


ORPHANED = 30 * DAY  # a first backup over a slow line takes weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a forget works, and what this device knows there.

    Attributes:
        vault: opened and refreshed.
        now: by this device's clock.
        now_text: the same, as records say it.
        zone: in which days begin.
        device_id, device_name: of this device.
        first_seen: when this device first saw objects (by digest), for new ones now; ISO 8601.
        looks: when this device looked at the storage, ISO 8601.
        is_leftover: whether this device sent a pack in a run that was interrupted, and finished another one since.
        doubt: is told of packs that are found damaged.
        uniform: packs have 16 MiB.
    """

    vault: Vault
    now: datetime
    now_text: str
    zone: tzinfo
    device_id: bytes
    device_name: str
    first_seen: Callable[[Iterable[bytes]], Mapping[bytes, str]]
    looks: Callable[[], Iterable[str]]
    is_leftover: Callable[[Iterable[bytes]], frozenset[bytes]]
    doubt: Callable[[bytes], None]
    uniform: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        keep: the rules.
        grace: seconds between marking and deleting.
        named: snapshots (digests) that are to go; then no rule is asked.
        lost: snapshots that are nowhere, and are not to be looked for any more.
        anyway: what is named goes, whatever speaks against it but a pin.
        clock_is_right: this device's clock is to be believed, though it seems to have leapt ahead.
        max_waste: the share of a pack (0 to 1) above which it is stored anew.
    """

    keep: Keep = field(default_factory=Keep)
    grace: float = 7 * DAY
    named: frozenset[bytes] = frozenset()
    lost: tuple[Gone, ...] = ()
    anyway: bool = False
    clock_is_right: bool = False
    max_waste: float = MAX_WASTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is going to be done, and what was seen for it."""

    snapshots: Snapshots
    plan: ForgetPlan
    prune: PrunePlan
    uses: Uses
    needed: Needed


def run_forget(
    ground: Ground, request: Request, workers: Workers, progress: Progress, *, dry_run: bool = False
) -> ForgetReport:
    """Forget, prune, and delete what is due.

    Raises:
        GuardError: the clock leapt, or what was named holds something that nothing else does; nothing was changed.
        DamageError: it cannot be told what is needed; nothing was removed.
        OvertakenError: another device forgot something in the same moment; nothing was marked.
        StorageError: the storage failed; the next run goes on.
    """
    _check_clock(ground, request)
    if dry_run:
        removed = Removed()
        waiting = pending(ground.vault.retention)
        ground.vault.places.shun(name for one in waiting for name in one.record.packs)  # as it would be after step 1
    else:
        removed = _delete_due(ground, workers, progress)
    outlook = look(ground, request)
    if outlook.plan.refused:
        one = outlook.plan.refused[0]
        raise GuardError(
            f"{one.one.id[:8]} is not forgotten: {'; '.join(one.keep)}",
            "unpin it first" if "pinned" in one.keep else "if you mean it: --anyway; nothing was changed",
        )
    if dry_run:
        return _report(ground, outlook, removed)
    marked, findings = _mark(ground, request, outlook, workers, progress)
    if marked and not request.grace:
        removed += _delete_due(ground, workers, progress)
        marked = []
    removed += drop_parity(ground.vault, workers)
    report = _report(ground, outlook, removed)
    when = max((_text(due_at(record, ground.now_text)) for record in marked), default="")
    return replace(report, due=when, findings=findings)


def _check_clock(ground: Ground, request: Request) -> None:
    """GuardError when the clock leapt ahead and anything hangs on it."""
    records = ground.vault.retention
    hangs = bool(pending(records)) or (request.keep.says_what_goes and not request.named)
    if request.clock_is_right or not hangs:
        return
    snapshots = ground.vault.snapshots()
    names = [one.name for one in (*snapshots.found, *snapshots.forgotten)] + [one.name for one in records]
    leapt = leap((*ground.first_seen(names).values(), *ground.looks()), ground.now)
    if leapt is not None:
        before, after = leapt
        raise GuardError(
            f"this computer's clock says {after:%Y-%m-%d}, and all that it saw before was up to {before:%Y-%m-%d}:"
            f" {span((after - before).total_seconds() // DAY * DAY)} earlier",
            "if the clock is right, go on with --clock-is-right; nothing was changed",
        )


def _delete_due(ground: Ground, workers: Workers, progress: Progress) -> Removed:
    vault = ground.vault
    seen = ground.first_seen(one.name for one in vault.retention)
    removed = Deletion(vault, workers, progress, ground.doubt).run(due(vault.retention, seen, ground.now), ground.now)
    if removed != Removed():
        _look_again(vault)
    return removed


def _look_again(vault: Vault) -> None:
    """Read the records again, and leave it to the next session to tell the catalog: this one may end at any moment."""
    vault.refresh()
    vault.places.heed(())
    vault.places.commit()


def look(ground: Ground, request: Request) -> Outlook:
    """Decide about snapshots and packs; changes nothing."""
    vault = ground.vault
    snapshots = vault.snapshots()
    check_readable(snapshots, request.named | snapshots.removed)
    plan = _decide(ground, request, snapshots)
    needed = Needed(Reader(vault))
    needed.add(plan.staying)
    dying = needed.again()
    dying.add_forgotten((*snapshots.forgotten, *plan.going))
    used = uses(vault.places, needed, dying)
    if used.lost:
        raise DamageError(
            f"{used.lost:,} parts that snapshots need are in no pack, so nothing was removed",
            "find out what is lost with `photovault check`, and mend it with `photovault check --repair`",
        )
    prune = plan_prune(
        used.packs,
        left_alone=_left_alone(ground, request, used.orphans),
        max_waste=request.max_waste,
        uniform=ground.uniform,
    )
    return Outlook(snapshots=snapshots, plan=plan, prune=_with_unreadable(ground, prune), uses=used, needed=needed)


def _decide(ground: Ground, request: Request, snapshots: Snapshots) -> ForgetPlan:
    found = snapshots.found
    first_seen = ground.first_seen(one.name for one in found)
    if not (request.named or request.keep.says_what_goes):
        return plan_forget(found, Keep(), now=ground.now, first_seen={})
    return plan_forget(
        found,
        request.keep,
        now=ground.now,
        first_seen=first_seen,
        pinned=frozenset(name for one in ground.vault.retention for name in one.record.pins),
        named=request.named,
        holds=_holds(ground, request, found),
        anyway=request.anyway,
        zone=ground.zone,
    )


def _holds(ground: Ground, request: Request, found: Sequence[NamedSnapshot]) -> dict[bytes, Hold]:
    """What snapshots hold; of those that are named and cannot be read, nothing is asked."""
    try:
        return holds(Reader(ground.vault), found)
    except DamageError:
        if not request.named:
            raise
    return holds(Reader(ground.vault), [one for one in found if one.name not in request.named])


def _left_alone(ground: Ground, request: Request, orphans: Iterable[bytes]) -> frozenset[bytes]:
    """Packs that no snapshot ever needed here, and that a run may be about to need: another device's, or the next of this one."""
    names = frozenset(orphans)
    if not names or not request.grace:
        return frozenset()
    names -= ground.is_leftover(names)
    seen = ground.first_seen(names)
    return frozenset(name for name in names if (ground.now - moment(seen[name])).total_seconds() < ORPHANED)


def _with_unreadable(ground: Ground, prune: PrunePlan) -> PrunePlan:
    """Nothing is missing: so packs that cannot even be opened hold nothing that is needed."""
    vault = ground.vault
    if vault.places.doubts:
        return prune  # one of them may have, in what parity brings back of it, what is damaged elsewhere
    known = vault.places.packs()
    present = vault.stored(ObjectKind.PACK)
    broken = {name: size for name, size in present.items() if name not in known and name not in vault.places.shunned}
    return replace(prune, removed=(*prune.removed, *sorted(broken)), freed=prune.freed + sum(broken.values()))


def _mark(
    ground: Ground, request: Request, outlook: Outlook, workers: Workers, progress: Progress
) -> tuple[list[Retention], tuple[Finding, ...]]:
    """Store anew what must be, and write the record; returns what was marked, and what was found damaged."""
    vault = ground.vault
    done = rewrite(vault, outlook.prune, outlook.uses, outlook.needed, workers, progress, uniform=ground.uniform)
    packs = frozenset((*outlook.prune.removed, *done.packs))
    indexes = reindex(vault, packs, frozenset(outlook.uses.orphans) - packs)
    snapshots = _going(ground, request, outlook)
    if not (packs or indexes or snapshots):
        return [], done.findings
    record = Retention(
        device_id=ground.device_id,
        device_name=ground.device_name,
        time=ground.now_text,
        grace=round(request.grace),
        snapshots=snapshots,
        packs=tuple(sorted(packs)),
        indexes=tuple(sorted(indexes)),
    )
    known = {one.name for one in vault.retention}
    records = list(split(record))
    vault.places.heed(())
    vault.places.commit()
    written = {vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(one)) for one in records}
    ground.first_seen(written)
    _look_again(vault)
    if snapshots and any(one.record.snapshots for one in vault.retention if one.name not in known | written):
        for name in sorted(written):
            vault.door.delete(fmt.object_name(ObjectKind.RETENTION, name))
        raise OvertakenError("another device forgot snapshots in the same moment", "run the same command again")
    return records, done.findings


def _going(ground: Ground, request: Request, outlook: Outlook) -> tuple[Gone, ...]:
    """Snapshots that are forgotten from now on, and forgotten ones that came back, or that no record removes."""
    vault = ground.vault
    named = {gone.name for one in pending(vault.retention) for gone in one.record.snapshots}
    back = [one for one in outlook.snapshots.forgotten if one.name not in named]
    found = {one.name: one for one in map(gone, (*outlook.plan.going, *back))}
    readable = {one.name for one in outlook.snapshots.found}
    nobody = {name: Gone(name=name, device_id=bytes(16), number=1) for name in request.named - readable}
    return tuple(sorted((nobody | found | {one.name: one for one in request.lost}).values(), key=lambda one: one.name))


def _report(ground: Ground, outlook: Outlook, removed: Removed) -> ForgetReport:
    waiting = pending(ground.vault.retention)
    seen = ground.first_seen(one.name for one in waiting)
    packs = ground.vault.places.packs()
    return ForgetReport(
        plan=outlook.plan,
        prune=outlook.prune,
        removed=removed,
        waiting=sum(packs.get(name, 0) for one in waiting for name in one.record.packs),
        waiting_until=max((_text(due_at(one.record, seen[one.name])) for one in waiting), default=""),
    )


def _text(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def run_pin(ground: Ground, one: NamedSnapshot) -> None:
    """Write a record that pins a snapshot."""
    record = Retention(
        device_id=ground.device_id, device_name=ground.device_name, time=ground.now_text, grace=0, pins=(one.name,)
    )
    ground.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))


def run_unpin(ground: Ground, one: NamedSnapshot) -> int:
    """Remove every record that pins a snapshot; returns how many there were."""
    pins = [named for named in ground.vault.retention if one.name in named.record.pins]
    for named in pins:
        ground.vault.door.delete(fmt.object_name(ObjectKind.RETENTION, named.name))
    return len(pins)


def run_undo(ground: Ground) -> tuple[int, int]:
    """Take back the last forget; returns how many snapshots count again, and how many packs stay.

    Raises:
        RefusedError: the storage does not remove the record.
        GuardError: there is nothing to take back any more.
    """
    vault = ground.vault
    records = to_undo(vault.retention, ground.now)
    if not records:
        raise GuardError(
            "there is nothing to take back: nothing is forgotten, or its grace is over", "see `photovault snapshots`"
        )
    for one in records:
        vault.door.delete(fmt.object_name(ObjectKind.RETENTION, one.name))
    _look_again(vault)
    return sum(len(one.record.snapshots) for one in records), sum(len(one.record.packs) for one in records)
