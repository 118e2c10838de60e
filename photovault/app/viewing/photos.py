"""Who knows the photos: the timeline of every snapshot, single photos, searches, the map and the time machine.

Everything is answered from the search catalog, without the vault's data; whatever takes ``at`` first has the catalog know that
snapshot (see ``preparing``).  Quick questions wait at one desk, and those that read listings, or compare all photos with
all, at another.  What is the same for all of a snapshot (numbers in the order of time, places) is kept for the last few.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from photovault.app.snapshots import resolve
from photovault.app.viewing import searching, versions
from photovault.app.viewing.cache import Cache
from photovault.app.viewing.desk import Desk, own
from photovault.app.viewing.grid import Grid, lay
from photovault.app.viewing.kept import kept
from photovault.app.viewing.preparing import NotListed, Preparing
from photovault.app.viewing.spine import PART_MAX, parts_of, spots_of
from photovault.app.viewing.tiles import facts_of, files_of, is_pictured, named, position
from photovault.decoder.host import installed
from photovault.diff import Edit, Kind
from photovault.errors import PhotovaultError, UsageError
from photovault.facts import PHOTO_KINDS, RAW_KINDS, VIDEO_KINDS
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Answer, Changes, Moment, Photo, Spine
from photovault.library.moments import LAST_ID
from photovault.vault.format import shown

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from photovault.app.runs import App
    from photovault.app.viewing.desk import Opened
    from photovault.app.viewing.grid import Laid
    from photovault.app.viewing.jobs import Jobs
    from photovault.app.viewing.spine import Box
    from photovault.gallery.values import Part, Question, Spot, Tile, Version
    from photovault.library import Mark, Row
    from photovault.library.showing import Located
    from photovault.vault.vault import NamedSnapshot, Snapshots

Got = TypeVar("Got")
_AsOf = tuple[bytes, "Mark | None"]
"""The name of a snapshot, and as of when the catalog knows it."""

_NAMED: Final = 300  # spots of a map that get the name of their place
_LISTED: Final = 4  # versions of which the snapshot is listed, so that they can be opened
_TRIES: Final = 3


def _drawn() -> frozenset[str]:
    """Kinds of files that get thumbnails with what is installed here."""
    there = installed()
    return (PHOTO_KINDS | RAW_KINDS | (VIDEO_KINDS if "video" in there else set())) - (
        set() if "jxl" in there else {"jxl"}
    )


class Photos:
    """See ``gallery.asks.Photos``."""

    def __init__(self, app: App, jobs: Jobs) -> None:
        """Ask ``app``'s vault; listings are read in jobs."""
        self._app = own(app)
        self._desk = Desk(app, "photos")
        self._slow = Desk(app, "listings")
        self._preparing = Preparing(jobs, self._slow)
        self._grid = Grid(self._desk)
        self._spines: Cache[_AsOf, tuple[array[int], tuple[Part, ...]]] = Cache()
        self._bares: Cache[_AsOf, int] = Cache()
        self._located: Cache[_AsOf, Located] = Cache()
        self._histories, self._diffs = versions.Histories(), versions.Diffs()

    def close(self) -> None:
        """Close the vault."""
        try:
            self._slow.close()
        finally:
            self._desk.close()

    def signs(self) -> tuple[tuple[str, str], ...]:
        """See ``asks``."""
        return self._desk.signs

    # Snapshots ----------------------------------------------------------------------------------------------------------

    def moments(self) -> tuple[Moment, ...]:
        """See ``asks``."""
        return self._desk.ask(_moments)

    def _ask(self, at: str, question: Callable[[Opened, NamedSnapshot], Got], *, slow: bool = False) -> Got:
        """What the question gives about a snapshot that the catalog knows."""
        desk = self._slow if slow else self._desk
        for _ in range(_TRIES):
            answer = desk.ask(partial(self._answer, at, question))
            if not isinstance(answer, NotListed):
                return answer
            self._preparing.prepare(answer)
        raise PhotovaultError(
            "the search catalog is being changed all the time", "wait a little, then load the page again"
        )

    def _answer(self, at: str, question: Callable[[Opened, NamedSnapshot], Got], opened: Opened) -> Got | NotListed:
        one = _snapshot(opened.snapshots(), at)
        if self._preparing.mark(opened.library, one, opened.news) is None:
            return NotListed(one, opened.news)
        return question(opened, one)

    # The timeline ---------------------------------------------------------------------------------------------------------

    def spine(self, at: str) -> Spine:
        """See ``asks``."""

        def told(opened: Opened, one: NamedSnapshot) -> Spine:
            numbers, parts = self._spine(opened, one)
            note, bare = self._preparing.note(one), self._bare(opened, one)
            return Spine(moment=_moment(opened, one), parts=parts, photos=len(numbers), note=note, bare=bare)

        return self._ask(at, told)

    def _spine(self, opened: Opened, one: NamedSnapshot) -> tuple[array[int], tuple[Part, ...]]:
        """The numbers of a snapshot's photos in the order of time, and the parts that they are fetched in."""

        def made() -> tuple[array[int], tuple[Part, ...]]:
            numbers = opened.library.show(lambda show: show.spine(one.name))
            return numbers, parts_of(numbers)

        return self._spines.made((one.name, opened.library.mark(one.name)), made)

    def _bare(self, opened: Opened, one: NamedSnapshot) -> int:
        """How many photos of a snapshot could have a thumbnail, and have none."""
        return self._bares.made(
            (one.name, opened.library.mark(one.name)),
            lambda: opened.library.show(lambda show: show.bare(one.name, _drawn())),
        )

    def tiles(self, at: str, first: int, last: int) -> tuple[Tile, ...]:
        """See ``asks``."""

        def told(opened: Opened, one: NamedSnapshot) -> Laid:
            low, high = (min(number, LAST_ID) for number in (first, last))
            rows = opened.library.show(lambda show: show.between(one.name, low, high, 2 * PART_MAX))
            return lay(opened, one, list(filter(is_pictured, rows))[:PART_MAX], sparing=True)

        return self._grid.tiles(self._ask(at, told))

    def tiles_of(self, at: str, numbers: Sequence[int]) -> tuple[Tile, ...]:
        """The photos of these numbers, as far as the snapshot has them."""

        def told(opened: Opened, one: NamedSnapshot) -> Laid:
            return lay(opened, one, opened.library.show(lambda show: show.rows(one.name, numbers)), sparing=True)

        return self._grid.tiles(self._ask(at, told))

    def rows(self, at: str, numbers: Sequence[int]) -> tuple[NamedSnapshot, list[Row]]:
        """A snapshot and its rows of these numbers, in their order; for who restores them.

        Raises:
            NotThereError: it has none of one of these numbers.
        """

        def told(opened: Opened, one: NamedSnapshot) -> tuple[NamedSnapshot, list[Row]]:
            rows = opened.library.show(lambda show: show.rows(one.name, numbers))
            if len(rows) < len(set(numbers)):
                raise _not_there()
            return one, rows

        return self._ask(at, told)

    # One photo --------------------------------------------------------------------------------------------------------------

    def photo(self, at: str, number: int) -> Photo:
        """See ``asks``."""

        def told(opened: Opened, one: NamedSnapshot) -> tuple[Laid, Photo]:
            row = _row(opened, one, number)
            laid = lay(opened, one, [row])
            return laid, self._photo(opened, one, row)

        laid, photo = self._ask(at, told)
        return replace(photo, tile=self._grid.tiles(laid)[0])

    def _photo(self, opened: Opened, one: NamedSnapshot, row: Row) -> Photo:
        """All that is told of a photo, with a tile that lacks the badges."""
        primary = row.members[0]
        latitude, longitude = position(row.facts)
        older, newer = _beside(self._spine(opened, one)[0], row.number)
        return Photo(
            tile=named(row.when, shown(primary.name)),
            moment=_moment(opened, one),
            folder=shown(row.folder),
            digest=primary.digest.hex(),
            files=files_of(row),
            facts=facts_of(row),
            kept=kept(opened, one, primary.digest),
            albums=row.albums,
            place=row.place,
            latitude=latitude,
            longitude=longitude,
            newer=newer,
            older=older,
        )

    def versions(self, at: str, number: int) -> Photo:
        """See ``asks``."""

        def told(opened: Opened, one: NamedSnapshot) -> tuple[tuple[Version, ...], str]:
            return self._histories.versions(opened, _row(opened, one, number), one)

        photo = self.photo(at, number)
        found, note = self._ask(at, told, slow=True)
        unknown = [one.at for one in found if one.at and not one.number][-_LISTED:]
        for snapshot in unknown:
            with suppress(PhotovaultError):  # then it has no number, and is there all the same
                self._ask(snapshot, lambda *_: None)
        if unknown:
            found, note = self._ask(at, told, slow=True)
        return replace(photo, versions=found, note=note)

    # Searching --------------------------------------------------------------------------------------------------------------

    def search(self, at: str, question: Question, after: str, limit: int) -> Answer:
        """See ``asks``."""
        wanted = searching.wanted_of(question, self._photos_of)

        def told(opened: Opened, one: NamedSnapshot) -> tuple[Laid, str]:
            rows, following = searching.page(opened, one.name, wanted, after, limit)
            return lay(opened, one, rows), following

        laid, following = self._ask(at, told, slow=bool(question.duplicates))
        return Answer(tiles=self._grid.tiles(laid), following=following)

    def _photos_of(self, person: str) -> frozenset[bytes]:
        from photovault.app.people_process import digests_of  # noqa: PLC0415 - nothing of people before somebody asks

        return digests_of(self._app, person)

    def albums(self, at: str) -> dict[str, int]:
        """See ``asks``."""
        return self._ask(at, lambda opened, one: opened.library.albums(one.name))

    # The map ----------------------------------------------------------------------------------------------------------------

    def located(self, at: str) -> int:
        """See ``asks``."""
        return len(self._ask(at, self._places).numbers)

    def _places(self, opened: Opened, one: NamedSnapshot) -> Located:
        def made() -> Located:
            return opened.library.show(lambda show: show.located(one.name))

        return self._located.made((one.name, opened.library.mark(one.name)), made)

    def spots(self, at: str, box: Box, columns: int) -> tuple[Spot, ...]:
        """See ``asks``."""
        found = spots_of(self._ask(at, self._places), box, columns)

        def told(opened: Opened, one: NamedSnapshot) -> dict[int, tuple[str, bool]]:
            numbers = [spot.number for spot in found[:_NAMED]]
            rows = opened.library.show(lambda show: show.rows(one.name, numbers))
            return {row.number: (row.place, bool(row.facts.thumbnail)) for row in rows}

        known = self._ask(at, told)
        both = ((spot, *known.get(spot.number, ("", False))) for spot in found)
        return tuple(replace(spot, name=name, thumbnail=thumbnail) for spot, name, thumbnail in both)

    # The time machine ---------------------------------------------------------------------------------------------------------

    def changes(self, at: str) -> Changes:
        """See ``asks``."""

        def told(opened: Opened, one: NamedSnapshot) -> tuple[Moment, NamedSnapshot, NamedSnapshot | None]:
            return _moment(opened, one), one, versions.before_of(opened.snapshots().found, one)

        moment, newer, older = self._ask(at, told)
        if older is None:
            return Changes(moment=moment, before=None)
        found = self._slow.ask(lambda opened: self._diffs.differences(opened, older, newer))
        if found.paths[Kind.GONE]:
            with suppress(PhotovaultError):  # names must do
                self._ask(older.id, lambda *_: None)
        return Changes(
            moment=moment,
            before=self._desk.ask(lambda opened: _moment(opened, older)),
            came=self._tiles(newer, found.paths[Kind.ADDED]),
            changed=self._tiles(newer, found.paths[Kind.CHANGED]),
            edited=self._tiles(newer, found.paths[Edit.METADATA]),
            went=self._tiles(older, found.paths[Kind.GONE]),
            counts=found.counts,
        )

    def _tiles(self, one: NamedSnapshot, paths: Sequence[str]) -> tuple[Tile, ...]:
        """Tiles of photos at these paths; of those that the catalog does not know the names."""
        laid = self._desk.ask(lambda opened: lay(opened, one, versions.at_paths(opened, one, paths), sparing=True))
        found = {shown(row.path): tile for row, tile in zip(laid.rows, self._grid.tiles(laid), strict=True)}
        return tuple(found.get(path) or named("", path.rpartition("/")[2]) for path in paths)


def _snapshot(snapshots: Snapshots, at: str) -> NamedSnapshot:
    """The snapshot that ``at`` names.

    Raises:
        NotThereError: there is none, or it fits several.
    """
    if not snapshots.found:
        lost = f"; {len(snapshots.damaged)} cannot be read" if snapshots.damaged else ""
        raise NotThereError(f"the vault holds no snapshot{lost}", "make one with `photovault backup`")
    try:
        return resolve(snapshots, at or "latest")
    except UsageError as error:
        raise NotThereError(error.what, "choose one of the time machine; it may have been forgotten") from None


def _moments(opened: Opened) -> tuple[Moment, ...]:
    return tuple(_moment(opened, one) for one in reversed(opened.snapshots().found))


def _moment(opened: Opened, one: NamedSnapshot) -> Moment:
    snapshot = one.snapshot
    return Moment(
        id=one.id,
        time=snapshot.time,
        device=shown(snapshot.device_name.encode("utf-8", "surrogateescape")),
        files=snapshot.counts.files,
        size=snapshot.counts.size,
        number=snapshot.number,
        tags=snapshot.tags,
        is_newest=one.name == opened.snapshots().found[-1].name,
    )


def _row(opened: Opened, one: NamedSnapshot, number: int) -> Row:
    row = opened.library.show(lambda show: show.row(one.name, number))
    if row is None:
        raise _not_there()
    return row


def _beside(numbers: array[int], number: int) -> tuple[int, int]:
    """The numbers before and after one, which need not be among them; 0 at the ends."""
    at = bisect_left(numbers, number)
    after = at + 1 if at < len(numbers) and numbers[at] == number else at
    return numbers[at - 1] if at else 0, numbers[after] if after < len(numbers) else 0


def _not_there() -> NotThereError:
    return NotThereError("no photo of this snapshot has that number", "go back to the timeline, and choose it again")
