"""A computer with photos, its vault in a folder, and the gallery's photos of it."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from photovault.app.viewing.jobs import Jobs
from photovault.app.viewing.photos import Photos
from tests.support.devices import Computer
from tests.support.photos import jpeg, put
from tests.support.world import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.app import App
    from photovault.gallery.values import Tile
    from photovault.storage.base import Storage

ROME = {1: "N", 2: (41.0, 53.0, 30.0), 3: "E", 4: (12.0, 30.0, 0.0)}
FIJI_WEST = {1: "S", 2: (17.0, 0.0, 0.0), 3: "E", 4: (179.0, 54.0, 0.0)}
FIJI_EAST = {1: "S", 2: (17.0, 0.0, 0.0), 3: "W", 4: (179.0, 54.0, 0.0)}


def photo(seed: int, taken: str | None = None, place: dict[int, Any] | None = None, turned: int = 1) -> bytes:
    """A photo by a Canon, that says when and where it was taken; ``turned``: how, as Exif numbers it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Canon", "PowerShot G7", turned
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    if place:
        exif.get_ifd(0x8825).update(place)
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg(seed))).save(out, "JPEG", exif=exif)
    return out.getvalue()


def xmp(rating: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="%d"/></rdf:RDF></x:xmpmeta>' % rating
    )


class House:
    """``pictures`` are backed up by ``backup``; ``seconds`` is what the clock of the gallery shows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pictures, self.vault = folder, folder / "Pictures", folder / "vault"
        self.home = Computer(folder / "home", self.vault)
        self.home.make_vault()
        self.seconds = 0.0

    def put(self, name: str, data: bytes) -> Path:
        return put(self.pictures / name, data)

    def backup(self, **options: Any) -> str:
        """Back up all of it; returns the id of the snapshot."""
        self.home.backup(self.pictures, **options)
        return self.home.snapshots()[-1]

    def app(self, home: Computer | None = None, storage: Storage | None = None, **settings: Any) -> App:
        app = (home or self.home).app(storage, **settings)
        app.world = replace(app.world, clock=lambda: self.seconds)
        return app

    @contextmanager
    def gallery(self, home: Computer | None = None, **settings: Any) -> Iterator[Photos]:
        app = self.app(home, **settings)
        with closing(Jobs(seeded("jobs"))) as jobs, closing(Photos(app, jobs)) as photos:
            self.jobs = jobs
            yield photos


def timeline(photos: Photos, at: str = "") -> list[Tile]:
    """Every tile, part by part."""
    return [tile for part in photos.spine(at).parts for tile in photos.tiles(at, part.first, part.last)]


def names(tiles: list[Tile] | tuple[Tile, ...]) -> list[str]:
    return [tile.name for tile in tiles]


def named(photos: Photos, name: str, at: str = "") -> Tile:
    """The tile of a name."""
    return next(tile for tile in timeline(photos, at) if tile.name == name)
