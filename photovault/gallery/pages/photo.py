"""One photo: large, with what is known of it and where that is from, its files, where they are kept, and how it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from photovault.errors import PhotovaultError
from photovault.gallery.site import is_piece, number

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Site
    from photovault.gallery.values import Photo, Somebody

ROLES: Final = {
    "primary": "the photo",
    "motion": "the moving part",
    "raw": "RAW",
    "sidecar": "notes of a program",
    "edited": "edited copy",
    "original": "as the camera took it",
}
WHATS: Final = {
    "first": "As it came",
    "picture": "The picture changed",
    "metadata": "Only its details changed",
    "gone": "It is gone from here on",
}


def routes(site: Site) -> list[Route]:
    """Where a photo is."""

    def photo(request: Request) -> Response:
        return _photo(site, request)

    def versions(request: Request) -> Response:
        return _versions(site, request)

    return [site.page("/photo/{number}", photo), site.page("/photo/{number}/versions", versions)]


def _photo(site: Site, request: Request) -> Response:
    at, asked = request.query_params.get("at", ""), number(request.path_params["number"])
    photo = site.asks.photos.photo(at, asked)
    return site.render(
        request, "photo.html", photo=photo, moment=photo.moment, roles=ROLES, in_basket=site.asks.restores.holds(asked),
        somebodies=_who(site, photo), motion=_motion(photo),
    )  # fmt: skip


def _versions(site: Site, request: Request) -> Response:
    photo = site.asks.photos.versions(request.query_params.get("at", ""), number(request.path_params["number"]))
    template = "versions_piece.html" if is_piece(request) else "versions.html"
    return site.render(request, template, photo=photo, moment=photo.moment, whats=WHATS)


def _motion(photo: Photo) -> int:
    """Which file is the moving part of a picture; 0 for none."""
    return next((index for index, file in enumerate(photo.files) if index and file.playable), 0)


def _who(site: Site, photo: Photo) -> tuple[Somebody, ...]:
    """Who is on it, where somebody agreed to that; a photo is shown without, should that fail."""
    try:
        return site.asks.people.of_photo(photo.digest) if site.asks.people.enabled() else ()
    except PhotovaultError:
        return ()
