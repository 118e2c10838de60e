"""``photovault check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.check import parse_amount
from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.config import MAIN

if TYPE_CHECKING:
    from photovault.app import App
    from photovault.check import CheckReport
    from photovault.cli.output import Output

DAMAGED = 13
_FILES = 10


def command(
    call: Call,
    data: Annotated[str, typer.Option(metavar="all|N%|SIZE", help="How much of the stored data to read.")] = "none",
    keyless: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare objects with their names; needs no key.")
    ] = None,
    repair_from: Annotated[
        str | None,
        typer.Option(metavar="NAME|URL", help="Put back what is damaged or missing from another copy of the vault."),
    ] = None,
) -> None:
    """Check that everything in the vault is there and undamaged.

    Examples:

      photovault check

      photovault check --data all

      photovault check --data 10%

      photovault check --keyless /mnt/disk/vault

      photovault check --vault usb --data all --repair-from main

    Without --data it checks that every part of every snapshot has its place, that no snapshot or key slot is missing, and
    that sizes are right. With --data it also reads, opens and compares packs. Findings name the photos that they cost. With
    --repair-from it heals what it found from another copy of the vault, and checks again.
    """
    made, out = call.app(), call.output()
    wanted = parse_amount(data)
    with out.meter("checking") as meter:
        if keyless is not None:
            made = type(made)(made.settings_with(keyless), made.world)
            report = made.scrub(meter)
        elif repair_from is not None:
            report = made.repair(repair_from, wanted, meter)
        else:
            report = made.check(wanted, meter)
    _show(out, report, keyless=keyless is not None)
    if report.findings and keyless is None and repair_from is None:
        _show_copies(out, made)
    raise typer.Exit(DAMAGED if report.findings else 0)


def _show_copies(out: Output, made: App) -> None:
    """Where what is damaged may be whole."""
    vault = "" if made.name == MAIN else f" --vault {made.name}"
    for one in made.others():
        out.warn(f"another copy may mend it: photovault check{vault} --data all --repair-from {one.name}")


def _show(out: Output, report: CheckReport, *, keyless: bool) -> None:
    out.message(
        "summary",
        {
            "snapshots": report.snapshots,
            "files": report.files,
            "packs": report.packs,
            "packs_read": report.packs_read,
            "bytes_read": report.bytes_read,
            "key_slots": report.slots,
            "findings": [
                {"what": one.what, "where": one.where, "files": list(one.files), "hint": one.hint}
                for one in report.findings
            ],
            "notes": [{"what": one.what, "where": one.where, "hint": one.hint} for one in report.notes],
            "healed": list(report.healed),
        },
    )
    if keyless:
        out.line(f"{count(report.packs, 'object')} compared with their names, {amount(report.bytes_read)} read")
    else:
        seen = f"{count(report.snapshots, 'snapshot')}, {count(report.files, 'file')}, {count(report.packs, 'pack')}"
        read = (
            f"{report.packs_read:,} packs read ({amount(report.bytes_read)})" if report.packs_read else "no data read"
        )
        out.line(f"{seen}, {count(report.slots, 'key slot')}; {read}")
    if report.healed:
        out.always(f"{count(len(report.healed), 'object')} put back from the other copy")
    for one in report.notes:
        out.always(f"note: {one.what}; {one.hint}")
    if not report.findings:
        out.line("no damage left" if report.healed else "no damage found")
    for one in report.findings:
        where = f"{one.where}: " if one.where else ""
        out.warn(f"found: {where}{one.what}")
        shown = one.files if out.verbose else one.files[:_FILES]
        for file in shown:
            out.warn(f"    cannot be restored: {file}")
        if len(one.files) > len(shown):
            out.warn(f"    and {len(one.files) - len(shown)} more; -v shows all")
        if one.hint:
            out.warn(f"    what to do: {one.hint}")
