"""``photovault status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from photovault.app.settings import vault_folder
from photovault.cli.options import Call
from photovault.cli.output import age, amount, count

if TYPE_CHECKING:
    from photovault.app.runs import Status
    from photovault.cli.output import Output

PARTLY = 3


def command(call: Call) -> None:
    """Tell whether your photos are safe.

    Examples:

      photovault status

      photovault status --json

    The exit code is 0 when the last backup of this device is recent and nothing is wrong with it, else 3.
    """
    made, out = call.app(), call.output()
    found = made.status()
    pending = found.plan.totals.new + found.plan.totals.changed if found.plan is not None else None
    problems = list(found.plan.problems) if found.plan is not None else []
    own = found.own.snapshot if found.own is not None else None
    safe = not found.overdue and not (own and own.problems) and not problems and not found.snapshots.damaged
    out.document(
        {
            "vault": str(vault_folder(made.vault_url)),
            "protected": safe and not pending,
            "overdue": found.overdue,
            "snapshots": len(found.snapshots.found),
            "damaged_snapshots": len(found.snapshots.damaged),
            "last_backup": own.time if own else None,
            "age_seconds": found.age_seconds,
            "files": own.counts.files if own else 0,
            "bytes": own.counts.size if own else 0,
            "files_pending": pending,
            "problems_last_backup": own.problems if own else 0,
            "problems": [{"path": one.path, "what": one.what, "hint": one.hint} for one in problems],
        }
    )
    out.warnings(made.warnings)
    _show(out, found, pending)
    out.problems(problems, "not protected")
    raise typer.Exit(0 if safe else PARTLY)


def _show(out: Output, found: Status, pending: int | None) -> None:
    if found.own is None or found.age_seconds is None:
        out.always("NOT PROTECTED: this device has made no backup yet; run `photovault backup`")
        return
    own = found.own.snapshot
    word = "OVERDUE" if found.overdue else "protected"
    out.always(
        f"{word}: last backup {age(found.age_seconds)}, {count(own.counts.files, 'file')}, {amount(own.counts.size)}"
    )
    out.line(f"  {count(len(found.snapshots.found), 'snapshot')} in the vault")
    if pending:
        out.always(f"  {count(pending, 'file')} new or changed since then wait for the next backup")
    if own.problems:
        out.always(f"  {count(own.problems, 'problem')} in the last backup; run `photovault backup -n` to see them")
    for finding in found.snapshots.damaged:
        out.always(f"  damaged: {finding.where}: {finding.what}; run `photovault check`")
