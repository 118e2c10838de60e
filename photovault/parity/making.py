"""Making parity: packs in, sealed shards out, column by column.

The packs of a group are read side by side, about 16 MiB at a time, each compared with its name while it is read: parity is
never made of bytes that rotted.  A pack that is not what its name says is named and left out.  Both shards are kept whole,
32 MiB at most, and then stored in pieces: one object of the size of a pack, and a small one for what that has no room
for.  The same packs in the same order give the same objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from mmap import mmap
from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError
from photovault.model import Finding
from photovault.parity.coding import added, need_code, shards_of
from photovault.parity.columns import BadPacksError, Digests, columns
from photovault.parity.grouping import groups_of, plan_parity
from photovault.parity.seeing import read_piece, see_parity
from photovault.vault import format as fmt
from photovault.vault.format import PARITY_SHARDS, ObjectKind, PartKind
from photovault.vault.pack import Draft, make_part, seal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from photovault.parity.grouping import Group, Order
    from photovault.progress import Progress
    from photovault.vault.format import ParityMap
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

_HINT = "run `photovault check --data all --repair`; after that it gets parity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made.

    Attributes:
        groups: how many groups got parity.
        objects: how many objects were stored, and ``stored_bytes`` of them.
        packs_read: how many packs were read for it, and ``read_bytes`` of them.
        findings: packs and parity objects that cannot be read.
    """

    groups: int = 0
    objects: int = 0
    stored_bytes: int = 0
    packs_read: int = 0
    read_bytes: int = 0
    findings: tuple[Finding, ...] = ()


def make_parity(
    vault: Vault,
    workers: Workers,
    progress: Progress,
    *,
    spoilt: Collection[bytes] = (),
    mend_only: bool = False,
) -> Made:
    """Give parity to every pack that has none.

    Args:
        vault: opened and refreshed.
        workers: to fetch.
        progress: is told of every pack that is read.
        spoilt: parity objects (SHA-256) that are known to be damaged: made again.
        mend_only: make only parity again that is damaged or missing, not of packs that never had any.

    Raises:
        MissingExtraError: there is something to make, and the library for it is not installed.
        StorageError: the storage failed; what it has stays and counts.
        GateError: an object was refused.
    """
    seen = see_parity(vault, workers, spoilt)
    present = vault.stored(ObjectKind.PACK)
    orders = plan_parity(groups_of(seen.pieces), present, vault.places.shunned, mend_only=mend_only)
    maker = _Maker(vault, workers, progress)
    if orders:
        need_code()
        to_read = sum(len(order.packs) - order.known for order in orders)
        progress.total(to_read, sum((len(order.packs) - order.known) * order.size for order in orders))
    for order in orders:
        maker.make(order)
    vault.places.commit()
    return replace(maker.made, findings=(*seen.findings, *maker.made.findings))


class _Maker:
    """One run; in the owner's thread."""

    def __init__(self, vault: Vault, workers: Workers, progress: Progress) -> None:
        self._vault = vault
        self._workers = workers
        self._progress = progress
        self.made = Made()

    def make(self, order: Order) -> None:
        """Make and store the parity of one group; packs that are damaged are left out of it."""
        while len(order.packs) > order.known:
            shards = [mmap(-1, order.size) for _ in range(PARITY_SHARDS)]
            if order.base is not None and not self._take_over(order.base, shards):
                order = replace(order, base=None)
                continue
            try:
                self._add(order, shards)
            except BadPacksError as error:
                self._name(error.bad)
                order = replace(order, packs=tuple(name for name in order.packs if name not in error.bad))
                continue
            self._store(order, shards)
            return

    def _take_over(self, base: Group, shards: Sequence[mmap]) -> bool:
        """Begin with the shards of a group; False when they cannot be read."""
        for piece in base.pieces:
            parity = piece.parity
            try:
                read_piece(self._vault, piece, memoryview(shards[parity.shard])[parity.offset : parity.end])
            except (DamageError, MissingError):
                return False
        return True

    def _add(self, order: Order, shards: Sequence[mmap]) -> None:
        """Add the packs that are not in the shards yet; BadPacksError names those that are damaged."""
        packs = order.packs[order.known :]
        digests = Digests(packs)
        for places, column in columns(self._vault, self._workers, packs, range(order.size)):
            digests.add(column)
            here = slice(places.start, places.stop)
            for shard, more in zip(shards, shards_of(column, order.known), strict=True):
                shard[here] = added(more, shard[here]) if order.known else more
        digests.check()
        for name in packs:
            self._progress.advance(1, order.size, name.hex())
        self.made = replace(
            self.made,
            packs_read=self.made.packs_read + len(packs),
            read_bytes=self.made.read_bytes + len(packs) * order.size,
        )

    def _name(self, bad: Mapping[bytes, str]) -> None:
        found = [Finding(what=why, where=fmt.object_name(ObjectKind.PACK, p), hint=_HINT) for p, why in bad.items()]
        self.made = replace(self.made, findings=(*self.made.findings, *found))

    def _store(self, order: Order, shards: Sequence[mmap]) -> None:
        for number, data in enumerate(shards):
            for parity in fmt.parity_pieces(order.packs, order.size, number):
                self._send(parity, memoryview(data)[parity.offset : parity.end])
        self.made = replace(self.made, groups=self.made.groups + 1)

    def _send(self, parity: ParityMap, data: memoryview) -> None:
        name = self._vault.send(ObjectKind.PARITY, sealed_parity(self._vault, parity, data))
        self._vault.places.add_snapshot(name, fmt.encode_parity_map(parity))
        self.made = replace(
            self.made, objects=self.made.objects + 1, stored_bytes=self.made.stored_bytes + parity.object_size
        )


def sealed_parity(vault: Vault, parity: ParityMap, data: memoryview) -> memoryview:
    """The parity object of these bytes."""
    plain = fmt.encode_parity_map(parity)
    draft = Draft(ObjectKind.PARITY, mmap(-1, len(plain) + len(data)))
    for kind, part in ((PartKind.PARITY_MAP, plain), (PartKind.PARITY, data)):
        draft.add(*make_part(vault.keyring, kind, part))
    return seal(draft, vault.keyring, parity.object_size, memoryview(mmap(-1, parity.object_size)))
