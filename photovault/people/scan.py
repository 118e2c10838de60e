"""Scanning: having faces found in the photos of a plan (``plan``), and kept.

A new or changed photo is hashed first: bytes that are known under another name cost no more than that.  All others are
decoded in a sandboxed process, their pixels go to a face worker, and what comes back is put into the store by this thread
alone, the newest photo first.  Faces that another engine measured are measured anew where they were found.

Guarantee: at most ``count`` + 2 pictures are in memory; a photo is in the store with all its faces or not at all, so that a
run that was killed goes on where it was; a photo that cannot be looked at, or on which a worker dies, costs that photo; a
file that changed while it was looked at is left for the next run.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from photovault.model import INODE_MASK, Problem, Stamp
from photovault.people.plan import Old, There, text_of
from photovault.people.values import Picture
from photovault.photos.looking import Asked, is_still
from photovault.photos.reading import open_quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from photovault.facts import Facts
    from photovault.people.plan import ScanPlan
    from photovault.people.values import Seen
    from photovault.progress import Progress
    from photovault.workers import Workers

_CHUNK: Final = 1 << 20
_SPARE: Final = 2  # pictures that wait while all workers have one
_TOGETHER: Final = 8  # photos that are written at a time: what a kill costs
_MOVED: Final = "it changed while it was looked at"
_NOTHING: Final = "there is no picture in it"


@dataclass(slots=True, kw_only=True)
class Scanned:
    """What a scan did.

    Attributes:
        looked: photos that were looked at.
        known: new names of photos that are known.
        gone: paths that were forgotten.
        faces: found in the photos looked at.
        embedded: faces that were measured anew.
        left: photos that are still to be looked at.
        problems: one for each photo that could not be looked at.
    """

    looked: int = 0
    known: int = 0
    gone: int = 0
    faces: int = 0
    embedded: int = 0
    left: int = 0
    problems: list[Problem]

    @property
    def failed(self) -> dict[str, int]:
        """Why photos could not be looked at, and how many of them."""
        return dict(Counter(one.what for one in self.problems))

    @property
    def changed(self) -> bool:
        """Whether faces came, went or were measured anew."""
        return bool(self.faces or self.embedded or self.gone or self.looked)


class Shown(Protocol):
    """A photo as a decoder gives it: smaller, upright, RGB."""

    @property
    def width(self) -> int:
        """Of the pixels."""

    @property
    def height(self) -> int:
        """Of the pixels."""

    @property
    def pixels(self) -> bytes:
        """RGB, row by row."""

    @property
    def full_width(self) -> int:
        """Of the whole photo, upright."""

    @property
    def full_height(self) -> int:
        """Of the whole photo, upright."""

    @property
    def facts(self) -> Facts:
        """What it says of itself."""

    @property
    def why(self) -> str:
        """Why there are no pixels; empty if there are."""


class Showing(Protocol):
    """Photos that are being decoded."""

    def result(self) -> Sequence[Shown]:
        """Wait: one for each, in order."""


class Decoding(Protocol):
    """Who decodes photos; ``decoder.host.Decoders`` does."""

    def view(self, files: Sequence[Asked], edge: int) -> Showing:
        """Begin to decode them, to ``edge`` pixels at most."""


class Answered(Protocol):
    """What a face worker says of a picture."""

    @property
    def faces(self) -> tuple[Seen, ...]:
        """The faces."""

    @property
    def why(self) -> str:
        """Why there is no answer; empty if there is."""


class Answering(Protocol):
    """A picture that is being looked at."""

    def result(self) -> Answered:
        """Wait for the answer."""


class Finding(Protocol):
    """Who finds faces; ``host.FaceWorkers`` does."""

    def find(self, picture: Picture, /) -> Answering:
        """Find and measure the faces."""

    def embed(self, picture: Picture, faces: Sequence[Seen], /) -> Answering:
        """Measure these faces anew."""


class Shelf(Protocol):
    """Where faces are put; ``store.Store`` is one."""

    def photo_of(self, digest: bytes, /) -> tuple[int, str] | None:
        """The photo of these bytes, and the engine that measured its faces."""

    def put_path(self, path: bytes, stamp: Stamp, photo: int, /) -> None:
        """A photo that is known is there, too."""

    def put_photo(  # noqa: PLR0913, PLR0917 - a photo is all of this
        self,
        path: bytes,
        stamp: Stamp,
        digest: bytes,
        width: int,
        height: int,
        taken: str,
        faces: Sequence[Seen],
        engine: str,
        why: str,
        *,
        orientation: int,
    ) -> int:
        """A photo with all its faces, or why nobody could look; gives its number."""

    def forget_path(self, path: bytes, /) -> None:
        """Nothing of ours is there any more."""

    def replace_vectors(self, photo: int, faces: Sequence[Seen], engine: str, /) -> None:
        """The same faces, measured by another engine."""

    def together(self) -> AbstractContextManager[object]:
        """What is put in this block is there to stay at its end, and not before."""

    def sweep(self) -> object:
        """Forget the faces of photos that are nowhere any more."""


# Doing it -----------------------------------------------------------------------------------------------------------------


class _Hashed(NamedTuple):
    there: There
    digest: bytes
    why: str = ""


class _Looked(NamedTuple):
    there: There
    digest: bytes
    width: int = 0
    height: int = 0
    taken: str = ""
    orientation: int = 1
    faces: tuple[Seen, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """Who helps.

    Attributes:
        workers: threads that wait.
        decoders: processes that decode.
        finder: processes that find faces.
        count: how many of those there are.
        edge: pixels of the longer side of what they get.
        passing: reasons that are no fault of a photo, which is looked at again then.
    """

    workers: Workers
    decoders: Decoding
    finder: Finding
    count: int
    edge: int
    passing: frozenset[str] = frozenset()


def run_scan(
    plan: ScanPlan,
    shelf: Shelf,
    helpers: Helpers,
    progress: Progress,
    engine: str,
    enough: Callable[[], bool] = lambda: False,
) -> Scanned:
    """Do what is planned, until it is ``enough``; only this thread touches the store.

    ``engine`` is the key of the engine whose vectors these are.  ``progress`` is told of photos and bytes, never of a name.
    """
    return _Run(shelf, helpers, progress, engine, enough).run(plan)


def forget(plan: ScanPlan, shelf: Shelf) -> Scanned:
    """Do what is planned where there is nothing to look at: forget what is gone."""
    with shelf.together():
        for path in plan.gone:
            shelf.forget_path(path)
    shelf.sweep()
    return Scanned(gone=len(plan.gone), problems=list(plan.problems))


class _Run:
    """One scan."""

    def __init__(
        self, shelf: Shelf, helpers: Helpers, progress: Progress, engine: str, enough: Callable[[], bool]
    ) -> None:
        self._shelf = shelf
        self._helpers = helpers
        self._look = _Looks(helpers.decoders, helpers.finder, helpers.edge)
        self._progress = progress
        self._engine = engine
        self._enough = enough
        self._done = Scanned(problems=[])
        self._finished = 0
        self._again = False
        self._later: list[Callable[[], object]] = []
        self._twins: dict[bytes, list[There]] = {}  # more names of photos that are being looked at, or will be put soon

    def run(self, plan: ScanPlan) -> Scanned:
        self._done.problems += plan.problems
        self._again = plan.again
        self._progress.total(len(plan.new) + len(plan.old), plan.size)
        with self._shelf.together():
            for path in plan.gone:
                self._shelf.forget_path(path)
        self._done.gone = len(plan.gone)
        try:
            self._measure_anew(plan.old)
            self._look_at(plan.new)
        finally:
            self._write()
        self._done.left += len(plan.new) + len(plan.old) - self._finished
        if not self._done.left:
            self._shelf.sweep()
        return self._done

    def _put_later(self, put: Callable[[], object]) -> None:
        """Some photos are written at a time, as each time waits for the disk."""
        self._later.append(put)
        if len(self._later) == _TOGETHER:
            self._write()

    def _write(self) -> None:
        later, self._later = self._later, []
        with self._shelf.together():
            for put in later:
                put()

    def _until_enough(self, jobs: Iterable[There] | Iterable[Old]) -> Iterator[There | Old]:
        for job in jobs:
            if self._enough():
                return
            yield job

    def _advance(self, stamp: Stamp) -> None:
        self._finished += 1
        self._progress.advance(1, stamp.size, "")

    # New photos.

    def _look_at(self, new: Sequence[There]) -> None:
        ordered, ahead = self._helpers.workers.ordered, self._helpers.count + _SPARE
        for _, looked in ordered(self._look.find, self._unknown(new, ahead), ahead):
            self._put(looked)

    def _unknown(self, new: Sequence[There], ahead: int) -> Iterator[_Hashed]:
        """Those of whose bytes nothing is known."""
        jobs = (one for one in self._until_enough(new) if isinstance(one, There))
        for _, one in self._helpers.workers.ordered(hashed, jobs, ahead):
            if one.why:
                yield one
            elif not self._is_known(one):
                self._twins[one.digest] = []
                yield one

    def _is_known(self, one: _Hashed) -> bool:
        """Whether the bytes are known, or being looked at, under another name; from now on they are under this one, too."""
        if one.digest in self._twins:
            self._twins[one.digest].append(one.there)
            return True
        known = None if self._again else self._shelf.photo_of(one.digest)
        if known is None or known[1] != self._engine:
            return False
        self._put_later(partial(self._shelf.put_path, one.there.path, one.there.stamp, known[0]))
        self._done.known += 1
        self._advance(one.there.stamp)
        return True

    def _put(self, one: _Looked) -> None:
        self._advance(one.there.stamp)
        if one.why == _MOVED or one.why in self._helpers.passing:  # the next time it may be otherwise
            self._done.left += 1 + self._forget_twins(one.digest)
        if one.why == _MOVED:
            return
        if one.why:
            self._done.problems.append(Problem(path=text_of(one.there.path), what=one.why))
        if not one.digest or one.why in self._helpers.passing:
            return
        self._done.looked += not one.why
        self._done.faces += len(one.faces)
        self._put_later(partial(self._put_photo, one))

    def _put_photo(self, one: _Looked) -> None:
        put = partial(self._shelf.put_photo, *one.there, one.digest, one.width, one.height, one.taken, one.faces)
        photo = put(self._engine, one.why, orientation=one.orientation)
        twins = self._twins.pop(one.digest, [])
        for twin in twins:
            self._shelf.put_path(*twin, photo)
            self._advance(twin.stamp)
        self._done.known += len(twins)

    def _forget_twins(self, digest: bytes) -> int:
        twins = self._twins.pop(digest, [])
        for twin in twins:
            self._advance(twin.stamp)
        return len(twins)

    # Faces that another engine measured.

    def _measure_anew(self, old: Sequence[Old]) -> None:
        ahead = self._helpers.count + _SPARE
        jobs = (one for one in self._until_enough(old) if isinstance(one, Old))
        for job, answer in self._helpers.workers.ordered(self._look.embed, jobs, ahead):
            self._replace(job, answer)

    def _replace(self, old: Old, answer: _Looked) -> None:
        self._advance(old.stamp)
        if answer.why == _MOVED or answer.why in self._helpers.passing:
            self._done.left += 1
        if answer.why == _MOVED:
            return
        if answer.why:
            self._done.problems.append(Problem(path=text_of(old.path), what=answer.why))
            return
        self._put_later(partial(self._shelf.replace_vectors, old.photo, answer.faces, self._engine))
        self._done.embedded += len(answer.faces)


class _Looks:
    """What threads do: they wait for processes, and hold one picture each."""

    def __init__(self, decoders: Decoding, finder: Finding, edge: int) -> None:
        self._decoders, self._finder, self._edge = decoders, finder, edge

    def find(self, one: _Hashed) -> _Looked:
        """The faces of a photo."""
        if one.why:
            return _Looked(one.there, one.digest, why=one.why)
        return self._look(one.there, one.digest, self._finder.find)

    def embed(self, old: Old) -> _Looked:
        """The faces that are known, measured anew."""
        if not old.faces:
            return _Looked(There(old.path, old.stamp), b"")
        answer = self._look(There(old.path, old.stamp), b"", lambda picture: self._finder.embed(picture, old.faces))
        if not answer.why and len(answer.faces) != len(old.faces):
            return answer._replace(why="the worker forgot a face")
        return answer

    def _look(self, there: There, digest: bytes, ask: Callable[[Picture], Answering]) -> _Looked:
        shown = self._shown(there)
        if isinstance(shown, str):
            return _Looked(there, digest, why=shown)
        picture = Picture(shown.width, shown.height, shown.pixels)
        size, facts = (shown.full_width, shown.full_height), shown.facts
        del shown
        answer = ask(picture).result()
        if not is_still(there.path, there.stamp):
            return _Looked(there, digest, why=_MOVED)
        return _Looked(there, digest, *size, facts.taken or "", facts.orientation or 1, tuple(answer.faces), answer.why)

    def _shown(self, there: There) -> Shown | str:
        """The photo decoded, or why not."""
        try:
            fd = open_quietly(there.path)
        except OSError:
            return _MOVED
        try:
            if not _is(os.fstat(fd), there.stamp):
                return _MOVED
            asked = Asked(fd, there.stamp.size, there.stamp.name, thumbnail=False)
            (shown,) = self._decoders.view([asked], self._edge).result()
        finally:
            os.close(fd)
        return shown.why or shown.facts.broken or (shown if shown.pixels else _NOTHING)


def hashed(there: There) -> _Hashed:
    """The SHA-256 of a photo as it is now, which may be another than when it was found; or why it cannot be read."""
    try:
        fd = open_quietly(there.path)
        try:
            return _hashed(fd, there)
        finally:
            os.close(fd)
    except OSError as error:
        return _Hashed(there, b"", error.strerror or type(error).__name__)


def _hashed(fd: int, there: There) -> _Hashed:
    before = os.fstat(fd)
    if not stat.S_ISREG(before.st_mode):
        return _Hashed(there, b"", "it is not a file any more")
    now = There(there.path, stamp_of(there.stamp.name, before))
    digest, left = hashlib.sha256(), before.st_size
    while left and (data := os.read(fd, min(left, _CHUNK))):
        digest.update(data)
        left -= len(data)
    if left or not _is(os.fstat(fd), now.stamp):
        return _Hashed(now, b"", _MOVED)
    return _Hashed(now, digest.digest())


def stamp_of(name: bytes, st: os.stat_result) -> Stamp:
    """What tells the file from what it is later."""
    return Stamp(name, st.st_ino & INODE_MASK, st.st_size, st.st_mtime_ns, st.st_ctime_ns)


def _is(st: os.stat_result, stamp: Stamp) -> bool:
    return stamp_of(stamp.name, st) == stamp
