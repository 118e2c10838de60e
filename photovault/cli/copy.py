"""``photovault copy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.config import MAIN

if TYPE_CHECKING:
    from photovault.cli.output import Output
    from photovault.copy import CopyReport

DAMAGED = 13


def command(
    call: Call,
    to: Annotated[str, typer.Option(metavar="NAME|URL", help="Where to: a destination's name, or an address.")],
    source: Annotated[
        str | None, typer.Option("--from", metavar="NAME|URL", help="Where from; the vault if not given.")
    ] = None,
) -> None:
    """Bring one copy of the vault up to date from another.

    Examples:

      photovault copy --to usb

      photovault copy --from usb --to main

      photovault copy --from /mnt/disk/vault --to sftp://anna@nas/backup/vault

    Sealed objects are copied as they are, so no key is needed and any computer may do it. What is there already is not read
    again; nothing is removed. Objects that are damaged at the source are named, the rest is copied, and the exit code is 13.
    """
    made, out = call.app(), call.output()
    with out.meter("copying") as meter:
        report = made.copy(source or made.vault_url, to, meter)
    _show(out, report, to, source or made.settings.vault or MAIN)
    raise typer.Exit(DAMAGED if report.damaged else 0)


def _show(out: Output, report: CopyReport, to: str, source: str) -> None:
    out.message(
        "summary",
        {
            "objects": report.objects,
            "bytes": report.size,
            "snapshots": report.snapshots,
            "damaged": [{"what": one.what, "where": one.where, "hint": one.hint} for one in report.damaged],
            "new_key_slots": list(report.ways),
            "removed_key_slots": list(report.removed),
            "extra_key_slots": list(report.extra),
            "forgotten": report.forgotten,
        },
    )
    if report.objects:
        new = count(report.snapshots, "snapshot")
        out.line(f"copied {count(report.objects, 'object')}, {amount(report.size)}, {new}, to {to}")
    else:
        out.line(f"nothing to copy: {to} has everything")
    if report.forgotten:
        out.line(f"not copied: {count(report.forgotten, 'object')} that you had forgotten at {to}")
    _show_ways(out, report, to, source)
    for one in report.damaged:
        out.warn(f"not copied: {one.where}: {one.what}")
        out.warn(f"    what to do: {one.hint}")


def _show_ways(out: Output, report: CopyReport, to: str, source: str) -> None:
    for name in report.ways:
        out.line(f"{to} got a way in that it lacked: {name}")
        out.line(f"    if you removed it there, remove it again: {_remove(name, to)}")
    for name in report.removed:
        out.warn(f"not copied: {name}: you removed this way in, and {source} still has it")
        out.warn(f"    what to do: remove it there, too: {_remove(name, source)}")
    for name in report.extra:
        out.warn(f"{to} has a way in that the source does not: {name}")
        out.warn(f"    if you removed it, remove it there too: {_remove(name, to)}")


def _remove(name: str, place: str) -> str:
    """The command that removes a key slot at a place."""
    return f"photovault key remove {name.rpartition('/')[2]} --vault {place}"
