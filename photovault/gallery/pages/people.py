"""People: who is there, one of them, questions, what two would be as one, and what was decided.

While nobody agreed to the grouping of faces none of these pages is there: they answer like any address that means nothing.
Nothing is decided by following a link: merging and splitting are first shown, then confirmed by a form.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from starlette.responses import Response

from photovault.errors import ConsentError, PhotovaultError, UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.routing import Route

    from photovault.gallery.asks import People
    from photovault.gallery.site import Form, Site
    from photovault.gallery.values import Face, Somebody

GROUPS: Final = 120
"""Groups on a page."""

FACES: Final = 96
"""Faces on a page."""

_TILES: Final = 12
_SHOWN: Final = 12  # faces of each in a preview of a merge
_QUESTIONS: Final = 10
_DECISIONS: Final = 100
_DIGITS: Final = 18
_NOBODY = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#8b857b"/>\
<circle cx="32" cy="25" r="11" fill="#d9d4cb"/><path d="M10 60a22 20 0 0 1 44 0z" fill="#d9d4cb"/></svg>"""


def routes(site: Site) -> list[Route]:
    """All that is below ``/people``, and pictures of faces."""
    pages = _Pages(site)
    hidden: Callable[..., Callable[..., Response]] = functools.partial(_only_if_agreed, site)
    return [
        site.page("/people", hidden(pages.everybody)),
        site.page("/people/review", hidden(pages.review)),
        site.change("/people/review", hidden(pages.answer)),
        site.page("/people/history", hidden(pages.history)),
        site.change("/people/undo", hidden(pages.undo)),
        site.page("/people/{number}", hidden(pages.person)),
        site.change("/people/{number}/name", hidden(pages.name)),
        site.change("/people/{number}/hide", hidden(pages.hide)),
        site.page("/people/{number}/merge", hidden(pages.merging)),
        site.change("/people/{number}/merge", hidden(pages.merge)),
        site.page("/people/{number}/split", hidden(pages.splitting)),
        site.change("/people/{number}/split", hidden(pages.split)),
        site.page("/face/{number}", hidden(pages.face), media=True),  # one process makes them, one after the other
    ]


def _only_if_agreed(site: Site, handler: Callable[..., Response]) -> Callable[..., Response]:
    """The page, which is not there while nobody agreed; also when that ends while it is made."""

    def answer(*given: object) -> Response:
        try:
            if not site.asks.people.enabled():
                raise _nothing_here()
            return handler(*given)
        except ConsentError as error:
            if not site.asks.people.enabled():
                raise _nothing_here() from None
            raise UsageError(error.what, error.hint) from None  # of an organisation: no release of that person

    return answer


def _nothing_here() -> NotThereError:
    return NotThereError(
        "there is nothing at this address", "see Privacy for what you agreed to, or go to the timeline"
    )


class _Pages:
    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def _people(self) -> People:
        return self._site.asks.people

    # Looking --------------------------------------------------------------------------------------------------------

    def everybody(self, request: Request) -> Response:
        """Who is there."""
        query = request.query_params
        everybody, hidden, text = query.get("everybody") == "1", query.get("hidden") == "1", query.get("q", "").strip()
        found = self._people.people(everybody=everybody, hidden=hidden)
        matching = [one for one in found if _is_called(one, text)]
        first = _place(query.get("from", ""))
        return self._site.render(
            request,
            "people.html",
            people=matching[first : first + GROUPS],
            total=len(matching),
            nobody=not found,
            text=text,
            everybody=everybody,
            hidden=hidden,
            earlier=_people_at(query, max(0, first - GROUPS)) if first else "",
            later=_people_at(query, first + GROUPS) if first + GROUPS < len(matching) else "",
        )

    def person(self, request: Request) -> Response:
        """One of them: the name, the photos, all faces."""
        person = self._people.person(_number(request))
        first = _place(request.query_params.get("from", ""))
        photos, why = self._photos(request, person)
        return self._site.render(
            request,
            "person.html",
            person=person,
            faces=person.faces[first : first + FACES],
            first=first,
            earlier=f"/people/{person.id}?from={max(0, first - FACES)}#faces" if first else "",
            later=f"/people/{person.id}?from={first + FACES}#faces" if first + FACES < len(person.faces) else "",
            tiles=photos,
            why_no_photos=why,
        )

    def face(self, request: Request) -> Response:
        """A face; a shape where its photo is not on this computer any more."""
        made = self._people.crop(_number(request))
        kind = "image/svg+xml" if made is None else "image/webp"
        return Response(_NOBODY if made is None else made, media_type=kind, headers={"Cache-Control": "no-store"})

    def _photos(self, request: Request, person: Somebody) -> tuple[Sequence[object], str]:
        """The newest photos with somebody, or why they cannot be shown now."""
        try:
            at = request.query_params.get("at", "")
            found = self._site.asks.photos.search(at, Question(person=f"p{person.id}"), "", _TILES)
        except ConsentError:
            raise
        except PhotovaultError as error:
            return (), error.what
        return found.tiles, ""

    # Deciding -------------------------------------------------------------------------------------------------------

    def name(self, request: Request, form: Form) -> Response:
        """Give a name; one that somebody has leads to a merge."""
        number, name = _number(request), form.one("name").strip()
        other = self._has_name(name, number)
        if other is not None:
            return self._site.see(f"/people/{number}/merge?with={other.id}&why=name")
        self._people.name(number, name)
        return self._site.see(f"/people/{number}")

    def hide(self, request: Request, form: Form) -> Response:
        """List somebody no more, or again."""
        number, hidden = _number(request), form.one("hidden") == "yes"
        self._people.hide(number, hidden=hidden)
        return self._site.see("/people" if hidden else f"/people/{number}")

    def merging(self, request: Request) -> Response:
        """With whom, then what comes of it."""
        query = request.query_params
        one = self._people.person(_number(request))
        other = self._people.person(_digits(query["with"])) if query.get("with") else None
        if other is not None and other.id == one.id:
            raise UsageError("that is the same person already", "choose another one")
        return self._site.render(
            request,
            "merge.html",
            one=one,
            other=other,
            shown=_SHOWN,
            same_name=query.get("why") == "name",
            text=query.get("q", "").strip(),
            candidates=() if other is not None else self._others(one, query.get("q", "").strip()),
        )

    def merge(self, request: Request, form: Form) -> Response:
        """Make two one."""
        one, other = self._people.person(_number(request)), self._people.person(_digits(form.one("with")))
        keep = _digits(form.one("keep")) if form.one("keep") else 0
        stays = _who_stays(one, other, keep)
        self._people.merge(one.id, other.id, stays.name if one.name and other.name else "")
        return self._site.see(f"/people/{stays.id}")

    def splitting(self, request: Request) -> Response:
        """What would go, and what would stay."""
        person = self._people.person(_number(request))
        chosen = {_digits(text) for text in request.query_params.getlist("face")}
        goes, stays = _parted(person, chosen)
        return self._site.render(request, "split.html", person=person, goes=goes, stays=stays, shown=FACES)

    def split(self, request: Request, form: Form) -> Response:
        """Take faces out."""
        number = _number(request)
        self._people.split(number, [_digits(text) for text in form.all("face")])
        return self._site.see(f"/people/{number}")

    # Questions and decisions ----------------------------------------------------------------------------------------

    def review(self, request: Request) -> Response:
        """One question."""
        doubts = self._people.doubts(_QUESTIONS)
        last = next((one for one in self._people.history() if not one.undone), None)
        return self._site.render(
            request,
            "review.html",
            doubt=doubts[0] if doubts else None,
            following=[face.id for one in doubts[1:3] for face in (one.left, one.right)],
            waiting=len(doubts),
            answered=_place(request.query_params.get("answered", "")),
            last=last,
        )

    def answer(self, _request: Request, form: Form) -> Response:
        """Keep an answer, and ask the next question."""
        self._people.answer(form.one("doubt"), form.one("answer"))
        return self._site.see(f"/people/review?answered={_place(form.one('answered')) + 1}")

    def history(self, request: Request) -> Response:
        """What was decided."""
        first = _place(request.query_params.get("from", ""))
        found = self._people.history()
        return self._site.render(
            request,
            "history.html",
            decisions=found[first : first + _DECISIONS],
            later=f"/people/history?from={first + _DECISIONS}" if first + _DECISIONS < len(found) else "",
        )

    def undo(self, _request: Request, form: Form) -> Response:
        """Take a decision back."""
        self._people.undo(_digits(form.one("entry")))
        back = f"/people/review?answered={max(0, _place(form.one('answered')) - 1)}"
        return self._site.see(back if form.one("next") == "review" else "/people/history")

    # Steps ----------------------------------------------------------------------------------------------------------

    def _everyone(self) -> list[Somebody]:
        """Who is there, and who is hidden."""
        found = {one.id: one for hidden in (False, True) for one in self._people.people(everybody=True, hidden=hidden)}
        return list(found.values())

    def _has_name(self, name: str, number: int) -> Somebody | None:
        """Who else is called so."""
        others = (one for one in self._everyone() if name and one.name and one.id != number)
        return next((one for one in others if _folded(one.name) == _folded(name)), None)

    def _others(self, one: Somebody, text: str) -> list[Somebody]:
        """With whom somebody can be merged: those called so, else everybody, named ones first."""
        found = [other for other in self._everyone() if other.id != one.id and _is_called(other, text)]
        return found[:GROUPS]


def _who_stays(one: Somebody, other: Somebody, keep: int) -> Somebody:
    """Whose number and name the two have from then on.  UsageError where both have a name, and ``keep`` is neither."""
    if one.name and other.name and keep not in {one.id, other.id}:
        raise UsageError("both have a name", "go back, and choose the name that stays")
    if one.name and other.name:
        return other if keep == other.id else one
    return other if other.name and not one.name else one


def _parted(person: Somebody, chosen: set[int]) -> tuple[list[Face], list[Face]]:
    """Which faces go, and which stay.  UsageError where that is no split."""
    goes = [face for face in person.faces if face.id in chosen]
    stays = [face for face in person.faces if face.id not in chosen]
    if not goes:
        raise UsageError("no face was chosen", "go back, and tick those that are somebody else")
    if not stays:
        raise UsageError("these are all the faces of this group", "leave at least one, or give it another name")
    return goes, stays


def _is_called(one: Somebody, text: str) -> bool:
    return not text or _folded(text) in _folded(one.name) or _folded(text) == f"p{one.id}"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _people_at(query: object, first: int) -> str:
    """The address of another page of the same list."""
    kept = {name: query.get(name) for name in ("q", "everybody", "hidden", "at")}  # type: ignore[attr-defined]
    return "/people?" + urlencode({name: value for name, value in kept.items() if value} | {"from": first})


def _number(request: Request) -> int:
    """The number in the address."""
    return _digits(request.path_params["number"])


def _digits(text: str) -> int:
    """A number of a person, a face or a decision.  NotThereError for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise NotThereError("there is nothing of that number", "go back, and load the page again")
    return int(text)


def _place(text: str) -> int:
    """Where in a list to begin; at its beginning for anything strange."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0  # noqa: PLR2004 - more is no list of ours
