"""``photovault check``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.check import parse_amount
from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.config import MAIN
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.app import App
    from photovault.app.repairing import RepairReport
    from photovault.check import Amount, CheckReport, Lost
    from photovault.cli.output import Output

DAMAGED = 13
_FILES = 10
_LOST = 20
_ID = 8


def command(
    call: Call,
    *,
    data: Annotated[
        str | None,
        typer.Option(metavar="all|N%|SIZE", help="How much of the stored data to read; with --repair, all of it."),
    ] = None,
    keyless: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare objects with their names; needs no key.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make whole again what can be, from wherever it still is.")
    ] = False,
    repair_from: Annotated[
        str | None,
        typer.Option(metavar="NAME|URL", help="Put back what is damaged or missing from another copy of the vault."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what --repair would do, and do nothing.")
    ] = False,
) -> None:
    """Check that everything in the vault is there and undamaged.

    Examples:

      photovault check

      photovault check --data all

      photovault check --data 10%

      photovault check --repair

      photovault check --keyless /mnt/disk/vault

      photovault check --vault usb --data all --repair-from main

    Without --data it checks that every part of every snapshot has its place, that no snapshot or key slot is missing, and
    that sizes are right. With --data it also reads, opens and compares packs. Findings name the photos that they cost. What
    was found damaged is read again by every check, and stored again by the next backup, if the photo is still there.

    With --repair it makes the vault whole: from every other copy that can be reached, from parity, from what still opens in
    damaged packs, and from the photos on this computer; then it says which photos are lost all the same. Nothing is removed
    before what it held is whole elsewhere. With --repair-from alone it takes that copy and nothing else.
    """
    made, out = call.app(tells=False), call.output()  # they are among the findings
    mends = repair or repair_from is not None
    if dry_run and not mends:
        raise UsageError("--dry-run says what a repair would do", "add --repair")
    if keyless is not None and mends:
        raise UsageError("a repair needs a key", "leave out --keyless")
    wanted = parse_amount(data if data is not None else "all" if repair else "none")
    if mends:
        _mend(made, out, wanted, repair_from, everything=repair, dry_run=dry_run)
        return
    with out.meter("checking") as meter:
        if keyless is not None:
            made = type(made)(made.settings_with(keyless), made.world)
            report = made.scrub(meter)
        else:
            report = made.check(wanted, meter)
    _summary(out, report, {})
    _show(out, report, keyless=keyless is not None)
    _findings(out, report)
    if report.findings and keyless is None:
        _show_ways(out, made)
    raise typer.Exit(DAMAGED if report.findings else 0)


def _mend(made: App, out: Output, wanted: Amount, source: str | None, *, everything: bool, dry_run: bool) -> None:
    """Repair, and leave with 13 if something is lost; from one copy alone, if there is any finding."""
    from photovault.app.repairing import RepairRequest, repair_vault  # noqa: PLC0415 - a check does without

    request = RepairRequest(
        amount=wanted, sources=() if source is None else (source,), everything=everything, dry_run=dry_run
    )
    with out.meter("repairing") as meter:
        done = repair_vault(made, request, meter)
    _summary(out, done.after, _told(done))
    read = max(
        done.before, done.after, key=lambda one: one.bytes_read
    )  # the first check reads all, the last what was mended
    shown = replace(done.after, packs_read=read.packs_read, bytes_read=read.bytes_read)
    _show(out, shown, keyless=False)
    _show_repair(out, done)
    if everything and not dry_run:
        _show_lost(out, done)
    else:
        _findings(out, done.after)
    bad = done.is_lost if everything and not dry_run else done.after.findings or done.problems
    raise typer.Exit(DAMAGED if bad else 0)


def _show_ways(out: Output, made: App) -> None:
    """Where what is damaged may be whole."""
    vault = "" if made.name == MAIN else f" --vault {made.name}"
    for one in made.others():
        out.warn(f"another copy may mend it: photovault check{vault} --data all --repair-from {one.name}")
    out.warn(f"to mend all that can be mended: photovault check{vault} --repair")


def _summary(out: Output, report: CheckReport, more: dict[str, object]) -> None:
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
            "lost": [
                {"path": one.path, "folder": one.is_folder, "snapshots": list(one.snapshots), "good": one.good or None}
                for one in report.lost
            ],
            "healed": list(report.healed),
        }
        | more,
    )


def _told(done: RepairReport) -> dict[str, object]:
    """What a program is told of a repair."""
    return {
        "repair": {
            "healed": [{"name": one.name, "source": one.source} for one in done.healed],
            "parts_borrowed": done.borrowed,
            "parts_salvaged": done.salvaged,
            "parts_reread": done.reread_parts,
            "reread": list(done.reread),
            "indexes": done.indexes,
            "parity": done.parity,
            "indexes_removed": list(done.dropped),
            "quarantined": list(done.quarantined),
            "problems": [{"what": one.what, "where": one.where, "hint": one.hint} for one in done.problems],
            "away": [{"name": one.path, "what": one.what} for one in done.away],
            "planned": list(done.planned),
            "backed_up": done.is_backed_up,
        }
    }


def _show(out: Output, report: CheckReport, *, keyless: bool) -> None:
    if keyless:
        out.line(f"{count(report.packs, 'object')} compared with their names, {amount(report.bytes_read)} read")
    else:
        seen = f"{count(report.snapshots, 'snapshot')}, {count(report.files, 'file')}, {count(report.packs, 'pack')}"
        read = (
            f"{count(report.packs_read, 'pack')} read ({amount(report.bytes_read)})"
            if report.packs_read
            else "no data read"
        )
        out.line(f"{seen}, {count(report.slots, 'key slot')}; {read}")
    for one in report.notes:
        out.always(f"note: {one.what}; {one.hint}")


def _findings(out: Output, report: CheckReport) -> None:
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


def _show_repair(out: Output, done: RepairReport) -> None:
    """What was done, and what could not be."""
    for line in [*(f"would {line}" for line in done.planned), *_deeds(done)]:
        out.always(line)
    for one in done.away:
        out.warn(f"could not be asked: {one.path}: {one.what}")
    for problem in done.problems:
        out.warn(f"not mended: {problem.where}: {problem.what}" if problem.where else problem.what)
        if problem.hint:
            out.warn(f"    what to do: {problem.hint}")


def _deeds(done: RepairReport) -> Iterator[str]:
    for source, number in sorted(Counter(one.source for one in done.healed).items()):
        yield f"made whole: {count(number, 'object')}, from {source}"
    for number, what in (
        (done.borrowed, "from other packs of another copy"),
        (done.salvaged, "that still opened in damaged packs"),
        (done.reread_parts, f"from {count(len(done.reread), 'photo')} on this computer"),
    ):
        if number:
            yield f"stored again: {count(number, 'part')} {what}"
    if done.indexes:
        yield f"made anew: {count(done.indexes, 'index object')}, from what the packs say"
    if done.parity:
        yield f"made anew: {count(done.parity, 'object')} of parity"
    if done.dropped:
        yield f"removed: {count(len(done.dropped), 'index object')} that nobody can read; what they said is in others"
    if done.is_backed_up:
        yield "backed up what is on this computer, to make listings and thumbnails again"
    if done.quarantined:
        packs = count(len(done.quarantined), "damaged pack")
        yield f"marked for removal: {packs} that nothing needs any more; `photovault forget` removes them in time"


def _show_lost(out: Output, done: RepairReport) -> None:
    """What is left after a repair, photo by photo."""
    report = done.after
    if not done.is_lost:
        was = "nothing is lost any more" if done.before.lost else "nothing is lost"
        out.always(was if done.before.findings or done.indexes or done.parity else "no damage found")
    if report.lost:
        _lost_files(out, report.lost)
    for one in report.findings:
        if one.files and report.lost:
            continue  # told photo by photo
        out.warn(f"left: {one.where}: {one.what}" if one.where else f"left: {one.what}")
        if one.hint:
            out.warn(f"    what to do: {one.hint}")


def _lost_files(out: Output, lost: Sequence[Lost]) -> None:
    files = sum(not one.is_folder for one in lost)
    folders = len(lost) - files
    what = " and ".join(count(number, one) for number, one in ((files, "photo"), (folders, "folder")) if number)
    snapshots = {one for item in lost for one in item.snapshots}
    out.alarm(f"lost: {what} in {count(len(snapshots), 'snapshot')}")
    shown = lost if out.verbose else lost[:_LOST]
    for item in shown:
        ids = ", ".join(one[:_ID] for one in item.snapshots[-3:])
        more = f" and {len(item.snapshots) - 3} earlier" if len(item.snapshots) > 3 else ""  # noqa: PLR2004 - shown
        kind = "what was in the folder " if item.is_folder else ""
        good = (
            f"the newest good version is in snapshot {item.good[:_ID]}" if item.good else "no snapshot has a good one"
        )
        out.warn(f"    {kind}{item.path}: in {ids}{more}; {good}")
    if len(lost) > len(shown):
        out.warn(f"    and {len(lost) - len(shown)} more; -v shows all")
    out.warn(
        "    what to do: connect another copy of the vault, or the disk that the photos were on, and repair again;"
    )
    out.warn("    `photovault forget SNAPSHOT` lets a snapshot go that nothing can mend")


def _named(item: Lost) -> str:
    if not item.is_folder:
        return item.path
    return "everything" if item.path == "/" else f"everything in {item.path}"
