"""A storage or a disk that fails at any operation of any run: errors, lost answers, half an object, no space, a kill.

Every operation on a small vault is made to fail, one after the other and in every way that is different for it: those of
a storage, and those of the disk that holds the vault, its copy and what the device remembers.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from hashlib import sha256
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import PhotovaultError
from tests.support import disk
from tests.support.crashes import RUNS, SEED, Figures, Run, World, prepared, survives
from tests.support.devices import Silent
from tests.support.faults import Fault, FaultyStorage, Killed, Storm
from tests.support.photos import library

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from photovault.storage.base import Buffer


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_whatever_operation_fails_nothing_is_lost(tmp_path: Path, run: Run, figures: Figures) -> None:
    under_every_storm(World(tmp_path, memory=True), run, figures, storms=lambda kinds: few(every_storm(kinds)))


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_in_whatever_way_an_operation_fails_nothing_is_lost(tmp_path: Path, run: Run, figures: Figures) -> None:
    under_every_storm(World(tmp_path, memory=True), run, figures, storms=every_storm)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_whatever_operation_on_a_larger_vault_fails(tmp_path: Path, run: Run, figures: Figures) -> None:
    world = World(tmp_path, memory=True, photos=lambda folder: library(folder, Random(5), files=200))
    under_every_storm(world, run, figures, storms=lambda kinds: Random(SEED).sample(every_storm(kinds), 8))


def every_storm(kinds: Sequence[str]) -> list[tuple[int, Fault]]:
    """Each operation in each way that is another for its kind; a run may do a little more than the one before it did."""
    return [(at, fault) for at, kind in enumerate([*kinds, "put", "put"], 1) for fault in Fault if fault.fits(kind)]


def few(storms: Sequence[tuple[int, Fault]]) -> list[tuple[int, Fault]]:
    """Each operation still, but in one way only, another one each time."""
    found = []
    for number, (_, same) in enumerate(groupby(storms, lambda storm: storm[0]), SEED):
        ways = list(same)
        found.append(ways[number % len(ways)])
    return found


def under_every_storm(
    world: World, run: Run, figures: Figures, *, storms: Callable[[Sequence[str]], Sequence[tuple[int, Fault]]]
) -> None:
    """Have operations fail; ``storms`` says which, and how, of those of a clean run."""
    run.prepare(world)
    start = world.take()
    clean = Storm()
    run.act(world, world.host(clean.over))
    assert len(clean.kinds) > 3
    seen: set[bytes] = set()
    for at, fault in storms(clean.kinds):
        world.back_to(start)
        storm = Storm(at, fault)
        with suppress(PhotovaultError, Killed):
            run.act(world, world.host(storm.over, seed="interrupted"))
        figures.count["operations failed"] += storm.struck
        if (left := _left(world)) not in seen:
            seen.add(left)
            survives(world, figures, run, halves=fault is Fault.SHORT, all_of_it=False)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_an_operation_of_the_disk_fails_and_nothing_is_lost(tmp_path: Path, run: Run, figures: Figures) -> None:
    on_a_failing_disk(tmp_path, run, figures, every=15)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_whatever_operation_of_the_disk_fails_nothing_is_lost(tmp_path: Path, run: Run, figures: Figures) -> None:
    on_a_failing_disk(tmp_path, run, figures, every=1)


def on_a_failing_disk(folder: Path, run: Run, figures: Figures, *, every: int) -> None:
    """Have each operation fail, or one in so many, each in two ways that change from one to the next."""
    world = World(folder, memory=False)
    run.prepare(world)
    start = world.take()
    with disk.failing(world.disk, disk.Strike()) as clean:
        run.act(world, world.host())
    assert clean.count > 10
    seen: set[bytes] = set()
    faults = [*disk.Fault, *disk.Fault]
    for number, at in enumerate(range(every, clean.count + 1, every), SEED):
        for fault in faults[2 * number % len(disk.Fault) :][: 2 if every == 1 else 1]:
            world.back_to(start)
            with suppress(PhotovaultError, Killed), disk.failing(world.disk, disk.Strike(fault=fault, at=at)):
                run.act(world, world.host(seed="interrupted"))
            figures.failed()
            if (left := _left(world)) not in seen:
                seen.add(left)
                survives(world, figures, run, all_of_it=False)


def test_no_number_is_used_twice_whatever_destination_comes_next(tmp_path: Path) -> None:
    """Killed when its snapshot is there and before it knows, the device goes on at a copy, which lacks that snapshot."""
    world = World(tmp_path, memory=True)
    world.host().make_vault()
    world.backup()
    world.host().app().copy(world.vault, world.copy, Silent())
    world.edit(1)
    with pytest.raises(Killed):
        world.host(_DeadAfterItsSnapshot).backup(world.photos)
    host = world.host()
    host.vault = world.copy
    host.backup(world.photos)
    world.host().app().copy(world.vault, world.copy, Silent())
    with host.app().session() as session:
        numbers = [one.snapshot.number for one in session.vault.snapshots().found]
    assert sorted(numbers) == [1, 2, 3]


@pytest.mark.parametrize("_again", range(3))  # it hangs on the order of names, which are never the same
def test_a_killed_forget_gives_its_room_back_though_its_cache_is_lost(tmp_path: Path, _again: int) -> None:
    """What it stored anew is a pack like any other then: the next one must not store the very same again, and mark it."""
    world = World(tmp_path, memory=True)
    run = next(run for run in RUNS if run.name == "forget")
    run.prepare(world)
    start, clean = world.take(), Storm()
    run.act(world, world.host(clean.over))
    for at in [at for at, kind in enumerate(clean.kinds, 1) if kind == "put"]:
        world.back_to(start)
        with suppress(Killed):
            run.act(world, world.host(Storm(at, Fault.KILLED_AFTER).over))
        shutil.rmtree(world.disk / "device" / "cache")
        run.after(world)


@pytest.mark.parametrize("moved", [False, True])
def test_what_an_older_version_left_is_gone_on_with(tmp_path: Path, figures: Figures, *, moved: bool) -> None:
    """Databases of another version, a device that knew less; and the vault may have moved to another storage meanwhile."""
    world = World(tmp_path, memory=True)
    prepared(world)
    if moved:
        world.host().app().copy(world.vault, world.copy, Silent())
        world.storages[world.vault].objects.clear()
        world.vault = world.copy
    for path in world.disk.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 1")
            database.execute("CREATE TABLE of_another_version (x)")
            database.commit()
    for path in world.disk.rglob("device.json"):
        known = json.loads(path.read_bytes())
        path.write_text(json.dumps({name: known[name] for name in ("device", "heads", "key_tests")}))
    survives(world, figures)


class _DeadAfterItsSnapshot(FaultyStorage):
    def put(self, name: str, data: Buffer) -> None:
        super().put(name, data)
        if name.startswith("snapshots/"):
            raise Killed


def _left(world: World) -> bytes:
    """The same for states of which nobody could tell the difference."""
    left = sha256()
    for path in sorted(world.disk.rglob("*")):
        if path.is_file() and not disk.is_other(path.name) and path.name != "ledger.jsonl":
            name = path.parent.name if path.parent.name == "tmp" else str(path)
            left.update(name.encode() + path.read_bytes())
    for url, storage in world.storages.items():
        left.update(url.encode())
        for name, data in sorted(storage.objects.items()):
            left.update(name.encode() + data)
    return left.digest()
