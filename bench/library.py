"""Make a folder of photos like a person's, and change it as a person does.

`make` fills yyyy/mm/dd folders with JPEGs (lognormal sizes around 2.2 MB, 1 to 8 MB), one video in about 120 files and
5 % exact duplicates, until the size is reached. `make_many` writes tiny sidecars. `add`, `edit` and `rename` are the
changes; `put_back` undoes them, so that every run of the benchmark starts from the same folder.

Guarantee: the same arguments give the same paths, bytes and times of change. Not guaranteed: the times of folders.

    python bench/library.py FOLDER --size 2.2G [--seed 1]
"""

# ruff: noqa: S311 -- the same seed must give the same library

import argparse
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from camera import Noise, Shot, edited, jpeg, mp4

_CAMERAS = (("Apple", "iPhone 13"), ("Google", "Pixel 6"), ("Canon", "Canon EOS 80D"), ("SONY", "ILCE-6400"))
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
_NEW = "new import"
_RENAMED = " (renamed by the benchmark)"
_SIDECAR = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file to write: kind is jpeg, mp4 or copy (of the file before it); size is in bytes."""

    kind: str
    size: int
    taken: datetime


def plan(rng: Random, start: datetime) -> Iterator[Item]:
    """Yield files without end, in the order in which they were taken."""
    taken, number = start, 0
    while True:
        pause = timedelta(days=rng.expovariate(1 / 4)) if rng.random() < 0.04 else timedelta(seconds=rng.randrange(600))  # noqa: PLR2004 -- an outing ends after some 25 photos
        taken, number = taken + pause, number + 1
        if number % 120 == 8:  # noqa: PLR2004 -- one video in 120 files, early enough for small libraries
            yield Item(kind="mp4", size=_between(5e6, rng.lognormvariate(math.log(15e6), 0.5), 60e6), taken=taken)
        else:
            kind = "copy" if rng.random() < 0.05 and number > 1 else "jpeg"  # noqa: PLR2004 -- the share of copies
            yield Item(kind=kind, size=_between(1e6, rng.lognormvariate(math.log(2.2e6), 0.45), 8e6), taken=taken)


def make(folder: Path, size: int, seed: int) -> None:
    """Write about `size` bytes of photos and videos into the empty or missing `folder`."""
    left = size
    writer = _Writer(folder, seed)
    for item in plan(Random(seed), datetime(2019, 3, 1, 9, tzinfo=UTC)):
        left -= writer.write(item, most=max(size // 8, 1_000_000))
        if left <= 0:
            return


def make_many(folder: Path, count: int, seed: int) -> None:
    """Write `count` sidecars of 64 to 2,048 bytes, 100 to a folder."""
    rng = Random(seed)
    pool = rng.randbytes(4_000_000).translate(_LETTERS * 4)
    for number in range(count):
        into = folder / f"{number // 10_000:03}" / f"{number // 100 % 100:02}"
        if number % 100 == 0:
            into.mkdir(parents=True)
        start, size = rng.randrange(len(pool) - 2_048), rng.randrange(64, 2_049)
        (into / f"IMG_{number:06}.xmp").write_bytes(_SIDECAR + pool[start : start + size - len(_SIDECAR)])


def add(folder: Path, share: float, seed: int) -> int:
    """Add `share` of the number of files as new photos in a folder of their own; return their bytes."""
    count = max(1, round(share * len(files(folder))))
    writer = _Writer(folder / _NEW, seed)
    items = plan(Random(seed), datetime(2024, 7, 1, 9, tzinfo=UTC))
    return sum(writer.write(next(items), most=8_000_000) for _ in range(count))


def edit(folder: Path, share: float, seed: int, aside: Path) -> int:
    """Rewrite the EXIF of `share` of the JPEGs, as exiftool does: a new file renamed over the old one.

    The originals wait in `aside`, on the same file system, under their paths in `folder`.

    Returns:
        The bytes of the files edited, after the edit.

    """
    rng = Random(seed)
    photos = [path for path in files(folder) if path.suffix.lower() in {".jpg", ".jpeg"}]
    chosen = rng.sample(photos, min(len(photos), max(1, round(share * len(photos)))))
    return sum(_edit(path, aside / path.relative_to(folder), rng) for path in chosen)


def remove(folder: Path, share: float, seed: int, aside: Path) -> None:
    """Move `share` of the files, and at least one, to `aside`; those that were edited or added stay."""
    found = [path for path in files(folder) if folder / _NEW not in path.parents]
    found = [path for path in found if not (aside / path.relative_to(folder)).exists()]
    for path in Random(seed).sample(found, max(1, round(share * len(found)))):
        away = aside / path.relative_to(folder)
        away.parent.mkdir(parents=True, exist_ok=True)
        path.rename(away)


def rename(folder: Path) -> None:
    """Give every top-level folder another name."""
    for old in sorted(path for path in folder.iterdir() if path.is_dir()):
        old.rename(old.with_name(old.name + _RENAMED))


def put_back(folder: Path, aside: Path) -> None:
    """Undo `rename`, `remove`, `add` and `edit`, whichever of them happened."""
    for new in sorted(folder.glob(f"*{_RENAMED}")):
        new.rename(new.with_name(new.name.removesuffix(_RENAMED)))
    shutil.rmtree(folder / _NEW, ignore_errors=True)
    for original in files(aside):
        original.replace(folder / original.relative_to(aside))


def copy(folder: Path, to: Path) -> None:
    """Copy a user's folder without the links in it."""
    shutil.copytree(folder, to, ignore=_links)


def files(folder: Path) -> list[Path]:
    """Return every file below `folder`, sorted."""
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)


def size_of(text: str) -> int:
    """Read a size such as 2.2G, 150M or 0 as bytes (powers of ten)."""
    unit = _UNITS.get(text[-1:].upper(), 1)
    return round(float(text[:-1] if unit > 1 else text) * unit)


class _Writer:
    """Write items one after another; remembers the last bytes for the copies."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._noise, self._rng = folder, Noise(seed), Random(seed + 1)
        self._last, self._number = b"", 0

    def write(self, item: Item, most: int) -> int:
        """Write one file of at most about `most` bytes; return its size."""
        self._number += 1
        self._last = self._bytes(item, min(item.size, most))
        path = self._folder / item.taken.strftime("%Y/%m/%d") / self._name(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._last)
        os.utime(path, (item.taken.timestamp(), item.taken.timestamp()))
        return len(self._last)

    def _bytes(self, item: Item, size: int) -> bytes:
        if item.kind == "copy":
            return self._last
        if item.kind == "mp4":
            return mp4(item.taken, self._noise, self._rng, size)
        return jpeg(self._shot(item.taken), self._noise, self._rng, size)

    def _shot(self, taken: datetime) -> Shot:
        make_of, model = self._rng.choice(_CAMERAS)
        latitude, longitude = self._rng.uniform(-60, 70), self._rng.uniform(-180, 180)
        return Shot(taken=taken, make=make_of, model=model, latitude=latitude, longitude=longitude)

    def _name(self, item: Item) -> str:
        is_video = self._last[4:8] == b"ftyp"
        return f"IMG_{self._number:05}{' (1)' if item.kind == 'copy' else ''}.{'MP4' if is_video else 'JPG'}"


def _edit(path: Path, original: Path, rng: Random) -> int:
    words = " ".join(rng.choice(("sea", "summer", "family", "garden", "evening")) for _ in range(rng.randrange(8, 60)))
    try:
        changed = edited(path.read_bytes(), rating=rng.randrange(1, 6), description=words)
    except ValueError:  # a user's own photo with odd EXIF: leave it
        return 0
    fresh = path.with_name(f"{path.name}_tmp")
    fresh.write_bytes(changed)
    original.parent.mkdir(parents=True, exist_ok=True)
    path.rename(original)
    fresh.rename(path)
    return len(changed)


def _links(parent: str, names: list[str]) -> set[str]:
    return {name for name in names if Path(parent, name).is_symlink()}


def _between(least: float, value: float, most: float) -> int:
    return int(min(max(value, least), most))


def main() -> None:
    """Make a library from the command line."""
    parser = argparse.ArgumentParser(description="Make a folder of camera-like photos and videos.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=size_of, default=size_of("2.2G"), help="such as 2.2G (default)")
    parser.add_argument("--many", type=int, default=0, help="make this many tiny sidecars instead")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.many:
        make_many(given.folder, given.many, given.seed)
    else:
        make(given.folder, given.size, given.seed)


if __name__ == "__main__":
    main()
