"""What is to be kept, what a plan says of each snapshot and each pack, and what a run did.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from photovault.model import Finding, Problem
    from photovault.vault.vault import NamedSnapshot

DAY: Final = 86_400.0
COUNTED: Final = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
"""The rules that are a number, in the order in which they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is kept of the snapshots of each device and source.

    Attributes:
        last: so many of the newest.
        hourly, daily, weekly, monthly, yearly: the newest of each of so many hours, days ...
        within: seconds before the newest one.
        tags: snapshots with one of these are kept.
        min_age: seconds since this device first saw a snapshot; a younger one is kept, and counts for no rule.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: float = 0.0
    tags: tuple[str, ...] = ()
    min_age: float = 7 * DAY

    @property
    def says_what_goes(self) -> bool:
        """Whether there is a rule to go by: tags alone only protect."""
        return bool(self.within) or any(getattr(self, rule) for rule in COUNTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Photos whose last good version is in a snapshot, because a later one has a bad version: how many, and one of them."""

    photos: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one snapshot: every reason to keep it; without any it goes, and ``goes`` says why."""

    one: NamedSnapshot
    keep: tuple[str, ...] = ()
    goes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPlan:
    """What becomes of every snapshot, oldest first.

    ``refused``: snapshots that were named and are kept all the same, with the reasons.
    """

    decisions: tuple[Decision, ...] = ()
    refused: tuple[Decision, ...] = ()

    @property
    def going(self) -> tuple[NamedSnapshot, ...]:
        """Those that are forgotten."""
        return tuple(decision.one for decision in self.decisions if not decision.keep)

    @property
    def staying(self) -> tuple[NamedSnapshot, ...]:
        """Those that are kept."""
        return tuple(decision.one for decision in self.decisions if decision.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackUse:
    """What of one pack is needed.

    Attributes:
        size: stored bytes of the pack.
        used: bytes that its parts take in it.
        live: those of parts that are needed, and are counted here and in no other pack.
        kinds: the kinds of parts in it.
        fixed: it must stay as it is: somebody may be about to need it, it is marked already, or parts of it are damaged.
    """

    name: bytes
    size: int
    used: int
    live: int
    kinds: frozenset[int] = frozenset()
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Which packs go, which ones' needed parts are stored in new packs first; in names, and stored bytes.

    Attributes:
        freed: bytes of all packs that go, less those of the new ones.
        rewritten_bytes: of the parts that are stored again.
        parity, indexes: other objects that go with them.
    """

    removed: tuple[bytes, ...] = ()
    rewritten: tuple[bytes, ...] = ()
    freed: int = 0
    rewritten_bytes: int = 0
    parity: tuple[bytes, ...] = ()

    @property
    def marked(self) -> frozenset[bytes]:
        """All packs that go."""
        return frozenset((*self.removed, *self.rewritten))


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a run deleted: objects whose grace period was over.

    Attributes:
        snapshots, packs, others: how many; ``others``: index objects, parity and records.
        size: bytes of them.
        revived: packs that were marked and that something needs again.
        refused: what the storage would not delete.
    """

    snapshots: int = 0
    packs: int = 0
    others: int = 0
    size: int = 0
    revived: int = 0
    refused: tuple[Problem, ...] = ()

    def __add__(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(
            snapshots=self.snapshots + other.snapshots,
            packs=self.packs + other.packs,
            others=self.others + other.others,
            size=self.size + other.size,
            revived=self.revived + other.revived,
            refused=(*self.refused, *other.refused),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What a forget did, or would do.

    Attributes:
        plan: what became of each snapshot.
        prune: what became of packs.
        removed: what was deleted now.
        due: when what was marked now is deleted, ISO 8601; empty when nothing was marked.
        waiting: bytes that earlier runs marked and that are not deleted yet, and ``waiting_until`` (ISO 8601).
        swept: unfinished files of dead runs that were removed from a folder.
        findings: packs that could not be rewritten because they are damaged; they stay.
    """

    plan: ForgetPlan
    prune: PrunePlan
    removed: Removed = field(default_factory=Removed)
    due: str = ""
    waiting: int = 0
    waiting_until: str = ""
    swept: int = 0
    findings: tuple[Finding, ...] = ()


def moment(text: str) -> datetime:
    """The time that a snapshot, a record or the evidence says."""
    return datetime.fromisoformat(text).astimezone(UTC)
