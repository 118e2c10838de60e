"""The real daemon, real files, real storage: whatever comes in between, in the end the vault holds what the folder holds.

Each test does something to the folder, the storage or the process, asks at each step whether what the daemon says of
itself is true, and at the end restores the newest snapshot and compares.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from photovault.watch import control
from tests.support.daemon import HEARD, Watching, standings
from tests.support.photos import jpeg, library, put, same_tree
from tests.support.programs import missing
from tests.support.servers import SeaweedFS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Done

    Run = Callable[..., Done]

MB = 1_000_000
QUICK = '[watch]\nsettle = "300ms"\nmax_delay = "5s"\nmin_interval = "0s"\n[network]\nretries = 1\ntimeout = "5s"\n'


class Home:
    """A library of photos, a configuration that watches it, and what restores it."""

    def __init__(self, folder: Path, photovault: Run) -> None:
        self.folder = folder
        self.photos = library(folder / "Pictures", Random(7), files=4)
        self.config = folder / "device" / "config.toml"
        self.run = photovault
        self.configure(self.photos)
        self._restored = 0

    def configure(self, *sources: Path, more: str = "") -> None:
        """Watch these folders."""
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text("".join(f"[[sources]]\npath = '{one}'\n" for one in sources) + QUICK + more)

    def watch(self, *options: str) -> Watching:
        """Start the daemon."""
        return Watching(self.folder / "daemon.log", *options)

    def restored(self, source: str = "main") -> Path:
        """The newest snapshot at a destination, restored into a new folder."""
        self._restored += 1
        to = self.folder / f"restored {self._restored}"
        options = () if source == "main" else ("--vault", source)
        done = self.run("restore", "--to", to, *options)
        assert done.code == 0, done.err
        return to

    def is_safe(self, source: str = "main") -> None:
        """The newest snapshot holds what the folder holds, to the byte."""
        to = self.restored(source)
        assert same_tree(self.photos, to / self.photos.name) == []
        shutil.rmtree(to)

    def is_said_to_be_safe(self) -> None:
        """``photovault status`` agrees."""
        done = self.run("status", "--json")
        assert (done.code, done.json["protected"]) == (0, True), done.out + done.err


@pytest.fixture
def home(tmp_path: Path, vault: Path, photovault: Run) -> Home:
    """Photos, a vault in a folder, and a configuration."""
    home = Home(tmp_path, photovault)
    home.run("backup", "--all-files")  # so that there is a snapshot to compare with
    return home


def heard(daemon: Watching, *names: str) -> None:
    """What was just changed is soon said to wait for a backup (of these destinations, or of all)."""
    daemon.until(lambda status: all(how != "protected" for name, how in standings(status).items() if name in names or not names), HEARD)


# Files
