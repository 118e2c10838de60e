"""Which parity objects there are, and what they say they hold, without reading their bytes.

Of an object that was not seen before two short ranges are fetched: its beginning with the map, and its trailer.  Maps are
remembered with the snapshots, in the memory of the index.  An object whose size is not the one that its map and its bytes have
is damaged; whether the bytes are whole shows when somebody reads them.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, UnknownVersionError
from photovault.model import Finding
from photovault.parity.grouping import Piece
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import ObjectReader, open_object, regions

if TYPE_CHECKING:
    from collections.abc import Collection

    from photovault.crypto.keys import Keyring
    from photovault.crypto.seal import Buffer
    from photovault.storage.base import Stored
    from photovault.vault.format import ParityMap
    from photovault.vault.pack import Opened
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

_AHEAD = 16
_BEGIN = 4096  # bytes that every map ends in
_TRAILER = 2 * fmt.RECORD.size + fmt.TAG
_PARTS = [PartKind.PARITY_MAP, PartKind.PARITY]
_HINT = "no photo is lost; `photovault check --repair` makes it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The parity objects whose maps can be read, and what is wrong with the others."""

    pieces: tuple[Piece, ...]
    findings: tuple[Finding, ...]


def see_parity(vault: Vault, workers: Workers, spoilt: Collection[bytes] = ()) -> Seen:
    """What parity a vault has.

    Args:
        vault: opened and refreshed.
        workers: to fetch.
        spoilt: objects (SHA-256) that are known to be damaged, and count as not there.

    Raises:
        UnknownVersionError: an object is of a later version.
        StorageError: the storage failed.
    """
    stored = [one for one in vault.door.listing("parity/") if fmt.is_name(one.name)]
    stored = [one for one in sorted(stored, key=lambda one: one.name) if fmt.digest_of(one.name) not in spoilt]
    maps = {one.name: _remembered(vault, fmt.digest_of(one.name)) for one in stored}
    new = [one for one in stored if maps[one.name] is None]
    findings = []
    for one, plain in workers.ordered(partial(_fetched, vault), new, _AHEAD):
        if isinstance(plain, DamageError | MissingError):
            findings.append(Finding(what=plain.what, where=one.name, hint=_HINT))
            continue
        vault.places.add_snapshot(fmt.digest_of(one.name), plain)
        maps[one.name] = fmt.read_parity_map(plain)
    pieces = []
    for one in stored:
        parity = maps[one.name]
        if parity is None:
            continue
        if parity.object_size == one.size:
            pieces.append(Piece(name=fmt.digest_of(one.name), parity=parity))
        else:
            findings.append(Finding(what="its size is not the one it was stored with", where=one.name, hint=_HINT))
    return Seen(pieces=tuple(pieces), findings=tuple(findings))


def _remembered(vault: Vault, name: bytes) -> ParityMap | None:
    plain = vault.places.snapshot(name)
    if plain is not None:
        with suppress(DamageError):  # only the memory of it is damaged
            return fmt.read_parity_map(plain)
    return None


def _fetched(vault: Vault, stored: Stored) -> bytes | DamageError | MissingError:
    """The map of an object as it was encoded, read and found good; or what is wrong with it."""
    try:
        plain = _map_of(vault, stored)
        fmt.read_parity_map(plain)
    except UnknownVersionError:
        if hashlib.sha256(vault.door.get(stored.name)).digest() == fmt.digest_of(stored.name):
            raise
        return DamageError("its bytes are not those it was stored with")
    except (DamageError, MissingError) as error:
        return error
    return plain


def _map_of(vault: Vault, stored: Stored) -> bytes:
    if not fmt.is_size(stored.size):
        raise DamageError("it has a size that no object has")
    begin = vault.door.get(stored.name, 0, _BEGIN)
    reader = ObjectReader(vault.keyring, ObjectKind.PARITY, begin)
    trailer = vault.door.get(stored.name, stored.size - _TRAILER, _TRAILER)
    records = reader.records(trailer, stored.size)
    first = next(regions(records))
    if [record.kind for record in records] != _PARTS or first.offset + first.sealed_size > _BEGIN:
        raise DamageError("it is no parity object")
    return reader.part(first, begin[first.offset : first.offset + first.sealed_size])


def read_piece(vault: Vault, piece: Piece, out: memoryview) -> None:
    """The bytes that a parity object holds, into ``out``; what is in there after an error is of no use.

    Raises:
        DamageError, MissingError: they cannot be read.
    """
    name = fmt.object_name(ObjectKind.PARITY, piece.name)
    data = vault.door.get(name)
    if hashlib.sha256(data).digest() != piece.name:
        raise DamageError(f"{name} is not what its name says")
    parity, opened = _opened(vault.keyring, data)
    if parity != piece.parity:
        raise DamageError(f"{name} is not what it was remembered as")
    region = opened.regions[1]
    opened.reader.part_into(region, opened.data[region.offset : region.offset + region.sealed_size], out)


def open_parity(keyring: Keyring, data: Buffer) -> tuple[ParityMap, bytes]:
    """What a whole parity object says it holds, and the bytes.

    Raises:
        DamageError: no writer makes such an object.
        UnknownVersionError: a later version makes it.
    """
    parity, opened = _opened(keyring, data)
    return parity, opened.part(opened.regions[1])


def _opened(keyring: Keyring, data: Buffer) -> tuple[ParityMap, Opened]:
    opened = open_object(keyring, ObjectKind.PARITY, data)
    if [region.record.kind for region in opened.regions] != _PARTS:
        raise DamageError("a parity object holds something else")
    first, second = opened.regions
    parity = fmt.read_parity_map(opened.part(first))
    if second.record.length != parity.length or len(data) != parity.object_size:
        raise DamageError("a parity object contradicts itself")
    return parity, opened
