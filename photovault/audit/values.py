"""What an audit says: findings that are alarms or notes, what left, and what the storage can learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from photovault.model import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What left on one day for one destination, of one kind, by the ledger.

    Attributes:
        day: UTC, YYYY-MM-DD.
        objects: how many were sent, failures included: their bytes may have left.
        size: bytes of them.
        failed: how many of them the storage did not confirm.
    """

    day: str
    destination: str
    kind: str
    objects: int = 0
    size: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What the storage can learn: everything about a vault that is not sealed.

    Attributes:
        vault_id: of the vault, hexadecimal: in clear in header and key slots.
        size: bytes of all objects.
        classes: kind of object to size in bytes to how many there are.
        slots: kind of key slot to how many there are.
        epochs: key epochs that objects and slots name.
        days: on how many days this device sent something there, by the ledger, and the first and last of them.
    """

    vault_id: str
    size: int
    classes: Mapping[str, Mapping[int, int]]
    slots: Mapping[str, int]
    epochs: tuple[int, ...]
    days: tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit saw.

    Attributes:
        alarms: what is not explained: object, reason, what to do.
        notes: what is explained, and worth knowing.
        left: what left, by day, destination and kind.
        lines: of the ledger.
        since: when the ledger began, or empty.
        thumbnails: how many of the parts are thumbnails, and ``thumbnail_bytes``.
        opaque: how many parts nothing here could decode (JPEG XL), and ``opaque_bytes``.
    """

    alarms: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    left: tuple[Left, ...]
    learned: Learned
    objects: int
    size: int
    lines: int
    since: str
    thumbnails: int = 0
    thumbnail_bytes: int = 0
    opaque: int = 0
    opaque_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRunReport:
    """What two runs would have sent.

    Attributes:
        switch: what was switched between them.
        alarms: how they differ; empty when they do not.
        objects: how many the first would have sent, and how many bytes.
    """

    switch: str
    alarms: tuple[Finding, ...] = field(default=())
    objects: int
    size: int
