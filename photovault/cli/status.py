"""``photovault status``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from photovault.cli.options import Call
from photovault.cli.output import age, amount, count
from photovault.config import MAIN
from photovault.errors import NoVaultError, PhotovaultError, StorageError
from photovault.watch.standing import BAD, Standing, since_when

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.app.destinations import Remembered, Shown
    from photovault.app.runs import Status
    from photovault.app.watching import WatchState
    from photovault.cli.output import Output

PARTLY = 3
_MINUTE = 60


def command(call: Call) -> None:
    """Tell whether your photos are safe.

    Examples:

      photovault status

      photovault status --json

    With [[destinations]] it says of each one what its newest snapshot is, how many it lacks, and whether it shows less than
    before; with a watching daemon, what that is doing and since when it fails. The exit code is 0 when the last backup of
    this device is recent and nothing is wrong with it, else 3.
    """
    from photovault.app.watching import watch_state  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    watch = watch_state(made)
    try:
        found = made.status(watch.known(made.name) if watch is not None else None)
    except (StorageError, NoVaultError) as error:
        known = made.remembered()
        if watch is None and not known:
            raise
        _show_away(out, watch, known, error)
        raise typer.Exit(PARTLY if watch is not None else error.exit_code) from None
    watch = watch.corrected(made.name, found.standing) if watch is not None else None
    pending = found.plan.totals.new + found.plan.totals.changed if found.plan is not None else None
    problems = list(found.plan.problems) if found.plan is not None else []
    own = found.own.snapshot if found.own is not None else None
    rolled_back = any(one.rolled_back for one in found.destinations)
    safe = not found.overdue and found.standing not in BAD and not found.snapshots.damaged
    safe = safe and not rolled_back and not _bad(watch)
    out.document(
        {
            "vault": made.storage.address,
            "protected": safe and found.standing is Standing.PROTECTED,
            "state": found.standing,
            "overdue": found.overdue,
            "snapshots": len(found.snapshots.found),
            "damaged_snapshots": len(found.snapshots.damaged),
            "last_backup": own.time if own else None,
            "age_seconds": found.age_seconds,
            "last_success": found.last_success or None,
            "files": own.counts.files if own else 0,
            "bytes": own.counts.size if own else 0,
            "files_pending": pending,
            "problems_last_backup": own.problems if own else 0,
            "problems": [{"path": one.path, "what": one.what, "hint": one.hint} for one in problems],
            "destinations": [_row(one) for one in found.destinations],
            "watch": _watch_row(watch),
        }
    )
    out.warnings(made.warnings)
    _show(out, found, pending)
    _show_watch(out, watch)
    out.problems(problems, "not protected")
    raise typer.Exit(0 if safe else PARTLY)


def _row(one: Shown) -> dict[str, object]:
    return {
        "name": one.name,
        "address": one.address,
        "newest": one.newest.id if one.newest else None,
        "time": one.newest.snapshot.time if one.newest else None,
        "snapshots": one.snapshots,
        "behind": one.behind,
        "rolled_back": [finding.what for finding in one.rolled_back],
        "problem": one.problem or None,
    }


def _bad(watch: WatchState | None) -> list[str]:
    """Destinations that fail, lack what cannot be read, or are overdue."""
    return [name for name, how in watch.standings.items() if how in BAD] if watch is not None else []


def _watch_row(watch: WatchState | None) -> dict[str, object] | None:
    if watch is None:
        return None
    places = [{**one, "state": watch.standings[one["name"]]} for one in watch.status["destinations"]]
    return {**watch.status, "running": watch.running, "answers": watch.answers, "destinations": places}


def _show_away(out: Output, watch: WatchState | None, known: list[Remembered], error: PhotovaultError) -> None:
    """The vault cannot be asked: what this device and its daemon know is all there is."""
    out.document(
        {
            "protected": False,
            "error": error.what,
            "hint": error.hint,
            "destinations": [asdict(one) for one in known],
            "watch": _watch_row(watch),
        }
    )
    out.always(f"NOT REACHED: {error.what}; {error.hint}")
    for one in known:
        out.always(f"  {one.name} ({one.address}), not asked: {_memory(one)}")
    _show_watch(out, watch)


def _memory(one: Remembered) -> str:
    if not one.snapshot:
        return "no snapshot of this device was ever seen there"
    sent = f", stored {one.sent[:16]} UTC" if one.sent else ""
    which = "it has" if one.has_newest else "it lacks newer ones than"
    return f"{which} snapshot {one.snapshot[:8]} of this device{sent}"


_DOING = {
    "backup": "backing up to {}",
    "thumbnails": "making thumbnails for {}",
    "faces": "looking for faces",
}


def _show_watch(out: Output, watch: WatchState | None) -> None:
    if watch is None:
        return
    status = watch.status
    paused = f"paused for {_minutes(status['paused'])}; `photovault watch --resume` ends it" if status["paused"] else ""
    if not watch.running:
        out.always("NOT WATCHING: the daemon is not running; start it with `photovault watch` or `photovault service`")
    elif not watch.answers:
        out.always("  watching, but it does not answer, its log says why; this is what it last wrote down")
    elif not paused:
        out.line("  watching")
    if paused:
        out.always(f"  {'watching' if watch.running else 'when it is started it is'}, {paused}")
    run = status.get("run")
    if run:
        left = f", about {_minutes(run['eta_seconds'])} left" if run["eta_seconds"] else ""
        done = f"{run['files']} of {count(run['files_total'], 'file')}, {amount(run['bytes_per_second'])}/s{left}"
        doing = _DOING.get(run.get("what", ""), "backing up to {}").format(run["destination"])
        out.always(f"  {doing} now: {done}")
    for one in status["destinations"]:
        how = watch.standings[one["name"]]
        word = how.upper() if how in BAD else how
        began = since_when(one, how) if how in BAD else ""
        since = f" since {began[:16]} UTC" if began else ""
        lost = f"could not be read: {one['problems']}" if one.get("problems") else ""
        why = "; ".join(filter(None, (one.get("error"), lost, f"waits: {one['waits']}" if one.get("waits") else "")))
        again = f"; tried again in {one['next_try']} s" if one.get("next_try") else ""
        out.always(f"  {one['name']}: {word}{since}{': ' if why else ''}{why}{again}")
    for path in status.get("away", ()):
        out.always(f"  {path} is not there; its last version is kept")
    for path, why in status.get("blind", {}).items():
        out.always(f"  {path} is looked at only now and then: {why}")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def _said(one: Shown) -> str:
    if one.problem:
        return f"nothing is known: {one.problem}"
    newest = (
        f"newest snapshot {one.newest.id[:8]} of {one.newest.snapshot.time[:16]} UTC" if one.newest else "no snapshot"
    )
    if not one.behind:
        return f"{newest}, up to date"
    source = "" if one.source == MAIN else f"--from {one.source} "
    return f"{newest}, {count(one.behind, 'snapshot')} behind; run `photovault copy {source}--to {one.name}`"


def _show_destinations(out: Output, destinations: Iterable[Shown]) -> None:
    for one in destinations:
        out.always(f"  {one.name} ({one.address}): {_said(one)}")
        for finding in one.rolled_back:
            out.warn(f"ROLLED BACK: {one.name}: {finding.what}; {finding.hint}")


def _show(out: Output, found: Status, pending: int | None) -> None:
    if found.own is None or found.age_seconds is None:
        out.always("NOT PROTECTED: this device has made no backup yet; run `photovault backup`")
        _show_destinations(out, found.destinations)
        return
    own = found.own.snapshot
    word = "OVERDUE" if found.overdue else found.standing.upper() if found.standing in BAD else "protected"
    out.always(
        f"{word}: last backup {age(found.age_seconds)}, {count(own.counts.files, 'file')}, {amount(own.counts.size)}"
    )
    out.line(f"  {count(len(found.snapshots.found), 'snapshot')} in the vault")
    if pending:
        out.always(f"  {count(pending, 'file')} new or changed since then wait for the next backup")
    if own.problems:
        out.always(f"  {count(own.problems, 'problem')} in the last backup; run `photovault backup -n` to see them")
    _show_destinations(out, found.destinations)
    for finding in found.snapshots.damaged:
        out.always(f"  damaged: {finding.where}: {finding.what}; run `photovault check`")
