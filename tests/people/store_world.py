"""Face stores to try things on: made-up people, whose vectors are points around a middle each."""

from __future__ import annotations

import hashlib
import random
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from photovault.model import Stamp
from photovault.people.decisions import Decisions
from photovault.people.store.store import Store
from photovault.people.values import Box, Curve, Seen

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
ENGINE = "test 1"
SIZE = 16  # numbers in a vector
CURVE = Curve(points=((1, 0.5), (1000, 0.4)))
NOW = datetime(2024, 5, 4, 12, tzinfo=UTC)


def vector(who: str, spread: float = 0.02, seed: object = 0, size: int = SIZE) -> bytes:
    """A vector of somebody: two of one person are near, of two people far."""
    middle = random.Random(who)
    around = random.Random(f"{who} {seed}")
    numbers = [middle.gauss(0, 0.35) + around.gauss(0, spread) for _ in range(size)]
    return struct.pack(f"<{size}f", *numbers)


def seen(who: str, left: float = 0.1, seed: object = 0, quality: float = 0.8, **more) -> Seen:
    """A face at a place of its own in the picture."""
    return Seen(Box(left, 0.2, 0.15, 0.25), (left,) * 10, 0.9, quality, vector(who, seed=seed, **more))


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def stamp(name: str, version: int = 1) -> Stamp:
    return Stamp(name.encode(), 7, 1000, version * 10**9, version * 10**9)


def path_of(name: str) -> bytes:
    return f"/photos/{name}".encode()


def put(
    store: Store, name: str, *faces: Seen, content: str = "", version: int = 1, engine: str = ENGINE, **more
) -> int:
    """A photo with faces."""
    taken = more.pop("taken", f"2024-01-{1 + len(name) % 28:02}T10:00:00")
    return store.put_photo(
        path_of(name), stamp(name, version), digest(content or name), 4000, 3000, taken, list(faces), engine, **more
    )


def made(folder: Path) -> Store:
    return Store.open(folder, KEY)


def decisions(store: Store) -> Decisions:
    return Decisions(store, lambda: NOW)


def faces_of(store: Store, photo: int) -> list[int]:
    return [row[0] for row in store.db.rows("SELECT id FROM faces WHERE photo = ? ORDER BY x", (photo,))]


def grouped(store: Store, groups: dict[int, list[int]]) -> None:
    """Put faces into groups, as a grouping would."""
    import numpy as np

    faces = store.load_faces()
    label = {face: number for number, ids in groups.items() for face in ids}
    store.assign(faces, np.array([label.get(face, -1) for face in faces.ids.tolist()], np.int64))


def state(store: Store) -> object:
    """All that a person can decide."""
    tables = ("people", "links", "denials")
    faces = store.db.rows("SELECT id, photo, grp, person, sure, no_face FROM faces ORDER BY id")
    return [store.db.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables], faces
