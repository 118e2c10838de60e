"""``photovault drill``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.drilling import Drill, DrillRequest, drill, seen
from photovault.app.proven import said
from photovault.cli.options import Call
from photovault.cli.output import Output, amount, count
from photovault.cli.proofs import row
from photovault.drill import Amount, DrillReport
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.model import Problem

PARTLY, DAMAGED = 3, 13
_ALL = 100.0


def command(
    call: Call,
    snapshot: Annotated[
        str | None,
        typer.Argument(metavar="[SNAP]", help="Snapshot; if not given, the newest one of this device."),
    ] = None,
    number: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="Try N photos. [default: count under [drill]]")
    ] = None,
    percent: Annotated[float | None, typer.Option(metavar="P", help="Try P percent of the photos.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Try every photo.")] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Only say how much would be fetched.")] = False,
) -> None:
    """Prove that photos can be restored: fetch a sample, compare it, decode it, and write down the date.

    Examples:

      photovault drill

      photovault drill --percent 10

      photovault drill --vault usb --all

    Photos that were never proven come first, then those whose proof is the oldest. Each is fetched from the storage into memory, never
    onto a disk, compared bit for bit with what was backed up and with the file on this computer, and decoded in a process of its own.
    `photovault status` says how much is proven, for each destination apart. The exit code is 13 when something in the vault is
    damaged, and 3 when a file on this computer rotted or could not be compared.
    """
    made, out = call.app(), call.output()
    wanted = _amount(number, percent, every=every) or Amount(count=made.config.drill.count)
    with out.meter("proving") as meter:
        done = drill(made, DrillRequest(amount=wanted, snapshot=snapshot, dry_run=dry_run), meter)
    out.warnings(made.warnings)
    if done.report is None:
        _show_plan(out, done)
        raise typer.Exit(0)
    _show(out, done, done.report)
    raise typer.Exit(_code(done.report))


def _amount(number: int | None, percent: float | None, *, every: bool) -> Amount | None:
    given = [number is not None, percent is not None, every]
    if sum(given) > 1:
        raise UsageError("--count, --percent and --all are said one at a time")
    if percent is not None and not 0 < percent <= _ALL:
        raise UsageError(f"--percent {percent:g} is no share", "use a number above 0 and up to 100")
    if percent is not None:
        return Amount(share=percent / _ALL)
    return Amount(count=number) if number is not None or every else None


def _code(report: DrillReport) -> int:
    if report.damaged or report.spoilt:
        return DAMAGED
    return PARTLY if report.rotten or report.problems else 0


def _show_plan(out: Output, done: Drill) -> None:
    value = {
        "snapshots": [one.id for one in done.snapshots],
        "dry_run": True,
        "photos": done.photos,
        "chosen": done.chosen,
        "bytes": done.size,
    }
    out.message("summary", value)
    out.line(f"would fetch {count(done.chosen, 'photo')} of {done.photos:,}, {amount(done.size)}, from {_names(done)}")


def _names(done: Drill) -> str:
    ids = ", ".join(one.id[:8] for one in done.snapshots)
    return f"snapshot {ids}" if len(done.snapshots) == 1 else f"snapshots {ids}"


def _show(out: Output, done: Drill, report: DrillReport) -> None:
    problems = {
        "damaged": report.damaged,
        "spoilt": report.spoilt,
        "rotten": report.rotten,
        "problem": report.problems,
        "broken": report.broken,
    }
    for kind, found in problems.items():
        _messages(out, kind, found)
    out.message("summary", _summary(done, report))
    out.line(_headline(done, report))
    for line in seen(report):
        out.line(f"  {line}")
    if done.proven is not None:
        out.line(f"  {said(done.proven, done.files)}")
    out.problems(report.broken, "came back as they were backed up, and do not decode: they were broken before")
    out.problems(report.problems, count(len(report.problems), "problem"))
    out.problems(report.rotten, "ROTTED on this computer")
    out.problems(report.spoilt, "damaged in one place, whole in another")
    out.problems(report.damaged, f"DAMAGED, not to be restored from here: {len(report.damaged):,}")


def _messages(out: Output, kind: str, found: Iterable[Problem]) -> None:
    for one in found:
        out.message("photo", {"problem": kind, "path": one.path, "what": one.what, "hint": one.hint})


def _headline(done: Drill, report: DrillReport) -> str:
    proven = f"proven: {report.proven:,} of {count(report.chosen, 'photo')} tried, {amount(report.size)}"
    return f"{proven}, from {_names(done)}"


def _summary(done: Drill, report: DrillReport) -> dict[str, object]:
    return {
        "snapshots": [one.id for one in done.snapshots],
        "dry_run": False,
        "photos": done.photos,
        "chosen": report.chosen,
        "proven": report.proven,
        "bytes": report.size,
        "decoded": report.decoded,
        "plain": report.plain,
        "not_looked_at": dict(report.not_looked_at),
        "broken": len(report.broken),
        "same": report.same,
        "differs": report.changed + len(report.rotten),
        "rotten": len(report.rotten),
        "damaged": len(report.damaged),
        "spoilt": len(report.spoilt),
        "problems": len(report.problems),
        "standing": row(done.proven, done.files),
    }
