"""Measure what photovault does with photos: facts, thumbnails, a first backup with both, JPEGs made smaller.

    python bench/photos.py [--photos DIR] [--size 2.2G] [--runs 3] [--parts facts,thumbnails,first,jxl] [--quick]

`facts`, `thumbnails`: files a second that the sandboxed decoders look at, through the class that a backup uses; opening
the files is in it, hashing and storing are not. All were read before. `first`: whole commands into an empty vault, with the
default settings, without thumbnails and codec, and by the other tools; then `backup --all-thumbnails`. `jxl`: one run over
JPEGs, stored as JPEG XL and as they are, and restored. All on two cores, on which the other tools are kept too.

Guarantee: a restored file that differs by a byte ends the benchmark with exit code 1 and no table. A target that is missed
does not: the table says so. Not guaranteed: photos like yours, unless `--photos` names them; a quiet machine.

Needs what photovault needs, and `imagecodecs` for `jxl`, which is left out without it.
"""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_CHECKOUT))

from PIL import Image  # noqa: E402 - photovault must be found first, for the modules below

import library  # noqa: E402 - as above
import picture  # noqa: E402 - as above
from measure import Command, Cost, say, stored, timed, warm  # noqa: E402 - as above
from photovault.app import App, Settings  # noqa: E402 - as above
from photovault.decoder.host import Asked, Decoders, Looked, Looking, can_pack  # noqa: E402 - as above
from photovault.model import Entry, EntryKind  # noqa: E402 - as above
from photovault.vault.format import GROUPED  # noqa: E402 - as above
from photovault.vault.reader import Reader  # noqa: E402 - as above
from report import Figure, Row, rows_table  # noqa: E402 - as above
from run import PHOTO_STEPS, Round, Scene, apart  # noqa: E402 - as above
from script import cores, in_scratch, is_quick, list_of, machine, options, save  # noqa: E402 - as above
from tools import Borg, Photovault, Restic, Tool, present  # noqa: E402 - as above

PARTS = ("facts", "thumbnails", "first", "jxl")
PEERS: tuple[type[Tool], ...] = (Restic, Borg)
_CORES = 2
_FACTS_LEAST, _THUMBNAILS_LEAST = 400, 40  # files a second
_DEFAULT_MOST, _PEER_MOST = 1.5, 1.0  # of the time without; of the best peer's
_SAVED_LEAST = 0.18
_SEED = 1
_PICTURES = "pictures"
_TOGETHER = 8  # files in one question to the decoders
_AHEAD = 4  # questions on their way
_TWELVE = (10_000_000, 14_000_000)  # pixels of what counts as 12 megapixels
_FIRST, _RESTORE = (next(step for step in PHOTO_STEPS if step.name == name) for name in ("first", "restore"))
_PLAIN = '[backup]\nthumbnails = false\ncodec = "off"\n'
_PACKED = '[backup]\nthumbnails = false\ncodec = "jxl"\n'


class Telling(Photovault):
    """Photovault with settings of its own, which says in JSON what a backup did."""

    def backup(self, source: Path, label: str) -> Command:
        """Back up the folder."""
        made = super().backup(source, label)
        return Command(argv=(*made.argv, "--json"))

    def all_thumbnails(self, source: Path) -> Command:
        """Back up the folder, and make the thumbnails that are left."""
        made = self.backup(source, "")
        return Command(argv=(*made.argv, "--all-thumbnails"))

    def summary(self) -> dict[str, int]:
        """Return what the last backup said."""
        lines = (self.home / "log").read_text().splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        summary: dict[str, int] = next(row for row in rows if row["message_type"] == "summary")
        return summary


def telling(name: str, settings: str, scratch: Path, ours: Sequence[str] | None) -> Telling:
    """Return photovault under a name of its own with the settings, in TOML; `ours`: its command."""
    config = scratch / f"{name}.toml"
    config.write_text(settings)
    tool = Telling(scratch / name, more={"PHOTOVAULT_CONFIG": str(config)})
    tool.name = name
    tool.program = tuple(ours or Photovault.program)
    return tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one part of the benchmark gives: rows to show, and its raw figures if it has any."""

    rows: Sequence[Row]
    figures: Sequence[Figure] = field(default=())


# Facts and thumbnails: questions to the decoders, in a process of its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many files a second were looked at, in each run.

    `without`: of how many nothing, or no thumbnail, was got; `cpu_s`: what one thumbnail took of a processor.
    """

    per_second: Sequence[float]
    without: int
    cpu_s: float


def rate(paths: Sequence[Path], runs: int, *, thumbnail: bool) -> Rate:
    """Look at the files, once before the clock starts, then so many times."""
    took = []
    with Decoders(count=_CORES) as decoders:
        found = look(decoders, paths, thumbnail=thumbnail)
        for _ in range(runs):
            began = time.perf_counter()
            look(decoders, paths, thumbnail=thumbnail)
            took.append(time.perf_counter() - began)
    without = sum(not (one.thumbnail if thumbnail else one.facts.kind) for one in found)
    cpu = sum(one.thumbnail_seconds for one in found) / len(found)
    return Rate(per_second=[len(paths) / seconds for seconds in took], without=without, cpu_s=cpu)


def look(decoders: Decoders, paths: Sequence[Path], *, thumbnail: bool) -> list[Looked]:
    """Ask for some files at a time, with a few questions on their way, as a backup does."""
    found: list[Looked] = []
    waiting: deque[Looking] = deque()
    for at in range(0, len(paths), _TOGETHER):
        waiting.append(_asked(decoders, paths[at : at + _TOGETHER], thumbnail=thumbnail))
        if len(waiting) == _AHEAD:
            found += waiting.popleft().result()
    return found + [one for looking in waiting for one in looking.result()]


def _asked(decoders: Decoders, paths: Sequence[Path], *, thumbnail: bool) -> Looking:
    with ExitStack() as files:
        opened = [files.enter_context(path.open("rb", buffering=0)) for path in paths]
        sizes = [path.stat().st_size for path in paths]
        asked = [
            Asked(file.fileno(), size, os.fsencode(path.name), thumbnail)
            for file, size, path in zip(opened, sizes, paths, strict=True)
        ]
        return decoders.look(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the parts work on.

    Attributes:
        given: the options.
        scratch: where repositories are made.
        photos: the library: the user's, copied, or one that was made.
        pictures: JPEGs that look like photos: the user's, or some that were made.
    """

    given: argparse.Namespace
    scratch: Path
    photos: Path
    pictures: Path

    @property
    def is_real(self) -> bool:
        """Whether these are somebody's photos."""
        return self.given.photos is not None

    @property
    def whose(self) -> str:
        """The same in a word, for titles."""
        return "given" if self.is_real else "made"


def facts(stage: Stage) -> Found:
    """JPEGs of the library a second, as many times over as it takes to fill a second or two."""
    found = jpegs(stage.photos)
    if not found:
        say("facts: left out, there is no JPEG")
        return Found(rows=[])
    measured = apart(rate, repeated(found, stage.given.asked), stage.given.runs, thumbnail=False)
    title = f"facts: JPEGs a second, {len(found):,} {stage.whose}"
    return Found(rows=[_rate_row(title, measured, _FACTS_LEAST), *_without(measured, "facts: files of unknown kind")])


def thumbnails(stage: Stage) -> Found:
    """Thumbnails of JPEGs of 12 megapixels a second; of some that are made, where none is given."""
    found = [path for path in jpegs(stage.pictures) if _TWELVE[0] <= pixels(path) <= _TWELVE[1]]
    whose = stage.whose if found else "made"
    found = found or _made(stage.given, stage.scratch)
    measured = apart(rate, repeated(found, stage.given.asked // 10), stage.given.runs, thumbnail=True)
    size = sum(path.stat().st_size for path in found) / len(found)
    title = f"thumbnails: JPEGs of 12 megapixels a second, {len(found):,} {whose}, {size / 1e6:.1f} MB"
    rows = [_rate_row(title, measured, _THUMBNAILS_LEAST), *_without(measured, "thumbnails: files without")]
    rows.append(Row(title="thumbnails: processor time of one", value=measured.cpu_s * 1000, form="{:.0f} ms"))
    return Found(rows=rows)


def _rate_row(title: str, measured: Rate, least: float) -> Row:
    return Row(title=title, value=median(measured.per_second), form="{:.0f}", least=least)


def _without(measured: Rate, title: str) -> list[Row]:
    return [Row(title=title, value=measured.without, form="{:.0f}")] if measured.without else []


def repeated(paths: Sequence[Path], count: int) -> list[Path]:
    """At least `count` of the files, all of them equally often."""
    return [*paths] * -(-count // max(1, len(paths)))


def jpegs(folder: Path) -> list[Path]:
    """Return the JPEGs below the folder, by their first bytes."""
    return [path for path in library.files(folder) if _begins(path) == b"\xff\xd8\xff"]


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(3)


def pixels(path: Path) -> int:
    """Return the pixels of a picture, 0 if it is none."""
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0


# Backups: whole commands, in rotating order.


def first(stage: Stage) -> Found:
    """The first backup without thumbnails and codec, with the default settings and by the others; then all thumbnails."""
    plain = telling("without", _PLAIN, stage.scratch, stage.given.photovault)
    full = telling("default", "", stage.scratch, stage.given.photovault)
    peers, _ = present([kind for kind in PEERS if kind.name in stage.given.tools], stage.scratch, None)
    scene = Scene(source=stage.photos, aside=stage.scratch / "none", target=stage.scratch / "restored")
    figures: list[Figure] = []
    later: list[Later] = []
    for number in range(1, stage.given.runs + 1):
        tools = [plain, full, *peers]
        figures += Round(library="photos", number=number, steps=[_FIRST], tools=tools).figures(scene)
        later.append(_all_thumbnails(full, stage.photos))
    walls = {tool.name: _median(figures, tool) for tool in tools}
    return Found(rows=[*_first_rows(walls, figures), *_thumbnail_rows(later, stage.photos)], figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What a first backup left to be made, and what making it cost: the summaries of both, and the cost."""

    at_first: dict[str, int]
    then: dict[str, int]
    cost: Cost


def _all_thumbnails(full: Telling, photos: Path) -> Later:
    at_first = full.summary()
    warm(photos)
    cost = timed(full.all_thumbnails(photos), full.env(), full.home / "log")
    say(f"all thumbnails: {cost.wall_s:.2f} s")
    return Later(at_first=at_first, then=full.summary(), cost=cost)


def _median(figures: Sequence[Figure], tool: Tool, step: str = "first") -> float:
    return median(one.wall_s for one in figures if (one.tool, one.step) == (tool.name, step))


def _first_rows(walls: dict[str, float], figures: Sequence[Figure]) -> Iterator[Row]:
    ours = walls["default"]
    yield Row(title="first backup, default settings", value=ours, form="{:.2f} s")
    yield Row(title="first backup, no thumbnails, no codec", value=walls["without"], form="{:.2f} s")
    title = "first backup, default: of the time without"
    yield Row(title=title, value=ours / walls["without"], form="{:.2f}", most=_DEFAULT_MOST)
    peers = {name: wall for name, wall in walls.items() if name not in {"default", "without"}}
    yield from (Row(title=f"first backup, {name}", value=wall, form="{:.2f} s") for name, wall in peers.items())
    if peers:
        best = min(peers, key=lambda name: peers[name])
        title = f"first backup, default: of the time of {best}"
        yield Row(title=title, value=ours / peers[best], form="{:.2f}", most=_PEER_MOST)
    yield from _memory_rows("first backup, default", [one for one in figures if one.tool == "default"])


def _thumbnail_rows(later: Sequence[Later], photos: Path) -> Iterator[Row]:
    """Rows of the last run, as to numbers; the median, as to time."""
    last = later[-1]
    made, more = (one["thumbnails_made"] for one in (last.at_first, last.then))
    size, more_size = (one["thumbnail_bytes"] for one in (last.at_first, last.then))
    share = f"{{:.1f}} MB of thumbnails for {stored(photos)[0] / 1e6:,.0f} MB"
    yield Row(title="thumbnails after the first backup", value=made, form="{:,.0f}")
    yield Row(title="their size", value=size / 1e6, form=share)
    yield Row(title="left to be made", value=last.at_first["thumbnails_left"], form="{:,.0f}")
    yield Row(title="backup --all-thumbnails", value=median(one.cost.wall_s for one in later), form="{:.2f} s")
    yield Row(title="thumbnails after that", value=made + more, form="{:,.0f}")
    yield Row(title="their size", value=(size + more_size) / 1e6, form=share)
    yield Row(title="left to be made", value=last.then["thumbnails_left"], form="{:,.0f}")
    yield from _memory_rows("backup --all-thumbnails", [one.cost for one in later])


def _memory_rows(what: str, of: Sequence[Figure] | Sequence[Cost]) -> Iterator[Row]:
    main, whole = max(one.main_bytes for one in of), max(one.peak_bytes for one in of)
    yield Row(title=f"{what}: peak memory of the main process", value=main / 1e6, form="{:.0f} MB")
    yield Row(title=f"{what}: peak memory of all processes together", value=whole / 1e6, form="{:.0f} MB")


def jxl(stage: Stage) -> Found:
    """JPEGs stored as they are and as JPEG XL, and restored, which `Round` proves."""
    if not can_pack():
        say("jxl: left out, imagecodecs is not installed")
        return Found(rows=[])
    source = stage.scratch / "jpegs"
    _link(jpegs(stage.pictures), stage.pictures, source)
    tools = [telling(name, given, stage.scratch, stage.given.photovault) for name, given in _CODECS.items()]
    scene = Scene(source=source, aside=stage.scratch / "none", target=stage.scratch / "restored")
    figures: list[Figure] = []
    said: dict[str, dict[str, int]] = {}
    for one in Round(library="jpegs", number=1, steps=[_FIRST, _RESTORE], tools=tools).figures(scene):
        figures.append(one)
        if one.step == "first":
            said[one.tool] = next(tool for tool in tools if tool.name == one.tool).summary()
    files = apart(packed_files, str(tools[1].repository), tools[1].env())
    return Found(rows=list(_jxl_rows(stage, source, figures, said["jxl"], files)), figures=figures)


_CODECS = {"off": _PLAIN, "jxl": _PACKED}


def _link(paths: Sequence[Path], below: Path, to: Path) -> None:
    """Give each of the files a second name below `to`."""
    to.mkdir()
    for path in paths:
        other = to / path.relative_to(below)
        other.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, other)


def packed_files(vault: str, env: dict[str, str]) -> tuple[int, int]:
    """Return of how many files of the newest snapshot the picture is packed, and of how many nothing is."""
    os.environ.update(env)
    with App(Settings(vault=vault)).session() as session:
        newest = session.vault.snapshots().found[-1]
        reader = Reader(session.vault)
        entries = [one for _, one in reader.walk(newest.snapshot.root) if isinstance(one, Entry) and one.size]
        files = [one for one in entries if one.kind is EntryKind.FILE]
        packed = sum(any(reader.place(part).region.record.codec in GROUPED for part in one.parts) for one in files)
        return packed, len(files) - packed


def _jxl_rows(
    stage: Stage, source: Path, figures: Sequence[Figure], said: dict[str, int], files: tuple[int, int]
) -> Iterator[Row]:
    size, count = stored(source)
    by = {(one.tool, one.step): one for one in figures}
    off, packed = by["off", "first"].stored_bytes, by["jxl", "first"].stored_bytes
    of = f"{count:,} JPEGs {stage.whose}, {size / 1e6:,.0f} MB"
    saved = said["bytes_packed"] - said["bytes_packed_stored"]
    least = _SAVED_LEAST if stage.is_real else None
    yield Row(title=f"jxl: stored bytes saved, {of}", value=saved / size, form="{:.1%}", least=least)
    title = "jxl: the same of those that are packed"
    yield Row(title=title, value=saved / max(1, said["bytes_packed"]), form="{:.1%}")
    yield Row(title="jxl: the vault is smaller, with its padding", value=1 - packed / off, form="{:.1%}")
    yield Row(title="jxl: files stored as they are", value=files[1], form=f"{{:,.0f}} of {sum(files):,}")
    for step, verb in (("first", "backup"), ("restore", "restore")):
        for name in _CODECS:
            value = size / 1e6 / by[name, step].wall_s
            yield Row(title=f"{verb} of them, codec {name}", value=value, form="{:.1f} MB/s")
        yield from _memory_rows(f"{verb} of them, codec jxl", [by["jxl", step]])


# The whole.

_MEASURED: dict[str, Callable[[Stage], Found]] = dict(zip(PARTS, (facts, thumbnails, first, jxl), strict=True))


def _stage(given: argparse.Namespace, scratch: Path) -> Stage:
    """Make the photos, or copy the user's: nothing is done to their own."""
    photos = scratch / "photos"
    if given.photos:
        library.copy(given.photos, photos)
        return Stage(given=given, scratch=scratch, photos=photos, pictures=photos)
    say("making photos")
    apart(library.make, photos, given.size, _SEED)
    _made(given, scratch)
    return Stage(given=given, scratch=scratch, photos=photos, pictures=scratch / _PICTURES)


def _made(given: argparse.Namespace, scratch: Path) -> list[Path]:
    """Make photos of 12 megapixels."""
    apart(picture.make, scratch / _PICTURES, given.pictures, _SEED)
    return library.files(scratch / _PICTURES)


def _two_cores() -> None:
    """Stay on two cores, with all that is started from now on, as the targets say."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, cores()[:_CORES])


def _run(given: argparse.Namespace, scratch: Path) -> None:
    _two_cores()
    about = machine(scratch, min(given.size, 1 << 30))
    kinds: list[type[Tool]] = [Photovault, *(kind for kind in PEERS if kind.name in given.tools)]
    _, versions = present(kinds, scratch, given.photovault)
    stage = _stage(given, scratch)
    size, count = stored(stage.photos)
    about |= versions | {"library": f"{count:,} files, {size / 1e6:,.0f} MB, {stage.whose}"}
    found = [_MEASURED[part](stage) for part in PARTS if part in given.parts]
    print("# Photos", "", *(f"- {name}: {words}" for name, words in about.items()), sep="\n")
    print(
        f"- runs: {given.runs}, medians (jxl: one); source in memory; restores until the disk has them, no file differs"
    )
    if given.quick:
        print("- **quick: too little for the targets to mean anything**")
    rows = [row for one in found for row in one.rows]
    print("", rows_table(rows), sep="\n")
    save(given.json, about, [*rows, *(figure for one in found for figure in one.figures)])


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what photovault does with photos, beside its targets.")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="copy this folder instead of making photos")
    parser.add_argument("--size", type=library.size_of, help="library to make for facts and first (2.2G)")
    parser.add_argument("--pictures", type=int, metavar="N", help="photos of 12 megapixels to make for the rest (24)")
    parser.add_argument("--parts", type=list_of(set(PARTS)), metavar="NAMES", help=",".join(PARTS))
    parser.add_argument("--tools", type=list_of({kind.name for kind in PEERS}), metavar="NAMES", help="restic,borg")
    options(parser)
    size, pictures, asked, runs = ("20M", 2, 40, 1) if is_quick(words) else ("2.2G", 24, 1000, 3)
    parser.set_defaults(size=library.size_of(size), pictures=pictures, asked=asked, runs=runs)
    parser.set_defaults(parts=list(PARTS), tools=[kind.name for kind in PEERS])
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return in_scratch(_run, _arguments(words))


if __name__ == "__main__":
    sys.exit(main())
