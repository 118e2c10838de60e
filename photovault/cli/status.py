"""``photovault status``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from photovault.app.overview import DOING, memory, overview, said_of, why
from photovault.cli import proofs
from photovault.cli.options import Call
from photovault.cli.output import age, amount, count
from photovault.cli.state import finding_rows, newest_row, show_findings, show_newest
from photovault.watch.standing import BAD, Standing, since_when

if TYPE_CHECKING:
    from photovault.app.destinations import Shown
    from photovault.app.overview import Overview
    from photovault.app.standing import Status
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
    made, out = call.app(tells=False), call.output()
    seen = overview(made)
    found = seen.found
    if found is None:
        _show_away(out, seen)
        raise typer.Exit(PARTLY if seen.watch is not None else _code(seen))
    pending, safe, proven, files = seen.pending, seen.safe, seen.proven, seen.files
    problems = list(found.plan.problems) if found.plan is not None else []
    own = found.own.snapshot if found.own is not None else None
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
            "proven": {one.name: proofs.row(one.proven, files.get(one.name, 0)) for one in proven},
            "fingerprint": found.fingerprint or None,
            "newest": newest_row(found.around),
            "signs": finding_rows(found.signs),
            "notes": finding_rows(found.notes),
            "watch": _watch_row(seen.watch),
        }
    )
    out.warnings(made.warnings)
    _show(out, found, seen)
    proofs.show(out, proven, files)
    _show_watch(out, seen.watch)
    out.problems(problems, "not protected")
    raise typer.Exit(0 if safe else PARTLY)


def _code(seen: Overview) -> int:
    return seen.error.exit_code if seen.error is not None else PARTLY


def _row(one: Shown) -> dict[str, object]:
    return {
        "name": one.name,
        "address": one.address,
        "newest": one.newest.id if one.newest else None,
        "time": one.newest.snapshot.time if one.newest else None,
        "snapshots": one.snapshots,
        "behind": one.behind,
        "fingerprint": one.fingerprint or None,
        "rolled_back": [finding.what for finding in one.rolled_back],
        "problem": one.problem or None,
    }


def _watch_row(watch: WatchState | None) -> dict[str, object] | None:
    if watch is None:
        return None
    places = [{**one, "state": watch.standings[one["name"]]} for one in watch.status["destinations"]]
    return {**watch.status, "running": watch.running, "answers": watch.answers, "destinations": places}


def _show_away(out: Output, seen: Overview) -> None:
    """The vault cannot be asked: what this device and its daemon know is all there is."""
    what, hint = (seen.error.what, seen.error.hint) if seen.error is not None else ("", "")
    out.document(
        {
            "protected": False,
            "error": what,
            "hint": hint,
            "destinations": [asdict(one) for one in seen.remembered],
            "proven": {one.name: proofs.row(one.proven, 0) for one in seen.proven},
            "watch": _watch_row(seen.watch),
        }
    )
    out.always(f"NOT REACHED: {what}; {hint}")
    for one in seen.remembered:
        out.always(f"  {one.name} ({one.address}), not asked: {memory(one)}")
    proofs.show(out, seen.proven, {})
    _show_watch(out, seen.watch)


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
        doing = DOING.get(run.get("what", ""), DOING["backup"]).format(run["destination"])
        out.always(f"  {doing} now: {done}")
    for one in status["destinations"]:
        how = watch.standings[one["name"]]
        word = how.upper() if how in BAD else how
        began = since_when(one, how) if how in BAD else ""
        since = f" since {began[:16]} UTC" if began else ""
        reason = why(one)
        again = f"; tried again in {one['next_try']} s" if one.get("next_try") else ""
        out.always(f"  {one['name']}: {word}{since}{': ' if reason else ''}{reason}{again}")
    for path in status.get("away", ()):
        out.always(f"  {path} is not there; its last version is kept")
    for path, reason in status.get("blind", {}).items():
        out.always(f"  {path} is looked at only now and then: {reason}")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def _show_signs(out: Output, found: Status) -> None:
    """What each destination shows; what is amiss with the only one is told like everywhere else."""
    for one in found.destinations:
        out.always(f"  {one.name} ({one.address}): {said_of(one)}")
        for finding in one.rolled_back:
            out.alarm(f"ROLLED BACK: {one.name}: {finding.what}; {finding.hint}")
    told = {finding.what for one in found.destinations for finding in one.rolled_back}
    left = [one for one in found.signs if not (found.destinations and one.where) and one.what not in told]
    show_findings(out, left, found.notes)


def _show(out: Output, found: Status, seen: Overview) -> None:
    if found.own is None or found.age_seconds is None:
        none = "this device has made no backup yet" if found.around.is_stranger else "no backup of this device is there"
        out.always(f"NOT PROTECTED: {none}; run `photovault backup`")
        show_newest(out, found.around)
        _show_signs(out, found)
        return
    own = found.own.snapshot
    word = seen.word if seen.word == Standing.PROTECTED else seen.word.upper()
    out.always(
        f"{word}: last backup {age(found.age_seconds)}, {count(own.counts.files, 'file')}, {amount(own.counts.size)}"
    )
    out.line(f"  {count(len(found.snapshots.found), 'snapshot')} in the vault, fingerprint {found.fingerprint}")
    if seen.pending:
        out.always(f"  {count(seen.pending, 'file')} new or changed since then wait for the next backup")
    if own.problems:
        out.always(f"  {count(own.problems, 'problem')} in the last backup; run `photovault backup -n` to see them")
    _show_signs(out, found)
    for finding in found.snapshots.damaged:
        out.always(f"  damaged: {finding.where}: {finding.what}; run `photovault check`")
