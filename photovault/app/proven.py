"""How much is proven at each destination, as this computer remembers it.  Asks nobody, and so costs ``status`` next to nothing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from photovault.app.session import kept_at
from photovault.app.settings import local_folder
from photovault.proofs import Proofs, Proven
from photovault.storage.addresses import parse_address

if TYPE_CHECKING:
    from photovault.app.runs import App

FILE = "proofs.sqlite"


def proven_at(app: App, url: str) -> Proven | None:
    """How much is proven of the destination at an address; None when nobody ever drilled it."""
    place = local_folder(url)
    address = parse_address(url).shown if place is None else str(place)  # as the storage itself has it
    for path in sorted(kept_at(folder, address) / FILE for folder in (app.state_dir / "vaults").glob("*")):
        if path.exists():
            with closing(Proofs(path)) as proofs:
                return proofs.standing(app.world.now())
    return None
