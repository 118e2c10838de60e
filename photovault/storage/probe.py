"""Whether a storage keeps its word and never overwrites.

Some stores take the condition "only if nothing is there" and overwrite all the same.  ``refuses_overwriting`` finds out
with an object that is there anyway and stays as it was.  What was found lies in the state folder of this device, one
empty file for each storage that overwrites; it is then asked first what is there.  Nothing depends on the file: names are
never used twice, so it only narrows the time in which two devices could surprise each other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from photovault.durable import make_folders
from photovault.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def refuses_overwriting(put: Callable[[bytes], None], data: bytes) -> bool:
    """Whether other bytes are refused; if not, ``data``, which was there before, is put back.

    Args:
        put: stores bytes under a name that holds ``data``.
        data: what the name holds.
    """
    try:
        put(data + b"\n")
    except RefusedError:
        return True
    put(data)
    return False


class Place(Protocol):
    """Where this device keeps what it found out."""

    @property
    def state_dir(self) -> Path:
        """A folder."""


def remember_overwriting(place: Place, address: str) -> None:
    """Note that the storage at a shown address overwrites."""
    path = _marker(place, address)
    make_folders(path.parent)
    path.touch(mode=0o600)


def is_known_to_overwrite(place: Place, address: str) -> bool:
    """Whether the storage at a shown address was found to overwrite."""
    return _marker(place, address).exists()


def _marker(place: Place, address: str) -> Path:
    return place.state_dir / "overwriting" / hashlib.sha256(address.encode()).hexdigest()
