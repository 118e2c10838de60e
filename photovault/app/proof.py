"""The audit of a vault, and the two-run proof.

The proof runs a backup several times, each time in a twin of this device: a copy of its state and cache, the same frozen clock,
the same randomness, the same keys, and an overlay that shows the vault as it was at the beginning and sends nothing.
In the first run everything is off that must not matter (``switches``), in each further one one thing is on.  All make every
thumbnail, since how many a backup has time for is no secret and differs from run to run.  Then what each would have sent
is held beside what the first would have.  With parity, which is made of what was just stored, the sealed objects of one run at a
time are kept in the cache folder meanwhile.  The vault, the state and the cache of this device stay as they are.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from photovault.app.runs import App
from photovault.app.session import LEDGER_NAME, documents
from photovault.audit import Canaries, Seen, TwoRunReport, compare, run_audit, witness
from photovault.audit.run import Subject
from photovault.errors import GateError, PhotovaultError, RefusedError, UsageError
from photovault.gate.ledger import read_ledger
from photovault.model import Finding
from photovault.storage.folder import FolderStorage
from photovault.storage.overlay import OverlayStorage
from photovault.vault.format import PREFIX_OF, ObjectKind
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from photovault.app.session import Session
    from photovault.app.sources import BackupRequest
    from photovault.app.switches import Switch
    from photovault.audit import AuditReport
    from photovault.crypto.keys import Keyring
    from photovault.progress import Progress
    from photovault.storage.base import Stored
    from photovault.vault.format import Slot

_THREADS = 4
_SEED_SIZE = 32
_CANARY_MAX = (1 << 20) + 1


def audit(app: App, canaries: Sequence[str], progress: Progress) -> AuditReport:
    """Audit the vault; ``canaries`` are paths of files whose bytes must be nowhere in it, as the planted vectors must.

    Raises:
        UsageError: a canary cannot be read, or is too short or too long.
        StorageError, and what opening a vault raises.
    """
    sought = Canaries([(path, _read_canary(path)) for path in canaries], planted(app))
    with app.session(refresh=False) as session, Workers(_THREADS) as workers:
        snapshots = tuple(session.vault.door.listing(PREFIX_OF[ObjectKind.SNAPSHOT]))
        session.findings = app.bring_up_to_date(session)
        session.vault.snapshots()  # which tells of an older state
        subject = Subject(
            vault=session.vault,
            snapshots=snapshots,
            reader=Reader(session.vault),
            ledger=read_ledger(session.folder / LEDGER_NAME),
            device_id=session.device.device_id,
            documents=documents(),
            canaries=sought,
        )
        return run_audit(subject, workers, progress)


def two_run(
    app: App, request: BackupRequest, switches: Sequence[Switch], progress: Progress, *, as_first: bool = False
) -> list[TwoRunReport]:
    """Run a backup without sending anything, and once more with each switch on; one answer for each.

    ``as_first``: as if the vault held no backup yet.

    Raises:
        GuardError: nothing to back up is there.
        UsageError, BusyError, StorageError, and what opening a vault raises.
    """
    with app.session(lock=True) as session, _scratch(session, app.cache_dir / "two-run") as folder:
        origin = Origin.of(app, session, as_first=as_first)
        origin.copy(folder / "state of both")
        off = [switch.off for switch in switches]
        one = _run(origin, folder, off, request, progress)
        size = sum(seen.size for seen in one.values())
        found = []
        for switch in switches:
            try:
                other = _run(origin, folder, [*off, switch.on], request, progress)
                alarms = compare(one, other, switch.name)
            except GateError as error:
                hint = "nothing left; report it"
                alarms = [Finding(where="the gate", what=f"with {switch.name} {error.what}", hint=hint)]
            found.append(TwoRunReport(switch=switch.name, alarms=tuple(alarms), objects=len(one), size=size))
    return found


def planted(app: App) -> list[bytes]:
    """The vectors that are planted in the store of face data, if there is one; a warning if they cannot be had."""
    from photovault.app.people_process import canaries
    from photovault.people.store.store import Store

    if not Store.exists(app.people_folder):
        return []
    try:
        return canaries(app)
    except PhotovaultError as error:
        app.warnings.append(f"the planted face data were not searched for: {error.what}")
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What both runs begin with."""

    app: App
    session: Session
    present: tuple[Stored, ...]
    as_first: bool
    now: datetime
    seed: bytes

    @classmethod
    def of(cls, app: App, session: Session, *, as_first: bool) -> Origin:
        """The device and its vault as they are now."""
        hidden = tuple(PREFIX_OF.values()) if as_first else ()
        present = tuple(one for one in session.vault.door.listing("") if not one.name.startswith(hidden))
        now, seed = app.world.now(), app.world.random(_SEED_SIZE)
        return cls(app=app, session=session, present=present, as_first=as_first, now=now, seed=seed)

    def copy(self, folder: Path) -> None:
        """Copy state and cache of the vault; the owner of the session keeps other runs out."""
        if self.as_first:
            return  # a device that was never here
        vault = self.session.vault.keyring.vault_id.hex()
        for name, source in (("state", self.app.state_dir), ("cache", self.app.cache_dir)):
            _copy(source / "vaults" / vault, folder / name / "vaults" / vault)

    def random(self) -> Callable[[int], bytes]:
        """Randomness that is the same for each run."""
        state = hashlib.shake_256(self.seed)

        def random(size: int) -> bytes:
            state.update(b".")
            return state.digest(size)

        return random


class Twin(App):
    """This device once more: the same keys and settings, its own copy of the state, and a storage that sends nothing."""

    in_no_hurry = True
    names_too = False  # which somebody agreed to, and which are seen: what is proved is that nothing else is

    def __init__(self, origin: Origin, folder: Path, storage: OverlayStorage[Seen]) -> None:
        """Live in ``folder``."""
        world = replace(origin.app.world, now=lambda: origin.now, random=origin.random(), ask_password=None)
        super().__init__(origin.app.settings, world)
        self.config = origin.app.config
        self.state_dir, self.cache_dir = folder / "state", folder / "cache"
        self.storage = storage
        self._origin = origin

    @property
    def own_folders(self) -> list[str]:
        """Those of the device itself, so that both runs see the same files."""
        return self._origin.app.own_folders

    @property
    def face_files(self) -> frozenset[tuple[int, int]]:
        """As above."""
        return self._origin.app.face_files

    def _unlock(self, _storage: object, _vault_id: bytes, _folder: Path) -> tuple[Keyring, Slot]:
        return self._origin.session.vault.keyring, self._origin.session.slot


def _run(
    origin: Origin, folder: Path, turns: Iterable[Callable[[App], None]], request: BackupRequest, progress: Progress
) -> dict[str, Seen]:
    """What a backup in a twin would send."""
    look = partial(witness, origin.session.vault.keyring)
    shutil.rmtree(folder / "twin", ignore_errors=True)
    kept = FolderStorage(folder / "twin" / "kept") if origin.app.config.vault.parity else None
    storage = OverlayStorage(origin.app.storage, origin.present, look, kept)
    _copy(folder / "state of both", folder / "twin")
    twin = Twin(origin, folder / "twin", storage)
    for turn in turns:
        turn(twin)
    twin.backup(request, progress)
    origin.app.warnings += twin.warnings
    return storage.put_here


@contextmanager
def _scratch(session: Session, folder: Path) -> Iterator[Path]:
    """A folder for the two runs; what a killed one left in it goes first.  The session's lock keeps others out."""
    path = folder / session.vault.keyring.vault_id.hex()
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.mkdir(mode=0o700, parents=True)
        yield path
    except OSError as error:
        why = error.strerror or "copying failed"
        raise RefusedError(f"cannot use {path}: {why}", "check free space and permissions there") from None
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder that may not be there.  No secret is copied, and no ledger, which a backup never reads."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(LEDGER_NAME, "device.key"), dirs_exist_ok=True)


def _read_canary(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_CANARY_MAX)
    except OSError as error:
        raise UsageError(f"cannot read the canary {path}: {error.strerror}", "name a file that can be read") from None
