"""Files and links in a root: begun under temporary names, named in batches, swept away after a crash."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from photovault.errors import RefusedError
from photovault.names import TEMPORARY
from photovault.target.pending import Pending, commit_all
from photovault.target.root import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from photovault.errors import StorageError
    from photovault.target.folder import Folder
    from photovault.target.pending import Each, Live
    from photovault.target.root import Parts


class Target(Root):
    """The folder ``root``, made if missing.  Used from many threads.  ``with Target(root) as target:``.

    What is not committed when the ``with`` ends is abandoned.
    """

    def __init__(
        self,
        root: Path,
        *,
        platform: str = sys.platform,
        token: Callable[[], str] = lambda: secrets.token_hex(8),
        look_only: bool = False,
    ) -> None:
        """Name the folder; nothing happens yet.

        ``token`` gives 16 hex digits, new ones each time.  ``look_only``: nothing will be written, so the folder is not
        made and what its file system does with names is not tried; only ``plan`` and ``lstat`` may be used.
        """
        super().__init__(root, platform, token, look_only=look_only)
        self._live: Live = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon what was not committed, make folders and links durable, close the root."""
        try:
            for pending in list(self._live.values()):
                if pending is not None:
                    pending.abandon()
        finally:
            super().__exit__(kind, error, trace)

    def begin(self, parts: Parts, size: int) -> Pending:
        """Start a file of ``size`` bytes in its folder, which is made if missing."""
        self.check(parts, is_file=True)
        temporary = self._new_temporary()
        try:
            pending = Pending(self, self._live, parts, size, temporary)
        except BaseException:
            del self._live[temporary]
            raise
        self._live[temporary] = pending
        return pending

    def commit_all(self, pendings: Sequence[Pending], each: Each = map) -> list[tuple[Pending, StorageError]]:
        """Give finished files their names: bytes durable first, then all names, then each touched folder durable.

        ``each`` is ``map`` or the ordered one of a thread pool; about 8 threads are best, see ``pending``.  Returns
        those that failed, which are abandoned, with the reason.  Raises StorageError if a folder cannot be made durable.
        """
        return commit_all(self, pendings, each)

    def link(self, parts: Parts, target: bytes, mtime_ns: int) -> None:
        """Make a symbolic link, in place of a file or link there; ``target`` is stored as it is and never followed."""
        self.check(parts, is_file=True)
        if not target or b"\0" in target:
            raise RefusedError(f"{self.shown(parts)}: the link points nowhere")
        temporary = self._new_temporary()
        try:
            with self.refusals(parts), self.opened(parts[:-1], create=True) as folder:
                _place_link(folder, temporary, parts[-1], target, mtime_ns)
        finally:
            del self._live[temporary]
        self.touch(parts[:-1])

    def sweep(self, parts: Parts) -> int:
        """Remove temporary files that an earlier run left in the folder; returns how many."""
        with self.refusals(parts):
            try:
                with self.opened(parts) as folder:
                    left = [name for name in folder.files() if TEMPORARY.fullmatch(name) and name not in self._live]
                    for name in left:
                        folder.remove(name)
                    return len(left)
            except FileNotFoundError:
                return 0

    def _new_temporary(self) -> bytes:
        name = f".photovault-{self._token()}.tmp".encode()
        self._live[name] = None  # before it is on disk, so that no sweep takes it for a left-over
        return name


def _place_link(folder: Folder, temporary: bytes, name: bytes, target: bytes, mtime_ns: int) -> None:
    try:
        folder.link(temporary, target, mtime_ns)
        folder.rename(temporary, name)
    except OSError:
        folder.remove(temporary)
        raise
