"""Faces beside backups: the daemon looks for them when it is idle, in a process of its own, and ends soon when it is told."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import Watching
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable

SOON = 10.0  # seconds that the end of the daemon may take


@pytest.fixture
def home(tmp_path: Path, vault: Path) -> Path:
    """A vault, an album of three pictures without anybody, and a daemon's configuration."""
    config = Path(os.environ["PHOTOVAULT_CONFIG"])
    album = tmp_path / "Album"
    for number in range(3):
        put(album / f"{number}.jpg", jpeg(number))
    config.write_text(
        f"[vault]\nurl = '{vault}'\n[[sources]]\npath = '{album}'\n[watch]\nsettle = '100ms'\nmin_interval = '0s'\n"
    )
    return album


def agree(photovault: Callable, album: Path) -> None:
    prefix = photovault("people", "notice", "--json").json["notice"]["prefix"]
    done = photovault("people", "enable", "--scope", album, "--agree", "group faces", "--notice", prefix)
    assert done.code == 0, done.err


def children(words: str) -> list[str]:
    """Command lines of running processes of photovault with these words in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
            environ = path.with_name("environ").read_bytes()
        except OSError:
            continue
        if words in line and os.environb[b"PHOTOVAULT_STATE_DIR"] in environ and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found


@pytest.mark.slow
def test_new_photos_are_looked_at_in_the_background_once_somebody_agreed(
    photovault: Callable, home: Path, tmp_path: Path
) -> None:
    with Watching(tmp_path / "watch.log") as daemon:
        daemon.until_ready()
        time.sleep(2)
        assert not daemon.events("faces looked for"), "nobody agreed"
        agree(photovault, home)
        assert daemon.wait("faces looked for")["photos"] == 3
        put(home / "new.jpg", jpeg(99))
        assert daemon.wait("faces looked for")["photos"] == 1
        status = photovault("people", "status", "--json").json
        assert (status["photos"], status["background"]) == ({"scanned": 4, "left": 0}, True)
        assert photovault("people", "disable").code == 0
        assert not (tmp_path / "device" / "state" / "people" / "faces.db").exists()
        put(home / "newer.jpg", jpeg(100))
        daemon.until_protected()
        time.sleep(2)
        assert len(daemon.events("faces looked for")) == 2
        said = json.dumps([json.loads(line) for line in daemon.log.read_text().splitlines()])
        assert "new.jpg" not in said.replace("newer.jpg", "")


@pytest.mark.slow
def test_told_to_end_the_daemon_ends_a_scan_within_ten_seconds_and_what_it_found_stays(
    photovault: Callable, home: Path, tmp_path: Path
) -> None:
    for number in range(60):
        put(home / f"large{number}.jpg", jpeg(number, (1600, 1200)))
    agree(photovault, home)
    with Watching(tmp_path / "watch.log") as daemon:
        daemon.wait("looking for faces", 90.0)
        run = daemon.until(lambda status: status["run"] is not None and status["run"]["files"] > 8)["run"]
        assert (run["what"], run["files_total"], run["file"]) == ("faces", 63, "")
        began = time.monotonic()
        daemon.process.terminate()
        assert daemon.process.wait(SOON) == 0
        assert time.monotonic() - began < SOON
    assert children("people_process") == []
    known = photovault("people", "status", "--json").json["photos"]
    assert known["scanned"] > 0
    assert known["scanned"] + known["left"] == 63
    done = photovault("people", "scan", "--json").json
    assert (done["photos_looked_at"], done["photos_left"]) == (known["left"], 0)
