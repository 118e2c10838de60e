"""Which photos are to be looked at: what there is, compared with what is known.

The folders of the consent are walked by the rules of a backup; no file is opened.  A photo whose stamp is known is left
alone, and the newest come first.  Where another engine is used now, faces that are known are to be measured anew.

Guarantee: what is gone, or was agreed to no more, is in the plan to be forgotten; what cannot be seen now (a disk that is away,
a folder that cannot be read) is not.  Memory: a number for each photo there is, a path and a stamp for each that is new.
Not guaranteed: that the newest photo is the one that was taken last; files go by the time of their last change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from photovault.model import EntryKind, Problem, Stamp
from photovault.photos.sets import Sort, sort_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from photovault.people.values import Seen
    from photovault.photos.scan import FoundFolder, Scanner


class Root(NamedTuple):
    """A folder that was agreed to: where it is in what a scanner scans; empty for all of it."""

    scanner: Scanner
    start: bytes = b""


class There(NamedTuple):
    """A photo that is there: its absolute path and its stamp."""

    path: bytes
    stamp: Stamp


class Hidden(NamedTuple):
    """A file or folder of which nobody can say what is there now; ``why`` if the user should be told."""

    path: bytes
    why: str = ""


class Old(NamedTuple):
    """A photo whose faces another engine measured."""

    photo: int
    path: bytes
    stamp: Stamp
    faces: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """What a scan would do.

    Attributes:
        new: photos to look at, new or changed, the newest first.
        old: photos whose faces are to be measured anew, the newest first.
        gone: paths that are there no more, or were agreed to no more.
        unchanged: how many photos are known.
        problems: what could not be looked into.
        again: photos are looked at whether or not they are known.
    """

    new: tuple[There, ...] = ()
    old: tuple[Old, ...] = ()
    gone: tuple[bytes, ...] = ()
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()
    again: bool = False

    @property
    def size(self) -> int:
        """Bytes of the photos that are to be looked at."""
        return sum(one.stamp.size for one in self.new) + sum(one.stamp.size for one in self.old)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.new or self.old or self.gone)


# What there is ------------------------------------------------------------------------------------------------------------


def walk(roots: Iterable[Root]) -> Iterator[There | Hidden]:
    """Every photo below ``roots`` and what cannot be seen there; no file is opened."""
    for root in roots:
        stack = [root.start]
        while stack:
            folder = root.scanner.folder(stack.pop())
            yield from _in_folder(root, folder)
            stack += [_join(folder.path, name) for name in reversed(folder.folders)]


def _in_folder(root: Root, folder: FoundFolder) -> Iterator[There | Hidden]:
    full = root.scanner.full(folder.path)
    if folder.unreadable:
        yield Hidden(full, folder.unreadable)
    elif folder.is_empty and folder.path == root.start:
        yield Hidden(full)  # where a disk should be mounted there is an empty folder
    for name in sorted(folder.hidden):
        yield Hidden(full + b"/" + name)
    for one in _pictures(folder):
        yield There(full + b"/" + one.name, one)


def _pictures(folder: FoundFolder) -> Iterator[Stamp]:
    """The pictures of a folder, one of each: a RAW beside its JPEG or HEIC shows what that shows."""
    stamps = [(one.stamp, sort_of(one.stamp.name)) for one in folder.files if one.kind is EntryKind.FILE]
    plain = {_stem(one.name) for one, sort in stamps if sort is Sort.PHOTO}
    for one, sort in stamps:
        if sort is Sort.PHOTO or (sort is Sort.RAW and _stem(one.name) not in plain):
            yield one


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0].lower()


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


# What is to be done -------------------------------------------------------------------------------------------------------


def plan_scan(
    found: Iterable[There | Hidden],
    known: Callable[[bytes], Stamp | None],
    paths: Iterable[bytes],
    old: Iterable[Old] = (),
    *,
    again: bool = False,
) -> ScanPlan:
    """What is to be done, of what there is.

    Args:
        found: as ``walk`` finds it.
        known: the stamp under which a path is known.
        paths: all paths that are known.
        old: photos whose faces another engine measured.
        again: look at every photo anew.
    """
    new: list[There] = []
    hidden: list[Hidden] = []
    there: set[int] = set()  # a number a path: there may be a million
    for one in found:
        if isinstance(one, Hidden):
            hidden.append(one)
            continue
        there.add(hash(one.path))
        if again or known(one.path) != one.stamp:
            new.append(one)
    fresh = {one.path for one in new}
    away = _Away(hidden)
    return ScanPlan(
        new=tuple(sorted(new, key=_newest_first)),
        old=tuple(sorted(_each_once(old, lambda path: hash(path) in there and path not in fresh), key=_newest_first)),
        gone=tuple(path for path in paths if hash(path) not in there and path not in away),
        unchanged=len(there) - len(new),
        problems=tuple(Problem(path=text_of(one.path), what=one.why) for one in hidden if one.why),
        again=again,
    )


def _each_once(old: Iterable[Old], wanted: Callable[[bytes], bool]) -> list[Old]:
    """Photos by the first of their paths that is wanted."""
    found: dict[int, Old] = {}
    for one in old:
        if one.photo not in found and wanted(one.path):
            found[one.photo] = one
    return list(found.values())


def _newest_first(one: There | Old) -> tuple[int, bytes]:
    return -one.stamp.mtime_ns, one.path


class _Away:
    """Paths at or below what is hidden."""

    def __init__(self, hidden: Iterable[Hidden]) -> None:
        self._paths = {one.path for one in hidden}

    def __contains__(self, path: bytes) -> bool:
        while path:
            if path in self._paths:
                return True
            path = path.rpartition(b"/")[0]
        return False


def text_of(path: bytes) -> str:
    """A path for people."""
    return path.decode("utf-8", "backslashreplace")
