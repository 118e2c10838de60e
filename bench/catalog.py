"""Measure the search catalog at a million photos: making it from the vault, and finding in it.

    python bench/catalog.py [--photos 1000000] [--quick] [--work DIR] [--json FILE]

A vault is made that holds listings of so many invented photos and no photo: the catalog needs none. Then `photovault catalog
rebuild` makes the catalog in a process of its own, which is timed, and whose peak memory counts; `photovault find` is timed
as a whole once, and the questions themselves in this process, in a catalog that was just opened, best of five.

Prints a table beside the targets and ends with exit code 1 when one is missed. Targets are for a million photos; `--quick`
makes 20,000, which everything must do as well. Not guaranteed: a quiet machine.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

_CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_CHECKOUT))

from measure import RSS_UNIT, Command, Cost, peak_of, say, timed  # noqa: E402 - photovault must be found first, for the modules below
from photovault.app import App, Settings  # noqa: E402 - as above
from photovault.app.finding import FILE  # noqa: E402 - as above
from photovault.facts import Facts  # noqa: E402 - as above
from photovault.gazetteer import matching, nearest  # noqa: E402 - as above
from photovault.library import ALIKE, SAME, Library, Query  # noqa: E402 - as above
from photovault.model import Counts, Entry, EntryKind, Snapshot, Source  # noqa: E402 - as above
from photovault.vault import format as fmt  # noqa: E402 - as above
from photovault.vault.writer import Writer  # noqa: E402 - as above
from photovault.workers import Workers  # noqa: E402 - as above

_MANY, _FEW = 1_000_000, 20_000
_IN_FOLDER = 500
_FIND_S, _REBUILD_S, _MEMORY = 0.1, 300.0, 500_000_000
_SEED = 1
_START = datetime(2001, 1, 1)  # noqa: DTZ001 - cameras know no zone
_CAMERAS = (("Canon", "Canon EOS 5D"), ("NIKON CORPORATION", "NIKON D70"), ("Apple", "iPhone 12"), ("SONY", "ILCE-7M3"))
_TOWNS = ((41.89, 12.49), (48.86, 2.35), (52.52, 13.41), (37.77, -122.42), (35.69, 139.69), (-33.87, 151.21))
_SYLLABLES = ("ba", "ko", "mi", "ra", "tel", "sun", "dor", "fen", "li", "gos", "van", "per")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured; ``target``: what it must not exceed, None where nothing was promised."""

    what: str
    value: float
    unit: str
    target: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is worse than promised."""
        return self.target is not None and self.value > self.target


class _Silent:
    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        pass


def photos(count: int, rng: Random) -> Iterator[tuple[str, list[Entry]]]:
    """Folders of invented photos in the order of their names: what they are called, and their files."""
    words = sorted({"".join(rng.choices(_SYLLABLES, k=3)) for _ in range(2000)})
    step = timedelta(days=365 * 23) / max(count, 1)
    last: Entry | None = None
    for first in range(0, count, _IN_FOLDER):
        day = _START + step * first
        home = rng.choice(_TOWNS)
        files: list[Entry] = []
        for number in range(first, min(first + _IN_FOLDER, count)):
            files += _photo(number, _START + step * number, home, words, rng, last)
            last = files[-1]
        yield f"{day:%Y-%m-%d} {first // _IN_FOLDER:06} {rng.choice(words)}", sorted(files, key=lambda one: one.name)


def _photo(
    number: int, when: datetime, home: tuple[float, float], words: Sequence[str], rng: Random, last: Entry | None
) -> Iterator[Entry]:
    """A photo, and for some of them a second file; some look like the one before, some are the same."""
    make, model = rng.choice(_CAMERAS)
    located = rng.random() < 0.5  # noqa: PLR2004 - half of them
    alike = last is not None and rng.random() < 0.02  # noqa: PLR2004 - one in fifty
    hash_ = (last.facts.phash or 0) ^ (1 << rng.randrange(64)) if alike and last is not None else rng.getrandbits(64)
    facts = Facts(
        kind="jpeg",
        taken=when.isoformat(timespec="seconds"),
        taken_source="exif",
        taken_confidence="high",
        width=4000,
        height=3000,
        orientation=1,
        make=make,
        model=model,
        latitude=round((home[0] + rng.gauss(0, 0.1)) * 1e7) if located else None,
        longitude=round((home[1] + rng.gauss(0, 0.1)) * 1e7) if located else None,
        rating=rng.choice((None, None, None, 3, 5)),
        title=" ".join(rng.choices(words, k=3)) if number % 10 == 0 else None,
        keywords=tuple(sorted(set(rng.choices(words, k=3)))) if number % 5 == 0 else (),
        thumbnail=rng.randbytes(32),
        phash=hash_,
    )
    digest = last.digest if last is not None and rng.random() < 0.01 else rng.randbytes(32)  # noqa: PLR2004 - one in a hundred
    yield _file(f"IMG_{number % 10_000:04}.jpg", digest, facts, rng)
    if number % 20 == 0:
        yield _file(f"IMG_{number % 10_000:04}.jpg.xmp", rng.randbytes(32), Facts(kind="xmp", rating=4), rng)


def _file(name: str, digest: bytes, facts: Facts, rng: Random) -> Entry:
    size = rng.randrange(1_000_000, 8_000_000)
    parts = tuple(rng.randbytes(32) for _ in range(3))
    return Entry(
        name=name.encode(),
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=10**18,
        size=size,
        digest=digest,
        parts=parts,
        facts=facts,
    )


def make_vault(work: Path, env: Mapping[str, str], count: int, thumbnails: Sequence[bytes] = ()) -> None:
    """A vault with one snapshot of so many photos, of which it holds the listings only; and these thumbnails, in turn."""
    words = work / "words.txt"
    command = (sys.executable, "-m", "photovault", "init", "--vault", str(work / "vault"), "--words-file", str(words))
    subprocess.run(command, env=dict(env), check=True, capture_output=True)
    app = App(Settings(vault=str(work / "vault")))
    with app.session(lock=True) as session, Workers(2) as workers:
        small = Writer(session.vault, workers)
        shown = itertools.cycle([small.add_thumbnail(one) for one in thumbnails])
        small.finish()
        writer = Writer(session.vault, workers)
        folders, files = [], 0
        for name, bare in photos(count, Random(_SEED)):  # noqa: S311 - nothing secret
            entries = [_with(one, next(shown)) for one in bare] if thumbnails else bare
            pages = fmt.encode_pages((one.name, fmt.encode_entry(one)) for one in entries)
            folders.append(_folder(name, tuple(map(writer.add_listing, pages)), len(entries)))
            files += len(entries)
        inside = _pages(writer, folders)
        root = _pages(writer, [_folder("Pictures", inside, files)])
        writer.finish()
        session.vault.commit(_snapshot(root, files, len(folders)))


def _with(entry: Entry, thumbnail: bytes) -> Entry:
    """The entry with another thumbnail, if it has any."""
    is_photo = entry.facts.thumbnail is not None
    return replace(entry, facts=replace(entry.facts, thumbnail=thumbnail)) if is_photo else entry


def _pages(writer: Writer, entries: Sequence[Entry]) -> tuple[bytes, ...]:
    return tuple(map(writer.add_listing, fmt.encode_pages((one.name, fmt.encode_entry(one)) for one in entries)))


def _folder(name: str, parts: tuple[bytes, ...], files: int) -> Entry:
    return Entry(name=name.encode(), kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, files=files, parts=parts)


def _snapshot(root: tuple[bytes, ...], files: int, folders: int) -> Snapshot:
    return Snapshot(
        device_id=bytes(16),
        device_name="bench",
        number=1,
        time="2024-05-04T12:00:00.000000Z",
        previous=None,
        root=root,
        counts=Counts(files=files, folders=folders),
        sources=(Source(label="Pictures", path="/Pictures"),),
        clear=(),
        epoch=1,
        program="bench/catalog.py",
    )


def questions(snapshot: bytes) -> Iterator[tuple[str, Query, bool]]:
    """What is asked of the catalog, and whether the target of 100 ms is meant for it."""
    yield "date and text", Query(snapshot=snapshot, text="kotel", since="2010-03", until="2012-08"), True
    yield "date and a text that all have", Query(snapshot=snapshot, text="img pict", since="2015", until="2019"), True
    yield "date and two rare words", Query(snapshot=snapshot, text="sunlidor bako", since="2003"), True
    yield "date alone, newest first", Query(snapshot=snapshot, since="2020", newest=True), True
    yield "text that nothing has", Query(snapshot=snapshot, text="img nosuchword"), True
    yield (
        "camera, rating, kind, without a place",
        Query(snapshot=snapshot, camera="nikon d70", rating=5, kind="jpeg", located=False),
        True,
    )
    yield "20 km around a point", Query(snapshot=snapshot, places=tuple(matching("41.9,12.5,20km"))), True
    yield "country and text", Query(snapshot=snapshot, places=tuple(matching("Italy")), text="ra"), True
    yield "country that no photo is of", Query(snapshot=snapshot, places=tuple(matching("Peru"))), True
    yield "one folder", Query(snapshot=snapshot, folder=b"Pictures/none"), True
    yield "same files, first time", Query(snapshot=snapshot, duplicates=SAME), False
    yield "same files, again", Query(snapshot=snapshot, duplicates=SAME), True
    yield "alike pictures, first time", Query(snapshot=snapshot, duplicates=ALIKE), False
    yield "alike pictures, again", Query(snapshot=snapshot, duplicates=ALIKE), True


def finding(path: Path) -> Iterator[Figure]:
    """Time the questions, each in a catalog that was opened for it."""
    nearest(0.0, 0.0)  # the names of places are read once
    with closing(Library(path)) as library:
        (snapshot,) = library.standing().snapshots
    for name, query, promised in questions(snapshot):
        seconds = min(_asked(path, query) for _ in range(1 if "first time" in name else 5))
        yield Figure(what=f"find: {name}", value=seconds * 1000, unit="ms", target=_FIND_S * 1000 if promised else None)
    yield Figure(what="find: all pages of one month", value=_paged(path, snapshot) * 1000, unit="ms a page")


def _asked(path: Path, query: Query) -> float:
    with closing(Library(path)) as library:
        began = time.perf_counter()
        library.find(query)
        return time.perf_counter() - began


def _paged(path: Path, snapshot: bytes) -> float:
    query, after, pages = Query(snapshot=snapshot, since="2011-05", until="2011-05"), None, 0
    with closing(Library(path)) as library:
        began = time.perf_counter()
        while pages == 0 or after is not None:
            after, pages = library.find(query, after=after).following, pages + 1
        return (time.perf_counter() - began) / pages


def measure(work: Path, env: Mapping[str, str]) -> Iterator[Figure]:
    """The figures, in the order in which they are measured."""
    cost = _run(work, env, "catalog", "rebuild")
    yield Figure(what="rebuild", value=cost.wall_s, unit="s", target=_REBUILD_S)
    yield Figure(what="rebuild: processor", value=cost.cpu_s, unit="s")
    yield Figure(what="rebuild: peak memory", value=cost.peak_bytes / 1e6, unit="MB", target=_MEMORY / 1e6)
    (path,) = (work / "state").rglob(FILE)
    yield Figure(what="size on disk", value=path.stat().st_size / 1e6, unit="MB")
    cost = _run(work, env, "find", "kotel", "--from", "2010-03", "--until", "2012-08", "--limit", "100")
    yield Figure(what="photovault find, the whole command", value=cost.wall_s * 1000, unit="ms")
    yield from finding(path)
    yield Figure(what="find: peak memory, this process", value=_own_peak() / 1e6, unit="MB", target=_MEMORY / 1e6)


def _own_peak() -> int:
    """The most memory that this process had, in bytes; ru_maxrss of Linux may be that of the process that started this one."""
    return peak_of(os.getpid()) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def _run(work: Path, env: Mapping[str, str], *words: str) -> Cost:
    argv = (sys.executable, "-m", "photovault", *words, "--no-progress")
    return timed(Command(argv=argv, cwd=work), env, work / "log.txt")


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    lines = ["| what | measured | target |", "|---|---:|---:|"]
    for one in figures:
        target = f"{one.target:.0f} {one.unit}{' MISSED' if one.missed else ''}" if one.target is not None else ""
        lines.append(f"| {one.what} | {one.value:,.1f} {one.unit} | {target} |")
    return "\n".join(lines)


def bench(work: Path, count: int, told: Callable[[str], None]) -> list[Figure]:
    """Make a vault in ``work`` and measure."""
    here = {
        "PYTHONPATH": str(_CHECKOUT),
        "PHOTOVAULT_VAULT": str(work / "vault"),
        "PHOTOVAULT_CONFIG": str(work / "config.toml"),
        "PHOTOVAULT_STATE_DIR": str(work / "state"),
        "PHOTOVAULT_CACHE_DIR": str(work / "cache"),
        "PHOTOVAULT_NO_KEYRING": "1",
    }
    os.environ.update(here)
    told(f"making a vault with listings of {count:,} photos")
    make_vault(work, os.environ, count)
    told("measuring")
    return list(measure(work, os.environ))


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, and say by the exit code whether all targets are reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=_MANY)
    parser.add_argument("--quick", action="store_true", help=f"{_FEW:,} photos")
    parser.add_argument("--work", type=Path, help="folder for the vault and the catalog, instead of a temporary one")
    parser.add_argument("--json", type=Path, help="also write the figures into this file")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(dir=given.work) as work:
        figures = bench(Path(work), _FEW if given.quick else given.photos, say)
    print(table(figures))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return int(any(one.missed for one in figures))


if __name__ == "__main__":
    sys.exit(main())
