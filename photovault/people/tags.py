"""Names given back to groups by the photos that they were in: what a backup kept of them.  Pure.

A backup of names knows photos and names, not faces.  A name belongs to the group that is in the same photos: most of those
with the name, and few others (their common photos, as a share of all that either is in).  Two people who are always together
in photos cannot be told apart so, and neither gets a name; nor does a group that fits two names alike.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from photovault.errors import DamageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    within: dict[str, list[int]] = {}
    for number, photos in members.items():
        for photo in photos:
            within.setdefault(photo, []).append(number)
    wanted: dict[str, set[str]] = {}
    for photo, called in names.items():
        for name in called:
            wanted.setdefault(name, set()).update({photo} & within.keys())
    shares = {
        (name, number): common / (len(photos) + len(members[number]) - common)
        for name, photos in wanted.items()
        for number, common in Counter(number for photo in photos for number in within[photo]).items()
    }
    found = {number: name for name, number in _alone_at_the_top(shares)}
    return Tagged(found, len(wanted) - len(found))


def _alone_at_the_top(shares: Mapping[tuple[str, int], float]) -> list[tuple[str, int]]:
    """The pairs where no other group fits the name as well, and no other name the group; each pair is looked at once."""
    by_name: dict[str, list[float]] = {}
    by_group: dict[int, list[float]] = {}
    for (name, number), share in shares.items():
        for best in (by_name.setdefault(name, []), by_group.setdefault(number, [])):
            best[:] = sorted((*best, share), reverse=True)[:2]
    return [
        (name, number)
        for (name, number), share in shares.items()
        if share >= LEAST and _is_top(share, by_name[name]) and _is_top(share, by_group[number])
    ]


def _is_top(share: float, best: Sequence[float]) -> bool:
    """Whether a share is the larger one of the best two."""
    return share == best[0] and share not in best[1:]


def _photo(text: Any) -> str:  # noqa: ANN401 - of a file
    if not isinstance(text, str) or len(text) != _DIGEST or len(bytes.fromhex(text)) * 2 != _DIGEST:
        raise ValueError
    return text


def _text(name: Any) -> str:  # noqa: ANN401 - of a file
    if not isinstance(name, str):
        raise TypeError
    return name
