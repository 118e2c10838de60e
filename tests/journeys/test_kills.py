"""Real backups in processes of their own, killed with SIGKILL at moments that nobody chose; then life goes on.

No lock is in the way, nobody unlocks anything, every snapshot restores bit for bit, and ``forget`` leaves neither a byte that no
snapshot needs nor an unfinished file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.forget.prune import MAX_WASTE
from photovault.vault.format import SIZE_MAX
from tests.support.crashes import Figures, Tree, World, all_restore, no_forks, nothing_is_found, packs_needed, same_as
from tests.support.photos import put, tree

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000
_FOLDERS = 4


def test_three_kills(tmp_path: Path, figures: Figures) -> None:
    world = _world(tmp_path)
    kill_and_go_on(world, None, figures, kills=3, in_a_row=3, size=2 * MB)
    _nothing_left(world)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path, figures: Figures) -> None:
    world, calm = _world(tmp_path / "shaken"), _world(tmp_path / "calm")
    calm.photos = world.photos
    kill_and_go_on(world, calm, figures, kills=50, in_a_row=9, size=6 * MB)
    _nothing_left(world)
    nothing_is_found(world.host(), {})
    all_restore(world, world.host())
    left, as_if = (_nothing_left(one, "--keep-last", "1", "--min-age", "0s") for one in (world, calm))
    assert left * (1 - MAX_WASTE) <= as_if + SIZE_MAX, "what was killed takes room"


def _world(folder: Path) -> World:
    world = World(folder, memory=False)
    world.start = datetime.now(UTC)
    world.host().make_vault()
    return world


def kill_and_go_on(world: World, calm: World | None, figures: Figures, *, kills: int, in_a_row: int, size: int) -> None:
    """Kill so many backups, some in a row, then let one finish; into ``calm`` goes all that is committed, undisturbed."""
    random, killed, every = Random(kills), 0, tree(world.photos)
    lasts = _finished(world, calm)
    while killed < kills:
        for _ in range(random.randint(1, min(in_a_row, kills - killed)) if killed else in_a_row):
            _more(world.photos, random, size)
            every |= tree(world.photos)
            process = backup(world)
            time.sleep(random.uniform(0.0, lasts))
            process.kill()
            process.wait()
            killed += 1
            figures.failed()
        _found_unheard_of(world, every)
        lasts = _finished(world, calm)
        figures.checked()
    nothing_is_found(world.host(), {})
    all_restore(world, world.host())
    figures.count["snapshots restored"] += len(world.held)
    with world.host().app().session() as session:
        no_forks(session.vault.snapshots())


def _finished(world: World, calm: World | None) -> float:
    """Let a backup finish; seconds that it takes."""
    begun = time.monotonic()
    for one in filter(None, (world, calm)):
        assert backup(one).wait() == 0
        lasts = time.monotonic() - begun
        name = one.host().snapshots()[-1]
        one.held[name] = tree(one.photos)
        same_as(one, one.host(), name, one.held[name])
        begun = time.monotonic()
    return lasts


def backup(world: World) -> subprocess.Popen[bytes]:
    """Start the command."""
    environ = {**os.environ, **world.host().environ, "PHOTOVAULT_VAULT": world.vault}
    command = [sys.executable, "-m", "photovault", "backup", str(world.photos), "--all-files", "--no-progress"]
    command += ["--allow", "losses,changes"]  # so much goes and comes in no real library
    return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _more(photos: Path, random: Random, size: int) -> None:
    """A new folder of photos, large and small, in place of the oldest of a few."""
    folder = photos / f"{time.time_ns()}"
    for number in range(4):
        put(folder / f"{number}.dat", random.randbytes(size // 5))
    for number in range(20):
        put(folder / f"note {number}.txt", random.randbytes(size // 200))
    for old in sorted(path for path in photos.iterdir() if path.name.isdecimal() and path != folder)[:-_FOLDERS]:
        shutil.rmtree(old)


def _found_unheard_of(world: World, every: Tree) -> None:
    """A killed run may have finished its snapshot: no file in it is other than it ever was."""
    host = world.host()
    for name in host.snapshots():
        if name not in world.held:
            out = world.folder / "unheard of"
            assert host.restore(out, name).damaged == ()
            found = tree(out / "Pictures")
            assert all(every[path] == value for path, value in found.items() if not _is_folder(value))
            world.held[name] = found
            shutil.rmtree(out)


def _is_folder(value: object) -> bool:
    """A folder's time changes when something comes into it."""
    return isinstance(value, tuple) and len(value) == 2


def _nothing_left(world: World, *rules: str) -> int:
    """Bytes of the vault's packs after ``forget``, which leaves no file that nobody needs."""
    code = subprocess.run(
        [sys.executable, "-m", "photovault", "forget", "--grace", "0s", "--no-progress", *rules],
        env={**os.environ, **world.host().environ, "PHOTOVAULT_VAULT": world.vault},
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode
    assert code == 0
    with world.host().app().session() as session:
        packs = {one.name: one.size for one in session.vault.door.listing("packs/")}
        useful, _ = packs_needed(session.vault)
    assert packs.keys() == useful
    left = [path for path in world.disk.rglob("*") if path.parent.name == "tmp" or path.suffix == ".new"]
    assert left == []
    return sum(packs.values())
