"""Whether the photos are safe, in one sentence, and everything that it rests on.

A storage may take long to answer, so the page comes at once and what is known is loaded into it; without scripts it loads itself
anew and waits.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.errors import BusyError
from photovault.gallery.site import number
from photovault.gallery.words import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Form, Site
    from photovault.gallery.values import Health

SENTENCES: Final = {
    "protected": ("Your photos are protected.", "good"),
    "in part": ("Protected here, but not everywhere.", "warn"),
    "incomplete": ("Not all is protected: some files could not be read.", "warn"),
    "failing": ("Not protected: backups fail.", "bad"),
    "overdue": ("Not protected: the last backup is too long ago.", "bad"),
    "damaged": ("Some photos are damaged.", "bad"),
    "in doubt": ("In doubt: the vault does not show all that it should.", "bad"),
    "not protected": ("Not protected: this computer has no backup in this vault.", "bad"),
    "not reached": ("The vault cannot be reached.", "bad"),
}
"""What is said first, by ``Health.word``, and how bad it is."""

PHOTOS: Final = 50
"""How many a drill proves that is begun here."""

_WEEKS: Final = 53
_CELL: Final = 12
_LEVELS: Final = 4
_UNITS: Final = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


def routes(site: Site) -> list[Route]:
    """The paths of this page."""
    page = _Health(site)
    return [
        site.page("/health", page.show),
        site.page("/health/now", page.piece),
        site.change("/health/drill", page.drill),
    ]


class _Health:
    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """The page; what is not known yet is loaded into it, unless ``now`` says to wait for it."""
        health, now = self._site.asks.health.known(), request.query_params.get("now")
        if now == "fresh" or (now and health is None):
            try:
                health = self._site.asks.health.health(fresh=now == "fresh")
            except BusyError:
                health = None
        return self._site.render(request, "health.html", **_shown(health))

    def piece(self, request: Request) -> Response:
        """What is known; a storage that takes long is asked again."""
        try:
            health = self._site.asks.health.health()
        except BusyError:
            health = None
        return self._site.render(request, "health_piece.html", **_shown(health))

    def drill(self, request: Request, form: Form) -> Response:
        """Begin to prove photos."""
        del request
        job = self._site.asks.health.drill(number(form.one("count", str(PHOTOS))))
        return self._site.see(f"/jobs/{job}")


def _shown(health: Health | None) -> dict[str, Any]:
    if health is None:
        return {"health": None}
    proven, files = _share(health)
    return {
        "health": health,
        "sentence": SENTENCES.get(health.word, ("Not protected.", "bad")),
        "clock": clock(health),
        "calendar": calendar(health.days, datetime.now(UTC).date()),
        "proven": proven,
        "provable": files,
        "percent": min(100, 100 * proven // files) if files else 0,
        "due": [one for one in health.keys if one.due],
        "photos": PHOTOS,
    }


def _share(health: Health) -> tuple[int, int]:
    """How many of how many files are proven, over all destinations."""
    return sum(one.proven for one in health.destinations), sum(one.files for one in health.destinations)


# The overdue clock ------------------------------------------------------------------------------------------------------


class Clock(NamedTuple):
    """A ring that fills from the last success until a backup is overdue: percent, and both ends in words."""

    percent: int
    since: str
    until: str
    state: str


def clock(health: Health) -> Clock:
    """The clock of the last success."""
    if health.age is None:
        return Clock(100, "never", "There is no backup yet.", "bad")
    percent = min(100, round(100 * health.age / health.overdue_after)) if health.overdue_after > 0 else 100
    left = health.overdue_after - health.age
    until = f"Overdue in {span(left)}." if left > 0 else f"Overdue for {span(-left)}."
    return Clock(percent, span(health.age), until, "bad" if left <= 0 else "warn" if percent > 75 else "good")  # noqa: PLR2004


def span(seconds: float) -> str:
    """``2 hours``, ``53 days``; less than a minute is ``a moment``."""
    for unit, length in _UNITS:
        if seconds >= length:
            return count(int(seconds // length), unit)
    return "a moment"


# The calendar -----------------------------------------------------------------------------------------------------------


class Day(NamedTuple):
    """A day in the calendar: where its square is, how dark, what it says."""

    x: int
    y: int
    level: int
    title: str


class Calendar(NamedTuple):
    """The last 53 weeks, a column each, Monday above: squares, months above them, and the same by month in figures."""

    days: tuple[Day, ...]
    months: tuple[tuple[int, str], ...]
    by_month: tuple[tuple[str, int], ...]
    total: int


def calendar(proven: Mapping[str, int], today: date) -> Calendar:
    """How many files were proven last on each day until ``today``."""
    monday = today - timedelta(days=today.weekday(), weeks=_WEEKS - 1)
    every = [monday + timedelta(days=one) for one in range((today - monday).days + 1)]
    figures = {day: max(0, proven.get(day.isoformat(), 0)) for day in every}
    most = max(figures.values(), default=0)
    by_month: dict[str, int] = {}
    for day, files in figures.items():
        by_month[f"{day:%Y-%m}"] = by_month.get(f"{day:%Y-%m}", 0) + files
    return Calendar(
        days=tuple(_day(day, (day - monday).days, files, most) for day, files in figures.items()),
        months=tuple(
            (_CELL * ((day - monday).days // 7), f"{day:%b}")
            for day in every
            if day.day == 1 and (today - day).days > 13  # noqa: PLR2004 - or it hangs over
        ),
        by_month=tuple((month, files) for month, files in reversed(by_month.items()) if files),
        total=sum(figures.values()),
    )


def _day(day: date, place: int, files: int, most: int) -> Day:
    """Darker by the square root: one photo shows beside a thousand."""
    level = -(-_LEVELS * round((files / most) ** 0.5 * 1000) // 1000) if files else 0
    proven = f"{count(files, 'file')} proven" if files else "nothing proven"
    return Day(_CELL * (place // 7), _CELL * (place % 7), level, f"{day.day} {day:%B %Y}: {proven}")
