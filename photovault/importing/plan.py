"""Where each file goes: no file is overwritten, no content of a Takeout is stored twice, sets keep one name.

The wanted name is ``folder/name``.  If another file is there, or is planned to be there, the whole set is tried as
``name-1``, ``name-2`` ... until each of its files is free, or is there already with the same bytes.  With ``twins``, a
picture whose bytes are planned elsewhere already is not stored again (albums of a Takeout repeat the photos of its years);
its sidecars stay away, too.  A digest is asked for only where two sizes are equal.

Guarantee: the plan names each path once; the same input and library give the same plan, and the plan of a repeated run
holds only what is missing.  Not guaranteed: notes (sidecars) of a photo that is there already are not replaced by newer
ones; they are named, or counted where Google writes them anew each time.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from photovault.importing.values import UnreadableError
from photovault.model import Problem
from photovault.photos.rules import MEDIA, SIDECARS, VIDEOS
from photovault.photos.takeout import original_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.importing.values import Incoming, Path, Together

_TRIES = 10_000


class Library(Protocol):
    """What the plan asks of the folder that is imported into."""

    def name(self, raw: bytes) -> bytes:
        """A name that is safe there."""

    def size(self, path: Path) -> int | None:
        """Bytes of the file at ``path``; None if nothing is there, -1 if it is no file."""

    def names(self, folder: Path) -> Iterable[bytes]:
        """The names in a folder; none if it is not there."""

    def digest(self, path: Path) -> bytes:
        """SHA-256 of the file at ``path``, empty if it cannot be read."""


class Digests(Protocol):
    """SHA-256 of files to be imported."""

    def of(self, incoming: Incoming) -> bytes:
        """Read it and hash it.  Raises UnreadableError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One file, and where it goes or is."""

    incoming: Incoming
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import does.

    Attributes:
        copies: in the order in which they were planned.
        there: files that are in the library already, with the same bytes.
        older: notes of which the library has another version, which stays.
        twins: files with the same bytes as another one that is imported.
        albums: (name, paths), in the order in which they were met.
        problems: files that cannot be imported.
    """

    copies: tuple[Copy, ...]
    there: tuple[Copy, ...]
    older: tuple[Copy, ...]
    twins: tuple[Incoming, ...]
    albums: tuple[tuple[str, tuple[Path, ...]], ...]
    problems: tuple[Problem, ...]

    @property
    def size(self) -> int:
        """Bytes to copy."""
        return sum(one.incoming.member.size for one in self.copies)


def plan_import(sets: Iterable[Together], library: Library, digests: Digests, *, twins: bool) -> ImportPlan:
    """Decide for each file of ``sets``, in their order.

    Raises:
        StorageError: the library cannot be read.
    """
    sets = list(sets)
    planning = _Planning(library, digests, Counter(one.member.size for each in sets for one in each.files if one.main))
    for each in sets:
        planning.add(each, twins=twins)
    return planning.plan()


class _Planning:
    def __init__(self, library: Library, digests: Digests, sizes: Counter[int]) -> None:
        self._library = library
        self._digests = digests
        self._sizes = sizes
        self._planned: dict[object, Incoming] = {}
        self._names: dict[Path, set[object]] = {}
        self._contents: dict[bytes, Path] = {}
        self._copies: list[Copy] = []
        self._there: list[Copy] = []
        self._older: list[Copy] = []
        self._albums: dict[str, dict[Path, None]] = {}
        self._problems: list[Problem] = []
        self._twins: list[Incoming] = []

    def plan(self) -> ImportPlan:
        return ImportPlan(
            copies=tuple(self._copies),
            there=tuple(self._there),
            older=tuple(self._older),
            twins=tuple(self._twins),
            albums=tuple((name, tuple(paths)) for name, paths in self._albums.items()),
            problems=tuple(self._problems),
        )

    def add(self, one: Together, *, twins: bool) -> None:
        try:
            known = {file: self._twin(file) for file in one.files} if twins else {}
            files = [file for file in one.files if known.get(file) is None]
            for file, path in known.items():
                if path is not None:
                    self._twins.append(file)
                    self._in_albums(one, path)
            if any(file.main for file in files) or not any(known.values()):
                self._place(one, files)
        except UnreadableError as error:
            self._problems.append(error.problem)
            self._without_it(one, error, twins=twins)

    def _without_it(self, one: Together, error: UnreadableError, *, twins: bool) -> None:
        """A file that cannot be read costs only itself."""
        rest = tuple(file for file in one.files if file.member.where != error.problem.path)
        if rest and len(rest) < len(one.files):
            self.add(type(one)(folder=one.folder, files=rest, albums=one.albums), twins=twins)

    def _twin(self, file: Incoming) -> Path | None:
        if not file.main or not file.member.size or self._sizes[file.member.size] < 2:  # noqa: PLR2004 - itself, and another
            return None
        return self._contents.get(self._digests.of(file))

    def _place(self, one: Together, files: list[Incoming]) -> None:
        """Place files together; those of one set that have the same name, for some disk, one after the other."""
        first = {_folded((file.name,)): file for file in reversed(files)}
        now = [file for file in files if first[_folded((file.name,))] is file]
        self._place_together(one, now)
        if len(now) < len(files):
            self._place(one, [file for file in files if first[_folded((file.name,))] is not file])

    def _place_together(self, one: Together, files: list[Incoming]) -> None:
        paths = self._numbered(one.folder, files)
        for file, path in zip(files, paths, strict=True):
            self._put(file, path)
            if file.main:
                self._in_albums(one, path)

    def _numbered(self, folder: Path, files: list[Incoming]) -> list[Path]:
        """The first of the names that are free for all of the files."""
        deciding = [file for file in files if file.main] or files
        for number in range(_TRIES):
            paths = [(*folder, self._library.name(numbered(file.name, number))) for file in files]
            fits = {file: self._fits(file, path) for file, path in zip(files, paths, strict=True)}
            if all(fits[file] == "there" for file in deciding) or all(fits.values()):
                return paths
        raise UnreadableError(files[0].member.where, f"there are {_TRIES} files of this name already")

    def _fits(self, file: Incoming, path: Path) -> str:
        """Whether a file may go to a path: it is ``free``, the same is ``there``, or empty: no."""
        planned = self._planned.get(_folded(path))
        if planned is not None:
            same = planned.member.size == file.member.size and self._digests.of(planned) == self._digests.of(file)
            return "there" if same else ""
        size = self._library.size(path)
        if size is None:
            return "" if self._is_taken(path) else "free"
        same = size == file.member.size and self._library.digest(path) == self._digests.of(file)
        return "there" if same else ""

    def _is_taken(self, path: Path) -> bool:
        """Whether the library has another name that some disk takes for this one."""
        folder, name = path[:-1], path[-1:]
        if folder not in self._names:
            self._names[folder] = {_folded((one,)) for one in self._library.names(folder)}
        return _folded(name) in self._names[folder]

    def _put(self, file: Incoming, path: Path) -> None:
        fits = self._fits(file, path)
        if fits == "free":
            self._copies.append(Copy(incoming=file, path=path))
        elif fits and _folded(path) in self._planned:
            self._twins.append(file)
        elif fits or file.rewritten:
            (self._there if fits else self._older).append(Copy(incoming=file, path=path))
        else:
            self._problems.append(
                Problem(path=file.member.where, what="differs from the one in the library, which stays")
            )
            return
        self._planned.setdefault(_folded(path), file)
        if file.main and self._sizes[file.member.size] > 1:
            self._contents.setdefault(self._digests.of(file), path)

    def _in_albums(self, one: Together, path: Path) -> None:
        for name in one.albums:
            self._albums.setdefault(name, {})[path] = None


def _folded(path: Path) -> object:
    """Equal for paths that some disk takes for one."""
    text = b"/".join(path).decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", text).casefold()


def is_main(name: bytes) -> bool:
    """Whether a file is a picture or video of its own, by its extension."""
    extension = name.rpartition(b".")[2].lower()
    return extension in MEDIA and extension not in SIDECARS


def is_video(name: bytes) -> bool:
    """Whether a file is a video, by its extension."""
    return name.rpartition(b".")[2].lower() in VIDEOS


def numbered(name: bytes, number: int) -> bytes:
    """``IMG_1.jpg`` as ``IMG_1-2.jpg``; what belongs to it likewise, so that it still does.

    ``IMG_1-edited.jpg`` becomes ``IMG_1-2-edited.jpg``, ``IMG_1.jpg.json`` becomes ``IMG_1-2.jpg.json``.
    """
    if not number:
        return name
    stem, dot, extension = name.rpartition(b".")
    if not dot:
        return b"%s-%d" % (name, number)
    if not is_main(name) and is_main(stem):
        return numbered(stem, number) + dot + extension
    before = _before_edited(stem)
    return b"%s-%d%s.%s" % (stem[:before], number, stem[before:], extension)


def _before_edited(stem: bytes) -> int:
    """Where ``-edited`` begins, in whatever language; the length of ``stem`` if it does not end so."""
    text = stem.decode("utf-8", "surrogateescape")
    original = original_of(text)
    if original is None or not text.startswith(original):
        return len(stem)
    return len(original.encode("utf-8", "surrogateescape"))
