"""How values are written for people: filters and globals of the templates.  Pure.

Whatever a file said comes through here; what is not understood is shown as it is, and nothing here fails on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from photovault.gallery.values import BADGES

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP: Final = 1000
_EXACT: Final = 99.95  # from here on a figure behind the point says nothing
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_COMMANDS: Final = ("pip ", "python ", "photovault ", "sudo ", "`", "/", "~")
_COMMAND: Final = re.compile(r"`([^`]*)`|((?:python3? -m )?pip install (?:-\S+ )*(?:'[^']*'|[^\s,;:]+)|^sudo .*)")


def amount(size: int) -> str:
    """Bytes as ``61.5 MB``, powers of a thousand."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < _STEP - 0.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= _EXACT else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:,.1f} TB"


def count(number: int, one: str, many: str = "") -> str:
    """``1 photo``, ``1,234 photos``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def month(text: str) -> str:
    """``May 2021`` of ``2021-05``."""
    name = _month(text[5:])
    return f"{name} {text[:4]}" if name else text


def date(text: str) -> str:
    """``4 May 2021`` of an ISO 8601 time."""
    name, of_month = _month(text[5:7]), text[8:10]
    return f"{int(of_month)} {name} {text[:4]}" if name and of_month.isascii() and of_month.isdigit() else text[:10]


def when(text: str) -> str:
    """``2021-05-04 13:07`` of an ISO 8601 time."""
    return text[:16].replace("T", " ")


def day(text: str) -> str:
    """The date of an ISO 8601 time."""
    return text[:10]


def lasts(seconds: float) -> str:
    """``1:07`` of 67 seconds, ``1:01:07`` of an hour more."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def badge(key: str) -> str:
    """What a badge means."""
    return BADGES.get(key, key)


def span(since: str, until: str) -> str:
    """``4 May 2021, 13:07 to 15:20`` of two ISO 8601 times, without what both say."""
    first, last = (f"{date(text)}, {text[11:16]}" for text in (since, until))
    if first == last:
        return first
    return f"{first} to {until[11:16] if since[:10] == until[:10] else last}"


def sentence(text: str) -> str:
    """With a capital letter at its beginning, unless that is a command, and no full stop at its end."""
    first = text[:1] if text.startswith(_COMMANDS) else text[:1].upper()
    return (first + text[1:]).rstrip(".")


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text of ours in pieces, each with whether it is a command: one between backticks, and what is installed by pip."""
    found, at = [], 0
    for one in _COMMAND.finditer(text):
        found += [(text[at : one.start()], False), (one[1] or one[2] or "", True)]
        at = one.end()
    return [piece for piece in (*found, (text[at:], False)) if piece[0]]


def ratio(aspect: float) -> str:
    """The class of a tile in a justified grid: ``r150`` for 1.5, in steps of 0.05."""
    return f"r{round(aspect * 20) * 5}"


def into(path: str, at: str) -> str:
    """A path of ours, in the snapshot that is looked at: ``/search?at=1f2e``; as it is for the newest one."""
    return f"{path}{'&' if '?' in path else '?'}at={quote(at, safe='')}" if at else path


def _month(text: str) -> str:
    known = text.isascii() and text.isdigit() and 1 <= int(text) <= len(_MONTHS)
    return _MONTHS[int(text) - 1] if known else ""


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    one.__name__: one
    for one in (amount, count, month, date, when, day, lasts, span, badge, sentence, pieces, ratio, into)
}
GLOBALS: Final[dict[str, Any]] = {"count": count}
