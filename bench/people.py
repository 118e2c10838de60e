"""Measure how well photovault groups faces, and what it costs: finding, measuring, scanning, grouping.

    python bench/people.py [--faces DIR] [--sizes 20000,100000,500000] [--parts quality,speed,grouping] [--quick]

`--faces DIR`: photos as DIR/person/photo, of at least 100 people if the figures shall mean something; of each photo the
surest face counts as the person's.  Folders that begin with "_" are looked at as photos without names.  Without it, made
populations with the distances of real faces stand in (see crowd.py), and the table says so.

`quality`: F1 of the pairs and BCubed F1, on an album (65 people with several photos and 600 strangers) and on all, beside
other methods where they are installed (dlib, scikit-learn).  photovault's thresholds are those that it is shipped with: they
were chosen on other people.  `speed`: processor time to find and to measure, and photos a second through the sandboxed
workers.  `grouping`: a process of its own for each size, on the vectors multiplied; then 1,000 more faces are added.

Guarantee: nothing is kept of a face but these figures.  A target that is missed does not fail: the table says so.
"""

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_CHECKOUT))

import numpy as np  # noqa: E402 - photovault must be found first, for the modules below
from PIL import Image, ImageOps  # noqa: E402 - as above

import crowd  # noqa: E402 - as above
from crowd import Agreement, Ids, Vectors, agreement  # noqa: E402 - as above
from measure import BenchError, Command, say, timed  # noqa: E402 - as above
from photovault.decoder.host import Asked, Decoders  # noqa: E402 - as above
from photovault.people.engines import models, open_engine, quality  # noqa: E402 - as above
from photovault.people.grouping.grouping import Faces, add, group, no_links  # noqa: E402 - as above
from photovault.people.values import Curve, EngineOrder, Picture  # noqa: E402 - as above
from photovault.people.wall.host import FaceWorkers  # noqa: E402 - as above
from report import Row, rows_table  # noqa: E402 - as above
from script import in_scratch, is_quick, list_of, machine, options, save  # noqa: E402 - as above

PARTS = ("quality", "speed", "grouping")
_ORDER = EngineOrder()
_SEED = 1
_EDGE = 1024
_WORKERS = 2
_ADDED = 1000
_CLOCK_MOST = {20_000: 5.0, 100_000: 20.0, 500_000: 600.0}  # seconds
_MEMORY_MOST = {100_000: 500.0, 500_000: 4000.0}  # MB
_ADD_MOST = 10.0
_F1_LEAST = {"album": Agreement(0.96, 0.97), "all": Agreement(0.975, 0.94)}
_PEOPLE_LEAST = 100  # from which on the targets of quality mean something
_FOUND_MS, _MEASURED_MS, _SCAN_LEAST = 30.0, 8.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Faces, and whose each is; -1: nobody said.  `photos`: the photo of each; `rows`: figures of how they were got."""

    vectors: Vectors
    whose: Ids
    photos: Ids
    quality: Vectors
    curve: Curve
    rows: Sequence[Row] = field(default=())
    real: bool = True

    def taken(self, these: Ids) -> "Labelled":
        """Return some of them."""
        return Labelled(
            vectors=self.vectors[these],
            whose=self.whose[these],
            photos=self.photos[these],
            quality=self.quality[these],
            curve=self.curve,
        )

    def faces(self) -> Faces:
        """Return them as they are grouped."""
        none = np.full(len(self.whose), -1)
        return Faces(np.arange(len(self.whose)), self.vectors, self.photos, self.quality, none, none)


# Real faces: read in this process, which is what the processor time is of.


def labelled(folder: Path) -> Labelled:
    """Find and measure the faces of DIR/person/photo.

    Raises:
        BenchError: there are none.

    """
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    engine = open_engine(_ORDER, models.locate(_ORDER))
    names = sorted({path.parent.name for path in paths})
    vectors, whose, photos, good, clocks, missed = [], [], [], [], np.zeros(2), 0
    for number, path in enumerate(paths):
        named = not path.parent.name.startswith("_")
        image = _upright(path)
        began = time.process_time()
        found = engine.detect(image)
        clocks[0] += time.process_time() - began
        began = time.process_time()
        vectors += list(engine.embed(image, found)) if found else []
        clocks[1] += time.process_time() - began
        surest = max(range(len(found)), key=lambda at: found[at].score, default=-1)
        whose += [names.index(path.parent.name) if named and at == surest else -1 for at in range(len(found))]
        photos += [number] * len(found)
        good += [quality.quality(image, one) for one in found]
        missed += named and not found
    if not vectors:
        message = f"no faces in {folder}/*/*"
        raise BenchError(message)
    asked = sum(not path.parent.name.startswith("_") for path in paths)
    rows = [
        Row(title=f"labelled photos with a face found, of {asked}", value=asked - missed, form="{:.0f}", least=asked),
        Row(title="to find, CPU a photo", value=clocks[0] / len(paths) * 1e3, form="{:.1f} ms", most=_FOUND_MS),
        Row(title="to measure, CPU a face", value=clocks[1] / len(vectors) * 1e3, form="{:.1f} ms", most=_MEASURED_MS),
    ]
    return Labelled(
        vectors=np.array(vectors, np.float32),
        whose=np.array(whose),
        photos=np.array(photos),
        quality=np.array(good, np.float32),
        curve=engine.curve,
        rows=rows,
    )


def _upright(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    image.thumbnail((_EDGE, _EDGE))
    return np.asarray(image)


def stand_ins(quick: bool) -> Labelled:  # noqa: FBT001 - a plain choice
    """Return made faces, as many as Faces in the Wild has; a tenth of it for a quick run."""
    sizes = crowd.wild_sizes()
    vectors, whose = crowd.made(sizes[3::10] if quick else sizes, crowd.SEED)
    n = len(whose)
    good = np.ones(n, np.float32)
    curve = models.curve_of(_ORDER)
    return Labelled(vectors=vectors, whose=whose, photos=np.arange(n), quality=good, curve=curve, real=False)


# Quality: photovault and others on the same vectors.


def judged(given: Labelled) -> Iterator[Row]:
    """Yield the agreement of every method with who is who, on an album and on all."""
    named = np.flatnonzero(given.whose >= 0)
    sets = {"album": named[crowd.album(given.whose[named], crowd.SEED)], "all": np.arange(len(given.whose))}
    enough = given.real and len(np.unique(given.whose[named])) >= _PEOPLE_LEAST
    for name, these in sets.items():
        part = given.taken(these)
        faces = f"{name}, {len(these):,} faces" + ("" if given.real else " (made)")
        for method, run in _methods(part):
            say(f"{faces}: {method}")
            least = _F1_LEAST[name] if enough and method == "photovault" else None
            known = part.whose >= 0
            found = agreement(run()[known], part.whose[known])
            for title, value, bound in zip(("pairs", "BCubed"), found, least or (None, None), strict=True):
                yield Row(title=f"{faces}: {method}, F1 {title}", value=value, form="{:.3f}", least=bound)


def _methods(part: Labelled) -> Iterator[tuple[str, Callable[[], Ids]]]:
    vectors = part.vectors
    yield "photovault", lambda: group(part.faces(), no_links(), part.curve).labels
    if find_spec("dlib"):
        yield "dlib.chinese_whispers 0.6", partial(_whispers, vectors, 0.6)
        yield "dlib.chinese_whispers 0.5", partial(_whispers, vectors, 0.5)
    if find_spec("sklearn"):
        cluster = import_module("sklearn.cluster")
        yield "DBSCAN 0.41, 3", lambda: cluster.DBSCAN(eps=0.41, min_samples=3).fit_predict(vectors)
        yield "DBSCAN 0.42, 4", lambda: cluster.DBSCAN(eps=0.42, min_samples=4).fit_predict(vectors)
        yield "HDBSCAN 2", lambda: cluster.HDBSCAN(min_cluster_size=2, copy=True).fit_predict(vectors)


def _whispers(vectors: Vectors, threshold: float) -> Ids:
    dlib = import_module("dlib")
    given = [dlib.vector(row) for row in vectors.astype(np.float64)]
    return np.array(dlib.chinese_whispers_clustering(given, threshold))


# Speed of a scan: decoders and face workers as `people scan` has them, without the store.


def scanned(folder: Path) -> Row:
    """Return how many photos a second go through the sandboxed processes."""
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    waiting: deque[object] = deque()
    with Decoders(count=_WORKERS) as decoders, FaceWorkers(_ORDER, count=_WORKERS) as workers:
        workers.start()
        began = time.perf_counter()
        for path in paths:
            with path.open("rb", buffering=0) as file:
                asked = Asked(file.fileno(), path.stat().st_size, os.fsencode(path.name), False)  # noqa: FBT003
                (seen,) = decoders.view([asked], 2 * _EDGE).result()
            if seen.pixels:
                waiting.append(workers.find(Picture(seen.width, seen.height, seen.pixels)))
            if len(waiting) > _WORKERS + 1:
                waiting.popleft().result()  # type: ignore[attr-defined]
        for answer in waiting:
            answer.result()  # type: ignore[attr-defined]
        took = time.perf_counter() - began
    title = f"photos a second, {len(paths)} given, two workers"
    return Row(title=title, value=len(paths) / took, form="{:.1f}", least=_SCAN_LEAST)


# Grouping of large libraries: a process for each size, so that its peak is its own.


def grouped(given: Labelled, sizes: Sequence[int], scratch: Path) -> Iterator[Row]:
    """Yield what grouping costs at each size."""
    known = np.flatnonzero(given.whose >= 0)
    for number in sizes:
        say(f"grouping {number:,} faces")
        vectors, whose = crowd.multiplied(given.vectors[known], given.whose[known], number, _SEED)
        np.save(scratch / "vectors.npy", vectors)
        np.save(scratch / "whose.npy", whose)
        del vectors
        (scratch / "curve.json").write_text(json.dumps(given.curve.points))
        argv = (sys.executable, __file__, "--child", str(scratch))
        cost = timed(Command(argv=argv), dict(os.environ), scratch / "log")
        found = json.loads((scratch / "found.json").read_text())
        title = f"{number:,} faces"
        yield Row(title=f"{title}: grouped", value=found["group"], form="{:.1f} s", most=_CLOCK_MOST.get(number))
        peak = (cost.main_bytes or cost.peak_bytes) / 1e6  # of it alone: the other number counts this process too
        yield Row(title=f"{title}: peak memory", value=peak, form="{:.0f} MB", most=_MEMORY_MOST.get(number))
        title_added = f"{title}: {found['added']:,} more added"
        yield Row(title=title_added, value=found["add"], form="{:.1f} s", most=_ADD_MOST)
        yield Row(title=f"{title}: F1 pairs", value=found["pairwise"], form="{:.3f}")
        yield Row(title=f"{title}: F1 BCubed", value=found["bcubed"], form="{:.3f}")


def child(scratch: Path) -> None:
    """Group what the folder holds, and write what it took there."""
    vectors, whose = np.load(scratch / "vectors.npy"), np.load(scratch / "whose.npy")
    points = json.loads((scratch / "curve.json").read_text())
    curve = Curve(tuple((int(size), float(distance)) for size, distance in points))
    n, none = len(whose), np.full(len(whose), -1)
    faces = Faces(np.arange(n), vectors, np.arange(n), np.ones(n, np.float32), none, none)
    began = time.perf_counter()
    labels = group(faces, no_links(), curve).labels
    took = time.perf_counter() - began
    new = np.isin(np.arange(n), np.random.default_rng(_SEED).choice(n, min(_ADDED, n // 10), replace=False))
    began = time.perf_counter()
    add(faces._replace(before=np.where(new, -1, labels)), new, no_links(), curve)
    found = {"group": took, "add": time.perf_counter() - began, "added": int(new.sum())}
    (scratch / "found.json").write_text(json.dumps(found | agreement(labels, whose)._asdict()))


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    given = _parser(words).parse_args(words)
    if given.child:
        child(given.child)
        return 0
    return in_scratch(_run, given)


def _parser(words: Sequence[str] | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options(parser)
    parser.add_argument("--faces", type=Path, metavar="DIR", help="photos as DIR/person/photo; else made populations")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parts", type=list_of(set(PARTS)), default=list(PARTS), metavar="NAMES", help=",".join(PARTS))
    sizes = "2000" if is_quick(words) else "20000,100000,500000"
    parser.add_argument("--sizes", type=_numbers, default=sizes, metavar="N,N", help=f"faces to group ({sizes})")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def _run(given: argparse.Namespace, scratch: Path) -> None:
    found = labelled(given.faces) if given.faces else stand_ins(given.quick)
    rows = list(found.rows) if "speed" in given.parts else []
    if "speed" in given.parts and given.faces:
        rows.append(scanned(given.faces))
    if "quality" in given.parts:
        rows += judged(found)
    if "grouping" in given.parts:
        rows += grouped(found, given.sizes, scratch)
    about = machine(scratch, 1 << 20 if given.quick else 1 << 28)
    save(given.json, about, rows)
    print("\n".join(f"- {name}: {value}" for name, value in about.items()))
    print(f"\n{rows_table(rows)}")


if __name__ == "__main__":
    sys.exit(main())
