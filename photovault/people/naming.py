"""Names of people: which texts can be one, and which two are taken for the same.  Pure.

One rule for all who take a name: the commands, sidecars of other programs, the register of releases, a backup of names.
Bounded for any text: what is far too long is refused before Unicode is asked, whose normal form takes quadratic time for
long runs of combining marks.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from photovault.errors import UsageError
from photovault.people.shown import face_id, person_id

NAME_MAX: Final = 100
"""Characters of a name."""
_TYPED_MAX = 4 * NAME_MAX  # before it is composed: a character may be typed as several
_BAD = frozenset(("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
_TURNING = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff"
)  # text that is shown as another


def clean_name(text: str) -> str:
    """A name as it is kept: NFC, one blank between words, none around them; "" stays.

    Raises:
        UsageError: it cannot be a name.
    """
    name = unicodedata.normalize("NFC", text).strip() if len(text) <= _TYPED_MAX else text
    if len(name) > NAME_MAX:
        raise UsageError(f"a name has at most {NAME_MAX} characters", "give a shorter one")
    if any(unicodedata.category(c) in _BAD or c in _TURNING for c in name):
        raise UsageError("there are characters in the name that cannot be seen", "type it by hand")
    if person_id(name) is not None or face_id(name) is not None:
        raise UsageError("that would be taken for the number of a person or face", "give a name that is none")
    return " ".join(name.split())


def folded(name: str) -> str:
    """What is equal for names that people take for one: without case, and however they are composed and spaced."""
    name = unicodedata.normalize("NFC", " ".join(name[:_TYPED_MAX].split()))
    return unicodedata.normalize("NFC", name.casefold())


def is_name(text: str) -> bool:
    """Whether a text can be a name."""
    try:
        return bool(clean_name(text))
    except UsageError:
        return False
