"""What the scripts have in common: options, a scratch folder and an exit code, words about the machine, raw figures.

Guarantee: the scratch folder is gone when a script ends, however it ends; where it stopped, the exit code is 1 and the
reason is said.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from measure import BenchError, disk_write_speed, say

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all have."""
    parser.add_argument("--runs", type=int, metavar="N", help="medians of this many runs (3)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to make a scratch folder, removed at the end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw figures here")
    parser.add_argument("--photovault", type=shlex.split, metavar="COMMAND", help="instead of this checkout's")
    parser.add_argument("--quick", action="store_true", help="small and one run: does everything work?")


def is_quick(words: Sequence[str] | None) -> bool:
    """Whether the words of the command line, `sys.argv` if None, ask for little: the other defaults depend on it."""
    return "--quick" in (sys.argv[1:] if words is None else words)


def list_of(known: set[str]) -> Callable[[str], list[str]]:
    """Return a reader of comma-separated names, all of them known."""

    def names(text: str) -> list[str]:
        given = text.split(",")
        if unknown := set(given) - known:
            message = f"not known: {', '.join(sorted(unknown))}"
            raise argparse.ArgumentTypeError(message)
        return given

    return names


def in_scratch(run: Callable[[argparse.Namespace, Path], None], given: argparse.Namespace) -> int:
    """Run in a scratch folder; return the exit code."""
    if not hasattr(os, "wait4"):
        say("this benchmark needs a POSIX system (wait4)")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="photovault-bench-", dir=given.work) as scratch:
            run(given, Path(scratch).resolve())
    except (BenchError, OSError) as error:
        say(f"stopped: {error}")
        return 1
    return 0


def save(path: Path | None, about: Mapping[str, str], figures: "Sequence[DataclassInstance]") -> None:
    """Write the raw figures, if somebody wants them."""
    if path:
        raw = {"schema": 1, "about": dict(about), "figures": [asdict(figure) for figure in figures]}
        path.write_text(json.dumps(raw, indent=1) + "\n")


def machine(scratch: Path, probe: int) -> dict[str, str]:
    """Return what the figures depend on, as words to print; `probe`: bytes to try the disk with."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {len(cores())} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "disk": f"{disk_write_speed(scratch, probe) / 1e6:.0f} MB/s written in order and synced",
    }


def cores() -> list[int]:
    """Return the numbers of the cores that may be used."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _processor() -> str:
    """Return the model of the processor, as far as the system tells."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
