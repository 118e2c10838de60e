"""``photovault import``: takeout, folder, apple-photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app import importing
from photovault.app.importing import Into
from photovault.cli.options import Call, with_common
from photovault.cli.output import Output, amount, count
from photovault.errors import UsageError
from photovault.importing.template import parse

if TYPE_CHECKING:
    from photovault.app.importing import ImportReport

PARTLY = 3
_BY_MONTH = "{year}/{month}"
_BY_DAY = "{year}/{year}-{month}-{day}/{name}"
_SHOWN = 20

command = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

To = Annotated[str, typer.Option(metavar="DIR", help="Folder that the photos go into; made if it is not there.")]
Layout = Annotated[str, typer.Option(metavar="TEMPLATE", help="Folders by date: {year} {month} {day} {hour} ...")]
Trash = Annotated[bool, typer.Option("--trash", help="Also what is in the trash.")]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Only say what would be done.")]


@command.command()
@with_common
def takeout(
    call: Call,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="All archives or folders of one Takeout.")],
    to: To,
    layout: Layout = _BY_MONTH,
    *,
    trash: Trash = False,
    dry_run: DryRun = False,
) -> None:
    """Leave Google Photos: all parts of a Takeout at once, as zip, tgz or unpacked.

    Examples:

      photovault import takeout ~/Downloads/takeout-*.zip --to ~/Pictures

    Each photo comes once, into a folder by its date, with the time at which it was taken and what Google wrote about it
    beside it. Albums are kept as names in photovault-albums.json. What did not match is named.
    """
    out, into = call.output(), _into(to, layout, trash=trash, dry_run=dry_run)
    with out.meter("importing") as meter:
        report = importing.import_takeout(call.app(), paths, into, meter)
    _finish(out, report, into)


@command.command()
@with_common
def folder(
    call: Call,
    source: Annotated[str, typer.Argument(metavar="SRC", help="A camera's card, or any folder.")],
    to: To,
    layout: Layout = _BY_DAY,
    *,
    dry_run: DryRun = False,
) -> None:
    """Copy a camera's card into a library by date; every copy is read back and compared.

    Examples:

      photovault import folder /media/card/DCIM --to ~/Pictures

      photovault import folder /media/card --to ~/Pictures --layout '{year}/{month}/{name}'

    Nothing is overwritten: the same photo is not copied again, another one of the same name gets a number. Nothing is
    ever erased from the card.
    """
    out, into = call.output(), _into(to, layout, trash=False, dry_run=dry_run)
    with out.meter("importing") as meter:
        report = importing.import_folder(call.app(), source, into, meter)
    _finish(out, report, into, verified=True)


@command.command("apple-photos")
@with_common
def apple_photos(
    call: Call,
    library: Annotated[str, typer.Argument(metavar="LIBRARY.photoslibrary", help="Is only read.")],
    to: To,
    layout: Layout = _BY_MONTH,
    *,
    trash: Trash = False,
    dry_run: DryRun = False,
) -> None:
    """Copy a library of Apple Photos: originals, edited versions, Live Photos, album names.

    Examples:

      photovault import apple-photos ~/Pictures/Photos.photoslibrary --to ~/Pictures/From-Photos

    What is in iCloud only cannot come and is named: let Photos download the originals first.
    """
    out, into = call.output(), _into(to, layout, trash=trash, dry_run=dry_run)
    with out.meter("importing") as meter:
        report = importing.import_apple_photos(call.app(), library, into, meter)
    _finish(out, report, into)


def _into(to: str, template: str, *, trash: bool, dry_run: bool) -> Into:
    if not to:
        raise UsageError("--to is empty", "name a folder for the photos")
    return Into(to=Path(to).expanduser(), template=parse(template), trash=trash, dry_run=dry_run)


_LISTS = {
    "bare": "without notes of Google (a part of the Takeout may be missing)",
    "lonely": "notes without their photo (a part of the Takeout may be missing)",
    "cloud": "not imported, in iCloud only (Photos > Settings > iCloud > Download Originals)",
    "cloud_edits": "edited version in iCloud only; the original was imported",
    "referenced": "not imported, outside of the library",
    "shared": "not imported, in somebody's shared album",
}
_LOST = frozenset({"lonely", "cloud", "cloud_edits", "referenced", "shared"})


def _finish(out: Output, report: ImportReport, into: Into, *, verified: bool = False) -> None:
    _tell(out, report, into, verified=verified)
    raise typer.Exit(PARTLY if report.problems or _LOST & report.lists.keys() else 0)


def _tell(out: Output, report: ImportReport, into: Into, *, verified: bool) -> None:
    out.message("summary", _summary(report, into))
    verb = "would copy" if into.dry_run else "copied"
    out.line(f"{verb} {count(report.copied, 'file')}, {amount(report.size)}, to {into.to}")
    for number, text in (
        (report.there, "there already with the same bytes"),
        (report.older, "of notes differ from those in the library, which stay"),
        (report.twins, "more with the same bytes again, stored once"),
        (report.trashed, "left in the trash (--trash takes them)"),
        (report.others, "left out: neither photos nor belonging to one"),
    ):
        if number:
            out.line(f"  {count(number, 'file')} {text}")
    if report.albums:
        out.line(f"  {count(report.albums, 'album')} kept by name in photovault-albums.json")
    if verified and not into.dry_run:
        out.line(
            f"  {count(report.copied + report.there, 'file')} verified in the library; nothing was erased from the source"
        )
    for name, names in report.lists.items():
        _names(out, f"{count(len(names), 'file')}: {_LISTS[name]}", names)
    out.problems(report.problems, f"{count(len(report.problems), 'problem')}")


def _summary(report: ImportReport, into: Into) -> dict[str, object]:
    value = {
        "dry_run": into.dry_run,
        "files_copied": report.copied,
        "bytes_copied": report.size,
        "files_there": report.there,
        "notes_kept": report.older,
        "duplicates": report.twins,
        "other_files": report.others,
        "in_trash": report.trashed,
        "albums": report.albums,
        "problems": [{"path": one.path, "what": one.what, "hint": one.hint} for one in report.problems],
    }
    return value | {name: list(report.lists.get(name, ())) for name in _LISTS}


def _names(out: Output, heading: str, names: tuple[str, ...]) -> None:
    out.warn(heading)
    shown = len(names) if out.verbose else _SHOWN
    for one in names[:shown]:
        out.warn(f"  {one}")
    if len(names) > shown:
        out.warn(f"  and {len(names) - shown} more; -v shows all")
