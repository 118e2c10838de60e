"""Who is told how far a long run is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told from the owner's thread, often; must be quick."""

    def total(self, files: int, size: int) -> None:
        """So much there is to do, in files and bytes."""

    def advance(self, files: int, size: int, path: str) -> None:
        """So much more is done; ``path`` (or just the name) is what was done last."""
