"""The last version of a source of which this device's catalog knows nothing, as the vault has it.

A catalog can be lost, rotten or of another version; a source that is away then must keep its last version all the same.
It is the one in the newest snapshot of this device that holds a source of this label and path; where this device has none,
because it forgot who it was, of a device of its name.  Another device's folder of the same path is none of ours.

Guarantee: what is found is taken over as it is, unread; only its listings are walked, to count what is in it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from photovault.catalog import KnownFolder
from photovault.errors import DamageError
from photovault.model import EntryKind
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from photovault.backup.plan import Earlier, SourceSpec
    from photovault.model import Entry, Snapshot
    from photovault.vault.vault import Vault


def earlier_in(vault: Vault, device_id: bytes, device_name: str) -> Earlier:
    """What finds the last version of sources in ``vault``, which is asked when the first is wanted."""

    @cache
    def snapshots() -> list[Snapshot]:
        found = [one.snapshot for one in reversed(vault.snapshots().found)]
        own = sorted((one for one in found if one.device_id == device_id), key=lambda one: one.number, reverse=True)
        return own or [one for one in found if one.device_name == device_name]

    @cache
    def earlier(label: str, path: str) -> KnownFolder | None:
        reader = Reader(vault)
        for one in snapshots():
            if any((source.label, source.path) == (label, path) for source in one.sources):
                top = _top(reader, one, os.fsencode(label))
                if top is not None:
                    return _known(reader, top)
        return None

    def of(spec: SourceSpec) -> KnownFolder | None:
        return earlier(spec.label, spec.path)

    return of


def _top(reader: Reader, one: Snapshot, label: bytes) -> Entry | None:
    """The folder of a source; None when it is not in the snapshot, or cannot be read."""
    for entry in reader.folder(one.root):
        if not isinstance(entry, DamageError) and entry.name == label and entry.kind is EntryKind.FOLDER:
            return entry
    return None


def _known(reader: Reader, top: Entry) -> KnownFolder:
    below = [entry.kind for _, entry in reader.walk(top.parts) if not isinstance(entry, DamageError)]
    return KnownFolder(
        number=0,
        mode=top.mode,
        mtime_ns=top.mtime_ns,
        mount=False,
        hollow=False,
        pages=top.parts,
        files=top.files,
        folders=below.count(EntryKind.FOLDER),
        links=below.count(EntryKind.LINK),
        size=top.size,
    )
