"""Let the daemon run for long under random changes: does it stay small, and is in the end everything stored?

    python bench/soak.py                    # half an hour
    python bench/soak.py --minutes 3 --seed 7

Files are added, appended to, edited in place and by a temporary file, renamed, given other times and rights, and deleted;
folders are made inside one another, renamed, moved into others, and out of the source and back. Changes come in bursts
with pauses, and go on while backups run. Memory is looked at twice a second. When the time is over, nothing more is
changed, and as soon as `photovault status` says that everything is safe, the newest snapshot is restored and compared
with the folder: names, kinds, bytes, times and rights.

Guarantee: any difference, and any failed backup, ends it with exit code 1. The same seed makes the same choices; not
guaranteed: that they fall into the same moments of a backup.

Linux only: the figures come from /proc.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from daemon import Daemon, DaemonError, Home
from measure import say

_SETTINGS = {"settle": '"1s"', "max_delay": '"10s"', "min_interval": '"0s"'}
_MOST_FILES = 3_000
_LARGEST = 2_000_000
_LOOK_EVERY_S = 0.5
_HEARD_S = 4.0  # until a change is surely known to the daemon
_SAFE_WITHIN_S = 120.0


class Changes:
    """Changes a folder at random."""

    def __init__(self, root: Path, aside: Path, rng: Random) -> None:
        """`aside`: an empty folder beside the source, on the same disk."""
        self.done: Counter[str] = Counter()
        self._root, self._aside, self._rng = root, aside, rng
        self._number = 0
        self._away: list[tuple[Path, Path]] = []
        self._kinds: list[tuple[Callable[[], None], int]] = [
            (self._add, 30),
            (self._append, 10),
            (self._edit, 10),
            (self._save, 10),
            (self._rename, 15),
            (self._delete, 15),
            (self._touch, 5),
            (self._make_folders, 2),
            (self._move_folder, 2),
            (self._take_away_or_bring_back, 1),
        ]

    def one(self) -> None:
        """Change something; nothing when there is nothing to change."""
        calls, weights = zip(*self._kinds, strict=True)
        (call,) = self._rng.choices(calls, weights)
        if call == self._add and self._number - self.done["delete"] > _MOST_FILES:
            call = self._delete
        call()
        self.done[call.__name__.strip("_")] += 1

    def finish(self) -> None:
        """Bring back what was taken away."""
        while self._away:
            self._bring_back()

    def _add(self) -> None:
        self._number += 1
        size = min(_LARGEST, int(self._rng.paretovariate(0.7) * 500))
        (self._folder() / f"{self._number}.jpg").write_bytes(self._rng.randbytes(size))

    def _append(self) -> None:
        for path in self._file():
            with path.open("ab") as file:
                file.write(self._rng.randbytes(5_000))

    def _edit(self) -> None:
        for path in self._file():
            with path.open("r+b") as file:
                file.write(self._rng.randbytes(200))

    def _save(self) -> None:
        for path in self._file():
            new = path.with_name(f".{path.name}.tmp")
            new.write_bytes(self._rng.randbytes(3_000))
            new.replace(path)

    def _rename(self) -> None:
        for path in self._file():
            self._number += 1
            path.rename(self._folder() / f"{self._number} renamed.jpg")

    def _delete(self) -> None:
        for path in self._file():
            path.unlink()

    def _touch(self) -> None:
        for path in self._file():
            path.chmod(self._rng.choice((0o600, 0o640, 0o644)))
            os.utime(path, (self._rng.randrange(2_000_000_000),) * 2)

    def _make_folders(self) -> None:
        self._number += 1
        deep = self._folder() / f"folder {self._number}" / "a" / "b"
        deep.mkdir(parents=True)
        (deep / f"{self._number} deep.jpg").write_bytes(b"deep")

    def _move_folder(self) -> None:
        self._number += 1
        one, into = self._folder(), self._folder()
        if one != self._root and not into.is_relative_to(one):
            one.rename(into / f"moved {self._number}")

    def _take_away_or_bring_back(self) -> None:
        one = self._folder()
        if self._away:
            self._bring_back()
        elif one != self._root:
            self._number += 1
            away = self._aside / str(self._number)
            one.rename(away)
            self._away.append((away, one))

    def _bring_back(self) -> None:
        away, home = self._away.pop()
        self._number += 1
        (away / "changed meanwhile.jpg").write_bytes(b"%d" % self._number)
        home.parent.mkdir(parents=True, exist_ok=True)
        away.rename(home.with_name(f"{home.name} {self._number}"[-100:]))

    def _folder(self) -> Path:
        """Return the source, or a folder below it."""
        found = self._root
        while self._rng.random() < 0.7:  # noqa: PLR2004 -- mostly two or three deep
            below = sorted(entry.path for entry in os.scandir(found) if entry.is_dir())
            if not below:
                break
            found = Path(self._rng.choice(below))
        return found

    def _file(self) -> list[Path]:
        """Return a file, or nothing when the folder that was chosen has none."""
        found = sorted(entry.path for entry in os.scandir(self._folder()) if entry.is_file())
        return [Path(self._rng.choice(found))] if found else []


class Curve:
    """The memory of the daemon over time, in bytes, until closed."""

    def __init__(self, daemon: Daemon) -> None:
        """Begin to look."""
        self.seen = [daemon.memory()]
        self._daemon, self._done = daemon, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK_EVERY_S):
            self.seen.append(self._daemon.memory())

    def tenths(self) -> list[int]:
        """Return the median of each tenth of the time."""
        step = max(1, len(self.seen) // 10)
        parts = [sorted(self.seen[at : at + step]) for at in range(0, step * 10, step)]
        return [part[len(part) // 2] for part in parts if part]


def differences(one: Path, other: Path) -> list[str]:
    """Return the paths that differ in kind, bytes, rights or time, or are only on one side."""
    left, right = dict(_entries(one)), dict(_entries(other))
    return sorted(path for path in left.keys() | right.keys() if left.get(path) != right.get(path))


def _entries(root: Path) -> Iterator[tuple[str, object]]:
    for parent, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(parent, name)
            st = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            yield str(path.relative_to(root)), (st.st_mode, st.st_mtime_ns, content)


def main() -> int:
    """Run, print what happened, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="for the choices")
    parser.add_argument("--rate", type=float, default=20, help="changes a second, over time")
    parser.add_argument("--work", type=Path, help="where the scratch folder goes; it is removed at the end")
    parser.add_argument("--photovault", metavar="COMMAND", help="soak this instead of the checkout")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="photovault-soak-", dir=options.work))
    photos, aside = work / "photos", work / "aside"
    photos.mkdir()
    aside.mkdir()
    home = Home(work, photos, options.photovault, _SETTINGS)
    changes = Changes(photos, aside, Random(options.seed))  # noqa: S311 -- the same seed, the same choices
    with Daemon(home) as daemon:
        daemon.wait("watching", 60)
        curve = Curve(daemon)
        _change(changes, options)
        waited = _until_safe(home)
        curve.close()
        peak = daemon.memory("VmHWM")
        used = daemon.cpu_s()
    home.run("restore", "--to", str(work / "restored"), "--no-progress")
    found = differences(photos, work / "restored" / "photos")
    failed, runs = _count(daemon.log, "backup failed"), _count(daemon.log, "backup done")
    _report(options, changes, curve, (peak, used, waited, runs, failed, found))
    if found or failed:
        say(f"kept for a look: {work}")
        return 1
    shutil.rmtree(work)
    return 0


def _change(changes: Changes, options: argparse.Namespace) -> None:
    rng = Random(options.seed + 1)  # noqa: S311 -- as above
    end = time.monotonic() + options.minutes * 60
    while time.monotonic() < end:
        burst = rng.randrange(1, 200)
        for _ in range(burst):
            changes.one()
            time.sleep(rng.random() / options.rate)
        time.sleep(burst / options.rate / 2 * rng.random() * 2)
    changes.finish()


def _until_safe(home: Home) -> float:
    """Wait until the status says that everything is safe; return how long that took."""
    began = time.monotonic()
    time.sleep(_HEARD_S)
    while not home.is_protected():
        if time.monotonic() - began > _SAFE_WITHIN_S:
            message = f"not safe in time: {(home.work / 'daemon.log').read_text()[-2_000:]}"
            raise DaemonError(message)
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - began


def _count(log: Path, event: str) -> int:
    return sum(f'"event": "{event}"' in line for line in log.read_text(errors="replace").splitlines())


def _report(
    options: argparse.Namespace,
    changes: Changes,
    curve: Curve,
    what: tuple[int, float, float, int, int, list[str]],
) -> None:
    peak, used, waited, runs, failed, found = what
    curve_text = " ".join(f"{size / 1e6:.0f}" for size in curve.tenths())
    print(
        f"{options.minutes:g} minutes, seed {options.seed}: {sum(changes.done.values()):,} changes: {dict(changes.done)}"
    )
    print(
        f"backups: {runs} done, {failed} failed; safe {waited:.1f} s after the last change; {used:.0f} s of processor"
    )
    print(
        f"memory in MB: first {curve.seen[0] / 1e6:.0f}, last {curve.seen[-1] / 1e6:.0f}, "
        f"max {peak / 1e6:.0f}; medians of tenths: {curve_text}"
    )
    print(f"differences: {len(found)}", *found[:20], sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
