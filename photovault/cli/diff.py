"""``photovault diff``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.diff import Change, Edit, Kind, in_photos

_SIGNS = {Kind.ADDED: "+", Kind.GONE: "-", Kind.CHANGED: "M", Kind.DETAILS: "t", Kind.MOVED: "R"}
_WHAT = {Edit.METADATA: "(metadata only)", Edit.PICTURE: "(picture)"}
_STORED = frozenset((Kind.ADDED, Kind.CHANGED))
_NAMED = 4  # other files of a set that a line names


def command(
    call: Call,
    older: Annotated[str, typer.Argument(metavar="A", help="The older snapshot.")],
    newer: Annotated[str, typer.Argument(metavar="B", help="The newer snapshot.")] = "latest",
) -> None:
    """Show what changed between two snapshots.

    Examples:

      photovault diff latest~1 latest

    + added, - gone, M edited (only its metadata, or the picture), R moved, t only time or rights changed. The files of one
    photo's set that fared alike are one line.
    """
    out = call.output()
    made = call.app()
    changes = made.diff(older, newer)
    out.warnings(made.warnings)
    photos = in_photos(changes)
    for group in photos:
        out.always(_line(group))
    of_photos, counts = (Counter(str(one.kind) for one in found) for found in ((group[0] for group in photos), changes))
    out.line(", ".join(f"{number:,} {kind}" for kind, number in sorted(of_photos.items())) or "no difference")
    size = sum(one.size for one in changes if one.kind in _STORED)
    if size:
        out.line(f"{amount(size)} in {count(counts['added'] + counts['changed'], 'added or changed file')}")
    out.document({"changes": [_row(one) for one in changes], "counts": dict(counts), "photos": dict(of_photos)})


def _line(group: list[Change]) -> str:
    """One line for what happened to the files of one set."""
    first, *others = group
    before = f"{first.before} -> " if first.before else ""
    what = f"  {_WHAT[first.what]}" if first.what else ""
    names = [one.path.rpartition("/")[2] for one in others]
    more = f"  with {', '.join(names[:_NAMED])}" if names else ""
    left = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{_SIGNS[first.kind]}  {before}{first.path}{what}{more}{left}"


def _row(one: Change) -> dict[str, object]:
    return {
        "kind": str(one.kind),
        "path": one.path,
        "before": one.before,
        "size": one.size,
        "what": None if one.what is None else str(one.what),
        "set": one.of_set,
    }
