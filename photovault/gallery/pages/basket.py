"""The restore basket and long work: what is in it, where it goes, how far that is.

Everything works by forms alone: a job's page loads itself anew until the job is over.  With scripts its piece polls, marked
``poll=1``, which is nobody's doing and so no reason to keep the gallery unlocked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from photovault.errors import UsageError
from photovault.gallery.site import is_piece, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from photovault.gallery.site import Form, Site
    from photovault.gallery.values import Basket, Job, Moment, Tile

RULES: Final = (
    ("never", "Keep it", "Whatever is there already stays as it is."),
    ("if-newer", "Replace it if it is older", "Only where the one in the vault has a later date."),
    ("if-changed", "Replace it if it differs", "Where its size or its date is another than in the vault."),
    ("always", "Make it as in the vault", "Every file is compared byte by byte, and replaced if its contents differ."),
)
"""What may happen to a file that is there already: value, in short, in words."""

_KINDS: Final = frozenset({"restore", "dry-run"})
_JOBS: Final = 5
_ROWS: Final = 200


def routes(site: Site) -> list[Route]:
    """The paths of this page."""
    page = _Basket(site)
    return [
        site.page("/basket", page.show),
        site.change("/basket/add", page.add),
        site.change("/basket/remove", page.remove),
        site.change("/basket/empty", page.empty),
        site.change("/basket/restore", page.restore),
        site.page("/jobs/{id}", page.job),
        site.change("/jobs/{id}/cancel", page.cancel),
    ]


class _Basket:
    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """What is in it, and where it may go."""
        return self._page(request)

    def _page(
        self,
        request: Request,
        *,
        status: int = 200,
        to: str | None = None,
        rule: str = "never",
        error: UsageError | None = None,
    ) -> Response:
        restores = self._site.asks.restores
        basket, rooms = restores.basket(), restores.rooms()
        jobs = [one for one in self._site.asks.jobs.jobs() if one.kind in _KINDS][:_JOBS]
        return self._site.render(
            request,
            "basket.html",
            status=status,
            basket=basket,
            groups=_groups(basket, self._site.asks.photos.moments()),
            rooms=rooms,
            rules=RULES,
            to=rooms[0].path if to is None else to,
            rule=rule,
            error=error,
            jobs=jobs,
        )

    def add(self, request: Request, form: Form) -> Response:
        """Put photos in, or with ``all`` a whole snapshot."""
        restores, at = self._site.asks.restores, form.one("at")
        if form.one("all"):
            restores.add_all(at)
        else:
            restores.add(at, form.numbers("number"))
        return self._changed(request)

    def remove(self, request: Request, form: Form) -> Response:
        """Take photos out, or with ``all`` a whole snapshot."""
        restores = self._site.asks.restores
        if form.one("all"):
            restores.remove_all(form.one("at"))
        else:
            restores.remove(form.numbers("number"))
        return self._changed(request)

    def empty(self, request: Request, form: Form) -> Response:
        """Take all out."""
        del form
        self._site.asks.restores.empty()
        return self._changed(request)

    def _changed(self, request: Request) -> Response:
        if is_piece(request):
            return self._site.render(request, "basket_piece.html")
        return self._site.see("/basket")

    def restore(self, request: Request, form: Form) -> Response:
        """Begin to restore, or to try what that would do; a folder that will not do is said beside its field."""
        to, rule = form.one("to"), form.one("overwrite", "never")
        try:
            job = self._site.asks.restores.start(to, rule, dry_run=bool(form.one("try")))
        except UsageError as error:
            return self._page(request, status=400, to=to, rule=rule, error=error)
        return self._site.see(f"/jobs/{job}")

    def job(self, request: Request) -> Response:
        """How long work stands; of a dry run also what would become of each file."""
        job = self._site.asks.jobs.job(request.path_params["id"])
        first = number(request.query_params.get("first", "0"))
        template = "job_piece.html" if is_piece(request) else "job.html"
        response = self._site.render(request, template, job=job, **_rows(job, first))
        if job.kind == "listings" and job.state in {"done", "partly"}:  # the page that waited for it can be shown now
            response.headers["hx-refresh"] = "true"
        return response

    def cancel(self, request: Request, form: Form) -> Response:
        """Stop it soon."""
        del form
        jobs, job_id = self._site.asks.jobs, request.path_params["id"]
        jobs.cancel(job_id)
        if is_piece(request):
            job = jobs.job(job_id)
            return self._site.render(request, "job_piece.html", job=job, **_rows(job, 0))
        return self._site.see(f"/jobs/{job_id}")


def _groups(basket: Basket, moments: Sequence[Moment]) -> list[tuple[str, Moment | None, list[Tile]]]:
    """What is shown of the basket by snapshot: its id, what is known of it, photos."""
    known = {one.id: one for one in moments}
    tiles: dict[str, list[Tile]] = {at: [] for at in basket.moments}
    for at, tile in basket.tiles:
        tiles.setdefault(at, []).append(tile)
    return [(at, known.get(at), found) for at, found in tiles.items() if found]


def _rows(job: Job, first: int) -> dict[str, Any]:
    """A page of what would become of files, and where the pages beside it begin; None where there is none."""
    before = max(0, first - _ROWS) if first else None
    after = first + _ROWS if first + _ROWS < len(job.rows) else None
    return {"rows": job.rows[first : first + _ROWS], "first": first, "before": before, "after": after}
