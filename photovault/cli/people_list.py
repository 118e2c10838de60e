"""``photovault people list|show``: who is there, and in which photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli.options import Call, with_common
from photovault.cli.output import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.app.people import FaceShown, Person
    from photovault.cli.output import Output

Ref = Annotated[str, typer.Argument(metavar="ID", help="Of a person, as p7 from `people list`, or the name.")]
_WIDE = 40
_THIRD = 3


def register(group: typer.Typer) -> None:
    """Add the commands to ``people``."""
    group.command("list")(with_common(list_))
    group.command("show")(with_common(show))


def list_(
    call: Call,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Also people who have one face only.")] = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also people whom you have hidden.")] = False,
    faces: Annotated[
        bool, typer.Option("--faces", help="As --all, with every face: its photo, where in it, how good.")
    ] = False,
) -> None:
    """List the people that were found, those with a name first.

    Examples:

      photovault people list

      photovault people list --faces --json

    Boxes are left, top, width and height in pixels of the whole picture, turned upright.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    people = open_people(made)
    found = people.people(everybody=everybody or faces, hidden=hidden, faces=faces)
    loose = people.ungrouped() if faces else []
    rest = {"ungrouped": [face_row(one) for one in loose]} if faces else {}
    out.document({"people": [person_row(one, faces=faces) for one in found]} | rest)
    out.warnings(made.warnings)
    if not found:
        out.line("nobody yet; `photovault people scan` looks for faces")
    _table(out, found)
    if loose:
        out.always(f"in no group, too poor to tell: {count(len(loose), 'face')}")
        _faces(out, loose)


def show(call: Call, who: Ref) -> None:
    """Show one person and the photos that the faces are in, the best first.

    Examples:

      photovault people show p7

      photovault people show Anna --json
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    one = open_people(made).show(who)
    out.document({"person": person_row(one, faces=True)})
    out.warnings(made.warnings)
    _table(out, [one])


def person_row(one: Person, *, faces: bool) -> dict[str, Any]:
    """A person as JSON."""
    row = {
        "id": f"p{one.id}",
        "name": one.name or None,
        "count": one.count,
        "photos": one.photos,
        "hidden": one.hidden,
        "first": one.first or None,
        "last": one.last or None,
    }
    return row | {"faces": [face_row(face) for face in one.faces]} if faces else row


def face_row(face: FaceShown) -> dict[str, Any]:
    """A face as JSON; no vector."""
    return {
        "id": f"f{face.id}",
        "file": face.file,
        "box": list(face.box),
        "size": list(face.size),
        "quality": round(face.quality, 3),
        "taken": face.taken or None,
        "confirmed": face.confirmed,
    }


def place(face: FaceShown) -> str:
    """Where in the photo a face is, in words and pixels: ``top left, 240 x 260 at 100, 80 of 4000 x 3000``."""
    left, top, wide, high = face.box
    row = ("top", "middle", "bottom")[_third(top + high / 2, face.size[1])]
    column = ("left", "middle", "right")[_third(left + wide / 2, face.size[0])]
    where = row if row == column else f"{row} {column}"
    return f"{where}, {wide} x {high} at {left}, {top} of {face.size[0]} x {face.size[1]}"


def _third(at: float, of: int) -> int:
    return min(max(int(at * _THIRD / of), 0), _THIRD - 1) if of > 0 else 1


def _table(out: Output, people: list[Person]) -> None:
    """One line a person, their faces below where they were asked for."""
    ids = max((len(str(one.id)) for one in people), default=0) + 1
    names = min(max((len(_called(one)) for one in people), default=0), _WIDE)
    for one in people:
        many = f"{count(one.count, 'face')} in {count(one.photos, 'photo')}"
        hidden = "  hidden" if one.hidden else ""
        out.always(f"{f'p{one.id}':<{ids}}  {_called(one):<{names}}  {many:<24}  {_years(one)}{hidden}".rstrip())
        _faces(out, one.faces)


def _faces(out: Output, faces: Iterable[FaceShown]) -> None:
    for face in faces:
        sure = "  confirmed" if face.confirmed else ""
        out.always(f"    f{face.id}  {face.file}  ({place(face)}; quality {face.quality:.2f}){sure}")


def _called(one: Person) -> str:
    return one.name or "(no name)"


def _years(one: Person) -> str:
    first, last = one.first[:7], one.last[:7]
    return first if first == last else f"{first} to {last}"
