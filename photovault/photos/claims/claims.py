"""``Claims``: what one part of a file says, and how the claims of several parts become one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec

from photovault.photos.window import Unclear

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.photos.claims.dates import Date

_P = ParamSpec("_P")
_DEGREE = 10_000_000
_ALTITUDE_MAX = 100_000_000  # millimetres: nobody takes photos from higher, but broken tags say so
_WORDS_MAX = 256
_SIDE_MAX = 2**31
_LETTERS_MAX = 16 * 1024  # of all keywords together, so that an entry fits into a page of a listing


class Place(NamedTuple):
    """A place: latitude and longitude in 1e-7 degrees, altitude in millimetres if it is known."""

    latitude: int
    longitude: int
    altitude: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What is said of a photo; the fields are those of ``facts.Facts``, ``size`` is (width, height) in pixels."""

    dates: tuple[Date, ...] = ()
    keywords: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    orientation: int | None = None
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    place: Place | None = None
    duration: int | None = None
    rating: int | None = None
    title: str | None = None
    description: str | None = None
    content_id: str | None = None
    burst_id: str | None = None
    motion: int | None = None
    gain_map: bool | None = None


NOTHING: Final = Claims()
_SINGLE: Final = tuple(one.name for one in fields(Claims) if one.name not in {"dates", "keywords"})


def together(*many: Claims) -> Claims:
    """One for all: of each thing the first claim, all dates in order, and all keywords, sorted."""
    some = [one for one in many if one is not NOTHING]
    if len(some) < 2:  # noqa: PLR2004 - one is as it is
        return some[0] if some else NOTHING
    found: dict[str, Any] = {}
    for name in _SINGLE:
        for one in some:
            if (value := getattr(one, name)) is not None:
                found[name] = value
                break
    dates = tuple(date for one in some for date in one.dates)
    return Claims(**found, dates=dates, keywords=keywords([word for one in some for word in one.keywords]))


def keywords(words: list[str]) -> tuple[str, ...]:
    """Sorted, each once, none empty; at most 256 with at most 16,384 letters in all."""
    kept, letters = [], 0
    for word in sorted(set(words) - {""})[:_WORDS_MAX]:
        letters += len(word)
        if letters > _LETTERS_MAX:
            break
        kept.append(word)
    return tuple(kept)


def quietly(reader: Callable[_P, Claims], *args: _P.args, **kwargs: _P.kwargs) -> Claims:
    """What ``reader`` finds; nothing when that part of the file is unclear, so that the others are still read."""
    try:
        return reader(*args, **kwargs)
    except Unclear:
        return NOTHING


def place(latitude: float, longitude: float, altitude: float | None = None) -> Place | None:
    """A place from degrees and metres; None where nobody was: out of range, or exactly 0, 0, which programs write."""
    if not (abs(latitude) <= 90 and abs(longitude) <= 180) or latitude == longitude == 0:  # noqa: PLR2004 - degrees
        return None
    return Place(round(latitude * _DEGREE), round(longitude * _DEGREE), _millimetres(altitude))


def _millimetres(altitude: float | None) -> int | None:
    if altitude is None or not abs(altitude) * 1000 <= _ALTITUDE_MAX:
        return None
    return round(altitude * 1000)


def orientation(number: int | None) -> int | None:
    """Exif's orientation, if it is one."""
    return number if number is not None and 1 <= number <= 8 else None  # noqa: PLR2004 - there are eight


def size(width: int | None, height: int | None) -> tuple[int, int] | None:
    """The size of a picture, if both are known and it has pixels, but no more in a row than any format can have."""
    if width is None or height is None or not (0 < width <= _SIDE_MAX and 0 < height <= _SIDE_MAX):
        return None
    return width, height
