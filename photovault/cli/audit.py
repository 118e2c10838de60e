"""``photovault audit``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.app.proof import audit, two_run
from photovault.app.sources import BackupRequest
from photovault.app.switches import switches
from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from photovault.audit import AuditReport, Learned, Left, TwoRunReport
    from photovault.cli.output import Output
    from photovault.model import Finding

UNEXPLAINED = 14
_ROWS = 12
_ALARMS = 20


def command(
    call: Call,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="With --two-run: folders, if not those configured.")
    ] = None,
    canary: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Bytes that must be nowhere in the vault: what this file holds. Repeatable."),
    ] = None,
    *,
    two_runs: Annotated[
        bool, typer.Option("--two-run", help="Back up twice without sending anything, and compare: workers, faces.")
    ] = False,
    as_first: Annotated[
        bool, typer.Option("--as-first", help="With --two-run: as if nothing were backed up yet; reads every photo.")
    ] = False,
) -> None:
    """Account for everything that left this computer.

    Examples:

      photovault audit

      photovault audit --two-run --as-first ~/Pictures

    Every object of the vault is read, opened, derived again and explained by the snapshots and by the ledger of this
    device. What is not explained is named with the reason, and the exit code is 14.

    With --two-run nothing is sent: a backup runs twice from the same state, with the same clock and randomness, and one
    thing switched in between that must not matter: the number of workers, and whether faces are grouped. Both must give
    the same objects, byte for byte.
    """
    if (paths or as_first) and not two_runs:
        raise UsageError("folders and --as-first go with --two-run", "add --two-run")
    if canary and two_runs:
        raise UsageError("--canary searches the vault, and --two-run sends nothing", "use one of them at a time")
    made, out = call.app(), call.output()
    alarms: tuple[Finding, ...]
    if two_runs:
        with out.meter("running twice") as meter:
            proofs = two_run(made, BackupRequest(paths=paths or ()), switches(made), meter, as_first=as_first)
        out.warnings(made.warnings)
        _show_proofs(out, proofs)
        alarms = tuple(alarm for proof in proofs for alarm in proof.alarms)
    else:
        with out.meter("auditing") as meter:
            report = audit(made, canary or (), meter)
        out.warnings(made.warnings)
        _show(out, report)
        alarms = report.alarms
    raise typer.Exit(UNEXPLAINED if alarms else 0)


def _show_proofs(out: Output, proofs: Sequence[TwoRunReport]) -> None:
    rows = [
        {"switch": proof.switch, "objects": proof.objects, "bytes": proof.size, "alarms": _rows(proof.alarms)}
        for proof in proofs
    ]
    alarms = [alarm for proof in proofs for alarm in _rows(proof.alarms)]
    out.message("summary", {"runs": rows, "alarms": alarms})
    for proof in proofs:
        _alarms(out, proof.alarms)
        if not proof.alarms:
            sent = f"{count(proof.objects, 'object')}, {amount(proof.size)}"
            out.line(f"the same byte for byte without and with {proof.switch}: {sent}; nothing was sent")


def _show(out: Output, report: AuditReport) -> None:
    learned = report.learned
    out.message(
        "summary",
        {
            "objects": report.objects,
            "bytes": report.size,
            "thumbnails": {"count": report.thumbnails, "bytes": report.thumbnail_bytes},
            "undecoded": {"parts": report.opaque, "bytes": report.opaque_bytes},
            "alarms": _rows(report.alarms),
            "notes": _rows(report.notes),
            "ledger": {"lines": report.lines, "since": report.since or None},
            "left": [_left(one) for one in report.left],
            "storage_learns": _learned(learned),
        },
    )
    since = f", since {report.since[:10]}" if report.since else ""
    out.line(f"{count(report.objects, 'object')}, {amount(report.size)}; {count(report.lines, 'ledger line')}{since}")
    if report.thumbnails:
        out.line(f"among them {count(report.thumbnails, 'thumbnail')}, {amount(report.thumbnail_bytes)}")
    _table(out, report.left)
    for one in report.notes:
        out.line(f"note: {one.where}: {one.what}")
    _learns(out, learned)
    _alarms(out, report.alarms)
    if not report.alarms:
        out.line("everything is explained")


def _table(out: Output, left: tuple[Left, ...]) -> None:
    if not left:
        return
    shown = left if out.verbose else left[-_ROWS:]
    out.line("what left, by the ledger:")
    if len(shown) < len(left):
        out.line(f"  ({count(len(left) - len(shown), 'earlier row')}; -v shows all)")
    for one in shown:
        failed = f", {one.failed:,} not confirmed" if one.failed else ""
        objects = f"{one.objects:>6,} {one.kind:<9} {amount(one.size):>9}"
        out.line(f"  {one.day}  {objects}  {one.destination}{failed}")


def _learns(out: Output, learned: Learned) -> None:
    days, first, last = learned.days
    when = f"when they came: this device sent on {count(days, 'day')}, {first} to {last}" if days else "when they came"
    slots = ", ".join(f"{number} {kind}" for kind, number in learned.slots.items())
    epochs = ", ".join(map(str, learned.epochs))
    out.line("what the storage can learn, and nothing else:")
    for kind, sizes in learned.classes.items():
        listed = ", ".join(f"{number:,} of {_binary(size)}" for size, number in sizes.items())
        out.line(f"  {kind}: {listed}")
    out.line(f"  {when}; ways in: {slots}; key epoch {epochs}; the vault's id {learned.vault_id[:8]}...")


def _alarms(out: Output, alarms: tuple[Finding, ...]) -> None:
    shown = alarms if out.verbose else alarms[:_ALARMS]
    for one in shown:
        out.warn(f"NOT EXPLAINED: {one.where}: {one.what}")
        if one.hint:
            out.warn(f"    what to do: {one.hint}")
    if len(alarms) > len(shown):
        out.warn(f"and {len(alarms) - len(shown):,} more; -v shows all")


def _binary(size: int) -> str:
    """A size of the format's classes: 16 KiB, 16 MiB; others in bytes."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size:,} B"


def _rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [{"object": one.where, "reason": one.what, "hint": one.hint} for one in findings]


def _left(one: Left) -> dict[str, Any]:
    fields = asdict(one)
    return {"bytes": fields.pop("size")} | fields


def _learned(learned: Learned) -> dict[str, Any]:
    days, first, last = learned.days
    return {
        "vault_id": learned.vault_id,
        "bytes": learned.size,
        "objects": {
            kind: {str(size): number for size, number in sizes.items()} for kind, sizes in learned.classes.items()
        },
        "key_slots": dict(learned.slots),
        "key_epochs": list(learned.epochs),
        "sent_on": {"days": days, "first": first or None, "last": last or None},
    }
