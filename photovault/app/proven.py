"""How much is proven at each destination, as this computer remembers it.  Asks nobody, and so costs ``status`` next to nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.app.session import kept_at
from photovault.app.settings import local_folder
from photovault.proofs import Proofs, Proven
from photovault.storage.addresses import parse_address

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.runs import App

FILE = "proofs.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A destination, and what this computer's drills showed of it; None when there was none."""

    name: str
    proven: Proven | None

    @property
    def wrong(self) -> int:
        """How many photos and folders are known not to be as they should."""
        return self.proven.wrong if self.proven is not None else 0


def places(app: App) -> list[Place]:
    """Every destination; asks nobody."""
    return [Place(name=one.name, proven=proven_at(app, one.url)) for one in app.destinations()]


def days_of(app: App) -> dict[str, int]:
    """By day, how many files were proven last on it, over all destinations; asks nobody."""
    days: Counter[str] = Counter()
    for one in app.destinations():
        for path in _kept(app, one.url):
            with closing(Proofs(path)) as proofs:
                days.update(proofs.by_day(app.world.now()))
    return dict(days)


def said(proven: Proven | None, files: int) -> str:
    """How much of so many files is proven, in a line."""
    if proven is None or not (proven.drilled or proven.proven or proven.lost):
        return "never proven; `photovault drill` restores a sample and compares it"
    percent = proven.percent(files)
    share = "less than 1 %" if proven.proven and not percent else f"{percent} %"
    oldest = f", oldest proof {proven.oldest[:10]}" if proven.oldest else ""
    return f"proven {share} within 12 months{oldest}"


def address_at(url: str) -> str:
    """The address of a destination without secrets, as its storage itself has it."""
    place = local_folder(url)
    return parse_address(url).shown if place is None else str(place)


def proven_at(app: App, url: str) -> Proven | None:
    """How much is proven of the destination at an address; None when nobody ever drilled it."""
    for path in _kept(app, url):
        with closing(Proofs(path)) as proofs:
            return proofs.standing(app.world.now())
    return None


def _kept(app: App, url: str) -> list[Path]:
    """The file of proofs of a destination, if there is one."""
    every = sorted(kept_at(folder, address_at(url)) / FILE for folder in (app.state_dir / "vaults").glob("*"))
    return [path for path in every if path.exists()][:1]
