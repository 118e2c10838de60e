"""The basket, and restoring what is in it.

A photo in the basket is the paths of all its files in one snapshot, so it stays what it was whatever becomes of the search
catalog.  A restore is that of the command line, once for each snapshot: the engine gives a file its name only once it is whole, so
cancelling leaves nothing half-written.  Where two snapshots have something else at one path, each gets a folder of its own,
or one would go under.

The basket is in memory only and ends with the gallery.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from photovault.app.guarding import free_bytes
from photovault.app.restoring import plan
from photovault.app.viewing.desk import own
from photovault.app.viewing.folders import DEFAULT, folder_of, refuse_unfit, rooms
from photovault.app.viewing.jobs import Outcome
from photovault.errors import PhotovaultError, RefusedError, UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Basket, Tile
from photovault.gallery.words import amount, count
from photovault.photos.choose import Choice
from photovault.restore import Decision, Overwrite
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.viewing.jobs import Jobs
    from photovault.app.viewing.photos import Photos
    from photovault.gallery.values import Moment, Room
    from photovault.library import Row
    from photovault.model import Problem
    from photovault.progress import Progress
    from photovault.restore import Planned, RestoreReport

T = TypeVar("T")
MOST: Final = 100_000
"""Photos in a basket."""

_TILES: Final = 300
_NAMED: Final = 200  # problems
_LINES: Final = 50


@dataclass(frozen=True, slots=True)
class _Put:
    """A photo in the basket: the id of its snapshot, paths there of its files, bytes; ``digests`` tell it from another."""

    at: str
    paths: tuple[str, ...]
    size: int
    digests: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is restored of one snapshot, and where to."""

    at: str
    choice: Choice
    to: Path
    files: int
    size: int


class Restores:
    """See ``gallery.asks.Restores``."""

    def __init__(self, app: App, jobs: Jobs, photos: Photos) -> None:
        """Begin with an empty basket."""
        self._app: App | None = app
        self._jobs = jobs
        self._photos = photos
        self._lock = threading.Lock()
        self._in: dict[int, _Put] = {}
        self._whole: dict[str, Moment] = {}
        self._to = DEFAULT

    def close(self) -> None:
        """Forget the basket and the vault."""
        self._app = None
        self.empty()

    # The basket -------------------------------------------------------------------------------------------------------

    def basket(self) -> Basket:
        """What is in it."""
        with self._lock:
            inside, whole = dict(self._in), dict(self._whole)
        first = dict(list(inside.items())[:_TILES])
        tiles = self._tiles(first)
        return Basket(
            count=len(inside),
            size=sum(one.size for one in inside.values()),
            tiles=tuple((one.at, tiles.get(number) or _nameless(number, one)) for number, one in first.items()),
            moments=tuple(dict.fromkeys(one.at for one in inside.values())),
            whole=tuple(whole.values()),
            apart=_collide(inside.values(), whole),
        )

    def count(self) -> int:
        """How much is in it: photos, and files of whole snapshots."""
        with self._lock:
            return len(self._in) + sum(one.files for one in self._whole.values())

    def _tiles(self, inside: dict[int, _Put]) -> dict[int, Tile]:
        """Tiles by number; of a snapshot that the catalog does not know any more there are none."""
        found: dict[int, Tile] = {}
        for at in dict.fromkeys(one.at for one in inside.values()):
            numbers = [number for number, one in inside.items() if one.at == at]
            with suppress(PhotovaultError):
                found |= {tile.number: tile for tile in self._photos.tiles_of(at, numbers)}
        return found

    def add(self, at: str, numbers: Sequence[int]) -> Basket:
        """Put photos in, with all files of their sets.  UsageError when it is full."""
        snapshot, rows = self._photos.rows(at, tuple(dict.fromkeys(numbers)))
        with self._lock:
            new = {row.number: _put(snapshot.id, row) for row in rows if snapshot.id not in self._whole}
            if len(self._in.keys() | new.keys()) > MOST:
                raise UsageError(
                    f"a basket holds {MOST:,} photos at most",
                    "restore what is in it first, or all of a snapshot at once",
                )
            for number, one in new.items():
                if number not in self._in or self._in[number].digests != one.digests:
                    self._in[number] = one
        return self.basket()

    def remove(self, at: str, numbers: Sequence[int]) -> Basket:
        """Take photos out; ``at`` does not matter, for a number is one photo's."""
        del at
        with self._lock:
            for number in numbers:
                self._in.pop(number, None)
        return self.basket()

    def add_all(self, at: str) -> Basket:
        """Put a whole snapshot in; its photos that were in by themselves come with it."""
        moment = self._moment(at)
        with self._lock:
            self._whole[moment.id] = moment
            self._in = {number: one for number, one in self._in.items() if one.at != moment.id}
        return self.basket()

    def remove_all(self, at: str) -> Basket:
        """Take a whole snapshot out."""
        with self._lock:
            for one in [one for one in self._whole if at and one.startswith(at)]:
                del self._whole[one]
        return self.basket()

    def _moment(self, at: str) -> Moment:
        """The newest snapshot, or the one that a prefix names; NotThereError."""
        found = [one for one in self._photos.moments() if one.id.startswith(at) and (at or one.is_newest)]
        if len(found) != 1:
            raise NotThereError("there is no such snapshot", "choose one in the time machine")
        return found[0]

    def empty(self) -> None:
        """Take all out."""
        with self._lock:
            self._in.clear()
            self._whole.clear()

    # Restoring --------------------------------------------------------------------------------------------------------

    def rooms(self) -> tuple[Room, ...]:
        """Where to restore to; first where it went the last time."""
        return rooms(self._opened(), self._to)

    def start(self, to: str, overwrite: str, *, dry_run: bool) -> str:
        """Begin; returns the id of the job.

        Raises:
            UsageError: the folder will not do, there is no such rule, or the basket is empty.
        """
        app, folder = own(self._opened()), folder_of(to)
        refuse_unfit(app, folder)
        if overwrite not in set(Overwrite):
            raise UsageError("it was not said what happens to files that are there already", "choose one of the rules")
        parts = self._parts(folder)
        if not parts:
            raise UsageError("the basket is empty", "put photos in first")
        self._to = to.strip()
        work = partial(_try if dry_run else _restore, app, parts, Overwrite(overwrite), folder)
        verb = "What restoring to {} would do" if dry_run else "Restore to {}"
        return self._jobs.begin("dry-run" if dry_run else "restore", verb.format(_text(folder)), work)

    def _opened(self) -> App:
        if self._app is None:
            raise PhotovaultError("the gallery is locked", "unlock it, or start `photovault gallery` again")
        return self._app

    def _parts(self, folder: Path) -> tuple[_Part, ...]:
        with self._lock:
            inside, whole = list(self._in.values()), dict(self._whole)
        apart = _collide(inside, whole)
        names = {one.id: f"{one.time[:10]} {one.id[:8]}" for one in self._photos.moments()} if apart else {}

        def to(at: str) -> Path:
            return folder / names.get(at, at[:8]) if apart else folder

        every = [_Part(at=at, choice=Choice(), to=to(at), files=one.files, size=one.size) for at, one in whole.items()]
        for at in dict.fromkeys(one.at for one in inside):
            paths = tuple(path for one in inside if one.at == at for path in one.paths)
            size = sum(one.size for one in inside if one.at == at)
            choice = Choice(paths=paths, only_matching=True)
            every.append(_Part(at=at, choice=choice, to=to(at), files=len(paths), size=size))
        return tuple(every)


def _nameless(number: int, one: _Put) -> Tile:
    """What is in the basket stays in it, whatever the catalog knows."""
    name = one.paths[0].rpartition("/")[2]
    return Tile(number=number, when="", label=name, name=name, size=one.size)


def _put(at: str, row: Row) -> _Put:
    return _Put(
        at=at,
        paths=tuple(shown(row.path_of(one)) for one in row.members),
        size=sum(one.size for one in row.members),
        digests=b"".join(one.digest for one in row.members),
    )


def _collide(inside: Iterable[_Put], whole: dict[str, Moment]) -> bool:
    """Whether two snapshots have something at one path, as disks see it that know no case."""
    owners: dict[str, str] = {}
    for one in inside:
        for path in one.paths:
            if owners.setdefault(path.casefold(), one.at) != one.at:
                return True
    return len(whole) + bool(owners) > 1 if whole else False


# The jobs -------------------------------------------------------------------------------------------------------------


class _Steps:
    """Progress of one of several restores: how much there is was said before, for all of them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def total(self, files: int, size: int) -> None:
        """See ``Progress``."""

    def advance(self, files: int, size: int, path: str) -> None:
        """See ``Progress``."""
        self._progress.advance(files, size, path)


def _restore(app: App, parts: Sequence[_Part], rule: Overwrite, folder: Path, progress: Progress) -> Outcome:
    """Restore, if there is room for it."""
    _say_total(parts, progress)
    _look_for_room(app, parts, rule, folder)
    done = [app.restore(one.at, one.choice, one.to, rule, _Steps(progress), dry_run=False)[1] for one in parts]
    first = f"restored {_much(done)}, to {_text(folder)}"
    return _outcome(first, done, app)


def _try(app: App, parts: Sequence[_Part], rule: Overwrite, folder: Path, progress: Progress) -> Outcome:
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


def _say_total(parts: Sequence[_Part], progress: Progress) -> None:
    progress.total(sum(one.files for one in parts), sum(one.size for one in parts))


def _look_for_room(app: App, parts: Sequence[_Part], rule: Overwrite, folder: Path) -> None:
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
