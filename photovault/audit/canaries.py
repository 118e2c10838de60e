"""Canaries: bytes that must be nowhere in a vault, searched for in everything that is decrypted.

Each is looked for as it is, in hexadecimal and in base64 (which has three forms, by where it begins).  A tripwire, no
proof: bytes that were changed on their way, or cut by the border of a part, are not recognised.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST = 16  # shorter ones stand in any photo by chance
MOST = 1 << 20


class Canaries:
    """A set of canaries, ready to be searched for.  Safe for several threads."""

    def __init__(self, canaries: Iterable[tuple[str, bytes]] = ()) -> None:
        """Take (name for people, bytes) of each.

        Raises:
            UsageError: one is shorter than 16 bytes or longer than 1 MiB.
        """
        self._forms: list[tuple[str, bytes]] = []
        for name, data in canaries:
            if not LEAST <= len(data) <= MOST:
                raise UsageError(f"the canary {name} has {len(data):,} bytes", f"use {LEAST} bytes to 1 MiB")
            self._forms += [(name, form) for form in _forms(data)]

    def find(self, data: bytes) -> str:
        """The name of the first canary in ``data``, or empty."""
        return next((name for name, form in self._forms if form in data), "")


def _forms(data: bytes) -> set[bytes]:
    shifted = set()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data)
        # Letters at both ends hold bits of what stands beside it.
        shifted.add(text[-(-shift * 8 // 6) : len(text) - (4 if (shift + len(data)) % 3 else 0)])
    urls = {text.translate(bytes.maketrans(b"+/", b"-_")) for text in shifted}
    return {data, data.hex().encode(), data.hex().upper().encode()} | shifted | urls
