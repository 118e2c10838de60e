"""Storing anew what is needed of packs that go, and the index of what stays.

Workers read a pack whole, compare it with its name, open it and see that each part that moves is what its id says (parts
that are encoded together: that each share is what its digest says).  They are copied as they are encoded: nothing is
decoded but what zlib made.  Only then the owner's thread gives them to the writer, all of a pack or nothing of it.

Guarantee: when this returns, every part that moved is durable in a new pack, and the packs that stay are in an index.
Nothing was removed.  A pack that is damaged stays as it is, and is told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, UnknownVersionError
from photovault.forget.prune import merged_sizes
from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.pack import decode, grouped, open_object
from photovault.vault.writer import Writer, index_loads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.forget.needed import Needed
    from photovault.forget.prune import Uses
    from photovault.forget.values import PrunePlan
    from photovault.progress import Progress
    from photovault.vault.format import PackEntry, Record
    from photovault.vault.pack import Opened, Region
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

    Moves = list[tuple[tuple[Record, ...], list[bytes]]]

AHEAD = 3  # packs under way: bounds memory
_HINT = "nothing of it was removed; mend it with `photovault check --repair`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What was stored anew: the packs that can go, bytes of the new ones, and what could not be read."""

    packs: tuple[bytes, ...] = ()
    stored: int = 0
    findings: tuple[Finding, ...] = ()


def rewrite(
    vault: Vault,
    plan: PrunePlan,
    uses: Uses,
    needed: Needed,
    workers: Workers,
    progress: Progress,
    *,
    uniform: bool,
) -> Rewritten:
    """Store anew what is needed of the packs that a plan names."""
    if not plan.rewritten:
        return Rewritten()
    wanted = frozenset(plan.rewritten)
    packs = [pack for pack in vault.places.contents() if pack.name in wanted]
    progress.total(len(packs), sum(pack.size for pack in packs))
    # What they hold is added all the same, and never as a pack that goes: a run that was killed may have left just that one.
    vault.places.shun(vault.places.shunned | plan.marked)
    writer = Writer(vault, workers, uniform=uniform)
    done, findings = [], []
    for pack, moves in workers.ordered(partial(_read, vault, uses, needed), packs, AHEAD):
        progress.advance(1, pack.size, pack.name.hex())
        if isinstance(moves, Finding):
            findings.append(moves)
            continue
        for records, encoded in moves:
            writer.add_encoded([*zip(records, encoded, strict=True)])
        done.append(pack.name)
    writer.flush()
    return Rewritten(packs=tuple(done), stored=writer.written.stored_bytes, findings=tuple(findings))


def _read(vault: Vault, uses: Uses, needed: Needed, pack: PackEntry) -> Moves | Finding:
    """What moves of a pack; or what is wrong with it."""
    name = fmt.object_name(ObjectKind.PACK, pack.name)
    try:
        opened = open_object(vault.keyring, ObjectKind.PACK, _fetch(vault, name, pack.name))
        moving = {record.part_id for group in uses.moves(pack, needed) for record in group}
        return [
            (tuple(region.record for region in group), [_checked(vault, opened, region) for region in group])
            for group in grouped(opened.regions)
            if any(region.record.part_id in moving for region in group)
        ]
    except (DamageError, MissingError, UnknownVersionError) as error:
        return Finding(what=f"it cannot be stored anew: {error.what}", where=name, hint=_HINT)


def _fetch(vault: Vault, name: str, digest: bytes) -> bytes:
    data = vault.door.get(name)
    if hashlib.sha256(data).digest() != digest:
        raise DamageError("its bytes are not those it was stored with")
    return data


def _checked(vault: Vault, opened: Opened, region: Region) -> bytes:
    """A part as it is encoded; DamageError unless it is what it should be."""
    record, encoded = region.record, opened.encoded(region)
    if record.codec in fmt.GROUPED:
        sound = hashlib.sha256(encoded).digest() == record.digest
    else:
        sound = vault.keyring.part_id(record.kind, decode(record, encoded)) == record.part_id
    if not sound:
        raise DamageError("it holds a part that is not what its id says")
    return encoded


def reindex(vault: Vault, marked: frozenset[bytes], left_alone: frozenset[bytes]) -> tuple[bytes, ...]:
    """Write an index of the packs that stay, instead of objects that list one that goes; returns which ones go.

    Small ones are poured together, as small packs are.  ``left_alone``: packs that only whoever needs them shall list.
    """
    going = {name for one in vault.retention for name in one.record.indexes}
    stored = {name: size for name, size in vault.stored(ObjectKind.INDEX).items() if name not in going}
    staying = vault.places.packs().keys() - marked - vault.places.shunned
    fresh = [pack for pack in vault.places.not_indexed() if pack.name in staying - left_alone]
    smallest = sorted(stored, key=lambda name: (stored[name], name))
    merged = smallest[: merged_sizes([stored[name] for name in smallest])]
    if not (marked or fresh or merged):
        return ()
    listed: set[bytes] = set()
    old = []
    for name in smallest:
        packs = _index(vault, name)
        if packs is None or name in merged or any(pack.name not in staying for pack in packs):
            old.append(name)
        else:
            listed.update(pack.name for pack in packs)
    unlisted = staying - listed - left_alone
    made = set()
    for load in index_loads([pack for pack in vault.places.contents() if pack.name in unlisted]):
        made.add(vault.send_single(ObjectKind.INDEX, fmt.encode_index(load)))
        vault.places.mark_indexed(load)
    for name in made:
        vault.places.add_index(name)
    vault.places.commit()
    return tuple(name for name in old if name not in made)  # one may say all that there is to say already


def _index(vault: Vault, name: bytes) -> Sequence[PackEntry] | None:
    """What an index object lists; None when it cannot be read."""
    try:
        return fmt.read_index(vault.read_single(ObjectKind.INDEX, name))
    except (DamageError, MissingError):
        return None
