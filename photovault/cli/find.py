"""``photovault find``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli.filters import Wanted, areas_of, photos_of, with_filters
from photovault.cli.options import Call
from photovault.cli.output import count
from photovault.facts import to_map
from photovault.photos.choose import camera_of, kind_of
from photovault.photos.sets import SetKind
from photovault.vault.format import shown

if TYPE_CHECKING:
    from photovault.app.finding import Searched
    from photovault.cli.output import Output
    from photovault.library import Member, Query, Row

DAMAGED = 13
_PAGE = 1000
_SHOWN = 100


class How(StrEnum):
    """How photos may be duplicates."""

    EXACT = "exact"
    NEAR = "near"


def _find(  # noqa: PLR0913 - as many options as there are ways to ask
    call: Call,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]...", help="Words, or their first letters, of names, texts, cameras, places."),
    ] = None,
    *,
    album: Annotated[str | None, typer.Option(metavar="NAME", help="In an album of this name.")] = None,
    folder: Annotated[str, typer.Option("--in", metavar="PATH", help="In this folder of the snapshot.")] = "",
    duplicates: Annotated[
        How | None,
        typer.Option("--duplicates", help="What is there more than once: the same file, or =near for alike pictures."),
    ] = None,
    located: Annotated[
        bool | None, typer.Option("--located/--not-located", help="With a place, or without one.")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The last one taken first.")] = False,
    snapshot: Annotated[str, typer.Option(metavar="SNAP", help="Look in this snapshot.")] = "latest",
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=100_000, help="Show so many; 100 unless piped.")
    ] = None,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on after the page before.")] = None,
    wanted: Wanted,
) -> None:
    """Find photos by date, place, camera, kind, rating, text and more.

    Examples:

      photovault find beach --from 2019 --until 2020-06

      photovault find --place Italy --camera canon --kind raw

      photovault find --person Anna --person Ben

      photovault find --duplicates=near

      photovault find --album 'Summer 2019' --json

    All that is given must be so. A photo is found with all that belongs to it: RAW, video, edits, sidecars. Words are found by
    their first letters, from the third on. On a terminal there is a table, in a pipe one path a line. The search catalog is made from the vault's
    listings when it is first needed; nobody else is asked anything. In which photos a person is, is known on this computer alone.
    """
    from photovault.app import finding  # noqa: PLC0415 - not needed for --help
    from photovault.library import Key  # noqa: PLC0415 - as above

    made, out = call.app(), call.output()
    values = wanted.values()
    people = values.pop("person", None)
    query = replace(
        _query(values, " ".join(text or [])),
        digests=photos_of(made, people) if people else None,
        located=located,
        album=album,
        folder=os.fsencode(folder.strip("/")),
        duplicates=str(duplicates) if duplicates is not None else None,
        newest=newest,
    )
    endless = limit is None and not call.json and not sys.stdout.isatty()
    start = Key.decode(after) if after is not None else None
    with out.meter("reading listings", lines=False) as meter:
        pages = finding.find(made, snapshot, query, meter, after=start, limit=limit or (_PAGE if endless else _SHOWN))
        answer = next(pages)
    _show(out, answer)
    for following in pages if endless else ():
        _show(out, following)
    out.warnings(made.warnings)
    for problem in answer.damaged:
        out.warn(f"damaged: {problem.path or '/'}: {problem.what}")
    raise typer.Exit(DAMAGED if answer.damaged else 0)


command = with_filters(_find, without=("text", "only_matching"))


def _query(values: dict[str, Any], text: str) -> Query:
    """What the options say that other commands have, too."""
    from photovault.library import Query  # noqa: PLC0415 - not needed for --help

    place = values.get("place")
    return Query(
        snapshot=b"",  # filled in when the snapshot's name is known
        text=text,
        since=values.get("since"),
        until=values.get("until"),
        places=None if place is None else tuple(areas_of(place)),
        camera=values.get("camera", ""),
        kind=kind_of(values.get("kind", "")),
        set_kind=str(values.get("set_kind", "")),
        rating=values.get("rating"),
        broken=True if values.get("broken") else None,
    )


def _show(out: Output, answer: Searched) -> None:
    rows, following = answer.found.rows, answer.found.following
    out.document(
        {
            "snapshot": answer.snapshot.id,
            "rows": [_row(row) for row in rows],
            "next": following.encode() if following else None,
            "damaged": [{"path": one.path, "what": one.what} for one in answer.damaged],
        }
    )
    if sys.stdout.isatty():
        _table(out, rows)
        if following:
            out.line()
            out.line(f"there are more: add --after {following.encode()}")
        elif not rows:
            out.line("nothing was found")
    else:
        for row in rows:
            out.always(shown(row.path))


def _row(row: Row) -> dict[str, Any]:
    return {
        "path": shown(row.path),
        "time": row.when,
        "set": row.set_kind,
        "sets": list(row.set_kinds),
        "place": row.place or None,
        "albums": list(row.albums),
        "duplicates": [shown(path) for path in row.duplicates],
        "facts": to_map(row.facts),
        "members": [_member(row, one) for one in row.members],
    }


def _member(row: Row, one: Member) -> dict[str, Any]:
    path = shown(row.path_of(one))
    return {"path": path, "role": one.role, "kind": one.kind, "size": one.size, "sha256": one.digest.hex()}


def _table(out: Output, rows: tuple[Row, ...]) -> None:
    """One line a photo: when, with what, where, path, and what belongs to it; then what it is a duplicate of."""
    lines = [(row.when[:16].replace("T", " "), camera_of(row.facts), row.place, _path(row)) for row in rows]
    wide = [max((len(line[column]) for line in lines), default=0) for column in range(3)]
    for line, row in zip(lines, rows, strict=True):
        out.always(
            "  ".join(
                [*(text[:30].ljust(min(width, 30)) for text, width in zip(line, wide, strict=False)), line[3]]
            ).rstrip()
        )
        for path in row.duplicates:
            out.always(f"{'':16}  = {shown(path)}")


def _path(row: Row) -> str:
    others = len(row.members) - 1
    marks = [row.set_kind] if row.set_kind not in (SetKind.SINGLE, SetKind.SIDECAR) else []
    marks += [f"and {count(others, 'file')}"] if others else []
    marks += [f"{row.facts.rating} stars"] if row.facts.rating else []
    return shown(row.path) + (f"  [{', '.join(marks)}]" if marks else "")
