"""Privacy: what left this computer, and what was agreed to about faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Form, Site
    from photovault.gallery.values import Left

KINDS: Final = {
    "pack": ("Packs", "your photos, videos and their listings, sealed: the storage sees noise"),
    "index": ("Indexes", "where in the packs things are, sealed"),
    "snapshot": ("Snapshots", "when a backup was made and of what, sealed"),
    "retention": ("Retention records", "which snapshots are kept or forgotten, sealed"),
    "parity": ("Parity", "what repairs damaged packs, sealed; made of packs that left already"),
    "slot": ("Key slots", "the vault's key, locked by your password, your words or a device key"),
    "header": ("Header", "which format the vault has; in clear, the same in every vault but for its id"),
    "recovery": ("Recovery texts", "how to restore without photovault; in clear, the same for everybody"),
}
"""What may leave, by the ledger's kinds: a title, and what that is."""

_DAYS: Final = 31
_TEXT_MAX: Final = 64


def routes(site: Site) -> list[Route]:
    """All that is below ``/privacy``."""
    pages = _Pages(site)
    return [
        site.page("/privacy", pages.privacy),
        site.page("/privacy/erase", pages.sure),
        site.change("/privacy/erase", pages.erase),
    ]


class _Pages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def privacy(self, request: Request) -> Response:
        """What left, and the consent."""
        found = self._site.asks.privacy.privacy()
        months = _by_month(found.left)
        chosen = request.query_params.get("month", "")[:_TEXT_MAX]
        shown = chosen if chosen in months else next(iter(months), "")
        return self._site.render(
            request,
            "privacy.html",
            privacy=found,
            kinds=KINDS,
            strange=sorted(found.kinds.keys() - KINDS.keys()),
            months=list(months),
            month=shown,
            days=_by_day(months.get(shown, ())),
        )

    def sure(self, request: Request) -> Response:
        """Ask once more."""
        return self._site.render(request, "erase.html", privacy=self._site.asks.privacy.privacy(), done="")

    def erase(self, request: Request, form: Form) -> Response:
        """Erase, when it was said twice."""
        if form.one("sure") != "yes":
            return self._site.see("/privacy/erase")
        done = self._site.asks.privacy.erase()
        return self._site.render(request, "erase.html", privacy=self._site.asks.privacy.privacy(), done=done)


def _by_month(rows: Iterable[Left]) -> dict[str, list[Left]]:
    """In the order in which they come."""
    found: dict[str, list[Left]] = {}
    for row in rows:
        found.setdefault(row.day[:7], []).append(row)
    return found


def _by_day(rows: Sequence[Left]) -> list[tuple[str, list[Left]]]:
    found: dict[str, list[Left]] = {}
    for row in rows:
        found.setdefault(row.day, []).append(row)
    return list(found.items())[:_DAYS]
