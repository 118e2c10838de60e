"""Serving the gallery: the vault is opened first, then somebody may knock.

Whatever keeps the vault from opening is told before anything listens.  The password, if one was given, is read into a copy of ``app``
that ends with the lock; to unlock, another copy gets what was typed in the browser.

Not guaranteed: that a lock keeps out who may use this account: the device's key opens the vault without a password, as it does
for `photovault backup`.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from photovault.durable import create, make_folders, write_all
from photovault.errors import MissingExtraError, RefusedError, UsageError, WrongKeyError
from photovault.vault.vault import read_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.gallery.asks import Asks
    from photovault.gallery.door import Door
    from photovault.gallery.server import Server
    from photovault.gallery.site import Site

_NEEDED: Final = ("starlette", "jinja2", "uvicorn")
_STALE: Final = 300.0  # seconds after which no link is good
_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={url}">
<title>Opening</title></head>
<body><p><a href="{url}">Open the gallery</a></p></body>
</html>
"""


def need_gallery() -> None:
    """MissingExtraError, which says how to get it, when a library is not installed."""
    if not all(find_spec(name) for name in _NEEDED):
        raise MissingExtraError(
            "the gallery needs libraries that are not installed",
            "pip install 'photovault[gallery]'; in a checkout: pip install '.[gallery]'",
        )


class WayIn:
    """A file that leads a browser to the link, so that no program has it among its arguments, where other users can read it."""

    def __init__(self, folder: Path) -> None:
        """Keep it in ``folder``."""
        self._folder = folder
        self._path: Path | None = None

    def write(self, url: str) -> Path:
        """Make it, for its owner alone.  RefusedError when that cannot be done."""
        path = self._folder / f"open-{os.getpid()}.html"
        try:
            make_folders(self._folder)
            self._clear()
            fd = create(path)
            try:
                write_all(fd, _PAGE.format(url=url).encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise RefusedError(f"cannot write {path}: {error.strerror}", "use --no-open") from None
        self._path = path
        return path

    def remove(self) -> None:
        """It was used, or is of no use any more."""
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def _clear(self) -> None:
        """Remove what is left of galleries that were killed: their links are dead."""
        own = f"open-{os.getpid()}.html"
        for path in self._folder.glob("open-*.html"):
            with suppress(OSError):
                if path.name == own or time.time() - path.lstat().st_mtime > _STALE:
                    path.unlink()


class Reopening:
    """Opens the vault by its password.  Keeps none: each attempt is a copy of the call that was given one."""

    def __init__(self, app: App, open_asks: Callable[[App], Asks]) -> None:
        """Open what ``app`` names; no secret was read through it yet."""
        self._app = app
        self._open = open_asks

    def has_password(self) -> bool:
        """Whether there is a key slot for a password."""
        return any(slot.kind == "password" for slot in read_slots(self._app.storage))

    def open(self, password: str) -> Asks:
        """Open it.  WrongKeyError, and what else opening a vault raises.

        Once it is proved, the key of this device opens the vault, if there is one: quicker, and nothing refers to the password any more.
        """
        proved = self._given(password)
        with proved.session(refresh=False):
            pass
        try:
            return self._open(self._given(None))
        except (UsageError, WrongKeyError):
            return self._open(proved)

    def _given(self, password: str | None) -> App:
        """A call that was given nothing but that, and asks nobody."""
        made = copy(self._app)
        made.settings = replace(
            made.settings, words_file=None, password_file=None, password_command=None, password_fd=None
        )
        made.world = replace(made.world, ask_password=None)
        made.__dict__["_given"] = password
        return made


@dataclass(slots=True, kw_only=True)
class Gallery:
    """One that listens.

    Attributes:
        url: the one-time link.
        way_in: the file that opens a browser.
        was_forlorn: it ended because nobody used the link while it was good.
    """

    url: str
    way_in: WayIn
    door: Door
    server: Server = field(init=False)
    was_forlorn: bool = False

    def run(self) -> bool:
        """Serve until ``stop``; False when something is left that would not end."""
        return self.server.run()

    def tick(self) -> bool:
        """Each second; True when nobody can come any more."""
        self.door.tick()
        if not self.door.link:
            self.way_in.remove()
        self.was_forlorn = self.door.is_forlorn
        return self.was_forlorn

    def stop(self) -> None:
        """End within three seconds; for signals, too."""
        self.server.stop()


@contextmanager
def serving(
    app: App, at: Path | None, *, note: Callable[[str], None], defect: Callable[[BaseException], None]
) -> Iterator[Gallery]:
    """A gallery that listens on loopback, or at a Unix socket.

    Args:
        app: its vault.
        at: path of the socket; None: loopback.
        note: is told of each request, in a line without names: method, page, status and milliseconds.
        defect: is told what nobody expected.

    Raises:
        UsageError, RefusedError: the socket will not do.
        NoVaultError, WrongKeyError, DamageError, UnknownVersionError, StorageError: the vault does not open.
    """
    from photovault.app.viewing import viewing  # noqa: PLC0415 - the rooms need time to load
    from photovault.gallery import server  # noqa: PLC0415 - needs the extra
    from photovault.gallery.door import Door  # noqa: PLC0415
    from photovault.gallery.security import Guard, Notes, Place  # noqa: PLC0415
    from photovault.gallery.site import Site  # noqa: PLC0415

    lock_after = app.config_if_there.gallery.lock_after
    open_asks = partial(viewing.open_asks, defect=defect)
    asks = open_asks(copy(app))
    with ExitStack() as stack:
        opener = Reopening(app, open_asks)
        door = Door(asks, opener, lock_after=lock_after, clock=server.clock, random=app.world.random)
        stack.callback(door.close)
        listener, port = server.listen() if at is None else (stack.enter_context(server.listen_at(at)), 0)
        stack.callback(listener.close)
        place = Place(port=port)
        site = Site(door, cookie=place.cookie, defect=defect)
        way_in = WayIn(app.state_dir / "gallery")
        stack.callback(way_in.remove)
        notes = Notes(clock=time.perf_counter, request=_noting(site, note), defect=defect)
        guard = Guard(site.application(), place, door, notes)
        made = Gallery(url=place.address + door.link, way_in=way_in, door=door)
        made.server = server.Server(guard, listener, tick=made.tick, close=door.close, defect=defect)
        yield made


def _noting(site: Site, note: Callable[[str], None]) -> Callable[[str, int, float, Mapping[str, object]], None]:
    def request(method: str, status: int, seconds: float, scope: Mapping[str, object]) -> None:
        note(f"{method} {site.template(scope)} {status} {1000 * seconds:.0f} ms")

    return request


def can_show(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser started here would show something to who started it."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    return not platform.startswith("linux") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
