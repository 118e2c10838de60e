"""What the rooms of a check pass to each other, and what it tells; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from photovault.model import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much data is to be read: a share of the packs (0 to 1) or a number of bytes; and ``packs`` in any case.

    ``has_singles``: also index, snapshots and records, as it is whenever there is a share or a size.
    """

    share: float = 0.0
    size: int | None = None
    packs: frozenset[bytes] = frozenset()
    has_singles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A file, or a folder whose listing cannot be read, that some snapshots promise and cannot give back.

    Attributes:
        path: in the snapshots, for people.
        origin: the raw path that it had on its device; empty where that is not known.
        device_id: 16 bytes, whose snapshots these are.
        snapshots: ids of those that need what is lost, oldest first.
        parts: what is lost of it.
        good: id of the newest snapshot of the device that has a whole version under this path, or empty.
        is_folder: everything in it is lost, and nobody can tell what that is.
    """

    path: str
    origin: bytes
    device_id: bytes
    snapshots: tuple[str, ...]
    parts: frozenset[bytes]
    good: str = ""
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check saw.

    Attributes:
        findings: what is wrong.
        notes: what is no damage: it is not here but at another storage, or it is marked for removal and nobody needs it.
        healed: names of objects that were put back from another copy of the vault.
        damaged: packs that are not what they should be, by digest, with the ids of the parts that cannot be read in
            them; none, where only what lies between the parts is damaged.
        sound: packs that were read and are whole.
        lost: what cannot be restored.
        lost_parts: content and listings that snapshots need, and that have no good place.
        lost_thumbnails: thumbnails, likewise.
        is_blind: a snapshot or listing cannot be read, so not everything that is needed is known.
    """

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    healed: tuple[str, ...] = ()
    damaged: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    sound: frozenset[bytes] = frozenset()
    lost: tuple[Lost, ...] = ()
    lost_parts: frozenset[bytes] = frozenset()
    lost_thumbnails: frozenset[bytes] = frozenset()
    is_blind: bool = False
    snapshots: int = 0
    files: int = 0
    packs: int = 0
    packs_read: int = 0
    bytes_read: int = 0
    slots: int = 0
