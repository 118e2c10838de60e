"""Being told of changes: watchdog's events, made few and plain, on a queue that cannot grow.

One ``Watcher`` looks after all sources.  Each source that is there and whose file system tells of changes is watched
with everything below it; ``look`` notices sources that came or went (a card, a disk, a share) and watches what came.  An
event says no more than "this path changed", "is closed", "is gone", or "something changed": nothing is opened or looked
at in the thread that gets it.  Events about what does not belong to the backup, or of the vault itself, are dropped.

Guarantee: when events are lost (the queue is full, the kernel's overflowed, a watch could not be added), "something
changed" is on its way, and only a full look is then to be trusted.  Not guaranteed: events of network file systems, which
do not tell what other computers do, and of sources for which the system has no watches left; ``blind`` names those, and
somebody must look at them from time to time.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

from watchdog import events as fs
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from watchdog.observers.api import BaseObserver, ObservedWatch

QUEUE = 20_000
_JOIN_SECONDS = 5.0
_NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.davfs",
        "fuse.glusterfs",
        "fuse.mergerfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "vmhgfs",
        "fuse.vmhgfs-fuse",
        "virtiofs",
    ]
)
_EVENTS: list[type[fs.FileSystemEvent]] = [
    fs.FileCreatedEvent,
    fs.FileModifiedEvent,
    fs.FileMovedEvent,
    fs.FileDeletedEvent,
    fs.FileClosedEvent,
    fs.FileAttribEvent,
    fs.DirAttribEvent,
    fs.DirCreatedEvent,
    fs.DirMovedEvent,
    fs.DirDeletedEvent,
]


class Kind(StrEnum):
    """What an event says."""

    WRITING = "writing"
    CHANGED = "changed"
    GONE = "gone"
    RULES = "rules"
    SOMETHING = "something"


class Event(NamedTuple):
    """One change; the path is absolute, and empty for something; for rules it is that of the source, empty for all."""

    kind: Kind
    path: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A source.

    Attributes:
        path: absolute.
        belongs: whether a file in it (absolute path) belongs to the backup.
        avoid: folders to know nothing of.
        rules: the name, at the top of the source, of a file of rules on which ``belongs`` depends; empty for none.
        renew: read that file again, for ``belongs`` from now on.
    """

    path: bytes
    belongs: Callable[[bytes], bool]
    avoid: tuple[bytes, ...] = ()
    rules: bytes = b""
    renew: Callable[[], None] = lambda: None


class Watcher:
    """Watches sources and puts what changes on ``events``."""

    def __init__(self, sources: Sequence[Watched], mounts: Callable[[], str]) -> None:
        """``mounts`` gives the text of /proc/self/mountinfo, empty where there is no such thing."""
        self.events: queue.Queue[Event] = queue.Queue(QUEUE)
        self._sources = sources
        self._mounts = mounts
        self._observer: BaseObserver = Observer()
        self._there: dict[bytes, tuple[tuple[int, int], ObservedWatch | None]] = {}
        self._why: dict[bytes, str] = {}
        self._short: set[bytes] = set()  # sources of which not every folder may be watched, for a limit of the system
        self._lost = _Lost(self._something)

    def __enter__(self) -> Self:
        """Begin."""
        return self.begin()

    def begin(self) -> Self:
        """Watch from now on the sources that are there."""
        _keep_names_to_itself()
        logging.getLogger("watchdog").addHandler(self._lost)
        self._observer.start()
        self.look()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.close()

    def close(self) -> None:
        """Stop; once more is no harm."""
        logging.getLogger("watchdog").removeHandler(self._lost)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(_JOIN_SECONDS)

    @property
    def blind(self) -> Mapping[bytes, str]:
        """Sources that are there and tell of no changes, with the reason and what would mend it."""
        return dict(self._why)

    @property
    def away(self) -> list[bytes]:
        """Sources that are not there."""
        return [one.path for one in self._sources if one.path not in self._there]

    def look(self) -> bool:
        """See which sources are there; to be called every few seconds.

        True when one came, is another than before, or is watched anew: a full look is due, of what was there before.
        """
        if not self._is_alive():
            self._begin_anew()
        live = {emitter.watch for emitter in self._observer.emitters if emitter.is_alive()}
        came = False
        for source in self._sources:
            identity = _identity(source.path)
            known = self._there.get(source.path)
            if known is not None and known[0] == identity and (known[1] is None or known[1] in live):
                continue
            self._forget(source.path)
            if identity is not None:
                source.renew()
                self._there[source.path] = (identity, self._watch(source))
                came = True
        return self._see_limits() or came

    def _is_alive(self) -> bool:
        """Whether no thread of watchdog died of an error: the one that hands events out, the one that reads inotify."""
        reader = getattr(self._observer, "_inotify_fd", None)
        return self._observer.is_alive() and (reader is None or reader.is_alive())

    def _begin_anew(self) -> None:
        self._observer.stop()
        self._observer = Observer()
        self._observer.start()
        self._there.clear()

    def _see_limits(self) -> bool:
        """Find out whether folders could not be watched; True when now they can, and all are.

        Watchdog says nothing of a folder below a source that gets no watch.  So one more is asked for: when there is none
        to be had, there may be such folders, and whoever asks for ``blind`` is told.
        """
        error = self._refused()
        if error is not None:
            watched = [path for path, (_, watch) in self._there.items() if watch is not None]
            self._why |= dict.fromkeys(watched, _limits(error))
            self._short.update(watched)
            return False
        lacking = [one for one in self._sources if one.path in self._short and one.path in self._there]
        for source in lacking:
            identity = self._there[source.path][0]
            self._forget(source.path)
            self._there[source.path] = (identity, self._watch(source))
        return bool(lacking) and self._refused() is None

    def _refused(self) -> OSError | None:
        try:
            one_more = self._observer.schedule(FileSystemEventHandler(), os.sep, event_filter=[fs.DirDeletedEvent])
        except OSError as error:
            return error
        with suppress(KeyError, OSError):
            self._observer.unschedule(one_more)
        return None

    def taken(self) -> Iterator[Event]:
        """What came since the last call; changed rules hold from here on, and everything is to be looked at by them."""
        with suppress(queue.Empty):
            for _ in range(QUEUE):
                event = self.events.get_nowait()
                yield self._renewed(event) if event.kind is Kind.RULES else event

    def _renewed(self, event: Event) -> Event:
        for source in self._sources:
            if event.path in {b"", source.path}:
                source.renew()
        return Event(Kind.SOMETHING)

    def _watch(self, source: Watched) -> ObservedWatch | None:
        self._why.pop(source.path, None)
        kind = file_system(source.path, self._mounts())
        if kind in _NETWORK:
            self._why[source.path] = f"it is on a network file system ({kind}), which does not tell of changes"
            return None
        real = os.path.realpath(source.path)  # watchdog follows no link, and backups name files by their real path
        try:
            return self._observer.schedule(
                _Handler(source, real, self._put), os.fsdecode(real), recursive=True, event_filter=_EVENTS
            )
        except OSError as error:
            self._why[source.path] = _limits(error)
            self._short.add(source.path)
            return None

    def _forget(self, path: bytes) -> None:
        known = self._there.pop(path, None)
        self._why.pop(path, None)
        self._short.discard(path)
        if known is not None and known[1] is not None:
            with suppress(KeyError, OSError):
                self._observer.unschedule(known[1])

    def _put(self, event: Event) -> None:
        try:
            self.events.put_nowait(event)
        except queue.Full:
            self._something()

    def _something(self) -> None:
        """There is always room for this one: it stands for all that was lost, changes of rules among it."""
        while True:
            try:
                self.events.put_nowait(Event(Kind.RULES))
            except queue.Full:
                with suppress(queue.Empty):
                    self.events.get_nowait()
            else:
                return


class _Handler(FileSystemEventHandler):
    """Turns watchdog's events of one source into ours."""

    def __init__(self, source: Watched, real: bytes, put: Callable[[Event], None]) -> None:
        self._source = source
        self._real = real
        self._put = put

    def dispatch(self, event: fs.FileSystemEvent) -> None:
        source, target = os.fsencode(event.src_path), os.fsencode(event.dest_path or "")
        if event.is_directory:
            if not (self._is_ours(source) and (not target or self._is_ours(target))):
                self._put(Event(Kind.SOMETHING))
            return
        if isinstance(event, fs.FileMovedEvent):
            self._say(Kind.GONE, source)
            self._say(Kind.CHANGED, target)
        elif isinstance(event, fs.FileDeletedEvent):
            self._say(Kind.GONE, source)
        elif isinstance(event, fs.FileAttribEvent):
            self._say(Kind.SOMETHING, source)  # of whether it is being written this says nothing
        else:
            self._say(Kind.WRITING if isinstance(event, fs.FileModifiedEvent) else Kind.CHANGED, source)

    def _say(self, kind: Kind, path: bytes) -> None:
        if self._source.rules and path == self._real + b"/" + self._source.rules:
            self._put(Event(Kind.RULES, self._source.path))
        if path and not self._is_ours(path) and self._source.belongs(self._source.path + path[len(self._real) :]):
            self._put(Event(kind, b"" if kind is Kind.SOMETHING else path))

    def _is_ours(self, path: bytes) -> bool:
        """Whether photovault itself keeps something there."""
        return any(path == one or path.startswith(one + b"/") for one in self._source.avoid)


def _keep_names_to_itself() -> None:
    """Watchdog 7.1 warns of a harmless race among new folders with a text that holds every path it watches.

    Nobody would find an event in such a log, the paths are not for the log, and making the text takes the time in which
    the kernel's queue overflows.
    """
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    if sys.platform == "linux":
        from watchdog.observers.inotify import InotifyWatchGroup  # noqa: PLC0415 - cannot be imported elsewhere

        InotifyWatchGroup.__repr__ = object.__repr__  # type: ignore[method-assign]


class _Lost(logging.Handler):
    """Watchdog says only in its log that events were lost, or that a folder could not be watched."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = lost

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - whatever it is, a full look is right
        self._tell()


def _identity(path: bytes) -> tuple[int, int] | None:
    """Device and inode of a folder that can be read, else None."""
    try:
        st = os.stat(path)
        os.scandir(path).close()
    except OSError:
        return None
    return st.st_dev, st.st_ino


def file_system(path: bytes, mounts: str) -> str:
    """The type of the file system that ``path`` is on, from the text of /proc/self/mountinfo; empty when it is not said.

    Format: proc(5): fields 5 (mount point, with octal escapes) and, after a lone hyphen, the type.
    """
    real, best, kind = os.path.realpath(path), b"", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = _unescaped(fields[4])
        inside = real == point or real.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind


def _unescaped(text: str) -> bytes:
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return os.fsencode(text)


def _limits(error: OSError) -> str:
    """What hit a limit of the system, and the line that raises it."""
    if error.errno == errno.ENOSPC:
        return "the system has no watches left: sudo sysctl fs.inotify.max_user_watches=1048576"
    if error.errno == errno.EMFILE:
        return "the system has no watch instances left: sudo sysctl fs.inotify.max_user_instances=1024"
    return f"it cannot be watched: {error.strerror or error}"
