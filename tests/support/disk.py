"""A disk that loses power: what may be on it afterwards, whatever a program did to it until then.

``recording`` writes down what photovault does to files below one folder through ``os``: names that come and go, contents, and
what was synced.  ``Disk.images`` says, for a moment in that list, what the disk may hold after a power cut:

- a file has the bytes that were there when it was last synced, or those that it got later, or a part of these, or zeros
  (ext4 writes lengths before bytes), or nothing;
- a name that came or went since its folder was last synced is there or not, each by itself, whatever the order was; a rename
  is there or not as a whole, and a folder whose name is lost is lost with all that is in it.

That is more than ext4, XFS or NTFS do, which keep the order of names: what survives this survives them.  SQLite's own
files are not looked at through ``os``; after a power cut they are as they were at the beginning, as they are now, garbage, or gone.
Not modelled: a disk that says that it synced and did not, or that loses what it had.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.support.faults import Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

_WRITES = os.O_WRONLY | os.O_RDWR
_real = {name: getattr(os, name) for name in ("open", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "write")}
Image = dict[str, bytes | None]
"""Paths below the folder, and the bytes of files; None for a folder."""


class Node:
    """A file or a folder, whatever it is called."""

    def __init__(self, *, folder: bool) -> None:
        self.folder = folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened: names that changed, in order, new contents of a file, a sync, or a word of the test.

    Attributes:
        names: folder, name in it, and what it stands for from now on.
        holds: what a file holds now.
        synced: what is on the medium from now on.
        word: what the test wants to know of a moment.
        others: SQLite's files, those that changed; None for one that is gone.
    """

    names: tuple[tuple[Node, str, Node | None], ...] = ()
    holds: tuple[Node, bytes] | None = None
    synced: Node | None = None
    word: str = ""
    others: dict[str, bytes | None] = field(default_factory=dict)


class Lies(StrEnum):
    """What a disk makes of what was not synced."""

    LOST = "all of it is lost"
    KEPT = "all of it is there"
    HOLLOW = "all names are there, and zeros in the files"
    EMPTY = "all names are there, and nothing in the files"
    MIXED = "each by chance"


class Databases(StrEnum):
    """What is left of SQLite's files."""

    BEFORE = "as at the beginning"
    NOW = "as now"
    GONE = "gone"
    GARBAGE = "garbage"


class Disk:
    """What happened below one folder, in order."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)
        self.steps: list[Step] = []
        self._top = Node(folder=True)
        self._at: dict[str, Node] = {"": self._top}
        self._open: dict[int, Node] = {}
        self._dirty: dict[Node, str] = {}
        self._last: dict[Node, bytes] = {}
        self._others: dict[str, tuple[int, int]] = {}
        self.lock = threading.RLock()
        self._first: list[Step] = []
        self._left: int | None = None
        self._begin()

    # What there was before

    def _begin(self) -> None:
        for folder, folders, files in os.walk(self.root):
            inside = os.path.relpath(folder, self.root).removeprefix(".")
            for name in sorted(folders + files):
                path = os.path.join(inside, name)
                if is_other(path):
                    continue
                node = self._at[path] = Node(folder=name in folders)
                self._first.append(Step(names=((self._at[inside], name, node),)))
                if not node.folder:
                    self._last[node] = _bytes_of(os.path.join(self.root, path))
                    self._first.append(Step(holds=(node, self._last[node])))
                    self._first.append(Step(synced=node))
        self._first += [Step(synced=node) for node in self._at.values() if node.folder]
        self._first.append(Step(others=self._changed()))

    # What happens

    def knows(self, path: str) -> bool:
        """Whether there is anything of this name."""
        return path in self._at

    def kill_after(self, operations: int) -> None:
        """The process is killed after so many more operations."""
        self._left = operations

    def revive(self) -> None:
        """Another process goes on."""
        self._left = None

    def breathe(self) -> None:
        """Killed, or look what was written meanwhile."""
        if self._left == 0:
            raise Killed
        if self._left is not None:
            self._left -= 1
        self.look()

    def inside(self, path: object) -> str | None:
        """A path below the folder, relative to it."""
        text = os.fsdecode(os.fspath(path))  # type: ignore[call-overload]
        if text == self.root:
            return ""
        return text[len(self.root) + 1 :] if text.startswith(self.root + os.sep) else None

    def say(self, word: str) -> None:
        """Mark this moment."""
        with self.lock:
            self.look()
            self.steps.append(Step(word=word))

    def look(self) -> None:
        """Take down what was written since the last look: writing itself is not watched."""
        for node, path in list(self._dirty.items()):
            with suppress(FileNotFoundError):
                found = _bytes_of(os.path.join(self.root, path))
                if found != self._last.get(node, b""):
                    self._last[node] = found
                    self.steps.append(Step(holds=(node, found)))
        if changed := self._changed():
            self.steps.append(Step(others=changed))

    def _changed(self) -> dict[str, bytes | None]:
        there = {}
        for folder, _, files in os.walk(self.root):
            for name in files:
                path = os.path.join(folder, name)
                if is_other(path) and not path.endswith("-shm"):
                    with suppress(FileNotFoundError):
                        st = os.stat(path)
                        there[path[len(self.root) + 1 :]] = st.st_mtime_ns, st.st_size
        changed: dict[str, bytes | None] = dict.fromkeys(self._others.keys() - there.keys())
        for path, stamp in there.items():
            if self._others.get(path) != stamp:
                with suppress(FileNotFoundError):
                    changed[path] = _bytes_of(os.path.join(self.root, path))
        self._others = there
        return changed

    def opened(self, path: str, fd: int, flags: int, *, new: bool) -> None:
        """A file or folder was opened."""
        if new:
            self._at[path] = Node(folder=False)
            self._name(path, self._at[path])
        node = self._at.get(path)
        if node is None:
            return
        self._open[fd] = node
        if flags & _WRITES:
            self._dirty[node] = path

    def linked(self, old: str, new: str) -> None:
        """A file got another name."""
        self._at[new] = self._at[old]
        self._name(new, self._at[old])

    def renamed(self, old: str, new: str) -> None:
        """A file has another name."""
        node = self._at[new] = self._at.pop(old)
        self.steps.append(Step(names=((*self._place(new), node), (*self._place(old), None))))
        if node in self._dirty:
            self._dirty[node] = new

    def unlinked(self, path: str) -> None:
        """A name went."""
        self._at.pop(path, None)
        self._name(path, None)

    def made(self, path: str) -> None:
        """A folder came."""
        self._at[path] = Node(folder=True)
        self._name(path, self._at[path])

    def synced(self, fd: int) -> None:
        """What is open as ``fd`` is on the medium."""
        if (node := self._open.get(fd)) is not None:
            self.steps.append(Step(synced=node))
            self._dirty.pop(node, None)

    def _name(self, path: str, node: Node | None) -> None:
        self.steps.append(Step(names=((*self._place(path), node),)))

    def _place(self, path: str) -> tuple[Node, str]:
        folder, name = os.path.split(path)
        return self._at[folder], name

    # What may be left of it

    def words(self, upto: int) -> list[str]:
        """What the test said before a moment."""
        return [step.word for step in self.steps[:upto] if step.word]

    def after(self, upto: int, lies: Lies, databases: Databases, random: Random) -> Image:
        """What may be left when the power went after so many steps."""
        medium = _Medium(self._top)
        for step in (*self._first, *self.steps[:upto]):
            medium.take(step)
        image = medium.image(lies, random)
        before = {path: data for step in self._first for path, data in step.others.items() if data is not None}
        now = dict(before)
        for step in self.steps[:upto]:
            now.update(step.others)  # type: ignore[arg-type]
        for path, data in {Databases.BEFORE: before, Databases.NOW: now, Databases.GARBAGE: now}.get(
            databases, {}
        ).items():
            if data is not None and os.path.dirname(path) in image:
                image[path] = random.randbytes(len(data)) if databases is Databases.GARBAGE else data
        return image


class _Medium:
    """Names and bytes that are on the medium for sure, and those that may be."""

    def __init__(self, top: Node) -> None:
        self._top = top
        self._names: dict[Node, dict[str, Node]] = {top: {}}
        self._loose: list[list[tuple[Node, str, Node | None]]] = []
        self._sure: dict[Node, bytes] = {}
        self._since: dict[Node, list[bytes]] = {}

    def take(self, step: Step) -> None:
        if step.names:
            self._loose.append(list(step.names))
        if step.holds is not None:
            self._since.setdefault(step.holds[0], []).append(step.holds[1])
        if step.synced is not None and step.synced.folder:
            self._sync_names(step.synced)
        elif step.synced is not None and self._since.get(step.synced):
            self._sure[step.synced] = self._since.pop(step.synced)[-1]

    def _sync_names(self, folder: Node) -> None:
        for change in self._loose:
            for one in [one for one in change if one[0] is folder]:
                _set(self._names, *one)
                change.remove(one)
        self._loose = [change for change in self._loose if change]

    def image(self, lies: Lies, random: Random) -> Image:
        names = {folder: dict(there) for folder, there in self._names.items()}
        for change in self._loose:
            if lies is not Lies.LOST and (lies is not Lies.MIXED or random.random() < 0.5):
                for one in change:
                    _set(names, *one)
        image: Image = {"": None}
        chosen: dict[Node, bytes] = {}  # two names of one file hold the same
        todo = [("", self._top)]
        while todo:
            path, folder = todo.pop()
            for name, node in sorted(names.get(folder, {}).items()):
                inside = os.path.join(path, name)
                if node.folder:
                    image[inside] = None
                    todo.append((inside, node))
                else:
                    if node not in chosen:
                        chosen[node] = self._bytes(node, lies, random)
                    image[inside] = chosen[node]
        return image

    def _bytes(self, node: Node, lies: Lies, random: Random) -> bytes:
        sure, since = self._sure.get(node, b""), self._since.get(node, [])
        if not since or lies is Lies.LOST:
            return sure
        now = since[-1]
        same = len(sure) if now.startswith(sure) else 0  # what was there already is not lost by what is added
        torn = now[: random.randint(same, len(now))]
        hollow = now[:same] + bytes(len(now) - same)
        choices = {Lies.KEPT: now, Lies.HOLLOW: hollow, Lies.EMPTY: now[:same]}
        return choices.get(lies) or (random.choice([sure, now, torn, hollow]) if lies is Lies.MIXED else now[:same])


def _set(names: dict[Node, dict[str, Node]], folder: Node, name: str, node: Node | None) -> None:
    there = names.setdefault(folder, {})
    if node is None:
        there.pop(name, None)
    else:
        there[name] = node


def is_other(path: str) -> bool:
    """Whether SQLite keeps a file."""
    return ".sqlite" in os.path.basename(path)


def _bytes_of(path: str) -> bytes:
    fd = _real["open"](path, os.O_RDONLY)
    with open(fd, "rb") as file:
        return file.read()


def digest(image: Image) -> bytes:
    """The same for images that are the same."""
    made = sha256()
    for path, data in sorted(image.items()):
        made.update(f"{path}\0{-1 if data is None else len(data)}\0".encode() + (data or b""))
    return made.digest()


def put_back(image: Image, root: Path) -> None:
    """Make a folder what an image says, at the place where it was."""
    import shutil

    shutil.rmtree(root, ignore_errors=True)
    for path, data in sorted(image.items()):
        if data is None:
            (root / path).mkdir(mode=0o700)
        else:
            (root / path).write_bytes(data)


def taken(root: Path) -> Image:
    """An image of a folder as it is, SQLite's files too."""
    image: Image = {"": None}
    for folder, folders, files in os.walk(root):
        inside = os.path.relpath(folder, root).removeprefix(".")
        image |= {os.path.join(inside, name): None for name in folders}
        image |= {os.path.join(inside, name): _bytes_of(os.path.join(folder, name)) for name in files}
    return image


# Watching, and failing


class Fault(StrEnum):
    """What happens to one operation."""

    ERROR = "an error, and nothing was done"
    LATE = "an error, though it was done"
    SHORT = "half of it was written, then the disk was full"
    FULL = "the disk is full from then on"
    KILL = "the process is killed before it"


@dataclass(slots=True, kw_only=True)
class Strike:
    """Operation number ``at`` (from 1) fails; ``count``: how many there were."""

    fault: Fault = Fault.ERROR
    at: int = 0
    count: int = 0
    struck: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, kind: str, operation: Callable[[], object], half: Callable[[], object]) -> object:
        """Do an operation, or not; ``half``: what a short write does."""
        with self.lock:
            self.count += 1
            hit = self.count == self.at
            self.struck |= hit
        if self.struck and self.fault is Fault.KILL:
            raise Killed
        if self.struck and not hit and self.fault is Fault.FULL and kind in {"write", "open", "mkdir", "link"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not hit:
            return operation()
        if self.fault is Fault.LATE:
            operation()
        if self.fault is Fault.SHORT and kind == "write":
            half()
        number = errno.EIO if self.fault in {Fault.ERROR, Fault.LATE} else errno.ENOSPC
        raise OSError(number, os.strerror(number))


@contextmanager
def failing(root: Path, strike: Strike) -> Iterator[Strike]:
    """Everything that changes files below a folder passes ``strike``."""
    disk = Disk.__new__(Disk)
    disk.root = os.fspath(root)
    files: set[int] = set()

    def open_(path: object, flags: int, *rest: object, **more: object) -> object:
        if disk.inside(path) is None or not flags & _WRITES or is_other(os.fsdecode(os.fspath(path))):  # type: ignore[call-overload]
            return _real["open"](path, flags, *rest, **more)
        fd = strike.around("open", lambda: _real["open"](path, flags, *rest, **more), lambda: None)
        files.add(fd)  # type: ignore[arg-type]
        return fd

    def write(fd: int, data: bytes) -> object:
        if fd not in files:
            return _real["write"](fd, data)
        half = memoryview(data)[: len(data) // 2]
        return strike.around("write", lambda: _real["write"](fd, data), lambda: _real["write"](fd, half))

    def fsync(_fd: int) -> None:
        strike.around("fsync", lambda: None, lambda: None)

    def named(kind: str) -> Callable[..., object]:
        def call(path: object, *rest: object, **more: object) -> object:
            if disk.inside(path) is None or is_other(os.fsdecode(os.fspath(path))):  # type: ignore[call-overload]
                return _real[kind](path, *rest, **more)
            return strike.around(kind, lambda: _real[kind](path, *rest, **more), lambda: None)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_)
        patch.setattr(os, "write", write)
        patch.setattr(os, "fsync", fsync)
        for kind in ("link", "rename", "replace", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, kind, named(kind))
        yield strike


@contextmanager
def recording(root: Path) -> Iterator[Disk]:
    """Write down what happens below a folder."""
    disk = Disk(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", _watched_open(disk))
        patch.setattr(os, "fsync", _watched_fsync(disk))
        for kind, then in (("unlink", disk.unlinked), ("rmdir", disk.unlinked), ("mkdir", disk.made)):
            patch.setattr(os, kind, _watched(disk, kind, then, 1))
        for kind, then in (("rename", disk.renamed), ("replace", disk.renamed), ("link", disk.linked)):
            patch.setattr(os, kind, _watched(disk, kind, then, 2))
        yield disk
        disk.look()


def _watched_open(disk: Disk) -> Callable[..., object]:
    def call(path: object, flags: int, *rest: object, **more: object) -> object:
        inside = disk.inside(path)
        if inside is None or is_other(inside):
            return _real["open"](path, flags, *rest, **more)
        with disk.lock:
            if flags & _WRITES:
                disk.breathe()
            new = bool(flags & os.O_CREAT) and not disk.knows(inside)
            fd = _real["open"](path, flags, *rest, **more)
            disk.opened(inside, fd, flags, new=new)
            return fd

    return call


def _watched_fsync(disk: Disk) -> Callable[[int], None]:
    def call(fd: int) -> None:
        with disk.lock:
            disk.breathe()
            disk.synced(fd)

    return call


def _watched(disk: Disk, kind: str, then: Callable[..., None], paths: int) -> Callable[..., object]:
    """What takes so many paths first."""

    def call(*args: object, **more: object) -> object:
        inside = [disk.inside(path) for path in args[:paths]]
        if None in inside or any(map(is_other, inside)):  # type: ignore[arg-type]
            return _real[kind](*args, **more)
        with disk.lock:
            disk.breathe()
            done = _real[kind](*args, **more)
            then(*inside)
            return done

    return call
