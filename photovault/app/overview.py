"""The vault, the daemon and the drills, looked at together: what ``status`` and the gallery's health page tell.

A vault that cannot be asked leaves what this device and its daemon remember.  Nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from photovault.app.proven import places
from photovault.config import MAIN
from photovault.errors import NoVaultError, PhotovaultError, StorageError
from photovault.watch.standing import BAD, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from photovault.app.destinations import Remembered, Shown
    from photovault.app.proven import Place
    from photovault.app.runs import App
    from photovault.app.standing import Status
    from photovault.app.watching import WatchState

DOING: Final = {
    "backup": "backing up to {}",
    "thumbnails": "making thumbnails for {}",
    "drill": "proving photos at {}",
    "faces": "looking for faces",
}
"""What a daemon's run does, by its kind, at a destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that is known.

    Attributes:
        found: what the vault shows; None when it cannot be asked.
        error: why not.
        remembered: what this device knows of each destination then.
        watch: the daemon; None when there never was one.
        proven: of each destination.
        files: how many files the newest snapshot of this device holds at each destination, as far as that is known.
    """

    found: Status | None
    error: PhotovaultError | None = None
    remembered: tuple[Remembered, ...] = ()
    watch: WatchState | None = None
    proven: tuple[Place, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def safe(self) -> bool:
        """Whether the last backup is recent, and nothing is wrong anywhere."""
        found = self.found
        if found is None:
            return False
        rolled_back = found.signs or any(one.rolled_back for one in found.destinations)
        safe = not found.overdue and found.standing not in BAD and not found.snapshots.damaged and not rolled_back
        return safe and not self.bad and not any(one.wrong for one in self.proven)

    @property
    def word(self) -> str:
        """How the destination of this call stands: protected, overdue, failing, damaged, in doubt, not protected ..."""
        found = self.found
        if found is None:
            return "not reached"
        if found.own is None or found.age_seconds is None:
            return "not protected"
        if found.signs and found.standing is not Standing.DAMAGED:
            return "in doubt"
        word = Standing.OVERDUE if found.overdue else found.standing
        return str(word if word in BAD else Standing.PROTECTED)

    @property
    def pending(self) -> int | None:
        """How many files wait for the next backup; None where nobody looked."""
        plan = self.found.plan if self.found is not None else None
        return plan.totals.new + plan.totals.changed if plan is not None else None

    @property
    def bad(self) -> list[str]:
        """Destinations that fail, lack what cannot be read, or are overdue, as the daemon says."""
        return [name for name, how in self.watch.standings.items() if how in BAD] if self.watch is not None else []


def overview(app: App) -> Overview:
    """Look at everything.

    Raises:
        StorageError, NoVaultError: the vault cannot be asked, and nothing is known of it here.
    """
    from photovault.app.watching import watch_state  # noqa: PLC0415 - the daemon's code, not needed for words

    watch, proven = watch_state(app), tuple(places(app))
    wrong = next((one.wrong for one in proven if one.name == app.name), 0)
    try:
        found = app.status({**(watch.known(app.name) if watch is not None else {}), "damaged": wrong})
    except (StorageError, NoVaultError) as error:
        known = app.remembered()
        if watch is None and not known:
            raise
        return Overview(found=None, error=error, remembered=tuple(known), watch=watch, proven=proven)
    watch = watch.corrected(app.name, found.standing) if watch is not None else None
    return Overview(found=found, watch=watch, proven=proven, files=_files(app, found))


def _files(app: App, found: Status) -> dict[str, int]:
    if found.own is None:
        return {}
    device = found.own.snapshot.device_id
    there = {one.name: one.newest.snapshot for one in found.destinations if one.newest is not None}
    files = {name: one.counts.files for name, one in there.items() if one.device_id == device}
    return {**files, app.name: found.own.snapshot.counts.files}


# In words -------------------------------------------------------------------------------------------------------------


def said_of(one: Shown) -> str:
    """What a destination shows."""
    if one.problem:
        return f"nothing is known: {one.problem}"
    newest = (
        f"newest snapshot {one.newest.id[:8]} of {one.newest.snapshot.time[:16]} UTC" if one.newest else "no snapshot"
    )
    if not one.behind:
        return f"{newest}, up to date"
    source = "" if one.source == MAIN else f"--from {one.source} "
    behind = f"{one.behind:,} snapshot{'' if one.behind == 1 else 's'} behind"
    return f"{newest}, {behind}; run `photovault copy {source}--to {one.name}`"


def memory(one: Remembered) -> str:
    """What this device remembers of a destination that was not asked."""
    if not one.snapshot:
        return "no snapshot of this device was ever seen there"
    sent = f", stored {one.sent[:16]} UTC" if one.sent else ""
    which = "it has" if one.has_newest else "it lacks newer ones than"
    return f"{which} snapshot {one.snapshot[:8]} of this device{sent}"


def why(one: Mapping[str, Any]) -> str:
    """Why a destination stands as the daemon says, from its row there; empty when all is well."""
    lost = f"could not be read, or is suspect: {one['problems']}" if one.get("problems") else ""
    hurt = f"a drill found photos not as they were: {one['damaged']}" if one.get("damaged") else ""
    waits = f"waits: {one['waits']}" if one.get("waits") else ""
    return "; ".join(filter(None, (one.get("error"), hurt, lost, waits)))
