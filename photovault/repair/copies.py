"""What another copy of the vault has: whole objects, and parts that it keeps in other packs than this one.

Guarantee: nothing that was removed here on purpose comes back, unless something that is lost here is in it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError
from photovault.gate.door import outbound_kind
from photovault.repair.healing import SEALED, Wanted
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import make_part
from photovault.vault.places import windows
from photovault.vault.reader import Fetcher
from photovault.vault.vault import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from photovault.model import Finding
    from photovault.vault.vault import Vault
    from photovault.vault.writer import Writer


def plan_repair(
    vault: Vault,
    other: Vault,
    findings: Iterable[Finding],
    *,
    lost: Collection[bytes] = (),
    removed: Collection[str] = (),
) -> list[Wanted]:
    """What ``other`` may heal, in the order in which it must be stored.

    Args:
        vault: to be healed.
        other: a copy of it; where something is ``lost``, with its index up to date.
        findings: what a check of ``vault`` found.
        lost: parts that snapshots need and that are in no pack here.
        removed: names of objects that this device removed on purpose.
    """
    spoilt = {finding.where for finding in findings}
    here = {stored.name: stored.size for stored in vault.door.listing("")}
    newest = (vault.snapshots().found or other.snapshots().found)[-1:]
    clear = {name: digest for one in newest for name, digest in one.snapshot.clear}
    wanted = spoilt | {place.pack_name for part in lost for place in other.places.places_of(part)}
    unwanted = ({*removed} | _marked(vault) | _marked(other)) - wanted
    plan = []
    for name, size in listed(other.door).items():
        digest = fmt.digest_of(name) if outbound_kind(name) in SEALED else clear.get(name)
        if digest is None or name in unwanted or not (name in spoilt or here.get(name) != size):
            continue
        if not _is_whole(vault, name, digest):
            plan.append(Wanted(name=name, size=size, digest=digest))
    return sorted(plan, key=lambda one: (fmt.write_order(one.name), one.name))


def _marked(vault: Vault) -> set[str]:
    """Names of the objects that somebody forgot or marked for removal."""
    marked = {fmt.object_name(ObjectKind.SNAPSHOT, name) for name in vault.forgotten()}
    for one in vault.retention:
        for kind, names in (
            (ObjectKind.PACK, one.record.packs),
            (ObjectKind.INDEX, one.record.indexes),
            (ObjectKind.PARITY, one.record.parity),
        ):
            marked |= {fmt.object_name(kind, name) for name in names}
    return marked


def _is_whole(vault: Vault, name: str, digest: bytes) -> bool:
    """Whether a clear document is what it should be, though a check found fault with it: a way in that came back."""
    if outbound_kind(name) in SEALED:
        return False
    try:
        return hashlib.sha256(vault.door.get(name)).digest() == digest
    except (DamageError, MissingError):
        return False


def borrow(other: Vault, lost: Iterable[bytes], writer: Writer) -> int:
    """Store parts that are lost here and that ``other`` holds, in whatever pack; returns how many.

    ``other``: with its index up to date.
    """
    found = (other.places.places_of(part) for part in sorted(lost))
    places = sorted((one[0] for one in found if one), key=lambda place: (place.pack, place.start))
    fetcher, count = Fetcher(other), 0
    for window in windows(places):
        answers = fetcher.fetch(window)
        for place in window:
            plain = answers[place.region.record.part_id]
            count += isinstance(plain, bytes) and store(other, writer, place.region.record.part_id, plain)
    return count


def store(vault: Vault, writer: Writer, part_id: bytes, plain: bytes) -> bool:
    """Store a part of which only the id is known; False when it is none, or is there."""
    for kind in (PartKind.CONTENT, PartKind.LISTING, PartKind.THUMBNAIL):
        if vault.keyring.part_id(kind, plain) == part_id:
            record, data = make_part(vault.keyring, kind, plain, compress=kind is PartKind.LISTING)
            return writer.add(record, data)
    return False
