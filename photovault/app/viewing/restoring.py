"""Restoring what is in the basket, as jobs of the gallery: to do it, or to say of every file what would become of it.

A restore is that of the command line, once for each snapshot, if there is room for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from photovault.app.guarding import free_bytes
from photovault.app.restoring import plan
from photovault.app.viewing.jobs import Outcome
from photovault.errors import RefusedError
from photovault.gallery.words import amount, count
from photovault.restore import Decision
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.model import Problem
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.restore import Overwrite, Planned, RestoreReport

T = TypeVar("T")
_NAMED: Final = 200  # problems
_LINES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is restored of one snapshot, and where to."""

    at: str
    choice: Choice
    to: Path
    files: int
    size: int


class _Steps:
    """Progress of one of several restores: how much there is was said before, for all of them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def total(self, files: int, size: int) -> None:
        """See ``Progress``."""

    def advance(self, files: int, size: int, path: str) -> None:
        """See ``Progress``."""
        self._progress.advance(files, size, path)


def restoring(app: App, parts: Sequence[Part], rule: Overwrite, folder: Path, progress: Progress) -> Outcome:
    """Restore, if there is room for it."""
    _say_total(parts, progress)
    _look_for_room(app, parts, rule, folder)
    done = [app.restore(one.at, one.choice, one.to, rule, _Steps(progress), dry_run=False)[1] for one in parts]
    first = f"restored {_much(done)}, to {_text(folder)}"
    return _outcome(first, done, app)


def trying(app: App, parts: Sequence[Part], rule: Overwrite, folder: Path, progress: Progress) -> Outcome:
    """Say of every file what would become of it."""
    _say_total(parts, progress)
    rows: list[tuple[str, str]] = []

    def tell(before: str, one: Planned) -> None:
        rows.append((before + one.path, _what(one)))
        progress.advance(1, one.size, "")

    done = []
    for one in parts:
        before = f"{one.to.name}/" if one.to != folder else ""
        done.append(plan(app, one.at, one.choice, one.to, rule, partial(tell, before))[1])
    lack = _lack(folder, sum(one.size for one in done))
    problems = [(lack, "make room there, or name a folder on another disk")] if lack else []
    return _outcome(f"would restore {_much(done)}, to {_text(folder)}; nothing was written", done, app, rows, problems)


def _say_total(parts: Sequence[Part], progress: Progress) -> None:
    progress.total(sum(one.files for one in parts), sum(one.size for one in parts))


def _look_for_room(app: App, parts: Sequence[Part], rule: Overwrite, folder: Path) -> None:
    """Go on only if there is room; only where it seems short is it looked at what is there already.  RefusedError."""
    if not _lack(folder, sum(one.size for one in parts)):
        return
    wanted = [plan(app, one.at, one.choice, one.to, rule, lambda _: None)[1] for one in parts]
    lack = _lack(folder, sum(one.size for one in wanted))
    if lack:
        raise RefusedError(lack, "make room there, or name a folder on another disk; nothing was written")


def _lack(folder: Path, size: int) -> str:
    """That there is too little room; empty when there is enough, or nobody knows."""
    free = free_bytes(folder)
    return (
        f"{amount(size)} are to be written, and {amount(free)} are free there"
        if free is not None and free < size
        else ""
    )


def _what(one: Planned) -> str:
    if one.decision is Decision.KEEP:
        return "is there already, would be kept"
    if one.decision is Decision.COMPARE:
        return "is there, would be replaced if its contents differ"
    return "would replace what is there" if one.there else "would be written"


def _much(done: Sequence[RestoreReport]) -> str:
    return f"{count(sum(one.restored for one in done), 'file')}, {amount(sum(one.size for one in done))}"


def _outcome(
    first: str,
    done: Sequence[RestoreReport],
    app: App,
    rows: Sequence[tuple[str, str]] = (),
    problems: Sequence[tuple[str, str]] = (),
) -> Outcome:
    kept = sum(one.kept for one in done)
    damaged = [one for report in done for one in report.damaged]
    others = [one for report in done for one in report.problems]
    lines = [
        first,
        *([f"{count(kept, 'file')} there already, and kept"] if kept else []),
        *([f"damaged: {count(len(damaged), 'file')} could not be restored"] if damaged else []),
        *_some([f"{one.path}: {one.what}" for report in done for one in report.renamed], _LINES, str),
    ]
    warnings = [(text, "") for text in dict.fromkeys(app.warnings)]
    named = _some(
        [_row(one) for one in (*damaged, *others)], _NAMED, lambda text: (text, "run `photovault restore` to see all")
    )
    return Outcome(
        lines=tuple(lines),
        problems=(*problems, *named, *warnings),
        rows=tuple(rows),
        partly=bool(damaged or others or problems),
    )


def _row(one: Problem) -> tuple[str, str]:
    return f"{one.path}: {one.what}", one.hint


def _some(every: list[T], most: int, rest: Callable[[str], T]) -> list[T]:
    """The first ones, and how many more there are."""
    return every if len(every) <= most else [*every[:most], rest(f"and {len(every) - most:,} more")]


def _text(folder: Path) -> str:
    """A folder, safe to print."""
    return shown(bytes(folder))
