"""``photovault export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault import passwords
from photovault.app.exporting import Seal, export_file, read_recipients
from photovault.cli.filters import Wanted, with_filters
from photovault.cli.options import Call
from photovault.cli.output import Output, amount, count
from photovault.cli.restore import split_arguments
from photovault.errors import UsageError
from photovault.export import ExportReport
from photovault.restore import Overwrite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app import App
    from photovault.model import Problem
    from photovault.photos.choose import Choice
    from photovault.restore import RestoreReport

PARTLY, DAMAGED = 3, 13
_SEALED = ".age"


@with_filters
def command(
    call: Call,
    to: Annotated[str, typer.Option(metavar="FILE.zip|DIR", help="A new file, or a folder.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAP] [PATH]...", help="Snapshot (latest if not given), then paths or patterns in it."
        ),
    ] = None,
    *,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Encrypt it, as FILE.zip.age; asks for a passphrase.")
    ] = False,
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="age1...", help="Seal for this age key, not with a passphrase.")
    ] = None,
    passphrase_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the passphrase of the sealed file from FILE.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Only say what would be done.")] = False,
    wanted: Wanted,
) -> None:
    """Write chosen photos into one file to hand over, plain or sealed.

    Examples:

      photovault export Pictures/2021/Rome --to rome.zip

      photovault export --from 2021-05 --until 2021-06 --to ~/May

      photovault export latest Pictures/Rome --sealed --to rome.zip.age

    A plain export is not encrypted: whoever has the file can see the photos. A sealed one is a zip in the age format:
    `age -d rome.zip.age > rome.zip` opens it, so do other programs. No existing file is overwritten; in a folder, files
    that are there are kept.
    """
    sealed = sealed or bool(recipient) or passphrase_file is not None
    path = _checked(to, sealed=sealed)
    made, out = call.app(), call.output()
    name, paths = split_arguments(made, what or [])
    choice = wanted.choice(paths, made)
    if path.suffix.lower() not in (".zip", _SEALED):
        _to_folder(made, out, name, choice, path, dry_run=dry_run)
    seal = _seal(made, recipient or [], passphrase_file, dry_run=dry_run) if sealed else None
    with out.meter("exporting") as meter:
        one, report = export_file(made, name, choice, path, seal, meter, dry_run=dry_run)
    out.warnings(made.warnings)
    _show(out, one.id, report, to, sealed=sealed, dry_run=dry_run)
    raise typer.Exit(DAMAGED if report.damaged else PARTLY if report.problems else 0)


def _checked(to: str, *, sealed: bool) -> Path:
    path = Path(to).expanduser()
    if not to:
        raise UsageError("--to is empty", "name a new file, or a folder")
    if sealed and path.suffix.lower() != _SEALED:
        raise UsageError("a sealed export is a file whose name ends in .age", f"use --to {path.name or 'photos'}.age")
    if not sealed and path.suffix.lower() == _SEALED:
        raise UsageError(f"{to} would not be sealed", "add --sealed, or name it FILE.zip")
    return path


def _seal(made: App, recipients: Sequence[str], passphrase_file: str | None, *, dry_run: bool) -> Seal:
    if recipients and passphrase_file is not None:
        raise UsageError("a file is sealed with a passphrase or for recipients, not both", "leave one of them out")
    if recipients:
        return Seal(recipients=read_recipients(recipients))
    if passphrase_file is not None:
        return Seal(passphrase=passwords.from_file(passphrase_file, "passphrase"))
    return Seal() if dry_run else Seal(passphrase=_asked(made))


def _asked(made: App) -> str:
    if made.world.ask_password is None:
        raise UsageError(
            "there is no terminal to ask for a passphrase", "use --passphrase-file FILE or --recipient age1..."
        )
    while True:
        first = made.world.ask_password("Passphrase for this file (not that of the vault)")
        weak = passwords.strength_problem(first)
        if weak:
            typer.echo(weak, err=True)
        elif first == made.world.ask_password("The same again"):
            return first
        else:
            typer.echo("they differ; once more", err=True)


def _to_folder(made: App, out: Output, name: str, choice: Choice, path: Path, *, dry_run: bool) -> None:
    with out.meter("exporting") as meter:
        one, report = made.restore(name, choice, path, Overwrite.NEVER, meter, dry_run=dry_run)
    out.warnings(made.warnings)
    _show(out, one.id, report, str(path), sealed=False, dry_run=dry_run)
    raise typer.Exit(DAMAGED if report.damaged else PARTLY if report.problems else 0)


def _show(
    out: Output, snapshot: str, report: ExportReport | RestoreReport, to: str, *, sealed: bool, dry_run: bool
) -> None:
    files = report.files if isinstance(report, ExportReport) else report.restored
    kept, links = getattr(report, "kept", 0), getattr(report, "links", 0)
    value = {
        "snapshot": snapshot,
        "dry_run": dry_run,
        "sealed": sealed,
        "files": files,
        "bytes": report.size,
        "files_kept": kept,
        "links_left_out": links,
        "damaged": _rows(report.damaged),
        "problems": _rows(report.problems),
        "renamed": _rows(report.renamed),
    }
    out.message("summary", value)
    verb = "would export" if dry_run else "exported"
    out.line(f"{verb} {count(files, 'file')}, {amount(report.size)}, from snapshot {snapshot[:8]} to {to}")
    if kept:
        out.line(f"  {count(kept, 'file')} there already and kept")
    if links:
        out.line(f"  {count(links, 'link')} left out")
    if sealed:
        out.line("  sealed in the age format: `age -d` opens it")
    else:
        out.warn("it is not encrypted: whoever has it can see the photos (--sealed encrypts)")
    out.problems(report.renamed, "under another name")
    out.problems(report.problems, count(len(report.problems), "problem"))
    out.problems(report.damaged, f"damaged: {count(len(report.damaged), 'file')} could not be exported")


def _rows(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [{"path": one.path, "what": one.what, "hint": one.hint} for one in problems]
