"""``photovault diff``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.diff import Kind

_SIGNS = {Kind.ADDED: "+", Kind.GONE: "-", Kind.CHANGED: "M", Kind.DETAILS: "t", Kind.MOVED: "R"}


def command(
    call: Call,
    older: Annotated[str, typer.Argument(metavar="A", help="The older snapshot.")],
    newer: Annotated[str, typer.Argument(metavar="B", help="The newer snapshot.")] = "latest",
) -> None:
    """Show what changed between two snapshots.

    Examples:

      photovault diff latest~1 latest

    + added, - gone, M changed, R moved, t only time or rights changed.
    """
    out = call.output()
    made = call.app()
    changes = made.diff(older, newer)
    out.warnings(made.warnings)
    for one in changes:
        before = f"{one.before} -> " if one.before else ""
        out.always(f"{_SIGNS[one.kind]}  {before}{one.path}")
    counts = Counter(str(one.kind) for one in changes)
    size = sum(one.size for one in changes if one.kind in {Kind.ADDED, Kind.CHANGED})
    out.line(", ".join(f"{number:,} {kind}" for kind, number in sorted(counts.items())) or "no difference")
    if size:
        out.line(f"{amount(size)} in {count(counts['added'] + counts['changed'], 'added or changed file')}")
    rows = [{"kind": str(one.kind), "path": one.path, "before": one.before, "size": one.size} for one in changes]
    out.document({"changes": rows, "counts": dict(counts)})
