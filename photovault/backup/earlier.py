"""The last version of a source of which this device's catalog knows nothing, as the vault has it.

A catalog can be lost, rotten or of another version; a source that is away then must keep its last version all the same.
It is the one in the newest snapshot of this device that holds a source of this label and path; where this device has none,
because it forgot who it was, of a device of its name.  Another device's folder of the same path is none of ours.

It is also what files are compared with when they are read again, for the guards and for bit rot.

Guarantee: what is found is taken over as it is, unread; only its listings are walked, to count what is in it.
"""

from __future__ import annotations

import os
from functools import cache, partial
from typing import TYPE_CHECKING

from photovault.backup.compare import join
from photovault.catalog import KnownFolder
from photovault.errors import DamageError
from photovault.model import EntryKind
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.backup.plan import SourceSpec
    from photovault.model import Entry, Snapshot
    from photovault.vault.vault import Vault


class EarlierIn:
    """Finds the last version of sources in a vault, which is asked when the first is wanted."""

    def __init__(self, vault: Vault, device_id: bytes, device_name: str) -> None:
        """Those of this device."""
        self._reader = Reader(vault)
        snapshots = cache(partial(_snapshots, vault, device_id, device_name))
        self._top = cache(partial(_newest, self._reader, snapshots))
        self._known = cache(self._counted)
        self._folders: dict[tuple[str, str, bytes], tuple[bytes, ...]] = {}

    def __call__(self, spec: SourceSpec) -> KnownFolder | None:
        """The source itself; None when no snapshot has it."""
        return self._known(spec.label, spec.path)

    def entries(self, spec: SourceSpec, path: bytes) -> dict[bytes, Entry]:
        """What was in a folder of a source, by name, as far as it can be read; the folder above must have been asked for."""
        parts = self._parts(spec.label, spec.path, path)
        found = [one for one in self._reader.folder(parts) if not isinstance(one, DamageError)] if parts else []
        for one in found:
            if one.kind is EntryKind.FOLDER:
                self._folders[spec.label, spec.path, join(path, one.name)] = one.parts
        return {one.name: one for one in found}

    def _parts(self, label: str, source: str, path: bytes) -> tuple[bytes, ...]:
        """The listing of a folder, if the one above it was read."""
        top = self._top(label, source)
        return () if top is None else self._folders.get((label, source, path), ()) if path else top.parts

    def _counted(self, label: str, source: str) -> KnownFolder | None:
        top = self._top(label, source)
        return None if top is None else _known(self._reader, top)


def earlier_in(vault: Vault, device_id: bytes, device_name: str) -> EarlierIn:
    """What finds the last version of sources in ``vault``."""
    return EarlierIn(vault, device_id, device_name)


def _snapshots(vault: Vault, device_id: bytes, device_name: str) -> list[Snapshot]:
    """Of this device, the newest first."""
    found = [one.snapshot for one in reversed(vault.snapshots().found)]
    own = sorted((one for one in found if one.device_id == device_id), key=lambda one: one.number, reverse=True)
    return own or [one for one in found if one.device_name == device_name]


def _newest(reader: Reader, snapshots: Callable[[], list[Snapshot]], label: str, path: str) -> Entry | None:
    """The folder of a source in the newest snapshot that has it."""
    for one in snapshots():
        if any((source.label, source.path) == (label, path) for source in one.sources):
            top = _top(reader, one, os.fsencode(label))
            if top is not None:
                return top
    return None


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
