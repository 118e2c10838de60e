"""All who answer the gallery's pages, over one vault.

Each has a desk of its own, so that a slow question of one keeps none of the others waiting.  ``close`` ends what is under way first,
then closes them in the reverse order, all of them, also when one fails; and what referred to the keys in a circle goes, too, for
a gallery that is locked does nothing that would have Python look for such circles.
"""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from photovault.app.viewing.desk import own
from photovault.app.viewing.health import Healths
from photovault.app.viewing.jobs import Jobs
from photovault.app.viewing.people import People
from photovault.app.viewing.photos import Photos
from photovault.app.viewing.pictures import Pictures
from photovault.app.viewing.privacy import Privacies
from photovault.app.viewing.restores import Restores
from photovault.errors import PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.app.runs import App


class _Closing(Protocol):
    def close(self) -> None:
        """End."""


Some = TypeVar("Some", bound=_Closing)


def open_asks(app: App, defect: Callable[[BaseException], None] = lambda _error: None) -> Viewing:
    """All of them, once it is certain that the vault opens; ``defect`` is told what nobody expected of a job.

    Raises:
        NoVaultError, WrongKeyError, DamageError, UnknownVersionError, StorageError: it does not.
    """
    with app.session(
        refresh=False
    ) as session:  # a password that was typed for it is kept in ``app``: nobody is asked again
        session.vault.only_snapshots()  # which tells of an older state
    viewing = Viewing(app, defect)
    threading.Thread(target=viewing.warm, name="warming", daemon=True).start()
    return viewing


class Viewing:
    """See ``gallery.asks.Asks``."""

    def __init__(self, app: App, defect: Callable[[BaseException], None] = lambda _error: None) -> None:
        """Wire them; nothing is opened before the first question."""
        app = own(app)
        self._app = app
        self._closing = ExitStack()
        self.jobs = self._closes(Jobs(app.world.random, defect=defect))
        self.photos = self._closes(Photos(app, self.jobs))
        self.pictures = self._closes(Pictures(app))
        self.restores = self._closes(Restores(app, self.jobs, self.photos))
        self.health = self._closes(Healths(app, self.jobs))
        self.privacy = self._closes(Privacies(app))
        self.people = self._closes(People(app))

    def warm(self) -> None:
        """Have the timeline ready before a browser asks for it."""
        with suppress(Exception):  # who asks is told of it
            self.photos.spine("")

    def close(self) -> None:
        """Close the vault, forget the keys, end what is under way."""
        for job in self.jobs.jobs():
            if not job.is_over:
                with suppress(PhotovaultError):  # it may have ended by itself
                    self.jobs.cancel(job.id)
        for secret in ("_given", "_asked", "given_words"):
            self._app.__dict__.pop(secret, None)
        try:
            self._closing.close()
        finally:
            gc.collect()

    def _closes(self, one: Some) -> Some:
        """Have it closed with all others."""
        self._closing.callback(one.close)
        return one
