"""Where a photo is kept, and when it was last proven to come back from there: as this computer remembers it.

Each destination has its own file of proofs; nobody is asked over a network.  Not guaranteed: that a destination still has what
it was last seen to have.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from photovault.app.proven import FILE, address_at
from photovault.app.session import kept_at, place_at
from photovault.device import NOTHING, known_devices
from photovault.errors import RefusedError
from photovault.gallery.values import Kept
from photovault.proofs import YEAR, Proofs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from photovault.app.viewing.desk import Opened
    from photovault.device import Device
    from photovault.library import Row
    from photovault.vault.vault import NamedSnapshot


def unproven(opened: Opened, rows: Sequence[Row]) -> set[int]:
    """Numbers of the rows whose first file was not restored from this destination within a year."""
    now = opened.app.world.now()
    digests = [row.members[0].digest for row in rows]
    address = opened.session.vault.door.address
    proven = _asked(opened, address, lambda proofs: proofs.proven_of(digests, now, within=YEAR))
    return {row.number for row in rows if row.members[0].digest not in proven}


def kept(opened: Opened, one: NamedSnapshot, digest: bytes) -> tuple[Kept, ...]:
    """Where a photo of a snapshot is kept; the destination that is open, and every other one that is configured."""
    return tuple(_kept(opened, one, digest))


def _kept(opened: Opened, one: NamedSnapshot, digest: bytes) -> Iterator[Kept]:
    now = opened.app.world.now()
    folder = opened.session.folder
    device = next((known for known in known_devices(folder.parent) if known.folder == folder), opened.session.device)
    here = address_at(opened.app.vault_url)
    for section in opened.app.destinations():
        address = address_at(section.url)
        proven = _asked(opened, address, lambda proofs: proofs.proven_of([digest], now))
        wrong = _asked(opened, address, lambda proofs: proofs.wrong_with([digest]))
        unknown = "" if address == here else _unknown(device, address, one)
        problem = wrong.get(digest, "") or unknown
        yield Kept(place=section.name, address=address, proven=proven.get(digest, ""), problem=problem)


def _unknown(device: Device, address: str, one: NamedSnapshot) -> str:
    """Why it is not known that a destination has a snapshot; empty when it is."""
    number, name = device.heads.get(place_at(address), {}).get(one.snapshot.device_id.hex(), NOTHING)
    if name == one.id or number > one.snapshot.number:
        return ""
    if not number:
        return "this computer has seen no backup there yet"
    return "it is not known to have this snapshot; bring it up to date with `photovault copy`"


def _asked(opened: Opened, address: str, question: Callable[[Proofs], dict[bytes, str]]) -> dict[bytes, str]:
    """What the proofs of a destination say; nothing where there are none."""
    path = kept_at(opened.session.folder, address) / FILE
    if not path.exists():
        return {}
    try:
        with closing(Proofs(path)) as proofs:
            return question(proofs)
    except RefusedError:  # a state folder that cannot be written must not keep anybody from his photos
        return {}
