"""No vector, name or box in any log, ``--json``, error or temporary file: everything that commands print and write is searched.

Real faces are looked for, named and used, each command in a process of its own; meanwhile every file that is written to
the folders for state, cache, configuration and temporary files is kept, also one that is gone a moment later.  Then the
vectors, read from the store with its key, are searched for in twenty encodings, and so are the name and the boxes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from photovault.people.keeping.key import FaceKey
from photovault.people.store.store import Store
from tests.support import encodings, faces
from tests.support.watching import Watch, watched

NAME = "Ophelia Quirinale"
WORDS = "group faces"
_SOUGHT = 8  # vectors, each in sixty forms: whatever takes them, takes them all
MAY_NAME = ("list", "show", "name", "merge", "split", "hide", "unhide", "history", "undo", "review")


class Said(NamedTuple):
    """What a command printed."""

    words: tuple[str, ...]
    code: int
    out: bytes
    err: bytes


class Device:
    """Commands on this computer, and all that they print."""

    def __init__(self, tmp_path: Path, leak: str = "") -> None:
        self.temporary = tmp_path / "temporary"
        self.said: list[Said] = []
        self._start = ["-c", leak + "\nfrom photovault.cli.main import main; main()"] if leak else ["-m", "photovault"]

    def run(self, *words: object, code: int | None = 0) -> Said:
        done = subprocess.run(
            [sys.executable, *self._start, *map(str, words)],
            env=os.environ | {"TMPDIR": str(self.temporary), "PYTHONFAULTHANDLER": "1"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        self.said.append(Said(tuple(map(str, words)), done.returncode, done.stdout, done.stderr))
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        return self.said[-1]

    def json(self, *words: object) -> dict:
        return json.loads(self.run(*words, "--json").out.splitlines()[-1])


class Known(NamedTuple):
    """What must be nowhere."""

    vectors: list[tuple[float, ...]]
    boxes: list[bytes]


@pytest.fixture
def album(tmp_path: Path, vault: Path) -> Path:
    faces.library(tmp_path / "Album", each=2)
    return tmp_path / "Album"


def folders(tmp_path: Path) -> tuple[Path, ...]:
    return tmp_path / "device", tmp_path / "temporary"


def agree(device: Device, album: Path) -> None:
    prefix = device.json("people", "notice")["notice"]["prefix"]
    device.run("people", "enable", "--scope", album, "--agree", WORDS, "--notice", prefix)


def known(state: Path) -> Known:
    """All vectors and boxes, read from the store with its key."""
    with Store.open(state, FaceKey(state, None).require(), write=False) as store:
        vectors = [memoryview(row).cast("f").tolist() for (row,) in store.db.rows("SELECT vector FROM vectors")]
        shown = [face for person in store.people(all=True, hidden=True, faces=True) for face in person.faces]
    boxes = {sign.join(map(str, face.box)).encode() for face in shown for sign in (",", ", ", " ", ",\n ")}
    assert vectors
    assert boxes
    return Known(list(map(tuple, vectors)), sorted(box for box in boxes if len(box) > 10))


def named(data: bytes) -> bool:
    forms = (NAME.encode(), NAME.encode("utf-16-le"), NAME.encode().hex().encode(), b"Quirinale", b"Ophelia")
    return any(form.lower() in data.lower() for form in forms)


def leaks(device: Device, watch: Watch, what: Known) -> list[str]:
    """Where something of ``what`` is, and may not be."""
    found = []
    forms = [(name, form) for vector in what.vectors[:_SOUGHT] for name, form in encodings._forms(vector)]
    pieces = [(f"{' '.join(one.words)}: error", one.err, False, False) for one in device.said]
    for one in device.said:
        people = one.words[0] == "people"
        told = people and one.words[1] in MAY_NAME
        pieces.append((f"{' '.join(one.words)}: answer", one.out, told, told and "--faces" in one.words))
    pieces += [(str(path), data, False, False) for path, data in watch.contents()]
    for where, data, may_name, may_box in pieces:
        sealed = Path(where).name.startswith("faces.db")  # nothing in it is compressed
        for how, piece in [("", data)] if sealed else encodings._with_unpacked(data):
            found += [f"{where}: a vector, {name}{how}" for name, form in forms if form in piece]
        if named(data) and not may_name:
            found.append(f"{where}: a name")
        if not may_box:
            found += [f"{where}: a box" for box in what.boxes if box in data]
    return found


@pytest.mark.slow
def test_no_vector_name_or_box_is_anywhere_but_in_the_store_and_in_the_answer(
    album: Path, vault: Path, tmp_path: Path
) -> None:
    device = Device(tmp_path)
    state = tmp_path / "device" / "state" / "people"
    with watched(*folders(tmp_path)) as watch:
        agree(device, album)
        device.json("people", "scan")
        what = known(state)
        groups = device.json("people", "list", "--faces", "--all")["people"]
        first, second = groups[0]["id"], groups[1]["id"]
        device.run("people", "name", first, NAME)
        device.run("people", "show", NAME)
        device.run("people", "hide", second)
        device.run("people", "history")
        device.run("people", "review", "--json")
        device.run("people", "status", "--json")
        device.run("people", "status", "-v")
        device.run("people", "scan", "--again", "-v")
        device.run("people", "receipt", "--json")
        # Whoever asks for her, is not told her name again.
        device.run("backup", album, "-v", "--json")
        device.run("find", "--person", NAME)
        device.run("find", "--person", NAME, "--json")
        device.run("restore", "--person", NAME, "--to", tmp_path / "out", "--json")
        device.run("ls", "--person", NAME, "--json")
        device.run("status", "--json", code=None)
        device.run("check", "--json")
        assert device.run("audit", "--json").err == b"", "the planted vectors were had from the child"
        device.run("audit", "--two-run", album, "--json")
        # Errors.
        device.run("people", "name", NAME, "", code=2)
        device.run("people", "merge", NAME, "p99999", "--debug", code=None)
        device.run("people", "name", second, NAME + "\x1b[31m", code=2)
        device.run("people", "split", NAME, "f99999", "--debug", code=None)
        device.run("find", "--person", NAME, "--person", "p99999", "--debug", code=None)
        device.run("people", "scan", "--again", "--json", code=None)
        faces_db = state / "faces.db"
        kept = faces_db.read_bytes()
        for at in (40, len(kept) // 2):
            faces_db.write_bytes(kept[:at] + bytes(512) + kept[at + 512 :])
            device.run("people", "list", "--debug", code=None)
        faces_db.write_bytes(kept)
        device.run("people", "disable", "--json")
        device.run("people", "list", "--json", code=4)
    assert leaks(device, watch, what) == []
    assert any(path.name.startswith("faces.db") for path, _ in watch.contents()), "it watched"
    assert encodings.leaks(state, what.vectors) == []
    assert not any(named(path.read_bytes()) for path in state.rglob("*") if path.is_file())


LEAKS = {
    "a log": """
import logging
from photovault.people.store.store import Store
real = Store._insert
def told(self, photo, seen, engine):
    logging.warning("%s", seen.vector.hex())
    return real(self, photo, seen, engine)
Store._insert = told
""",
    "a temporary file": """
import tempfile
from photovault.people.store.store import Store
real = Store._insert
def kept(self, photo, seen, engine):
    with tempfile.NamedTemporaryFile() as file:
        file.write(seen.vector)
        file.flush()
        import time; time.sleep(0.05)
    return real(self, photo, seen, engine)
Store._insert = kept
""",
    "a file in the cache": """
import json, os, zlib
from photovault.people.store.store import Store
real = Store._insert
def kept(self, photo, seen, engine):
    with open(os.environ["PHOTOVAULT_CACHE_DIR"] + "/faces.cache", "ab") as file:
        file.write(zlib.compress(json.dumps(memoryview(seen.vector).cast("f").tolist()).encode()))
    return real(self, photo, seen, engine)
Store._insert = kept
""",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_is_found(vault: Path, tmp_path: Path, leak: str) -> None:
    """Otherwise the test above would be worth nothing."""
    album = tmp_path / "Album"
    faces.save(faces.portrait("hopper").image, album / "hopper.jpg")
    device = Device(tmp_path, LEAKS[leak])
    (tmp_path / "device" / "cache").mkdir(parents=True, exist_ok=True)
    with watched(*folders(tmp_path)) as watch:
        agree(device, album)
        device.json("people", "scan")
        what = known(tmp_path / "device" / "state" / "people")
    found = leaks(device, watch, what)
    print(f"found for {leak}: {found[:1]}")
    assert any("a vector" in one for one in found)
