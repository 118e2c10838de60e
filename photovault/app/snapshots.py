"""Snapshots: which there are, which one is meant, which is the newest or the next of a device."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.config import Config
from photovault.device import NOTHING
from photovault.errors import PhotovaultError, UsageError
from photovault.vault.chains import fingerprint, silent

if TYPE_CHECKING:
    from photovault.app.destinations import Around
    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.model import Finding
    from photovault.vault.vault import NamedSnapshot, Snapshots

_LEAST_PREFIX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The snapshots of a vault.

    Attributes:
        fingerprint: of what is shown, see ``chains.fingerprint``.
        around: the newest state over all destinations, on a device that has made no snapshot; else None.
        signs: of a storage that does not show everything.
        notes: what is worth a look, and may have harmless reasons.
    """

    snapshots: Snapshots
    fingerprint: str
    around: Around | None
    signs: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def list_snapshots(app: App) -> Listed:
    """The snapshots, see ``App.list_snapshots``."""
    with app.session() as session:
        snapshots = session.vault.snapshots()
        device_id = session.device.device_id
        around, overdue = None, Config().status.overdue
        with suppress(PhotovaultError):  # nobody needs a configuration to see what there is
            overdue = app.config_if_there.status.overdue
            is_known = session.device.newest(device_id) != NOTHING
            around = None if is_known else app.look_around(session, snapshots)
        quiet = silent(snapshots.found, app.world.now(), overdue, device_id)
        return Listed(
            snapshots=snapshots,
            fingerprint=fingerprint(snapshots.found),
            around=around,
            signs=tuple(app.signs),
            notes=tuple(quiet),
        )


def next_link(session: Session) -> tuple[int, bytes | None]:
    """Number of the next snapshot of this device, and the name of the one before, wherever that is."""
    number, name = session.device.newest(session.device.device_id)
    return max(number, session.device.used) + 1, bytes.fromhex(name) or None


def remember(session: Session, one: NamedSnapshot) -> None:
    """A device that made a snapshot notices when the storage shows less."""
    session.device.saw(session.here, one.snapshot.device_id, one.snapshot.number, one.name)
    session.device.leaving.pop(session.here, None)
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
