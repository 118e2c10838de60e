"""A drill as a job of the gallery: photos are restored in memory and compared, and what came of it is told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.app.drilling import DrillRequest, drill, seen
from photovault.app.proven import said
from photovault.app.viewing.condition import NAMED
from photovault.app.viewing.jobs import Outcome
from photovault.drill import Amount
from photovault.errors import PhotovaultError
from photovault.gallery.words import amount, count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.runs import App
    from photovault.drill import DrillReport
    from photovault.progress import Progress


def prove(app: App, photos: int, progress: Progress) -> Outcome:
    """Drill so many photos.  PhotovaultError when nothing can be tried."""
    done = drill(app, DrillRequest(amount=Amount(count=photos)), progress)
    report = done.report
    if report is None:
        raise PhotovaultError("no drill was made", "try again")
    first = f"proven: {report.proven:,} of {count(report.chosen, 'photo')} tried, {amount(report.size)}"
    now = [said(done.proven, done.files)] if done.proven is not None else []
    problems = tuple(_amiss(report))
    return Outcome(
        lines=(first, *seen(report), *now),
        problems=(*problems[:NAMED], *((text, "") for text in dict.fromkeys(app.warnings))),
        partly=bool(report.damaged or report.spoilt or report.rotten or report.problems),
    )


def _amiss(report: DrillReport) -> Iterator[tuple[str, str]]:
    """What was wrong, the worst first, each with what to do."""
    repair = "run `photovault backup`, then `photovault check --data all --repair`, and prove it again"
    for what, found, hint in (
        ("damaged, cannot be restored from here", report.damaged, repair),
        ("damaged in one place, whole in another", report.spoilt, "run `photovault backup`; it stores it again"),
        ("rotted on this computer, whole in the vault", report.rotten, "restore it, and look after this disk"),
        ("could not be tried", report.problems, ""),
        ("came back as it was backed up, and does not decode: it was broken before", report.broken, ""),
    ):
        yield from ((f"{one.path}: {what}: {one.what}", one.hint or hint) for one in found)
