"""Options that choose photos by what is known of them: the same ones for every command that chooses."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.errors import UsageError
from photovault.photos.choose import Filters, choose
from photovault.photos.sets import SetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from photovault.app import App
    from photovault.gazetteer import Area
    from photovault.photos.choose import Choice

_DEGREE = 10_000_000

_FILTERS: dict[str, Any] = {
    "since": Annotated[str | None, typer.Option("--from", metavar="DATE", help="Taken on or after, as 2021-05-04.")],
    "until": Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Taken on or before; 2021-05 includes all of May.")
    ],
    "place": Annotated[
        str | None,
        typer.Option("--place", metavar="NAME", help="Taken in a town or country, or near a point: 41.9,12.5,20km."),
    ],
    "camera": Annotated[str | None, typer.Option(metavar="TEXT", help="Words of the camera's or lens's name.")],
    "kind": Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="photo, video, raw, live, motion, burst, sidecar, or a format: jpeg, heic, nef ..."
        ),
    ],
    "rating": Annotated[int | None, typer.Option(metavar="N", min=1, max=5, help="With at least N stars.")],
    "text": Annotated[str | None, typer.Option(metavar="WORDS", help="Words in name, title, description or keywords.")],
    "set_kind": Annotated[SetKind | None, typer.Option("--set", help="Of a set of this kind.")],
    "person": Annotated[
        list[str] | None,
        typer.Option(
            "--person",
            metavar="NAME",
            help="With this person, named or as p7; once more for another on the same photo.",
        ),
    ],
    "broken": Annotated[bool, typer.Option("--broken", help="Only what does not decode, or is suspect of bit rot.")],
    "only_matching": Annotated[
        bool,
        typer.Option(
            "--only-matching", help="Without the other files of a photo's set: its video, RAW, edits, sidecars."
        ),
    ],
}
_OFF = frozenset(("broken", "only_matching"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the options said."""

    given: dict[str, Any] = field(default_factory=dict)

    def choice(self, paths: Sequence[str], app: App) -> Choice:
        """What is wanted, of these paths.  ``app``: who knows in which photos a person is.

        Raises:
            UsageError: what was given cannot be understood, or no place or person is called so.
            ConsentError: a person was given, and nobody agreed to the grouping of faces.
        """
        values = self.values()
        only_matching = values.pop("only_matching", False)
        if "person" in values:
            values["digests"] = photos_of(app, values.pop("person"))
        if "place" in values:
            values["near"] = _near(values.pop("place"))
        return choose(paths, Filters(**values), only_matching=only_matching)

    def values(self) -> dict[str, Any]:
        """What was given, by the names of ``Filters``.

        Raises:
            UsageError: something was given that is empty.
        """
        values = {name: value for name, value in self.given.items() if value is not None}
        for name, value in values.items():
            if value == "" or (isinstance(value, list) and "" in value):
                raise UsageError(f"--{'from' if name == 'since' else name} is empty", "give a value, or leave it out")
        return values


def with_filters(function: Callable[..., None], *, without: Collection[str] = ()) -> Callable[..., None]:
    """Give a command the options that choose photos; it gets the ``Wanted`` as ``wanted`` instead.

    ``without``: names of those that make no sense for it.
    """
    own = inspect.signature(function, eval_str=True)
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name in _OFF else None, annotation=annotation
        )
        for name, annotation in _FILTERS.items()
        if name not in without
    ]

    @functools.wraps(function)
    def command(*args: Any, **values: Any) -> None:  # noqa: ANN401 - what typer parsed
        given = {name: values.pop(name) for name in _FILTERS if name in values and name not in own.parameters}
        function(*args, **values, wanted=Wanted(given=given))

    rest = [one for one in own.parameters.values() if one.name != "wanted"]
    command.__signature__ = own.replace(parameters=[*rest, *options])  # type: ignore[attr-defined]
    return command


def photos_of(app: App, people: Sequence[str]) -> frozenset[bytes]:
    """SHA-256 of the photos with all of these people.

    Raises:
        UsageError: nobody is called so.
        ConsentError: nobody agreed to the grouping of faces.
    """
    from photovault.app.people_process import digests_of  # noqa: PLC0415 - it starts a process, which most calls need not

    return digests_of(app, *people)


def areas_of(place: str) -> list[Area]:
    """What may be meant by the name of a place.

    Raises:
        UsageError: no place is called so.
    """
    from photovault import gazetteer  # noqa: PLC0415 - it reads a list of the world's towns

    return gazetteer.areas_of(place)


def _near(place: str) -> Callable[[int, int], bool]:
    """Whether a point, in 1e-7 degrees, is in any place that may be meant."""
    areas = areas_of(place)
    return lambda latitude, longitude: any(area.holds(latitude / _DEGREE, longitude / _DEGREE) for area in areas)
