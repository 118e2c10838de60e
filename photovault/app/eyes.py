"""The decoder as a backup and a drill want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.decoder import host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.photos.looking import Asked


class Eyes:
    """Looks at photos, and packs pictures."""

    def __init__(self, decoders: host.Decoders) -> None:
        """Ask ``decoders``."""
        self.pack = decoders.pack
        self._decoders = decoders

    def look(self, files: Sequence[Asked]) -> host.Looking:
        """Begin to look at opened files."""
        return self._decoders.look([host.Asked(*one) for one in files])
