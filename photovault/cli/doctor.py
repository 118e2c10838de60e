"""``photovault doctor``."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from photovault.cli.options import Call
from photovault.cli.output import count

if TYPE_CHECKING:
    from photovault.app.doctoring import Look
    from photovault.cli.output import Output

PARTLY = 3
_MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


def command(call: Call) -> None:
    """Look over this computer, the configuration and every destination, and say what mends what is amiss.

    Examples:

      photovault doctor

      photovault doctor --json

    It changes nothing, but that it stores an object of 16 KiB at each destination and removes it again, to see whether that can
    be done. With -q it shows only what is not as it should be. The exit code is 3 when something must be done; notes do not count.
    """
    from photovault.app.doctoring import examine  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    looks = []
    for look in examine(made):
        looks.append(look)
        _show(out, look)
    states = Counter(str(one.state) for one in looks)
    out.document({"looks": [asdict(one) for one in looks], "bad": states["bad"], "notes": states["note"]})
    out.line()
    out.line(
        f"{count(states['bad'], 'thing')} to mend, {count(states['note'], 'note')}, {states['good']} as they should be"
    )
    raise typer.Exit(PARTLY if states["bad"] else 0)


def _show(out: Output, look: Look) -> None:
    """One line, and one more that says what to do; what is good is left out with ``--quiet``."""
    where = f" {look.where}" if look.where else ""
    say = out.line if look.state == "good" else out.always
    say(f"{_MARKS[look.state]}  {look.name}{where}: {look.what}")
    if look.hint:
        say(f"      {look.hint}")
