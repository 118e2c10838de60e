"""What ``photovault people status`` tells: the consent, what is missing, and what the face store and its last scan say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.app.people_scan import left_by, noted
from photovault.people.shown import PeopleStatus

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.config import Config
    from photovault.people.consent.standing import Standing
    from photovault.people.store.store import Store


@dataclass(frozen=True, slots=True)
class About:
    """What there is to tell: the folder and the consent, what is missing to scan, and how that is mended."""

    folder: Path
    config: Config
    standing: Standing
    missing: str
    hint: str

    def status(self, store: Store | None = None, key_in: str = "") -> PeopleStatus:
        """The whole of it; ``store`` if it can be opened, ``key_in``: where its key is."""
        last = {} if store is None else noted(store)
        counts = None if store is None else store.counts()
        key_kind = "" if not key_in else "file" if os.path.isabs(key_in) else "keyring"
        return PeopleStatus(
            consent=self.standing.state,
            scope=self.standing.scope,
            until=self.standing.until,
            why=self.standing.why,
            engine=self.config.people.engine,
            missing=self.missing,
            missing_hint=self.hint,
            scanned=counts.photos if counts is not None else None,
            left=None if store is None else left_by(last, store, self.config),
            faces=counts.faces if counts is not None else 0,
            people=counts.people if counts is not None else 0,
            named=counts.named if counts is not None else 0,
            hidden=counts.hidden if counts is not None else 0,
            protection=tuple(last.get("protection", ())),
            overridden=tuple(last.get("overridden", ())),
            alarms=tuple(last.get("alarms", ())),
            background=self.config.people.background,
            last_scan=last.get("time", ""),
            store_bytes=sum(_size(self.folder / f"faces.db{end}") for end in ("", "-wal", "-shm")),
            key_in=key_kind,
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
