"""Names given back to groups by the photos that they were in: what a backup kept of them.  Pure.

A backup of names knows photos and names, not faces.  A name belongs to the group that is in the same photos: most of those
with the name, and few others (their common photos, as a share of all that either is in).  Two people who are always together
in photos cannot be told apart so, and neither gets a name; nor does a group that fits two names alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.errors import DamageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION: Final = 1
LEAST: Final = 0.5
"""Share of common photos from which a group may be the person of a name."""
_DIGEST: Final = 64  # hex digits


class Tagged(NamedTuple):
    """Names of groups, by number, and how many names fit none."""

    names: dict[int, str]
    unmatched: int


def encode(names: Mapping[str, Iterable[str]]) -> bytes:
    """Names by photo (SHA-256 in hex) as a file; the same names give the same bytes."""
    photos = {photo: sorted(set(names[photo])) for photo in sorted(names)}
    return json.dumps({"photovault-names": VERSION, "photos": photos}, ensure_ascii=False, indent=0).encode()


def decode(data: bytes) -> dict[str, list[str]]:
    """The names of a file that ``encode`` made.

    Raises:
        DamageError: it did not.
    """
    try:
        value = json.loads(data)
        if value["photovault-names"] == VERSION:
            return {_photo(photo): [_text(name) for name in names] for photo, names in value["photos"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise DamageError("that is no file with names of people", "restore names.json from the vault")


def match(names: Mapping[str, Iterable[str]], groups: Mapping[int, Iterable[str]]) -> Tagged:
    """Which group each name belongs to.

    Args:
        names: names by photo.
        groups: the photos of each group, by its number.
    """
    members = {number: frozenset(photos) for number, photos in groups.items()}
    known = frozenset().union(*members.values())
    wanted: dict[str, set[str]] = {}
    for photo, called in names.items():
        for name in called:
            wanted.setdefault(name, set()).update({photo} & known)
    shares = {
        (name, number): len(photos & inside) / len(photos | inside)
        for name, photos in wanted.items()
        for number, inside in members.items()
        if photos & inside
    }
    found = {number: name for (name, number), share in shares.items() if _is_the_one(name, number, share, shares)}
    return Tagged(found, len(wanted) - len(found))


def _is_the_one(name: str, number: int, share: float, shares: Mapping[tuple[str, int], float]) -> bool:
    """Whether no other group fits the name as well, and no other name the group."""
    rivals = (other for pair, other in shares.items() if (pair[0] == name) != (pair[1] == number))
    return share >= LEAST and all(other < share for other in rivals)


def _photo(text: Any) -> str:  # noqa: ANN401 - of a file
    if not isinstance(text, str) or len(text) != _DIGEST or len(bytes.fromhex(text)) * 2 != _DIGEST:
        raise ValueError
    return text


def _text(name: Any) -> str:  # noqa: ANN401 - of a file
    if not isinstance(name, str):
        raise TypeError
    return name
