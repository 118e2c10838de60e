"""Copies: one destination is brought up to date from another, without a key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from photovault.app.session import LEDGER_NAME
from photovault.copy import brings_ways, leave_forgotten, leave_out, plan_copy, run_copy
from photovault.device import load_device, run_lock
from photovault.errors import GuardError
from photovault.gate.door import Door, Outbound, no_key
from photovault.gate.ledger import removed_at, removed_names, were_sent
from photovault.vault.vault import read_header
from photovault.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.copy import CopyReport
    from photovault.progress import Progress
    from photovault.storage.base import Storage

_THREADS = 6  # each holds an object of up to 16 MiB


def copy(app: App, source: str, to: str, progress: Progress) -> CopyReport:
    """Bring one destination up to date from another, see ``App.copy``."""
    target, url = app.storage_at(app.url_of(to)), app.distinct(source, app.url_of(to))
    origin = app.storage_at(url)
    vault_id = read_header(origin).vault_id
    folder = app.state_dir / "vaults" / vault_id.hex()
    app.look_keyless(folder, origin)
    with run_lock(folder, wait=app.settings.wait), Workers(_THREADS) as workers:
        plan = plan_copy(origin, target, vault_id)
        if plan.fresh:
            _see_its_disk(target, folder / LEDGER_NAME)
        if brings_ways(plan):
            plan = leave_out(plan, removed_names(folder / LEDGER_NAME, Outbound.SLOT))
        if not plan.fresh:
            plan = leave_forgotten(plan, removed_at(folder / LEDGER_NAME, target.address))
        door = Door(target, no_key, app.ledger(folder, load_device(folder, app.world.random)))
        return run_copy(plan, origin, door, workers, progress)


def _see_its_disk(target: Storage, ledger: Path) -> None:
    """A first copy makes its folder, but not where a disk should be mounted, and not again where a copy was before.

    Else the second copy would come to lie on the first one's disk, and nobody would be told.
    """
    if not os.path.isabs(target.address) or os.path.isdir(target.address):
        return
    hint = f"connect its disk; if a new copy shall begin there, make the folder {target.address} first"
    if not os.path.isdir(os.path.dirname(target.address)):
        raise GuardError(f"{os.path.dirname(target.address)} is not there", hint)
    if were_sent(ledger, Outbound.HEADER, target.address):
        raise GuardError(f"{target.address} held the vault before and is not there now", hint)
