"""Whether the photos are safe: asked for by pages, looked at by a thread of its own.

A look (``condition``) takes as long as the slowest storage takes to answer, so it is made once for all who ask meanwhile, and what it
saw counts for a minute.  Who asks waits ten seconds at most; then ``BusyError`` says to ask again, and the look goes on.

Nothing is changed but by ``drill``.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.condition import condition
from photovault.app.viewing.desk import locked, own
from photovault.app.viewing.proving import prove
from photovault.errors import BusyError, UsageError
from photovault.gallery.words import count

if TYPE_CHECKING:
    from photovault.app.runs import App
    from photovault.app.viewing.jobs import Jobs, Outcome
    from photovault.gallery.values import Health
    from photovault.progress import Progress

_KEPT: Final = 60.0  # seconds
_PATIENCE: Final = 10.0
_MOST: Final = 100_000  # photos of one drill
_SOON: Final = "This storage takes long to answer. Wait a little; what it says is shown as soon as it is there."


class Healths:
    """See ``gallery.asks.Healths``."""

    def __init__(self, app: App, jobs: Jobs, patience: float = _PATIENCE) -> None:
        """Know nothing yet; ``patience``: seconds that an asker waits."""
        self._app: App | None = app
        self._jobs = jobs
        self._patience = patience
        self._lock = threading.Lock()
        self._last: tuple[float, Health] | None = None
        self._looking: Future[Health] | None = None

    def close(self) -> None:
        """Forget the vault; a look that is under way ends by itself."""
        self._app = None
        self._last = None

    def known(self) -> Health | None:
        """As of at most a minute ago; None when nobody looked since."""
        last, app = self._last, self._app
        if last is None or app is None or not 0 <= app.world.clock() - last[0] < _KEPT:
            return None
        return last[1]

    def health(self, *, fresh: bool = False) -> Health:
        """As of at most a minute ago, or of now.

        Raises:
            BusyError: the storage has not answered yet.
            PhotovaultError: what opening a vault raises.
        """
        known = None if fresh else self.known()
        if known is not None:
            return known
        try:
            return self._look().result(self._patience)
        except TimeoutError:
            raise BusyError("the storage has not answered yet", _SOON) from None

    def drill(self, photos: int) -> str:
        """Begin a drill of so many photos; returns the id of the job.  UsageError."""
        if not 1 <= photos <= _MOST:
            raise UsageError(f"a drill restores 1 to {_MOST:,} photos", "choose a number between")
        app = own(self._opened())

        def work(progress: Progress) -> Outcome:
            try:
                return prove(app, photos, progress)
            finally:
                self._last = None  # another look is worth it

        return self._jobs.begin("drill", f"Prove {count(photos, 'photo')}", work)

    def _opened(self) -> App:
        if self._app is None:
            raise locked()
        return self._app

    def _look(self) -> Future[Health]:
        """The look that is under way, begun if there is none."""
        with self._lock:
            if self._looking is None:
                app = own(self._opened())
                self._looking = Future()
                threading.Thread(target=self._see, args=(app, self._looking), name="health", daemon=True).start()
            return self._looking

    def _see(self, app: App, future: Future[Health]) -> None:
        """In a thread of its own."""
        try:
            found = condition(app)
        except BaseException as error:  # noqa: BLE001 - it is the asker's, whatever it is
            self._ended(None)
            future.set_exception(error)
        else:
            self._ended((app.world.clock(), found))
            future.set_result(found)

    def _ended(self, last: tuple[float, Health] | None) -> None:
        """Remember what was seen, before anybody is told: who asks from now on begins another look."""
        with self._lock:
            self._looking = None
            self._last = last if self._app is not None else None
