"""Bringing packs back.

For every lost pack its group is looked for; the others of the group are read side by side, with as many shards as packs are
lacking, and what is lacking is computed, column by column.  What comes out must have the SHA-256 that is its name; if it does
not, some other member rotted unnoticed: all are compared with their names, the rotten ones count as lost, and it is tried
again.  A pack that came back, and was stored by whoever asked, may help another group.  At most two shards and two
columns of about 16 MiB are in memory at a time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from mmap import mmap
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError
from photovault.parity.coding import lost_of
from photovault.parity.columns import BadPacksError, check_packs, columns
from photovault.parity.grouping import groups_of
from photovault.parity.seeing import read_piece, see_parity
from photovault.vault.format import PARITY_SHARDS, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from photovault.crypto.seal import Buffer
    from photovault.parity.grouping import Group, Piece
    from photovault.progress import Progress
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

NO_PARITY = "it has no parity"
"""Why a pack that is in no group does not come back."""


NO_PARITY = "it has no parity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A pack that came back, whole; or, without data, why it did not.

    Attributes:
        name: SHA-256 of the data.
        data: its stored bytes; empty when they did not come back.
        why: why not, in a few words; empty when they did.
    """

    name: bytes
    data: Buffer = b""
    why: str = ""


def restore_packs(
    vault: Vault,
    lost: Iterable[bytes],
    workers: Workers,
    progress: Progress,
    *,
    spoilt: Collection[bytes] = (),
) -> Iterator[Restored]:
    """Bring back packs, and those that turn out to be damaged meanwhile.

    Store each in its place before asking for the next: it may help to bring back another.

    Args:
        vault: opened.
        lost: packs (SHA-256) that are missing or damaged.
        workers: to fetch.
        progress: is told of every pack that came back.
        spoilt: parity objects (SHA-256) that are known to be damaged.

    Raises:
        MissingExtraError: there is parity, and the library for it is not installed.
        StorageError: the storage failed.
    """
    yield from _Restoring(vault, workers, progress, spoilt, set(lost)).run()


class _Restoring:
    """One run; in the owner's thread."""

    def __init__(
        self, vault: Vault, workers: Workers, progress: Progress, spoilt: Collection[bytes], lost: set[bytes]
    ) -> None:
        self._vault = vault
        self._workers = workers
        self._progress = progress
        self._lost = lost
        self._spoilt = set(spoilt)
        self._present = vault.stored(ObjectKind.PACK)

    def run(self) -> Iterator[Restored]:
        """As ``restore_packs``."""
        groups = groups_of(see_parity(self._vault, self._workers, self._spoilt).pieces) if self._lost else []
        sizes = {name: group.size for group in groups for name in group.packs if name in self._lost}
        self._progress.total(len(sizes), sum(sizes.values()))
        before = None
        while before != self._lost:
            before = set(self._lost)
            for group in sorted(groups, key=lambda group: len(self._lacking(group))):
                if not self._lost.isdisjoint(group.packs):
                    yield from self._group(group)
        for name in sorted(self._lost):
            yield Restored(name=name, why=self._why(name, groups))

    def _lacking(self, group: Group) -> list[int]:
        """The places of packs that cannot be relied on."""
        packs = enumerate(group.packs)
        return [n for n, name in packs if name in self._lost or self._present.get(name) != group.size]

    def _why(self, name: bytes, groups: Iterable[Group]) -> str:
        mine = [group for group in groups if name in group.packs]
        if not mine:
            return NO_PARITY
        best = min(mine, key=lambda group: len(self._lacking(group)))
        lacking, count = len(self._lacking(best)), len(best.packs)
        if lacking > PARITY_SHARDS:
            return (
                f"{lacking} of the {count} packs of its parity group are lost, and parity brings back {PARITY_SHARDS}"
            )
        return f"{lacking} of the {count} packs of its parity group are lost, and so is parity of it"

    def _group(self, group: Group) -> Iterator[Restored]:
        """What comes back of one group."""
        while len(lacking := self._lacking(group)) <= PARITY_SHARDS:
            shards = _Shards(self._vault, group, self._spoilt, len(lacking))
            if not shards.are_enough:
                return
            try:
                self._compute(group, lacking, shards)
            except BadPacksError as error:
                self._lost |= error.bad.keys()
                continue
            found = {group.packs[place]: shards.data[n] for n, place in enumerate(lacking)}
            if all(hashlib.sha256(data).digest() == name for name, data in found.items()):
                yield from self._came_back(group, found)
                return
            members = [name for n, name in enumerate(group.packs) if n not in lacking]
            try:
                check_packs(self._vault, self._workers, members, group.size)
            except BadPacksError as error:
                self._lost |= error.bad.keys()
                continue
            return  # the parity is of other packs: somebody made it wrong

    def _came_back(self, group: Group, found: Mapping[bytes, mmap]) -> Iterator[Restored]:
        for name, data in found.items():
            if name in self._lost:
                self._progress.advance(1, group.size, name.hex())
                yield Restored(name=name, data=memoryview(data))
                self._lost.discard(name)
                self._present[name] = group.size

    def _compute(self, group: Group, lacking: Sequence[int], shards: _Shards) -> None:
        """The lacking packs, each in place of a shard: whose bytes at a place are of no use after that."""
        known = [place for place in range(len(group.packs)) if place not in lacking]
        names = [group.packs[place] for place in known]
        for places, numbers in shards.runs():
            for here, column in columns(self._vault, self._workers, names, places):
                held = {n: bytes(shards.data[n][here.start : here.stop]) for n in numbers[: len(lacking)]}
                found = lost_of(dict(zip(known, column, strict=True)), held, len(group.packs))
                for n, place in enumerate(lacking):
                    shards.data[n][here.start : here.stop] = found[place]


class _Shards:
    """As much of the shards of a group as can be read and is needed.

    Attributes:
        data: the bytes of each shard; what could not be read are zeros.
        are_enough: everywhere as many shards are known as packs are lacking.
    """

    def __init__(self, vault: Vault, group: Group, spoilt: set[bytes], needed: int) -> None:
        """Read them; objects that cannot be read are added to ``spoilt``."""
        self.data = [mmap(-1, group.size) for _ in range(PARITY_SHARDS)]
        self._needed = needed
        self._ranges: list[list[range]] = [[] for _ in self.data]
        for number in range(PARITY_SHARDS):
            if not self.are_enough:
                for piece in group.shard(number):
                    self._read(vault, piece, spoilt)

    def _read(self, vault: Vault, piece: Piece, spoilt: set[bytes]) -> None:
        parity = piece.parity
        if piece.name in spoilt:
            return
        try:
            read_piece(vault, piece, memoryview(self.data[parity.shard])[parity.offset : parity.end])
        except (DamageError, MissingError):
            spoilt.add(piece.name)
            return
        self._ranges[parity.shard].append(range(parity.offset, parity.end))

    @property
    def are_enough(self) -> bool:
        return all(len(numbers) >= self._needed for _, numbers in self.runs())

    def runs(self) -> Iterator[tuple[range, list[int]]]:
        """All places in order, each run of them with the shards that are known there."""
        ends = {end for ranges in self._ranges for one in ranges for end in (one.start, one.stop)}
        for start, stop in pairwise(sorted({0, len(self.data[0]), *ends})):
            known = [n for n, ranges in enumerate(self._ranges) if any(start in one for one in ranges)]
            yield range(start, stop), known
