"""The folder that is written into, and the way down from it, which no name and no link leads out of."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from photovault.errors import RefusedError
from photovault.names import PlannedName, plan_names, unsafe
from photovault.target.folder import Folder
from photovault.target.marks import stamp
from photovault.target.probe import folds_names, is_of_windows
from photovault.target.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    Parts = tuple[bytes, ...]

_DEEPEST = 512  # folders


class Root:
    """An open folder and those below it; what is made in them becomes durable with ``sync``, or when the ``with`` ends.

    Every method that takes ``parts``, the names from the root down, raises RefusedError for a name that is unsafe
    here, a link or file where a folder is needed, missing rights, no space; StorageError for a failing disk.

    ``folds_case`` says that this file system takes names for one that differ by case or normalisation, ``naming`` the
    platform whose rules for names hold here, as ``sys.platform``: win32 on a USB stick.  Both are seen at the root
    and taken to hold below it.
    """

    def __init__(self, root: Path, platform: str, token: Callable[[], str], *, look_only: bool) -> None:
        """As ``Target``."""
        self.root = root
        self.naming = platform
        self.folds_case = platform in ("win32", "darwin")
        self.by_fd = platform != "win32"
        self._token = token
        self._look_only = look_only
        self._absent = False
        self._here = Folder(b"", None)
        self._touched: set[Parts] = set()
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()

    def __enter__(self) -> Self:
        """Make and open the root, remembering what the file system does with names."""
        with self.refusals(()):
            self._absent = self._look_only and not os.path.lexists(self.root)
            if not self._absent:
                self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make folders and links durable, close the root."""
        try:
            if kind is None:
                self.sync()
        finally:
            self._here.close()

    def plan(self, raws: Sequence[bytes]) -> list[PlannedName]:
        """Give the names of one listing the names that they get in a folder here."""
        return plan_names(raws, platform=self.naming, folds_case=self.folds_case)

    def path(self, *parts: bytes) -> bytes:
        """Return the path of something here: for systems without ``openat``, and for messages."""
        return os.path.join(os.fsencode(self.root), *parts)

    def shown(self, parts: Parts) -> str:
        """Return the path as text with nothing in it that could steer a terminal."""
        text = self.path(*parts).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)

    def folder(self, parts: Parts) -> None:
        """Have the folder, and those above it, made if missing: 0700 until ``finish_folder``."""
        with self.refusals(parts), self.opened(parts, create=True):
            pass

    def lstat(self, parts: Parts) -> os.stat_result | None:
        """Look at what is there, not following a link; None if nothing is."""
        if self._absent:
            return None
        with self.refusals(parts), suppress(FileNotFoundError), self.opened(parts[:-1]) as folder:
            self.check(parts)
            return folder.lstat(parts[-1]) if parts else os.stat(folder.handle)
        return None

    def finish_folder(self, parts: Parts, *, mtime_ns: int, mode: int) -> tuple[str, ...]:
        """Set times and rights of a folder, once all below is done; returns what could not be kept, as ``finish``."""
        with self.refusals(parts), self.opened(parts) as folder:
            lost = stamp(folder.handle, mtime_ns, mode)
            folder.sync()
        with self._lock:
            self._touched.discard(parts)  # it may be closed to us from now on
        return lost

    def sync(self) -> None:
        """Make the names of new files, folders and links durable, as ``commit_all`` and the end of ``with`` do."""
        with self._sync_lock:  # whoever waits here gets out only when what he touched, and we took, is durable
            with self._lock:
                touched, self._touched = self._touched, set()
            try:
                for parts in sorted(touched):
                    self._sync_folder(parts)
                    touched.remove(parts)
            finally:  # what failed is tried again next time
                with self._lock:
                    self._touched |= touched

    def touch(self, parts: Parts) -> None:
        """Say that something in the folder has a new name, which the next ``sync`` makes durable."""
        with self._lock:
            self._touched.add(parts)

    @contextmanager
    def refusals(self, parts: Parts, size: int = 0) -> Iterator[None]:
        """Translate the system's errors about ``parts`` into ours; ``size`` is how many bytes were to go there."""
        try:
            yield
        except OSError as error:
            raise refusal(error, self.shown(parts), size) from error

    @contextmanager
    def opened(self, parts: Parts, *, create: bool = False) -> Iterator[Folder]:
        """Open the folder ``parts`` for the time of the block; raises OSError, and RefusedError for an unsafe name."""
        self.check(parts)
        here = self._here.again()
        try:
            for depth, name in enumerate(parts):
                try:
                    here = here.child(name)
                except FileNotFoundError:
                    if not create:
                        raise
                    self._make(here, name, parts[:depth])
                    here = here.child(name)
            yield here
        finally:
            here.close()

    def check(self, parts: Parts, *, is_file: bool = False) -> None:
        """Refuse names that plan_names would not give: the last line of defence against a caller's mistake."""
        reason = next((reason for part in parts if (reason := unsafe(part, self.naming))), None)
        if reason or len(parts) > _DEEPEST or (is_file and not parts):
            shown = self.shown(parts[:_DEEPEST])
            raise RefusedError(f"{shown}: cannot be written under this name: {reason or 'too deep'}")

    def _open(self) -> None:
        if not self._look_only and not self.root.is_dir():
            self.root.mkdir(mode=0o700, parents=True)
        path = os.fsencode(self.root)
        self._here = Folder(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY) if self.by_fd else None)
        if not self._look_only:
            self._probe()

    def _probe(self) -> None:
        start = f".photovault-{self._token()}"
        try:
            self.folds_case |= folds_names(self._here, start)
            if is_of_windows(self._here, start):
                self.naming = "win32"
        except BaseException:
            self._here.close()
            raise

    def _make(self, folder: Folder, name: bytes, parts: Parts) -> None:
        with suppress(FileExistsError):  # another thread was quicker, or it is a link, which child() refuses
            folder.make(name)
            self.touch(parts)

    def _sync_folder(self, parts: Parts) -> None:
        with self.refusals(parts), suppress(FileNotFoundError), self.opened(parts) as folder:
            folder.sync()
