"""A world without chance: randomness and time that tests choose, and vaults made in it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from photovault.crypto.wrap import Stretch
from photovault.storage.memory import MemoryStorage
from photovault.vault.places import Places
from photovault.vault.slots import NewSlot
from photovault.vault.vault import Vault, create

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from photovault.storage.base import Storage

CHEAP = Stretch(memory_kib=64 * 1024, passes=1, lanes=4)
START = datetime(2024, 5, 4, 12, 0, 0, tzinfo=UTC)
WORDS = bytes(range(32))
DEVICE = bytes(range(32, 64))


def seeded(seed: str = "") -> Callable[[int], bytes]:
    """Randomness that is the same on every run."""
    state = {"count": 0}

    def random(size: int) -> bytes:
        state["count"] += 1
        return hashlib.shake_256(f"{seed}/{state['count']}".encode()).digest(size)

    return random


class Clock:
    """A clock that moves by a second at each look."""

    def __init__(self, start: datetime = START) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def new_slot(kind: str, secret: bytes | str, random: Callable[[int], bytes]) -> NewSlot:
    """A slot to be; passwords are stretched as little as the format allows."""
    return NewSlot(
        kind=kind,
        secret=secret,
        label=f"{kind} of a test",
        created="2024-05-04T12:00:00.000000Z",
        slot_id=random(16),
        salt=random(32),
        stretch=CHEAP if kind == "password" else None,
    )


def make_vault(
    folder: Path, storage: Storage | None = None, *, seed: str = "vault", more: Sequence[NewSlot] = ()
) -> Vault:
    """A vault with a words slot (``WORDS``) and a device slot (``DEVICE``); its index memory is in ``folder``."""
    random = seeded(seed)
    return create(
        storage if storage is not None else MemoryStorage(),
        vault_id=random(16),
        root=random(32),
        documents={"RECOVER.txt": b"text\n", "recover.py": b"print()\n", "FORMAT.md": b"format\n"},
        slots=[new_slot("words", WORDS, random), new_slot("device", DEVICE, random), *more],
        places=Places(folder / "places.sqlite"),
    )
