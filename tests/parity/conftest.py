"""Vaults in memory, and workers."""

from tests.vault.conftest import opened, storage, workers

__all__ = ["opened", "storage", "workers"]
