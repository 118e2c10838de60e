"""``photovault backup``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.guarding import hurry, look_twice
from photovault.app.runs import App
from photovault.app.settings import local_folder
from photovault.app.sources import BackupRequest
from photovault.backup.guards import Guard
from photovault.cli.options import Call, is_terminal
from photovault.cli.output import Output, amount, count
from photovault.errors import NoVaultError, PhotovaultError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.backup import BackupPlan, BackupReport, Totals
    from photovault.backup.pictures import Thumbnails
    from photovault.model import Problem
    from photovault.vault.writer import Written

PARTLY = 3


def command(  # noqa: PLR0913 - a parameter for each option
    call: Call,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Folders; else those configured.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tag the snapshot; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out, in gitignore syntax; may be repeated.")] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Destination instead of the vault; may be repeated, one run after another."),
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="ISO", help="Time of the snapshot instead of now.")] = None,
    *,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT,...", help="Go on though a guard stopped it, which says with which word."),
    ] = None,
    all_files: Annotated[
        bool, typer.Option("--all-files", help="Back up every file, not only photos and videos.")
    ] = False,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", help="Do not enter other file systems.")
    ] = False,
    all_thumbnails: Annotated[
        bool, typer.Option("--all-thumbnails", help="Make every thumbnail that is missing, however long it takes.")
    ] = False,
    reread: Annotated[
        bool,
        typer.Option("--reread", help="Read every file again and compare it with its last version: finds bit rot."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Back up folders: encrypt what is new and store it in the vault.

    Examples:

      photovault backup

      photovault backup ~/Pictures --vault /mnt/disk/vault

      photovault backup -n --exclude 'Screenshots/'

      photovault backup --to main --to usb

      photovault backup --all-thumbnails

      photovault backup --allow losses

      photovault backup --reread

    Photos, videos and their sidecars are taken; --all-files takes everything. A file that cannot be read, a folder that
    is not mounted and a source that is away keep their last version, and the exit code is 3. With --to, each destination gets
    a snapshot of its own, and one that fails does not keep the next from being tried. A backup makes as many thumbnails
    as take little time; --all-thumbnails makes those that are left.

    When what it sees looks like an accident or an attack, it stops with exit code 15, says what it saw, and makes no
    snapshot; --allow goes on for this one run: changes, losses, broken, missing, space, clock, suspect.
    """
    out = call.output()
    request = BackupRequest(
        paths=tuple(paths or ()),
        all_files=all_files,
        one_file_system=one_file_system,
        exclude=tuple(exclude or ()),
        tags=tuple(tag or ()),
        time=time,
        all_thumbnails=all_thumbnails,
        reread=reread,
        allowed=_allowed(allow or []),
    )
    made = call.app()
    if paths and not to and is_terminal() and not call.json:
        made = _or_new_vault(made, out, list(paths))
    if not to:
        raise typer.Exit(_run(made, out, request, dry_run=dry_run))
    raise typer.Exit(_run_each(made, out, request, to, dry_run=dry_run))


def _allowed(words: list[str]) -> frozenset[Guard]:
    """What ``--allow`` says; several words may stand in one, with commas between them."""
    wanted = {part.strip() for word in words for part in word.split(",")} - {""}
    unknown = sorted(wanted - set(map(str, Guard)))
    if unknown:
        raise UsageError(f"--allow: no guard is called {unknown[0]!r}", f"one of {', '.join(Guard)}")
    return frozenset(map(Guard, wanted))


def _run_each(made: App, out: Output, request: BackupRequest, to: list[str], *, dry_run: bool) -> int:
    """One run after another; the first error is raised when all were tried."""
    code = 0
    failed: PhotovaultError | None = None
    for name in dict.fromkeys(to):
        made = made.at(name)
        out.line(f"{name}:")
        try:
            code = max(code, _run(made, out, request, name, dry_run=dry_run))
        except NoVaultError as error:
            failed = failed or NoVaultError(error.what, f"bring the vault there with `photovault copy --to {name}`")
        except StorageError as error:
            out.warn(f"{name}: {error.what}")
            failed = failed or error
    if failed is not None:
        raise failed
    return code


def _run(made: App, out: Output, request: BackupRequest, name: str = "", *, dry_run: bool) -> int:
    """Back up to one destination; returns the exit code."""
    if dry_run:
        plan = made.plan_backup(request)
        _show_plan(out, plan)
        look_twice(made, plan)
        return PARTLY if plan.problems else 0
    with out.meter("backing up") as meter:
        report = made.backup(request, meter)
    out.warnings(made.warnings)
    _show(out, report, name)
    _show_parity(out, made)
    if request.allowed:
        hurry(made)
    return PARTLY if report.problems or report.rotten else 0


def _or_new_vault(made: App, out: Output, paths: list[str]) -> App:
    """With no vault yet, offer to make one in a local folder."""
    named = made.settings.vault or made.world.environ.get("PHOTOVAULT_VAULT") or made.config.vault.url
    named = made.named(named) if named else None
    folder = local_folder(named) if named else Path.home() / "photovault"
    if folder is None:
        return made
    if (folder / "vault.json").exists() or (folder / "keys").exists():
        return made if named else App(made.settings_with(str(folder)), made.world)
    if not typer.confirm(f"There is no vault yet. Make one in {folder}?", default=True, err=True):
        raise typer.Abort
    from photovault.cli.init import make_on_terminal  # noqa: PLC0415 - once in a vault's life

    fresh = App(made.settings_with(str(folder)), made.world)
    make_on_terminal(fresh, out, words_file=None, sources=paths)
    return fresh


def _show_plan(out: Output, plan: BackupPlan) -> None:
    totals = plan.totals
    out.document(
        {
            "message_type": "plan",
            **_counted(totals),
            "thumbnails_left": totals.looks,
            "problems": _problem_rows(plan.problems),
        }
    )
    out.line(f"would back up {_sentence(totals)}, {amount(totals.read_bytes)} to read")
    if totals.looks:
        out.line(f"would make {count(totals.looks, 'thumbnail')} of unchanged photos")
    _show_left_out(out, totals)
    out.problems(plan.problems, "not protected")


def _show(out: Output, report: BackupReport, name: str) -> None:
    totals, written, one = report.totals, report.written, report.snapshot
    out.message(
        "summary",
        ({"destination": name} if name else {})
        | {
            "snapshot": one.id,
            "time": one.snapshot.time,
            **_counted(totals),
            "files": one.snapshot.counts.files,
            "bytes": one.snapshot.counts.size,
            "bytes_new": written.new_bytes,
            "bytes_deduplicated": written.known_bytes,
            "bytes_stored": written.stored_bytes,
            "objects": written.objects,
            "bytes_packed": written.packed_bytes,
            "bytes_packed_stored": written.packed_stored,
            "thumbnails_made": report.thumbnails.made,
            "thumbnail_bytes": report.thumbnails.size,
            "thumbnails_left": report.thumbnails.left,
            "thumbnails_lacking": report.thumbnails.lacking,
            "broken": _problem_rows(report.broken),
            "bit_rot": _problem_rows(report.rotten),
            "suspect": report.suspect,
            "problems": _problem_rows(report.problems),
        },
    )
    out.line(f"snapshot {one.id[:8]}: {count(one.snapshot.counts.files, 'file')}, {amount(one.snapshot.counts.size)}")
    out.line(f"  {_sentence(totals)}")
    saved = f", {amount(written.known_bytes)} known already" if written.known_bytes else ""
    out.line(
        f"  {amount(totals.read_bytes)} read{saved}, {amount(written.stored_bytes)} stored in {count(written.objects, 'object')}"
    )
    _show_packed(out, written)
    _show_thumbnails(out, report.thumbnails)
    _show_left_out(out, totals)
    _show_rotten(out, report)
    _show_broken(out, report.broken)
    out.problems(report.problems, f"{count(len(report.problems), 'problem')}, the rest is safe")


def _show_broken(out: Output, broken: Sequence[Problem]) -> None:
    if broken:
        what = f"{count(len(broken), 'photo')} backed up that {'does' if len(broken) == 1 else 'do'} not decode"
        out.problems([replace(one, hint="") for one in broken], what)
        out.warn(f"what to do: {broken[0].hint}")


def _show_rotten(out: Output, report: BackupReport) -> None:
    if report.rotten:
        out.alarm(f"BIT ROT: {count(len(report.rotten), 'file')} changed, though size and date did not")
        files = [replace(one, hint="") for one in report.rotten]
        out.problems(files, "backed up as suspect, and the version before is kept")
        out.warn(f"what to do: {report.rotten[0].hint}")
    elif report.suspect:
        out.warn(f"{count(report.suspect, 'file')} suspect since an earlier backup: photovault ls --broken")


def _show_packed(out: Output, written: Written) -> None:
    if written.packed_bytes:
        out.line(f"  {amount(written.packed_bytes)} of JPEGs packed into {amount(written.packed_stored)}")


def _show_parity(out: Output, app: App) -> None:
    made = app.parity
    if made is not None and made.objects:
        groups = f"{count(made.groups, 'group')} of packs"
        out.line(f"  parity made of {groups}: {amount(made.stored_bytes)} stored, {amount(made.read_bytes)} read back")


def _show_thumbnails(out: Output, thumbnails: Thumbnails) -> None:
    made = f"{count(thumbnails.made, 'thumbnail')} made, {amount(thumbnails.size)}" if thumbnails.made else ""
    left = (
        f"{count(thumbnails.left, 'thumbnail')} left to make: photovault backup --all-thumbnails"
        if thumbnails.left
        else ""
    )
    if made or left:
        out.line(f"  {'; '.join(filter(None, (made, left)))}")
    for extra, number in sorted(thumbnails.lacking.items()):
        out.line(
            f"  {count(number, 'photo or video', 'photos and videos')} without one: pip install 'photovault[{extra}]'"
        )


def _show_left_out(out: Output, totals: Totals) -> None:
    if totals.others:
        out.line(
            f"  {count(totals.others, 'other file')} left out (not photos or videos, or excluded; see --all-files)"
        )


def _sentence(totals: Totals) -> str:
    parts = [f"{totals.new:,} new", f"{totals.changed:,} changed", f"{totals.unchanged:,} unchanged"]
    if totals.moved:
        parts.append(f"{totals.moved:,} moved")
    if _gone(totals):
        parts.append(f"{_gone(totals):,} gone")
    return ", ".join(parts)


def _gone(totals: Totals) -> int:
    """Files that are nowhere any more: the old name of a moved file went, the file did not."""
    return max(0, totals.gone - totals.moved)


def _counted(totals: Totals) -> dict[str, int]:
    return {
        "files_new": totals.new,
        "files_changed": totals.changed,
        "files_unchanged": totals.unchanged,
        "files_moved": totals.moved,
        "files_gone": _gone(totals),
        "files_left_out": totals.others,
        "files_cloud_only": totals.cloud,
        "bytes_read": totals.read_bytes,
    }


def _problem_rows(problems: object) -> list[dict[str, str]]:
    return [{"path": one.path, "what": one.what, "hint": one.hint} for one in problems]  # type: ignore[attr-defined]
