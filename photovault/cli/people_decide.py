"""``photovault people name|merge|split|hide|unhide|undo|history``: what a person decides, each one taken back by undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli.options import Call, with_common
from photovault.cli.output import count
from photovault.cli.people_list import Ref
from photovault.errors import UsageError

if TYPE_CHECKING:
    from photovault.app.people import HistoryEntry

_SHOWN = 20


def register(group: typer.Typer) -> None:
    """Add the commands to ``people``."""
    for one in (name, merge, split, hide, unhide, undo, history):
        group.command()(with_common(one))


def name(
    call: Call,
    who: Ref,
    called: Annotated[str | None, typer.Argument(metavar="NAME", help="The name; quote one of several words.")] = None,
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the name away.")] = False,
) -> None:
    """Name a person, or name them anew.

    Examples:

      photovault people name p7 'Anna Maria'

      photovault people name p7 --remove

    It confirms the faces that the person has now: no later scan, and no other engine, takes the name from them. To give two
    people one name is to merge them: `photovault people merge`.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    if (called is None) != remove:
        raise UsageError("either a name or --remove is needed", "see `photovault people name --help`")
    if called is not None and not called.strip():
        raise UsageError("the name is empty", "give one, or use --remove")
    _show(call, open_people(call.app()).name(who, (called or "").strip()))


def merge(
    call: Call,
    one: Annotated[str, typer.Argument(metavar="A", help="A person: id or name.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The same person, listed twice.")],
    keep: Annotated[str, typer.Option(metavar="NAME", help="Whose name stays, where both have one: name or id.")] = "",
) -> None:
    """Say that two are the same person.

    Examples:

      photovault people merge p7 p12

      photovault people merge Anna Annie --keep Anna

    Two people who have a name are never merged unless you do.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    _show(call, open_people(call.app()).merge(one, other, keep=keep.strip()))


def split(
    call: Call,
    who: Ref,
    faces: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FACE]...", help="Faces of somebody else, as f123 from `people show`."),
    ] = None,
    *,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Group the faces anew by a stricter rule; the largest group keeps the name."),
    ] = False,
) -> None:
    """Take faces that are somebody else's out of a person.

    Examples:

      photovault people split p7 f123 f130

      photovault people split p7 --strict

    The faces that you name become a person of their own, and are never put back by a later scan.
    """
    from photovault.app.people import face_id, open_people  # noqa: PLC0415 - not needed for --help

    if bool(faces) == strict:
        raise UsageError(
            "either faces or --strict is needed", "`photovault people show ID` lists the faces of a person"
        )
    numbers = [face_id(text) for text in faces or ()]
    if None in numbers:
        wrong = (faces or [])[numbers.index(None)]
        raise UsageError(f"{wrong} is no face", "faces are called f1, f2 ...: `photovault people show ID` lists them")
    chosen = tuple(number for number in numbers if number is not None)
    _show(call, open_people(call.app()).split(who, faces=chosen, strict=strict))


def hide(call: Call, who: Ref) -> None:
    """List a person no more: a stranger in the background, or somebody who does not want to be.

    Examples:

      photovault people hide p31

    The faces stay grouped, so that they are not offered as somebody new; `photovault people list --hidden` lists them.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    _show(call, open_people(call.app()).hide(who))


def unhide(call: Call, who: Ref) -> None:
    """List a person again who was hidden.

    Examples:

      photovault people unhide p31
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    _show(call, open_people(call.app()).unhide(who))


def undo(
    call: Call,
    entry: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=1, help="From `people history`; the last one if not given.")
    ] = None,
) -> None:
    """Take back what was decided last, or an earlier decision.

    Examples:

      photovault people undo

      photovault people undo 12
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    _show(call, open_people(call.app()).undo(entry), "taken back: ")


def history(
    call: Call,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Show so many; 20 unless --json.")] = None,
) -> None:
    """List what was decided, the newest first.

    Examples:

      photovault people history

      photovault people history --limit 100 --json
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    found = open_people(made).history()
    shown = found[: limit or (len(found) if call.json else _SHOWN)]
    out.document({"history": [_row(one) for one in shown], "more": len(found) - len(shown)})
    out.warnings(made.warnings)
    wide = max((len(str(one.id)) for one in shown), default=0)
    for one in shown:
        back = "  (taken back)" if one.undone else ""
        out.always(f"{one.id:>{wide}}  {one.time[:16].replace('T', ' ')} UTC  {one.text}{back}")
    if not shown:
        out.line("nothing was decided yet")
    elif len(shown) < len(found):
        out.line(f"and {count(len(found) - len(shown), 'earlier one')}; --limit shows more")


def _show(call: Call, done: HistoryEntry, how: str = "") -> None:
    out = call.output()
    out.document({"done": _row(done)})
    out.line(f"{how}{done.text}")


def _row(one: HistoryEntry) -> dict[str, Any]:
    return {
        "id": one.id,
        "time": one.time or None,
        "action": one.action,
        "text": one.text,
        "people": [f"p{number}" for number in one.people],
        "undone": one.undone,
    }
