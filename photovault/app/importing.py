"""Imports: photos of another place into an ordinary folder.  No vault is needed, and none is touched."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from photovault.errors import UsageError
from photovault.importing import albums, apple_photos, folder, takeout
from photovault.importing.archives import open_parts
from photovault.importing.copying import CopyReport, Reading, Shelf, run_copies
from photovault.importing.disk import FilesPart, FolderPart
from photovault.importing.plan import plan_import
from photovault.photos.scan import identities
from photovault.target import Target
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from photovault.app.runs import App
    from photovault.importing.plan import ImportPlan
    from photovault.importing.template import Template
    from photovault.importing.values import Part, Together
    from photovault.model import Problem
    from photovault.progress import Progress

_THREADS = 8  # they wait for a disk


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or with ``dry_run`` would do; in files and bytes.

    Attributes:
        copied: files that were not there.
        there: files that were in the library already, with the same bytes.
        older: notes of which the library had another version, which stays.
        twins: files with the same bytes as another one of this import; they are stored once.
        others: files that are neither photos nor belong to one.
        trashed: photos left in the trash.
        albums: how many albums were written or completed.
        lists: names of what did not come, by why: ``bare`` (photos without notes), ``lonely`` (notes without a photo),
            ``cloud``, ``cloud_edits``, ``referenced``, ``shared``.
    """

    copied: int
    size: int
    there: int
    older: int
    twins: int
    others: int = 0
    trashed: int = 0
    albums: int = 0
    problems: tuple[Problem, ...] = ()
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Into:
    """Where an import goes, and how."""

    to: Path
    template: Template
    trash: bool = False
    dry_run: bool = False


def import_takeout(app: App, paths: Sequence[str], into: Into, progress: Progress) -> ImportReport:
    """Import archives and folders of Google Takeout, all at once.

    Raises:
        UsageError: one of them is not there or is nothing of the kind.
        RefusedError: there is no space, or no right to write; what was whole by then is in the library.
    """
    _check(app, into, paths)
    with ExitStack() as stack:
        parts = open_parts(paths)
        for part in parts:
            stack.enter_context(closing(part))
        found = takeout.survey(parts, progress)
        gathered = takeout.gather(found, into.template, trash=into.trash)
        plan, done, written = _carry_out(app, gathered.sets, parts, into, progress, twins=True, verify=False)
    again = {one.member.where for one in plan.twins}  # a photo of an album, whose notes are with that of the year
    return _report(
        plan,
        done,
        albums=written,
        others=found.others,
        trashed=gathered.trashed,
        problems=tuple(found.problems),
        lists={"bare": tuple(one for one in gathered.bare if one not in again), "lonely": gathered.lonely},
    )


def import_folder(app: App, source: str, into: Into, progress: Progress) -> ImportReport:
    """Import a folder, such as a camera's card; every copy is read back and compared.

    Raises:
        UsageError: it is no folder, or the library is inside of it.
        RefusedError: as ``import_takeout``.
    """
    _check(app, into, [source])
    root = Path(source).expanduser().absolute()
    if not root.is_dir():
        raise UsageError(f"{source} is no folder", "name the folder of the card")
    part = FolderPart(0, bytes(root))
    found = folder.look_through(part, into.template, progress)
    plan, done, _ = _carry_out(app, found.sets, [part], into, progress, twins=False, verify=True)
    return _report(plan, done, others=found.others, problems=found.problems)


def import_apple_photos(app: App, library: str, into: Into, progress: Progress) -> ImportReport:
    """Import a library of Apple Photos, which is only read.

    Raises:
        UsageError: there is no library.
        RefusedError: it is of an unknown version, or as ``import_takeout``.
        DamageError: its database is damaged.
    """
    _check(app, into, [library])
    root = Path(library).expanduser().absolute()
    assets = apple_photos.read_assets(root, app.cache_dir)
    part = FilesPart(0, bytes(root))
    found = apple_photos.gather(assets, part, into.template, trash=into.trash)
    plan, done, written = _carry_out(app, found.sets, [part], into, progress, twins=False, verify=False)
    lists = {
        "cloud": found.cloud,
        "cloud_edits": found.cloud_edits,
        "referenced": found.referenced,
        "shared": found.shared,
    }
    return _report(plan, done, albums=written, trashed=found.trashed, problems=tuple(part.problems), lists=lists)


def _check(app: App, into: Into, sources: Iterable[str]) -> None:
    """A library inside of what is imported would be imported the next time; one in a vault is nobody's."""
    to = into.to.resolve()
    for source in sources:
        root = Path(source).expanduser().resolve()
        if root.is_dir() and (to == root or root in to.parents):
            raise UsageError(f"{into.to} is inside of {source}", "name a library outside of what is imported")
    refuse_vault(app, into.to)


def refuse_vault(app: App, to: Path) -> None:
    """Refuse a place in the folder of the vault or of a copy of it; without a vault there is none.

    Raises:
        UsageError: it is in there.
    """
    try:
        folders = app.vault_folders
    except UsageError:
        return
    whole = to.resolve()
    if identities(map(str, (whole, *whole.parents))) & identities(folders):
        raise UsageError(f"{to} is in the folder of the vault, or of a copy of it", "name another place")


def _carry_out(
    app: App,
    sets: Sequence[Together],
    parts: Sequence[Part],
    into: Into,
    progress: Progress,
    *,
    twins: bool,
    verify: bool,
) -> tuple[ImportPlan, CopyReport, int]:
    with Target(into.to, look_only=into.dry_run) as target:
        known = albums.read_file(target.path(albums.NAME))
        names = albums.read(known) if known else {}  # what cannot be completed is told before anything is copied
        plan = plan_import(sets, Shelf(target), Reading(parts), twins=twins)
        if into.dry_run:
            return plan, CopyReport(copied=len(plan.copies), size=plan.size), len(plan.albums)
        with Workers(_THREADS) as workers:
            done = run_copies(plan, parts, target, workers, progress, verify=verify)
        return plan, done, _write_albums(plan, target, names, int(app.world.now().timestamp()) * 1_000_000_000)


def _write_albums(plan: ImportPlan, target: Target, known: albums.Albums, now_ns: int) -> int:
    """Complete the file of album names with the photos that are there now."""
    there = [(name, [path for path in paths if target.lstat(path) is not None]) for name, paths in plan.albums]
    new = [(name, paths) for name, paths in there if paths]
    text = albums.text(albums.merged(known, new))
    if not new or text == albums.read_file(target.path(albums.NAME)):
        return len(new)
    pending = target.begin((albums.NAME,), len(text))
    pending.write(text)
    pending.commit(mtime_ns=now_ns, mode=0o644)
    return len(new)


def _report(
    plan: ImportPlan,
    done: CopyReport,
    *,
    albums: int = 0,
    others: int = 0,
    trashed: int = 0,
    problems: tuple[Problem, ...] = (),
    lists: dict[str, tuple[str, ...]] | None = None,
) -> ImportReport:
    return ImportReport(
        copied=done.copied,
        size=done.size,
        there=len(plan.there),
        older=len(plan.older),
        twins=len(plan.twins),
        others=others,
        trashed=trashed,
        albums=albums,
        problems=tuple(dict.fromkeys((*problems, *plan.problems, *done.problems))),
        lists={name: names for name, names in (lists or {}).items() if names},
    )
