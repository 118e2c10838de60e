"""How tests reach remote storages: without patience, without a keyring, and without chance."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from photovault.storage.opening import Access


def access(**other: Any) -> Access:
    """An ``Access`` that tries once."""
    settings: dict[str, Any] = {
        "environ": os.environ,
        "secret": lambda _: None,
        "timeout": 20.0,
        "retries": 0,
        "upload_limit": 0,
        "download_limit": 0,
        "object_lock_days": 0,
        "sleep": _never,
        "clock": lambda: 0.0,
        "now": lambda: datetime.now(UTC),
        "random": lambda: 0.0,
        "state_dir": Path("/nonexistent"),
    }
    return Access(**settings | other)


def _never(_seconds: float) -> None:
    message = "nothing is to be waited for"
    raise AssertionError(message)
