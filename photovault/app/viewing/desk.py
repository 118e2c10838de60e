"""A thread that holds an opened vault, and questions that wait in line for it.

SQLite and ``Vault`` belong to one thread, and pages are answered by many.  So each room of the gallery has a desk: ``ask`` puts a
question in line and waits for the answer.  The vault is opened when the first one comes.  What the storage lists is looked at again
when somebody asks and the last look is fifteen seconds old; a storage that went away meanwhile, or takes longer than two seconds to
answer, leaves what was known of it.

Guarantee: after ``close`` the thread has ended and nothing refers to the keys any more; unless a storage does not answer, for
which nobody waits longer than ten seconds; who waits in line is turned away at once.  A local file that turns out to be rotten is made
anew and the question is asked once more, so a question must bear to be asked twice.  Not guaranteed: that a question is answered
soon: slow ones belong to another desk.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from copy import copy
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from photovault.app.finding import FILE
from photovault.database import DamagedError
from photovault.errors import PhotovaultError, StorageError, UnavailableError
from photovault.library import Library
from photovault.storage.folder import FolderStorage
from photovault.vault.format import ObjectKind
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.vault.vault import Snapshots, Vault

    Answer = TypeVar("Answer")

LISTED: Final = 15.0
"""Seconds after which the snapshots are listed again."""

_PATIENCE: Final = 20.0  # seconds to wait for another process that writes to the catalog
_GLANCE: Final = 2.0  # seconds to wait for a storage of which something is known already
_FAREWELL: Final = 10.0
_Question = tuple["Callable[[Opened], Any]", "Future[Any]"]


def own(app: App) -> App:
    """The same call for another thread: what one does there is told there, and no storage is shared that remembers anything."""
    made = copy(app)
    made.warnings, made.signs, made.tell = [], [], None
    if isinstance(made.__dict__.get("storage"), FolderStorage):
        del made.__dict__["storage"]  # a drill changes how it reads
    return made


class Opened:
    """An opened vault with all that answers about it.  For the thread of its desk, but ``reader.fetcher`` is for any.

    Attributes:
        news: how often the storage was found to list other snapshots or retention records than before.
    """

    def __init__(self, app: App, session: Session) -> None:
        """Wire what is asked."""
        self.app = app
        self.session = session
        self.reader = Reader(session.vault)
        self.news = 0
        self._library: Library | None = None
        self._listed: Snapshots | None = None
        self._looked = 0.0
        self._names: object = None
        self._glance: tuple[float, Future[object]] | None = None

    @property
    def library(self) -> Library:
        """The search catalog, open until the question is answered: another desk, or program, may remove a rotten one."""
        if self._library is None:
            self._library = Library(self.session.folder / FILE, patience=_PATIENCE)
        return self._library

    def rest(self) -> None:
        """Close what is open for one question only, and forget what one that failed began to write."""
        self.session.vault.places.rollback()
        if self._library is not None:
            self._library.close()
            self._library = None

    def snapshots(self, *, fresh: bool = False) -> Snapshots:
        """Every snapshot, oldest first, as of at most fifteen seconds ago, or of now."""
        now = self.app.world.clock()
        if fresh or self._listed is None:
            self._listed, self._looked = self._look(self._listed, lambda: _names(self.session.vault)), now
        elif not 0 <= now - self._looked < LISTED:
            self._listed, self._looked = self._look(self._listed, self._glanced), now
        return self._listed

    def _look(self, before: Snapshots | None, look: Callable[[], object]) -> Snapshots:
        """List them again if there are others; what is new is to be found in packs that are new."""
        try:
            names = look()
            if before is not None and names == self._names:
                return before
            if before is not None:
                self.app.bring_up_to_date(self.session)
                self.news += 1
            found, self._names = self.session.vault.snapshots(), names
        except StorageError:
            if before is None:
                raise
            self.session.vault.places.rollback()
            return before
        return found

    def _glanced(self) -> object:
        """What the storage lists, as a thread sees it that nobody has to wait for.

        Raises:
            StorageError: it failed, or has not answered yet.
        """
        now = self.app.world.clock()
        began, seen = self._glance or (now, None)
        if seen is None or (seen.done() and not 0 <= now - began < LISTED):
            seen = Future()
            self._glance = now, seen
            look = partial(_names, self.session.vault)
            threading.Thread(target=_settle, args=(seen, look), name="glance", daemon=True).start()
        try:
            return seen.result(_GLANCE)
        except TimeoutError:
            raise UnavailableError("the storage has not answered yet") from None
        finally:
            if seen.done():
                self._glance = None


def _names(vault: Vault) -> object:
    """What tells whether anything was backed up or forgotten meanwhile.  For any thread: it asks the storage alone."""
    return [vault.stored(kind).keys() for kind in (ObjectKind.SNAPSHOT, ObjectKind.RETENTION)]


class Desk:
    """Who answers questions about the vault, one after the other."""

    def __init__(self, app: App, name: str) -> None:
        """Open ``app``'s vault when the first question comes; ``name``: of the thread."""
        self._app: App | None = own(app)
        self._name = name
        self._line: SimpleQueue[_Question | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self, question: Callable[[Opened], Answer]) -> Answer:
        """What the question gives; it is asked in the desk's thread, and again when a local file was rotten.

        Raises:
            PhotovaultError: what opening a vault raises; the desk is closed; and whatever the question raises.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(f"a question to {self._name} asks it another one")
        future: Future[Answer] = Future()
        with self._lock:
            if self._app is None:
                raise locked()
            if self._thread is None:
                serve = _Serving(self._app, self._line).run
                self._thread = threading.Thread(target=serve, name=f"desk-{self._name}", daemon=True)
                self._thread.start()
            self._line.put((question, future))
        return future.result()

    @property
    def signs(self) -> tuple[tuple[str, str], ...]:
        """Of a storage that does not show everything, as of the last look: what, and what to do."""
        app = self._app
        return tuple((one.what, one.hint) for one in app.signs) if app is not None else ()

    def close(self) -> None:
        """Answer nobody any more, and forget the vault."""
        with self._lock:
            self._app, thread = None, self._thread
            self._turn_away()
            self._line.put(None)
        if thread is not None:
            thread.join(_FAREWELL)

    def _turn_away(self) -> None:
        """Answer all in line that they come too late: each might take as long as the storage takes to fail."""
        with suppress(Empty):
            while True:
                late = self._line.get_nowait()
                if late is not None:
                    late[1].set_exception(locked())


class _Serving:
    """The thread of a desk."""

    def __init__(self, app: App, line: SimpleQueue[_Question | None]) -> None:
        self._app = app
        self._line = line
        self._stack = ExitStack()
        self._opened: Opened | None = None

    def run(self) -> None:
        """Answer until the desk is closed."""
        try:
            while (asked := self._line.get()) is not None:
                _settle(asked[1], lambda asked=asked: self._answer(asked[0]))  # type: ignore[misc]
                del asked  # or what it refers to lives until the next one comes
        finally:
            self._shut()

    def _answer(self, question: Callable[[Opened], Answer]) -> Answer:
        try:
            return self._once(question)
        except DamagedError:
            self._shut()
            return self._once(question)

    def _once(self, question: Callable[[Opened], Answer]) -> Answer:
        opened = self._open()
        try:
            return question(opened)
        finally:
            opened.rest()

    def _open(self) -> Opened:
        if self._opened is None:
            with ExitStack() as stack:
                session = stack.enter_context(self._app.session())
                self._opened = Opened(self._app, session)
                self._stack = stack.pop_all()
        return self._opened

    def _shut(self) -> None:
        self._opened = None
        with suppress(PhotovaultError), self._stack:
            pass


def _settle(future: Future[Any], answer: Callable[[], Any]) -> None:
    """Give who asked the answer, or what went wrong."""
    try:
        future.set_result(answer())
    except BaseException as error:  # noqa: BLE001 - it is the asker's, whatever it is
        future.set_exception(error)


def locked() -> PhotovaultError:
    """For who asks, or waits, when the vault was closed."""
    return PhotovaultError("the gallery is locked", "unlock it, or start `photovault gallery` again")
