"""The basket, and restoring what is in it.

A photo in the basket is the paths of all its files in one snapshot, so it stays what it was whatever becomes of the search
catalog.  A restore (``restoring``) gives a file its name only once it is whole, so cancelling leaves nothing half-written.  Where
two snapshots have something else at one path, each gets a folder of its own, or one would go under.

The basket is in memory only and ends with the gallery.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.desk import locked, own
from photovault.app.viewing.folders import DEFAULT, folder_of, refuse_unfit, rooms
from photovault.app.viewing.restoring import Part, restoring, trying
from photovault.errors import PhotovaultError, UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Basket, Tile
from photovault.photos.choose import Choice
from photovault.restore import Overwrite
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.viewing.jobs import Jobs
    from photovault.app.viewing.photos import Photos
    from photovault.gallery.values import Moment, Room
    from photovault.library import Row

MOST: Final = 100_000
"""Photos in a basket."""

_TILES: Final = 300


@dataclass(frozen=True, slots=True)
class _Put:
    """A photo in the basket: the id of its snapshot, paths there of its files, bytes; ``digests`` tell it from another."""

    at: str
    paths: tuple[str, ...]
    size: int
    digests: bytes


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

    def holds(self, number: int) -> bool:
        """Whether a photo is in it, by itself."""
        return number in self._in

    def add(self, at: str, numbers: Sequence[int]) -> None:
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

    def remove(self, numbers: Sequence[int]) -> None:
        """Take photos out, of whatever snapshot, for a number is one photo's."""
        with self._lock:
            for number in numbers:
                self._in.pop(number, None)

    def add_all(self, at: str) -> None:
        """Put a whole snapshot in; its photos that were in by themselves come with it."""
        moment = self._moment(at)
        with self._lock:
            self._whole[moment.id] = moment
            self._in = {number: one for number, one in self._in.items() if one.at != moment.id}

    def remove_all(self, at: str) -> None:
        """Take a whole snapshot out."""
        with self._lock:
            for one in [one for one in self._whole if at and one.startswith(at)]:
                del self._whole[one]

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
        work = partial(trying if dry_run else restoring, app, parts, Overwrite(overwrite), folder)
        verb = "What restoring to {} would do" if dry_run else "Restore to {}"
        return self._jobs.begin("dry-run" if dry_run else "restore", verb.format(shown(bytes(folder))), work)

    def _opened(self) -> App:
        if self._app is None:
            raise locked()
        return self._app

    def _parts(self, folder: Path) -> tuple[Part, ...]:
        with self._lock:
            inside, whole = list(self._in.values()), dict(self._whole)
        apart = _collide(inside, whole)
        names = {one.id: f"{one.time[:10]} {one.id[:8]}" for one in self._photos.moments()} if apart else {}

        def to(at: str) -> Path:
            return folder / names.get(at, at[:8]) if apart else folder

        every = [Part(at=at, choice=Choice(), to=to(at), files=one.files, size=one.size) for at, one in whole.items()]
        for at in dict.fromkeys(one.at for one in inside):
            paths = tuple(path for one in inside if one.at == at for path in one.paths)
            size = sum(one.size for one in inside if one.at == at)
            choice = Choice(paths=paths, only_matching=True)
            every.append(Part(at=at, choice=choice, to=to(at), files=len(paths), size=size))
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
