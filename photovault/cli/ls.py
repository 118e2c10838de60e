"""``photovault ls``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.runs import resolve
from photovault.cli.options import Call
from photovault.cli.restore import split_arguments
from photovault.errors import DamageError, PhotovaultError
from photovault.model import EntryKind
from photovault.photos.choose import Choice, choose
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.cli.output import Output
    from photovault.model import Entry
    from photovault.vault.reader import Reader

DAMAGED = 13
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def command(
    call: Call,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[SNAP] [PATH]...", help="Snapshot (latest if not given), then paths.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Taken on or after, as 2021-05-04.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Taken on or before.")] = None,
    *,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Also what is in folders below.")] = False,
    long: Annotated[bool, typer.Option("-l", "--long", help="With size, time and date taken.")] = False,
) -> None:
    """List what a snapshot holds.

    Examples:

      photovault ls

      photovault ls -l latest Pictures/2021

      photovault ls -r '*.heic' --from 2021-05
    """
    made, out = call.app(), call.output()
    name, paths = split_arguments(made, what or [])
    choice = choose(paths, since, until)
    searching = recursive or since is not None or until is not None or any(set(path) & set("*?[") for path in paths)
    damaged, rows = [], []
    with made.browse() as (snapshots, reader):
        one = resolve(snapshots, name)
        for path, entry in listed(reader, one.snapshot.root, choice, deep=searching):
            if isinstance(entry, DamageError):
                damaged.append({"path": path, "what": entry.what})
                continue
            rows.append(_row(path, entry))
            _show(out, path, entry, long=long)
    if paths and not rows and not damaged:
        raise PhotovaultError(f"nothing in snapshot {one.id[:8]} is {paths[0]}", "see `photovault ls -r`")
    out.document({"snapshot": one.id, "entries": rows, "damaged": damaged})
    out.warnings(made.warnings)
    for problem in damaged:
        out.warn(f"damaged: {problem['path'] or '/'}: {problem['what']}")
    raise typer.Exit(DAMAGED if damaged else 0)


def listed(
    reader: Reader, root: Sequence[bytes], choice: Choice, *, deep: bool
) -> Iterator[tuple[str, Entry | DamageError]]:
    """The chosen entries, in order; without ``deep`` a chosen folder shows what is directly in it."""
    stack: list[tuple[str, Iterator[Entry | DamageError]]] = [("", reader.folder(root))]
    while stack:
        path, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        if isinstance(entry, DamageError):
            yield path, entry
            continue
        inside = f"{path}/{shown(entry.name)}" if path else shown(entry.name)
        folder = entry.kind is EntryKind.FOLDER
        wanted = _is_listed(choice, path, inside, deep=deep) and (folder or choice.wants(inside, entry))
        if wanted and not (folder and deep and not choice.everything):
            yield inside, entry
        if folder and choice.may_hold(inside) and (deep or _leads(choice, inside)):
            stack.append((inside, reader.folder(entry.parts)))


def _is_listed(choice: Choice, parent: str, inside: str, *, deep: bool) -> bool:
    if deep:
        return True
    if not choice.paths:
        return not parent
    return parent in choice.paths or inside in choice.paths


def _leads(choice: Choice, inside: str) -> bool:
    """Whether a listed path is this folder or below it."""
    return any(path == inside or path.startswith(f"{inside}/") for path in choice.paths)


def _row(path: str, entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {"path": path, "kind": str(entry.kind), "mtime": _time(entry), "size": entry.size}
    if entry.kind is EntryKind.FILE:
        row |= {"sha256": entry.digest.hex(), "taken": entry.facts.taken, "taken_source": entry.facts.taken_source}
    if entry.kind is EntryKind.FOLDER:
        row["files"] = entry.files
    if entry.kind is EntryKind.LINK:
        row["target"] = shown(entry.target)
    return row


def _show(out: Output, path: str, entry: Entry, *, long: bool) -> None:
    mark = {"folder": "/", "link": " -> " + shown(entry.target)}.get(str(entry.kind), "")
    if long:
        out.always(f"{entry.size:>14,}  {_time(entry)[:19]}  {entry.facts.taken or '-':<19}  {path}{mark}")
    else:
        out.always(f"{path}{mark}")


def _time(entry: Entry) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=entry.mtime_ns // 1000)).isoformat()
    except OverflowError:
        return "unknown"
