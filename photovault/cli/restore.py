"""``photovault restore``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.snapshots import names_snapshot, resolve
from photovault.cli.filters import Wanted, with_filters
from photovault.cli.options import Call
from photovault.cli.output import Output, amount, count
from photovault.cli.state import newest_row, show_newer, show_newest
from photovault.errors import UsageError
from photovault.restore import Overwrite
from photovault.vault.format import shown

if TYPE_CHECKING:
    from photovault.app import App
    from photovault.app.destinations import Around
    from photovault.model import Problem
    from photovault.restore import RestoreReport
    from photovault.vault.vault import NamedSnapshot

PARTLY, DAMAGED = 3, 13


@with_filters
def command(
    call: Call,
    to: Annotated[str, typer.Option(metavar="DIR", help="Folder to restore into; made if it is not there.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAP] [PATH]...", help="Snapshot (latest if not given), then paths or patterns in it."
        ),
    ] = None,
    overwrite: Annotated[Overwrite | None, typer.Option(help="What happens to files that are there already.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Only say what would be done.")] = False,
    wanted: Wanted,
) -> None:
    """Bring files back, bit for bit.

    Examples:

      photovault restore --to ~/Restored

      photovault restore latest~1 Pictures/2021 --to ~/Restored

      photovault restore --from 2021-05 --until 2021-06 '*.heic' --to ~/Restored

      photovault restore --place Rome --camera iphone --rating 3 --to ~/Restored

      photovault restore --person Anna --to ~/Restored

    Where a path, a pattern or the other options hit one file of a photo's set, all of the set comes: the video of a Live
    Photo, the RAW beside a JPEG, edited versions, sidecars, the shots of a burst. --only-matching brings just what was hit.

    Every file's digest is checked before it gets its name. Damage costs only the files that need what is damaged: they
    are named, all others are restored, and the exit code is 13.
    """
    if not to:
        raise UsageError("--to is empty", "name a folder to restore into")
    made, out = call.app(), call.output()
    name, paths = split_arguments(made, what or [])
    rule = overwrite or Overwrite(made.config.restore.overwrite)
    choice = wanted.choice(paths, made)
    with out.meter("restoring") as meter:
        target = Path(to).expanduser()
        one, report = made.restore(
            name, choice, target, rule, meter, dry_run=dry_run, before=lambda around: _show_before(out, around)
        )
    out.warnings(made.warnings)
    _show(out, one, report, to, dry_run=dry_run)
    raise typer.Exit(DAMAGED if report.damaged else PARTLY if report.problems else 0)


def _show_before(out: Output, around: Around) -> None:
    """What somebody should know before it begins; alarms were told when the vault was opened."""
    behind = around.here.behind if around.here is not None else 0
    out.message("state", {"newest": newest_row(around), "behind": behind})
    if not out.as_json:
        show_newest(out, around)
        show_newer(out, around)


def split_arguments(made: App, what: list[str]) -> tuple[str, list[str]]:
    """Which snapshot, and which paths inside it: ``[SNAP] [PATH]...`` or ``SNAP:PATH``.

    A path may also be the one that a source has on this computer.
    """
    if what in ([], ["latest"]):
        return "latest", []
    with made.browse() as (snapshots, _):
        first, colon, inside = what[0].partition(":")
        if colon and names_snapshot(snapshots, first):
            name, paths = first, [inside, *what[1:]]
        elif names_snapshot(snapshots, what[0]):
            name, paths = what[0], what[1:]
        else:
            name, paths = "latest", what
        one = resolve(snapshots, name)
    return name, [shown(os.fsencode(_inside(one, path))) for path in paths]


def _inside(one: NamedSnapshot, path: str) -> str:
    """The path in the snapshot of a path on this computer; other paths as they are."""
    for source in one.snapshot.sources:
        if path == source.path or path.startswith(source.path.rstrip("/") + "/"):
            return source.label + path[len(source.path.rstrip("/")) :]
    return path


def _show(out: Output, one: NamedSnapshot, report: RestoreReport, to: str, *, dry_run: bool) -> None:
    out.message(
        "summary",
        {
            "snapshot": one.id,
            "dry_run": dry_run,
            "files_restored": report.restored,
            "files_kept": report.kept,
            "files_along": report.along,
            "bytes_restored": report.size,
            "damaged": _rows(report.damaged),
            "problems": _rows(report.problems),
            "renamed": _rows(report.renamed),
        },
    )
    verb = "would restore" if dry_run else "restored"
    out.line(f"{verb} {count(report.restored, 'file')}, {amount(report.size)}, from snapshot {one.id[:8]} to {to}")
    if report.along:
        out.line(
            f"  {count(report.along, 'file')} of them because others of the same photo were chosen (see --only-matching)"
        )
    if report.kept:
        out.line(f"  {count(report.kept, 'file')} there already and kept (see --overwrite)")
    out.problems(report.renamed, "under another name")
    out.problems(report.problems, f"{count(len(report.problems), 'problem')}")
    out.problems(report.damaged, f"damaged: {count(len(report.damaged), 'file')} could not be restored")


def _rows(problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    return [{"path": one.path, "what": one.what, "hint": one.hint} for one in problems]
