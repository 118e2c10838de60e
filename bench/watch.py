"""What the daemon costs when nothing happens, how long its first look takes, and how soon a new photo is safe.

    python bench/watch.py              # 100,000 files; four minutes
    python bench/watch.py --quick      # half a minute: does everything work? (the figures mean nothing)

One vault in a folder, one source of many small files, backed up before. A backup without a change is timed, from the
start of the command to its end; then the daemon, from its start to the end of its first look, which must not take longer.
Then it is left alone, and processor and memory are read at the beginning and the end of that time. Then photos are put
into the folder one by one; each is safe when the daemon says that it is stored. Medians.

Guarantee: a photo counts only when the snapshot that was said to hold it is there. Not guaranteed: a quiet machine.

Linux only: the figures come from /proc.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import library
from camera import Noise, Shot, jpeg
from daemon import Daemon, Home
from measure import say
from report import Row, rows_table

_SEED = 1
_PHOTO_SIZE = 3_000_000
_PATIENCE_S = 900.0
_CALM_S = 5.0
_IDLE_MOST = 0.01  # of a core
_MEMORY_MOST = 150_000_000
_MAX_DELAY_S = 120.0  # the default of [watch] max_delay
_SETTINGS = {"min_interval": '"0s"'}  # else a photo waits for the minute after the one before; all else by default


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000, help="files to watch")
    parser.add_argument(
        "--idle", type=float, default=60, metavar="SECONDS", help="how long to look at it doing nothing"
    )
    parser.add_argument("--photos", type=int, default=5, help="photos to put into the folder")
    parser.add_argument("--work", type=Path, help="where the scratch folder goes; it is removed at the end")
    parser.add_argument("--photovault", metavar="COMMAND", help="measure this instead of the checkout")
    parser.add_argument("--quick", action="store_true", help="2,000 files, five seconds, two photos")
    options = parser.parse_args()
    if options.quick:
        options.files, options.idle, options.photos = 2_000, 5.0, 2
    with tempfile.TemporaryDirectory(prefix="photovault-watch-", dir=options.work) as work:
        rows = _measure(options, Path(work))
    print(f"{options.files:,} files, {options.idle:.0f} s idle, median of {options.photos} photos\n")
    print(rows_table(rows))


def _measure(options: argparse.Namespace, work: Path) -> list[Row]:
    photos = work / "photos"
    photos.mkdir()
    library.make_many(photos, options.files, _SEED)
    home = Home(work, photos, options.photovault, _SETTINGS)
    say("first backup ...")
    home.run("backup", "--no-progress")
    unchanged = [_backup_s(home) for _ in range(3)]
    looks, alone = zip(*(_first_look_s(home) for _ in range(3)), strict=True)
    with Daemon(home) as daemon:
        daemon.wait("backup done", _PATIENCE_S)
        time.sleep(_CALM_S)
        say("idle ...")
        before = daemon.cpu_s()
        time.sleep(options.idle)
        share, memory = (daemon.cpu_s() - before) / options.idle, daemon.memory()
        delays = [_stored_s(daemon, photos, number) for number in range(options.photos)]
        peak = daemon.memory("VmHWM")
    return [
        Row(title="idle: share of a core", value=share, most=_IDLE_MOST, form="{:.2%}"),
        Row(title="idle: memory", value=memory / 1e6, most=_MEMORY_MOST / 1e6, form="{:.0f} MB"),
        Row(
            title="start to the end of the first look, beside a backup without a change",
            value=statistics.median(looks),
            most=statistics.median(unchanged),
            form="{:.2f} s",
        ),
        Row(
            title="the first look alone, beside the same",
            value=statistics.median(alone),
            most=statistics.median(unchanged),
            form="{:.2f} s",
        ),
        Row(title="new photo: until it is stored", value=statistics.median(delays), most=_MAX_DELAY_S, form="{:.1f} s"),
        Row(title="new photo: the slowest", value=max(delays), most=_MAX_DELAY_S, form="{:.1f} s"),
        Row(title="memory at most, with these backups", value=peak / 1e6, form="{:.0f} MB"),
    ]


def _backup_s(home: Home) -> float:
    began = time.monotonic()
    home.run("backup", "--no-progress")
    return time.monotonic() - began


def _first_look_s(home: Home) -> tuple[float, float]:
    """Return the seconds from the start of the daemon to the end of its first look, and those of the look alone."""
    with Daemon(home) as daemon:
        began = daemon.wait("backup begins", _PATIENCE_S)
        ended = daemon.wait("backup done", _PATIENCE_S)
        whole = time.monotonic() - daemon.began
    look = datetime.fromisoformat(ended["time"]) - datetime.fromisoformat(began["time"])
    return whole, look.total_seconds()


def _stored_s(daemon: Daemon, photos: Path, number: int) -> float:
    """Return the seconds from the moment at which a photo is whole to the one at which it is said to be stored."""
    rng = Random(number)  # noqa: S311 -- the same photos on every run
    taken = datetime(2026, 11, 23, 12, number % 60, tzinfo=UTC)
    shot = Shot(taken=taken, make="Canon", model="Canon EOS 80D", latitude=48.2, longitude=16.4)
    data = jpeg(shot, Noise(number), rng, _PHOTO_SIZE)
    daemon.skip()
    (photos / f"new {number}.jpg").write_bytes(data)
    began = time.monotonic()
    daemon.wait("backup done", _PATIENCE_S, files=1)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
