"""What the snapshots of a vault must show: each device's chain, and no less than was seen before.  No I/O.

Every snapshot names the one before it, and tells what its device had seen at each storage (``heads``).  A storage that lacks
a link lost or hid it, unless the snapshots say that it was at another storage and never here: then this one is only
behind.  A storage that lacks what somebody saw there shows an older state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from photovault.vault.vault import NamedSnapshot


def gaps(found: Sequence[NamedSnapshot], here: str) -> tuple[list[Finding], list[Finding]]:
    """Links that are missing from the storage ``here``: lost, and only elsewhere."""
    present = {one.name for one in found}
    lost, elsewhere = [], []
    for one in found:
        previous = one.snapshot.previous
        if previous is None or previous in present:
            continue
        places = {head.storage for other in found for head in other.snapshot.heads if head.snapshot == previous}
        if places and here not in places:
            elsewhere.append(_elsewhere(one, previous, min(places)))
        else:
            lost.append(_lost(one, previous))
    return lost, elsewhere


def _lost(one: NamedSnapshot, previous: bytes) -> Finding:
    device, number = one.snapshot.device_name, one.snapshot.number - 1
    return Finding(
        what=f"the snapshot before {one.id[:8]} ({device}, number {number}) is missing",
        where=fmt.object_name(ObjectKind.SNAPSHOT, previous),
        hint="the storage lost or hid it; what it held and later ones do not is lost here",
    )


def _elsewhere(one: NamedSnapshot, previous: bytes, place: str) -> Finding:
    device, number = one.snapshot.device_name, one.snapshot.number - 1
    return Finding(
        what=f"the snapshot before {one.id[:8]} ({device}, number {number}) is at {place} and not here",
        where=fmt.object_name(ObjectKind.SNAPSHOT, previous),
        hint="bring this copy of the vault up to date with `photovault copy`",
    )


def rolled_back(found: Sequence[NamedSnapshot], seen: Mapping[str, tuple[int, str]]) -> Iterator[Finding]:
    """What a storage showed before and does not now.

    Args:
        found: the snapshots that it shows.
        seen: device id in hex to number and name in hex of the newest snapshot that anybody saw there.
    """
    newest: dict[str, int] = {}
    for one in found:
        key = one.snapshot.device_id.hex()
        newest[key] = max(newest.get(key, 0), one.snapshot.number)
    for device_id, (number, name) in sorted(seen.items()):
        if newest.get(device_id, 0) < number:
            yield Finding(
                what=f"the storage shows an older state: snapshot {name[:8]} (number {number}) was there before",
                where=fmt.object_name(ObjectKind.SNAPSHOT, bytes.fromhex(name)),
                hint="do not rely on this copy of the vault: bring it up to date with `photovault copy`, or back up again",
            )
