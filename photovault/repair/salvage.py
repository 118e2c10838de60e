"""What damaged packs still hold: packs sealed again as they were, or their parts in new packs.

A pack of which all parts can be had, from itself or from other packs, is sealed again: the same parts under the same keys are
the same bytes, so it keeps its name and every index stays right.  Of others the parts that open go into new packs.
Guarantee: the damaged pack stays as it is, unless the whole one, byte for byte, takes its place; that one is written to a
folder of this computer first, for the moment in which the storage has neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.device import write_private
from photovault.errors import DamageError, GateError, MissingError, RefusedError
from photovault.model import Finding
from photovault.repair.healing import Healed, put_back
from photovault.repair.misplaced import file_of, true_name
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PackEntry
from photovault.vault.pack import make_part
from photovault.vault.reader import Fetcher
from photovault.vault.salvage import Remains, remains_of, sealed_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from photovault.vault.format import Record
    from photovault.vault.vault import Vault
    from photovault.vault.writer import Writer

_SOURCE = "its own parts"


@dataclass(slots=True, kw_only=True)
class Salvaged:
    """What came of damaged packs: those that are whole again, and what went wrong."""

    healed: list[Healed] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)


def seal_again(vault: Vault, packs: Iterable[bytes], entries: Mapping[bytes, PackEntry], aside: Path) -> Salvaged:
    """Make packs whole of which every part can be had.

    Args:
        vault: its places must not count these packs (``shun``): then what counts is whole.
        packs: damaged ones.
        entries: what indexes say of them.
        aside: a folder of this computer for what is on its way.
    """
    done = Salvaged()
    for pack, remains, size in _remains(vault, packs, entries):
        again = sealed_again(vault.keyring, pack, size, _filled(vault, remains))
        if again is not None:
            _put_back(vault, pack, again, aside, done)
    return done


def salvage(vault: Vault, packs: Iterable[bytes], entries: Mapping[bytes, PackEntry], writer: Writer) -> int:
    """Store what still opens of damaged packs in new ones; returns how many parts.

    Arguments as of ``seal_again``; the caller finishes the writer.
    """
    count = 0
    for _, remains, _ in _remains(vault, packs, entries):
        for parts in remains.whole():
            count += len(parts) if writer.add_encoded(parts) else 0
    return count


def _remains(
    vault: Vault, packs: Iterable[bytes], entries: Mapping[bytes, PackEntry]
) -> Iterator[tuple[bytes, Remains, int]]:
    """Each pack with what opens of it, and the size that it had."""
    for pack in sorted(packs):
        try:
            data = vault.door.get(fmt.object_name(ObjectKind.PACK, pack))
        except (DamageError, MissingError):
            continue  # nothing can be read of it
        entry = entries.get(pack) or _remembered(vault, pack)
        yield pack, remains_of(vault.keyring, data, entry), entry.size if entry else len(data)


def _filled(vault: Vault, remains: Remains) -> Remains:
    """With the parts that are whole in other packs, as this pack had them encoded."""
    missing = [region for group in remains.groups for region in group if region.number not in remains.encoded]
    if not missing or not all(vault.places.has(region.record.part_id) for region in missing):
        return remains
    fetcher, encoded = Fetcher(vault), dict(remains.encoded)
    for region in missing:
        part_id = region.record.part_id
        plain = fetcher.fetch(vault.places.places_of(part_id)[:1]).get(part_id)
        data = _encoded(vault, region.record, plain) if isinstance(plain, bytes) else None
        if data is None:
            return remains
        encoded[region.number] = data
    return replace(remains, encoded=encoded)


def _encoded(vault: Vault, record: Record, plain: bytes) -> bytes | None:
    """A part as its record says that it was encoded; None where that cannot be done again."""
    if record.codec is Codec.PLAIN:
        return plain
    if record.codec is not Codec.ZLIB:
        return None
    again, data = make_part(vault.keyring, record.kind, plain, compress=True)
    same = again.stored == record.stored and (not any(record.digest) or again.digest == record.digest)
    return bytes(data) if same else None


def save_strangers(vault: Vault, packs: Iterable[bytes], entries: Mapping[bytes, PackEntry], writer: Writer) -> int:
    """Store parts that lie in damaged packs and belong to others; returns how many.

    That happens where a storage mixed up objects and damaged them, too.  It comes before anything takes the place of
    such a pack, because the one whose name it is has other parts.  Arguments as of ``salvage``.
    """
    count, adopted = 0, {pack.name for pack in vault.places.not_indexed()}
    for pack in sorted(packs):
        try:
            data = vault.door.get(fmt.object_name(ObjectKind.PACK, pack))
        except (DamageError, MissingError):
            continue
        if true_name(vault, data):
            continue  # it is whole, and gets its own name
        entry = entries.get(pack) or (_remembered(vault, pack) if pack not in adopted else None)
        own = {record.part_id for record in entry.records} if entry else set[bytes]()
        for parts in remains_of(vault.keyring, data).whole():
            if own.isdisjoint(record.part_id for record, _ in parts):
                count += len(parts) if writer.add_encoded(parts) else 0
    return count


def _put_back(vault: Vault, pack: bytes, data: bytes, aside: Path, done: Salvaged) -> None:
    name = fmt.object_name(ObjectKind.PACK, pack)
    path = file_of(aside, name)
    try:
        write_private(path, data)
        put_back(vault.door, name, data)
    except (GateError, RefusedError) as error:
        done.problems.append(Finding(what=f"it could not be replaced: {error.what}", where=name, hint=error.hint))
        if not _is_gone(vault, name):
            path.unlink(missing_ok=True)  # else the next repair puts it in place
        return
    path.unlink(missing_ok=True)
    vault.places.undoubt(pack)
    done.healed.append(Healed(name=name, source=_SOURCE))


def _remembered(vault: Vault, pack: bytes) -> PackEntry | None:
    """What this computer remembers of a pack, where that is all of it."""
    places = [p for part in vault.places.parts_of(pack) for p in vault.places.places_of(part) if p.pack == pack]
    places.sort(key=lambda place: place.region.number)
    numbers = [place.region.number for place in places]
    if not places or numbers != list(range(fmt.REGION_PARTS, fmt.REGION_PARTS + len(places))):
        return None
    return PackEntry(name=pack, size=places[0].size, records=tuple(place.region.record for place in places))


def _is_gone(vault: Vault, name: str) -> bool:
    """Whether the storage has nothing under a name."""
    try:
        vault.door.get(name, 0, 1)
    except MissingError:
        return True
    return False
