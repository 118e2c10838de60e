"""``photovault forget``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.config import parse_duration
from photovault.errors import NoVaultError, PhotovaultError, StorageError, UsageError

if TYPE_CHECKING:
    from photovault.app import App
    from photovault.app.forgetting import ForgetRequest
    from photovault.cli.output import Output
    from photovault.forget import Decision, ForgetReport

PARTLY = 3
DAMAGED = 13


def command(  # noqa: PLR0913 - a parameter for each option
    call: Call,
    snapshots: Annotated[
        list[str] | None, typer.Argument(metavar="[SNAP]...", help="Snapshots to forget, whatever the rules say.")
    ] = None,
    *,
    keep_last: Annotated[int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest N.")] = 0,
    keep_hourly: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest of each of N hours.")
    ] = 0,
    keep_daily: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest of each of N days.")
    ] = 0,
    keep_weekly: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest of each of N weeks.")
    ] = 0,
    keep_monthly: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest of each of N months.")
    ] = 0,
    keep_yearly: Annotated[
        int, typer.Option(metavar="N", min=0, show_default=False, help="Keep the newest of each of N years.")
    ] = 0,
    keep_within: Annotated[
        str | None, typer.Option(metavar="TIME", help="Keep all within this time before the newest, such as 30d.")
    ] = None,
    keep_tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Keep all with this tag.")] = None,
    min_age: Annotated[
        str | None, typer.Option(metavar="TIME", help="Keep all that this device knows of for less; 7d if not set.")
    ] = None,
    grace: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long what is forgotten can be taken back; 7d if not set.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Destination instead of the vault; may be repeated.")
    ] = None,
    pin: Annotated[
        str | None, typer.Option(metavar="SNAP", help="Never forget this one, until it is unpinned.")
    ] = None,
    unpin: Annotated[str | None, typer.Option(metavar="SNAP", help="Take a pin back.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last forget back, if its grace is not over.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Forget SNAP even if it holds what no other snapshot has.")
    ] = False,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Go on though the clock seems to have leapt ahead.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Only say what would be done, and why.")] = False,
) -> None:
    """Forget old snapshots by rules, and give back the room that nothing needs any more.

    Examples:

      photovault forget --dry-run --keep-daily 7 --keep-monthly 12

      photovault forget

      photovault forget 3fa9c2d1

      photovault forget --undo

      photovault forget --pin latest

    Rules come from [keep] in the configuration or from the options; they count by device and source, and a snapshot is kept
    if any of them wants it. Without any rule nothing is forgotten, only room is given back. What is forgotten is removed
    when its grace is over, by the first forget after that; until then --undo takes it back. The newest snapshot of each source,
    pinned ones, and those that hold the last good version of a photo that was broken or encrypted later, always stay.
    """
    _check(snapshots, pin, unpin, undo=undo)
    made, out = call.app(), call.output()
    from photovault.app.forgetting import ForgetRequest  # noqa: PLC0415 - not needed for --help
    from photovault.forget import Keep  # noqa: PLC0415 - as above

    keep = Keep(
        last=keep_last,
        hourly=keep_hourly,
        daily=keep_daily,
        weekly=keep_weekly,
        monthly=keep_monthly,
        yearly=keep_yearly,
        within=_seconds("--keep-within", keep_within) or 0.0,
        tags=tuple(keep_tag or ()),
    )
    request = ForgetRequest(
        names=tuple(snapshots or ()),
        keep=keep if keep.says_what_goes else None,
        tags=keep.tags,
        min_age=_seconds("--min-age", min_age),
        grace=_seconds("--grace", grace),
        anyway=anyway,
        clock_is_right=clock_is_right,
        dry_run=dry_run,
    )
    if snapshots and keep != Keep():
        raise UsageError("either snapshots by name, or rules", "run the command once for each")
    if request.grace == 0 and not dry_run:
        out.warn("warning: no grace: what is forgotten is removed at once; no other device may be backing up now")
    raise typer.Exit(_run_each(made, out, request, to, _Pins(pin=pin, unpin=unpin, undo=undo)))


class _Pins:
    """What is asked for instead of forgetting."""

    def __init__(self, *, pin: str | None, unpin: str | None, undo: bool) -> None:
        self.pin, self.unpin, self.undo = pin, unpin, undo


def _check(snapshots: list[str] | None, pin: str | None, unpin: str | None, *, undo: bool) -> None:
    if sum(map(bool, (snapshots, pin, unpin, undo))) > 1:
        raise UsageError("only one of SNAP, --pin, --unpin and --undo at a time", "run the command once for each")


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected {error}") from None


def _run_each(made: App, out: Output, request: ForgetRequest, to: list[str] | None, pins: _Pins) -> int:
    """Each destination by itself; the first error is raised when all were tried."""
    if not to:
        return _run(made, out, request, pins)
    code = 0
    failed: PhotovaultError | None = None
    for name in dict.fromkeys(to):
        out.line(f"{name}:")
        try:
            code = max(code, _run(made.at(name), out, request, pins))
        except (NoVaultError, StorageError) as error:
            out.warn(f"{name}: {error.what}")
            failed = failed or error
    if failed is not None:
        raise failed
    return code


def _run(made: App, out: Output, request: ForgetRequest, pins: _Pins) -> int:
    from photovault.app import forgetting  # noqa: PLC0415 - not needed for --help

    if pins.pin or pins.unpin:
        _pin(made, out, pins)
        return 0
    if pins.undo:
        snapshots, packs = forgetting.undo(made)
        out.message("summary", {"snapshots_back": snapshots, "packs_back": packs})
        out.line(f"taken back: {count(snapshots, 'snapshot')} count again, {count(packs, 'pack')} stay")
        return 0
    with out.meter("forgetting") as meter:
        report = forgetting.forget(made, request, meter)
    out.warnings(made.warnings)
    _message(out, report, dry_run=request.dry_run)
    _show(out, report, request)
    if report.findings:
        return DAMAGED
    return PARTLY if report.removed.refused else 0


def _pin(made: App, out: Output, pins: _Pins) -> None:
    from photovault.app import forgetting  # noqa: PLC0415 - not needed for --help

    if pins.pin:
        one = forgetting.pin(made, pins.pin)
        text = f"{one.id[:8]} is pinned: nothing forgets it until `photovault forget --unpin {one.id[:8]}`"
    else:
        one, was = forgetting.unpin(made, pins.unpin or "")
        text = f"{one.id[:8]} is not pinned any more" if was else f"{one.id[:8]} was not pinned"
    out.message("summary", {"snapshot": one.id, "pinned": bool(pins.pin)})
    out.line(text)


def _row(decision: Decision) -> dict[str, object]:
    return {
        "id": decision.one.id,
        "time": decision.one.snapshot.time,
        "device": decision.one.snapshot.device_name,
        "kept": bool(decision.keep),
        "reasons": list(decision.keep) or [decision.goes],
    }


def _message(out: Output, report: ForgetReport, *, dry_run: bool) -> None:
    removed, prune = report.removed, report.prune
    out.message(
        "summary",
        {
            "dry_run": dry_run,
            "snapshots": [_row(one) for one in report.plan.decisions],
            "snapshots_forgotten": len(report.plan.going),
            "snapshots_kept": len(report.plan.staying),
            "packs_marked": len(prune.removed),
            "packs_rewritten": len(prune.rewritten),
            "bytes_rewritten": prune.rewritten_bytes,
            "bytes_to_free": prune.freed,
            "due": report.due or None,
            "snapshots_removed": removed.snapshots,
            "packs_removed": removed.packs,
            "bytes_freed": removed.size,
            "packs_revived": removed.revived,
            "bytes_waiting": report.waiting,
            "waiting_until": report.waiting_until or None,
            "unfinished_removed": report.swept,
            "refused": [{"path": one.path, "what": one.what, "hint": one.hint} for one in removed.refused],
            "damaged": [{"where": one.where, "what": one.what, "hint": one.hint} for one in report.findings],
        },
    )


def _show(out: Output, report: ForgetReport, request: ForgetRequest) -> None:
    for one in report.plan.decisions:
        if request.dry_run or not one.keep or out.verbose:
            _show_one(out, one)
    _show_removed(out, report)
    _show_plan(out, report, request)
    out.problems(report.removed.refused, "not removed")
    for finding in report.findings:
        out.warn(f"damaged: {finding.where}: {finding.what}")
        out.warn(f"    what to do: {finding.hint}")


def _show_one(out: Output, one: Decision) -> None:
    snapshot = one.one.snapshot
    when = snapshot.time.replace("T", " ")[:16]
    what = ", ".join(source.label for source in snapshot.sources)
    word = "keep  " if one.keep else "forget"
    out.line(f"{word}  {one.one.id[:8]}  {when} UTC  {snapshot.device_name}  {what}: {'; '.join(one.keep) or one.goes}")


def _show_removed(out: Output, report: ForgetReport) -> None:
    """What earlier runs had marked."""
    removed = report.removed
    if removed.snapshots or removed.packs:
        what = f"{count(removed.snapshots, 'snapshot')}, {count(removed.packs, 'pack')}"
        out.line(f"removed: {what}, {amount(removed.size)} freed")
    if removed.revived:
        out.line(f"{count(removed.revived, 'pack')} that had been marked are needed again, and stay")
    if report.swept:
        out.line(f"{count(report.swept, 'unfinished file')} of interrupted runs removed")


def _show_plan(out: Output, report: ForgetReport, request: ForgetRequest) -> None:
    plan, prune = report.plan, report.prune
    would = "would be " if request.dry_run else ""
    if plan.going:
        out.line(f"{count(len(plan.going), 'snapshot')} {would}forgotten, {len(plan.staying):,} kept")
    else:
        out.line(f"no snapshot {would}forgotten, {len(plan.staying):,} kept")
    if prune.rewritten:
        packs = count(len(prune.rewritten), "pack")
        out.line(f"{packs} {would}stored anew without waste: {amount(prune.rewritten_bytes)} in all is still needed")
    if prune.marked and request.grace == 0 and not request.dry_run:
        return  # it is removed
    if prune.marked:
        what = f"{count(len(prune.marked), 'pack')}, {amount(prune.freed)} to be freed"
        when = f" after {report.due[:10]}, by the first `photovault forget` then" if report.due else ""
        out.line(f"{would}marked for removal: {what}{when}")
    elif not report.removed.packs and not report.waiting:
        out.line("nothing to free")
    if report.waiting and not (prune.marked and report.due):
        out.line(f"marked before, and removed after {report.waiting_until[:10]}: {amount(report.waiting)}")
