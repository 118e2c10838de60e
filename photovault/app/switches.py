"""What the two-run proof switches: things that must not be seen in what leaves.

A switch sets a twin of this device up without something, or with it.  ``faces``: without a folder of people, or with the
one of this device.  Where that holds no store, one is made up: a consent that holds, and a store, a key and a register
full of planted vectors and a planted name, none of them encrypted; so whatever a backup would take of it would be seen.
Neither is opened here: this process has a network, and so it never has the face key.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from photovault.names import FACE_STORE_MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.app.runs import App

_THREADS = 4
_VECTORS, _NUMBERS = 64, 128
_NAME = "Planted Person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Something that must not be seen outside: what people call it, and how an App is set up without and with it."""

    name: str
    off: Callable[[App], None]
    on: Callable[[App], None]


def switches(app: App) -> tuple[Switch, ...]:
    """All there are."""
    return threads_switch(), faces_switch(app)


def threads_switch() -> Switch:
    """One worker, or several: what is sent must depend on the photos, the keys and the clock alone."""
    return Switch(name="several workers", off=partial(_use_threads, 1), on=partial(_use_threads, _THREADS))


def faces_switch(app: App) -> Switch:
    """Nobody's faces, or those that ``app`` keeps; made-up ones where it keeps none."""
    from photovault.people.store.store import Store

    if Store.exists(app.people_folder):
        return Switch(name="faces", off=_without_people, on=partial(_with_people, app.people_folder))
    return Switch(name="faces (planted ones, as none are kept here)", off=_without_people, on=_make_people_up)


def _use_threads(threads: int, app: App) -> None:
    app.config = replace(app.config, backup=replace(app.config.backup, jobs=threads))


def _without_people(app: App) -> None:
    app.people_folder = app.state_dir / "nobody"


def _with_people(folder: Path, app: App) -> None:
    app.people_folder = folder


def _make_people_up(app: App) -> None:
    """A folder of people that looks like one; its bytes are the same every time, and nobody's."""
    from photovault.people.consent import notice
    from photovault.people.consent.consent import Consent

    folder = app.people_folder = app.state_dir / "people"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Consent(folder, app.world.now).grant(["/"], words=notice.WORDS, notice_sha=notice.sha256())
    vectors = planted_vectors()
    people = {"people": [{"id": 1, "name": _NAME, "count": _VECTORS}]}
    (folder / "faces.db").write_bytes(FACE_STORE_MAGIC + json.dumps(people).encode() + b"".join(vectors))
    (folder / "face.key").write_bytes(FACE_STORE_MAGIC + hashlib.sha256(FACE_STORE_MAGIC).digest())
    (folder / "releases.jsonl").write_text(json.dumps({"person": _NAME}) + "\n", encoding="utf-8")


def planted_vectors() -> list[bytes]:
    """Vectors that no face has: float32, little-endian, from -0.25 to 0.25."""
    noise = hashlib.shake_256(FACE_STORE_MAGIC).digest(4 * _VECTORS * _NUMBERS)
    numbers = [number / 2**33 for (number,) in struct.iter_unpack("<i", noise)]
    return [struct.pack(f"<{_NUMBERS}f", *numbers[at : at + _NUMBERS]) for at in range(0, len(numbers), _NUMBERS)]
