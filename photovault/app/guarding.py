"""Guards' wiring: what a plan saw, room on disks and the clock, looked at before anything is stored.

Room is needed in the folder of the vault, where it is one, for about the bytes that are new (``Tally.fresh_bytes``) with
what padding, thumbnails and listings add; and a little beside them for what this device remembers.  Places on one file
system are added up.  A file system that does not say how much is free is not asked for more.

The clock has jumped back when the last snapshot of this device is dated more than an hour after now: retention and "overdue"
go by times.  One that is a year ahead of it is only warned of, because nobody may have backed up for a year.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from photovault.app.session import device_name, parse_time
from photovault.app.settings import local_folder
from photovault.backup.earlier import earlier_in
from photovault.backup.guards import Guard, Limits, Refusal, refused
from photovault.backup.plan import Terms
from photovault.errors import GuardError, PhotovaultError
from photovault.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.session import Opener, Session
    from photovault.app.sources import BackupRequest
    from photovault.backup import BackupPlan
    from photovault.catalog import Catalog
    from photovault.config import Config
    from photovault.model import Snapshot

_MIB = 1 << 20
_PACK = 16 * _MIB
_BACK = timedelta(hours=1)
_AHEAD = timedelta(days=366)
_PER_FILE = 40 * 1024  # its thumbnail and its lines in listings and index
_REMEMBERED = 2 * 1024  # of a file, by this device


def terms(config: Config, session: Session, request: BackupRequest) -> Terms:
    """How the sources of a backup are looked at."""
    return Terms(
        owed=request.all_thumbnails,
        again=request.reread,
        limits=limits(config, request.allowed),
        earlier=earlier_in(session.vault, session.device.device_id, device_name()),
    )


def limits(config: Config, allowed: frozenset[Guard] = frozenset()) -> Limits:
    """What is too much, as the configuration has it."""
    guards = config.guards
    return Limits(
        changed=guards.changed, lost=guards.lost, broken=guards.broken, least=guards.least, allowed=allowed
    )  # fmt: skip


def suspect(catalog: Catalog, plan: BackupPlan | None) -> int:
    """How many files of the planned sources are suspect."""
    return sum(sum(catalog.suspects(one.spec.path).values()) for one in plan.sources) if plan is not None else 0


def notes(plan: BackupPlan | None, suspect: int) -> Iterator[Finding]:
    """What ``status`` tells of guards: what stops the next backup, and how many files are suspect."""
    for refusal in plan.refusals if plan is not None else ():
        yield Finding(what=f"the next backup will stop: {refusal.what}", hint="run `photovault backup -n`")
    if suspect:
        files = f"{suspect:,} file{'' if suspect == 1 else 's'}"
        yield Finding(what=f"suspect of bit rot: {files}", hint="run `photovault ls --broken`")


def guard(app: Opener, plan: BackupPlan) -> None:
    """Go on only if a plan is what a user would expect.

    Raises:
        GuardError: no source is there, too many files changed or went, or there is no room.
    """
    see_sources(plan)
    look_twice(app, plan)


def see_sources(plan: BackupPlan) -> None:
    """Go on only if something is there.  Raises GuardError."""
    if all(source.offline for source in plan.sources):
        first = plan.sources[0]
        hint = "connect or mount it, then back up again; nothing was changed"
        for_good = "; if what was in it is gone for good: photovault backup --allow missing"
        raise GuardError(
            f"nothing to back up is there: {first.spec.path} {first.offline}",
            hint + (for_good if os.path.isdir(first.spec.path) else ""),
        )


def look_twice(app: Opener, plan: BackupPlan) -> None:
    """Go on only if not too much changed or went, and there is room.  Raises GuardError."""
    refusals = [*plan.refusals, *(_no_room(app, plan) if Guard.SPACE not in plan.terms.limits.allowed else ())]
    if refusals:
        raise refused(refusals, plan.terms.limits.allowed)


def hurry(app: App) -> None:
    """Have the daemon, if one runs, try again at once what a guard stopped."""
    from photovault.app.watching import ask  # noqa: PLC0415 - the daemon's code, of which a backup needs nothing else

    with suppress(PhotovaultError):
        ask(app, "backup-now")


def check_clock(now: datetime, own: Snapshot | None, request: BackupRequest) -> str:
    """A warning, or nothing.

    Raises:
        GuardError: the clock jumped back.
    """
    if own is None or request.time is not None or Guard.CLOCK in request.allowed:
        return ""
    last = parse_time(own.time)
    if last - now > _BACK:
        what = f"this computer's clock says {now:%Y-%m-%d %H:%M} UTC, but its last snapshot is of {last:%Y-%m-%d %H:%M} UTC"
        raise refused([Refusal(guard=Guard.CLOCK, what=what)])
    if now - last > _AHEAD:
        return (
            f"the last snapshot of this computer is of {last:%Y-%m-%d}; if it is not {now:%Y-%m-%d} now, set the clock"
        )
    return ""


def free_bytes(path: Path) -> int | None:
    """What may still be written where ``path`` is, or will be; None when that is not known."""
    try:
        found = shutil.disk_usage(_that_exists(path))
    except OSError:
        return None
    return found.free if found.total else None


def _that_exists(path: Path) -> Path:
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _no_room(app: Opener, plan: BackupPlan) -> Iterator[Refusal]:
    """File systems on which there is too little room."""
    needed: dict[int, tuple[int, Path]] = {}
    for path, size in _wanted(app, plan):
        try:
            device = _that_exists(path).stat().st_dev
        except OSError:
            continue
        before, first = needed.get(device, (0, path))
        needed[device] = before + size, first
    for size, path in needed.values():
        free = free_bytes(path)
        if free is not None and free < size:
            what = f"about {_amount(size)} are to be written to {path}, and {_amount(free)} are free there"
            yield Refusal(guard=Guard.SPACE, what=what)


def _wanted(app: Opener, plan: BackupPlan) -> Iterator[tuple[Path, int]]:
    """Where how many bytes are about to be written."""
    files, size = plan.totals.new + plan.totals.changed, plan.fresh_bytes
    vault = local_folder(app.vault_url)
    if vault is not None and size:
        yield vault, _packed(size, uniform=app.config.vault.padding == "uniform") + files * _PER_FILE + _MIB
    if files:
        yield app.state_dir, files * _REMEMBERED + _MIB
        yield app.cache_dir, files * _REMEMBERED + _MIB


def _packed(size: int, *, uniform: bool) -> int:
    """About what so many bytes take, sealed and padded: whole packs, and a last one of the next power of two."""
    full, rest = divmod(size, _PACK)
    return full * _PACK + (_PACK if uniform else 1 << rest.bit_length())


def _amount(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"  # noqa: PLR2004 - a gigabyte
