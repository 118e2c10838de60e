"""Guess from outside which photo was backed up: the size attack on photovault, restic and rclone crypt.

    python bench/attack.py [--candidates 200] [--library DIR] [--tools photovault,restic,rclone] [--quick]

Somebody has `candidates` photos (from a social network, say) and wants to know which of them a person keeps. He sees the
storage: names, sizes and times of all objects, never a key. Half of the photos are backed up, one per run, in an order
drawn by lot. Before, the attacker rehearses: he backs up every candidate himself with the same program into a vault of
his own and notes what came to the storage. For each run he then names the candidate whose rehearsal is nearest to what
he sees: first by the size of the largest new object, then by the bytes of all of them, then by the lengths of their
names, then by the seconds from the first to the last.

What is to be expected of somebody who only knows the size class (the next power of two): one hit in as many as there
are candidates in the class. Hits beyond that must be chance: at most the number that such guessing stays at or below
with a probability of 99 % (a sum of independent draws, worked out exactly).

Guarantee: the same seed gives the same photos and the same order. Not guaranteed: that there is no better attacker. This
one does not look at what other programs leave open besides (rclone keeps the time of the photo as that of the object).
"""

# ruff: noqa: S311 -- the same seed must give the same photos and the same order

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import library
from camera import Noise, Shot, jpeg
from measure import CommandFailedError, say, timed
from tools import Photovault, Rclone, Restic, Sender, present

KINDS: tuple[type[Sender], ...] = (Photovault, Restic, Rclone)
_SEED = 1
_CERTAINTY = 0.99
_CLASS_MIN = 1 << 14
_UNFINISHED = "tmp/"
_RCLONE_HEADER, _RCLONE_BLOCK, _RCLONE_TAG = 32, 65_536, 16  # https://rclone.org/crypt/#file-formats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the storage shows of one run: the largest new object and all of them (bytes), name lengths, seconds."""

    largest: int
    total: int
    names: int
    seconds: float

    def distance(self, other: "Sight") -> tuple[int, int, int, float]:
        """Return how far two sights are apart, by weight of evidence."""
        return (
            abs(self.largest - other.largest),
            abs(self.total - other.total),
            abs(self.names - other.names),
            abs(self.seconds - other.seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One attack: photos backed up, hits, the hits to be expected from the size class alone, and their upper limit."""

    tool: str
    backed_up: int
    candidates: int
    hits: int
    expected: float
    limit: int

    @property
    def is_no_better(self) -> bool:
        """Tell whether the attacker did no better than somebody who knows the size class."""
        return self.hits <= self.limit


def closest(seen: Sight, rehearsed: Sequence[Sight]) -> int:
    """Return the number of the rehearsal that is nearest to what was seen."""
    return min(range(len(rehearsed)), key=lambda number: seen.distance(rehearsed[number]))


def class_of(size: int) -> int:
    """Return the size class of a photo of so many bytes: a power of two (docs/format.md, section 5)."""
    return max(_CLASS_MIN, 1 << (size - 1).bit_length())


def shares(sizes: Sequence[int]) -> list[float]:
    """Return for each candidate the chance to name it of somebody who knows its size class and nothing else."""
    members = Counter(map(class_of, sizes))
    return [1 / members[class_of(size)] for size in sizes]


def limit_of(chances: Sequence[float], certainty: float) -> int:
    """Return the least number of hits that draws with these chances do not exceed, with that certainty."""
    odds = [1.0]  # of 0, 1, 2 ... hits
    for chance in chances:
        odds = [a * (1 - chance) + b * chance for a, b in zip([*odds, 0.0], [0.0, *odds], strict=True)]
    return next(hits for hits in range(len(odds)) if sum(odds[: hits + 1]) >= certainty or hits == len(chances))


def judged(tool: str, seen: Sequence[tuple[int, Sight]], rehearsed: Sequence[Sight], sizes: Sequence[int]) -> Outcome:
    """Let the attacker guess; `seen` holds the true candidate of each run beside what he saw."""
    chances = [shares(sizes)[truth] for truth, _ in seen]
    return Outcome(
        tool=tool,
        backed_up=len(seen),
        candidates=len(rehearsed),
        hits=sum(closest(sight, rehearsed) == truth for truth, sight in seen),
        expected=sum(chances),
        limit=limit_of(chances, _CERTAINTY),
    )


def watch(tool: Sender, photos: Sequence[Path]) -> Iterator[Sight]:
    """Back the photos up, one per run, into a new repository; yield what each run brings to the storage."""
    shutil.rmtree(tool.home, ignore_errors=True)
    source = tool.home / "Pictures"
    source.mkdir(parents=True)
    timed(tool.init(), tool.env(), tool.home / "log")
    before = _objects(tool.repository)
    for number, photo in enumerate(photos):
        shutil.copy2(photo, source)
        timed(tool.backup(source, str(number)), tool.env(), tool.home / "log")
        after = _objects(tool.repository)
        yield _sight({name: after[name] for name in after.keys() - before.keys()})
        before = after
    shutil.rmtree(tool.home)


def documented(photo: Path) -> Sight:
    """Return what rclone's documents say that a crypt remote shows of a file, for want of the program."""
    size = photo.stat().st_size
    sealed = _RCLONE_HEADER + size + -(-size // _RCLONE_BLOCK) * _RCLONE_TAG
    return Sight(largest=sealed, total=sealed, names=0, seconds=0)


def _objects(repository: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change (nanoseconds) of every object, by name."""
    found = {str(path.relative_to(repository)): path.stat() for path in library.files(repository)}
    return {name: (at.st_size, at.st_mtime_ns) for name, at in found.items() if not name.startswith(_UNFINISHED)}


def _sight(new: dict[str, tuple[int, int]]) -> Sight:
    sizes, times = [size for size, _ in new.values()], [time for _, time in new.values()]
    seconds = (max(times) - min(times)) / 1e9
    return Sight(largest=max(sizes), total=sum(sizes), names=sum(map(len, new)), seconds=seconds)


def make_candidates(folder: Path, count: int, rng: Random, *, typical: float) -> list[Path]:
    """Write so many photos, their sizes lognormal around `typical` bytes; no two have the same size by design."""
    folder.mkdir()
    noise, taken = Noise(_SEED), datetime(2021, 5, 4, 13, tzinfo=UTC)
    for number in range(count):
        moment = taken + timedelta(minutes=number)
        shot = Shot(taken=moment, make="Canon", model="EOS 80D", latitude=rng.uniform(-60, 70), longitude=0)
        size = int(min(max(rng.lognormvariate(0, 0.45), 0.1), 5) * typical)
        (folder / f"IMG_{number:04}.JPG").write_bytes(jpeg(shot, noise, rng, size))
    return library.files(folder)


def _candidates(given: argparse.Namespace, rng: Random, scratch: Path) -> list[Path]:
    if not given.library:
        return make_candidates(scratch / "candidates", given.candidates, rng, typical=given.typical)
    found = [path for path in library.files(given.library) if path.suffix.lower() in {".jpg", ".jpeg", ".heic"}]
    by_name = list({path.name: path for path in found if path.stat().st_size}.values())
    return rng.sample(by_name, min(len(by_name), given.candidates))


def attack(tool: Sender, photos: Sequence[Path], chosen: Sequence[int]) -> Outcome:
    """Rehearse with all photos, then watch a person back up the chosen ones."""
    say(f"{tool.name}: the attacker rehearses with {len(photos)} photos")
    rehearsed = list(watch(tool, photos))
    say(f"{tool.name}: somebody backs up {len(chosen)} of them, one per run")
    seen = list(zip(chosen, watch(tool, [photos[number] for number in chosen]), strict=True))
    return judged(tool.name, seen, rehearsed, [photo.stat().st_size for photo in photos])


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the Markdown table."""
    rows = ["|  | photos backed up | of candidates | named rightly | by the size class alone | at most (99 %) |  |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    for one in outcomes:
        rate, expected = one.hits / one.backed_up, one.expected / one.backed_up
        verdict = "no better" if one.is_no_better else "**told apart**"
        cells = [one.tool, f"{one.backed_up}", f"{one.candidates}", f"{one.hits} ({rate:.1%})"]
        cells += [f"{one.expected:.1f} ({expected:.1%})", f"{one.limit}", verdict]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Guess from the storage which photo was backed up.")
    parser.add_argument("--candidates", type=int, metavar="N", help="photos that the attacker has (200)")
    parser.add_argument("--library", type=Path, metavar="DIR", help="take them from here instead of making them")
    parser.add_argument("--tools", default="photovault,restic,rclone", metavar="NAMES")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to make a scratch folder, removed at the end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes here")
    parser.add_argument("--photovault", type=shlex.split, metavar="COMMAND", help="instead of this checkout's")
    parser.add_argument("--quick", action="store_true", help="few small photos: does everything work?")
    quick = "--quick" in (sys.argv[1:] if words is None else words)
    parser.set_defaults(candidates=12 if quick else 200, typical=2e5 if quick else 2.2e6)
    return parser.parse_args(words)


def _outcomes(given: argparse.Namespace, scratch: Path) -> Iterator[Outcome]:
    wanted = [kind for kind in KINDS if kind.name in given.tools.split(",")]
    tools, versions = present(wanted, scratch, given.photovault)
    rng = Random(_SEED)
    photos = _candidates(given, rng, scratch)
    chosen = rng.sample(range(len(photos)), len(photos) // 2)
    for tool in tools:
        yield attack(tool, photos, chosen)
    if Rclone in wanted and all(tool.name != Rclone.name for tool in tools):
        rehearsed = [documented(photo) for photo in photos]
        seen = [(number, rehearsed[number]) for number in chosen]
        yield judged("rclone, by its documents", seen, rehearsed, [photo.stat().st_size for photo in photos])
    print("# Size attack\n", *(f"- {name}: {said}" for name, said in versions.items()), "", sep="\n")


def main(words: Sequence[str] | None = None) -> int:
    """Run the attack; return 0, or 1 where it did not come to an end."""
    given = _arguments(words)
    try:
        with tempfile.TemporaryDirectory(prefix="photovault-attack-", dir=given.work) as scratch:
            outcomes = list(_outcomes(given, Path(scratch).resolve()))
    except (CommandFailedError, OSError, ValueError) as error:
        say(f"stopped: {error}")
        return 1
    print(table(outcomes))
    if given.json:
        given.json.write_text(json.dumps({"schema": 1, "outcomes": [asdict(one) for one in outcomes]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
