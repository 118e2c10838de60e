"""The way in and out: the one-time link, the lock, and the files that pages are made with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from photovault.errors import PhotovaultError
from photovault.gallery.door import WaitError
from photovault.gallery.security import CLOSED, LINK

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import Route

    from photovault.gallery.site import Form, Site

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_OURS: Final = re.compile(r"/(?:[A-Za-z0-9?][A-Za-z0-9/_.~?=&%+,:-]*)?", re.ASCII)


def routes(site: Site) -> list[Route]:
    """All of them."""
    files = _files(site.static)

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return site.error(request, 404, "there is no such file", "go back to the timeline")
        return Response((site.static / name).read_bytes(), headers={"content-type": files[name]})

    def enter(request: Request) -> Response:
        cookie = site.door.enter(request.path_params["token"])
        if cookie is None:
            headers, body = CLOSED.answer(piece=False)
            return Response(body, CLOSED.status, {key.decode(): value.decode() for key, value in headers})
        response = site.render(request, "opening.html")
        response.set_cookie(site.cookie, cookie, path="/", httponly=True, samesite="strict")
        return response

    def unlock(request: Request, form: Form) -> Response:
        try:
            site.door.unlock(form.one("password"))
        except PhotovaultError as error:
            return _again(site, request, form, error)
        return site.see(_path(form.one("to")))

    def lock(_request: Request, _form: Form) -> Response:
        site.door.lock()
        return site.see("/unlock")

    def awake(_request: Request) -> Response:
        return Response(status_code=204)

    def unlocked(_request: Request) -> Response:
        return site.see("/")

    return [
        site.page("/static/{name}", static, always=True),
        site.page(LINK + "{token:path}", enter, always=True),
        site.page("/unlock", unlocked),
        site.page("/awake", awake),
        site.change("/unlock", unlock, always=True),
        site.change("/lock", lock),
    ]


def _again(site: Site, request: Request, form: Form, error: PhotovaultError) -> Response:
    response = site.locked(request, error, to=_path(form.one("to")))
    if isinstance(error, WaitError):
        response.headers["retry-after"] = str(error.seconds)
    return response


def _path(text: str) -> str:
    """Where to go on; a path of ours, whatever the form says."""
    return text if _OURS.fullmatch(text) and not text.startswith(("/unlock", "/lock")) else "/"


def _files(folder: Path) -> dict[str, str]:
    """Names and types of the files that are given out: no other name is ever looked up."""
    return {one.name: _KINDS[one.suffix] for one in folder.iterdir() if one.is_file() and one.suffix in _KINDS}
