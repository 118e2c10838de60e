"""The data: packs that are read and opened, and where what is damaged in them has another place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.check.scrub import AHEAD
from photovault.errors import DamageError, MissingError, PhotovaultError
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from photovault.vault.pack import ObjectReader, Region, open_object
from photovault.vault.salvage import is_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from photovault.progress import Progress
    from photovault.vault.places import Place
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


@dataclass(slots=True, kw_only=True)
class _Answer:
    """What reading one pack showed: why it is bad, and its bytes then, as far as there are any."""

    why: str = ""
    data: bytes = b""


@dataclass(slots=True)
class Packs:
    """The packs of a vault, in the owner's thread; ``_read`` runs in workers.

    Attributes:
        count: how many were read, and ``size``, how many bytes.
        why: why packs are bad, by object name.
        damaged: the parts that cannot be read in them, by digest.
        sound: packs that were read and are whole.
    """

    vault: Vault
    count: int = 0
    size: int = 0
    why: dict[str, str] = field(default_factory=dict)
    damaged: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    sound: set[bytes] = field(default_factory=set)
    _bad: dict[bytes, set[bytes]] = field(default_factory=dict)

    def measure(self, packs: Mapping[bytes, int]) -> None:
        """See that all have the size of a pack."""
        for name, size in packs.items():
            if not fmt.is_size(size):
                self._spoil(name, self.vault.places.parts_of(name), "it has a size that no pack has")

    def read(self, chosen: Sequence[tuple[bytes, int]], workers: Workers, progress: Progress) -> None:
        """Read and open the chosen ones."""
        progress.total(len(chosen), sum(size for _, size in chosen))
        for (name, size), answer in workers.ordered(self._read, chosen, AHEAD):
            self.count += 1
            self.size += size
            progress.advance(1, size, name.hex())
            if answer.why:
                good = self._good_parts(name, answer.data)
                self._spoil(name, [part for part in self.vault.places.parts_of(name) if part not in good], answer.why)
            else:
                self.sound.add(name)

    def lost_in(self, part: bytes) -> str | None:
        """Where a part was, which has no good place: the pack's name, empty when it is in none; None when it has one."""
        bad = self._bad.get(part, frozenset[bytes]())
        if not bad and self.vault.places.has(part):
            return None
        if any(place.pack not in bad for place in self.vault.places.places_of(part)):
            return None
        return fmt.object_name(ObjectKind.PACK, min(bad)) if bad else ""

    def _spoil(self, pack: bytes, parts: Iterable[bytes], why: str) -> None:
        self.why.setdefault(fmt.object_name(ObjectKind.PACK, pack), why)
        self.damaged[pack] = frozenset(parts)
        for part in self.damaged[pack]:
            self._bad.setdefault(part, set()).add(pack)

    def _read(self, chosen: tuple[bytes, int]) -> _Answer:
        name, _ = chosen
        try:
            data = self.vault.door.get(fmt.object_name(ObjectKind.PACK, name))
        except (DamageError, MissingError) as error:
            return _Answer(why=error.what)
        if hashlib.sha256(data).digest() != name:
            return _Answer(why="its bytes are not those it was stored with", data=data)
        try:
            opened = open_object(self.vault.keyring, ObjectKind.PACK, data)
            whole = all(is_right(self.vault.keyring, one.record, opened.encoded(one)) for one in opened.regions)
        except DamageError as error:
            return _Answer(why=error.what, data=data)
        return _Answer(why="" if whole else "it holds parts that are not what they should be", data=data)

    def _good_parts(self, pack: bytes, data: bytes) -> frozenset[bytes]:
        """Of a damaged pack, the parts that a restore still reads: damage to its padding costs none."""
        try:
            reader = ObjectReader(self.vault.keyring, ObjectKind.PACK, data)
        except PhotovaultError:
            return frozenset()
        places = [p for part in self.vault.places.parts_of(pack) for p in self.vault.places.places_of(part)]

        def opens(region: Region) -> bool:
            try:
                encoded = reader.encoded(region, data[region.offset : region.offset + region.sealed_size])
            except DamageError:
                return False
            return is_right(self.vault.keyring, region.record, encoded)

        return frozenset(_with_their_groups(opens, [place for place in places if place.pack == pack]))


def _with_their_groups(opens: Callable[[Region], bool], places: Iterable[Place]) -> Iterator[bytes]:
    """Parts that open; those of a group only if all of the group do, because they decode together."""
    known: dict[int, bool] = {}
    for place in places:
        group = place.group or (place.region,)
        first = group[0].number
        if first not in known:
            known[first] = all(map(opens, group))
        if known[first]:
            yield place.region.record.part_id
