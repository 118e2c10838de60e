"""Search: a form that asks by its address alone, so that a question can be kept as a bookmark and changed by a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import urlencode

from photovault.errors import PhotovaultError, UsageError
from photovault.gallery.site import is_piece
from photovault.gallery.values import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Site
    from photovault.gallery.values import Somebody

LIMIT: Final = 100
KINDS: Final = (
    ("photo", "Photos"), ("video", "Videos"), ("raw", "With RAW"), ("live", "Live Photos"), ("motion", "Motion Photos"),
    ("burst", "Bursts"), ("jpeg", "JPEG"), ("heic", "HEIC"), ("png", "PNG"), ("webp", "WebP"), ("gif", "GIF"), ("tiff", "TIFF"),
)  # fmt: skip
TWINS: Final = {"exact": "Exact duplicates", "near": "Near duplicates"}
_FIELDS: Final = ("text", "from", "until", "place", "camera", "kind", "stars", "album", "duplicates", "person", "box")
_TICKS: Final = {"broken": "Broken", "unproven": "Not proven yet"}
_MOST_STARS: Final = 5
_CORNERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A part of the question: what it says, and the address of the question without it."""

    text: str
    without: str


def routes(site: Site) -> list[Route]:
    """Where to search."""

    def search(request: Request) -> Response:
        return _search(site, request)

    return [site.page("/search", search)]


def _search(site: Site, request: Request) -> Response:
    params = request.query_params
    at, after = params.get("at", ""), params.get("after", "")
    typed = typed_of(params, people=site.asks.people.enabled())
    answer, error = Answer(tiles=()), None
    try:
        question = question_of(typed)
        answer = site.asks.photos.search(at, question, after, LIMIT) if typed else answer
    except UsageError as bad:
        if is_piece(request):
            raise
        error = bad
    following = address({**typed, "after": answer.following}, at) if answer.following else ""
    if is_piece(request):
        return site.render(request, "search_piece.html", answer=answer, following=following)
    return _page(site, request, typed, answer, following, error)


def _page(
    site: Site, request: Request, typed: dict[str, str], answer: Answer, following: str, error: UsageError | None
) -> Response:
    at = request.query_params.get("at", "")
    somebodies = _people(site)
    moments = site.asks.photos.moments()
    moment = next((one for one in moments if one.id.startswith(at)), None)
    albums = site.asks.photos.albums(at) if moments else {}
    names = {f"p{one.id}": one.name for one in somebodies}
    return site.render(
        request, "search.html", status=400 if error else 200, typed=typed, answer=answer, following=following, error=error,
        chips=chips_of(typed, at, names), albums=albums, kinds=KINDS, twins=TWINS, ticks=_TICKS, people=somebodies,
        moment=moment, newest=address(typed, at) if "after" in request.query_params else "", years=_years(site, at) if not typed and moments else [],
    )  # fmt: skip


def typed_of(params: Mapping[str, str], *, people: bool) -> dict[str, str]:
    """What was typed into the form, without what was left empty; who is asked for only where that may be asked."""
    found = {name: params.get(name, "").strip() for name in _FIELDS if people or name != "person"}
    found |= {name: "1" if params.get(name) else "" for name in _TICKS}
    return {name: value for name, value in found.items() if value}


def question_of(typed: Mapping[str, str]) -> Question:
    """A question out of what was typed.

    Raises:
        UsageError: stars, duplicates or the box of a map cannot be understood.
    """
    return Question(
        text=typed.get("text", ""), since=typed.get("from", ""), until=typed.get("until", ""), place=typed.get("place", ""),
        camera=typed.get("camera", ""), kind=typed.get("kind", ""), rating=_stars(typed.get("stars", "")),
        album=typed.get("album", ""), duplicates=_duplicates(typed.get("duplicates", "")), person=typed.get("person", ""), broken="broken" in typed,
        unproven="unproven" in typed, box=_box(typed.get("box", "")),
    )  # fmt: skip


def _duplicates(text: str) -> Literal["", "exact", "near"]:
    if text in ("", "exact", "near"):
        return cast("Literal['', 'exact', 'near']", text)
    raise UsageError(f"duplicates are exact or near, not {text!r}", "choose one of them in the form")


def _stars(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:3]) <= _MOST_STARS):
        raise UsageError(f"stars are 1 to {_MOST_STARS}, not {text!r}", "choose how many in the form")
    return int(text)


def _box(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    try:
        west, south, east, north = (float(one) for one in text.split(",", _CORNERS))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004 - degrees
        raise UsageError("that is no piece of the map", "choose it on the map again")
    return west, south, east, north


def address(typed: Mapping[str, str], at: str) -> str:
    """Where a question is asked."""
    asked = urlencode({**typed, **({"at": at} if at else {})})
    return f"/search?{asked}" if asked else "/search"


def chips_of(typed: Mapping[str, str], at: str, names: Mapping[str, str]) -> list[Chip]:
    """What is asked, each with the way to take it out of the question."""
    return [
        Chip(text=_said(name, value, names), without=address({n: v for n, v in typed.items() if n != name}, at))
        for name, value in typed.items()
    ]


def _said(name: str, value: str, names: Mapping[str, str]) -> str:
    if name in _TICKS:
        return _TICKS[name]
    said: dict[str, str] = {
        "text": f"“{value}”", "from": f"from {value}", "until": f"until {value}", "place": f"in {value}", "camera": value,
        "kind": dict(KINDS).get(value, value), "stars": f"{value} stars" if value == str(_MOST_STARS) else f"{value} stars or more",
        "album": f"album {value}", "duplicates": TWINS.get(value, value), "person": names.get(value) or value,
        "box": "a piece of the map",
    }  # fmt: skip
    return said[name]


def _people(site: Site) -> Sequence[Somebody]:
    try:
        return site.asks.people.people() if site.asks.people.enabled() else ()
    except PhotovaultError:
        return ()


def _years(site: Site, at: str) -> list[str]:
    return list(dict.fromkeys(part.month[:4] for part in site.asks.photos.spine(at).parts))[:8]
