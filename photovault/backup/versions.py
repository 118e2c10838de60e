"""Each file that a run reads, beside its last version: is it bit rot, does it spoil good ones, what need not be made again.

The last version is what the catalog has; where it forgot that, what the vault has.  For the owner's thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.backup import rot
from photovault.backup.guards import Guard, Tally
from photovault.backup.tallying import is_sure
from photovault.model import DOUBTFUL, Entry, EntryKind, Problem, Stamp
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from photovault.backup.jobs import Folder
    from photovault.backup.pictures import Pictures
    from photovault.backup.plan import Terms
    from photovault.photos.scan import Found

_DECODED = 64  # changed files that are decoded in any run, however little time there is for thumbnails


@dataclass(slots=True, kw_only=True)
class Versions:
    """Compares, for one run.

    Attributes:
        terms: of the plan.
        has: whether a part is in the vault.
        tally: of the source that is being read.
        rotten: what was found to be bit rot.
    """

    terms: Terms
    has: Callable[[bytes], bool]
    tally: Tally = field(default_factory=Tally)
    rotten: list[Problem] = field(default_factory=list)
    _insisted: int = 0

    def keep_from_vault(self, folder: Folder, names: Iterable[bytes]) -> None:
        """Last versions, as far as they are whole, of files of which the catalog knows none; they are read again."""
        if is_sure(folder.known) or not self.tally.known:
            return
        found = folder.earlier = self.terms.earlier.entries(folder.spec, folder.found.path)
        for name in sorted(found.keys() & set(names) - folder.files.keys()):
            entry = found[name]
            if entry.kind is not EntryKind.FOLDER and all(map(self.has, entry.needed)):
                size = entry.size or len(entry.target)
                folder.add(Stamp(name, 0, size, entry.mtime_ns, DOUBTFUL), fmt.encode_entry(entry))

    def vouched(self, entry: bytes) -> bytes:
        """The entry of a file that is not read again, without a suspicion that the user does not share."""
        if Guard.SUSPECT not in self.terms.limits.allowed or b'"suspect":' not in entry:
            return entry
        return fmt.encode_entry(rot.cleared(fmt.read_entry(entry)))

    def last(self, folder: Folder, name: bytes) -> Entry | None:
        """The last version of a file that is read again, whole or not."""
        known = folder.files.get(name)
        return folder.earlier.get(name) if known is None else fmt.read_entry(known[1])

    def compared(self, folder: Folder, before: Entry | None, after: Entry) -> Entry:
        """``after`` as it is to be kept.

        Raises:
            GuardError: too many were changed or spoilt.
        """
        if before is None:
            return after
        path = folder.inside(after.name)
        judged = _with_thumbnail(before, after, self.has)
        if Guard.SUSPECT not in self.terms.limits.allowed:
            judged = rot.judged(before, judged)
        if rot.is_news(before, judged):
            self.rotten.append(Problem(path=os.fsdecode(folder.full(after.name)), what=rot.WHAT, hint=rot.HINT))
        self.tally.judge(before, judged, path, self.terms.limits)
        return judged

    def insists(self, folder: Folder, files: Iterable[Found], pictures: Pictures) -> bool:
        """Whether files must be decoded though the time for thumbnails is spent: some that changed, to see what they are."""
        known = sum(one.stamp.name in folder.files or one.stamp.name in folder.earlier for one in files)
        if not (known and pictures.wanted and self._insisted < _DECODED):
            return False
        self._insisted += known
        return True


def _with_thumbnail(before: Entry, after: Entry, has: Callable[[bytes], bool]) -> Entry:
    """What decoding the same bytes gave the last time, where it was not done again."""
    known, now = before.facts, after.facts
    if before.digest != after.digest or now.thumbnail or now.kind != known.kind:
        return after
    if known.thumbnail and has(known.thumbnail):
        return replace(after, facts=replace(now, thumbnail=known.thumbnail, phash=known.phash))
    return replace(after, facts=replace(now, broken=now.broken or known.broken))
