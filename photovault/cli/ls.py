"""``photovault ls``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.app.snapshots import resolve
from photovault.cli.filters import Wanted, with_filters
from photovault.cli.options import Call
from photovault.cli.restore import split_arguments
from photovault.errors import DamageError, PhotovaultError
from photovault.facts import to_map
from photovault.model import EntryKind
from photovault.photos.choose import Hit, camera_of
from photovault.photos.goodness import why_bad
from photovault.photos.sets import sets_of
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.cli.output import Output
    from photovault.model import Entry
    from photovault.photos.choose import Choice
    from photovault.photos.sets import PhotoSet
    from photovault.vault.reader import Reader

DAMAGED = 13
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@with_filters
def command(
    call: Call,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[SNAP] [PATH]...", help="Snapshot (latest if not given), then paths.")
    ] = None,
    *,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Also what is in folders below.")] = False,
    long: Annotated[
        bool, typer.Option("-l", "--long", help="With size, time, date taken, kind, pixels and camera.")
    ] = False,
    wanted: Wanted,
) -> None:
    """List what a snapshot holds.

    Examples:

      photovault ls

      photovault ls -l latest Pictures/2021

      photovault ls -r '*.heic' --from 2021-05

      photovault ls --kind raw --camera fuji --rating 4

      photovault ls --broken

    --broken says of each photo that does not decode, is no picture though its name says so, or is suspect of bit rot, why.
    The options that choose are those of `restore`, and choose the same: whole sets, a Live Photo with its video, unless
    --only-matching is given.
    """
    made, out = call.app(), call.output()
    name, paths = split_arguments(made, what or [])
    choice = wanted.choice(paths, made)
    searching = recursive or choice.filtered or any(set(path) & set("*?[") for path in paths)
    damaged, rows, some = [], [], False
    with made.browse() as (snapshots, reader):
        one = resolve(snapshots, name)
        for folder, entry in listed(reader, one.snapshot.root, choice, deep=searching):
            if isinstance(entry, DamageError):
                damaged.append({"path": folder.path, "what": entry.what})
                continue
            some = True
            if out.as_json:
                rows.append(_row(folder, entry))
            why = why_bad(entry.facts) if choice.filters.broken else ""
            _show(out, folder.inside(entry), entry, long=long, why=why)
    if paths and not some and not damaged:
        raise PhotovaultError(f"nothing in snapshot {one.id[:8]} is {paths[0]}", "see `photovault ls -r`")
    out.document({"snapshot": one.id, "entries": rows, "damaged": damaged})
    out.warnings(made.warnings)
    for problem in damaged:
        out.warn(f"damaged: {problem['path'] or '/'}: {problem['what']}")
    raise typer.Exit(DAMAGED if damaged else 0)


class Folder:
    """A folder that is being listed.

    Attributes:
        path: of the folder, inside the snapshot.
        entries: what is in it, in order, each file and link with whether it is chosen.
    """

    def __init__(self, path: str, found: Iterable[Entry | DamageError], choice: Choice) -> None:
        """Choose of what is ``found`` in the folder."""
        self.path = path
        entries = list(found)
        self._files = [one for one in entries if not isinstance(one, DamageError) and one.kind is not EntryKind.FOLDER]
        hits = choice.chosen([(self.inside(one), one) for one in self._files])
        hit_of = dict(zip(map(id, self._files), hits, strict=True))
        self.entries = iter([(one, hit_of.get(id(one))) for one in entries])

    def inside(self, entry: Entry) -> str:
        """The path of an entry."""
        return f"{self.path}/{shown(entry.name)}" if self.path else shown(entry.name)

    @cached_property
    def sets(self) -> dict[bytes, PhotoSet]:
        """The set of each file, by name."""
        files = [(file.name, file.facts) for file in self._files]
        return {name: one for one in sets_of(files) for name, _ in one.members}


def listed(
    reader: Reader, root: Sequence[bytes], choice: Choice, *, deep: bool
) -> Iterator[tuple[Folder, Entry | DamageError]]:
    """The chosen entries, in order, with their folders; without ``deep`` a chosen folder shows what is directly in it."""
    stack = [Folder("", reader.folder(root), choice)]
    while stack:
        folder = stack[-1]
        entry, hit = next(folder.entries, (None, None))
        if entry is None:
            stack.pop()
        elif isinstance(entry, DamageError):
            yield folder, entry
        else:
            inside, opens = folder.inside(entry), entry.kind is EntryKind.FOLDER
            if _is_listed(choice, folder.path, inside, hit, deep=deep) and not (
                opens and deep and not choice.everything
            ):
                yield folder, entry
            if opens and choice.may_hold(inside) and (deep or _leads(choice, inside)):
                stack.append(Folder(inside, reader.folder(entry.parts), choice))


def _is_listed(choice: Choice, parent: str, inside: str, hit: Hit | None, *, deep: bool) -> bool:
    """Whether an entry is shown; ``hit`` is None for a folder."""
    if hit is Hit.NONE:
        return False
    if deep or hit is Hit.ALONG:
        return True
    if not choice.paths:
        return not parent
    return parent in choice.paths or inside in choice.paths


def _leads(choice: Choice, inside: str) -> bool:
    """Whether a listed path is this folder or below it."""
    return any(path == inside or path.startswith(f"{inside}/") for path in choice.paths)


def _row(folder: Folder, entry: Entry) -> dict[str, object]:
    path, kind = folder.inside(entry), str(entry.kind)
    row: dict[str, object] = {"path": path, "kind": kind, "mtime": _time(entry), "size": entry.size}
    if entry.kind is EntryKind.FILE:
        row |= {"sha256": entry.digest.hex(), "taken": entry.facts.taken, "taken_source": entry.facts.taken_source}
        row["why_bad"] = why_bad(entry.facts) or None
        row |= {"facts": to_map(entry.facts), "set": _membership(entry, folder.sets[entry.name])}
    if entry.kind is EntryKind.FOLDER:
        row["files"] = entry.files
    if entry.kind is EntryKind.LINK:
        row["target"] = shown(entry.target)
    return row


def _membership(entry: Entry, one: PhotoSet) -> dict[str, object]:
    """What a file is in its set, and the names of all files of it."""
    role = next(role for name, role in one.members if name == entry.name)
    members = [shown(name) for name, _ in one.members]
    return {"kind": str(one.kind), "role": str(role), "members": members}


def _show(out: Output, path: str, entry: Entry, *, long: bool, why: str = "") -> None:
    mark = f": {why}" if why else {"folder": "/", "link": " -> " + shown(entry.target)}.get(str(entry.kind), "")
    if long:
        facts = entry.facts
        pixels = f"{facts.width}x{facts.height}" if facts.width and facts.height else "-"
        about = f"{facts.kind or '-':<7}  {pixels:<11}  {camera_of(facts) or '-':<24}"
        out.always(f"{entry.size:>14,}  {_time(entry)[:19]}  {(facts.taken or '-')[:19]:<19}  {about}  {path}{mark}")
    else:
        out.always(f"{path}{mark}")


def _time(entry: Entry) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=entry.mtime_ns // 1000)).isoformat()
    except OverflowError:
        return "unknown"
