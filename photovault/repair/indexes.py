"""The index, made again from the packs.

Packs that no readable index object lists say themselves what they hold, and get a new index.  Only when that is stored are
index objects that cannot be read removed: they say nothing to anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, RefusedError, UnknownVersionError
from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.writer import index_loads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from photovault.vault.format import PackEntry
    from photovault.vault.vault import Vault


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """New index objects, damaged ones that were removed, and what went wrong."""

    made: int = 0
    removed: list[str] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)


def entries_of(vault: Vault) -> Iterator[tuple[str, list[PackEntry] | None]]:
    """Every index object with what it lists; None for one that cannot be read."""
    for name in sorted(stored.name for stored in vault.door.listing(fmt.PREFIX_OF[ObjectKind.INDEX])):
        if not fmt.is_name(name):
            continue
        try:
            yield name, fmt.read_index(vault.read_single(ObjectKind.INDEX, fmt.digest_of(name)))
        except MissingError:
            yield name, None
        except DamageError:
            yield name, None


def rebuild(vault: Vault, spoilt: Collection[bytes]) -> Rebuilt:
    """List every pack, but ``spoilt`` ones, that no readable index lists; then remove the unreadable ones.

    Raises:
        UnavailableError: the storage cannot be reached.
    """
    done = Rebuilt()
    listed: set[bytes] = set()
    unreadable: list[str] = []
    for name, packs in entries_of(vault):
        if packs is None:
            unreadable.append(name)
        else:
            listed.update(pack.name for pack in packs)
    for load in index_loads(_unlisted(vault, listed | {*spoilt})):
        vault.places.add_index(_send(vault, load))
        vault.places.mark_indexed(load)
        done.made += 1
    vault.places.commit()
    for name in unreadable:
        _remove(vault, name, done)
    return done


def _send(vault: Vault, load: list[PackEntry]) -> bytes:
    """Store an index; where a damaged one of its name cannot be removed, under another name."""
    try:
        return vault.send_single(ObjectKind.INDEX, fmt.encode_index(load))
    except RefusedError:
        return vault.send_single(ObjectKind.INDEX, fmt.encode_index([*load, load[0]]))


def _unlisted(vault: Vault, listed: Collection[bytes]) -> list[PackEntry]:
    found = []
    for stored in sorted(vault.door.listing(fmt.PREFIX_OF[ObjectKind.PACK]), key=lambda stored: stored.name):
        if not fmt.is_name(stored.name) or fmt.digest_of(stored.name) in listed:
            continue
        try:
            found.append(vault.read_trailer(fmt.digest_of(stored.name), stored.size))
        except (DamageError, MissingError, UnknownVersionError):
            continue  # a check names it
    return found


def _remove(vault: Vault, name: str, done: Rebuilt) -> None:
    try:
        vault.read_single(ObjectKind.INDEX, fmt.digest_of(name))  # it may have been the network
    except (DamageError, MissingError):
        try:
            vault.door.delete(name)
            done.removed.append(name)
        except RefusedError as error:
            what = f"it cannot be read and could not be removed: {error.what}"
            done.problems.append(Finding(what=what, where=name, hint=error.hint or "nothing is lost by it"))
