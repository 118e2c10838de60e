"""Whom pages ask.  ``app.viewing`` answers; tests of pages may answer by themselves.

Each method may be called from any thread, waits for its answer, and raises only ``PhotovaultError`` (with what to do).  ``at`` is a
snapshot: empty for the newest, else its id or a unique prefix.  A photo is named by the number of its row in the search catalog;
``NotThereError`` when there is none in that snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from photovault.errors import PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.gallery.values import (
        Answer,
        Basket,
        Changes,
        Done,
        Doubt,
        Health,
        Job,
        Moment,
        Photo,
        Privacy,
        Question,
        Room,
        Somebody,
        Spine,
        Spot,
        Tile,
    )


class NotThereError(PhotovaultError):
    """No photo, person, job or snapshot goes by what was asked for."""


class NotReadyError(PhotovaultError):
    """The listings of the snapshot are being read; ``job`` tells how far that is."""

    def __init__(self, job: str) -> None:
        """Name the job."""
        super().__init__("the photos of this snapshot are being listed", "wait until that is done")
        self.job = job


class Photos(Protocol):
    """Who knows the photos.  Whatever takes ``at`` raises NotReadyError while the search catalog does not know it yet."""

    def signs(self) -> tuple[tuple[str, str], ...]:
        """Of a storage that does not show everything: what, and what to do.  Asked for every page: waits for nobody."""

    def moments(self) -> tuple[Moment, ...]:
        """All snapshots, the newest first."""

    def spine(self, at: str) -> Spine:
        """The timeline without its photos."""

    def tiles(self, at: str, first: int, last: int) -> tuple[Tile, ...]:
        """The photos of a part, the newest first."""

    def photo(self, at: str, number: int) -> Photo:
        """All that is told of one, but its versions."""

    def versions(self, at: str, number: int) -> Photo:
        """As ``photo``, with the versions over all snapshots: slow, for listings of each are read."""

    def search(self, at: str, question: Question, after: str, limit: int) -> Answer:
        """The newest first.  UsageError for what cannot be understood."""

    def albums(self, at: str) -> dict[str, int]:
        """Albums and how many photos they hold."""

    def spots(self, at: str, box: tuple[float, float, float, float], columns: int) -> tuple[Spot, ...]:
        """Photos with a place in a box (west, south, east, north), put together by a grid so many columns wide."""

    def located(self, at: str) -> int:
        """How many photos have a place."""

    def changes(self, at: str) -> Changes:
        """What is another than in the snapshot before."""


class Member(Protocol):
    """A file out of the vault."""

    @property
    def name(self) -> str:
        """Safe to print."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def kind(self) -> str:
        """As ``Facts.kind``."""

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Bytes from ``start`` up to ``end``, exclusive; DamageError when they are not what was backed up."""


class Pictures(Protocol):
    """Who has pictures.  Nothing is written to a disk."""

    def thumbnail(self, number: int) -> bytes | None:
        """WebP of at most 512 pixels; None where the vault has none."""

    def preview(self, number: int) -> bytes:
        """WebP of at most 2,048 pixels, made of the original by a decoder; UndecodableError where nothing decodes it."""

    def member(self, number: int, index: int) -> Member:
        """A file of the set, the primary is 0."""


class Jobs(Protocol):
    """Who does long work, one after the other."""

    def job(self, job_id: str) -> Job:
        """How it stands."""

    def jobs(self) -> tuple[Job, ...]:
        """The last ones, the newest first."""

    def cancel(self, job_id: str) -> None:
        """Stop it soon."""


class Restores(Protocol):
    """The basket, and restoring what is in it.  One basket, until it is emptied or the vault locked."""

    def basket(self) -> Basket:
        """What is in it."""

    def count(self) -> int:
        """How many photos are in it.  Asked for every page: cheap."""

    def holds(self, number: int) -> bool:
        """Whether a photo is in it.  Cheap."""

    def add(self, at: str, numbers: Sequence[int]) -> None:
        """Put photos in, with all files of their sets."""

    def remove(self, numbers: Sequence[int]) -> None:
        """Take photos out."""

    def add_all(self, at: str) -> None:
        """Put a whole snapshot in, with what is no photo."""

    def remove_all(self, at: str) -> None:
        """Take a whole snapshot out."""

    def empty(self) -> None:
        """Take all out."""

    def rooms(self) -> tuple[Room, ...]:
        """Where to restore to: first the folder that is taken unless somebody says otherwise, then others."""

    def start(self, to: str, overwrite: str, *, dry_run: bool) -> str:
        """Begin to restore into the folder ``to``; returns the id of the job.  UsageError for a folder that will not do."""


class Healths(Protocol):
    """Who knows whether all is well."""

    def known(self) -> Health | None:
        """As of at most a minute ago; None when nobody looked since.  Never waits."""

    def health(self, *, fresh: bool = False) -> Health:
        """As of at most a minute ago, or of now.  BusyError when a storage takes long to answer; ask again."""

    def drill(self, count: int) -> str:
        """Begin a drill; returns the id of the job."""


class Privacies(Protocol):
    """Who knows what was agreed to, and what left."""

    def privacy(self) -> Privacy:
        """As of now."""

    def erase(self) -> str:
        """Take the consent back and erase all face data; returns what was done, for people."""


class People(Protocol):
    """Who asks the process that may open the face store.  ConsentError while nobody agreed."""

    def enabled(self) -> bool:
        """Whether somebody agreed, and that holds now.  Asked for every page: cheap."""

    def people(self, *, everybody: bool = False, hidden: bool = False) -> tuple[Somebody, ...]:
        """Named ones first, then by how many faces they have; each with one face."""

    def person(self, number: int) -> Somebody:
        """With all faces."""

    def crop(self, face: int) -> bytes | None:
        """A face as WebP, at most 256 pixels; None where its photo is not on this computer any more."""

    def of_photo(self, digest: str) -> tuple[Somebody, ...]:
        """Who is on the photo of this SHA-256 (hex)."""

    def doubts(self, limit: int) -> tuple[Doubt, ...]:
        """What would help most to know."""

    def answer(self, doubt: str, answer: str) -> Done:
        """``same``, ``different``, ``not a face`` or ``skip``."""

    def name(self, number: int, name: str) -> Done:
        """Name somebody; an empty name takes the name away."""

    def merge(self, one: int, other: int, keep: str) -> Done:
        """Make two one; ``keep``: the name that stays where both have one."""

    def split(self, number: int, faces: Sequence[int]) -> Done:
        """Take faces out."""

    def hide(self, number: int, *, hidden: bool) -> Done:
        """Do not list somebody, or list again."""

    def history(self) -> tuple[Done, ...]:
        """What was decided, the newest first."""

    def undo(self, entry: int) -> Done:
        """Take a decision back."""


class Asks(Protocol):
    """All of them; the vault is open while they answer.  After ``close`` (the gallery is locked) no key is in memory."""

    @property
    def photos(self) -> Photos:
        """Who knows the photos."""

    @property
    def pictures(self) -> Pictures:
        """Who knows pictures."""

    @property
    def jobs(self) -> Jobs:
        """Who knows long work."""

    @property
    def restores(self) -> Restores:
        """Who knows the basket."""

    @property
    def health(self) -> Healths:
        """Who knows whether all is well."""

    @property
    def privacy(self) -> Privacies:
        """Who knows what left."""

    @property
    def people(self) -> People:
        """Who knows who is on photos."""

    def close(self) -> None:
        """Close the vault, forget the keys, end what is under way."""
