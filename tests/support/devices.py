"""Devices for tests: each has its own state, cache and configuration, a clock and randomness that tests choose."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from photovault.app import App, Settings, Surroundings
from photovault.app.forgetting import ForgetRequest, forget
from photovault.app.sources import BackupRequest
from photovault.check import parse_amount
from photovault.photos.choose import Choice
from photovault.restore import Overwrite
from tests.support.world import CHEAP, START, Clock, seeded

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    from photovault.backup import BackupReport
    from photovault.backup.guards import Guard
    from photovault.check import CheckReport
    from photovault.forget import ForgetReport, Keep
    from photovault.restore import RestoreReport
    from photovault.storage.base import Storage

PASSWORD = "a password for tests"
WORDS = bytes(range(32))


class Silent:
    """Progress that nobody watches."""

    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        pass


class Computer:
    """A computer with its own folders; each call is one run of the program, so nothing is kept but files."""

    def __init__(self, folder: Path, vault: Path | str, seed: str = "device", start: datetime = START) -> None:
        self.folder = folder
        self.vault = str(vault)
        self.environ = {
            "PHOTOVAULT_STATE_DIR": str(folder / "state"),
            "PHOTOVAULT_CACHE_DIR": str(folder / "cache"),
            "PHOTOVAULT_CONFIG": str(folder / "config.toml"),
            "PHOTOVAULT_NO_KEYRING": "1",
        }
        self._random = seeded(seed)
        self._now = Clock(start)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").touch()

    def app(self, storage: Storage | None = None, **settings: str | bool) -> App:
        """One run; ``storage`` stands in for the folder that the vault's address names."""
        world = Surroundings(environ=self.environ, now=self._now, random=self._random, stretch=CHEAP)
        made = App(Settings(vault=self.vault, **settings), world)
        if storage is not None:
            made.storage = storage
        return made

    def make_vault(self, storage: Storage | None = None, password: str | None = None) -> None:
        vault, _ = self.app(storage).make_vault(password=password, words=WORDS)
        vault.places.close()

    def backup(
        self,
        *folders: Path,
        storage: Storage | None = None,
        allowed: Collection[Guard] = (),
        **settings: str | bool,
    ) -> BackupReport:
        request = BackupRequest(paths=tuple(map(str, folders)), all_files=True, allowed=frozenset(allowed))
        return self.app(storage, **settings).backup(request, Silent())

    def forget(
        self,
        *names: str,
        keep: Keep | None = None,
        storage: Storage | None = None,
        request: ForgetRequest | None = None,
        **settings: str | bool,
    ) -> ForgetReport:
        """Forget what is named, or by ``keep`` (whose ``min_age`` counts), and prune; or as ``request`` says."""
        age = None if keep is None else keep.min_age
        wanted = request or ForgetRequest(names=names, keep=keep, min_age=age)
        return forget(self.app(storage, **settings), wanted, Silent())

    def sleep(self, **length: float) -> None:
        """Let time go by on this computer's clock: ``days=8``."""
        self._now.now += timedelta(**length)

    def check(self, storage: Storage | None = None, data: str = "all", **settings: str | bool) -> CheckReport:
        return self.app(storage, **settings).check(parse_amount(data), Silent())

    def restore(
        self, to: Path, snapshot: str = "latest", storage: Storage | None = None, **settings: str | bool
    ) -> RestoreReport:
        made = self.app(storage, **settings)
        _, report = made.restore(snapshot, Choice(), to, Overwrite.NEVER, Silent(), dry_run=False)
        return report

    def snapshots(self, storage: Storage | None = None, **settings: str | bool) -> list[str]:
        """Ids, oldest first."""
        with self.app(storage, **settings).browse() as (snapshots, _):
            return [one.id for one in snapshots.found]
