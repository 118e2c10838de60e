"""Putting whole objects back under their names.

Each is fetched, compared with the SHA-256 that it must have, opened by the gate with the vault's keys, and only then the
damaged one is removed and the whole one stored in its place.  Parents come after what they refer to, as in a backup.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.gate.door import Door
    from photovault.progress import Progress
    from photovault.workers import Workers

AHEAD = 6
SEALED = frozenset({Outbound.PACK, Outbound.INDEX, Outbound.SNAPSHOT, Outbound.RETENTION, Outbound.PARITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object to put back: its name, its size in bytes as far as that is known, and the SHA-256 that it must have."""

    name: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """An object that is whole again, and where it came from, for people."""

    name: str
    source: str


def run_repair(
    plan: Sequence[Wanted],
    door: Door,
    fetch: Callable[[str], bytes],
    source: str,
    workers: Workers,
    progress: Progress,
) -> tuple[tuple[Healed, ...], tuple[Finding, ...]]:
    """Put back what is planned; returns what was healed, and what could not be.

    Args:
        plan: in the order in which it must be stored.
        door: of the storage that is healed.
        fetch: gives a whole object by its name; called by workers.
        source: what ``fetch`` fetches from, for people.
        workers: to fetch and store.
        progress: is told of every object.

    Raises:
        UnavailableError: one of the two storages cannot be reached.
    """
    healed, problems = [], []
    progress.total(len(plan), sum(one.size for one in plan))
    for _, rank in groupby(plan, key=lambda one: fmt.write_order(one.name)):
        for one, problem in workers.ordered(partial(_heal, door, fetch, source), rank, AHEAD):
            progress.advance(1, one.size, one.name)
            if problem is None:
                healed.append(Healed(name=one.name, source=source))
            else:
                problems.append(problem)
    return tuple(healed), tuple(problems)


def _heal(door: Door, fetch: Callable[[str], bytes], source: str, wanted: Wanted) -> Finding | None:
    """What is wrong, if it could not be healed."""
    try:
        data = fetch(wanted.name)
        if hashlib.sha256(data).digest() != wanted.digest:
            return Finding(what=f"it is damaged in {source}, too", where=wanted.name, hint="try another copy")
        put_back(door, wanted.name, data)
    except (DamageError, GateError, MissingError, RefusedError) as error:
        hint = error.hint or "what was there before is still there"
        return Finding(what=f"it could not be healed: {error.what}", where=wanted.name, hint=hint)
    return None


def put_back(door: Door, name: str, data: bytes) -> None:
    """Store a whole object in place of a damaged one.

    Raises:
        GateError: it is no object of this vault.
        StorageError: the storage refused, or cannot be reached.
    """
    kind = outbound_kind(name)
    if kind is None:
        raise GateError(f"no vault has an object called {name}")
    if kind in SEALED:
        door.send(SealedObject(kind=kind, data=data))
        return
    try:
        door.publish(kind, name, data)
    except RefusedError:
        if door.get(name) == data:
            raise
        door.delete(name)  # it is not what the newest snapshot says: worthless
        door.publish(kind, name, data)
