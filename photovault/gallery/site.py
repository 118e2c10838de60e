"""Requests into pages: which paths there are, what becomes of errors, and what every page has.

Handlers are plain functions that run in a thread and may wait; each gets the request, those of changes also the form, whose CSRF
token was compared before.  What they raise becomes a page that says what to do.

Pictures and files wait for the storage, which may take minutes, and a browser that goes on to another page asks for more of them.  So
they have threads of their own: however many hang, pages are answered.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from photovault.errors import ConsentError, DamageError, MissingError, PhotovaultError, StorageError, UsageError
from photovault.gallery import words
from photovault.gallery.asks import NotReadyError, NotThereError
from photovault.gallery.security import LockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from photovault.gallery.asks import Asks

    Handler = Callable[[Request], Response]
    Change = Callable[[Request, "Form"], Response]

PAGES: Final = (
    "entrance",
    "timeline",
    "photo",
    "search",
    "media",
    "places",
    "machine",
    "basket",
    "health",
    "privacy",
    "people",
)
DEFECT: Final = "go back and try again; `photovault gallery --debug` prints what to report"
_FORM_MAX: Final = 1 << 20  # bytes
_FIELDS_MAX: Final = 20_000
_NOT_BY_THIS_METHOD: Final = 405
_MEDIA_AT_ONCE: Final = 24


class Door(Protocol):
    """Who decides whether the gallery is open; see ``door``."""

    @property
    def asks(self) -> Asks:
        """Who answers; LockedError while it is locked."""

    def csrf(self, request: Request) -> str:
        """The token that changes of this browser must carry."""

    def check_csrf(self, request: Request, form: Form) -> None:
        """TokenError unless the form or the header ``X-CSRF-Token`` carries it."""

    def enter(self, token: str) -> str | None:
        """The cookie for who brings the one-time link's token; else None."""

    @property
    def is_finishing(self) -> bool:
        """Whether it is locked, and what was under way then still is."""

    def can_unlock(self) -> bool:
        """Whether a password opens the vault."""

    def unlock(self, password: str) -> None:
        """Open again; PhotovaultError when that does not work."""

    def lock(self) -> None:
        """Lock at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a form holds."""

    values: dict[str, list[str]]

    def one(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return self.values.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return self.values.get(name, [])

    def numbers(self, name: str) -> list[int]:
        """Every value of a field as a number.  UsageError for what is none."""
        return [number(text) for text in self.all(name)]


class Site:
    """Every page of the gallery."""

    def __init__(
        self, door: Door, *, cookie: str = "gallery", defect: Callable[[BaseException], None] = lambda _error: None
    ) -> None:
        """Ask through ``door``; ``cookie``: its name; ``defect``: is told of what nobody expected."""
        self.door = door
        self.cookie = cookie
        self._defect = defect
        self._paths: dict[object, str] = {}
        self.media_threads = CapacityLimiter(_MEDIA_AT_ONCE)
        folder = resources.files("photovault.gallery") / "templates"
        self._templates = Environment(
            loader=FileSystemLoader(str(folder)),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(words.FILTERS)
        self._templates.globals.update(words.GLOBALS)

    @property
    def asks(self) -> Asks:
        """Who answers."""
        return self.door.asks

    @property
    def static(self) -> Path:
        """Where scripts, styles and the map are."""
        return resources.files("photovault.gallery") / "static"  # type: ignore[return-value]

    def routes(self) -> list[Route]:
        """Every path."""
        found: list[Route] = []
        for name in PAGES:
            found += import_module(f"photovault.gallery.pages.{name}").routes(self)
        return found

    def application(self) -> Starlette:
        """All of it, to be put behind a ``Guard``."""
        made = Starlette(
            routes=self.routes(), exception_handlers={HTTPException: self._no_page, Exception: self._broken}
        )
        made.router.redirect_slashes = False
        return made

    def template(self, scope: Mapping[str, Any]) -> str:
        """The path of the page that answered a request, as it is written here: without numbers and names."""
        return self._paths.get(scope.get("endpoint"), "(none)")

    def page(self, path: str, handler: Handler, *, always: bool = False, media: bool = False) -> Route:
        """A page that changes nothing; ``always``: also while the gallery is locked; ``media``: a picture or a file."""
        threads = self.media_threads if media else None

        async def answer(request: Request) -> Response:
            answered = functools.partial(self._guarded, request, functools.partial(handler, request), always=always)
            return await to_thread.run_sync(answered, limiter=threads)

        self._paths[answer] = path
        return Route(path, answer, methods=["GET"])

    def change(self, path: str, handler: Change, *, always: bool = False) -> Route:
        """A form that changes something; ``always``: also while the gallery is locked."""

        async def answer(request: Request) -> Response:
            try:
                form = await _form(request)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            changed = functools.partial(self._changed, request, form, handler)
            return await to_thread.run_sync(functools.partial(self._guarded, request, changed, always=always))

        self._paths[answer] = path
        return Route(path, answer, methods=["POST"])

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401
        """A page, or a piece of one, from a template."""
        people = self._people_enabled()
        token = self.door.csrf(request)
        context = {
            "request": request,
            "csrf": token,
            "csrf_token": token,  # in macros.html the other name is the macro's
            "people_enabled": people,
            "basket_count": self._basket_count(),
            "alarms": self._alarms(),
            "at": request.query_params.get("at", ""),
            "path": request.url.path,
            "locked": False,
            **values,
        }
        return HTMLResponse(self._templates.get_template(template).render(context), status_code=status)

    def see(self, to: str) -> Response:
        """Look at another page; ``to`` is a path of ours."""
        return RedirectResponse(to, status_code=303)

    def error(self, request: Request, status: int, what: str, hint: str = "") -> Response:
        """A page, or a piece of one, that says what happened and what to do."""
        template = "error_piece.html" if is_piece(request) else "error.html"
        return self.render(request, template, status=status, what=what, hint=hint, status_code=status)

    def locked(self, request: Request, error: PhotovaultError | None = None, *, to: str = "") -> Response:
        """The page that is all there is while the gallery is locked; ``to``: where to go on then."""
        status = 423 if error is None else status_of(error)
        if is_piece(request):
            return Response(status_code=status, headers={"hx-refresh": "true"})
        if not to and request.method == "GET":
            to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        shown = {"can_unlock": self.door.can_unlock(), "finishing": self.door.is_finishing, "error": error, "to": to}
        return self.render(request, "locked.html", status=status, locked=True, **shown)

    def _people_enabled(self) -> bool:
        try:
            return self.asks.people.enabled()
        except PhotovaultError:
            return False

    def _alarms(self) -> tuple[tuple[str, str], ...]:
        try:
            return self.asks.photos.signs()
        except PhotovaultError:
            return ()

    def _basket_count(self) -> int:
        try:
            return self.asks.restores.count()
        except PhotovaultError:
            return 0

    def _changed(self, request: Request, form: Form | None, handler: Change) -> Response:
        if form is None:
            return self.error(request, 413, "that is too much at once", "go back, and choose less")
        self.door.check_csrf(request, form)
        return handler(request, form)

    def _guarded(self, request: Request, answer: Callable[[], Response], *, always: bool) -> Response:
        """What the handler answers; an error of who answers is no error where the gallery was locked meanwhile."""
        try:
            if not always:
                _ = self.asks
            return answer()
        except LockedError:
            return self.locked(request)
        except Exception as error:  # noqa: BLE001 - a page for everything
            return self.locked(request) if self._is_locked() and not always else self._failed(request, error)

    def _no_page(self, request: Request, error: Exception) -> Response:
        """No such path, or not by this method."""
        status = error.status_code if isinstance(error, HTTPException) else 404
        what = "nothing does that here" if status == _NOT_BY_THIS_METHOD else "there is no such page"
        return self._guarded(
            request, lambda: self.error(request, status, what, "go back to the timeline"), always=False
        )

    def _broken(self, request: Request, _error: Exception) -> Response:
        """Whoever called is told of the error."""
        return self.error(request, 500, "this is a defect of photovault", DEFECT)

    def _failed(self, request: Request, error: Exception) -> Response:
        if isinstance(error, NotReadyError):
            template = "preparing_piece.html" if is_piece(request) else "preparing.html"
            return self.render(request, template, job=self.asks.jobs.job(error.job))
        if isinstance(error, PhotovaultError):
            return self.error(request, status_of(error), error.what, error.hint)
        self._defect(error)
        return self.error(request, 500, "this is a defect of photovault", DEFECT)

    def _is_locked(self) -> bool:
        try:
            return self.asks is None
        except LockedError:
            return True


def is_piece(request: Request) -> bool:
    """Whether a piece of a page is asked for, by htmx."""
    return request.headers.get("hx-request") == "true"


def number(text: str) -> int:
    """A number out of an address or a form.

    Raises:
        UsageError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - more digits are no number of a row
        raise UsageError("that is no number of a photo", "go back, and choose it again")
    return int(text)


async def _form(request: Request) -> Form | None:
    """What a browser sent; None for too much."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_MAX:
            return None
    try:
        return Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS_MAX))
    except ValueError:
        return None


def status_of(error: PhotovaultError) -> int:
    """What HTTP calls it."""
    if isinstance(error, NotThereError | ConsentError):
        return 404
    if isinstance(error, UsageError):
        return 400
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    if isinstance(error, DamageError | MissingError):
        return 500
    return 503 if isinstance(error, StorageError) else 500
