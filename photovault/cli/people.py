"""``photovault people``: the group, and what it stands at: scan, status.

Face grouping is off until ``people enable``.  No command here imports face code itself: ``app.people`` does, after it saw
the consent.  Everything answers without the extra and without consent, if only by saying what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli import people_consent, people_decide, people_list, people_review, people_xmp
from photovault.cli.options import Call, with_common
from photovault.cli.output import amount, count

if TYPE_CHECKING:
    from photovault.app.people import PeopleStatus, ScanReport
    from photovault.cli.output import Output
    from photovault.progress import Progress

PARTLY = 3
_STATES = {
    "never": "off",
    "granted": "on",
    "lapsed": "OFF",
    "withdrawn": "off",
}
command = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Group the faces in your photos, on this computer only; off until you ask.",
)


@command.command()
@with_common
def scan(
    call: Call,
    *,
    again: Annotated[bool, typer.Option("--again", help="Look at every photo again, also those known.")] = False,
) -> None:
    """Look for faces in photos that are new or changed, newest first.

    Examples:

      photovault people scan

      photovault people scan --again

    It can be stopped at any moment and goes on from there. Names and decisions stay, also with --again. Photos that cannot
    be looked at are counted, and the exit code is 3.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    people = open_people(made)
    with out.meter("looking for faces") as meter:
        report = people.scan(_Nameless(meter), again=again)
    out.warnings(made.warnings)
    _show_scan(out, report)
    raise typer.Exit(PARTLY if report.failed or report.alarms else 0)


@command.command()
@with_common
def status(call: Call) -> None:
    """Tell whether faces are grouped, until when, and how far it is.

    Examples:

      photovault people status

      photovault people status --json

    It works without consent and without anything installed. The exit code is 3 after an alarm, else 0.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    found = open_people(made).status()
    out.document(_status_row(found))
    out.warnings(made.warnings)
    _show_status(out, found)
    raise typer.Exit(PARTLY if found.alarms else 0)


people_list.register(command)
people_decide.register(command)
people_review.register(command)
people_xmp.register(command)
people_consent.register(command)


class _Nameless:
    """Progress that names no photo: which ones have faces is nobody's business who looks over a shoulder or at a log."""

    def __init__(self, meter: Progress) -> None:
        self._meter = meter

    def total(self, files: int, size: int) -> None:
        self._meter.total(files, size)

    def advance(self, files: int, size: int, path: str) -> None:  # noqa: ARG002 - see above
        self._meter.advance(files, size, "")


def _show_scan(out: Output, report: ScanReport) -> None:
    out.message(
        "summary",
        {
            "photos_looked_at": report.looked,
            "photos_unchanged": report.unchanged,
            "photos_gone": report.gone,
            "photos_left": report.left,
            "photos_failed": report.failed,
            "faces_found": report.faces,
            "faces_measured_anew": report.embedded,
            "faces": report.total_faces,
            "people": report.people,
            "seconds": round(report.seconds, 3),
            "protection": list(report.protection),
            "done_without": list(report.overridden),
            "alarms": list(report.alarms),
        },
    )
    out.line(
        f"looked at {count(report.looked, 'photo')} in {report.seconds:.0f} s: {count(report.faces, 'face')}; "
        f"{count(report.unchanged, 'photo')} known from before"
    )
    if report.embedded:
        out.line(f"  {count(report.embedded, 'face')} measured anew by another engine; names and decisions stay")
    if report.gone:
        out.line(f"  {count(report.gone, 'photo')} gone, with their faces")
    if report.left:
        out.line(f"  {count(report.left, 'photo')} left; the next scan goes on there")
    out.line(f"  {count(report.total_faces, 'face')}, {count(report.people, 'person', 'people')} in all")
    if report.failed:
        out.warn(f"could not look at {count(sum(report.failed.values()), 'photo')}: {_reasons(report.failed)}")
    _show_wall(out, report.overridden, report.alarms)


def _reasons(failed: dict[str, int]) -> str:
    return "; ".join(f"{number:,}: {why}" for why, number in sorted(failed.items(), key=lambda one: -one[1]))


def _show_wall(out: Output, overridden: tuple[str, ...], alarms: tuple[str, ...]) -> None:
    """What is not as it should be, in red, also with ``--quiet``."""
    if overridden:
        out.alarm(f"DONE WITHOUT {', '.join(overridden)}: you allowed it (unsafe_without under [people])")
    for one in alarms:
        out.alarm(f"ALARM: {one}")


def _status_row(found: PeopleStatus) -> dict[str, Any]:
    return {
        "consent": found.consent,
        "scope": list(found.scope),
        "until": found.until or None,
        "why": found.why or None,
        "engine": found.engine or None,
        "missing": found.missing or None,
        "hint": found.missing_hint or None,
        "photos": {"scanned": found.scanned, "left": found.left},
        "faces": found.faces,
        "people": found.people,
        "named": found.named,
        "hidden": found.hidden,
        "questions": found.questions,
        "protection": list(found.protection),
        "done_without": list(found.overridden),
        "alarms": list(found.alarms),
        "background": found.background,
        "last_scan": found.last_scan or None,
        "store_bytes": found.store_bytes,
        "key_in": found.key_in or None,
    }


def _show_status(out: Output, found: PeopleStatus) -> None:
    until = f" until {found.until[:10]}, in {count(len(found.scope), 'folder')}" if found.consent == "granted" else ""
    out.always(f"face grouping is {_STATES[found.consent]}{until}")
    if found.consent == "granted":
        _show_scope(out, found)
    elif found.why:
        out.always(f"  {found.why}")
    if found.consent != "granted":
        out.line("  `photovault people notice` says what it is, `photovault people enable` turns it on")
    if found.missing:
        out.always(f"  not ready: {'; '.join(filter(None, (found.missing, found.missing_hint)))}")
    if found.consent == "granted":
        _show_store(out, found)
    _show_wall(out, found.overridden, found.alarms)


def _show_scope(out: Output, found: PeopleStatus) -> None:
    for folder in found.scope:
        out.line(f"  {folder}")
    if found.why:
        out.always(f"  {found.why}")


def _show_store(out: Output, found: PeopleStatus) -> None:
    known = found.scanned is not None
    left = f", {found.left:,} left" if found.left else ", none left" if found.left == 0 else ""
    when = f", last {found.last_scan[:16].replace('T', ' ')} UTC" if found.last_scan else ""
    looked = f"{count(found.scanned or 0, 'photo')} looked at{left}{when}" if known else "no photo looked at yet"
    out.always(
        f"  engine {found.engine}: {looked}{'' if known and not found.left else '; run `photovault people scan`'}"
    )
    hidden = f", {found.hidden:,} hidden" if found.hidden else ""
    people = f"{count(found.people, 'person', 'people')} ({found.named:,} named{hidden})"
    out.line(f"  {count(found.faces, 'face')}, {people}")
    if found.questions:
        out.line(f"  {count(found.questions, 'question')} that would help: `photovault people review`")
    if found.store_bytes:
        kept = f", its key in {_KEY_IN.get(found.key_in, found.key_in)}" if found.key_in else ""
        out.line(f"  face store {amount(found.store_bytes)}, encrypted{kept}")
    if found.protection:
        out.line(f"  the face worker is kept in by: {', '.join(found.protection)}")
    out.line("  the daemon scans when it is idle" if found.background else "  the daemon does not scan")


_KEY_IN = {"keyring": "the system's keyring", "file": "a file of yours alone"}
