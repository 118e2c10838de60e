"""Bit rot: other bytes under the same path, of the same size and modification time.

Whoever edits a photo changes its time; a disk that forgets, a cable, a memory chip, or something that hides its traces do
not.  A file is compared with its last version whenever it is read again.  One that changed so is backed up and *suspect*
(a fact): its last good version never expires for it.  It stays so as long as its bytes and time are the same; another
time, the good bytes again, or the user's word end it.

Not guaranteed: a program that edits in place, keeps size and time, is right and is suspected all the same.  Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from photovault.model import EntryKind

if TYPE_CHECKING:
    from photovault.model import Entry

WHAT: Final = "bit rot: its bytes changed, its size and date did not"
HINT: Final = (
    "compare it with its last version (photovault restore latest~1 PATH --to FOLDER) and put the good one back; "
    "if it is good as it is: photovault backup --allow suspect"
)
_WHY: Final = "suspect: its bytes changed, its size and date did not; the SHA-256 of the good ones is "


def judged(before: Entry, after: Entry) -> Entry:
    """``after``, with the fact that it is suspect if it is; ``before`` is the last version of the same path."""
    why = _suspicion(before, after)
    return replace(after, facts=replace(after.facts, suspect=why)) if why else after


def is_news(before: Entry, after: Entry) -> bool:
    """Whether the suspicion against ``after`` is to be told: other bytes are, the same suspect ones were."""
    return bool(after.facts.suspect) and before.digest != after.digest


def cleared(entry: Entry) -> Entry:
    """An entry that the user vouches for."""
    return replace(entry, facts=replace(entry.facts, suspect=""))


def _suspicion(before: Entry, after: Entry) -> str:
    """Why ``after`` is suspect; empty if it is not."""
    if before.kind is not EntryKind.FILE or (before.size, before.mtime_ns) != (after.size, after.mtime_ns):
        return ""
    if before.digest == after.digest:
        return before.facts.suspect
    if before.unsettled or after.unsettled:
        return ""
    good = before.facts.suspect.rpartition(" ")[2] if before.facts.suspect else before.digest.hex()
    return "" if good == after.digest.hex() else _WHY + good
