"""Bringing one copy of a vault up to date from another: sealed objects as they are, without any key.

``plan_copy`` sees that both places hold the same vault (or the destination none) and lists what the source has and the
destination lacks.  ``run_copy`` fetches each object, compares its SHA-256 with its name, and hands it to the gate.  The
order is that of a backup: documents and key slots, packs, index, snapshots, the header last; each kind is durable before the
next begins.  So a copy that stops half-way refers only to what is there, and the next one goes on.
Guarantee: no damaged sealed object is copied; it is named and the rest goes on.  Not guaranteed, for want of a key: that a
key slot or document is authentic (``check`` of the destination says so), nor that a damaged object of the right size at
the destination is noticed (``check --data --repair-from`` does).  Nothing is removed: a way in that was removed at the
source must be removed at the destination, too; ``extra`` names those.  A way in that this computer removed anywhere is
never brought back (``leave_out``); what another computer removed cannot be told without a key: ``ways`` names what came.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from photovault.errors import AbsentError, DamageError, MissingError, NoVaultError, UsageError
from photovault.model import Finding
from photovault.storage.base import Stored
from photovault.vault import format as fmt
from photovault.vault.vault import listed, read_header, read_slots

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.gate.door import Door
    from photovault.progress import Progress
    from photovault.storage.base import Storage
    from photovault.workers import Workers

AHEAD = 6  # objects under way: bounds memory to so many times 16 MiB
_SEALED = tuple(fmt.PREFIX_OF.values())
_SAID = ("snapshots/", "retention/")
_SLOTS = "keys/"
_WHICH = "see with `photovault check` at both which is right; move the other aside, and copy again"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """What is to be copied, in order; which key slots only the destination has; clear documents that differ.

    ``removed``: key slots that are not copied, because this computer removed them somewhere; ``fresh``: whether the
    destination holds no vault yet; ``forgotten``: how many objects are not copied, because they were forgotten there.
    """

    missing: tuple[Stored, ...]
    fresh: bool = False
    removed: tuple[str, ...] = ()
    forgotten: int = 0
    extra: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What a copy did: objects, bytes and snapshots copied; damaged objects of the source; slots only the copy has.

    ``ways``: key slots that were copied to a vault that lacked them; ``removed``: those that were kept from it;
    ``forgotten``: how many objects were not copied, because this device had removed them there.
    """

    objects: int
    size: int
    snapshots: int
    damaged: tuple[Finding, ...]
    ways: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    forgotten: int = 0
    extra: tuple[str, ...] = ()


def plan_copy(source: Storage, target: Storage, vault_id: bytes) -> CopyPlan:
    """What ``target`` lacks of the vault ``vault_id`` in ``source``.

    Raises:
        UsageError: ``target`` holds another vault.
        DamageError: it holds objects of a vault that cannot be told.
    """
    there = _present(target)
    _check_same(target, there, vault_id)
    here = listed(source)
    wanted = [Stored(name=name, size=size) for name, size in here.items() if there.get(name) != size]
    wanted.sort(key=lambda stored: (fmt.write_order(stored.name), stored.name))
    clear = [stored.name for stored in wanted if stored.name in there and not stored.name.startswith(_SEALED)]
    differing = [name for name in clear if not _is_cut(source, target, name)]
    missing = [stored for stored in wanted if stored.name not in differing]  # there are few clear documents
    extra = sorted(name for name in there if name.startswith(_SLOTS) and name not in here)
    fresh = fmt.HEADER_NAME not in there
    return CopyPlan(missing=tuple(missing), fresh=fresh, extra=tuple(extra), differing=tuple(differing))


def brings_ways(plan: CopyPlan) -> bool:
    """Whether a key slot is to be copied."""
    return any(stored.name.startswith(_SLOTS) for stored in plan.missing)


def leave_out(plan: CopyPlan, removed: frozenset[str]) -> CopyPlan:
    """The plan without the key slots ``removed``: whoever has their secret must not get a way back in."""
    missing = tuple(stored for stored in plan.missing if stored.name not in removed)
    return replace(plan, missing=missing, removed=tuple(sorted(removed & {stored.name for stored in plan.missing})))


def leave_forgotten(plan: CopyPlan, removed: frozenset[str]) -> CopyPlan:
    """The plan without what this device ``removed`` at the destination.

    Snapshots and records that were removed stay away.  Packs do so only if no snapshot is copied: without a key nobody can
    tell whether a new one needs them again; what it does not need, the next forget removes.
    """
    said = tuple(stored for stored in plan.missing if not (stored.name in removed and stored.name.startswith(_SAID)))
    if not any(stored.name.startswith(_SAID[0]) for stored in said):
        said = tuple(stored for stored in said if stored.name not in removed or not stored.name.startswith(_SEALED))
    return replace(plan, missing=said, forgotten=len(plan.missing) - len(said))


def _present(target: Storage) -> dict[str, int]:
    try:
        return {stored.name: stored.size for stored in target.listing("") if fmt.is_name(stored.name)}
    except AbsentError:
        with suppress(NoVaultError):  # there is no folder yet; the first put makes it
            read_header(target)
            raise
        return {}


def _is_cut(source: Storage, target: Storage, name: str) -> bool:
    """Whether a copy that was interrupted left the beginning of a document and no more."""
    with suppress(MissingError):
        return source.get(name).startswith(target.get(name))
    return False


def _check_same(target: Storage, there: Iterable[str], vault_id: bytes) -> None:
    names = set(there)
    found: set[bytes] = set()
    if fmt.HEADER_NAME in names:
        with suppress(DamageError):
            found = {read_header(target).vault_id}
    if not found:  # a copy that was interrupted: its slots came first
        found = {slot.vault_id for slot in read_slots(target)} if names else set()
        if not found and any(name.startswith(_SEALED) for name in names):
            raise DamageError(f"what is in {target.address} cannot be told to be this vault", "choose another place")
    if found - {vault_id}:
        raise UsageError(f"{target.address} holds another vault", "choose another place; nothing was changed")


def run_copy(plan: CopyPlan, source: Storage, door: Door, workers: Workers, progress: Progress) -> CopyReport:
    """Copy what is planned.

    Raises:
        StorageError: one of the two storages failed; what was copied stays, and the next copy goes on from there.
        GateError: an object was refused.
    """
    progress.total(len(plan.missing), sum(stored.size for stored in plan.missing))
    copied: list[Stored] = []
    damaged = [Finding(what="it is not the same at both places", where=name, hint=_WHICH) for name in plan.differing]
    for _, rank in groupby(plan.missing, key=lambda stored: fmt.write_order(stored.name)):
        for stored, finding in workers.ordered(partial(_copy_one, source, door), rank, AHEAD):
            progress.advance(1, stored.size, stored.name)
            if finding is None:
                copied.append(stored)
            else:
                damaged.append(finding)
    return CopyReport(
        objects=len(copied),
        size=sum(stored.size for stored in copied),
        snapshots=sum(stored.name.startswith("snapshots/") for stored in copied),
        damaged=tuple(damaged),
        ways=() if plan.fresh else tuple(stored.name for stored in copied if stored.name.startswith(_SLOTS)),
        removed=plan.removed,
        forgotten=plan.forgotten,
        extra=plan.extra,
    )


def _copy_one(source: Storage, door: Door, stored: Stored) -> Finding | None:
    """What is wrong with an object of the source; None when it was copied."""
    try:
        data = source.get(stored.name)
        _check(stored.name, data)
    except (DamageError, MissingError) as error:
        hint = (
            f"heal it there with `photovault check --data all --repair-from` and a copy that has it: {source.address}"
        )
        return Finding(what=error.what, where=stored.name, hint=hint)
    door.relay(stored.name, data)
    return None


def _check(name: str, data: bytes) -> None:
    """DamageError unless an object is what its name says, as far as can be told without a key."""
    if name.startswith(_SEALED):
        if hashlib.sha256(data).digest() != fmt.digest_of(name) or not fmt.is_size(len(data)):
            raise DamageError("its bytes are not those it was stored with")
    elif name == fmt.HEADER_NAME:
        fmt.read_header(data)
    elif name.startswith(_SLOTS):
        fmt.read_slot(data, name)
