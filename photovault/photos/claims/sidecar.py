"""Files beside a photo that speak of it: XMP, Apple's AAE, and the JSON that Google Takeout puts beside each.

They are known by their content: an XMP by its namespace, an AAE (what an edit on an iPhone did) as a property list with an
adjustment, Takeout's JSON by ``photoTakenTime``.  None is read beyond 1 MiB.
"""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from photovault.photos.claims import texts, xmp
from photovault.photos.claims.claims import Claims, Place, place
from photovault.photos.claims.dates import Date, Rank, since_1970

if TYPE_CHECKING:
    from photovault.photos.window import Window

_MAX = 1024 * 1024
_ADJUSTMENT = (b"adjustmentFormatIdentifier", b"adjustmentBaseVersion")
_TAKEN = "photoTakenTime"
_MAX_DIGITS = 12


def is_xmp(head: bytes) -> bool:
    """Whether a file that begins so is an XMP."""
    return xmp.looks_like(head)


def read_xmp(window: Window) -> Claims:
    """What an XMP says of its photo."""
    return xmp.claims(xmp.read(window.upto(0, _MAX)))


def is_aae(head: bytes) -> bool:
    """Whether a file that begins so is an AAE, as XML or binary; nothing in it is about the photo."""
    listed = head.startswith(b"bplist00") or b"<plist" in head[:1024]
    return listed and any(word in head for word in _ADJUSTMENT)


def takeout(window: Window) -> Claims | None:
    """What Takeout's JSON says of its photo; None if it is another JSON."""
    if window.size > _MAX or not window.head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return None
    found = _parsed(window.upto(0, window.size))
    if not isinstance(found, dict) or not isinstance(found.get(_TAKEN), dict):
        return None
    return Claims(
        dates=_date(found[_TAKEN]),
        place=_place(found.get("geoData")) or _place(found.get("geoDataExif")),
        title=texts.clean(_text(found.get("title")), texts.TITLE) or None,
        description=texts.clean(_text(found.get("description")), texts.TEXT) or None,
    )


def _parsed(data: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    with suppress(ValueError, RecursionError):
        return json.loads(data)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _date(taken: dict[str, Any]) -> tuple[Date, ...]:
    """Seconds since 1970, which Takeout writes as text."""
    text = str(taken.get("timestamp", ""))[: _MAX_DIGITS + 1]
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        return ()
    when = since_1970(int(text))
    return (Date(Rank.CREATED, when, "takeout"),) if when else ()


def _place(value: object) -> Place | None:
    """Degrees and metres; Takeout writes 0, 0, 0 where it knows none."""
    if not isinstance(value, dict):
        return None
    latitude, longitude, altitude = (value.get(name) for name in ("latitude", "longitude", "altitude"))
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return place(latitude, longitude, altitude if isinstance(altitude, int | float) and altitude else None)
