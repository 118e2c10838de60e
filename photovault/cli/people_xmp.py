"""``photovault people export|import --xmp``: names and boxes from and to the sidecar files that other programs read.

Such files are in clear, and go wherever their folder goes; so each export and import wants words of its own to be typed.
No vector is ever in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli.options import Call, is_terminal, with_common
from photovault.cli.output import count
from photovault.errors import UsageError

if TYPE_CHECKING:
    from photovault.app.people import XmpReport

PARTLY = 3
Agree = Annotated[
    str | None, typer.Option("--agree", metavar="WORDS", help="The words that agree to it, where nobody can be asked.")
]


def register(group: typer.Typer) -> None:
    """Add the commands to ``people``."""
    group.command("export")(with_common(export))
    group.command("import")(with_common(import_))


def export(
    call: Call,
    xmp: Annotated[str, typer.Option(metavar="DIR", help="Folder for the sidecar files; made if it is not there.")],
    agree: Agree = None,
) -> None:
    """Write names and boxes into XMP sidecars, as other programs read them.

    Examples:

      photovault people export --xmp ~/Names

      photovault people export --xmp ~/Names --agree 'write names into files'

    Only faces of people with a name who are not hidden, as MWG regions; never what was measured of a face. The files are in
    clear. On a terminal it says what that means and asks for the words; else --agree gives them.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    folder = _folder(xmp)
    words = _agreed(agree)
    made, out = call.app(), call.output()
    done = open_people(made).export_xmp(folder, agreed=words)
    out.document(_row(done) | {"folder": str(folder)})
    out.warnings(made.warnings)
    out.line(f"wrote {count(done.regions, 'name')} into {count(done.files, 'sidecar')} in {folder}")
    raise typer.Exit(_finish(call, done))


def import_(
    call: Call,
    xmp: Annotated[str | None, typer.Option(metavar="DIR", help="Folder with sidecar files.")] = None,
    names: Annotated[
        str | None, typer.Option(metavar="FILE", help="The names.json that a backup kept, restored from it.")
    ] = None,
    agree: Agree = None,
) -> None:
    """Take names over from XMP sidecars that other programs wrote, or from a backup.

    Examples:

      photovault people import --xmp ~/Pictures

      photovault people import --xmp ~/Pictures --agree 'write names into files'

      photovault people import --names '~/Restored/names of people/names.json'

    They lie beside the photos, or in a folder as `people export` writes it. A region gives its name to the face that is there;
    where none was found, it becomes one. What you decided here stays, and `photovault people undo` takes all of it back.

    Names from a backup (`photovault people allow names-backup`) go to the groups without a name that are in the same photos.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    if (xmp is None) == (names is None):
        raise UsageError("either --xmp or --names is needed", "see `photovault people import --help`")
    if names is not None:
        raise typer.Exit(_import_names(call, names))
    folder = _folder(xmp or "")
    words = _agreed(agree)
    made, out = call.app(), call.output()
    done = open_people(made).import_xmp(folder, agreed=words)
    out.document(_row(done) | {"folder": str(folder)})
    out.warnings(made.warnings)
    out.line(f"{count(done.named, 'face')} named by {count(done.regions, 'region')} of {count(done.files, 'sidecar')}")
    if done.unmatched:
        out.line(f"  {count(done.unmatched, 'region')} where no face was found: kept as faces by hand")
    raise typer.Exit(_finish(call, done))


def _import_names(call: Call, file: str) -> int:
    from photovault.app.people import open_people  # noqa: PLC0415 - as above

    made, out = call.app(), call.output()
    done = open_people(made).import_names(Path(file).expanduser().absolute())
    out.document({"names": done.regions, "named": done.named, "unmatched": done.unmatched})
    out.warnings(made.warnings)
    out.line(f"{count(done.named, 'face')} named by {count(done.regions, 'name')}")
    if done.unmatched:
        out.line(f"  {count(done.unmatched, 'name')} fit no group of faces, or several alike")
    return 0


def _folder(text: str) -> Path:
    if not text:
        raise UsageError("--xmp is empty", "name a folder")
    return Path(text).expanduser().absolute()


def _agreed(given: str | None) -> str:
    """The words that were typed, here or for ``--agree``; whether they are the right ones is for ``app`` to say."""
    from photovault.app.people import XMP_NOTICE, XMP_WORDS  # noqa: PLC0415 - not needed for --help

    if given is not None:
        return given
    if not is_terminal():
        raise UsageError("there is no terminal to ask on", f"read the help, then use --agree '{XMP_WORDS}'")
    typer.echo(XMP_NOTICE, err=True)
    words: str = typer.prompt(f"Type the words {XMP_WORDS}", default="", show_default=False, err=True)
    return words


def _row(done: XmpReport) -> dict[str, Any]:
    return {
        "sidecars": done.files,
        "regions": done.regions,
        "named": done.named,
        "unmatched": done.unmatched,
        "skipped": done.skipped,
    }


def _finish(call: Call, done: XmpReport) -> int:
    for why, number in done.skipped.items():
        call.output().warn(f"passed over {number:,}: {why}")
    return PARTLY if done.skipped else 0
