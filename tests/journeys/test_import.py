"""Leaving a cloud: import, back up, lose everything, get it back; and an import that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

from tests.importing.some import album, left_over, notes, tarred, tree, zipped
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_from_google_into_the_vault_and_back(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    """Bytes, times, notes and album names come through all of it."""
    photo = jpeg(1, taken="2021:05:04 13:22:11")
    files = {"Photos from 2021/IMG_1.jpg": photo, "Rome/IMG_1.jpg": photo, "Rome/metadata.json": album("Rome")}
    one = zipped(tmp_path / "takeout-1.zip", files)
    two = tarred(tmp_path / "takeout-2.tgz", {"Photos from 2021/IMG_1.jpg.json": notes("IMG_1.jpg", 1_620_134_531)})
    library = tmp_path / "Pictures"
    assert photovault("import", "takeout", one, two, "--to", library).code == 0
    before = tree(library)
    assert photovault("backup", library).code == 0
    shutil.rmtree(library)
    assert photovault("restore", "--to", tmp_path / "back").code == 0
    assert tree(tmp_path / "back" / "Pictures") == before
    assert before.keys() == {"2021/05/IMG_1.jpg", "2021/05/IMG_1.jpg.json", "photovault-albums.json"}
    assert (tmp_path / "back/Pictures/2021/05/IMG_1.jpg").stat().st_mtime == 1_620_134_531


def test_an_import_that_is_killed_is_finished_by_the_next(photovault: Callable, tmp_path: Path) -> None:
    random = Random(3)
    for number in range(120):
        put(tmp_path / "card" / f"MVI_{number:03}.mp4", random.randbytes(400_000), 1_600_000_000)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "photovault", "import", "folder", tmp_path / "card", "--to", out]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end and len(list(out.rglob("*.mp4"))) < 64:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in out.rglob("*.mp4"):
        assert path.read_bytes() == (tmp_path / "card" / path.name).read_bytes()
    done = photovault("import", "folder", tmp_path / "card", "--to", out, "--json")
    assert done.code == 0, done.err
    assert done.json["files_copied"] + done.json["files_there"] == 120
    assert {path.name: path.read_bytes() for path in out.rglob("*.mp4")} == {
        path.name: path.read_bytes() for path in (tmp_path / "card").iterdir()
    }
    assert left_over(out) == []
