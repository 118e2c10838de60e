"""``photovault covered``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.covering import covered
from photovault.cli.options import Call
from photovault.cli.output import amount, count
from photovault.errors import UncoveredError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from photovault.app.covering import Asked
    from photovault.cli.output import Output
    from photovault.covered import CoveredReport, Verdict

_SHOWN = 20
_OTHERS = 5


def command(
    call: Call,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="The card, or folders and files.")],
    copies: Annotated[int, typer.Option(metavar="N", min=1, help="At how many destinations each photo must be.")] = 1,
    *,
    all_files: Annotated[
        bool, typer.Option("--all-files", help="Every file must be there, not just photos, videos and sidecars.")
    ] = False,
) -> None:
    """Tell whether a card may be erased: whether every photo on it is in a snapshot.

    Examples:

      photovault covered /media/anna/EOS_DIGITAL

      photovault covered --copies 2 /media/anna/EOS_DIGITAL

    The card is read from the first byte to the last; names and times count for nothing. A photo is covered when a snapshot
    holds the same bytes and everything that is needed to restore it is there. All destinations are asked, and one that
    cannot be asked has nothing. Photos that are not covered are named, and the exit code is 16; also when there is no photo.
    """
    made, out = call.app(), call.output()
    with out.meter("reading the card", lines=False) as meter:
        report, asked = covered(made, paths, meter, copies=copies, all_files=all_files)
    out.warnings(made.warnings)
    out.document(_document(report, asked))
    _show(out, report, asked, all_files=all_files)
    raise typer.Exit(0 if report.is_covered else UncoveredError.exit_code)


def _show(out: Output, report: CoveredReport, asked: Sequence[Asked], *, all_files: bool) -> None:
    if report.files:
        out.line(f"{_files(report.files, all_files=all_files)}, {amount(report.size)}")
    for one in asked if report.files else ():
        _destination(out, one, report)
    _uncovered(out, report, "in no snapshot that counts" if any(one.problem for one in asked) else "in no snapshot")
    out.problems(report.problems, "not covered, because they could not be read")
    _others(out, report)
    _verdict(out, report, all_files=all_files)


def _destination(out: Output, one: Asked, report: CoveredReport) -> None:
    if one.problem:
        out.warn(f"  {one.name}: {one.problem}")
        return
    there = report.at.get(one.name, 0)
    newest = f"newest snapshot {one.newest[:16].replace('T', ' ')} UTC" if one.newest else "no snapshot"
    out.line(f"  {one.name}: {'all' if there == report.files else 'none' if not there else f'{there:,}'} ({newest})")
    for note in one.notes:
        out.warn(f"    note: {note}")


def _uncovered(out: Output, report: CoveredReport, nowhere: str) -> None:
    if not report.uncovered:
        return
    shown = report.uncovered if out.verbose else report.uncovered[:_SHOWN]
    out.always("not covered:")
    for one in shown:
        out.always(f"  {one.path}: {_why(one) or nowhere}")
    if len(report.uncovered) > len(shown):
        out.always(f"  and {len(report.uncovered) - len(shown):,} more; -v shows all")


def _why(one: Verdict) -> str:
    """Where it is, and where it only seems to be; empty if nowhere."""
    reasons = [
        f"only at {', '.join(one.at)}" if one.at else "",
        f"damaged at {', '.join(one.damaged)}" if one.damaged else "",
        f"at {', '.join(one.unsettled)} only as it was while it changed" if one.unsettled else "",
    ]
    return "; ".join(filter(None, reasons))


def _others(out: Output, report: CoveredReport) -> None:
    if not report.others_count:
        return
    shown = report.others if out.verbose else report.others[:_OTHERS]
    out.warn(f"not looked at, {count(report.others_count, 'other file or link', 'other files and links')}:")
    for name in shown:
        out.warn(f"  {name}")
    if report.others_count > len(shown):
        out.warn(f"  and {report.others_count - len(shown):,} more")


def _verdict(out: Output, report: CoveredReport, *, all_files: bool) -> None:
    others = f", and {count(report.others_count, 'other file was', 'other files were')} not looked at"
    tail = others if report.others_count else ""
    if report.uncovered:
        number = f"{len(report.uncovered):,} of {count(report.files, 'file')}"
        out.always(
            f"NO, do not erase it yet: {number} {'is' if len(report.uncovered) == 1 else 'are'} not covered{tail}"
        )
        out.warn(f"what to do: {_next_step(report)}")
    elif report.problems:
        out.always(f"NO, do not erase it yet: nobody knows what is in {count(len(report.problems), 'place')}{tail}")
    elif not report.files:
        out.always(
            f"there is no {'file' if all_files else 'photo or video'}{tail}; is it the right folder, and mounted?"
        )
    else:
        every = f"all {report.files:,} are" if report.files > 1 else "it is"
        where = "a snapshot" if report.copies == 1 else f"snapshots at {report.copies} destinations or more"
        out.always(f"yes, {every} in {where}{tail}")


def _next_step(report: CoveredReport) -> str:
    """What covers what is not: one that is nowhere must be backed up, one that is somewhere must be copied."""
    damaged = any(one.damaged for one in report.uncovered)
    nowhere = any(not (one.at or one.damaged) for one in report.uncovered)
    few = any(one.at for one in report.uncovered)
    steps = [
        "`photovault check --repair`" if damaged else "",
        "copy them from the card, as with `photovault import folder CARD --to FOLDER`, then `photovault backup`"
        if nowhere
        else "",
        "`photovault copy --to NAME`" if few or (nowhere and report.copies > 1) else "",
    ]
    return ", then ".join(filter(None, steps))


def _files(number: int, *, all_files: bool) -> str:
    if all_files:
        return count(number, "file")
    return count(number, "photo, video or sidecar", "photos, videos and sidecars")


def _document(report: CoveredReport, asked: Iterable[Asked]) -> dict[str, object]:
    return {
        "covered": report.is_covered,
        "copies": report.copies,
        "files": report.files,
        "bytes": report.size,
        "files_covered": report.covered,
        "by_copies": {str(copies): files for copies, files in report.by_copies.items()},
        "uncovered": [
            {
                "path": one.path,
                "size": one.size,
                "at": one.at,
                "damaged_at": one.damaged,
                "unsettled_at": one.unsettled,
            }
            for one in report.uncovered
        ],
        "unread": [{"path": one.path, "reason": one.what} for one in report.problems],
        "others": {"count": report.others_count, "paths": report.others},
        "destinations": [
            {
                "name": one.name,
                "counts": not one.problem,
                "problem": one.problem or None,
                "files": report.at.get(one.name, 0),
                "newest_snapshot": one.newest or None,
                "notes": one.notes,
            }
            for one in asked
        ],
    }
