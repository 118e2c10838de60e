"""Measure photovault beside restic and borg on the same files: one command, Markdown tables on standard output.

    python bench/run.py [--size 2.2G | --library DIR] [--many 100000] [--runs 3] [--json FILE] [--quick]

For each run every tool starts with an empty repository. A step first changes the source (once), then each tool does it,
one right after the other and in rotating order, so that a drifting machine hits all alike. The source is put back as it
was after the run. What was restored is compared with the source byte by byte, outside the measured time.

All tools meet the same caches: before a backup the source is read once, so it is in memory as far as that reaches;
before a step that reads the repository, the repository is put out of memory, as it is on the day when photos are
needed. A restore is measured until the disk has what was restored: tools that leave it in memory are not done.

Guarantee: a step that fails, or a restore that differs, ends the benchmark with exit code 1 and no table. Not
guaranteed: a quiet machine, or a disk that is as quick in the last run as in the first.

Needs a POSIX system and Python 3.11; nothing else. README.md says what is fair and what is not.
"""

import argparse
import filecmp
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import library
from measure import BenchError, Command, cool, say, stored, timed, warm
from report import MANY, PHOTOS, TITLES, Figure, table
from script import in_scratch, is_quick, list_of, machine, options, save
from tools import TOOLS, Tool, present

_NEW_SHARE = 0.01
_EDIT_SHARE = 0.02
_REMOVED_SHARE = 0.1
_SEED = 1
_PROBE_MOST = 1 << 30

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the steps of one run work on: the source, where originals wait and restores go, the last backup's label."""

    source: Path
    aside: Path
    target: Path
    label: str = ""

    def one_file(self) -> Path:
        """Return the file in the middle of the library."""
        found = library.files(self.source)
        return found[len(found) // 2]


def _nothing(_: Scene) -> int:
    return 0


def _unproved(_: Scene) -> None:
    """Leave a step that restores nothing without a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One measured step: what changes before it (returns the bytes touched), the command, the proof after it."""

    name: str
    command: Callable[[Tool, Scene], Command]
    change: Callable[[Scene], int] = _nothing
    prove: Callable[[Scene], None] = _unproved

    @property
    def writes_files(self) -> bool:
        """Whether it restores."""
        return self.prove is not _unproved


def _backup(tool: Tool, scene: Scene) -> Command:
    return tool.backup(scene.source, scene.label)


def _restore(tool: Tool, scene: Scene) -> Command:
    return tool.restore(scene.label, scene.target)


def _restore_one(tool: Tool, scene: Scene) -> Command:
    return tool.restore_one(scene.label, scene.one_file(), scene.target)


def _add(scene: Scene) -> int:
    return apart(library.add, scene.source, _NEW_SHARE, _SEED + 10)


def _edit(scene: Scene) -> int:
    return apart(library.edit, scene.source, _EDIT_SHARE, _SEED + 20, scene.aside)


def _remove(scene: Scene) -> int:
    library.remove(scene.source, _REMOVED_SHARE, _SEED + 30, scene.aside)
    return 0


def _rename(scene: Scene) -> int:
    library.rename(scene.source)
    return 0


def prove_all(scene: Scene) -> None:
    """Compare all that was restored with the source.

    Raises:
        BenchError: a file is missing, added or different.

    """
    root = _restored_root(scene)
    wanted = {path.relative_to(scene.source) for path in library.files(scene.source)}
    found = {path.relative_to(root) for path in library.files(root)}
    wrong = wanted ^ found
    wrong |= {path for path in wanted & found if not filecmp.cmp(scene.source / path, root / path, shallow=False)}
    if wrong:
        message = f"{len(wrong)} restored files differ from the source, such as {min(wrong)}"
        raise BenchError(message)


def _prove_one(scene: Scene) -> None:
    found = library.files(scene.target)
    if len(found) != 1 or not filecmp.cmp(scene.one_file(), found[0], shallow=False):
        message = f"{scene.one_file()} was not restored as it is; found {found[:3]}"
        raise BenchError(message)


def _restored_root(scene: Scene) -> Path:
    """Return the folder below the target that stands for the source: tools put their own folders above it."""
    names = sorted(path.name for path in scene.source.iterdir())
    root = scene.target
    while (here := sorted(root.iterdir())) and [path.name for path in here] != names:
        if len(here) > 1 or not here[0].is_dir():
            break
        root = here[0]
    return root


PHOTO_STEPS = (
    Step(name="first", command=_backup),
    Step(name="same", command=_backup),
    Step(name="new", command=_backup, change=_add),
    Step(name="edit", command=_backup, change=_edit),
    Step(name="fewer", command=_backup, change=_remove),
    Step(name="rename", command=_backup, change=_rename),
    Step(name="forget", command=lambda tool, _: tool.forget()),
    Step(name="open", command=lambda tool, _: tool.snapshots()),
    Step(name="restore", command=_restore, prove=prove_all),
    Step(name="one", command=_restore_one, prove=_prove_one),
    Step(name="check", command=lambda tool, _: tool.check()),
    Step(name="full", command=lambda tool, _: tool.check_data()),
)
MANY_STEPS = PHOTO_STEPS[:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One run over one library."""

    library: str
    number: int
    steps: Sequence[Step]
    tools: Sequence[Tool]

    def figures(self, scene: Scene) -> Iterator[Figure]:
        """Do all steps with all tools; leave the source as it was, also after an error."""
        self._fresh()
        turn = self.number % len(self.tools)
        order = [*self.tools[turn:], *self.tools[:turn]]
        try:
            for step in self.steps:
                touched = step.change(scene)
                scene = replace(scene, label=step.name) if step.command is _backup else scene
                for tool in order:
                    yield self._figure(step, tool, scene, touched)
        finally:
            library.put_back(scene.source, scene.aside)

    def _fresh(self) -> None:
        for tool in self.tools:
            shutil.rmtree(tool.home, ignore_errors=True)
            tool.home.mkdir(parents=True)
            timed(tool.init(), tool.env(), tool.home / "log")

    def _figure(self, step: Step, tool: Tool, scene: Scene, touched: int) -> Figure:
        scene.target.mkdir()
        before, _ = stored(tool.repository)
        if step.command is _backup:
            warm(scene.source)
        else:
            cool(tool.repository)
        cost = timed(step.command(tool, scene), tool.env(), tool.home / "log", until_written=step.writes_files)
        after, objects = stored(tool.repository)
        say(f"{self.library}, run {self.number}: {TITLES[step.name]}, {tool.name}: {cost.wall_s:.2f} s")
        _prove(step, tool, scene)
        shutil.rmtree(scene.target)
        return Figure(
            library=self.library,
            run=self.number,
            step=step.name,
            tool=tool.name,
            **asdict(cost),
            stored_bytes=after,
            stored_objects=objects,
            grown_bytes=after - before,
            base_bytes=touched or stored(scene.source)[0],
        )


def _prove(step: Step, tool: Tool, scene: Scene) -> None:
    try:
        step.prove(scene)
    except BenchError as error:
        message = f"{tool.name}: {error}"
        raise BenchError(message) from error


def apart(work: Callable[..., _Result], *arguments: object, **named: object) -> _Result:
    """Call in a process of its own: a child's peak memory is never below what its parent once held."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
        return one.submit(work, *arguments, **named).result()


def _photos(given: argparse.Namespace, folder: Path) -> None:
    """Make the library, or copy the user's: the steps edit and rename in it."""
    if given.library:
        library.copy(given.library, folder)
    else:
        apart(library.make, folder, given.size, _SEED)


def _measure(given: argparse.Namespace, tools: Sequence[Tool], scratch: Path) -> Iterator[Figure]:
    """Make the libraries one after the other and run each."""
    if given.size or given.library:
        _photos(given, scratch / PHOTOS)
        steps = [step for step in PHOTO_STEPS if step.name in given.steps or step.name == "first"]
        yield from _runs(PHOTOS, steps, given.runs, tools, scratch)
        shutil.rmtree(scratch / PHOTOS)
    if given.many:
        apart(library.make_many, scratch / MANY, given.many, _SEED)
        steps = [step for step in MANY_STEPS if step.name in given.steps or step.name == "first"]
        yield from _runs(MANY, steps, given.runs, tools, scratch)


def _runs(name: str, steps: Sequence[Step], runs: int, tools: Sequence[Tool], scratch: Path) -> Iterator[Figure]:
    scene = Scene(source=scratch / name, aside=scratch / "originals", target=scratch / "restored")
    size, count = stored(scene.source)
    say(f"{name}: {count:,} files, {size / 1e6:,.0f} MB")
    for number in range(1, runs + 1):
        yield from Round(library=name, number=number, steps=steps, tools=tools).figures(scene)


def _heading(about: Mapping[str, str], given: argparse.Namespace) -> str:
    lines = ["# Benchmark", "", *(f"- {name}: {words}" for name, words in about.items())]
    lines.append(
        f"- runs: {given.runs}, medians; source in memory, repository not; restores until the disk has them;"
        " in each cell wall time (processor time, peak memory)"
    )
    if given.quick:
        lines.append("- **quick: the libraries are far too small for the targets to mean anything**")
    return "\n".join(lines)


def _section(name: str, figures: Sequence[Figure]) -> str:
    tools = [kind.name for kind in TOOLS if any(figure.tool == kind.name for figure in figures)]
    of = "The photo library" if name == PHOTOS else "Many small files"
    size = next(figure.base_bytes for figure in figures if figure.step == "first")
    return f"## {of}, {size / 1e6:,.0f} MB\n\n{table(figures, tools)}"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure photovault beside restic and borg on the same files.")
    parser.add_argument("--library", type=Path, metavar="DIR", help="copy this folder instead of making one")
    parser.add_argument("--size", type=library.size_of, help="photo library to make (2.2G; 0: none)")
    parser.add_argument("--many", type=int, metavar="N", help="tiny files of the second library (100000; 0: none)")
    parser.add_argument("--tools", type=list_of({kind.name for kind in TOOLS}), help="photovault,restic,borg")
    parser.add_argument("--steps", type=list_of(set(TITLES)), help=f"{','.join(TITLES)} (first always runs)")
    options(parser)
    small = ("30M", 500, 1) if is_quick(words) else ("2.2G", 100_000, 3)
    parser.set_defaults(size=library.size_of(small[0]), many=small[1], runs=small[2])
    parser.set_defaults(tools=[kind.name for kind in TOOLS], steps=list(TITLES))
    return parser.parse_args(words)


def _run(given: argparse.Namespace, scratch: Path) -> None:
    tools, versions = present([kind for kind in TOOLS if kind.name in given.tools], scratch, given.photovault)
    if not tools:
        message = "; ".join(f"{name}: {words}" for name, words in versions.items())
        raise BenchError(message)
    about = machine(scratch, min(given.size or _PROBE_MOST, _PROBE_MOST)) | versions
    figures = list(_measure(given, tools, scratch))
    print(_heading(about, given))
    for name in dict.fromkeys(figure.library for figure in figures):
        print("\n" + _section(name, [figure for figure in figures if figure.library == name]))
    save(given.json, about, figures)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return in_scratch(_run, _arguments(words))


if __name__ == "__main__":
    sys.exit(main())
