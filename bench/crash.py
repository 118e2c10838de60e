"""Kill backups with SIGKILL, again and again: who needs to be unlocked by hand, and who keeps what nobody needs?

    python bench/crash.py [--kills 20] [--size 200M] [--tools photovault,restic,borg] [--proofs] [--quick]

Before each kill a twentieth of the files is new; the whole group of processes of the backup is killed at a moment chosen by
chance within the time that a backup takes. Then the same backup is made again, and after it all snapshots but the newest
are forgotten and what nobody needs is given back. What fails then is unlocked by hand (`restic unlock`, `borg
break-lock`), which is counted, and made again. At the end the last snapshot is restored and compared, and the repository
is measured beside a new one that holds just this snapshot: the difference is what was kept of the killed runs.

`--proofs` runs the crash proofs of the tests, all of them, instead, and prints their figures: operations failed, states
checked, snapshots restored bit for bit, losses.

Guarantee: a restore that differs ends it with exit code 1. Not guaranteed: that a tool fares as well at other moments, or as
badly; the moments are the same shares of the time for all tools. Needs a POSIX system and Python 3.11.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import library
from measure import Command, CommandFailedError, say, stored, timed
from run import Scene, prove_all
from script import in_scratch, is_quick, list_of, machine, options, save
from tools import TOOLS, Tool, present

_NEW_SHARE = 0.05
_SEED = 7
_UNLOCK = {"restic": ("unlock",), "borg": ("break-lock",)}
_PROOFS = ("test_every_fault.py", "test_power_cut.py", "test_life.py", "test_kills.py", "test_crash.py")
_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a tool fared: kills, kills after which it had to be unlocked, bytes kept beyond those of a new repository."""

    tool: str
    kills: int
    unlocked: int
    kept_bytes: int
    new_bytes: int


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    given = _parser(quick=is_quick(words)).parse_args(words)
    return _prove() if given.proofs else in_scratch(_run, given)


def _parser(*, quick: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options(parser)
    known = [tool.name for tool in TOOLS]
    parser.add_argument(
        "--kills", type=int, default=2 if quick else 20, metavar="N", help="how many backups to kill (20)"
    )
    parser.add_argument(
        "--size", type=library.size_of, default=library.size_of("20M" if quick else "200M"), help="of the photos"
    )
    parser.add_argument("--tools", type=list_of(set(known)), default=known, help=f"which of {','.join(known)}")
    parser.add_argument("--proofs", action="store_true", help="run the crash proofs of the tests instead")
    return parser


def _prove() -> int:
    tests = [str(_CHECKOUT / "tests" / "journeys" / name) for name in _PROOFS]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=_CHECKOUT, check=False).returncode


def _run(given: argparse.Namespace, scratch: Path) -> None:
    tools, said = present([tool for tool in TOOLS if tool.name in given.tools], scratch, given.photovault)
    for name, version in said.items():
        say(f"{name}: {version}")
    outcomes = [_try(tool, given.kills, given.size, scratch / f"work of {tool.name}") for tool in tools]
    about = machine(scratch, 1 << 28)
    print("\n".join(f"- {key}: {value}" for key, value in (about | said).items()), end="\n\n")
    print(table(outcomes))
    save(given.json, about | said, outcomes)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a Markdown table, a column for each tool."""
    head = ["after SIGKILL", *(one.tool for one in outcomes)]
    rows = [
        ["backups killed", *(f"{one.kills}" for one in outcomes)],
        ["had to be unlocked by hand", *(f"{one.unlocked}" for one in outcomes)],
        ["kept that nobody needs", *(f"{max(0, one.kept_bytes) / 1e6:,.1f} MB" for one in outcomes)],
        ["stored in all", *(f"{(one.new_bytes + one.kept_bytes) / 1e6:,.1f} MB" for one in outcomes)],
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _try(tool: Tool, kills: int, size: int, work: Path) -> Outcome:
    scene, unlocked = Scene(source=work / "photos", aside=work / "aside", target=work / "restored"), 0
    random = Random(_SEED)  # noqa: S311 -- moments, nothing secret
    library.make(scene.source, size, _SEED)
    for folder in (tool.home, scene.aside, scene.target):
        folder.mkdir(parents=True)
    log = work / "log"
    timed(tool.init(), tool.env(), log)
    lasts = timed(tool.backup(scene.source, "first"), tool.env(), log).wall_s
    for number in range(1, kills + 1):
        say(f"{tool.name}: kill {number} of {kills}")
        library.put_back(scene.source, scene.aside)
        library.add(scene.source, _NEW_SHARE, number)
        _kill(tool, tool.backup(scene.source, f"killed{number}"), random.uniform(0, lasts), log)
        scene = replace(scene, label=f"again{number}")
        steps = (tool.backup(scene.source, scene.label), tool.forget())
        unlocked += sum(_was_locked(tool, step, log) for step in steps) > 0
    timed(tool.restore(scene.label, scene.target), tool.env(), log)
    prove_all(scene)
    new = _anew(tool, scene, work, log)
    return Outcome(
        tool=tool.name, kills=kills, unlocked=unlocked, kept_bytes=stored(tool.repository)[0] - new, new_bytes=new
    )


def _kill(tool: Tool, command: Command, after: float, log: Path) -> None:
    """Start a backup and kill it with all its processes, unless it was quicker."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command.argv, cwd=command.cwd, env=tool.env(), stdout=output, stderr=output, start_new_session=True
        )
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _was_locked(tool: Tool, command: Command, log: Path) -> bool:
    """Do a step; whether that worked only after somebody unlocked the repository."""
    try:
        timed(command, tool.env(), log)
    except CommandFailedError:
        if tool.name not in _UNLOCK:
            raise
        timed(Command(argv=(*tool.program, *_UNLOCK[tool.name])), tool.env(), log)
        timed(command, tool.env(), log)
        return True
    return False


def _anew(tool: Tool, scene: Scene, work: Path, log: Path) -> int:
    """Bytes of a new repository with the last snapshot alone."""
    fresh = type(tool)(work / "fresh")
    fresh.program = tool.program
    fresh.home.mkdir()
    timed(fresh.init(), fresh.env(), log)
    timed(fresh.backup(scene.source, scene.label), fresh.env(), log)
    return stored(fresh.repository)[0]


if __name__ == "__main__":
    sys.exit(main())
