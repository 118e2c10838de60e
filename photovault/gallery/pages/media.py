"""Pictures, files to download and videos, by number.

``/thumb`` and ``/preview`` are WebP and nothing else, for nothing else is ever shown as a picture; a problem is a status, and of a
preview a plain text, or a piece of a page for a script.  ``/file`` gives any file of a set as bytes to be saved, never to be opened in a page, whatever it is.
``/play`` gives a video that a browser can play, or one range of it (RFC 9110, 14).

Guarantee: no name can add a header; a file that turns out not to be what was backed up ends short of its length, so that the browser
says that the download failed; nothing is read on for a browser that went away.  Nothing may be kept on the browser's disk.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from anyio import to_thread
from starlette.responses import Response, StreamingResponse

from photovault.errors import PhotovaultError, UndecodableError, UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.site import is_piece, number, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from anyio import CapacityLimiter
    from starlette.requests import Request
    from starlette.routing import Route
    from starlette.types import Send

    from photovault.gallery.asks import Member
    from photovault.gallery.site import Site

_PLAYED: Final = {"mp4": "video/mp4", "mov": "video/quicktime"}
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.ASCII)
_ODD: Final = re.compile(r"[^A-Za-z0-9 ._()+-]", re.ASCII)
_NAME_MAX: Final = 200
_UNDECODABLE: Final = 415


def routes(site: Site) -> list[Route]:
    """Where they are."""
    media = _Media(site)
    return [
        site.page("/thumb/{number}", media.thumbnail, media=True),
        site.page("/preview/{number}", media.preview, media=True),
        site.page("/file/{number}/{index}", media.file, media=True),
        site.page("/play/{number}/{index}", media.play, media=True),
    ]


class _Media:
    def __init__(self, site: Site) -> None:
        self._site = site

    def thumbnail(self, request: Request) -> Response:
        """What the vault has to show of a photo."""
        try:
            webp = self._site.asks.pictures.thumbnail(_numbered(request, "number"))
        except PhotovaultError as error:
            return Response(status_code=status_of(error), headers=_NOT_KEPT)
        return _webp(webp) if webp is not None else Response(status_code=404, headers=_NOT_KEPT)

    def preview(self, request: Request) -> Response:
        """The photo in large."""
        try:
            return _webp(self._site.asks.pictures.preview(_numbered(request, "number")))
        except UndecodableError as error:
            return self._told(request, error, _UNDECODABLE)
        except PhotovaultError as error:
            return self._told(request, error, status_of(error))

    def _told(self, request: Request, error: PhotovaultError, status: int) -> Response:
        """What is wrong with a picture: as a piece of a page for the script that asks for it, else as plain text."""
        if is_piece(request):
            return self._site.error(request, status, error.what, error.hint)
        return _plain(error, status)

    def file(self, request: Request) -> Response:
        """A file to be saved."""
        member = self._member(request)
        headers = {"Content-Disposition": disposition(member.name), "Accept-Ranges": "none"}
        return self._given(request, member, 0, member.size, headers=headers, media_type="application/octet-stream")

    def play(self, request: Request) -> Response:
        """A video to be played."""
        member = self._member(request)
        if member.kind not in _PLAYED:
            raise NotThereError("this is no video that a browser plays", "download it instead")
        headers = {"Accept-Ranges": "bytes"}
        wanted = _range(request, member.size)
        if wanted is None:
            return self._given(request, member, 0, member.size, headers=headers, media_type=_PLAYED[member.kind])
        start, end = wanted
        if start >= end:
            return Response(status_code=416, headers=_NOT_KEPT | headers | {"Content-Range": f"bytes */{member.size}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{member.size}"
        return self._given(request, member, start, end, headers=headers, media_type=_PLAYED[member.kind], status=206)

    def _given(
        self,
        request: Request,
        member: Member,
        start: int,
        end: int,
        *,
        headers: dict[str, str],
        media_type: str,
        status: int = 200,
    ) -> Response:
        """Bytes of a file.  What is wrong with the first of them is still an error page."""
        headers = _NOT_KEPT | headers | {"Content-Length": str(end - start)}
        if request.method == "HEAD" or start == end:
            return Response(status_code=status, headers=headers, media_type=media_type)
        pieces = iter(member.read(start, end))
        first = next(pieces, b"")
        return _Stream(_all(first, pieces), self._site.media_threads, status, headers, media_type)

    def _member(self, request: Request) -> Member:
        numbered, index = _numbered(request, "number"), _numbered(request, "index")
        return self._site.asks.pictures.member(numbered, index)


def _numbered(request: Request, name: str) -> int:
    """A number in the path; what is none names nothing."""
    try:
        return number(request.path_params[name])
    except UsageError as error:
        raise NotThereError("there is no such photo", "look for it in the timeline") from error


def _webp(data: bytes) -> Response:
    return Response(data, headers=_NOT_KEPT, media_type="image/webp")


def _plain(error: PhotovaultError, status: int) -> Response:
    text = "\n".join(filter(None, (error.what, error.hint)))
    return Response(text, status_code=status, headers=_NOT_KEPT, media_type="text/plain")


def disposition(name: str) -> str:
    """``Content-Disposition`` of a file to be saved under ``name`` (RFC 6266, RFC 8187); plain ASCII whatever the name is."""
    safe = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)[:_NAME_MAX] or "photo"
    plain = _ODD.sub("_", safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='', errors='replace')}"


def _range(request: Request, size: int) -> tuple[int, int] | None:
    """The one range that is asked for, empty when the file has no such bytes; None for the whole file.

    What is no single range may be passed over, and so must be one under a condition (If-Range) that nothing here fulfils.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or "if-range" in request.headers:
        return None
    first, last, length = found.groups()
    if length:
        return (max(0, size - int(length)), size) if int(length) else (0, 0)
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def _all(first: bytes, pieces: Iterator[bytes]) -> Generator[bytes]:
    yield first
    yield from pieces


async def _read(pieces: Iterator[bytes], threads: CapacityLimiter) -> AsyncIterator[bytes]:
    """Each piece as a thread of those for media has it: a download of a storage that hangs keeps no page waiting."""
    while (piece := await to_thread.run_sync(next, pieces, None, limiter=threads)) is not None:
        yield piece


class _Stream(StreamingResponse):
    """Bytes as they come.  When no more come, though more were promised, the server cuts the connection."""

    def __init__(
        self, pieces: Generator[bytes], threads: CapacityLimiter, status: int, headers: dict[str, str], media_type: str
    ) -> None:
        self._end = pieces.close
        super().__init__(_read(pieces, threads), status, headers, media_type)

    async def stream_response(self, send: Send) -> None:
        """Send them; whatever happens, nothing more is read then."""
        try:
            with suppress(PhotovaultError):
                await super().stream_response(send)
        finally:
            with suppress(ValueError):  # a thread that is still reading ends with its piece
                self._end()
