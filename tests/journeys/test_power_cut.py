"""The power goes, at any moment of any run, on a disk that kept no more than it must: nothing that was committed is lost.

Each run is recorded once; then, for each moment, the disks are made that could be left (tests/support/disk.py), and life goes
on from there.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.durable import sync_folder
from photovault.storage.folder import FolderStorage
from tests.support.crashes import RUNS, SEED, Figures, Run, World, commits, survives
from tests.support.disk import Databases, Disk, Image, Lies, digest, recording
from tests.support.faults import Killed
from tests.support.photos import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHOICES = 4  # moments and disks of one run, in the quick test
COMMITTED = "committed "


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_power_goes_at_some_moments(tmp_path: Path, run: Run, figures: Figures) -> None:
    go_on_from_everything(tmp_path, run, figures, most=CHOICES)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_power_goes_at_every_moment(tmp_path: Path, run: Run, figures: Figures) -> None:
    go_on_from_everything(tmp_path, run, figures, mixed=3, most=100)


def test_a_run_that_was_killed_and_then_the_power(tmp_path: Path, figures: Figures) -> None:
    killed_then_the_power(tmp_path, figures, step=12)


@pytest.mark.slow
def test_a_run_that_was_killed_anywhere_and_then_the_power(tmp_path: Path, figures: Figures) -> None:
    killed_then_the_power(tmp_path, figures, step=1)


def killed_then_the_power(tmp_path: Path, figures: Figures, *, step: int) -> None:
    """What a killed run made and did not sync, the next one must not take for durable; killed after each operation, or fewer."""
    world = World(tmp_path, memory=False)
    _begun(world)
    start = world.take()
    after = 0
    while True:
        world.back_to(start)
        with recording(world.disk) as disk:
            disk.kill_after(after)
            try:
                world.host().backup(world.photos)
                break
            except Killed:
                disk.revive()
            figures.failed()
            done = world.host().backup(world.photos, **world.settings(world.host())).snapshot.id
        world.back_to(start, disk.after(len(disk.steps), Lies.LOST, Databases.GONE, Random(1)))
        world.held = {done: tree(world.photos)}
        survives(world, figures)
        after += step
    assert after > 20


def _begun(world: World) -> None:
    world.host().make_vault()


def test_what_was_removed_does_not_come_back(tmp_path: Path) -> None:
    """Else a snapshot could be there again without its packs, which were removed after it."""
    storage = FolderStorage(tmp_path / "disk" / "vault")
    for name in ("snapshots/aa", "packs/aa/aa"):
        storage.put(name, b"bytes")
    with recording(tmp_path / "disk") as disk:
        storage.delete("snapshots/aa")
        storage.delete("packs/aa/aa")
    for at in range(len(disk.steps) + 1):
        for seed in range(4):
            left = disk.after(at, Lies.MIXED, Databases.NOW, Random(seed))
            assert "vault/snapshots/aa" not in left or "vault/packs/aa/aa" in left
    assert not [
        path for path in disk.after(len(disk.steps), Lies.LOST, Databases.NOW, Random(1)) if path.endswith("/aa/aa")
    ]


def test_a_disk_may_lose_what_was_not_synced(tmp_path: Path) -> None:
    """The simulated disk is as bad as it says."""
    (tmp_path / "disk").mkdir()
    with recording(tmp_path / "disk") as disk:
        fd = os.open(tmp_path / "disk" / "new", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"whole")
        os.link(tmp_path / "disk" / "new", tmp_path / "disk" / "name")
        half = len(disk.steps)
        os.fsync(fd)
        os.close(fd)
        bytes_only = len(disk.steps)
        os.rename(tmp_path / "disk" / "new", tmp_path / "disk" / "other")
        sync_folder(tmp_path / "disk")
    end = len(disk.steps)
    left = {
        (at, lies): disk.after(at, lies, Databases.NOW, Random(3)) for at in (half, bytes_only, end) for lies in Lies
    }
    assert left[half, Lies.LOST] == left[bytes_only, Lies.LOST] == {"": None}
    assert left[half, Lies.HOLLOW] == {"": None, "new": bytes(5), "name": bytes(5)}
    assert left[half, Lies.EMPTY] == {"": None, "new": b"", "name": b""}
    assert left[bytes_only, Lies.HOLLOW] == {"": None, "new": b"whole", "name": b"whole"}
    assert left[end, Lies.LOST] == {"": None, "other": b"whole", "name": b"whole"}
    mixed = [disk.after(bytes_only, Lies.MIXED, Databases.NOW, Random(seed)).keys() for seed in range(20)]
    assert {"", "name"} in mixed
    assert {"", "new"} in mixed


def go_on_from_everything(folder: Path, run: Run, figures: Figures, *, mixed: int = 1, most: int) -> None:
    """Record a run, and go on from (some of) the disks that a power cut in it may leave."""
    world = World(folder, memory=False)
    run.prepare(world)
    before, start = dict(world.held), world.take()
    with recording(world.disk) as disk, commits(pytest.MonkeyPatch(), lambda name: disk.say(COMMITTED + name)):
        run.act(world, world.host())
        disk.say("done")
    now = tree(world.photos)
    random = Random(SEED)
    images = list(left_by(disk, random, mixed))
    for at, image in random.sample(images, min(most, len(images))):
        figures.failed()
        world.back_to(start, image)
        done = [word.removeprefix(COMMITTED) for word in disk.words(at) if word.startswith(COMMITTED)]
        world.held = before | dict.fromkeys(done, now)
        survives(world, figures, run)


def left_by(disk: Disk, random: Random, mixed: int) -> Iterator[tuple[int, Image]]:
    """What may be left at each moment, each disk once; SQLite's files in turn as they may be."""
    seen: set[bytes] = set()
    for at in range(len(disk.steps) + 1):
        for lies in (*(lies for lies in Lies if lies is not Lies.MIXED), *[Lies.MIXED] * mixed):
            image = disk.after(at, lies, random.choice(list(Databases)), random)
            if (found := digest({path: data for path, data in image.items() if ".sqlite" not in path})) not in seen:
                seen.add(found)
                yield at, image
