"""Forgetting's wiring: the vault, what this device knows of it, its clock, and which snapshots a text names."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

from photovault.app.destinations import known_at
from photovault.app.protecting import protect
from photovault.app.session import LEDGER_NAME, device_name, utc_text
from photovault.app.settings import local_folder
from photovault.app.snapshots import resolve
from photovault.config.units import HOUR
from photovault.errors import GuardError, UsageError
from photovault.forget import Ground, Keep, Request, run_forget, run_pin, run_undo, run_unpin
from photovault.gate.door import Outbound
from photovault.gate.ledger import Event, Line, read_ledger
from photovault.model import Gone
from photovault.storage.folder import sweep_unfinished
from photovault.vault import format as fmt
from photovault.vault.chains import gaps, missing
from photovault.vault.format import ObjectKind
from photovault.vault.vault import Snapshots
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.config.schema import KeepSection
    from photovault.forget import ForgetReport
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

_LEAST_PREFIX = 4
_WORKERS = 3  # each holds a pack


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """What a user asks for.

    Attributes:
        names: snapshots to forget by name; without any, the rules say which.
        keep: rules instead of those of the configuration; None for those.
        tags: snapshots with one of these are kept, too.
        min_age, grace: seconds; None as configured.
    """

    names: tuple[str, ...] = ()
    keep: Keep | None = None
    tags: tuple[str, ...] = ()
    min_age: float | None = None
    grace: float | None = None
    anyway: bool = False
    clock_is_right: bool = False
    dry_run: bool = False


def forget(app: App, request: ForgetRequest, progress: Progress) -> ForgetReport:
    """Forget, prune, and delete what is due.

    Raises:
        UsageError: a name fits no snapshot, or several.
        GuardError: see ``run_forget``.
        BusyError, DamageError, StorageError, and what opening a vault raises.
    """
    if request.grace is not None and 0 < request.grace < HOUR:
        raise UsageError(
            f"a grace of {request.grace:g} seconds is too short", "at least an hour, such as 1h; or 0s: none at all"
        )
    with _ground(app, lock=not request.dry_run) as (session, ground), Workers(_WORKERS) as workers:
        folder = local_folder(app.vault_url)
        swept = sweep_unfinished(folder) if folder is not None and not request.dry_run else 0
        snapshots = session.vault.snapshots()
        named, lost = _named(session, snapshots, request.names)
        _check_shown(session, snapshots, {one.name for one in lost})
        wanted = Request(
            keep=_keep(app.config_if_there.keep, request),
            grace=app.config_if_there.keep.grace if request.grace is None else request.grace,
            named=named,
            lost=lost,
            anyway=request.anyway,
            clock_is_right=request.clock_is_right,
        )
        report = run_forget(ground, wanted, workers, progress, dry_run=request.dry_run)
        if not request.dry_run:
            _tidy(session)
            _protect(app, session, progress)
        return replace(report, swept=swept)


def pin(app: App, name: str) -> NamedSnapshot:
    """Keep a snapshot, whatever rules say, until it is unpinned; one that is forgotten and still there counts again."""
    with _ground(app, lock=True) as (session, ground):
        snapshots = session.vault.snapshots()
        one = _one_of(_known(snapshots), name)
        if not any(one.name in named.record.pins for named in session.vault.retention):
            run_pin(ground, one)
        return one


def unpin(app: App, name: str) -> tuple[NamedSnapshot, bool]:
    """Take a pin back; returns the snapshot, and whether there was one."""
    with _ground(app, lock=True) as (session, ground):
        one = _one_of(_known(session.vault.snapshots()), name)
        return one, run_unpin(ground, one) > 0


def undo(app: App) -> tuple[int, int]:
    """Take back the last forget; returns how many snapshots count again, and how many packs stay."""
    with _ground(app, lock=True) as (_, ground):
        return run_undo(ground)


@contextmanager
def _ground(app: App, *, lock: bool) -> Iterator[tuple[Session, Ground]]:
    with app.session(lock=lock) as session:
        now = app.world.now()
        text = utc_text(now)
        yield (
            session,
            Ground(
                vault=session.vault,
                now=now.astimezone(UTC),
                now_text=text,
                zone=now.astimezone().tzinfo or UTC,
                device_id=session.device.device_id,
                device_name=device_name(),
                first_seen=lambda names: session.evidence.first_seen(names, text),
                looks=session.evidence.looks,
                is_leftover=lambda names: _leftovers(session, names),
                doubt=lambda pack: app.note_damage(session, {pack: ()}, "its bytes are not those it was stored with"),
                uniform=app.config_if_there.vault.padding == "uniform",
            ),
        )


def _keep(section: KeepSection, request: ForgetRequest) -> Keep:
    """The rules: those of the call, if it has any, else those of the configuration."""
    configured = Keep(
        last=section.last,
        hourly=section.hourly,
        daily=section.daily,
        weekly=section.weekly,
        monthly=section.monthly,
        yearly=section.yearly,
        within=section.within,
        tags=section.tags,
        min_age=section.min_age,
    )
    keep = request.keep or configured
    keep = replace(keep, tags=tuple(dict.fromkeys((*keep.tags, *request.tags, *section.tags))))
    return replace(keep, min_age=section.min_age if request.min_age is None else request.min_age)


def _leftovers(session: Session, names: Iterable[bytes]) -> frozenset[bytes]:
    """Packs that this device sent here before its newest snapshot here: that run did not need them, so no later one will."""
    left = {fmt.object_name(ObjectKind.PACK, name): name for name in names}
    sent: set[str] = set()
    found: set[str] = set()
    for line in read_ledger(session.folder / LEDGER_NAME):
        if (
            not isinstance(line, Line)
            or line.destination != session.vault.door.address
            or line.event is not Event.SENDING
        ):
            continue
        if line.kind == Outbound.SNAPSHOT:
            found |= sent
        elif line.name in left:
            sent.add(line.name)
    return frozenset(left[name] for name in found)


def _tidy(session: Session) -> None:
    """What is gone needs no first sight and no doubt any more."""
    packs = session.vault.places.packs()
    session.evidence.undoubt(pack for pack in session.evidence.doubts() if pack not in packs)


def _protect(app: App, session: Session, progress: Progress) -> None:
    """Give parity to new packs, if it is wanted."""
    if app.config_if_there.vault.parity:
        protect(app, session, progress)


def _known(snapshots: Snapshots) -> list[NamedSnapshot]:
    return sorted((*snapshots.found, *snapshots.forgotten), key=lambda one: one.snapshot.time)


def _one_of(found: Sequence[NamedSnapshot], name: str) -> NamedSnapshot:
    return resolve(Snapshots(found=tuple(found)), name)


def _named(session: Session, snapshots: Snapshots, names: Iterable[str]) -> tuple[frozenset[bytes], tuple[Gone, ...]]:
    """The snapshots that texts name: stored ones, damaged ones among them; and those that are nowhere."""
    named: set[bytes] = set()
    lost: list[Gone] = []
    damaged = {fmt.digest_of(one.where): one for one in snapshots.damaged}
    nowhere = _nowhere(session, snapshots)
    for text in names:
        fitting = [name for name in damaged if _fits(name, text)]
        gone = [one for name, one in nowhere.items() if _fits(name, text)]
        stored = [one for one in snapshots.found if _fits(one.name, text)]
        if any(_fits(one.name, text) for one in snapshots.forgotten):
            raise UsageError(f"{text} is forgotten already", "`photovault forget --undo` takes the last forget back")
        if len(fitting) == 1 and not stored and not gone:
            named.add(fitting[0])
        elif len(gone) == 1 and not stored and not fitting:
            lost.append(gone[0])
        else:
            named.add(resolve(snapshots, text).name)
    return frozenset(named), tuple(lost)


def _check_shown(session: Session, snapshots: Snapshots, lost: Collection[bytes]) -> None:
    """GuardError when a snapshot is missing that should be there: what it needs would look like waste."""
    every = (*snapshots.found, *snapshots.forgotten)
    excused = snapshots.removed | {fmt.digest_of(one.where) for one in snapshots.damaged} | {*lost}
    heads = session.device.heads.get(session.here, {})
    absent = {*missing(every, heads, known_at(session), excused)}
    absent |= {fmt.digest_of(one.where) for one in gaps(every, session.here, excused)[0]}
    if absent:
        which = " ".join(sorted(name.hex()[:8] for name in absent))
        raise GuardError(
            f"{len(absent):,} snapshots are missing that were there, and nobody forgot them: nothing was removed",
            "`photovault check --repair` or `photovault copy` may bring them back; what is gone for good is not missed any"
            f" more after `photovault forget {which}`",
        )


def _fits(name: bytes, text: str) -> bool:
    return len(text) >= _LEAST_PREFIX and name.hex().startswith(text.lower())


def _nowhere(session: Session, snapshots: Snapshots) -> dict[bytes, Gone]:
    """Snapshots that others name, or that this device saw here, and that are not here."""
    found: dict[bytes, Gone] = {}
    for one in _known(snapshots):
        device, number = one.snapshot.device_id, one.snapshot.number
        if one.snapshot.previous is not None:
            found[one.snapshot.previous] = Gone(name=one.snapshot.previous, device_id=device, number=max(number - 1, 1))
        for head in one.snapshot.heads:
            found[head.snapshot] = Gone(name=head.snapshot, device_id=head.device_id, number=head.number)
    for name, (device, number, _) in session.evidence.shown().items():
        found[name] = Gone(name=name, device_id=device, number=max(number, 1))
    for device_hex, (number, digest) in session.device.heads.get(session.here, {}).items():
        seen = bytes.fromhex(digest)
        found[seen] = Gone(name=seen, device_id=bytes.fromhex(device_hex), number=max(number, 1))
    stored = session.vault.stored(ObjectKind.SNAPSHOT).keys()
    return {name: one for name, one in found.items() if name not in stored | snapshots.removed}
