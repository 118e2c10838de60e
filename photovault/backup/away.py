"""What is not there now and is not deleted for that: sources and folders that are not mounted, or cannot be read.

Away is what cannot be read; what is empty and held files; what another file system was mounted on, and is not now, when
nothing is there of what was there (under a lost mount point may lie anything, or, where the system made it, not even a
folder).  Its last version is kept and it is reported, until it is back, or until the user says that what is *missing* is
gone for good.

Not guaranteed: another disk, mounted in the place of the first, is seen by ``guards`` only, as a loss.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from photovault.backup.compare import join
from photovault.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.backup.plan import Earlier, SourceSpec
    from photovault.catalog import Catalog, KnownFolder
    from photovault.photos.scan import FoundFolder, Scanner

_FOR_GOOD = "if it is gone for good: photovault backup --allow missing"
_EMPTY = "is empty, but held files at the last backup: perhaps it is not mounted"
_UNMOUNTED = "is not mounted, and holds nothing of what was there at the last backup"


class Away:
    """The rule, for one run; ``missing``: the user says that what is not there is gone for good."""

    def __init__(self, catalog: Catalog, earlier: Earlier, *, missing: bool = False) -> None:
        """Compare with what the catalog knows, and of a source that it does not know, with what the vault has."""
        self._catalog = catalog
        self._earlier = earlier
        self._missing = missing

    def why_offline(self, spec: SourceSpec, top: FoundFolder) -> str:
        """Why a source counts as not there, empty if it is there."""
        if top.unreadable:
            return f"is not there: {top.unreadable}"
        known = self._last_version(spec, top)
        if self._missing or known is None or not known.files:
            return ""
        if top.is_empty:
            return _EMPTY
        return _UNMOUNTED if self._lost_its_mount(spec, top, known) else ""

    def is_away(self, spec: SourceSpec, found: FoundFolder, known: KnownFolder | None) -> bool:
        """Whether a folder cannot be seen now: unreadable, or what was mounted on it is not."""
        if found.unreadable:
            return True
        return known is not None and not self._missing and self._lost_its_mount(spec, found, known)

    def went_with_its_mount(self, spec: SourceSpec, path: bytes) -> KnownFolder | None:
        """A folder that is not there any more, if something was mounted on it: such go when a disk is taken out."""
        known = self._catalog.folder(spec.path, path)
        return known if known is not None and known.mount and not self._missing else None

    def problems(self, spec: SourceSpec, scanner: Scanner, found: FoundFolder) -> Iterator[Problem]:
        """What there is to report of a folder."""
        known = self._catalog.folder(spec.path, found.path)
        shown = os.fsdecode(scanner.full(found.path))
        if found.unreadable:
            kept = "its last version is kept" if known is not None else "nothing in it is backed up"
            yield Problem(path=shown, what=f"cannot be read: {found.unreadable}; {kept}", hint="check its permissions")
        elif self.is_away(spec, found, known):
            yield not_mounted(scanner, found.path)
        for name, why in found.cloud:
            path = os.fsdecode(scanner.full(join(found.path, name)))
            yield Problem(path=path, what=f"not protected: {why}", hint="download it, then back up again")
        for name, why in found.unseen:
            path = os.fsdecode(scanner.full(join(found.path, name)))
            yield Problem(path=path, what=f"cannot be looked at: {why}; a last version is kept", hint="check the disk")

    def _last_version(self, spec: SourceSpec, top: FoundFolder) -> KnownFolder | None:
        """What is known of a source; the vault is asked only where what is there now does not say that it is there."""
        known = self._catalog.folder(spec.path, b"")
        return self._earlier(spec) if known is None and top.is_empty else known

    def _lost_its_mount(self, spec: SourceSpec, found: FoundFolder, known: KnownFolder) -> bool:
        if not known.mount or found.mount:
            return False
        there = {one.stamp.name for one in found.files}.union(found.folders, found.hidden)
        were = {stamp.name for stamp in self._catalog.stamps(known.number)}
        return there.isdisjoint(were | self._catalog.subfolders(spec.path, found.path))


def offline_problem(spec: SourceSpec, why: str) -> Problem:
    """What there is to report of a source that is not there."""
    hint = "connect it and back up again; its last version is kept"
    return Problem(path=spec.path, what=why, hint=f"{hint}; {_FOR_GOOD}" if why in {_EMPTY, _UNMOUNTED} else hint)


def not_mounted(scanner: Scanner, path: bytes) -> Problem:
    """What there is to report of a folder on which something was mounted."""
    return Problem(
        path=os.fsdecode(scanner.full(path)),
        what="is not mounted; its last version is kept",
        hint=f"mount it and back up again; {_FOR_GOOD}",
    )
