"""Asking decoders: ``Decoders`` keeps a pool of them.

A request goes to whichever child is free.  Its files are sent together and answered one by one, in order, so a child that
dies or is too slow had the first file without an answer: that file gets a reason instead (and its facts, if it was the
thumbnail that failed), the child is replaced, and the files after it are asked one at a time.

Guarantee: every file has an answer within its limits, whatever it holds, and no error; no child runs before something is
asked, nor after ``close``.  A child is replaced after some thousand jobs, so that what a library leaks is given back.
Not guaranteed: that a library never takes good files for bad; nothing is lost by it but a thumbnail.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from photovault.children.pool import Child, Pool
from photovault.decoder.process import CAN_PASS, WORDS, Decoder, GoneError, StartError
from photovault.decoder.protocol import EXTRAS, Box, Limits, Looked, Previewed, Viewed
from photovault.errors import CancelledError, DamageError, UndecodableError
from photovault.photos.looking import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

__all__ = [
    "Asked",
    "Decoders",
    "Limits",
    "Looked",
    "Looking",
    "Previewed",
    "Previewing",
    "Viewed",
    "Viewing",
    "can_pack",
    "installed",
]

_Seen = TypeVar("_Seen")
_DEFAULT: Final = Limits()
_JOBS_MAX = 2000  # of one child


def can_pack() -> bool:
    """Whether the library that packs JPEGs is installed; it is not imported."""
    return find_spec("imagecodecs") is not None


def installed() -> list[str]:
    """Which of the extras that thumbnails need are installed; none is imported."""
    return [extra for extra, library in EXTRAS.items() if find_spec(library) is not None]


class Going(Generic[_Seen]):
    """Files on which decoders are at work."""

    def __init__(self, answer: Future[list[_Seen]]) -> None:
        """Made by ``Decoders``."""
        self._answer = answer

    def result(self) -> list[_Seen]:
        """Wait; one answer for each file, in order."""
        return self._answer.result()


Looking = Going[Looked]
Viewing = Going[Viewed]
Previewing = Going[Previewed]


class Decoders:
    """Child processes that decode; a context manager.  Any thread may ask."""

    def __init__(self, *, count: int = 0, limits: Limits = _DEFAULT, passing: bool = CAN_PASS) -> None:
        """Nothing is started yet.

        Args:
            count: how many children at most; 0 for one a usable core.
            limits: what one file may cost.
            passing: whether open files travel to the children; if not, their bytes do.
        """
        self._passing = passing and CAN_PASS
        self._pool = Pool(
            lambda keeper: Decoder(limits, keeper, passing=self._passing), WORDS, count=count, jobs_max=_JOBS_MAX
        )

    def __enter__(self) -> Self:
        """Use the decoders."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    @property
    def protection(self) -> tuple[str, ...]:
        """The layers of the sandbox that are in force, as a child says; empty if none starts."""
        try:
            return self._pool.ask(lambda child: child.process().protection).result()
        except GoneError:
            return ()

    @property
    def pids(self) -> tuple[int, ...]:
        """The children that run now."""
        return self._pool.pids

    def look(self, files: Sequence[Asked]) -> Looking:
        """Begin to look at ``files``, which may be closed when this returns."""
        return self._begin(files, Looked, _look)

    def view(self, files: Sequence[Asked], edge: int) -> Viewing:
        """Begin to decode ``files``, which may be closed when this returns, to at most ``edge`` pixels each way.

        A picture of P pixels takes 3 * P bytes here from when it is decoded, so ask for few at once.  Videos are left out.
        """
        return self._begin(files, Viewed, lambda child, copies: _view(child, copies, edge))

    def preview(self, files: Sequence[Asked], edge: int, box: Box | None = None) -> Previewing:
        """Begin to make pictures of ``files``, which may be closed when this returns: WebP of at most ``edge`` pixels each way.

        Of a RAW file it is what its camera shows of it, of a video the frame that its thumbnail has, too.

        Args:
            files: opened.
            edge: pixels, at most a few thousand.
            box: what is to be cut out: left, top, width and height as fractions of the whole upright picture.
        """
        return self._begin(files, Previewed, lambda child, copies: _preview(child, copies, edge, box))

    def pack(self, jpeg: bytes | memoryview) -> bytes | None:
        """A JPEG as a JPEG XL file from which exactly it can be made again, which was tried; None if there is none.

        There is none when it would not be smaller, is no JPEG that the library takes, is too large, or the library is
        not installed.
        """
        try:
            return self._pool.ask(lambda child: _pack(child, jpeg)).result()
        except GoneError:
            return None

    def unpack(self, jxl: bytes | memoryview, size: int) -> bytes:
        """The JPEG of ``size`` bytes that was packed.

        Raises:
            DamageError: there is none in it.
            UndecodableError: the library for it is not installed, or no child starts.
            CancelledError: they were closed.
        """
        try:
            return self._pool.ask(lambda child: _unpack(child, jxl, size)).result()
        except StartError as problem:
            raise UndecodableError("the process that unpacks JPEGs does not start") from problem
        except GoneError as problem:
            if problem.why == WORDS.closed:
                raise CancelledError("Stopped") from problem
            raise DamageError(f"A packed JPEG does not decode: {problem.why}") from problem

    def close(self) -> None:
        """End all children; what is under way is answered without them."""
        self._pool.close()

    def _begin(
        self,
        files: Sequence[Asked],
        seen: Callable[..., _Seen],
        work: Callable[[Child[Decoder], list[Asked]], list[_Seen]],
    ) -> Going[_Seen]:
        copies: list[Asked] = []

        def run(child: Child[Decoder]) -> list[_Seen]:
            try:
                return work(child, copies)
            finally:
                _close(copies)

        try:
            copies += map(_copied, files)
            answer = self._pool.ask(run)
        except (OSError, GoneError) as problem:
            _close(copies)
            why = problem.why if isinstance(problem, GoneError) else "too many files are open"
            return Going(_ready([seen(why=why)] * len(files)))
        if not self._passing:
            answer.exception()  # reading would move the place from which the caller reads: see ``Decoder._send_range``
        return Going(answer)


# What a child is asked ----------------------------------------------------------------------------------------------


def _look(child: Child[Decoder], files: Sequence[Asked]) -> list[Looked]:
    """One answer for each file, in order."""
    return _each(child, files, Decoder.look, lambda file, why: _undecoded(child, file, why))


def _view(child: Child[Decoder], files: Sequence[Asked], edge: int) -> list[Viewed]:
    """As ``_look``."""
    return _each(child, files, lambda process, some: process.view(some, edge), lambda _, why: Viewed(why=why))


def _preview(child: Child[Decoder], files: Sequence[Asked], edge: int, box: Box | None) -> list[Previewed]:
    """As ``_look``."""
    return _each(
        child, files, lambda process, some: process.preview(some, edge, box), lambda _, why: Previewed(why=why)
    )


def _each(
    child: Child[Decoder],
    files: Sequence[Asked],
    ask: Callable[[Decoder, Sequence[Asked]], Iterator[_Seen]],
    without: Callable[[Asked, str], _Seen],
) -> list[_Seen]:
    found: list[_Seen] = []
    many = len(files)
    while len(found) < len(files):
        some = files[len(found) : len(found) + many]
        try:
            for answer in ask(child.process(), some):
                found.append(answer)  # noqa: PERF402 - those before a failure count
        except GoneError as gone:
            child.end()
            found.append(without(files[len(found)], gone.why))
            many = 1
    return found


def _undecoded(child: Child[Decoder], file: Asked, why: str) -> Looked:
    """The answer for a file on which a child ended: the facts at least, if it was not they."""
    if file.thumbnail:
        try:
            (answer,) = child.process().look([file._replace(thumbnail=False)])
            return answer._replace(why=why)
        except GoneError:
            child.end()
    return Looked(why=why)


def _pack(child: Child[Decoder], jpeg: bytes | memoryview) -> bytes | None:
    """What a process makes of ``jpeg``.

    Raises:
        GoneError: it ended on it.
    """
    try:
        answer = child.process().pack(jpeg)
    except GoneError:
        child.end()
        raise
    smaller = answer.head.get("packed") is True and 0 < len(answer.body) < len(jpeg)
    return bytes(answer.body) if smaller else None


def _unpack(child: Child[Decoder], jxl: bytes | memoryview, size: int) -> bytes:
    """What a process makes of ``jxl``; asked twice, as the first may have been ill before.

    Raises:
        GoneError: both ended on it.
        DamageError, UndecodableError: as ``Decoders.unpack``.
    """
    try:
        answer = child.process().unpack(jxl, size)
    except GoneError:
        child.end()
        answer = child.process().unpack(jxl, size)
    if answer.head.get("missing") is True:
        raise UndecodableError(
            "it is stored as JPEG XL, and the library that unpacks it is not installed",
            "pip install 'photovault[jxl]'",
        )
    if answer.head.get("unpacked") is not True or len(answer.body) != size:
        raise DamageError("A packed JPEG does not decode to what it was")
    return bytes(answer.body)


def _ready(answers: list[_Seen]) -> Future[list[_Seen]]:
    answer: Future[list[_Seen]] = Future()
    answer.set_result(answers)
    return answer


def _copied(file: Asked) -> Asked:
    """With a descriptor of its own, which no other process gets by accident."""
    return file._replace(fd=os.dup(file.fd))


def _close(files: Sequence[Asked]) -> None:
    for file in files:
        with suppress(OSError):
            os.close(file.fd)
