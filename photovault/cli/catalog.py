"""``photovault catalog``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from photovault.cli.options import Call, with_common
from photovault.cli.output import amount, count

if TYPE_CHECKING:
    from photovault.app.finding import CatalogStatus
    from photovault.cli.output import Output

DAMAGED = 13
command = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show or make again the list that photos are found with.",
)


@command.command()
@with_common
def rebuild(call: Call) -> None:
    """Make the search catalog anew from the vault alone.

    Examples:

      photovault catalog rebuild

    It is seldom needed: `photovault find` brings it up to date, and replaces it when it is damaged. Only listings are
    read, no photo.
    """
    from photovault.app import finding  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    with out.meter("reading listings") as meter:
        done = finding.rebuild(made, meter)
    _show(out, done)
    out.warnings(made.warnings)
    for problem in done.damaged:
        out.warn(f"damaged: {problem.path or '/'}: {problem.what}")
    raise typer.Exit(DAMAGED if done.damaged else 0)


@command.command()
@with_common
def status(call: Call) -> None:
    """Tell what the search catalog holds.

    Examples:

      photovault catalog status

      photovault catalog status --json
    """
    from photovault.app import finding  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    _show(out, finding.status(made))
    out.warnings(made.warnings)


def _show(out: Output, found: CatalogStatus) -> None:
    standing = found.standing
    out.message(
        "catalog",
        {
            "path": str(found.path),
            "photos": standing.photos,
            "snapshots": [name.hex() for name in standing.snapshots],
            "bytes": standing.size,
            "current": found.current,
            "albums": found.albums,
            "damaged": [{"path": one.path, "what": one.what} for one in found.damaged],
        },
    )
    out.always(
        f"{count(standing.photos, 'photo')} of {count(len(standing.snapshots), 'snapshot')}, {amount(standing.size)}"
    )
    if found.current is False and not found.damaged:
        out.line("the newest snapshot is not in it yet; `photovault find` brings it up to date")
    for name, photos in found.albums.items():
        out.line(f"  album {name}: {count(photos, 'photo')}")
