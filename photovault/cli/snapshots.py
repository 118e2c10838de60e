"""``photovault snapshots``."""

from __future__ import annotations

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count

DAMAGED = 13


def command(call: Call) -> None:
    """List the snapshots of the vault, oldest first.

    Examples:

      photovault snapshots

      photovault snapshots --json
    """
    out = call.output()
    made = call.app()
    with made.browse() as (found, _):
        pass
    out.warnings(made.warnings)
    rows = [
        {
            "id": one.id,
            "time": one.snapshot.time,
            "device": one.snapshot.device_name,
            "number": one.snapshot.number,
            "files": one.snapshot.counts.files,
            "bytes": one.snapshot.counts.size,
            "problems": one.snapshot.problems,
            "tags": list(one.snapshot.tags),
            "sources": [{"label": s.label, "path": s.path, "offline": s.offline} for s in one.snapshot.sources],
        }
        for one in found.found
    ]
    damaged = [{"where": one.where, "what": one.what} for one in found.damaged]
    out.document({"snapshots": rows, "damaged": damaged})
    for one in found.found:
        snapshot = one.snapshot
        when = snapshot.time.replace("T", " ")[:16]
        tags = f"  [{', '.join(snapshot.tags)}]" if snapshot.tags else ""
        what = ", ".join(source.label + (" (was away)" if source.offline else "") for source in snapshot.sources)
        counts = f"{count(snapshot.counts.files, 'file'):>14}  {amount(snapshot.counts.size):>9}"
        out.always(f"{one.id[:8]}  {when} UTC  {counts}  {snapshot.device_name}  {what}{tags}")
    if not found.found:
        out.line("no snapshots yet; make one with `photovault backup`")
    for finding in found.damaged:
        out.warn(f"damaged: {finding.where}: {finding.what}")
    raise typer.Exit(DAMAGED if found.damaged else 0)
