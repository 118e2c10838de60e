"""A vault in memory with packs of 16 KiB, and what the tests do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.gate.door import Outbound, SealedObject
from photovault.parity import groups_of, make_parity, restore_packs, see_parity
from photovault.vault import format as fmt
from tests.vault.some import names, noise, store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from photovault.parity import Group, Made, Restored
    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


class Silent:
    """Progress that nobody watches."""

    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        pass


def add_packs(vault: Vault, workers: Workers, count: int, *, seed: object = 0, size: int = 9_000) -> None:
    """So many new packs, each with one part."""
    for number in range(count):
        store(vault, workers, [noise(size, (seed, number))])


def protect(vault: Vault, workers: Workers, **options: object) -> Made:
    return make_parity(vault, workers, Silent(), **options)


def groups_in(vault: Vault, workers: Workers) -> list[Group]:
    return groups_of(see_parity(vault, workers).pieces)


def pack_name(name: bytes) -> str:
    return fmt.object_name(fmt.ObjectKind.PACK, name)


def parity_name(name: bytes) -> str:
    return fmt.object_name(fmt.ObjectKind.PARITY, name)


def packs(storage: MemoryStorage) -> list[bytes]:
    return [fmt.digest_of(name) for name in names(storage, "packs/")]


def heal(
    vault: Vault, workers: Workers, lost: Iterable[bytes], spoilt: Collection[bytes] = ()
) -> dict[bytes, Restored]:
    """Bring packs back and store them, as a repair does."""
    found = {}
    for one in restore_packs(vault, lost, workers, Silent(), spoilt=spoilt):
        if one.data:
            vault.door.send(SealedObject(kind=Outbound.PACK, data=one.data))
        found[one.name] = one
    return found
