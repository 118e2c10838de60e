"""Deleting what was marked, once its grace period is over.

What is marked is a matter of time, never of trust: whether anything may be deleted is decided here, at this moment and at
this storage.  All snapshots are listed; those that go are deleted; the snapshots are listed again, and whatever counts or
is still stored is needed.  Then index objects, packs and parity.  A pack is deleted only if every part that is needed of
it lies in another pack that is there, that no record marks, and whose bytes are at this moment those of its name.
Otherwise it stays, and no record names it any more.  At last, records of which everything is removed become explanations.

Guarantee: in whatever order devices mark and delete, and however long they sleep in between, no part that a stored snapshot
needs loses its last good place here.  A storage that refuses to delete is told of; its records wait.  Interrupted, the next
run goes on: everything is decided anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, OvertakenError, RefusedError
from photovault.forget.needed import Needed
from photovault.forget.prune import uses
from photovault.forget.records import explanations, is_explanation
from photovault.forget.values import Removed
from photovault.model import Problem
from photovault.parity import groups_of, see_parity, superseded
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PackEntry
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from photovault.model import Retention
    from photovault.progress import Progress
    from photovault.vault.places import Place
    from photovault.vault.vault import NamedRetention, Snapshots, Vault
    from photovault.workers import Workers

AHEAD = 6  # requests under way
_BETWEEN_LOOKS = 60  # packs
_OTHERS = (ObjectKind.INDEX, ObjectKind.PARITY)


def check_readable(snapshots: Snapshots, but: frozenset[bytes]) -> None:
    """DamageError when a snapshot that counts cannot be read: nobody knows what it needs."""
    lost = [one.where for one in snapshots.damaged if fmt.digest_of(one.where) not in but]
    if lost:
        raise DamageError(
            f"{lost[0]} cannot be read, so nobody knows what it needs, and nothing was removed",
            "mend it with `photovault check --repair`, or forget it by its name: `photovault forget SNAP`",
        )


def drop_parity(vault: Vault, workers: Workers) -> Removed:
    """Remove parity that is of no use any more: nothing refers to it.  Every needed part has a place."""
    if not any(True for _ in vault.door.listing(fmt.PREFIX_OF[ObjectKind.PARITY])):
        return Removed()
    present = vault.stored(ObjectKind.PACK)
    sizes = {one.name: one.size for one in vault.door.listing(fmt.PREFIX_OF[ObjectKind.PARITY])}
    sound = not any(map(vault.places.is_doubted, present))
    removed, refused = Removed(), []
    for name in superseded(groups_of(see_parity(vault, workers).pieces), present, sound=sound):
        where = fmt.object_name(ObjectKind.PARITY, name)
        try:
            vault.door.delete(where)
        except RefusedError as error:
            refused.append(_refusal(where, error))
        else:
            removed += Removed(others=1, size=sizes[where])
    return replace(removed, refused=tuple(refused))


def _refusal(where: str, error: RefusedError) -> Problem:
    hint = "nothing is lost; it is tried again each time" + (f": {error.hint}" if error.hint else "")
    return Problem(path=where, what=f"the storage did not remove it: {error.what}", hint=hint)


class Deletion:
    """One round of deleting."""

    def __init__(self, vault: Vault, workers: Workers, progress: Progress, doubt: Callable[[bytes], None]) -> None:
        """``vault`` was refreshed just now; ``doubt`` is told of packs that are found damaged."""
        self._vault = vault
        self._workers = workers
        self._progress = progress
        self._doubt = doubt
        self._whole: dict[bytes, bool] = {}
        self._complete: dict[int, bool] = {}
        self._present: dict[bytes, int] = {}
        self._refused: list[Problem] = []
        self._waiting: set[str] = set()
        self._removed = Removed()

    def run(self, due: Sequence[NamedRetention], now: datetime) -> Removed:
        """Delete what these records name, as far as nothing needs it.

        Raises:
            DamageError: it cannot be told what is needed; nothing was deleted.
        """
        vault = self._vault
        pins = {name for one in vault.retention for name in one.record.pins}
        going = frozenset(gone.name for one in due for gone in one.record.snapshots) - pins
        revived: frozenset[bytes] = frozenset()
        if due:
            counted, stored = self._needed(going)
            if vault.is_retold():
                raise OvertakenError(
                    "another device forgot, pinned or took back something", "run the same command again"
                )
            vault.places.heed(())  # whatever happens now, the next session tells the catalog that parts went
            vault.places.commit()
            self._snapshots(going)
            after = vault.snapshots()
            counted.add(after.found)
            stored.add(after.found)
            stored.add_forgotten(after.forgotten)
            for kind in _OTHERS:
                self._others(kind, due)
            revived = self._packs(due, counted, stored)
        self._settle(due, pins, revived, now)
        self._torn()
        return replace(self._removed, revived=len(revived), refused=tuple(self._refused))

    def _needed(self, going: frozenset[bytes]) -> tuple[Needed, Needed]:
        """What the snapshots need that count, and what all need that stay: others are forgotten, and can be taken back."""
        before = self._vault.snapshots()
        check_readable(before, going | before.removed)
        counted, stored = Needed(Reader(self._vault)), Needed(Reader(self._vault))
        counted.add(before.found)
        stored.add(before.found)
        stored.add_forgotten(one for one in before.forgotten if one.name not in going)
        return counted, stored

    def _snapshots(self, going: frozenset[bytes]) -> None:
        sizes = self._vault.stored(ObjectKind.SNAPSHOT)
        for name in self._delete_all(ObjectKind.SNAPSHOT, going & sizes.keys()):
            self._removed += Removed(snapshots=1, size=sizes[name])

    def _others(self, kind: ObjectKind, due: Iterable[NamedRetention]) -> None:
        named = {name for one in due for name in (*one.record.indexes, *one.record.parity)}
        sizes = self._vault.stored(kind)
        for name in self._delete_all(kind, named & sizes.keys()):
            self._removed += Removed(others=1, size=sizes[name])

    def _packs(self, due: Iterable[NamedRetention], counted: Needed, stored: Needed) -> frozenset[bytes]:
        """Delete packs; returns those that a snapshot needs that counts.

        One that only forgotten snapshots need waits until they are gone, too.
        """
        self._present = self._vault.stored(ObjectKind.PACK)
        named = {name for one in due for name in one.record.packs} & self._present.keys()
        known = {pack.name: pack for pack in self._vault.places.contents() if pack.name in named} if named else {}
        self._progress.total(len(named), sum(self._present[name] for name in named))
        revived, going, deleted = set(), [], []
        for name in sorted(named):
            if self._may_go(name, known.get(name), stored):
                going.append(name)
            elif self._may_go(name, known.get(name), counted):
                self._waiting.add(fmt.object_name(ObjectKind.PACK, name))
            else:
                revived.add(name)
        for name in self._while_nothing_is_retold(going):
            deleted.append(name)
            self._progress.advance(1, self._present[name], name.hex())
            self._removed += Removed(packs=1, size=self._present[name])
        self._vault.places.drop_packs(deleted)
        self._vault.places.commit()
        return frozenset(revived)

    def _while_nothing_is_retold(self, going: Sequence[bytes]) -> Iterator[bytes]:
        """Delete packs as long as the records are those by which it was decided; yields those that are gone.

        What is no longer marked, somebody may rely on again.
        """
        for at in range(0, len(going), _BETWEEN_LOOKS):
            if self._vault.is_retold():
                self._waiting.update(fmt.object_name(ObjectKind.PACK, name) for name in going[at:])
                return
            yield from self._delete_all(ObjectKind.PACK, going[at : at + _BETWEEN_LOOKS])

    def _may_go(self, name: bytes, pack: PackEntry | None, needed: Needed) -> bool:
        if pack is None:  # it cannot be read, so nobody gets anything from it: it may go if nothing is missing
            return self._is_complete(needed)
        return all(
            any(self._is_sound(name, place) for place in self._vault.places.places_of(record.part_id))
            for record in pack.records
            if record.part_id in needed
        )

    def _is_complete(self, needed: Needed) -> bool:
        """Whether packs that can be read, and of which nothing is doubted, have all that is needed."""
        known = self._complete.get(id(needed))
        if known is None:
            places = self._vault.places
            known = not places.doubts and not uses(places, needed, Needed(Reader(self._vault))).lost
            self._complete[id(needed)] = known
        return known

    def _is_sound(self, going: bytes, place: Place) -> bool:
        """Whether a part may rely on this place from now on."""
        places, pack = self._vault.places, place.pack
        if pack == going or pack in places.shunned or places.is_doubted(pack):
            return False
        return self._present.get(pack) == place.size and self._is_whole(pack)

    def _is_whole(self, pack: bytes) -> bool:
        if pack not in self._whole:
            try:
                data = self._vault.door.get(fmt.object_name(ObjectKind.PACK, pack))
                self._whole[pack] = hashlib.sha256(data).digest() == pack
            except (DamageError, MissingError):
                self._whole[pack] = False
            if not self._whole[pack]:
                self._doubt(pack)
        return self._whole[pack]

    def _delete_all(self, kind: ObjectKind, names: Iterable[bytes]) -> Iterator[bytes]:
        """Delete several at a time; yields those that are gone."""
        for name, is_gone in self._workers.ordered(partial(self._delete, kind), sorted(names), AHEAD):
            if is_gone:
                yield name

    def _delete(self, kind: ObjectKind, name: bytes) -> bool:
        where = fmt.object_name(kind, name)
        try:
            self._vault.door.delete(where)
        except RefusedError as error:
            self._refused.append(_refusal(where, error))
            return False
        return True

    def _settle(
        self, due: Iterable[NamedRetention], pins: set[bytes], revived: frozenset[bytes], now: datetime
    ) -> None:
        """Put explanations in place of the records of which everything is removed."""
        waiting = self._waiting | {one.path for one in self._refused}
        old = [one for one in self._vault.retention if is_explanation(one.record)]
        old += [one for one in due if waiting.isdisjoint(_names(one))]
        if not old:
            return
        done = [
            replace(
                one.record,
                packs=tuple(name for name in one.record.packs if name not in revived),
                snapshots=tuple(gone for gone in one.record.snapshots if gone.name not in pins),
            )
            for one in old
        ]
        packs = self._vault.stored(ObjectKind.PACK)
        made = {self._kept(old, record) for record in explanations(done, packs, now)}
        for one in old:
            if one.name not in made and self._delete(ObjectKind.RETENTION, one.name):
                self._removed += Removed(others=1)

    def _torn(self) -> None:
        """Delete records that a run could not finish, at a storage that shows half of an object: nobody can read them."""
        for name, size in sorted(self._vault.stored(ObjectKind.RETENTION).items()):
            if not fmt.is_size(size) and self._delete(ObjectKind.RETENTION, name):
                self._removed += Removed(others=1, size=size)

    def _kept(self, old: Iterable[NamedRetention], record: Retention) -> bytes:
        """The name of an explanation, which is stored unless it is there already."""
        for one in old:
            if one.record == record:
                return one.name
        return self._vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(record))


def _names(one: NamedRetention) -> set[str]:
    """Names of all objects that a record marks."""
    record = one.record
    marked = (
        (ObjectKind.SNAPSHOT, [gone.name for gone in record.snapshots]),
        (ObjectKind.PACK, record.packs),
        (ObjectKind.INDEX, record.indexes),
        (ObjectKind.PARITY, record.parity),
    )
    return {fmt.object_name(kind, name) for kind, names in marked for name in names}
