"""A life with photos, told by chance: what every committed snapshot held is in a plain dict, and nothing else is believed.

Two devices and their photos, one vault, a copy of it: photos come, change, go and get other names; backups, copies and forgets
finish or are interrupted at any operation, by an error or a kill; a device loses all that it remembered.  After each step
the vault must hold what the dict says.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from photovault.app.forgetting import ForgetRequest
from photovault.app.sources import BackupRequest
from photovault.backup.guards import Guard
from photovault.errors import PhotovaultError
from photovault.forget import Keep
from tests.support.crashes import Host, Tree, World, no_forks
from tests.support.devices import Silent
from tests.support.faults import Fault, Killed, Storm
from tests.support.photos import jpeg, put, tree

DEVICES = ("device", "second")
NAMES = ("a.jpg", "b.jpg", "2020/c.jpg", "2020/d.jpg", "2021/e.heic")
which = st.sampled_from(DEVICES)
names = st.sampled_from(NAMES)
faults = st.sampled_from(
    [fault for fault in Fault if fault is not Fault.SHORT]
)  # no good storage leaves half an object
moments = st.integers(1, 60)


class Life(RuleBasedStateMachine):
    """What happens, and what must be true then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.world = World(self.folder, memory=True)
        self.held: dict[str, Tree] = {}
        self.copied: set[str] = set()
        self.gone: set[str] = set()
        self.mtime = 1_600_000_000

    def teardown(self) -> None:
        try:
            self.everything_restores()
        finally:
            shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.world.host().make_vault()
        for name in DEVICES:
            self.photos(name).mkdir(parents=True)
            put(self.photos(name) / "first.jpg", jpeg(len(name)))

    # Photos

    @rule(name=which, path=names, seed=st.integers(0, 5))
    def a_photo_comes_or_changes(self, name: str, path: str, seed: int) -> None:
        self.mtime += 1
        put(self.photos(name) / path, jpeg(seed), mtime=self.mtime)

    @rule(name=which, path=names)
    def a_photo_goes(self, name: str, path: str) -> None:
        (self.photos(name) / path).unlink(missing_ok=True)

    @rule(name=which, old=names, new=names)
    def a_photo_gets_another_name(self, name: str, old: str, new: str) -> None:
        if (self.photos(name) / old).exists():
            (self.photos(name) / new).parent.mkdir(exist_ok=True)
            (self.photos(name) / old).rename(self.photos(name) / new)

    # Runs

    @rule(name=which)
    def back_up(self, name: str) -> None:
        made = self._back_up(self.host(name))
        self.held[made] = tree(self.photos(name))

    @rule(name=which, at=moments, fault=faults)
    def a_backup_is_interrupted(self, name: str, at: int, fault: Fault) -> None:
        with suppress(PhotovaultError, Killed):
            self._back_up(self.host(name, Storm(at, fault)))
        for snapshot in set(self.host(name).snapshots(**self.words())) - self.held.keys() - self.gone:
            self.held[snapshot] = tree(self.photos(name))

    @precondition(lambda self: self.held)
    @rule()
    def copy(self) -> None:
        self._copy(self.host())
        self.copied |= self.held.keys()

    @precondition(lambda self: self.held)
    @rule(at=moments, fault=faults)
    def a_copy_is_interrupted(self, at: int, fault: Fault) -> None:
        with suppress(PhotovaultError, Killed):
            self._copy(self.host(storm=Storm(at, fault)))

    @precondition(lambda self: len(self.held) > 2)
    @rule(name=which, days=st.sampled_from([0, 0, 8]), grace=st.sampled_from([0.0, None]))
    def forget(self, name: str, days: int, grace: float | None) -> None:
        self.world.sleep(days)
        report = self._forget(self.host(name), grace)
        self._let_go({one.id for one in report.plan.going})

    @precondition(lambda self: len(self.held) > 2)
    @rule(name=which, at=moments, fault=faults)
    def a_forget_is_interrupted(self, name: str, at: int, fault: Fault) -> None:
        with suppress(PhotovaultError, Killed):
            self._forget(self.host(name, Storm(at, fault)), 0.0)
        here = set(self.host(name).snapshots(**self.words()))
        lost = self.held.keys() - here
        newest = self._newest()
        assert newest <= here, "the newest snapshots of a device are never forgotten"
        self._let_go(lost)

    @rule(name=which)
    def a_device_loses_its_memory(self, name: str) -> None:
        shutil.rmtree(self.world.disk / name / "cache", ignore_errors=True)
        for path in (self.world.disk / name / "state").rglob("*.sqlite*"):
            path.unlink()

    # What must be true

    @precondition(lambda self: self.held)
    @rule(name=which, chance=st.randoms(use_true_random=False))
    def restore(self, name: str, chance: object) -> None:
        snapshot = chance.choice(sorted(self.held))  # type: ignore[attr-defined]
        self._restores(self.host(name), snapshot)

    @invariant()
    def nothing_is_wrong(self) -> None:
        host = self.host()
        found = set(host.snapshots(**self.words()))
        assert found == self.held.keys()
        report = host.check(data="none", **self.words())
        assert report.findings == ()
        with host.app(**self.words()).session() as session:
            no_forks(session.vault.snapshots())

    def everything_restores(self) -> None:
        for url, snapshots in ((self.world.vault, set(self.held)), (self.world.copy, self.copied - self.gone)):
            host = self.host()
            host.vault = url
            if snapshots:
                assert host.check(**self.words()).findings == ()
            for snapshot in snapshots:
                self._restores(host, snapshot)

    # How

    def photos(self, name: str) -> Path:
        return self.folder / name / "Pictures"

    def host(self, name: str = "device", storm: Storm | None = None) -> Host:
        return self.world.host(storm.over if storm is not None else None, name=name)

    def words(self) -> dict[str, str]:
        return {"words_file": str(self.world.words)}

    def _back_up(self, host: Host) -> str:
        photos = self.photos(host.folder.name)
        request = BackupRequest(paths=(str(photos),), all_files=True, allowed=frozenset(Guard))
        report = host.app(**self.words()).backup(request, Silent())
        assert report.problems == ()
        return report.snapshot.id

    def _copy(self, host: Host) -> None:
        assert host.app().copy(self.world.vault, self.world.copy, Silent()).damaged == ()

    def _forget(self, host: Host, grace: float | None) -> object:
        request = ForgetRequest(keep=Keep(last=2), min_age=0.0, grace=grace, clock_is_right=True)
        return host.forget(request=request, **self.words())

    def _let_go(self, snapshots: set[str]) -> None:
        self.gone |= snapshots
        for snapshot in snapshots:
            self.held.pop(snapshot, None)

    def _newest(self) -> set[str]:
        with self.host().app(**self.words()).session() as session:
            found = session.vault.snapshots().found
        return {one.id for one in {one.snapshot.device_id: one for one in found}.values()} & self.held.keys()

    def _restores(self, host: Host, snapshot: str) -> None:
        out = self.folder / "out"
        assert host.restore(out, snapshot, **self.words()).damaged == ()
        assert tree(out / "Pictures") == self.held[snapshot]
        shutil.rmtree(out)


_SETTINGS = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    database=None,
)


class TestLife(Life.TestCase):
    settings = settings(_SETTINGS, max_examples=6, stateful_step_count=15)


@pytest.mark.slow
class TestLongLife(Life.TestCase):
    settings = settings(_SETTINGS, max_examples=25, stateful_step_count=40)
