"""A computer with people: photos whose faces are coloured squares, a consent, and a face store with vectors in it."""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from photovault.app import consent as consenting
from photovault.app.people import People, open_people
from photovault.app.people_scan import chosen_curve, engine_order
from photovault.people import regroup
from photovault.people.consent.notice import FACES
from photovault.people.engines.models import curve_of, key_of
from photovault.people.scan import stamp_of
from photovault.people.values import Box, Seen
from tests.support.devices import Computer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.people.store.store import Store

SIZE = (640, 480)
BOX = Box(0.25, 0.25, 0.15, 0.2)  # 96 x 96 pixels
SECOND = Box(0.6, 0.5, 0.15, 0.2)
GROUND = (200, 200, 190)
COLOURS = {"ada": (190, 40, 40), "bob": (40, 60, 190), "eve": (40, 150, 60)}
NEAR = 0.62
"""How far Eve is from Ada: too far for one group, near enough for a question."""


def vector(person: str, number: int = 0) -> bytes:
    """A vector of 128 numbers; those of a person are nearly the same."""
    numbers = [0.0] * 128
    if person == "bob":
        numbers[1] = 2.0
    if person == "eve":
        numbers[0] = NEAR
    numbers[2 + number] = 0.01
    return struct.pack("<128f", *numbers)


class Folk:
    """The computer.  ``agree`` and ``fill`` make it as a scan leaves it: Ada in four photos, Bob in three, both in one, Eve in two."""

    def __init__(self, folder: Path) -> None:
        self.computer = Computer(
            folder / "device", folder / "vault", start=datetime.now(UTC)
        )  # as child processes see it
        self.album = folder / "Album"
        self.album.mkdir(parents=True)
        self.state = folder / "device" / "state" / "people"
        self.app = self.computer.app

    def agree(self, *folders: Path) -> None:
        agreement = consenting.Agreement(words=FACES.words, notice_sha=FACES.sha256())
        app = self.app()
        scope = consenting.chosen_folders(app, [str(one) for one in folders or (self.album,)])
        consenting.enable(app, scope, agreement)

    def withdraw(self) -> None:
        consenting.disable(self.app())

    def people(self) -> People:
        return open_people(self.app())

    def put(self, name: str, *people: str) -> Path:
        """A photo in which faces are coloured squares on a plain ground."""
        image = Image.new("RGB", SIZE, GROUND)
        for box, person in zip((BOX, SECOND), people, strict=False):
            left, top, width, height = box.pixels(*SIZE)
            ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), COLOURS[person])
        path = self.album / name
        image.save(path)
        return path

    def fill(self) -> None:
        """Photos, and what a scan found in them."""
        shown = [(f"ada{n}.png", "ada") for n in range(4)] + [(f"bob{n}.png", "bob") for n in range(3)]
        shown += [("eve0.png", "eve"), ("eve1.png", "eve"), ("both.png", "ada", "bob")]
        with self.store() as store:
            for number, (name, *people) in enumerate(shown):
                self.seen(store, number, self.put(name, *people), people)
            order = engine_order(self.app().config)
            regroup.regroup(store, chosen_curve(self.app().config, curve_of(order)), full=True)

    def seen(self, store: Store, number: int, path: Path, people: list[str]) -> None:
        """Keep the faces of a photo."""
        data = path.read_bytes() + bytes([number])
        path.write_bytes(data)  # no two photos have the same bytes
        faces = [
            Seen(box, (0.3,) * 10, 0.9, 0.9 - number / 100, vector(person, number))
            for box, person in zip((BOX, SECOND), people, strict=False)
        ]
        store.put_photo(
            os.fsencode(path),
            stamp_of(os.fsencode(path.name), path.stat()),
            hashlib.sha256(data).digest(),
            *SIZE,
            f"20{10 + number}-05-04T13:00:00",
            faces,
            key_of(engine_order(self.app().config)),
        )

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store, open for writing in this process."""
        with self.people()._store(write=True) as store:
            yield store

    def digest(self, name: str) -> str:
        return hashlib.sha256((self.album / name).read_bytes()).hexdigest()
