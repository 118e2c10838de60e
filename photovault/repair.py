"""Healing a vault from another copy of it: what is damaged or missing here and whole there is put back.

``plan_repair`` takes what a check found, and what the other copy has and this one lacks.  ``run_repair`` fetches each object,
compares its SHA-256 with its name (of a clear document: with the newest snapshot's list), lets the gate open it with the
vault's keys, and only then removes the damaged one and stores the whole one in its place.  Guarantee: nothing whole is
ever removed, and nothing is put back that is not what it was; parents come after what they refer to, as in a backup.  A
storage that refuses to delete keeps the damaged object: that is reported, and nothing is lost by it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from photovault.errors import DamageError, GateError, MissingError, RefusedError
from photovault.gate.door import Outbound, SealedObject, outbound_kind
from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.vault import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from photovault.gate.door import Door
    from photovault.progress import Progress
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

AHEAD = 6
_SEALED = frozenset({Outbound.PACK, Outbound.INDEX, Outbound.SNAPSHOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object to put back: its name, its size in bytes at the other copy, and the SHA-256 that it must have."""

    name: str
    size: int
    digest: bytes


def plan_repair(vault: Vault, other: Vault, findings: Iterable[Finding]) -> list[Wanted]:
    """What ``other`` may heal, in the order in which it must be stored."""
    spoilt = {finding.where for finding in findings}
    here = {stored.name: stored.size for stored in vault.door.listing("")}
    newest = (vault.snapshots().found or other.snapshots().found)[-1:]
    clear = {name: digest for one in newest for name, digest in one.snapshot.clear}
    plan = []
    for name, size in listed(other.door).items():
        digest = fmt.digest_of(name) if outbound_kind(name) in _SEALED else clear.get(name)
        if digest is not None and (name in spoilt or here.get(name) != size) and not _is_whole(vault, name, digest):
            plan.append(Wanted(name=name, size=size, digest=digest))
    return sorted(plan, key=lambda one: (fmt.write_order(one.name), one.name))


def _is_whole(vault: Vault, name: str, digest: bytes) -> bool:
    """Whether a clear document is what it should be, though a check found fault with it: a way in that came back."""
    if outbound_kind(name) in _SEALED:
        return False
    try:
        return hashlib.sha256(vault.door.get(name)).digest() == digest
    except (DamageError, MissingError):
        return False


def run_repair(
    plan: Sequence[Wanted], vault: Vault, other: Vault, workers: Workers, progress: Progress
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Put back what is planned; returns what was healed, and what could not be.

    Raises:
        UnavailableError: one of the two storages cannot be reached.
    """
    healed, problems = [], []
    progress.total(len(plan), sum(one.size for one in plan))
    for _, rank in groupby(plan, key=lambda one: fmt.write_order(one.name)):
        for one, problem in workers.ordered(partial(_heal, vault.door, other.door), rank, AHEAD):
            progress.advance(1, one.size, one.name)
            if problem is None:
                healed.append(one.name)
            else:
                problems.append(problem)
    return tuple(healed), tuple(problems)


def _heal(door: Door, other: Door, wanted: Wanted) -> Finding | None:
    """What is wrong, if it could not be healed."""
    try:
        data = other.get(wanted.name)
        if hashlib.sha256(data).digest() != wanted.digest:
            return Finding(what=f"it is damaged in {other.address}, too", where=wanted.name, hint="try another copy")
        _put_back(door, wanted.name, data)
    except (DamageError, GateError, MissingError, RefusedError) as error:
        hint = error.hint or "what was there before is still there"
        return Finding(what=f"it could not be healed: {error.what}", where=wanted.name, hint=hint)
    return None


def _put_back(door: Door, name: str, data: bytes) -> None:
    kind = outbound_kind(name)
    if kind is None:
        raise GateError(f"no vault has an object called {name}")
    if kind in _SEALED:
        door.send(SealedObject(kind=kind, data=data))
        return
    try:
        door.publish(kind, name, data)
    except RefusedError:
        if door.get(name) == data:
            raise
        door.delete(name)  # it is not what the newest snapshot says: worthless
        door.publish(kind, name, data)
