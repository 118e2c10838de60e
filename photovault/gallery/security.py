"""Which requests are heard at all.  Rules over what a browser sent, and the ASGI wrapper that holds every request to them.  Pure.

In this order, and nothing of a request is looked at before the rules above it passed:

1. the process at the other end is of the same user, as far as the system says so: else 401 without a word;
2. ``Host`` is ours exactly, so that no other name that leads here (DNS rebinding) makes a page of ours: else 403;
3. no other site, and no other port of this computer, sent it (``Sec-Fetch-Site``): else 403; only the one-time link may come from
   anywhere, since the file that opens the browser is another site;
4. it is a GET, a HEAD or a POST (405), and short (414, 431);
5. what may change something comes from a page of ours (``Origin``): else 403;
6. it carries the cookie of this session, compared in constant time: else 401, the same whatever was asked for;
7. its path is plain: no quoting, no dots, no empty parts: else 404.

The CSRF token is compared where the form is read (``door``).  Every answer, also a refusal or a defect, carries ``HEADERS``.

Guarantee: a page of another site, and a program of another user, learns nothing and changes nothing.  Not guaranteed: against a program
of the same user, root, or an extension of the browser, all of which see what the user sees.
"""

from __future__ import annotations

import hmac
import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from photovault.errors import PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Header = tuple[bytes, bytes]

HEADERS_MAX: Final = 64
TARGET_MAX: Final = 4096
"""Bytes of path and query."""

LINK: Final = "/in/"
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
_HARMLESS: Final = frozenset({"GET", "HEAD"})
_SITES: Final = frozenset({"same-origin", "none"})
_UNIX_HOST: Final = re.compile(r"localhost(?::[0-9]{1,5})?", re.ASCII)
_PLAIN: Final = re.compile(r"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", re.ASCII)

_COMMAND: Final = re.compile("`([^`]+)`")

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DENIED: Final = (
    "accelerometer", "autoplay", "browsing-topics", "camera", "clipboard-read", "display-capture", "encrypted-media",
    "gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment",
    "publickey-credentials-create", "publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb",
    "window-management", "xr-spatial-tracking",
)  # fmt: skip
HEADERS: Final[dict[bytes, bytes]] = {
    b"content-security-policy": _CSP.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-embedder-policy": b"require-corp",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"permissions-policy": ", ".join(f"{name}=()" for name in _DENIED).encode(),
}
"""On every answer.  MDN, "HTTP headers", tells what each means."""

_NO_STORE: Final = (b"cache-control", b"no-store")
_REFUSED: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>{what}</title></head>
<body><main><h1>{what}</h1><p>{hint}</p></main></body>
</html>
"""


class LockedError(PhotovaultError):
    """The gallery is locked."""

    status = 423

    def __init__(self) -> None:
        """It has one message."""
        super().__init__("the gallery is locked", "unlock it with the password of the vault")


class TokenError(PhotovaultError):
    """A form came without the token that only our own pages have, or with one of before the gallery was locked."""

    status = 401

    def __init__(self) -> None:
        """It has one message."""
        super().__init__("this form is too old", "load the page again, and do it once more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a browser reaches the gallery.

    Attributes:
        port: of loopback; 0: a Unix socket, to which any port of this computer may be forwarded.
    """

    port: int = 0

    @property
    def cookie(self) -> str:
        """The name of the cookie.  Cookies are not kept apart by ports, so it holds ours."""
        return f"gallery-{self.port or 'socket'}"

    @property
    def address(self) -> str:
        """What comes before the path."""
        return f"http://127.0.0.1:{self.port}" if self.port else "http://localhost"

    def is_ours(self, host: str) -> bool:
        """Whether a ``Host`` is one of this gallery."""
        if not self.port:
            return _UNIX_HOST.fullmatch(host) is not None
        return host in {f"127.0.0.1:{self.port}", f"localhost:{self.port}", f"[::1]:{self.port}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as far as the rules look at it; ``path`` as it was sent, ``is_foreign``: another user's process sent it."""

    method: str
    path: str
    query: str = ""
    headers: tuple[Header, ...] = ()
    is_foreign: bool = False

    def all(self, name: str) -> list[str]:
        """Every value of a header, whose name is in small letters."""
        wanted = name.encode()
        return [value.decode("latin-1").strip() for key, value in self.headers if key == wanted]

    @property
    def is_link(self) -> bool:
        """Whether it is the one-time link."""
        return self.method == "GET" and self.path.startswith(LINK)

    @property
    def is_piece(self) -> bool:
        """Whether htmx asked."""
        return self.all("hx-request") == ["true"]

    @property
    def is_activity(self) -> bool:
        """Whether a person did something; what a page asks again and again by itself keeps no gallery open."""
        polled = "poll=1" in self.query.split("&") or (self.is_piece and self.path.startswith("/jobs/"))
        return not (self.method in _HARMLESS and polled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not heard; without ``what``: nothing is said."""

    status: int
    what: str = ""
    hint: str = ""
    headers: tuple[Header, ...] = ()

    def answer(self, *, piece: bool) -> tuple[list[Header], bytes]:
        """Headers and the page; a piece of a page makes the browser load the whole page again."""
        hint = _COMMAND.sub(r"<code>\1</code>", html.escape(self.hint))
        body = _REFUSED.format(what=html.escape(self.what), hint=hint).encode() if self.what else b""
        headers = [*self.headers, (b"connection", b"close"), (b"content-length", str(len(body)).encode())]
        if body:
            headers.append((b"content-type", b"text/html; charset=utf-8"))
        if piece and self.status == CLOSED.status:
            headers.append((b"hx-refresh", b"true"))
        return headers, body


CLOSED: Final = Refusal(
    status=401,
    what="This gallery is closed",
    hint="It opens by a link that works once. Run `photovault gallery` again to get a new one.",
)
"""For who has no cookie: the same for every path, so that nobody learns which there are."""

_FOREIGN: Final = Refusal(status=401)
_HOST: Final = Refusal(status=403, what="Not under this name", hint="Open the gallery by the link that it printed.")
_SITE: Final = Refusal(status=403, what="Not from another site", hint="Type the address, or use a link of the gallery.")
_METHOD: Final = Refusal(status=405, what="Nothing does that here", headers=((b"allow", b"GET, HEAD, POST"),))
_LONG: Final = Refusal(status=414, what="That address is too long", hint="Ask for less at once.")
_MANY: Final = Refusal(
    status=431, what="Too many headers", hint="Look at what stands between the browser and this page."
)
_PATH: Final = Refusal(status=404, what="There is no such page", hint="Go back to the timeline.")
_DEFECT: Final = Refusal(
    status=500,
    what="This is a defect of photovault",
    hint="Go back and try again. Run `photovault gallery --debug` to see more, and report what it prints.",
)


def refusal(asked: Asked, place: Place, knows: Callable[[str], bool]) -> Refusal | None:
    """Why a request is not heard; None when it is.  ``knows``: whether the value of a cookie is that of the session."""
    return _stranger(asked, place) or _odd(asked) or _forged(asked) or _unknown(asked, place, knows)


def _stranger(asked: Asked, place: Place) -> Refusal | None:
    if asked.is_foreign:
        return _FOREIGN
    hosts = asked.all("host")
    if len(hosts) != 1 or not place.is_ours(hosts[0]):
        return _HOST
    return None if asked.is_link or set(asked.all("sec-fetch-site")) <= _SITES else _SITE


def _odd(asked: Asked) -> Refusal | None:
    if asked.method not in _METHODS:
        return _METHOD
    if len(asked.path) + len(asked.query) > TARGET_MAX:
        return _LONG
    return _MANY if len(asked.headers) > HEADERS_MAX else None


def _forged(asked: Asked) -> Refusal | None:
    """What may change something must come from us; a form of a page without referrer says "null", and by whom in another header."""
    if asked.method in _HARMLESS:
        return None
    own = f"http://{asked.all('host')[0]}"
    origins = asked.all("origin") or ["null"]
    if origins == [own]:
        return None
    return None if origins == ["null"] and asked.all("sec-fetch-site") == ["same-origin"] else _SITE


def _unknown(asked: Asked, place: Place, knows: Callable[[str], bool]) -> Refusal | None:
    if asked.is_link:
        return None
    if not any([knows(value) for value in cookies(asked.all("cookie"), place.cookie)]):  # noqa: C419 - all, whichever is right
        return CLOSED
    return None if _PLAIN.fullmatch(asked.path) else _PATH


def cookies(headers: Iterable[str], name: str) -> list[str]:
    """Every value that a cookie has (RFC 6265, 5.4); another path or host may have set one of the same name."""
    pairs = [one.strip().partition("=") for header in headers for one in header.split(";")]
    return [value for key, _, value in pairs if key == name]


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())


def token_of(secret: bytes) -> str:
    """The CSRF token of a session's secret."""
    return hmac.new(secret, b"csrf", "sha256").hexdigest()


class Keeper(Protocol):
    """The slice of the door that every request meets."""

    def knows(self, cookie: str) -> bool:
        """Whether it is the cookie of this session."""

    def touch(self) -> None:
        """Somebody is there."""


@dataclass(slots=True, kw_only=True)
class Notes:
    """Where is written what happened; never a path, a number or a name.

    Attributes:
        clock: seconds.
        request: is told of method, status and seconds of each request, and of its scope, which tells its route.
        defect: is told what nobody expected.
    """

    clock: Callable[[], float] = lambda: 0.0
    request: Callable[[str, int, float, Scope], None] = field(default=lambda _method, _status, _seconds, _scope: None)
    defect: Callable[[BaseException], None] = field(default=lambda _error: None)


class Guard:
    """Lets through what ``refusal`` does not refuse, and makes every answer safe."""

    def __init__(self, app: ASGIApp, place: Place, keeper: Keeper, notes: Notes | None = None) -> None:
        """Stand before ``app``."""
        self._app = app
        self._place = place
        self._keeper = keeper
        self._notes = notes or Notes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        answer = _Answer(send)
        began = self._notes.clock()
        asked = asked_of(scope)
        refused = refusal(asked, self._place, self._keeper.knows)
        if refused is not None:
            await answer.refuse(refused, asked)
        else:
            await self._heard(scope, receive, answer, asked)
        self._notes.request(asked.method, answer.status, self._notes.clock() - began, scope)

    async def _heard(self, scope: Scope, receive: Receive, answer: _Answer, asked: Asked) -> None:
        if asked.is_activity and not asked.is_link:
            self._keeper.touch()
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            if not isinstance(error, PhotovaultError):
                self._notes.defect(error)
            if answer.status:
                raise  # what was begun must not look whole: the server cuts the line
            await answer.refuse(_DEFECT, asked)


def asked_of(scope: Scope) -> Asked:
    """What the rules look at."""
    return Asked(
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=tuple(scope["headers"]),
        is_foreign=bool(scope.get("state", {}).get("foreign")),
    )


class _Answer:
    """Sends an answer with our headers; ``status`` is 0 until it began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": safe(message.get("headers", ()))}
        await self._send(message)

    async def refuse(self, refused: Refusal, asked: Asked) -> None:
        headers, body = refused.answer(piece=asked.is_piece)
        await self.send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def safe(headers: Iterable[Header]) -> list[Header]:
    """Headers of an answer, with ours; no answer has weaker ones, and none is stored unless it says so itself."""
    own = [(key.lower(), value) for key, value in headers if key.lower() not in HEADERS]
    if all(key != b"cache-control" for key, _ in own):
        own.append(_NO_STORE)
    return own + list(HEADERS.items())
