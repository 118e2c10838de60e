"""How the photos stand, in words: what ``status`` tells, as the health page has it.

It is ``status`` that judges (``app.overview``); here it is only put into words.  Nothing is changed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from photovault.app.keys import PEOPLE, list_keys
from photovault.app.overview import DOING, memory, overview, said_of, why
from photovault.app.proven import days_of, said
from photovault.app.session import parse_time
from photovault.errors import PhotovaultError
from photovault.gallery.values import Destination, Health, KeyShown
from photovault.gallery.words import count, when
from photovault.watch.standing import BAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from photovault.app.destinations import Remembered, Shown
    from photovault.app.overview import Overview
    from photovault.app.proven import Place
    from photovault.app.runs import App
    from photovault.app.standing import Status
    from photovault.app.watching import WatchState
    from photovault.config.schema import GuardsSection
    from photovault.model import Finding, Problem
    from photovault.proofs import Proven

    Said = tuple[str, str]

NAMED: Final = 200
"""Photos and problems of a kind that are named, before the rest is only counted."""

_YEAR: Final = 366 * 86400.0  # seconds


def condition(app: App) -> Health:
    """Look at everything.

    Raises:
        PhotovaultError: the vault does not open, or cannot be asked and nothing is known of it here.
    """
    look = overview(app)
    found, own_one = (
        look.found,
        look.found.own.snapshot if look.found is not None and look.found.own is not None else None,
    )
    since = _since(look)
    age = max(0.0, (app.world.now() - parse_time(since)).total_seconds()) if since else None
    keys = _keys(app) if found is not None else ()
    warnings = [(text, "") for text in dict.fromkeys(app.warnings)]
    return Health(
        protected=look.safe,
        word=look.word if look.safe or look.word != "protected" else "in part",
        since=since,
        age=age,
        overdue_after=app.config.status.overdue,
        files=own_one.counts.files if own_one is not None else 0,
        size=own_one.counts.size if own_one is not None else 0,
        pending=look.pending,
        snapshots=len(found.snapshots.found) if found is not None else 0,
        fingerprint=found.fingerprint if found is not None else "",
        destinations=tuple(_destinations(app, look)),
        signs=tuple(_signs(look)),
        notes=(*_findings(found.notes if found is not None else ()), *warnings),
        problems=tuple(_problems(look)),
        days=days_of(app),
        guards=tuple(_guards(app.config.guards, look)),
        keys=keys,
        watching=_watching(look.watch),
    )


def _since(look: Overview) -> str:
    """When all was known to be in the vault last; where it cannot be asked, as the daemon or the ledger has it."""
    if look.found is not None:
        return look.found.last_success
    told = look.watch.status["destinations"] if look.watch is not None else ()
    times = [str(one.get("last_success") or "") for one in told] or [
        one.sent for one in look.remembered if one.has_newest
    ]
    with suppress(PhotovaultError):
        return max((one for one in times if one), key=parse_time, default="")
    return ""


# Destinations -----------------------------------------------------------------------------------------------------------


def _destinations(app: App, look: Overview) -> Iterator[Destination]:
    proven = {one.name: one for one in look.proven}
    if look.found is None:
        every = look.remembered or app.remembered()
        yield from (_away(one, proven.get(one.name), look.watch) for one in every)
        return
    if not look.found.destinations:
        state = look.word if look.word != "not protected" else "empty"
        files = look.files.get(app.name, 0)
        yield _destination(app.name, app.storage.address, state, _newest(look.found), proven.get(app.name), files)
    for one in look.found.destinations:
        said = "; ".join(filter(None, (said_of(one), _told(look.watch, one.name))))
        state = _state(app, look, one)
        yield _destination(one.name, one.address, state, said, proven.get(one.name), look.files.get(one.name, 0))


def _newest(found: Status) -> str:
    every = found.snapshots.found
    return f"newest snapshot {every[-1].id[:8]} of {when(every[-1].snapshot.time)} UTC" if every else "no snapshot"


def _away(one: Remembered, place: Place | None, watch: WatchState | None) -> Destination:
    said = "; ".join(filter(None, (f"not asked: {memory(one)}", _told(watch, one.name))))
    return _destination(one.name, one.address, "not reached", said, place, 0)


def _state(app: App, look: Overview, one: Shown) -> str:
    """One word, the worst that is known."""
    if one.rolled_back:
        return "rolled back"
    if one.name == app.name:
        return look.word if look.word != "not protected" else "empty"
    how = look.watch.standings.get(one.name) if look.watch is not None else None
    if how in BAD:
        return str(how)
    return "not reached" if one.problem else "behind" if one.behind else "up to date"


def _told(watch: WatchState | None, name: str) -> str:
    """What the daemon says of a destination."""
    return (
        next((why(one) for one in watch.status["destinations"] if one["name"] == name), "") if watch is not None else ""
    )


def _destination(name: str, address: str, state: str, text: str, place: Place | None, files: int) -> Destination:
    proven = place.proven if place is not None else None
    return Destination(
        name=name,
        address=address,
        state=state,
        said=text,
        proof=said(proven, files),
        proven=proven.proven if proven is not None else 0,
        files=proven.of(files) if proven is not None else files,
        drilled=proven.drilled if proven is not None else "",
        damaged=_paths(proven.damaged, proven) if proven is not None else (),
        rotten=_paths(proven.rotten) if proven is not None else (),
    )


def _paths(found: tuple[Problem, ...], proven: Proven | None = None) -> tuple[str, ...]:
    lines = [f"{one.path}: {one.what}" for one in found[:NAMED]]
    more = [f"and {len(found) - NAMED:,} more"] if len(found) > NAMED else []
    lost = [f"{count(proven.lost, 'listing')} could not be read"] if proven is not None and proven.lost else []
    return (*lines, *more, *lost)


# What is amiss ------------------------------------------------------------------------------------------------------------


def _findings(found: tuple[Finding, ...]) -> Iterator[Said]:
    return ((one.what, one.hint) for one in found)


def _signs(look: Overview) -> Iterator[Said]:
    """Alarms: each once, whoever told of it."""
    if look.found is None:
        error = look.error
        yield (f"the vault cannot be reached: {error.what}", error.hint) if error is not None else ("", "")
        return
    rolled_back = [
        (f"{one.name} shows less than before: {sign.what}", sign.hint)
        for one in look.found.destinations
        for sign in one.rolled_back
    ]
    told = {sign.what for one in look.found.destinations for sign in one.rolled_back}
    yield from rolled_back
    yield from _findings(tuple(one for one in look.found.signs if one.what not in told))


def _problems(look: Overview) -> Iterator[Said]:
    """What could not be read, here or in the vault."""
    found = look.found
    if found is None:
        return
    for one in found.snapshots.damaged:
        yield f"a snapshot is damaged: {one.where}: {one.what}", "run `photovault check`"
    if found.own is not None and found.own.snapshot.problems:
        number = count(found.own.snapshot.problems, "file")
        yield f"{number} could not be read by the last backup", "run `photovault backup -n` to see them"
    problems = found.plan.problems if found.plan is not None else ()
    yield from ((f"{one.path}: {one.what}", one.hint) for one in problems[:NAMED])
    if len(problems) > NAMED:
        yield f"and {len(problems) - NAMED:,} more", "run `photovault status` to see all"


def _guards(guards: GuardsSection, look: Overview) -> Iterator[Said]:
    """What a backup stops at, and whether the last one was stopped."""
    for name, limit, what in (
        ("Changed", guards.changed, "the files were changed"),
        ("Gone", guards.lost, "the files are gone"),
        ("Broken", guards.broken, "the changed files are broken now"),
    ):
        least = f", {guards.least} at least" if guards.least else ""
        never = "never stops a backup"
        yield name, never if limit >= 100 else f"stops a backup when more than {limit} % of {what}{least}"  # noqa: PLR2004
    yield "Room", "stops a backup for which a disk has too little room"
    yield "Clock", "stops a backup when this computer's clock jumped back"
    if look.found is not None:
        stopped = look.found.stopped
        yield "Last backup", f"was stopped: {stopped}" if stopped else "was stopped by none of them"


def _keys(app: App) -> tuple[KeyShown, ...]:
    """The ways in; those that are damaged, or that they cannot be listed, are among the warnings."""
    try:
        found, damaged = list_keys(app)
    except PhotovaultError as error:
        app.warnings.append(f"the keys of the vault could not be listed: {error.what}")
        return ()
    app.warnings += [f"a key of the vault is damaged: {one}; run `photovault check`" for one in damaged]
    return tuple(
        KeyShown(
            id=one.slot_id,
            kind=one.kind,
            label=one.label,
            created=one.created,
            tested=one.tested,
            used=one.used,
            due=one.kind in PEOPLE and _is_old(app, one.tested),
        )
        for one in found
    )


def _is_old(app: App, tested: str) -> bool:
    """Whether a test is to be made: it never was, or is more than a year ago."""
    return not tested or (app.world.now() - parse_time(tested)).total_seconds() > _YEAR


def _watching(watch: WatchState | None) -> str:
    """What the daemon does, in a sentence."""
    if watch is None:
        return "Nothing watches your folders: backups are made when you ask for one. `photovault service` has them made by themselves."
    if not watch.running:
        return "The daemon is not running, so nothing is backed up by itself. Start it with `photovault watch` or `photovault service`."
    if not watch.answers:
        return "The daemon runs but does not answer; its log says why. This is what it last wrote down."
    if watch.status["paused"]:
        return f"The daemon is paused for {_minutes(watch.status['paused'])}; `photovault watch --resume` ends it."
    run = watch.status.get("run")
    return f"The daemon is {_doing(run)}." if run else "The daemon watches your folders, and backs up what changes."


def _doing(run: Mapping[str, object]) -> str:
    doing = DOING.get(str(run.get("what", "")), DOING["backup"]).format(run.get("destination", ""))
    return f"{doing}: {run.get('files', 0)} of {run.get('files_total', 0)} files"


def _minutes(seconds: float) -> str:
    return count(max(1, round(seconds / 60)), "minute")
