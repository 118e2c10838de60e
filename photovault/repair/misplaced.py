"""Whole objects under wrong names: swapped or renamed in the storage.

The SHA-256 of their bytes is their true name.  They are put there, but where another one lies under that name, putting the one
in its place would remove the only bytes of the other.  So each is first written to a folder of this computer, sealed as it is,
and removed from there only when the storage has it under its name.  What an interrupted repair left there is put in
place by the next one.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.device import write_private
from photovault.errors import DamageError, GateError, MissingError, PhotovaultError, RefusedError
from photovault.repair.healing import Healed, put_back
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.pack import open_object

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from photovault.vault.vault import Vault

_KINDS = tuple(ObjectKind)
_SOURCE = "another name"


def put_in_place(vault: Vault, spoilt: Iterable[str], aside: Path) -> tuple[Healed, ...]:
    """Give whole objects that lie under the names ``spoilt`` their own names.

    Args:
        vault: to be healed.
        spoilt: names of objects that are not what their names say.
        aside: a folder of this computer for what is on its way.
    """
    for name in sorted(spoilt):
        data = _bytes(vault, name)
        true = true_name(vault, data) if data else ""
        if data and true and true != name and not _is_there(vault, true):
            write_private(file_of(aside, true), data)
    return tuple(_from_aside(vault, aside))


def file_of(aside: Path, name: str) -> Path:
    """The file for an object that is on its way."""
    return aside / name.replace("/", "_")


def _from_aside(vault: Vault, aside: Path) -> Iterable[Healed]:
    for path in sorted(aside.glob("*_*")) if aside.is_dir() else ():
        name = path.name.replace("_", "/")
        try:
            data = path.read_bytes()
        except OSError:
            continue
        with suppress(GateError, RefusedError):  # what was cut here by a power cut, or cannot be replaced there
            if fmt.is_name(name) and true_name(vault, data) == name:
                put_back(vault.door, name, data)
                yield Healed(name=name, source=_SOURCE)
            path.unlink(missing_ok=True)


def _bytes(vault: Vault, name: str) -> bytes:
    try:
        return vault.door.get(name) if fmt.is_name(name) else b""
    except (DamageError, MissingError):
        return b""


def true_name(vault: Vault, data: bytes) -> str:
    """The name of a whole object of this vault; empty for anything else."""
    for kind in _KINDS:
        with suppress(PhotovaultError):
            open_object(vault.keyring, kind, data).verify()
            return fmt.object_name(kind, hashlib.sha256(data).digest())
    return ""


def _is_there(vault: Vault, name: str) -> bool:
    """Whether the storage has an object whole."""
    return hashlib.sha256(_bytes(vault, name)).digest() == fmt.digest_of(name)
