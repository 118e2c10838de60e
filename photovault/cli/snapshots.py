"""``photovault snapshots``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.cli.state import finding_rows, newest_row, show_findings, show_newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.cli.output import Output
    from photovault.vault.vault import NamedSnapshot

DAMAGED = 13


def command(
    call: Call,
    *,
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="List those that are forgotten and not removed yet, too.")
    ] = False,
) -> None:
    """List the snapshots of the vault, oldest first.

    Examples:

      photovault snapshots

      photovault snapshots --json

      photovault snapshots --forgotten

    At the end stands the fingerprint of what is listed. Where `photovault status` on another device shows the same, the
    storage shows both the same. What is missing although it should be there is named, and the exit code is 13.
    """
    made, out = call.app(tells=False), call.output()
    listed = made.list_snapshots()
    found, around, signs = listed.snapshots, listed.around, listed.signs
    out.warnings(made.warnings)
    same = _without_news(found.found)
    shown = sorted((*found.found, *(found.forgotten if forgotten else ())), key=lambda one: one.snapshot.time)
    going = {one.name for one in found.forgotten}
    rows = [
        {
            "id": one.id,
            "time": one.snapshot.time,
            "device": one.snapshot.device_name,
            "number": one.snapshot.number,
            "files": one.snapshot.counts.files,
            "bytes": one.snapshot.counts.size,
            "problems": one.snapshot.problems,
            "changed": one.name not in same,
            "pinned": one.name in found.pinned,
            "forgotten": one.name in going,
            "tags": list(one.snapshot.tags),
            "sources": [{"label": s.label, "path": s.path, "offline": s.offline} for s in one.snapshot.sources],
        }
        for one in shown
    ]
    damaged = [{"where": one.where, "what": one.what} for one in found.damaged]
    out.document(
        {
            "snapshots": rows,
            "damaged": damaged,
            "fingerprint": listed.fingerprint or None,
            "newest": newest_row(around),
            "signs": finding_rows(signs),
            "notes": finding_rows(listed.notes),
        }
    )
    for one in shown:
        marks = "  (pinned)" * (one.name in found.pinned) + "  (forgotten)" * (one.name in going)
        _show(out, one, same, marks)
    if not found.found:
        hidden = bool(signs or found.damaged or found.forgotten)
        out.line("no snapshot is shown" if hidden else "no snapshots yet; make one with `photovault backup`")
    else:
        out.line(f"fingerprint: {listed.fingerprint}")
    show_newest(out, around)
    for finding in found.damaged:
        out.warn(f"damaged: {finding.where}: {finding.what}")
    show_findings(out, signs, listed.notes)
    raise typer.Exit(DAMAGED if found.damaged or signs else 0)


def _show(out: Output, one: NamedSnapshot, same: frozenset[bytes], marks: str) -> None:
    snapshot = one.snapshot
    when = snapshot.time.replace("T", " ")[:16]
    tags = f"  [{', '.join(snapshot.tags)}]" if snapshot.tags else ""
    what = ", ".join(source.label + (" (was away)" if source.offline else "") for source in snapshot.sources)
    counts = f"{count(snapshot.counts.files, 'file'):>14}  {amount(snapshot.counts.size):>9}"
    if one.name in same:
        counts, what = f"{'no change':>14}  {'':>9}", ""
    out.always(f"{one.id[:8]}  {when} UTC  {counts}  {snapshot.device_name}  {what}{tags}{marks}".rstrip())


def _without_news(found: Sequence[NamedSnapshot]) -> frozenset[bytes]:
    """Those that say of photos what the one before of their device said: the daemon makes them now and then."""
    before: dict[bytes, NamedSnapshot] = {}
    same = set()
    for one in sorted(found, key=lambda one: one.snapshot.number):
        last = before.get(one.snapshot.device_id)
        if last is not None and (last.snapshot.root, last.snapshot.sources, last.snapshot.problems) == (
            one.snapshot.root,
            one.snapshot.sources,
            one.snapshot.problems,
        ):
            same.add(one.name)
        before[one.snapshot.device_id] = one
    return frozenset(same)
