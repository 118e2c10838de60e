"""What this computer knows without asking anybody: snapshots that it read before, and the documents of this version.

The same plaintext under the same keys gives the same bytes, so a snapshot whose plaintext is remembered is made again as it
was.  Guarantee: an object is planned only if its SHA-256 is that of its name, or of the newest snapshot's list.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.pack import make_part, seal_single
from photovault.vault.salvage import keyrings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from photovault.vault.vault import Vault

_REMEMBERED = (ObjectKind.SNAPSHOT, ObjectKind.RETENTION)
SOURCE = "what this computer remembers"


def plan_remembered(vault: Vault, spoilt: Iterable[str], documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Whole objects by name, of those in ``spoilt`` that can be made here."""
    newest = vault.snapshots().found[-1:]
    clear = {name: digest for one in newest for name, digest in one.snapshot.clear}
    found: dict[str, bytes] = {}
    for name in sorted(set(spoilt)):
        if name in documents and hashlib.sha256(documents[name]).digest() == clear.get(name):
            found[name] = documents[name]
        for kind in _REMEMBERED:
            data = _sealed_again(vault, kind, name)
            if data:
                found[name] = data
    return found


def _sealed_again(vault: Vault, kind: ObjectKind, name: str) -> bytes:
    """The object of this kind and name; empty when its plaintext is not remembered."""
    plain = vault.places.snapshot(fmt.digest_of(name)) if _is_of(kind, name) else None
    if plain is not None and kind is ObjectKind.RETENTION and fmt.digest_of(name) not in vault.places.heeded():
        return b""  # it may be one that was taken back
    if plain is not None:
        part_kind = next(iter(fmt.PARTS_OF[kind]))
        for keyring in keyrings(vault.keyring):
            data = seal_single(keyring, kind, *make_part(keyring, part_kind, plain))
            if hashlib.sha256(data).digest() == fmt.digest_of(name):
                return data
    return b""


def _is_of(kind: ObjectKind, name: str) -> bool:
    return name.startswith(fmt.PREFIX_OF[kind]) and fmt.is_name(name)
